"""A learned policy as rows of tables, and as the solver's start where its comparison allows that."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from tests.udfs.fulfilment.day_rows import LEG, LINE, SHIPMENT, SLOT, VEHICLE, shipment, table, vehicle
from udfs.fulfilment.depot_day import depot_day
from udfs.fulfilment.fulfilment_spec import FulfilmentSpec
from udfs.fulfilment.learned.attention_policy import AttentionPolicy, PolicySpec
from udfs.fulfilment.learned.learn_spec import LearnSpec
from udfs.fulfilment.learned.learned_start import LearnedStart
from udfs.fulfilment.learned.learned_tables import METHOD, POLICY, learned_tables, training_of
from udfs.fulfilment.learned.method_comparison import RouteMethod
from udfs.fulfilment.route_tables import DAY, UNSERVED, RouteInputs, route_tables
from udfs.fulfilment.warehouse_spec import WarehouseSpec

SMALL = PolicySpec(width=16, heads=2, layers=1)
SPEC = FulfilmentSpec(effort=0.3)
ROOMY = vehicle(capacity_litres=250.0, vehicle_count=9.0)
PLACES = [shipment(f"s{n}", 48.1 + 0.03 * (n % 4), 11.3 + 0.05 * n) for n in range(12)]


def methods(*, is_start: bool, size_class: int = 20) -> list[RouteMethod]:
    return [
        RouteMethod(size_class, "policy", False, False, 0.02, 0.1, 2),
        RouteMethod(size_class, "solver_from_policy", is_start, False, 0.0, 0.1, 2),
    ]


def learned(*, is_start: bool) -> dict[str, pa.Table]:
    return learned_tables(LearnSpec(steps=12, days=2), SMALL, lambda _policy, _spec: methods(is_start=is_start))


def with_run(rows: pa.Table, run: str) -> pa.Table:
    return rows.append_column("run_id", pa.repeat(run, rows.num_rows))


def test_a_policy_is_kept_with_what_it_was_learned_from_and_is_worth() -> None:
    found = learned(is_start=True)
    (row,) = found[POLICY].to_pylist()
    card = json.loads(row["card"])
    assert card["spec"]["steps"] == 12
    assert card["gap"] == {"20": 0.02}
    assert card["may_start_the_solver"] == [20]
    again = AttentionPolicy.from_bytes(row["weights"])
    assert (again.spec, again.card) == (SMALL, card)
    assert [each["method"] for each in found[METHOD].to_pylist()] == ["policy", "solver_from_policy"]


def test_training_takes_the_steps_asked_for_and_wrong_settings_are_named() -> None:
    assert training_of(LearnSpec(steps=3000)).steps == 3000
    assert training_of(LearnSpec(steps=10)).steps == 10
    with pytest.raises(ValueError, match=r"LearnSpec\.steps: expected 0, or at least 10, found 3"):
        LearnSpec(steps=3)


def test_what_the_comparison_does_not_allow_is_not_used_and_the_newest_counts() -> None:
    yes, no = learned(is_start=True), learned(is_start=False)
    assert LearnedStart.of(None, None) is None
    assert LearnedStart.of(with_run(no[POLICY], "1"), with_run(no[METHOD], "1")) is None
    both = [pa.concat_tables([with_run(yes[name], "1"), with_run(no[name], "2")]) for name in (POLICY, METHOD)]
    assert LearnedStart.of(*both) is None
    both = [pa.concat_tables([with_run(no[name], "1"), with_run(yes[name], "2")]) for name in (POLICY, METHOD)]
    found = LearnedStart.of(*both)
    assert found is not None
    assert found.sizes == {20}


def test_routes_to_begin_with_visit_each_stop_once_and_hold_what_a_vehicle_carries() -> None:
    start = LearnedStart(AttentionPolicy(SMALL).eval(), frozenset({20}))
    problem = depot_day(PLACES, [ROOMY], None, 1, SPEC).problem
    routes = start.routes(problem, ROOMY, PLACES)
    assert sorted(stop for _, trips in routes for stop in trips[0]) == list(range(12))
    loads = [problem.load_NK[list(trips[0])].sum(0) for _, trips in routes]
    assert (np.array(loads) <= problem.vehicles[0].capacity_K).all()
    assert (
        start.routes(depot_day(PLACES, [ROOMY, vehicle(vehicle_type="truck")], None, 1, SPEC).problem, ROOMY, PLACES)
        == []
    )
    assert LearnedStart(start.policy, frozenset({8})).routes(problem, ROOMY, PLACES) == []


def test_a_day_that_begins_with_them_is_served_in_full_and_checked() -> None:
    start = LearnedStart(AttentionPolicy(SMALL).eval(), frozenset({20}))
    inputs = RouteInputs(
        table(SHIPMENT, PLACES), table(LINE, []), table(VEHICLE, [ROOMY]), table(LEG, []), table(SLOT, [])
    )
    costs = []
    for each in (None, start):
        tables, failures, _ = route_tables(inputs, SPEC, WarehouseSpec(), each)
        assert not failures.num_rows
        assert not tables[UNSERVED].num_rows
        (day,) = tables[DAY].to_pylist()
        assert day["stop_count"] == 12
        costs.append(day["route_cost"])
    assert costs[1] == pytest.approx(costs[0], rel=0.01)  # at 12 stops both are as good as the best

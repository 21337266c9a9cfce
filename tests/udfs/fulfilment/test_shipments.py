"""Days, loads and the worth of waiting."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from udfs.fulfilment.loads import loads_of
from udfs.fulfilment.ship_days import ship_day
from udfs.fulfilment.shipments import shipment_lines
from udfs.fulfilment.travel_matrix import assumed_travel, great_circle_m, stated_travel
from udfs.fulfilment.waiting_value import expected_excess, waiting_value

MONDAY = date(2024, 1, 1)


def test_the_last_possible_day_in_time_is_the_depots() -> None:
    weekday = {1, 3, 5}.__contains__
    found = ship_day(MONDAY, MONDAY + timedelta(days=3), lambda day: weekday(day.isoweekday()))
    assert found is not None
    assert not found.is_late
    assert (found.ds, found.wait_until) == (MONDAY + timedelta(days=2), MONDAY + timedelta(days=4))


def test_a_receipt_before_the_order_is_late_on_the_first_day() -> None:
    found = ship_day(MONDAY, MONDAY - timedelta(days=2), lambda _day: True)
    assert found is not None
    assert (found.ds, found.is_late) == (MONDAY, True)


def test_no_day_at_all() -> None:
    assert ship_day(MONDAY, MONDAY, lambda _day: False) is None


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from([1, 4, 6]), st.floats(0.1, 9), st.floats(0, 9)),
        min_size=1,
        max_size=8,
    ),
    st.floats(20, 200),
    st.floats(20, 200),
)
@example([(3, 4, 1.0, 7.0), (1, 1, 1.0, 0.0)], 20.0, 20.0)
@example([(3, 4, 1.0, 7.0), (1, 1, 1.0, 5e-324)], 20.0, 20.0)
def test_loads_keep_every_unit_and_whole_packs_within_the_vehicle(
    lines: list[tuple[int, int, float, float]], litres: float, kg: float
) -> None:
    qty, pack, size, weight = (np.array(column, dtype=float) for column in zip(*lines, strict=True))
    parts = loads_of(qty, pack, size, weight, [(litres, kg)])
    for line in range(len(lines)):
        own = [part.qty for part in parts if part.line == line]
        assert sum(own) == pytest.approx(qty[line])
        assert min(own) > 0
        assert all(each % pack[line] == 0 for each in own[:-1])
    for load in {part.load for part in parts}:
        held = [part for part in parts if part.load == load]
        room = sum(part.qty * size[part.line] for part in held), sum(part.qty * weight[part.line] for part in held)
        is_single_pack = len(held) == 1 and held[0].qty <= pack[held[0].line]
        assert is_single_pack or (room[0] <= litres * (1 + 1e-9) and room[1] <= kg * (1 + 1e-9))


def test_no_capacity_is_one_load() -> None:
    many = np.array([1e6, 3.0])
    assert {part.load for part in loads_of(many, many, many, many, [])} == {0}


def test_excess_of_normal_demand_is_that_of_draws() -> None:
    draws = np.random.default_rng(1).normal(20.0, 6.0, 400_000)
    found = expected_excess(np.array([20.0, 20.0]), np.array([6.0, 6.0]), np.array([15.0, 30.0]))
    assert found == pytest.approx([np.maximum(draws - level, 0).mean() for level in (15, 30)], rel=0.03)


def test_waiting_costs_what_is_not_there_and_no_more_than_the_load() -> None:
    one = np.ones(1)
    # No stock: the day's demand of 10 is lost, but for what the delivery of 4 would not have met either.
    value = waiting_value(0 * one, 0 * one, 0 * one, 10 * one, 2 * one, 4 * one, 1.5 * one)
    assert value == pytest.approx([6.0])
    assert waiting_value(500 * one, 0 * one, 0 * one, 10 * one, 2 * one, 4 * one, 1.5 * one) == pytest.approx(
        [0.0], abs=1e-9
    )


def test_distances_on_earth() -> None:
    places = np.array([[52.52, 13.405], [48.1372, 11.5755], [52.52, 13.405]])  # Berlin, Munich, Berlin
    metres = great_circle_m(places[:, 0], places[:, 1])
    assert metres[0, 1] == pytest.approx(504_000, rel=0.005)
    assert metres[0, 2] == 0
    road, seconds = assumed_travel(places[:, 0], places[:, 1], 1.3, 60.0)
    assert road[0, 1] == round(metres[0, 1] * 1.3)
    assert seconds[0, 1] == pytest.approx(road[0, 1] * 0.06, abs=1)


def test_stated_ways_are_rounded_not_cut_and_the_missing_are_named() -> None:
    metres, seconds, missing = stated_travel(["a", "b"], {("a", "b"): (10.7, 59.5)})
    assert (metres[0, 1], seconds[0, 1], missing) == (11, 60, [("b", "a")])
    with pytest.raises(ValueError, match="from a to b"):
        stated_travel(["a", "b"], {("a", "b"): (float("nan"), 1.0)})


def test_lines_of_a_depot_day_are_split_to_the_unit() -> None:
    lines = pa.table(
        {
            "depot_day_id": ["dc|2024-01-01"] * 3,
            "depot_id": ["dc"] * 3,
            "ds": [MONDAY] * 3,
            "location_id": ["b", "a", "b"],
            "unique_id": ["x|b|all", "x|a|all", "y|b|all"],
            "order_qty": [10.0, 3.0, 5.0],
            "order_value": [20.0, 6.0, 50.0],
            "expected_receipt_ds": [MONDAY] * 3,
            "pack_qty": [1.0, 1.0, 1.0],
            "position_qty": [0.0, 0.0, 0.0],
            "unit_litres": [10.0, 10.0, 10.0],
            "unit_kg": [1.0, 1.0, 1.0],
            "is_load_assumed": [False, False, True],
            "mean_before": [0.0] * 3,
            "variance_before": [0.0] * 3,
            "mean_after": [2.0] * 3,
            "variance_after": [1.0] * 3,
            "unit_margin": [1.0] * 3,
        }
    )
    found = shipment_lines(lines, {"dc": ((100.0, 1000.0),)}).to_pandas()
    assert found.groupby("unique_id")["shipped_qty"].sum().to_dict() == {"x|b|all": 10, "x|a|all": 3, "y|b|all": 5}
    assert found.groupby("shipment_id")["load_litres"].sum().to_dict() == {
        "a:2024-01-01:1": 30, "b:2024-01-01:1": 100, "b:2024-01-01:2": 50,
    }  # fmt: skip
    assert found["order_value"].sum() == pytest.approx(76.0)

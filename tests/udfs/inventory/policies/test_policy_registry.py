from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from scipy import special

from jobs.settings import load_settings
from lakehouse.errors import ConfigError
from tests.udfs.inventory.policies.situations import situation, steady
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.policies.choose import ReplayEvidence, choose, merge_replay_summaries, summarise_replays
from udfs.inventory.policies.plan import Plan, economic_lot
from udfs.inventory.policies.policy_registry import POLICIES, Policy, planned_names, plans_of, with_rivals
from udfs.inventory.policies.replay import replay_actual

DAYS, NOW = (date(2024, 1, 1), date(2024, 1, 29)), date(2024, 2, 26)
RNG = np.random.default_rng(2)
PATH_SNH = RNG.poisson(5.0, (3, 40, 14)).astype(float)


def test_z_sigma_is_the_textbooks_formula() -> None:
    here = situation(PATH_SNH)
    plan = plans_of(["z_sigma"], here)["z_sigma"]
    for s in range(3):
        mean, variance = PATH_SNH[s].mean(0)[:3].sum(), PATH_SNH[s].var(0)[:3].sum()
        assert plan.reorder_point_SH[s, 0] == pytest.approx(mean + special.ndtri(0.9) * np.sqrt(variance))
    np.testing.assert_array_equal(plan.reorder_point_SH, plan.order_up_to_SH)  # an order costs nothing


def test_levels_move_with_the_calendar() -> None:
    path_SNH = steady(1.0)
    path_SNH[:, :, 6] = 9.0
    plan = plans_of(["base_stock"], situation(path_SNH))["base_stock"]
    np.testing.assert_array_equal(plan.order_up_to_SH[0], [3, 3, 3, 3, 11, 11, 11, *[3] * 5, 3, 3])


def test_the_economic_lot() -> None:
    here = situation(steady(4.0), order_cost=0.5)
    eoq = np.sqrt(2 * 0.5 * 4.0 / (3.0 * 0.25 / 365))
    assert economic_lot(here)[0] == pytest.approx(eoq - 4.0)  # a review's demand is ordered anyway
    capped = replace(here, spec=replace(here.spec, most_lot_days=5.0))
    assert economic_lot(capped)[0] == 16.0
    assert economic_lot(situation(steady(4.0), order_cost=0.0))[0] == 0.0
    assert economic_lot(situation(steady(0.0), order_cost=1.0))[0] == 0.0
    assert economic_lot(situation(steady(4.0), order_cost=1.0, unit_cost=np.nan))[0] == 0.0
    free = situation(steady(4.0), order_cost=1.0, holding_cost_rate=0.0)
    assert economic_lot(free)[0] == 27.0 * 4.0  # nothing is lost by holding: as much as is allowed


def test_every_candidate_of_a_series_hangs_on_that_series_alone() -> None:
    here = situation(PATH_SNH, order_cost=0.2)
    names = [name for name in POLICIES if name != "neural"]
    together = plans_of(names, here)
    for s in range(3):
        alone = plans_of(names, here.take(np.array([s])))
        for name in names:
            np.testing.assert_array_equal(alone[name].reorder_point_SH[0], together[name].reorder_point_SH[s])
            np.testing.assert_array_equal(alone[name].order_up_to_SH[0], together[name].order_up_to_SH[s])


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected policies among .*, found \['magic'\]"):
        plans_of(["magic"], situation(PATH_SNH))


def test_rivals_and_what_stands_in_are_planned_with_the_candidates() -> None:
    assert with_rivals(("s_s",)) == ("s_s", "z_sigma")
    assert with_rivals(("neural", "z_sigma")) == ("neural", "z_sigma", "tuned_base_stock")
    assert planned_names(("tuned_s_s",)) == ("tuned_s_s", "z_sigma", "base_stock", "s_s")


def test_a_new_policy_competes_once_it_has_an_entry() -> None:
    """Named in settings, planned beside its rivals, replayed, and chosen where it is the cheapest."""
    demand, ids = np.full((2, 14), 4.0), np.array(["a", "b"], dtype=object)
    here = situation(np.repeat(demand[:, None, :], 2, axis=1), unit_price=9.0)
    toy = Policy("toy", "never orders", lambda found: Plan.of_levels(0.0 * found.level_SH, np.zeros(len(found))))
    spec = InventorySpec(candidates=("base_stock", "toy"), least_fill_rate=0.01)
    POLICIES.register(toy)
    try:
        plans = plans_of(with_rivals(spec.candidates), here)
        assert list(plans) == ["base_stock", "toy", "z_sigma"]
        assert replay_actual(plans, here, demand)["toy"].holding_S.tolist() == [0.0, 0.0]
        rows = pa.Table.from_pylist(
            [
                {"unique_id": u, "cutoff": day, "policy": policy, "score": score, "demand_qty": 10.0, "sales_qty": 9.0}
                | {"is_service_required": True}
                for u in ids
                for day in DAYS
                for policy, score in (("base_stock", 2.0), ("toy", 1.0))
            ]
        )
        class_S = np.array([0, 0])
        summary = merge_replay_summaries(summarise_replays(rows, ids, class_S, spec, NOW, DAYS))
        choice = choose(ReplayEvidence(rows, summary), ids, class_S, spec, NOW, DAYS)
        assert choice.name_S.tolist() == ["toy", "toy"]
        assert load_settings(None, ['inventory.candidates=["toy", "s_s"]']).inventory.candidates == ("toy", "s_s")
    finally:
        POLICIES.unregister("toy")
    with pytest.raises(ConfigError, match=r"inventory.candidates: expected .*tuned_s_s.*, found 'toy'"):
        load_settings(None, ['inventory.candidates=["toy", "s_s"]'])

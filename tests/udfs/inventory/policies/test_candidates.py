from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from tests.udfs.inventory.policies.situations import situation, steady
from udfs.inventory.policies.candidates import plans_of
from udfs.inventory.policies.names import POLICY_NAMES, planned_names, with_rivals
from udfs.inventory.policies.plan import economic_lot

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
    names = [name for name in POLICY_NAMES if name != "neural"]
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

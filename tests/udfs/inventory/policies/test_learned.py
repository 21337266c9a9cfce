import numpy as np

from tests.udfs.inventory.policies.situations import situation
from udfs.inventory.policies.policy_registry import plans_of
from udfs.inventory.policies.replay import replay_actual, replay_paths

PATH_SNH = np.random.default_rng(5).poisson(4.0, (6, 40, 14)).astype(float)


def test_a_learned_policy_is_no_dearer_on_its_paths_than_what_it_began_as_and_repeats_itself() -> None:
    here = situation(PATH_SNH, order_cost=0.2)
    plans = plans_of(["tuned_s_s", "neural"], here)
    tuned, learned = (replay_paths(plans[name], here, 40).cost.sum() for name in ("tuned_s_s", "neural"))
    assert learned <= 1.02 * tuned
    again = plans_of(["neural"], here)["neural"]
    actual_SH = np.full((6, 14), 4.0)
    first, second = (replay_actual({"x": plan}, here, actual_SH)["x"].cost for plan in (plans["neural"], again))
    np.testing.assert_array_equal(first, second)


def test_series_without_money_are_planned_and_weigh_nothing() -> None:
    here = situation(PATH_SNH, unit_cost=np.nan, unit_price=np.nan)
    plan = plans_of(["neural"], here)["neural"]
    assert np.isfinite(plan.order_up_to_SH).all()

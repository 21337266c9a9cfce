import numpy as np
import pytest

from tests.udfs.inventory.policies.situations import situation, steady
from udfs.inventory.policies.plan import Plan
from udfs.inventory.policies.policy_registry import plans_of
from udfs.inventory.policies.replay import can_replay, replay_actual, replay_paths

DAILY = 3.0 * 0.25 / 365.0


def test_a_steady_demand_costs_what_arithmetic_says() -> None:
    """An order every day of what was used up: two days on order, nothing left at the end of a day."""
    here = situation(steady(4.0), order_cost=0.25)
    plan = Plan.of_levels(np.full((1, 14), 12.0), np.zeros(1))
    found = replay_actual({"x": plan}, here, np.full((1, 14), 4.0))["x"]
    assert found.holding_S[0] == pytest.approx(0.0, abs=1e-12)
    assert found.ordering_S[0] == pytest.approx(0.25)
    assert found.shortage_S[0] == pytest.approx(0.0, abs=1e-12)
    assert found.fill_rate[0] == 1.0
    more = Plan.of_levels(np.full((1, 14), 22.0), np.zeros(1))
    assert replay_actual({"x": more}, here, np.full((1, 14), 4.0))["x"].cost[0] == pytest.approx(0.25 + 10.0 * DAILY)


def test_lost_demand_costs_its_margin() -> None:
    here = situation(steady(4.0))
    plan = Plan.of_levels(np.full((1, 14), 12.0), np.zeros(1))
    actual = np.full((1, 14), 4.0)
    actual[0, 5] = 10.0
    found = replay_actual({"x": plan}, here, actual)["x"]
    assert found.shortage_S[0] == pytest.approx(6.0 * 1.0 / 14.0)
    assert found.fill_rate[0] == pytest.approx(1.0 - 6.0 / 62.0)


def test_a_cycle_longer_than_the_replay_is_charged_its_share_of_orders() -> None:
    """A lot of 56 units lasts 14 days: on average one order in 14 days, wherever the replay begins."""
    here = situation(steady(4.0), order_cost=7.0)
    plan = Plan.of_levels(np.full((1, 14), 12.0), np.full(1, 56.0))
    found = replay_actual({"x": plan}, here, np.full((1, 14), 4.0))["x"]
    assert found.ordering_S[0] == pytest.approx(7.0 / 14.0, rel=0.15)


def test_what_is_expected_is_the_replay_on_the_paths() -> None:
    path_SNH = np.random.default_rng(1).poisson(4.0, (2, 50, 14)).astype(float)
    here = situation(path_SNH, order_cost=0.1)
    plan = plans_of(["s_s"], here)["s_s"]
    whole, part = replay_paths(plan, here, 50), replay_paths(plan, here, 10)
    assert whole.demand_S == pytest.approx(path_SNH.sum(2).mean(1))
    assert part.demand_S == pytest.approx(path_SNH[:, :10].sum(2).mean(1))
    assert (whole.cost > 0.0).all()


def test_what_cannot_be_replayed() -> None:
    assert can_replay(situation(steady(1.0)))[0]
    assert not can_replay(situation(steady(1.0), lead_time_days=14.0))[0]
    assert not can_replay(situation(steady(1.0), unit_cost=np.nan))[0]
    assert not can_replay(situation(steady(1.0), unit_cost=0.0))[0]


def test_an_unknown_price_takes_the_assumed_margin() -> None:
    here = situation(steady(1.0), unit_price=np.nan)
    assert here.margin[0] == pytest.approx(3.0 * 0.3 / 0.7)
    assert situation(steady(1.0), unit_price=2.0).margin[0] == pytest.approx(3.0 * 0.3 / 0.7)
    assert situation(steady(1.0), unit_price=5.0).margin[0] == 2.0

"""Joint policies of a family: the simulation against a count by hand, and what sharing an order saves."""

from __future__ import annotations

import numpy as np
import pytest

from udfs.supply_network.joint_policy import Family, Levels, best_joint_policy, joint_levels, simulate_joint, tuned


def test_a_few_days_by_hand() -> None:
    family = Family([1.0, 1.0], 1.0, [1.0, 10.0], 2.0, 5.0, 1)
    levels = Levels(np.array([1.0, 1.0]), np.array([1.0, 2.0]), np.array([3.0, 3.0]), np.ones(2))
    # Day 0 sells 2 and 1: item 0, at 1, opens an order, item 1, at 2, comes along. Day 1 sells 1 and loses 1. Day 2
    # receives 2 and 1.
    run = simulate_joint(family, levels, [[2, 1], [2, 0], [0, 0]])
    assert run.cost == pytest.approx(((1 + 20) + (5 + 2 + 2) + (0 + 20) + (2 + 30)) / 3)
    assert run.fill_rate == pytest.approx(4 / 5)
    assert run.orders == pytest.approx(1 / 3)


def test_sharing_orders_saves_at_equal_fill() -> None:
    rng = np.random.default_rng(1)
    mean = rng.uniform(0.5, 4.0, 12)
    family = Family(mean, np.sqrt(mean), 0.02, 0.3, 20.0, 3)
    past, later = rng.poisson(mean, (700, 12)), rng.poisson(mean, (700, 12))
    apart = joint_levels(family, "separate", tuned(family, "separate", past, 0.97))
    kind, levels = best_joint_policy(family, past, simulate_joint(family, apart, past).fill_rate)
    one, other = simulate_joint(family, levels, later), simulate_joint(family, apart, later)
    assert kind in ("can_order", "periodic")
    assert one.cost < 0.8 * other.cost
    assert one.fill_rate > other.fill_rate - 0.01


def test_more_safety_serves_more() -> None:
    family = Family([2.0, 3.0], [2.0, 2.0], 0.05, 0.1, 5.0, 4)
    demand = np.random.default_rng(2).poisson([2.0, 3.0], (500, 2))
    for kind in ("separate", "can_order", "periodic"):
        fills = [simulate_joint(family, joint_levels(family, kind, z), demand).fill_rate for z in (0.0, 1.0, 3.0)]
        assert fills == sorted(fills)
        assert fills[0] < fills[2]
    with pytest.raises(ValueError, match="lead_days: expected a whole number >= 0, found -1"):
        Family([1.0], 1.0, 1.0, 0.0, 0.0, -1)

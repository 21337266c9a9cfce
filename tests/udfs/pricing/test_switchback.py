"""Switchback experiments: what a price did is found, nothing is found where it did nothing, power is as told."""

from __future__ import annotations

import numpy as np
import pytest

from udfs.pricing.switchback import detectable, effect, schedule


def found_in(true: float, seed: int, places: int = 12, pairs: int = 6) -> tuple[bool, bool, float]:
    """Whether the interval holds the true effect, whether it excludes 0, and the estimate."""
    rng = np.random.default_rng(seed)
    is_new = schedule(places, pairs, seed)
    value = rng.normal(100, 30, (places, 1)) + rng.normal(0, 20, (1, 2 * pairs)) + rng.normal(0, 5, is_new.shape)
    result = effect(value + true * is_new, is_new)
    return result.low <= true <= result.high, not result.low <= 0.0 <= result.high, result.mean


def test_intervals_hold_the_truth_as_often_as_they_say_and_power_is_as_told() -> None:
    least = detectable(5.0 * np.sqrt(2.0), 12, 6)
    with_effect = np.array([found_in(least, seed) for seed in range(400)])
    without = np.array([found_in(0.0, seed) for seed in range(400)])
    assert 0.92 < with_effect[:, 0].mean() < 0.99
    assert 0.01 < without[:, 1].mean() < 0.08
    assert 0.7 < with_effect[:, 1].mean() < 0.9
    assert with_effect[:, 2].mean() == pytest.approx(least, abs=0.15)


def test_a_schedule_is_by_lot_balanced_and_the_same_again() -> None:
    is_new = schedule(10, 8, seed=3)
    assert (is_new[:, ::2] != is_new[:, 1::2]).all()
    assert (is_new.sum(0) == 5).all()
    assert (is_new == schedule(10, 8, seed=3)).all()
    assert (is_new != schedule(10, 8, seed=4)).any()


def test_a_block_without_a_value_costs_its_pair_alone() -> None:
    is_new = schedule(6, 4, seed=0)
    value = np.arange(6.0)[:, None] + 2.0 * is_new + np.random.default_rng(0).normal(0, 0.1, is_new.shape)
    value[2, 3] = np.nan
    assert effect(value, is_new).mean == pytest.approx(2.0, abs=0.15)


def test_what_is_no_experiment_is_refused() -> None:
    with pytest.raises(ValueError, match="one of each with the new price"):
        effect(np.zeros((4, 4)), np.zeros((4, 4), dtype=bool))
    with pytest.raises(ValueError, match="at least 2 places and 1 pair of blocks, found 1 and 3"):
        schedule(1, 3, 0)
    with pytest.raises(ValueError, match="at least 3 places with a pair"):
        effect(np.full((4, 2), np.nan), schedule(4, 1, 0))

"""Paths of intermittent demand: their moments, and that a series depends on itself alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from udfs.inventory.theory.stock_levels.smoothed_bootstrap import PooledDemand, SmoothedBootstrap

POOLED = PooledDemand(0.1, np.array([0.5, 1.0, 1.5]))


def past(n_series: int = 6, n_periods: int = 60) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (rng.random((n_series, n_periods)) < 0.2) * rng.integers(1, 30, (n_series, n_periods)).astype(float)


def test_without_smoothing_only_own_sizes_are_drawn() -> None:
    demand_ST = past()
    path_SPT = SmoothedBootstrap(pooled_demands=0.0, jitter=0.0).paths(demand_ST, POOLED, 50, 20)
    for s in range(len(demand_ST)):
        assert set(np.unique(path_SPT[s])) <= set(np.unique(demand_ST[s]))


def test_frequency_and_size_have_the_expected_means() -> None:
    demand_ST = past(1)
    n, size = (demand_ST > 0).sum(), demand_ST[demand_ST > 0].mean()
    path_SPT = SmoothedBootstrap(jitter=0.3).paths(demand_ST, POOLED, 4000, 25)
    frequency = (n + 2.0 * 0.1) / (60 + 2.0)
    assert (path_SPT > 0).mean() == pytest.approx(frequency, rel=0.03)
    pooled = 3.0 / (3.0 + n)
    expected = size * (pooled + (1.0 - pooled) * np.exp(0.3**2 / 2))
    assert path_SPT[path_SPT > 0].mean() == pytest.approx(expected, rel=0.02)


def test_paths_differ_by_the_frequency_that_the_past_leaves_open() -> None:
    demand_ST = np.zeros((1, 10))
    demand_ST[0, :5] = 1.0
    count_P = (SmoothedBootstrap().paths(demand_ST, POOLED, 3000, 40)[0] > 0).sum(1)
    a, b, n = 5 + 0.2, 5 + 1.8, 40
    beta_binomial = n * a * b * (a + b + n) / ((a + b) ** 2 * (a + b + 1))
    assert count_P.var() == pytest.approx(beta_binomial, rel=0.1)


def test_a_series_depends_on_itself_and_its_row_alone() -> None:
    demand_ST = past(8)
    together = SmoothedBootstrap().paths(demand_ST, POOLED, 7, 9, seed=5)
    for s in range(8):
        alone = SmoothedBootstrap().paths(demand_ST[s : s + 1], POOLED, 7, 9, seed=5 + s)
        np.testing.assert_array_equal(together[s : s + 1], alone)
    assert not np.array_equal(together, SmoothedBootstrap().paths(demand_ST, POOLED, 7, 9, seed=6))


def test_no_past_demand_means_none_to_come() -> None:
    assert not SmoothedBootstrap().paths(np.zeros((2, 5)), POOLED, 3, 4).any()


def test_pooling_takes_items_with_enough_demands() -> None:
    demand_ST = np.array([[2.0, 4.0, 0.0, 0.0], [0.0, 9.0, 0.0, 0.0]])
    pooled = PooledDemand.of(demand_ST, least_demands=2)
    assert pooled.frequency == pytest.approx(3 / 8)
    assert sorted(pooled.relative_size_M) == pytest.approx([2 / 3, 4 / 3])


@pytest.mark.parametrize("frequency", [0.0, 1.0, np.nan])
def test_a_frequency_out_of_range(frequency: float) -> None:
    with pytest.raises(ValueError, match="frequency: expected a share"):
        PooledDemand(frequency, np.ones(1))


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        (np.ones(0), r"shape \(0,\)"),
        (np.ones((1, 1)), r"shape \(1, 1\)"),
        (np.zeros(1), "0 in row 0"),
        (np.array([1.0, np.inf]), "inf in row 1"),
    ],
)
def test_sizes_that_make_no_sense(sizes: np.ndarray, found: str) -> None:
    with pytest.raises(ValueError, match=f"relative_size_M: expected .*, found {found}"):
        PooledDemand(0.1, sizes)


@pytest.mark.parametrize("setting", [{"prior_periods": 0.0}, {"pooled_demands": -1.0}, {"jitter": np.nan}])
def test_settings_out_of_range(setting: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(setting))}: expected a number"):
        SmoothedBootstrap(**setting)


def test_demand_that_makes_no_sense() -> None:
    for demand_ST, found in (
        (np.ones(3), r"shape \(3,\)"),
        (-np.ones((1, 3)), "-1 in row 0, column 0"),
        (np.full((1, 3), np.nan), "nan in row 0"),
    ):
        with pytest.raises(ValueError, match=f"demand_ST: expected .*, found {found}"):
            SmoothedBootstrap().paths(demand_ST, POOLED, 1, 1)
    with pytest.raises(ValueError, match="at least 4 demands, found none"):
        PooledDemand.of(np.ones((1, 3)))
    with pytest.raises(ValueError, match="least_demands: expected a whole number >= 1, found 0"):
        PooledDemand.of(np.ones((1, 3)), least_demands=0)
    numbers: dict[str, Any] = {"n_paths": 1, "n_periods": 1, "seed": 0}
    for name, value in (("n_paths", 0), ("n_periods", 0), ("n_periods", 1.5), ("seed", -1)):
        with pytest.raises(ValueError, match=f"{name}: expected a whole number >= .*, found {value}"):
            SmoothedBootstrap().paths(np.ones((1, 3)), POOLED, **{**numbers, name: value})

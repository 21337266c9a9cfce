"""Fill rates on sample paths against a direct replay."""

from __future__ import annotations

import numpy as np
import pytest

from udfs.inventory.demand_distribution import DemandDistribution
from udfs.inventory.theory.stock_levels.fill_rate_curve import FillRateCurve, level_grid


def test_service_is_that_of_a_direct_replay() -> None:
    rng = np.random.default_rng(0)
    path_SPT = rng.poisson(0.4, (3, 5, 6)) * rng.integers(1, 9, (3, 5, 6)).astype(float)
    path_SPT[1, 2] = 0.0
    level_SG = np.array([[0.0, 1.0, 2.5, 40.0]] * 3)
    curve = FillRateCurve.of(path_SPT, level_SG)
    for s in range(3):
        for g, level in enumerate(level_SG[s]):
            served_P = np.minimum(path_SPT[s], level).sum(1)
            total_P = path_SPT[s].sum(1)
            assert curve.served_SG[s, g] == pytest.approx(served_P.mean())
            share_P = np.where(total_P > 0, served_P / np.where(total_P > 0, total_P, 1.0), 0.0)
            assert curve.share_SG[s, g] == pytest.approx(share_P.mean())
    assert curve.demand_S == pytest.approx(path_SPT.sum(2).mean(1))
    assert curve.sells_S == pytest.approx((path_SPT.sum(2) > 0).mean(1))


def test_the_fill_rate_is_that_of_the_distribution() -> None:
    path_SPT = np.random.default_rng(1).poisson(4.0, (1, 400, 250)).astype(float)
    level_SG = np.array([[0.0, 3.0, 6.0]])
    poisson = DemandDistribution.fit(np.full(3, 4.0), np.full(3, 4.0), "poisson")
    expected_G = 1.0 - poisson.loss(level_SG[0]) / 4.0
    assert FillRateCurve.of(path_SPT, level_SG).fill_rate()[0] == pytest.approx(expected_G, abs=5e-3)


def test_the_parts_of_the_assortment_add_up_to_its_fill_rates() -> None:
    path_SPT = np.random.default_rng(2).poisson(0.3, (4, 20, 5)).astype(float)
    curve = FillRateCurve.of(path_SPT, np.array([[0.0, 1.0, 50.0]] * 4))
    assert curve.value(1.0).sum(0)[2] == pytest.approx(1.0)
    assert curve.value(0.0).sum(0)[2] == pytest.approx(1.0)
    assert curve.value(0.25) == pytest.approx(0.25 * curve.value(1.0) + 0.75 * curve.value(0.0))
    assert curve.value(1.0).sum(0)[1] == pytest.approx(curve.served_SG.sum(0)[1] / curve.demand_S.sum())


def test_a_series_without_demand_is_served_and_has_no_part() -> None:
    curve = FillRateCurve.of(np.zeros((1, 2, 3)), np.array([[0.0, 1.0]]))
    assert curve.fill_rate().tolist() == [[1.0, 1.0]]
    assert curve.value(0.5).tolist() == [[0.0, 0.0]]


def test_the_grid_is_whole_rising_and_reaches_beyond_the_largest_demand() -> None:
    level_SG = level_grid(np.array([0.0, 3.0, 250.0, 0.5]))
    assert level_SG.shape == (4, 64)
    assert (np.diff(level_SG, axis=1) >= 0.0).all()
    assert (level_SG == np.floor(level_SG)).all()
    assert (level_SG[:, 0] == 0.0).all()
    assert level_SG[:, -1].tolist() == [0.0, 12.0, 1000.0, 4.0]
    assert 3.0 in level_SG[1]


@pytest.mark.parametrize(
    ("path_SPT", "level_SG", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3)), "expected paths"),
        (np.zeros((2, 3, 1)), np.zeros((1, 3)), "expected paths"),
        (np.full((1, 1, 1), np.nan), np.zeros((1, 1)), "path_SPT: expected .*, found nan in row 0"),
        (np.full((1, 1, 1), -1.0), np.zeros((1, 1)), "path_SPT: expected .*, found -1 in row 0"),
        (np.ones((1, 1, 1)), np.full((1, 1), np.inf), "level_SG: expected .*, found inf in row 0"),
        (np.ones((2, 1, 1)), np.array([[0.0, 1.0], [1.0, 0.0]]), r"increase along G, found \[1. 0.\] in row 1"),
    ],
)
def test_paths_and_levels_that_make_no_sense(path_SPT: np.ndarray, level_SG: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FillRateCurve.of(path_SPT, level_SG)


def test_a_weight_and_a_grid_out_of_range() -> None:
    curve = FillRateCurve.of(np.ones((1, 1, 1)), np.ones((1, 1)))
    for weight in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="unit_weight: expected a share"):
            curve.value(weight)
    with pytest.raises(ValueError, match=r"largest_S: expected .*, found nan in row 0"):
        level_grid(np.array([np.nan]))
    for n_levels in (7, 8.5, np.nan, np.inf):
        with pytest.raises(ValueError, match=f"n_levels: expected a whole number >= 8, found {n_levels}"):
            level_grid(np.ones(1), n_levels)  # type: ignore[arg-type]
    for reach in (0.9, np.nan, np.inf):
        with pytest.raises(ValueError, match=f"reach: expected a finite number >= 1, found {reach}"):
            level_grid(np.ones(1), reach=reach)

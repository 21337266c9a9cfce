import numpy as np
import pytest

from udfs.inventory.demand_paths import DemandPaths, rolling_sums

RNG = np.random.default_rng(3)
PATH_SNH = RNG.poisson(3.0, (4, 60, 10)).astype(float)
PATHS = DemandPaths(PATH_SNH, PATH_SNH.mean(1))


def with_week_repeated(day_H: np.ndarray, days: int) -> np.ndarray:
    """The days of a path and what follows them, written out."""
    week = day_H[-7:] if len(day_H) >= 7 else day_H
    times = days // len(week) + 1
    return np.concatenate([day_H, np.tile(week, times)])[:days]


@pytest.mark.parametrize("days", [0, 1, 7, 10, 11, 40])
def test_sums_of_any_number_of_days(days: int) -> None:
    expected_SN = [[with_week_repeated(path_H, days).sum() for path_H in path_NH] for path_NH in PATH_SNH]
    np.testing.assert_allclose(PATHS.sums(np.full(4, float(days))), expected_SN)


def test_each_series_has_its_own_days() -> None:
    days_S = np.array([1.0, 3.0, 12.0, 30.0])
    together = PATHS.sums(days_S)
    for s in range(4):
        np.testing.assert_array_equal(together[s], PATHS.take(np.array([s])).sums(days_S[[s]])[0])


def test_sums_from_each_day_on_and_their_quantiles() -> None:
    days_S, level_S = np.array([1.0, 3.0, 8.0, 15.0]), np.array([0.5, 0.9, 0.95, 0.2])
    quantile_SH = PATHS.quantile_ahead(days_S, level_S)
    mean_SH = PATHS.mean_ahead(days_S)
    for s in range(4):
        days = int(days_S[s])
        for h in range(10):
            sum_N = np.array([with_week_repeated(path_H, 10 + days)[h : h + days].sum() for path_H in PATH_SNH[s]])
            assert quantile_SH[s, h] == np.quantile(sum_N, level_S[s], method="inverted_cdf")
            assert mean_SH[s, h] == pytest.approx(sum_N.mean())


def test_a_horizon_shorter_than_a_week_repeats_all_of_it() -> None:
    np.testing.assert_allclose(rolling_sums(np.array([[1.0, 2.0]]), np.array([4.0])), [[6.0, 6.0]])


def test_days_of_cover() -> None:
    paths = DemandPaths(np.full((5, 1, 3), 2.0), np.array([[2.0] * 3] * 4 + [[0.0] * 3]))
    cover_S = paths.days_of_cover(np.array([5.0, 0.0, -3.0, 10.0, 4.0]))
    np.testing.assert_allclose(cover_S, [2.5, 0.0, 0.0, 5.0, np.inf])
    stops = DemandPaths(np.zeros((1, 1, 9)), np.array([[4.0, *[0.0] * 8]]))
    assert stops.days_of_cover(np.array([2.0]))[0] == 0.5
    assert stops.days_of_cover(np.array([4.0]))[0] == np.inf


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected paths of shape \(S, N, H\)"):
        DemandPaths(PATH_SNH, PATH_SNH[:, 0, :5])


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf])
def test_demand_that_makes_no_sense_is_refused(bad: float) -> None:
    path_SNH, mean_SH = np.ones((2, 3, 4)), np.ones((2, 4))
    path_SNH[1, 2, 3] = bad
    with pytest.raises(ValueError, match=f"path_SNH: expected finite units >= 0, found .*{bad:g}"):
        DemandPaths(path_SNH, mean_SH)
    mean_SH[0, 1] = bad
    with pytest.raises(ValueError, match=f"mean_SH: expected finite units >= 0, found .*{bad:g}"):
        DemandPaths(np.ones((2, 3, 4)), mean_SH)


@pytest.mark.parametrize("days", [-1.0, 1.5, np.nan, np.inf])
def test_days_that_make_no_sense_are_refused(days: float) -> None:
    days_S = np.array([1.0, 1.0, days, 1.0])
    for ask in (PATHS.sums, PATHS.mean_ahead, lambda days_S: PATHS.quantile_ahead(days_S, np.full(4, 0.5))):
        with pytest.raises(ValueError, match=f"days_S: expected a whole number >= 0, found {days:g} in row 2"):
            ask(days_S)


@pytest.mark.parametrize("level", [0.0, 1.0, np.nan])
def test_a_service_level_that_no_stock_reaches_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match=f"level_S: expected a probability strictly .*, found {level:g} in row 3"):
        PATHS.quantile_ahead(np.ones(4), np.array([0.5, 0.5, 0.5, level]))

from __future__ import annotations

import numpy as np
import pytest

from udfs.forecasting.outliers import outliers_of


def _found(y: np.ndarray) -> list[int]:
    outlier_ST, _ = outliers_of(y[None], ~np.isnan(y[None]))
    return np.flatnonzero(outlier_ST[0]).tolist()


def _days(n_days: int = 90) -> np.ndarray:
    return 10.0 + np.arange(n_days) % 7


@pytest.mark.parametrize(
    "slips", [{80: 99999.0}, {20: 99999.0}, {0: 400.0}, {89: 1e13}, {30: -99999.0}, {10: 99999.0, 50: 4e12, 70: 999.0}]
)
def test_slips_are_found_wherever_they_lie(slips: dict[int, float]) -> None:
    y = _days()
    for day, value in slips.items():
        y[day] = value
    assert _found(y) == sorted(slips)


@pytest.mark.parametrize(
    "y",
    [
        _days(),
        np.where(np.arange(90) == 40, 200.0, _days()),
        np.where(np.arange(90) >= 80, 3000.0, _days()),
        np.where(np.isin(np.arange(90), (40, 41)), 3000.0, _days()),
        np.where(np.arange(90) % 10 == 0, 3000.0, _days()),
        np.append(np.zeros(180), 5.0),
        np.append(np.zeros(180), 99999.0),
        np.array([1.0, 30.0, 2.0]),
        np.array([7.0]),
        np.zeros(30),
        np.full(30, np.nan),
    ],
)
def test_levels_events_rhythms_and_what_nothing_compares_with_stay(y: np.ndarray) -> None:
    assert _found(y) == []


@pytest.mark.parametrize(("others", "factor"), [(1, 500.0), (2, 125.0), (4, 31.25), (5, 20.0), (12, 20.0)])
def test_the_fewer_others_the_farther_an_outlier_must_lie(others: int, factor: float) -> None:
    for value, expected in ((2.0 * factor, []), (2.01 * factor, [0])):
        assert _found(np.array([value, *np.zeros(5), *np.full(others, 2.0)])) == expected


def test_unobserved_days_count_for_nothing_and_series_are_judged_alone() -> None:
    y = np.stack([_days(), _days() * 1000.0, np.where(np.arange(90) == 3, 99999.0, _days())])
    mask = np.ones(y.shape, dtype=bool)
    outlier_ST, usual_S = outliers_of(y, mask)
    assert np.argwhere(outlier_ST).tolist() == [[2, 3]]
    assert usual_S.tolist() == [16.0, 16000.0, 16.0]
    mask[2, 3] = False
    assert not outliers_of(y, mask)[0].any()

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from tests.udfs.forecasting.series import CUTOFF, batch_of, mixed_series
from udfs.demand.demand_profile import demand_profile

HAND_MADE = {
    "erratic": np.tile([1.0, 9.0], 30),
    "intermittent": np.tile([2.0, 0.0, 0.0], 20),
    "lumpy": np.tile([1.0, 0.0, 12.0, 0.0], 15),
    "new": np.array([3.0, 1.0, 2.0]),
    "no_sales": np.zeros(60),
    "smooth": np.tile([4.0, 5.0, 6.0], 20),
}


def test_each_class_on_a_series_made_for_it() -> None:
    profile = demand_profile(batch_of(HAND_MADE)).to_pandas().set_index("unique_id")
    assert profile["demand_class"].to_dict() == {name: name for name in HAND_MADE}
    assert profile.loc["intermittent", "adi"] == pytest.approx(3.0)
    assert profile.loc["intermittent", "cv2"] == 0.0
    assert profile.loc["erratic", "cv2"] == pytest.approx(16.0 / 25.0)  # mean 5, standard deviation 4
    assert profile.loc["lumpy", "zero_share"] == pytest.approx(0.5)
    assert np.isnan(profile.loc["no_sales", "adi"])
    assert profile.loc["no_sales", "first_sale_ds"] is None
    assert profile.loc["intermittent", "last_sale_ds"] == CUTOFF - dt.timedelta(days=2)
    assert profile.loc["new", "first_sale_ds"] == CUTOFF - dt.timedelta(days=2)


def test_numbers_equal_pandas_one_series_at_a_time() -> None:
    series = mixed_series(40)
    profile = demand_profile(batch_of(series)).to_pandas().set_index("unique_id")
    for unique_id, values in series.items():
        y = pd.Series(values)
        first_sale = y.gt(0).idxmax() if y.gt(0).any() else 0
        y = y.loc[first_sale:].dropna()
        row, sizes = profile.loc[unique_id], y[y > 0]
        assert row["history_days"] == len(y)
        assert row["mean_demand"] == pytest.approx(y.mean())
        assert row["zero_share"] == pytest.approx((y == 0).mean())
        if len(sizes):
            assert row["adi"] == pytest.approx(len(y) / len(sizes))
            assert row["cv2"] == pytest.approx(sizes.var(ddof=0) / sizes.mean() ** 2)


def _strength_with_pandas(values: np.ndarray) -> float:
    frame = pd.DataFrame({"y": values})
    age = np.arange(len(values))[::-1]
    frame["week"], frame["phase"] = age // 7, age % 7
    frame["detrended"] = frame["y"] - frame.groupby("week")["y"].transform("mean")
    season = frame.groupby("phase")["detrended"].mean()
    season -= season.mean()
    remainder = frame["detrended"] - frame["phase"].map(season)
    return max(0.0, 1 - remainder.var(ddof=0) / frame["detrended"].var(ddof=0))


def test_season_strength() -> None:
    rng = np.random.default_rng(3)
    week = np.tile([9.0, 1.0, 1.0, 1.0, 1.0, 5.0, 12.0], 12)
    series = {
        "exact": week,
        "level": np.full(84, 4.0),
        "noise": rng.normal(50, 5, 84),
        "ragged": (week + rng.normal(20, 3, 84))[5:],
        "short": week[:13],
        "with_trend": week + 0.1 * np.arange(84) + 3,
    }
    strength = demand_profile(batch_of(series)).to_pandas().set_index("unique_id")["season_strength"]
    assert strength["exact"] == pytest.approx(1.0)
    assert strength["level"] == 0.0
    assert np.isnan(strength["short"])
    assert strength["with_trend"] > 0.95
    for unique_id in ("noise", "ragged", "with_trend"):
        assert strength[unique_id] == pytest.approx(_strength_with_pandas(series[unique_id]), abs=1e-10)

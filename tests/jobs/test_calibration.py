"""Calibration by demand class and kind of day, against the gold table and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

from jobs.views.calibration import (
    DAY_KINDS,
    LEVELS,
    by_day_kind,
    calibration,
    calibration_words,
    covered_shares,
    observed,
)
from jobs.views.calibration_charts import calibration_overview
from jobs.views.series import frame_of
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables.column_groups import QUANTILES

LEVEL_Q = np.array(list(LEVELS.values()))


def test_counts_that_tie_with_their_quantiles_cover_what_was_promised() -> None:
    """Over series of all rates, drawn from the forecast's own distribution; most days of most of them are zero."""
    rng = np.random.default_rng(3)
    rates = np.geomspace(0.05, 5.0, 60)
    draws = rng.poisson(rates, (4_000, rates.size)).astype(float)
    quantile_QS = np.quantile(draws, LEVEL_Q, axis=0, method="inverted_cdf")
    actual_NS = rng.poisson(rates, (1_000, rates.size)).astype(float)
    shares = covered_shares(actual_NS.ravel(), np.tile(quantile_QS.T, (1_000, 1)), LEVEL_Q).mean(axis=0)
    np.testing.assert_allclose(shares, LEVEL_Q, atol=0.02)
    naive = (actual_NS.ravel()[:, None] <= np.tile(quantile_QS.T, (1_000, 1))).mean(axis=0)
    assert naive[2] > 0.5


@pytest.mark.slow
def test_the_days_of_all_kinds_are_those_of_the_gold_table(finished: Lakehouse) -> None:
    accuracy = frame_of(finished.read_arrow("gold.forecast_accuracy"))
    sums = calibration(finished, accuracy)
    assert sums["days"].sum() == accuracy["days"].sum()
    for name in QUANTILES:
        expected = (accuracy[f"coverage_{name}"] * accuracy["days"]).sum()
        assert sums[name].sum() == pytest.approx(expected)
    by_class = accuracy.groupby("demand_class")["days"].sum()
    pd.testing.assert_series_equal(sums.groupby("demand_class")["days"].sum(), by_class, check_dtype=False)
    assert sums["actual"].sum() == pytest.approx(accuracy["actual"].sum())
    missed = (accuracy["naive_wape"] * accuracy["actual"]).where(accuracy["actual"] > 0, accuracy["naive_forecast"])
    assert sums["naive_error"].sum() == pytest.approx(missed.sum())
    days = pc.field("ds") > accuracy["cutoff"].iloc[0].date()
    sold = finished.read_arrow("silver.sales_daily", columns=["is_promo"], filters=days)
    assert by_day_kind(sums).loc["promoted", "days"] == pc.sum(sold["is_promo"]).as_py() > 0


def rows(**kinds: tuple[int, float]) -> pd.DataFrame:
    """Days of each kind and the share of them below every quantile."""
    made = [
        {"demand_class": "smooth", "day_kind": kind, "days": days, "actual": days, "forecast": 2 * days}
        | dict.fromkeys(("compared", "error", "naive_error"), float(days))
        | dict.fromkeys(QUANTILES, share * days)
        for kind, (days, share) in zip(DAY_KINDS, kinds.values(), strict=False)
    ]
    return pd.DataFrame(made)


def test_days_out_of_stock_count_in_no_other_line() -> None:
    sums = rows(plain=(300, 0.8), promoted=(100, 0.6), empty=(4_000, 1.0))
    words = calibration_words(sums)
    assert words.startswith("Of 400 series-days in stock")
    assert "80.0% of plain days and 60.0% of 100 promoted ones" in words
    assert observed(sums)["p90"] == pytest.approx((240 + 60 + 4_000) / 4_400)
    assert by_day_kind(sums)["bias"].tolist() == [1.0, 1.0, 1.0]
    figure = calibration_overview(sums)
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert lines["in stock, not promoted"].get_ydata() == pytest.approx([0.8] * len(LEVELS))
    assert lines["promoted"].get_ydata() == pytest.approx([0.6] * len(LEVELS))
    assert "sales say nothing" in calibration_words(sums[sums["day_kind"] == DAY_KINDS[2]])


def test_too_few_days_are_named_and_not_drawn() -> None:
    figure = calibration_overview(rows(plain=(300, 0.8), promoted=(3, 0.0)))
    assert "promoted" not in [line.get_label() for line in figure.axes[0].get_lines()]
    assert "too few to show: promoted 3" in figure.axes[0].get_title(loc="left")

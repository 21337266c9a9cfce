from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from tests import real_data
from tests.udfs.forecasting.series import batch_of, mixed_series
from udfs.forecasting.metrics import difference_scale, rmsse
from udfs.forecasting.models.ets.ets_model import ExponentialSmoothing
from udfs.forecasting.models.regression.regression_model import ADDITIVE_FORMS, Regression, calendar_columns
from udfs.series.covariates import Covariates
from udfs.series.sku_batch import SkuBatch

LEVELS = (0.1, 0.5, 0.9)


def promoted(n_series: int = 20, n_days: int = 210) -> SkuBatch:
    """Random levels and weekly seasons; a promotion on one day in eight adds 15 units."""
    rng = np.random.default_rng(8)
    t = np.arange(n_days)
    promo_SX = (rng.random((n_series, n_days)) < 0.125).astype(float)
    series = {}
    for s in range(n_series):
        level = 30 + rng.normal(0, 0.3, n_days).cumsum()
        series[f"s{s:02d}"] = level + 5 * np.sin(2 * np.pi * t / 7) + 15 * promo_SX[s] + rng.normal(0, 2, n_days)
    batch = batch_of(series)
    values_SXK = np.full((n_series, batch.n_days, 1), np.nan)
    values_SXK[:, -n_days:, 0] = promo_SX
    return replace(batch, known=Covariates(("is_promo",), torch.from_numpy(values_SXK)))


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="expected season_length"):
        Regression(season_length=0)
    with pytest.raises(ValueError, match="expected errors 'ets' or 'arima', found 'garch'"):
        Regression(errors="garch")
    with pytest.raises(ValueError, match="expected penalties above zero"):
        Regression(penalties=(0.0, 1.0))


def test_calendar_columns_repeat_with_the_season_and_know_the_date() -> None:
    cutoff = dt.date(2024, 3, 31)
    columns_XC = calendar_columns(7, cutoff, 800, 28)
    assert columns_XC.shape == (828, 6 + 2 + 4)
    np.testing.assert_allclose(columns_XC[7:, :6], columns_XC[:-7, :6], atol=1e-12)
    # Three pairs and the mean tell seven days apart.
    assert np.linalg.matrix_rank(np.c_[np.ones(7), columns_XC[:7, :6]]) == 7
    same_day = 799 - (cutoff - dt.date(2023, 3, 31)).days
    # 31 March is a different day of the year where February has 29 days.
    np.testing.assert_allclose(columns_XC[799, 6:8], columns_XC[same_day, 6:8], atol=1e-12)
    np.testing.assert_allclose(columns_XC[799, 8:], columns_XC[same_day, 8:], atol=0.05)
    assert calendar_columns(12, cutoff, 60, 12).shape == (72, 11)
    assert calendar_columns(24, cutoff, 60, 12).shape == (72, 12)
    assert calendar_columns(1, cutoff, 60, 12).shape == (72, 0)


@pytest.mark.parametrize("errors", ["ets", "arima"])
def test_a_known_promotion_is_forecast(errors: str) -> None:
    batch = promoted()
    cut = batch.until(28)
    actual_SH, mask_SH = batch.ahead(28, 28)
    scale_S = difference_scale(cut, 2)
    scores = {}
    for use_known in (True, False):
        forecast = Regression(errors=errors, use_known=use_known).forecast(cut, 28, LEVELS)
        scores[use_known] = rmsse(actual_SH, forecast.mean_SH, mask_SH, scale_S).mean().item()
    assert scores[True] < 0.6 * scores[False]
    promo_SH = batch.known.values_SXK[:, -28:, 0] > 0
    with_promo = Regression(errors=errors).forecast(cut, 28, LEVELS).mean_SH
    calm = replace(cut, known=Covariates(("is_promo",), torch.zeros_like(cut.known.values_SXK)))
    calm.known.values_SXK[:, : cut.n_days] = cut.known.values_SXK[:, : cut.n_days]
    lift_SH = with_promo - Regression(errors=errors).forecast(calm, 28, LEVELS).mean_SH
    assert lift_SH[promo_SH].mean().item() == pytest.approx(15, abs=1.0)
    assert lift_SH[~promo_SH].abs().max() < 1e-9


def test_without_columns_it_is_its_error_model() -> None:
    batch = batch_of(mixed_series(20))
    ours = Regression(season_length=1).forecast(batch, 9, LEVELS)
    plain = ExponentialSmoothing(1, forms=ADDITIVE_FORMS).forecast(batch, 9, LEVELS)
    torch.testing.assert_close(ours.mean_SH, plain.mean_SH, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ours.quantile_SHQ, plain.quantile_SHQ, rtol=1e-9, atol=1e-9)


def test_covariates_end_before_the_horizon_and_codes_are_left_out() -> None:
    batch = promoted()
    whole = Regression().forecast(batch, 14, LEVELS)  # nothing is known of the 14 days: the last value holds
    values_SXK = batch.known.values_SXK
    longer = torch.cat([values_SXK, values_SXK[:, -1:].repeat(1, 14, 1)], dim=1)
    stated = Regression().forecast(replace(batch, known=Covariates(("is_promo",), longer)), 14, LEVELS)
    torch.testing.assert_close(whole.mean_SH, stated.mean_SH, rtol=0, atol=0)
    code_SXK = torch.from_numpy(np.random.default_rng(0).integers(0, 9, longer.shape).astype(float))
    coded = Covariates(("is_promo", "event_code"), torch.cat([longer, code_SXK], dim=2))
    torch.testing.assert_close(
        Regression().forecast(replace(batch, known=coded), 14, LEVELS).mean_SH, stated.mean_SH, rtol=0, atol=0
    )


@pytest.mark.parametrize("errors", ["ets", "arima"])
def test_covariates_do_not_make_series_feel_their_neighbours(errors: str) -> None:
    batch = promoted(9)
    model = Regression(errors=errors)
    together = model.forecast(batch, 7, LEVELS)
    for index in (np.array([4]), np.array([8, 1, 3])):
        alone = model.forecast(batch.select(index), 7, LEVELS)
        for field in ("mean_SH", "sd_SH", "quantile_SHQ"):
            torch.testing.assert_close(getattr(together, field)[index], getattr(alone, field), rtol=0, atol=0)


def pasta() -> SkuBatch:
    """118 series by day to the end of 2017, and whether each is on promotion."""
    frame = pd.read_csv(real_data.find("pasta") / "hierarchical_sales_2014_2017.csv", parse_dates=["DATE"])
    items = sorted(c.removeprefix("QTY_") for c in frame if c.startswith("QTY_"))
    days = [stamp.date() for stamp in frame["DATE"]]
    table = pa.table(
        {
            "unique_id": pa.array(np.repeat(items, len(days)), pa.string()),
            "ds": pa.array(days * len(items), pa.date32()),
            "y": np.concatenate([frame[f"QTY_{item}"].to_numpy(float) for item in items]),
        }
    )
    batch = SkuBatch.from_arrow(table, days[-1])
    values_SXK = np.full((len(batch), batch.n_days, 1), np.nan)
    at = [batch.n_days - 1 - (days[-1] - day).days for day in days]
    values_SXK[:, at, 0] = frame[[f"PROMO_{item}" for item in items]].to_numpy(float).T
    return replace(batch, known=Covariates(("is_promo",), torch.from_numpy(values_SXK)))


@pytest.mark.real_data
def test_promotions_of_a_grocer_lower_the_error() -> None:
    batch = pasta()
    scores: dict[bool, list[float]] = {True: [], False: []}
    for days_back in (118, 146, 174):
        cut = batch.until(days_back)
        actual_SH, mask_SH = batch.ahead(days_back, 28)
        for use_known in scores:
            mean_SH = Regression(use_known=use_known).forecast(cut, 28, LEVELS).mean_SH
            scores[use_known].append(rmsse(actual_SH, mean_SH, mask_SH, difference_scale(cut, 2)).nanmean().item())
    # .582 with and .638 without promotions, the means of these windows when this was written.
    assert np.mean(scores[True]) < 0.95 * np.mean(scores[False])

"""Days that are planned closed: forecast 0, whatever the model says, and no other day is touched."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from tests.udfs.forecasting.series import CUTOFF, batch_of, long_table, mixed_series
from udfs.forecasting import registry
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.kernels.backtest_bucket import backtest_bucket
from udfs.forecasting.kernels.calibrate_bucket import calibrate_bucket
from udfs.forecasting.kernels.forecast_bucket import BatchOf, BucketForecast, Evidence, forecast_bucket
from udfs.forecasting.probability.error_model import ErrorModel
from udfs.forecasting.probability.score_summary import ScoreSummary
from udfs.series.closed_days import ClosedDays
from udfs.series.sku_batch import SkuBatch

HORIZON = 14
SPEC = ForecastSpec()
NUMBERS = ["mean", "sd", *SPEC.quantile_columns()]
SUNDAYS = (7, 14)
"""Days after the cutoff, itself a Sunday."""


def _of_two_stores(n_each: int = 8) -> dict[str, np.ndarray]:
    series = mixed_series(2 * n_each, n_days=150, seed=5)
    return {f"{name}|{'ns'[s % 2]}|all": y for s, (name, y) in enumerate(series.items())}


def _closing(days: dict[str, tuple[int, ...]], last: dt.date = CUTOFF) -> BatchOf:
    """What makes a batch whose locations are closed so many days after `last`."""
    rows = [(location, last + dt.timedelta(days=d), True) for location, closed in days.items() for d in closed]
    names, ds, shut = zip(*rows, strict=True)
    calendar = pa.table({"location_id": names, "ds": pa.array(ds, pa.date32()), "is_closed": shut})

    def make(history: pa.Table, cutoff: dt.date, max_history: int | None) -> SkuBatch:
        batch, closed = SkuBatch.from_arrow(history, cutoff, max_history), ClosedDays.of(calendar)
        assert closed is not None
        closed_SH = closed.ahead(batch.unique_ids, cutoff, HORIZON)
        return replace(batch, closed_SH=None if closed_SH is None else torch.from_numpy(closed_SH))

    return make


def _evidence(history: pa.Table) -> Evidence:
    """Scores and errors of the bucket itself, so that quantiles are calibrated."""
    tested = backtest_bucket(history, [CUTOFF], HORIZON, SPEC)
    evidence = Evidence(tested.backtest, tested.class_summary)
    rows = calibrate_bucket(history, [CUTOFF], HORIZON, SPEC, evidence=evidence)
    return replace(evidence, errors={CUTOFF: ErrorModel.fit(ScoreSummary.from_arrow(rows, HORIZON), SPEC)})


def _frame(result: BucketForecast) -> pd.DataFrame:
    frame = result.demand.to_pandas()
    frame["day"] = [(ds - cutoff).days for ds, cutoff in zip(frame["ds"], frame["cutoff"], strict=True)]
    frame["location"] = frame["unique_id"].str.split("|").str[1]
    return frame


@pytest.mark.parametrize(
    "days",
    [
        {"n": tuple(range(3, 10))},
        {"n": SUNDAYS},
        {"n": tuple(range(1, HORIZON + 1)), "s": tuple(range(1, HORIZON + 1))},
        {"n": (1, 2), "s": (13, 14)},
    ],
    ids=["one week", "every Sunday", "all days of all", "other days in each of two stores"],
)
def test_closed_days_are_forecast_zero_and_the_others_are_left_alone(days: dict[str, tuple[int, ...]]) -> None:
    history = long_table(_of_two_stores())
    evidence = _evidence(history)
    open_all = forecast_bucket(history, [CUTOFF], HORIZON, evidence=evidence)
    result = forecast_bucket(history, [CUTOFF], HORIZON, evidence=evidence, batch_of=_closing(days))
    found, usual = _frame(result), _frame(open_all)
    is_shut = np.array([d in days.get(at, ()) for d, at in zip(found["day"], found["location"], strict=True)])
    assert (found.loc[is_shut, NUMBERS] == 0.0).all().all()
    assert (usual.loc[is_shut, NUMBERS[-1]] > 0.0).any(), "else nothing was closed"
    pd.testing.assert_frame_equal(found[~is_shut], usual[~is_shut])
    assert result.champion.equals(open_all.champion)

    lead, daily = result.lead_time.to_pandas(), found.groupby("unique_id")["mean"]
    np.testing.assert_allclose(lead["mean"], daily.cumsum(), rtol=1e-12, atol=1e-12)
    sums = lead.pivot(index="unique_id", columns="days", values=NUMBERS[1:])
    shut = pd.Series(is_shut).groupby(found["unique_id"]).agg(list)
    for unique_id, closed_H in shut.items():
        for column in NUMBERS[1:]:
            total = np.r_[0.0, sums.loc[unique_id, column]]
            assert (np.diff(total)[closed_H] == 0.0).all(), "demand over lead time stands still on a closed day"
    assert not lead[NUMBERS].isna().any().any()


def test_days_that_go_together_are_as_uncertain_beside_closed_days() -> None:
    """Half of the days closed: the sum of the others has the deviation that it had."""
    days = tuple(range(8, HORIZON + 1))
    history = long_table(_of_two_stores())
    evidence = _evidence(history)
    tables = [
        forecast_bucket(history, [CUTOFF], HORIZON, evidence=evidence, batch_of=_closing({place: days})).lead_time
        for place in ("n", "s")
    ]
    shut, usual = (
        t.to_pandas().query("days == 7 and unique_id.str.contains('|n|', regex=False)").set_index("unique_id")
        for t in tables
    )
    np.testing.assert_allclose(shut["sd"], usual["sd"], rtol=0.05, atol=1e-9)


def test_the_benchmark_and_a_fallback_know_closed_days_too() -> None:
    history, earlier = long_table(_of_two_stores()), CUTOFF - dt.timedelta(days=HORIZON)
    make = _closing({"n": (2, 3)}, earlier)
    result = forecast_bucket(history, [earlier, CUTOFF], HORIZON, batch_of=make)
    found = _frame(result).query("location == 'n' and day in (2, 3) and cutoff == @earlier")
    assert {"seasonal_naive"} < set(found["model"])
    assert (found[NUMBERS] == 0.0).all().all()
    later = result.demand.to_pandas().query("cutoff == @CUTOFF").reset_index(drop=True)
    usual = forecast_bucket(history, [CUTOFF], HORIZON).demand.to_pandas()
    pd.testing.assert_frame_equal(later, usual)


def test_closed_days_of_the_past_are_not_scored() -> None:
    """They are unobserved: what a model forecasts for them counts in no score and in no error."""
    series = _of_two_stores()
    history = long_table(series)
    closed = CUTOFF - dt.timedelta(days=3)
    at = pa.compute.equal(history["ds"], pa.scalar(closed))
    masked, absurd = (
        history.set_column(2, "y", pa.compute.if_else(at, pa.scalar(value, pa.float64()), history["y"]))
        for value in (None, 1e6)
    )
    one = replace(SPEC, windows=1)
    tables = [backtest_bucket(t, [CUTOFF], HORIZON, one).backtest.to_pandas() for t in (masked, history, absurd)]
    days = [t.set_index(["unique_id", "model"])["n_days"] for t in tables[:2]]
    seen = {u for u, y in series.items() if len(y) > HORIZON and np.isfinite(y[-4])}
    for (unique_id, _), less in (days[1] - days[0]).items():
        assert less == (unique_id in seen)
    assert tables[2]["rmsse"].max() > 1e3 > tables[0]["rmsse"].max()


WEEK = np.array([1.0, 0.8, 0.9, 1.0, 1.3, 1.6, 1.1])
FLAT = {"croston", "historic_mean", "sba", "tsb"}
"""Models without a season."""


@pytest.mark.parametrize("name", registry.made_names())
def test_every_model_copes_with_a_weekday_that_is_never_observed(name: str) -> None:
    """Its other days are forecast as they are where Sundays are open, and keep their season."""
    rng = np.random.default_rng(3)
    always = {f"s{s:02d}": rng.poisson(np.tile(8.0 * WEEK, 26)).astype(float) for s in range(24)}
    six_days = {name: np.where(np.arange(len(y)) % 7 == 6, np.nan, y) for name, y in always.items()}
    model, is_open = registry.make(name, SPEC), np.arange(1, 29) % 7 != 0
    forecast, usual = (model.forecast(batch_of(series), 28, (0.1, 0.5, 0.9)) for series in (six_days, always))
    assert forecast.finite_series().all(), "no NaN"
    found, expected = (f.mean_SH.numpy()[:, is_open] for f in (forecast, usual))
    level = found.mean() / (8.0 * WEEK[:6].mean())
    assert 0.9 < level < 1.1, f"open days are neither lowered nor raised by the closed ones, found {level:.2f}"
    if name in FLAT:
        np.testing.assert_allclose(found.std(1), 0.0, atol=1e-9)
    else:
        found, expected = (x.reshape(-1, 6).mean(0) / x.mean() for x in (found, expected))
        np.testing.assert_allclose(found, expected, atol=0.1)

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import udfs.forecasting
from tests.udfs.forecasting.series import long_table, mixed_series
from udfs.forecasting import forecast, forecast_paths
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.frames import PATH_LEVELS, ForecastWarning, panel_of
from udfs.forecasting.kernels.forecast_bucket import forecast_bucket
from udfs.forecasting.models.ets.ets_model import ExponentialSmoothing

LEVELS = (0.1, 0.5, 0.975)


def _frame(**series: list[float]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"unique_id": key, "ds": pd.date_range("2024-01-01", periods=len(y)), "y": y})
        for key, y in series.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_it_is_what_a_bucket_gets() -> None:
    table = long_table(mixed_series(20))
    spec = ForecastSpec(model="ets", benchmark=None)
    job = forecast_bucket(table, [dt.date(2024, 3, 31)], 9, spec).demand.drop_columns(["cutoff", "sd"])
    ours = forecast(table, model="ets", horizon=9)
    same = job.select(ours.column_names)
    assert ours.drop_columns(["unique_id", "ds"]).equals(same.drop_columns(["unique_id", "ds"]))
    assert ours["unique_id"].to_pylist() == same["unique_id"].to_pylist()
    assert ours["ds"].to_pylist() == same["ds"].to_pylist()


def test_rows_may_come_in_any_order_and_series_end_on_their_own_day() -> None:
    history = _frame(b=[1.0, 2, 3, 4] * 10, a=[5.0] * 20)
    made = forecast(history.sample(frac=1, random_state=1), model="seasonal_naive", horizon=4, season_length=4)
    assert made["unique_id"].tolist() == ["a"] * 4 + ["b"] * 4
    assert made["ds"].iloc[0] == pd.Timestamp("2024-01-21")
    assert made["ds"].iloc[4] == pd.Timestamp("2024-02-10")
    assert made["mean"].tolist() == [5.0] * 4 + [1.0, 2, 3, 4]
    assert made["model"].unique().tolist() == ["seasonal_naive"]


@pytest.mark.parametrize(("freq", "season"), [("W", 52), ("MS", 12), ("h", 24), (1, 6)])
def test_any_frequency_sees_the_same_steps(freq: str | int, season: int) -> None:
    y = np.random.default_rng(3).poisson(9, 80).astype(float)
    ds = pd.Series(range(7, 87)) if freq == 1 else pd.Series(pd.date_range("2020-03-01", periods=80, freq=freq))
    history = pd.DataFrame({"unique_id": 4, "ds": ds, "y": y})
    made = forecast(history, model="ets", horizon=5, season_length=season, freq=freq, quantiles=LEVELS)
    assert made.columns.tolist() == ["unique_id", "ds", "model", "mean", "p10", "p50", "p97_5"]
    assert made["unique_id"].dtype == history["unique_id"].dtype
    ahead = range(87, 92) if freq == 1 else pd.date_range(ds.iloc[-1], periods=6, freq=freq)[1:]
    assert made["ds"].tolist() == list(ahead)
    batch = panel_of(history, freq, 5).batch
    expected = ExponentialSmoothing(season_length=season).forecast(batch, 5, LEVELS)
    np.testing.assert_array_equal(made["mean"].to_numpy(), expected.mean_SH[0].numpy())


def test_covariates_reach_the_model_where_they_belong() -> None:
    history = _frame(a=[1.0] * 20, b=[2.0] * 15).assign(store=lambda f: f["unique_id"].map({"a": "x", "b": "y"}))
    history["price"] = np.arange(35.0)
    future = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2024-01-21", periods=4), "price": [70.0, 71, 72, 73]})
    with pytest.warns(ForecastWarning, match="1 of 2 series have covariates"):
        panel = panel_of(history, "D", 3, future)
    assert panel.batch.known is not None
    price_SX = panel.batch.known.values_SXK[:, :, 0]
    T = panel.batch.n_days
    assert price_SX[0, T - 20 : T + 3].tolist() == [*range(20), 70, 71, 72]
    assert price_SX[1, T - 15 : T].tolist() == list(range(20, 35))
    assert torch.isnan(price_SX[1, T:]).all()
    assert panel.batch.traits is not None
    assert panel.batch.traits.codes_SC[:, 0].tolist() == [0, 1]


def test_a_true_calendar_is_kept_where_series_end_together() -> None:
    assert panel_of(_frame(a=[1.0] * 20, b=[2.0] * 20), "D", 3).batch.cutoff == dt.date(2024, 1, 20)


def test_a_series_without_a_forecast_is_told() -> None:
    history = _frame(a=[1.0] * 20, b=[np.nan] * 20)
    with pytest.warns(ForecastWarning, match=r"1 of 2 series failed: b: no observed demand"):
        made = forecast(history, model="ets", horizon=2)
    assert set(made["unique_id"]) == {"a"}
    with pytest.raises(ValueError, match="at least one observed y"), pytest.warns(ForecastWarning):
        forecast(history[history["unique_id"] == "b"], model="ets", horizon=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.to_numpy(), "a pandas frame or an Arrow table"),
        (lambda f: f.rename(columns={"y": "units"}), "found no y"),
        (lambda f: f[:0], "at least one row"),
        (lambda f: f.assign(unique_id=None), "expected unique_id on every row"),
        (lambda f: f.assign(y="many"), "expected numbers in y"),
        (lambda f: f.assign(y=np.inf), "finite y"),
        (lambda f: pd.concat([f, f[:1]]), "found two of 'a' at 2024-01-01"),
        (lambda f: f.assign(store=[str(k) for k in range(len(f))]), "constant within a series"),
    ],
)
def test_bad_history_is_refused_with_what_to_do(change: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        forecast(change(_frame(a=[1.0, 2, 3])))  # type: ignore[operator]


def test_bad_arguments_are_refused() -> None:
    history = _frame(a=[1.0] * 20)
    with pytest.raises(ValueError, match="horizon"):
        forecast(history, horizon=0)
    with pytest.raises(ValueError, match="quantile"):
        forecast(history, quantiles=(0.5, 0.1))
    with pytest.raises(ValueError, match="registered forecaster, found 'prophet'"):
        forecast(history, model="prophet")
    with pytest.raises(ValueError, match="covariates in history"):
        forecast(history, future=history)
    far = pd.DataFrame({"unique_id": "a", "ds": [0, 2**33], "y": 1.0})
    with pytest.raises(ValueError, match="steps of history"):
        forecast(far, freq=1)


def test_arrow_in_arrow_out() -> None:
    made = forecast(pa.Table.from_pandas(_frame(a=[1.0] * 20)), model="ets", horizon=2, quantiles=(0.5,))
    assert made.schema.names == ["unique_id", "ds", "model", "mean", "p50"]


@pytest.mark.parametrize("model", ["ets", "auto"])
def test_paths_have_the_forecasts_quantiles_and_mean_and_are_the_same_for_a_seed(model: str) -> None:
    history = long_table(mixed_series(6, n_days=200))
    made = forecast(history, model=model, horizon=5, quantiles=PATH_LEVELS).to_pandas()
    path_SNH = forecast_paths(history, model=model, horizon=5, n_paths=4000, seed=3)
    assert path_SNH.shape == (6, 4000, 5)
    below_SH = {level: made[column].to_numpy().reshape(6, 5) for level, column in ((0.5, "p50"), (0.9, "p90"))}
    for level, quantile_SH in below_SH.items():
        # Counts have ties: the level lies between the shares strictly below and at or below the quantile.
        assert ((path_SNH < quantile_SH[:, None]).mean(1) <= level + 0.03).all()
        assert ((path_SNH <= quantile_SH[:, None] + 1e-9).mean(1) >= level - 0.03).all()
    np.testing.assert_array_equal(path_SNH[:, :50], forecast_paths(history, model=model, horizon=5, n_paths=50, seed=3))
    assert not np.array_equal(path_SNH[:, :50], forecast_paths(history, model=model, horizon=5, n_paths=50, seed=4))


def test_paths_of_a_series_without_a_forecast_are_nan() -> None:
    with pytest.warns(ForecastWarning):
        path_SNH = forecast_paths(_frame(a=[1.0, 2, 3] * 20, b=[np.nan] * 20), model="ets", horizon=2, n_paths=7)
    assert np.isfinite(path_SNH[0]).all()
    assert np.isnan(path_SNH[1]).all()
    with pytest.raises(ValueError, match="at least one path"):
        forecast_paths(_frame(a=[1.0] * 20), n_paths=0)


def test_the_package_offers_its_two_functions_and_says_what_it_lacks() -> None:
    assert udfs.forecasting.forecast is forecast
    assert udfs.forecasting.forecast_paths is forecast_paths
    with pytest.raises(AttributeError, match=r"module 'udfs\.forecasting' has no attribute 'forecasts'"):
        _ = udfs.forecasting.forecasts

from __future__ import annotations

import datetime as dt
import warnings
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import udfs.forecasting
from tests.udfs.forecasting.series import long_table, mixed_series
from udfs.forecasting import forecast, forecast_paths
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.forecaster import Forecast
from udfs.forecasting.frame_panel import ForecastWarning, panel_of
from udfs.forecasting.frames import PATH_LEVELS
from udfs.forecasting.kernels.forecast_bucket import forecast_bucket
from udfs.forecasting.models.ets.ets_model import ExponentialSmoothing
from udfs.forecasting.models.naive import HistoricMean
from udfs.series.sku_batch import SkuBatch

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
    ours = forecast(table, model="ets", horizon=9, leading_zeros="unknown")
    same = job.select(ours.column_names)
    assert ours.drop_columns(["unique_id", "ds"]).equals(same.drop_columns(["unique_id", "ds"]))
    assert ours["unique_id"].to_pylist() == same["unique_id"].to_pylist()
    assert ours["ds"].to_pylist() == same["ds"].to_pylist()


def test_selling_days_alone_are_warned_of_and_zeros_once_said() -> None:
    history = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2024-01-01", periods=10, freq="W-MON"), "y": 7.0})
    with pytest.warns(ForecastWarning, match=r"1 of 1 series .* 'a': 10 rows in 64 steps .* gap_fill='zero'") as warned:
        forecast(history, horizon=7)
    assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert forecast(history, horizon=7, gap_fill="unknown")["mean"].sum() == pytest.approx(49)
        assert forecast(history, horizon=7, gap_fill="zero")["mean"].sum() == pytest.approx(7, rel=0.1)
        assert forecast(history, horizon=1, freq="W")["mean"].sum() == pytest.approx(7)
        assert forecast_paths(history, horizon=7, gap_fill="zero").sum(2).mean() == pytest.approx(7, rel=0.2)


@pytest.mark.parametrize("others", [0, 20])
@pytest.mark.parametrize(
    ("y", "expected"),
    [([0.0] * 180 + [5.0], 7 * 5 / 181), ([np.nan] * 180 + [5.0], 35), ([0.0] * 181, 0), ([0.0] * 20 + [5.0], 35 / 21)],
)
def test_leading_zeros_are_observations(y: list[float], expected: float, others: int) -> None:
    rng = np.random.default_rng(2)
    rest = {f"b{k}": (rng.poisson(4, 181) * (rng.random(181) < 0.2)).astype(float).tolist() for k in range(others)}
    made = forecast(_frame(a=y, **rest), horizon=7, season_length=7)
    assert made[made["unique_id"] == "a"]["mean"].sum() == pytest.approx(expected)
    if np.any(np.array(y) > 0):
        dropped = forecast(_frame(a=y), horizon=7, leading_zeros="unknown")
        assert dropped["mean"].sum() == pytest.approx(35)


def test_zeros_before_several_sales_lower_the_forecast_but_not_to_their_mean() -> None:
    history = _frame(a=[0.0] * 100 + [5.0, 6.0, 4.0] * 20)
    assert 25 < forecast(history, horizon=7, season_length=7)["mean"].sum() < 40


@pytest.mark.parametrize("at", [89, 80, 20, 0])
@pytest.mark.parametrize("model", ["auto", "ets", "theta", "historic_mean", "arima"])
def test_a_slip_of_the_pen_moves_no_forecast(model: str, at: int) -> None:
    y = [10.0 + k % 7 for k in range(90)]
    y[at] = 99999.0
    day = pd.Timestamp("2024-01-01") + pd.Timedelta(days=at)
    with pytest.warns(ForecastWarning, match=f"'a' at {day.date()}: 99,999 where else at most 16.*left out") as warned:
        made = forecast(_frame(a=y), model=model, horizon=7)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert 91 / 1.5 < made["mean"].sum() < 91 * 1.5
    assert (made["mean"] >= made["p05"] - 1e-3).all()
    assert (made["mean"] <= made["p95"] + 1e-3).all()


def test_a_mean_that_its_quantiles_contradict_is_moved_and_named() -> None:
    y = [10.0 + k % 7 for k in range(90)]
    y[80] = 99999.0
    with pytest.warns(ForecastWarning) as warned:
        made = forecast(_frame(a=y, b=y[:80]), model="arima", horizon=7, outliers="observed")
    said = [str(w.message) for w in warned]
    assert "kept" in said[0]
    assert "1 of 2 series had means that their quantiles contradict, such as 'a' at 2024-03-31: 0 beside" in said[1]
    assert made["mean"][:7].tolist() == pytest.approx((0.95 * made["p05"][:7]).tolist())


class _Wrong:
    name = "wrong"

    def __init__(self, mean: float) -> None:
        self.mean = mean

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        made = HistoricMean().forecast(batch, horizon, quantiles)
        return replace(made, mean_SH=torch.full_like(made.mean_SH, self.mean))


@pytest.mark.parametrize(("mean", "within"), [(1e6, (7, 20)), (0.0, (4, 10)), (8.0, (8, 8)), (-3.0, (4, 10))])
def test_no_model_can_hand_on_a_mean_of_another_distribution(mean: float, within: tuple[float, float]) -> None:
    history = pd.DataFrame({"unique_id": "a", "ds": range(7, 97), "y": [5.0 + k % 5 for k in range(90)]})
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        made = forecast(history, model=_Wrong(mean), horizon=3, freq=1)
    assert made["mean"].between(*within).all()
    said = [str(w.message) for w in warned]
    assert len(said) == (mean != 8.0)
    assert all("'a' at 97: " in text for text in said)


class _NeedsItsCutoff:
    name = "needy"

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        raise ValueError(f"expected a cutoff that was fitted for, found {batch.cutoff}")


@pytest.mark.parametrize(
    ("ds", "freq", "said"),
    [
        (range(20), 1, "found no day, for these series have no last day in common"),
        (pd.date_range("2024-01-01", periods=20, freq="MS"), "MS", "found no day, for"),
        (pd.date_range("1999-12-13", periods=20), "D", "found 2000-01-01"),
    ],
)
def test_messages_hold_no_day_but_the_user_s(ds: object, freq: str | int, said: str) -> None:
    history = pd.DataFrame({"unique_id": "a", "ds": ds, "y": 3.0})
    with pytest.warns(ForecastWarning, match=said):
        forecast(history, model=_NeedsItsCutoff(), horizon=2, freq=freq)
    with pytest.warns(ForecastWarning) as warned:
        forecast(pd.concat([history, history[:9].assign(unique_id="b", y=np.nan)]), model="ets", horizon=2, freq=freq)
    assert str(warned[0].message) == "1 of 2 series failed: b: no observed demand in its rows (fallback: none)"


@pytest.mark.parametrize("y", [[Decimal("1.5"), Decimal(2), None] * 10, pd.array([1, 2, None] * 10, dtype="Int64")])
def test_decimals_and_nullable_numbers_are_forecast_as_floats_are(y: object) -> None:
    history = _frame(a=[0.0] * 30).assign(y=y)
    floats = history.assign(y=pd.to_numeric(history["y"]).to_numpy(dtype=float, na_value=np.nan))
    pd.testing.assert_frame_equal(forecast(history, horizon=3), forecast(floats, horizon=3))
    table = forecast(pa.Table.from_pandas(history, preserve_index=False), horizon=3)
    assert table["mean"].to_pylist() == forecast(floats, horizon=3)["mean"].tolist()


def test_rows_may_come_in_any_order_and_series_end_on_their_own_day() -> None:
    history = _frame(b=[1.0, 2, 3, 4] * 10, a=[5.0] * 20)
    made = forecast(history.sample(frac=1, random_state=1), model="seasonal_naive", horizon=4, season_length=4)
    assert made["unique_id"].tolist() == ["a"] * 4 + ["b"] * 4
    assert made["ds"].iloc[0] == pd.Timestamp("2024-01-21")
    assert made["ds"].iloc[4] == pd.Timestamp("2024-02-10")
    assert made["mean"].tolist() == [5.0] * 4 + [1.0, 2, 3, 4]
    assert made["model"].unique().tolist() == ["seasonal_naive"]


def _text(history: pd.DataFrame) -> pd.DataFrame:
    """Ids as every row's own object, as sums of columns make them."""
    return history.assign(unique_id=history["unique_id"].map(lambda key: "".join(list(key))))


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.sort_values(["ds", "unique_id"]),
        lambda f: f.sample(frac=1, random_state=2),
        lambda f: f.iloc[::-1],
        lambda f: _text(f),
        lambda f: _text(f).sort_values("ds"),
        lambda f: f.astype({"unique_id": "category"}),
        lambda f: f.astype({"unique_id": "string"}),
        lambda f: f.astype({"ds": "datetime64[s]"}),
        lambda f: f.assign(ds=f["ds"].dt.date),
        lambda f: f.assign(ds=f["ds"].dt.strftime("%Y-%m-%d")),
        lambda f: f.assign(ds=f["ds"].astype(pd.ArrowDtype(pa.date32()))),
        lambda f: pa.Table.from_pandas(f, preserve_index=False),
        lambda f: pa.Table.from_pandas(f.assign(ds=f["ds"].dt.date), preserve_index=True),
        lambda f: pa.Table.from_pandas(f.astype({"unique_id": "category"}).sample(frac=1), preserve_index=False),
    ],
)
def test_however_ids_and_stamps_are_held_the_forecast_is_the_same(change: object) -> None:
    rng = np.random.default_rng(5)
    history = _frame(**{key: rng.poisson(3, n).astype(float) for key, n in (("c", 70), ("a", 40), ("b", 90))})
    expected = forecast(history, model="ets", horizon=3, season_length=7)
    made = forecast(change(history), model="ets", horizon=3, season_length=7)  # type: ignore[operator]
    if isinstance(made, pa.Table):
        made = made.to_pandas()
    assert made["unique_id"].astype(str).tolist() == expected["unique_id"].tolist() == ["a"] * 3 + ["b"] * 3 + ["c"] * 3
    assert pd.to_datetime(made["ds"]).tolist() == expected["ds"].tolist()
    pd.testing.assert_frame_equal(made.drop(columns=["unique_id", "ds"]), expected.drop(columns=["unique_id", "ds"]))


def test_dates_without_a_time_come_back_as_such() -> None:
    history = _frame(a=[3.0] * 30)
    dates = history.assign(ds=history["ds"].dt.date)
    assert type(forecast(dates, model="ets", horizon=2)["ds"].iloc[0]) is dt.date
    table = pa.Table.from_pandas(dates, preserve_index=False)
    assert forecast(table, model="ets", horizon=2).schema.field("ds").type == pa.date32()


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
        forecast(far, freq=1, gap_fill="unknown")


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


@pytest.mark.parametrize(("freq", "season"), [("W", 52), ("h", 24), ("D", 7)])
def test_a_season_is_found_where_none_is_given(freq: str, season: int) -> None:
    rng = np.random.default_rng(4)
    ds = pd.date_range("2020-01-05", periods=4 * season + 60, freq=freq)
    wave = 20 + 15 * np.sin(2 * np.pi * np.arange(len(ds)) / season)
    parts = [pd.DataFrame({"unique_id": f"s{k}", "ds": ds, "y": rng.poisson(wave).astype(float)}) for k in range(8)]
    history = pd.concat(parts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = forecast(history, model="seasonal_naive", horizon=season, freq=freq)
    given = forecast(history, model="seasonal_naive", horizon=season, freq=freq, season_length=season)
    pd.testing.assert_frame_equal(found, given)
    flat = history.assign(y=rng.poisson(20, len(history)).astype(float))
    with pytest.warns(
        ForecastWarning, match=f"a season of {season} steps of {freq} .*season_length=1 is taken"
    ) as said:
        none = forecast(flat, model="seasonal_naive", horizon=3, freq=freq)
    assert said[0].filename == __file__
    assert (none.groupby("unique_id")["mean"].nunique() == 1).all()
    counted = history.assign(ds=np.tile(np.arange(len(ds)), 8))
    with pytest.warns(ForecastWarning, match=f"season_length={season} is taken"):
        by_steps = forecast(counted, model="seasonal_naive", horizon=season, freq=1)
    assert by_steps["mean"].tolist() == given["mean"].tolist()

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from tests.udfs.forecasting.series import CUTOFF, long_table, mixed_series
from udfs.forecasting import registry
from udfs.forecasting.choice.class_route import ClassRoute
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.forecaster import Forecast
from udfs.forecasting.kernels.forecast_bucket import BucketForecast, forecast_bucket
from udfs.series.sku_batch import SkuBatch

HORIZON = 9
GOOD = mixed_series(24)
BAD_IDS = ("s003", "s010", "s011", "s023")


@dataclass(frozen=True)
class FragileForecaster:
    """`class_route`, except that some series make the whole call raise and others get NaN."""

    raises: tuple[str, ...] = ()
    nan: tuple[str, ...] = ()
    name: str = "fragile"

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        if set(batch.unique_ids) & set(self.raises):
            raise ArithmeticError("this series does not converge")
        forecast = ClassRoute().forecast(batch, horizon, quantiles)
        forecast.mean_SH[torch.from_numpy(np.isin(batch.unique_ids, self.nan))] = torch.nan
        return forecast


@pytest.fixture
def fragile() -> Iterator[ForecastSpec]:
    registry.register(
        registry.Model("fragile", make=lambda _spec: FragileForecaster(raises=BAD_IDS[:3], nan=BAD_IDS[3:]))
    )
    yield ForecastSpec(model="fragile")
    registry.unregister("fragile")


def _rows_of(table: pa.Table, ids: list[str]) -> pa.Table:
    return table.filter(pc.is_in(table["unique_id"], pa.array(ids))).combine_chunks()


def _others(result: BucketForecast, bad: tuple[str, ...]) -> tuple[pa.Table, pa.Table]:
    ids = [u for u in GOOD if u not in bad]
    return _rows_of(result.demand, ids), _rows_of(result.champion, ids)


def test_a_failing_series_costs_itself_and_leaves_the_others_bit_for_bit(fragile: ForecastSpec) -> None:
    cutoffs = [CUTOFF - dt.timedelta(days=HORIZON), CUTOFF]
    broken = forecast_bucket(long_table(GOOD), cutoffs, HORIZON, fragile)
    whole = forecast_bucket(long_table(GOOD), cutoffs, HORIZON)
    without = forecast_bucket(long_table({u: y for u, y in GOOD.items() if u not in BAD_IDS}), cutoffs, HORIZON)
    for a, b, c in zip(_others(broken, BAD_IDS), _others(whole, BAD_IDS), _others(without, BAD_IDS), strict=True):
        assert a.equals(b)
        assert a.equals(c)

    failures = broken.failures.to_pandas()
    last = failures[failures["cutoff"] == CUTOFF].set_index("unique_id")
    assert sorted(last.index) == sorted(BAD_IDS)
    assert last.loc["s003", "error_class"] == "ArithmeticError"
    assert "does not converge" in last.loc["s010", "error"]
    assert last.loc["s023", "error_class"] == "NonFiniteForecast"
    assert set(last["fallback"]) == {"seasonal_naive"}

    naive = forecast_bucket(long_table(GOOD), [CUTOFF], HORIZON, ForecastSpec(model="seasonal_naive"))
    final = broken.demand.filter(pc.equal(broken.demand["cutoff"], pa.scalar(CUTOFF)))
    assert (
        _rows_of(final, list(BAD_IDS))
        .sort_by([("unique_id", "ascending"), ("ds", "ascending")])
        .equals(_rows_of(naive.demand, list(BAD_IDS)))
    )
    rule = _rows_of(broken.champion, ["s003"])["rule"].to_pylist()
    assert rule == ["fallback: the chosen model ended in ArithmeticError"] * 2


def test_odd_series_end_with_a_result_or_a_reason_and_touch_nobody() -> None:
    odd = {
        "x_all_nan": np.full(40, np.nan),
        "x_all_zero": np.zeros(90),
        "x_billion": np.full(90, 1e9) + np.arange(90) % 7,
        "x_gone_for_years": np.r_[np.ones(30), np.full(800, np.nan)],
        "x_infinite": np.r_[np.ones(60), np.inf],
        "x_one_row": np.array([6.0]),
        "x_spike": np.r_[np.zeros(50), 1e9, np.zeros(40), 1.0],
    }
    result = forecast_bucket(long_table(GOOD | odd), [CUTOFF], HORIZON)
    alone = forecast_bucket(long_table(GOOD), [CUTOFF], HORIZON)
    for a, b in zip(_others(result, ()), _others(alone, ()), strict=True):
        assert a.equals(b)

    failed = result.failures.to_pandas().set_index("unique_id")
    assert failed["fallback"].to_dict() == {"x_all_nan": "none", "x_gone_for_years": "none", "x_infinite": "none"}
    assert failed["error_class"].to_dict() == {
        "x_all_nan": "NoObservation",
        "x_gone_for_years": "NoObservation",
        "x_infinite": "NonFiniteForecast",
    }
    demand = result.demand.to_pandas()
    in_demand, in_failures = set(demand["unique_id"]), set(failed.index)
    assert in_demand | in_failures == set(GOOD | odd)
    assert np.isfinite(demand.select_dtypes("number").to_numpy()).all()
    champion = result.champion.to_pandas().set_index("unique_id")
    assert champion.loc["x_all_zero", "model"] == "zero"
    assert champion.loc["x_one_row", "model"] == "historic_mean"
    mean = demand.groupby("unique_id")["mean"].mean()
    assert mean["x_all_zero"] == 0.0
    assert mean["x_one_row"] == 6.0
    assert mean["x_billion"] == pytest.approx(1e9, rel=1e-6)


def test_what_happens_after_a_cutoff_does_not_reach_its_forecast() -> None:
    earlier = CUTOFF - dt.timedelta(days=20)
    table = long_table(GOOD)
    after = pc.greater(table["ds"], pa.scalar(earlier))
    changed = table.set_column(2, "y", pc.if_else(after, pa.scalar(777.0), table["y"]))
    original = forecast_bucket(table, [earlier], HORIZON)
    assert forecast_bucket(changed, [earlier], HORIZON).demand.equals(original.demand)
    assert forecast_bucket(table.filter(pc.invert(after)), [earlier], HORIZON).demand.equals(original.demand)


def test_rows_keys_and_benchmark() -> None:
    earlier = CUTOFF - dt.timedelta(days=60)
    result = forecast_bucket(long_table(GOOD), [CUTOFF, earlier], HORIZON)
    demand = result.demand.to_pandas()
    assert not demand.duplicated(["unique_id", "cutoff", "model", "ds"]).any()
    started_earlier = {u for u, y in GOOD.items() if np.isfinite(y[: max(len(y) - 60, 0)]).any()}
    by_cutoff = demand.groupby("cutoff")["unique_id"].agg(set)
    assert by_cutoff[CUTOFF] == set(GOOD)
    assert by_cutoff[earlier] == started_earlier
    assert set(demand.loc[demand["cutoff"] == CUTOFF, "model"]).isdisjoint({"seasonal_naive"})
    benchmarked = demand[(demand["cutoff"] == earlier) & (demand["model"] == "seasonal_naive")]
    assert set(benchmarked["unique_id"]) == started_earlier
    horizon_days = demand.apply(lambda row: (row["ds"] - row["cutoff"]).days, axis=1)
    assert sorted(set(horizon_days)) == list(range(1, HORIZON + 1))
    joined = demand.merge(result.champion.to_pandas(), on=["unique_id", "cutoff", "model"])
    assert len(joined) == HORIZON * (len(GOOD) + len(started_earlier))
    assert set(result.profile["unique_id"].to_pylist()) == set(GOOD)


def test_an_empty_bucket_gives_empty_tables_of_the_same_schema() -> None:
    empty = forecast_bucket(long_table({}), [CUTOFF], HORIZON)
    full = forecast_bucket(long_table(GOOD), [CUTOFF], HORIZON)
    for name in ("demand", "champion", "profile", "failures"):
        assert getattr(empty, name).num_rows == 0
        assert getattr(empty, name).schema == getattr(full, name).schema


def test_requests_are_checked() -> None:
    table = long_table({"a": np.ones(30)})
    with pytest.raises(ValueError, match="cutoff"):
        forecast_bucket(table, [], HORIZON)
    with pytest.raises(ValueError, match="horizon"):
        forecast_bucket(table, [CUTOFF], 0)
    with pytest.raises(ValueError, match="registered forecaster"):
        forecast_bucket(table, [CUTOFF], HORIZON, ForecastSpec(model="crystal_ball"))

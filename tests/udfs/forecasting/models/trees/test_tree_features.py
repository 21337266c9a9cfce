from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests.udfs.demand.feature_frames import hard_history
from udfs.demand.features.sku_features import CALENDAR_TYPES, FeatureSpec, sku_daily_features
from udfs.forecasting.models.trees.tree_rows import RowSpec, demand_statistics, feature_rows
from udfs.series.covariates import Covariates, Traits
from udfs.series.sku_batch import SkuBatch

SPEC = RowSpec(use_season_of_year=True)
NO_CALENDAR = CALENDAR_TYPES.empty_table()


def full_batch(history: pa.Table) -> tuple[SkuBatch, dt.date]:
    """Every row of the history in tensors, those before a first sale too, as the feature table counts them."""
    frame = history.to_pandas()
    first, last = frame["ds"].min(), frame["ds"].max()
    ids = sorted(frame["unique_id"].unique())
    shape = (len(ids), (last - first).days + 1)
    y_ST, price_ST = np.full(shape, np.nan), np.full(shape, np.nan)
    at_S = frame["unique_id"].map({name: k for k, name in enumerate(ids)}).to_numpy()
    day = (frame["ds"] - first).map(lambda gap: gap.days).to_numpy()
    y_ST[at_S, day], price_ST[at_S, day] = frame["y"], frame["unit_price"]
    mask_ST = ~np.isnan(y_ST)
    known = Covariates(("unit_price",), torch.from_numpy(price_ST[:, :, None]))
    y = torch.from_numpy(np.nan_to_num(y_ST))
    return SkuBatch(np.array(ids, dtype=object), y, torch.from_numpy(mask_ST), last, known), first


def table_values(history: pa.Table, day: dt.date, ids: np.ndarray, names: list[str]) -> np.ndarray:
    """(S, names) of the feature table on one day; NaN where it has no row or null."""
    table = sku_daily_features(history, NO_CALENDAR, first_ds=day, last_ds=day).to_pandas()
    return table.set_index("unique_id").reindex(ids)[names].to_numpy(dtype=float)


@pytest.mark.parametrize("origin", [30, 71, 120, 149])
def test_columns_are_those_of_the_feature_table_on_the_day_after_the_origin(origin: int) -> None:
    history = hard_history(days=150)
    batch, first = full_batch(history)
    day = first + dt.timedelta(days=origin)
    rows_SF = feature_rows(batch, origin, 1, SPEC)[:, 0].astype(np.float64)
    names = SPEC.names(("unit_price",), ())
    shared = [n for n in names if n not in ("day_of_month", "horizon_day", "days_listed")]
    table_SF = table_values(history, day, batch.unique_ids, shared)
    on_day = np.isin(batch.unique_ids, sku_daily_features(history, NO_CALENDAR, first_ds=day, last_ds=day)["unique_id"])
    assert on_day.sum() >= 6
    expected = table_SF[on_day].astype(np.float32).astype(np.float64)
    np.testing.assert_array_equal(rows_SF[on_day][:, [names.index(n) for n in shared]], expected)


def test_the_statistics_agree_with_the_feature_table_to_the_last_bit() -> None:
    history, origin = hard_history(days=150), 120
    batch, first = full_batch(history)
    y_TS, seen_TS = batch.y_ST[:, :origin].numpy().T, batch.mask_ST[:, :origin].numpy().T.astype(float)
    found_SF = np.stack(demand_statistics(y_TS, seen_TS, FeatureSpec()), axis=1)
    names = RowSpec().demand_names()[: found_SF.shape[1]]
    expected_SF = table_values(history, first + dt.timedelta(days=origin), batch.unique_ids, names)
    known_S = ~np.isnan(expected_SF).all(1)
    assert known_S.sum() >= 6
    np.testing.assert_array_equal(found_SF[known_S], expected_SF[known_S])


def test_a_weekday_mean_is_that_of_the_target_day() -> None:
    y_T = np.arange(100.0)
    cutoff = dt.date(2024, 1, 7)
    batch = SkuBatch(np.array(["a"], object), torch.from_numpy(y_T[None]), torch.ones(1, 100).bool(), cutoff)
    spec = RowSpec()
    names = spec.names((), ())
    rows_HF = feature_rows(batch, 90, 10, spec)[0]
    for h in range(1, 11):
        days = [t for t in range(90) if (89 + h - t) % 7 == 0]
        assert rows_HF[h - 1, names.index("weekday_mean_4")] == np.mean(y_T[days[-4:]])
        assert rows_HF[h - 1, names.index("weekday_mean_8")] == np.mean(y_T[days[-8:]])
        date = cutoff + dt.timedelta(days=90 - 100 + h)
        assert rows_HF[h - 1, names.index("day_of_week")] == date.isoweekday()
        assert rows_HF[h - 1, names.index("day_of_month")] == date.day


def test_covariates_and_traits_of_the_target_day() -> None:
    rng = np.random.default_rng(0)
    price_SX = rng.uniform(1, 3, (3, 70))
    price_SX[1, :50] = np.nan
    values_SXK = torch.from_numpy(np.stack([price_SX, rng.random((3, 70)) < 0.5], axis=2))
    batch = SkuBatch(
        np.array(["a", "b", "c"], object),
        torch.ones(3, 60).double(),
        torch.ones(3, 60).bool(),
        dt.date(2024, 1, 7),
        Covariates(("unit_price", "is_promo"), values_SXK),
        Traits.from_columns({"store": ["x", "y", None]}),
    )
    spec = RowSpec()
    names = spec.names(("unit_price", "is_promo"), ("store",))
    rows = dict(zip(names, np.moveaxis(feature_rows(batch, 60, 10, spec), 2, 0), strict=True))
    np.testing.assert_allclose(rows["unit_price"], price_SX[:, 60:70], rtol=1e-6)
    np.testing.assert_array_equal(rows["is_promo"], values_SXK[:, 60:70, 1].numpy())
    recent_S = np.nanmean(price_SX[:, 32:60], axis=1)
    np.testing.assert_allclose(rows["price_ratio_28"], price_SX[:, 60:70] / recent_S[:, None], rtol=1e-6)
    np.testing.assert_array_equal(rows["store"][:, 0], [0, 1, -1])
    with pytest.raises(ValueError, match="expected known covariates for 71 days, found 70"):
        feature_rows(batch, 60, 11, spec)
    for origin in (0, 61):
        with pytest.raises(ValueError, match="expected an origin from 1 to 60"):
            feature_rows(batch, origin, 5, spec)


def test_nothing_after_the_origin_is_read() -> None:
    batch, _ = full_batch(hard_history(days=150))
    future_ST = batch.y_ST.clone()
    future_ST[:, 100:] = 77.0
    changed = replace(batch, y_ST=future_ST, mask_ST=batch.mask_ST.clone())
    changed.mask_ST[:, 100:] = False
    np.testing.assert_array_equal(feature_rows(batch, 100, 14, SPEC), feature_rows(changed, 100, 14, SPEC))

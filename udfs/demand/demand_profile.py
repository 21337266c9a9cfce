"""What kind of demand a series shows: intermittency class, season strength, history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch

from lakehouse.schema.codes import DEMAND_CLASSES
from lakehouse.schema.tables import table_of
from udfs.forecasting.masked import first_observed, last_observed, season_profile, time_major, time_mean, time_sum
from udfs.series.sku_batch import SkuBatch

ADI_CUTOFF = 1.32
CV2_CUTOFF = 0.49
"""Syntetos, Boylan & Croston (2005), On the categorization of demand patterns, JORS 56(5)."""


@dataclass(frozen=True, slots=True)
class DemandStatistics:
    """Per series, all (S,): numbers behind the profile, as tensors on the batch's device.

    Attributes:
        class_S: index into `DEMAND_CLASSES`.
        adi_S: observed days per selling day; NaN without a sale.
        cv2_S: squared coefficient of variation of the sizes of selling days; NaN without a sale.
        zero_share_S: share of observed days without demand; NaN without an observed day.
        season_strength_S: in [0, 1]; NaN with fewer than two full seasons.
        mean_S: mean daily demand over observed days, in units; NaN without an observed day.
        n_days_S: observed days.
        first_sale_S, last_sale_S: time index of first and last sale, T and -1 without one.
    """

    class_S: torch.Tensor
    adi_S: torch.Tensor
    cv2_S: torch.Tensor
    zero_share_S: torch.Tensor
    season_strength_S: torch.Tensor
    mean_S: torch.Tensor
    n_days_S: torch.Tensor
    first_sale_S: torch.Tensor
    last_sale_S: torch.Tensor


def demand_statistics(batch: SkuBatch, season_length: int = 7, min_history: int = 14) -> DemandStatistics:
    """Profile every series of a batch at once.

    A series without a sale is `no_sales`; one with fewer than `min_history` observed days is `new`; the others fall
    into the four classes of Syntetos, Boylan & Croston: ADI below 1.32 is smooth or erratic, from 1.32 on
    intermittent or lumpy; CV2 below .49 is the first of each pair.
    """
    y_TS, mask_TS = time_major(batch.y_ST), time_major(batch.mask_ST)
    sale_TS = mask_TS & (y_TS > 0)
    mean_S, n_days_S = time_mean(y_TS, mask_TS)
    size_S, n_sales_S = time_mean(y_TS, sale_TS)
    deviation_TS = torch.where(sale_TS, y_TS - size_S, 0.0)
    nan = torch.full_like(mean_S, torch.nan)
    has_sale_S = n_sales_S > 0
    variance_S = time_sum(deviation_TS * deviation_TS) / n_sales_S.clamp(min=1)
    adi_S = torch.where(has_sale_S, n_days_S / n_sales_S.clamp(min=1).to(y_TS.dtype), nan)
    cv2_S = torch.where(has_sale_S, variance_S / (size_S * size_S), nan)

    class_S = (cv2_S >= CV2_CUTOFF).long() + 2 * (adi_S >= ADI_CUTOFF).long()
    class_S = torch.where(n_days_S < min_history, DEMAND_CLASSES.index("new"), class_S)
    class_S = torch.where(has_sale_S, class_S, DEMAND_CLASSES.index("no_sales"))
    return DemandStatistics(
        class_S=class_S,
        adi_S=adi_S,
        cv2_S=cv2_S,
        zero_share_S=torch.where(n_days_S > 0, 1.0 - n_sales_S / n_days_S.clamp(min=1).to(y_TS.dtype), nan),
        season_strength_S=season_strength(y_TS, mask_TS, season_length),
        mean_S=torch.where(n_days_S > 0, mean_S, nan),
        n_days_S=n_days_S,
        first_sale_S=first_observed(sale_TS),
        last_sale_S=last_observed(sale_TS),
    )


def season_strength(y_TS: torch.Tensor, mask_TS: torch.Tensor, season_length: int) -> torch.Tensor:
    """(S,) max(0, 1 - var(remainder) / var(season + remainder)), NaN with fewer than two full seasons.

    Hyndman & Athanasopoulos, section 4.3, after a simple decomposition: the trend is the mean of each season (week),
    the season the mean of each phase around it. Perfectly level series have no season: 0.
    """
    trend_WMS, season_MS, seen_MS = season_profile(y_TS, mask_TS, season_length)
    pad = -y_TS.shape[0] % season_length
    y_WMS = torch.nn.functional.pad(y_TS, (0, 0, pad, 0)).unflatten(0, (-1, season_length))
    mask_WMS = torch.nn.functional.pad(mask_TS, (0, 0, pad, 0)).unflatten(0, (-1, season_length))
    detrended_WMS = y_WMS - trend_WMS
    total_S = _variance(detrended_WMS.flatten(0, 1), mask_WMS.flatten(0, 1))
    remainder_S = _variance((detrended_WMS - season_MS).flatten(0, 1), mask_WMS.flatten(0, 1))
    strength_S = (1.0 - remainder_S / torch.where(total_S > 0, total_S, 1.0)).clamp(min=0.0)
    strength_S = torch.where(total_S > 0, strength_S, 0.0)
    enough_S = (mask_TS.sum(0) >= 2 * season_length) & (seen_MS.sum(0) >= 2)
    return torch.where(enough_S, strength_S, torch.nan)


def demand_profile(batch: SkuBatch, season_length: int = 7, min_history: int = 14) -> pa.Table:
    """One row per series: unique_id, demand_class, adi, cv2, zero_share, season_strength, history_days,
    first_sale_ds, last_sale_ds, mean_demand, all as seen within the batch. Undefined numbers are NULL."""
    s = demand_statistics(batch, season_length, min_history)
    classes = np.array(DEMAND_CLASSES, dtype=object)[s.class_S.cpu().numpy()]
    return table_of(
        "features.sku_profile",
        {
            "unique_id": batch.unique_ids,
            "demand_class": classes,
            "adi": _nullable(s.adi_S),
            "cv2": _nullable(s.cv2_S),
            "zero_share": _nullable(s.zero_share_S),
            "season_strength": _nullable(s.season_strength_S),
            "history_days": s.n_days_S.cpu().numpy(),
            "first_sale_ds": _dates(batch, s.first_sale_S),
            "last_sale_ds": _dates(batch, s.last_sale_S),
            "mean_demand": _nullable(s.mean_S),
        },
    )


def _variance(x_TS: torch.Tensor, mask_TS: torch.Tensor) -> torch.Tensor:
    mean_S, n_S = time_mean(x_TS, mask_TS)
    deviation_TS = torch.where(mask_TS, x_TS - mean_S, 0.0)
    return time_sum(deviation_TS * deviation_TS) / n_S.clamp(min=1)


def _nullable(x_S: torch.Tensor) -> pa.Array:
    return pa.array(x_S.cpu().numpy(), pa.float64(), from_pandas=True)


def _dates(batch: SkuBatch, step_S: torch.Tensor) -> pa.Array:
    step = step_S.cpu().numpy()
    absent = (step < 0) | (step >= batch.n_days)
    days = np.datetime64(batch.cutoff, "D") - (batch.n_days - 1 - step).astype("timedelta64[D]")
    return pa.array(days, pa.date32(), mask=absent)

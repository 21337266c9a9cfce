"""Whether quantiles keep their promise: by demand class, and apart for promoted days and empty shelves.

A day that ran out of stock sold no more than there was, so that it lies below a quantile of demand more often than it
should; it tells nothing of the forecast and is kept apart. Promoted days are those that a forecast without a plan of
promotions knows least about.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from jobs.views.series import frame_of
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables.column_groups import QUANTILES

LEVELS: Final = {name: int(name.removeprefix("p")) / 100.0 for name in QUANTILES}
DAY_KINDS: Final = ("in stock, not promoted", "promoted", "out of stock")
CLASS, KIND = "demand_class", "day_kind"
_SUMS = ["days", "actual", "forecast", "compared", "error", "naive_error", *QUANTILES]


def covered_shares(actual_N: np.ndarray, quantile_NQ: np.ndarray, level_Q: np.ndarray) -> np.ndarray:
    """[N, Q] from 0 to 1 by how much a day lies below each quantile; the mean over days is the covered share.

    Days that sold exactly the quantile count in part, as `lakehouse.transforms.gold.coverage` explains; quantiles and
    levels rise along Q.
    """
    same_NQQ = quantile_NQ[:, :, None] == quantile_NQ[:, None, :]
    below_NQQ, above_NQQ = (
        compare(quantile_NQ[:, None, :], quantile_NQ[:, :, None]) for compare in (np.less, np.greater)
    )
    before, first = np.where(below_NQQ, level_Q, 0.0).max(2), np.where(same_NQQ, level_Q, 1.0).min(2)
    last, after = np.where(same_NQQ, level_Q, 0.0).max(2), np.where(above_NQQ, level_Q, 1.0).min(2)
    low = np.where(quantile_NQ <= 0, 0.0, (before + first) / 2)
    within = (level_Q - low) / ((last + after) / 2 - low)
    actual_N1 = actual_N[:, None]
    return np.where(actual_N1 < quantile_NQ, 1.0, np.where(actual_N1 > quantile_NQ, 0.0, within))


def calibration(lake: Lakehouse, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Sums over the tested days, one row per demand class and kind of day (columns `demand_class`, `day_kind`).

    accuracy: rows of gold.forecast_accuracy of one as-of day: they say which series, cutoff and run. Columns: days;
    actual, forecast [units]; compared, error, naive_error [units, of days with a naive forecast]; and for each quantile
    the days that it covers, ties in part. Read bucket by bucket, so that memory does not grow with the series.
    """
    run_id, cutoff, as_of = (accuracy[name].iloc[0] for name in ("run_id", "cutoff", "as_of"))
    buckets = lake.partition_values("forecast.demand", "bucket")
    classes = accuracy.set_index("unique_id")[CLASS].fillna("unknown")
    parts = [_of_bucket(lake, int(bucket), run_id, (cutoff.date(), as_of.date()), classes) for bucket in buckets]
    whole = pd.concat([part for part in parts if len(part)])
    return whole.groupby([CLASS, KIND], observed=True)[_SUMS].sum().reset_index()


def _of_bucket(lake: Lakehouse, bucket: int, run_id: str, days: tuple[date, date], classes: pd.Series) -> pd.DataFrame:
    here = pc.field("bucket") == bucket
    of_run = here & (pc.field("run_id") == run_id) & (pc.field("cutoff") == days[0])
    columns = ["unique_id", "model", "ds", "mean", *QUANTILES]
    demand = frame_of(lake.read_arrow("forecast.demand", columns=columns, filters=of_run))
    champion = lake.read_arrow("forecast.champion", columns=["unique_id", "model"], filters=of_run).to_pandas()
    of_days = here & (pc.field("ds") > days[0]) & (pc.field("ds") <= days[1])
    columns = ["unique_id", "ds", "y", "is_promo", "is_censored"]
    sold = frame_of(lake.read_arrow("silver.sales_daily", columns=columns, filters=of_days)).dropna(subset=["y"])
    naive = demand.loc[demand["model"] == "seasonal_naive", ["unique_id", "ds", "mean"]]
    daily = (
        demand.merge(champion, on=["unique_id", "model"])
        .merge(sold, on=["unique_id", "ds"])
        .merge(naive.rename(columns={"mean": "naive"}), on=["unique_id", "ds"], how="left")
    )
    daily["naive"] = daily["naive"].where(daily["model"] != "seasonal_naive", daily["mean"])
    return _summed(daily.assign(**{CLASS: daily["unique_id"].map(classes)}).dropna(subset=[CLASS]))


def _summed(daily: pd.DataFrame) -> pd.DataFrame:
    is_promo = daily["is_promo"] == True  # noqa: E712 (NULL where no feed says)
    kind = np.where(daily["is_censored"], DAY_KINDS[2], np.where(is_promo, DAY_KINDS[1], DAY_KINDS[0]))
    level_Q = np.array([LEVELS[name] for name in QUANTILES])
    covered = covered_shares(daily["y"].to_numpy(), daily[list(QUANTILES)].to_numpy(), level_Q)
    is_compared = daily["naive"].notna()
    rows = pd.DataFrame(covered, columns=list(QUANTILES), index=daily.index).assign(
        days=1,
        actual=daily["y"],
        forecast=daily["mean"],
        compared=daily["y"].where(is_compared, 0.0),
        error=(daily["y"] - daily["mean"]).abs().where(is_compared, 0.0),
        naive_error=(daily["y"] - daily["naive"]).abs().fillna(0.0),
    )
    return rows.groupby([daily[CLASS], pd.Series(kind, daily.index, name=KIND)])[_SUMS].sum().reset_index()


def observed(sums: pd.DataFrame) -> pd.Series:
    """Share of the days below each quantile, in the order of `LEVELS`: the level itself where they keep their promise.

    sums: rows of `calibration`, added up.
    """
    return sums[list(QUANTILES)].sum() / sums["days"].sum()


def by_day_kind(sums: pd.DataFrame) -> pd.DataFrame:
    """One row per kind of day that occurs: days, actual, bias, wape, naive_wape and `coverage_p90`, of all classes."""
    totals = sums.groupby(KIND)[_SUMS].sum().reindex([kind for kind in DAY_KINDS if (sums[KIND] == kind).any()])
    actual, compared = (totals[name].where(totals[name] > 0) for name in ("actual", "compared"))
    return pd.DataFrame(
        {
            "days": totals["days"],
            "actual": totals["actual"],
            "bias": totals["forecast"] / actual - 1.0,
            "wape": totals["error"] / compared,
            "naive_wape": totals["naive_error"] / compared,
            "coverage_p90": totals["p90"] / totals["days"],
        }
    )


def calibration_words(sums: pd.DataFrame) -> str:
    """How far the quantiles of days in stock are from their promise, in a plain sentence."""
    tested = sums[sums[KIND] != DAY_KINDS[2]]
    if tested.empty:
        return "No tested day was in stock: sales say nothing of the quantiles of demand."
    found = observed(tested)
    inner, outer = (found[high] - found[low] for low, high in (("p25", "p75"), ("p05", "p95")))
    plain, promoted = (tested[tested[KIND] == kind] for kind in DAY_KINDS[:2])
    words = (
        f"Of {tested['days'].sum():,} series-days in stock, {inner:.1%} lie between the 25% and 75% quantiles (50% "
        f"promised) and {outer:.1%} between 5% and 95% (90% promised)."
    )
    if len(plain) and len(promoted):
        words += (
            f" Below the 90% quantile lie {observed(plain)['p90']:.1%} of plain days and "
            f"{observed(promoted)['p90']:.1%} of {promoted['days'].sum():,} promoted ones."
        )
    return words

"""What temperature says beyond the season: factors of demand from how far it is from that of a year before."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests import real_data

YEAR = 52
KEPT = 0.5
"""Share of an anomaly that is left a week later: what is known ahead of it fades, the error grows with the lead."""


def temperatures(stores: list[str], weeks: pd.Index) -> np.ndarray:
    """(S, X) degrees Fahrenheit at each store."""
    rows = pd.read_parquet(real_data.find("walmart_weekly") / "features.parquet")
    rows = rows.assign(store="store " + rows["Store"].astype(str), ds=pd.to_datetime(rows["Date"]))
    return rows.pivot(index="store", columns="ds", values="Temperature").loc[stores, weeks].to_numpy(dtype=float)


def known_at(actual_SX: np.ndarray, n: int) -> np.ndarray:
    """(S, X) the first n weeks, then what may be said after them: climatology and what is left of the last anomaly."""
    known_SX = actual_SX.copy()
    usual_SX = np.stack([_usual(actual_SX, n, at) for at in range(n - 1, actual_SX.shape[1])], axis=1)
    anomaly_S1 = (actual_SX[:, n - 1] - usual_SX[:, 0])[:, None]
    left_H = KEPT ** np.arange(1, actual_SX.shape[1] - n + 1)
    known_SX[:, n:] = usual_SX[:, 1:] + anomaly_S1 * left_H
    return known_SX


def _usual(actual_SX: np.ndarray, n: int, at: int) -> np.ndarray:
    """(S,) mean of five weeks around the same one of each year before."""
    around = [w for year in (1, 2) for w in range(at - year * YEAR - 2, at - year * YEAR + 3) if 0 <= w < n]
    return actual_SX[:, around].mean(1)


def factors(history: pd.DataFrame, ahead: pd.DatetimeIndex, is_actual: bool, trust: float) -> pd.DataFrame:
    """unique_id, ds, factor: exp(slope of the department x difference of temperature to a year before) x trust.

    Slopes are those of log demand over a year before, less each series' mean, weighed by the series' level; they are
    shrunk to that of all by how much departments differ beyond noise.
    """
    y = history.pivot(index="unique_id", columns="ds", values="y")
    about = history.drop_duplicates("unique_id").set_index("unique_id").loc[y.index]
    stores, store_N = np.unique(about["store"], return_inverse=True)
    actual_SX = temperatures(stores.tolist(), y.columns.append(ahead))
    n = y.shape[1]
    warm_SX = actual_SX if is_actual else known_at(actual_SX, n)
    gap_SX = warm_SX[:, YEAR:] - warm_SX[:, :-YEAR]
    value_NT = y.to_numpy()
    both_NT = (value_NT[:, YEAR:] > 0) & (value_NT[:, :-YEAR] > 0)
    log_NT = np.log(np.where(both_NT, value_NT[:, YEAR:], 1.0) / np.where(both_NT, value_NT[:, :-YEAR], 1.0))
    log_NT, gap_NT = (_centred(x, both_NT) for x in (np.clip(log_NT, -1, 1), gap_SX[store_N][:, : n - YEAR]))
    slope_D, department_N = _slopes(log_NT, gap_NT, np.nan_to_num(np.nanmean(value_NT, 1)), about["department"])
    factor_NH = np.exp(trust * slope_D[department_N][:, None] * gap_SX[store_N][:, n - YEAR :])
    names, days = np.repeat(y.index.to_numpy(), len(ahead)), np.tile(ahead.to_numpy(), len(y))
    return pd.DataFrame({"unique_id": names, "ds": days, "factor": factor_NH.ravel()})


def _centred(x_NT: np.ndarray, use_NT: np.ndarray) -> np.ndarray:
    mean_N1 = (x_NT * use_NT).sum(1, keepdims=True) / np.maximum(use_NT.sum(1, keepdims=True), 1)
    return np.where(use_NT, x_NT - mean_N1, 0.0)


def _slopes(
    log_NT: np.ndarray, gap_NT: np.ndarray, level_N: np.ndarray, department: pd.Series
) -> tuple[np.ndarray, np.ndarray]:
    """(D,) slopes a degree, and each series' department. A week's noise is one for all stores of a department."""
    names, of_N = np.unique(department, return_inverse=True)
    weight_N1 = np.maximum(level_N, 0.0)[:, None]
    up_D, down_D, variance_D = np.zeros((3, len(names)))
    for d in range(len(names)):
        gap, log, weight = gap_NT[of_N == d], log_NT[of_N == d], weight_N1[of_N == d]
        up_D[d], down_D[d] = (weight * gap * log).sum(), (weight * gap**2).sum()
        left = log - gap * up_D[d] / max(down_D[d], 1e-9)
        variance_D[d] = ((weight * gap * left).sum(0) ** 2).sum() / max(down_D[d], 1e-9) ** 2
    told_D = down_D > 0
    slope_D = up_D / np.maximum(down_D, 1e-9)
    if not told_D.any():
        return slope_D, of_N
    usual = up_D.sum() / down_D.sum()
    spread = max(float(np.median((slope_D - usual)[told_D] ** 2 - variance_D[told_D])), 0.0)
    share_D = spread / np.maximum(spread + variance_D, 1e-12)
    return np.where(told_D, usual + share_D * (slope_D - usual), usual), of_N

"""Ridge regression of each series on its own columns, penalty by generalised cross-validation, in closed form.

With columns standardised on the observed days, for a penalty of n lambda:

    beta = (Z Z' + n lambda I)^-1 Z (y - mean y)
    GCV  = n RSS / (n - 1 - df)^2,  df = trace((Z Z' + n lambda I)^-1 Z Z')

Golub, Heath & Wahba, Generalized Cross-Validation as a Method for Choosing a Good Ridge Parameter, Technometrics
21(2), 1979. Dimensions beside those of `sku_batch`: X days of history and horizon, C calendar columns, K given
covariates, J = C + K.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import torch

from udfs.forecasting.models.arima.arima_kernel import dot
from udfs.series.series_threads import over_series

PENALTIES = (1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
"""Shares of n; the last one leaves hardly any effect."""


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """What the columns explain.

    Attributes:
        effect_SX: fitted effect on every day of history and horizon, around 0 on the observed days.
        beta_SJ: coefficients of the standardised columns, calendar first; 0 where a column is not used.
        scale_SJ: standard deviation of each column over the observed days; 0 where it does not vary.
        penalty_S: lambda chosen.
    """

    effect_SX: torch.Tensor
    beta_SJ: torch.Tensor
    scale_SJ: torch.Tensor
    penalty_S: torch.Tensor


def fit_ridge(
    y_ST: torch.Tensor,
    mask_ST: torch.Tensor,
    calendar_XC: torch.Tensor,
    use_SC: torch.Tensor,
    known_SXK: torch.Tensor,
    penalties: tuple[float, ...] = PENALTIES,
    backend: str | None = None,
) -> RidgeFit:
    """Regress every series on calendar columns and on its own covariates.

    Args:
        y_ST, mask_ST: demand and its mask.
        calendar_XC: columns shared by all series, the first T rows being the days of y.
        use_SC: which of them a series may use.
        known_SXK: covariates. A column of a series that is positive throughout enters as its logarithm, so that a
            price acts by ratios. A day without a value takes the last one before it; days before the first have no
            effect.
        penalties: values of lambda tried.
        backend: "numba" or "torch"; None takes numba on the CPU and torch on any other device.
    """
    backend = backend or ("numba" if y_ST.device.type == "cpu" else "torch")
    if backend == "torch":
        return _fit_torch(y_ST, mask_ST, calendar_XC, use_SC, known_SXK, penalties)
    n_series, n_days = len(y_ST), known_SXK.shape[1]
    n_columns = calendar_XC.shape[1] + known_SXK.shape[2]
    y, mask, use, known = (t.contiguous().numpy() for t in (y_ST, mask_ST, use_SC, known_SXK))
    calendar_CX = calendar_XC.t().contiguous().numpy()
    effect_SX, penalty_S = np.zeros((n_series, n_days)), np.zeros(n_series)
    beta_SJ, scale_SJ = np.zeros((n_series, n_columns)), np.zeros((n_series, n_columns))
    lambdas = np.array(penalties)

    def kernel(start: int, stop: int) -> None:
        r = slice(start, stop)
        _fit_rows(
            y[r], mask[r], calendar_CX, use[r], known[r], lambdas, effect_SX[r], beta_SJ[r], scale_SJ[r], penalty_S[r]
        )

    over_series(kernel, n_series)
    return RidgeFit(*(torch.from_numpy(a) for a in (effect_SX, beta_SJ, scale_SJ, penalty_S)))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _carry(column, out):  # type: ignore[no-untyped-def]
    """Last known values, NaN before the first; their logarithms where all are positive."""
    lowest, last = np.inf, np.nan
    for t in range(len(column)):
        if not np.isnan(column[t]):
            last = column[t]
            lowest = min(lowest, last)
        out[t] = last
    if lowest > 0.0:
        for t in range(len(column)):
            out[t] = np.log(out[t])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _standardise(column, mask):  # type: ignore[no-untyped-def]
    """Centre and scale in place by the observed days that have a value; give the scale."""
    total, n = 0.0, 0
    for t in range(len(mask)):
        if mask[t] and not np.isnan(column[t]):
            total += column[t]
            n += 1
    mean = total / n if n > 0 else 0.0
    squares = 0.0
    for t in range(len(mask)):
        if mask[t] and not np.isnan(column[t]):
            squares += (column[t] - mean) ** 2
    scale = np.sqrt(squares / n) if n > 0 else 0.0
    if scale <= 1e-9 * abs(mean):
        scale = 0.0
    for t in range(len(column)):
        column[t] = (column[t] - mean) / scale if scale > 0.0 and not np.isnan(column[t]) else 0.0
    return scale


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _inverse(matrix):  # type: ignore[no-untyped-def]
    """Inverse of a positive definite matrix by Gauss-Jordan steps, which need no pivots here."""
    n = len(matrix)
    a = matrix.copy()
    for k in range(n):
        pivot = a[k, k]
        a[k, k] = 1.0
        for j in range(n):
            a[k, j] /= pivot
        for i in range(n):
            if i != k:
                factor = a[i, k]
                a[i, k] = 0.0
                for j in range(n):
                    a[i, j] -= factor * a[k, j]
    return a


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _best_ridge(gram, right, total_squares, n, penalties):  # type: ignore[no-untyped-def]
    """(beta, lambda) of the lowest GCV."""
    size = len(right)
    best, chosen, beta = np.inf, penalties[-1], np.zeros(size)
    for penalty in penalties:
        matrix = gram.copy()
        for j in range(size):
            matrix[j, j] += penalty * n
        inverse = _inverse(matrix)
        trial = np.zeros(size)
        freedom, explained = 0.0, 0.0
        for i in range(size):
            for j in range(size):
                trial[i] += inverse[i, j] * right[j]
                freedom += inverse[i, j] * gram[j, i]
        for i in range(size):
            explained += 2.0 * trial[i] * right[i]
            for j in range(size):
                explained -= trial[i] * gram[i, j] * trial[j]
        left = n - 1.0 - freedom
        criterion = max(total_squares - explained, 0.0) / (left * left) if left > 0.5 else np.inf
        if criterion < best:
            best, chosen, beta = criterion, penalty, trial
    return beta, chosen


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fit_rows(  # type: ignore[no-untyped-def]
    y_ST, mask_ST, calendar_CX, use_SC, known_SXK, penalties, effect_SX, beta_SJ, scale_SJ, penalty_S
) -> None:
    n_calendar, n_days = calendar_CX.shape
    size, n_time = n_calendar + known_SXK.shape[2], y_ST.shape[1]
    for s in range(len(y_ST)):
        seen_at = np.flatnonzero(mask_ST[s])
        n = len(seen_at)
        if n < 3:
            penalty_S[s] = penalties[-1]
            continue
        first = seen_at[0]  # days before it, which depend on the neighbours, stay out of every sum
        y, mask = y_ST[s, first:], mask_ST[s, first:]
        z = np.zeros((size, n_days - first))
        for j in range(size):
            if j < n_calendar:
                if use_SC[s, j]:
                    z[j] = calendar_CX[j, first:]
            else:
                _carry(known_SXK[s, first:, j - n_calendar], z[j])
            scale_SJ[s, j] = _standardise(z[j], mask)
        centred = np.where(mask, y, 0.0)
        centred = np.where(mask, y - centred.sum() / n, 0.0)
        seen_z = np.zeros((size, n_time - first))
        gram, right = np.empty((size, size)), np.empty(size)
        for j in range(size):
            seen_z[j] = np.where(mask, z[j, : n_time - first], 0.0)
            right[j] = dot(seen_z[j], centred)
            for i in range(j + 1):
                gram[i, j] = gram[j, i] = dot(seen_z[i], seen_z[j])
        beta_SJ[s], penalty_S[s] = _best_ridge(gram, right, dot(centred, centred), n, penalties)
        for j in range(size):
            for t in range(n_days - first):
                effect_SX[s, first + t] += beta_SJ[s, j] * z[j, t]


def _fit_torch(
    y_ST: torch.Tensor,
    mask_ST: torch.Tensor,
    calendar_XC: torch.Tensor,
    use_SC: torch.Tensor,
    known_SXK: torch.Tensor,
    penalties: tuple[float, ...],
) -> RidgeFit:
    """The same by batched products and solves."""
    n_time, n_days = y_ST.shape[1], known_SXK.shape[1]
    seen_S1T = mask_ST[:, None, :].to(y_ST.dtype)
    started_S1X = torch.nn.functional.pad(mask_ST.cumsum(1) > 0, (0, n_days - n_time), value=True)[:, None, :]
    calendar_SCX = calendar_XC.t() * use_SC[:, :, None]
    x_SJX = torch.cat([calendar_SCX, _carry_torch(known_SXK.transpose(1, 2), started_S1X)], dim=1)
    has_SJX = x_SJX.isfinite()
    x_SJX = torch.where(has_SJX, x_SJX, 0.0)
    weight_SJT = seen_S1T * has_SJX[:, :, :n_time]
    n_SJ = weight_SJT.sum(2).clamp(min=1)
    mean_SJ = (x_SJX[:, :, :n_time] * weight_SJT).sum(2) / n_SJ
    scale_SJ = (((x_SJX[:, :, :n_time] - mean_SJ[:, :, None]) ** 2 * weight_SJT).sum(2) / n_SJ).sqrt()
    n_S = mask_ST.sum(1)
    scale_SJ = torch.where((scale_SJ > 1e-9 * mean_SJ.abs()) & (n_S >= 3)[:, None], scale_SJ, 0.0)
    z_SJX = (x_SJX - mean_SJ[:, :, None]) / torch.where(scale_SJ > 0, scale_SJ, torch.inf)[:, :, None]
    z_SJX = torch.where(has_SJX & started_S1X, z_SJX, 0.0)
    z_SJT = z_SJX[:, :, :n_time] * seen_S1T
    y_mean_S = (y_ST * seen_S1T[:, 0]).sum(1) / n_S.clamp(min=1)
    centred_ST = (y_ST - y_mean_S[:, None]) * seen_S1T[:, 0]
    gram_SJJ, right_SJ = z_SJT @ z_SJT.transpose(1, 2), (z_SJT @ centred_ST[:, :, None])[:, :, 0]
    eye = torch.eye(gram_SJJ.shape[1], dtype=y_ST.dtype, device=y_ST.device)
    best_S = torch.full_like(y_mean_S, torch.inf)
    beta_SJ, penalty_S = torch.zeros_like(right_SJ), torch.full_like(y_mean_S, penalties[-1])
    for penalty in penalties:
        inverse_SJJ = torch.linalg.inv(gram_SJJ + penalty * n_S.clamp(min=1)[:, None, None] * eye)
        trial_SJ = (inverse_SJJ @ right_SJ[:, :, None])[:, :, 0]
        left_S = n_S - 1.0 - (inverse_SJJ * gram_SJJ).sum((1, 2))
        rss_S = ((centred_ST - (trial_SJ[:, None, :] @ z_SJT)[:, 0]) ** 2).sum(1)
        criterion_S = torch.where((left_S > 0.5) & (n_S >= 3), rss_S / left_S**2, torch.inf)
        better_S = criterion_S < best_S
        best_S = torch.where(better_S, criterion_S, best_S)
        beta_SJ = torch.where(better_S[:, None], trial_SJ, beta_SJ)
        penalty_S = torch.where(better_S, penalty, penalty_S)
    return RidgeFit((beta_SJ[:, None, :] @ z_SJX)[:, 0], beta_SJ, scale_SJ, penalty_S)


def _carry_torch(x_SKX: torch.Tensor, started_S1X: torch.Tensor) -> torch.Tensor:
    has_SKX = ~x_SKX.isnan() & started_S1X
    step_X = torch.arange(x_SKX.shape[2], device=x_SKX.device)
    last_SKX = torch.where(has_SKX, step_X, -1).cummax(2).values
    carried_SKX = torch.where(last_SKX >= 0, x_SKX.gather(2, last_SKX.clamp(min=0)), torch.nan)
    positive_SK1 = torch.where(has_SKX, x_SKX, torch.inf).amin(2, keepdim=True) > 0
    return torch.where(positive_SK1, carried_SKX.log(), carried_SKX)

"""Exponential smoothing: its recursion, the search over its parameters, and the smoothing at the chosen point.

In error-correction form (Hyndman & Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., section 8.5), with
additive errors throughout:

    base_t = l_{t-1} + phi b_{t-1}

    additive season                        multiplicative season
    e_t = y_t - (base_t + s_{t-m})         e_t = y_t - base_t s_{t-m}
    l_t = base_t + alpha e_t               l_t = base_t + alpha e_t / s_{t-m}
    b_t = phi b_{t-1} + beta e_t           b_t = phi b_{t-1} + beta e_t / s_{t-m}
    s_t = s_{t-m} + gamma e_t              s_t = s_{t-m} + gamma e_t / base_t

No trend is phi = beta = 0; no season is gamma = 0 with a season that starts at 0. An unobserved day moves the states
by their own prediction (e_t = 0). Days before the first observed one do not count.

Every step has two backends: numba on the CPU (`ets_kernel`) and torch elsewhere (`ets_torch`). Both do the same
operations in the same order, and a test holds them equal to the last bit.
"""

from __future__ import annotations

import numpy as np
import torch

from udfs.forecasting.models.ets import ets_kernel
from udfs.forecasting.models.ets import ets_tensors as ets_torch
from udfs.forecasting.models.ets.ets_forms import GridPoints
from udfs.forecasting.models.ets.ets_values import Point, Smoothed, Start
from udfs.series.series_threads import over_series


def _by_numba(device: torch.device, backend: str | None) -> bool:
    return (backend or ("numba" if device.type == "cpu" else "torch")) == "numba"


def start_states(y_ST: torch.Tensor, mask_ST: torch.Tensor, season_length: int, backend: str | None = None) -> Start:
    """See `Start`. `backend` is "numba", "torch" or None, which takes numba on the CPU and torch elsewhere."""
    if not _by_numba(y_ST.device, backend):
        return Start(*ets_torch.start_states(y_ST, mask_ST, season_length))
    n_series = len(y_ST)
    level_S, scale_S = np.empty(n_series), np.empty(n_series)
    first_S, n_S = np.empty(n_series, dtype=np.int64), np.empty(n_series, dtype=np.int64)
    ok_S2 = np.empty((n_series, 2), dtype=bool)
    season_SM, ratio_SM = np.empty((n_series, season_length)), np.empty((n_series, season_length))
    y, mask = y_ST.contiguous().numpy(), mask_ST.contiguous().numpy()
    filled = (level_S, scale_S, first_S, n_S, ok_S2, season_SM, ratio_SM)
    over_series(lambda lo, hi: ets_kernel.start_states(y, mask, season_length, *filled, lo, hi), n_series)
    tensors = (level_S, scale_S, first_S, n_S, season_SM, ratio_SM, ok_S2[:, 0].copy(), ok_S2[:, 1].copy())
    return Start(*(torch.from_numpy(x) for x in tensors))


def grid_sse(
    y_ST: torch.Tensor,
    mask_ST: torch.Tensor,
    start: Start,
    use_SK: torch.Tensor,
    points: GridPoints,
    backend: str | None = None,
) -> torch.Tensor:
    """(S, X) float32 sum of squared errors over `start.scale_S` squared, at every column of the search.

    Args:
        use_SK: (S, 6) whether the columns of each kind are searched, then whether those of a season, and of a trend
            and a season, are searched again with a multiplicative one; columns that are not are infinite.
    """
    columns = (points.alpha_G, points.beta_G, points.gamma_G, points.phi_G)
    if not _by_numba(y_ST.device, backend):
        return ets_torch.grid_sse(y_ST, mask_ST, start, use_SK, columns, points.edges)
    sse_SX = np.empty((len(y_ST), len(points.form_X)), dtype=np.float32)
    arguments = (*_arrays(y_ST, mask_ST, start), use_SK.numpy(), *columns, points.edges, sse_SX)
    over_series(lambda lo, hi: ets_kernel.search(*arguments, lo, hi), len(y_ST))  # type: ignore[call-arg]
    return torch.from_numpy(sse_SX)


def refine(
    y_ST: torch.Tensor,
    mask_ST: torch.Tensor,
    start: Start,
    point: Point,
    factor_KPR: np.ndarray,
    backend: str | None = None,
) -> Point:
    """Each series' best point among the products of its own and the factors of its kind (see `refine_factors`)."""
    if not _by_numba(y_ST.device, backend):
        moved_PS = ets_torch.refine(y_ST, mask_ST, start, point, factor_KPR)
    else:
        moved_PS = point.stack()
        arguments = (*_arrays(y_ST, mask_ST, start), point.kind().numpy(), (point.season_code() == 2).numpy())
        over_series(lambda lo, hi: ets_kernel.refine(*arguments, factor_KPR, moved_PS.numpy(), lo, hi), len(y_ST))  # type: ignore[call-arg]
    return Point(moved_PS[0], moved_PS[1], moved_PS[2], moved_PS[3], point.form_S)


def smooth(
    y_ST: torch.Tensor, mask_ST: torch.Tensor, start: Start, point: Point, backend: str | None = None
) -> Smoothed:
    """Run the recursion in double precision at one point per series."""
    code_S = point.season_code()
    season_SM = torch.where((code_S == 2)[:, None], start.ratio_SM, start.season_SM * (code_S == 1)[:, None])
    if not _by_numba(y_ST.device, backend):
        return Smoothed(*ets_torch.smooth(y_ST, mask_ST, start, point, season_SM))
    level_S, trend_S = start.level_S.clone(), torch.zeros_like(start.level_S)
    error_ST, sse_S = torch.empty(y_ST.shape, dtype=torch.float64), torch.empty_like(level_S)
    moving = (level_S, trend_S, season_SM, error_ST, sse_S)
    arguments = (
        y_ST.contiguous().numpy(), mask_ST.contiguous().numpy(), start.first_S.numpy(), point.stack().numpy(),
        code_S.numpy(), *(x.numpy() for x in moving),
    )  # fmt: skip
    over_series(lambda lo, hi: ets_kernel.smooth(*arguments, lo, hi), len(y_ST))  # type: ignore[call-arg]
    return Smoothed(*moving)


def _arrays(y_ST: torch.Tensor, mask_ST: torch.Tensor, start: Start) -> tuple[np.ndarray, ...]:
    tensors = (
        y_ST.contiguous(), mask_ST.contiguous(), start.level_S, start.scale_S, start.first_S, start.season_SM,
        start.ratio_SM,
    )  # fmt: skip
    return tuple(x.numpy() for x in tensors)

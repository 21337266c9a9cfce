"""Intermittent methods in torch, all series at once: the backend for devices other than the CPU.

The same recursions as in `croston_kernel`, day by day; sums of squares there are closed forms over quiet days, so the
two agree to rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from udfs.forecasting.masked import sum_of_squares, time_major, time_mean

_SERIES_PER_CHUNK = 1024
"""Keeps the states of a chunk's whole grid in the cache."""

Grid = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""(G, 1) alpha, beta and factor, or (1, S) of each series' own point."""


def fit(
    y_ST: torch.Tensor, mask_ST: torch.Tensor, is_tsb: bool, warm_up: int, grid: Grid, price_NG: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """(S,) forecast, sum of squared errors, observed days and index of the point with the least errors times their
    price for that many days."""
    best_S = torch.cat(
        [
            (
                _grid_sse(time_major(y_sT), time_major(mask_sT), is_tsb, warm_up, grid) * price_NG[mask_sT.sum(1)].t()
            ).argmin(0)
            for y_sT, mask_sT in zip(y_ST.split(_SERIES_PER_CHUNK), mask_ST.split(_SERIES_PER_CHUNK), strict=True)
        ]
    )
    alpha_1S, beta_1S, factor_1S = (column_G1[best_S, 0][None, :] for column_G1 in grid)
    error_ST, mean_S = errors(y_ST, mask_ST, is_tsb, warm_up, (alpha_1S, beta_1S, factor_1S))
    return mean_S, sum_of_squares(error_ST.t()), mask_ST.sum(1), best_S


def errors(
    y_ST: torch.Tensor, mask_ST: torch.Tensor, is_tsb: bool, warm_up: int, point: Grid
) -> tuple[torch.Tensor, torch.Tensor]:
    """(S, T) one-step errors and the (S,) forecast, at each series' own point."""
    error_ST = torch.zeros_like(y_ST)

    def keep(t: int, error_GS: torch.Tensor) -> None:
        error_ST[:, t] = error_GS[0]

    mean_GS = _run(time_major(y_ST), time_major(mask_ST), is_tsb, warm_up, point, keep)
    return error_ST, mean_GS[0]


def _grid_sse(y_TS: torch.Tensor, mask_TS: torch.Tensor, is_tsb: bool, warm_up: int, grid: Grid) -> torch.Tensor:
    """(G, S) sum of squared one-step errors."""
    sse_GS = torch.zeros((len(grid[0]), y_TS.shape[1]), dtype=y_TS.dtype, device=y_TS.device)

    def add(_: int, error_GS: torch.Tensor) -> None:
        sse_GS.add_(error_GS * error_GS)

    _run(y_TS, mask_TS, is_tsb, warm_up, grid, add)
    return sse_GS


def _run(
    y_TS: torch.Tensor,
    mask_TS: torch.Tensor,
    is_tsb: bool,
    warm_up: int,
    grid: Grid,
    on_error: Callable[[int, torch.Tensor], None],
) -> torch.Tensor:
    """Call `on_error(t, error_GS)` for each day, and return the (G, S) forecast made on the last one."""
    size_S, frequency_S = _initial(y_TS, mask_TS, warm_up)
    alpha, beta, factor = grid
    size_GS = size_S.repeat(len(alpha), 1)
    if is_tsb:
        return _run_tsb(y_TS, mask_TS, size_GS, frequency_S.repeat(len(alpha), 1), (alpha, beta), on_error)
    interval_GS = (1.0 / frequency_S).repeat(len(alpha), 1)
    return _run_croston(y_TS, mask_TS, size_GS, interval_GS, alpha, factor, on_error)


def _initial(y_TS: torch.Tensor, mask_TS: torch.Tensor, warm_up: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(S,) size of a sale and share of selling days over the warm-up (at least one sale is supposed)."""
    sale_TS = mask_TS & (y_TS > 0)
    early_TS = mask_TS & (mask_TS.cumsum(0) <= warm_up)
    early_size_S, n_early_S = time_mean(y_TS, sale_TS & early_TS)
    any_size_S, _ = time_mean(y_TS, sale_TS)
    size_S = torch.where(n_early_S > 0, early_size_S, any_size_S)
    return size_S, n_early_S.clamp(min=1) / early_TS.sum(0).clamp(min=1).to(y_TS.dtype)


def _run_croston(
    y_TS: torch.Tensor,
    mask_TS: torch.Tensor,
    size_GS: torch.Tensor,
    interval_GS: torch.Tensor,
    alpha_G1: torch.Tensor,
    factor_G1: torch.Tensor,
    on_error: Callable[[int, torch.Tensor], None],
) -> torch.Tensor:
    since_S = torch.ones_like(y_TS[0])  # days since the last sale, counted on observed days
    rate_GS = factor_G1 * (size_GS / interval_GS)
    for t in range(len(y_TS)):
        y_S, mask_S = y_TS[t], mask_TS[t]
        on_error(t, torch.where(mask_S, y_S - rate_GS, 0.0))
        sale_S = mask_S & (y_S > 0)
        weight_GS = alpha_G1 * sale_S  # a zero weight leaves the state as it is, exactly
        size_GS = size_GS + weight_GS * (y_S - size_GS)
        interval_GS = interval_GS + weight_GS * (since_S - interval_GS)
        rate_GS = factor_G1 * (size_GS / interval_GS)
        since_S = torch.where(sale_S, 1.0, since_S + mask_S)
    return rate_GS


def _run_tsb(
    y_TS: torch.Tensor,
    mask_TS: torch.Tensor,
    size_GS: torch.Tensor,
    probability_GS: torch.Tensor,
    alphas: tuple[torch.Tensor, ...],
    on_error: Callable[[int, torch.Tensor], None],
) -> torch.Tensor:
    size_alpha_G1, probability_alpha_G1 = alphas
    for t in range(len(y_TS)):
        y_S, mask_S = y_TS[t], mask_TS[t]
        on_error(t, torch.where(mask_S, y_S - probability_GS * size_GS, 0.0))
        sale_S = mask_S & (y_S > 0)
        size_GS = size_GS + (size_alpha_G1 * sale_S) * (y_S - size_GS)
        probability_GS = probability_GS + (probability_alpha_G1 * mask_S) * (sale_S.to(y_S.dtype) - probability_GS)
    return probability_GS * size_GS

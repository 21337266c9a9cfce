"""Reductions over time whose result for a series depends on that series alone.

A vectorised sum adds in an order that depends on the tensor's shape, so one more series in the batch could change the
last bit of another's forecast. Here every reduction over T is a loop of elementwise additions, oldest day first:
padding adds exact zeros, and the neighbours of a series cannot be felt. Tensors are time-major, (T, S), because the
loop then walks through contiguous memory.
"""

from __future__ import annotations

import numpy as np
import torch


def time_major(x_ST: torch.Tensor) -> torch.Tensor:
    """(S, T) -> contiguous (T, S)."""
    return x_ST.t().contiguous()


def time_sum(x_TX: torch.Tensor) -> torch.Tensor:
    """Sum over the first dimension, one step at a time."""
    total = torch.zeros_like(x_TX[0]) if len(x_TX) else x_TX.new_zeros(x_TX.shape[1:])
    for x_X in x_TX:
        total += x_X
    return total


def time_mean(x_TX: torch.Tensor, mask_TX: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean over the observed steps (0 where there is none), and their number."""
    n_X = mask_TX.sum(0)  # whole numbers: exact in any order
    total_X = time_sum(torch.where(mask_TX, x_TX, 0.0))
    return total_X / n_X.clamp(min=1), n_X


def first_observed(mask_TS: torch.Tensor) -> torch.Tensor:
    """(S,) index of the first observed step; T where there is none."""
    n_time = mask_TS.shape[0]
    step_T1 = torch.arange(n_time, device=mask_TS.device)[:, None]
    return torch.where(mask_TS, step_T1, n_time).amin(0)


def last_observed(mask_TS: torch.Tensor) -> torch.Tensor:
    """(S,) index of the last observed step; -1 where there is none."""
    step_T1 = torch.arange(mask_TS.shape[0], device=mask_TS.device)[:, None]
    return torch.where(mask_TS, step_T1, -1).amax(0)


def season_profile(
    y_TS: torch.Tensor, mask_TS: torch.Tensor, season_length: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A simple decomposition: season by season means as trend, phase means of what is left as season.

    Seasons are counted backwards from the last step, so the phase of the step after the last one is 0.

    Returns:
        trend_WMS: (W, M, S) mean of each season's observed days, repeated over its days.
        season_MS: (M, S) mean deviation from that trend per phase, centred on zero.
        seen_MS: (M, S) bool, True for phases of at least two observed days. Others, as a weekday on which the shop is
            closed, are neutral: their season is 0, and the others' is centred without them.
    """
    pad = -y_TS.shape[0] % season_length
    y_TS = torch.nn.functional.pad(y_TS, (0, 0, pad, 0))
    mask_TS = torch.nn.functional.pad(mask_TS, (0, 0, pad, 0))
    y_WMS = y_TS.unflatten(0, (-1, season_length))
    mask_WMS = mask_TS.unflatten(0, (-1, season_length))

    trend_WS, _ = time_mean(y_WMS.transpose(0, 1), mask_WMS.transpose(0, 1))
    trend_WMS = trend_WS[:, None, :].expand_as(y_WMS)
    season_MS, count_MS = time_mean(y_WMS - trend_WMS, mask_WMS)
    seen_MS = count_MS >= 2
    season_MS = torch.where(seen_MS, season_MS, 0.0)
    season_MS = torch.where(seen_MS, season_MS - time_sum(season_MS) / seen_MS.sum(0).clamp(min=1), 0.0)
    return trend_WMS, season_MS, seen_MS


def power(base: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    """base ** exponent elementwise.

    Torch on the CPU rounds the tail of an array differently from its body, so a value would depend on its position;
    numpy treats every element alike.
    """
    if base.device.type != "cpu":
        return torch.pow(base, exponent)
    return torch.from_numpy(np.power(np.ascontiguousarray(base.numpy()), np.ascontiguousarray(exponent.numpy())))


def sum_of_squares(error_TS: torch.Tensor) -> torch.Tensor:
    """(S,) sum over time of squared errors, oldest first."""
    total_S = torch.zeros_like(error_TS[0])
    for error_S in error_TS:
        total_S += error_S * error_S
    return total_S

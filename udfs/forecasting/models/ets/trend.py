"""Whether a trend that one-step errors favour also holds over the horizon that it will be carried over."""

from __future__ import annotations

import torch

from udfs.forecasting.models.ets.ets_ahead import point_forecast
from udfs.forecasting.models.ets.ets_values import Point
from udfs.forecasting.models.ets.recursion import smooth, start_states

N_WINDOWS = 3
"""Past horizons looked at, one before the other."""

MIN_GAIN = 0.05
"""Share by which a trend must lower the sum of squared errors there; its parameters have already seen these days."""


def trend_holds(
    y_ST: torch.Tensor,
    mask_ST: torch.Tensor,
    season_length: int,
    trend: Point,
    plain: Point,
    horizon: int,
) -> torch.Tensor:
    """(S,) whether the point with a trend forecasts the last horizons better than the plain one.

    One-step errors see a day of the trend, the forecast carries a whole horizon of it: a burst near the end of a
    short history can favour a slope that then runs away. So the trend must lose on no window of `horizon` days before
    the end, and clearly win on all together. A window counts where four seasons were observed before it; a series
    without one keeps no trend.

    Args:
        y_ST, mask_ST: demand and where it was observed.
        trend, plain: the points that compete, one of each per series.
        horizon: H, in days.
    """
    gain_S = torch.zeros(len(y_ST), dtype=torch.float64, device=y_ST.device)
    plain_S, always_S = torch.zeros_like(gain_S), torch.ones_like(gain_S, dtype=torch.bool)
    for window in range(1, N_WINDOWS + 1):
        end = y_ST.shape[1] - window * horizon
        if end < 1:
            break
        past_y_ST, past_mask_ST = y_ST[:, :end].contiguous(), mask_ST[:, :end].contiguous()
        start = start_states(past_y_ST, past_mask_ST, season_length)
        sse_of_two = []
        for point in (plain, trend):
            mean_SH = point_forecast(smooth(past_y_ST, past_mask_ST, start, point), point, horizon).clamp(min=0.0)
            error_SH = torch.where(mask_ST[:, end : end + horizon], y_ST[:, end : end + horizon] - mean_SH, 0.0)
            sse_S = torch.zeros_like(gain_S)
            for error_S in error_SH.t():  # day by day, for the same bits in any batch
                sse_S += error_S * error_S
            sse_of_two.append(sse_S)
        always_S &= (sse_of_two[1] <= sse_of_two[0]) | (start.n_S < 4 * season_length)
        counts_S = start.n_S >= 4 * season_length
        gain_S += torch.where(counts_S, sse_of_two[0] - sse_of_two[1], 0.0)
        plain_S += torch.where(counts_S, sse_of_two[0], 0.0)
    return always_S & (gain_S > MIN_GAIN * plain_S)

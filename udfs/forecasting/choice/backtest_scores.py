"""Scores of a backtest: one number per window and series."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from udfs.forecasting import metrics
from udfs.forecasting.choice.backtest import Backtest

Score = Callable[[Backtest, int], torch.Tensor]
"""(backtest, window) -> (S,) numbers; NaN where there is none. What decides between models must be better when lower:
a score in money is a function of this kind, too."""

_LEVEL_TOLERANCE = 1e-9


def rmsse(backtest: Backtest, window: int) -> torch.Tensor:
    actual_SH, mean_SH, _, mask_SH = backtest.window(window)
    return metrics.rmsse(actual_SH, mean_SH, mask_SH, backtest.windows.rmsse_scale_WS[window])


def mase(backtest: Backtest, window: int) -> torch.Tensor:
    actual_SH, mean_SH, _, mask_SH = backtest.window(window)
    return metrics.mase(actual_SH, mean_SH, mask_SH, backtest.windows.mase_scale_WS[window])


def wape(backtest: Backtest, window: int) -> torch.Tensor:
    actual_SH, mean_SH, _, mask_SH = backtest.window(window)
    return metrics.wape(actual_SH, mean_SH, mask_SH)


def scaled_pinball(backtest: Backtest, window: int) -> torch.Tensor:
    """Mean over the levels."""
    actual_SH, _, quantile_SHQ, mask_SH = backtest.window(window)
    scale_S = backtest.windows.pinball_scale_WS[window]
    return metrics.scaled_pinball(actual_SH, quantile_SHQ, backtest.quantiles, mask_SH, scale_S).mean(1)


def bias(backtest: Backtest, window: int) -> torch.Tensor:
    actual_SH, mean_SH, _, mask_SH = backtest.window(window)
    return metrics.bias(actual_SH, mean_SH, mask_SH)


def coverage(percent: int) -> Score:
    """The share of days within the central interval of that many percent; NaN where its levels were not forecast."""

    def of_window(backtest: Backtest, window: int) -> torch.Tensor:
        actual_SH, _, quantile_SHQ, mask_SH = backtest.window(window)
        tail = (1.0 - percent / 100.0) / 2.0
        low, high = (_position(backtest.quantiles, level) for level in (tail, 1.0 - tail))
        if low is None or high is None:
            return torch.full_like(actual_SH[:, 0], torch.nan)
        return metrics.coverage(actual_SH, quantile_SHQ[:, :, low], quantile_SHQ[:, :, high], mask_SH)

    return of_window


SCORES: dict[str, Score] = {
    "rmsse": rmsse,
    "mase": mase,
    "wape": wape,
    "scaled_pinball": scaled_pinball,
    "coverage_50": coverage(50),
    "coverage_80": coverage(80),
    "coverage_90": coverage(90),
    "bias": bias,
}
"""The columns of `forecast.backtest`, by name."""

DECIDING_SCORES = ("scaled_pinball", "rmsse", "mase", "wape")
"""Those by which models can be chosen: better when lower. A bias is best at 0, a coverage at what it promises."""


def score_windows(backtest: Backtest, scores: Mapping[str, Score] | None = None) -> dict[str, torch.Tensor]:
    """(W, S) of every score by name; None takes `SCORES`."""
    empty = backtest.windows.pinball_scale_WS
    return {
        name: torch.stack([score(backtest, w) for w in range(len(backtest.windows))])
        if len(backtest.windows)
        else torch.zeros_like(empty)
        for name, score in (SCORES if scores is None else scores).items()
    }


def _position(quantiles: tuple[float, ...], level: float) -> int | None:
    close = [q for q, known in enumerate(quantiles) if abs(known - level) < _LEVEL_TOLERANCE]
    return close[0] if close else None

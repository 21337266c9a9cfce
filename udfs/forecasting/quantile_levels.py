"""The quantile levels of a forecast, and quantiles at levels that a model was not asked for from those that it gave."""

from __future__ import annotations

from statistics import NormalDist

import torch

from udfs.forecasting.forecaster import check_request

QUANTILES = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99)
"""What is forecast unless other levels are asked for, and what the tables of a lakehouse hold."""


def at_levels(
    quantile_SHQ: torch.Tensor, given: tuple[float, ...], wanted: tuple[float, ...], floor: float = 0.0
) -> torch.Tensor:
    """(S, H, Q') quantiles at `wanted`, straight lines through those at `given` against the normal score of the level.

    A normal distribution is a straight line in these terms, so its quantiles are exact, within the given levels and
    beyond them; beyond, the line through the two outermost quantiles goes on. Levels that were given come out as they
    are. With one level given, it stands for all.

    Args:
        quantile_SHQ: not falling along Q, at the `given` levels.
        given, wanted: increasing levels in (0, 1).
        floor: lower bound of the result.

    Raises:
        ValueError: levels that are not increasing within (0, 1), or a number of quantiles other than of levels.
    """
    for levels in (given, wanted):
        check_request(1, levels)
    if quantile_SHQ.shape[-1] != len(given):
        raise ValueError(f"expected {len(given)} quantiles, one a level, found {quantile_SHQ.shape[-1]}")
    score = [NormalDist().inv_cdf(level) for level in given]
    columns = []
    for level in wanted:
        if level in given or len(given) == 1:
            columns.append(quantile_SHQ[..., given.index(level) if level in given else 0])
            continue
        upper = min(max(sum(g < level for g in given), 1), len(given) - 1)
        share = (NormalDist().inv_cdf(level) - score[upper - 1]) / (score[upper] - score[upper - 1])
        low_SH, high_SH = quantile_SHQ[..., upper - 1], quantile_SHQ[..., upper]
        columns.append(low_SH + (high_SH - low_SH) * share)
    return torch.stack(columns, -1).clamp(min=floor)

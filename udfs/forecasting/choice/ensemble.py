"""The weighted average of several models' forecasts, quantile by quantile (Vincentisation).

Averaging quantiles keeps the shape of the members' distributions, where averaging their densities would widen it:
Ratcliff (1979), Group reaction time distributions, Psychological Bulletin 86(3); Lichtendahl, Grushka-Cockayne &
Winkler (2013), Is it better to average probabilities or quantiles?, Management Science 59(7). The pinball loss is
convex, so an average never scores worse than the average of its members' scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from udfs.contest.choice import JOIN
from udfs.forecasting.forecaster import Forecast, Forecaster, check_request
from udfs.series.sku_batch import SkuBatch


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The average of members with fixed weights, the same for every series.

    Attributes:
        members: at least one model.
        weights: one per member, not negative, of positive sum; None weighs all alike.
    """

    members: tuple[Forecaster, ...]
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.members:
            raise ValueError("expected at least one member, found none")
        weights = self.weights
        if weights is not None and (
            len(weights) != len(self.members) or any(not w >= 0 for w in weights) or not 0 < sum(weights) < float("inf")
        ):
            raise ValueError(
                f"expected {len(self.members)} weights, finite, not negative and not all 0, found {weights}"
            )

    @property
    def name(self) -> str:
        return JOIN.join(member.name for member in self.members)

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`; a series that one member cannot forecast has no forecast."""
        check_request(horizon, quantiles)
        weights = self.weights or (1.0,) * len(self.members)
        weight_SM = batch.y_ST.new_tensor(weights).repeat(len(batch), 1)
        return average([member.forecast(batch, horizon, quantiles) for member in self.members], weight_SM)


def average(forecasts: Sequence[Forecast], weight_SM: torch.Tensor) -> Forecast:
    """Average M forecasts of the same S series.

    Args:
        forecasts: in the order of the weights' second dimension. They may be non-finite where the weight is 0.
        weight_SM: (S, M), not negative; each row is scaled to sum to one. A row of zeros gives NaN.

    Mean and quantiles are averaged; so is the standard deviation, which is exact where the members' distributions
    differ in location and scale only. `n_obs_S` is the smallest of the members', `n_params_S` their sum, `sse_S` and
    `score_S` are averages, which the members' errors taken together cannot exceed.
    """
    total_S = weight_SM.sum(1)
    share_SM = weight_SM / torch.where(total_S > 0, total_S, torch.nan)[:, None]
    used_SM = weight_SM > 0

    def averaged(name: str) -> torch.Tensor:
        parts = [getattr(forecast, name) for forecast in forecasts]
        result = torch.zeros_like(parts[0])
        for m, part in enumerate(parts):
            shape = (-1, *(1,) * (part.ndim - 1))
            term = share_SM[:, m].reshape(shape) * part
            result = result + torch.where((used_SM[:, m] | (total_S <= 0)).reshape(shape), term, 0.0)
        return result

    n_obs_SM = torch.stack([forecast.n_obs_S for forecast in forecasts], dim=1)
    n_params_SM = torch.stack([forecast.n_params_S for forecast in forecasts], dim=1)
    most = torch.iinfo(n_obs_SM.dtype).max
    n_obs_S = torch.where(used_SM, n_obs_SM, most).amin(1)
    return Forecast(
        averaged("mean_SH"),
        averaged("sd_SH"),
        averaged("quantile_SHQ"),
        averaged("sse_S"),
        torch.where(used_SM.any(1), n_obs_S, 0),
        torch.where(used_SM, n_params_SM, 0).sum(1),
        averaged("score_S"),
    )

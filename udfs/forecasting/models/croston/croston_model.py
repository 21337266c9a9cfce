"""Forecasts of intermittent demand from its two parts: the size of a sale and how often one happens.

- Croston (1972): smooth the sizes z and the intervals p between sales, both only on days with a sale; forecast z / p.
- SBA, Syntetos & Boylan (2005): Croston's forecast is biased upwards; multiply it by 1 - alpha / 2.
- TSB, Teunter, Syntetos & Babai (2011): smooth the probability of a sale on every day, so that the forecast of an
  item that stops selling fades; forecast probability x z.

Smoothing parameters are chosen per series on a grid, by the in-sample mean squared error of the one-step forecasts and,
for TSB, whose two parameters a short series cannot tell apart, by a prior of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import numpy as np
import torch

from udfs.forecasting.forecaster import Forecast, check_request
from udfs.forecasting.intervals import MAX_COUNT_MEAN, count_quantiles, empirical_quantiles
from udfs.forecasting.models.croston import croston_kernel
from udfs.forecasting.models.croston import croston_tensors as croston_torch
from udfs.forecasting.models.smoothing_prior import SmoothingPrior
from udfs.series.series_threads import kernels_own_the_cores, over_series
from udfs.series.sku_batch import SkuBatch

VARIANTS = ("croston", "sba", "tsb")


@dataclass(frozen=True, slots=True)
class Croston:
    """One of the three methods, named by `name`.

    Attributes:
        name: "croston", "sba" or "tsb".
        size_alphas: smoothing parameters tried for sizes (and, in Croston and SBA, for intervals too).
        probability_alphas: smoothing parameters tried for TSB's probability.
        size_prior, probability_prior: of TSB's two parameters. Chosen on windows before the tested ones: the mean RMSSE
            of carparts falls from .6155, .5605 and .5965 to .5968, .5313 and .5766 (12 months after 2000-03, 6 after
            2000-09 and 2000-03); of 2,000 series of the M5 it stays at .6981, .7072 and .7103 (28 days after 2016-01-03
            and before), pasta's too.
        warm_up_days: observed days whose mean size and share of selling days start the recursion; 1 starts from the
            first day alone, as much of the literature does, which takes a series' first day for its typical one.
    """

    name: str = "croston"
    size_alphas: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.3)
    probability_alphas: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2)
    size_prior: SmoothingPrior = field(default_factory=lambda: SmoothingPrior(0.2))
    probability_prior: SmoothingPrior = field(default_factory=lambda: SmoothingPrior(0.15))
    warm_up_days: int = 28

    def __post_init__(self) -> None:
        if self.name not in VARIANTS:
            raise ValueError(f"expected one of {VARIANTS}, found {self.name!r}")
        for name in ("size_alphas", "probability_alphas"):
            values = getattr(self, name)
            if not values or not all(0 < v <= 1 for v in values):
                raise ValueError(f"expected {name} within (0, 1], at least one, found {values}")
        if self.warm_up_days < 1:
            raise ValueError(f"expected warm_up_days of at least one day, found {self.warm_up_days}")

    @kernels_own_the_cores()
    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`. The mean is the same on every day of the horizon."""
        check_request(horizon, quantiles)
        mean_S, sse_S, n_S, best_S = self.fit(batch.y_ST, batch.mask_ST)
        n_params = (2 if self._is_tsb else 1) + 2  # and the two initial states
        sd_S = (sse_S / (n_S - n_params).clamp(min=1)).sqrt()
        mean_S = mean_S.clamp(min=0.0)
        # Why counts for low means: see `count_quantiles`.
        is_high_S = mean_S > MAX_COUNT_MEAN
        quantile_SQ = count_quantiles(torch.where(is_high_S, 0.0, mean_S), sd_S, quantiles)
        if bool(is_high_S.any()):
            quantile_SQ[is_high_S] = self._empirical(batch, mean_S, sd_S, best_S, is_high_S, quantiles)
        return Forecast(
            mean_S[:, None].repeat(1, horizon),
            sd_S[:, None].repeat(1, horizon),
            quantile_SQ[:, None, :].repeat(1, horizon, 1),
            sse_S,
            n_S,
            torch.full_like(n_S, n_params),
            (sse_S / n_S.clamp(min=1)).sqrt(),
        )

    @property
    def _is_tsb(self) -> bool:
        return self.name == "tsb"

    def fit(
        self, y_ST: torch.Tensor, mask_ST: torch.Tensor, backend: str | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """(S,) forecast, sum of squared one-step errors, observed days, and index of the grid's best point.

        Args:
            y_ST, mask_ST: demand and where it was observed.
            backend: "numba" or "torch"; None takes numba on the CPU and torch on any other device.
        """
        price_NG = self._price(y_ST.shape[1])
        if not _by_numba(y_ST, backend):
            alpha_G1, beta_G1, factor_G1 = (torch.from_numpy(c)[:, None].to(y_ST.device) for c in self._grid())
            grid, price = (alpha_G1, beta_G1, factor_G1), torch.from_numpy(price_NG).to(y_ST.device)
            return croston_torch.fit(y_ST, mask_ST, self._is_tsb, self.warm_up_days, grid, price)
        n_series = len(y_ST)
        mean_S, sse_S = np.empty(n_series), np.empty(n_series)
        n_S, best_S = np.empty(n_series, dtype=np.int64), np.empty(n_series, dtype=np.int64)
        arguments = (
            y_ST.contiguous().numpy(), mask_ST.contiguous().numpy(), self._is_tsb, self.warm_up_days, *self._grid(),
            price_NG, mean_S, sse_S, n_S, best_S,
        )  # fmt: skip
        over_series(lambda lo, hi: croston_kernel.fit(*arguments, lo, hi), n_series)
        return torch.from_numpy(mean_S), torch.from_numpy(sse_S), torch.from_numpy(n_S), torch.from_numpy(best_S)

    def errors(
        self, y_ST: torch.Tensor, mask_ST: torch.Tensor, best_S: torch.Tensor, backend: str | None = None
    ) -> torch.Tensor:
        """(S, T) one-step errors at each series' own point of the grid, 0 on unobserved days."""
        alpha_S, beta_S, factor_S = (torch.from_numpy(c).to(y_ST.device)[best_S] for c in self._grid())
        if not _by_numba(y_ST, backend):
            point = (alpha_S[None, :], beta_S[None, :], factor_S[None, :])
            return croston_torch.errors(y_ST, mask_ST, self._is_tsb, self.warm_up_days, point)[0]
        error_ST = np.empty(y_ST.shape)
        arguments = (
            y_ST.contiguous().numpy(), mask_ST.contiguous().numpy(), self._is_tsb, self.warm_up_days, alpha_S.numpy(),
            beta_S.numpy(), factor_S.numpy(), error_ST,
        )  # fmt: skip
        over_series(lambda lo, hi: croston_kernel.errors(*arguments, lo, hi), len(y_ST))
        return torch.from_numpy(error_ST)

    def _empirical(
        self,
        batch: SkuBatch,
        mean_S: torch.Tensor,
        sd_S: torch.Tensor,
        best_S: torch.Tensor,
        where_S: torch.Tensor,
        quantiles: tuple[float, ...],
    ) -> torch.Tensor:
        mask_sT = batch.mask_ST[where_S]
        error_sT = self.errors(batch.y_ST[where_S], mask_sT, best_S[where_S])
        mean_s1, sd_s1 = mean_S[where_S][:, None], sd_S[where_S][:, None]
        return empirical_quantiles(mean_s1, sd_s1, error_sT.t(), mask_sT.t(), quantiles)[:, 0]

    def _price(self, max_obs: int) -> np.ndarray:
        """(N, G) what the sum of n squared errors is multiplied by at each point; 1 where there is no prior."""
        alpha_G, beta_G, _ = self._grid()
        if not self._is_tsb:
            return np.ones((max_obs + 1, len(alpha_G)))
        sizes = self.size_prior.price(tuple(alpha_G.tolist()), max_obs)
        return sizes * self.probability_prior.price(tuple(beta_G.tolist()), max_obs)

    def _grid(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(G,) alpha, beta of TSB, and the factor of the rate; G padded with copies to whole vector registers."""
        betas = self.probability_alphas if self._is_tsb else (0.0,)
        points = list(product(self.size_alphas, betas))
        points += [points[0]] * (-len(points) % 8)  # a tie keeps the first, so copies never win
        alpha_G, beta_G = np.ascontiguousarray(np.array(points).T)
        factor_G = 1.0 - alpha_G / 2.0 if self.name == "sba" else np.ones_like(alpha_G)
        return alpha_G, beta_G, factor_G


def _by_numba(y_ST: torch.Tensor, backend: str | None) -> bool:
    return (backend or ("numba" if y_ST.device.type == "cpu" else "torch")) == "numba"

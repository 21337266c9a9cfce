"""Forecasts of intermittent demand from its two parts: the size of a sale and how often one happens.

- Croston (1972): smooth the sizes z and the intervals p between sales, both only on days with a sale; forecast z / p.
- SBA, Syntetos & Boylan (2005): Croston's forecast is biased upwards; multiply it by 1 - alpha / 2.
- TSB, Teunter, Syntetos & Babai (2011): smooth the probability of a sale on every day, so that the forecast of an
  item that stops selling fades; forecast probability x z.

Smoothing parameters are chosen per series on a grid, by the in-sample mean squared error of the one-step forecasts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch

from udfs.forecasting.forecaster import Forecast, check_request
from udfs.forecasting.intervals import intermittent_quantiles
from udfs.forecasting.masked import sum_of_squares, time_major, time_mean
from udfs.sku_batch import SkuBatch

VARIANTS = ("croston", "sba", "tsb")

_SERIES_PER_CHUNK = 1024
"""Keeps the states of a chunk's whole grid in the L2 cache."""


@dataclass(frozen=True, slots=True)
class Croston:
    """One of the three methods, named by `name`.

    Attributes:
        name: "croston", "sba" or "tsb".
        size_alphas: smoothing parameters tried for sizes (and, in Croston and SBA, for intervals too).
        probability_alphas: smoothing parameters tried for TSB's probability.
        warm_up_days: observed days whose mean size and share of selling days start the recursion; 1 starts from the
            first day alone, as much of the literature does, which takes a series' first day for its typical one.
    """

    name: str = "croston"
    size_alphas: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.3)
    probability_alphas: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2)
    warm_up_days: int = 28

    def __post_init__(self) -> None:
        if self.name not in VARIANTS:
            raise ValueError(f"expected one of {VARIANTS}, found {self.name!r}")
        for field in ("size_alphas", "probability_alphas"):
            values = getattr(self, field)
            if not values or not all(0 < v <= 1 for v in values):
                raise ValueError(f"expected {field} within (0, 1], at least one, found {values}")
        if self.warm_up_days < 1:
            raise ValueError(f"expected warm_up_days of at least one day, found {self.warm_up_days}")

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`. The mean is the same on every day of the horizon."""
        check_request(horizon, quantiles)
        y_TS, mask_TS = time_major(batch.y_ST), time_major(batch.mask_ST)
        grid = self._grid()
        best_S = torch.cat(
            [
                self._grid_sse(y_Ts, mask_Ts, grid).argmin(0)
                for y_Ts, mask_Ts in zip(
                    y_TS.split(_SERIES_PER_CHUNK, 1), mask_TS.split(_SERIES_PER_CHUNK, 1), strict=True
                )
            ]
        )
        alphas_1S = tuple(a_G1.to(batch.device)[best_S, 0][None, :] for a_G1 in grid)
        error_TS = torch.zeros_like(y_TS)

        def keep(t: int, error_GS: torch.Tensor) -> None:
            error_TS[t] = error_GS[0]

        mean_S = self._run(y_TS, mask_TS, alphas_1S, keep)[0]
        n_S = mask_TS.sum(0)
        n_params = len(grid) + 2  # and the two initial states
        sse_S = sum_of_squares(error_TS)
        sd_S = (sse_S / (n_S - n_params).clamp(min=1)).sqrt()
        mean_SH, sd_SH = (x_S[:, None].repeat(1, horizon) for x_S in (mean_S.clamp(min=0.0), sd_S))
        return Forecast(
            mean_SH,
            sd_SH,
            intermittent_quantiles(mean_SH, sd_SH, error_TS, mask_TS, quantiles),
            sse_S,
            n_S,
            torch.full_like(n_S, n_params),
            (sse_S / n_S.clamp(min=1)).sqrt(),
        )

    def _grid(self) -> tuple[torch.Tensor, ...]:
        """The parameters' values as (G, 1) columns: one column for Croston and SBA, two for TSB."""
        axes = (self.size_alphas, self.probability_alphas) if self.name == "tsb" else (self.size_alphas,)
        columns = torch.tensor(list(product(*axes)), dtype=torch.float64).t()
        return tuple(column[:, None] for column in columns)

    def _grid_sse(self, y_TS: torch.Tensor, mask_TS: torch.Tensor, grid: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """(G, S) sum of squared one-step errors."""
        sse_GS = torch.zeros((len(grid[0]), y_TS.shape[1]), dtype=y_TS.dtype, device=y_TS.device)

        def add(_: int, error_GS: torch.Tensor) -> None:
            sse_GS.add_(error_GS * error_GS)

        self._run(y_TS, mask_TS, tuple(a_G1.to(y_TS.device) for a_G1 in grid), add)
        return sse_GS

    def _run(
        self,
        y_TS: torch.Tensor,
        mask_TS: torch.Tensor,
        alphas: tuple[torch.Tensor, ...],
        on_error: Callable[[int, torch.Tensor], None],
    ) -> torch.Tensor:
        """Call `on_error(t, error_GS)` for each day, and return the (G, S) forecast made on the last one."""
        size_S, frequency_S = self._initial(y_TS, mask_TS)
        n_grid = len(alphas[0])
        size_GS = size_S.repeat(n_grid, 1)
        if self.name == "tsb":
            return _run_tsb(y_TS, mask_TS, size_GS, frequency_S.repeat(n_grid, 1), alphas, on_error)
        factor = 1.0 - alphas[0] / 2.0 if self.name == "sba" else torch.ones_like(alphas[0])
        interval_GS = (1.0 / frequency_S).repeat(n_grid, 1)
        return _run_croston(y_TS, mask_TS, size_GS, interval_GS, alphas[0], factor, on_error)

    def _initial(self, y_TS: torch.Tensor, mask_TS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(S,) size of a sale and share of selling days over the warm-up (at least one sale is supposed)."""
        sale_TS = mask_TS & (y_TS > 0)
        early_TS = mask_TS & (mask_TS.cumsum(0) <= self.warm_up_days)
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

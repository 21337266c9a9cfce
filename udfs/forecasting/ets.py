"""Exponential smoothing with additive season and trend choices, selected per series by AICc."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import torch

from udfs.forecasting.ets_recursion import SmoothingParams, States, filter_errors, grid_sse
from udfs.forecasting.forecaster import Choice, Forecast, check_request
from udfs.forecasting.intervals import empirical_quantiles
from udfs.forecasting.masked import season_profile, time_major, time_mean
from udfs.sku_batch import SkuBatch

FORMS = ("A,N,N", "A,A,N", "A,Ad,N", "A,N,A", "A,A,A", "A,Ad,A")
"""ETS(error, trend, season) in the order of the form index."""

_TREND = (0, 1, 2, 0, 1, 2)  # none, additive, damped
_SEASONAL = (0, 0, 0, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class EtsGrid:
    """The parameter values tried for every series before refinement.

    `beta_shares` and `gamma_shares` are fractions of alpha and of 1 - alpha, so that every point is admissible
    (Hyndman & Athanasopoulos, section 8.6: 0 < beta < alpha, 0 < gamma < 1 - alpha).
    """

    alphas: tuple[float, ...] = (0.005, 0.02, 0.05, 0.1, 0.17, 0.25, 0.35, 0.5, 0.7, 0.9)
    trend_alphas: tuple[float, ...] = (0.01, 0.03, 0.08, 0.2, 0.4, 0.7)
    beta_shares: tuple[float, ...] = (0.005, 0.03, 0.1, 0.3)
    gamma_shares: tuple[float, ...] = (0.0, 0.02, 0.07, 0.2)
    phis: tuple[float, ...] = (0.9, 0.98)

    def __post_init__(self) -> None:
        for name in ("alphas", "trend_alphas", "beta_shares", "gamma_shares", "phis"):
            values = getattr(self, name)
            if not values or not all(0 <= v < 1 for v in values):
                raise ValueError(f"expected {name} within [0, 1), at least one, found {values}")

    def points(self) -> tuple[SmoothingParams, torch.Tensor]:
        """The grid as 1 x G parameters, and (G,) the form of each point."""
        rows = []
        for form in range(len(FORMS)):
            phis = ((0.0,), (1.0,), self.phis)[_TREND[form]]
            alphas = self.trend_alphas if _TREND[form] else self.alphas
            beta_shares = self.beta_shares if _TREND[form] else (0.0,)
            gamma_shares = self.gamma_shares if _SEASONAL[form] else (0.0,)
            for a, b, c, phi in product(alphas, beta_shares, gamma_shares, phis):
                rows.append((a, a * b, (1 - a) * c, phi, float(_SEASONAL[form]), form))
        columns = torch.tensor(rows, dtype=torch.float64).t()
        return SmoothingParams(*(c[None, :].contiguous() for c in columns[:5])), columns[5].long()


@dataclass(frozen=True, slots=True)
class ExponentialSmoothing:
    """ETS with additive errors; trend none, additive or damped; season of `season_length` days or none.

    Per series the grid's best point of each form is found by the sum of squared one-step errors, the form with the
    lowest AICc wins, and its point is refined on a finer grid around itself. A season needs two full seasons of
    observed days, a trend four.

    Attributes:
        season_length: M, in days.
        forms: the forms that compete.
        grid: the parameter values tried.
        refinements: rounds of finer search around the winner.
        trend_margin: a form with a trend must lower the penalised RMSE by this share more than one without. A trend
            is carried over the whole horizon, one-step errors see a day of it: on the M5 (28 days from 2016-02-01)
            a margin of .003 keeps a quarter of the trends, and the mean RMSSE of all series falls from .7562 to .7557.
        name: the forecaster's name in tables.
    """

    season_length: int = 7
    forms: tuple[str, ...] = FORMS
    grid: EtsGrid = EtsGrid()
    refinements: int = 1
    trend_margin: float = 0.003
    name: str = "ets"

    def __post_init__(self) -> None:
        unknown = set(self.forms) - set(FORMS)
        if unknown or "A,N,N" not in self.forms:
            raise ValueError(
                f"expected forms among {FORMS}, with 'A,N,N', the one that any history allows; found {self.forms}"
            )
        if self.season_length < 1:
            raise ValueError(f"expected season_length of at least one day, found {self.season_length}")

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`."""
        check_request(horizon, quantiles)
        y_TS, mask_TS = time_major(batch.y_ST), time_major(batch.mask_ST)
        initial, may_season_S = initial_states(y_TS, mask_TS, self.season_length)
        n_S = mask_TS.sum(0)
        may_trend_S = n_S >= 4 * self.season_length
        allowed_SF = torch.stack(
            [
                (may_season_S | (not seasonal)) & (may_trend_S | (not trend))
                for trend, seasonal in zip(_TREND, _SEASONAL, strict=True)
            ],
            dim=1,
        )
        best_S1, form_S, penalised_SF = self._search(y_TS, mask_TS, initial, allowed_SF, n_S)
        best_S1 = self._refine(y_TS, mask_TS, initial, best_S1)
        error_TS, last = filter_errors(y_TS, mask_TS, initial, best_S1)

        n_params_S = _n_params(self.season_length).to(batch.device)[form_S]
        sse_S = sum_of_squares(error_TS)
        sigma2_S = sse_S / (n_S - n_params_S).clamp(min=1)
        mean_SH = point_forecast(last, best_S1, horizon)
        sd_SH = (sigma2_S[:, None] * variance_growth(best_S1, horizon, self.season_length)).sqrt()
        quantile_SHQ = empirical_quantiles(mean_SH, sd_SH, error_TS, mask_TS, quantiles)
        factor_S = _penalty_table(len(y_TS), self.season_length).to(batch.device)[n_S, form_S]
        score_S = (sse_S / n_S.clamp(min=1) * factor_S).sqrt()
        return Forecast(
            mean_SH.clamp(min=0.0),
            sd_SH,
            quantile_SHQ,
            sse_S,
            n_S,
            n_params_S,
            score_S,
            _choice(form_S, penalised_SF, score_S),
        )

    def _search(
        self,
        y_TS: torch.Tensor,
        mask_TS: torch.Tensor,
        initial: States,
        allowed_SF: torch.Tensor,
        n_S: torch.Tensor,
    ) -> tuple[SmoothingParams, torch.Tensor, torch.Tensor]:
        """The best point of the best form per series, that form, and every form's penalised RMSE (S, F)."""
        points, form_G = self.grid.points()
        wanted = torch.isin(form_G, torch.tensor([FORMS.index(f) for f in self.forms]))
        points = SmoothingParams(*(p[:, wanted] for p in points.tensors())).to(y_TS.device)
        form_G = form_G[wanted].to(y_TS.device)
        sse_SG = grid_sse(y_TS, mask_TS, initial, points)

        best_SF = torch.full((len(n_S), len(FORMS)), torch.inf, dtype=sse_SG.dtype, device=sse_SG.device)
        at_SF = torch.zeros_like(best_SF, dtype=torch.long)
        for form in form_G.unique().tolist():
            index_g = torch.nonzero(form_G == form)[:, 0]
            sse_S, k_S = sse_SG[:, index_g].min(1)
            best_SF[:, form] = torch.where(allowed_SF[:, form], sse_S, torch.inf)
            at_SF[:, form] = index_g[k_S]
        factor_SF = _penalty_table(len(y_TS), self.season_length).to(y_TS.device)[n_S]
        # A perfect fit (sse 0) leaves the choice to the penalty, hence the floor.
        penalised_SF = ((best_SF / n_S.clamp(min=1)[:, None]).clamp(min=1e-300) * factor_SF).sqrt()
        handicap_F = torch.tensor(
            [1.0 + self.trend_margin * (t > 0) for t in _TREND], dtype=y_TS.dtype, device=y_TS.device
        )
        form_S = (penalised_SF * handicap_F).argmin(1)
        at_S = at_SF.gather(1, form_S[:, None])[:, 0]
        return points.take(at_S), form_S, penalised_SF

    def _refine(
        self, y_TS: torch.Tensor, mask_TS: torch.Tensor, initial: States, best_S1: SmoothingParams
    ) -> SmoothingParams:
        """Look around the best point on a finer grid, twice as fine at each refinement."""
        step = 1.6
        for _ in range(self.refinements):
            around = _neighbours(best_S1, step)
            sse_SG = grid_sse(y_TS, mask_TS, initial, around)
            best_S1 = around.take(sse_SG.argmin(1))
            step = math.sqrt(step)
        return best_S1


def initial_states(y_TS: torch.Tensor, mask_TS: torch.Tensor, season_length: int) -> tuple[States, torch.Tensor]:
    """States on the eve of the first observed day, and (S,) whether a season may be fitted.

    Level: mean of the first four seasons' observed days. Trend: 0, to be learned. Season: phase means of the whole
    sample around the seasons' own means, which for a slow gamma is close to the least-squares estimate.
    """
    n_seen_TS = mask_TS.cumsum(0)
    early_TS = mask_TS & (n_seen_TS <= 4 * season_length)
    level_S, _ = time_mean(y_TS, early_TS)
    _, season_MS, count_MS = season_profile(y_TS, mask_TS, season_length)
    may_season_S = (mask_TS.sum(0) >= 2 * season_length) & (count_MS.amin(0) >= 2) & (season_length > 1)
    return States(level_S, torch.zeros_like(level_S), season_MS), may_season_S


def point_forecast(last: States, params: SmoothingParams, horizon: int) -> torch.Tensor:
    """(S, H) l + (phi + ... + phi^h) b + s, not clipped (Hyndman & Athanasopoulos, table 8.6)."""
    phi_S = params.phi_RG[:, 0]
    level_S, trend_S = last.level_S, last.trend_S
    mean_SH = torch.empty((len(level_S), horizon), dtype=level_S.dtype, device=level_S.device)
    for h in range(horizon):
        trend_S = phi_S * trend_S
        level_S = level_S + trend_S
        mean_SH[:, h] = level_S + last.season_MS[h % len(last.season_MS)]
    return mean_SH


def variance_growth(params: SmoothingParams, horizon: int, season_length: int) -> torch.Tensor:
    """(S, H) forecast variance over one-step variance: 1 + sum of c_j^2 for j = 1..h-1, with
    c_j = alpha + beta (1 + phi + ... + phi^(j-1)) + gamma [j divisible by m].

    Hyndman, Koehler, Ord & Snyder, Forecasting with Exponential Smoothing (2008), table 6.1. Its trend recursion
    carries phi into b before beta enters, as ours does, so that c_j sums phi^i for i = 1..j.
    """
    alpha_S, beta_S, gamma_S, phi_S, _ = (p[:, 0] for p in params.tensors())
    growth_S = torch.ones_like(alpha_S)
    power_S, sum_S = torch.ones_like(phi_S), torch.zeros_like(phi_S)
    growth_SH = torch.empty((len(alpha_S), horizon), dtype=alpha_S.dtype, device=alpha_S.device)
    growth_SH[:, 0] = growth_S
    for j in range(1, horizon):
        power_S = power_S * phi_S
        sum_S = sum_S + power_S
        c_S = alpha_S + beta_S * sum_S
        if j % season_length == 0:
            c_S = c_S + gamma_S
        growth_S = growth_S + c_S * c_S
        growth_SH[:, j] = growth_S
    return growth_SH


def sum_of_squares(error_TS: torch.Tensor) -> torch.Tensor:
    """(S,) sum over time of squared errors, oldest first."""
    total_S = torch.zeros_like(error_TS[0])
    for error_S in error_TS:
        total_S += error_S * error_S
    return total_S


def _neighbours(best: SmoothingParams, step: float) -> SmoothingParams:
    """S x 27 points: alpha, beta and gamma each divided by `step`, kept, multiplied by it, within bounds."""
    factors = (1.0, 1.0 / step, step)  # the point itself first, so that a tie keeps it
    points = []
    for a, b, c in product(factors, factors, factors):
        alpha = (best.alpha_RG * a).clamp(max=0.99)
        beta = torch.minimum(best.beta_RG * b, alpha)
        gamma = torch.minimum(best.gamma_RG * c, 1.0 - alpha)
        points.append((alpha, beta, gamma, best.phi_RG, best.seasonal_RG))
    return SmoothingParams(*(torch.cat(column, dim=1) for column in zip(*points, strict=True)))


def _n_params(season_length: int) -> torch.Tensor:
    """(F,) smoothing parameters, estimated initial states and the error variance of each form.

    The trend starts at a fixed 0 and so costs no initial state.
    """
    trend = (0, 1, 2)
    return torch.tensor([3 + trend[_TREND[f]] + _SEASONAL[f] * season_length for f in range(len(FORMS))])


@lru_cache(maxsize=16)
def _penalty_table(max_obs: int, season_length: int) -> torch.Tensor:
    """(N, F) exp(AICc penalty / n): sse / n times this orders forms just as AICc = n log(sse / n) + penalty does.

    A product of a table and a sum of squares is exact to the bit in any batch; a vectorised logarithm is not. Forms
    with no degree of freedom left are infinitely penalised, except the plainest, which is always possible.
    """
    table = np.full((max_obs + 1, len(FORMS)), np.inf)
    for form, k in enumerate(_n_params(season_length).tolist()):
        for n in range(1, max_obs + 1):
            if n - k - 1 > 0:
                table[n, form] = math.exp(min(2 * k + 2 * k * (k + 1) / (n - k - 1), 600.0 * n) / n)
    table[~np.isfinite(table[:, 0]), 0] = 1.0
    return torch.from_numpy(table)


def _choice(form_S: torch.Tensor, penalised_SF: torch.Tensor, score_S: torch.Tensor) -> Choice:
    scores_SF = penalised_SF.cpu().numpy().copy()
    form = form_S.cpu().numpy()
    rows = np.arange(len(form))
    scores_SF[rows, form] = np.inf
    second = scores_SF.argmin(1)
    second_score = scores_SF[rows, second]
    has_second = np.isfinite(second_score)
    names = np.array(FORMS, dtype=object)
    rule = np.array([f"ETS({name}): lowest AICc among the forms its history allows" for name in FORMS], dtype=object)
    return Choice(
        model_S=np.full(len(form), "ets", dtype=object),
        rule_S=rule[form],
        score_S=score_S.cpu().numpy(),
        runner_up_S=np.where(has_second, "ets(" + names[second] + ")", ""),
        runner_up_score_S=np.where(has_second, second_score, np.nan),
    )

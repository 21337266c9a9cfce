"""The Theta method, standard, optimised and dynamic, the best of them chosen per series.

Fiorucci, Pellegrini, Louzada, Petropoulos & Koehler (2016), Models for optimising the theta method and their
relationship to state space models, International Journal of Forecasting 32(4). A season that passes a test is taken
out first and laid on the forecast again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from udfs.forecasting.forecaster import Choice, Forecast, check_request
from udfs.forecasting.intervals import empirical_quantiles
from udfs.forecasting.theta_kernel import (
    Line,
    ThetaPoint,
    ThetaState,
    extrapolate,
    filter_errors,
    fit_lines,
    grid_sums,
)
from udfs.forecasting.theta_season import find_season
from udfs.sku_batch import SkuBatch

FORMS = ("STM", "OTM", "DSTM", "DOTM")
"""Standard, optimised, dynamic standard and dynamic optimised theta model, in the order of the form index."""

WARM_UP_DAYS = 3
"""The first errors hang on the initial level alone and do not count."""

MIN_FIT = 8
"""With fewer observed days than this only the standard model is fitted, to every day."""

_N_PARAMS = [5, 6, 3, 4]
"""Per form: alpha, initial level and error variance, theta where it is optimised, and the line fitted to the whole
sample where it is static: its own days help to forecast them, which the dynamic line's do not."""

_SERIES_PER_CHUNK = 2048
_STANDARD_WEIGHT = 0.5  # theta = 2


@dataclass(frozen=True, slots=True)
class Theta:
    """The Theta models of `forms`, the one with the lowest AICc per series.

    The search is over alpha alone, on a grid and then on finer ones around its best point; the initial level and
    theta >= 1 follow from least squares at every alpha. Why AICc and not the mean squared error alone: on 2,000 series
    of the M5 in four windows before 2016-02-28 the mean RMSSE is .7480, .7010, .7155, .7160 against .7524, .7022,
    .7160, .7172.

    Attributes:
        season_length: M, in days; 1 for none.
        forms: the forms that compete.
        alphas: increasing values of the smoothing parameter tried.
        refinements: rounds of finer search around the best.
        refined_points: points of each of these rounds.
        backend: "numba" or "torch"; None takes numba on the CPU and torch on any other device.
        name: the forecaster's name in tables.
    """

    season_length: int = 7
    forms: tuple[str, ...] = FORMS
    alphas: tuple[float, ...] = (0.01, 0.05, 0.12, 0.24, 0.4, 0.6, 0.8, 0.99)
    refinements: int = 1
    refined_points: int = 8
    backend: str | None = None
    name: str = "theta"

    def __post_init__(self) -> None:
        unknown = set(self.forms) - set(FORMS)
        if unknown or not self.forms:
            raise ValueError(f"expected forms among {FORMS}, at least one, found {self.forms}")
        if self.season_length < 1:
            raise ValueError(f"expected season_length of at least one day, found {self.season_length}")
        increasing = list(self.alphas) == sorted(set(self.alphas))
        if not self.alphas or not increasing or not all(0 < a < 1 for a in self.alphas):
            raise ValueError(f"expected increasing alphas within (0, 1), at least one, found {self.alphas}")
        if self.refinements < 0 or self.refined_points < 1:
            raise ValueError(
                f"expected refinements >= 0 and refined_points >= 1, found {self.refinements} and {self.refined_points}"
            )
        if self.backend not in (None, "numba", "torch"):
            raise ValueError(f"expected backend numba, torch or None, found {self.backend!r}")

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`."""
        check_request(horizon, quantiles)
        chunks = zip(batch.y_ST.split(_SERIES_PER_CHUNK), batch.mask_ST.split(_SERIES_PER_CHUNK), strict=True)
        parts = [self._forecast_chunk(y_ST, mask_ST, horizon, quantiles) for y_ST, mask_ST in chunks]
        mean_SH, sd_SH, quantile_SHQ, sse_S, n_S, n_params_S, score_S, rmse_SF, form_S = (
            torch.cat(column) for column in zip(*parts, strict=True)
        )
        choice = _choice(form_S, rmse_SF, score_S, self.name)
        return Forecast(mean_SH, sd_SH, quantile_SHQ, sse_S, n_S, n_params_S, score_S, choice)

    def _forecast_chunk(
        self, y_ST: torch.Tensor, mask_ST: torch.Tensor, horizon: int, quantiles: tuple[float, ...]
    ) -> tuple[torch.Tensor, ...]:
        """The tensors of a Forecast, then (S, F) the RMSE of each form and (S,) the index of the best one."""
        backend = self.backend or ("numba" if y_ST.device.type == "cpu" else "torch")
        n_days = y_ST.shape[1]
        season = find_season(y_ST, mask_ST, self.season_length, backend)
        fit_from_S = season.start_S + WARM_UP_DAYS * (season.n_seen_S >= MIN_FIT)
        line, last_S3 = fit_lines(season, mask_ST, fit_from_S, backend)
        point, form_S, sse_SF = self._search(line, season.n_seen_S, backend)
        error_ST, counts_ST, n_S, plain_sse_S, state = filter_errors(line, last_S3, point, backend)

        # Without its season a series is fitted in its own units or, under a ratio, in units of the index.
        has_ratio = bool(season.is_ratio_S.any())
        n_params_S = torch.tensor(_N_PARAMS, device=y_ST.device)[form_S] + season.is_seasonal_S * self.season_length
        sse_S = _sum_of_squares(error_ST * season.scale(n_days, -n_days)) if has_ratio else plain_sse_S
        sigma2_S = plain_sse_S / (n_S - n_params_S).clamp(min=1)
        mean_SH = season.put_back(extrapolate(state, point, horizon))
        sd_SH = (sigma2_S[:, None] * variance_growth(state, point, horizon)).sqrt() * season.scale(horizon)
        first_day_ST = error_ST * season.scale(1) if has_ratio else error_ST
        quantile_SHQ = empirical_quantiles(mean_SH, sd_SH, first_day_ST.t(), counts_ST.t(), quantiles)
        factor_S = _penalty_table(n_days, self.season_length + max(_N_PARAMS)).to(y_ST.device)[n_S, n_params_S]
        score_S = (sse_S / n_S.clamp(min=1) * factor_S).sqrt()
        rmse_SF = (sse_SF / n_S.clamp(min=1)[:, None]).sqrt()
        return mean_SH.clamp(min=0.0), sd_SH, quantile_SHQ, sse_S, n_S, n_params_S, score_S, rmse_SF, form_S

    def _search(
        self, line: Line, n_seen_S: torch.Tensor, backend: str
    ) -> tuple[ThetaPoint, torch.Tensor, torch.Tensor]:
        """The best point, its form, and (S, F) the lowest sum of squared errors of each form."""
        allowed_F = torch.tensor([form in self.forms for form in FORMS], device=n_seen_S.device)
        first_F = torch.arange(len(FORMS), device=n_seen_S.device) == 0
        allowed_SF = torch.where((n_seen_S >= MIN_FIT)[:, None], allowed_F, first_F)
        alpha_SG = torch.tensor([self.alphas], dtype=line.z_ST.dtype, device=n_seen_S.device).expand(len(n_seen_S), -1)
        best_SF = torch.full(allowed_SF.shape, torch.inf, dtype=line.z_ST.dtype, device=n_seen_S.device)
        columns_SF = [torch.zeros_like(best_SF) for _ in range(3)]
        share_J = torch.arange(1, self.refined_points + 1, dtype=line.z_ST.dtype) / (self.refined_points + 1)
        for k in range(self.refinements + 1):
            solved = _solve(grid_sums(line, alpha_SG.contiguous(), backend), allowed_SF)
            at_SF1 = solved[0].argmin(2)[..., None]
            sse_SF = solved[0].gather(2, at_SF1)[..., 0]
            better_SF = sse_SF < best_SF
            found = (alpha_SG.gather(1, at_SF1[..., 0]), *(x.gather(2, at_SF1)[..., 0] for x in solved[1:]))
            columns_SF = [torch.where(better_SF, new, old) for new, old in zip(found, columns_SF, strict=True)]
            best_SF = torch.where(better_SF, sse_SF, best_SF)
            if k < self.refinements:
                at_S1 = at_SF1[..., 0].gather(1, best_SF.argmin(1, keepdim=True))
                low_S1 = alpha_SG.gather(1, (at_S1 - 1).clamp(min=0))
                high_S1 = alpha_SG.gather(1, (at_S1 + 1).clamp(max=alpha_SG.shape[1] - 1))
                alpha_SG = low_S1 + (high_S1 - low_S1) * share_J.to(low_S1.device)
        penalty = _penalty_table(line.z_ST.shape[1], max(_N_PARAMS)).to(n_seen_S.device)
        form_S = (best_SF * penalty[n_seen_S][:, _N_PARAMS]).argmin(1)
        alpha_S, weight_S, level_S = (x.gather(1, form_S[:, None])[:, 0] for x in columns_SF)
        return ThetaPoint(alpha_S, weight_S, level_S, form_S >= 2), form_S, best_SF


def variance_growth(state: ThetaState, point: ThetaPoint, horizon: int) -> torch.Tensor:
    """(S, H) forecast variance over one-step variance: 1 + sum of c_j^2 for j = 1..h-1, where c_j is what an error of
    one on the first day moves the forecast j days later.

    The recursion is linear, so c_j is its path from the states that such an error leaves behind in empty ones.
    """
    alpha_S, i_S = point.alpha_S, state.days_S
    zero_S = torch.zeros_like(alpha_S)
    mean_S = torch.where(point.dynamic_S, 1.0 / (i_S + 1.0), zero_S)
    b_S = torch.where(point.dynamic_S, 6.0 / ((i_S + 1.0) * (i_S + 2.0)), zero_S)
    a_S = torch.where(point.dynamic_S, mean_S - b_S * ((i_S + 2.0) * 0.5), zero_S)
    shock = ThetaState(alpha_S, mean_S, a_S, b_S, i_S + 1.0, state.decay_S * (1.0 - alpha_S))
    growth_SH = torch.ones((len(alpha_S), horizon), dtype=alpha_S.dtype, device=alpha_S.device)
    if horizon > 1:
        c_SH = extrapolate(shock, point, horizon - 1)
        for h in range(1, horizon):
            growth_SH[:, h] = growth_SH[:, h - 1] + c_SH[:, h - 1] * c_SH[:, h - 1]
    return growth_SH


def _solve(sums: torch.Tensor, allowed_SF: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(S, F, G) the lowest sum of squared errors over the initial level and the weight w = 1 - 1 / theta, and both.

    sse(l_0, w) is a convex quadratic: l_0 is eliminated first, then w is held within its bounds.
    """
    ee, ea, aa, *line_sums = sums.unbind(0)
    aa = aa.clamp(min=1e-300)
    per_form = []
    for dynamic in (0, 1):
        ef, af, ff = line_sums[3 * dynamic : 3 * dynamic + 3]
        curvature, slope = ff - af * af / aa, ef - ea * af / aa
        # Where the line adds nothing that the level could not do, w does not matter.
        flat = curvature <= 1e-12 * ff
        best = torch.where(flat, _STANDARD_WEIGHT, slope / torch.where(flat, 1.0, curvature)).clamp(0.0, 1.0)
        for w in (torch.full_like(best, _STANDARD_WEIGHT), best):
            sse = (ee - ea * ea / aa - w * (2.0 * slope - w * curvature)).clamp(min=0.0)
            per_form.append((sse, w, (ea - w * af) / aa))
    sse_SFG, weight_SFG, level_SFG = (torch.stack(x, dim=1) for x in zip(*per_form, strict=True))
    return torch.where(allowed_SF[..., None], sse_SFG, torch.inf), weight_SFG, level_SFG


def _sum_of_squares(x_ST: torch.Tensor) -> torch.Tensor:
    """(S,) added up oldest first, so that padding and neighbours cannot be felt."""
    if x_ST.device.type != "cpu":
        return (x_ST * x_ST).sum(1)
    x = x_ST.numpy()
    return torch.from_numpy(np.add.accumulate(x * x, axis=1)[:, -1].copy())


@lru_cache(maxsize=16)
def _penalty_table(max_obs: int, max_params: int) -> torch.Tensor:
    """(N, K) exp(AICc penalty / n), by which a mean squared error is multiplied; infinite without freedom left.

    The standard model's own row stays finite, for it is always possible.
    """
    table = np.full((max_obs + 1, max_params + 1), 1.0)
    for k in range(max_params + 1):
        for n in range(k + 2, max_obs + 1):
            table[n, k] = math.exp(min(2 * k + 2 * k * (k + 1) / (n - k - 1), 600.0 * n) / n)
    return torch.from_numpy(table)


def _choice(form_S: torch.Tensor, rmse_SF: torch.Tensor, score_S: torch.Tensor, name: str) -> Choice:
    form, rmse = form_S.cpu().numpy(), rmse_SF.cpu().numpy().copy()
    rows = np.arange(len(form))
    rmse[rows, form] = np.inf
    second = rmse.argmin(1)
    second_rmse = rmse[rows, second]
    has_second = np.isfinite(second_rmse)
    names = np.array([f"{name}({form})" for form in FORMS], dtype=object)
    rules = np.array([f"{form}: lowest AICc among the theta models" for form in FORMS], dtype=object)
    return Choice(
        model_S=np.full(len(form), name, dtype=object),
        rule_S=rules[form],
        score_S=score_S.cpu().numpy(),
        runner_up_S=np.where(has_second, names[second], ""),
        runner_up_score_S=np.where(has_second, second_rmse, np.nan),
    )

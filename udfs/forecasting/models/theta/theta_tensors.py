"""The Theta models' fit with torch, for devices that the compiled kernel does not run on.

One step after the other over the whole batch; `theta_kernel` does the same series by series, and a test holds both
equal. The recursion is explained there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from udfs.forecasting.intervals import empirical_quantiles
from udfs.forecasting.models.theta.season import Season, find_season
from udfs.forecasting.models.theta.theta_forms import (
    FORMS,
    MIN_FIT,
    N_PARAMS,
    STANDARD_WEIGHT,
    WARM_UP_DAYS,
    penalty_table,
)

N_SUMS = 9
"""ee, ea, aa, and for the static then the dynamic line: ef, af, ff."""


@dataclass(frozen=True, slots=True)
class Line:
    """The series to fit, (S, T), and its lines: a_S + b_S i over the whole sample, a_ST + b_ST i up to the day before.

    n_seen_S: observed days. start_S: the first of them. fit_from_S: the first day whose error counts.
    """

    z_ST: torch.Tensor
    mask_ST: torch.Tensor
    n_seen_S: torch.Tensor
    start_S: torch.Tensor
    fit_from_S: torch.Tensor
    a_S: torch.Tensor
    b_S: torch.Tensor
    a_ST: torch.Tensor
    b_ST: torch.Tensor


@dataclass(frozen=True, slots=True)
class ThetaPoint:
    """One parameter point per series, (S,) each; dynamic is a bool."""

    alpha_S: torch.Tensor
    weight_S: torch.Tensor
    level_S: torch.Tensor
    dynamic_S: torch.Tensor


@dataclass(frozen=True, slots=True)
class ThetaState:
    """(S,) after the last day: level, mean of the days so far, line, days since the first one, (1 - alpha)^days."""

    level_S: torch.Tensor
    mean_S: torch.Tensor
    a_S: torch.Tensor
    b_S: torch.Tensor
    days_S: torch.Tensor
    decay_S: torch.Tensor


@dataclass(frozen=True, slots=True)
class SearchGrid:
    """What is searched; see `theta.Theta`."""

    season_length: int
    forms: tuple[str, ...]
    alphas: tuple[float, ...]
    refinements: int
    refined_points: int


def forecast(
    y_ST: torch.Tensor, mask_ST: torch.Tensor, grid: SearchGrid, horizon: int, quantiles: tuple[float, ...]
) -> tuple[torch.Tensor, ...]:
    """The tensors of a Forecast, then (S, F) the RMSE of each form and (S,) the index of the best one."""
    n_days = y_ST.shape[1]
    season = find_season(y_ST, mask_ST, grid.season_length, "torch")
    fit_from_S = season.start_S + WARM_UP_DAYS * (season.n_seen_S >= MIN_FIT)
    line, last_S3 = fit_lines(season, mask_ST, fit_from_S)
    point, form_S, sse_SF = search(line, season.n_seen_S, grid)
    error_ST, counts_ST, n_S, plain_sse_S, state = filter_errors(line, last_S3, point)

    # Without its season a series is fitted in its own units or, under a ratio, in units of the index.
    has_ratio = bool(season.is_ratio_S.any())
    n_params_S = torch.tensor(N_PARAMS, device=y_ST.device)[form_S] + season.is_seasonal_S * grid.season_length
    sse_S = (error_ST * season.scale(n_days, -n_days)).square().sum(1) if has_ratio else plain_sse_S
    sigma2_S = plain_sse_S / (n_S - n_params_S).clamp(min=1)
    mean_SH = season.put_back(extrapolate(state, point, horizon))
    sd_SH = (sigma2_S[:, None] * variance_growth(state, point, horizon)).sqrt() * season.scale(horizon)
    first_day_ST = error_ST * season.scale(1) if has_ratio else error_ST
    quantile_SHQ = empirical_quantiles(mean_SH, sd_SH, first_day_ST.t(), counts_ST.t(), quantiles)
    table = penalty_table(n_days, grid.season_length + max(N_PARAMS))
    factor_S = torch.from_numpy(table).to(y_ST.device)[n_S, n_params_S]
    score_S = (sse_S / n_S.clamp(min=1) * factor_S).sqrt()
    rmse_SF = (sse_SF / n_S.clamp(min=1)[:, None]).sqrt()
    return mean_SH.clamp(min=0.0), sd_SH, quantile_SHQ, sse_S, n_S, n_params_S, score_S, rmse_SF, form_S


def search(line: Line, n_seen_S: torch.Tensor, grid: SearchGrid) -> tuple[ThetaPoint, torch.Tensor, torch.Tensor]:
    """The best point, its form, and (S, F) the lowest sum of squared errors of each form."""
    allowed_F = torch.tensor([form in grid.forms for form in FORMS], device=n_seen_S.device)
    first_F = torch.arange(len(FORMS), device=n_seen_S.device) == 0
    allowed_SF = torch.where((n_seen_S >= MIN_FIT)[:, None], allowed_F, first_F)
    alpha_SG = torch.tensor([grid.alphas], dtype=line.z_ST.dtype, device=n_seen_S.device).expand(len(n_seen_S), -1)
    best_SF = torch.full(allowed_SF.shape, torch.inf, dtype=line.z_ST.dtype, device=n_seen_S.device)
    columns_SF = [torch.zeros_like(best_SF) for _ in range(3)]
    share_J = torch.arange(1, grid.refined_points + 1, dtype=line.z_ST.dtype) / (grid.refined_points + 1)
    for k in range(grid.refinements + 1):
        solved = solve(grid_sums(line, alpha_SG.contiguous()), allowed_SF)
        at_SF1 = solved[0].argmin(2)[..., None]
        sse_SF = solved[0].gather(2, at_SF1)[..., 0]
        better_SF = sse_SF < best_SF
        found = (alpha_SG.gather(1, at_SF1[..., 0]), *(x.gather(2, at_SF1)[..., 0] for x in solved[1:]))
        columns_SF = [torch.where(better_SF, new, old) for new, old in zip(found, columns_SF, strict=True)]
        best_SF = torch.where(better_SF, sse_SF, best_SF)
        if k < grid.refinements:
            at_S1 = at_SF1[..., 0].gather(1, best_SF.argmin(1, keepdim=True))
            low_S1 = alpha_SG.gather(1, (at_S1 - 1).clamp(min=0))
            high_S1 = alpha_SG.gather(1, (at_S1 + 1).clamp(max=alpha_SG.shape[1] - 1))
            alpha_SG = low_S1 + (high_S1 - low_S1) * share_J.to(low_S1.device)
    penalty = torch.from_numpy(penalty_table(line.z_ST.shape[1], max(N_PARAMS))).to(n_seen_S.device)
    form_S = (best_SF * penalty[n_seen_S][:, list(N_PARAMS)]).argmin(1)
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


def solve(sums: torch.Tensor, allowed_SF: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
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
        best = torch.where(flat, STANDARD_WEIGHT, slope / torch.where(flat, 1.0, curvature)).clamp(0.0, 1.0)
        for w in (torch.full_like(best, STANDARD_WEIGHT), best):
            sse = (ee - ea * ea / aa - w * (2.0 * slope - w * curvature)).clamp(min=0.0)
            per_form.append((sse, w, (ea - w * af) / aa))
    sse_SFG, weight_SFG, level_SFG = (torch.stack(x, dim=1) for x in zip(*per_form, strict=True))
    return torch.where(allowed_SF[..., None], sse_SFG, torch.inf), weight_SFG, level_SFG


def filter_errors(
    line: Line, last_S3: torch.Tensor, point: ThetaPoint
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, ThetaState]:
    """One-step errors at one point per series, (S, T), 0 on days that do not count.

    Then which days count (S, T), how many these are and their sum of squares (S,), and the states after the last day.
    """
    n_days = line.z_ST.shape[1]
    error_ST, level_S, decay_S = _filter(line, point)
    counts_ST = line.mask_ST & (torch.arange(n_days, device=error_ST.device) >= line.fit_from_S[:, None])
    a_S = torch.where(point.dynamic_S, last_S3[:, 1], line.a_S)
    b_S = torch.where(point.dynamic_S, last_S3[:, 2], line.b_S)
    days_S = (n_days - line.start_S).to(level_S.dtype)
    state = ThetaState(level_S, last_S3[:, 0], a_S, b_S, days_S, decay_S)
    return error_ST, counts_ST, counts_ST.sum(1), error_ST.square().sum(1), state


def extrapolate(state: ThetaState, point: ThetaPoint, horizon: int) -> torch.Tensor:
    """(S, H) the recursion run on, each day's forecast standing in for its demand, also in the dynamic line."""
    alpha_S, w_S = point.alpha_S, point.weight_S
    level_S, mean_S, a_S, b_S, i_S, p_S = (getattr(state, f) for f in state.__slots__)
    mean_SH = torch.empty((len(level_S), horizon), dtype=level_S.dtype, device=level_S.device)
    for h in range(horizon):
        next_S = p_S * (1.0 - alpha_S)
        mu_S = level_S + w_S * (a_S * p_S + b_S * ((1.0 - next_S) / alpha_S))
        mean_SH[:, h] = mu_S
        level_S = level_S + alpha_S * (mu_S - level_S)
        new_b_S = ((i_S - 1.0) * b_S + 6.0 * (mu_S - mean_S) / (i_S + 1.0)) / (i_S + 2.0)
        mean_S = mean_S + (mu_S - mean_S) / (i_S + 1.0)
        b_S = torch.where(point.dynamic_S, new_b_S, b_S)
        a_S = torch.where(point.dynamic_S, mean_S - b_S * ((i_S + 2.0) * 0.5), a_S)
        p_S = next_S
        i_S = i_S + 1.0
    return mean_SH


def fit_lines(season: Season, mask_ST: torch.Tensor, fit_from_S: torch.Tensor) -> tuple[Line, torch.Tensor]:
    """Both lines of every series without its season, and (S, 3) the dynamic one after the last day: mean, A, B."""
    z_ST, n_seen_S, start_S = season.z_ST, season.n_seen_S, season.start_S
    n_days = z_ST.shape[1]
    day_ST = torch.arange(1, n_days + 1, device=z_ST.device) - start_S[:, None]
    seen_ST = mask_ST.to(z_ST.dtype)
    n_S = seen_ST.sum(1).clamp(min=1)
    day_mean_S, z_mean_S = (seen_ST * day_ST).sum(1) / n_S, (seen_ST * z_ST).sum(1) / n_S
    dev_ST = seen_ST * (day_ST - day_mean_S[:, None])
    power_S = (dev_ST * dev_ST).sum(1)
    static_b_S = (dev_ST * z_ST).sum(1) / torch.where(power_S > 0, power_S, 1.0)
    static_a_S = z_mean_S - static_b_S * day_mean_S

    a_ST, b_ST = torch.zeros_like(z_ST), torch.zeros_like(z_ST)
    mean_S, a_S, b_S = (torch.zeros_like(z_mean_S) for _ in range(3))
    for t in range(n_days):
        i_S = (t - start_S).to(z_ST.dtype)
        a_ST[:, t], b_ST[:, t] = a_S, b_S
        z_S = torch.where(mask_ST[:, t], z_ST[:, t], a_S + b_S * (i_S + 1.0))
        new_b_S = ((i_S - 1.0) * b_S + 6.0 * (z_S - mean_S) / (i_S + 1.0)) / (i_S + 2.0)
        new_mean_S = mean_S + (z_S - mean_S) / (i_S + 1.0)
        is_first_S, is_on_S = start_S == t, start_S <= t
        b_S = torch.where(is_on_S & ~is_first_S & mask_ST[:, t], new_b_S, b_S)
        mean_S = torch.where(is_first_S, z_S, torch.where(is_on_S, new_mean_S, mean_S))
        a_S = torch.where(is_on_S & mask_ST[:, t], mean_S - b_S * ((i_S + 2.0) * 0.5), a_S)
        a_S = torch.where(is_first_S, z_S, a_S)
    line = Line(z_ST, mask_ST, n_seen_S, start_S, fit_from_S, static_a_S, static_b_S, a_ST, b_ST)
    return line, torch.stack([mean_S, a_S, b_S], dim=1)


def grid_sums(line: Line, alpha_RG: torch.Tensor) -> torch.Tensor:
    """(N_SUMS, S, G) sums of products of e0, a and f over the days that count, for R = 1 or S rows of alphas."""
    n_series, n_days = line.z_ST.shape
    alpha_SG = alpha_RG.expand(n_series, -1)
    keep_SG = 1.0 - alpha_SG
    zero_SG = torch.zeros_like(alpha_SG)
    base_SG, drift_SG, drift_dyn_SG = zero_SG, zero_SG, zero_SG  # the level's parts free of l_0, and along w
    a_SG, p_SG = torch.ones_like(alpha_SG), torch.ones_like(alpha_SG)
    sums = torch.zeros((N_SUMS, *alpha_SG.shape), dtype=alpha_SG.dtype, device=alpha_SG.device)
    for t in range(n_days):
        on_S1 = (line.start_S <= t)[:, None]
        seen_S1, counts_S1 = line.mask_ST[:, t : t + 1], (line.fit_from_S <= t)[:, None]
        next_SG = p_SG * keep_SG
        q_SG = (1.0 - next_SG) / alpha_SG
        f_SG = line.a_S[:, None] * p_SG + line.b_S[:, None] * q_SG
        g_SG = line.a_ST[:, t : t + 1] * p_SG + line.b_ST[:, t : t + 1] * q_SG
        e_SG = line.z_ST[:, t : t + 1] - base_SG
        f_all_SG, g_all_SG = drift_SG + f_SG, drift_dyn_SG + g_SG
        pairs = [(e_SG, e_SG), (e_SG, a_SG), (a_SG, a_SG)]
        for line_SG in (f_all_SG, g_all_SG):
            pairs += [(e_SG, line_SG), (a_SG, line_SG), (line_SG, line_SG)]
        for k, (x_SG, y_SG) in enumerate(pairs):
            sums[k] += torch.where(seen_S1 & counts_S1, x_SG * y_SG, 0.0)
        base_SG = torch.where(seen_S1, base_SG + alpha_SG * e_SG, base_SG)
        a_SG = torch.where(seen_S1, a_SG * keep_SG, a_SG)
        gap_S1 = on_S1 & ~seen_S1
        drift_SG = torch.where(seen_S1, drift_SG * keep_SG, torch.where(gap_S1, drift_SG + alpha_SG * f_SG, drift_SG))
        drift_dyn_SG = torch.where(
            seen_S1, drift_dyn_SG * keep_SG, torch.where(gap_S1, drift_dyn_SG + alpha_SG * g_SG, drift_dyn_SG)
        )
        p_SG = torch.where(on_S1, next_SG, p_SG)
    return sums


def _filter(line: Line, point: ThetaPoint) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    alpha_S, level_S = point.alpha_S, point.level_S
    p_S = torch.ones_like(alpha_S)
    error_ST = torch.zeros_like(line.z_ST)
    for t in range(line.z_ST.shape[1]):
        on_S, seen_S = line.start_S <= t, line.mask_ST[:, t]
        next_S = p_S * (1.0 - alpha_S)
        a_S = torch.where(point.dynamic_S, line.a_ST[:, t], line.a_S)
        b_S = torch.where(point.dynamic_S, line.b_ST[:, t], line.b_S)
        mu_S = level_S + point.weight_S * (a_S * p_S + b_S * ((1.0 - next_S) / alpha_S))
        z_S = torch.where(seen_S, line.z_ST[:, t], mu_S)
        error_ST[:, t] = torch.where(line.fit_from_S <= t, z_S - mu_S, 0.0)
        level_S = torch.where(on_S, level_S + alpha_S * (z_S - level_S), level_S)
        p_S = torch.where(on_S, next_S, p_S)
    return error_ST, level_S, p_S

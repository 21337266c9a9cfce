"""Exponential smoothing with trend and season chosen per series by AICc."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from udfs.contest.choice import Choice
from udfs.forecasting.forecaster import Forecast, check_request
from udfs.forecasting.intervals import empirical_quantiles
from udfs.forecasting.models.ets.ets_ahead import ahead
from udfs.forecasting.models.ets.ets_forms import (
    FORMS,
    SEASON,
    TREND,
    EtsGrid,
    GridPoints,
    n_params,
    penalty_table,
    refine_factors,
)
from udfs.forecasting.models.ets.ets_values import Point, Start
from udfs.forecasting.models.ets.recursion import grid_sse, refine, smooth, start_states
from udfs.forecasting.models.ets.trend import trend_holds
from udfs.forecasting.models.smoothing_prior import SmoothingPrior
from udfs.series.series_threads import kernels_own_the_cores
from udfs.series.sku_batch import SkuBatch

STRONG_SEASON = 0.5
"""A season that leaves less than this share of the squared errors of a plain level."""


@dataclass(frozen=True, slots=True)
class ExponentialSmoothing:
    """ETS with additive errors; trend none, additive or damped; season of `season_length` days none, additive or, for
    positive demand, multiplicative.

    Per series the grid's best point of each form is found by the sum of squared one-step errors and the prior of
    alpha, the form with the lowest AICc wins, and its point is refined on a finer grid around itself. A season needs
    two full seasons of observed days; a trend four, and smaller errors over past horizons than the best form without
    one (`trend_holds`).

    Attributes:
        season_length: M, in days.
        forms: the forms that compete.
        grid: the parameter values tried.
        refinements: rounds of finer search around the winner.
        trend_margin: a form with a trend must lower the penalised RMSE by this share more than one without. A trend
            is carried over the whole horizon, one-step errors see a day of it: on the M5 (28 days from 2016-02-01)
            a margin of .003 keeps a quarter of the trends, and the mean RMSSE of all series falls from .7562 to .7557.
        prior: of alpha. Chosen on windows before the tested ones: the mean RMSSE of carparts falls from .630, .568 and
            .611 to .608, .542 and .588 (12 months after 2000-03, 6 after 2000-09 and 2000-03), of 2,000 series of the
            M5 from .6954, .7131 and .7120 to .6944, .7120 and .7104 (28 days after 2016-01-03 and before); pasta and
            the M4 hourly stay as they are.
        name: the forecaster's name in tables.
    """

    season_length: int = 7
    forms: tuple[str, ...] = FORMS
    grid: EtsGrid = field(default_factory=EtsGrid)
    refinements: int = 1
    trend_margin: float = 0.003
    prior: SmoothingPrior = field(default_factory=lambda: SmoothingPrior(0.15))
    name: str = "ets"

    def __post_init__(self) -> None:
        unknown = set(self.forms) - set(FORMS)
        if unknown or "A,N,N" not in self.forms:
            raise ValueError(
                f"expected forms among {FORMS}, with 'A,N,N', the one that any history allows; found {self.forms}"
            )
        if self.season_length < 1:
            raise ValueError(f"expected season_length of at least one day, found {self.season_length}")

    @kernels_own_the_cores()
    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`."""
        check_request(horizon, quantiles)
        y_ST, mask_ST = batch.y_ST, batch.mask_ST
        start = start_states(y_ST, mask_ST, self.season_length)
        points = self.grid.points()
        at_SF, penalised_SF = self._search(y_ST, mask_ST, start, points)
        point = self._choose(y_ST, mask_ST, points, at_SF, penalised_SF, horizon)
        factor_KPR = refine_factors()
        for _ in range(self.refinements):
            point = refine(y_ST, mask_ST, start, point, factor_KPR)
            factor_KPR = np.sqrt(factor_KPR)
        last = smooth(y_ST, mask_ST, start, point)

        n_S, form_S = start.n_S, point.form_S
        n_params_S = torch.from_numpy(n_params(self.season_length)).to(batch.device)[form_S]
        sigma2_S = last.sse_S / (n_S - n_params_S).clamp(min=1)
        mean_SH, sd_SH = ahead(last, point, sigma2_S, horizon)
        quantile_SHQ = empirical_quantiles(mean_SH, sd_SH, last.error_ST.t(), mask_ST.t(), quantiles)
        score_S = (last.sse_S / n_S.clamp(min=1) * self._penalty(start)[n_S, form_S]).sqrt()
        return Forecast(
            mean_SH.clamp(min=0.0),
            sd_SH,
            quantile_SHQ,
            last.sse_S,
            n_S,
            n_params_S,
            score_S,
            _choice(form_S, penalised_SF, score_S),
        )

    def _allowed(self, start: Start) -> torch.Tensor:
        """(S, F) the forms that compete for each series."""
        may_trend_S = start.n_S >= 4 * self.season_length
        may_S3 = (torch.ones_like(may_trend_S), start.may_season_S, start.is_positive_S)
        columns = [
            (may_trend_S if TREND[f] else may_S3[0]) & may_S3[SEASON[f]] & (form in self.forms)
            for f, form in enumerate(FORMS)
        ]
        return torch.stack(columns, dim=1)

    def _penalty(self, start: Start) -> torch.Tensor:
        """(N, F) see `penalty_table`."""
        longest = int(start.n_S.max()) if len(start.n_S) else 0
        size = 1 << longest.bit_length()  # few sizes, so that the table is seldom made
        return torch.from_numpy(penalty_table(size, self.season_length)).to(start.n_S.device)

    def _search(
        self, y_ST: torch.Tensor, mask_ST: torch.Tensor, start: Start, points: GridPoints
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(S, F) the best point of every form, and its penalised RMSE, infinite where the form is not allowed."""
        allowed_SF = self._allowed(start)
        sse_SX = self._grid_sse(y_ST, mask_ST, start, points, allowed_SF) * self._prior(points, start.n_S)
        best_SF = torch.full(allowed_SF.shape, torch.inf, dtype=torch.float64, device=y_ST.device)
        at_SF = torch.zeros_like(best_SF, dtype=torch.long)
        for form in np.unique(points.form_X).tolist():
            columns = points.columns(form)
            sse_S, k_S = sse_SX[:, columns].min(1)
            best_SF[:, form] = torch.where(allowed_SF[:, form], sse_S.double(), torch.inf)
            at_SF[:, form] = k_S + columns.start
        best_SF *= start.scale_S[:, None] ** 2
        # A perfect fit (sse 0) leaves the choice to the penalty, hence the floor.
        mse_SF = (best_SF / start.n_S.clamp(min=1)[:, None]).clamp(min=1e-300)
        penalised_SF = (mse_SF * self._penalty(start)[start.n_S]).sqrt()
        return torch.from_numpy(points.point_of_column()).to(y_ST.device)[at_SF], penalised_SF

    def _prior(self, points: GridPoints, n_S: torch.Tensor) -> torch.Tensor:
        """(S, X) float32 what the errors are multiplied by for being at parameters that are rare."""
        alphas = tuple(points.alpha_G[points.point_of_column()].tolist())
        price_NX = self.prior.price(alphas, int(n_S.max()) if len(n_S) else 0)
        return torch.from_numpy(price_NX.astype(np.float32)).to(n_S.device)[n_S]

    def _grid_sse(
        self, y_ST: torch.Tensor, mask_ST: torch.Tensor, start: Start, points: GridPoints, allowed_SF: torch.Tensor
    ) -> torch.Tensor:
        """(S, X) see `grid_sse`. A trend beside a season, half of the work, is tried only where a trend alone helps."""
        trend_F, season_F = np.array(TREND) > 0, np.array(SEASON)
        groups = [(season_F == season) & (trend_F == trend) for season in (0, 1, 2) for trend in (False, True)]
        group_FK = torch.from_numpy(np.stack(groups, axis=1)).to(y_ST.device)
        use_SK = allowed_SF.float() @ group_FK.float() > 0
        both_K = torch.tensor([False, False, False, True, False, True], device=y_ST.device)
        sse_SX = grid_sse(y_ST, mask_ST, start, use_SK & ~both_K, points)
        best_SF = torch.stack([sse_SX[:, points.columns(form)].amin(1) for form in (0, 1, 3, 6)], dim=1)
        level_S, trend_S, season_S, ratio_S = best_SF.unbind(1)
        price_SF = self._penalty(start)[start.n_S]
        helps_S = trend_S * price_SF[:, 1] < level_S * price_SF[:, 0]
        # A strong season hides from both whether there is a trend beneath it.
        helps_S |= torch.minimum(season_S, ratio_S) < STRONG_SEASON * level_S
        at_s = torch.nonzero((helps_S | ~use_SK[:, 1]) & (use_SK[:, 3] | use_SK[:, 5]))[:, 0]
        if len(at_s):
            use_sK = use_SK[at_s] & both_K
            sse_SX[at_s] = sse_SX[at_s].minimum(grid_sse(y_ST[at_s], mask_ST[at_s], start.select(at_s), use_sK, points))
        return sse_SX

    def _choose(
        self,
        y_ST: torch.Tensor,
        mask_ST: torch.Tensor,
        points: GridPoints,
        at_SF: torch.Tensor,
        penalised_SF: torch.Tensor,
        horizon: int,
    ) -> Point:
        """The point of the form with the lowest AICc; of one without a trend where the trend does not hold."""
        has_trend_F = torch.tensor(TREND, device=y_ST.device) > 0
        form_S = (penalised_SF * (1.0 + self.trend_margin * has_trend_F)).argmin(1)
        at_s = torch.nonzero(has_trend_F[form_S])[:, 0]
        if len(at_s):
            plain_s = torch.where(has_trend_F, torch.inf, penalised_SF[at_s]).argmin(1)
            trend, plain = (_point(points, at_SF[at_s], form_s) for form_s in (form_S[at_s], plain_s))
            holds_s = trend_holds(y_ST[at_s], mask_ST[at_s], self.season_length, trend, plain, horizon)
            form_S[at_s] = torch.where(holds_s, form_S[at_s], plain_s)
        return _point(points, at_SF, form_S)


def _point(points: GridPoints, at_SF: torch.Tensor, form_S: torch.Tensor) -> Point:
    at_S = at_SF.gather(1, form_S[:, None])[:, 0]
    columns = (points.alpha_G, points.beta_G, points.gamma_G, points.phi_G)
    alpha_S, beta_S, gamma_S, phi_S = (torch.from_numpy(c).to(at_S.device)[at_S] for c in columns)
    return Point(alpha_S, beta_S, gamma_S, phi_S, form_S)


def _choice(form_S: torch.Tensor, penalised_SF: torch.Tensor, score_S: torch.Tensor) -> Choice:
    scores_SF = penalised_SF.cpu().numpy().copy()
    form = form_S.cpu().numpy()
    rows = np.arange(len(form))
    scores_SF[rows, form] = np.inf
    second = scores_SF.argmin(1)
    second_score = scores_SF[rows, second]
    has_second = np.isfinite(second_score)
    names = np.array(FORMS, dtype=object)
    rule = np.array(
        [f"ETS({name}): lowest AICc among the forms its history allows, a trend only where it held" for name in FORMS],
        dtype=object,
    )
    return Choice(
        name_S=np.full(len(form), "ets", dtype=object),
        rule_S=rule[form],
        score_S=score_S.cpu().numpy(),
        runner_up_S=np.where(has_second, "ets(" + names[second] + ")", ""),
        runner_up_score_S=np.where(has_second, second_score, np.nan),
    )

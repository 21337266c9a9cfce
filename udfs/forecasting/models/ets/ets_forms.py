"""The forms of exponential smoothing that compete, the grid of their parameters and the price of their parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

FORMS = ("A,N,N", "A,A,N", "A,Ad,N", "A,N,A", "A,A,A", "A,Ad,A", "A,N,M", "A,A,M", "A,Ad,M")
"""ETS(error, trend, season) in the order of the form index."""

TREND = (0, 1, 2, 0, 1, 2, 0, 1, 2)  # none, additive, damped
SEASON = (0, 0, 0, 1, 1, 1, 2, 2, 2)  # none, additive, multiplicative

KINDS = ("level", "trend", "season", "trend and season")
"""What a parameter point moves; its index is 1 for a trend plus 2 for a season."""

REFINE_POINTS = 32
"""Points looked at around the best one; a multiple of the 16 single-precision numbers of a vector register."""


@dataclass(frozen=True, slots=True)
class GridPoints:
    """Parameter points, sorted by kind.

    Attributes:
        alpha_G, beta_G, gamma_G, phi_G: float32; beta and gamma are not divided by alpha or 1 - alpha.
        edges: where each kind ends: points edges[k-1]..edges[k] are of kind k.
        form_X: the form of each column of a search: the G points, with an additive season where they have one, then
            those with a season again, as a multiplicative one.
    """

    alpha_G: np.ndarray
    beta_G: np.ndarray
    gamma_G: np.ndarray
    phi_G: np.ndarray
    edges: tuple[int, int, int, int]
    form_X: np.ndarray

    def columns(self, form: int) -> slice:
        """The columns of a form, which lie side by side."""
        column_x = np.flatnonzero(self.form_X == form)
        return slice(int(column_x[0]), int(column_x[-1]) + 1)

    def point_of_column(self) -> np.ndarray:
        """(X,) the point behind each column of a search."""
        return np.r_[np.arange(self.edges[3]), np.arange(self.edges[1], self.edges[3])]


@dataclass(frozen=True, slots=True)
class EtsGrid:
    """The parameter values tried for every series before refinement.

    `beta_shares` and `gamma_shares` are fractions of alpha and of 1 - alpha, so that every point is admissible
    (Hyndman & Athanasopoulos, section 8.6: 0 < beta < alpha, 0 < gamma < 1 - alpha).

    Attributes:
        alphas: of the plain level.
        trend_alphas: where there is a trend.
        season_alphas: where there is a season alone.
        beta_shares, gamma_shares: with a trend, with a season.
        phis: of the damped trend.
    """

    alphas: tuple[float, ...] = (
        0.003, 0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.13, 0.17, 0.22, 0.3, 0.4, 0.5, 0.65, 0.8, 0.95,
    )  # fmt: skip
    trend_alphas: tuple[float, ...] = (0.02, 0.08, 0.25, 0.6)
    season_alphas: tuple[float, ...] = (0.005, 0.03, 0.07, 0.12, 0.2, 0.33, 0.55, 0.85)
    beta_shares: tuple[float, ...] = (0.005, 0.03, 0.1, 0.3)
    gamma_shares: tuple[float, ...] = (0.0, 0.02, 0.07, 0.2)
    phis: tuple[float, ...] = (0.95,)

    def __post_init__(self) -> None:
        for name in ("alphas", "trend_alphas", "season_alphas", "beta_shares", "gamma_shares", "phis"):
            values = getattr(self, name)
            if not values or not all(0 <= v < 1 for v in values):
                raise ValueError(f"expected {name} within [0, 1), at least one, found {values}")

    @lru_cache(maxsize=16)  # noqa: B019 - grids are few and small
    def points(self) -> GridPoints:
        """The grid, with the points of a trend and a season on every second gamma."""
        trends, none = (1.0, *self.phis), (0.0,)
        axes = (
            (self.alphas, none, none, none),
            (self.trend_alphas, self.beta_shares, none, trends),
            (self.season_alphas, none, self.gamma_shares, none),
            (self.trend_alphas, self.beta_shares, self.gamma_shares[::2], trends),
        )
        rows, forms, edges = [], [], []
        for kind, (alphas, beta_shares, gamma_shares, phis) in enumerate(axes):
            for phi, a, b, c in product(phis, alphas, beta_shares, gamma_shares):
                rows.append((a, a * b, (1 - a) * c, phi))
                forms.append((kind >= 2) * 3 + (0 if kind % 2 == 0 else 1 if phi == 1.0 else 2))
            edges.append(len(rows))
        alpha_G, beta_G, gamma_G, phi_G = (np.ascontiguousarray(c) for c in np.array(rows, dtype=np.float32).T)
        form_X = np.array(forms + [form + 3 for form in forms[edges[1] :]])
        return GridPoints(alpha_G, beta_G, gamma_G, phi_G, (edges[0], edges[1], edges[2], edges[3]), form_X)


@lru_cache(maxsize=1)
def refine_factors() -> np.ndarray:
    """(4, 3, R) float32: what alpha, beta and gamma are multiplied by around the best point of each kind.

    The point itself comes first, so that a tie keeps it; unused places repeat it.
    """
    fine, coarse = (1.0, 1 / 1.15, 1.15, 1 / 1.4, 1.4), (1.0, 1 / 1.6, 1.6)
    wide = (1.0, 1 / 1.5, 1.5, 1 / 3.0, 3.0)
    one = (1.0,)
    level = tuple(1.4 ** (k / 8) for k in (0, *range(-8, 0), *range(1, 9)))
    axes = ((level, one, one), (fine, wide, one), (fine, one, wide), (coarse, coarse, coarse))
    factors = np.ones((len(KINDS), 3, REFINE_POINTS), dtype=np.float32)
    for kind, axis in enumerate(axes):
        points = np.array(list(product(*axis)), dtype=np.float32).T
        factors[kind, :, : points.shape[1]] = points
    return factors


def n_params(season_length: int) -> np.ndarray:
    """(F,) smoothing parameters, estimated initial states and the error variance of each form.

    The trend starts at a fixed 0 and so costs no initial state.
    """
    return np.array([3 + TREND[f] + (SEASON[f] > 0) * season_length for f in range(len(FORMS))])


@lru_cache(maxsize=16)
def penalty_table(max_obs: int, season_length: int) -> np.ndarray:
    """(N, F) exp(AICc penalty / n): sse / n times this orders forms just as AICc = n log(sse / n) + penalty does.

    A product of a table and a sum of squares is exact to the bit in any batch; a vectorised logarithm is not. Forms
    with no degree of freedom left are infinitely penalised, except the plainest, which is always possible.
    """
    table = np.full((max_obs + 1, len(FORMS)), np.inf)
    for form, k in enumerate(n_params(season_length).tolist()):
        for n in range(1, max_obs + 1):
            if n - k - 1 > 0:
                table[n, form] = math.exp(min(2 * k + 2 * k * (k + 1) / (n - k - 1), 600.0 * n) / n)
    table[~np.isfinite(table[:, 0]), 0] = 1.0
    return table

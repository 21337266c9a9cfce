"""Markdowns of what has to go: a stock, some periods, a ladder of prices that may fall and never rise.

Demand of a period is Poisson's about exp(level) x season x (price / first price) ** elasticity. Level and elasticity
are beliefs, K pairs with weights: a price earns the mean over them of what the programme that knows them earns from it
on, for sales will tell soon; what they have told is taken in by `after`. Stocks beyond `MOST_LOTS` units are counted in
lots, and units of a broken one are left for the salvage value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from udfs.pricing.markdown_kernel import first_values, log_likelihoods, programme

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_LOTS = 200
MOST_UNITS = 1e9
_LEAST_ELASTICITY = -0.1
_NODES = 5, 3


class BadMarkdownError(ValueError):
    """A programme that cannot be meant."""


@dataclass(frozen=True, slots=True)
class Markdown:
    """S programmes of T periods and J prices.

    price_SJ: currency, falling from the price of now, the first one; where there are fewer than J the last one is
    repeated. season_ST: demand of the periods over the usual one. stock_S: units, whole ones of which can be sold.
    salvage_S: currency that a unit left over is worth.
    """

    price_SJ: FloatArray
    season_ST: FloatArray
    stock_S: FloatArray
    salvage_S: FloatArray

    def take(self, rows: NDArray[np.bool_]) -> Markdown:
        return Markdown(self.price_SJ[rows], self.season_ST[rows], self.stock_S[rows], self.salvage_S[rows])

    def faults(self) -> list[str | None]:
        """What is wrong with each programme: expected, found; None for nothing."""
        rules = (
            ("prices", "> 0 and finite", (self.price_SJ > 0).all(1) & np.isfinite(self.price_SJ).all(1), self.price_SJ),
            ("prices", "a ladder that falls", (np.diff(self.price_SJ, axis=1) <= 0).all(1), self.price_SJ),
            ("prices", "at least the salvage value", self.price_SJ[:, -1] >= self.salvage_S, self.price_SJ),
            ("stock", "0 to a billion units", (self.stock_S >= 0) & (self.stock_S <= MOST_UNITS), self.stock_S),
            ("salvage", "a value >= 0", (self.salvage_S >= 0) & np.isfinite(self.salvage_S), self.salvage_S),
            ("season", "finite and >= 0", (np.isfinite(self.season_ST) & (self.season_ST >= 0)).all(1), self.season_ST),
        )
        found: list[str | None] = [None] * len(self.stock_S)
        for name, expected, is_good_S, values in reversed(rules):
            for s in np.flatnonzero(~is_good_S):
                found[s] = f"{name}: expected {expected}, found {np.asarray(values[s]).tolist()}"
        return found


@dataclass(frozen=True, slots=True)
class Beliefs:
    """K pairs of level (log of units a period at the first price) and elasticity of S series, with weights of sum 1."""

    level_SK: FloatArray
    elasticity_SK: FloatArray
    weight_SK: FloatArray

    @classmethod
    def of(
        cls, level_S: FloatArray, level_se_S: FloatArray, elasticity_S: FloatArray, elasticity_se_S: FloatArray
    ) -> Beliefs:
        """Normal ones, by Gauss-Hermite nodes. Raises BadMarkdownError for an elasticity that is not finite and below
        0, or a standard error that is not finite and >= 0: such a series has no answer to its price."""
        numbers = np.stack([level_S, level_se_S, elasticity_S, elasticity_se_S])
        is_bad = ~np.isfinite(numbers).all(0) | (numbers[1] < 0) | (numbers[2] >= 0) | (numbers[3] < 0)
        if is_bad.any():
            raise BadMarkdownError(
                "beliefs: expected finite levels, elasticities below 0 and standard errors >= 0, found level, its "
                f"error, elasticity, its error = {numbers[:, is_bad.argmax()].tolist()}"
            )
        (x_L, w_L), (x_E, w_E) = (np.polynomial.hermite_e.hermegauss(n) for n in _NODES)
        level_SLE = level_S[:, None, None] + level_se_S[:, None, None] * x_L[:, None] + 0.0 * x_E
        elasticity_SLE = elasticity_S[:, None, None] + elasticity_se_S[:, None, None] * x_E + 0.0 * x_L[:, None]
        weight_LE = w_L[:, None] * w_E / (w_L.sum() * w_E.sum())
        shape = len(level_S), -1
        return cls(
            level_SLE.reshape(shape),
            np.minimum(elasticity_SLE, _LEAST_ELASTICITY).reshape(shape),
            np.repeat(weight_LE.reshape(1, -1), len(level_S), 0),
        )

    def take(self, rows: NDArray[np.bool_]) -> Beliefs:
        return Beliefs(self.level_SK[rows], self.elasticity_SK[rows], self.weight_SK[rows])

    def after(
        self, sold_S: FloatArray, is_out_S: NDArray[np.bool_], ratio_S: FloatArray, season_S: FloatArray
    ) -> Beliefs:
        """What a period of sales leaves of them: units sold at `ratio_S` of the first price; where stock ran out demand
        was at least so many."""
        rate_SK = np.exp(self.level_SK) * ratio_S[:, None] ** self.elasticity_SK * np.maximum(season_S, 1e-9)[:, None]
        log_SK = np.empty_like(rate_SK)
        log_likelihoods(rate_SK, sold_S, is_out_S, log_SK)
        weight_SK = self.weight_SK * np.exp(log_SK - log_SK.max(1, keepdims=True))
        total_S1 = weight_SK.sum(1, keepdims=True)
        return replace(self, weight_SK=np.where(total_S1 > 0, weight_SK / total_S1, self.weight_SK))


def values(items: Markdown, beliefs: Beliefs) -> FloatArray:
    """Expected revenue to the end where each price holds now, currency, [S, J].

    Raises BadMarkdownError naming the first programme with a fault: leave those out before (`faults`).
    """
    if any(faults := items.faults()):
        s, fault = next((s, fault) for s, fault in enumerate(faults) if fault)
        raise BadMarkdownError(f"programme {s}: {fault}")
    stock_S = np.minimum(items.stock_S, _sellable(items, beliefs))
    lot_S = np.maximum(np.ceil(stock_S / MOST_LOTS), 1.0)
    lots_S = np.floor(stock_S / lot_S).astype(np.int64)
    value_SJ = np.empty(items.price_SJ.shape)
    arrays = beliefs.level_SK, beliefs.elasticity_SK, beliefs.weight_SK, items.season_ST, items.price_SJ
    first_values(*arrays, lots_S, lot_S, items.salvage_S, value_SJ, 0, len(lots_S))
    return value_SJ + (items.salvage_S * (items.stock_S - lots_S * lot_S))[:, None]


def _sellable(items: Markdown, beliefs: Beliefs) -> FloatArray:
    """Units beyond which nothing sells at any price, whatever is believed, [S]: the programme need not count them."""
    ratio_S1 = items.price_SJ[:, -1:] / items.price_SJ[:, :1]
    most_S = (np.exp(beliefs.level_SK) * ratio_S1**beliefs.elasticity_SK).max(1) * items.season_ST.sum(1)
    return np.asarray(np.ceil(most_S + 6.0 * np.sqrt(most_S) + 10.0))


def known_value(
    rate_TJ: FloatArray, price_J: FloatArray, stock: int, salvage: float = 0.0, *, may_rise: bool = False
) -> FloatArray:
    """Expected revenue with n = 0 to `stock` units left before the first period under the best prices, [N], where
    demand is known: rate_TJ units by period and price. With its differences less unit cost it tells how many to buy."""
    value_TNJ = np.empty((len(rate_TJ), stock + 1, len(price_J)))
    programme(rate_TJ, price_J, salvage, 1.0, may_rise, value_TNJ, np.empty(stock + 1))
    return np.asarray(value_TNJ[0].max(1))


def best_buy(value_N: FloatArray, unit_cost: float) -> int:
    """Units to buy for a season of which n earn value_N[n] under the best prices: price and quantity together."""
    return int(np.argmax(value_N - unit_cost * np.arange(len(value_N))))

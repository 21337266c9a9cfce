"""Regular prices by margin: what an SKU and its rivals earn where demand answers all of their prices.

Units of i are those expected now times exp(sum over k of effect_ik x log(price_k / price_k now)), effects as estimated:
that one may be larger earns nothing. A change that would lose where the own effect lies a standard error on the wrong
side is not sure enough (`is_sure`). Prices are chosen among those that guardrails allow, and it is told which of
them kept a better price away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from udfs.pricing.price_response import LEAST_OWN
from udfs.pricing.regular_kernel import best_prices

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_SWEEPS = 12
_MOST_CHOICES = 64
_FREE_STEP = 0.5
"""How far a price that no step bound holds is looked for, to say what the bound keeps away."""


@dataclass(frozen=True, slots=True)
class Guardrails:
    """What a new price must be.

    largest_step: share of the price of now, in (0, 1). least_margin: share of the price above unit cost, in [0, 1).
    price_step: prices are whole multiples of it, currency. endings: what their last part may be, such as 0.99 and
    0.49 of whole units of currency; () for any. Raises ValueError for what is out of range.
    """

    largest_step: float = 0.1
    least_margin: float = 0.0
    price_step: float = 0.01
    endings: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        rules = (
            ("largest_step", 0.0 < self.largest_step < 1.0, "a share in (0, 1)"),
            ("least_margin", 0.0 <= self.least_margin < 1.0, "a share in [0, 1)"),
            ("price_step", 0.0 < self.price_step < np.inf, "currency > 0"),
            ("endings", all(0.0 <= each < 1.0 for each in self.endings), "parts of one unit of currency in [0, 1)"),
        )
        for name, is_good, expected in rules:
            if not is_good:
                raise ValueError(f"{name}: expected {expected}, found {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True)
class Goods:
    """S SKUs, those that answer each other's prices together: first_G[g] to first_G[g + 1].

    price_S, cost_S: of a unit now. units_S: expected at the prices of now. effect_SN: on i of the log price of the k-th
    of its group, the own one negative. effect_se_S: of the own one. is_fixed_S: the price stays. below_S: the SKU whose
    price this one's must not go below, -1 for none.
    """

    first_G: IntArray
    price_S: FloatArray
    cost_S: FloatArray
    units_S: FloatArray
    effect_SN: FloatArray
    effect_se_S: FloatArray
    is_fixed_S: NDArray[np.bool_]
    below_S: IntArray

    def faults(self) -> list[str | None]:
        """What is wrong with each SKU: expected, found; None for nothing."""
        own_S = self.own_effect
        rules = (
            ("price", "> 0 and finite", (self.price_S > 0) & np.isfinite(self.price_S), self.price_S),
            ("unit cost", ">= 0 and finite", (self.cost_S >= 0) & np.isfinite(self.cost_S), self.cost_S),
            ("units", ">= 0 and finite", (self.units_S >= 0) & np.isfinite(self.units_S), self.units_S),
            ("elasticity", "below 0 and finite", (own_S < 0) & np.isfinite(own_S), own_S),
            ("its error", ">= 0 and finite", (self.effect_se_S >= 0) & np.isfinite(self.effect_se_S), self.effect_se_S),
        )
        found: list[str | None] = [None] * len(self.price_S)
        for name, expected, is_good_S, values in reversed(rules):
            for s in np.flatnonzero(~is_good_S):
                found[s] = f"{name}: expected {expected}, found {values[s]}"
        return found

    @property
    def own_effect(self) -> FloatArray:
        place_S = np.arange(len(self.price_S)) - np.repeat(self.first_G[:-1], np.diff(self.first_G))
        return np.asarray(self.effect_SN[np.arange(len(place_S)), place_S])

    def units_at(self, price_S: FloatArray) -> FloatArray:
        """Expected units at other prices, [S]."""
        step_S, log_S = np.log(price_S / self.price_S), np.zeros(len(price_S))
        start_S = np.repeat(self.first_G[:-1], np.diff(self.first_G))
        size_S = np.repeat(np.diff(self.first_G), np.diff(self.first_G))
        for k in range(self.effect_SN.shape[1]):
            at_S = np.minimum(start_S + k, len(price_S) - 1)
            log_S += np.where(k < size_S, self.effect_SN[:, k] * step_S[at_S], 0.0)
        return np.asarray(self.units_S * np.exp(log_S))

    def profit_at(self, price_S: FloatArray) -> FloatArray:
        """Expected margin of each SKU at other prices, currency, [S]."""
        return np.asarray((price_S - self.cost_S) * self.units_at(price_S))

    def gain_of(self, price_S: FloatArray) -> FloatArray:
        """What each SKU's step from its price of now earns, its rivals' margins included, the others as planned."""
        step_S, found_S = np.log(price_S / self.price_S), np.zeros(len(price_S))
        margin_S = self.profit_at(price_S)
        for lo, hi in pairwise(self.first_G):
            back_NN = np.exp(-self.effect_SN[lo:hi, : hi - lo] * step_S[lo:hi])
            np.fill_diagonal(back_NN, 1.0)
            found_S[lo:hi] = margin_S[lo:hi] @ (1.0 - back_NN)
        without_S = np.exp(-self.own_effect * step_S)
        kept_S = (self.price_S - self.cost_S) * self.units_at(price_S) * without_S
        return np.asarray(found_S + margin_S - kept_S)

    def is_sure(self, price_S: FloatArray) -> NDArray[np.bool_]:
        """Whether each SKU's step still gains where its own effect is a standard error less favourable, [S]."""
        worse_S = np.minimum(self.own_effect - np.sign(price_S - self.price_S) * self.effect_se_S, LEAST_OWN)
        place_S = np.arange(len(price_S)) - np.repeat(self.first_G[:-1], np.diff(self.first_G))
        effect_SN = self.effect_SN.copy()
        effect_SN[np.arange(len(place_S)), place_S] = worse_S
        return np.asarray(replace(self, effect_SN=effect_SN).gain_of(price_S) > 0.0)


def allowed_prices(goods: Goods, rails: Guardrails) -> tuple[FloatArray, IntArray]:
    """Prices that each SKU may have, [S, J], rising, and how many of them; that of now always may stay."""
    now_S = goods.price_S
    low_S = np.where(goods.is_fixed_S, now_S, now_S * (1.0 - rails.largest_step))
    high_S = np.where(goods.is_fixed_S, now_S, now_S * (1.0 + rails.largest_step))
    low_S = np.maximum(low_S, goods.cost_S / (1.0 - rails.least_margin))
    # At most so many: of a dear SKU prices are whole multiples of a larger step.
    step_S = rails.price_step * np.maximum(np.ceil((high_S - low_S) / rails.price_step / _MOST_CHOICES), 1.0)
    lists = [
        _choices(now, low, high, step, rails.endings)
        for now, low, high, step in zip(now_S, low_S, high_S, step_S, strict=True)
    ]
    count_S = np.array([len(each) for each in lists], dtype=np.int64)
    choice_SJ = np.zeros((len(lists), max(count_S, default=1)))
    for s, each in enumerate(lists):
        choice_SJ[s, : len(each)] = each
    return choice_SJ, count_S


def _choices(now: float, low: float, high: float, step: float, endings: tuple[float, ...]) -> FloatArray:
    if endings:
        whole = np.arange(np.floor(low), np.floor(high) + 1.0)[:, None] + np.asarray(endings)
        found = whole.ravel()
    else:
        found = np.round(np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1.0) * step, 10)
    return np.unique(np.append(found[(found >= low - 1e-9) & (found <= high + 1e-9) & (found > 0.0)], now))


def best_regular(
    goods: Goods, rails: Guardrails, levy: float = 0.0, allowed: tuple[FloatArray, IntArray] | None = None
) -> FloatArray:
    """The allowed prices with the most expected profit, [S], a local optimum by coordinate ascent from those of now.

    levy: see `best_prices`; `holding_average` finds it. Raises ValueError naming the first SKU with a fault.
    """
    if any(faults := goods.faults()):
        s, fault = next((s, fault) for s, fault in enumerate(faults) if fault)
        raise ValueError(f"SKU {s}: {fault}")
    choice_SJ, count_S = allowed or allowed_prices(goods, rails)
    at_S = np.abs(choice_SJ - goods.price_S[:, None]).argmin(1)
    above_S = np.full(len(at_S), -1, dtype=np.int64)
    above_S[goods.below_S[goods.below_S >= 0]] = np.flatnonzero(goods.below_S >= 0)
    money = goods.units_S, goods.price_S, goods.cost_S
    best_prices(goods.first_G, *money, goods.effect_SN, goods.below_S, above_S, choice_SJ, count_S, levy, _SWEEPS, at_S)
    return choice_SJ[np.arange(len(at_S)), at_S]


def holding_average(goods: Goods, rails: Guardrails) -> FloatArray:
    """The same where the average price, weighted by the units expected now, may not fall or rise: by bisection."""
    allowed = allowed_prices(goods, rails)
    low, high = -50.0, 50.0
    for _ in range(40):
        levy = 0.5 * (low + high)
        price_S = best_regular(goods, rails, levy, allowed)
        if float(goods.units_S @ (price_S - goods.price_S)) > 0.0:
            low = levy
        else:
            high = levy
    return best_regular(goods, rails, high, allowed)


def binding(goods: Goods, rails: Guardrails, price_S: FloatArray) -> list[list[str]]:
    """Which guardrails keep a price that would earn more away from each SKU, the others' prices as they are."""
    alone = replace(goods, below_S=np.full(len(price_S), -1, dtype=np.int64))
    found: list[list[str]] = [[] for _ in price_S]
    ways = {
        "largest step": (alone, replace(rails, largest_step=_FREE_STEP)),
        "floor": (alone, replace(rails, least_margin=0.0)),
        "endings": (alone, replace(rails, endings=())),
        "order of the family": (alone, rails),
    }
    for name, (freed, freed_rails) in ways.items():
        other_S = best_regular(freed, freed_rails)
        for s in np.flatnonzero(np.abs(other_S - price_S) > 0.5 * rails.price_step):
            found[s].append(name)
    return found

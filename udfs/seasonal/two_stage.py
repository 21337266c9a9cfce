"""A season bought in two steps (Fisher & Raman 1996): a commitment before it, a reorder once early sales are known.

Demand of item i over the season is lognormal; early sales tell of the whole with a relative error. All reorders share
a capacity, whose price makes the items separable: the least certain ones wait for early sales, those that are known
well are bought ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

FloatArray = NDArray[np.float64]
_NODE_K, _WEIGHT_K = np.polynomial.hermite_e.hermegauss(31)
_WEIGHT_K = _WEIGHT_K / _WEIGHT_K.sum()
_GRID = np.linspace(-4.0, 4.0, 201)


@dataclass(frozen=True, eq=False)
class TwoStage:
    """I items. log_mean_I, log_sd_I: of the season's demand; margin_I: lost with each unit short; loss_I: with each
    left over; both in currency, > 0. early_share_I: share of the demand that comes before the reorder arrives.
    signal_sd: standard deviation of the log of early sales over their share. reorder_capacity_qty: units of all
    reorders together. Raises ValueError for values out of range, with the first row.
    """

    log_mean_I: FloatArray
    log_sd_I: FloatArray
    margin_I: FloatArray
    loss_I: FloatArray
    early_share_I: FloatArray
    signal_sd: float
    reorder_capacity_qty: float = np.inf

    def __post_init__(self) -> None:
        for name, value, is_good, expected in (
            ("log_mean_I", self.log_mean_I, np.isfinite(self.log_mean_I), "finite numbers"),
            ("log_sd_I", self.log_sd_I, (self.log_sd_I > 0) & (self.log_sd_I < 10), "numbers in (0, 10)"),
            ("margin_I", self.margin_I, (self.margin_I > 0) & np.isfinite(self.margin_I), "currency > 0"),
            ("loss_I", self.loss_I, (self.loss_I > 0) & np.isfinite(self.loss_I), "currency > 0"),
            ("early_share_I", self.early_share_I, (self.early_share_I > 0) & (self.early_share_I < 1), "in (0, 1)"),
        ):
            if not np.all(is_good):
                row = int(np.argmin(is_good))
                raise ValueError(f"{name}: expected {expected}, found {value[row]:g} in row {row}")
        if not self.signal_sd > 0 or not self.reorder_capacity_qty >= 0:
            raise ValueError(
                f"expected signal_sd > 0 and reorder_capacity_qty >= 0, found {self.signal_sd} and "
                f"{self.reorder_capacity_qty}"
            )

    @property
    def critical_ratio(self) -> FloatArray:
        return self.margin_I / (self.margin_I + self.loss_I)

    def one_buy(self) -> FloatArray:
        """The newsvendor's quantity: nothing is learnt and nothing reordered."""
        return np.exp(self.log_mean_I + self.log_sd_I * ndtri(self.critical_ratio))

    def commitment(self) -> tuple[FloatArray, float]:
        """What to buy before the season, and the price of a unit of reorder capacity.

        An item's commitment is where another unit earns nothing more: it saves the price of capacity where a reorder
        would follow, loses where early sales turn out low, and serves early demand that no reorder reaches.
        """
        price = self._capacity_price()
        return self._commitment(price), price

    def expected_reorder(self) -> FloatArray:
        """Mean of what will be reordered, once early sales are known, of the items' commitments."""
        return self._expected_reorder(self._capacity_price())

    def reorder(self, bought_I: ArrayLike, early_sales_I: ArrayLike) -> FloatArray:
        """What to reorder once early sales are known; an item that has sold out may have sold more.

        bought_I: what was committed; early_sales_I <= bought_I: units sold by now.
        """
        bought, early = np.asarray(bought_I, float), np.asarray(early_sales_I, float)
        weight_IG, log_demand_IG = self._posterior(bought, early)
        spread_IG = weight_IG.cumsum(1) - weight_IG / 2

        def wanted(price: float) -> FloatArray:
            level_I = np.clip((self.margin_I - price) / (self.margin_I + self.loss_I), 0.0, 1.0)
            rows = zip(level_I, spread_IG, log_demand_IG, strict=True)
            target_I = np.exp([np.interp(level, spread, values) for level, spread, values in rows])
            return np.where(level_I > 0, np.maximum(target_I - bought, 0.0), 0.0)

        return wanted(_price(lambda price: wanted(price).sum(), self._highest_price, self.reorder_capacity_qty))

    def updated(self, bought_I: ArrayLike, early_sales_I: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the log of the season's demand, once early sales are known."""
        weight_IG, log_IG = self._posterior(np.asarray(bought_I, float), np.asarray(early_sales_I, float))
        mean_I = (weight_IG * log_IG).sum(1)
        return mean_I, np.sqrt(np.maximum((weight_IG * log_IG**2).sum(1) - mean_I**2, 1e-12))

    def _capacity_price(self) -> float:
        return _price(lambda price: self._expected_reorder(price).sum(), self._highest_price, self.reorder_capacity_qty)

    @property
    def _highest_price(self) -> float:
        return float(self.margin_I.max(initial=0.0))

    def _signals(self) -> tuple[FloatArray, FloatArray]:
        """By node of what early sales may say: mean of the log of demand then [I, K], and its deviation [I]."""
        trust_I = self.log_sd_I**2 / (self.log_sd_I**2 + self.signal_sd**2)
        mean_IK = self.log_mean_I[:, None] + (self.log_sd_I * np.sqrt(trust_I))[:, None] * _NODE_K
        return mean_IK, np.sqrt(trust_I) * self.signal_sd

    def _commitment(self, price: float) -> FloatArray:
        mean_IK, sd_I = self._signals()
        low_I, high_I = self.log_mean_I - 8 * self.log_sd_I, self.log_mean_I + 8 * self.log_sd_I
        ceiling_I = np.minimum(price, self.margin_I)
        for _ in range(40):
            middle_I = (low_I + high_I) / 2
            served_IK = ndtr((middle_I[:, None] - mean_IK) / sd_I[:, None])
            gain_IK = self.margin_I[:, None] - (self.margin_I + self.loss_I)[:, None] * served_IK
            # Early demand beyond the commitment is lost, whatever is reordered.
            early_I = 1 - ndtr((middle_I - np.log(self.early_share_I) - self.log_mean_I) / self.log_sd_I)
            gain_I = np.minimum(gain_IK, ceiling_I[:, None]) @ _WEIGHT_K + (self.margin_I - ceiling_I) * early_I
            low_I, high_I = np.where(gain_I > 1e-9, middle_I, low_I), np.where(gain_I > 1e-9, high_I, middle_I)
        return np.exp((low_I + high_I) / 2)

    def _expected_reorder(self, price: float) -> FloatArray:
        mean_IK, sd_I = self._signals()
        level_I = np.clip((self.margin_I - price) / (self.margin_I + self.loss_I), 1e-12, 1.0)
        target_IK = np.exp(mean_IK + (sd_I * ndtri(level_I))[:, None])
        more_IK = np.maximum(target_IK - self._commitment(price)[:, None], 0.0)
        return np.where(price < self.margin_I, more_IK @ _WEIGHT_K, 0.0)

    def _posterior(self, bought_I: FloatArray, early_I: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weights over a grid of the log of demand, [I, G] both."""
        log_IG = self.log_mean_I[:, None] + self.log_sd_I[:, None] * _GRID
        told_I = np.log(np.maximum(early_I, 0.5) / self.early_share_I)
        step_IG = (told_I[:, None] - log_IG) / self.signal_sd
        is_sold_out_I = early_I >= bought_I * (1 - 1e-9)
        log_likelihood = np.where(is_sold_out_I[:, None], np.log(np.maximum(ndtr(-step_IG), 1e-300)), -0.5 * step_IG**2)
        log_weight_IG = log_likelihood - 0.5 * _GRID**2
        weight_IG = np.exp(log_weight_IG - log_weight_IG.max(1, keepdims=True))
        return weight_IG / weight_IG.sum(1, keepdims=True), log_IG


def _price(asked: Callable[[float], float], highest: float, capacity: float) -> float:
    """The price of a unit of capacity at which no more is asked for than there is; 0 where there is enough."""
    if asked(0.0) <= capacity:
        return 0.0
    low, high = 0.0, highest
    for _ in range(26):
        middle = (low + high) / 2
        low, high = (middle, high) if asked(middle) > capacity else (low, middle)
    return high

"""What a policy may know of its series at a cutoff: the demand to come, the terms of supply, the money."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.demand_paths import DemandPaths
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.level_caps import LevelCaps, least_order
from udfs.inventory.review_calendar import ReviewPattern
from udfs.inventory.simulation.state import Stock
from udfs.inventory.simulation.terms import SimulationTerms
from udfs.inventory.stock_limits import StockLimits
from udfs.inventory.supply import DAYS_PER_YEAR, SupplyTerms

MOST_REPLAYED_LIFE = 90.0
"""Days: goods that keep longer outlast a replay; the cap of their levels alone keeps them from spoiling."""


@dataclass(frozen=True, slots=True)
class Situation:
    """S series at one cutoff. Build it with `of`.

    paths: sample paths and mean of the days after it. level_SH: quantile, at the cycle service level, of the demand of
    lead time and review from each day on, units: where most candidates begin. sd_SH: standard deviation of the
    forecast error of each day, units. terms: of supply, each whole and in range. unit_price_S: currency per unit, NaN
    if unknown. limits, caps: what bounds the stock, and the levels that orders may be up to. reviews: on which days
    orders can be placed; `terms.review_days` are those from the first one to the next.
    """

    paths: DemandPaths
    level_SH: FloatArray
    sd_SH: FloatArray
    terms: SupplyTerms
    unit_price_S: FloatArray
    spec: InventorySpec
    limits: StockLimits
    caps: LevelCaps
    reviews: ReviewPattern

    @classmethod
    def of(
        cls,
        paths: DemandPaths,
        sd_SH: FloatArray,
        terms: SupplyTerms,
        unit_price_S: FloatArray,
        spec: InventorySpec,
        limits: StockLimits | None = None,
        reviews: ReviewPattern | None = None,
    ) -> Situation:
        """With the quantiles of the paths and the caps, which all candidates share. Without `limits` there are none,
        without `reviews` they are every `terms.review_days`, from the first day on."""
        reviews = reviews or ReviewPattern.every(terms.review_days, paths.n_days)
        level_SH = paths.quantile_ahead(terms.lead_time_days[:, None] + reviews.days_SH, terms.service_level)
        limits = limits or StockLimits.none(len(paths))
        caps = LevelCaps.of(paths, terms, limits, _worth_ordering(terms, unit_price_S, limits, spec))
        return cls(paths, level_SH, sd_SH, terms, unit_price_S, spec, limits, caps, reviews)

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def protection_days(self) -> FloatArray:
        """Lead time + review, days, [S]: what an order has to cover."""
        return self.terms.lead_time_days + self.terms.review_days

    @property
    def protection_by_day(self) -> FloatArray:
        """The same for an order of each day of the horizon, (S, H)."""
        return self.terms.lead_time_days[:, None] + self.reviews.days_SH

    @property
    def daily_mean(self) -> FloatArray:
        """Mean demand per day of the horizon, units, [S]."""
        return self.paths.mean_SH.mean(1)

    @property
    def has_money(self) -> BoolArray:
        """[S]: the unit cost is known and above 0, so that costs can decide."""
        cost_S = self.terms.unit_cost
        return np.isfinite(cost_S) & (cost_S > 0.0)

    @property
    def margin(self) -> FloatArray:
        """What a unit of lost demand costs, currency, [S]: its price less its cost.

        Where the price is unknown or does not exceed the cost, the assumed margin stands in.
        """
        cost_S = np.where(self.has_money, self.terms.unit_cost, 0.0)
        return unit_margin(cost_S, self.unit_price_S, self.spec)

    @property
    def daily_holding_cost(self) -> FloatArray:
        """Currency per unit and day, [S]; 0 where the unit cost is unknown."""
        return np.where(self.has_money, self.terms.unit_cost, 0.0) * self.terms.holding_cost_rate / DAYS_PER_YEAR

    @property
    def loss_of_waste(self) -> FloatArray:
        """Currency per unit that spoils, [S]: what was paid for it, and its disposal; 0 where nothing does."""
        cost_S = np.where(self.has_money, self.terms.unit_cost, 0.0)
        return np.where(self.limits.spoils, cost_S + self.limits.waste_cost, 0.0)

    @property
    def replayed_life(self) -> FloatArray:
        """Shelf life as a replay counts it, days, [S]; 0 where nothing can spoil within one."""
        life_S = self.limits.shelf_life_days
        return np.where(life_S <= MOST_REPLAYED_LIFE, life_S, 0.0)

    @property
    def largest_order(self) -> FloatArray:
        """Units of one order in a replay, [S]: never below the least that can be ordered."""
        return np.maximum(self.limits.largest_order_qty, least_order(self.terms))

    @property
    def is_service_required(self) -> BoolArray:
        """[S]: the service level's quantile is within the shelf life's demand. Where it is not, every unit more spoils
        more often than it pays, and money alone decides."""
        return np.asarray((self.level_SH <= self.caps.life_SH).all(1))

    def simulation_terms(self) -> SimulationTerms:
        """The terms of a replay, one period a day."""
        terms = self.terms
        return SimulationTerms(
            lead_time=terms.lead_time_days,
            holding_cost=self.daily_holding_cost,
            shortage_cost=self.margin,
            order_cost=terms.order_cost,
            review_period=terms.review_days,
            backorder_share=self.spec.backorder_share,
            moq=terms.moq_qty,
            pack=terms.pack_qty,
            waste_cost=self.loss_of_waste,
            shelf_life=self.replayed_life,
            capacity=self.largest_order,
            review_week=self.reviews.week_S,
        )

    def take(self, rows: np.ndarray) -> Situation:
        """The series of the given rows."""
        return Situation(
            self.paths.take(rows),
            self.level_SH[rows],
            self.sd_SH[rows],
            self.terms.take(rows),
            self.unit_price_S[rows],
            self.spec,
            self.limits.take(rows),
            self.caps.take(rows),
            self.reviews.take(rows),
        )

    def steady_stock(self, reorder_point_S: FloatArray, order_up_to_S: FloatArray, n_starts: int) -> Stock:
        """Stock as a policy of these levels would have it before a review: positions spread evenly from s to S, less
        the demand of the days since the last review, (S, P).

        What is on order is the lead time's expected demand, a day's worth a day; the rest is on hand.
        """
        share_P = (np.arange(n_starts) + 0.5) / n_starts
        lot_S = np.maximum(order_up_to_S - reorder_point_S, 0.0)
        # An order arrives in whole packs: with a lot below a pack the position spreads over the pack.
        lot_S = np.maximum(lot_S, self.terms.pack_qty - 1.0)
        position_SP = (order_up_to_S - lot_S)[:, None] + lot_S[:, None] * share_P
        position_SP = np.maximum(position_SP - (self.terms.review_days * self.daily_mean)[:, None], 0.0)
        lead_S = self.terms.lead_time_days.astype(np.int64)
        slot_L = np.arange(max(int(lead_S.max(initial=0)), 1))
        share_SP = np.minimum(position_SP, (self.daily_mean * lead_S)[:, None]) / np.maximum(lead_S, 1)[:, None]
        pipeline_SPL = share_SP[:, :, None] * (slot_L < lead_S[:, None])[:, None, :]
        on_hand_SP = torch.from_numpy(position_SP - pipeline_SPL.sum(2)).clamp(min=0.0)
        return Stock(on_hand_SP, torch.zeros_like(on_hand_SP), torch.from_numpy(pipeline_SPL), self._by_age(on_hand_SP))

    def _by_age(self, on_hand_SP: torch.Tensor) -> torch.Tensor | None:
        """(S, P, A) stock on hand by the days that it can still be sold, the last one first.

        What is on hand came in evenly, a day's demand a day, the latest on the last day; more a day where the demand of
        the shelf life would not use it up.
        """
        life_S = self.replayed_life
        if not life_S.any():
            return None
        life_S1 = np.maximum(life_S, 1.0)[:, None]
        stock_SP = on_hand_SP.numpy()
        rate_SP1 = np.maximum(self.daily_mean[:, None], stock_SP / life_S1)[..., None]
        age_SA = life_S1 - 1.0 - np.arange(int(life_S.max()))
        left_SPA = np.clip(stock_SP[..., None] - rate_SP1 * age_SA[:, None, :], 0.0, rate_SP1)
        left_SPA[np.broadcast_to((age_SA < 0.0)[:, None, :], left_SPA.shape)] = 0.0
        return torch.from_numpy(left_SPA)


def unit_margin(cost_S: FloatArray, unit_price_S: FloatArray, spec: InventorySpec) -> FloatArray:
    """What a unit of lost demand costs, currency, [S]: price less cost, or the assumed margin of the cost."""
    assumed_S = cost_S * spec.assumed_margin / (1.0 - spec.assumed_margin)
    with np.errstate(invalid="ignore"):
        own_S = unit_price_S - cost_S
        return np.where(np.isfinite(own_S) & (own_S > 0.0), own_S, assumed_S)


def _worth_ordering(
    terms: SupplyTerms, unit_price_S: FloatArray, limits: StockLimits, spec: InventorySpec
) -> FloatArray:
    """Margin / (margin + loss) of a unit that may spoil, [S]; the assumed margin where its money is not known."""
    cost_S = np.where(terms.unit_cost > 0.0, terms.unit_cost, 0.0)
    margin_S, loss_S = unit_margin(cost_S, unit_price_S, spec), cost_S + limits.waste_cost
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(cost_S > 0.0, margin_S / (margin_S + loss_S), spec.assumed_margin)

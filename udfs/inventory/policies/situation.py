"""What a policy may know of its series at a cutoff: the demand to come, the terms of supply, the money."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.demand_paths import DemandPaths
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.simulation.state import Stock
from udfs.inventory.simulation.terms import SimulationTerms
from udfs.inventory.supply import DAYS_PER_YEAR, SupplyTerms


@dataclass(frozen=True, slots=True)
class Situation:
    """S series at one cutoff. Build it with `of`.

    paths: sample paths and mean of the days after it. level_SH: quantile, at the cycle service level, of the demand of
    lead time and review from each day on, units: where most candidates begin. sd_SH: standard deviation of the
    forecast error of each day, units. terms: of supply, each whole and in range. unit_price_S: currency per unit, NaN
    if unknown.
    """

    paths: DemandPaths
    level_SH: FloatArray
    sd_SH: FloatArray
    terms: SupplyTerms
    unit_price_S: FloatArray
    spec: InventorySpec

    @classmethod
    def of(
        cls, paths: DemandPaths, sd_SH: FloatArray, terms: SupplyTerms, unit_price_S: FloatArray, spec: InventorySpec
    ) -> Situation:
        """With the quantiles of the paths, which all candidates share."""
        level_SH = paths.quantile_ahead(terms.lead_time_days + terms.review_days, terms.service_level)
        return cls(paths, level_SH, sd_SH, terms, unit_price_S, spec)

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def protection_days(self) -> FloatArray:
        """Lead time + review, days, [S]: what an order has to cover."""
        return self.terms.lead_time_days + self.terms.review_days

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
        assumed_S = cost_S * self.spec.assumed_margin / (1.0 - self.spec.assumed_margin)
        with np.errstate(invalid="ignore"):
            own_S = self.unit_price_S - cost_S
            return np.where(np.isfinite(own_S) & (own_S > 0.0), own_S, assumed_S)

    @property
    def daily_holding_cost(self) -> FloatArray:
        """Currency per unit and day, [S]; 0 where the unit cost is unknown."""
        return np.where(self.has_money, self.terms.unit_cost, 0.0) * self.terms.holding_cost_rate / DAYS_PER_YEAR

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
        return Stock(on_hand_SP, torch.zeros_like(on_hand_SP), torch.from_numpy(pipeline_SPL))

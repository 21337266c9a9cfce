"""What is known of a bucket's series when their policies are chosen: the tables of a plan are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.contest.choice import Choice
from udfs.inventory.decided_demand import DecidedDays
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.kernels.planning_inputs import ForecastInput
from udfs.inventory.kernels.stock_position import StockInput
from udfs.inventory.kernels.supply_input import SupplyInput
from udfs.inventory.order_limits import LimitedOrder, limited_order
from udfs.inventory.order_quantity import inventory_position
from udfs.inventory.policies.choose import ReplayEvidence
from udfs.inventory.policies.replay import Replay
from udfs.inventory.policies.situation import Situation


@dataclass(frozen=True, slots=True)
class PolicyEvidence:
    """What the choice of a policy rests on.

    replays: see `ReplayEvidence`. classes: by day of a choice, unique_id and demand_class as seen then. windows:
    cutoffs whose replays decide. held_out: a window among them, or None; a choice made on the windows before it is
    compared with the benchmark on it.
    """

    replays: ReplayEvidence
    classes: Mapping[date, pa.Table]
    windows: tuple[date, ...]
    held_out: date | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """Everything known about the S series that can be planned.

    doubts_S: see `order_doubts`. names: of the candidates. choice: the policy of each series. order_KS: units that each
    candidate would order today. reorder_point_KS, order_up_to_KS: their levels today, wanted_KS: up to which they would
    order without caps. shared_fill_KS: fill rates that a service budget over the bucket gave them, NaN for none.
    expected: on the sample paths.
    protection_SN: demand of lead time and review on each of them, units. chosen_S: index of the candidate that decides.
    decider_S: what chose it, of `POLICY_DECIDERS`. days_to_review_S: until orders are placed next, 0 today. decided:
    what planners decided of the forecast; None where they decided nothing.
    """

    forecast: ForecastInput
    supply: SupplyInput
    stock: StockInput
    doubts_S: np.ndarray
    situation: Situation
    names: tuple[str, ...]
    choice: Choice
    chosen_S: np.ndarray
    decider_S: np.ndarray
    order_KS: FloatArray
    reorder_point_KS: FloatArray
    order_up_to_KS: FloatArray
    wanted_KS: FloatArray
    shared_fill_KS: FloatArray
    expected: Mapping[str, Replay]
    protection_SN: FloatArray
    days_to_review_S: NDArray[np.int64]
    decided: DecidedDays | None = None

    def of_chosen(self, values_KS: FloatArray) -> FloatArray:
        """The chosen candidate's value of each series, [S]."""
        return np.asarray(values_KS[self.chosen_S, np.arange(len(self.chosen_S))])

    @property
    def position(self) -> FloatArray:
        return inventory_position(self.stock.on_hand_S, self.stock.on_order_S)

    @property
    def order(self) -> FloatArray:
        """Units to order after packs, minimum order and limits, [S]; none on a day between reviews."""
        return self.limited_order.order_S

    @property
    def limited_order(self) -> LimitedOrder:
        """The order, with what it was before the largest order cut it."""
        raw_S, situation = self.of_chosen(self.order_KS) * (self.days_to_review_S == 0), self.situation
        return limited_order(raw_S, self.position, situation.terms, situation.limits, situation.caps)

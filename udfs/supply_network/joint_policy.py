"""Stochastic joint replenishment: policies of a family of items under demand as it comes, judged by simulation.

Three policies, of whose levels the deterministic joint cycle gives the lots and a safety factor z the stock:
separate, each item by itself up to S at s; can-order (s, c, S) (Balintfy 1964), where an item at s opens an order and
all at or below c come along; periodic (T, S) (Atkins & Iyogun 1988), where every item's m-th cycle fills it to S.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numba
import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.lot_sizing.joint_replenishment import joint_replenishment
from udfs.inventory.theory.network.network_values import checked

JointKind = Literal["separate", "can_order", "periodic"]
KINDS: tuple[JointKind, ...] = ("separate", "can_order", "periodic")
_BISECTIONS, _MOST_Z = 18, 12.0


@dataclass(frozen=True, slots=True)
class Family:
    """I items of one supplier, [I] or a number each: mean and sd of demand a day, >= 0; holding_cost, currency per unit
    and day, > 0; line_cost, currency for each item in an order, >= 0; shared_cost, currency per order, >= 0; lead_days,
    whole days >= 0 from order to receipt."""

    mean: FloatArray
    sd: FloatArray
    holding_cost: FloatArray
    line_cost: FloatArray | float
    shared_cost: float
    lead_days: int

    def __post_init__(self) -> None:
        shape = np.shape(self.mean)
        for name, rule in (("mean", "positive"), ("sd", "not_negative"), ("holding_cost", "positive"),
                           ("line_cost", "not_negative")):  # fmt: skip
            object.__setattr__(self, name, checked(name, getattr(self, name), shape, rule))
        checked("shared_cost", self.shared_cost, (1,), "not_negative")
        checked("lead_days", self.lead_days, (1,), "whole")


class Levels(NamedTuple):
    """must_I: an item at or below it opens an order; can_I: comes along; up_to_I: is filled to. cycle_I: days between
    the days on which an item is looked at."""

    must_I: FloatArray
    can_I: FloatArray
    up_to_I: FloatArray
    cycle_I: FloatArray


class JointRun(NamedTuple):
    """cost: currency a day, orders and holding. fill_rate: share of demand served from stock. orders: a day."""

    cost: float
    fill_rate: float
    orders: float


def joint_levels(family: Family, kind: JointKind, z: float) -> Levels:
    """The levels of a policy at a safety factor."""
    mean_I, line_I = family.mean, np.asarray(family.line_cost)
    one_I = np.ones(mean_I.size)
    # An item without stock opens an order, whatever the factor.
    must_I = np.maximum(mean_I * (family.lead_days + 1.0) + z * family.sd * np.sqrt(family.lead_days + 1.0), 0.0)
    if kind == "separate":
        lot_I = np.sqrt(2.0 * (family.shared_cost + line_I) * mean_I / family.holding_cost)
        return Levels(must_I, must_I, must_I + np.maximum(lot_I, 1.0), one_I)
    plan = joint_replenishment(family.shared_cost, line_I, family.holding_cost, mean_I)
    cycle = float(max(np.round(plan.cycle_S[0]), 1.0))
    lot_I = mean_I * cycle * plan.multiple_SI[0]
    if kind == "periodic":
        days_I = family.lead_days + cycle * plan.multiple_SI[0]
        up_to_I = mean_I * days_I + z * family.sd * np.sqrt(days_I)
        return Levels(up_to_I, up_to_I, up_to_I, cycle * plan.multiple_SI[0])
    return Levels(must_I, must_I + mean_I * cycle / 2.0, must_I + np.maximum(lot_I, 1.0), one_I)


def simulate_joint(family: Family, levels: Levels, demand_TI: ArrayLike) -> JointRun:
    """Run a policy on T days of demand, units >= 0, [T, I]; unmet demand is lost, stock starts at the levels."""
    demand_TI = checked("demand_TI", demand_TI, (np.shape(demand_TI)[0], family.mean.size), "not_negative")
    cost, served, orders = _run(
        demand_TI, np.ceil(levels.up_to_I), levels.must_I, levels.can_I, levels.cycle_I.astype(np.int64),
        family.holding_cost, np.asarray(family.line_cost), family.shared_cost, family.lead_days,
    )  # fmt: skip
    n_days, total = demand_TI.shape[0], demand_TI.sum()
    return JointRun(cost / n_days, served / total if total > 0.0 else 1.0, orders / n_days)


def tuned(family: Family, kind: JointKind, demand_TI: ArrayLike, fill_rate: float) -> float:
    """The least safety factor at which a policy serves this share of the demand; the largest tried where none does."""
    low, high = -3.0, _MOST_Z
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if simulate_joint(family, joint_levels(family, kind, middle), demand_TI).fill_rate >= fill_rate:
            high = middle
        else:
            low = middle
    return high


def best_joint_policy(family: Family, demand_TI: ArrayLike, fill_rate: float) -> tuple[JointKind, Levels]:
    """The joint policy that costs least on this demand at its tuned safety factor, and its levels."""
    found = []
    for kind in KINDS[1:]:
        levels = joint_levels(family, kind, tuned(family, kind, demand_TI, fill_rate))
        found.append((simulate_joint(family, levels, demand_TI).cost, kind, levels))
    _, kind, levels = min(found, key=lambda each: each[0])
    return kind, levels


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _run(  # type: ignore[no-untyped-def]
    demand_TI, up_to_I, must_I, can_I, cycle_I, holding_I, line_I, shared, lead
):
    """Cost, units served and orders. A day: receive, serve, hold, order."""
    n_days, n_items = demand_TI.shape
    on_hand_I, open_I = up_to_I.copy(), np.zeros(n_items)
    way_LI = np.zeros((lead + 1, n_items))
    cost, served, orders = 0.0, 0.0, 0
    for t in range(n_days):
        slot, opens = t % (lead + 1), False
        for i in range(n_items):
            on_hand_I[i] += way_LI[slot, i]
            open_I[i] -= way_LI[slot, i]
            way_LI[slot, i] = 0.0
            sold = min(on_hand_I[i], demand_TI[t, i])
            on_hand_I[i] -= sold
            served += sold
            cost += holding_I[i] * on_hand_I[i]
            position = on_hand_I[i] + open_I[i]
            opens = opens or (t % cycle_I[i] == 0 and position <= must_I[i] and position < up_to_I[i])
        if not opens:
            continue
        cost += shared
        orders += 1
        for i in range(n_items):
            position = on_hand_I[i] + open_I[i]
            if t % cycle_I[i] == 0 and position <= can_I[i] and position < up_to_I[i]:
                cost += line_I[i]
                open_I[i] += up_to_I[i] - position
                way_LI[(t + lead + 1) % (lead + 1), i] += up_to_I[i] - position
    return cost, served, orders

"""What suppliers offer for an SKU, and what a day of buying there costs: alone, shared by two, or base and surge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.supply_network.lanes import IntArray

KINDS = ("single", "split", "dual")
_LEAST_SURGE, _MOST_SURGE = 0.02, 0.9


@dataclass(frozen=True, slots=True)
class SupplierTerms:
    """J suppliers, [J] each.

    names: each once. order_cost: currency per order, whatever is in it. cycle_days: > 0, between orders.
    minimum_value: currency that an order must come to, 0 for none. capacity_qty: units that an order may hold at most
    (a truck), inf for no limit.
    """

    names: tuple[str, ...]
    order_cost: FloatArray
    cycle_days: FloatArray
    minimum_value: FloatArray
    capacity_qty: FloatArray

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            twice = next(name for k, name in enumerate(self.names) if name in self.names[:k])
            raise ValueError(f"suppliers: expected each once, found {twice!r} twice; keep one row of its terms")
        rules = {
            "order_cost": ("a finite number >= 0", lambda v: np.isfinite(v) & (v >= 0.0)),
            "cycle_days": ("a finite number > 0", lambda v: np.isfinite(v) & (v > 0.0)),
            "minimum_value": ("a finite number >= 0", lambda v: np.isfinite(v) & (v >= 0.0)),
            "capacity_qty": ("a number > 0", lambda v: v > 0.0),
        }
        for name, (expected, is_good) in rules.items():
            values_J = np.array(np.broadcast_to(np.asarray(getattr(self, name), dtype=np.float64), (len(self.names),)))
            object.__setattr__(self, name, values_J)
            for j in np.flatnonzero(~is_good(values_J))[:1]:
                raise ValueError(f"{name}: expected {expected}, found {values_J[j]:g} at supplier {self.names[j]!r}")


@dataclass(frozen=True, slots=True)
class Offers:
    """O offers for S SKUs by J suppliers, [O] each; prices in B tiers, [O, B].

    sku, supplier: numbers 0..S-1 (rising) and 0..J-1, each pair once. break_qty, unit_cost: the first tier from 0, a
    tier's price holds for all units of an order of at least its quantity; tiers not used are inf. added_cost: freight,
    duty and handling, currency per unit. line_cost: currency per order for the SKU in it. lead_days, lead_sd_days: mean
    and standard deviation of the time to receipt. moq_qty: least units of an order.
    """

    sku: IntArray
    supplier: IntArray
    break_qty: FloatArray
    unit_cost: FloatArray
    added_cost: FloatArray
    line_cost: FloatArray
    lead_days: FloatArray
    lead_sd_days: FloatArray
    moq_qty: FloatArray

    def faults(self, suppliers: SupplierTerms) -> list[tuple[int, str]]:
        """(number of the offer, what is wrong) of offers that nobody can buy by; each in words."""
        names, found = suppliers.names, []
        pair = self.sku * len(names) + self.supplier
        first = np.zeros(pair.size, dtype=bool)
        first[np.unique(pair, return_index=True)[1]] = True
        rules: list[tuple[BoolArray, str, FloatArray]] = [
            (~(self.lead_days >= 0.0), "lead time: expected days >= 0, found {v:g}", self.lead_days),
            (
                ~(self.lead_sd_days >= 0.0),
                "deviation of the lead time: expected days >= 0, found {v:g}",
                self.lead_sd_days,
            ),
            (~(self.unit_cost[:, 0] > 0.0), "unit cost: expected a number > 0, found {v:g}", self.unit_cost[:, 0]),
            (
                ~(self.added_cost >= 0.0) & (self.unit_cost[:, 0] > 0.0),
                "added cost: expected a number >= 0, found {v:g}",
                self.added_cost,
            ),
            (~first, "expected one offer of a supplier for an SKU, found a second", self.moq_qty),
            (
                self.moq_qty > suppliers.capacity_qty[self.supplier],
                "minimum order: expected at most the supplier's capacity an order, found {v:g} units",
                self.moq_qty,
            ),
        ]
        for is_bad_O, words, value_O in rules:
            for o in np.flatnonzero(is_bad_O):
                found.append((int(o), f"supplier {names[self.supplier[o]]}: " + words.format(v=value_O[o])))
        return sorted(found)

    def taken(self, rows: NDArray[np.generic]) -> Offers:
        """Some of the offers, by number or mask."""
        return Offers(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Need:
    """What S SKUs need, [S] each: units a day and their standard deviation, the safety factor z (standard deviations of
    demand until the next receipt), and holding cost as a share of the landed cost a day."""

    mean: FloatArray
    sd: FloatArray
    safety_factor: FloatArray
    holding_rate: FloatArray


@dataclass(frozen=True, slots=True)
class Options:
    """Ways to buy each SKU, sorted by SKU, [P] each; costs in currency a day.

    kind: place in `KINDS`. first, second: offers (the second is the first again where there is one alone). share: of
    the first in what is bought. purchase, ordering, holding: parts of the cost. value_1, value_2, qty_1, qty_2:
    currency and units a day from both.
    """

    sku: IntArray
    kind: IntArray
    first: IntArray
    second: IntArray
    share: FloatArray
    purchase: FloatArray
    ordering: FloatArray
    holding: FloatArray
    value_1: FloatArray
    value_2: FloatArray
    qty_1: FloatArray
    qty_2: FloatArray

    @property
    def cost(self) -> FloatArray:
        return self.purchase + self.ordering + self.holding

    def taken(self, rows: NDArray[np.generic]) -> Options:
        """Some of the options, by number or mask."""
        return Options(*(getattr(self, field.name)[rows] for field in fields(self)))


def options(
    offers: Offers, suppliers: SupplierTerms, need: Need, kinds: Sequence[str] = KINDS, split_share: float = 0.5
) -> Options:
    """Every way to buy each SKU of the given kinds.

    single: all from one offer. split: `split_share` of each order from one, the rest from another; what is under way is
    as uncertain as the shares' lead times together. dual: a base supplier delivers at a constant rate below demand, a
    quicker and dearer one the rest, and the share of surge is that of Allon & Van Mieghem (2010), sd / mean
    sqrt(h / (2 premium)): stock protects over the surge's lead time, and what the base brings too much in quiet days
    adds sd^2 / (2 surge rate).
    """
    n_offers = np.bincount(offers.sku, minlength=need.mean.size)
    start_S = np.concatenate([[0], np.cumsum(n_offers)[:-1]])
    first_O = np.arange(offers.sku.size)
    pairs = [(first_O, first_O + step) for step in range(1, int(n_offers.max(initial=1)))]
    is_pair = [second < (start_S + n_offers)[offers.sku[first]] for first, second in pairs]
    low = np.concatenate([first[ok] for (first, _), ok in zip(pairs, is_pair, strict=True)] or [first_O[:0]])
    high = np.concatenate([second[ok] for (_, second), ok in zip(pairs, is_pair, strict=True)] or [first_O[:0]])
    found = [_bought(offers, suppliers, need, 0, first_O, first_O, np.ones(first_O.size))] if "single" in kinds else []
    if "split" in kinds:
        found.append(_bought(offers, suppliers, need, 1, low, high, np.full(low.size, split_share)))
    if "dual" in kinds:
        base, surge = np.concatenate([low, high]), np.concatenate([high, low])
        premium = _landed(offers, surge) - _landed(offers, base)
        is_use = (premium > 0.0) & (offers.lead_days[surge] < offers.lead_days[base])
        base, surge, premium = base[is_use], surge[is_use], premium[is_use]
        sku = offers.sku[base]
        h, mean = need.holding_rate[sku] * _landed(offers, base), np.maximum(need.mean[sku], 1e-9)
        surge_share = np.clip(need.sd[sku] / mean * np.sqrt(h / (2.0 * premium)), _LEAST_SURGE, _MOST_SURGE)
        found.append(_bought(offers, suppliers, need, 2, base, surge, 1.0 - surge_share))
    joined = Options(*(np.concatenate([getattr(each, field.name) for each in found]) for field in fields(Options)))
    return joined.taken(np.lexsort((joined.second, joined.first, joined.kind, joined.sku)))


def _landed(offers: Offers, rows: IntArray) -> FloatArray:
    """Landed cost a unit in the first tier."""
    return offers.unit_cost[rows, 0] + offers.added_cost[rows]


def _bought(
    offers: Offers,
    suppliers: SupplierTerms,
    need: Need,
    kind: int,
    first: IntArray,
    second: IntArray,
    share: FloatArray,
) -> Options:
    """The options of one kind with their costs."""
    sku, is_two = offers.sku[first], kind > 0
    mean, sd, z, rate = (values[sku] for values in (need.mean, need.sd, need.safety_factor, need.holding_rate))
    parts = [
        _ordered(offers, suppliers, rows, mean * part, rate) for rows, part in ((first, share), (second, 1 - share))
    ]
    if not is_two:
        parts[1] = np.zeros(first.size), np.zeros(first.size), np.zeros(first.size)
    (unit_1, order_1, hold_1), (unit_2, order_2, hold_2) = parts
    landed = share * unit_1 + (1.0 - share) * unit_2
    lead, lead_variance = _lead(offers, first, second, share)
    cycle = suppliers.cycle_days[offers.supplier]
    review = share * cycle[first] + (1.0 - share) * cycle[second]
    excess = np.zeros(first.size)
    if kind == 2:
        lead, lead_variance, review = offers.lead_days[second], offers.lead_sd_days[second] ** 2, cycle[second]
        excess = sd * sd / (2.0 * np.maximum((1.0 - share) * mean, 1e-9))
    safety = z * np.sqrt((lead + review) * sd * sd + mean * mean * lead_variance)
    value_1 = mean * share * (unit_1 - offers.added_cost[first])
    value_2 = mean * (1.0 - share) * (unit_2 - offers.added_cost[second]) if is_two else np.zeros(first.size)
    return Options(
        sku, np.full(first.size, kind), first, second, share, mean * landed, order_1 + order_2,
        hold_1 + hold_2 + rate * landed * (safety + excess), value_1, value_2, mean * share, mean * (1.0 - share),
    )  # fmt: skip


def _lead(offers: Offers, first: IntArray, second: IntArray, share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of the lead time of an order that two share, as if independent."""
    lead = share * offers.lead_days[first] + (1.0 - share) * offers.lead_days[second]
    variance_1, variance_2 = offers.lead_sd_days[first] ** 2, offers.lead_sd_days[second] ** 2
    return lead, share**2 * variance_1 + (1.0 - share) ** 2 * variance_2


def _ordered(
    offers: Offers, suppliers: SupplierTerms, rows: IntArray, mean: FloatArray, rate: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Landed cost a unit, line costs a day and cost of cycle stock a day, at the cheapest of: what a cycle takes (the
    minimum order at least), and each price break above it."""
    cycle_qty = np.maximum(mean * suppliers.cycle_days[offers.supplier[rows]], offers.moq_qty[rows])
    breaks, prices, added = offers.break_qty[rows], offers.unit_cost[rows], offers.added_cost[rows]
    tier = (breaks <= cycle_qty[:, None]).sum(axis=1) - 1
    best: tuple[FloatArray, FloatArray, FloatArray] | None = None
    least = np.full(rows.size, np.inf)
    for b in range(breaks.shape[1]):
        quantity = np.maximum(cycle_qty, breaks[:, b])
        can_be = np.isfinite(breaks[:, b]) & (b >= tier) & (quantity <= suppliers.capacity_qty[offers.supplier[rows]])
        can_be |= b == tier  # beyond the capacity the choice itself sees to it
        unit = np.where(can_be, prices[:, b], 1.0) + added
        quantity = np.where(np.isfinite(quantity) & (quantity > 0.0), quantity, 1.0)
        found = unit, offers.line_cost[rows] * mean / quantity, rate * unit * quantity / 2.0
        total = np.where(can_be, mean * unit + found[1] + found[2], np.inf)
        is_less = total < least
        best = found if best is None else tuple(np.where(is_less, f, o) for f, o in zip(found, best, strict=True))  # type: ignore[assignment]
        least = np.minimum(total, least)
    assert best is not None
    return best

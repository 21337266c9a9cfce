"""Prices on suppliers' limits, under which every SKU decides alone: a bound from below, and a plan from them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.supply_network.choice_repair import Ways, repair
from udfs.supply_network.lanes import IntArray
from udfs.supply_network.offers import Offers, Options, SupplierTerms

_MOST_ROUNDS, _REPAIR_EVERY, _PATIENCE = 300, 10, 10
_GOOD_GAP = 1e-4
_MOST_IN_SETS = 6
"""Suppliers of whom every set is looked at."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What ties SKUs together, a day: start_S: each SKU's first option. supplier_1, supplier_2: of each option, [P].
    capacity_J units, least_value_J currency, order_cost_J currency if anybody buys there."""

    names: tuple[str, ...]
    start_S: IntArray
    supplier_1: IntArray
    supplier_2: IntArray
    capacity_J: FloatArray
    least_value_J: FloatArray
    order_cost_J: FloatArray

    @classmethod
    def of(cls, options: Options, offers: Offers, suppliers: SupplierTerms) -> Limits:
        start_S = np.flatnonzero(np.diff(options.sku, prepend=-1))
        cycle_J = suppliers.cycle_days
        return cls(
            suppliers.names, start_S, offers.supplier[options.first], offers.supplier[options.second],
            suppliers.capacity_qty / cycle_J, suppliers.minimum_value / cycle_J, suppliers.order_cost / cycle_J,
        )  # fmt: skip

    def per_supplier(self, rows: IntArray, amount_1: FloatArray, amount_2: FloatArray) -> FloatArray:
        """Sums over chosen options of what goes to each supplier, [J]."""
        n = self.capacity_J.size
        one_J = np.bincount(self.supplier_1[rows], amount_1[rows], n)
        return np.asarray(one_J + np.bincount(self.supplier_2[rows], amount_2[rows], n), dtype=np.float64)

    def is_used(self, rows: IntArray) -> BoolArray:
        n = self.capacity_J.size
        return (np.bincount(self.supplier_1[rows], minlength=n) + np.bincount(self.supplier_2[rows], minlength=n)) > 0

    def cost(self, options: Options, option_S: IntArray) -> float:
        """Currency a day of a choice, suppliers' orders included."""
        return float(options.cost[option_S].sum() + self.order_cost_J[self.is_used(option_S)].sum())

    def are_kept(self, options: Options, option_S: IntArray) -> bool:
        qty_J = self.per_supplier(option_S, options.qty_1, options.qty_2)
        value_J = self.per_supplier(option_S, options.value_1, options.value_2)
        least_J = np.where(self.is_used(option_S), self.least_value_J, 0.0)
        return bool((qty_J <= self.capacity_J * (1 + 1e-9)).all() and (value_J >= least_J * (1 - 1e-9)).all())


def priced_choice(
    options: Options, limits: Limits, limit_s: float
) -> tuple[IntArray | None, float, FloatArray, FloatArray]:
    """The best choice found (None: none keeps the limits), a bound on every choice's cost, the prices of the bound.

    Subgradient ascent with Polyak's steps on prices of capacity and minimum value, each in units of its limit, and on
    every offer's part in its supplier's order cost; of few suppliers instead each set that may be the one used, the
    most promising first.
    """
    stop = time.perf_counter() + limit_s
    plans = _plans(options, limits, _cheapest(options.cost, limits.start_S), None)
    best_S = min(plans, key=lambda plan_S: limits.cost(options, plan_S), default=None)
    bound, none_J = np.inf, np.zeros(limits.capacity_J.size)
    prices = none_J, none_J
    for open_J, least in _open_sets(options, limits):
        best_cost = np.inf if best_S is None else limits.cost(options, best_S)
        if least >= best_cost or time.perf_counter() > stop:
            bound = min(bound, least)
            break
        ascent = _Ascent(options, limits, open_J)
        best_S, of_set, found = _ascended(options, limits, ascent, best_S, stop)
        if of_set < bound:
            bound, prices = of_set, found
    if best_S is not None:
        bound = min(bound, limits.cost(options, best_S))
    with np.errstate(invalid="ignore", divide="ignore"):
        price_qty_J = np.where(np.isfinite(limits.capacity_J), prices[0] / limits.capacity_J, 0.0)
        price_value_J = np.where(limits.least_value_J > 0.0, prices[1] / limits.least_value_J, 0.0)
    return best_S, bound, price_qty_J, price_value_J


def _open_sets(options: Options, limits: Limits) -> list[tuple[BoolArray | None, float]]:
    """Sets of suppliers, and what any choice that uses just them costs at least; None, every set, of many suppliers."""
    n_suppliers = limits.capacity_J.size
    if n_suppliers > _MOST_IN_SETS:
        return [(None, -np.inf)]
    least_qty = np.minimum.reduceat(options.qty_1 + options.qty_2, limits.start_S).sum() * (1.0 - 1e-9)
    most_value = np.maximum.reduceat(options.value_1 + options.value_2, limits.start_S).sum() * (1.0 + 1e-9)
    found: list[tuple[BoolArray | None, float]] = []
    for code in range(1, 2**n_suppliers):
        open_J = (code >> np.arange(n_suppliers)) % 2 == 1
        cost = np.where(open_J[limits.supplier_1] & open_J[limits.supplier_2], options.cost, np.inf)
        least = float(np.minimum.reduceat(cost, limits.start_S).sum() + limits.order_cost_J[open_J].sum())
        room, asked = limits.capacity_J[open_J].sum(), limits.least_value_J[open_J].sum()
        if np.isfinite(least) and room >= least_qty and asked <= most_value:
            found.append((open_J, least))
    return sorted(found, key=lambda each: each[1])


def _ascended(
    options: Options, limits: Limits, ascent: _Ascent, best_S: IntArray | None, stop: float
) -> tuple[IntArray | None, float, tuple[FloatArray, FloatArray]]:
    """The best choice known by now, the best bound of these prices, and the prices of capacity and value."""
    best_cost = np.inf if best_S is None else limits.cost(options, best_S)
    bound, prices = -np.inf, (ascent.capacity_J, ascent.value_J)
    step, stale = 1.0, 0
    everyone = np.ones(limits.capacity_J.size, dtype=np.bool_)
    for turn in range(_MOST_ROUNDS):
        chosen_S, value = ascent.decided()
        stale += 1
        if value > bound:
            bound, stale, prices = value, 0, (ascent.capacity_J, ascent.value_J)
        if turn % _REPAIR_EVERY == 0:
            for plan_S in _plans(options, limits, chosen_S, everyone if ascent.open_J is None else ascent.open_J):
                cost = limits.cost(options, plan_S)
                if cost < best_cost:
                    best_S, best_cost = plan_S, cost
        if bound >= best_cost / (1.0 + _GOOD_GAP) or time.perf_counter() > stop or step < 1e-2:
            break
        if stale >= _PATIENCE:
            step, stale = step / 2.0, 0
        aim = best_cost if best_S is not None else value + 0.05 * abs(value)
        if not ascent.move(chosen_S, step * max(aim - value, 1e-9)):
            break
    return best_S, bound, prices


class _Ascent:
    """The prices, in currency a day for the whole of each limit, and where they lead."""

    def __init__(self, options: Options, limits: Limits, open_J: BoolArray | None) -> None:
        n_suppliers, n_offers = limits.capacity_J.size, int(options.first.max()) + 1
        n_offers = max(n_offers, int(options.second.max()) + 1)
        self._options, self._limits, self._cost = options, limits, options.cost
        self.open_J = open_J  # the suppliers that are used, where that is settled
        if open_J is not None:
            self._cost = np.where(open_J[limits.supplier_1] & open_J[limits.supplier_2], options.cost, np.inf)
        self._is_two = options.first != options.second
        self._supplier_O = np.zeros(n_offers, dtype=np.int64)
        self._supplier_O[options.first], self._supplier_O[options.second] = limits.supplier_1, limits.supplier_2
        self.capacity_J, self.value_J, self.opening_O = np.zeros(n_suppliers), np.zeros(n_suppliers), np.zeros(n_offers)
        with np.errstate(divide="ignore"):
            self._per_qty_J = np.where(np.isfinite(limits.capacity_J), 1.0 / limits.capacity_J, 0.0)
            self._per_value_J = np.where(limits.least_value_J > 0.0, 1.0 / limits.least_value_J, 0.0)
        self._is_open_J = np.zeros(n_suppliers, dtype=bool)

    def decided(self) -> tuple[IntArray, float]:
        """Each SKU's best option at these prices, and the bound that they give."""
        options, limits = self._options, self._limits
        qty_J, value_J = self.capacity_J * self._per_qty_J, self.value_J * self._per_value_J
        one, two = limits.supplier_1, limits.supplier_2
        reduced = self._cost + qty_J[one] * options.qty_1 - value_J[one] * options.value_1
        reduced += qty_J[two] * options.qty_2 - value_J[two] * options.value_2
        reduced += self.opening_O[options.first] + np.where(self._is_two, self.opening_O[options.second], 0.0)
        chosen_S = _cheapest(reduced, limits.start_S)
        opening_J = np.bincount(self._supplier_O, self.opening_O, limits.capacity_J.size)
        open_J = limits.order_cost_J + self.value_J - self.capacity_J - opening_J
        self._is_open_J = open_J < 0.0 if self.open_J is None else self.open_J
        return chosen_S, float(reduced[chosen_S].sum() + open_J[self._is_open_J].sum())

    def move(self, chosen_S: IntArray, rise: float) -> bool:
        """Prices after a step that would raise the bound by `rise`, were it linear; False where none is left to go."""
        options, limits, is_open_J = self._options, self._limits, self._is_open_J * 1.0
        qty_J = limits.per_supplier(chosen_S, options.qty_1, options.qty_2) * self._per_qty_J
        value_J = limits.per_supplier(chosen_S, options.value_1, options.value_2) * self._per_value_J
        over_J = np.where(self._per_qty_J > 0.0, qty_J - is_open_J, 0.0)
        under_J = np.where(self._per_value_J > 0.0, is_open_J - value_J, 0.0)
        used_O = np.zeros(self.opening_O.size)
        used_O[options.first[chosen_S]] = used_O[options.second[chosen_S]] = 1.0
        is_shared_J = (limits.order_cost_J > 0.0) & (self.open_J is None)
        unopened_O = np.where(is_shared_J[self._supplier_O], used_O - is_open_J[self._supplier_O], 0.0)
        # What is at 0 already cannot go down: it takes nothing from the step.
        for price, slope in ((self.capacity_J, over_J), (self.value_J, under_J), (self.opening_O, unopened_O)):
            slope[(price <= 0.0) & (slope < 0.0)] = 0.0
        scale = max(float(unopened_O @ unopened_O), 1.0)
        length = float(over_J @ over_J + under_J @ under_J) + (1.0 if unopened_O.any() else 0.0)
        if length == 0.0:
            return False
        self.capacity_J = np.maximum(self.capacity_J + rise / length * over_J, 0.0)
        self.value_J = np.maximum(self.value_J + rise / length * under_J, 0.0)
        self.opening_O = np.maximum(self.opening_O + rise / (length * scale) * unopened_O, 0.0)
        return True


def _plans(options: Options, limits: Limits, chosen_S: IntArray, may_use_J: BoolArray | None) -> list[IntArray]:
    """Choices that keep the limits, made from one that need not; where any supplier may be used (None), also those that
    do without one, or with those alone that most is bought from."""
    everyone = np.ones(limits.capacity_J.size, dtype=np.bool_)
    found = [_repaired(options, limits, chosen_S, everyone if may_use_J is None else may_use_J)]
    if may_use_J is None:
        used_J = np.flatnonzero(limits.is_used(chosen_S))
        for j in used_J[np.argsort(-limits.order_cost_J[used_J])][:20]:
            found.append(_repaired(options, limits, chosen_S, np.asarray(np.arange(everyone.size) != j)))
        common = _most_valued(options, limits, chosen_S)
        found += [
            _repaired(options, limits, chosen_S, np.asarray(common[:n].any(axis=0))) for n in range(1, len(common))
        ]
    return [plan for plan in found if plan is not None]


def _most_valued(options: Options, limits: Limits, chosen_S: IntArray) -> BoolArray:
    """Suppliers one by one from the one with the most value on, as masks, at most twenty."""
    value_J = limits.per_supplier(chosen_S, options.value_1, options.value_2)
    return np.eye(value_J.size, dtype=np.bool_)[np.argsort(-value_J)][:20]


def _repaired(options: Options, limits: Limits, chosen_S: IntArray, may_use_J: BoolArray) -> IntArray | None:
    plan_S = chosen_S.copy()
    ways = Ways(
        options.cost, limits.start_S, limits.supplier_1, limits.supplier_2, options.qty_1, options.qty_2,
        options.value_1, options.value_2, limits.capacity_J, limits.least_value_J,
    )  # fmt: skip
    repair(ways, may_use_J.copy(), plan_S)
    return plan_S if limits.are_kept(options, plan_S) else None


def _cheapest(cost: FloatArray, start_S: IntArray) -> IntArray:
    """The first option of least cost of each SKU."""
    least_S = np.minimum.reduceat(cost, start_S)
    is_least = cost == np.repeat(least_S, np.diff(start_S, append=cost.size))
    at = np.flatnonzero(is_least)
    sku = np.searchsorted(start_S, at, side="right") - 1
    return at[np.flatnonzero(np.diff(sku, prepend=-1))]

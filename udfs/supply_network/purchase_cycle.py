"""How often to order from each supplier, and which articles in which orders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.lot_sizing.joint_replenishment import joint_replenishment
from udfs.supply_network.lanes import IntArray
from udfs.supply_network.offers import Need, Offers, Options, SupplierTerms, options
from udfs.supply_network.supplier_choice import Choice, choose

_ROUNDS = 3
_MOST_CYCLE_DAYS = 91.0


def chosen_with_cycles(
    offers: Offers, suppliers: SupplierTerms, need: Need, kinds: tuple[str, ...], split_share: float, limit_s: float
) -> tuple[Options, Choice, SupplierTerms, FloatArray]:
    """Choose suppliers, and order from each as often as the joint replenishment of what it was chosen for wants.

    A cycle is whole order days of the supplier (its `cycle_days`), long enough for its minimum value and short enough
    for its capacity. Choice and cycles are made in turn until neither changes or the choice no longer gets cheaper;
    the cheapest round counts. Returns the options, the choice, the suppliers with their cycles, and each SKU's multiple
    of its first supplier's cycle, [S].
    """
    best: tuple[Options, Choice, SupplierTerms] | None = None
    terms = suppliers
    for _ in range(_ROUNDS):
        ways = options(offers, terms, need, kinds, split_share)
        choice = choose(ways, offers, terms, limit_s / _ROUNDS)
        if best is not None and choice.cost >= best[1].cost * (1.0 - 1e-6):
            break
        best = ways, choice, terms
        cycle_J, _ = cycles(ways.taken(choice.option_S), offers, suppliers, need)
        if np.allclose(cycle_J, terms.cycle_days):
            break
        terms = replace(suppliers, cycle_days=cycle_J)
    assert best is not None
    ways, choice, terms = best
    _, multiple_S = cycles(ways.taken(choice.option_S), offers, suppliers, need)
    return ways, choice, terms, multiple_S


def cycles(chosen: Options, offers: Offers, suppliers: SupplierTerms, need: Need) -> tuple[FloatArray, FloatArray]:
    """Days between orders to each supplier, [J], and in every how many of them each SKU is, [S], of its chosen option.

    A supplier that nobody buys from keeps its order days as its cycle.
    """
    cycle_J, multiple_S = suppliers.cycle_days.copy(), np.ones(chosen.sku.size)
    supplier_S = offers.supplier[chosen.first]
    mean_S = need.mean[chosen.sku] * chosen.share
    landed_S = chosen.purchase / np.maximum(need.mean[chosen.sku], 1e-12)
    for j in np.unique(supplier_S):
        rows: IntArray = np.flatnonzero((supplier_S == j) & (mean_S > 0.0) & (chosen.purchase > 0.0))
        line_I = offers.line_cost[chosen.first[rows]]
        if not rows.size or suppliers.order_cost[j] + line_I.min() <= 0.0:
            continue
        holding_I = np.maximum(need.holding_rate[chosen.sku[rows]] * landed_S[rows], 1e-12)
        family = joint_replenishment(suppliers.order_cost[j], line_I, holding_I, mean_S[rows])
        least = suppliers.minimum_value[j] / max(float(chosen.value_1[rows].sum()), 1e-12)
        most = suppliers.capacity_qty[j] / float(mean_S[rows].sum())
        day = suppliers.cycle_days[j]
        wanted = min(max(family.cycle_S[0], least), most, _MOST_CYCLE_DAYS)
        cycle_J[j] = day * max(np.ceil(wanted / day - 1e-9) if wanted == least else np.round(wanted / day), 1.0)
        if cycle_J[j] > most:
            cycle_J[j] = day * max(np.floor(most / day), 1.0)
        lot_days_I = family.cycle_S[0] * family.multiple_SI[0]
        multiple_S[rows] = np.maximum(np.round(lot_days_I / cycle_J[j]), 1.0)
    return cycle_J, multiple_S

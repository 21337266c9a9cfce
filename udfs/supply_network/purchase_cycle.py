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
    # Orders are as rare as their minimum value asks for: what is best without it says how rare that is.
    anyhow = replace(suppliers, minimum_value=np.zeros_like(suppliers.minimum_value))
    ways = options(offers, anyhow, need, kinds, split_share)
    choice = choose(ways, offers, anyhow, limit_s / (_ROUNDS + 1))
    cycle_J, _ = cycles(ways.taken(choice.option_S), offers, suppliers, need)
    best: tuple[Options, Choice, SupplierTerms] | None = None
    terms = replace(suppliers, cycle_days=cycle_J)
    for _ in range(_ROUNDS):
        ways = options(offers, terms, need, kinds, split_share)
        choice = choose(ways, offers, terms, limit_s / (_ROUNDS + 1))
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

    A supplier that nobody buys from is thought of as if everything it offers were bought there.
    """
    cycle_J, multiple_S = suppliers.cycle_days.copy(), np.ones(chosen.sku.size)
    supplier_S = offers.supplier[chosen.first]
    mean_S = need.mean[chosen.sku] * chosen.share
    landed_S = chosen.purchase / np.maximum(need.mean[chosen.sku], 1e-12)
    n_suppliers = suppliers.cycle_days.size
    value_J = np.bincount(supplier_S, chosen.value_1, n_suppliers)
    value_J += np.bincount(offers.supplier[chosen.second], chosen.value_2, n_suppliers)
    offered_J = np.bincount(offers.supplier, need.mean[offers.sku] * offers.unit_cost[:, 0], n_suppliers)
    least_J = suppliers.minimum_value / np.maximum(np.where(value_J > 0.0, value_J, offered_J), 1e-12)
    for j in range(n_suppliers):
        rows: IntArray = np.flatnonzero((supplier_S == j) & (mean_S > 0.0) & (chosen.purchase > 0.0))
        day, most, wanted = suppliers.cycle_days[j], np.inf, 0.0
        lot_days_I = np.zeros(rows.size)
        line_I = offers.line_cost[chosen.first[rows]]
        if rows.size:
            most = suppliers.capacity_qty[j] / float(mean_S[rows].sum())
        if rows.size and suppliers.order_cost[j] + line_I.min() > 0.0:
            holding_I = np.maximum(need.holding_rate[chosen.sku[rows]] * landed_S[rows], 1e-12)
            family = joint_replenishment(suppliers.order_cost[j], line_I, holding_I, mean_S[rows])
            wanted, lot_days_I = float(family.cycle_S[0]), family.cycle_S[0] * family.multiple_SI[0]
        cycle_J[j] = _in_order_days(min(wanted, _MOST_CYCLE_DAYS), least_J[j], most, day)
        multiple_S[rows] = np.maximum(np.round(lot_days_I / cycle_J[j]), 1.0)
    return cycle_J, multiple_S


def _in_order_days(wanted: float, least: float, most: float, day: float) -> float:
    """A cycle of whole order days, near the one wanted, no shorter than the minimum value and no longer than the truck
    asks for; where both cannot be, the truck counts."""
    days = max(np.round(wanted / day), np.ceil(least / day - 1e-9), 1.0)
    return float(day * max(min(days, np.floor(most / day + 1e-9)), 1.0))

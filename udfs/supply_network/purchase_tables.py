"""Purchase plan and purchase orders as tables, with the reason for each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.schema.tables import table_of_rows
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.inventory_spec import InventorySpec
from udfs.supply_network.lanes import IntArray
from udfs.supply_network.offers import KINDS, Options, SupplierTerms
from udfs.supply_network.purchase_cycle import chosen_with_cycles
from udfs.supply_network.purchase_input import PurchaseInput, purchase_input
from udfs.supply_network.purchase_orders import purchase_orders
from udfs.supply_network.purchase_spec import PurchaseSpec
from udfs.supply_network.supplier_choice import Choice

PLAN, ORDER = "network.purchase_plan", "network.purchase_order"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was decided: of each series of `given` its option, its runner-up (-1: none) and its multiple of a cycle."""

    given: PurchaseInput
    ways: Options
    choice: Choice
    suppliers: SupplierTerms
    multiple_S: FloatArray
    runner_up_S: IntArray

    def supplier(self, option: int, *, second: bool = False) -> str:
        offer = (self.ways.second if second else self.ways.first)[option]
        return self.suppliers.names[self.given.offers.supplier[offer]]


def purchase_tables(
    *, offer: pa.Table, supplier: pa.Table, policy: pa.Table, proposal: pa.Table, as_of: date, spec: InventorySpec,
    purchase: PurchaseSpec, is_assumed: bool = False,
) -> tuple[pa.Table, pa.Table, list[tuple[str, str]]]:  # fmt: skip
    """Rows of network.purchase_plan and network.purchase_order, and (unique_id, what is wrong) of unusable offers.

    offer, supplier: silver.offer, silver.supplier; is_assumed: whether no feed states them. policy, proposal: what
    inventory decided for the series.
    """
    given = purchase_input(offer, supplier, policy, spec)
    if not given.unique_id_S:
        return table_of_rows(PLAN, []), table_of_rows(ORDER, []), given.failures
    ways, choice, suppliers, multiple_S = chosen_with_cycles(
        given.offers, given.suppliers, given.need, purchase.kinds, purchase.split_share, purchase.limit_s
    )
    chosen = Chosen(given, ways, choice, suppliers, multiple_S, runners_up(ways, choice.option_S))
    plan = [_plan_row(chosen, s) for s in range(len(given.unique_id_S))]
    lines = purchase_orders(chosen.given, ways.taken(choice.option_S), suppliers, multiple_S, proposal, as_of, spec)
    marked = [[row | {"is_offer_assumed": is_assumed} for row in rows] for rows in (plan, lines)]
    return table_of_rows(PLAN, marked[0]), table_of_rows(ORDER, marked[1]), given.failures


def runners_up(ways: Options, option_S: IntArray) -> IntArray:
    """The cheapest option of each SKU that its first supplier has no part in, [S]; -1 where there is none."""
    first = ways.first[option_S][ways.sku]
    is_other = (ways.first != first) & (ways.second != first)
    cost = np.where(is_other, ways.cost, np.inf)
    start_S = np.flatnonzero(np.diff(ways.sku, prepend=-1))
    least_S = np.minimum.reduceat(cost, start_S)
    at = np.flatnonzero(np.isfinite(cost) & (cost == least_S[ways.sku]))
    found_S = np.full(start_S.size, -1)
    found_S[ways.sku[at[::-1]]] = at[::-1]
    return found_S


def _plan_row(chosen: Chosen, s: int) -> dict[str, Any]:
    ways, option, other = chosen.ways, int(chosen.choice.option_S[s]), int(chosen.runner_up_S[s])
    kind = KINDS[ways.kind[option]]
    mean = float(chosen.given.need.mean[s])
    cycle = float(chosen.suppliers.cycle_days[chosen.given.offers.supplier[ways.first[option]]])
    return {
        "unique_id": chosen.given.unique_id_S[s],
        "supplier_id": chosen.supplier(option),
        "second_supplier_id": None if kind == "single" else chosen.supplier(option, second=True),
        "sourcing": kind,
        "first_share": float(ways.share[option]),
        "cycle_days": cycle,
        "cycle_multiple": int(chosen.multiple_S[s]),
        "landed_unit_cost": float(ways.purchase[option]) / mean if mean > 0.0 else None,
        "daily_purchase_cost": float(ways.purchase[option]),
        "daily_order_cost": float(ways.ordering[option]),
        "daily_holding_cost": float(ways.holding[option]),
        "runner_up_supplier_id": None if other < 0 else chosen.supplier(other),
        "runner_up_extra_cost": None if other < 0 else float(ways.cost[other] - ways.cost[option]),
        "choice_gap": chosen.choice.gap,
        "reason": _reason(chosen, s, option, other, kind),
    }


def _reason(chosen: Chosen, s: int, option: int, other: int, kind: str) -> str:
    """Why this supplier, and what the runner-up would cost."""
    ways, name, need = chosen.ways, chosen.supplier(option), chosen.given.need
    offer = ways.first[option]
    second = chosen.supplier(option, second=True)
    head = {
        "single": f"{name}",
        "split": f"{name} and {second} share each order",
        "dual": f"{name} at a steady rate, {second} for what demand exceeds ({1.0 - ways.share[option]:.0%})",
    }[kind]
    parts = [f"{head}: {float(ways.cost[option]):.4g} a day"]
    if need.mean[s] > 0.0:
        parts.append(f"landed {float(ways.purchase[option] / need.mean[s]):.4g} a unit")
    lead, sd = chosen.given.offers.lead_days[offer], chosen.given.offers.lead_sd_days[offer]
    parts.append(f"{lead:g} days{f' ± {sd:.3g}' if sd > 0.0 else ''}")
    if other < 0:
        return ", ".join(parts) + ". No other supplier offers it."
    extra = float(ways.cost[other] - ways.cost[option])
    share = abs(extra) / max(float(ways.cost[option]), 1e-12)
    what = _main_difference(ways, option, other)
    if extra >= 0.0:
        return ", ".join(parts) + f". {chosen.supplier(other)} would cost {share:.1%} more, most of it {what}."
    limit = "its capacity, its minimum value or the cost of ordering there at all is in the way"
    return ", ".join(parts) + f". {chosen.supplier(other)} alone would be {share:.1%} cheaper: {limit}."


def _main_difference(ways: Options, option: int, other: int) -> str:
    parts = {"the price": ways.purchase, "order lines": ways.ordering, "stock and safety": ways.holding}
    return max(parts, key=lambda name: float(parts[name][other] - parts[name][option]))

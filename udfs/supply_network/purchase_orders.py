"""What to buy today: the policies' wishes at the chosen suppliers' lead times, order days, packs and minimum values.

An order opens where an article needs it; articles that would need one before the supplier's next order come along
(the can-order rule of Balintfy 1964), and where the order falls short of the minimum value, those whose stock lasts
least are filled up first.
"""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.order_quantity import round_order
from udfs.supply_network.lanes import IntArray
from udfs.supply_network.offers import Options, SupplierTerms
from udfs.supply_network.purchase_input import PurchaseInput

_OWN_QUANTITY = ("shelf life", "cover", "room", "largest order", "no demand", "spoils unsold", "no review day")
"""Main reasons of proposals whose quantity something other than the level bounds: it is kept."""


def purchase_orders(
    given: PurchaseInput,
    chosen: Options,
    suppliers: SupplierTerms,
    multiple_S: FloatArray,
    proposal: pa.Table,
    as_of: date,
    spec: InventorySpec,
) -> list[dict[str, Any]]:
    """Rows of network.purchase_order: one of each series and supplier that it is bought from, also where nothing is.

    chosen: the option of each series, [S]. multiple_S: in every how many orders of its supplier it is. proposal: rows
    of inventory.order_proposal; a series without one is left out.
    """
    lines = {row["unique_id"]: row for row in proposal.to_pylist()}
    rows_S = [lines.get(unique_id) for unique_id in given.unique_id_S]
    supplier_S, pack_S = given.offers.supplier[chosen.first], given.pack_O[chosen.first]
    is_due_J = np.array([_is_due(given, suppliers, j, as_of, spec) for j in range(len(suppliers.names))])
    must_S, can_S, note_S = _wanted(given, chosen, suppliers, multiple_S, rows_S, pack_S)
    unit_S = given.offers.unit_cost[chosen.first, 0]
    quantity_S = np.zeros(len(rows_S))
    for j in np.flatnonzero(is_due_J):
        rows = np.flatnonzero(supplier_S == j)
        quantity_S[rows] = _order_of(
            must_S[rows], can_S[rows], unit_S[rows], pack_S[rows], _cover(given, rows_S, rows),
            suppliers.minimum_value[j], suppliers.capacity_qty[j], note_S, rows,
        )  # fmt: skip
    own_S, rest_S = _shared(given, chosen, quantity_S)
    found = []
    for s in np.flatnonzero([row is not None for row in rows_S]):
        if not is_due_J[supplier_S[s]]:
            note_S[s] = "no order day of the supplier" if must_S[s] > 0.0 else None
        parts = [(int(chosen.first[s]), float(own_S[s]))]
        if chosen.first[s] != chosen.second[s]:
            parts.append((int(chosen.second[s]), float(rest_S[s])))
        found += _rows(given, suppliers, rows_S[s], int(s), parts, note_S[s], as_of)
    return found


def _shared(given: PurchaseInput, chosen: Options, quantity_S: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Units of the first supplier and of the second, where there are two, in whole packs of each."""
    first, second = chosen.first, chosen.second
    pack_S = given.pack_O[second]
    part_S = np.where(first != second, np.round(quantity_S * (1.0 - chosen.share) / pack_S) * pack_S, 0.0)
    rest_S = round_order(part_S, given.offers.moq_qty[second], pack_S)
    return round_order(quantity_S - rest_S, np.zeros(first.size), given.pack_O[first]), rest_S


def _is_due(given: PurchaseInput, suppliers: SupplierTerms, j: int, as_of: date, spec: InventorySpec) -> bool:
    """Whether the supplier takes an order today: on one of its weekdays, and in its cycle of days."""
    weekdays, cycle = given.weekdays[suppliers.names[j]], round(float(suppliers.cycle_days[j]))
    if weekdays:
        week = math.ceil(cycle / 7.0)
        since = (as_of - spec.first_review).days // 7
        return as_of.weekday() in weekdays and since % week == 0
    return (as_of - spec.first_review).days % max(cycle, 1) == 0


def _wanted(
    given: PurchaseInput,
    chosen: Options,
    suppliers: SupplierTerms,
    multiple_S: FloatArray,
    rows_S: list[dict[str, Any] | None],
    pack_S: FloatArray,
) -> tuple[FloatArray, FloatArray, list[str | None]]:
    """Units that must be ordered, units that could come along [S], and what is to be said of each.

    Levels of the policy hold for the lead time and review that it reckoned with: they move by the demand, and the
    safety stock, of the days by which the chosen supplier's differ. Where nobody counts the stock, the position is one
    that the policy in use brings about, and moves along.
    """
    need, cycle_S = given.need, suppliers.cycle_days[given.offers.supplier[chosen.first]]
    lead_S, sd_S = given.offers.lead_days[chosen.first], given.offers.lead_sd_days[chosen.first]
    policies = [given.policy[unique_id] for unique_id in given.unique_id_S]
    reckoned_S = np.array([row["lead_time_days"] + row["review_days"] for row in policies], dtype=np.float64)
    spread_S = np.sqrt((lead_S + cycle_S) * need.sd**2 + (need.mean * sd_S) ** 2) - np.sqrt(reckoned_S) * need.sd
    shift_S = need.mean * (lead_S + cycle_S - reckoned_S) + need.safety_factor * spread_S
    must_S, raw_S = np.zeros(len(rows_S)), np.zeros(len(rows_S))
    is_due_S, is_near_S = np.zeros(len(rows_S), dtype=bool), np.zeros(len(rows_S), dtype=bool)
    for s, (row, policy) in enumerate(zip(rows_S, policies, strict=True)):
        if row is None:
            continue
        if row["main_reason"] in _OWN_QUANTITY:
            must_S[s] = row["order_qty"]
            continue
        shift = 0.0 if row["is_stock_assumed"] else shift_S[s]
        lot = need.mean[s] * cycle_S[s] * (multiple_S[s] - 1.0)
        position, up_to = row["position_qty"], policy["order_up_to_qty"] + shift + lot
        least, raw_S[s] = policy["reorder_point_qty"] + shift, up_to - position
        is_due_S[s] = position <= least and up_to > position
        is_near_S[s] = position - need.mean[s] * cycle_S[s] <= least and up_to > position
    filled_S = round_order(raw_S, given.offers.moq_qty[chosen.first], pack_S)
    can_S = np.where(is_near_S, filled_S, -filled_S)  # below 0: only where the minimum value asks for it
    return np.where(is_due_S, filled_S, must_S), np.where(is_due_S, 0.0, can_S), [None] * len(rows_S)


def _cover(given: PurchaseInput, rows_S: list[dict[str, Any] | None], rows: IntArray) -> FloatArray:
    """Days that each row's position lasts."""
    position = np.array([(rows_S[s] or {}).get("position_qty") or 0.0 for s in rows], dtype=np.float64)
    return position / np.maximum(given.need.mean[rows], 1e-9)


def _order_of(
    must_I: FloatArray,
    can_I: FloatArray,
    unit_I: FloatArray,
    pack_I: FloatArray,
    cover_I: FloatArray,
    minimum: float,
    capacity: float,
    note_S: list[str | None],
    rows: IntArray,
) -> FloatArray:
    """One order to a supplier: what must be, what comes along, what the minimum value asks for, within the capacity."""
    order_I = must_I.copy()
    if not must_I.any():
        return order_I
    for i in np.argsort(cover_I, kind="stable"):
        is_short = float(order_I @ unit_I) < minimum
        more = can_I[i] if can_I[i] > 0.0 else -can_I[i] if is_short else 0.0
        if order_I[i] == 0.0 and more > 0.0 and order_I.sum() + more <= capacity:
            order_I[i] = more
            note_S[rows[i]] = (
                "comes along with the order" if can_I[i] > 0.0 else f"fills the order to its minimum of {minimum:g}"
            )
    if (value := float(order_I @ unit_I)) < minimum:
        for i in np.flatnonzero(order_I):
            note_S[rows[i]] = f"the order comes to {value:.2f}, short of its minimum of {minimum:g}"
    return _within(order_I, cover_I, pack_I, capacity, note_S, rows)


def _within(
    order_I: FloatArray,
    cover_I: FloatArray,
    pack_I: FloatArray,
    capacity: float,
    note_S: list[str | None],
    rows: IntArray,
) -> FloatArray:
    """The order cut to its capacity: what lasts longest waits."""
    left = capacity
    if order_I.sum() <= left:
        return order_I
    for i in np.argsort(cover_I, kind="stable"):
        taken = min(order_I[i], math.floor(max(left, 0.0) / pack_I[i]) * pack_I[i])
        if taken < order_I[i]:
            note_S[rows[i]] = f"{taken:g} of {order_I[i]:g}: the order holds {capacity:g} units"
        order_I[i], left = taken, left - taken
    return order_I


def _rows(
    given: PurchaseInput, suppliers: SupplierTerms, row: dict[str, Any] | None, s: int,
    parts: list[tuple[int, float]], note: str | None, as_of: date,
) -> list[dict[str, Any]]:  # fmt: skip
    """The lines of one series: its units of each offer that it is bought by."""
    assert row is not None
    found = []
    for offer, units in parts:
        prices, breaks = given.offers.unit_cost[offer], given.offers.break_qty[offer]
        unit = float(prices[(breaks <= units).sum() - 1])
        found.append(
            {
                "unique_id": given.unique_id_S[s],
                "supplier_id": suppliers.names[given.offers.supplier[offer]],
                "order_date": as_of,
                "pack_qty": float(given.pack_O[offer]),
                "wanted_qty": row["order_qty"],
                "purchase_qty": units,
                "purchase_value": units * unit,
                "expected_receipt_ds": as_of + timedelta(days=math.ceil(given.offers.lead_days[offer]))
                if units > 0.0
                else None,
                "purchase_note": note,
            }
        )
    return found

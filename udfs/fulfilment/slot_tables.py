"""Which articles should change their slots in each depot's warehouse, by what is picked together and by demand."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.schema.entities import DEPOT_DAY, SERIES
from lakehouse.schema.tables import table_of_rows
from udfs.fulfilment.warehouse.slot_moves import STAGING, MoveTerms, slot_moves
from udfs.fulfilment.warehouse.slot_problem import NOWHERE, PickHistory, SlotProblem
from udfs.fulfilment.warehouse.slotting import SlotEffort
from udfs.fulfilment.warehouse_spec import WarehouseSpec
from udfs.fulfilment.waves import layout_of

SLOT_MOVE = "fulfilment.slot_move"
_WEEK = 7.0  # days of demand in a pick of what was never picked
Rows = list[dict[str, Any]]


def slot_tables(
    slots: pa.Table, lines: pa.Table, demand: pa.Table, litres: Mapping[str, float], spec: WarehouseSpec
) -> tuple[pa.Table, list[tuple[str, str]]]:
    """Rows of fulfilment.slot_move, and depots that fail, with the reason.

    slots: rows of fulfilment.slot. lines: of fulfilment.shipment_line, past ones too. demand: unique_id, demand_mean a
    day. litres: of a unit of each SKU, 0 where nobody says.
    """
    history = _by_depot(lines)
    wanted: dict[str, float] = defaultdict(float)
    for unique_id, mean in zip(demand["unique_id"].to_pylist(), demand["demand_mean"].to_pylist(), strict=True):
        wanted[SERIES.split(unique_id)[0]] += mean or 0.0
    by_depot: dict[str, Rows] = defaultdict(list)
    for row in slots.sort_by([("depot_id", "ascending"), ("slot_id", "ascending")]).to_pylist():
        by_depot[row["depot_id"]].append(row)
    found, failed = [], []
    for depot, own in by_depot.items():
        try:
            found += _moves(depot, own, history.get(depot, {}), wanted, litres, spec)
        except ValueError as error:
            failed.append((depot, str(error)))
    return table_of_rows(SLOT_MOVE, found), failed


def _by_depot(lines: pa.Table) -> dict[str, dict[tuple[str, str], list[tuple[str, float]]]]:
    """By depot and shipment the SKUs and units; a shipment is of one day, so that its key has the run's day in it."""
    found: dict[str, dict[tuple[str, str], list[tuple[str, float]]]] = {}
    for row in lines.to_pylist():
        depot, day = DEPOT_DAY.split(row["depot_day_id"])
        shipment = day, f"{row['run_id']}|{row['shipment_id']}"
        found.setdefault(depot, {}).setdefault(shipment, []).append(
            (SERIES.split(row["unique_id"])[0], row["shipped_qty"])
        )
    return found


def _moves(
    depot: str,
    slots: Rows,
    history: Mapping[tuple[str, str], Sequence[tuple[str, float]]],
    wanted: Mapping[str, float],
    litres: Mapping[str, float],
    spec: WarehouseSpec,
) -> Rows:
    layout = layout_of(slots, spec)
    skus = sorted({row["sku_id"] for row in slots if row["sku_id"] is not None})
    number = {sku: p for p, sku in enumerate(skus)}
    present_P, is_fixed_P = np.full(len(skus), NOWHERE), np.zeros(len(skus), dtype=bool)
    for at, row in enumerate(slots):
        p = number.get(row["sku_id"], NOWHERE)
        if p != NOWHERE and present_P[p] == NOWHERE:  # the first slot of an article is the one that is picked from
            present_P[p], is_fixed_P[p] = at, bool(row["is_slot_fixed"])
    tours = [sorted({number[sku] for sku, _ in parts if sku in number}) for _, parts in sorted(history.items())]
    tours = [tour for tour in tours if tour]
    days = len({day for day, _ in history})
    picks = PickHistory(
        np.concatenate([[0], np.cumsum([len(tour) for tour in tours])]).astype(np.int64),
        np.array([p for tour in tours for p in tour], dtype=np.int64),
        np.full(len(tours), 1.0 / max(days, 1)),
    ).for_demand(_picks_a_day(skus, history, wanted))
    problem = SlotProblem(layout, _volumes(slots, skus, litres), present_P, is_fixed_P, picks)
    terms = MoveTerms(spec.metre_cost, spec.move_cost, spec.move_days)
    return [
        {
            "depot_id": depot,
            "move_number": at + 1,
            "move_group": move.group + 1,
            "sku_id": skus[move.product],
            "from_slot_id": None if move.from_slot == STAGING else slots[move.from_slot]["slot_id"],
            "to_slot_id": None if move.to_slot == STAGING else slots[move.to_slot]["slot_id"],
            "saved_metres": move.metres_a_day,
            "payback_days": move.payback_days,
        }
        for at, move in enumerate(slot_moves(problem, terms, SlotEffort()))
    ]


def _picks_a_day(
    skus: Sequence[str], history: Mapping[Any, Sequence[tuple[str, float]]], wanted: Mapping[str, float]
) -> np.ndarray:
    """Lines a day of each SKU: its expected demand in picks of the size that they had."""
    units, lines = defaultdict[str, float](float), Counter[str]()
    for parts in history.values():
        for sku, qty in parts:
            units[sku] += qty
            lines[sku] += 1
    sizes = [units[sku] / lines[sku] if lines[sku] else _WEEK * wanted.get(sku, 0.0) for sku in skus]
    return np.array([wanted.get(sku, 0.0) / size if size > 0 else 0.0 for sku, size in zip(skus, sizes, strict=True)])


def _volumes(slots: Rows, skus: Sequence[str], litres: Mapping[str, float]) -> np.ndarray:
    """What a slot has to hold of each SKU: the room that it has now, for stock in slots is in no feed."""
    held = {row["sku_id"]: row["slot_litres"] for row in reversed(slots) if row["sku_id"] is not None}
    return np.array([held[sku] if held[sku] is not None else litres.get(sku, 0.0) for sku in skus], dtype=float)

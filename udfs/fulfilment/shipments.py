"""The lines of a depot's day, in shipments that its largest vehicle holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from udfs.fulfilment.loads import Part, loads_of
from udfs.fulfilment.waiting_value import waiting_value

_COLUMNS = (
    "depot_day_id", "shipment_id", "unique_id", "shipped_qty", "order_value", "load_litres", "load_kg",
    "expected_receipt_ds", "location_id", "wait_value", "is_load_assumed",
)  # fmt: skip


def shipment_lines(lines: pa.Table, capacities: Mapping[str, Sequence[tuple[float, float]]]) -> pa.Table:
    """The parts of each line, with the shipment that they are in: location, day and load.

    lines: of one depot's day, with unit_litres, unit_kg, pack_qty, stock and demand as `ordered_lines` has them.
    capacities: litres and kilograms of each vehicle, by depot.
    """
    lines = lines.sort_by([("location_id", "ascending"), ("unique_id", "ascending")])
    numbers = {name: lines[name].to_numpy() for name in lines.column_names if pa.types.is_floating(lines[name].type)}
    wait_N = waiting_value(
        numbers["position_qty"],
        numbers["mean_before"],
        np.sqrt(numbers["variance_before"]),
        numbers["mean_after"],
        np.sqrt(numbers["variance_after"]),
        numbers["order_qty"],
        numbers["unit_margin"],
    )
    held = capacities.get(lines["depot_id"][0].as_py(), ())
    parts, of_shipment = _parts(lines, numbers, held)
    line_N = np.array([part.line for part in parts])
    qty_N = np.array([part.qty for part in parts])
    taken = lines.take(line_N)
    share_N = qty_N / numbers["order_qty"][line_N]
    found = {name: taken[name] for name in _COLUMNS if name in taken.column_names}
    found |= {
        "shipment_id": pa.array(of_shipment, pa.string()),
        "shipped_qty": qty_N,
        "order_value": numbers["order_value"][line_N] * share_N,
        "load_litres": qty_N * numbers["unit_litres"][line_N],
        "load_kg": qty_N * numbers["unit_kg"][line_N],
        "wait_value": wait_N[line_N] * share_N,
    }
    return pa.table({name: found[name] for name in _COLUMNS})


def _parts(
    lines: pa.Table, numbers: Mapping[str, np.ndarray], held: Sequence[tuple[float, float]]
) -> tuple[list[Part], list[str]]:
    """Parts of the lines, and the shipment of each."""
    place_N, day = np.array(lines["location_id"].to_pylist()), lines["ds"][0].as_py()
    pack_N = np.where(np.nan_to_num(numbers["pack_qty"], nan=1.0) > 0, np.nan_to_num(numbers["pack_qty"], nan=1.0), 1.0)
    parts, names = [], []
    for place in dict.fromkeys(place_N.tolist()):
        at_N = np.flatnonzero(place_N == place)
        found = loads_of(
            numbers["order_qty"][at_N], pack_N[at_N], numbers["unit_litres"][at_N], numbers["unit_kg"][at_N], held
        )
        parts += [Part(int(at_N[part.line]), part.load, part.qty) for part in found]
        names += [f"{place}:{day}:{part.load + 1}" for part in found]
    return parts, names

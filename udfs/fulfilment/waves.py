"""What is picked, packed and loaded for each trip, by whom and when, and what is not ready when its vehicle leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from udfs.fulfilment.routing.route_plan import RoutePlan
from udfs.fulfilment.time_of_day import DAY_S
from udfs.fulfilment.warehouse.batching import Cart, PickLines, batched
from udfs.fulfilment.warehouse.layout import Layout, layout_from_rows
from udfs.fulfilment.warehouse.pick_tour import tours
from udfs.fulfilment.warehouse.schedule_check import schedule_faults
from udfs.fulfilment.warehouse.wave_schedule import schedule_tasks
from udfs.fulfilment.warehouse.wave_tasks import Schedule, Tasks, Units
from udfs.fulfilment.warehouse_spec import WarehouseSpec

KINDS = ("pick", "pack", "load")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Warehouse:
    """layout, slot_of: where articles lie, by sku_id; None and empty where no feed says."""

    spec: WarehouseSpec
    layout: Layout | None = None
    slot_of: Mapping[str, int] = field(default_factory=dict)


def warehouses_of(slots: pa.Table, spec: WarehouseSpec) -> dict[str, Warehouse]:
    """Each depot's warehouse, by depot, from rows of fulfilment.slot. An article in several slots is picked from
    the first of them by name."""
    found = {}
    rows = slots.sort_by([("depot_id", "ascending"), ("slot_id", "ascending")]).to_pylist()
    for depot in dict.fromkeys(row["depot_id"] for row in rows):
        own = [row for row in rows if row["depot_id"] == depot]
        layout = layout_of(own, spec)
        slot_of: dict[str, int] = {}
        for at, row in enumerate(own):
            if row["sku_id"] is not None:
                slot_of.setdefault(row["sku_id"], at)
        found[depot] = Warehouse(spec, layout, slot_of)
    return found


def layout_of(slots: Sequence[Row], spec: WarehouseSpec) -> Layout:
    """The layout of one depot's slots, in their order."""
    return layout_from_rows(
        [row["slot_id"] for row in slots],
        [row["aisle"] for row in slots],
        [round(row["bay"]) for row in slots],
        [np.inf if row["slot_litres"] is None else row["slot_litres"] for row in slots],
        bay_length=spec.bay_metres,
        aisle_pitch=spec.aisle_metres,
    )


@dataclass(frozen=True)
class Pick:
    """A line on a tour. slot: row of the layout's slots, None where nobody knows."""

    shipment: int
    sku_id: str
    qty: float
    slot: int | None


@dataclass(frozen=True)
class Tour:
    """A picker's walk for a wave: picks in the order of the walk; metres None where slots are not known."""

    wave: int
    picks: tuple[Pick, ...]
    litres: float
    metres: float | None
    seconds: int


@dataclass(frozen=True, eq=False)
class Waves:
    """trips: (route, trip) of each wave. names_J, wave_J, kind_J: of the schedule's tasks. start_J, end_J: seconds from
    midnight. ready_W, late_W: when each wave is loaded, and how long after its vehicle should leave."""

    trips: tuple[tuple[int, int], ...]
    tours: tuple[Tour, ...]
    units: Units
    schedule: Schedule
    names_J: tuple[str, ...]
    wave_J: tuple[int, ...]
    kind_J: tuple[str, ...]
    start_J: tuple[int, ...]
    end_J: tuple[int, ...]
    ready_W: tuple[int, ...]
    late_W: tuple[int, ...]

    def late_stops(self, plan: RoutePlan) -> dict[int, int]:
        """By stop the second at which it is ready, of waves that are late."""
        found: dict[int, int] = {}
        for (route, trip), ready, late in zip(self.trips, self.ready_W, self.late_W, strict=True):
            found |= {stop: ready for stop in plan.routes[route].trips[trip] if late}
        return found


def waves_of(plan: RoutePlan, lines: Sequence[Sequence[Row]], warehouse: Warehouse) -> Waves:
    """A wave for each trip, due when its vehicle leaves: picks, a pack of each shipment, then one load at one door.

    lines: of each stop, with sku_id, shipped_qty and load_litres. Raises ValueError where the schedule does not pass
    its check.
    """
    trips = [(number, trip) for number, route in enumerate(plan.routes) for trip in range(len(route.trips))]
    walks = [
        tour for wave, where in enumerate(trips) for tour in _tours(wave, _lines_of(plan, where, lines), warehouse)
    ]
    rows, pairs = _tasks(plan, trips, walks, lines, warehouse.spec)
    units = _units(warehouse.spec)
    tasks = Tasks(
        task_id_J=tuple(row.name for row in rows),
        kind_J=np.array([KINDS.index(row.kind) for row in rows], np.int64),
        duration_J=np.array([row.seconds for row in rows], np.int64),
        release_J=np.zeros(len(rows), np.int64),
        due_J=np.array([row.due + DAY_S for row in rows], float),
        weight_J=np.array([row.kind == "load" for row in rows], np.int64),
        first_P=np.array([first for first, _ in pairs], np.int64),
        then_P=np.array([then for _, then in pairs], np.int64),
    )
    schedule = schedule_tasks(tasks, units, warehouse.spec.work)
    if faults := schedule_faults(schedule, tasks, units):
        raise ValueError(f"the schedule breaks {len(faults)} rules: {'; '.join(faults[:3])}")
    start, end = ((times - DAY_S).tolist() for times in (schedule.start_J, schedule.end_J))
    ready = [max(end[j] for j, row in enumerate(rows) if row.wave == wave) for wave in range(len(trips))]
    left = [plan.routes[route].trip_leave_s[trip] for route, trip in trips]
    return Waves(
        tuple(trips),
        tuple(walks),
        units,
        schedule,
        tasks.task_id_J,
        tuple(row.wave for row in rows),
        tuple(row.kind for row in rows),
        tuple(start),
        tuple(end),
        tuple(ready),
        tuple(max(done - due, 0) for done, due in zip(ready, left, strict=True)),
    )


@dataclass(frozen=True)
class _Task:
    name: str
    wave: int
    kind: str
    seconds: int
    due: int


def _lines_of(plan: RoutePlan, where: tuple[int, int], lines: Sequence[Sequence[Row]]) -> list[tuple[int, Row]]:
    route, trip = where
    return [(stop, row) for stop in plan.routes[route].trips[trip] for row in lines[stop]]


def _tours(wave: int, lines: Sequence[tuple[int, Row]], warehouse: Warehouse) -> list[Tour]:
    """The walks of a wave: lines whose slot is known in batches of shortest tours, the others one walk a shipment."""
    spec, layout = warehouse.spec, warehouse.layout
    known = [each for each in lines if layout is not None and each[1]["sku_id"] in warehouse.slot_of]
    found = _batched_tours(wave, known, layout, warehouse) if layout is not None and known else []
    for stop in dict.fromkeys(stop for stop, _ in lines):
        rest = [row for own, row in lines if own == stop and (layout is None or row["sku_id"] not in warehouse.slot_of)]
        if rest:
            picks = tuple(Pick(stop, row["sku_id"], row["shipped_qty"], None) for row in rest)
            seconds = len(rest) * (spec.line_metres / spec.walk_m_s + spec.pick_line_s)
            found.append(Tour(wave, picks, sum(row["load_litres"] for row in rest), None, round(seconds)))
    return found


def _batched_tours(wave: int, lines: Sequence[tuple[int, Row]], layout: Layout, warehouse: Warehouse) -> list[Tour]:
    spec, slot_of = warehouse.spec, warehouse.slot_of
    stops = list(dict.fromkeys(stop for stop, _ in lines))
    pieces = np.array([max(int(np.ceil(row["shipped_qty"])), 1) for _, row in lines], np.int64)
    litres = np.array([row["load_litres"] for _, row in lines]) / pieces
    slots = np.array([slot_of[row["sku_id"]] for _, row in lines], np.int64)
    order = np.array([stops.index(stop) for stop, _ in lines], np.int64)
    batches = batched(layout, PickLines(order, slots, pieces, litres), Cart(spec.cart_litres, spec.cart_shipments))
    found = []
    for batch, metres in enumerate(batches.length_B.tolist()):
        at = np.flatnonzero(batches.batch_M == batch)
        own, taken = batches.line_M[at], batches.pieces_M[at]
        _, walk = tours(layout, np.array([0, len(own)]), slots[own])
        place = {slot: number for number, slot in enumerate(walk.tolist())}
        share = taken / pieces[own]
        picks = sorted(
            (
                Pick(lines[line][0], lines[line][1]["sku_id"], lines[line][1]["shipped_qty"] * part, int(slots[line]))
                for line, part in zip(own.tolist(), share.tolist(), strict=True)
            ),
            key=lambda pick: (place[pick.slot], pick.sku_id, pick.shipment),
        )
        seconds = round(metres / spec.walk_m_s + len(own) * spec.pick_line_s)
        found.append(Tour(wave, tuple(picks), float(litres[own] @ taken), metres, seconds))
    return found


def _tasks(
    plan: RoutePlan,
    trips: Sequence[tuple[int, int]],
    walks: Sequence[Tour],
    lines: Sequence[Sequence[Row]],
    spec: WarehouseSpec,
) -> tuple[list[_Task], list[tuple[int, int]]]:
    """Tasks, and pairs of which the second waits for the first."""
    due = [plan.routes[route].trip_leave_s[trip] for route, trip in trips]
    rows = [
        _Task(f"pick {number + 1}", tour.wave, "pick", tour.seconds, due[tour.wave])
        for number, tour in enumerate(walks)
    ]
    pairs = []
    for wave, (route, trip) in enumerate(trips):
        stops = plan.routes[route].trips[trip]
        load = len(rows) + len(stops)
        for stop in stops:
            own = (number for number, tour in enumerate(walks) if any(pick.shipment == stop for pick in tour.picks))
            pairs += [*((number, len(rows)) for number in own), (len(rows), load)]
            rows.append(_Task(f"pack {stop + 1}", wave, "pack", round(spec.pack_line_s * len(lines[stop])), due[wave]))
        rows.append(_Task(f"load {wave + 1}", wave, "load", round(spec.load_s * len(stops)), due[wave]))
    return rows, pairs


def _units(spec: WarehouseSpec) -> Units:
    counts = (("picker", spec.pickers), ("packer", spec.packers), ("door", spec.doors))
    names = [(f"{name} {number + 1}", kind) for kind, (name, count) in enumerate(counts) for number in range(count)]
    start, end = spec.shift
    return Units(
        tuple(name for name, _ in names),
        np.array([kind for _, kind in names], np.int64),
        np.full(len(names), start + DAY_S, np.int64),
        np.full(len(names), end + DAY_S, np.int64),
    )

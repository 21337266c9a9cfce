"""Rows of routes, stops and what is left, for a bucket of depot-days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lakehouse.schema.entities import DEPOT_DAY, SERIES
from lakehouse.schema.tables import table_of_rows
from udfs.fulfilment.depot_day import depot_day, part_of
from udfs.fulfilment.fulfilment_spec import FulfilmentSpec
from udfs.fulfilment.route_rows import day_row, route_row, stop_rows, unserved_row
from udfs.fulfilment.routing.delivery_problem import DeliveryProblem
from udfs.fulfilment.routing.pyvrp_routes import RouteEffort, improved_routes
from udfs.fulfilment.routing.route_check import faults_of
from udfs.fulfilment.routing.route_plan import RoutePlan
from udfs.fulfilment.routing.simple_routes import savings
from udfs.fulfilment.routing.smallest_change import smallest_change
from udfs.fulfilment.routing.unserved_reason import impossible
from udfs.fulfilment.warehouse_spec import WarehouseSpec
from udfs.fulfilment.wave_rows import PICK, TASK, TOUR, WAVE, wave_rows
from udfs.fulfilment.waves import Warehouse, warehouses_of, waves_of

if TYPE_CHECKING:
    from udfs.fulfilment.learned.learned_start import LearnedStart

ROUTE, STOP, UNSERVED, DAY = "fulfilment.route", "fulfilment.stop", "fulfilment.unserved", "fulfilment.depot_day"
WRITTEN = (DAY, ROUTE, STOP, UNSERVED, WAVE, TASK, TOUR, PICK)
_EXPLAINED = 10  # shipments of a depot's day for which the smallest change is looked for: each takes plans of its own
Rows = list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class RouteInputs:
    """Rows of fulfilment.shipment, .shipment_line, .vehicle, .leg and .slot."""

    shipments: pa.Table
    lines: pa.Table
    vehicles: pa.Table
    legs: pa.Table
    slots: pa.Table

    def fleets(self) -> dict[str, Rows]:
        """Vehicles by depot."""
        return _by(self.vehicles.sort_by("vehicle_type").to_pylist(), "depot_id")

    def ways(self) -> dict[str, dict[tuple[str, str], tuple[float, float]]]:
        """Stated ways by depot-day."""
        found: dict[str, dict[tuple[str, str], tuple[float, float]]] = {}
        for row in self.legs.to_pylist():
            way = row["from_location_id"], row["to_location_id"]
            found.setdefault(row["depot_day_id"], {})[way] = (row["metres"], row["travel_seconds"])
        return found


@dataclass
class _Found:
    rows: dict[str, Rows] = field(default_factory=lambda: {name: [] for name in WRITTEN})
    failed: dict[str, Exception] = field(default_factory=dict)

    def add(self, rows: Mapping[str, Rows]) -> None:
        for name, each in rows.items():
            self.rows[name] += each


def route_tables(
    inputs: RouteInputs, spec: FulfilmentSpec, warehouse: WarehouseSpec, start: LearnedStart | None = None
) -> tuple[dict[str, pa.Table], pa.Table, int]:
    """Tables by name, failures by depot-day, and the number of depot-days; `start` gives routes to begin with.

    A depot-day whose routes or waves do not pass their check, or that raises, fails and costs no other.
    """
    fleets, ways, found = inputs.fleets(), inputs.ways(), _Found()
    lines = _by(_with_sku(inputs.lines), "shipment_id") if warehouse.pickers else {}
    houses = warehouses_of(inputs.slots, warehouse)
    days = list(_by_day(inputs.shipments))
    for name, rows in days:
        depot = rows[0]["depot_id"]
        try:
            # A feed that states no way of this day is not one that is missing: then ways are assumed.
            stated = None if rows[0]["is_travel_assumed"] else ways.get(name, {})
            day = _DayInputs(name, rows, fleets.get(depot, []), stated, lines)
            found.add(_route_day(day, spec, houses.get(depot, Warehouse(warehouse)), start))
        except (ValueError, ArithmeticError, IndexError) as error:
            found.failed[name] = error
    return {name: table_of_rows(name, rows) for name, rows in found.rows.items()}, _failures(found.failed), len(days)


@dataclass(frozen=True)
class _DayInputs:
    """lines: by shipment."""

    name: str
    shipments: Rows
    fleet: Rows
    ways: Mapping[tuple[str, str], tuple[float, float]] | None
    lines: Mapping[str, Rows]


def _by(rows: Rows, column: str) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for row in rows:
        found.setdefault(row[column], []).append(row)
    return found


def _with_sku(lines: pa.Table) -> Rows:
    rows: Rows = lines.sort_by([("shipment_id", "ascending"), ("unique_id", "ascending")]).to_pylist()
    return [row | {"sku_id": SERIES.split(row["unique_id"])[0]} for row in rows]


def _by_day(shipments: pa.Table) -> Iterator[tuple[str, Rows]]:
    """Depot-days, those with most shipments first."""
    by_day: dict[str, Rows] = {}
    for row in shipments.sort_by([("depot_day_id", "ascending"), ("shipment_id", "ascending")]).to_pylist():
        by_day.setdefault(row["depot_day_id"], []).append(row)
    yield from sorted(by_day.items(), key=lambda item: (-len(item[1]), item[0]))


def _route_day(
    inputs: _DayInputs, spec: FulfilmentSpec, warehouse: Warehouse, start: LearnedStart | None
) -> dict[str, Rows]:
    """The rows of one depot's day."""
    if not inputs.fleet:
        return _without_vehicles(inputs)
    name, weekday = inputs.name, date.fromisoformat(DEPOT_DAY.split(inputs.name)[1]).isoweekday()
    day = depot_day(inputs.shipments, inputs.fleet, inputs.ways, weekday, spec)
    beyond = impossible(day.problem)
    kept = [stop for stop in range(len(day.rows)) if stop not in beyond]
    served = [day.rows[stop] for stop in kept]
    problem = _with_prizes(part_of(day.problem, kept), served)
    effort = RouteEffort.for_stops(len(kept), spec.seed, spec.limit_s)
    effort = replace(effort, iterations=max(round(effort.iterations * spec.effort), 1))
    begin = start.routes(problem, inputs.fleet[0], served) if start and day.is_travel_assumed else []
    plan = _checked(name, problem, improved_routes(problem, effort, begin))
    waves = None
    if warehouse.spec.pickers and plan.routes:
        lines = [inputs.lines[row["shipment_id"]] for row in served]
        waves = waves_of(plan, lines, warehouse)
        if late := waves.late_stops(plan):
            # Once: routes that leave when the loads are ready, and waves for these.
            release_N = problem.release_N.copy()
            release_N[list(late)] = list(late.values())
            problem = replace(problem, release_N=release_N)
            plan = _checked(name, problem, improved_routes(problem, effort, begin))
            waves = waves_of(plan, lines, warehouse)
    left = [(row, "impossible", reason, None) for row, reason in day.refused]
    left += [(day.rows[stop], "impossible", reason, None) for stop, reason in beyond.items()]
    routes = [route_row(name, day, problem, served, number, route) for number, route in enumerate(plan.routes, 1)]
    stops = [
        row
        for of_route, route in zip(routes, plan.routes, strict=True)
        for row in stop_rows(name, of_route["route_id"], served, route)
    ]
    rows = {ROUTE: routes, STOP: stops, DAY: [day_row(name, day, problem, served, plan)]}
    rows[UNSERVED] = [unserved_row(name, *each) for each in [*left, *_left(problem, plan, served, effort)]]
    if waves:
        departs = [plan.routes[route].trip_leave_s[trip] for route, trip in waves.trips]
        slots = warehouse.layout.slot_id_L if warehouse.layout else ()
        rows |= wave_rows(name, waves, departs, served, slots)
    return rows


def _without_vehicles(inputs: _DayInputs) -> dict[str, Rows]:
    first = inputs.shipments[0]
    reason = f"{first['depot_id']} has no vehicle: the feed vehicles names those of other depots; add a row for it"
    costs = ("shipped_qty", "metres", "route_cost", "nearest_neighbour_cost", "savings_cost")
    day = {name: first[name] for name in ("depot_day_id", "depot_id", "ds")} | dict.fromkeys(costs, 0.0)
    day |= {"stop_count": 0, "vehicle_used_count": 0, "is_cut": False, "is_travel_assumed": inputs.ways is None}
    left = [unserved_row(inputs.name, row, "impossible", reason, None) for row in inputs.shipments]
    return {DAY: [day], UNSERVED: left}


def _checked(name: str, problem: DeliveryProblem, plan: RoutePlan) -> RoutePlan:
    """The plan. Raises ValueError where it breaks a rule."""
    if faults := faults_of(problem, plan):
        raise ValueError(f"the routes of {name} break {len(faults)} rules: {'; '.join(faults[:3])}")
    return plan


def _with_prizes(problem: DeliveryProblem, rows: Sequence[Mapping[str, Any]]) -> DeliveryProblem:
    """The problem in which shipments that may wait are optional: what waiting loses, and the detour of the day after
    where no vehicle is likely to go there anyway, is their prize."""
    may_wait = [stop for stop, row in enumerate(rows) if row["wait_until_ds"] is not None and row["visit_share"] > 0]
    if not may_wait:
        return problem
    prize = np.full(len(rows), np.inf)
    everyone = savings(problem)
    for stop in may_wait:
        others = savings(part_of(problem, [each for each in range(len(rows)) if each != stop]))
        detour = max(everyone.cost - others.cost, 0.0)
        prize[stop] = rows[stop]["wait_value"] + (1.0 - rows[stop]["visit_share"]) * detour
    return replace(problem, prize_N=prize)


def _left(
    problem: DeliveryProblem, plan: RoutePlan, rows: Sequence[Mapping[str, Any]], effort: RouteEffort
) -> Iterator[tuple[Mapping[str, Any], str, str, str | None]]:
    """What is not served, why, and what would let it be."""
    for number, stop in enumerate(plan.unserved):
        row = rows[stop]
        if np.isfinite(problem.prize_N[stop]):
            until, loss = row["wait_until_ds"], row["wait_value"]
            words = f"waits until {until}: that is expected to lose {loss:,.2f}, and to bring it today costs more"
            yield row, "waits", words, None
            continue
        change = smallest_change(problem, plan, stop, effort) if number < _EXPLAINED else None
        words = "no vehicle has room or time for it beside the others"
        yield row, "no_room", words, change.words if change else None


def _failures(failed: Mapping[str, Exception]) -> pa.Table:
    text = pa.string()
    return pa.table(
        {
            DEPOT_DAY.id: pa.array(failed, text),
            "error_class": pa.array([type(error).__name__ for error in failed.values()], text),
            "error": pa.array([str(error) for error in failed.values()], text),
            "fallback": pa.array(["none"] * len(failed), text),
        }
    )

"""Rows of routes, stops and what is left, for a bucket of depot-days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.schema.entities import DEPOT_DAY
from lakehouse.schema.tables import table_of_rows
from udfs.fulfilment.depot_day import depot_day, part_of
from udfs.fulfilment.fulfilment_spec import FulfilmentSpec
from udfs.fulfilment.route_rows import day_row, route_row, stop_rows, unserved_row
from udfs.fulfilment.routing.delivery_problem import DeliveryProblem
from udfs.fulfilment.routing.pyvrp_routes import RouteEffort, solve_routes
from udfs.fulfilment.routing.route_check import faults_of
from udfs.fulfilment.routing.route_plan import RoutePlan
from udfs.fulfilment.routing.simple_routes import savings
from udfs.fulfilment.routing.unserved_reason import impossible, smallest_change

ROUTE, STOP, UNSERVED, DAY = "fulfilment.route", "fulfilment.stop", "fulfilment.unserved", "fulfilment.depot_day"
_EXPLAINED = 10  # shipments of a depot's day for which the smallest change is looked for: each takes plans of its own
Rows = list[dict[str, Any]]


@dataclass
class _Found:
    rows: dict[str, Rows] = field(default_factory=lambda: {name: [] for name in (ROUTE, STOP, UNSERVED, DAY)})
    failed: dict[str, Exception] = field(default_factory=dict)


def route_tables(
    shipments: pa.Table, vehicles: pa.Table, legs: pa.Table, spec: FulfilmentSpec
) -> tuple[dict[str, pa.Table], pa.Table, int]:
    """Tables by name, failures by depot-day, and the number of depot-days.

    shipments, vehicles, legs: rows of fulfilment.shipment, .vehicle and .leg. A depot-day whose routes do not pass the
    check, or that raises, fails and costs no other.
    """
    fleet: dict[str, Rows] = {}
    for row in vehicles.sort_by("vehicle_type").to_pylist():
        fleet.setdefault(row["depot_id"], []).append(row)
    ways: dict[str, dict[tuple[str, str], tuple[float, float]]] = {}
    for row in legs.to_pylist():
        key = (row["from_location_id"], row["to_location_id"])
        ways.setdefault(row["depot_day_id"], {})[key] = (row["metres"], row["travel_seconds"])
    found = _Found()
    days = list(_by_day(shipments))
    for name, rows in days:
        try:
            stated = ways.get(name, {}) if legs.num_rows else None
            _route_day(name, rows, fleet.get(rows[0]["depot_id"], []), stated, spec, found)
        except (ValueError, ArithmeticError, IndexError) as error:
            found.failed[name] = error
    tables = {name: table_of_rows(name, rows) for name, rows in found.rows.items()}
    return tables, _failures(found.failed), len(days)


def _by_day(shipments: pa.Table) -> Iterator[tuple[str, Rows]]:
    """Depot-days, those with most shipments first."""
    by_day: dict[str, Rows] = {}
    for row in shipments.sort_by([("depot_day_id", "ascending"), ("shipment_id", "ascending")]).to_pylist():
        by_day.setdefault(row["depot_day_id"], []).append(row)
    yield from sorted(by_day.items(), key=lambda item: (-len(item[1]), item[0]))


def _route_day(
    name: str, rows: Rows, fleet: Rows, ways: Mapping[Any, Any] | None, spec: FulfilmentSpec, found: _Found
) -> None:
    weekday = date.fromisoformat(DEPOT_DAY.split(name)[1]).isoweekday()
    day = depot_day(rows, fleet, ways, weekday, spec)
    beyond = impossible(day.problem)
    kept = [stop for stop in range(len(day.rows)) if stop not in beyond]
    problem = _with_prizes(part_of(day.problem, kept), [day.rows[stop] for stop in kept])
    effort = RouteEffort.for_stops(len(kept), spec.seed, spec.limit_s)
    effort = replace(effort, iterations=max(round(effort.iterations * spec.effort), 1))
    plan = solve_routes(problem, effort)
    if faults := faults_of(problem, plan):
        raise ValueError(f"the routes of {name} break {len(faults)} rules: {'; '.join(faults[:3])}")
    served = [day.rows[stop] for stop in kept]
    left = [(row, "impossible", reason, None) for row, reason in day.refused]
    left += [(day.rows[stop], "impossible", reason, None) for stop, reason in beyond.items()]
    left += list(_left(problem, plan, served, effort))
    found.rows[UNSERVED] += [unserved_row(name, *each) for each in left]
    routes = [route_row(name, day, problem, served, number, route) for number, route in enumerate(plan.routes, 1)]
    found.rows[ROUTE] += routes
    for row, route in zip(routes, plan.routes, strict=True):
        found.rows[STOP] += list(stop_rows(name, row["route_id"], served, route))
    found.rows[DAY].append(day_row(name, day.depot_id, problem, served, plan))


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
        yield row, "no_room", "no vehicle has room or time for it beside the others", change


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

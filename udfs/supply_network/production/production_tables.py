"""From feeds and forecasts to the rows of a production plan."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from udfs.supply_network.production.bill_of_materials import FloatArray, Need, exploded
from udfs.supply_network.production.changeovers import changeovers
from udfs.supply_network.production.lot_problem import OWN_DEMAND, LotProblem, lot_problem
from udfs.supply_network.production.production_plan import Late, ProductionPlan, production_plan
from udfs.supply_network.production.production_spec import ProductionSpec
from udfs.supply_network.production.sequence_model import solver_module
from udfs.supply_network.production.sequence_tables import Rows, sequence_rows
from udfs.supply_network.production.sequenced_lots import Shop
from udfs.supply_network.production.work_calendar import Hours, Periods, hours_of

_DAYS_OF_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class ProductionFeeds:
    """Rows of the feeds, typed: bom, routings, resources, changeovers; demand: sku_id, ds, qty; stock: sku_id, qty."""

    bom: pa.Table
    routings: pa.Table
    resources: pa.Table
    changeovers: pa.Table
    demand: pa.Table
    stock: pa.Table


class ProductionTables(NamedTuple):
    """Rows of network.production_plan, .production_sequence and .exception, without as_of and run_id."""

    plan: Rows
    sequence: Rows
    exceptions: Rows


def plan_production(
    feeds: ProductionFeeds,
    as_of: date,
    horizon: int,
    spec: ProductionSpec,
    tell: Callable[[str], None] = lambda _words: None,
) -> ProductionTables:
    """Lots, their sequence, and what comes late.

    The horizon is cut into whole periods. What the plan is based on and how good it is is told in two lines. Raises
    ValueError for a bill that contains itself, an item without a routing, a routing on a resource without hours, and
    as `changeovers` does.
    """
    periods = Periods(as_of + timedelta(days=1), spec.period_days, max(horizon // spec.period_days, 1))
    hours = hours_of(feeds.resources, periods)
    known = (feeds.resources["resource_id"], feeds.routings["sku_id"])
    matrix = changeovers(feeds.changeovers, *(set(names.to_pylist()) for names in known))
    if matrix.pairs:
        solver_module()  # the plan takes minutes: what is not installed is said before
    problem, daily_ID = _problem(feeds, hours, periods, spec)
    plan = production_plan(problem, spec)
    n_late = len(plan.late)
    tell(
        f"{len(problem.item_I):,} items on {len(problem.resource_R):,} resources in {periods.count} periods of "
        f"{periods.days} days: cost {plan.cost:,.2f}, at most {plan.gap:.1%} above the best; without limits "
        f"{plan.free_cost:,.2f}; {n_late or 'no'} demands late"
    )
    shop = Shop(plan, periods, hours, matrix, _due(plan, daily_ID))
    sequence, broken, words = sequence_rows(shop, spec)
    tell(words)
    return ProductionTables(
        _plan_rows(plan, periods), sequence, [*(_exception(plan, late, periods) for late in plan.late), *broken]
    )


def _problem(
    feeds: ProductionFeeds, hours: Hours, periods: Periods, spec: ProductionSpec
) -> tuple[LotProblem, FloatArray]:
    """The problem, and of each of its items the own demand by day."""
    needs = [Need(r["sku_id"], r["component_sku_id"], float(r["component_qty"])) for r in feeds.bom.to_pylist()]
    routings = {row["sku_id"]: row for row in feeds.routings.to_pylist()}
    bought = {need.component for need in needs} - set(routings)
    if missing := sorted({need.product for need in needs} - set(routings)):
        raise ValueError(
            f"bom: expected a row in routings for each product, found none for {', '.join(missing[:5])}; "
            "add what they are made on, or take their rows out of bom"
        )
    items = sorted([*routings, *bought])
    terms = _terms([routings.get(item, {}) for item in items], items, hours.resource_R, periods, spec)
    terms["stock_I"] = _by_item(feeds.stock, items)
    demand_ID = _demand(feeds.demand, items, periods)
    problem = lot_problem(
        items,
        periods.sums(demand_ID),
        needs,
        terms,
        resource_R=hours.resource_R,
        capacity_RT=periods.sums(hours.capacity_RD),
        overtime_RT=periods.sums(hours.overtime_RD),
        overtime_cost_R=hours.overtime_cost_R,
    )
    rows = [items.index(item.removesuffix(OWN_DEMAND)) for item in problem.item_I]
    return problem, demand_ID[rows] * ~problem.is_component[:, None]


def _due(plan: ProductionPlan, own_ID: FloatArray) -> FloatArray:
    """[I, T] the first day on which stock and earlier lots, in whatever form, no longer do."""
    problem = plan.problem
    wanted_ID = np.cumsum(exploded(own_ID, problem.needs_II), axis=1)
    there_IT = exploded(problem.stock_I[:, None], problem.needs_II) + np.cumsum(plan.lot_IT, axis=1) - plan.lot_IT
    is_short_ITD = wanted_ID[:, None, :] > there_IT[:, :, None] + 1e-6
    return np.where(is_short_ITD.any(axis=-1), is_short_ITD.argmax(axis=-1), np.inf)


def _terms(
    rows: list[dict[str, object]], items: list[str], names: tuple[str, ...], periods: Periods, spec: ProductionSpec
) -> dict[str, FloatArray]:
    for item, row in zip(items, rows, strict=True):
        if row and row["resource_id"] not in names:
            raise ValueError(
                f"routings: expected a resource with hours from {periods.first} to {periods.end(periods.count - 1)}, "
                f"found {row['resource_id']!r} for {item}; add its hours to the feed resources"
            )

    def column(name: str, default: float = 0.0) -> FloatArray:
        return np.array([default if row.get(name) is None else float(row[name]) for row in rows])  # type: ignore[arg-type]

    unit_cost = column("unit_cost", 1.0)
    return {
        "unit_time_I": column("unit_hours"),
        "setup_time_I": column("setup_hours"),
        "setup_cost_I": column("setup_cost"),
        "holding_cost_I": unit_cost * spec.holding_cost_rate * periods.days / _DAYS_OF_YEAR,
        "late_cost_I": unit_cost * spec.late_cost_rate * periods.days,
        "resource_I": np.array([names.index(str(row["resource_id"])) if row else -1 for row in rows]),
    }


def _demand(demand: pa.Table, items: list[str], periods: Periods) -> FloatArray:
    index = {item: row for row, item in enumerate(items)}
    total_ID = np.zeros((len(items), periods.count * periods.days))
    for row in demand.to_pylist():
        day = (row["ds"] - periods.first).days
        if row["sku_id"] in index and 0 <= day < total_ID.shape[1]:
            total_ID[index[row["sku_id"]], day] += row["qty"]
    return total_ID


def _by_item(stock: pa.Table, items: list[str]) -> FloatArray:
    known = dict(zip(stock["sku_id"].to_pylist(), stock["qty"].to_pylist(), strict=True))
    return np.array([max(known.get(item) or 0.0, 0.0) for item in items])


def _plan_rows(plan: ProductionPlan, periods: Periods) -> Rows:
    problem, serves = plan.problem, defaultdict[tuple[int, int], dict[str, float]](dict)
    for peg in plan.pegs:
        serves[peg.item, peg.made][str(periods.start(peg.wanted))] = round(peg.qty, 6)
    rows: Rows = []
    for i, t in np.argwhere((plan.lot_IT > 0) | (plan.free_lot_IT > 0)).tolist():
        if problem.item_I[i].endswith(OWN_DEMAND):
            continue  # it is not made: its component is
        resource = int(problem.resource_I[i])
        hours = problem.unit_time_I[i] * plan.lot_IT[i, t] + problem.setup_time_I[i] * plan.setup_IT[i, t]
        rows.append(
            {
                "sku_id": problem.item_I[i],
                "ds_from": periods.start(t),
                "ds_to": periods.end(t),
                "resource_id": problem.resource_R[resource] if resource >= 0 else None,
                "lot_qty": float(plan.lot_IT[i, t]),
                "lot_hours": float(hours),
                "free_lot_qty": float(plan.free_lot_IT[i, t]),
                "serves": json.dumps(serves[i, t]),
                "plan_cost": plan.cost,
                "plan_gap": plan.gap,
            }
        )
    return rows


def _exception(plan: ProductionPlan, late: Late, periods: Periods) -> dict[str, object]:
    problem = plan.problem
    made = [peg for peg in plan.pegs if (peg.item, peg.wanted) == (late.item, late.wanted) and peg.made > peg.wanted]
    full = [f"{problem.resource_R[r]} {periods.span(a, b)}" for r, a, b in late.full]
    sku = problem.item_I[late.item].removesuffix(OWN_DEMAND)
    parts = [(late.late_qty, "later"), (late.unmet_qty, f"not before {periods.end(periods.count - 1)}")]
    said = " and ".join(f"{qty:,.6g} come {when}" for qty, when in parts if qty > 1e-6)
    why = f"no hours are left on {', '.join(full)}" if full else "no resource is full, but what is made earlier"
    return {
        "sku_id": sku,
        "ds_from": periods.start(late.wanted),
        "ds_to": periods.end(late.wanted),
        "exception_kind": "late_demand",
        "late_qty": late.late_qty,
        "unmet_qty": late.unmet_qty,
        "made_in": json.dumps({str(periods.start(peg.made)): round(peg.qty, 6) for peg in made}),
        "binds": "; ".join(full) or None,
        "words": f"of {sku}, wanted by {periods.end(late.wanted)}, {said}: {why}",
    }

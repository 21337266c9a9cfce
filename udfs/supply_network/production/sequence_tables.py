"""Rows of network.production_sequence, and of network.exception where a sequence breaks what the plan promised."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial

import numpy as np

from udfs.supply_network.production.lot_sequence import by_due_date
from udfs.supply_network.production.production_spec import ProductionSpec
from udfs.supply_network.production.sequence_model import best_sequence
from udfs.supply_network.production.sequenced_lots import ResourceSequence, Shop, sequenced, waiting

Rows = list[dict[str, object]]


def sequence_rows(shop: Shop, spec: ProductionSpec, as_of: date) -> tuple[Rows, Rows, str]:
    """The sequence, its exceptions, and both in a sentence. By due date where the shop has no matrix."""
    is_told = bool(shop.matrix.pairs)
    solve = partial(best_sequence, work=spec.sequence_work, seed=spec.seed) if is_told else by_due_date
    found = sequenced(shop, solve)
    rows = [row for each in found for row in _rows(shop, each, as_of)]
    late = [row for each in found for row in _late_lots(shop, each, as_of)]
    missed = [_missed(shop, i, t, parts, as_of) for (i, t), parts in waiting(shop, found).items()]
    hours = sum(float(each.sequence.setup_hours.sum()) for each in found)
    planned = sum(float(shop.plan.problem.setup_time_I[each.item_J].sum()) for each in found)
    gap = max((each.sequence.gap or 0.0 for each in found), default=0.0)
    how = f"set-ups at most {gap:.1%} above the least" if is_told else "by due date, for no feed states changeovers"
    return (
        rows,
        [*late, *missed],
        f"{len(rows):,} lots in sequence, {how}: set-ups take {hours:,.4g} hours, the plan reckons with "
        f"{planned:,.4g}; {len(late) or 'no'} lots end after their period, {len(missed) or 'no'} begin before a "
        "component is made",
    )


def _rows(shop: Shop, found: ResourceSequence, as_of: date) -> Rows:
    problem, sequence, name_I = shop.plan.problem, found.sequence, shop.plan.problem.item_I
    resource, rows, counts = problem.resource_R[found.resource], [], dict[int, int]()
    for lot in sequence.order_J:
        item, t, previous = int(found.item_J[lot]), int(sequence.problem.period_J[lot]), int(sequence.previous_J[lot])
        before = name_I[found.item_J[previous]] if previous >= 0 else None
        setup = shop.matrix.setup(resource, before, name_I[item], shop.own_setup(item))
        counts[t] = counts.get(t, 0) + 1
        due = float(shop.due_IT[item, t])
        rows.append(
            {
                "as_of": as_of,
                "resource_id": resource,
                "ds_from": shop.periods.start(t),
                "ds_to": shop.periods.end(t),
                "position": counts[t],
                "sku_id": name_I[item],
                "from_sku_id": before,
                "lot_qty": float(shop.plan.lot_IT[item, t]),
                "setup_hours": setup.hours,
                "setup_cost": setup.cost,
                "setup_source": setup.source,
                "start_hours": float(sequence.start_J[lot]),
                "end_hours": float(sequence.end_J[lot]),
                "done_ds": _day(shop, t, float(found.done_J[lot])),
                "due_ds": shop.periods.first + timedelta(days=int(due)) if np.isfinite(due) else None,
                "sequence_gap": sequence.gap,
            }
        )
    return rows


def _day(shop: Shop, period: int, day: float) -> date:
    """On which so many days of a period are over; its last one where the lot takes longer."""
    return shop.periods.start(period) + timedelta(days=max(int(np.ceil(day - 1e-9)) - 1, 0))


def _late_lots(shop: Shop, found: ResourceSequence, as_of: date) -> Rows:
    problem, sequence, rows = found.sequence.problem, found.sequence, []
    name = shop.plan.problem.resource_R[found.resource]
    for lot in np.flatnonzero(sequence.over_hours > 1e-6):
        item, t = int(found.item_J[lot]), int(problem.period_J[lot])
        of = problem.period_J == t
        setup, run = float(sequence.setup_hours[of].sum()), float(problem.run_J[of].sum())
        planned = float(shop.plan.problem.setup_time_I[found.item_J[of]].sum())
        waits = float(sequence.end_J[of].max()) - setup - run
        short = float(shop.plan.lot_IT[item, t]) * min(float(sequence.over_hours[lot] / problem.run_J[lot]), 1.0)
        words = (
            f"{name} has {problem.limit_T[t]:,.4g} hours, and its lots end after {sequence.end_J[of].max():,.4g}: "
            f"set-ups take {setup:,.4g}, where the plan reckons with {planned:,.4g}, waits for components {waits:,.4g}"
        )
        rows.append(_exception(shop, item, t, short, "late_lot", f"{name} {shop.periods.span(t, t)}", words, as_of))
    return rows


def _missed(shop: Shop, item: int, period: int, components: list[int], as_of: date) -> dict[str, object]:
    names = ", ".join(shop.plan.problem.item_I[component] for component in components)
    words = f"the lot begins before what goes into it is made: {names}"
    return _exception(shop, item, period, float(shop.plan.lot_IT[item, period]), "late_component", None, words, as_of)


def _exception(
    shop: Shop, item: int, period: int, qty: float, kind: str, binds: str | None, why: str, as_of: date
) -> dict[str, object]:
    sku = shop.plan.problem.item_I[item]
    return {
        "as_of": as_of,
        "sku_id": sku,
        "ds_from": shop.periods.start(period),
        "ds_to": shop.periods.end(period),
        "exception_kind": kind,
        "late_qty": qty,
        "unmet_qty": 0.0,
        "made_in": None,
        "binds": binds,
        "words": f"of {sku}, planned {shop.periods.span(period, period)}, {qty:,.6g} are not ready in time: {why}",
    }

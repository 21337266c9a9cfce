"""Rows of network.production_sequence, and of network.exception where a sequence breaks what the plan promised."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from functools import partial

import numpy as np

from udfs.supply_network.production.lot_sequence import LotSequence, by_due_date
from udfs.supply_network.production.production_spec import ProductionSpec
from udfs.supply_network.production.sequence_model import best_sequence
from udfs.supply_network.production.sequenced_lots import Lot, Made, Shop, sequenced

Rows = list[dict[str, object]]


def sequence_rows(shop: Shop, spec: ProductionSpec) -> tuple[Rows, Rows, str]:
    """The sequence, its exceptions, and both in a sentence. By due date where the shop has no matrix."""
    is_told = bool(shop.matrix.pairs)
    found, made = sequenced(
        shop, partial(best_sequence, work=spec.sequence_work, seed=spec.seed) if is_told else by_due_date
    )
    rows = [row for resource, each in found.items() for row in _rows(shop, resource, *each, made)]
    late = [row for resource, each in found.items() for row in _late_lots(shop, resource, *each)]
    missed = _late_components(shop, made)
    hours = sum(float(sequence.setup_hours.sum()) for _, sequence in found.values())
    planned = float(sum(shop.plan.problem.setup_time_I[item] for item, _ in made))
    gap = max((sequence.gap or 0.0 for _, sequence in found.values()), default=0.0)
    how = f"set-ups at most {gap:.1%} above the least" if is_told else "by due date, for no feed states changeovers"
    words = (
        f"{len(rows):,} lots in sequence, {how}: set-ups take {hours:,.4g} hours, {planned:,.4g} in the plan; "
        f"{len(late) or 'no'} lots end after their period, {len(missed) or 'no'} begin before a component is made"
    )
    return rows, [*late, *missed], words


def _rows(shop: Shop, resource: int, lots: list[Lot], sequence: LotSequence, made: dict[Lot, Made]) -> Rows:
    name, item_I = shop.plan.problem.resource_R[resource], shop.plan.problem.item_I
    rows, count = Rows(), defaultdict[int, int](int)
    for row in sequence.order_J:
        (item, t), last = lots[row], sequence.previous_J[row]
        before = item_I[lots[last][0]] if last >= 0 else None
        hours, cost, source = shop.matrix.setup(name, before, item_I[item], shop.own_setup(item))
        count[t] += 1
        days, due = int(np.ceil(made[item, t].done - 1e-9)), shop.due_IT[item, t]
        rows.append(
            {
                "resource_id": name,
                "ds_from": shop.periods.start(t),
                "ds_to": shop.periods.end(t),
                "position": count[t],
                "sku_id": item_I[item],
                "from_sku_id": before,
                "lot_qty": float(shop.plan.lot_IT[item, t]),
                "setup_hours": hours,
                "setup_cost": cost,
                "setup_source": source,
                "start_hours": float(sequence.start_J[row]),
                "end_hours": float(sequence.end_J[row]),
                "done_ds": shop.periods.start(t) + timedelta(days=max(days - 1, 0)),
                "due_ds": shop.periods.first + timedelta(days=int(due)) if np.isfinite(due) else None,
                "sequence_gap": sequence.gap,
            }
        )
    return rows


def _late_lots(shop: Shop, resource: int, lots: list[Lot], sequence: LotSequence) -> Rows:
    problem, name, rows = sequence.problem, shop.plan.problem.resource_R[resource], Rows()
    for row in np.flatnonzero(sequence.over_hours > 1e-6):
        (item, t), of = lots[row], problem.period_J == problem.period_J[row]
        end, setup = sequence.end_J[of].max(), sequence.setup_hours[of].sum()
        planned = sum(shop.plan.problem.setup_time_I[i] for i, period in lots if period == t)
        why = (
            f"{name} has {problem.limit_T[t]:,.4g} hours, its lots end after {end:,.4g}: set-ups take {setup:,.4g}, in "
            f"the plan {planned:,.4g}, waits for components {end - setup - problem.run_J[of].sum():,.4g}"
        )
        share = min(float(sequence.over_hours[row] / max(problem.run_J[row], 1e-12)), 1.0)
        rows.append(_exception(shop, (item, t), share, "late_lot", f"{name} {shop.periods.span(t, t)}", why))
    return rows


def _late_components(shop: Shop, made: dict[Lot, Made]) -> Rows:
    missed = defaultdict[Lot, list[str]](list)
    for component, product, t in shop.waits:
        if made[component, t].done > made[product, t].runs + 1e-6:
            missed[product, t].append(shop.plan.problem.item_I[component])
    why = "the lot begins before what goes into it is made: "
    return [_exception(shop, lot, 1.0, "late_component", None, why + ", ".join(of)) for lot, of in missed.items()]


def _exception(shop: Shop, lot: Lot, share: float, kind: str, binds: str | None, why: str) -> dict[str, object]:
    sku, span, qty = shop.plan.problem.item_I[lot[0]], (lot[1], lot[1]), float(shop.plan.lot_IT[lot]) * share
    return {
        "sku_id": sku,
        "ds_from": shop.periods.start(lot[1]),
        "ds_to": shop.periods.end(lot[1]),
        "exception_kind": kind,
        "late_qty": qty,
        "unmet_qty": 0.0,
        "made_in": None,
        "binds": binds,
        "words": f"of {sku}, planned {shop.periods.span(*span)}, {qty:,.6g} are not ready in time: {why}",
    }

"""Order: what the policies want becomes what is ordered, of chosen suppliers and depots, within the day's limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.stage import THIS, Read, Sum, UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.inventory.planning_reads import PROPOSAL, STEP
from lakehouse.delta.decisions import TABLE as DECISIONS
from lakehouse.delta.decisions import decisions_for
from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import contract
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.order_bucket import cut_of, order_bucket
from udfs.inventory.orders.budget_cut import Cut
from udfs.inventory.orders.decided_orders import decided_value, orders_of, with_decisions
from udfs.inventory.orders.purchased_orders import (
    ALLOCATION,
    PURCHASE,
    bought_value,
    put_off,
    suppliers_of,
    with_allocations,
    with_purchases,
)

if TYPE_CHECKING:
    from jobs.context import RunContext

_ORDER_PLAN, _POLICY = "inventory.order_plan", "inventory.policy"


@dataclass(frozen=True, slots=True)
class OrderParameters:
    """`cut`: which packs of all series the budget and the capacity leave; None where there is no limit. `decisions`:
    the planners' of the day. `waiting`: series whose purchases the limits do not hold."""

    cut: Cut | None
    decisions: pa.Table = field(default_factory=lambda: contract(DECISIONS).empty(with_partitions=True))
    waiting: frozenset[str] = frozenset()


def kernel(inputs: dict[str, pa.Table], parameters: OrderParameters) -> KernelResult:
    """One bucket of proposals to order lines."""
    purchase = inputs.get(PURCHASE)
    plan = order_bucket(inputs[PROPOSAL], inputs[STEP], parameters.cut)
    plan = with_purchases(plan, inputs[PROPOSAL], purchase, parameters.waiting)
    plan = with_allocations(plan, inputs.get(ALLOCATION), purchase)
    plan = with_decisions(plan, parameters.decisions, inputs[_POLICY])
    plan = plan.append_column("supplier_id", suppliers_of(plan, purchase))
    return KernelResult({_ORDER_PLAN: plan}, ids=plan.num_rows)


def parameters(context: RunContext, sums: Mapping[str, Any]) -> OrderParameters:
    return order_parameters(context.settings.inventory, sums, _decisions(context))


def order_parameters(spec: InventorySpec, sums: Mapping[str, Any], decisions: pa.Table) -> OrderParameters:
    """Only the cut looks at all series at once. `decisions`: rows of planner.decision that count on the day."""
    proposal = sums[_PROPOSALS.key]
    if proposal is None:
        return OrderParameters(None, decisions)
    # What planners set is ordered first, then what is bought of chosen suppliers; the others share what these leave.
    limits = _left((spec.budget, spec.capacity_qty), decided_value(decisions, sums[_COSTS.key]))
    of_planners = orders_of(decisions)
    proposal, steps = (_without(sums[each.key], of_planners) for each in (_PROPOSALS, _STEPS))
    purchase, waiting = sums[_PURCHASES.key], frozenset[str]()
    if purchase is not None:
        purchase = _without(purchase, of_planners)
        waiting = put_off(purchase, proposal, *limits)
        limits = _left(limits, bought_value(purchase, waiting))
        proposal, steps = _without(proposal, purchase), _without(steps, purchase)
    return OrderParameters(cut_of(proposal, steps, *limits), decisions, waiting)


def _left(limits: tuple[float, float], taken: tuple[float, float]) -> tuple[float, float]:
    return max(limits[0] - taken[0], 0.0), max(limits[1] - taken[1], 0.0)


def _decisions(context: RunContext) -> pa.Table:
    return decisions_for(context.lakehouse, context.as_of)


def _without(rows: pa.Table, others: pa.Table) -> pa.Table:
    """Rows of the series that the others have none of."""
    return rows.filter(pc.invert(pc.is_in(rows["unique_id"], others["unique_id"].combine_chunks())))


def _has_limit(context: RunContext) -> bool:
    spec = context.settings.inventory
    return not (math.isinf(spec.budget) and math.isinf(spec.capacity_qty))


def _has_purchases(context: RunContext) -> bool:
    return _has_limit(context) and context.lakehouse.exists(PURCHASE)


def _all_rows(rows: pa.Table) -> pa.Table:
    return rows


_WEIGHED = ("unique_id", "order_value", "order_qty", "expected_value", "days_of_cover")
_PROPOSALS = Sum(PROPOSAL, _all_rows, columns=_WEIGHED, when=_has_limit)
_COSTS = Sum(_POLICY, _all_rows, columns=("unique_id", "unit_cost"), when=_has_limit)
_PURCHASES = Sum(PURCHASE, _all_rows, columns=("unique_id", "purchase_value", "purchase_qty"), when=_has_purchases)
_STEPS = Sum(STEP, _all_rows, columns=contract(STEP).file_columns(), when=_has_limit)
STAGE = UnitStage(
    name="order",
    version=7,
    unit=SERIES,
    engine="local",
    reads=(
        Read(PROPOSAL, contract(PROPOSAL).file_columns(), run=THIS),
        Read(STEP, contract(STEP).file_columns(), run=THIS),
        Read(_POLICY, ("unique_id", "unit_cost", "lead_time_days"), run=THIS),
        Read(PURCHASE, contract(PURCHASE).file_columns(), run=THIS),
        Read(ALLOCATION, contract(ALLOCATION).file_columns(), run=THIS),
    ),
    sums=(_PROPOSALS, _STEPS, _COSTS, _PURCHASES),
    writes=(_ORDER_PLAN,),
    settings=("inventory",),
    identity=lambda context: sorted(_decisions(context)["decision_id"].to_pylist()),
    kernel=kernel,
    parameters=parameters,
    promise=(PROPOSAL, _ORDER_PLAN),
)

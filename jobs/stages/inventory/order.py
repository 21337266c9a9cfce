"""Order: what the policies want becomes what is ordered, within the day's budget and capacity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.stage import THIS, Read, Sum, UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.inventory.planning_reads import PROPOSAL, STEP
from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import contract
from udfs.inventory.kernels.order_bucket import cut_of, order_bucket
from udfs.inventory.orders.budget_cut import Cut

if TYPE_CHECKING:
    from jobs.context import RunContext

_ORDER_PLAN = "inventory.order_plan"


@dataclass(frozen=True, slots=True)
class OrderParameters:
    """`cut`: which packs of all series the budget and the capacity leave; None where there is no limit."""

    cut: Cut | None


def kernel(inputs: dict[str, pa.Table], parameters: OrderParameters) -> KernelResult:
    """One bucket of proposals to order lines."""
    plan = order_bucket(inputs[PROPOSAL], inputs[STEP], parameters.cut)
    return KernelResult({_ORDER_PLAN: plan}, ids=plan.num_rows)


def parameters(context: RunContext, sums: Mapping[str, Any]) -> OrderParameters:
    """Only the cut looks at all series at once."""
    spec, proposal = context.settings.inventory, sums[_PROPOSALS.key]
    return OrderParameters(
        None if proposal is None else cut_of(proposal, sums[_STEPS.key], spec.budget, spec.capacity_qty)
    )


def _has_limit(context: RunContext) -> bool:
    spec = context.settings.inventory
    return not (math.isinf(spec.budget) and math.isinf(spec.capacity_qty))


def _all_rows(rows: pa.Table) -> pa.Table:
    return rows


_PROPOSALS = Sum(PROPOSAL, _all_rows, columns=("order_value", "order_qty", "expected_value"), when=_has_limit)
_STEPS = Sum(STEP, _all_rows, columns=contract(STEP).file_columns(), when=_has_limit)
STAGE = UnitStage(
    name="order",
    version=5,
    unit=SERIES,
    engine="local",
    reads=(
        Read(PROPOSAL, contract(PROPOSAL).file_columns(), run=THIS),
        Read(STEP, contract(STEP).file_columns(), run=THIS),
    ),
    sums=(_PROPOSALS, _STEPS),
    writes=(_ORDER_PLAN,),
    settings=("inventory",),
    kernel=kernel,
    parameters=parameters,
    promise=(PROPOSAL, _ORDER_PLAN),
)

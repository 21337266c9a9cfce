"""Purchase: from which supplier each article is bought, how often, and what is bought today.

It needs the feed `suppliers`, and `supply` with the suppliers of each article; without them it does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.stage import THIS, Read, UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.supply_network.supply_network_settings import PURCHASE
from jobs.stages.supply_network.unit_failures import failure_rows
from lakehouse.schema.codes import OTHER_CANDIDATES
from lakehouse.schema.entities import WHOLE
from lakehouse.schema.tables import contract
from udfs.inventory.inventory_spec import InventorySpec
from udfs.supply_network.purchase_spec import PurchaseSpec
from udfs.supply_network.purchase_tables import ORDER, PLAN, purchase_tables

if TYPE_CHECKING:
    from jobs.context import RunContext

_OFFER, _SUPPLIER = "silver.offer", "silver.supplier"
_POLICY, _PROPOSAL = "inventory.policy", "inventory.order_proposal"


@dataclass(frozen=True, slots=True)
class PurchaseParameters:
    spec: InventorySpec
    purchase: PurchaseSpec
    as_of: date


def kernel(inputs: dict[str, pa.Table], parameters: PurchaseParameters, _unit: str) -> KernelResult:
    """All series that suppliers offer, at once: they share suppliers' orders and limits."""
    plan, orders, failures = purchase_tables(
        offer=inputs[_OFFER],
        supplier=inputs[_SUPPLIER],
        policy=inputs[_POLICY],
        proposal=inputs[_PROPOSAL],
        as_of=parameters.as_of,
        spec=parameters.spec,
        purchase=parameters.purchase,
    )
    known = set(plan["unique_id"].to_pylist())
    found = failure_rows(failures, dict.fromkeys(known, OTHER_CANDIDATES))
    return KernelResult({PLAN: plan, ORDER: orders}, failures=found, ids=len(known.union(found["id"].to_pylist())))


def parameters(context: RunContext, _sums: Mapping[str, Any]) -> PurchaseParameters:
    return PurchaseParameters(context.settings.inventory, PURCHASE.of(context.settings), context.as_of)


STAGE = UnitStage(
    name="purchase",
    unit=WHOLE,
    engine="local",
    reads=(
        Read(_OFFER, contract(_OFFER).file_columns()),
        Read(_SUPPLIER, contract(_SUPPLIER).columns),
        Read(_POLICY, contract(_POLICY).file_columns(), run=THIS),
        Read(_PROPOSAL, contract(_PROPOSAL).file_columns(), run=THIS),
    ),
    writes=(PLAN, ORDER),
    settings=("inventory", "purchase"),
    ignores=("inventory.budget", "inventory.capacity_qty"),
    libraries=("scipy",),
    kernel=kernel,
    parameters=parameters,
)

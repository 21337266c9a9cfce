"""Purchase: from which supplier each article is bought, how often, and what is bought today.

It needs the feed `suppliers`, and `supply` with the suppliers of each article; or, where there is none, the terms that
a network's file states, which are marked as assumed. Without either it does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.stage import THIS, Read, UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.supply_network.network_file import network_digest, network_of
from jobs.stages.supply_network.supply_network_settings import PURCHASE
from jobs.stages.supply_network.unit_failures import failure_rows
from lakehouse.schema.codes import OTHER_CANDIDATES
from lakehouse.schema.entities import WHOLE
from lakehouse.schema.tables import contract
from udfs.inventory.inventory_spec import InventorySpec
from udfs.supply_network.assumed_offers import assumed_offers
from udfs.supply_network.network_map import NetworkMap
from udfs.supply_network.purchase_spec import PurchaseSpec
from udfs.supply_network.purchase_tables import ORDER, PLAN, purchase_tables

if TYPE_CHECKING:
    from jobs.context import RunContext

_OFFER, _SUPPLIER = "silver.offer", "silver.supplier"
_POLICY, _PROPOSAL = "inventory.policy", "inventory.order_proposal"
_PRODUCTS, _LOCATIONS = "silver.products", "silver.locations"


@dataclass(frozen=True, slots=True)
class PurchaseParameters:
    """`network`: whose terms stand in for the feeds; None where these are delivered."""

    spec: InventorySpec
    purchase: PurchaseSpec
    as_of: date
    network: NetworkMap | None = None


def kernel(inputs: dict[str, pa.Table], parameters: PurchaseParameters, _unit: str) -> KernelResult:
    """All series that suppliers offer, at once: they share suppliers' orders and limits."""
    offer, supplier = inputs[_OFFER], inputs[_SUPPLIER]
    if parameters.network is not None:
        places = inputs[_PRODUCTS], inputs[_LOCATIONS]
        offer, supplier = assumed_offers(parameters.network, inputs[_POLICY], *places)
    plan, orders, failures = purchase_tables(
        offer=offer,
        supplier=supplier,
        is_assumed=parameters.network is not None,
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
    settings = context.settings
    return PurchaseParameters(settings.inventory, PURCHASE.of(settings), context.as_of, _assumed(context))


def _has_offers(context: RunContext) -> bool:
    return context.lakehouse.has_rows(_OFFER)


def _assumed(context: RunContext) -> NetworkMap | None:
    network = None if _has_offers(context) else network_of(context)
    return network if network is not None and network.has_terms else None


def _units(context: RunContext) -> list[str]:
    return [WHOLE.name] if _has_offers(context) or _assumed(context) else []


def _identity(context: RunContext) -> str:
    return network_digest(context) if _assumed(context) else ""


STAGE = UnitStage(
    name="purchase",
    version=3,
    unit=WHOLE,
    units=_units,
    engine="local",
    reads=(
        Read(_POLICY, contract(_POLICY).file_columns(), run=THIS),
        Read(_OFFER, contract(_OFFER).file_columns()),
        Read(_SUPPLIER, contract(_SUPPLIER).columns),
        Read(_PROPOSAL, contract(_PROPOSAL).file_columns(), run=THIS),
        Read(_PRODUCTS, ("sku_id", "department")),
        Read(_LOCATIONS, ("location_id", "region")),
    ),
    writes=(PLAN, ORDER),
    settings=("inventory", "purchase", "network_plan"),
    ignores=("inventory.budget", "inventory.capacity_qty"),
    libraries=("scipy",),
    identity=_identity,
    kernel=kernel,
    parameters=parameters,
)

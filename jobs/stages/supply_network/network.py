"""Network: base-stock levels at depots and locations, and what each depot allocates today.

It needs a file of the network (`network_plan.file`); without one it does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.stage import THIS, Read, UnitStage, until_as_of
from jobs.engine.task import KernelResult
from jobs.stages.supply_network.network_file import network_digest, network_of
from jobs.stages.supply_network.supply_network_settings import NETWORK
from jobs.stages.supply_network.unit_failures import failure_rows
from lakehouse.schema.entities import WHOLE
from lakehouse.schema.tables import contract
from udfs.inventory.inventory_spec import InventorySpec
from udfs.supply_network.network_map import NetworkMap
from udfs.supply_network.network_tables import ALLOCATION, LEVEL, network_tables

if TYPE_CHECKING:
    from jobs.context import RunContext

_POLICY, _PROPOSAL = "inventory.policy", "inventory.order_proposal"
_PRODUCTS, _LOCATIONS, _STOCK = "silver.products", "silver.locations", "silver.stock"


@dataclass(frozen=True, slots=True)
class NetworkParameters:
    """`network`: None where the settings name none, and no unit asks for it."""

    network: NetworkMap | None
    spec: InventorySpec


def kernel(inputs: dict[str, pa.Table], parameters: NetworkParameters, _unit: str) -> KernelResult:
    """All articles of all depots at once."""
    assert parameters.network is not None
    levels, shares, failures = network_tables(
        parameters.network,
        policy=inputs[_POLICY],
        proposal=inputs[_PROPOSAL],
        products=inputs[_PRODUCTS],
        locations=inputs[_LOCATIONS],
        stock=inputs[_STOCK],
        spec=parameters.spec,
    )
    return KernelResult({LEVEL: levels, ALLOCATION: shares}, failures=failure_rows(failures, {}), ids=shares.num_rows)


def parameters(context: RunContext, _sums: Mapping[str, Any]) -> NetworkParameters:
    return NetworkParameters(network_of(context), context.settings.inventory)


def _units(context: RunContext) -> list[str]:
    return [WHOLE.name] if NETWORK.of(context.settings).file else []


def _identity(context: RunContext) -> str:
    return network_digest(context)


STAGE = UnitStage(
    name="network",
    unit=WHOLE,
    units=_units,
    engine="local",
    reads=(
        Read(_POLICY, contract(_POLICY).file_columns(), run=THIS),
        Read(_PROPOSAL, contract(_PROPOSAL).file_columns(), run=THIS),
        Read(_PRODUCTS, ("sku_id", "department")),
        Read(_LOCATIONS, ("location_id", "region")),
        Read(_STOCK, ("unique_id", "ds", "on_hand_qty"), days=until_as_of),
    ),
    writes=(LEVEL, ALLOCATION),
    settings=("inventory", "network_plan"),
    ignores=("inventory.budget", "inventory.capacity_qty"),
    identity=_identity,
    kernel=kernel,
    parameters=parameters,
)

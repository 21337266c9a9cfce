"""Network: base-stock levels at depots and locations, and what each depot allocates today.

It needs a file of the network (`network_plan.file`); without one it does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.hashing import digest
from jobs.engine.stage import THIS, Read, UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.supply_network.supply_network_settings import NETWORK
from jobs.stages.supply_network.unit_failures import failure_rows
from lakehouse.errors import ConfigError
from lakehouse.schema.entities import WHOLE
from lakehouse.schema.tables import contract
from lakehouse.toml_file import TomlFile
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
    return NetworkParameters(network_of(context) if _units(context) else None, context.settings.inventory)


def network_of(context: RunContext) -> NetworkMap:
    """The network that the settings name. Raises ConfigError that names the file and what is wrong with it."""
    path = _path(context)
    try:
        return NetworkMap.of(TomlFile.read(path).values)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _path(context: RunContext) -> Path:
    from jobs.settings import conf_dir

    name = NETWORK.of(context.settings).file
    path = Path(name) if name.endswith(".toml") else conf_dir() / "networks" / f"{name}.toml"
    if not path.is_file():
        raise ConfigError(
            f"network_plan.file: expected a name in conf/networks or the path of a .toml file, found {name!r}"
        )
    return path


def _units(context: RunContext) -> list[str]:
    return [WHOLE.name] if NETWORK.of(context.settings).file else []


def _identity(context: RunContext) -> str:
    return digest(_path(context).read_text(encoding="utf-8")) if _units(context) else ""


def _until_as_of(context: RunContext) -> tuple[None, Any]:
    return None, context.as_of


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
        Read(_STOCK, ("unique_id", "ds", "on_hand_qty"), days=_until_as_of),
    ),
    writes=(LEVEL, ALLOCATION),
    settings=("inventory", "network_plan"),
    ignores=("inventory.budget", "inventory.capacity_qty"),
    identity=_identity,
    kernel=kernel,
    parameters=parameters,
)

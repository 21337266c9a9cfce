"""Route: the shipments of each depot's day become routes with times, or are left with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from udfs.fulfilment.route_tables import DAY, ROUTE, STOP, UNSERVED, route_tables

from jobs.engine.stage import THIS, Needs, Read, UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.fulfilment.fulfilment_settings import FULFILMENT
from lakehouse.errors import ConfigError
from lakehouse.schema.entities import DEPOT_DAY
from lakehouse.schema.tables import contract
from udfs.fulfilment.fulfilment_spec import FulfilmentSpec

if TYPE_CHECKING:
    from jobs.context import RunContext

_SHIPMENT, _VEHICLE, _LEG = "fulfilment.shipment", "fulfilment.vehicle", "fulfilment.leg"


def kernel(inputs: dict[str, pa.Table], spec: FulfilmentSpec) -> KernelResult:
    """One bucket of depot-days."""
    tables, failures, count = route_tables(inputs[_SHIPMENT], inputs[_VEHICLE], inputs[_LEG], spec)
    return KernelResult(tables, failures=failures, ids=count)


def parameters(context: RunContext, _sums: Mapping[str, Any]) -> FulfilmentSpec:
    if context.lakehouse.has_rows(_SHIPMENT):
        _require_solver()
    return FULFILMENT.of(context.settings)


def _require_solver() -> None:
    try:
        import pyvrp  # noqa: F401  kernels need it, on whatever machine
    except ImportError:
        raise ConfigError(
            "route: expected the package pyvrp, which plans routes, found none; pip install 'shelfcast[fulfilment]'"
        ) from None


STAGE = UnitStage(
    name="route",
    unit=DEPOT_DAY,
    reads=(
        Read(_SHIPMENT, contract(_SHIPMENT).file_columns(), run=THIS),
        Read(_VEHICLE, contract(_VEHICLE).file_columns(), run=THIS),
        Read(_LEG, contract(_LEG).file_columns(), run=THIS),
    ),
    writes=(ROUTE, STOP, UNSERVED, DAY),
    settings=("fulfilment",),
    libraries=("pyvrp",),
    kernel=kernel,
    parameters=parameters,
    promise=(_SHIPMENT, DAY),
    needs=Needs(timeout_minutes=240),
)

"""Route: the shipments of each depot's day become routes with times and waves, or are left with the reason.

Routes ask for waves, and waves that are late for other routes: so the two are one stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.stage import THIS, Needs, Read, UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.fulfilment.fulfilment_settings import FULFILMENT, WAREHOUSE
from lakehouse.errors import ConfigError
from lakehouse.schema.entities import DEPOT_DAY
from lakehouse.schema.tables import contract
from udfs.fulfilment.fulfilment_spec import FulfilmentSpec
from udfs.fulfilment.route_tables import DAY, WRITTEN, RouteInputs, route_tables
from udfs.fulfilment.warehouse_spec import WarehouseSpec

if TYPE_CHECKING:
    from jobs.context import RunContext
    from udfs.fulfilment.learned.learned_start import LearnedStart

_SHIPMENT, _LINE, _VEHICLE = "fulfilment.shipment", "fulfilment.shipment_line", "fulfilment.vehicle"
_LEG, _SLOT = "fulfilment.leg", "fulfilment.slot"
_READ = (_SHIPMENT, _LINE, _VEHICLE, _LEG, _SLOT)
_POLICY, _METHOD = "fulfilment.route_policy", "fulfilment.route_method"


@dataclass(frozen=True, slots=True)
class RouteParameters:
    spec: FulfilmentSpec
    warehouse: WarehouseSpec


def kernel(inputs: dict[str, pa.Table], parameters: RouteParameters) -> KernelResult:
    """One bucket of depot-days."""
    tables, failures, count = route_tables(
        RouteInputs(*(inputs[name] for name in _READ)), parameters.spec, parameters.warehouse, _start(inputs)
    )
    return KernelResult(tables, failures=failures, ids=count)


def _start(inputs: dict[str, pa.Table]) -> LearnedStart | None:
    if not inputs[_POLICY].num_rows:
        return None
    from udfs.fulfilment.learned.learned_start import LearnedStart  # torch, which few runs need here

    return LearnedStart.of(inputs[_POLICY], inputs[_METHOD])


def parameters(context: RunContext, _sums: Mapping[str, Any]) -> RouteParameters:
    if context.lakehouse.has_rows(_SHIPMENT):
        _require_solver()
    return RouteParameters(FULFILMENT.of(context.settings), WAREHOUSE.of(context.settings))


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
        *(Read(name, contract(name).file_columns(), run=THIS) for name in _READ),
        Read(_POLICY, ("weights", "run_id"), whole=True, is_past=True),
        Read(_METHOD, ("size_class", "is_used_as_start", "run_id"), whole=True, is_past=True),
    ),
    writes=WRITTEN,
    settings=("fulfilment", "warehouse"),
    libraries=("pyvrp", "ortools"),
    kernel=kernel,
    parameters=parameters,
    promise=(_SHIPMENT, DAY),
    needs=Needs(timeout_minutes=240),
)

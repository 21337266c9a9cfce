"""Slot: which articles should lie elsewhere in each depot's warehouse; looked for on one weekday."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.stage import THIS, Read, UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.fulfilment.fulfilment_settings import WAREHOUSE
from lakehouse.schema.entities import WHOLE
from lakehouse.schema.tables import contract
from udfs.fulfilment.slot_tables import SLOT_MOVE, slot_tables
from udfs.fulfilment.warehouse_spec import WarehouseSpec

if TYPE_CHECKING:
    from jobs.context import RunContext

_SLOT, _LINE = "fulfilment.slot", "fulfilment.shipment_line"
_POLICY, _PRODUCTS = "inventory.policy", "silver.products"
_OF_LINE = ("depot_day_id", "shipment_id", "unique_id", "shipped_qty", "is_carried", "run_id")


def kernel(inputs: dict[str, pa.Table], spec: WarehouseSpec, _unit: str) -> KernelResult:
    """All depots' slots to moves."""
    sizes = inputs[_PRODUCTS]
    litres = dict(zip(sizes["sku_id"].to_pylist(), sizes["unit_litres"].to_pylist(), strict=True))
    known = {sku: each for sku, each in litres.items() if each is not None}
    lines = inputs[_LINE]
    picked = lines.filter(pc.invert(lines["is_carried"]))  # once, with the orders that it came with
    moves, failed = slot_tables(inputs[_SLOT], picked, inputs[_POLICY], known, spec)
    texts = {"id": [depot for depot, _ in failed], "error": [error for _, error in failed]}
    same = {"error_class": ["ValueError"] * len(failed), "fallback": ["articles stay where they are"] * len(failed)}
    failures = pa.table({name: pa.array(each, pa.string()) for name, each in (texts | same).items()})
    return KernelResult({SLOT_MOVE: moves}, failures=failures, ids=moves.num_rows)


def parameters(context: RunContext, _sums: Mapping[str, Any]) -> WarehouseSpec:
    return WAREHOUSE.of(context.settings)


def _units(context: RunContext) -> list[str]:
    is_day = WAREHOUSE.of(context.settings).slot_weekday in (0, context.as_of.isoweekday())
    return [WHOLE.name] if is_day and context.lakehouse.has_rows(_SLOT) else []


STAGE = UnitStage(
    name="slot",
    unit=WHOLE,
    units=_units,
    engine="local",
    reads=(
        Read(_SLOT, contract(_SLOT).file_columns(), run=THIS),
        Read(
            _LINE,
            ("depot_day_id", "shipment_id", "unique_id", "shipped_qty", "is_carried", "run_id"),
            whole=True,
            is_past=True,
        ),
        Read(_POLICY, ("unique_id", "demand_mean"), run=THIS),
        Read(_PRODUCTS, ("sku_id", "unit_litres")),
    ),
    writes=(SLOT_MOVE,),
    settings=("warehouse",),
    kernel=kernel,
    parameters=parameters,
)

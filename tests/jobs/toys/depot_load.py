"""Depot load: the parcels of a depot's day become the trips that they take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.stage import Read, UnitStage
from jobs.engine.task import KernelResult
from lakehouse.schema.entities import DEPOT_DAY
from tests.jobs.toys import toy_tables
from tests.jobs.toys.toy_settings import DEPOT_LOAD

if TYPE_CHECKING:
    from jobs.context import RunContext

toy_tables.declare()
PARCEL, LOAD = "toy.parcel", "toy.depot_load"


def kernel(inputs: dict[str, pa.Table], capacity_qty: float) -> KernelResult:
    """One bucket of parcels to loads; a depot's day with a count below zero fails, and costs no other."""
    loads = inputs[PARCEL].group_by(["depot_day_id", "depot_id", "ds"]).aggregate([("units", "min"), ("units", "sum")])
    bad = pc.less(loads["units_min"], 0)
    good = loads.filter(pc.invert(bad)).sort_by("depot_day_id")
    trips = pc.cast(pc.ceil(pc.divide(good["units_sum"], capacity_qty)), pa.int64())
    names = ["depot_day_id", "depot_id", "ds"]
    result = good.select([*names, "units_sum"]).rename_columns([*names, "units"]).append_column("trips", trips)
    return KernelResult({LOAD: result}, failures=failures(loads.filter(bad)), ids=loads.num_rows)


def failures(bad: pa.Table) -> pa.Table:
    errors = [f"expected units >= 0, found {low:g}" for low in bad["units_min"].to_pylist()]
    rows = {"depot_day_id": bad["depot_day_id"], "error": pa.array(errors, pa.string())}
    constants = {"error_class": "NegativeUnits", "fallback": "none"}
    return pa.table(rows | {name: pa.array([text] * len(errors), pa.string()) for name, text in constants.items()})


def parameters(context: RunContext, _sums: Mapping[str, Any]) -> float:
    return DEPOT_LOAD.of(context.settings).capacity_qty


STAGE = UnitStage(
    name="depot_load",
    unit=DEPOT_DAY,
    reads=(Read(PARCEL, ("depot_day_id", "depot_id", "ds", "units")),),
    writes=(LOAD,),
    settings=("depot_load",),
    kernel=kernel,
    parameters=parameters,
    promise=(PARCEL, LOAD),
)

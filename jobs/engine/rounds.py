"""What a unit stage has to do: units, what they read, what their results replace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from jobs.engine.stage import Read, Sum, UnitStage
from jobs.engine.task import Round, UnitTask
from lakehouse.delta.files import PinnedTable, unit_files
from lakehouse.delta.state import parts
from lakehouse.schema.tables import contract

if TYPE_CHECKING:
    from jobs.context import RunContext


def pin(context: RunContext, stage: UnitStage, read: Read, version: int | None = None) -> PinnedTable:
    """A declared read at the table's present version, as workers open it."""
    lake = context.lakehouse
    declared = contract(read.table)
    first, last = read.days(context) if read.days else (None, None)
    is_by_unit = stage.unit.partition in declared.partitions and declared.unit == stage.unit and not read.whole
    where = [("run_id", run) for run in read.run(context)] if read.run else []
    if read.only and declared.unit:
        where += [(declared.unit.partition, unit) for unit in read.only(context)]
    return PinnedTable(
        read.table,
        lake.uri(read.table),
        lake.version(read.table) if version is None else version,
        read.columns_of(context),
        where=tuple(where),
        is_bucketed=is_by_unit,
        order_by=read.order_by,
        first_ds=first,
        last_ds=last,
        dictionary=read.dictionary,
    )


def task_of(
    context: RunContext, stage: UnitStage, inputs: tuple[PinnedTable, ...], parameters: Any, units: Sequence[str]
) -> UnitTask:
    return UnitTask(
        stage=stage.name,
        entity=stage.unit,
        run_id=context.run.run_id,
        inputs=inputs,
        kernel=stage.kernel,
        parameters=parameters,
        outputs=tuple((table, context.lakehouse.uri(table)) for table in stage.writes),
        promise=stage.promise,
        files=unit_files(inputs, units),
    )


def whole_round(context: RunContext, stage: UnitStage, versions: Mapping[str, int]) -> Round:
    """All units of a stage whose results are keyed by run."""
    inputs = tuple(pin(context, stage, read, versions[read.table]) for read in stage.reads)
    parameters = stage.parameters(context, {each.key: summed(context, each, versions) for each in stage.sums})
    partition, run_id = stage.unit.partition, context.run.run_id

    def replaces(_table: str, units: list[str]) -> dict[str, list[str]]:
        return {"run_id": [run_id], partition: units}

    units = units_of(context, stage)
    return Round(units, task_of(context, stage, inputs, parameters, units), replaces)


def units_of(context: RunContext, stage: UnitStage) -> list[str]:
    """The units that there are: those that a listed entity names, else the buckets of the first table read."""
    if stage.units is not None:
        return list(stage.units(context))
    if stage.unit.listed:
        return [stage.unit.name]
    first = stage.reads[0]
    where = {"run_id": first.run(context)[0]} if first.run else None
    return sorted(parts(context.lakehouse, first.table, stage.unit.partition, where), key=int)


def summed(context: RunContext, each: Sum, versions: Mapping[str, int]) -> Any:
    """The merged rows of a sum; None where no run has left any, or nobody asks."""
    runs = each.run(context) if each.when is None or each.when(context) else ()
    if not runs:
        return None
    version = versions[each.table]
    columns = list(each.columns) if each.columns else None
    condition = pc.field("run_id").isin(list(runs))
    return each.merge(context.lakehouse.read_arrow(each.table, version if version >= 0 else None, columns, condition))

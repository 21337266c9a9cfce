"""What every unit stage does with a unit without a row, and with numbers that no table should hold.

Contracts keep NaN and negative quantities out of tables, at every write. Here they are in the files all the same, as
somebody's own tool could leave them: a unit may refuse them, or give the one series a result or a reason. It must not
pass them on, and no other series' result may move by a bit.
"""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from jobs.engine.rounds import whole_round
from jobs.engine.stage import UnitStage
from jobs.engine.task import Round, UnitResult, UnitTask, execute
from jobs.pipeline import all_stages
from lakehouse.delta.files import PinnedTable, files_of, read_bucket, read_files
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ContractError
from lakehouse.schema.entities import DEPOT_DAY, SERIES
from lakehouse.schema.tables import TABLES
from tests.jobs.deliveries_tool import RECEIPT
from tests.jobs.run_tool import copied, day, make_context
from tests.tiny_retailer import SKUS, STORES

UNIT_STAGES = {stage.name: stage for stage in all_stages() if isinstance(stage, UnitStage) and not stage.unit.listed}
FIRST = {SERIES.id: f"{SKUS[0]}|{STORES[0]}|all", DEPOT_DAY.id: DEPOT_DAY.key("dc", RECEIPT)}
"""What gets the bad numbers, by entity."""
POOLED = ("scaled_pinball", "coverage_50", "coverage_80", "coverage_90")  # scores of calibrated quantiles
every_unit_stage = pytest.mark.parametrize("name", UNIT_STAGES)


@pytest.fixture(scope="module")
def lake(delivered: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    return copied(delivered, tmp_path_factory.mktemp("poisoned") / "lake")


def round_of(lake: Lakehouse, name: str) -> Round:
    """The stage's first round, as if nothing were done yet."""
    stage, context = UNIT_STAGES[name], make_context(None, lake, None, day(119), force=True)
    if stage.rounds is not None:
        return stage.rounds(context, stage)[0]
    return whole_round(context, stage, {table: lake.version(table) for table in stage.tables_read()})


def by_unit(task: UnitTask) -> Iterator[PinnedTable]:
    return (pinned for pinned in task.inputs if pinned.is_bucketed and pinned.version >= 0)


def rows_of(task: UnitTask, result: UnitResult) -> dict[str, pa.Table]:
    """What the unit has written, by table."""
    addresses = dict(task.outputs)
    columns = {table: TABLES[table].file_columns() for table in addresses}
    pinned = {table: PinnedTable(table, addresses[table], 0, columns[table]) for table in addresses}
    return {file.table: read_files(pinned[file.table], [file.path]) for file in result.files}


@every_unit_stage
def test_a_unit_without_a_row_has_a_result_without_a_row(lake: Lakehouse, name: str) -> None:
    each = round_of(lake, name)
    unit = each.units[0]
    empty = {unit: {pinned.name: () for pinned in by_unit(each.task)}}
    assert empty[unit], "a stage whose unit reads nothing of its own proves nothing"
    result = execute(replace(each.task, files=empty), unit)
    assert (result.rows, result.ids, result.failed_ids, result.failures) == (0, 0, 0, None)


def to_nan(_values: np.ndarray) -> np.ndarray:
    return np.full(len(_values), np.nan)


def to_negative(values: np.ndarray) -> np.ndarray:
    return -1.0 - np.abs(np.nan_to_num(values))


def poisoned(pinned: PinnedTable, unit: str, id_column: str, change: Callable[[np.ndarray], np.ndarray]) -> str:
    """A file beside the unit's own, in which the first id's numbers are changed; returns its path."""

    def changed(table: pa.Table) -> pa.Table:
        for field in [field for field in table.schema if pa.types.is_floating(field.type)]:
            values = table[field.name].to_numpy(zero_copy_only=False)
            others = pc.if_else(_is_other(table, id_column), table[field.name], pa.array(change(values), field.type))
            table = table.set_column(table.column_names.index(field.name), field, others)
        return table

    return _written_beside(pinned, unit, changed)


def _written_beside(pinned: PinnedTable, unit: str, change: Callable[[pa.Table], pa.Table]) -> str:
    whole = replace(pinned, columns=TABLES[pinned.name].file_columns(), first_ds=None, last_ds=None, dictionary=())
    path = posixpath.join(posixpath.dirname(files_of(pinned, unit)[0]), f"changed-{uuid.uuid4().hex}.parquet")
    pq.write_table(change(read_bucket(whole, unit)), posixpath.join(pinned.uri, path))
    return path


def without(pinned: PinnedTable, unit: str, id_column: str) -> str:
    """A file beside the unit's own that lacks the first id; returns its path."""
    return _written_beside(pinned, unit, lambda table: table.filter(_is_other(table, id_column)))


@pytest.mark.parametrize("change", [to_nan, to_negative])
@every_unit_stage
def test_numbers_that_no_table_should_hold_are_refused_or_stay_with_their_series(
    lake: Lakehouse, name: str, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    each, id_column = round_of(lake, name), UNIT_STAGES[name].unit.id
    task, unit = each.task, unit_of_several(each, id_column)
    good, tried = others(rows_of(task, execute(task, unit)), id_column), 0
    for pinned in by_unit(task):
        if id_column not in TABLES[pinned.name].file_columns() or not read_bucket(pinned, unit).num_rows:
            continue
        tried += 1
        try:
            found = result_of(task, unit, {pinned.name: poisoned(pinned, unit, id_column, change)})
        except (ContractError, ValueError):
            continue
        for rows in found.values():
            for column in (rows[f.name] for f in rows.schema if pa.types.is_floating(f.type)):
                assert np.isfinite(column.drop_null().to_numpy()).all()
        assert without_pooled(others(found, id_column)) == without_pooled(good), pinned.name
        if name != "backtest":
            assert others(found, id_column) == good, pinned.name
        elif change is to_nan:  # for the others as if the series were not there
            absent = {pinned.name: without(pinned, unit, id_column)}
            assert others(found, id_column) == others(result_of(task, unit, absent), id_column), pinned.name
    assert tried


def without_pooled(tables: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """The rows without what looks at the errors of all series of a class."""
    return {
        table: [{name: value for name, value in row.items() if name not in POOLED} for row in rows]
        for table, rows in tables.items()
    }


def unit_of_several(each: Round, id_column: str) -> str:
    """A unit in which a series has others beside it; the only depot's day is alone."""
    first = replace(each.task.inputs[0], columns=(id_column,), first_ds=None, last_ds=None)
    least = 1 if id_column == DEPOT_DAY.id else 2
    return next(unit for unit in each.units if len(read_bucket(first, unit)[id_column].unique()) >= least)


def result_of(task: UnitTask, unit: str, paths: Mapping[str, str]) -> dict[str, pa.Table]:
    """The unit's result where these files stand in for its own, by table."""
    files = {unit: {table: (path,) for table, path in paths.items()}}
    return rows_of(task, execute(replace(task, files=files), unit))


def others(tables: Mapping[str, pa.Table], id_column: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of all but the first id, of the tables that have a row for each and for others."""
    found = {
        name: rows.filter(_is_other(rows, id_column)).to_pylist()
        for name, rows in tables.items()
        if id_column in rows.column_names
    }
    return {name: rows for name, rows in found.items() if rows}


def _is_other(rows: pa.Table, id_column: str) -> pa.ChunkedArray:
    return pc.not_equal(rows[id_column], FIRST[id_column])

"""Buckets: the unit of work, of retry and of resume. Workers read one from a pinned version and write files for it."""

from __future__ import annotations

import json
import math
import posixpath
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from lakehouse.delta import uri
from lakehouse.delta.io import Lakehouse, WrittenFile
from lakehouse.delta.parquet_options import ROW_GROUP_ROWS, parquet_write_options
from lakehouse.schema.tables import contract

_TEXT_LENGTH = 32  # characters of a text that statistics keep
DAY_COLUMNS = ("ds", "as_of", "cutoff", "order_date")
"""Columns that say which day a row is of; the first that a table has counts."""


@dataclass(frozen=True, slots=True)
class PinnedTable:
    """A table at a frozen version, as a bucket task reads it.

    Only `columns` are read, of the rows with `first_ds <= ds <= last_ds`, of the files whose partition values are in
    `where` (any of the values that it gives for a column; and the bucket, unless the table has none). `order_by`
    restores the order where several files hold a bucket; a bucket in one sorted file costs no sort. Columns of
    `dictionary` stay codes into their distinct values: ids of a few hundred series over hundreds of thousands of rows
    are not worth a string each.
    """

    name: str
    uri: str
    version: int
    columns: tuple[str, ...]
    where: tuple[tuple[str, str], ...] = ()
    is_bucketed: bool = True
    order_by: tuple[str, ...] = ()
    first_ds: date | None = None
    last_ds: date | None = None
    dictionary: tuple[str, ...] = ()


@lru_cache(maxsize=32)
def pinned_files(address: str, version: int) -> pa.Table:
    """`path`, `size_bytes` and the partition columns as text, of every data file of a version; it never changes."""
    table = DeltaTable(address, version=version, storage_options=uri.storage_options(address))
    actions = pa.table(table.get_add_actions(flatten=True))
    columns = {name: actions[name] for name in ("path", "size_bytes")}
    for name in actions.column_names:
        if name.startswith("partition."):
            columns[name.removeprefix("partition.")] = actions[name].cast(pa.string())
    return pa.table(columns)


def _files_where(pinned: PinnedTable, conditions: Iterable[tuple[str, str]]) -> pa.Table:
    files = pinned_files(pinned.uri, pinned.version)
    allowed: dict[str, list[str]] = {}
    for name, value in conditions:
        allowed.setdefault(name, []).append(value)
    for name, values in allowed.items():
        files = files.filter(pc.is_in(files[name], pa.array(values, pa.string())))
    return files


def files_of(pinned: PinnedTable, bucket: int | str) -> list[str]:
    """Relative paths of the files that hold a bucket of a pinned table, in a stable order."""
    conditions = [*pinned.where, *([("bucket", str(bucket))] if pinned.is_bucketed else [])]
    return sorted(_files_where(pinned, conditions)["path"].to_pylist())


UnitFiles = dict[str, tuple[str, ...]]
"""Relative paths by table."""


def unit_files(pinned_tables: Iterable[PinnedTable], units: Iterable[int | str]) -> dict[str, UnitFiles]:
    """The files of each unit, by the unit's name and table: looked up once, on the driver, for all units.

    A worker that is handed its own need not load any table's log, which takes half a second at 100,000 files.
    """
    found: dict[str, UnitFiles] = {str(unit): {} for unit in units}
    for pinned in (each for each in pinned_tables if each.version >= 0):
        files = _files_where(pinned, pinned.where).sort_by("path")
        if not pinned.is_bucketed:
            whole = tuple(files["path"].to_pylist())
            found = {unit: tables | {pinned.name: whole} for unit, tables in found.items()}
            continue
        of_units = files.filter(pc.is_in(files["bucket"], pa.array(list(found), pa.string())))
        for row in of_units.group_by("bucket", use_threads=False).aggregate([("path", "list")]).to_pylist():
            found[row["bucket"]][pinned.name] = tuple(row["path_list"])
        for tables in found.values():
            tables.setdefault(pinned.name, ())
    return found


def read_bucket(pinned: PinnedTable, bucket: int | str, paths: Sequence[str] | None = None) -> pa.Table:
    """One bucket of a pinned table as Arrow, with the asked columns; empty where the bucket holds nothing.

    `paths` are its files where the driver has looked them up (`unit_files`). A file from before the table gained a
    column has NULL there.
    """
    if pinned.version < 0:  # a feed that the source lacks: the table does not exist
        return _empty(pinned)
    return read_files(pinned, files_of(pinned, bucket) if paths is None else paths)


def read_files(pinned: PinnedTable, paths: Sequence[str]) -> pa.Table:
    """These files of a pinned table as one Arrow table, with the asked columns, of the days asked for."""
    if not paths:
        return _empty(pinned)
    filesystem, root = uri.filesystem_of(pinned.uri)
    read_columns = list(dict.fromkeys([*pinned.columns, *_range_column(pinned)]))
    names = list(pinned.dictionary)
    tables = [
        # Not pq.read_table: that imports pandas first, a second in every worker. One thread: workers share the cores.
        _with_partitions(
            pq.ParquetFile(posixpath.join(root, path), filesystem=filesystem, read_dictionary=names).read(
                read_columns, use_threads=False
            ),
            pinned,
            path,
        )
        for path in paths
    ]
    table = _in_range(_completed(pa.concat_tables(tables, promote_options="permissive"), pinned), pinned)
    if len(paths) > 1 and pinned.order_by:
        keys: list[tuple[str, str]] = [(name, "ascending") for name in pinned.order_by]
        table = _decoded(table).sort_by(keys)
    return table.select(pinned.columns)


def _completed(table: pa.Table, pinned: PinnedTable) -> pa.Table:
    for field in contract(pinned.name).arrow_schema():
        if field.name in pinned.columns and field.name not in table.column_names and field.nullable:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table


def _with_partitions(table: pa.Table, pinned: PinnedTable, path: str) -> pa.Table:
    """The file's rows with the asked partition columns, which Spark writes into its files and others do not."""
    table, schema = _plain(table), contract(pinned.name).arrow_schema()
    for folder in posixpath.dirname(path).split("/"):
        name, _, value = folder.partition("=")
        if name in pinned.columns and name not in table.column_names:
            field = schema.field(name)
            held = pa.scalar(unquote(value), pa.string()).cast(field.type)
            table = table.append_column(field, pa.repeat(held, table.num_rows))
    return table


def _plain(table: pa.Table) -> pa.Table:
    """Text as contracts have it: deltalake's own statements leave files whose text is of Arrow's view type."""
    views = [f.name for f in table.schema if pa.types.is_string_view(f.type)]
    fields = [pa.field(f.name, pa.string()) if f.name in views else f for f in table.schema]
    return table.cast(pa.schema(fields)) if views else table


def _range_column(pinned: PinnedTable) -> tuple[str, ...]:
    return ("ds",) if pinned.first_ds or pinned.last_ds else ()


def _in_range(table: pa.Table, pinned: PinnedTable) -> pa.Table:
    """Rows within the day range; a table wholly inside it is passed on as it is."""
    if not _range_column(pinned) or not table.num_rows:
        return table
    found = pc.min_max(table["ds"]).as_py()
    if pinned.first_ds and found["min"] < pinned.first_ds:
        table = table.filter(pc.greater_equal(table["ds"], pinned.first_ds))
    if pinned.last_ds and found["max"] > pinned.last_ds:
        table = table.filter(pc.less_equal(table["ds"], pinned.last_ds))
    return table


def _decoded(table: pa.Table) -> pa.Table:
    """Dictionary columns as plain strings, since dictionary codes do not sort by their values."""
    return table.cast(
        pa.schema(
            [pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in table.schema]
        )
    )


def _empty(pinned: PinnedTable) -> pa.Table:
    return contract(pinned.name).empty(with_partitions=True).select(pinned.columns)


def write_bucket(name: str, address: str, table: pa.Table, partition_values: dict[str, str]) -> WrittenFile | None:
    """Write one bucket of a result as a Parquet file below its table, uncommitted; None where there are no rows.

    The file has a name of its own, so a second try never touches what the first one wrote. Raises ContractError when
    the rows do not match the table's contract.
    """
    declared = contract(name)
    conformed = declared.conform(table.drop_columns([c for c in declared.partitions if c in table.column_names]))
    if not conformed.num_rows:
        return None
    folder = "/".join(f"{column}={partition_values[column]}" for column in declared.partitions)
    path = posixpath.join(folder, f"part-{uuid.uuid4().hex}.parquet")
    filesystem, root = uri.filesystem_of(address)
    filesystem.create_dir(posixpath.join(root, folder), recursive=True)
    target = posixpath.join(root, path)
    pq.write_table(
        conformed,
        target,
        filesystem=filesystem,
        row_group_size=ROW_GROUP_ROWS,
        **parquet_write_options(conformed.schema),
    )
    return WrittenFile(
        table=name,
        path=path,
        size_bytes=filesystem.get_file_info(target).size,
        rows=conformed.num_rows,
        partition_values=tuple((column, partition_values[column]) for column in declared.partitions),
        modified_ms=time.time_ns() // 1_000_000,
        stats_json=_statistics(conformed),
        days=_days(conformed),
    )


def replace_rows(lake: Lakehouse, name: str, table: pa.Table) -> int:
    """Put these rows, partition columns among them, in place of all that a small table holds; returns the new version.

    Raises ContractError when the rows do not match the table's contract.
    """
    return write_rows(lake, name, table, {})


def write_rows(lake: Lakehouse, name: str, table: pa.Table, replace: Mapping[str, Sequence[str]] | None) -> int:
    """Write rows, partition columns among them, a file for each partition; `replace` as in `Lakehouse.commit_files`.

    In the order of the key, so that the same rows give the same file, whatever order Spark's tasks gave them.
    """
    lake.ensure(name)
    table = table.sort_by([(column, "ascending") for column in contract(name).key if column in table.column_names])
    partitions, files = list(contract(name).partitions), []
    for values in table.select(partitions).group_by(partitions).aggregate([]).to_pylist():
        rows = table
        for column, value in values.items():
            rows = rows.filter(pc.equal(rows[column], value))
        files.append(write_bucket(name, lake.uri(name), rows, {c: str(value) for c, value in values.items()}))
    return lake.commit_files(name, [file for file in files if file], replace)


def _statistics(table: pa.Table) -> str:
    """Delta file statistics of every column: readers skip files by them.

    Of every column, since deltalake's dataset takes a column without any for one without a row (see `dataset.py`).
    """
    minimum, maximum = {}, {}
    for name in table.column_names:
        if not _has_bounds(table.schema.field(name).type):
            continue
        bounds = pc.min_max(table[name]).as_py()
        if bounds["min"] is None or not math.isfinite(bounds["min"] if isinstance(bounds["min"], float) else 0.0):
            continue
        minimum[name], maximum[name] = _lower(bounds["min"]), _upper(bounds["max"])
    nulls = {name: table[name].null_count for name in table.column_names}
    return json.dumps({"numRecords": table.num_rows, "minValues": minimum, "maxValues": maximum, "nullCount": nulls})


def _has_bounds(kind: pa.DataType) -> bool:
    is_text = pa.types.is_string(kind) or pa.types.is_boolean(kind)
    return is_text or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind)


def _days(table: pa.Table) -> tuple[date, date] | None:
    """The first and the last day of the rows, by the first column that says one."""
    for name in DAY_COLUMNS:
        if name in table.column_names and pa.types.is_date(table.schema.field(name).type):
            found = pc.min_max(table[name]).as_py()
            return None if found["min"] is None else (found["min"], found["max"])
    return None


def _lower(value: object) -> object:
    """As JSON, what no value of the column is below. Delta's timestamps end with the millisecond."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value[:_TEXT_LENGTH] if isinstance(value, str) else value


def _upper(value: object) -> object:
    """What no value of the column is above; of a long text its beginning and the last of all characters."""
    if isinstance(value, str) and len(value) > _TEXT_LENGTH:
        return value[:_TEXT_LENGTH] + chr(0x10FFFF)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _lower(value)

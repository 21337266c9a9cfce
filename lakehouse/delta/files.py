"""Buckets: the unit of work, of retry and of resume. Workers read one from a pinned version and write files for it."""

from __future__ import annotations

import json
import posixpath
import time
import uuid
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from urllib.parse import urlparse

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import DeltaTable

from lakehouse.delta.io import WrittenFile
from lakehouse.delta.parquet_options import ROW_GROUP_ROWS, parquet_write_options
from lakehouse.schema.tables import contract

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


def filesystem_of(uri: str) -> tuple[pafs.FileSystem, str]:
    """The file system of a table and its path there; a plain path is a local folder."""
    if urlparse(uri).scheme in ("", "file"):
        return pafs.LocalFileSystem(), uri.removeprefix("file://")
    return pafs.FileSystem.from_uri(uri)


@lru_cache(maxsize=32)
def pinned_files(uri: str, version: int) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """(relative path, partition values) of every data file of a pinned version; it never changes, so it is kept."""
    actions = pa.table(DeltaTable(uri, version=version).get_add_actions(flatten=True))
    prefix = "partition."
    names = [name for name in actions.column_names if name.startswith(prefix)]
    columns = {name.removeprefix(prefix): actions[name].to_pylist() for name in names}
    return tuple(
        (path, tuple((name, str(values[i])) for name, values in columns.items()))
        for i, path in enumerate(actions["path"].to_pylist())
    )


def files_of(pinned: PinnedTable, bucket: int | str) -> list[str]:
    """Relative paths of the files that hold a bucket of a pinned table, in a stable order."""
    wanted = [*pinned.where, *([("bucket", str(bucket))] if pinned.is_bucketed else [])]
    allowed: dict[str, set[str]] = {}
    for column, value in wanted:
        allowed.setdefault(column, set()).add(value)
    return sorted(
        path
        for path, values in pinned_files(pinned.uri, pinned.version)
        if all(dict(values)[column] in known for column, known in allowed.items())
    )


def read_bucket(pinned: PinnedTable, bucket: int | str) -> pa.Table:
    """One bucket of a pinned table as Arrow, with the asked columns; empty where the bucket holds nothing."""
    if pinned.version < 0:  # a feed that the source lacks: the table does not exist
        return _empty(pinned)
    filesystem, root = filesystem_of(pinned.uri)
    paths = files_of(pinned, bucket)
    if not paths:
        return _empty(pinned)
    read_columns = list(dict.fromkeys([*pinned.columns, *_range_column(pinned)]))
    names = list(pinned.dictionary)
    tables = [
        # Not pq.read_table: that imports pandas first, a second in every worker. One thread: workers share the cores.
        _plain(
            pq.ParquetFile(posixpath.join(root, path), filesystem=filesystem, read_dictionary=names).read(
                read_columns, use_threads=False
            )
        )
        for path in paths
    ]
    table = _in_range(pa.concat_tables(tables, promote_options="permissive"), pinned)
    if len(paths) > 1 and pinned.order_by:
        keys: list[tuple[str, str]] = [(name, "ascending") for name in pinned.order_by]
        table = _decoded(table).sort_by(keys)
    return table.select(pinned.columns)


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


def write_bucket(name: str, uri: str, table: pa.Table, partition_values: dict[str, str]) -> WrittenFile | None:
    """Write one bucket of a result as a Parquet file below its table, uncommitted; None where there are no rows.

    The file has a name of its own, so a second try never touches what the first one wrote. Raises ContractError when
    the rows do not match the table's contract.
    """
    declared = contract(name)
    conformed = declared.conform(table.drop_columns([c for c in declared.partitions if c in table.column_names]))
    if not conformed.num_rows:
        return None
    folder = "/".join(f"{column}={partition_values[column]}" for column in declared.partitions)
    path = f"{folder}/part-{uuid.uuid4().hex}.parquet"
    filesystem, root = filesystem_of(uri)
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
        stats_json=_statistics(conformed, declared.key),
        days=_days(conformed),
    )


def _statistics(table: pa.Table, key: tuple[str, ...]) -> str:
    """Delta file statistics: row count, and range and null count of the key columns, so that readers skip files."""
    minimum, maximum, nulls = {}, {}, {}
    for name in key:
        if name not in table.column_names:
            continue
        bounds = pc.min_max(table[name]).as_py()
        nulls[name] = table[name].null_count
        if bounds["min"] is not None:
            minimum[name], maximum[name] = (_json_value(bounds[side]) for side in ("min", "max"))
    return json.dumps({"numRecords": table.num_rows, "minValues": minimum, "maxValues": maximum, "nullCount": nulls})


def _days(table: pa.Table) -> tuple[date, date] | None:
    """The first and the last day of the rows, by the first column that says one."""
    for name in DAY_COLUMNS:
        if name in table.column_names:
            found = pc.min_max(table[name]).as_py()
            return None if found["min"] is None else (found["min"], found["max"])
    return None


def _json_value(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value

"""Gold in one DuckDB file that a BI tool opens without an extension: tables and measures with their comments."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.views.export import Exported, Written
from jobs.views.export_target import all_or_nothing, free_target
from jobs.views.measure_sql import duckdb_string, duckdb_view
from jobs.views.measures import SCHEMA, VIEWS
from lakehouse.delta.dataset import batches_of
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError
from lakehouse.schema.contract import Contract
from lakehouse.schema.tables import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

GOLD = "gold"
_ENDING = ".duckdb"


def published(lake: Lakehouse) -> list[Contract]:
    """The gold tables that there are. Raises ConfigError where nothing was published yet."""
    found = [each for each in TABLES.values() if each.schema_name == GOLD and lake.exists(each.name)]
    if not found:
        raise ConfigError(f"no gold table in {lake.base}; `shelfcast run --lakehouse {lake.root} ...` publishes them")
    return found


def duckdb_target(target: str, *, overwrite: bool) -> Path:
    """Where the file may be written. Raises ConfigError for a place that cannot be, or where DuckDB is missing."""
    _duckdb()
    path = free_target(target, None, overwrite=overwrite)
    if path.suffix != _ENDING:
        raise ConfigError(f"gold is exported as a DuckDB file; expected a name that ends in {_ENDING}, found {target}")
    if path.stem in (GOLD, SCHEMA):
        # DuckDB calls the database as its file, and would not know then which of the two a name means.
        raise ConfigError(
            f"{path.name} would be called as the schema {path.stem} in it; name it otherwise: shop{_ENDING}"
        )
    return path


def write_duckdb(lake: Lakehouse, target: str, *, overwrite: bool = False) -> Exported:
    """Write all gold tables, their values and types as they are, and views of the measures, into one file.

    It appears whole or not at all. Raises ConfigError where nothing is published or the place cannot be written to.
    """
    tables, path = published(lake), duckdb_target(target, overwrite=overwrite)
    try:
        with all_or_nothing(path) as made, _duckdb().connect(str(made)) as connection:
            rows = sum(_write_table(connection, lake, declared) for declared in tables)
            _write_measures(connection, {declared.name for declared in tables})
            connection.execute("CHECKPOINT")  # nothing is left in a log beside the file
    except (OSError, _duckdb().IOException) as error:
        raise ConfigError(f"{path} was not written: {error}") from error
    return Exported(f"gold: {len(tables)} tables", [Written(path, rows)])


def _write_table(connection: DuckDBPyConnection, lake: Lakehouse, declared: Contract) -> int:
    """One table, batch by batch, each committed: one transaction would be held in memory. Returns its rows."""
    dataset, rows = lake.dataset(declared.name), 0
    empty = dataset.schema.empty_table().select(declared.columns)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {GOLD}")
    connection.register("batch", empty)
    connection.execute(f"CREATE TABLE {declared.name} AS SELECT * FROM batch")
    # A stream handed over as a whole would make an error of reading one of DuckDB, with a trace in it.
    for batch in batches_of(dataset, declared.columns):
        connection.register("batch", pa.Table.from_batches([batch]))
        connection.execute(f"INSERT INTO {declared.name} SELECT * FROM batch")
        rows += batch.num_rows
    connection.execute(f"COMMENT ON TABLE {declared.name} IS {duckdb_string(declared.comment)}")
    for column in declared.declared():
        of_column = f"{declared.name}.{column.name}"
        connection.execute(f"COMMENT ON COLUMN {of_column} IS {duckdb_string(column.comment)}")
    return rows


def _write_measures(connection: DuckDBPyConnection, tables: set[str]) -> None:
    connection.execute(f"CREATE SCHEMA {SCHEMA}")
    for view in (view for view in VIEWS if view.source in tables):
        for statement in duckdb_view(view):
            connection.execute(statement)


def _duckdb() -> ModuleType:
    try:
        import duckdb
    except ImportError:
        raise ConfigError("a DuckDB file needs the package duckdb; run `pip install 'shelfcast[bi]'`") from None
    return duckdb

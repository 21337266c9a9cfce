"""The one way to read and write Delta tables, by contract.

A table lives at `<root>/<schema>/<table>`; with a catalog it is registered there as `<catalog>.<schema>.<table>` over
the same location, so that Spark goes through the catalog while bucket workers open the files themselves. Spark's
commits to an object store are not put conditionally as deltalake's are: `lock` keeps a second writer away.
"""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from deltalake import CommitProperties, DeltaTable, Schema, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from lakehouse.delta import uri
from lakehouse.delta.dataset import dataset_of
from lakehouse.delta.key_guard import FOUND, guarded, is_guarded
from lakehouse.delta.migrate import check_table, grow
from lakehouse.delta.stamp import stamp_words, user_metadata
from lakehouse.errors import ContractError, LockedError
from lakehouse.schema.contract import TABLE_PROPERTIES, Contract, sql_string
from lakehouse.schema.tables import contract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameWriter, SparkSession

SMALL_ROWS, SMALL_BYTES = 5_000, 1 << 20
"""A table of no more rows, in files of no more bytes, reaches Spark within a query's plan."""


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A data file that a worker wrote and the driver has yet to commit."""

    table: str
    path: str  # relative to the table
    size_bytes: int
    rows: int
    partition_values: tuple[tuple[str, str], ...]
    modified_ms: int
    stats_json: str
    days: tuple[date, date] | None = None  # the first and the last of its rows


@dataclass(frozen=True)
class Lakehouse:
    """Tables below `root` (an address as `uri` explains them), named in `catalog` when there is one."""

    root: str
    catalog: str | None = None

    @cached_property
    def is_local(self) -> bool:
        return uri.is_local(self.base)

    @cached_property
    def base(self) -> str:
        """Root in its one form; local folders are absolute, so that a worker elsewhere finds them."""
        return uri.normal(self.root)

    def uri(self, name: str) -> str:
        schema, table = name.split(".")
        return posixpath.join(self.base, schema, table)

    def spark_uri(self, name: str) -> str:
        """The table's address as Spark knows it."""
        return uri.for_spark(self.uri(name))

    def identifier(self, name: str) -> str:
        """The table's name in Spark SQL."""
        if self.catalog:
            schema, table = name.split(".")
            return f"`{self.catalog}`.`{schema}`.`{table}`"
        return f"delta.`{self.spark_uri(name)}`"

    # -- the table itself -------------------------------------------------------------------------------------------
    @cached_property
    def _opened(self) -> dict[str, DeltaTable]:
        """Tables that were opened before: to read what came since costs far less than to read the log again."""
        return {}

    @cached_property
    def _whole(self) -> dict[str, tuple[int, pa.Table]]:
        return {}

    def exists(self, name: str) -> bool:
        return name in self._opened or DeltaTable.is_deltatable(self.uri(name), uri.storage_options(self.base))

    def open(self, name: str, version: int | None = None) -> DeltaTable:
        """The Delta table: the latest version, shared by all who ask here, or one of its own where a version is given.

        Raises ContractError when it does not exist.
        """
        try:
            if version is not None:
                return DeltaTable(self.uri(name), version=version, storage_options=uri.storage_options(self.base))
            if name not in self._opened:
                self._opened[name] = DeltaTable(self.uri(name), storage_options=uri.storage_options(self.base))
            self._opened[name].update_incremental()
            return self._opened[name]
        except TableNotFoundError as error:
            raise ContractError(
                f"{name} does not exist in {self.base}; run the stage that writes it first (see `shelfcast run --help`)"
            ) from error

    def ensure(self, name: str, spark: SparkSession | None = None) -> DeltaTable:
        """Create the table from its contract if it is missing; add what the contract has gained since.

        Raises ContractError for a table that differs otherwise.
        """
        declared = contract(name)
        if self.catalog and spark is not None:
            self._ensure_in_catalog(declared, spark)
        elif self.catalog and not self.exists(name):
            raise ContractError(
                f"{name} is missing from catalog {self.catalog!r}; create the tables first: `shelfcast tables --create`"
            )
        elif not self.exists(name):
            self._create(declared)
        table = self.open(name)
        grow(declared, table)
        check_table(declared, table)
        return table

    def _create(self, declared: Contract) -> None:
        if self.is_local:
            os.makedirs(self.uri(declared.name), exist_ok=True)
        DeltaTable.create(
            self.uri(declared.name),
            schema=Schema.from_json(declared.delta_schema_json()),
            partition_by=list(declared.partitions) or None,
            name=declared.table_name,
            description=declared.comment,
            configuration=TABLE_PROPERTIES,
            storage_options=uri.storage_options(self.base),
        )

    def _ensure_in_catalog(self, declared: Contract, spark: SparkSession) -> None:
        """Make the table there by DDL; one that lies at its location, unknown to this catalog, is registered.

        A name that still points to where the lakehouse was before it was moved is pointed here.
        """
        identifier, location = self.identifier(declared.name), self.spark_uri(declared.name)
        try:
            if spark.catalog.tableExists(identifier):
                if self._is_registered_here(declared.name, spark):
                    return
                spark.sql(f"DROP TABLE {identifier}")  # the name alone: an external table's files stay
        except Exception as error:
            if "DELTA_PATH_DOES_NOT_EXIST" not in str(error):
                raise
            self._forget(declared, spark)
        spark.sql(f"CREATE SCHEMA IF NOT EXISTS `{self.catalog}`.`{declared.schema_name}`")
        if self.exists(declared.name):
            spark.sql(f"CREATE TABLE {identifier} USING DELTA LOCATION {sql_string(location)}")
            return
        for statement in declared.ddl(identifier, location):
            spark.sql(statement)

    def _forget(self, declared: Contract, spark: SparkSession) -> None:
        """Take a name out of the session's catalog whose files are gone, which Delta refuses to drop."""
        jvm: Any = spark._jvm
        name = jvm.org.apache.spark.sql.catalyst.TableIdentifier(
            declared.table_name, jvm.scala.Option.apply(declared.schema_name)
        )
        spark._jsparkSession.sessionState().catalog().dropTable(name, True, False)

    def _is_registered_here(self, name: str, spark: SparkSession) -> bool:
        """Whether the catalog's table is this lakehouse's; raise ContractError when it is another living one's."""
        rows = spark.sql(f"DESCRIBE TABLE EXTENDED {self.identifier(name)}").collect()
        there = uri.normal(next(row["data_type"] for row in rows if row["col_name"] == "Location"))
        if there == self.uri(name):
            return True
        if DeltaTable.is_deltatable(there, uri.storage_options(there)):
            raise ContractError(
                f"{self.identifier(name)} is the table at {there}, this lakehouse's is at {self.uri(name)}, and both "
                "are there; name another catalog, or drop that table from the catalog (its files stay)"
            )
        return False

    def settled_property(self, name: str, key: str, value: str) -> str:
        """A table property that is set once: the value it has, or `value` when nobody set it before."""
        table = self.open(name)
        found = table.metadata().configuration.get(key)
        if found is None:
            table.alter.set_table_properties({key: value}, raise_if_not_exists=False)
        return value if found is None else found

    def version(self, name: str) -> int:
        """The latest version, -1 while the table does not exist."""
        return self.open(name).version() if self.exists(name) else -1

    def has_rows(self, name: str) -> bool:
        """Whether the table exists and holds any row."""
        return self.exists(name) and self.rows(name) > 0

    def rows(self, name: str, version: int | None = None, where: dict[str, str] | None = None) -> int:
        """Rows of a version (of the partitions `where`), from the log alone: no file is opened."""
        actions = pa.table(self.open(name, version).get_add_actions(flatten=True))
        for column, value in (where or {}).items():
            actions = actions.filter(pc.equal(actions[f"partition.{column}"].cast(pa.string()), value))
        return int(pc.sum(actions["num_records"]).as_py() or 0)

    # -- Spark ------------------------------------------------------------------------------------------------------
    def read_spark(self, spark: SparkSession, name: str, version: int | None = None) -> DataFrame:
        """The table as a Spark frame, pinned to a version if given; NULL in columns that the contract gained since.

        Without a catalog a small table comes as Arrow: what Spark's own reader asks of a table's log, four queries that
        are planned and run, takes several times as long as the rows do.
        """
        if not self.catalog and self._is_small(name, version):
            return spark.createDataFrame(self.read_arrow(name, version))
        return self.spark_table(spark, name, version)

    def spark_table(self, spark: SparkSession, name: str, version: int | None = None) -> DataFrame:
        """The same by Spark's own reader: without a version it follows the table, and columns have their comments."""
        reader = spark.read.format("delta")
        if version is not None:
            return _grown(contract(name), reader.option("versionAsOf", version).load(self.spark_uri(name)))
        if not self.catalog:
            return _grown(contract(name), reader.load(self.spark_uri(name)))
        self.ensure(name, spark)
        return spark.table(self.identifier(name))

    def _is_small(self, name: str, version: int | None) -> bool:
        """Whether a version's rows can travel within a plan, by its log; no where the log does not count them."""
        if not self.exists(name):
            return False
        actions = pa.table(self.open(name, version).get_add_actions(flatten=True))
        rows, size = actions["num_records"], actions["size_bytes"]
        return (
            not rows.null_count and (pc.sum(rows).as_py() or 0) <= SMALL_ROWS and sum(size.to_pylist()) <= SMALL_BYTES
        )

    def write_spark(
        self, frame: DataFrame, name: str, replace_where: str | None = None, *, check_key: bool | None = None
    ) -> int:
        """Write a Spark frame as the contract's mode says; returns the table's new version.

        `append` adds; `overwrite` replaces all; `replace_partitions` replaces what `replace_where` selects (all when
        None). The frame must have exactly the contract's columns; they are put in order, never cast silently.
        `check_key`: look for two rows of one key, as far as the frame goes; None: as `key_guard.is_guarded` has it.
        Raises ContractError for such rows; a value outside its range is Delta's own error.
        """
        declared = contract(name)
        self.ensure(name, frame.sparkSession)
        check_frame(declared, frame)
        if is_guarded(declared) if check_key is None else check_key:
            frame = guarded(declared, frame)
        if declared.mode == "append":
            return self.append_spark(frame, name)
        writer = frame.select(*declared.columns).write.format("delta").mode("overwrite")
        if replace_where:
            writer = writer.option("replaceWhere", replace_where)
        return self._save(writer, declared)

    def append_spark(self, frame: DataFrame, name: str) -> int:
        """Add a Spark frame's rows to a table, whatever its mode; returns the new version."""
        declared = contract(name)
        self.ensure(name, frame.sparkSession)
        check_frame(declared, frame)
        return self._save(frame.select(*declared.columns).write.format("delta").mode("append"), declared)

    def _save(self, writer: DataFrameWriter, declared: Contract) -> int:
        if (words := user_metadata()) is not None:
            writer = writer.option("userMetadata", words)
        try:
            writer.save(self.spark_uri(declared.name))
        except Exception as error:
            if FOUND not in str(error):
                raise
            line = next(line for line in str(error).splitlines() if FOUND in line)
            raise ContractError(f"{line.strip()}; nothing was written. Mend what makes the rows.") from error
        table = self.open(declared.name)
        check_table(declared, table)
        return table.version()

    # -- Arrow ------------------------------------------------------------------------------------------------------
    def read_arrow(
        self,
        name: str,
        version: int | None = None,
        columns: Sequence[str] | None = None,
        filters: Any = None,
    ) -> pa.Table:
        """A table that stays small (ledger, gold) as Arrow; `filters` is a pyarrow dataset expression."""
        declared = contract(name)
        wanted = list(columns or declared.columns)
        if not self.exists(name):
            return declared.empty(with_partitions=True).select(wanted)
        return self.dataset(name, version).to_table(columns=wanted, filter=filters)

    def dataset(self, name: str, version: int | None = None) -> pads.FileSystemDataset:
        """A version of a table to read piece by piece, whatever is committed meanwhile: for tables that grow.

        Raises ContractError when it does not exist.
        """
        dataset = dataset_of(self.open(name, version))
        lacking = [field for field in contract(name).arrow_schema() if field.name not in dataset.schema.names]
        if not lacking:
            return dataset
        # A version from before the contract gained a column: NULL there.
        return dataset.replace_schema(pa.schema([*dataset.schema, *(f.with_nullable(True) for f in lacking)]))

    def partition_values(self, name: str, column: str) -> list[str]:
        """The values of a partition column that have rows, sorted, from the log alone; none without the table."""
        if not self.exists(name):
            return []
        actions = pa.table(self.open(name).get_add_actions(flatten=True)).to_pylist()
        return sorted({str(row[f"partition.{column}"]) for row in actions if row["num_records"] != 0})

    def read_whole(self, name: str) -> pa.Table:
        """All of a small table that is asked for again and again: read once a version."""
        version = self.version(name)
        known, table = self._whole.get(name, (None, None))
        if table is None or known != version:
            self._whole[name] = version, (table := self.read_arrow(name))
        return table

    def upsert(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Insert or replace rows of a small table by its key (the ledger's way); ContractError for bad rows."""
        if not rows:
            return
        declared = contract(name)
        whole = [{column: row.get(column) for column in declared.columns} for row in rows]
        source = declared.conform(pa.Table.from_pylist(whole, schema=declared.arrow_schema()), with_partitions=True)
        condition = " AND ".join(f"t.`{key}` = s.`{key}`" for key in declared.key)
        merge = self.ensure(name).merge(source, condition, source_alias="s", target_alias="t")
        with _one_writer(name):
            merge.when_matched_update_all().when_not_matched_insert_all().execute()

    def append(self, name: str, rows: pa.Table) -> None:
        """Add rows, which keep the table's contract, to a small table."""
        table = self.ensure(name)
        with _one_writer(name):
            write_deltalake(table, rows, mode="append")

    def commit_files(self, name: str, files: Sequence[WrittenFile], replace: Mapping[str, Sequence[str]] | None) -> int:
        """Commit files that workers wrote, in one version, in place of the partitions that `replace` selects.

        `replace` maps a partition column to the values replaced; doing a bucket again therefore replaces it. An empty
        `files` still clears those partitions. None adds the files to what is there. Returns the new version.
        """
        declared = contract(name)
        table = self.ensure(name)
        actions: list[AddAction | RemoveAction] = [
            AddAction(f.path, f.size_bytes, dict(f.partition_values), f.modified_ms, True, f.stats_json) for f in files
        ]
        with _one_writer(name):
            table.create_write_transaction(
                actions,
                "append" if replace is None else "overwrite",
                table.schema(),
                partition_by=list(declared.partitions),
                partition_filters=[(column, "in", list(values)) for column, values in (replace or {}).items()],
                commit_properties=CommitProperties(custom_metadata=stamp_words(_covers(files))),
            )
        table.update_incremental()
        check_table(declared, table)
        return table.version()

    def swap_files(self, name: str, removed: pa.Table, files: Sequence[WrittenFile]) -> int:
        """Commit files that hold the same rows as those `removed` (rows of `files.pinned_files`), in one version."""
        declared = contract(name)
        table, now = self.ensure(name), time.time_ns() // 1_000_000
        actions: list[AddAction | RemoveAction] = [
            AddAction(f.path, f.size_bytes, dict(f.partition_values), f.modified_ms, False, f.stats_json) for f in files
        ]
        for row in removed.to_pylist():
            values = {column: row[column] for column in declared.partitions}
            actions.append(RemoveAction(row["path"], False, now, row["size_bytes"], values))
        with _one_writer(name):
            table.create_write_transaction(actions, "append", table.schema(), partition_by=list(declared.partitions))
        table.update_incremental()
        return table.version()


@contextmanager
def _one_writer(name: str) -> Iterator[None]:
    """Say in plain words that another writer changed the same rows at the same moment; nothing of ours is in then."""
    try:
        yield
    except CommitFailedError as error:
        raise LockedError(
            f"another process changed the same part of {name} at the same moment, so that nothing of this commit was "
            f"written ({error}); when it has ended, run the same command again"
        ) from error


def _covers(files: Sequence[WrittenFile]) -> tuple[date, date] | None:
    """First and last day of the files' rows, by their own statistics or their partition."""
    days = [file.days for file in files if file.days is not None]
    return (min(first for first, _ in days), max(last for _, last in days)) if days else None


def _grown(declared: Contract, frame: DataFrame) -> DataFrame:
    """A version from before the contract gained a column: NULL there."""
    found = {*frame.columns}
    lacking = [name for name in declared.columns if name not in found and not declared.is_required(name)]
    nulls = [f"CAST(NULL AS {declared.sql_type(name)}) AS `{name}`" for name in lacking]
    return frame.selectExpr("*", *nulls) if nulls else frame


def check_frame(declared: Contract, frame: DataFrame) -> None:
    """Raise ContractError when a Spark frame's columns or types differ from the contract."""
    expected = {name: declared.sql_type(name).lower() for name in declared.columns}
    found = dict(frame.dtypes)
    if found != expected:
        missing = sorted(set(expected) - set(found))
        extra = sorted(set(found) - set(expected))
        wrong = {n: (found[n], expected[n]) for n in expected if n in found and found[n] != expected[n]}
        raise ContractError(
            f"{declared.name}: the frame does not match its contract: missing {missing}, unexpected {extra}, "
            f"of another type (found, expected) {wrong}"
        )

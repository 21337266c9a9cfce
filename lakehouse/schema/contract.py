"""What a table is: columns, key, partitions, checks and comments, and the forms the engines want them in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import ContractError
from lakehouse.schema.column_types import arrow_type, delta_type, sql_type
from lakehouse.schema.columns import COLUMNS, Column
from lakehouse.schema.entities import SERIES, Entity

WriteMode = Literal["append", "replace_partitions", "overwrite", "merge"]
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Contract:
    """One table's contract.

    `columns` are names of `lakehouse.schema.columns`; those in `text` are stored as STRING whatever their declared type
    (bronze keeps what does not parse). Columns of `key` and `partitions` are NOT NULL. `mode` says how results land.
    `unit` is the entity whose hashed key fills the partition `bucket`: series, where nothing else is said.
    """

    name: str
    comment: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    partitions: tuple[str, ...] = ()
    mode: WriteMode = "replace_partitions"
    text: frozenset[str] = field(default_factory=frozenset)
    unit: Entity | None = None

    def __post_init__(self) -> None:
        if self.unit is None and "bucket" in self.partitions:
            object.__setattr__(self, "unit", SERIES)
        unknown = [name for name in (*self.columns, *self.key, *self.partitions) if name not in COLUMNS]
        if unknown:
            raise ContractError(f"{self.name}: columns {unknown} are not declared in lakehouse/schema/columns.py")
        outside = [name for name in (*self.key, *self.partitions) if name not in self.columns]
        if outside:
            raise ContractError(f"{self.name}: key or partition columns {outside} are not among its columns")
        if len(set(self.columns)) != len(self.columns):
            raise ContractError(f"{self.name}: a column is named twice")
        if self.unit and self.unit.partition not in self.partitions:
            raise ContractError(
                f"{self.name}: its rows are cut by {self.unit.name}, so expected a partition {self.unit.partition!r}"
            )

    @property
    def schema_name(self) -> str:
        return self.name.split(".")[0]

    @property
    def table_name(self) -> str:
        return self.name.split(".")[1]

    def type_of(self, name: str) -> str:
        return "string" if name in self.text else COLUMNS[name].type

    def is_required(self, name: str) -> bool:
        return (name in self.key or name in self.partitions) and name not in self.text

    def declared(self) -> tuple[Column, ...]:
        return tuple(COLUMNS[name] for name in self.columns)

    def stable_columns(self) -> tuple[str, ...]:
        """Columns that count in a content hash: all but clock readings and durations."""
        return tuple(name for name in self.columns if not COLUMNS[name].volatile)

    def file_columns(self) -> tuple[str, ...]:
        """Columns inside the data files: Delta keeps partition values in the log, not in the files."""
        return tuple(name for name in self.columns if name not in self.partitions)

    def arrow_schema(self, *, with_partitions: bool = True) -> pa.Schema:
        names = self.columns if with_partitions else self.file_columns()
        return pa.schema(
            [pa.field(name, arrow_type(self.type_of(name)), nullable=not self.is_required(name)) for name in names]
        )

    def sql_type(self, name: str) -> str:
        return sql_type(self.type_of(name))

    def casts(self) -> list[str]:
        """Each column in its type, as SQL that a frame with these names can select (`selectExpr`)."""
        return [f"CAST(`{name}` AS {self.sql_type(name)}) AS `{name}`" for name in self.columns]

    def checks(self) -> dict[str, str]:
        """CHECK constraints by name, of the columns that are not text.

        Delta refuses a row whose CHECK is NULL, other than SQL does, so a column that may be NULL says so.
        """
        return {
            f"{column.name}_range": column.check.sql(column.name)
            if self.is_required(column.name)
            else f"{column.name} IS NULL OR ({column.check.sql(column.name)})"
            for column in self.declared()
            if column.check and column.name not in self.text
        }

    def empty(self, *, with_partitions: bool = False) -> pa.Table:
        """A table of this contract without rows."""
        return self.arrow_schema(with_partitions=with_partitions).empty_table()

    def delta_schema_json(self) -> str:
        """The schema as the Delta protocol writes it, comments included."""
        fields = [
            {
                "name": column.name,
                "type": delta_type(self.type_of(column.name)),
                "nullable": not self.is_required(column.name),
                "metadata": {"comment": column.comment},
            }
            for column in self.declared()
        ]
        return json.dumps({"type": "struct", "fields": fields})

    def ddl(self, identifier: str, location: str | None = None) -> list[str]:
        """Statements that create the table in a catalog, with comments and checks.

        `identifier` is the quoted name, such as `main`.`silver`.`sales_daily`; `location` makes it an external table.
        """
        lines = [
            f"  `{column.name}` {self.sql_type(column.name)}"
            + (" NOT NULL" if self.is_required(column.name) else "")
            + f" COMMENT {sql_string(column.comment)}"
            for column in self.declared()
        ]
        create = f"CREATE TABLE IF NOT EXISTS {identifier} (\n" + ",\n".join(lines) + "\n) USING DELTA"
        if self.partitions:
            create += " PARTITIONED BY (" + ", ".join(f"`{name}`" for name in self.partitions) + ")"
        properties = ", ".join(f"'{key}' = '{value}'" for key, value in TABLE_PROPERTIES.items())
        create += f" COMMENT {sql_string(self.comment)}"
        if location:
            create += f" LOCATION {sql_string(location)}"
        create += f" TBLPROPERTIES ({properties})"
        checks = [
            f"ALTER TABLE {identifier} ADD CONSTRAINT {name} CHECK ({sql})" for name, sql in self.checks().items()
        ]
        return [create, *checks]

    def conform(self, table: pa.Table, *, with_partitions: bool = False) -> pa.Table:
        """The Arrow table with exactly the contract's columns, order and types; every write of Arrow data passes here.

        `with_partitions`: the table has the partition columns too; else they are constants of the file.

        Raises ContractError when columns are missing or unknown, a value does not fit its type, a required column holds
        NULL, a value is outside its column's range or list, or two rows have one key: nothing is dropped or cast with
        loss. It names the column, the rule in words, how many rows break it, and some of them.
        """
        conformed = self._typed(table, with_partitions)
        offences = [*self._outside(conformed), *self._repeated(conformed)]
        if offences:
            raise ContractError(
                f"{self.name}: rows break the table's contract; nothing was written. Mend what makes them, or the "
                "rule in lakehouse/schema.\n  " + "\n  ".join(offences)
            )
        return conformed

    def _typed(self, table: pa.Table, with_partitions: bool) -> pa.Table:
        schema = self.arrow_schema(with_partitions=with_partitions)
        missing = [name for name in schema.names if name not in table.column_names]
        extra = [name for name in table.column_names if name not in schema.names]
        if missing or extra:
            raise ContractError(
                f"{self.name}: expected columns {schema.names}; missing {missing}, unexpected {extra}. "
                "Change the producer, or the contract in lakehouse/schema/tables."
            )
        try:
            conformed = table.select(schema.names).cast(
                pa.schema([pa.field(f.name, f.type) for f in schema])  # nulls are reported below, by column
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ContractError(f"{self.name}: a column does not fit its declared type: {error}") from error
        nulls = {f.name: conformed[f.name].null_count for f in schema if not f.nullable}
        offending = {name: count for name, count in nulls.items() if count}
        if offending:
            raise ContractError(f"{self.name}: NULL in required columns (rows by column): {offending}")
        return conformed.cast(schema)

    def _outside(self, table: pa.Table) -> Iterator[str]:
        """What each column's range or list refuses, in words; of numbers also NaN and the infinite, range or not."""
        for name in table.column_names:
            check = None if name in self.text else COLUMNS[name].check
            rules = [(check.mask, check.words())] if check is not None else []
            if pa.types.is_floating(table.schema.field(name).type):
                rules.append((pc.is_finite, "a finite number"))
            for mask, words in rules:
                fine = mask(table[name])
                if pc.all(fine).as_py() is False:  # NULLs are skipped; None: there is nothing else
                    bad = table.filter(pc.invert(pc.fill_null(fine, True)))
                    yield (
                        f"{name}: expected {words}, found {bad.num_rows:,} of {table.num_rows:,} rows otherwise: "
                        + self._shown(bad, name)
                    )
                    break

    def _repeated(self, table: pa.Table) -> Iterator[str]:
        """Keys that stand on several rows; partition columns that are not in the table are the same on all."""
        key = [name for name in self.key if name in table.column_names]
        rows = table.select(key)
        if _is_unique(rows):
            return
        named = f"({', '.join(self.key)}): expected one row per key, found"
        if not key:
            yield f"{named} {table.num_rows:,} rows in one partition, which is the key"
            return
        counted = rows.group_by(key, use_threads=False).aggregate([([], "count_all")])
        repeated = counted.filter(pc.greater(counted["count_all"], 1))
        yield f"{named} {repeated.num_rows:,} keys on several rows: {self._shown(repeated, 'count_all', 'rows')}"

    def _shown(self, rows: pa.Table, name: str, word: str = "") -> str:
        """The first offenders: the value, and the key of its row."""
        key = [column for column in self.key if column in rows.column_names and column != name]
        found = rows.select([*key, name]).slice(0, _EXAMPLES).to_pylist()
        texts = [
            f"{row[name]}{word and ' ' + word} at " + ", ".join(f"{column} {row[column]}" for column in key)
            for row in found
        ]
        return "; ".join(texts) + ("; ..." if rows.num_rows > _EXAMPLES else "")


def _is_unique(rows: pa.Table) -> bool:
    """Whether no two rows are the same.

    Rows often come in runs in which the last column rises, such as the days of a series: they differ within a run, and
    a bucket of a hundred thousand rows has only hundreds of runs to compare.
    """
    if not rows.num_columns:
        return rows.num_rows <= 1
    *first, last = (rows[name].combine_chunks() for name in rows.column_names)
    before, after = slice(None, -1), slice(1, None)
    is_run = pa.array([True] * max(rows.num_rows - 1, 0), pa.bool_())
    for column in first:
        is_run = pc.and_(is_run, pc.equal(column[before], column[after]))
    if pc.all(pc.or_(pc.invert(is_run), pc.less(last[before], last[after])), skip_nulls=False).as_py():
        is_start = pa.concat_arrays([pa.array([True]), pc.invert(is_run)]).slice(0, rows.num_rows)
        if not first or _n_distinct(rows.select(rows.column_names[:-1]).filter(is_start)) == pc.sum(is_start).as_py():
            return True
    return _n_distinct(rows) == rows.num_rows


def _n_distinct(rows: pa.Table) -> int:
    # One thread: workers share the cores.
    return int(rows.group_by(rows.column_names, use_threads=False).aggregate([]).num_rows)


TABLE_PROPERTIES = {
    # Spark, deltalake and DuckDB must all read every table, so no feature that one of them lacks.
    "delta.enableDeletionVectors": "false",
    "delta.checkpointInterval": "50",
}


def sql_string(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

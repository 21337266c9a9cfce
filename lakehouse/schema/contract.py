"""What a table is: columns, key, partitions, checks and comments, and the forms the engines want them in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from lakehouse.errors import ContractError
from lakehouse.schema.columns import COLUMNS, Column, ColumnType
from lakehouse.schema.entities import SERIES, Entity

WriteMode = Literal["append", "replace_partitions", "overwrite", "merge"]

_ARROW: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "double": pa.float64(),
    "int": pa.int32(),
    "long": pa.int64(),
    "byte": pa.int8(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "array<double>": pa.list_(pa.field("element", pa.float64())),
}
_SQL: dict[ColumnType, str] = {"byte": "TINYINT", "long": "BIGINT"}
_DELTA: dict[ColumnType, str | dict[str, object]] = {
    "int": "integer",
    "array<double>": {"type": "array", "elementType": "double", "containsNull": True},
}


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

    @property
    def schema_name(self) -> str:
        return self.name.split(".")[0]

    @property
    def table_name(self) -> str:
        return self.name.split(".")[1]

    def type_of(self, name: str) -> ColumnType:
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
            [pa.field(name, _ARROW[self.type_of(name)], nullable=not self.is_required(name)) for name in names]
        )

    def sql_type(self, name: str) -> str:
        type_ = self.type_of(name)
        return _SQL.get(type_, type_.upper())

    def checks(self) -> dict[str, str]:
        """CHECK constraints by name, of the columns that are not text.

        Delta refuses a row whose CHECK is NULL, other than SQL does, so a column that may be NULL says so.
        """
        return {
            f"{column.name}_range": column.check
            if self.is_required(column.name)
            else f"{column.name} IS NULL OR ({column.check})"
            for column in self.declared()
            if column.check and column.name not in self.text
        }

    def delta_schema_json(self) -> str:
        """The schema as the Delta protocol writes it, comments included."""
        fields = [
            {
                "name": column.name,
                "type": _DELTA.get(self.type_of(column.name), self.type_of(column.name)),
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
        """The Arrow table with exactly the contract's columns, order and types.

        Raises ContractError when columns are missing or unknown, when a value does not fit its type, or when a required
        column holds NULL: nothing is dropped or cast with loss.
        """
        schema = self.arrow_schema(with_partitions=with_partitions)
        missing = [name for name in schema.names if name not in table.column_names]
        extra = [name for name in table.column_names if name not in schema.names]
        if missing or extra:
            raise ContractError(
                f"{self.name}: expected columns {schema.names}; missing {missing}, unexpected {extra}. "
                "Change the producer, or the table's contract in lakehouse/schema/tables."
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


TABLE_PROPERTIES = {
    # Spark, deltalake and DuckDB must all read every table, so no feature that one of them lacks.
    "delta.enableDeletionVectors": "false",
    "delta.checkpointInterval": "50",
}


def sql_string(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

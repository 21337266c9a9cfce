"""Every table, declared once: columns, key, partitions, write mode and comment.

DDL, comments, checks, quarantine rules and the data dictionary all come from here. Each file beside this one is a
capability's: its `CONTRACTS` and its `FEEDS` are found here, and columns that no table had before it declares itself
(`lakehouse.schema.columns.declare`).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from lakehouse.errors import ContractError
from lakehouse.schema.contract import Contract
from lakehouse.schema.feed_layout import FeedLayout

__all__ = ["FEEDS", "LAYERS", "TABLES", "contract", "register", "register_feeds", "table_of", "table_of_rows"]

LAYERS = ("bronze", "silver", "features", "forecast", "inventory", "gold", "ops")
"""The schemas of the main job; a capability of its own stands before gold."""

TABLES: dict[str, Contract] = {}
FEEDS: dict[str, FeedLayout] = {}
"""What a retailer can deliver, by the feed's name."""


def register(contracts: Iterable[Contract]) -> None:
    """Make tables known by name, layer by layer. Raises ContractError where a name stands for another table already."""
    for declared in contracts:
        if TABLES.setdefault(declared.name, declared) != declared:
            raise ContractError(f"two contracts are called {declared.name!r}; a table is declared once")
    in_order = sorted(TABLES.values(), key=lambda each: _layer(each.schema_name))
    TABLES.clear()
    TABLES.update({each.name: each for each in in_order})


def register_feeds(layouts: Iterable[FeedLayout]) -> None:
    """Make feeds known, and their bronze tables. Raises ContractError where a name stands for another feed already."""
    for layout in layouts:
        if FEEDS.setdefault(layout.name, layout) != layout:
            raise ContractError(f"two feeds are called {layout.name!r}; a feed is declared once")
        register([layout.bronze()])


def _layer(schema: str) -> float:
    return LAYERS.index(schema) if schema in LAYERS else LAYERS.index("gold") - 0.5


for _found in pkgutil.iter_modules(__path__):
    _part = importlib.import_module(f"{__name__}.{_found.name}")
    register_feeds(getattr(_part, "FEEDS", ()))
    register(getattr(_part, "CONTRACTS", ()))


def contract(name: str) -> Contract:
    """The contract of a table, by `schema.table`. Raises ContractError naming the tables that exist."""
    if name not in TABLES:
        raise ContractError(f"no table {name!r}; the tables are {', '.join(TABLES)}")
    return TABLES[name]


def table_of(name: str, columns: Mapping[str, Any]) -> pa.Table:
    """Rows of a table, without its partition columns, from arrays by column: what a kernel hands over.

    Arrow arrays, NumPy arrays and lists are put in the contract's order and types. A NaN stays a NaN: give NULL where a
    number is not known. Raises ContractError when columns are missing or unknown, or a value does not fit its type;
    ranges and the key are checked where the table is written.
    """
    schema = contract(name).arrow_schema(with_partitions=False)
    missing = [column for column in schema.names if column not in columns]
    extra = [column for column in columns if column not in schema.names]
    if missing or extra:
        raise ContractError(f"{name}: expected columns {schema.names}; missing {missing}, unexpected {extra}")
    return pa.Table.from_arrays([_array(name, field, columns[field.name]) for field in schema], schema=schema)


def table_of_rows(name: str, rows: Sequence[Mapping[str, Any]], *, is_sparse: bool = False) -> pa.Table:
    """`table_of` rows that say every column, and perhaps more; what sparse ones do not say is NULL."""
    columns = contract(name).file_columns()
    if is_sparse:
        return table_of(name, {column: [row.get(column) for row in rows] for column in columns})
    return table_of(name, {column: [row[column] for row in rows] for column in columns})


def _array(name: str, field: pa.Field, values: Any) -> pa.Array | pa.ChunkedArray:
    try:
        is_arrow = isinstance(values, pa.Array | pa.ChunkedArray)
        return values.cast(field.type) if is_arrow else pa.array(values, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise ContractError(f"{name}: {field.name} does not fit its declared type: {error}") from error

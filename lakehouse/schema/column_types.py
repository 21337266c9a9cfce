"""The types that a column may have, and what Arrow, SQL and the Delta protocol call them."""

from __future__ import annotations

import re

import pyarrow as pa

from lakehouse.errors import ContractError

_ARROW: dict[str, pa.DataType] = {
    "string": pa.string(),
    "double": pa.float64(),
    "float": pa.float32(),
    "int": pa.int32(),
    "long": pa.int64(),
    "byte": pa.int8(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "binary": pa.binary(),
    "array<double>": pa.list_(pa.field("element", pa.float64())),
    "array<float>": pa.list_(pa.field("element", pa.float32())),
}
_SQL = {"byte": "TINYINT", "long": "BIGINT"}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


def arrow_type(type_: str) -> pa.DataType:
    """The Arrow type of a declared one. Raises ContractError naming the types that there are."""
    if type_ in _ARROW:
        return _ARROW[type_]
    if found := _DECIMAL.fullmatch(type_):
        precision, scale = int(found[1]), int(found[2])
        if 1 <= precision <= 38 and scale <= precision:
            return pa.decimal128(precision, scale)
    raise ContractError(
        f"no column type {type_!r}; the types are {', '.join(_ARROW)} and decimal(p,s) with s <= p <= 38"
    )


def sql_type(type_: str) -> str:
    return _SQL.get(type_, type_.upper())


def delta_type(type_: str) -> str | dict[str, object]:
    """The type as the Delta protocol writes it in JSON."""
    if type_.startswith("array<"):
        element = type_.removeprefix("array<").removesuffix(">")
        return {"type": "array", "elementType": element, "containsNull": True}
    return "integer" if type_ == "int" else type_

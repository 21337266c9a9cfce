"""The rows of a long frame, checked: which columns it has, what kind they are of, which numbers they hold."""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from udfs.series.time_stamps import stamp_text

KEYS = ("unique_id", "ds", "y")


def rows_of(frame: pd.DataFrame | pa.Table, name: str, keys: tuple[str, ...]) -> pd.DataFrame:
    """The rows of a pandas frame or Arrow table, their columns named by text, y (where it is a key) as float64.

    Args:
        name: what the caller calls the frame, for messages.
        keys: columns that must be there; of the first two no value may be missing.

    Raises:
        ValueError: another kind of object, a column that is missing or there twice, no row, a missing key, or a y that
            is no finite number. Flags are no numbers of units.
    """
    rows = frame.to_pandas() if isinstance(frame, pa.Table) else frame
    if not isinstance(rows, pd.DataFrame):
        raise ValueError(f"expected {name} as a pandas frame or an Arrow table, found {type(frame).__name__}")
    rows = rows.copy(deep=False)
    rows.columns = pd.Index([str(column) for column in rows.columns])
    missing = [key for key in keys if key not in rows.columns]
    if missing:
        raise ValueError(f"expected columns {', '.join(keys)} in {name}, found no {', '.join(missing)}; rename yours")
    if not rows.columns.is_unique:
        raise ValueError(
            f"expected each column of {name} once, found {rows.columns[rows.columns.duplicated()][0]} twice"
        )
    if rows.empty:
        raise ValueError(f"expected at least one row in {name}, found none")
    for key in keys[:2]:
        if rows[key].isna().any():
            raise ValueError(f"expected {key} on every row of {name}, found {int(rows[key].isna().sum())} missing")
    if "y" in keys:
        if is_flag(rows["y"]):
            raise ValueError("expected numbers in y, found flags (True and False); if they count, use .astype(int)")
        rows["y"] = numbers_of(rows, "y", name)
    return rows


def extra_columns(rows: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Covariates (numbers, decimals, flags) and traits (all else), in the order of the columns."""
    extra = [column for column in rows.columns if column not in KEYS]
    covariates = [column for column in extra if is_number(rows[column]) or is_flag(rows[column])]
    return covariates, [column for column in extra if column not in covariates]


def numbers_of(rows: pd.DataFrame, column: str, name: str) -> np.ndarray:
    """(N,) float64 of a column of numbers, decimals or flags; NaN where a value is missing.

    Raises:
        ValueError: values of another kind, or infinite ones; `name` says of which frame.
    """
    values = rows[column]
    seen = values.notna().to_numpy()
    if seen.any() and not (is_number(values) or is_flag(values)):
        given = values[seen]
        other = next((value for value in given if not isinstance(value, Real | Decimal)), given.iloc[0])
        found = repr(other) if isinstance(other, str) else other
        raise ValueError(
            f"expected numbers in {column} of {name}, found {found} ({values.dtype}); convert it first, text for "
            "example with pd.to_numeric"
        )
    numbers = np.full(len(values), np.nan)
    numbers[seen] = values[seen].astype(float)
    infinite = np.flatnonzero(np.isinf(numbers))
    if infinite.size:
        row = rows.iloc[int(infinite[0])]
        raise ValueError(
            f"expected finite {column}, found infinity for {named(row['unique_id'])} at {stamp_text(row['ds'])}"
        )
    return numbers


def is_number(values: pd.Series) -> bool:
    """Whether a column holds integers, floats or decimals, as a dtype of their own or as objects."""
    dtype = values.dtype
    if pd.api.types.is_object_dtype(dtype):
        kind = pd.api.types.infer_dtype(values, skipna=True)
        if kind == "mixed":  # such as decimals and floats
            return all(issubclass(k, Real | Decimal) and k is not bool for k in {type(v) for v in values.dropna()})
        return kind in {"decimal", "integer", "floating", "mixed-integer-float"}
    is_real = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype)
    return bool(is_real) and not pd.api.types.is_bool_dtype(dtype)


def is_flag(values: pd.Series) -> bool:
    """Whether a column holds True and False, as a dtype of their own or as objects."""
    if pd.api.types.is_object_dtype(values.dtype):
        return pd.api.types.infer_dtype(values, skipna=True) == "boolean"
    return bool(pd.api.types.is_bool_dtype(values.dtype))


def named(unique_id: Any) -> str:
    """A series as messages name it, whatever its id's type."""
    return repr(str(unique_id))

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
    """The rows of a pandas frame or Arrow table, their columns named by text, y (where it is a key) as float64, text in
    unique_id as categories.

    Args:
        name: what the caller calls the frame, for messages.
        keys: columns that must be there; of the first two no value may be missing.

    Raises:
        ValueError: another kind of object, a column that is missing or there twice, no row, a missing key, or a y that
            is no finite number. Flags are no numbers of units.
    """
    rows = _of_arrow(frame) if isinstance(frame, pa.Table) else frame
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
    rows["unique_id"] = coded(rows["unique_id"])
    for key in keys[:2]:
        if rows[key].isna().any():
            raise ValueError(f"expected {key} on every row of {name}, found {int(rows[key].isna().sum())} missing")
    if "y" in keys:
        if is_flag(rows["y"]):
            raise ValueError("expected numbers in y, found flags (True and False); if they count, use .astype(int)")
        numbers = numbers_of(rows, "y", name)
        if rows["y"].dtype != numbers.dtype:
            rows["y"] = numbers
    return rows


def coded(ids: pd.Series) -> pd.Series:
    """Objects, such as text, as categories in sorted order; other kinds of ids as they are.

    Rows of a series mostly share one object for its id, as readers of files and `repeat` make them. Objects are then
    told apart by where they lie, and only one of each is hashed and compared.
    """
    if ids.dtype != object:
        return ids
    objects_N = np.ascontiguousarray(ids.to_numpy())
    place_N = np.frombuffer(objects_N, np.intp)
    start_R = run_starts(place_N)
    sample = place_N[start_R[: len(start_R) // 8]]
    if len(pd.unique(sample)) > len(objects_N) // 16:  # each row has its own object
        code_N, values = pd.factorize(objects_N, sort=True)
    else:
        code_R, place_U = pd.factorize(place_N[start_R])
        row_U = np.zeros(len(place_U), dtype=np.intp)
        row_U[code_R] = start_R
        code_U, values = pd.factorize(objects_N[row_U], sort=True)
        code_R = code_U.astype(np.min_scalar_type(-len(values) - 1))[code_R]
        code_N = np.repeat(code_R, np.diff(start_R, append=len(objects_N)))
    return pd.Series(pd.Categorical.from_codes(code_N, pd.Index(values, dtype=object)), index=ids.index)


def run_starts(values_N: np.ndarray) -> np.ndarray:
    """Positions at which a value differs from the one before, the first included."""
    return np.append(0, np.flatnonzero(values_N[1:] != values_N[:-1]) + 1)


def series_runs(ids: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The runs of rows with one id, of ids that are `coded` and not missing.

    Returns:
        (R,) the runs' first rows, (R,) their series as positions in the ids, and the (S,) ids, sorted.
    """
    if isinstance(ids.dtype, pd.CategoricalDtype):
        start_R = run_starts(ids.cat.codes.to_numpy())
        code_R, ids_S = pd.factorize(ids.iloc[start_R], sort=True)
        return start_R, code_R, np.asarray(ids_S)
    code_N, ids_S = pd.factorize(ids, sort=True)
    start_R = run_starts(code_N)
    return start_R, code_N[start_R], np.asarray(ids_S)


def _of_arrow(table: pa.Table) -> pd.DataFrame:
    """A table as a frame whose text ids and dates stay in Arrow, where they are no objects."""
    names = [name for name in table.column_names if name in ("unique_id", "ds")]
    kept = {name: table[name] for name in names if table.column_names.count(name) == 1}
    kept = {name: column for name, column in kept.items() if _is_text_or_date(column.type)}
    rows = table.drop_columns(list(kept)).to_pandas() if kept else table.to_pandas()
    for name, column in kept.items():
        rows[name] = pd.arrays.ArrowExtensionArray(column)
    return rows


def _is_text_or_date(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_date32(kind)


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
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiu":
        return _finite(values.to_numpy(dtype=float), rows, column)
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
    return _finite(numbers, rows, column)


def _finite(numbers: np.ndarray, rows: pd.DataFrame, column: str) -> np.ndarray:
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

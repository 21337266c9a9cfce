"""Between Arrow columns and numpy buffers without a Python loop over rows."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_EPOCH = date(1970, 1, 1)


def one_chunk(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return the column as one array; free where it already is one."""
    if isinstance(column, pa.Array):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    if column.num_chunks == 0:
        return pa.array([], column.type)
    return column.combine_chunks()


def nan_for_null(column: pa.Array) -> np.ndarray:
    """Return a float64 column as numpy, nulls as NaN; no copy where there is no null."""
    return (pc.fill_null(column, np.nan) if column.null_count else column).to_numpy(zero_copy_only=True)


def null_for_nan(x: np.ndarray) -> pa.Array:
    """Wrap a contiguous float64 array as an Arrow array whose NaNs are nulls; the values are not copied."""
    return _with_nulls(x, x == x)


def null_for(x: np.ndarray, missing: int) -> pa.Array:
    """Wrap a contiguous integer array as an Arrow array in which the value `missing` is null."""
    return _with_nulls(x, x != missing)


def _with_nulls(x: np.ndarray, known: np.ndarray) -> pa.Array:
    nulls = int(x.size - np.count_nonzero(known))
    validity = pa.py_buffer(np.packbits(known, bitorder="little")) if nulls else None
    return pa.Array.from_buffers(pa.from_numpy_dtype(x.dtype), x.size, [validity, pa.py_buffer(x)], nulls)


def bools(x: np.ndarray) -> pa.Array:
    """Pack an array of 0 and 1 (or of booleans) into an Arrow boolean array."""
    return pa.Array.from_buffers(
        pa.bool_(), x.size, [None, pa.py_buffer(np.packbits(x.view(np.bool_), bitorder="little"))], 0
    )


def runs(column: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Return the value and the end (exclusive) of each run of equal neighbours, for strings or dictionaries.

    A dictionary is compared by its codes, so no string is touched row by row; two codes with the same string
    (legal, rare) come back as two runs with equal values.
    """
    if pa.types.is_dictionary(column.type):
        encoded = pc.run_end_encode(column.indices)
        values = column.dictionary.take(encoded.values)
    else:
        encoded = pc.run_end_encode(column)
        values = encoded.values
    return values, encoded.run_ends.to_numpy(zero_copy_only=False).astype(np.int64)


def check_sorted(unique_ids: np.ndarray, row_S: np.ndarray, day: np.ndarray) -> None:
    """Refuse rows that are not sorted by series and day.

    Args:
        unique_ids: (S,) ids in the order of the rows.
        row_S: per row the position of its series in `unique_ids`.
        day: per row the day, whole numbers since 1970-01-01.

    Raises:
        ValueError: an id in two places, a day twice or out of order; it names the first.
    """
    if len(set(unique_ids)) != len(unique_ids):
        raise ValueError("expected rows sorted by (unique_id, ds), found a unique_id in two places; sort the table")
    same_series = row_S[1:] == row_S[:-1]
    bad = np.flatnonzero(same_series & (np.diff(day) <= 0))
    if bad.size:
        at = int(bad[0]) + 1
        ds = _EPOCH + timedelta(days=int(day[at]))
        raise ValueError(
            f"expected one row per day in order of ds, found {unique_ids[row_S[at]]!r} at {ds} twice or out of order; "
            "sort by (unique_id, ds) and aggregate duplicates"
        )

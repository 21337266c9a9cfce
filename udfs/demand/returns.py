"""Which sale a cancellation takes back.

A transaction feed records a cancellation as a line of its own with negative units and seldom says which sale it
reverses. Netting it on its own day would show negative demand there and leave demand that never was on the day of
the sale; matching it to its sale removes both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

UNIT_TOLERANCE: Final = 1e-9  # units; what is left after sums of fractional units is rounding, not goods


def match_cancellations(
    lines: pa.Table,
    group_columns: Sequence[str] = ("group_id",),
    *,
    time_column: str = "sold_at",
    line_column: str = "line_id",
    units_column: str = "units",
) -> pa.Table:
    """Match each cancellation to earlier sales of its group, last in first out, whole or not at all.

    lines: one row per transaction line. The group (say customer and product) is what the cancellation shares with
    its sale; a NULL in it matches nothing. Units > 0 are a sale, < 0 a cancellation, 0 neither. The line id is
    unique and, after the time, gives the order of lines; at the same time sales come before cancellations.
    Cancellations are served in order of time: each takes from the most recent sales with units left, over several
    sales if need be, or, where its group has too few units left, takes nothing and stays unmatched.

    Returns one row per line, in the order given: the line id; `reversed_units` (double >= 0, units taken off this
    sale, 0 for other lines); `is_matched` (bool for a cancellation, NULL for other lines). The sum of
    `reversed_units` is the sum of units of the matched cancellations. The result does not depend on row order.
    Raises ValueError for a missing column, NULL or non-finite units, NULL times or ids, and repeated line ids.
    """
    _check(lines, [*group_columns, time_column, line_column, units_column], time_column, line_column)
    units = lines[units_column].cast(pa.float64()).to_numpy()
    if not np.isfinite(units).all():  # a NULL became NaN
        raise ValueError(f"{units_column}: expected finite units in every line; quarantine the others first")
    reversed_units = np.zeros(len(units))
    is_matched = np.zeros(len(units), dtype=np.bool_)

    # Few groups hold a cancellation: sort and walk just those.
    group = _group_codes(lines, group_columns)
    has_cancellation = np.zeros(int(group.max(initial=-1)) + 1, dtype=np.bool_)
    has_cancellation[group[(units < 0.0) & (group >= 0)]] = True
    rows = np.flatnonzero((group >= 0) & (units != 0.0))
    rows = rows[has_cancellation[group[rows]]]
    if rows.size:
        time, line = (_ranks(lines[name].take(pa.array(rows))) for name in (time_column, line_column))
        order = np.lexsort((line, units[rows] < 0.0, time, group[rows]))
        rows = rows[order]
        taken, matched = _match_sorted(group[rows], units[rows], UNIT_TOLERANCE)
        reversed_units[rows], is_matched[rows] = taken, matched
    return pa.table(
        {
            line_column: lines[line_column],
            "reversed_units": pa.array(reversed_units),
            "is_matched": pa.array(is_matched, mask=~(units < 0.0)),
        }
    )


@numba.njit(cache=True, nogil=True)
def _match_sorted(
    group: NDArray[np.int64], units: NDArray[np.float64], tolerance: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Walk lines sorted by group and time; a stack holds the group's sales with units left, newest on top."""
    n = len(units)
    taken = np.zeros(n)
    matched = np.zeros(n, dtype=np.bool_)
    stack = np.empty(n, dtype=np.int64)
    height, left = 0, 0.0
    for i in range(n):
        if i == 0 or group[i] != group[i - 1]:
            height, left = 0, 0.0
        if units[i] > 0.0:
            stack[height] = i
            height += 1
            left += units[i]
            continue
        wanted = -units[i]
        if wanted > left + tolerance:
            continue
        matched[i] = True
        left -= wanted
        while wanted > 0.0 and height > 0:
            sale = stack[height - 1]
            part = min(units[sale] - taken[sale], wanted)
            taken[sale] += part
            wanted -= part
            if units[sale] - taken[sale] <= tolerance:
                height -= 1
    return taken, matched


def _check(lines: pa.Table, wanted: list[str], time_column: str, line_column: str) -> None:
    missing = [name for name in wanted if name not in lines.column_names]
    if missing:
        raise ValueError(f"lines: expected columns {wanted}, found {lines.column_names}; missing {missing}")
    for name in (time_column, line_column):
        if lines[name].null_count:
            raise ValueError(f"{name}: expected a value in every line, found {lines[name].null_count} NULL")
    distinct = pc.count_distinct(lines[line_column]).as_py()
    if distinct != lines.num_rows:
        raise ValueError(f"{line_column}: expected {lines.num_rows} different ids, found {distinct}")


def _group_codes(lines: pa.Table, group_columns: Sequence[str]) -> NDArray[np.int64]:
    """A number per group, -1 where any of its columns is NULL."""
    codes = np.zeros(lines.num_rows, dtype=np.int64)
    is_null = np.zeros(lines.num_rows, dtype=np.bool_)
    for name in group_columns:
        column_codes, column_is_null = _dictionary_codes(lines[name])
        is_null |= column_is_null
        # Compress after each column, so that many columns cannot overflow the product.
        _, codes = np.unique(codes * (int(column_codes.max(initial=0)) + 1) + column_codes, return_inverse=True)
    return np.where(is_null, -1, codes).astype(np.int64)


def _dictionary_codes(column: Any) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    is_null = encoded.is_null().to_numpy(zero_copy_only=False)
    codes = encoded.indices.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return codes, is_null


def _ranks(column: Any) -> NDArray[np.int64]:
    """The dense rank of each value in ascending order, whatever its type."""
    ranks = pc.rank(column, sort_keys="ascending", tiebreaker="dense")
    return np.asarray(ranks.to_numpy(), dtype=np.int64)

"""From which day on a series is in scope: what sold on too few days is left to nobody's forecast until it has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.series.arrow_arrays import one_chunk, runs

NEVER = np.iinfo(np.int64).max
_EPOCH = date(1970, 1, 1)


def scope_days(history: pa.Table, min_selling_days: int) -> dict[str, int]:
    """By series the day, since 1970, of its sale day number `min_selling_days`; `NEVER` where it has fewer.

    history: unique_id, ds (date), y (units), sorted by (unique_id, ds). A day counts where y is above 0.
    """
    ids, end_S = runs(one_chunk(history["unique_id"]))
    is_sale = pc.fill_null(pc.greater(history["y"], 0), False).to_numpy().astype(bool)
    day = history["ds"].cast(pa.date32()).cast(pa.int32()).to_numpy().astype(np.int64)
    so_far = np.concatenate([[0], np.cumsum(is_sale)])
    start_S = np.concatenate([[0], end_S[:-1]]).astype(np.int64)
    # The row on which the count, from the series' own first row, reaches the number wanted.
    row_S = np.searchsorted(so_far, so_far[start_S] + max(min_selling_days, 1)) - 1
    day_S = np.where(row_S < end_S, np.append(day, NEVER)[np.minimum(row_S, len(day))], NEVER)
    return dict(zip(ids.to_pylist(), day_S.tolist(), strict=True))


def in_scope(history: pa.Table, scope: Mapping[str, int], cutoff: date) -> pa.Table:
    """The rows of the series that are in scope on a day, by `scope_days` of the same history."""
    ids, end_S = runs(one_chunk(history["unique_id"]))
    is_in_S = np.array([scope[name] <= (cutoff - _EPOCH).days for name in ids.to_pylist()], dtype=bool)
    if is_in_S.all():
        return history
    return history.filter(pa.array(np.repeat(is_in_S, np.diff(end_S, prepend=0))))

"""The days on which locations are closed, looked up by series: nothing can be sold there, whatever is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.schema.entities import SERIES
from udfs.series.arrow_arrays import one_chunk

BoolArray = NDArray[np.bool_]
PLANNED_CLOSURE = "is_closed_planned"
"""The column of the calendar that tells of days ahead; `is_closed` is known once a day has come."""


@dataclass(frozen=True, slots=True)
class ClosedDays:
    """Where and when it is closed.

    Attributes:
        locations: L names, those that are ever closed.
        first: the first day that any of them is, whole days since 1970-01-01.
        is_closed_LD: (L + 1, D + 1) bool; the last row stands for every other location, the last column for every
            other day.
    """

    locations: pa.Array
    first: int
    is_closed_LD: BoolArray

    @classmethod
    def of(cls, calendar: pa.Table, column: str = "is_closed") -> ClosedDays | None:
        """From rows of location_id, ds and the named column in any order; None where no day is closed."""
        shut = calendar.filter(calendar[column])
        if not shut.num_rows:
            return None
        location = one_chunk(shut["location_id"]).cast(pa.string())
        locations = pc.unique(location)
        day_X = _day_numbers(shut["ds"])
        first = int(day_X.min())
        is_closed_LD = np.zeros((len(locations) + 1, int(day_X.max()) - first + 2), dtype=bool)
        is_closed_LD[pc.index_in(location, locations).to_numpy(), day_X - first] = True
        return cls(locations, first, is_closed_LD)

    def ahead(self, unique_ids: np.ndarray, cutoff: date, horizon: int) -> BoolArray | None:
        """(S, H) True where a series' location is closed on a day after the cutoff; None where none is."""
        day_H = int(np.datetime64(cutoff, "D").astype(np.int64)) + 1 + np.arange(horizon)
        row_S = self._rows(pa.array(unique_ids, pa.string()))
        closed_SH = self.is_closed_LD[row_S[:, None], self._columns(day_H)]
        return closed_SH if closed_SH.any() else None

    def of_rows(self, daily: pa.Table) -> pa.Array:
        """Per row of unique_id, ds: whether the series' location is closed that day."""
        return pa.array(self.is_closed_LD[self._rows(daily["unique_id"]), self._columns(_day_numbers(daily["ds"]))])

    def zero_where_unseen(self, daily: pa.Table) -> pa.Table:
        """The rows of unique_id, ds, y with 0 for what was not observed on a closed day.

        Such a day teaches a model nothing, but it is known that nothing left the shelf.
        """
        y = daily["y"].cast(pa.float64())
        is_unseen = pc.and_(self.of_rows(daily), pc.is_null(y, nan_is_null=True))
        at = daily.column_names.index("y")
        return daily.set_column(at, "y", pc.if_else(is_unseen, pa.scalar(0.0), y))

    def _rows(self, unique_ids: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
        location = SERIES.parts_of(unique_ids)["location_id"]
        return pc.fill_null(pc.index_in(location, self.locations), -1).to_numpy(zero_copy_only=False).astype(np.int64)

    def _columns(self, day: NDArray[np.int64]) -> NDArray[np.int64]:
        column = day - self.first
        return np.where((column >= 0) & (column < self.is_closed_LD.shape[1] - 1), column, -1)


def _day_numbers(ds: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(ds.cast(pa.date32()).cast(pa.int32()).to_numpy(), dtype=np.int64)

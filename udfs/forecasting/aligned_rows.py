"""Long rows by series and step: which rows are a series', and which steps they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from udfs.forecasting import frame_kernel
from udfs.forecasting.frame_rows import named, series_runs
from udfs.series.time_axis import OffGridError, TimeAxis
from udfs.series.time_stamps import stamp_text

_CELLS_PER_ROW = 8  # a grid of cells up to this sparse is read faster than rows are sorted


@dataclass(frozen=True, slots=True)
class AlignedRows:
    """Rows in the order of their series and steps.

    Attributes:
        rows: as `rows_of` gives them, sorted.
        ids_S: the series' ids as they were given, sorted.
        edges: (S + 1,) the first row of each series, then the number of rows.
        step_N: (N,) the rows' steps on `axis`.
    """

    rows: pd.DataFrame
    ids_S: np.ndarray
    edges: np.ndarray
    step_N: np.ndarray
    axis: TimeAxis

    @classmethod
    def of(cls, rows: pd.DataFrame, freq: str | int) -> AlignedRows:
        """Sort rows where they are not.

        Raises:
            ValueError: stamps that `TimeAxis` refuses, two rows of a series at a step, or ids with the same text.
        """
        try:
            axis, step = TimeAxis.read(rows["ds"], freq)
        except OffGridError as error:
            raise of_series(error, rows, "history") from error
        start_R, code_R, ids_S = series_runs(rows["unique_id"])
        edges = np.append(start_R, len(rows))
        if (np.diff(code_R) <= 0).any() or not frame_kernel.rising(edges, step):
            code = np.repeat(code_R, np.diff(edges))
            order = _order(code, step, len(ids_S))
            rows, step = rows.iloc[order], step[order]
            edges = np.append(0, np.bincount(code).cumsum())
            _check_once(rows, edges, step)
        texts = pd.Series([str(i) for i in ids_S])
        if texts.duplicated().any():
            same = ids_S[(texts == texts[texts.duplicated()].iloc[0]).to_numpy()]
            raise ValueError(f"expected unique_ids that differ as text, found {same[0]!r} and {same[1]!r}; rename one")
        return cls(rows, ids_S, edges, step, axis)

    @property
    def first_rows(self) -> np.ndarray:
        return self.edges[:-1]

    @property
    def n_rows(self) -> np.ndarray:
        return np.diff(self.edges)

    @property
    def first_steps(self) -> np.ndarray:
        return self.step_N[self.first_rows]

    @property
    def last_steps(self) -> np.ndarray:
        return self.step_N[self.edges[1:] - 1]

    def codes(self) -> np.ndarray:
        """(N,) the position of each row's series in `ids_S`."""
        return np.repeat(np.arange(len(self.ids_S)), self.n_rows)


def _order(code_N: np.ndarray, step_N: np.ndarray, n_series: int) -> np.ndarray:
    """(N,) positions of the rows by series and step."""
    span = int(step_N.max()) + 1
    if n_series * span <= _CELLS_PER_ROW * len(code_N):
        row_ST = np.full((n_series, span), -1, dtype=np.int64)
        if frame_kernel.row_of_cells(code_N, step_N, row_ST):
            return row_ST[row_ST >= 0]
    return np.lexsort((step_N, code_N))


def _check_once(rows: pd.DataFrame, edges: np.ndarray, step_N: np.ndarray) -> None:
    same_N = np.append(False, step_N[1:] == step_N[:-1])
    same_N[edges[:-1]] = False
    if same_N.any():
        row = rows.iloc[int(same_N.argmax())]
        raise ValueError(f"expected one row per unique_id and ds, found two of {where(row)}; aggregate first")


def where(row: pd.Series) -> str:
    """A row's series and step as messages name them."""
    return f"{named(row['unique_id'])} at {stamp_text(row['ds'])}"


def of_series(error: OffGridError, rows: pd.DataFrame, name: str) -> ValueError:
    """The error of a stamp with the series that it is of; `name` says of which frame."""
    return ValueError(f"{name}, series {named(rows['unique_id'].iloc[error.row])}: {error}")

"""A bucket of daily series as one padded tensor with a mask.

Dimensions, here and in every module that takes a `SkuBatch`: S series, T time (days), H horizon (days after the
cutoff), Q quantile levels, G points of a parameter grid, M days of a season.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from udfs.series.arrow_arrays import check_sorted, one_chunk, runs
from udfs.series.covariates import Covariates, Traits
from udfs.series.known_weather import WeatherResponse

PAD_MULTIPLE_DAYS = 28
"""T is always a multiple of this, so that whole weeks line up from the end of every batch."""

_EPOCH = date(1970, 1, 1)
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class SkuBatch:
    """Daily demand of S series, aligned at the cutoff.

    Attributes:
        unique_ids: (S,) object array of str, the order of every tensor's S dimension.
        y_ST: (S, T) float64, units a day. The last column is the cutoff day; earlier columns are padding where a
            series is shorter. Unobserved days hold 0, so arithmetic on them is harmless; only `mask_ST` says
            whether a number was seen.
        mask_ST: (S, T) bool, True where the day was observed.
        cutoff: the last day whose demand may be known.
        known: covariates known ahead, over the batch's days and those after them; None where there are none.
        traits: fixed traits of the series; None where there are none.
        closed_SH: (S, H) bool, True on days after the cutoff on which a series cannot be sold; None where there is no
            such day. Models do not see it: they learn from the days on which it can be.
        scope_S: (S,) int, days since 1970: the day from which each series is in scope; None where all always are.
        unforeseen: the response to weather that `y_ST` is without; None where it is as it came.
    """

    unique_ids: np.ndarray
    y_ST: torch.Tensor
    mask_ST: torch.Tensor
    cutoff: date
    known: Covariates | None = None
    traits: Traits | None = None
    closed_SH: torch.Tensor | None = None
    scope_S: np.ndarray | None = None
    unforeseen: WeatherResponse | None = None

    def __post_init__(self) -> None:
        if self.y_ST.ndim != 2 or self.y_ST.shape != self.mask_ST.shape:
            raise ValueError(
                f"expected y_ST and mask_ST of one shape (S, T), found {tuple(self.y_ST.shape)} and "
                f"{tuple(self.mask_ST.shape)}; build batches with SkuBatch.from_arrow"
            )
        if len(self.unique_ids) != self.y_ST.shape[0]:
            raise ValueError(
                f"expected one unique_id per row of y_ST, found {len(self.unique_ids)} ids for "
                f"{self.y_ST.shape[0]} rows"
            )
        if self.known is not None and (
            len(self.known.values_SXK) != len(self) or self.known.days_ahead(self.n_days) < 0
        ):
            raise ValueError(
                f"expected known covariates of {len(self)} series over at least {self.n_days} days, found shape "
                f"{tuple(self.known.values_SXK.shape)}"
            )
        if self.traits is not None and len(self.traits.codes_SC) != len(self):
            raise ValueError(f"expected traits of {len(self)} series, found {len(self.traits.codes_SC)}")
        if self.closed_SH is not None and len(self.closed_SH) != len(self):
            raise ValueError(f"expected closed days of {len(self)} series, found {len(self.closed_SH)}")
        if self.scope_S is not None and len(self.scope_S) != len(self):
            raise ValueError(f"expected a day of scope of {len(self)} series, found {len(self.scope_S)}")

    def __len__(self) -> int:
        return len(self.unique_ids)

    @property
    def n_days(self) -> int:
        """T, padding included."""
        return int(self.y_ST.shape[1])

    @property
    def device(self) -> torch.device:
        return self.y_ST.device

    @classmethod
    def from_arrow(cls, table: pa.Table, cutoff: date, max_history: int | None = None) -> SkuBatch:
        """Pad the rows of a long table on or before `cutoff` into one batch.

        Args:
            table: columns unique_id, ds (date) and y (units), sorted by (unique_id, ds), one row per day and series.
            cutoff: last day used; later rows are ignored, so a batch never holds what was not yet known.
            max_history: days before and including the cutoff to keep; None keeps all.

        Days without a row, and rows whose y is NULL or NaN, are unobserved. Zeros before a series' first sale mean
        "not yet listed" and are unobserved too; a series that never sold keeps its zeros, because there they are the
        only evidence. Series without a row on or before the cutoff are left out.

        Raises:
            ValueError: unsorted rows, duplicate days, a missing unique_id or ds, or max_history below one.
        """
        if max_history is not None and max_history < 1:
            raise ValueError(f"expected max_history of at least one day, found {max_history}")
        rows = table.select(["unique_id", "ds", "y"])
        rows = rows.filter(pc.less_equal(rows["ds"], pa.scalar(cutoff, pa.date32())).combine_chunks())
        if rows["unique_id"].null_count or table["ds"].null_count:
            raise ValueError("expected unique_id and ds on every row, found NULLs; drop or quarantine these rows")
        if rows.num_rows == 0:
            empty = torch.zeros((0, PAD_MULTIPLE_DAYS), dtype=torch.float64)
            return cls(np.empty(0, dtype=object), empty, empty.bool(), cutoff)

        values, end_S = runs(one_chunk(rows["unique_id"]))
        unique_ids = np.asarray(values.to_pylist(), dtype=object)
        start_S = np.concatenate([[0], end_S[:-1]])
        row_S = np.repeat(np.arange(len(end_S)), end_S - start_S)
        day = rows["ds"].cast(pa.date32()).cast(pa.int32()).to_numpy().astype(np.int64)
        check_sorted(unique_ids, row_S, day)

        y = pc.fill_null(rows["y"].cast(pa.float64()), float("nan")).to_numpy()
        observed = ~np.isnan(y) & _is_listed(y, day, start_S, row_S)
        age = (cutoff - _EPOCH).days - day
        keep = age < max_history if max_history is not None else np.ones_like(observed)
        n_days = int(age[keep].max(initial=0)) + 1
        n_days = -(-n_days // PAD_MULTIPLE_DAYS) * PAD_MULTIPLE_DAYS

        y_ST = np.zeros((len(end_S), n_days))
        mask_ST = np.zeros((len(end_S), n_days), dtype=bool)
        use = keep & observed
        y_ST[row_S[use], n_days - 1 - age[use]] = y[use]
        mask_ST[row_S[use], n_days - 1 - age[use]] = True
        return cls(unique_ids, torch.from_numpy(y_ST), torch.from_numpy(mask_ST), cutoff)

    def select(self, index: np.ndarray | slice) -> SkuBatch:
        """The series at `index` (positions, a bool array over S, or a slice), with T and the cutoff unchanged.

        All of them in their order are the batch itself.
        """
        positions = np.arange(len(self))[index]
        if np.array_equal(positions, np.arange(len(self))):
            return self
        index_S = torch.from_numpy(positions).to(self.device)
        return replace(
            self,
            unique_ids=self.unique_ids[positions],
            y_ST=self.y_ST[index_S],
            mask_ST=self.mask_ST[index_S],
            known=None if self.known is None else self.known.select(index_S),
            traits=None if self.traits is None else self.traits.select(index_S),
            closed_SH=None if self.closed_SH is None else self.closed_SH[index_S],
            scope_S=None if self.scope_S is None else self.scope_S[positions],
            unforeseen=None if self.unforeseen is None else self.unforeseen.select(positions),
        )

    def to(self, device: torch.device | str) -> SkuBatch:
        """The same batch with its tensors on `device`."""
        return replace(
            self,
            y_ST=self.y_ST.to(device),
            mask_ST=self.mask_ST.to(device),
            known=None if self.known is None else self.known.to(device),
            traits=None if self.traits is None else self.traits.to(device),
            closed_SH=None if self.closed_SH is None else self.closed_SH.to(device),
        )

    def until(self, days_back: int) -> SkuBatch:
        """The batch as it was known `days_back` days before its cutoff, T shorter by as much.

        Covariates are known ahead, so those of the days cut off stay, as days after the new cutoff; which of them are
        not is up to `Covariates.ahead`. Closed days do not stay: those cut off are unobserved, so nothing is scored on
        them. Of series that were not yet in scope no day is observed.

        Raises:
            ValueError: days_back below 0, or no day left.
        """
        if not 0 <= days_back < self.n_days:
            raise ValueError(f"expected 0 <= days_back < {self.n_days}, the days of the batch, found {days_back}")
        left, cutoff = self.n_days - days_back, self.cutoff - timedelta(days=days_back)
        y_ST, mask_ST = self.y_ST[:, :left], self.mask_ST[:, :left]
        if self.scope_S is not None and (later_S := self.scope_S > (cutoff - _EPOCH).days).any():
            is_out_S1 = torch.from_numpy(later_S).to(self.device)[:, None]
            y_ST, mask_ST = y_ST.masked_fill(is_out_S1, 0.0), mask_ST.masked_fill(is_out_S1, value=False)
        return replace(
            self,
            y_ST=y_ST,
            mask_ST=mask_ST,
            cutoff=cutoff,
            closed_SH=None if days_back else self.closed_SH,
        )

    def ahead(self, days_back: int, horizon: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(S, H) demand and mask of the `horizon` days after the cutoff of `until(days_back)`, as far as seen here.

        Raises:
            ValueError: horizon longer than days_back, so that some of these days are not known.
        """
        if not 1 <= horizon <= days_back:
            raise ValueError(f"expected a horizon from 1 to {days_back}, the days cut off, found {horizon}")
        first = self.n_days - days_back
        return self.y_ST[:, first : first + horizon], self.mask_ST[:, first : first + horizon]

    def day_after(self, origin: int) -> int:
        """The day after the first `origin` ones, counted since 1970."""
        return (self.cutoff - _EPOCH).days - self.n_days + 1 + origin

    def target(self, origin: int, horizon: int) -> torch.Tensor:
        """(S, H) demand of the `horizon` days after the first `origin`, without what was foreseen then of the weather.

        `y_ST` is without all that weather did; where it is as it came, these are its days.
        """
        y_SH = self.y_ST[:, origin : origin + horizon]
        if self.unforeseen is None:
            return y_SH
        first = self.day_after(origin)
        surprise_SH = self.unforeseen.came(first, horizon) / self.unforeseen.expected(first - 1, horizon)
        return y_SH * torch.from_numpy(surprise_SH).to(self.device)

    def horizon_dates(self, horizon: int) -> list[date]:
        """The `horizon` days after the cutoff."""
        return [self.cutoff + timedelta(days=h) for h in range(1, horizon + 1)]


def _is_listed(y: np.ndarray, day: np.ndarray, start_S: np.ndarray, row_S: np.ndarray) -> np.ndarray:
    """True on rows from a series' first sale on, and on every row of a series that never sold."""
    first_sale_S = np.minimum.reduceat(np.where(y > 0, day, _NEVER), start_S)
    first_sale_S = np.where(first_sale_S == _NEVER, 0 - _NEVER, first_sale_S)
    return day >= first_sale_S[row_S]

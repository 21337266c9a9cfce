"""Demand that planners expect in place of the model's, on the days that they decided for.

A factor multiplies a day's mean, its quantiles and what each sample path has of it; units become the factor that lifts
the mean to them. Where the model hardly expects a sale (its median is 0), a factor would leave all demand to a few
paths: there the units are the mean of a distribution of counts, as scattered by the unit as the model's, at least as
Poisson's; such days rise and fall together. A day on which a location is closed stays without demand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from udfs.inventory.demand_distribution import DemandDistribution, FloatArray
from udfs.inventory.demand_paths import WEEK_DAYS, DemandPaths
from udfs.inventory.kernels.planning_inputs import ForecastInput, IdArray, day_number
from udfs.inventory.orders.order_words import number


@dataclass(frozen=True, slots=True)
class DecidedDays:
    """What planners expect of S series on the H days after a cutoff.

    factor_SH: times the model's demand; qty_SH: units a day; NaN where nobody said it. decision_SH, author_SH, note_SH:
    name, author and reason of the decision, None without one.
    """

    factor_SH: FloatArray
    qty_SH: FloatArray
    decision_SH: IdArray
    author_SH: IdArray
    note_SH: IdArray

    @classmethod
    def of(cls, decided: pa.Table | None, unique_id_S: IdArray, as_of: date, horizon: int) -> DecidedDays:
        """decided: unique_id, ds, decision_id, decided_factor, decided_qty, author, note, a row for each series and day
        at most. What is for other series, or for days beyond the horizon, is left out."""
        shape = len(unique_id_S), horizon
        factor_SH, qty_SH = np.full(shape, np.nan), np.full(shape, np.nan)
        words = [np.full(shape, None, dtype=object) for _ in range(3)]
        row_of = {unique_id: row for row, unique_id in enumerate(unique_id_S)}
        for row in decided.to_pylist() if decided is not None else []:
            at = row_of.get(row["unique_id"], -1), day_number(row["ds"]) - day_number(as_of) - 1
            if at[0] >= 0 and 0 <= at[1] < horizon:
                target = factor_SH if row["decided_qty"] is None else qty_SH
                target[at] = row["decided_factor"] if row["decided_qty"] is None else row["decided_qty"]
                for column, name in zip(words, ("decision_id", "author", "note"), strict=True):
                    column[at] = row[name]
        return cls(factor_SH, qty_SH, *words)

    def take(self, rows: np.ndarray, horizon: int) -> DecidedDays:
        return DecidedDays(**{field.name: getattr(self, field.name)[rows, :horizon] for field in fields(self)})

    @property
    def is_decided(self) -> np.ndarray:
        return np.isfinite(self.factor_SH) | np.isfinite(self.qty_SH)

    def applied(
        self, forecast: ForecastInput, paths: DemandPaths, levels: tuple[float, ...]
    ) -> tuple[ForecastInput, DemandPaths]:
        """The forecast and its paths with the decided demand in place of the model's."""
        at_SH = self.is_decided & ~forecast.closed_SH
        if not at_SH.any():
            return forecast, paths
        mean_SH, sd_SH, quantile_SHQ = (x.copy() for x in (forecast.mean_SH, forecast.sd_SH, forecast.quantile_SHQ))
        path_SNH = paths.path_SNH.copy()
        for s, h in np.argwhere(at_SH):
            qty, mean, path_N = self.qty_SH[s, h], mean_SH[s, h], path_SNH[s, :, h]
            if np.isfinite(qty) and (mean <= 0.0 or np.median(path_N) <= 0.0):
                scatter = max(sd_SH[s, h] ** 2 / mean, 1.0) if mean > 0.0 else 1.0
                path_SNH[s, :, h] = _quantiles(qty, scatter, _ranks(path_N))
                quantile_SHQ[s, h] = _quantiles(qty, scatter, np.asarray(levels))
                mean_SH[s, h], sd_SH[s, h] = qty, np.sqrt(qty * scatter)
            else:
                factor = qty / mean if np.isfinite(qty) else self.factor_SH[s, h]
                for values in (mean_SH, sd_SH, quantile_SHQ):
                    values[s, h] *= factor
                path_SNH[s, :, h] *= factor
        changed = replace(forecast, mean_SH=mean_SH, sd_SH=sd_SH, quantile_SHQ=quantile_SHQ)
        return changed, DemandPaths(path_SNH, mean_SH)

    def heads(self, days_S: FloatArray) -> list[str]:
        """Who expects what on how many of the first days, such as "Ana: +50% on 3 of 5 days"; '' for nobody."""
        return [
            ", ".join(
                f"{author}: {what}" + (f" on {len(at)} of {days:g} days" if len(at) < days else "")
                for (author, what, _), at in self._spans(s, int(days))
            )
            for s, days in enumerate(np.minimum(days_S, self.factor_SH.shape[1]).tolist())
        ]

    def notes(self, as_of: date) -> list[str]:
        """The same of all days with their dates and the reasons, as sentences; '' for nobody."""

        def sentence(author: str, what: str, note: str, at: list[int]) -> str:
            first, last = (as_of + timedelta(days=h + 1) for h in (at[0], at[-1]))
            days = f"{first}" if first == last else f"{len(at)} days from {first} to {last}"
            return f" {author} expects {what} on {days}: {note.rstrip('.')}."

        rows, horizon = self.factor_SH.shape
        return ["".join(sentence(*key, at) for key, at in self._spans(s, horizon)) for s in range(rows)]

    def repeats(self, days_S: FloatArray) -> np.ndarray:
        """Decided days of the last week, which stands in for what an order has to cover beyond the horizon, [S]."""
        count_S = self.is_decided[:, -WEEK_DAYS:].sum(1)
        return np.where(days_S > self.factor_SH.shape[1], count_S, 0)

    def _spans(self, s: int, days: int) -> Iterator[tuple[tuple[str, str, str], list[int]]]:
        """(author, what, note) of each decision and its days, in the order of the first ones."""

        def said(h: int) -> tuple[str, str, str]:
            return self.author_SH[s, h], _what(self.factor_SH[s, h], self.qty_SH[s, h]), self.note_SH[s, h]

        found: dict[Any, list[int]] = {}
        for key, at in groupby(np.flatnonzero(self.is_decided[s, :days]).tolist(), said):
            found.setdefault(key, []).extend(at)
        yield from found.items()


def _what(factor: float, qty: float) -> str:
    if qty == qty:
        return f"{number(qty)} a day"
    return "the model's" if factor == 1.0 else f"{100.0 * (factor - 1.0):+.3g}%"


def _ranks(path_N: FloatArray) -> FloatArray:
    """The probability at which each path stands among all, equal ones in their order."""
    rank_N = np.empty(len(path_N))
    rank_N[np.argsort(path_N, kind="stable")] = np.arange(len(path_N))
    return (rank_N + 0.5) / len(path_N)


def _quantiles(mean: float, scatter: float, probability_N: FloatArray) -> FloatArray:
    """Of counts with a mean and a variance of `scatter` times it."""
    mean_N = np.full(len(probability_N), mean)
    return DemandDistribution.fit(mean_N, mean_N * scatter, "auto").quantile(probability_N)

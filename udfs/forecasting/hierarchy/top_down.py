"""Forecasts of single series scaled towards forecasts of their totals.

Errors of single series average out in a total, so a total shows weekdays, pay days and its level far better than its
parts do, and a small common error of the parts adds up. Each day's forecasts of a group are multiplied by
(total / sum of the parts)^w: w = 1 is top-down by forecast proportions (Athanasopoulos, Ahmed & Hyndman, 2009), w = 0
bottom-up, and one half the geometric mean of both, a combination of two forecasts of each total.

The factors are found once with all series at hand and kept; a bucket of some of the series then needs no other one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import torch

from udfs.forecasting.forecaster import Forecast, Forecaster, check_request
from udfs.series.covariates import Covariates
from udfs.series.sku_batch import SkuBatch

_MEDIAN = (0.5,)
_ABOUT = "totals.json"
_MAX_FACTOR = 2.0
"""A total that disagrees with its parts by more says that one of the two failed; the factor stops there."""


@dataclass(frozen=True, eq=False, slots=True)
class TopDown:
    """A fitted `Forecaster`: another one whose forecasts are scaled towards totals.

    Attributes:
        parts: forecaster of single series.
        by: traits whose values, taken together, name a group.
        values: of each of them, those that the codes of `groups` stand for.
        groups: (G, C) their codes, sorted by rows.
        factors: per cutoff the (G, H) factors.
        name: as reported in results.
    """

    parts: Forecaster
    by: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    groups: np.ndarray
    factors: dict[date, np.ndarray]
    name: str

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """Forecast the parts and scale mean, standard deviation and quantiles; series of a new group stay unscaled.

        Raises:
            ValueError: a cutoff without factors, a horizon longer than theirs, or a batch without the traits.
        """
        check_request(horizon, quantiles)
        if batch.cutoff not in self.factors:
            known = ", ".join(str(day) for day in sorted(self.factors))
            raise ValueError(f"expected a cutoff with fitted totals ({known}), found {batch.cutoff}; fit for it too")
        factor_GH = self.factors[batch.cutoff]
        if horizon > factor_GH.shape[1]:
            raise ValueError(f"expected a horizon of at most {factor_GH.shape[1]} days, fitted, found {horizon}")
        whole = batch
        if batch.traits is not None and self.by:
            batch = replace(batch, traits=batch.traits.only(self.by).coded_as(self.values))
        group_S = _rows_of(group_codes(batch, self.by), self.groups)
        padded_GH = np.concatenate([factor_GH[:, :horizon], np.ones((1, horizon))])  # row -1: not in any group
        factor_SH = torch.from_numpy(padded_GH[group_S]).to(batch.device)
        return self.parts.forecast(whole, horizon, quantiles).scaled(factor_SH)

    def save(self, folder: Path) -> None:
        """Write what belongs to the totals into a folder; the parts are saved by whoever fitted them."""
        days = sorted(self.factors)
        np.save(folder / "factors.npy", np.stack([self.factors[day] for day in days]), allow_pickle=False)
        about = {"by": self.by, "values": self.values, "groups": self.groups.tolist(), "name": self.name}
        about["cutoffs"] = [day.isoformat() for day in days]
        (folder / _ABOUT).write_text(json.dumps(about), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, parts: Forecaster) -> TopDown:
        """Read what `save` wrote."""
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        by = tuple(about["by"])
        factor_DGH = np.load(folder / "factors.npy", allow_pickle=False)
        groups_GC = np.array(about["groups"], dtype=np.int64).reshape(factor_DGH.shape[1], len(by))
        days = [date.fromisoformat(day) for day in about["cutoffs"]]
        values = tuple(tuple(names) for names in about["values"])
        return cls(parts, by, values, groups_GC, dict(zip(days, factor_DGH, strict=True)), about["name"])

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether `save` has written into this folder."""
        return (folder / _ABOUT).exists()


def fit_top_down(
    batch: SkuBatch,
    horizon: int,
    parts: Forecaster,
    totals: Forecaster,
    by: tuple[str, ...],
    days_back: Sequence[int] = (0,),
    weight: float = 0.5,
) -> TopDown:
    """Find the factors of all groups of a batch that holds every series, at some cutoffs.

    Args:
        parts, totals: forecasters of single series and of totals.
        by: traits that make the groups; none makes one group of all.
        days_back: the cutoffs, as days before the batch's own.
        weight: w, from 0 (parts alone) to 1 (totals alone).

    Raises:
        ValueError: a weight outside [0, 1], or traits that the batch lacks.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"expected a weight from 0 to 1, found {weight}")
    codes_SC = group_codes(batch, by)
    groups_GC, group_S = np.unique(codes_SC, axis=0, return_inverse=True)
    group_S = group_S.ravel()
    factors = {}
    for back in days_back:
        past = batch.until(back)
        # A series that had not begun by then is no part of the total.
        began_S1 = past.mask_ST.any(1)[:, None]
        part_SH = parts.forecast(past, horizon, _MEDIAN).mean_SH.where(began_S1, 0.0).cpu().numpy()
        part_GH = _sums(part_SH, group_S, len(groups_GC))
        total_GH = totals.forecast(group_totals(past, group_S), horizon, _MEDIAN).mean_SH.cpu().numpy()
        both_GH = (part_GH > 0) & (total_GH > 0)
        ratio_GH = np.divide(total_GH, part_GH, out=np.ones_like(part_GH), where=both_GH)
        factor_GH = np.clip(ratio_GH, 1.0 / _MAX_FACTOR, _MAX_FACTOR) ** weight
        factors[past.cutoff] = factor_GH
    traits = batch.traits.only(by).values if batch.traits is not None else ()
    return TopDown(parts, by, traits, groups_GC, factors, name=f"{parts.name}_top_down")


def group_totals(batch: SkuBatch, group_S: np.ndarray) -> SkuBatch:
    """One series per group 0..G-1: demand summed, covariates averaged over the series where known, no traits.

    A day of a group is observed where any of its series is.
    """
    n_groups = int(group_S.max(initial=-1)) + 1
    seen_ST = batch.mask_ST.cpu().numpy()
    y_GT = _sums(np.where(seen_ST, batch.y_ST.cpu().numpy(), 0.0), group_S, n_groups)
    seen_GT = _sums(seen_ST.astype(float), group_S, n_groups) > 0
    known = None
    if batch.known is not None:
        # One at a time: all of them, of each series, would take several times the batch.
        means = [_means(batch.known.only((name,)), batch.n_days, group_S, n_groups) for name in batch.known.names]
        mean_GXK = np.concatenate([np.empty((n_groups, batch.known.values_SXK.shape[1], 0)), *means], axis=2)
        known = Covariates(batch.known.names, torch.from_numpy(mean_GXK))
    ids = np.array([f"group {g}" for g in range(n_groups)], dtype=object)
    totals = SkuBatch(ids, torch.from_numpy(y_GT), torch.from_numpy(seen_GT), batch.cutoff, known)
    return totals.to(batch.device)


def _means(known: Covariates, n_days: int, group_S: np.ndarray, n_groups: int) -> np.ndarray:
    """(G, X, K) means of each group's series, over those of which a value is known; NaN where none is."""
    values_SXK = known.over(n_days, known.days_ahead(n_days)).cpu().numpy()
    is_known_SXK = ~np.isnan(values_SXK)
    total_GXK = _sums(np.where(is_known_SXK, values_SXK, 0.0), group_S, n_groups)
    n_GXK = _sums(is_known_SXK.astype(float), group_S, n_groups)
    return np.divide(total_GXK, n_GXK, out=np.full_like(total_GXK, np.nan), where=n_GXK > 0)


def group_codes(batch: SkuBatch, by: tuple[str, ...]) -> np.ndarray:
    """(S, C) codes of the traits `by`.

    Raises:
        ValueError: the batch lacks one of them.
    """
    names = () if batch.traits is None else batch.traits.names
    if any(name not in names for name in by):
        raise ValueError(f"expected the traits {by} on every series, found {names}; add them to the batch")
    if batch.traits is None:
        return np.zeros((len(batch), 0), dtype=np.int64)
    return batch.traits.codes_SC[:, [names.index(name) for name in by]].cpu().numpy()


def _rows_of(codes_SC: np.ndarray, groups_GC: np.ndarray) -> np.ndarray:
    """(S,) row of `groups_GC` that equals each row of `codes_SC`; -1 where none does."""
    position = {tuple(codes_C): g for g, codes_C in enumerate(groups_GC.tolist())}
    return np.array([position.get(tuple(codes_C), -1) for codes_C in codes_SC.tolist()], dtype=np.int64)


def _sums(x_SX: np.ndarray, group_S: np.ndarray, n_groups: int) -> np.ndarray:
    """Sums over the series of each group, first dimension S to G."""
    total_GX = np.zeros((n_groups, *x_SX.shape[1:]))
    np.add.at(total_GX, group_S, x_SX)
    return total_GX

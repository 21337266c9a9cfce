"""Forecasts of demand as it were without festivals and closures next door, multiplied by what these do.

One festival, once a year on another weekday, is little to learn from for a model of single series; all series of a
category together show it plainly. So their common factor is taken out of the past, and put back on the days ahead.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from udfs.demand.festival_lift import log_lifts, usual_demand
from udfs.forecasting.category_units import CategoryUnits
from udfs.forecasting.forecaster import Forecast, Forecaster
from udfs.series.location_days import CLOSURES, FESTIVALS
from udfs.series.sku_batch import SkuBatch

_FILE = "festival_lifts.json"
_MOST_CLOSED = 3
"""More days in a row are no holiday's closure."""
_REACH = 256


@dataclass(frozen=True, slots=True)
class FestivalLifts:
    """Log factors of demand.

    Attributes:
        categories: names, in the order of the rows; another category takes the mean of all.
        kinds: numbers of the festivals' days, rising: code x `_REACH` + day.
        festival_CF, closure_CF: log factors of these and of `_closures`.
    """

    categories: tuple[str, ...]
    kinds: tuple[int, ...]
    festival_CF: np.ndarray
    closure_CF: np.ndarray

    @classmethod
    def learn(cls, batch: SkuBatch) -> FestivalLifts:
        """From the days of a batch that has covariates of `location_days`, and nothing after its cutoff."""
        assert batch.known is not None
        units = CategoryUnits.of(batch)
        number_UX, closure_UX = _kinds(units, batch)
        number_UT, closure_UT = number_UX[:, : batch.n_days], closure_UX[:, : batch.n_days]
        kinds = np.unique(number_UT[number_UT >= 0])
        festival_UT = _index(number_UT, kinds)
        seen_ST = batch.mask_ST.cpu().numpy()
        y_UT, n_UT = units.sum(batch.y_ST.cpu().numpy()), units.sum(seen_ST)
        state_UT = units.states(batch)
        usual_UT = usual_demand(y_UT, n_UT > 0, state_UT, (festival_UT < 0) & (closure_UT < 0))
        # What closures explain of a new holiday, too, is theirs first.
        sizes, of = [_MOST_CLOSED**2, len(kinds)], [closure_UT, festival_UT]
        closure_CF, festival_CF = log_lifts(y_UT, usual_UT, of, units.category_U, sizes, len(units.categories))
        return cls(units.categories, tuple(kinds.tolist()), _between(festival_CF, kinds), np.nan_to_num(closure_CF))

    def factors(self, batch: SkuBatch) -> tuple[np.ndarray, np.ndarray]:
        """(U, X) factors of all days that the covariates reach, 1 on ordinary ones; (S,) the row of each series."""
        units = CategoryUnits.of(batch)
        position = {name: k for k, name in enumerate(self.categories)}
        row_U1 = np.array([[position.get(units.categories[k], -1)] for k in units.category_U], dtype=np.int64)
        number_UX, closure_UX = _kinds(units, batch)
        log_UX = _rows(self.festival_CF)[row_U1, _index(number_UX, np.array(self.kinds, dtype=np.int64))]
        return np.exp(log_UX + _rows(self.closure_CF)[row_U1, closure_UX]), units.unit_S

    def named_kinds(self, names: list[str]) -> list[tuple[str, str, int]]:
        """Words, festival and day of the columns of `festival_CF`; names: of all festivals, sorted."""
        pairs = [divmod(number, _REACH) for number in self.kinds]
        of = [(names[code - 1], place - _REACH // 2) for code, place in pairs]
        return [(f"{name} {day:+d}" if day else name, name, day) for name, day in of]

    def closure_kinds(self) -> list[tuple[str, None, None]]:
        """The same of those of `closure_CF` but the first, which is no closure."""
        numbers = range(1, self.closure_CF.shape[1])
        of = [divmod(number, _MOST_CLOSED) for number in numbers]
        return [(f"closed {before} before, {after} after", None, None) for after, before in of]

    def save(self, folder: Path) -> None:
        about = {"categories": self.categories, "kinds": self.kinds}
        arrays = {name: getattr(self, name).tolist() for name in ("festival_CF", "closure_CF")}
        (folder / _FILE).write_text(json.dumps(about | arrays), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> FestivalLifts | None:
        """Read what `save` wrote; None where it did not."""
        if not (folder / _FILE).exists():
            return None
        about = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        n = len(about["categories"])
        arrays = (np.array(about[name], dtype=float).reshape(n, -1) for name in ("festival_CF", "closure_CF"))
        return cls(tuple(about["categories"]), tuple(about["kinds"]), *arrays)


@dataclass(frozen=True, eq=False, slots=True)
class FestivalAdjusted:
    """A `Forecaster`: another one, asked about demand without festivals."""

    inner: Forecaster
    lifts: FestivalLifts

    @property
    def name(self) -> str:
        return self.inner.name

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """Raises ValueError: what the inner forecaster raises."""
        forecast = self.inner.forecast(without(batch, self.lifts), horizon, quantiles)
        factor_UX, unit_S = self.lifts.factors(batch)
        ahead_SH = torch.from_numpy(factor_UX[:, batch.n_days : batch.n_days + horizon][unit_S]).to(batch.device)
        return forecast.scaled(ahead_SH)


def lifts_within(model: Forecaster) -> FestivalLifts | None:
    """The lifts of a model that is adjusted, perhaps for other things too; None where it is not."""
    while not isinstance(model, FestivalAdjusted):
        inner = getattr(model, "inner", None)
        if inner is None:
            return None
        model = inner
    return model.lifts


def has_festivals(batch: SkuBatch) -> bool:
    """Whether anything is known of festivals or closures."""
    return batch.known is not None and bool({*FESTIVALS, *CLOSURES} & {*batch.known.names})


def without(batch: SkuBatch, lifts: FestivalLifts) -> SkuBatch:
    """The batch with demand divided by the factors of its days."""
    factor_UX, unit_S = lifts.factors(batch)
    factor_ST = torch.from_numpy(factor_UX[:, : batch.n_days][unit_S]).to(batch.device)
    return replace(batch, y_ST=batch.y_ST / factor_ST)


def _kinds(units: CategoryUnits, batch: SkuBatch) -> tuple[np.ndarray, np.ndarray]:
    """(U, X) numbers of the festivals' days and of the closures next door, -1 for none."""
    assert batch.known is not None
    assert batch.known.shared_GXK is not None
    shared_GXK = batch.known.shared_GXK.cpu().numpy()
    names = batch.known.names[len(batch.known.names) - shared_GXK.shape[2] :]
    column = dict(zip(names, np.moveaxis(shared_GXK, 2, 0), strict=True))
    number_GX = closure_GX = np.full(shared_GXK.shape[:2], -1)
    if FESTIVALS[0] in column:
        code_GX, day_GX = (column[name] for name in FESTIVALS)
        number_GX = np.where(code_GX > 0, code_GX * _REACH + np.nan_to_num(day_GX) + _REACH // 2, -1)
    if CLOSURES[0] in column:
        closure_GX = _closures(column[CLOSURES[0]], column[CLOSURES[1]], batch.n_days)
    return number_GX.astype(np.int64)[units.group_U], closure_GX[units.group_U]


def _closures(before_GX: np.ndarray, after_GX: np.ndarray, n_days: int) -> np.ndarray:
    """(G, X) how many days more than usual of the weekday are closed after and before: after x 3 + before; -1 for none.

    Usual is what half of the weekday's first `n_days` days have.
    """
    run_after_GX = _runs(after_GX[:, ::-1])[:, ::-1]
    extra = [_beyond_usual(run_GX, n_days) for run_GX in (run_after_GX, _runs(before_GX))]
    number_GX: np.ndarray = extra[0] * _MOST_CLOSED + extra[1]
    return np.where(number_GX > 0, number_GX, -1)


def _runs(closed_GX: np.ndarray) -> np.ndarray:
    """Closed neighbours in a row on one side of each day, at most one more than `_MOST_CLOSED`."""
    run_GX = np.zeros(closed_GX.shape, dtype=np.int64)
    for x in range(closed_GX.shape[1]):
        earlier_G = run_GX[:, x - 1] if x else 0
        run_GX[:, x] = np.where(closed_GX[:, x] > 0, np.minimum(earlier_G + 1, _MOST_CLOSED + 1), 0)
    return run_GX


def _beyond_usual(run_GX: np.ndarray, n_days: int) -> np.ndarray:
    extra_GX = np.zeros_like(run_GX)
    for weekday in range(min(7, n_days)):
        usual_G1 = np.median(run_GX[:, weekday:n_days:7], axis=1, keepdims=True).astype(np.int64)
        extra_GX[:, weekday::7] = run_GX[:, weekday::7] - usual_G1
    return np.where(run_GX > _MOST_CLOSED, 0, np.clip(extra_GX, 0, _MOST_CLOSED - 1))


def _between(lift_CF: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Days of a festival that were not seen, as on a Sunday, lie between those next to them; at its ends they are 1."""
    filled_CF = np.nan_to_num(lift_CF)
    seen_F = ~np.isnan(lift_CF).any(0)
    for code in np.unique(kinds // _REACH):
        at = np.flatnonzero(kinds // _REACH == code)
        known = at[seen_F[at]]
        inner = at[~seen_F[at] & (at > known.min(initial=len(kinds))) & (at < known.max(initial=-1))]
        for row, lift_F in zip(filled_CF, lift_CF, strict=True):
            row[inner] = np.interp(kinds[inner], kinds[known], lift_F[known]) if len(known) else 0.0
    return filled_CF


def _index(number_SX: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Position of each number in the rising `kinds`; -1 where it is not among them."""
    if not len(kinds):
        return np.full(number_SX.shape, -1)
    at_SX = np.minimum(np.searchsorted(kinds, number_SX), len(kinds) - 1)
    return np.where(kinds[at_SX] == number_SX, at_SX, -1)


def _rows(lift_CF: np.ndarray) -> np.ndarray:
    """With a last column for no kind and a last row, the mean of all, for another category."""
    mean_1F = lift_CF.mean(0, keepdims=True) if len(lift_CF) else np.zeros((1, lift_CF.shape[1]))
    return np.pad(np.concatenate([lift_CF, mean_1F]), ((0, 0), (0, 1)))

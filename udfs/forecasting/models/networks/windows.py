"""Demand as training and forecasting read it: windows of a context and a horizon, cut from arrays that may lie on disk.

Dimensions as in `udfs.series`, and B windows of a batch, L = context + horizon steps.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from udfs.forecasting.models.networks.network_spec import NetworkSpec
from udfs.series.covariates import foreseen
from udfs.series.sku_batch import SkuBatch

_ARRAYS = ("y_ST", "mask_ST", "known_SXK", "codes_SC", "value_S")
_HEADER = "series.json"
_LITTLE = 0.1


class Window(NamedTuple):
    """B windows of L steps; the first `context` are history, the rest the horizon.

    y_BL, mask_BL: demand and where it is known; 0 and False where it is not. known_BLK: covariates, NaN where not
    known. codes_BC: traits. day_B: running number of the last step of the history. weight_B: of their losses.
    """

    y_BL: torch.Tensor
    mask_BL: torch.Tensor
    known_BLK: torch.Tensor
    codes_BC: torch.Tensor
    day_B: torch.Tensor
    weight_B: torch.Tensor

    def to(self, device: torch.device) -> Window:
        return Window(*(x.to(device) for x in self))


@dataclass(frozen=True, slots=True, eq=False)
class NetworkSeries:
    """The arrays of a `SkuBatch`, in single precision, that windows are cut from.

    Attributes:
        y_ST, mask_ST, known_SXK, codes_SC: as in `SkuBatch`, `Covariates` and `Traits`; K or C may be 0.
        value_S: (S,) worth of a unit, at least 0; see `NetworkSpec.level_power`.
        day: running number of the last of the T steps.
        known_names, trait_names, trait_values: what K and C are.
        carried, averaged: covariates that nobody states ahead, see `Covariates`.
    """

    y_ST: np.ndarray
    mask_ST: np.ndarray
    known_SXK: np.ndarray
    codes_SC: np.ndarray
    value_S: np.ndarray
    day: int
    known_names: tuple[str, ...]
    trait_names: tuple[str, ...]
    trait_values: tuple[tuple[str, ...], ...]
    carried: tuple[str, ...] = ()
    averaged: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.y_ST)

    @property
    def n_time(self) -> int:
        """T."""
        return int(self.y_ST.shape[1])

    @classmethod
    def from_batch(cls, batch: SkuBatch, value_S: np.ndarray | None = None) -> NetworkSeries:
        """The batch's arrays; `value_S` is 1 where it is not given.

        Raises:
            ValueError: values that do not fit the batch, or are below 0 or not finite.
        """
        mask_ST = batch.mask_ST.cpu().numpy()
        y_ST = np.where(mask_ST, batch.y_ST.cpu().numpy(), 0.0).astype(np.float32)
        value_S = np.ones(len(batch)) if value_S is None else np.asarray(value_S, dtype=np.float64)
        if value_S.shape != (len(batch),) or not (np.isfinite(value_S) & (value_S >= 0)).all():
            raise ValueError(
                f"expected one finite value of at least 0 for each of {len(batch)} series, found shape "
                f"{value_S.shape} and values from {value_S.min(initial=0)} to {value_S.max(initial=0)}"
            )
        known, traits = batch.known, batch.traits
        return cls(
            y_ST,
            mask_ST,
            np.empty((len(batch), batch.n_days, 0), np.float32)
            if known is None
            else known.whole(torch.float32).cpu().numpy(),
            np.empty((len(batch), 0), np.int64) if traits is None else traits.codes_SC.cpu().numpy(),
            value_S,
            batch.cutoff.toordinal(),
            () if known is None else known.names,
            () if traits is None else traits.names,
            () if traits is None else traits.values,
            () if known is None else known.carried,
            () if known is None else known.averaged,
        )

    def save(self, folder: Path) -> None:
        """One .npy file per array, so that every worker can map them instead of holding a copy."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        names = ("day", "known_names", "trait_names", "trait_values", "carried", "averaged")
        header = {name: getattr(self, name) for name in names}
        (folder / _HEADER).write_text(json.dumps(header), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> NetworkSeries:
        """Arrays of `save`, mapped from disk.

        Raises:
            FileNotFoundError: the folder holds no saved series.
        """
        if not (folder / _HEADER).is_file():
            raise FileNotFoundError(f"expected {folder / _HEADER}, found none; write the series with save(folder)")
        header = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
        return cls(
            **arrays,
            day=header["day"],
            known_names=tuple(header["known_names"]),
            trait_names=tuple(header["trait_names"]),
            trait_values=tuple(tuple(values) for values in header["trait_values"]),
            carried=tuple(header["carried"]),
            averaged=tuple(header["averaged"]),
        )

    def window(self, series_B: np.ndarray, start_B: np.ndarray, context: int, horizon: int) -> Window:
        """The windows of `series_B` whose horizon begins at step `start_B` (T: the day after the last).

        Steps before the first are not observed; neither is demand after the last.

        Raises:
            ValueError: covariates are not known to the end of a horizon.
        """
        step_BL = start_B[:, None] + np.arange(-context, horizon)
        n_known = self.known_SXK.shape[1]
        if self.known_names and int(start_B.max()) + horizon > n_known:
            raise ValueError(
                f"expected covariates known {horizon} steps ahead, found "
                f"{n_known - int(start_B.max())}; give the batch their values over the whole horizon"
            )
        inside_BL = (step_BL >= 0) & (step_BL < self.n_time)
        row_B1, clipped_BL = series_B[:, None], step_BL.clip(0, self.n_time - 1)
        mask_BL = self.mask_ST[row_B1, clipped_BL] & inside_BL
        known_BLK = self.known_SXK[row_B1, step_BL.clip(0, max(n_known - 1, 0))]
        known_BLK = np.where((step_BL >= 0)[:, :, None], known_BLK, np.float32("nan"))
        if self.carried or self.averaged:
            past_BLK, ahead_BHK = torch.from_numpy(known_BLK).split([context, horizon], dim=1)
            known_BLK[:, context:] = foreseen(past_BLK, ahead_BHK, self.known_names, self.carried, self.averaged)
        return Window(
            torch.from_numpy(np.where(mask_BL, self.y_ST[row_B1, clipped_BL], np.float32(0.0))),
            torch.from_numpy(mask_BL),
            torch.from_numpy(known_BLK),
            torch.from_numpy(np.ascontiguousarray(self.codes_SC[series_B])),
            torch.from_numpy(self.day - self.n_time + start_B),
            torch.ones(len(series_B)),
        )


class WindowSampler:
    """Draws the windows of each training step; which ones is a function of the seed and the step alone.

    The last `horizon` steps are held out, so windows end before them. A window starts once a season of the series
    has been seen.

    Series are drawn with probability proportional to (value x level)^p, the level being mean demand over all steps.
    That level knows the horizons, so such draws alone would favour windows whose demand rises, and forecasts would
    come out too high (by 9 to 17% of the total on M5). The loss of a window is therefore weighted by (level of its
    context / level of the series)^p: together, windows count by the level of their context, and draws of large series
    are only more frequent, not heavier.
    """

    def __init__(self, series: NetworkSeries, spec: NetworkSpec) -> None:
        self._series, self._spec = series, spec
        mask_ST = np.asarray(series.mask_ST)
        first_S = np.where(mask_ST.any(1), mask_ST.argmax(1), series.n_time)
        self._first_S = first_S + spec.season_length
        self._last = series.n_time - 2 * spec.horizon
        self._level_S = _level(np.asarray(series.y_ST), mask_ST)
        weight_S = (np.asarray(series.value_S) * self._level_S) ** spec.level_power
        weight_S = np.where((self._first_S <= self._last) & (np.asarray(series.value_S) > 0), weight_S, 0.0)
        if not weight_S.sum() > 0:
            raise ValueError(
                f"expected at least one series of positive value with {spec.season_length + 2 * spec.horizon} steps "
                f"from its first observation (a season, a horizon to train on and one held out), found none in "
                f"{len(series)} series over {series.n_time} steps; give more history or a shorter horizon"
            )
        self._cumulative_S = np.cumsum(weight_S / weight_S.sum())

    def draw(self, step: int, rank: int = 0, world: int = 1) -> Window:
        """This rank's share of step `step`'s batch; the shares of all ranks make the batch of a single one."""
        spec = self._spec
        rng = np.random.default_rng([spec.seed, 1, step])
        row_B = self._rows(rng, spec.batch_size)
        low_B = self._first_S[row_B]
        start_B = low_B + (rng.random(spec.batch_size) * (self._last + 1 - low_B)).astype(np.int64)
        mine = slice(rank, None, world)
        return self._weighted(row_B[mine], start_B[mine])

    def held_out(self, rank: int = 0, world: int = 1) -> list[Window]:
        """This rank's share of the windows whose horizon is the held-out one, in pieces of at most a batch."""
        spec = self._spec
        rng = np.random.default_rng([spec.seed, 2])
        row_B = np.unique(self._rows(rng, spec.held_out_series))[rank::world]
        start_B = np.full(len(row_B), self._series.n_time - spec.horizon)
        return [
            self._weighted(row_B[k : k + spec.batch_size], start_B[k : k + spec.batch_size])
            for k in range(0, len(row_B), spec.batch_size)
        ]

    def _weighted(self, row_B: np.ndarray, start_B: np.ndarray) -> Window:
        spec = self._spec
        window = self._series.window(row_B, start_B, spec.context, spec.horizon)
        level_B = _level(window.y_BL[:, : spec.context].numpy(), window.mask_BL[:, : spec.context].numpy())
        weight_B = (level_B / self._level_S[row_B]) ** spec.level_power
        return window._replace(weight_B=torch.from_numpy(weight_B.astype(np.float32)))

    def _rows(self, rng: np.random.Generator, n: int) -> np.ndarray:
        row = np.searchsorted(self._cumulative_S, rng.random(n), side="right")
        return row.clip(max=int(np.argmax(self._cumulative_S >= self._cumulative_S[-1])))


def _level(y_ST: np.ndarray, mask_ST: np.ndarray) -> np.ndarray:
    """(S,) mean of the observed steps and one more with a little demand, so that it is above 0."""
    level_S: np.ndarray = (y_ST.sum(1, dtype=np.float64, where=mask_ST) + _LITTLE) / (mask_ST.sum(1) + 1)
    return level_S

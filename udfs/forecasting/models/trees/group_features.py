"""What trees are told of the groups that a series belongs to: its item over all locations, its department, the whole.

Values come from `features.group_daily`, which knows every series; a bucket that is forecast need not hold the others.
Dimensions: S series, H horizon, G groups of a level, D days, F columns of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.schema.tables.column_groups import NO_VALUE
from udfs.series.sku_batch import SkuBatch

COLUMNS = (
    "trailing_mean_7",
    "trailing_mean_28",
    "trailing_mean_112",
    "trailing_weekday_mean_8",
    "trailing_selling_share_28",
)
LEVELS = {"sku": ("sku_id",), "location, department": ("location_id", "department"), "all": ()}
"""Levels of the table that trees read, by the traits that name a group."""
NAMES = tuple(
    f"{level.replace(', ', '_')}_{what}"
    for level in LEVELS
    for what in ("trend_7_28", "trend_28_112", "weekday_index", "selling_share")
)
_WEEK = 7
_FILE = "groups.npz"


@dataclass(frozen=True, eq=False, slots=True)
class GroupFeatures:
    """Levels of groups, as known at the end of days.

    Attributes:
        begins: ordinal of the first day of all; before it nothing is known of any group.
        days: (D,) ordinals of those that are kept, rising.
        groups: by level the names of its G groups.
        values: by level (G, D, F) float32 of `COLUMNS`, NaN where a group has none.
    """

    begins: int
    days: np.ndarray
    groups: dict[str, tuple[str, ...]]
    values: dict[str, np.ndarray]

    @property
    def names(self) -> tuple[str, ...]:
        return NAMES

    @classmethod
    def from_arrow(cls, rows: pa.Table) -> GroupFeatures:
        """Rows of `features.group_daily` in any order: level, group_name, ds and `COLUMNS`."""
        days, day_R = np.unique(rows["ds"].cast(pa.int32()).to_numpy(), return_inverse=True)
        groups, values = {}, {}
        for level in LEVELS:
            of_level = pc.equal(rows["level"], level)
            part, at_R = rows.filter(of_level), day_R[of_level.to_numpy()]
            coded = part["group_name"].combine_chunks().dictionary_encode()
            groups[level] = tuple(coded.dictionary.to_pylist())
            values[level] = np.full((len(groups[level]), len(days), len(COLUMNS)), np.nan, np.float32)
            for f, name in enumerate(COLUMNS):
                values[level][coded.indices.to_numpy(), at_R, f] = part[name].to_numpy()
        days = days + date(1970, 1, 1).toordinal()
        return cls(int(days.min(initial=date.max.toordinal())), days, groups, values)

    def columns(self, batch: SkuBatch, origin: date, horizon: int) -> list[np.ndarray]:
        """(S, H) each, in the order of `NAMES`, as known at the end of the day `origin`; NaN where not known.

        A trend is the mean of the shorter window over that of the longer one, a weekday index the mean of the target's
        weekday over the mean of all seven.
        """
        wanted_W = origin.toordinal() - np.arange(_WEEK)[::-1]
        is_known_W = np.isin(wanted_W, self.days)
        if (wanted_W[~is_known_W] >= self.begins).any():
            raise ValueError(
                f"expected features of groups at the end of {origin} and of the six days before, found {self._span()}"
            )
        at_W = np.searchsorted(self.days, np.where(is_known_W, wanted_W, 0))
        out = []
        for level in LEVELS:
            # Before the first day nothing is known.
            week_GWF = np.where(is_known_W[:, None], self.values[level][:, at_W], np.nan)
            now_GF, weekday_GW = week_GWF[:, -1], week_GWF[:, :, 3]
            index_GW = _over(weekday_GW, weekday_GW.mean(1, keepdims=True))
            row_S = self._rows(batch, level)
            for what_G in (_over(now_GF[:, 0], now_GF[:, 1]), _over(now_GF[:, 1], now_GF[:, 2])):
                out.append(_of_series(what_G, row_S)[:, None])
            out.append(_of_series(index_GW, row_S)[:, np.arange(horizon) % _WEEK])
            out.append(_of_series(now_GF[:, 4], row_S)[:, None])
        return out

    def _span(self) -> str:
        if not len(self.days):
            return "none"
        first, last = (date.fromordinal(int(day)) for day in self.days[[0, -1]])
        return f"those of {len(self.days)} days, {first} to {last}"

    def at(self, origins: Sequence[date]) -> GroupFeatures:
        """Only what `columns` needs for these origins, and the groups that were seen until then."""
        wanted = {origin.toordinal() - k for origin in origins for k in range(_WEEK)}
        use_D = np.isin(self.days, sorted(wanted))
        groups, values = {}, {}
        for level, x_GDF in self.values.items():
            # Groups that begin later would tell of what is to come.
            has_G = ~np.isnan(x_GDF[:, use_D]).all((1, 2))
            groups[level] = tuple(name for name, has in zip(self.groups[level], has_G, strict=True) if has)
            values[level] = x_GDF[has_G][:, use_D]
        return GroupFeatures(self.begins, self.days[use_D], groups, values)

    def save(self, folder: Path) -> None:
        """Write one file into a folder."""
        arrays: dict[str, Any] = {"begins": self.begins, "days": self.days}
        for k, level in enumerate(LEVELS):
            arrays |= {f"values_{k}": self.values[level], f"groups_{k}": np.array(self.groups[level], dtype=np.str_)}
        np.savez(folder / _FILE, **arrays)

    @classmethod
    def load(cls, folder: Path) -> GroupFeatures | None:
        """Read what `save` wrote; None where nothing was."""
        if not (folder / _FILE).exists():
            return None
        with np.load(folder / _FILE, allow_pickle=False) as found:
            groups = {level: tuple(found[f"groups_{k}"].tolist()) for k, level in enumerate(LEVELS)}
            values = {level: found[f"values_{k}"] for k, level in enumerate(LEVELS)}
            return cls(int(found["begins"]), found["days"], groups, values)

    def _rows(self, batch: SkuBatch, level: str) -> np.ndarray:
        """(S,) row of each series' group, -1 where the table has none."""
        row_of = {name: g for g, name in enumerate(self.groups[level])}
        if not LEVELS[level]:
            return np.full(len(batch), row_of.get("all", -1))
        assert batch.traits is not None
        traits = batch.traits.only(LEVELS[level])
        codes_NC, code_S = np.unique(traits.codes_SC.cpu().numpy(), axis=0, return_inverse=True)
        names = [
            " / ".join(
                NO_VALUE if code < 0 else values[code] for code, values in zip(codes, traits.values, strict=True)
            )
            for codes in codes_NC
        ]
        return np.array([row_of.get(name, -1) for name in names])[code_S.ravel()]


def _over(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.divide(x, y, out=np.full(np.broadcast_shapes(x.shape, y.shape), np.nan, np.float32), where=y > 0)


def _of_series(x_G: np.ndarray, row_S: np.ndarray) -> np.ndarray:
    """Values of each series' group; NaN for row -1."""
    return np.concatenate([x_G, np.full((1, *x_G.shape[1:]), np.nan, np.float32)])[row_S]

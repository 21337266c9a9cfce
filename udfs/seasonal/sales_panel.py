"""Daily sales of all series as arrays, with the sums that launches are described by.

S series, T days from the first to the origin; codes of sku, location, group (category at a location) and brand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from lakehouse.schema.entities import SERIES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class SalesPanel:
    """`unique_id_S` sorted; units_ST: sold, 0 where not known; price_ST: NaN where not known; `first_day`: of column 0;
    traits: by sku its category and brand ('' for none)."""

    unique_id_S: NDArray[np.object_]
    units_ST: NDArray[np.float32]
    price_ST: NDArray[np.float32]
    first_day: date
    category: dict[str, str]
    brand: dict[str, str]
    _levels: dict[tuple[str, int, int], float] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, daily: pa.Table, products: pa.Table, until: date) -> SalesPanel:
        """daily: unique_id, ds, y, unit_price; products: sku_id, category, brand. Days after `until` are left out.

        Raises ValueError where there is no day up to it.
        """
        frame = daily.select(["unique_id", "ds", "y", "unit_price"]).to_pandas(date_as_object=False)
        frame = frame[frame["ds"] <= pd.Timestamp(until)]
        if frame.empty:
            raise ValueError(f"expected sales up to {until}, found none; run with a later as-of day")
        ids, row = np.unique(frame["unique_id"].to_numpy(dtype=object), return_inverse=True)
        day = frame["ds"].to_numpy().astype("datetime64[D]")
        first = day.min()
        shape = len(ids), int((np.datetime64(until, "D") - first).astype(int)) + 1
        units, price = np.zeros(shape, np.float32), np.full(shape, np.nan, np.float32)
        column = (day - first).astype(int)
        units[row, column] = np.maximum(np.nan_to_num(frame["y"].to_numpy(float)), 0.0)
        price[row, column] = frame["unit_price"].to_numpy(float)
        rows = products.select(["sku_id", "category", "brand"]).to_pylist()
        category, brand = ({each["sku_id"]: each[name] or "" for each in rows} for name in ("category", "brand"))
        return cls(ids, units, price, first.item(), category, brand)

    @cached_property
    def units_before(self) -> FloatArray:
        """Units sold before each day, [S, T + 1]."""
        return self._summed(self.units_ST)

    @cached_property
    def sale_days_before(self) -> FloatArray:
        """Days with a sale before each day, [S, T + 1]."""
        return self._summed(self.units_ST > 0)

    @staticmethod
    def _summed(values_ST: NDArray[np.generic]) -> FloatArray:
        total = np.zeros((values_ST.shape[0], values_ST.shape[1] + 1))
        np.cumsum(values_ST, axis=1, out=total[:, 1:])
        return total

    @cached_property
    def first_sale(self) -> IntArray:
        """Day of each series' first sale, T where there is none."""
        sold_ST = self.units_ST > 0
        return np.where(sold_ST.any(1), sold_ST.argmax(1), sold_ST.shape[1])

    @cached_property
    def parts(self) -> list[tuple[str, ...]]:
        return [SERIES.split(id_) for id_ in self.unique_id_S]

    @cached_property
    def category_code(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(sorted(set(self.category.values())))}

    @cached_property
    def row_of(self) -> dict[str, int]:
        return {id_: row for row, id_ in enumerate(self.unique_id_S)}

    @cached_property
    def rows_of_sku(self) -> dict[str, IntArray]:
        return self._rows_by([parts[0] for parts in self.parts])

    @cached_property
    def rows_of_group(self) -> dict[str, IntArray]:
        return self._rows_by([self.group(*parts) for parts in self.parts])

    @cached_property
    def rows_of_brand(self) -> dict[str, IntArray]:
        return self._rows_by([self.brand.get(parts[0], "") for parts in self.parts])

    def group(self, sku: str, location: str, channel: str) -> str:
        """The category at the place: what a launch's units are measured against."""
        return SERIES.key(self.category.get(sku, ""), location, channel)

    def level(self, group: str, day: int, window: int) -> float:
        """Mean units over the `window` days before `day` of the group's series that sold; of all series for an unknown
        or idle group."""
        key = group, day, window
        if key not in self._levels:
            rows = self.rows_of_group.get(group, np.empty(0, int))
            sums = self.units_before[rows, day] - self.units_before[rows, max(day - window, 0)]
            if not (sums > 0).any():
                sums = self.units_before[:, day] - self.units_before[:, max(day - window, 0)]
            self._levels[key] = float(sums[sums > 0].mean()) if (sums > 0).any() else 1.0
        return self._levels[key]

    def price_position(self, group: str, day: int, price: float) -> float:
        """Log of a price over the group's median on the day; NaN where either is not known."""
        prices = self.price_ST[self.rows_of_group.get(group, np.empty(0, int)), day]
        prices = prices[prices > 0]
        return float(np.log(price / np.median(prices))) if prices.size and price > 0 else np.nan

    @staticmethod
    def _rows_by(keys: Sequence[str]) -> dict[str, IntArray]:
        found = pd.Series(range(len(keys))).groupby(np.asarray(keys, dtype=object)).indices
        return {str(key): np.asarray(rows) for key, rows in found.items()}

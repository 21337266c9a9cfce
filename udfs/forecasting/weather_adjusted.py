"""Forecasts of demand as it were in usual weather, multiplied by what the weather that is expected does.

A warm spell moves all series of a category together, so what weather does is learned from them together, and taken out
of the past by the weather that came. A forecast knows no weather of the days after its cutoff but what could be
expected then; what models learn from is likewise relative to what could be expected at each origin, so that what nobody
foresaw stays in their errors. A category keeps this where it would have paid in the windows before the cutoff.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from lakehouse.schema.tables import contract, table_of
from udfs.demand.weather_effect import UnitDays, pays
from udfs.forecasting.category_units import CategoryUnits
from udfs.forecasting.forecaster import Forecast, Forecaster
from udfs.series.known_weather import Weather, WeatherResponse
from udfs.series.sku_batch import SkuBatch

TABLE = "forecast.weather_effect"
_FILE = "weather_effects.json"
_ARRAYS = ("effect_CW", "is_used_C", "gain_C", "mean_W")


@dataclass(frozen=True, eq=False, slots=True)
class WeatherEffects:
    """What weather does to each category, and what knowing it would have gained in the windows before the cutoff.

    Attributes:
        categories: names, in the order of the rows; of another category nothing is known.
        effect_CW: by how much a degree, and a unit more of log(1 + mm), moves the log of demand.
        is_used_C: where it pays.
        gain_C: share of the absolute error that it takes off over the windows; 0 without any.
        mean_W: the weather of which the factor is 1.
        windows: how many there were.
    """

    categories: tuple[str, ...]
    effect_CW: np.ndarray
    is_used_C: np.ndarray
    gain_C: np.ndarray
    mean_W: np.ndarray
    windows: int

    @classmethod
    def learn(cls, batch: SkuBatch, horizon: int) -> WeatherEffects:
        """From the days of a batch with weather, and nothing that was not known at its cutoff."""
        weather, units = _weather(batch), CategoryUnits.of(batch)
        y_UT, n_UT = units.sum(batch.y_ST.cpu().numpy()), units.sum(batch.mask_ST.cpu().numpy())
        came_UTW = weather.days(batch.day_after(0), batch.n_days)[units.group_U]
        days = UnitDays.of(y_UT, n_UT > 0, units.states(batch), came_UTW, units.category_U)
        n_categories = len(units.categories)
        error_KC, gain_KC = days.gains(
            n_categories, horizon, lambda origin: weather.ahead(batch.day_after(origin) - 1, horizon)[units.group_U]
        )
        error_C = error_KC.sum(0)
        gain_C = np.divide(gain_KC.sum(0), error_C, out=np.zeros(n_categories), where=error_C > 0)
        effect_CW = days.effects(n_categories)
        return cls(units.categories, effect_CW, pays(gain_KC), gain_C, days.mean_W, len(error_KC))

    def response(self, batch: SkuBatch) -> WeatherResponse:
        """That of a batch's series. Raises ValueError for a batch without weather."""
        weather, units = _weather(batch), CategoryUnits.of(batch)
        row = {name: k for k, name in enumerate(self.categories)}
        row_U = np.array([row.get(units.categories[k], -1) for k in units.category_U], dtype=np.int64)
        used_CW = np.concatenate([self.effect_CW * self.is_used_C[:, None], np.zeros((1, self.effect_CW.shape[1]))])
        return WeatherResponse(weather, units.group_U, used_CW[row_U], units.unit_S, self.mean_W)

    def without(self, batch: SkuBatch) -> SkuBatch:
        """The batch with demand divided by the factors of its days, and what of them nobody foresaw beside it."""
        response = self.response(batch)
        came_ST = torch.from_numpy(response.came(batch.day_after(0), batch.n_days)).to(batch.device)
        return replace(batch, y_ST=batch.y_ST / came_ST, unforeseen=response)

    def rows(self, cutoff: date) -> pa.Table:
        """Rows of `TABLE`, without its partition columns: the categories that have series."""
        seen = np.flatnonzero(self.effect_CW.any(1))
        columns = [self.is_used_C[seen], self.gain_C[seen], [self.windows] * len(seen), *self.effect_CW[seen].T]
        names = contract(TABLE).file_columns()
        keys = [cutoff] * len(seen), [self.categories[c] for c in seen]
        return table_of(TABLE, dict(zip(names, (*keys, *columns), strict=True)))

    def save(self, folder: Path) -> None:
        about = {"categories": self.categories, "windows": self.windows}
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        (folder / _FILE).write_text(json.dumps(about | arrays), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> WeatherEffects | None:
        """Read what `save` wrote; None where it did not."""
        if not (folder / _FILE).exists():
            return None
        about = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        arrays = {name: np.array(about[name]) for name in _ARRAYS}
        return cls(categories=tuple(about["categories"]), windows=about["windows"], **arrays)


@dataclass(frozen=True, eq=False, slots=True)
class WeatherAdjusted:
    """A `Forecaster`: another one, asked about demand in usual weather."""

    inner: Forecaster
    effects: WeatherEffects

    @property
    def name(self) -> str:
        return self.inner.name

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """Raises ValueError: a batch without weather, and what the inner forecaster raises."""
        forecast = self.inner.forecast(self.effects.without(batch), horizon, quantiles)
        factor_SH = self.effects.response(batch).expected(batch.day_after(batch.n_days) - 1, horizon)
        return forecast.scaled(torch.from_numpy(factor_SH).to(batch.device))


def has_weather(batch: SkuBatch) -> bool:
    """Whether anything is known of the weather."""
    return batch.known is not None and batch.known.weather is not None


def _weather(batch: SkuBatch) -> Weather:
    if batch.known is None or batch.known.weather is None:
        raise ValueError("expected a batch with the weather of its locations, found none; give it or fit without")
    return batch.known.weather

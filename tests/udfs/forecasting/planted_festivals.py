"""Demand with a planted effect of a festival that moves with the moon, and how well it is found and forecast."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from jobs.settings import load_settings
from lakehouse.transforms.silver.festival_rule import movable_days
from lakehouse.transforms.silver.festivals import festivals
from udfs.forecasting.festival_adjusted import FestivalAdjusted, FestivalLifts
from udfs.forecasting.models.ets.ets_model import ExponentialSmoothing
from udfs.series.sku_batch import SkuBatch
from udfs.series.sku_panel import PlanTables, sku_panel

CUTOFF, HORIZON = date(2024, 8, 24), 28
FIRST = CUTOFF - timedelta(days=5 * 365)
CAKES = np.array([*np.linspace(0.1, 1.2, 21), 0.6, -0.5, -0.4, -0.2])
"""Log factors of the category `cakes` from 21 days before Mid-Autumn to 3 days after; `rice` has none."""


def planted(n_skus: int, seed: int = 3) -> tuple[SkuBatch, np.ndarray]:
    """Five years of Poisson demand as a batch, and (S, H) the expected demand of the days ahead."""
    rng = np.random.default_rng(seed)
    days = [FIRST + timedelta(days=k) for k in range((CUTOFF - FIRST).days + HORIZON + 1)]
    log_X = np.zeros(len(days))
    for year in range(2019, 2025):
        for k, value in enumerate(CAKES):
            at = (movable_days("mid_autumn", year)[0] + timedelta(days=k - 21) - FIRST).days
            if 0 <= at < len(days):
                log_X[at] = value
    weekday_X = 1 + 0.3 * (np.array([day.weekday() for day in days]) >= 5)
    is_cake_S = np.arange(n_skus) % 2 == 0
    mean_SX = rng.lognormal(3.5, 0.6, n_skus)[:, None] * weekday_X * np.exp(is_cake_S[:, None] * log_X)
    n_past = len(days) - HORIZON
    y_SX = rng.poisson(mean_SX[:, :n_past])
    names = [f"s{s:04d}" for s in range(n_skus)]
    history = pa.table(
        {
            "unique_id": np.repeat([f"{name}|shop|all" for name in names], n_past),
            "ds": pa.array(days[:n_past] * n_skus, pa.date32()),
            "y": y_SX.ravel().astype(float),
            "unit_price": np.ones(n_past * n_skus),
            "is_promo": np.zeros(n_past * n_skus, dtype=bool),
        }
    )
    return sku_panel(history, CUTOFF, HORIZON, _plan(history, names, is_cake_S, days)), mean_SX[:, n_past:]


def _plan(history: pa.Table, names: list[str], is_cake_S: np.ndarray, days: list[date]) -> PlanTables:
    flags = ("is_holiday", "is_event", "is_benefit_day", "is_closed_planned")
    calendar = pa.table(
        {
            "location_id": ["shop"] * len(days),
            "ds": pa.array(days, pa.date32()),
            **{name: pa.array([False] * len(days)) for name in flags},
            "event_name": pa.nulls(len(days), pa.string()),
        }
    )
    places = pa.table({"location_id": ["shop"], "country": ["CN"], "region": pa.nulls(1, pa.string())})
    none = pa.nulls(len(names), pa.string())
    category = pa.array(["cakes" if is_cake else "rice" for is_cake in is_cake_S])
    products = pa.table({"sku_id": names, "category": category, "department": none, "brand": none})
    rows = festivals(places, load_settings().festivals, days[0], days[-1])
    planned = history.slice(0, 0).drop_columns(["y"])
    return PlanTables(planned, calendar, products, places.drop_columns(["country"]), festivals=rows)


def lifts_found(batch: SkuBatch, lifts: FestivalLifts, category: str) -> np.ndarray:
    """(25,) log factors of the days of Mid-Autumn as learned."""
    factor_UX, unit_S = lifts.factors(batch)
    trait = batch.traits.only(("category",))  # type: ignore[union-attr]
    row = unit_S[trait.codes_SC[:, 0].numpy() == trait.values[0].index(category)][0]
    first = (movable_days("mid_autumn", CUTOFF.year)[0] - CUTOFF).days - 1 - 21
    return np.log(factor_UX[row, batch.n_days + first : batch.n_days + first + len(CAKES)])


def errors(batch: SkuBatch, mean_SH: np.ndarray) -> dict[str, float]:
    """WAPE of the cakes ahead against what is expected: smoothing as it is, adjusted, and the week of the year."""
    lifts, smoothing = FestivalLifts.learn(batch), ExponentialSmoothing()
    plain, adjusted = (
        model.forecast(batch, HORIZON, (0.5,)).mean_SH for model in (smoothing, FestivalAdjusted(smoothing, lifts))
    )
    forecasts = {"plain": plain.numpy(), "adjusted": adjusted.numpy(), "week_of_year": _week_of_year(batch)}
    cakes = slice(0, None, 2)
    return {name: float(np.abs(x_SH - mean_SH)[cakes].sum() / mean_SH[cakes].sum()) for name, x_SH in forecasts.items()}


def _week_of_year(batch: SkuBatch) -> np.ndarray:
    """(S, H) mean of the same weekday 52, 104, 156 and 208 weeks before, by the level of the last eight weeks."""
    y_ST = batch.y_ST.numpy()
    at_H = batch.n_days + np.arange(HORIZON)
    years = [364 * k for k in range(1, 5)]
    ratio = [
        y_ST[:, at_H - back] / y_ST[:, batch.n_days - back - 56 : batch.n_days - back].mean(1, keepdims=True)
        for back in years
    ]
    return np.mean(ratio, axis=0) * y_ST[:, -56:].mean(1, keepdims=True)

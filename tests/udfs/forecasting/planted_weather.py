"""Demand with a planted effect of temperature, and weather as it was measured and as it was forecast."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from udfs.series.known_weather import Weather
from udfs.series.sku_batch import SkuBatch
from udfs.series.sku_panel import PlanTables, sku_panel

CUTOFF, HORIZON = date(2024, 6, 30), 14
FIRST = CUTOFF - timedelta(days=28 * 26 - 1)
PLACES = ("north", "south")
EFFECT = 0.06
"""What a degree does to the log of demand of the category `ice`; `bread` does not care."""
LEADS = 7
"""Days ahead that forecasts reach; their error grows by `LEAD_ERROR` degrees a day."""
LEAD_ERROR = 0.5

_DAYS = [FIRST + timedelta(days=k) for k in range((CUTOFF - FIRST).days + HORIZON + 1)]
_EPOCH = date(1970, 1, 1)


def temperatures(seed: int = 1) -> np.ndarray:
    """(L, X) degrees of all days and `HORIZON` more: a season, and spells that last for days."""
    rng = np.random.default_rng(seed)
    season_X = 11.0 - 9.0 * np.cos(2 * np.pi * (np.array([day.timetuple().tm_yday for day in _DAYS]) - 20) / 365.25)
    spell_LX = np.zeros((len(PLACES), len(_DAYS)))
    for x in range(1, len(_DAYS)):
        spell_LX[:, x] = 0.75 * spell_LX[:, x - 1] + rng.normal(0, 2.5, len(PLACES))
    return season_X + spell_LX + np.array([[0.0], [4.0]])


def weather_rows(degree_LX: np.ndarray, *, forecasts: bool, seed: int = 2) -> pa.Table:
    """silver.weather: days until the cutoff as measured, and forecasts of up to `LEADS` days issued by then."""
    rng = np.random.default_rng(seed)
    rows = []
    for place, degree_X in zip(PLACES, degree_LX, strict=True):
        for x, day in enumerate(_DAYS):
            if day <= CUTOFF:
                rows.append((place, day, day, True, degree_X[x], None))
            for lead in range(1, LEADS + 1) if forecasts else ():
                said, issued = degree_X[x] + rng.normal(0, LEAD_ERROR * lead), day - timedelta(days=lead)
                if issued <= CUTOFF:
                    rows.append((place, day, issued, False, said, None))
    return rows_of(*rows)


def rows_of(*rows: tuple[str, date, date, bool, float | None, float | None]) -> pa.Table:
    """Rows of silver.weather: location, day, day of knowledge, whether measured, degrees, mm."""
    kinds = (pa.string(), pa.date32(), pa.date32(), pa.bool_(), pa.float64(), pa.float64())
    names = ("location_id", "ds", "known_on", "is_measured", "temperature", "precipitation")
    columns = zip(*rows, strict=True) if rows else [[] for _ in names]
    return pa.table({name: pa.array(list(x), kind) for name, x, kind in zip(names, columns, kinds, strict=True)})


def day_number(day: date) -> int:
    return (day - _EPOCH).days


def planted(n_skus: int, weather: pa.Table | None, seed: int = 3) -> tuple[SkuBatch, np.ndarray]:
    """Poisson demand as a batch, each second SKU ice, and (S, H) the expected demand of the days ahead."""
    rng = np.random.default_rng(seed)
    degree_LX, n_past = temperatures(), len(_DAYS) - HORIZON
    ids = sorted(f"s{s:03d}|{place}|all" for s in range(n_skus) for place in PLACES)
    is_ice_S = np.array([int(name[1:4]) % 2 == 0 for name in ids])
    place_S = np.array([PLACES.index(name.split("|")[1]) for name in ids])
    weekday_X = 1 + 0.3 * (np.array([day.weekday() for day in _DAYS]) >= 5)
    lift_SX = np.exp(EFFECT * is_ice_S[:, None] * (degree_LX[place_S] - 15.0))
    mean_SX = rng.lognormal(3.0, 0.5, len(ids))[:, None] * weekday_X * lift_SX
    history = pa.table(
        {
            "unique_id": np.repeat(ids, n_past),
            "ds": pa.array(_DAYS[:n_past] * len(ids), pa.date32()),
            "y": rng.poisson(mean_SX[:, :n_past]).ravel().astype(float),
            "unit_price": np.ones(n_past * len(ids)),
            "is_promo": np.zeros(n_past * len(ids), dtype=bool),
        }
    )
    return sku_panel(history, CUTOFF, HORIZON, _plan(history, n_skus, weather)), mean_SX[:, n_past:]


def _plan(history: pa.Table, n_skus: int, weather: pa.Table | None) -> PlanTables:
    flags = ("is_holiday", "is_event", "is_benefit_day", "is_closed_planned")
    calendar = pa.table(
        {
            "location_id": [place for place in PLACES for _ in _DAYS],
            "ds": pa.array(_DAYS * len(PLACES), pa.date32()),
            **{name: pa.array([False] * len(PLACES) * len(_DAYS)) for name in flags},
            "event_name": pa.nulls(len(PLACES) * len(_DAYS), pa.string()),
        }
    )
    none = pa.nulls(n_skus, pa.string())
    category = pa.array(["bread" if s % 2 else "ice" for s in range(n_skus)])
    names = [f"s{s:03d}" for s in range(n_skus)]
    products = pa.table({"sku_id": names, "category": category, "department": none, "brand": none})
    locations = pa.table({"location_id": list(PLACES), "region": pa.nulls(len(PLACES), pa.string())})
    return PlanTables(history.slice(0, 0).drop_columns(["y"]), calendar, products, locations, weather=weather)


def known(weather: pa.Table) -> Weather:
    found = Weather.of(weather, list(PLACES))
    assert found is not None
    return found

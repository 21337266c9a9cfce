"""Weather as it was measured and as it was forecast, and what it does to demand."""

from __future__ import annotations

from lakehouse.schema.checks import Range
from lakehouse.schema.columns import Column, declare
from lakehouse.schema.contract import Contract
from lakehouse.schema.feed_layout import FeedLayout

declare(
    Column("temperature", "double", "Temperature of the day, in degrees Celsius", Range(-90, 60)),
    Column("precipitation", "double", "Rain, and snow as water, of the day, in mm", Range(0, 2000)),
    Column("issued_at", "timestamp", "When the forecast was issued, by the place's clock; empty for a measurement"),
    Column("known_on", "date", "Day at whose end the row was known: of issue, or of a measurement its own"),
    Column("is_measured", "boolean", "Whether it was measured; else it is a forecast"),
    Column("uses_weather", "boolean", "Whether forecasts of the category go by weather: it paid in the windows"),
    Column("weather_gain", "double", "Share of the absolute error of all windows that weather takes off"),
    Column("windows", "int", "Windows before the cutoff, a horizon each, that it was tried on", Range(0)),
    Column("temperature_effect", "double", "What a degree more does to the log of demand"),
    Column("precipitation_effect", "double", "What a unit more of log(1 + mm) does to the log of demand"),
)

FEEDS: tuple[FeedLayout, ...] = (
    FeedLayout(
        "weather",
        ("location_id", "region", "ds", "temperature", "precipitation", "issued_at"),
        required=("ds",),
        key=("location_id", "region", "ds", "issued_at"),
        last=True,
    ),
)

CONTRACTS: tuple[Contract, ...] = (
    Contract(
        "silver.weather",
        "Weather of each location's days: measured, and as forecasts of each day of issue had it",
        ("location_id", "ds", "known_on", "is_measured", "temperature", "precipitation"),
        ("location_id", "ds", "known_on", "is_measured"),
        mode="overwrite",
    ),
    Contract(
        "forecast.weather_effect",
        "What weather does to each category's demand by what a fit knew, and whether its trees go by it",
        (
            "cutoff",
            "category",
            "uses_weather",
            "weather_gain",
            "windows",
            "temperature_effect",
            "precipitation_effect",
            "run_id",
            "unit",
        ),
        ("cutoff", "category", "run_id"),
        ("run_id", "unit"),
    ),
)

"""A retailer small enough to check by hand: a dozen SKUs in two stores, a few months of days, every optional feed."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import numpy as np

FIRST_DAY = date(2024, 1, 1)
SKUS = tuple(f"S{i:02d}" for i in range(1, 7))
STORES = ("north", "south")
PLACES = {"north": (42.55, -71.0), "south": (42.05, -71.2), "dc": (42.3, -71.1)}
"""Latitude and longitude. The feed leaves them out, so that only what asks for deliveries pays for them."""
_SLOTS = [(aisle, bay) for aisle in "AB" for bay in (1, 2, 3)]
UNCOMPILED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
"""Settings of Spark for so few rows: to compile a query takes longer than to run it uncompiled."""
FEW_ROWS = UNCOMPILED | {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.ui.explainMode": "simple",
    "spark.databricks.delta.snapshotPartitions": "1",
}
"""These, and more: to plan a query again after each of its parts, and to put each plan into words, takes longer too."""


def write_feeds(folder: Path, days: int = 120, *, seed: int = 7, with_supply: bool = True) -> Path:
    """Write sales, products, locations, stock and supply as CSV in the plain feed layout; returns the folder."""
    (folder / "sales").mkdir(parents=True, exist_ok=True)
    write_sales(folder / "sales" / "first.csv", 0, days, seed=seed)
    products = [(sku, f"Product {sku}", "pantry" if i % 2 else "dairy", "food", "own") for i, sku in enumerate(SKUS)]
    _write(folder / "products.csv", ("sku_id", "product_name", "category", "department", "brand"), products)
    _write(
        folder / "locations.csv",
        ("location_id", "location_name", "region", "country"),
        [(store, store.title(), "", "US") for store in STORES],
    )
    fleet = [("dc", "van", 2, 400, 300, 60, "05:00", "15:00"), ("dc", "truck", 1, 4000, 3000, 150, "05:00", "15:00")]
    capacities = ("vehicle_count", "capacity_litres", "capacity_kg", "fixed_cost")
    _write(folder / "vehicles.csv", ("depot_id", "vehicle_type", *capacities, "shift_from", "shift_to"), fleet)
    slots = [("dc", f"{aisle}{bay}", aisle, bay, sku) for (aisle, bay), sku in zip(_SLOTS, SKUS, strict=False)]
    _write(folder / "slots.csv", ("depot_id", "slot_id", "aisle", "bay", "sku_id"), slots)
    if with_supply:
        write_stock(folder / "stock.csv", days - 1)
        suppliers = ("Acme Foods", "")  # every other SKU's is not stated
        supply = [
            (sku, store, suppliers[i % 2], 3 + i, 10.0, 1.5, 6, 6) for i, sku in enumerate(SKUS) for store in STORES
        ]
        terms = ("lead_time_days", "order_cost", "unit_cost", "moq_qty", "pack_qty")
        header = ("sku_id", "location_id", "supplier_id", *terms)
        _write(folder / "supply.csv", header, supply)
    return folder


def write_sales(path: Path, first: int, stop: int, *, seed: int = 7) -> None:
    """Sales of days `first` to `stop` - 1; a day's rows are the same whatever the range asked for."""
    rows = []
    for day in range(first, stop):
        ds = FIRST_DAY + timedelta(days=day)
        rng = np.random.default_rng([seed, day])
        for i, sku in enumerate(SKUS):
            for store in STORES:
                rate = (0.3 + 2.0 * i) * (1.5 if ds.weekday() >= 5 else 1.0)
                units = int(rng.poisson(rate))
                if units or day == 0:
                    rows.append((sku, store, ds, units, f"{2.5 + i:.2f}", "true" if day % 14 == 3 else "false"))
    _write(path, ("sku_id", "location_id", "ds", "units", "unit_price", "is_promo"), rows)


def write_stock(path: Path, counted: int) -> None:
    """What there is of each SKU, counted on a day by its number."""
    ds = FIRST_DAY + timedelta(days=counted)
    rows = [(sku, store, ds, 5 * i, 0) for i, sku in enumerate(SKUS) for store in STORES]
    _write(path, ("sku_id", "location_id", "ds", "on_hand_qty", "on_order_qty"), rows)


def _write(path: Path, header: tuple[str, ...], rows: list[tuple]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)

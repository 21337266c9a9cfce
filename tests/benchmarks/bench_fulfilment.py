"""Routes of many depot-days through tables and runners: `python -m tests.benchmarks.bench_fulfilment --days 1000`.

Depot-days are made up: 20 to 120 stores, 50 on average, around a depot, with windows; vehicles of two kinds. A line of
JSON says seconds, the driver's peak memory, stops served, what savings would cost, and the content hash of the stops.
`--engine` ray, local or spark; `--set fulfilment.effort=10` shows what ten times the iterations would bring.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.context import RunContext
from jobs.engine.memory import MemoryWatch
from jobs.pipeline import run_stages
from jobs.settings import load_mapping, load_settings
from jobs.stages.fulfilment import route
from lakehouse.delta.content_hash import content_hash
from lakehouse.delta.files import write_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.entities import DEPOT_DAY
from lakehouse.schema.tables import contract

DAY = date(2024, 1, 2)
SHIPMENT, VEHICLE, LEG = "fulfilment.shipment", "fulfilment.vehicle", "fulfilment.leg"


def shipments_of(depot: str, rng: np.random.Generator) -> list[dict[str, Any]]:
    """20 to 120 shipments within some 80 km of a depot at 48/11, half of them with a window of two to four hours."""
    count = int(np.clip(rng.gamma(4.0, 7.5) + 20, 20, 120))
    places = np.array([48.0, 11.0]) + rng.normal(0, 0.35, (count, 2)) * [1.0, 1.5]
    rows = []
    for n in range(count):
        start = int(rng.integers(6, 14)) * 3600
        window = (start, start + int(rng.integers(2, 5)) * 3600) if rng.random() < 0.5 else (6 * 3600, 18 * 3600)
        litres = float(np.round(rng.gamma(2.0, 900.0), 1))
        rows.append(
            {
                "depot_day_id": DEPOT_DAY.key(depot, DAY), "depot_id": depot, "ds": DAY,
                "shipment_id": f"{depot}-{n}", "location_id": f"{depot}-{n}", "shipped_qty": 10.0,
                "order_value": 100.0, "load_litres": litres, "load_kg": litres / 4, "latitude": places[n, 0],
                "longitude": places[n, 1], "window_from_s": window[0], "window_to_s": window[1], "service_s": 900,
                "wait_until_ds": None, "wait_value": 0.0, "visit_share": 0.0, "is_late": False, "is_carried": False,
                "is_place_assumed": True, "is_load_assumed": True, "is_fleet_assumed": True,
                "is_travel_assumed": True,
            }
        )  # fmt: skip
    return rows


def fleet_of(depot: str) -> Iterator[dict[str, Any]]:
    """As many as are needed of a small and a large vehicle."""
    for kind, litres, cost in (("van", 8000.0, 80.0), ("truck", 24000.0, 160.0)):
        yield {
            "depot_id": depot, "vehicle_type": kind, "vehicle_count": 40.0, "capacity_litres": litres,
            "capacity_kg": None, "fixed_cost": cost, "km_cost": 0.6, "hour_cost": 30.0, "shift_from_s": 5 * 3600,
            "shift_to_s": 19 * 3600, "break_minutes": 30.0, "most_trips": 1.0, "ship_weekdays": "1,2,3,4,5,6",
            "latitude": 48.0, "longitude": 11.0, "window_from_s": 0, "window_to_s": 86400, "is_fleet_assumed": True,
        }  # fmt: skip


def write_depot_days(context: RunContext, count: int) -> int:
    """Shipments and vehicles as `ship` leaves them; returns the shipments."""
    lake, run, buckets = context.lakehouse, context.run.run_id, context.settings.buckets
    by_bucket: dict[int, list[dict[str, Any]]] = {}
    for n in range(count):
        rows = shipments_of(f"d{n}", np.random.default_rng([7, n]))
        by_bucket.setdefault(DEPOT_DAY.bucket_of(rows[0]["depot_day_id"], buckets), []).extend(rows)
    vehicles = [row for n in range(count) for row in fleet_of(f"d{n}")]
    parts = [(SHIPMENT, rows, {"run_id": run, "bucket": str(bucket)}) for bucket, rows in by_bucket.items()]
    for name, rows, where in [*parts, (VEHICLE, vehicles, {"run_id": run}), (LEG, [], {"run_id": run, "bucket": "0"})]:
        lake.ensure(name)
        table = pa.Table.from_pylist(rows, schema=contract(name).arrow_schema(with_partitions=False))
        if file := write_bucket(name, lake.uri(name), table, where):
            lake.commit_files(name, [file], {key: [value] for key, value in where.items()})
    return sum(len(rows) for rows in by_bucket.values())


def measure(lake: Lakehouse, count: int, engine: str, settings: list[str]) -> dict[str, Any]:
    """Seconds and peak memory of the stage, and what it planned."""
    overrides = [f"runner.route={engine}", *settings]
    context = RunContext(load_settings(None, overrides), load_mapping("feed_layout"), lake, DAY)
    shipments = write_depot_days(context, count)
    begun = time.perf_counter()
    with MemoryWatch() as memory:
        run_stages(context, stages=[route.STAGE])
    seconds = time.perf_counter() - begun
    days = lake.read_arrow("fulfilment.depot_day").to_pandas()
    return {
        "days": count,
        "engine": engine,
        "shipments": shipments,
        "seconds": round(seconds, 1),
        "peak_gib": round(memory.peak_mb / 1024, 2),
        "served": int(days["stop_count"].sum()),
        "cost": round(float(days["route_cost"].sum()), 2),
        "below_savings": round(1 - float(days["route_cost"].sum() / days["savings_cost"].sum()), 4),
        "below_nearest": round(1 - float(days["route_cost"].sum() / days["nearest_neighbour_cost"].sum()), 4),
        "hash": content_hash(lake, "fulfilment.stop"),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=100)
    parser.add_argument("--engine", default="ray")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Lakehouse(folder), asked.days, asked.engine, asked.settings)))


if __name__ == "__main__":
    main()

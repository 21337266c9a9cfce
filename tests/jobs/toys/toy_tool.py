"""Runs of the toys for tests: their stages, their feed, their context."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.context import RunContext
from jobs.engine.progress import Progress
from jobs.engine.stage import Stage, UnitStage
from lakehouse.delta.content_hash import content_hash
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.entities import DEPOT_DAY
from tests.jobs.run_tool import day, make_context
from tests.jobs.toys import customer_value, depot_load, toy_feed
from tests.jobs.toys.toy_settings import with_toys

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TOYS: tuple[Stage, ...] = (toy_feed.STAGE, depot_load.STAGE, customer_value.STAGE)
UNIT_TOYS = {stage.name: stage for stage in TOYS if isinstance(stage, UnitStage)}
DEPOTS, DAYS, CUSTOMERS = ("brno", "graz", "linz", "wels"), 5, 40
FIRST = date(2024, 3, 1)
BAD_DEPOT_DAY, BAD_CUSTOMER = "graz|2024-03-03", "c07"


def parcels() -> list[dict[str, object]]:
    """Three SKUs of each depot and day; one count is below zero."""
    rows: list[dict[str, object]] = []
    for d, depot in enumerate(DEPOTS):
        for t in range(DAYS):
            ds = FIRST + timedelta(days=t)
            for k in range(3):
                id_ = DEPOT_DAY.key(depot, ds)
                units = -1.0 if id_ == BAD_DEPOT_DAY and k == 1 else 7.0 * (d + 1) + 3 * t + k
                rows.append({"depot_day_id": id_, "depot_id": depot, "ds": ds, "sku_id": f"S{k}", "units": units})
    return rows


def baskets() -> list[dict[str, object]]:
    """A few baskets of each customer; one is of unknown worth."""
    return [
        {
            "customer_id": f"c{c:02d}",
            "ds": FIRST + timedelta(days=t),
            "basket_value": None if f"c{c:02d}" == BAD_CUSTOMER and t == 1 else round(0.1 + c / 3 + t / 7, 2),
        }
        for c in range(CUSTOMERS)
        for t in range(1 + c % 4 + (f"c{c:02d}" == BAD_CUSTOMER))
    ]


def write_toys(
    folder: Path, parcel: Sequence[dict[str, object]] | None = None, basket: Sequence[dict[str, object]] | None = None
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file, rows in (("parcels.csv", parcel or parcels()), ("baskets.csv", basket or baskets())):
        with (folder / file).open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return folder


def toy_context(
    lake: Lakehouse,
    folder: Path | None,
    *overrides: str,
    capacity_qty: float = 40.0,
    spark: SparkSession | None = None,
    as_of: date | None = None,
) -> RunContext:
    """A run of house and toys; one id in ten may fail."""
    plain = make_context(spark, lake, folder, as_of or day(119), "max_failure_rate=0.1", *overrides)
    return RunContext(
        settings=with_toys(plain.settings, capacity_qty),
        mapping=plain.mapping,
        lakehouse=lake,
        as_of=plain.as_of,
        input_dir=folder,
        progress=Progress(stream=io.StringIO()),
        _spark=spark,
    )


def toys_on(engine: str) -> list[Stage]:
    return [replace(stage, engine=engine) if isinstance(stage, UnitStage) else stage for stage in TOYS]


def toy_hashes(lake: Lakehouse) -> dict[str, str]:
    return {table: content_hash(lake, table) for stage in TOYS for table in stage.writes}

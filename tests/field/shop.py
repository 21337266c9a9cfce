"""A shop's files and mapping, taken in and cleaned; what came of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from jobs.pipeline import run_stages
from jobs.settings import load_mapping
from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import make_context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PLAIN = """
[feeds.sales]
files = ["*.csv"]
[feeds.sales.columns]
sku_id = "sku"
location_id = { const = "s1" }
ds = "day"
units = "qty"
"""


@dataclass(frozen=True)
class Outcome:
    """What a lakehouse holds after ingest and clean."""

    lake: Lakehouse

    def days(self) -> list[dict[str, Any]]:
        return self.lake.read_arrow("silver.sales_daily").to_pylist()

    @property
    def totals(self) -> dict[str, float]:
        """Units known, by SKU."""
        found: Counter[str] = Counter()
        for row in self.days():
            found[row["sku_id"]] += row["y"] or 0.0
        return dict(found)

    @property
    def span(self) -> tuple[date, date]:
        days = self.lake.read_arrow("silver.sales_daily")["ds"]
        return pc.min(days).as_py(), pc.max(days).as_py()

    @property
    def unknown(self) -> dict[str, int]:
        """Days without a known y, by SKU."""
        return dict(Counter(row["sku_id"] for row in self.days() if row["y"] is None))

    @property
    def rejected(self) -> dict[str, int]:
        """Rows set aside, by rule."""
        rows = self.lake.read_arrow("ops.quarantine").to_pylist() if self.lake.exists("ops.quarantine") else []
        return dict(Counter(row["rule_id"] for row in rows))

    @property
    def said(self) -> dict[str, str]:
        """The findings' words, by feed and name."""
        rows = self.lake.read_arrow("ops.finding").to_pylist() if self.lake.exists("ops.finding") else []
        return {f"{row['feed']}.{row['finding']}": row["words"] for row in rows}


def take_in(
    spark: SparkSession, folder: Path, mapping: str | Path, lake: Path, as_of: date = date(2024, 2, 29)
) -> Outcome:
    """Ingest and clean the folder; `mapping` is TOML text, or a file of it. Raises what the run raises."""
    if isinstance(mapping, str):
        path = lake.parent / f"{lake.name}.toml"
        path.write_text(mapping, encoding="utf-8")
    else:
        path = mapping
    assert load_mapping(str(path)).feeds
    context = make_context(spark, Lakehouse(str(lake)), folder, as_of, source=str(path))
    run_stages(context, ["ingest", "clean"])
    return Outcome(context.lakehouse)

"""Ten thousand rows, every tenth mutated: each has one outcome, each value lost is counted, nothing is unexplained.

The oracle reads the file by itself, with the csv module and plain conditions.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.field.shop import Outcome, take_in

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MAPPING = """
[feeds.sales]
files = ["sales.csv"]
[feeds.sales.columns]
sku_id = "sku"
location_id = "shop"
ds = "day"
units = "qty"
unit_price = { column = "price", optional = true }
is_promo = { column = "promo", optional = true }
[clean]
max_lost_share = 1.0
implausible = "use"
infer_closed_days = false
"""
HEADER = ("day", "sku", "shop", "qty", "price", "promo")
FIRST, DAYS, SKUS = date(2024, 1, 1), 50, 100
NASTY = {
    "day": ("", " ", "2024-02-30", "1970-01-01", "1900-01-01", "2099-01-01", "0024-01-05", "20240105x", "yesterday"),
    "sku": ("", "  ", "4.00638E+12", "a|b", " s1 ", "s\u00e9", "NULL"),
    "shop": ("", "north|1", " south "),
    "qty": ("", "-3", "twelve", "1e13", "4006381333931", "0", "2.5", "NaN", " 7 ", "1 2", "+4"),
    "price": ("", "free", "-2", "1e99", "Infinity", "3,x", " 2.5 "),
    "promo": ("", "maybe", "true", "0", "1", "YES", "-"),
}
REQUIRED = {"sku": "sku_id", "shop": "location_id", "day": "ds", "qty": "units"}


def mutated(seed: int, count: int = 10_000) -> list[dict[str, str]]:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        row = dict(
            zip(
                HEADER,
                (
                    str(FIRST + timedelta(days=number // 200)),
                    f"s{number % SKUS}",
                    ("north", "south")[number // SKUS % 2],
                    str(rng.integers(1, 9)),
                    "2.50",
                    "false",
                ),
                strict=True,
            )
        )
        if rng.random() < 0.1:
            name = HEADER[rng.integers(len(HEADER))]
            row[name] = str(rng.choice(np.array(NASTY[name], dtype=object)))
        rows.append(row)
    return rows


def number_of(text: str) -> float | None:
    """A number below 1e12, as text of a feed in the layout's own notation."""
    plain = text.strip()
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", plain) or abs(float(plain)) >= 1e12:
        return None
    return float(plain)


def day_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if len(text.strip()) == 10 else None
    except ValueError:
        return None


def verdict(row: dict[str, str]) -> str:
    """The rule that the row breaks first; '' for none."""
    for name in ("sku", "shop", "day", "qty"):
        if not row[name].strip():
            return f"missing_{REQUIRED[name]}"
    day, units = day_of(row["day"]), number_of(row["qty"])
    if day is None:
        return "unparseable_ds"
    if units is None:
        plain = row["qty"].strip()
        return "too_large_units" if re.fullmatch(r"[\d.]+(e\d+)?", plain) else "unparseable_units"
    if "E+" in row["sku"]:
        return "damaged_sku_id"
    for name in ("sku", "shop"):
        if "|" in row[name]:
            return f"separator_in_{REQUIRED[name]}"
    if day <= date(1970, 1, 1):
        return "implausible_ds"
    if day.year == 2099:
        return "stray_ds"  # far from all others
    return "negative_units" if units < 0 else ""


@settings(
    max_examples=2, deadline=None, phases=(Phase.generate,), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32))
def test_every_row_and_every_lost_value_is_accounted_for(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rows, folder = mutated(seed), tmp_path_factory.mktemp("mutated")
    (folder / "in").mkdir()
    with (folder / "in" / "sales.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    found = take_in(spark, folder / "in", MAPPING, folder / "lake")
    expected = Counter(map(verdict, rows))
    assert rules_of(found) == expected
    assert sum(expected.values()) == len(rows) == found.lake.rows("bronze.sales")
    used = [row for row in rows if not verdict(row)]
    assert lost_of(found) == {
        "unit_price": sum(bool(row["price"].strip()) and number_of(row["price"]) is None for row in used),
        "is_promo": sum(row["promo"].strip() in ("maybe", "-") for row in used),
    }
    assert_units_are_kept(found, folder, used)


def rules_of(found: Outcome) -> Counter[str]:
    rows = found.lake.read_arrow("ops.row_count").to_pylist()
    assert {row["outcome"] for row in rows} == {"used", "quarantined"}
    return Counter({row["rule_id"]: row["rows"] for row in rows if row["feed"] == "sales"})


def lost_of(found: Outcome) -> dict[str, int]:
    return {row["column_name"]: row["rows"] for row in found.lake.read_arrow("ops.value_lost").to_pylist()}


def assert_units_are_kept(found: Outcome, folder: Path, used: list[dict[str, str]]) -> None:
    """Units of the days, known or only stated, are those of the rows that were used; rejected sales hide their day."""
    days = found.days()
    kept = sum((row["y"] or 0.0) + (row["y_stated"] or 0.0) for row in days)
    assert kept == pytest.approx(sum(number_of(row["qty"]) or 0.0 for row in used)), folder
    hidden = {(row["sku_id"], row["location_id"], row["ds"]) for row in days if row["y"] is None}
    assert hidden, "some sales were rejected"
    assert all(row["masked_by"] is not None for row in days if row["y"] is None)

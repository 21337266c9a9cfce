"""Days of silver.sales_daily that cannot be believed: what is set aside, what stands in its place, what stays."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.stages.demand.daily_sales import judge_of
from lakehouse.feeds.sources import SourceMapping
from lakehouse.transforms.silver.cleaning import clean_sales
from lakehouse.transforms.silver.sales_daily import sales_daily
from tests.lakehouse.bronze_rows import bronze, mapping

FIRST, DAYS = date(2024, 1, 1), 60
BARCODE, SHORT_CODE = "4006381333931", "40063813"


def sales(sku: str, changed: dict[int, dict[str, Any]], missing: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """Sixty days of 3 to 5 units at 2.00 a unit; `changed` by day, from 0."""
    usual = [{"units": str(3 + day % 3), "unit_price": "2.00"} | changed.get(day, {}) for day in range(DAYS)]
    return [
        {"sku_id": sku, "ds": str(FIRST + timedelta(days=day))} | row
        for day, row in enumerate(usual)
        if day not in missing
    ]


def daily(spark: SparkSession, rows: list[dict[str, Any]], implausible: str = "mask") -> DataFrame:
    plain = mapping()
    source = SourceMapping.model_validate(plain.model_dump() | {"clean": {"implausible": implausible}})
    cleaned = clean_sales(bronze(spark, "sales", rows), source, 4)
    masks = cleaned.masks({"too_large_units"})
    return sales_daily(cleaned.lines, cleaned.series, source, cleaned.span()[1], 4, masks=masks, judge=judge_of(source))


def by_key(frame: DataFrame) -> dict[tuple[str, int], Any]:
    return {(row.sku_id, (row.ds - FIRST).days): row for row in frame.collect()}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return [
        *sales("barcode", {40: {"units": BARCODE}}),
        *sales("short", {40: {"units": SHORT_CODE}}),
        *sales("hundred", {59: {"units": "400"}}),
        *sales("price", {30: {"unit_price": "200000"}}, missing=(31, 32)),
        *sales("gift", {58: {"unit_price": "0.01", "units": "9"}}, missing=(59,)),
        *sales("first", {0: {"unit_price": "200000"}}),
        *sales("plain", {20: {"units": "12"}, 21: {"unit_price": "1.10"}}),
    ]


def test_a_typing_error_is_set_aside_and_a_usual_day_stands_in_its_place(
    spark: SparkSession, rows: list[dict[str, Any]]
) -> None:
    found = by_key(daily(spark, rows))
    for key, stated in ((("barcode", 40), None), (("short", 40), float(SHORT_CODE)), (("hundred", 59), 400.0)):
        row = found[key]
        assert (row.y, row.y_stated, row.masked_by, row.y_latent) == (None, stated, "implausible", 4.0)
        assert (row.y_latent_low, row.y_latent_high) == (None, None)
        assert 5.0 < row.y_bound < (stated or 1e12)
    assert {key for key, row in found.items() if row.masked_by} == {("barcode", 40), ("short", 40), ("hundred", 59)}
    assert len(found) == 7 * DAYS
    assert all(row.y == row.y_latent == 3 + key[1] % 3 for key, row in found.items() if key[0] == "first")


def test_a_price_beyond_belief_is_the_last_one_before_as_far_as_it_is_carried(
    spark: SparkSession, rows: list[dict[str, Any]]
) -> None:
    found = by_key(daily(spark, rows))
    for day in (30, 31, 32):
        row = found["price", day]
        assert (row.unit_price, row.price_stated) == (2.0, 200000.0)
        assert row.price_bound < 200000.0
        assert row.y == (3.0 if day == 30 else 0.0)
    assert found["price", 33].unit_price == 2.0
    assert found["price", 33].price_stated is None
    nothing_before = found["first", 0]
    assert (nothing_before.unit_price, nothing_before.price_stated) == (None, 200000.0)
    gift, day_after = found["gift", 58], found["gift", 59]
    assert (gift.unit_price, gift.price_stated, gift.y) == (0.01, None, 9.0)
    assert (day_after.unit_price, day_after.price_stated) == (2.0, 0.01)
    assert {key for key, row in found.items() if row.price_bound is not None} == {
        *(("price", day) for day in (30, 31, 32)),
        ("first", 0),
    }


def test_marked_days_stay_as_they_are_and_unsought_ones_have_no_bound(
    spark: SparkSession, rows: list[dict[str, Any]]
) -> None:
    masked, marked, used = (by_key(daily(spark, rows, how)) for how in ("mask", "mark", "use"))
    assert {key for key, row in marked.items() if row.y_bound is not None} == {
        *(("barcode", 40), ("short", 40), ("hundred", 59))
    }
    assert all(row.y_bound is row.price_bound is None for row in used.values())
    for key, row in marked.items():
        assert (row.y_bound, row.price_bound) == (masked[key].y_bound, masked[key].price_bound)
        assert (row.y, row.y_latent, row.unit_price) == (used[key].y, used[key].y_latent, used[key].unit_price)
        assert row.masked_by == ("implausible" if key == ("barcode", 40) else None)
        assert row.y_stated is row.price_stated is None
    assert used["short", 40].y == float(SHORT_CODE)

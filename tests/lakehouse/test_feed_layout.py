"""A capability brings a feed of its own: one declaration, and it can be mapped, taken in and cleaned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from lakehouse.errors import ContractError
from lakehouse.feeds.sources import SourceMapping
from lakehouse.schema.feed_layout import FeedLayout
from lakehouse.schema.tables import FEEDS, TABLES, register_feeds
from lakehouse.transforms.silver.cleaning import clean_feed
from tests.lakehouse.bronze_rows import bronze

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

VISITS = FeedLayout(
    "visits", ("location_id", "ds", "units"), required=("location_id", "ds"), key=("location_id", "ds"), last=True
)


@pytest.fixture
def visits() -> Iterator[FeedLayout]:
    before = dict(TABLES)
    register_feeds([VISITS])
    yield VISITS
    del FEEDS["visits"]
    TABLES.clear()
    TABLES.update(before)


def mapping() -> SourceMapping:
    columns = {name: name for name in ("sku_id", "location_id", "ds", "units")}
    feeds = {
        "sales": {"files": ["sales.csv"], "columns": columns},
        "visits": {"files": ["doors.csv"], "columns": {"location_id": "shop", "ds": "day", "units": "people"}},
    }
    return SourceMapping.model_validate({"name": "shop", "description": "a shop", "feeds": feeds})


def test_a_feed_is_unknown_until_it_is_declared_and_declared_once(visits: FeedLayout) -> None:
    assert mapping().feeds["visits"].files == ("doors.csv",)
    assert TABLES["bronze.visits"] == visits.bronze()
    register_feeds([visits])  # the same again changes nothing
    with pytest.raises(ContractError, match="two feeds are called 'visits'"):
        register_feeds([FeedLayout("visits", ("location_id",), required=("location_id",))])


def test_a_feed_that_nobody_declares_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match=r"feeds.visits: no such feed; the layout knows .*supply"):
        mapping()


def test_its_rows_are_cleaned_by_the_rules_of_its_columns_and_key(spark: SparkSession, visits: FeedLayout) -> None:
    first, second = "2024-01-01", "2024-01-02"
    delivered = [("n", first, "7"), ("n", first, "9"), ("n", second, "many"), (None, second, "3")]
    named = [dict(zip(visits.columns, row, strict=True)) for row in delivered]
    rows = bronze(spark, "visits", named)
    cleaned = clean_feed(rows, "visits", mapping())
    used = sorted((row["source_row"], row["units"]) for row in cleaned.accepted.collect())
    assert used == [(2, 9), (3, None)]
    counts = {(row["outcome"], row["rule_id"]): row["rows"] for row in cleaned.counts.collect()}
    assert counts == {
        ("used", ""): 2,
        ("duplicate", "repeated_key"): 1,
        ("quarantined", "missing_location_id"): 1,
    }

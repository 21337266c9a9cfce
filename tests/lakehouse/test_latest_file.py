"""Overlapping files: of a key that several state, the latest file's rows count, and every row keeps one outcome."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse.feeds.file_order import name_key, name_key_column
from lakehouse.feeds.sources import SourceMapping
from lakehouse.transforms.silver.cleaning import clean_feed, clean_sales
from tests.lakehouse.bronze_rows import INGESTED_AT, bronze, mapping
from udfs.demand.returns import match_cancellations

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DAY = ("sku_id", "location_id", "ds")


def latest(
    feed: str = "sales", latest_by: tuple[str, ...] = DAY, order_by: str | None = None, **clean: Any
) -> SourceMapping:
    source = mapping(feed, **clean)
    rules = source.feeds[feed].model_copy(update={"latest_by": latest_by, "order_by": order_by})
    return source.model_copy(update={"feeds": {**source.feeds, feed: rules}})


def file(name: str, came: int, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of one file, which came as the `came`-th."""
    at = INGESTED_AT + timedelta(seconds=came)
    return [{"source_file": name, "batch_id": f"batch of {name} {came}", "ingested_at": at, **row} for row in rows]


def outcomes(spark: SparkSession, source: SourceMapping, rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """(units, outcome, rule) of every row, in the order of `rows`."""
    cleaned = clean_sales(bronze(spark, "sales", rows), source, 1, match_cancellations)
    found = sorted((row.source_row, row.raw.units, row.outcome, row.rule_id) for row in cleaned.split.rows.collect())
    assert sum(row.rows for row in cleaned.counts.collect()) == len(rows)
    return [row[1:] for row in found]


USED, OLD = ("used", ""), ("duplicate", "superseded_by_later_file")


def test_the_later_file_counts_whatever_its_name_and_lines_of_one_file_stay(spark: SparkSession) -> None:
    rows = [
        *file("b.csv", 1, {"units": "1"}, {"units": "2"}, {"units": "3", "ds": "2024-01-02"}),
        *file("a.csv", 2, {"units": "10"}, {"units": "20"}, {"units": "30", "channel_id": "web"}),
    ]
    assert outcomes(spark, latest(), rows) == [
        ("1", *OLD), ("2", *OLD), ("3", *USED), ("10", *USED), ("20", *USED), ("30", *USED)
    ]  # fmt: skip
    by_channel = latest(latest_by=(*DAY, "channel_id"))
    rows = [*rows, *file("c.csv", 3, {"units": "40", "channel_id": "web"})]
    assert [outcome[1:] for outcome in outcomes(spark, by_channel, rows)] == [OLD, OLD, USED, USED, USED, OLD, USED]
    assert {outcome[1:] for outcome in outcomes(spark, mapping(), rows)} == {USED}


def test_a_key_of_days_restates_whole_days(spark: SparkSession) -> None:
    rows = [
        *file("a.csv", 1, {"sku_id": "A", "units": "1"}, {"sku_id": "B", "units": "2"}),
        *file("b.csv", 2, {"sku_id": "A", "units": "3"}),
    ]
    assert outcomes(spark, latest(latest_by=("ds",)), rows) == [("1", *OLD), ("2", *OLD), ("3", *USED)]


def test_a_rejected_row_states_nothing(spark: SparkSession) -> None:
    rows = [*file("a.csv", 1, {"units": "1"}), *file("b.csv", 2, {"units": "many"})]
    assert outcomes(spark, latest(), rows) == [("1", *USED), ("many", "quarantined", "unparseable_units")]


def test_equal_records_of_two_files_are_the_later_files(spark: SparkSession) -> None:
    """Else the earlier file's copy would be kept as the first, and lose against the later file's other line."""
    rows = [
        *file("a.csv", 1, {"units": "1", "row_hash": "h1"}, {"units": "1", "row_hash": "h1"}),
        *file("b.csv", 2, {"units": "1", "row_hash": "h1"}, {"units": "2", "row_hash": "h2"}),
    ]
    assert outcomes(spark, latest(drop_exact_duplicates=True), rows) == [
        ("1", *OLD), ("1", "duplicate", "exact_duplicate"), ("1", *USED), ("2", *USED)
    ]  # fmt: skip


def test_cancellations_are_matched_to_what_the_latest_file_states(spark: SparkSession) -> None:
    cancellations = {"when": "transaction_id LIKE 'C%'"}
    buyer = {"customer_id": "K", "sold_at": "2024-01-01 10:00:00"}
    sale, back = (
        {"units": "5", **buyer},
        {"units": "-5", **buyer, "transaction_id": "C1", "sold_at": "2024-01-01 11:00:00"},
    )
    rows = [*file("a.csv", 1, sale, back), *file("b.csv", 2, sale, back)]
    cleaned = clean_sales(bronze(spark, "sales", rows), latest(cancellations=cancellations), 1, match_cancellations)
    found = {(row.outcome, row.rule_id): row.rows for row in cleaned.counts.collect()}
    assert found == {OLD: 2, USED: 1, ("used", "cancellation_matched"): 1}
    assert [float(row.net_units) for row in cleaned.lines.collect()] == [0.0]


def test_files_of_one_name_are_told_apart(spark: SparkSession) -> None:
    """A file that fell off the end of a rotation and the next of its name: cancellations find their own sale."""
    cancellations = {"when": "transaction_id LIKE 'C%'"}
    buyer = {"customer_id": "K", "sold_at": "2024-01-01 10:00:00", "source_row": 1}
    rows = [*file("sales.csv", 1, {"units": "5", **buyer}), *file("sales.csv", 2, {"units": "7", **buyer})]
    rows += file("sales.csv", 3, {**buyer, "units": "-4", "transaction_id": "C1", "sold_at": "2024-01-01 11:00:00"})
    cleaned = clean_sales(bronze(spark, "sales", rows), mapping(cancellations=cancellations), 1, match_cancellations)
    assert sum(float(row.net_units) for row in cleaned.lines.collect()) == 8.0


def test_the_name_says_the_order_where_the_mapping_says_so(spark: SparkSession) -> None:
    rows = [*file("till_10.csv", 1, {"units": "10"}), *file("till_9.csv", 2, {"units": "9"})]
    assert outcomes(spark, latest(order_by=r"(\d+)"), rows) == [("10", *USED), ("9", *OLD)]
    assert outcomes(spark, latest(), rows) == [("10", *OLD), ("9", *USED)]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (r"(\d+)", ["x 2.csv", "x 10.csv", "x 010b.csv", "x 2024.csv"]),
        (r"(?P<day>\d+)\.(?P<month>\d+)\.(?P<year>\d{4})", ["31.12.2023.csv", "1.2.2024.csv", "02.02.2024.csv"]),
        (r"_(\d{4}-\d\d)(?:_v(\d+))?", ["a_2024-01.csv", "a_2024-01_v2.csv", "a_2024-01_v10.csv", "a_2024-02.csv"]),
    ],
)
def test_names_are_ordered_alike_in_python_and_in_spark(spark: SparkSession, pattern: str, names: list[str]) -> None:
    frame = spark.createDataFrame([(name,) for name in names], "name string").select(
        "name", name_key_column(pattern, "name").alias("key")
    )
    assert {row.name: tuple(row.key) for row in frame.collect()} == {name: name_key(pattern, name) for name in names}
    assert sorted(names, key=lambda name: name_key(pattern, name) or ()) == names
    assert name_key(pattern, "none.csv") is None


def test_the_latest_file_counts_for_any_feed_before_its_own_key(spark: SparkSession) -> None:
    """By its own rule the last name of a series' terms would count: z.csv."""
    rows = [
        *file("z.csv", 1, {"lead_time_days": "3"}, {"lead_time_days": "4"}),
        *file("a.csv", 2, {"lead_time_days": "9"}),
    ]
    keys = ("sku_id", "location_id")
    cleaned = clean_feed(bronze(spark, "supply", rows), "supply", latest("supply", keys))
    assert [float(row.lead_time_days) for row in cleaned.accepted.collect()] == [9.0]
    assert {(row.outcome, row.rule_id): row.rows for row in cleaned.counts.collect()} == {OLD: 2, USED: 1}

"""Lists by article: a column for each place, counts without a day, terms without a place, times beside the day."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from lakehouse.errors import SourceError
from lakehouse.feeds.feed_files import find_feed_files
from lakehouse.feeds.reading import open_feed_file
from lakehouse.feeds.sources import SourceMapping
from lakehouse.transforms.silver.cleaning import clean_feed
from lakehouse.transforms.silver.codes import terms_findings
from lakehouse.transforms.silver.dimensions import supply
from tests.field.reading import read, read_text, shop
from tests.lakehouse.bronze_rows import bronze, mapping

STOCK = "ref,Stock Lyon,Stock Nantes,Stock\nA,1,2,x\nB,,4,y\n"
WIDE: dict[str, Any] = {
    "files": ["stock.csv"],
    "melt": {"prefix": "Stock ", "into": "location_id", "value": "on_hand_qty"},
    "columns": {"sku_id": "ref", "ds": {"const": "as_of"}},
}


def stock(folder: Path, as_of: date | None) -> list[tuple[Any, ...]]:
    (folder / "stock.csv").write_text(STOCK)
    source = shop(source={"feeds": {"stock": WIDE}})
    (file,) = find_feed_files(source.feeds["stock"], folder)
    came = datetime(2024, 3, 1, 8, tzinfo=UTC)
    reader = open_feed_file(file, "stock", source, folder, lambda: pytest.fail("no SQL"), arrived_at=came, as_of=as_of)
    columns = ("sku_id", "location_id", "on_hand_qty", "ds", "source_column")
    return sorted(row for t in reader.tables() for row in zip(*(t[name].to_pylist() for name in columns), strict=True))


@pytest.mark.parametrize(
    ("as_of", "day"),
    [(date(2024, 2, 29), "2024-02-29"), (date(2024, 6, 1), "2024-03-01"), (None, "2024-03-01")],
)
def test_a_column_for_each_place_counted_on_the_runs_day_or_when_the_file_came(
    tmp_path: Path, as_of: date | None, day: str
) -> None:
    assert stock(tmp_path, as_of) == [
        ("A", "Lyon", "1", day, "Stock Lyon"),
        ("A", "Nantes", "2", day, "Stock Nantes"),
        ("B", "Lyon", None, day, "Stock Lyon"),
        ("B", "Nantes", "4", day, "Stock Nantes"),
    ]


def test_places_that_no_column_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "stock.csv").write_text(STOCK.replace("Stock ", "Bestand "))
    with pytest.raises(SourceError, match=r"expected columns Stock <place>, found \['ref', 'Bestand Lyon'"):
        read(tmp_path, shop(source={"feeds": {"stock": WIDE}}), "stock")
    with pytest.raises(ValueError, match="needs prefix"):
        SourceMapping.model_validate({"name": "s", "feeds": {"stock": WIDE | {"melt": {"into": "location_id"}}}})


def test_the_time_of_day_may_stand_in_a_column_of_its_own(tmp_path: Path) -> None:
    text = "sku,day,at,qty\nA,31.01.2024,9:05,1\nA,31.01.2024,,1\nA,31.01.2024,25:00,1\n"
    at = {"column": "day", "time": "at", "format": "dd.MM.yyyy H:mm"}
    found = read_text(tmp_path, text, {"ds": {"column": "day", "format": "dd.MM.yyyy"}, "sold_at": at})
    assert found.of("ds") == ["2024-01-31"] * 3
    assert found.of("sold_at")[0] == "2024-01-31 09:05:00"
    assert found.of("sold_at")[1:] == ["31.01.2024 (not dd.MM.yyyy H:mm)", "31.01.2024 25:00 (not dd.MM.yyyy H:mm)"]
    with pytest.raises(SourceError, match=r"expected columns \['clock'\]"):
        read_text(tmp_path, text, {"sold_at": at | {"time": "clock"}})


def test_terms_without_a_place_hold_wherever_the_article_is_sold(spark: SparkSession) -> None:
    rows = [
        {"sku_id": "A", "location_id": "*", "lead_time_days": "3"},
        {"sku_id": "A", "location_id": "M", "lead_time_days": "5"},
        {"sku_id": "C", "location_id": "*", "lead_time_days": "7"},
    ]
    split = clean_feed(bronze(spark, "supply", rows), "supply", mapping("supply"), 4)
    sold = [("A", "L"), ("A", "M"), ("A", "N"), ("B", "L")]
    series = spark.createDataFrame(
        [(f"{s}|{p}|all", s, p, "all", 1) for s, p in sold],
        "unique_id string, sku_id string, location_id string, channel_id string, bucket int",
    )
    found = {row.unique_id: row.lead_time_days for row in supply(split, spark, series).collect()}
    assert found == {"A|L|all": 3, "A|M|all": 5, "A|N|all": 3}
    terms = pa.RecordBatch.from_pylist([{**row, "is_dropped": None} for row in rows])
    said = terms_findings(
        series.toArrow(), [terms.cast(pa.schema([*list(terms.schema)[:-1], ("is_dropped", pa.bool_())]))]
    )
    assert [(each.finding, each.rows) for each in said] == [("terms_everywhere", 2), ("terms_without_sales", 1)]
    assert said[1].words == "terms without sales: 1 series of supply never sold and not planned: C"

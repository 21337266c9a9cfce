"""What is said of a folder before a run is what the run then does: the same counts by the same rules, without Spark."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lakehouse.errors import SourceError
from lakehouse.feeds.arrow_sql import Rows, UnsupportedError
from lakehouse.feeds.guessing.proposal import Proposal, propose
from lakehouse.feeds.sources import SourceMapping
from lakehouse.transforms.silver.census import stated_again
from lakehouse.transforms.silver.cleaning import clean_feed, clean_sales, stating_rows
from lakehouse.transforms.silver.feed_check import FeedCheck, check_feed
from tests.lakehouse.bronze_rows import read_files

SALES = """sku_id,location_id,channel_id,ds,units,unit_price,is_promo,sold_at
A,L,,2024-01-05,1,2.50,yes,2024-01-05 10:00:00
A,L,,2024-01-05,1,2.50,yes,2024-01-05 10:00:00
A,L,web,2024-01-06, 3 ,NaN,maybe,noon
 ,L,,2024-01-06,1,2,,
A,,,2024-01-06,1,2,,
A,L,,2024-02-30,1,2,,
A,L,,2024-1-5,1,2,,
A,L,,05.01.2024,1,2,,
A,L,,20240105,1,2,,
A,L,,1970-01-01,1,2,,
A,L,,2199-01-01,1,2,,
A,L,,2024-01-07,twelve,2,,
A,L,,2024-01-07,,2,,
A,L,,2024-01-07,1e9,1e-3,,
A,L,,2024-01-07,999999999999,0.0000004,,
A,L,,2024-01-07,1e12,.5,,
A,L,,2024-01-07,+5,5.,,
A,L,,2024-01-07,-5,2,,
A,L,,2024-01-07,0,-2,,
A|B,L,,2024-01-07,1,2,,
4.00638E+12,L,,2024-01-07,1,2,,
A,L,web|app,2024-01-07,1,2,,
PFAND1,L,,2024-01-08,1,0.25,,
B,L,,2024-01-08,1,2,,
B,M,,2024-01-08,1,2,1,2024-01-08T10:00:00Z
B,L,too,2024-01-08,1,2,,,,9
"""
SUPPLY = """sku_id,location_id,lead_time_days,pack_qty,moq_qty,unit_cost
A,L,3,6,1,1.5
A,L,2.5,0,-1,x
B,L,-1,,1e13,0
B|C,L,1,1,1,1
,L,1,1,1,1
"""
LOCATIONS = "location_id,country,open_weekdays\nL,DE,1-6\nM,XX,1-5\nN,DE,Mo-Sa\nL,FR,12345\n"
OPTIONAL = {"optional": True}


def no_spark() -> NoReturn:
    raise AssertionError("a mapping without SQL is checked without Spark")


def mapping(clean: dict[str, Any] | None = None, **sales: Any) -> SourceMapping:
    columns = {
        "sales": ["sku_id", "location_id", "channel_id", "ds", "units", "unit_price", "is_promo", "sold_at"],
        "supply": ["sku_id", "location_id", "lead_time_days", "pack_qty", "moq_qty", "unit_cost"],
        "locations": ["location_id", "country", "open_weekdays"],
    }
    feeds = {feed: {"files": (f"{feed}*.csv",), "columns": {n: n for n in names}} for feed, names in columns.items()}
    feeds["sales"] |= sales
    return SourceMapping.model_validate({"name": "test", "timezone": "UTC", "feeds": feeds, "clean": clean or {}})


def by_run(spark: SparkSession, source: SourceMapping, folder: Path, feed: str) -> tuple[Counter[Any], dict[str, int]]:
    """Rows by (outcome, rule) and values lost among the used, as cleaning counts them."""
    bronze = read_files(spark, folder, source, feed)
    cleaned = clean_sales(bronze, source, 4) if feed == "sales" else clean_feed(bronze, feed, source, 4)
    counts: Counter[Any] = Counter()
    lost: Counter[str] = Counter()
    for row in cleaned.counts.collect():
        counts[row.outcome, row.rule_id] += row.rows
        if row.outcome == "used":
            lost.update({each.column_name: each.rows for each in row.losses if each.rows})
    return +counts, dict(lost)


def checked(source: SourceMapping, folder: Path, feed: str) -> FeedCheck:
    return check_feed(source, feed, folder, no_spark)


RULES = [
    {"id": "deposit", "reject_when": "sku_id LIKE 'PFAND%'", "reason": "no product"},
    {
        "id": "cheap",
        "reject_when": "unit_price BETWEEN 0 AND 0.01 OR unit_price IS NULL AND units IN (3, 4)",
        "reason": "x",
    },
    {
        "id": "odd",
        "reject_when": "NOT (coalesce(channel_id, 'all') <> 'web') AND upper(sku_id) RLIKE '^[A-Z]+$'",
        "reason": "x",
    },
]


@pytest.mark.parametrize(
    "clean",
    [
        {},
        {"rules": RULES},
        {"drop_exact_duplicates": True, "min_selling_days": 2},
        {"first_day": "2024-01-06", "last_day": "2024-01-07"},
    ],
)
def test_the_check_counts_what_cleaning_then_does(spark: SparkSession, tmp_path: Path, clean: dict[str, Any]) -> None:
    for name, text in (("sales", SALES), ("supply", SUPPLY), ("locations", LOCATIONS)):
        (tmp_path / f"{name}.csv").write_text(text)
    source = mapping(clean)
    for feed in source.feeds:
        said = checked(source, tmp_path, feed)
        counts, lost = by_run(spark, source, tmp_path, feed)
        assert +said.rows == counts, feed
        if "min_selling_days" not in clean:  # values of a series out of scope are lost before its scope is known
            assert {column: count for column, (count, _) in said.lost.items()} == lost, feed
        assert said.left_to_run == {}


def test_of_overlapping_files_the_later_one_counts(spark: SparkSession, tmp_path: Path) -> None:
    head = "sku_id,location_id,channel_id,ds,units,unit_price,is_promo,sold_at\n"
    (tmp_path / "sales_1.csv").write_text(head + "A,L,,2024-01-05,1,2,,\nA,L,,2024-01-06,2,2,,\n")
    (tmp_path / "sales_2.csv").write_text(
        head + "A,L,,2024-01-06,3,2,,\nA,L,,2024-01-06,4,2,,\nA,L,,2024-01-07,x,2,,\n"
    )
    source = mapping({}, latest_by=("sku_id", "location_id", "ds"))
    said = checked(source, tmp_path, "sales")
    assert +said.rows == by_run(spark, source, tmp_path, "sales")[0]
    assert said.rows["duplicate", "superseded_by_later_file"] == 1
    (tmp_path / "sales_3.csv").write_text(head + "A,L,,2024-01-06,2,2,,\nA,L,,2024-01-06,9,2,,\n")
    stating = stating_rows(read_files(spark, tmp_path, mapping(), "sales"), mapping())
    again = stated_again(stating, mapping().feeds["sales"].columns)
    assert checked(mapping(), tmp_path, "sales").stated_again[:2] == again[:2] == (5, 2)


def test_an_example_names_the_line_of_the_file(tmp_path: Path) -> None:
    """Lines above the header, blank lines, quoted line breaks and remarks count as lines, not as records."""
    text = 'Report\n\nsku,day,n,note\nA,2024-01-05,1,"two\nlines"\n\n# remark\nA,2024-01-06,x,\n'
    (tmp_path / "sales.csv").write_text(text)
    columns = {"sku_id": "sku", "location_id": {"const": "L"}, "ds": "day", "units": "n"}
    for more in ({"comment": "#"}, {}):
        feed = {"files": ("sales.csv",), "columns": columns, "skip_lines": 2, **more}
        source = SourceMapping.model_validate({"name": "test", "feeds": {"sales": feed}})
        found = checked(source, tmp_path, "sales").examples["unparseable_units"]
        assert str(found).startswith(f"sales.csv:8 (row {2 if more else 3}): units must be a number"), more


def test_a_file_with_a_footer_is_read_once_and_ends(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("sku,day,n\nA,2024-01-05,1\nA,2024-01-06,2\nTotal,,3\n")
    columns = {"sku_id": "sku", "location_id": {"const": "L"}, "ds": "day", "units": "n"}
    feed = {"files": ("sales.csv",), "columns": columns, "footer": "^Total"}
    source = SourceMapping.model_validate({"name": "test", "feeds": {"sales": feed}})
    assert checked(source, tmp_path, "sales").files == {"sales.csv": 2}


def test_a_price_proposed_from_the_lines_total_is_right(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("Datum;Artikel;Menge;Umsatz\n31.01.2024;A;4;1.205,00\n31.01.2024;B;0;1,50\n")
    source = Proposal(propose(tmp_path).text.replace("# line_value", "line_value")).mapping("test")
    found = checked(source, tmp_path, "sales")
    assert found.preview is not None
    assert [row["unit_price"] for row in found.preview.to_pylist()] == ["301.25", None]
    assert found.lost == {}


def test_what_cannot_be_asked_here_is_left_to_the_run(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(SALES)
    clean = {"rules": [{"id": "weekend", "reject_when": "dayofweek(ds) = 1", "reason": "x"}]}
    assert list(checked(mapping(clean), tmp_path, "sales").left_to_run) == ["weekend"]


def test_a_file_that_a_run_refuses_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("sku_id,location_id\nA,L\n")
    with pytest.raises(SourceError, match="expected columns"):
        checked(mapping(), tmp_path, "sales")


VALUES = {
    "text": ["A", "a b", "", None, " x ", "O'Neil", "4.00638E+12"],
    "number": ["1", "-2.5", "1e3", None, "x", "0", "999999999999.5"],
    "day": ["2024-01-05", "1969-12-31", None, "2024-02-30", "x", "2024-12-31", "2024-06-15"],
}
CONDITIONS = [
    "text = 'A' OR text = 'a b' AND NOT number > 0",
    "text IN ('A', 'x') OR text IN ('B', NULL)",
    "text LIKE '%b' OR text LIKE '_'",
    "trim(text) = 'x' AND length(text) <> 1",
    "text = 'O''Neil' OR text = 'O\\'Neil'",
    "number BETWEEN -3 AND 1",
    "number * 2 - 1 >= 1.0",
    "-number > 2",
    "number IS NULL AND text IS NOT NULL",
    "try_cast(text AS DOUBLE) > 1",
    "day > DATE'2024-01-01' AND day < date_add(DATE'2024-12-30', 1)",
    "day = '2024-06-15'",
    "coalesce(text, 'none') = 'none' OR nullif(text, 'A') IS NULL",
    "CASE WHEN number > 0 THEN 'p' WHEN number < 0 THEN 'n' ELSE 'z' END <> 'p'",
    "contains(text, 'b') OR startswith(text, 'O') OR endswith(text, '2')",
    "replace(lower(text), ' ', '') RLIKE '^a'",
    "abs(number) >= 2.5 OR true",
    "NOT (text = 'A') OR number = NULL",
]


@pytest.mark.parametrize("sql", CONDITIONS)
def test_a_condition_means_what_it_means_in_spark(spark: SparkSession, sql: str) -> None:
    table = pa.table(VALUES)
    typed = {"number": "try_cast(number AS DECIMAL(18,6))", "day": "try_cast(day AS DATE)"}
    texts = Rows(table.num_rows, lambda name: table[name].combine_chunks() if name in VALUES else None)
    rows = Rows(table.num_rows, lambda name: texts.evaluate(typed.get(name, name)))
    frame = spark.createDataFrame(list(zip(*VALUES.values(), strict=True)), "text string, number string, day string")
    frame = frame.select("text", *(F.expr(value).alias(name) for name, value in typed.items()))
    expected = [row[0] for row in frame.select(F.coalesce(F.expr(sql), F.lit(False))).collect()]
    assert rows.is_true(sql).to_pylist() == expected


@pytest.mark.parametrize(
    "sql", ["dayofweek(ds) = 1", "units >", "units = 1 units", "cast(units AS INT) = 1", "a.b.c", "'open"]
)
def test_what_is_not_understood_is_said_to_be(sql: str) -> None:
    with pytest.raises(UnsupportedError):
        Rows(1, lambda name: pa.array(["1"])).evaluate(sql)

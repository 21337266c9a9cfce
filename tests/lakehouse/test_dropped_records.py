"""Rows that the mapping leaves out by a column of the file: none lost, each counted, and no sale."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest
from pyspark.sql import SparkSession

from lakehouse.errors import SourceError
from lakehouse.feeds.accounts import RowAccounts
from lakehouse.feeds.sources import SourceMapping
from lakehouse.transforms.silver.census import stated_again
from lakehouse.transforms.silver.cleaning import clean_sales, stating_rows
from lakehouse.transforms.silver.feed_check import check_feed
from tests.lakehouse.bronze_rows import read_files

ORDERS = """order,state,cancelled at,day,sku,n
1,paid,,2024-01-05,A,1
1,,,2024-01-05,B,2
2,void,2024-01-06 10:00:00,2024-01-05,A,4
2,,,2024-01-05,B,8
3,paid,,2024-01-06,A,16
4,paid,,2024-01-06,A
"""
PLAIN = {"sku_id": "sku", "location_id": {"const": "L"}, "ds": "day", "units": "n"}
BY_SPARK = {"units": {"expr": "try_cast(n AS INT) * 2"}}
FILLED = {"fill_down": {"columns": ["state", "cancelled at"], "within": ["order"]}}


def mapping(drop_when: str, columns: dict[str, Any] | None = None, **feed: Any) -> SourceMapping:
    sales = {"files": ("sales*.csv",), "columns": PLAIN | (columns or {}), "drop_when": drop_when, **feed}
    return SourceMapping.model_validate({"name": "test", "feeds": {"sales": sales}})


def no_spark() -> NoReturn:
    raise AssertionError("a condition that Arrow can tell needs no Spark")


@pytest.mark.parametrize(
    "condition",
    [
        "state = 'void'",
        "`Cancelled At` IS NOT NULL",
        "`cancelled at` > DATE'2024-01-01'",
        "state IN ('void', 'refunded')",
    ],
)
@pytest.mark.parametrize("columns", [{}, BY_SPARK], ids=["arrow", "spark"])
def test_lines_of_an_order_are_left_out_and_counted(
    spark: SparkSession, tmp_path: Path, condition: str, columns: dict[str, Any]
) -> None:
    (tmp_path / "sales.csv").write_text(ORDERS)
    source = mapping(condition, columns, **FILLED)
    cleaned = clean_sales(read_files(spark, tmp_path, source), source, 4)
    counts = {(row.outcome, row.rule_id): row.rows for row in cleaned.counts.collect()}
    assert counts == {("used", ""): 3, ("out_of_scope", "drop_when"): 2, ("quarantined", "corrupt_record"): 1}
    if not columns:
        assert +check_feed(source, "sales", tmp_path, no_spark).rows == counts
    assert {row.unique_id for row in cleaned.lines.collect()} == {"A|L|all", "B|L|all"}
    assert sum(row.units for row in cleaned.lines.collect()) == 19 * (2 if columns else 1)


def test_what_is_said_of_them(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(ORDERS)
    checked = check_feed(mapping("state = 'void'", **FILLED), "sales", tmp_path, no_spark)
    accounts = RowAccounts({("sales", *key): count for key, count in checked.rows.items()}, {})
    (said,) = [each for each in accounts.findings({}) if each.finding == "rows_dropped"]
    assert (said.rows, said.words) == (2, "2 of 6 rows left out by drop_when of the mapping")
    assert accounts.lost_share(mapping("state = 'void'")) == pytest.approx(1 / 4)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("status = 'void'", r"no column 'status' \(did you mean 'state'\?\); it has \['order', 'state'"),
        ("n > 2 AND state > 5", r"drop_when: sales.csv: 'paid' is no DOUBLE; say try_cast"),
    ],
)
def test_a_condition_that_the_file_does_not_answer_is_refused(tmp_path: Path, condition: str, words: str) -> None:
    (tmp_path / "sales.csv").write_text(ORDERS)
    with pytest.raises(SourceError, match=words):
        check_feed(mapping(condition), "sales", tmp_path, no_spark)


def test_a_rule_on_a_column_that_no_row_has_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(ORDERS)
    rule = {"id": "cancelled", "reject_when": "`Cancelled at` IS NOT NULL", "reason": "x"}
    feeds = {"sales": {"files": ["sales.csv"], "columns": PLAIN}}
    source = SourceMapping.model_validate({"name": "test", "feeds": feeds, "clean": {"rules": [rule]}})
    with pytest.raises(SourceError, match=r"reject_when: no column 'Cancelled at'.*say drop_when"):
        check_feed(source, "sales", tmp_path, no_spark)


def test_what_is_left_out_or_rejected_is_not_stated_again(spark: SparkSession, tmp_path: Path) -> None:
    """Headers that each page repeats, and lines that are no sale, stand in every file."""
    page = "".join(f"{n},void,,2024-01-05,P{n},1\n0,x,,,sku,n\n" for n in range(30))
    for number in (1, 2):
        own = f"9,paid,,2024-02-0{number},A,1\n"
        (tmp_path / f"sales_{number}.csv").write_text(ORDERS + page + own)
    with_all, without = mapping("false"), mapping("state = 'void'")
    delivered = without.feeds["sales"].columns
    for source, (rows, alike) in ((with_all, (70, 70)), (without, (8, 8))):
        frame = stating_rows(read_files(spark, tmp_path, source), source)
        assert stated_again(frame, delivered)[:2] == (rows, alike)
        assert check_feed(source, "sales", tmp_path, no_spark).stated_again[:2] == (rows, alike)

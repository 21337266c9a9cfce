"""Amounts of lines: with the other sign, as the price of one unit, and as SQL sees them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from lakehouse.errors import ConfigError, SourceError
from lakehouse.feeds.line_amounts import negated, prices_of
from lakehouse.feeds.sources import load_source
from tests.field.reading import read_text, shop
from tests.lakehouse.bronze_rows import read_table

MOVED = """material|day|qty|amount
A|2024-01-01|5-|1.012,50-
A|2024-01-02|1.205|2.410,00
A|2024-01-03|0|3,00-
A|2024-01-04|x|3,00-
A|2024-01-05|3-|
A|2024-01-06|4-|3,00
"""
GERMAN: dict[str, Any] = {"decimal": ",", "thousands": "."}
NEGATED = {"units": {"column": "qty", "negate": True}, "line_value": {"column": "amount", "negate": True}}


def test_movements_out_of_stock_are_sales_and_a_lines_amount_gives_the_price(tmp_path: Path) -> None:
    columns = {"sku_id": "material", **NEGATED}
    found = read_text(tmp_path, MOVED, columns, delimiter="|", notation=GERMAN)
    assert found.of("units", "line_value", "unit_price") == [
        ("5", "1012.50", "202.5"),
        ("-1205", "-2410.00", "2"),
        ("0", "3.00", None),
        ("x", "3.00", None),
        ("3", None, None),
        ("4", "-3.00", "-0.75"),  # out of its range: lost, and counted
    ]


def test_a_stated_price_stays(tmp_path: Path) -> None:
    text = "sku,day,qty,price,total\nA,2024-01-01,2,7,10\nA,2024-01-02,2,,10\nA,2024-01-03,2,cheap,10\n"
    found = read_text(tmp_path, text, {"unit_price": "price", "line_value": "total"})
    assert found.of("unit_price") == ["7", "5", "cheap"]


@given(st.lists(st.tuples(st.decimals(-1000, 1000, places=2), st.decimals(-50, 50, places=1)), min_size=1))
def test_amounts_are_exact(pairs: list[tuple[Decimal, Decimal]]) -> None:
    values, units = (pa.array([f"{number:f}" for number in part], pa.string()) for part in zip(*pairs, strict=True))
    expected = [abs(v / u) * (1 if v * u >= 0 else -1) if u else None for v, u in pairs]
    found = prices_of(values, units).to_pylist()
    assert [None if each is None else float(each) for each in found] == [
        None if each is None else pytest.approx(float(each), abs=5.01e-7) for each in expected
    ]
    assert [Decimal(text) for text in negated(values).to_pylist()] == [-value for value, _ in pairs]
    assert negated(negated(values)).to_pylist() == values.to_pylist()


def test_what_is_no_number_is_not_negated(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(
        '[feeds.sales]\nfiles = ["a.csv"]\n[feeds.sales.columns]\nsku_id = { column = "a", negate = true }\n'
        'location_id = "b"\nds = "c"\nunits = "d"\n'
    )
    with pytest.raises(ConfigError, match=r"columns.sku_id.negate: 'sku_id' is no number; leave it out"):
        load_source(tmp_path / "shop.toml")


def test_sql_sees_numbers_as_the_notation_reads_them(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(MOVED)
    units = {"expr": "-qty * 2"}
    feed: dict[str, Any] = {"delimiter": "|", "notation": GERMAN, "numbers": ["qty", "amount"]}
    columns = {"sku_id": "material", "units": units, "line_value": "amount"}
    source = shop(columns, files=["sales.csv"], drop_when="amount > 100", **feed)
    found = read_table(spark, tmp_path, source).sort_by("source_row")
    assert found["units"].to_pylist() == ["10", "-2410", "-0", "nothing from qty = 'x'", "6", "8"]
    assert found["line_value"].to_pylist() == ["-1012.50", "2410.00", "-3.00", "-3.00", None, "3.00"]
    assert found["is_dropped"].to_pylist() == [None, True, None, None, None, None]


def test_numbers_of_drop_when_need_no_spark(tmp_path: Path) -> None:
    feed: dict[str, Any] = {"delimiter": "|", "notation": GERMAN, "numbers": ["amount"], "drop_when": "amount < -1000"}
    found = read_text(tmp_path, MOVED, {"sku_id": "material"}, **feed)
    assert found.of("is_dropped") == [True, None, None, None, None, None]
    with pytest.raises(SourceError, match=r"numbers expects the columns \['sum'\], found \['material'"):
        read_text(tmp_path, MOVED, {"sku_id": "material"}, delimiter="|", numbers=["sum"])
    with pytest.raises(SourceError, match="1205 where the point parts thousands"):
        read_text(
            tmp_path,
            MOVED.split("A|2024-01-03")[0].replace(",50-", "-"),
            {"sku_id": "material"},
            delimiter="|",
            numbers=["qty"],
        )


def test_a_code_written_for_spreadsheets_is_the_code(tmp_path: Path) -> None:
    text = 'sku,day,qty,order\n="0815",2024-01-01,1,"=""100000000000000005"""\n0816,2024-01-01,1,=5\n'
    found = read_text(tmp_path, text, {"transaction_id": "order"})
    assert found.of("sku_id", "transaction_id") == [("0815", "100000000000000005"), ("0816", "=5")]

"""Feed files to bronze: what lies in the file is what stands in the table, each record once and in its place."""

from __future__ import annotations

import csv
import gzip
import hashlib
import math
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from lakehouse.errors import SourceError
from lakehouse.feeds.bronze import CORRUPT_PREFIX
from lakehouse.feeds.feed_files import find_feed_files
from lakehouse.feeds.sources import Feed, SourceMapping, load_source
from lakehouse.schema.tables import contract
from tests.lakehouse.bronze_rows import read_files as ingest
from tests.real_data import find

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CONF = Path(__file__).resolve().parents[2] / "conf" / "sources"
SALES = {"sku_id": "sku", "location_id": "shop", "ds": "day", "units": "qty"}


def source(feeds: dict[str, dict[str, Any]], **clean: Any) -> SourceMapping:
    return SourceMapping(name="test", description="a test", feeds=feeds, clean=clean)


def sales_source(files: str = "*", columns: dict[str, Any] | None = None, **feed: Any) -> SourceMapping:
    return source({"sales": {"files": [files], "columns": columns or SALES, **feed}})


def rows(frame: DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    ordered = frame.orderBy("source_file", "source_row", "source_column").select(*columns)
    return [tuple(row) for row in ordered.collect()]


# finding files


def test_files_are_found_in_order_and_known_by_their_content_unpacked(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"sku\n1\n")
    (tmp_path / "a.csv").write_bytes(b"sku\n1\n")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"sku\n1\n"))
    (tmp_path / "empty.csv").write_bytes(b"\xef\xbb\xbf \r\n")
    (tmp_path / "notes.md").write_text("no feed")
    files = find_feed_files(Feed(files=("*.csv", "a*"), columns={}), tmp_path)
    assert [(file.path, file.is_empty) for file in files] == [
        ("a.csv", False), ("a.csv.gz", False), ("b.csv", False), ("empty.csv", True)
    ]  # fmt: skip
    assert {file.batch_id for file in files[:3]} == {hashlib.sha256(b"sku\n1\n").hexdigest()[:16]}
    (tmp_path / "a.csv").write_bytes(b"sku\n2\n")
    assert find_feed_files(Feed(files=("a.csv",), columns={}), tmp_path)[0].batch_id != files[0].batch_id


def test_a_folder_stands_for_its_data_files(tmp_path: Path) -> None:
    folder = tmp_path / "sales.parquet"
    folder.mkdir()
    for name in ("part-0.parquet", "_SUCCESS", ".part-0.parquet.crc", "_late.parquet"):
        (folder / name).write_bytes(b"x")
    for pattern in ("sales.*", "sales.parquet/*"):
        files = find_feed_files(Feed(files=(pattern,), columns={}), tmp_path)
        assert [file.path for file in files] == ["sales.parquet/_late.parquet", "sales.parquet/part-0.parquet"]


def test_a_missing_file_names_the_folder_and_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "umsatz.csv").write_text("x")
    with pytest.raises(SourceError, match=r"sales\.csv.*umsatz\.csv"):
        find_feed_files(Feed(files=("sales.csv",), columns={}), tmp_path)
    assert find_feed_files(Feed(files=("sales.csv",), columns={}, optional=True), tmp_path) == []
    with pytest.raises(SourceError, match="does not exist"):
        find_feed_files(Feed(files=("sales.csv",), columns={}), tmp_path / "nowhere")


def test_a_packed_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sales.csv.gz").write_bytes(gzip.compress(b"x" * 1000)[:-9])
    with pytest.raises(SourceError, match=r"sales\.csv\.gz: cannot be read to its end"):
        find_feed_files(Feed(files=("sales.csv*",), columns={}), tmp_path)


# reading CSV


def test_columns_go_by_name_in_each_file(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("sku,shop,day,qty\nA,S,2024-01-01,1\n")
    (tmp_path / "2.csv.gz").write_bytes(gzip.compress(b"extra,qty,day,shop,sku\nx,2,2024-01-02,S,B\n"))
    frame = ingest(spark, tmp_path, sales_source())
    assert frame.columns == list(contract("bronze.sales").columns)
    assert rows(frame, "source_file", "source_row", "sku_id", "location_id", "ds", "units") == [
        ("1.csv", 1, "A", "S", "2024-01-01", "1"),
        ("2.csv.gz", 1, "B", "S", "2024-01-02", "2"),
    ]


def test_a_missing_column_is_named_with_the_columns_found(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("sku,shop,day,pieces\nA,S,2024-01-01,1\n")
    with pytest.raises(SourceError, match=r"1\.csv.*'qty'.*pieces"):
        ingest(spark, tmp_path, sales_source())
    optional = {**SALES, "units": "pieces", "unit_price": {"column": "price", "optional": True}}
    assert rows(ingest(spark, tmp_path, sales_source(columns=optional)), "unit_price") == [(None,)]
    wrong = {**SALES, "units": {"expr": "qty * 2"}}
    with pytest.raises(SourceError, match=r"(?s)expr: .*qty.*1\.csv.*pieces"):
        ingest(spark, tmp_path, sales_source(columns=wrong))


@pytest.mark.parametrize("header", ["sku,sku,shop,day,qty", "sku,source_row,shop,day,qty"])
def test_an_ambiguous_header_is_refused(spark: SparkSession, tmp_path: Path, header: str) -> None:
    (tmp_path / "1.csv").write_text(f"{header}\nA,A,S,2024-01-01,1\n")
    with pytest.raises(SourceError, match="column names"):
        ingest(spark, tmp_path, sales_source())


def test_an_empty_file_is_refused_and_a_header_alone_gives_no_rows(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("")
    with pytest.raises(SourceError, match="empty"):
        ingest(spark, tmp_path, sales_source())
    (tmp_path / "1.csv").write_text("sku,shop,day,qty\n")
    assert ingest(spark, tmp_path, sales_source()).count() == 0


def test_a_corrupt_record_keeps_its_place_and_its_text(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(
        "sku,shop,day,qty\nA,S,2024-01-01,1\nB,S,2024-01-01\nC,S,2024-01-01,3,too many\nD,S,2024-01-01,4\n"
    )
    frame = ingest(spark, tmp_path, sales_source())
    assert rows(frame, "source_row", "sku_id", "location_id", "ds", "units", "sold_at") == [
        (1, "A", "S", "2024-01-01", "1", None),
        (2, None, None, None, None, f"{CORRUPT_PREFIX}B,S,2024-01-01"),
        (3, None, None, None, None, f"{CORRUPT_PREFIX}C,S,2024-01-01,3,too many"),
        (4, "D", "S", "2024-01-01", "4", None),
    ]


def test_an_open_quote_is_refused_and_a_stray_one_is_text(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "1.csv"
    file.write_text('sku,shop,day,qty\nA,S,2024-01-01,1\nB,S,2024-01-01,"2\nC,S,2024-01-01,3\n')
    with pytest.raises(SourceError, match="record 2"):
        ingest(spark, tmp_path, sales_source())
    file.write_text('sku,shop,day,qty\nA,5" pipe,2024-01-01,1\nB,S,2024-01-01,2\n')
    assert rows(ingest(spark, tmp_path, sales_source()), "sku_id", "location_id") == [("A", '5" pipe'), ("B", "S")]


@pytest.mark.parametrize("encoding", ["windows-1252", "latin-1", "UTF-8", "utf-8-sig", "UTF-16"])
def test_encodings(spark: SparkSession, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "1.csv").write_bytes("sku;shop;day;qty\nCafé;Zürich;2024-01-01;1\n".encode(encoding))
    declared = "UTF-8" if encoding == "utf-8-sig" else encoding
    frame = ingest(spark, tmp_path, sales_source(delimiter=";", encoding=declared))
    assert rows(frame, "sku_id", "location_id") == [("Café", "Zürich")]


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(ValueError, match="klingon"):
        sales_source(encoding="klingon")


cell = st.text(alphabet=st.sampled_from('ab ,"\n;é'), max_size=6)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(st.tuples(cell, cell, cell, cell), min_size=1, max_size=12), packed=st.booleans())
def test_quoted_csv_comes_through_field_by_field(
    spark: SparkSession, tmp_path: Path, cells: list[tuple[str, str, str, str]], packed: bool
) -> None:
    """What Python's csv module writes with quotes, line breaks and delimiters inside is what bronze holds."""
    for old in tmp_path.iterdir():
        old.unlink()
    plain = tmp_path / "1.csv"
    with plain.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
        writer.writerows([("sku", "shop", "day", "qty"), *cells])
    if packed:
        (tmp_path / "1.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    columns = {**SALES, "transaction_id": "sku", "customer_id": "shop"}
    found = rows(ingest(spark, tmp_path, sales_source(columns=columns)), "source_row", "sku_id", "location_id")
    # Blanks around a code are no part of it, and a quoted empty field is no value. What is empty is no record.
    expected = [(n, row[0].strip() or None, row[1].strip() or None) for n, row in enumerate(cells, start=1)]
    assert found == [row for row, cell in zip(expected, cells, strict=True) if "".join(cell)]


def test_rows_are_numbered_as_they_lie_in_the_file(spark: SparkSession, tmp_path: Path) -> None:
    """Every file from 1, blank lines and the line breaks inside quotes not counted."""
    lines = [f'"sku\n{n}",S,2024-01-01,{n}' for n in range(1, 4001)]
    lines.insert(100, "")
    for name in ("1.csv", "2.csv"):
        (tmp_path / name).write_text("sku,shop,day,qty\n" + "\n".join(lines))
    frame = ingest(spark, tmp_path, sales_source())
    assert frame.filter("source_row <> cast(units as bigint)").count() == 0
    counts = frame.groupBy("source_file").agg(F.count("*"), F.countDistinct("source_row")).collect()
    assert sorted(tuple(row) for row in counts) == [("1.csv", 4000, 4000), ("2.csv", 4000, 4000)]


# values


def test_values_are_canonical_where_they_parse_and_raw_where_not(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(
        "sku,shop,day,qty,price,promo,at\n"
        "001,S, 2024-1-5 ,1e-5,0.10,TRUE,2024-01-05T10:00:00+02:00\n"
        "002,S,2024-01-05 23:30:00,1.5E7, 3 ,0,yesterday\n"
        "003,S,2024,many,NaN,maybe,\n"
        "004,S,31/12/2024,,-2.50,no,2024-01-05 10:00:00.5\n"
    )
    columns = {**SALES, "unit_price": "price", "is_promo": "promo", "sold_at": "at", "channel_id": {"const": "web"}}
    names = ("sku_id", "ds", "units", "unit_price", "is_promo", "sold_at", "channel_id", "source_column", "row_hash")
    assert rows(ingest(spark, tmp_path, sales_source(columns=columns)), *names) == [
        ("001", "2024-01-05", "0.00001", "0.10", "true", "2024-01-05 10:00:00", "web", "", ""),
        ("002", "2024-01-05", "15000000", "3", "false", "yesterday", "web", "", ""),
        ("003", "2024", "many", "NaN", "maybe", None, "web", "", ""),
        ("004", "31/12/2024", None, "-2.50", "false", "2024-01-05 10:00:00.5", "web", "", ""),
    ]


def test_a_date_format_reads_that_format_and_no_other(spark: SparkSession, tmp_path: Path) -> None:
    """An ISO date would be read as one further on, so what breaks the format must not stand there as one."""
    (tmp_path / "1.csv").write_text("sku,shop,day,qty\nA,S,2024-31-12 08:15,1\nA,S,2024-12-13 09:00,1\nA,S,,1\n")
    day = {"column": "day", "format": "yyyy-dd-MM HH:mm"}
    frame = ingest(spark, tmp_path, sales_source(columns={**SALES, "ds": day, "sold_at": day}))
    assert rows(frame, "ds", "sold_at") == [
        ("2024-12-31", "2024-12-31 08:15:00"),
        ("2024-12-13 09:00 (not yyyy-dd-MM HH:mm)",) * 2,
        (None, None),
    ]


def test_constants_and_expressions(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("sku,shop,day,qty,paid\nA,S,2024-01-01,4,10\nB,S,2024-01-01,0,1\n")
    columns = {
        **SALES,
        "is_promo": {"const": True},
        "on_hand_qty": {"const": 7},
        "discount_value": {"const": 0.25},
        "unit_price": {"expr": "try_divide(cast(paid as double), cast(qty as double))"},
    }
    frame = ingest(spark, tmp_path, sales_source(columns=columns))
    assert rows(frame, "is_promo", "on_hand_qty", "discount_value", "unit_price") == [
        ("true", "7", "0.25", "2.5"),
        ("true", "7", "0.25", "nothing from qty = '0', paid = '1'"),
    ]


def test_parquet_values_of_every_type(spark: SparkSession, tmp_path: Path) -> None:
    """Nanosecond timestamps, which pandas writes by default, included: cut to microseconds, before 1970 too."""
    pd.DataFrame(
        {
            "sku": [1, 2],
            "shop": ["S", None],
            "day": [date(2024, 1, 31), None],
            "qty": [1e-5, 12345678.0],
            "price": [math.nan, 0.1],
            "promo": [True, False],
            "at": pd.to_datetime(["2024-03-31 23:59:59.123456789", "1969-12-31 23:59:59.999999999"]),
            "instant": pd.to_datetime(["2024-06-30 23:59:59.5", None]).tz_localize("America/New_York"),
        }
    ).to_parquet(tmp_path / "1.parquet")
    columns = {
        **SALES,
        "unit_price": "price",
        "is_promo": "promo",
        "sold_at": "at",
        "transaction_id": {"expr": "from_utc_timestamp(instant, 'America/New_York')"},
    }
    names = ("source_row", "sku_id", "location_id", "ds", "units", "unit_price", "is_promo", "sold_at")
    assert rows(ingest(spark, tmp_path, sales_source(columns=columns)), *names, "transaction_id") == [
        (1, "1", "S", "2024-01-31", "0.00001", None, "true", "2024-03-31 23:59:59.123456", "2024-06-30 23:59:59.5"),
        (2, "2", None, None, "12345678", "0.1", "false", "1969-12-31 23:59:59.999999", None),
    ]


def test_a_timestamp_column_gives_its_day(spark: SparkSession, tmp_path: Path) -> None:
    frame = pd.DataFrame({"sku": ["A"], "shop": ["S"], "day": pd.to_datetime(["2024-01-31 23:30"]), "qty": [1]})
    frame.to_parquet(tmp_path / "1.parquet")
    assert rows(ingest(spark, tmp_path, sales_source()), "ds") == [("2024-01-31",)]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.floats(-1e12, 1e12).filter(lambda x: x == 0 or abs(x) > 1e-6), min_size=1, max_size=20))
def test_number_text_has_no_exponent_and_keeps_the_value(
    spark: SparkSession, tmp_path: Path, values: list[float]
) -> None:
    frame = pd.DataFrame({"sku": "A", "shop": "S", "day": "2024-01-01", "qty": values})
    frame.to_parquet(tmp_path / "1.parquet")
    frame.assign(qty=[repr(value) for value in values]).to_parquet(tmp_path / "2.parquet")
    texts = [text for (text,) in rows(ingest(spark, tmp_path, sales_source()), "units")]
    assert not any("e" in text.lower() for text in texts)
    for value, text in zip(values + values, texts, strict=True):
        assert float(text) == pytest.approx(value, rel=1e-11, abs=0)


# exact duplicates


def test_equal_records_have_equal_hashes_and_no_others(spark: SparkSession, tmp_path: Path) -> None:
    """Over all source columns, mapped or not; the order of columns is no difference, NULL and '' differ from text."""
    (tmp_path / "1.csv").write_text(
        "sku,shop,day,qty,note\nA,S,2024-01-01,1,x\nA,S,2024-01-01,1,x\nA,S,2024-01-01,1,y\nA,S,2024-01-01,1,\n"
        "A,S,2024-01-01,,1\n"
    )
    (tmp_path / "2.csv").write_text("note,qty,day,shop,sku\nx,1,2024-01-01,S,A\n")
    feeds = {"sales": {"files": ["*.csv"], "columns": SALES}}
    hashes = [
        value for (value,) in rows(ingest(spark, tmp_path, source(feeds, drop_exact_duplicates=True)), "row_hash")
    ]
    assert [hashes.index(value) for value in hashes] == [0, 0, 2, 3, 4, 0]
    assert rows(ingest(spark, tmp_path, source(feeds)), "row_hash") == [("",)] * 6


# wide files and look-ups


def test_day_columns_become_rows(spark: SparkSession, tmp_path: Path) -> None:
    """In the order of their number, empty cells kept, a corrupt record once."""
    (tmp_path / "1.csv").write_text("sku,d_10,shop,d_9,d_x\nA,2,S,1,9\nB,,S,0,9\nC,1\n")
    melt = {"prefix": "d_", "origin": date(2024, 2, 20), "origin_number": 1}
    columns = {"sku_id": "sku", "location_id": "shop"}
    frame = ingest(spark, tmp_path, sales_source(columns=columns, melt=melt))
    found = set(rows(frame, "source_row", "source_column", "sku_id", "ds", "units", "sold_at"))
    assert found == {
        (1, "d_9", "A", "2024-02-28", "1", None),
        (1, "d_10", "A", "2024-02-29", "2", None),
        (2, "d_9", "B", "2024-02-28", "0", None),
        (2, "d_10", "B", "2024-02-29", None, None),
        (3, "", None, None, None, f"{CORRUPT_PREFIX}C,1"),
    }
    assert frame.count() == 5
    with pytest.raises(SourceError, match="day columns day_"):
        ingest(spark, tmp_path, sales_source(columns=columns, melt={**melt, "prefix": "day_"}))


def test_a_look_up_brings_columns_of_another_file(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("sku,shop,week,price\nA,S,1,2.50\nA,S,3,2.75\n")
    (tmp_path / "weeks.csv").write_text("week,day\n1,2024-01-02\n1,2024-01-01\n2,2024-01-08\n")
    columns = {"sku_id": "sku", "location_id": "shop", "ds_from": "first", "ds_to": "last", "unit_price": "price"}
    lookup = {"file": "weeks.csv", "on": ["week"], "take": {"first": "min(day)", "last": "max(day)"}}
    prices = {"files": ["prices.csv"], "columns": columns, "lookup": lookup}
    mapping = source({"sales": {"files": ["*"], "columns": SALES}, "prices": prices})
    assert rows(ingest(spark, tmp_path, mapping, "prices"), "source_row", "ds_from", "ds_to", "unit_price") == [
        (1, "2024-01-01", "2024-01-02", "2.50"),
        (2, None, None, "2.75"),
    ]
    (tmp_path / "weeks.csv").write_text("wk,day\n1,2024-01-02\n")
    with pytest.raises(SourceError, match=r"weeks\.csv.*week"):
        ingest(spark, tmp_path, mapping, "prices")


# real data


@pytest.mark.real_data
def test_m5_melt_keeps_every_unit(spark: SparkSession) -> None:
    folder = find("m5")
    wide = pl.read_csv(folder / "sales_train_evaluation.csv.gz")
    days = [name for name in wide.columns if name.startswith("d_")]
    per_day = wide.select(pl.col(days).sum()).row(0)
    origin = date(2011, 1, 28)
    expected = {
        (origin + timedelta(days=int(name[2:]))).isoformat(): float(units)
        for name, units in zip(days, per_day, strict=True)
    }
    frame = ingest(spark, folder, load_source(CONF / "m5.toml"))
    summed = frame.groupBy("ds").agg(F.count("*").alias("n"), F.sum(F.col("units").cast("double")).alias("units"))
    found = {row.ds: (row.n, row.units) for row in summed.collect()}
    assert len(wide) == 12_196
    assert found == {day: (12_196, units) for day, units in expected.items()}
    assert min(found) == "2015-03-03"
    assert max(found) == "2016-03-27"


@pytest.mark.real_data
def test_m5_prices_hold_for_the_week_of_the_calendar(spark: SparkSession) -> None:
    folder = find("m5")
    weeks = pl.read_csv(folder / "calendar.csv").group_by("wm_yr_wk").agg(pl.min("date"), pl.max("date").alias("last"))
    prices = pl.read_csv(folder / "sell_prices.csv.gz").join(weeks, on="wm_yr_wk", how="left")
    expected = prices.group_by("date", "last").agg(pl.len(), pl.sum("sell_price")).sort("date").rows()
    frame = ingest(spark, folder, load_source(CONF / "m5.toml"), "prices")
    found = (
        frame.groupBy("ds_from", "ds_to")
        .agg(F.count("*"), F.sum(F.col("unit_price").cast("decimal(12,2)")).cast("double"))
        .orderBy("ds_from")
        .collect()
    )
    assert [tuple(row)[:3] for row in found] == [row[:3] for row in expected]
    assert [row[3] for row in found] == pytest.approx([row[3] for row in expected], abs=0.005)


@pytest.mark.real_data
def test_online_retail_ii_as_published(spark: SparkSession) -> None:
    """The counts that the publisher's file is known by, found again in bronze."""
    file = find("online_retail_II") / "online_retail_2009_2010.parquet"
    lines = pd.read_parquet(file)
    frame = ingest(spark, file.parent, load_source(CONF / "online_retail_ii.toml")).cache()
    found = frame.agg(
        F.count("*"),
        F.count("*") - F.countDistinct("row_hash"),
        F.sum(F.col("transaction_id").startswith("C").cast("int")),
        F.sum((F.col("unit_price").cast("double") <= 0).cast("int")),
        F.sum(F.col("units").cast("bigint")),
        F.count("customer_id"),
    ).collect()[0]
    assert tuple(found) == (525_461, 6_865, 10_206, 3_690, lines["Quantity"].sum(), lines["Customer ID"].count())
    repeats = frame.groupBy("row_hash").agg(F.min("source_row").alias("row"), F.count("*").alias("n")).filter("n > 1")
    first = lines[lines.duplicated(keep=False) & ~lines.duplicated(keep="first")].index + 1
    assert sorted(row.row for row in repeats.collect()) == list(first)
    frame.unpersist()

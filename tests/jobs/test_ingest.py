"""Files once, by content: what the feeds' folder may do between runs, and what then stands in bronze and silver."""

from __future__ import annotations

import csv
import gzip
import hashlib
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from jobs.pipeline import run_stages
from jobs.stages.demand.ingest import fingerprint
from jobs.views import reports
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import SourceError
from lakehouse.feeds.sources import load_source
from lakehouse.schema.tables import contract
from lakehouse.transforms.silver.cleaning import CleanedSales, clean_sales
from tests.jobs.run_tool import day, make_context
from tests.tiny_retailer import write_feeds, write_sales

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from jobs.context import RunContext

MAPPING = """
description = "one till"
country = "DE"
[feeds.sales]
files = ["*"]
{rules}
[feeds.sales.columns]
sku_id = "sku"
location_id = {{ const = "s1" }}
ds = "day"
units = "qty"
"""
HEADER = "day,sku,qty\n"


class Shop:
    """A folder of sales files, a mapping with rules for them, and a lakehouse that takes them in."""

    def __init__(self, spark: SparkSession, folder: Path, rules: str = "") -> None:
        self.spark, self.folder, self.lake = spark, folder / "in", Lakehouse(str(folder / "lake"))
        self.folder.mkdir(parents=True)
        self.mapping = folder / "till.toml"
        self.rule(rules)

    def rule(self, rules: str) -> None:
        self.mapping.write_text(MAPPING.format(rules=rules))

    def deliver(self, name: str, *rows: tuple[int, str, int]) -> None:
        """Write a file of (day of January, article, units)."""
        text = HEADER + "".join(f"2024-01-{number:02d},{sku},{units}\n" for number, sku, units in rows)
        data = text.encode()
        (self.folder / name).write_bytes(gzip.compress(data, mtime=0) if name.lower().endswith(".gz") else data)

    def context(self) -> RunContext:
        return make_context(self.spark, self.lake, self.folder, date(2024, 1, 31), source=str(self.mapping))

    def ingest(self) -> str:
        """Take the folder in; returns what was said of files."""
        context = self.context()
        run_stages(context, ["ingest"])
        return "\n".join(line for line in said_in(context) if line.startswith("  ingest: "))

    def cleaned(self) -> CleanedSales:
        bronze = self.lake.read_spark(self.spark, "bronze.sales")
        return clean_sales(bronze, load_source(self.mapping), 1)

    def bronze(self) -> list[tuple[str, str]]:
        rows = self.lake.read_arrow("bronze.sales", columns=["source_file", "units"]).to_pylist()
        return sorted((row["source_file"], row["units"]) for row in rows)

    def units(self) -> dict[str, float]:
        """Units sold by article; every row of bronze has its outcome."""
        cleaned = self.cleaned()
        assert sum(row.rows for row in cleaned.counts.collect()) == self.lake.rows("bronze.sales")
        sold = cleaned.lines.groupBy("unique_id").agg({"units": "sum"}).collect()
        return {row[0].split("|")[0]: float(row[1]) for row in sold}

    def register(self) -> dict[str, tuple[str, int]]:
        """State and rows by name, of the lines that count."""
        lines = self.lake.read_arrow("ops.ingest_file").to_pylist()
        return {r["source_file"]: (r["file_state"], r["rows"]) for r in lines if r["file_state"] != "removed"}


def said_in(context: RunContext) -> list[str]:
    return context.progress.stream.getvalue().splitlines()  # type: ignore[attr-defined]


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Shop:
    return Shop(spark, tmp_path)


def test_a_renamed_file_does_not_double_the_units(spark: SparkSession, tmp_path: Path) -> None:
    """mv first.csv 2024q1.csv between runs, and then a file more."""
    folder, lake = write_feeds(tmp_path / "feeds", days=30), Lakehouse(str(tmp_path / "lake"))
    run_stages(make_context(spark, lake, folder, day(30)), ["ingest"])
    version = lake.version("bronze.sales")
    (folder / "sales" / "first.csv").rename(folder / "sales" / "2024q1.csv")
    context = make_context(spark, lake, folder, day(30))
    run_stages(context, ["ingest"])
    assert lake.version("bronze.sales") == version, "nothing is read again"
    assert any("sales/first.csv -> sales/2024q1.csv" in line for line in said_in(context))
    write_sales(folder / "sales" / "second.csv", 30, 31)
    run_stages(make_context(spark, lake, folder, day(31)), ["ingest", "clean"])
    files = [csv.DictReader(path.open()) for path in (folder / "sales").iterdir()]
    assert pc.sum(lake.read_arrow("silver.sales_daily")["y"]).as_py() == sum(int(r["units"]) for f in files for r in f)


def test_whatever_files_are_called_each_content_counts_once(shop: Shop) -> None:
    """Downloaded twice, packed beside unpacked, hidden by its name, a name that is a pattern, empty, no data at all."""
    shop.deliver("sales.csv", (1, "4711", 5), (2, "4711", 7))
    shop.deliver("sales.csv.gz", (1, "4711", 5), (2, "4711", 7))
    shutil.copy(shop.folder / "sales.csv", shop.folder / "sales (1).csv")
    shop.deliver("_sales_feb.csv", (1, "4712", 1))
    shop.deliver(".till.csv", (2, "4712", 2))
    shop.deliver("sales[1].csv", (3, "4712", 4))
    shop.deliver("sales1.csv", (4, "4712", 8))
    shop.deliver("MARCH.CSV.GZ", (5, "4712", 16))
    (shop.folder / "till_2.csv").write_bytes(b"\xef\xbb\xbf\n")
    (shop.folder / "_SUCCESS").touch()
    shop.ingest()
    assert shop.units() == {"4711": 12.0, "4712": 31.0}
    assert shop.register() == {
        "sales (1).csv": ("read", 2),
        "_sales_feb.csv": ("read", 1),
        ".till.csv": ("read", 1),
        "sales[1].csv": ("read", 1),
        "sales1.csv": ("read", 1),
        "MARCH.CSV.GZ": ("read", 1),
        "till_2.csv": ("read", 0),
    }
    said = shop.ingest()
    assert "2 files the same content again, counted once: sales.csv (as sales (1).csv), sales.csv.gz" in said
    assert "1 file empty, no rows: till_2.csv" in said
    assert len(said.splitlines()) == 2, "nothing is taken in"
    told = [line.split() for line in reports.file_accounts(shop.lake).splitlines()]
    assert ["sales", "repeated", "2", "0", "sales.csv,", "sales.csv.gz"] in told
    assert ["sales", "read", "7", "7"] in [words[:4] for words in told]
    shop.deliver("sales.csv.gz", (1, "4711", 6))
    with pytest.raises(SourceError, match=r"sales\.csv.* with different content"):
        shop.ingest()


def test_changed_gone_and_emptied_files(shop: Shop) -> None:
    shop.deliver("a.csv", (1, "A", 1), (2, "A", 2))
    shop.deliver("b.csv", (1, "B", 3))
    shop.ingest()
    shop.deliver("a.csv", (1, "A", 4))
    (shop.folder / "b.csv").unlink()
    said = shop.ingest()
    assert "a.csv -> bronze.sales: 1 rows, in place of 2 rows of a.csv" in said
    assert "1 file no longer in the folder, their 1 rows stay: b.csv" in said
    assert shop.bronze() == [("a.csv", "4"), ("b.csv", "3")]
    for empty in (b"", HEADER.encode(), b"\x00" * 100):
        (shop.folder / "a.csv").write_bytes(empty)
        with pytest.raises(SourceError, match=r"a\.csv has no row.*\['a\.csv'\] with 1 rows, which stay"):
            shop.ingest()
    assert shop.bronze() == [("a.csv", "4"), ("b.csv", "3")]
    shop.rule('when_emptied = "remove"\nwhen_gone = "remove"')
    shop.deliver("c.csv", (3, "C", 5))
    shop.ingest()
    assert shop.bronze() == [("c.csv", "5")]
    assert shop.register() == {"a.csv": ("read", 0), "c.csv": ("read", 1)}


def test_an_emptied_folder_keeps_what_was_delivered(shop: Shop) -> None:
    with pytest.raises(SourceError, match="no file in"):
        shop.ingest()
    shop.deliver("a.csv", (1, "A", 1))
    shop.ingest()
    (shop.folder / "a.csv").unlink()
    assert "their 1 rows stay: a.csv" in shop.ingest()
    shop.ingest()
    assert shop.units() == {"A": 1.0}


@pytest.mark.parametrize("name", ["a.csv.gz", "a.parquet"])
def test_a_damaged_file_does_not_take_its_rows_away(spark: SparkSession, tmp_path: Path, name: str) -> None:
    """Cut off, as a broken download is, or with a stretch of it overwritten."""
    shop, rows = Shop(spark, tmp_path), 5000
    path = shop.folder / name
    if name.endswith(".gz"):
        shop.deliver(name, *((1 + n % 31, f"S{n}", n) for n in range(rows)))
    else:
        table = {"day": ["2024-01-01"] * rows, "sku": [f"S{n}" for n in range(rows)], "qty": list(range(rows))}
        pq.write_table(pa.table(table), path)
    shop.ingest()
    whole = path.read_bytes()
    footer = len(whole) - 2000
    for damaged in (whole[: len(whole) // 2], whole[:4] + bytes(footer - 4) + whole[footer:]):
        path.write_bytes(damaged)
        with pytest.raises(SourceError, match=rf"(?s){name}.*(stays until then|expected a Parquet file)"):
            shop.ingest()
        assert shop.lake.rows("bronze.sales") == rows
    path.write_bytes(whole)
    assert shop.ingest() == ""


# overlapping and cumulative exports


ROLLING = 'latest_by = ["sku_id", "location_id", "ds"]'


def rolling(shop: Shop, name: str, first: int, last: int, open_day: int = 0) -> None:
    """An export of a stretch of days: day n sells n of A, and its last day was still open."""
    shop.deliver(name, *((n, "A", n + (open_day if n == last else 0)) for n in range(first, last + 1)))


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        (ROLLING, ["z.csv", "y.csv", "x.csv"]),
        (f'{ROLLING}\nreplaces = "nothing"', ["sales.csv"] * 3),
        (f"{ROLLING}\norder_by = '(\\d+)'", ["till 9.csv", "till 10.csv", "till 11.csv"]),
    ],
    ids=["as they came", "one name", "by the number in the name"],
)
def test_overlapping_exports_count_by_their_latest_statement(
    spark: SparkSession, tmp_path: Path, rules: str, names: list[str]
) -> None:
    """One export a run, each with the last days of the one before."""
    shop = Shop(spark, tmp_path, rules)
    for number, name in enumerate(names):
        rolling(shop, name, 1 + 5 * number, 10 + 5 * number, open_day=100)
        shop.ingest()
    shop.ingest()
    assert shop.units() == {"A": float(sum(range(1, 21)) + 100)}
    assert {(row.outcome, row.rule_id): row.rows for row in shop.cleaned().counts.collect()} == {
        ("used", ""): 20,
        ("duplicate", "superseded_by_later_file"): 10,
    }


def test_a_late_export_is_older_by_its_name(spark: SparkSession, tmp_path: Path) -> None:
    shop = Shop(spark, tmp_path, f"{ROLLING}\norder_by = '(\\d+)'")
    rolling(shop, "till 2.csv", 1, 10)
    shop.ingest()
    rolling(shop, "till 1.csv", 1, 5, open_day=100)
    shop.ingest()
    assert shop.units() == {"A": 55.0}
    (shop.folder / "till 1.csv").rename(shop.folder / "till 3.csv")
    shop.ingest()
    assert shop.units() == {"A": 155.0}, "where the name says the order, another name is another statement"


def test_a_cumulative_export_replaces_the_earlier_ones(spark: SparkSession, tmp_path: Path) -> None:
    shop = Shop(spark, tmp_path, 'replaces = "feed"')
    rolling(shop, "until_10.csv", 1, 10)
    rolling(shop, "until_15.csv", 1, 15)
    assert "1 file replaced by a later file, not counted: until_10.csv" in shop.ingest()
    rolling(shop, "until_20.csv", 1, 20)
    shop.ingest()
    assert shop.units() == {"A": float(sum(range(1, 21)))}
    assert shop.register() == {
        "until_10.csv": ("superseded", 0),
        "until_15.csv": ("superseded", 0),
        "until_20.csv": ("read", 20),
    }


# what makes rows of a file


def test_what_a_look_up_says_anew_is_read_again(spark: SparkSession, tmp_path: Path) -> None:
    shop = Shop(spark, tmp_path, 'lookup = { file = "../weeks.csv", on = ["sku"], take = { day = "min(monday)" } }')
    text = shop.mapping.read_text().replace('files = ["*"]', 'files = ["*.csv"]')
    shop.mapping.write_text(text.replace("../weeks.csv", "look/weeks.csv"))
    (shop.folder / "look").mkdir()
    (shop.folder / "sales.csv").write_text("sku,qty\nA,1\n")
    for monday in ("2024-01-01", "2024-01-08"):
        (shop.folder / "look" / "weeks.csv").write_text(f"sku,monday\nA,{monday}\n")
        shop.ingest()
        assert shop.lake.read_arrow("bronze.sales", columns=["ds"])["ds"].to_pylist() == [monday]


def test_rules_for_files_change_no_reading_and_their_fingerprint(shop: Shop) -> None:
    shop.deliver("a.csv", (1, "A", 1))
    shop.ingest()
    before, version = fingerprint(shop.context()), shop.lake.version("bronze.sales")
    shutil.copy(shop.folder / "a.csv", shop.folder / "b.csv")
    assert fingerprint(shop.context()) == before, "a content, whatever its names"
    shop.rule('when_gone = "refuse"\nlatest_by = ["sku_id", "ds"]')
    assert fingerprint(shop.context()) != before
    shop.ingest()
    assert shop.lake.version("bronze.sales") == version


# a lakehouse of before


def as_before(shop: Shop, *names: str) -> None:
    """Write the lakehouse that these files of one row gave while batch ids hashed path and content."""
    lines, rows = [], []
    for number, name in enumerate(names):
        data = (shop.folder / name).read_bytes()
        batch_id = hashlib.sha256(name.encode() + b"\0" + data).hexdigest()[:16]
        came = datetime(2024, 1, 31, 0, 0, number, tzinfo=UTC)
        day_of_row, sku, units = data.decode().splitlines()[1].split(",")
        known = {"source_file": name, "batch_id": batch_id, "ingested_at": came}
        rows.append({**known, "sku_id": sku, "location_id": "s1", "ds": day_of_row, "units": units, "source_row": 1})
        lines.append(
            {**known, "source": "till", "feed": "sales", "config_hash": "r", "file_bytes": len(data), "rows": 1}
        )
    bronze = contract("bronze.sales").arrow_schema()
    shop.lake.ensure("bronze.sales")
    write_deltalake(shop.lake.uri("bronze.sales"), pa.Table.from_pylist(rows, bronze), mode="append")
    columns = ("source", "feed", "source_file", "batch_id", "config_hash", "file_bytes", "rows", "ingested_at")
    nullable = [field.with_nullable(field.name not in ("feed", "source_file")) for field in register_schema(columns)]
    write_deltalake(shop.lake.uri("ops.ingest_file"), pa.Table.from_pylist(lines, pa.schema(nullable)))


def register_schema(columns: tuple[str, ...]) -> list[pa.Field]:
    return [contract("ops.ingest_file").arrow_schema().field(name) for name in columns]


def test_files_of_an_earlier_lakehouse_are_taken_in_anew_in_place_of_their_old_batches(shop: Shop) -> None:
    """Present, renamed since, corrected since, gone since; and one that the old ids had doubled by its new name."""
    for number, name in enumerate(("same", "old name", "corrected", "gone", "first", "2024q1"), start=1):
        shop.deliver(f"{name}.csv", (number, name.split()[0], number))
    shutil.copy(shop.folder / "first.csv", shop.folder / "2024q1.csv")
    as_before(shop, *(f"{name}.csv" for name in ("same", "old name", "corrected", "gone", "first", "2024q1")))
    assert len(shop.bronze()) == 6
    (shop.folder / "old name.csv").rename(shop.folder / "new name.csv")
    (shop.folder / "gone.csv").unlink()
    (shop.folder / "first.csv").unlink()
    shop.deliver("corrected.csv", (3, "corrected", 30))
    said = shop.ingest()
    expected = [
        ("2024q1.csv", "5"), ("corrected.csv", "30"), ("gone.csv", "4"), ("new name.csv", "2"), ("same.csv", "1")
    ]  # fmt: skip
    assert shop.bronze() == expected
    assert "old name.csv -> new name.csv" in said
    assert "1 file no longer in the folder, their 1 rows stay as an earlier mapping read them: gone.csv" in said
    batch_ids = set(shop.lake.read_arrow("bronze.sales", columns=["batch_id"])["batch_id"].to_pylist())
    version = shop.lake.version("bronze.sales")
    shop.ingest()
    assert (shop.bronze(), shop.lake.version("bronze.sales")) == (expected, version)
    assert hashlib.sha256((shop.folder / "same.csv").read_bytes()).hexdigest()[:16] in batch_ids
    same = shop.lake.read_arrow("bronze.sales", filters=pc.field("source_file") == "same.csv").to_pylist()
    assert same[0]["ingested_at"] == datetime(2024, 1, 31, tzinfo=UTC), "it came when it came"

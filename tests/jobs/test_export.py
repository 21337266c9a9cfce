"""Exports of a lakehouse: a buyer's list, its files by supplier and location, and tables as they stand."""

from __future__ import annotations

import csv
import io
import shlex
import sys
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from jobs.cli import main
from jobs.views.demo import how_called, next_steps
from jobs.views.export import Request, export, style_of
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.tables import TABLES, contract
from tests.jobs.run_tool import day

PLAN = "gold.order_plan"
FIRST, LAST = date(2024, 3, 1), date(2024, 3, 2)
HEADER = [
    *("SKU", "Product", "Location", "Channel", "Supplier", "Quantity", "Packs", "Units per pack", "Unit cost"),
    *("Order value", "Currency", "Order date", "Expected receipt", "Stock position", "Days of cover"),
    *("Days of cover after", "In short", "Reason"),
    "Doubts",
]


def line(sku: str, location: str = "north", supplier: str | None = None, **values: Any) -> dict[str, Any]:
    row = {
        "as_of": LAST,
        "order_date": LAST,
        "unique_id": f"{sku}|{location}|all",
        "sku_id": sku,
        "location_id": location,
        "channel_id": "all",
        "supplier_id": supplier,
        "order_qty": 12.0,
        "pack_qty": 6.0,
        "unit_cost": 1.5,
        "order_value": 18.0,
        "currency": "EUR",
        "position_qty": 3.25,
        "days_of_cover": 1.75,
        "expected_receipt_ds": date(2024, 3, 5),
        "reason": "Order 12: position 3.3 covers 1.8 days",
        "run_id": "run-2",
    }
    return row | values


def publish(lake: Lakehouse, *rows: dict[str, Any], name: str = PLAN) -> Lakehouse:
    lake.ensure(name)
    schema = contract(name).arrow_schema()
    whole = [dict.fromkeys(schema.names) | row for row in rows]
    write_deltalake(lake.open(name), pa.Table.from_pylist(whole, schema=schema), mode="append")
    return lake


@pytest.fixture
def shop(lake: Lakehouse) -> Lakehouse:
    """Two days; on the last one five lines of three suppliers in two places, and a series that needs nothing."""
    publish(lake, line("old", as_of=FIRST, order_date=FIRST, run_id="run-1"))
    return publish(
        lake,
        line("B", "south", "acme", product_name="=2+3 brand", order_qty=24.0, order_value=36.000000001),
        line("A", "south", "../x"),
        line("00123", "north", "acme", product_name="Beans"),
        line("C", "north", None, unit_cost=None, order_value=None),
        line("B", "north", "../x"),
        line("Z", "north", "acme", order_qty=0.0, order_value=0.0, expected_receipt_ds=None, reason="Enough"),
    )


def run(lake: Lakehouse, *more: str) -> int:
    return main(["export", *more, "--lakehouse", lake.root])


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def test_a_buyer_gets_the_latest_days_lines_in_order(shop: Lakehouse, tmp_path: Path, capsys: Any) -> None:
    assert run(shop, "orders", "--to", str(tmp_path / "orders.csv")) == 0
    rows = read(tmp_path / "orders.csv")
    assert [*rows[0]][: len(HEADER)] == HEADER
    found = [(row["Supplier"], row["Location"], row["SKU"]) for row in rows]
    assert found == [
        ("../x", "north", "B"),
        ("../x", "south", "A"),
        ("acme", "north", "00123"),
        ("acme", "south", "B"),
        ("", "north", "C"),
    ]
    assert rows[3] == rows[3] | {
        "Product": "'=2+3 brand",
        "Quantity": "24",
        "Packs": "4",
        "Units per pack": "6",
        "Unit cost": "1.5",
        "Order value": "36",
        "Currency": "EUR",
        "Order date": "2024-03-02",
        "Expected receipt": "2024-03-05",
        "Stock position": "3.3",
        "Days of cover": "1.8",
    }
    printed = capsys.readouterr().out
    assert "orders as of 2024-03-02: 5 of 6 series" in printed
    assert "90.00 EUR" in printed
    assert "note: lines without an order value: 1" in printed


def test_the_three_formats_hold_the_same_orders(shop: Lakehouse, tmp_path: Path) -> None:
    paths = {ending: tmp_path / f"orders.{ending}" for ending in ("csv", "xlsx", "parquet")}
    for path in paths.values():
        assert run(shop, "orders", "--to", str(path)) == 0
    of_csv = pd.read_csv(paths["csv"], dtype={"SKU": str})
    of_xlsx = pd.read_excel(paths["xlsx"], dtype={"SKU": str})
    parquet = pd.read_parquet(paths["parquet"])
    assert parquet.columns[:4].tolist() == ["sku_id", "product_name", "location_id", "channel_id"], "as tables say it"
    for frame in (of_csv, of_xlsx):
        for header, name in (
            ("SKU", "sku_id"),
            ("Quantity", "order_qty"),
            ("Packs", "packs"),
            ("Unit cost", "unit_cost"),
        ):
            pd.testing.assert_series_equal(frame[header], parquet[name], check_names=False, check_dtype=False)
    assert of_xlsx["Order date"].tolist() == [pd.Timestamp(LAST)] * 5
    assert parquet["order_date"].tolist() == [LAST] * 5
    sheet = openpyxl.load_workbook(paths["xlsx"])["Orders"]
    cell = sheet["A4"]
    assert (cell.value, cell.data_type, cell.number_format) == ("00123", "s", "@")
    assert (sheet["B5"].value, sheet["B5"].data_type) == ("=2+3 brand", "s")
    assert sheet["J5"].number_format == "#,##0.00"


def test_series_that_need_nothing_come_when_asked_for(shop: Lakehouse, tmp_path: Path) -> None:
    assert run(shop, "orders", "--all", "--to", str(tmp_path / "a.csv")) == 0
    rows = read(tmp_path / "a.csv")
    assert [row["SKU"] for row in rows] == ["B", "A", "00123", "Z", "B", "C"]
    assert [rows[3][name] for name in ("Quantity", "Packs", "Unit cost", "Expected receipt")] == ["0", "0", "1.5", ""]


def test_an_earlier_day_is_had_by_name_and_an_unknown_one_names_those_that_are(
    shop: Lakehouse, tmp_path: Path, capsys: Any
) -> None:
    assert run(shop, "orders", "--as-of", str(FIRST), "--to", str(tmp_path / "a.csv")) == 0
    assert [row["SKU"] for row in read(tmp_path / "a.csv")] == ["old"]
    for unknown in ("2024-02-29", "2024-03-03", "2030-01-01"):
        assert run(shop, "orders", "--as-of", unknown, "--to", str(tmp_path / "b.csv")) == 2
        told = capsys.readouterr().err
        assert f"expected a published day (2024-03-01, 2024-03-02), found {unknown}" in told
    assert [path.name for path in tmp_path.iterdir() if path.name != "lake"] == ["a.csv"], "nothing half is left"


def test_each_supplier_has_a_file_and_lines_without_one_too(shop: Lakehouse, tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "out"
    assert run(shop, "orders", "--by", "supplier", "--format", "csv", "--to", str(folder)) == 0
    files = {path.name: [row["SKU"] for row in read(path)] for path in folder.iterdir()}
    assert files == {
        "orders_2024-03-02_acme.csv": ["00123", "B"],
        "orders_2024-03-02_x.csv": ["B", "A"],
        "orders_2024-03-02_no_supplier_stated.csv": ["C"],
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake", "out"]
    assert "note: lines without a supplier: 1" in capsys.readouterr().out


def test_suppliers_whose_file_names_would_be_the_same_keep_a_file_each(lake: Lakehouse, tmp_path: Path) -> None:
    suppliers = ["a/b", "a b", "a_b", "A_B", "no_supplier_stated", None]
    publish(lake, *(line(f"{at}", supplier=supplier) for at, supplier in enumerate(suppliers)))
    assert run(lake, "orders", "--by", "supplier", "--format", "csv", "--to", str(tmp_path / "out")) == 0
    files = [read(path) for path in (tmp_path / "out").iterdir()]
    assert sorted((row["SKU"], row["Supplier"]) for (row,) in files) == [
        (f"{at}", supplier or "") for at, supplier in enumerate(suppliers)
    ]


def test_the_total_is_that_of_the_lines_as_they_are_shown(shop: Lakehouse, tmp_path: Path, capsys: Any) -> None:
    day_after = date(2024, 3, 3)
    publish(shop, *(line(sku, as_of=day_after, order_value=0.125) for sku in "ABCD"))
    assert run(shop, "orders", "--to", str(tmp_path / "a.csv")) == 0
    assert [row["Order value"] for row in read(tmp_path / "a.csv")] == ["0.13"] * 4
    assert "0.52 EUR" in capsys.readouterr().out


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet"])
def test_each_location_has_a_file_in_every_format(shop: Lakehouse, tmp_path: Path, ending: str) -> None:
    reader = {"csv": pd.read_csv, "xlsx": pd.read_excel, "parquet": pd.read_parquet}[ending]
    assert run(shop, "orders", "--by", "location", "--format", ending, "--to", str(tmp_path / "out")) == 0
    rows = {path.name: len(reader(path)) for path in (tmp_path / "out").iterdir()}
    assert rows == {f"orders_2024-03-02_north.{ending}": 3, f"orders_2024-03-02_south.{ending}": 2}


def test_yesterdays_files_do_not_stay_among_todays(shop: Lakehouse, tmp_path: Path, capsys: Any) -> None:
    folder, options = tmp_path / "out", ["--by", "supplier", "--format", "csv"]
    assert run(shop, "orders", *options, "--to", str(folder)) == 0
    publish(shop, line("A", supplier="other", as_of=date(2024, 3, 3)))
    assert run(shop, "orders", *options, "--to", str(folder)) == 2
    assert "give --overwrite" in capsys.readouterr().err
    assert len([*folder.iterdir()]) == 3
    assert run(shop, "orders", *options, "--to", str(folder), "--overwrite") == 0
    assert [path.name for path in folder.iterdir()] == ["orders_2024-03-03_other.csv"]


def test_a_day_without_an_order_says_so_and_gives_an_empty_list(lake: Lakehouse, tmp_path: Path, capsys: Any) -> None:
    publish(lake, line("A", order_qty=0.0))
    assert run(lake, "orders", "--to", str(tmp_path / "a.csv")) == 0
    assert (tmp_path / "a.csv").read_bytes().decode("utf-8-sig").startswith('"SKU","Product"')
    assert read(tmp_path / "a.csv") == []
    assert run(lake, "orders", "--by", "location", "--format", "csv", "--to", str(tmp_path / "out")) == 0
    assert list((tmp_path / "out").iterdir()) == []
    assert capsys.readouterr().out.count("note: nothing is to be ordered on 2024-03-02") == 2


def test_a_plan_from_before_pack_sizes_says_so(lake: Lakehouse, tmp_path: Path, capsys: Any) -> None:
    publish(lake, line("A", pack_qty=None))
    assert run(lake, "orders", "--to", str(tmp_path / "a.csv")) == 0
    assert "note: no packs: this day was published before the plan held pack sizes" in capsys.readouterr().out
    assert read(tmp_path / "a.csv")[0]["Packs"] == ""


def test_a_lakehouse_from_before_the_columns_is_read_all_the_same(shop: Lakehouse, tmp_path: Path) -> None:
    rows = shop.read_arrow(PLAN).drop_columns(["pack_qty", "supplier_id"])
    older = Lakehouse(str(tmp_path / "older"))
    write_deltalake(older.uri(PLAN), rows, partition_by=["as_of"])
    assert run(older, "orders", "--by", "supplier", "--format", "csv", "--to", str(tmp_path / "o")) == 0
    (only,) = (tmp_path / "o").iterdir()
    assert only.name == "orders_2024-03-02_no_supplier_stated.csv"
    assert {row["Packs"] for row in read(only)} == {""}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["orders", "--to", "x.pdf"],
            "expected --format csv, xlsx, parquet, or such an ending of --to; found --to x.pdf",
        ),
        (["orders", "--to", "x"], "expected --format"),
        (["orders", "--by", "supplier", "--to", "x.csv"], "expected --format"),
        (["orders", "--format", "csv", "--to", "x.xlsx"], "--format csv writes a file that ends in .csv"),
        (["orders", "--decimal-comma", "--to", "x.xlsx"], "--decimal-comma is for CSV"),
        (["orders", "--to", "s3://bucket/x.csv"], "an export is written to this machine"),
        (["order", "--to", "x.csv"], "no export 'order': it is orders, or a table: bronze.sales"),
        ([PLAN, "--by", "supplier", "--format", "csv", "--to", "x"], "--by and --all are for orders"),
        ([PLAN, "--all", "--to", "x.csv"], "--by and --all are for orders"),
        (["silver.products", "--as-of", str(LAST), "--to", "x.csv"], "silver.products is not kept by as-of day or run"),
    ],
)
def test_a_wrong_request_ends_with_two_and_writes_nothing(
    shop: Lakehouse, tmp_path: Path, capsys: Any, monkeypatch: Any, options: list[str], message: str
) -> None:
    publish(shop, {"sku_id": "A"}, name="silver.products")
    monkeypatch.chdir(tmp_path)
    assert run(shop, *options) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]


def test_what_is_not_there_is_named(lake: Lakehouse, tmp_path: Path, capsys: Any) -> None:
    lake.ensure("ops.run")
    assert run(lake, "orders", "--to", str(tmp_path / "a.csv")) == 2
    assert "no order plan in" in capsys.readouterr().err
    lake.ensure(PLAN)
    assert run(lake, "orders", "--to", str(tmp_path / "a.csv")) == 2
    assert run(lake, "gold.stock_risk", "--to", str(tmp_path / "a.csv")) == 1
    assert "gold.stock_risk does not exist" in capsys.readouterr().err
    assert main(["export", "orders", "--lakehouse", str(tmp_path / "no"), "--to", str(tmp_path / "a.csv")]) == 2
    assert not (tmp_path / "a.csv").exists()


def test_a_place_that_cannot_be_written_is_named(shop: Lakehouse, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "file").touch()
    assert run(shop, "orders", "--to", str(tmp_path / "file" / "a.csv")) == 2
    assert "a.csv was not written" in capsys.readouterr().err


# -- tables ---------------------------------------------------------------------------------------------------------
def test_a_table_is_exported_as_it_stands_or_as_of_a_day(shop: Lakehouse, tmp_path: Path) -> None:
    for ending in ("csv", "parquet"):
        assert run(shop, PLAN, "--to", str(tmp_path / f"a.{ending}")) == 0
    rows = pd.read_csv(tmp_path / "a.csv", keep_default_na=False)
    assert rows.columns.tolist() == list(contract(PLAN).columns)
    assert sorted(rows["unique_id"]) == sorted(shop.read_arrow(PLAN)["unique_id"].to_pylist())
    key = [("as_of", "ascending"), ("unique_id", "ascending")]
    written = pa.Table.from_pandas(pd.read_parquet(tmp_path / "a.parquet"), contract(PLAN).arrow_schema()).sort_by(key)
    assert written.to_pylist() == shop.read_arrow(PLAN).sort_by(key).to_pylist()
    assert run(shop, PLAN, "--as-of", str(FIRST), "--to", str(tmp_path / "b.csv")) == 0
    assert pd.read_csv(tmp_path / "b.csv")["sku_id"].tolist() == ["old"]


def test_rows_of_a_day_are_those_of_the_run_that_published_it(shop: Lakehouse, tmp_path: Path) -> None:
    name = "inventory.order_plan"
    for run_id, bucket in (("run-1", 0), ("run-2", 0), ("run-2", 1), ("tried", 0)):
        row = {"unique_id": f"{run_id}-{bucket}", "order_date": LAST, "run_id": run_id, "bucket": bucket}
        publish(shop, row, name=name)
    assert run(shop, name, "--as-of", str(LAST), "--to", str(tmp_path / "a.csv")) == 0
    assert sorted(pd.read_csv(tmp_path / "a.csv")["unique_id"]) == ["run-2-0", "run-2-1"]
    assert run(shop, name, "--to", str(tmp_path / "b.csv")) == 0
    assert len(pd.read_csv(tmp_path / "b.csv")) == 4


def test_every_table_of_a_run_can_be_exported(finished: Lakehouse, tmp_path: Path) -> None:
    """In every format that holds it, with as many rows; bytes go to Parquet alone."""
    for name in (name for name in TABLES if finished.exists(name)):
        for ending, reader in (("csv", pd.read_csv), ("xlsx", pd.read_excel), ("parquet", pd.read_parquet)):
            path = tmp_path / f"{name}.{ending}"
            request = Request(name, str(path), style_of(str(path), None, None, decimal_comma=False, has_bom=True))
            of_bytes = [column for column in contract(name).columns if COLUMNS[column].type == "binary"]
            if of_bytes and ending != "parquet":
                with pytest.raises(ConfigError, match=f"column {of_bytes[0]} holds bytes"):
                    export(finished, request)
                continue
            assert export(finished, request).files[0].rows == finished.rows(name)
            assert len(reader(path)) == finished.rows(name)


def test_orders_of_a_run_come_with_packs_and_suppliers(finished: Lakehouse, tmp_path: Path) -> None:
    assert run(finished, "orders", "--to", str(tmp_path / "a.parquet")) == 0
    orders = pd.read_parquet(tmp_path / "a.parquet")
    assert len(orders)
    assert (orders["packs"] * 6 == orders["order_qty"]).all()
    assert orders["unit_cost"].unique().tolist() == [1.5]
    assert orders["order_date"].unique().tolist() == [day(119)]
    assert {s: {*rows["supplier_id"].fillna("")} for s, rows in orders.groupby("sku_id")} == {
        sku: {"Acme Foods"} if int(sku[1:]) % 2 else {""} for sku in orders["sku_id"].unique()
    }


def test_orders_are_read_from_an_object_store(store: str, tmp_path: Path) -> None:
    lake = publish(Lakehouse(f"{store}/export"), line("A"), line("00123", supplier="acme"))
    assert run(lake, "orders", "--to", str(tmp_path / "a.csv")) == 0
    assert [row["SKU"] for row in read(tmp_path / "a.csv")] == ["00123", "A"]
    assert run(lake, PLAN, "--as-of", str(LAST), "--to", str(tmp_path / "b.xlsx")) == 0
    assert len(pd.read_excel(tmp_path / "b.xlsx")) == 2


def test_what_the_demo_says_to_do_next_works(finished: Lakehouse, tmp_path: Path, monkeypatch: Any) -> None:
    """Every command as it is printed, from the folder in which the demo ran."""
    monkeypatch.chdir(tmp_path)
    Path("lake").symlink_to(finished.root)
    call, told = how_called(), next_steps("lake", 1.0).splitlines()
    commands = [line.strip().removeprefix(call).split("  ")[0] for line in told if line.strip().startswith(f"{call} ")]
    assert len(commands) == 6
    for command in commands:
        assert main(shlex.split(command)) == 0, command
    assert Path("artifacts/orders.xlsx").exists()
    plan = finished.read_arrow("gold.order_plan", columns=["location_id", "order_qty"]).to_pandas()
    assert len([*Path("artifacts/orders").iterdir()]) == plan[plan["order_qty"] > 0]["location_id"].nunique()


@pytest.mark.parametrize(("on_path", "called"), [(True, "shelfcast"), (False, ".venv/bin/shelfcast")])
def test_a_command_is_called_as_the_shell_knows_it(
    tmp_path: Path, monkeypatch: Any, on_path: bool, called: str
) -> None:
    scripts = tmp_path / ".venv" / "bin"
    scripts.mkdir(parents=True)
    for name in ("python", "shelfcast"):
        (scripts / name).touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(scripts / "python"))
    monkeypatch.setenv("PATH", str(scripts) if on_path else "")
    assert how_called() == called
    (scripts / "shelfcast").unlink()
    assert how_called() == ".venv/bin/python -m jobs.cli"

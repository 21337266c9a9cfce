"""Source mappings: what a mapping may say, and that the shipped ones say what fits their files."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from pyspark.sql import functions as F

from lakehouse.errors import ConfigError
from lakehouse.feeds.sources import load_source
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.tables import FEEDS, contract
from tests.lakehouse.bronze_rows import read_files

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "conf" / "sources").glob("*.toml"))

# One record of each file, as the publishers write them.
SAMPLES = {
    "m5": {
        "sales_train_evaluation.csv": "id,item_id,dept_id,cat_id,store_id,state_id,d_1,d_2\n"
        "HOBBIES_1_001_CA_1_evaluation,HOBBIES_1_001,HOBBIES_1,HOBBIES,CA_1,CA,0,3\n",
        "sell_prices.csv": "store_id,item_id,wm_yr_wk,sell_price\nCA_1,HOBBIES_1_001,11101,8.26\n",
        "calendar.csv": "date,wm_yr_wk,weekday,wday,month,year,d,event_name_1,event_type_1,event_name_2,event_type_2,"
        "snap_CA,snap_TX,snap_WI\n2011-01-29,11101,Saturday,1,1,2011,d_1,,,,,0,0,0\n"
        "2011-02-04,11101,Friday,7,2,2011,d_7,SuperBowl,Sporting,Easter,Cultural,0,0,0\n",
    },
    "feed_layout": {f"{feed}.csv": f"{','.join(layout.columns)}\n" for feed, layout in FEEDS.items()},
}


def write_sample(name: str, folder: Path) -> None:
    for file, text in SAMPLES.get(name, {}).items():
        (folder / file).write_text(text)
    if name == "online_retail_ii":
        pd.DataFrame(
            {
                "Invoice": ["489434"],
                "StockCode": [" 79323p"],
                "Description": ["PINK CHERRY LIGHTS "],
                "Quantity": [12],
                "InvoiceDate": ["2009-12-01 07:45:00"],
                "Price": [6.75],
                "Customer ID": [13085.0],
                "Country": ["United Kingdom"],
            }
        ).to_parquet(folder / "online_retail_2009_2010.parquet")
    if name == "complete_journey":
        write_complete_journey(folder)


def write_complete_journey(folder: Path) -> None:
    """The first second and the last second of the year in New York, as the UTC times that the file holds."""
    at = pd.to_datetime(["2017-01-01 05:00:00", "2018-01-01 04:59:59"])
    pd.DataFrame(
        {
            "household_id": 900,
            "store_id": 330,
            "basket_id": 31198570044,
            "product_id": 1095275,
            "quantity": [2, 0],
            "sales_value": [1.0, 0.0],
            "retail_disc": [0.1, 0.0],
            "coupon_disc": [0.2, 0.0],
            "coupon_match_disc": 0.0,
            "week": [1, 53],
            "transaction_timestamp": at,
        }
    ).to_parquet(folder / "transactions.parquet", coerce_timestamps="us")
    pd.DataFrame(
        {
            "product_id": 1095275,
            "store_id": 316,
            "display_location": ["9", "0", "A"],
            "mailer_location": ["0", "A", "H"],
            "week": [1, 2, 53],
        }
    ).to_parquet(folder / "promotions.parquet")
    pd.DataFrame(
        {
            "product_id": [1095275],
            "manufacturer_id": [2],
            "department": ["GROCERY"],
            "brand": ["National"],
            "product_category": ["FRZN ICE"],
            "product_type": ["ICE"],
            "package_size": ["22 LB"],
        }
    ).to_parquet(folder / "products.parquet")


def test_four_sources_are_shipped() -> None:
    assert [path.stem for path in SHIPPED] == ["complete_journey", "feed_layout", "m5", "online_retail_ii"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_mapping_fits_its_files_and_its_rules_the_typed_columns(
    spark: SparkSession, tmp_path: Path, path: Path
) -> None:
    mapping = load_source(path)
    write_sample(path.stem, tmp_path)
    for feed_name in mapping.feeds:
        frame = read_files(spark, tmp_path, mapping, feed_name)
        assert frame.columns == list(contract(f"bronze.{feed_name}").columns)
        frame.collect()
        of_feed = [rule.reject_when for rule in mapping.clean.rules if rule.feed == feed_name]
        typed = spark.createDataFrame([], typed_schema(feed_name))
        typed.select(*(F.expr(f"CAST(({sql}) AS BOOLEAN)") for sql in of_feed)).collect()
        if feed_name == "sales" and mapping.clean.cancellations:
            typed.filter(mapping.clean.cancellations.when).select(*mapping.clean.cancellations.match_on).collect()


def typed_schema(feed_name: str) -> str:
    return ", ".join(f"{name} {COLUMNS[name].type}" for name in FEEDS[feed_name].columns)


def test_complete_journey_days_prices_and_promotions(spark: SparkSession, tmp_path: Path) -> None:
    write_sample("complete_journey", tmp_path)
    mapping = load_source(ROOT / "conf/sources/complete_journey.toml")
    sales = read_files(spark, tmp_path, mapping, "sales").orderBy("source_row")
    names = ("ds", "sold_at", "units", "unit_price", "discount_value", "location_id")
    assert [tuple(row) for row in sales.select(*names).collect()] == [
        ("2017-01-01", "2017-01-01 00:00:00", "2", "0.5", "0.3", "chain"),
        ("2017-12-31", "2017-12-31 23:59:59", "0", None, "0", "chain"),
    ]
    promotions = read_files(spark, tmp_path, mapping, "promotions").orderBy("source_row")
    assert [tuple(row) for row in promotions.select("location_id", "ds_from", "ds_to", "promo_kind").collect()] == [
        ("store 316", "2016-12-26", "2017-01-01", "display 9"),
        ("chain", "2017-01-02", "2017-01-08", "mailer A"),
        ("chain", "2017-12-25", "2017-12-31", "mailer H display A"),
    ]


def test_m5_days_events_and_tree(spark: SparkSession, tmp_path: Path) -> None:
    write_sample("m5", tmp_path)
    mapping = load_source(ROOT / "conf/sources/m5.toml")
    sales = read_files(spark, tmp_path, mapping, "sales").orderBy("ds").select("ds", "units", "source_column")
    assert [tuple(row) for row in sales.collect()] == [("2011-01-29", "0", "d_1"), ("2011-01-30", "3", "d_2")]
    events = read_files(spark, tmp_path, mapping, "calendar").orderBy("ds").select("ds", "event_name", "location_id")
    assert [tuple(row) for row in events.collect()] == [
        ("2011-01-29", None, None),
        ("2011-02-04", "SuperBowl + Easter", None),
    ]
    prices = read_files(spark, tmp_path, mapping, "prices").select("ds_from", "ds_to", "unit_price").collect()
    assert [tuple(row) for row in prices] == [("2011-01-29", "2011-02-04", "8.26")]
    products = read_files(spark, tmp_path, mapping, "products").select("department", "category").collect()
    assert [tuple(row) for row in products] == [("HOBBIES", "HOBBIES_1")]


@pytest.mark.parametrize(
    ("code", "is_product"),
    [("85048", True), ("79323P", True), ("15056BL", True), ("DCGSSBOY", True), ("DCGS0066N", True), ("SP1002", True)]
    + [(code, False) for code in ("POST", "M", "DOT", "C2", "BANK CHARGES", "GIFT_0001_30", "TEST001", "PADS", "B")],
)
def test_online_retail_ii_knows_products_from_fees(spark: SparkSession, code: str, is_product: bool) -> None:
    rules = load_source(ROOT / "conf/sources/online_retail_ii.toml").clean.rules
    rule = next(rule for rule in rules if rule.id == "non_product_code")
    rejected = spark.range(1).select(F.lit(code).alias("sku_id")).filter(rule.reject_when).count()
    assert rejected == (0 if is_product else 1)


# what a mapping may say

MINIMAL = """
description = "minimal"
[feeds.sales]
files = ["sales.csv"]
melt = { prefix = "d_", origin = 2024-01-01 }
[feeds.sales.columns]
sku_id = "item"
location_id = { const = "shop" }
"""


def test_a_minimal_mapping_loads(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINIMAL)
    mapping = load_source(tmp_path / "mine.toml")
    assert mapping.name == "mine"
    assert mapping.feeds["sales"].mapping()["sku_id"].column == "item"
    assert mapping.feeds["sales"].melt is not None
    assert mapping.feeds["sales"].melt.origin == date(2024, 1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('sku_id = "item"', ""), "missing required columns.*sku_id"),
        (('sku_id = "item"', 'sku_id = { column = "item", optional = true }'), ":7: .*'sku_id' is required"),
        (('sku_id = "item"', 'sku_id = "item"\ncolour = "c"'), ":8: feeds.sales.columns.colour: no such column"),
        (('sku_id = "item"', 'sku_id = { column = "item", const = "x" }'), "exactly one of"),
        (('sku_id = "item"', 'sku_id = { expr = "item", format = "yyyy-MM-dd" }'), "format goes with column"),
        (('sku_id = "item"', 'sku_id = { expr = "item", optional = true }'), "optional goes with column"),
        (("[feeds.sales]", "[feeds.sales]\noptional = true"), "'sales' is required"),
        (("[feeds.sales]", "[feeds.sales]\nfile = 'x'"), "file"),
        (("[feeds.sales]", "[feeds.sale]"), "sale"),
        (("[feeds.sales]", "[feeds.sales]\nreplaces = 'month'"), "replaces = 'month'.*'nothing'.*with a .group"),
        (("[feeds.sales]", "[feeds.sales]\norder_by = '(x'"), "order_by.*no regular expression"),
        (("[feeds.sales]", "[feeds.sales]\norder_by = '(?P<week>x)'"), "groups may be named.*year.*week"),
        (("[feeds.sales]", "[feeds.sales]\nlatest_by = ['ds', 'customer_id']"), "latest_by names.*customer_id"),
        (("[feeds.sales]", "[feeds.sales]\nwhen_gone = 'drop'"), "when_gone"),
        (('"minimal"', '"minimal'), ":2: not valid TOML: a text is not closed"),
        (
            ("[feeds.sales]", '[[clean.rules]]\nid="x"\nreject_when="1"\nreason="r"\nfeed="stock"\n[feeds.sales]'),
            "stock",
        ),
    ],
)
def test_a_faulty_mapping_is_refused_with_the_place(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    changed = MINIMAL.replace(*change)
    assert changed != MINIMAL
    (tmp_path / "mine.toml").write_text(changed)
    with pytest.raises(ConfigError, match=rf"(?s)mine\.toml.*{message}"):
        load_source(tmp_path / "mine.toml")


def test_an_unknown_source_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"complete_journey.*m5"):
        load_source(ROOT / "conf/sources/no_such.toml")


def test_the_documented_layout_is_the_declared_one() -> None:
    """Every feed and column of the layout stands in its table of docs/feed_layout.md, required where required."""
    text = (ROOT / "docs" / "feed_layout.md").read_text(encoding="utf-8")
    for feed, layout in FEEDS.items():
        section = re.search(rf"^### `{feed}`.*?(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
        assert section, feed
        rows = re.findall(r"^\| `(\w+)` \| (required|optional) \|", section.group(0), re.MULTILINE)
        assert dict(rows) == {name: "required" if name in layout.required else "optional" for name in layout.columns}

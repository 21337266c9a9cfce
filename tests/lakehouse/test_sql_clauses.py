"""SQL of a mapping that Spark refuses, when it is read, checked or computed: one line with its place, no trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from py4j.protocol import Py4JError

from lakehouse.errors import SourceError
from lakehouse.feeds.sources import load_source
from lakehouse.feeds.sql_clauses import in_a_line, mapping_blamed
from lakehouse.transforms.silver.cleaning import clean_feed, clean_sales
from tests.lakehouse.bronze_rows import bronze, read_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SHOP = """\
[feeds.sales]
files = ["sales.csv"]
[feeds.sales.columns]
sku_id = "Artikel"
location_id = {{ const = "shop" }}
ds = "Tag"
units = {{ expr = "{units}" }}
unit_price = {{ expr = "{price}" }}
[feeds.products]
files = ["sales.csv"]
{lookup}
[feeds.products.columns]
sku_id = "Artikel"
[clean.cancellations]
when = "{when}"
[[clean.rules]]
id = "own"
reject_when = "{rule}"
reason = "own"
[[clean.rules]]
id = "of_products"
feed = "products"
reject_when = "{product_rule}"
reason = "own"
"""
FINE = {
    "units": "try_cast(Menge AS INT)",
    "price": "Preis",
    "lookup": "",
    "when": "units < 0",
    "rule": "units = 7",
    "product_rule": "sku_id = '1'",
}
OF_SPARK = ("SQLSTATE", "== SQL", "Project", "Traceback", "\tat ", "org.apache", "LogicalRDD", "Relation", "^^^")


def write(folder: Path, **said: str) -> Path:
    path = folder / "shop.toml"
    path.write_text(SHOP.format(**(FINE | said)))
    (folder / "sales.csv").write_text("Artikel,Tag,Menge,Preis\n1,2024-01-31,2,3.5\n2,2024-01-31,two,1\n")
    return path


def told(error: BaseException, folder: Path) -> str:
    words = str(error).replace(f"{folder}/", "")
    assert not [word for word in OF_SPARK if word in words], words
    return words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"units": "try_cast(Mneg AS INT)"}, ["shop.toml:7: feeds.sales.columns.units.expr: ", "`Mneg`", "`Menge`"]),
        ({"units": "Menge +"}, ["shop.toml:7: ", "Syntax error at or near end of input. It is at character 8."]),
        (
            {"price": "prise(Menge)"},
            ["shop.toml:8: feeds.sales.columns.unit_price.expr: ", "Cannot resolve", "`prise`"],
        ),
        ({"price": "array(1) + Menge"}, ["shop.toml:8: ", "data type mismatch", "The expression is: array(1) + Menge"]),
        ({"units": "nope", "price": "Menge = 'x"}, ["shop.toml:7: ", "`nope`", "\n  shop.toml:8: ", "Syntax error"]),
        (
            {"units": "cast(Menge AS INT)"},
            ["sales.csv: shop.toml:7: ", "'two'", "Use `try_cast`", "cast(Menge AS INT)"],
        ),
        (
            {"units": "1 / (try_cast(Menge AS INT) - 2)"},
            ["sales.csv: shop.toml:7: ", "Division by zero. Use `try_divide`"],
        ),
        ({"price": "to_date(Menge)"}, ["sales.csv: shop.toml:8: ", "cannot be cast to"]),
    ],
)
def test_an_expression_that_spark_refuses_is_named(
    spark: SparkSession, tmp_path: Path, said: dict[str, str], words: list[str]
) -> None:
    mapping = load_source(write(tmp_path, **said))
    with pytest.raises(SourceError) as refused:
        read_table(spark, tmp_path, mapping)
    assert [word for word in words if word not in told(refused.value, tmp_path)] == []


@pytest.mark.parametrize(
    ("take", "words"),
    [
        ("maxi(Menge)", ["shop.toml:11: feeds.products.lookup.take.most: ", "`maxi`"]),
        ("max(Mneg)", ["shop.toml:11: ", "`Mneg`", "sales.csv has the columns ['Artikel', 'Tag', "]),
        ("max(Menge", ["shop.toml:11: ", "Syntax error"]),
    ],
)
def test_a_look_up_that_spark_refuses_is_named(
    spark: SparkSession, tmp_path: Path, take: str, words: list[str]
) -> None:
    lookup = f'lookup = {{ file = "sales.csv", on = ["Artikel"], take = {{ most = "{take}" }} }}'
    mapping = load_source(write(tmp_path, lookup=lookup))
    with pytest.raises(SourceError) as refused:
        read_table(spark, tmp_path, mapping, "products")
    assert [word for word in words if word not in told(refused.value, tmp_path)] == []


def test_a_look_up_by_a_column_that_its_file_lacks_is_named(spark: SparkSession, tmp_path: Path) -> None:
    lookup = 'lookup = { file = "sales.csv", on = ["Artikl"], take = { most = "max(Menge)" } }'
    mapping = load_source(write(tmp_path, lookup=lookup))
    with pytest.raises(SourceError, match=r"shop\.toml:11: .*lacks the columns \['Artikl'\].*did you mean 'Artikel'"):
        read_table(spark, tmp_path, mapping, "products")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            {"rule": "unit = 7"},
            ["shop.toml:18: clean.rules[0].reject_when: ", "`unit`", "`units`", "sales has the columns"],
        ),
        ({"rule": "units = "}, ["shop.toml:18: ", "Syntax error", "The expression is: units = "]),
        ({"rule": "units"}, ["shop.toml:18: "]),
        ({"when": "is_return"}, ["shop.toml:15: clean.cancellations.when: ", "`is_return`"]),
        ({"when": "units <", "rule": "unit = 7"}, ["shop.toml:15: ", "\n  ", "shop.toml:18: "]),
    ],
)
def test_a_condition_that_spark_refuses_is_named(
    spark: SparkSession, tmp_path: Path, said: dict[str, str], words: list[str]
) -> None:
    mapping = load_source(write(tmp_path, **said))
    with pytest.raises(SourceError) as refused:
        clean_sales(bronze(spark, "sales", [{}]), mapping, 1, lambda lines: lines)
    assert [word for word in words if word not in told(refused.value, tmp_path)] == []


def test_a_condition_on_another_feed_is_named(spark: SparkSession, tmp_path: Path) -> None:
    mapping = load_source(write(tmp_path, product_rule="sku = '1'"))
    with pytest.raises(SourceError, match=r"shop\.toml:23: clean\.rules\[1\]\.reject_when: .*`sku`.*`sku_id`"):
        clean_feed(bronze(spark, "products", [{"sku_id": "1"}]), "products", mapping)


def test_a_condition_that_fails_on_a_row_is_named_when_the_query_runs(spark: SparkSession, tmp_path: Path) -> None:
    mapping = load_source(write(tmp_path, rule="cast(sku_id AS INT) > 5"))
    cleaned = clean_sales(bronze(spark, "sales", [{"sku_id": "A1"}]), mapping, 1, lambda lines: lines)
    with pytest.raises(SourceError) as refused, mapping_blamed(mapping):
        cleaned.split.rows.collect()
    words = told(refused.value, tmp_path)
    assert words.startswith("shop.toml:18: clean.rules[0].reject_when: The value 'A1' of the type")
    assert words.endswith("The expression is: cast(sku_id AS INT) > 5")


def test_an_error_that_is_not_the_mappings_stays_what_it_is(spark: SparkSession, tmp_path: Path) -> None:
    mapping = load_source(write(tmp_path))
    with pytest.raises(Exception, match="DIVIDE_BY_ZERO"), mapping_blamed(mapping):
        spark.sql("SELECT 1 / (id - 1) FROM range(3)").collect()


def test_words_of_java_are_cut_to_one_line() -> None:
    java = "An error occurred while calling o1.load.\n: java.io.IOException: disk full\n\tat a.b.C.d(E.scala:1)\n"
    assert in_a_line(Py4JError(java)) == "IOException: disk full"
    assert in_a_line(Py4JError("")) == "Py4JError"
    assert in_a_line(Py4JError("no answer from Java\nmore")) == "no answer from Java"

"""Kits: their sales are demand of their components, to the unit, and of nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse.errors import SourceError
from lakehouse.transforms.silver.cleaning import CleanedSales, clean_feed, clean_sales
from lakehouse.transforms.silver.kits import Kits, expanded
from lakehouse.transforms.silver.sales_daily import sales_daily
from tests.lakehouse.bronze_rows import bronze, mapping

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BUCKETS = 4


def parts(*stated: tuple[str, str, float | str]) -> list[tuple[str, str, Decimal]]:
    return [(kit, component, Decimal(str(units))) for kit, component, units in stated]


@pytest.mark.parametrize(
    ("stated", "whole"),
    [
        ([], []),
        ([("K", "a", 2), ("K", "b", 1)], [("K", "a", 2), ("K", "b", 1)]),
        # A kit in a kit; a component on two ways; a chain of three; two kits that share a part.
        ([("K", "L", 2), ("L", "a", 3)], [("K", "a", 6), ("L", "a", 3)]),
        ([("K", "a", 1), ("K", "L", 2), ("L", "a", 3)], [("K", "a", 7), ("L", "a", 3)]),
        ([("M", "b", 5), ("K", "L", 2), ("L", "M", 3)], [("K", "b", 30), ("L", "b", 15), ("M", "b", 5)]),
        ([("K", "a", 1), ("L", "a", 2), ("L", "b", "0.5")], [("K", "a", 1), ("L", "a", 2), ("L", "b", "0.5")]),
    ],
)
def test_kits_are_taken_apart_to_what_is_stocked(stated: list[Any], whole: list[Any]) -> None:
    assert expanded(parts(*stated)) == parts(*whole)
    assert expanded(parts(*stated[::-1])) == parts(*whole), "the order of the rows does not matter"


@pytest.mark.parametrize(
    ("stated", "loop"),
    [
        ([("K", "K", 1)], "K > K"),
        ([("K", "L", 1), ("L", "K", 2)], "K > L > K"),
        ([("A", "B", 1), ("B", "C", 1), ("C", "D", 1), ("D", "B", 1), ("C", "x", 1)], "B > C > D > B"),
    ],
)
def test_a_kit_within_itself_is_refused_with_the_loop(stated: list[Any], loop: str) -> None:
    with pytest.raises(SourceError, match=rf"kits: a kit is a part of itself: {loop} \(each contains the next\)"):
        expanded(parts(*stated))


def test_many_levels_are_taken_apart_once_each() -> None:
    """Forty levels of two ways each: a walk of every way would never end."""
    levels = [(f"K{n:02d}", f"{kind}{n + 1:02d}", 1) for n in range(40) for kind in ("K", "L")]
    levels += [(f"L{n:02d}", f"K{n + 1:02d}", 1) for n in range(1, 40)]
    whole = {(kit, component): units for kit, component, units in expanded(parts(*levels))}
    fibonacci = [1, 1]
    for _ in range(39):
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    assert whole["K00", "K40"] == fibonacci[40]


def sold(
    spark: SparkSession, rows: list[dict[str, Any]], kits: list[tuple[str, str, Any]], **clean: Any
) -> CleanedSales:
    declared = mapping("kits", **clean)
    columns = ("kit_sku_id", "component_sku_id", "component_qty")
    listed = bronze(spark, "kits", [dict(zip(columns, map(str, kit), strict=True)) for kit in kits])
    sales = clean_sales(bronze(spark, "sales", rows), declared, BUCKETS)
    return replace(sales, kits=Kits.of(clean_feed(listed, "kits", declared), BUCKETS))


SALES = [
    {"sku_id": "a", "ds": "2024-01-02", "units": "1", "unit_price": "3", "is_promo": "true", "on_hand_qty": "9"},
    {"sku_id": "K", "ds": "2024-01-01", "units": "2", "unit_price": "10", "discount_value": "1", "is_promo": "true"},
    {"sku_id": "K", "ds": "2024-01-02", "units": "5", "unit_price": "10", "on_hand_qty": "0"},
    {"sku_id": "K", "ds": "2024-01-03", "units": "1.5", "location_id": "M", "channel_id": "web"},
    {"sku_id": "c", "ds": "2024-01-03", "units": "4", "unit_price": "2"},
]
CONTENTS = [("K", "a", 2), ("K", "b", 0.5)]


def test_sales_of_a_kit_are_demand_of_its_components(spark: SparkSession) -> None:
    sales = sold(spark, SALES, CONTENTS)
    series = sales.series
    found = {row["unique_id"]: (row["first_ds"].day, row["last_ds"].day, row["bucket"]) for row in series.collect()}
    assert {name: days[:2] for name, days in found.items()} == {
        "a|L|all": (1, 2), "b|L|all": (1, 2), "c|L|all": (3, 3), "a|M|web": (3, 3), "b|M|web": (3, 3),
    }  # fmt: skip
    daily = sales_daily(sales.lines, series, mapping(), date(2024, 1, 3), BUCKETS).collect()
    assert {row["bucket"] for row in daily if row["unique_id"] == "b|L|all"} == {found["b|L|all"][2]}
    demand = {(row["unique_id"], row["ds"].day): row["y"] for row in daily if not row["is_filled"]}
    assert demand == {
        ("a|L|all", 1): 4, ("a|L|all", 2): 11, ("b|L|all", 1): 1, ("b|L|all", 2): 2.5,
        ("c|L|all", 3): 4, ("a|M|web", 3): 3, ("b|M|web", 3): 0.75,
    }  # fmt: skip
    own = {(row["unique_id"], row["ds"].day): row for row in daily}
    assert [own["a|L|all", day]["unit_price"] for day in (1, 2, 3)] == [None, 3, 3], "a kit's price is no component's"
    assert [own["a|L|all", day]["is_promo"] for day in (1, 2)] == [False, True]
    assert [own["a|L|all", day]["discount_value"] for day in (1, 2)] == [None, None]
    assert [own["a|L|all", day]["on_hand_qty"] for day in (1, 2)] == [None, 9], "a kit's stock is no component's"
    assert not own["a|L|all", 2]["is_censored"]


def test_every_row_of_a_kit_is_accounted_for_as_it_came(spark: SparkSession) -> None:
    sales = sold(spark, [*SALES, {"sku_id": "K", "units": "many"}], CONTENTS)
    counts = {(row["outcome"], row["rule_id"]): row["rows"] for row in sales.counts.collect()}
    assert counts == {("used", ""): 5, ("quarantined", "unparseable_units"): 1}


def test_a_row_of_a_kit_that_cannot_be_read_makes_the_day_of_its_components_unknown(spark: SparkSession) -> None:
    rows = [*SALES, {"sku_id": "K", "ds": "2024-01-02", "units": "many"}, {"sku_id": "c", "units": "few"}]
    masks = sold(spark, rows, CONTENTS).masks({"unparseable_units"})
    assert masks is not None
    found = {(row["unique_id"], row["ds"].day, row["masked_by"]) for row in masks.collect()}
    assert found == {("a|L|all", 2, "rejected_row"), ("b|L|all", 2, "rejected_row"), ("c|L|all", 1, "rejected_row")}


def test_cancellations_of_a_kit_are_taken_off_its_components(spark: SparkSession) -> None:
    lines = sold(spark, SALES, CONTENTS).split.rows
    sales = sold(spark, SALES, CONTENTS)
    taken_back = replace(sales.split, rows=lines.withColumn("net_units", lines["units"] - 1))
    net = {
        (row["unique_id"], row["ds"].day): (row["units"], row["net_units"])
        for row in replace(sales, split=taken_back).lines.collect()
        if row["unique_id"].startswith("b|")
    }
    assert net == {
        ("b|L|all", 1): (1, Decimal("0.5")),
        ("b|L|all", 2): (Decimal("2.5"), 2),
        ("b|M|web", 3): (Decimal("0.75"), Decimal("0.25")),
    }


def test_scope_is_that_of_what_was_sold(spark: SparkSession) -> None:
    sales = sold(spark, SALES, CONTENTS, min_selling_days=2)
    assert sorted(row["unique_id"] for row in sales.series.collect()) == ["a|L|all", "b|L|all"]
    assert sorted((row["unique_id"], row["units"]) for row in sales.lines.collect()) == [
        ("a|L|all", 4), ("a|L|all", 10), ("b|L|all", 1), ("b|L|all", Decimal("2.5")),
    ]  # fmt: skip


def test_the_last_row_of_a_kit_and_component_counts_and_faulty_ones_are_set_aside(spark: SparkSession) -> None:
    kits = [("K", "a", 1), ("K", "a", 3), ("K", "b", 0), ("K", "c", -1), ("K", "", 2), ("K", "d", "two")]
    sales = sold(spark, SALES, kits)
    assert sales.kits is not None
    assert [tuple(row) for row in sales.kits.contents.collect()] == [("K", "a", 3)]
    assert sold(spark, SALES, [("K", "a", 0)]).kits is None, "a feed without a row that counts changes nothing"


def test_components_that_products_do_not_have_are_named(spark: SparkSession) -> None:
    sales = sold(spark, SALES, CONTENTS)
    assert sales.kits is not None
    declared = mapping("products")
    for known, words in [(["a", "b", "K"], []), (["a"], ["b (in K)"]), (["x"], ["a (in K)", "b (in K)"])]:
        products = clean_feed(bronze(spark, "products", [{"sku_id": sku} for sku in known]), "products", declared)
        findings = sales.kits.findings(products)
        assert [list(each.examples) for each in findings] == ([words] if words else [])
    assert sales.kits.findings(None) == []

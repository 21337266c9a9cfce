from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lakehouse.errors import ContractError
from lakehouse.feeds.accounts import RowAccounts
from lakehouse.feeds.quality import (
    QualityRule,
    check_conservation,
    contract_rules,
    keep_one,
    optional_columns,
    parse,
    split,
)
from lakehouse.schema.tables import FEEDS, contract
from tests.lakehouse.bronze_rows import bronze


def rule_of_each(spark: SparkSession, feed: str, rows: list[dict[str, Any]]) -> list[str]:
    parsed = parse(bronze(spark, feed, rows), feed)
    cleaned = split(parsed, feed, contract_rules(feed, FEEDS[feed].columns))
    return [row.rule_id for row in cleaned.rows.orderBy("source_row").select("rule_id").collect()]


def test_each_contract_rule_claims_its_row(spark: SparkSession) -> None:
    cases = [
        ({}, ""),
        ({"sku_id": None}, "missing_sku_id"),
        ({"sku_id": "  "}, "missing_sku_id"),
        ({"units": ""}, "missing_units"),
        ({"units": "twelve"}, "unparseable_units"),
        ({"units": "NaN"}, "unparseable_units"),
        ({"units": "Infinity"}, "unparseable_units"),
        ({"units": "1e12"}, "too_large_units"),
        ({"units": "4006381333931"}, "too_large_units"),
        ({"units": "999999999999"}, ""),
        ({"units": "1e9"}, ""),
        ({"units": " 3 "}, ""),
        ({"ds": "2024-02-30"}, "unparseable_ds"),
        ({"ds": "2024"}, "unparseable_ds"),
        ({"ds": "01/02/2024"}, "unparseable_ds"),
        ({"is_promo": "maybe"}, ""),
        ({"unit_price": "1,50"}, ""),
        ({"unit_price": ""}, ""),
        ({"sold_at": "noon"}, ""),
        ({"sku_id": "4.00638E+12"}, "damaged_sku_id"),
        ({"sku_id": "4,00638e+12"}, "damaged_sku_id"),
        ({"sku_id": "4E12"}, ""),
        ({"sku_id": "A|B"}, "separator_in_sku_id"),
        ({"channel_id": "web|app"}, "separator_in_channel_id"),
    ]
    assert rule_of_each(spark, "sales", [row for row, _ in cases]) == [rule for _, rule in cases]


def test_ranges_come_from_the_columns_and_periods_run_forward(spark: SparkSession) -> None:
    stock = [{"ds": "2024-01-02", "on_hand_qty": each} for each in ("-1", "many")]
    assert rule_of_each(spark, "stock", stock) == ["", "unparseable_on_hand_qty"]
    price = {"unit_price": "2"}
    prices = [
        {**price, "ds_from": "2024-01-02", "ds_to": "2024-01-01"},
        {**price, "ds_from": "2024-01-02", "ds_to": "2024-01-02"},
        {**price, "ds_from": "2024-01-02"},
    ]
    assert rule_of_each(spark, "prices", prices) == ["period_reversed", "", ""]


def test_the_first_rule_claims_the_row_and_a_null_condition_claims_none(spark: SparkSession) -> None:
    rows = [{"units": "0", "unit_price": "0"}, {"units": "1", "unit_price": "0"}, {"units": "1"}]
    rules = [
        QualityRule("no_units", "units = 0", "nothing sold", ("units",)),
        QualityRule("no_price", "unit_price = 0", "no price", ("unit_price", "units")),
    ]
    cleaned = split(parse(bronze(spark, "sales", rows), "sales"), "sales", rules)
    counts = {(row.outcome, row.rule_id): row.rows for row in cleaned.counts.collect()}
    assert counts == {("quarantined", "no_units"): 1, ("quarantined", "no_price"): 1, ("used", ""): 1}
    assert [row.source_row for row in cleaned.accepted.collect()] == [3]


def test_a_quarantined_row_names_rule_file_row_and_value(spark: SparkSession) -> None:
    rows = [{"units": "twelve", "source_file": "a/sales.csv", "source_row": 77}, {"ds": None}]
    frame = parse(bronze(spark, "sales", rows), "sales")
    quarantined = split(frame, "sales", contract_rules("sales", FEEDS["sales"].columns)).quarantined
    assert tuple(quarantined.columns) == contract("ops.quarantine").columns
    first, second = sorted(quarantined.collect(), key=lambda row: -row.source_row)
    assert (first.feed, first.rule_id, first.source_file, first.source_row) == (
        "sales",
        "unparseable_units",
        "a/sales.csv",
        77,
    )
    assert first.reason == "units must be a number below 1e12; found units = 'twelve'"
    assert json.loads(first.payload)["units"] == "twelve"
    assert set(json.loads(first.payload)) == set(FEEDS["sales"].columns)
    assert second.reason == "ds is required and is empty"


def test_numbers_are_exact_decimals(spark: SparkSession) -> None:
    rows = [{"units": "0.1"}, {"units": "1E-5"}, {"units": "0.12345650"}]
    values = [row.units for row in parse(bronze(spark, "sales", rows), "sales").orderBy("source_row").collect()]
    assert values == [Decimal("0.100000"), Decimal("0.000010"), Decimal("0.123457")]


@pytest.mark.parametrize(("last", "kept"), [(False, 1), (True, 3)])
def test_keep_one_counts_the_others_as_duplicates(spark: SparkSession, last: bool, kept: int) -> None:
    rows = [{"pack_qty": "2"}, {"location_id": " "}, {"pack_qty": "3"}, {"sku_id": "B"}]
    cleaned = split(parse(bronze(spark, "supply", rows), "supply"), "supply", contract_rules("supply", ["pack_qty"]))
    one = keep_one(cleaned, ("sku_id", "location_id"), last=last)
    outcomes = {row.source_row: (row.outcome, row.rule_id) for row in one.rows.collect()}
    other = 4 - kept
    assert outcomes == {
        kept: ("used", ""),
        other: ("duplicate", "repeated_key"),
        2: ("quarantined", "missing_location_id"),
        4: ("used", ""),
    }


def test_an_unreadable_optional_value_is_lost_and_counted_and_its_row_stays(spark: SparkSession) -> None:
    rows = [
        {"lead_time_days": "soon", "pack_qty": "0", "moq_qty": "0"},
        {"lead_time_days": "-1", "pack_qty": "6"},
        {"lead_time_days": "5", "pack_qty": ""},
        {"lead_time_days": "never", "location_id": None},
    ]
    optional = optional_columns("supply", ["lead_time_days", "pack_qty", "moq_qty"])
    parsed = parse(bronze(spark, "supply", rows), "supply")
    cleaned = split(parsed, "supply", contract_rules("supply", FEEDS["supply"].columns), optional)
    used = [(row.lead_time_days, row.pack_qty, row.moq_qty) for row in cleaned.accepted.orderBy("source_row").collect()]
    assert used == [(None, None, Decimal(0)), (None, Decimal(6), None), (Decimal(5), None, None)]
    accounts = RowAccounts.of(row.asDict(recursive=True) for row in cleaned.counts.collect())
    assert accounts.lost == {("supply", "lead_time_days"): (2, "-1"), ("supply", "pack_qty"): (1, "0")}
    assert accounts.rejected("supply") == {"missing_location_id": 1}
    [said] = [each.words for each in accounts.findings({}) if each.finding == "values_lost"]
    assert said.startswith("3 values of supply could not be read and are unknown: lead_time_days 2 (must be a number")


def test_two_rules_of_one_id_are_refused(spark: SparkSession) -> None:
    frame = parse(bronze(spark, "sales", [{}]), "sales")
    rule = QualityRule("same", "units = 0", "x")
    with pytest.raises(ContractError, match="same"):
        split(frame, "sales", [rule, rule])


def test_conservation_names_the_difference() -> None:
    check_conservation("sales", 10, {("used", ""): 7, ("quarantined", "r"): 3})
    with pytest.raises(ContractError, match=r"bronze holds 10 rows.*9 \(-1\)"):
        check_conservation("sales", 10, {("used", ""): 6, ("quarantined", "r"): 3})


def test_row_counts_have_the_contracts_shape(spark: SparkSession) -> None:
    cleaned = split(parse(bronze(spark, "sales", [{}]), "sales"), "sales", [QualityRule("r", "units > 5", "x")])
    assert [row.losses for row in cleaned.counts.collect()] == [[]]
    counts = cleaned.counts.drop("losses")
    declared = contract("ops.row_count")
    assert [(f.name, f.dataType.simpleString().upper()) for f in counts.schema] == [
        (name, declared.sql_type(name)) for name in declared.columns
    ]
    assert counts.agg(F.sum("rows")).collect()[0][0] == 1

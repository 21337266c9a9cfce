from __future__ import annotations

import random
import re
import zlib
from collections import Counter, defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from lakehouse.errors import ContractError
from lakehouse.feeds.sources import SourceMapping, load_source
from lakehouse.schema.tables import contract
from lakehouse.transforms.silver import dimensions
from lakehouse.transforms.silver.cleaning import CleanedSales, clean_feed, clean_sales
from lakehouse.transforms.silver.planned_daily import planned_daily
from lakehouse.transforms.silver.sales_daily import sales_daily
from tests.lakehouse.bronze_rows import bronze, mapping, read_files
from tests.real_data import find
from udfs.demand.returns import match_cancellations

CANCELLATIONS = {"when": "transaction_id LIKE 'C%' AND units < 0", "match_on": ["customer_id", "sku_id"]}
DAY = date(2024, 1, 1)


def counts(cleaned: CleanedSales) -> dict[tuple[str, str], int]:
    return {(row.outcome, row.rule_id): row.rows for row in cleaned.counts.collect()}


def clean(spark: SparkSession, rows: list[dict[str, Any]], source: SourceMapping, n_buckets: int = 4) -> CleanedSales:
    return clean_sales(bronze(spark, "sales", rows), source, n_buckets, match_cancellations)


def daily(
    spark: SparkSession,
    rows: list[dict[str, Any]],
    source: SourceMapping | None = None,
    feeds: dict[str, list[dict[str, Any]]] | None = None,
    partitions: int | None = None,
) -> DataFrame:
    """silver.sales_daily of hand-written rows; `partitions` spreads every input before the work."""
    feeds = feeds or {}
    source = source or mapping(*feeds)

    def spread(frame: DataFrame) -> DataFrame:
        return frame.repartition(partitions) if partitions else frame

    cleaned = clean_sales(spread(bronze(spark, "sales", rows)), source, 4, match_cancellations)
    others = {
        feed: clean_feed(spread(bronze(spark, feed, feed_rows)), feed, source, 4) for feed, feed_rows in feeds.items()
    }
    return sales_daily(
        cleaned.lines,
        cleaned.series,
        source,
        cleaned.span()[1],
        4,
        prices=others["prices"].accepted if "prices" in others else None,
        promotions=others["promotions"].accepted if "promotions" in others else None,
        stock=dimensions.stock(others["stock"], spark) if "stock" in others else None,
    )


def by_day(frame: DataFrame, column: str) -> dict[int, Any]:
    """Values by day of January 2024."""
    return {row.ds.day: row[column] for row in frame.collect()}


def test_the_series_key_and_its_bucket_are_those_of_any_engine(spark: SparkSession) -> None:
    rows = [{"sku_id": f"sku {i} é", "channel_id": None if i % 2 else "web"} for i in range(50)]
    series = clean(spark, rows, mapping(), n_buckets=7).series.collect()
    assert {row.unique_id for row in series} == {f"sku {i} é|L|{'all' if i % 2 else 'web'}" for i in range(50)}
    assert all(row.bucket == zlib.crc32(row.unique_id.encode()) % 7 for row in series)
    assert all("|".join((row.sku_id, row.location_id, row.channel_id)) == row.unique_id for row in series)


def test_exact_copies_are_duplicates_of_the_first_whatever_they_hold(spark: SparkSession) -> None:
    rows = [
        {"row_hash": "h1", "source_file": "b.csv"},
        {"row_hash": "h1", "source_file": "a.csv", "units": "1"},
        {"row_hash": "h2", "units": "x"},
        {"row_hash": "h2", "units": "x"},
        {"row_hash": "h3", "source_column": "d_1"},
        {"row_hash": "h3", "source_column": "d_2"},
        {"row_hash": ""},
        {"row_hash": ""},
    ]
    cleaned = clean(spark, rows, mapping(drop_exact_duplicates=True))
    assert counts(cleaned) == {
        ("duplicate", "exact_duplicate"): 2,
        ("quarantined", "unparseable_units"): 1,
        ("used", ""): 5,
    }
    used = [(row.source_file, row.source_row) for row in cleaned.lines.collect()]
    assert ("a.csv", 2) in used
    assert ("b.csv", 1) not in used
    kept_all = clean(spark, rows, mapping())
    assert counts(kept_all)["used", ""] == 6


def test_impossible_days_and_signs_are_quarantined(spark: SparkSession) -> None:
    rows = [
        {"ds": "1969-12-31"},
        {"ds": "2024-06-03"},  # ingested on 2024-06-01
        {"ds": "2024-06-02"},
        {"units": "-1"},
        {"units": "-1", "transaction_id": "C1"},
        {"sold_at": "corrupt record: A,L,2024", "sku_id": None, "units": None},
    ]
    assert counts(clean(spark, rows, mapping(cancellations=CANCELLATIONS))) == {
        ("quarantined", "implausible_ds"): 1,
        ("quarantined", "future_ds"): 1,
        ("quarantined", "negative_units"): 1,
        ("quarantined", "cancellation_without_sale"): 1,
        ("quarantined", "corrupt_record"): 1,
        ("used", ""): 1,
    }


def test_a_cancellation_takes_its_units_off_the_day_of_the_sale(spark: SparkSession) -> None:
    buyer = {"customer_id": "K"}
    rows = [
        {**buyer, "ds": "2024-01-01", "units": "5", "unit_price": "2"},
        {**buyer, "ds": "2024-01-02", "units": "3", "unit_price": "2"},
        {**buyer, "ds": "2024-01-04", "units": "-4", "transaction_id": "C1"},
        {**buyer, "ds": "2024-01-05", "units": "-9", "transaction_id": "C2"},
        {"ds": "2024-01-05", "units": "-1", "transaction_id": "C3"},  # no customer
        {"customer_id": "J", "ds": "2024-01-03", "units": "1"},
    ]
    source = mapping(cancellations=CANCELLATIONS)
    cleaned = clean(spark, rows, source)
    assert counts(cleaned) == {
        ("used", ""): 3,
        ("used", "cancellation_matched"): 1,
        ("quarantined", "cancellation_without_sale"): 2,
    }
    quarantined = {row.source_row: row.reason for row in cleaned.quarantined.collect()}
    assert set(quarantined) == {4, 5}
    assert "customer_id = 'K'" in quarantined[4]
    # Last in, first out: 3 of the 4 units come off January 2, one off January 1.
    assert by_day(daily(spark, rows, source), "y") == {1: 4.0, 2: 0.0, 3: 1.0}


def test_a_source_with_cancellations_needs_the_matching(spark: SparkSession) -> None:
    with pytest.raises(ContractError, match="pass the function"):
        clean_sales(bronze(spark, "sales", [{}]), mapping(cancellations=CANCELLATIONS), 4)


def test_series_that_sold_on_too_few_days_are_out_of_scope(spark: SparkSession) -> None:
    rows = [
        {"sku_id": "A", "ds": "2024-01-01"},
        {"sku_id": "A", "ds": "2024-01-01"},
        {"sku_id": "A", "ds": "2024-01-03", "units": "0"},
        {"sku_id": "B", "ds": "2024-01-01"},
        {"sku_id": "B", "ds": "2024-01-02"},
    ]
    cleaned = clean(spark, rows, mapping(min_selling_days=2))
    assert counts(cleaned) == {("out_of_scope", "min_selling_days"): 3, ("used", ""): 2}
    assert {row.unique_id for row in cleaned.lines.collect()} == {"B|L|all"}
    assert cleaned.span() == (date(2024, 1, 1), date(2024, 1, 3))  # a day of the feed, whatever is in scope


def test_gaps_run_from_the_first_line_to_the_feeds_last_day(spark: SparkSession) -> None:
    rows = [{"ds": "2024-01-02", "units": "2"}, {"ds": "2024-01-04", "units": "0"}, {"sku_id": "B", "ds": "2024-01-05"}]
    for rule, fill in (("zero", 0.0), ("unknown", None)):
        frame = daily(spark, rows, mapping(gap_fill=rule))
        assert tuple(frame.columns) == contract("silver.sales_daily").columns
        a = frame.filter("sku_id = 'A'")
        assert by_day(a, "y") == {2: 2.0, 3: fill, 4: 0.0, 5: fill}
        assert by_day(a, "is_filled") == {2: False, 3: True, 4: False, 5: True}
        assert by_day(frame.filter("sku_id = 'B'"), "y") == {5: 1.0}


def test_a_day_adds_its_lines_up(spark: SparkSession) -> None:
    rows = [
        {
            "units": "1",
            "unit_price": "3",
            "discount_value": "0.1",
            "on_hand_qty": "9",
            "sold_at": "2024-01-01 09:00:00",
        },
        {
            "units": "3",
            "unit_price": "1",
            "discount_value": "0.2",
            "on_hand_qty": "0",
            "sold_at": "2024-01-01 18:00:00",
        },
        {"units": "2", "is_promo": "true", "on_hand_qty": "4", "sold_at": "2024-01-01 12:00:00"},
        {"units": "0", "unit_price": "7", "ds": "2024-01-02"},
    ]
    first, second = daily(spark, rows).orderBy("ds").collect()
    assert (first.y, first.unit_price, first.discount_value, first.is_promo) == (6.0, 1.5, 0.3, True)
    assert (first.on_hand_qty, first.is_censored) == (0.0, True)
    assert (second.y, second.unit_price, second.discount_value, second.is_promo) == (0.0, 7.0, None, False)
    assert (second.on_hand_qty, second.is_censored) == (None, False)


def test_the_line_goes_before_the_stock_feed(spark: SparkSession) -> None:
    rows = [{"on_hand_qty": "3"}, {"ds": "2024-01-04"}]
    stock = [{"ds": f"2024-01-0{i}", "on_hand_qty": str(i - 2)} for i in range(1, 4)]
    stock += [{"ds": "2024-01-03", "on_hand_qty": "5"}]  # a correction
    frame = daily(spark, rows, feeds={"stock": stock})
    assert by_day(frame, "on_hand_qty") == {1: 3.0, 2: 0.0, 3: 5.0, 4: None}
    assert by_day(frame, "is_censored") == {1: False, 2: True, 3: False, 4: False}
    assert by_day(frame, "y") == {1: 1.0, 2: 0.0, 3: 0.0, 4: 1.0}


def test_a_price_that_only_the_lines_amount_gives_is_kept(spark: SparkSession, tmp_path: Path) -> None:
    """A till that writes amounts and no prices: bronze has the price from the amount, and so has the day."""
    (tmp_path / "till.csv").write_text("Artikel,Tag,Menge,Umsatz\nA,2024-01-01,3,2.97\nA,2024-01-02,2,2.00\n")
    columns = {
        "sku_id": "Artikel",
        "location_id": {"const": "L"},
        "ds": "Tag",
        "units": "Menge",
        "line_value": "Umsatz",
    }
    source = SourceMapping.model_validate(
        {"name": "till", "feeds": {"sales": {"files": ["till.csv"], "columns": columns}}}
    )
    cleaned = clean_sales(read_files(spark, tmp_path, source), source, 4, match_cancellations)
    frame = sales_daily(cleaned.lines, cleaned.series, source, cleaned.span()[1], 4)
    assert by_day(frame, "unit_price") == pytest.approx({1: 0.99, 2: 1.0})


def test_prices_are_carried_forward_and_never_back(spark: SparkSession) -> None:
    rows = [{"ds": "2024-01-01"}, {"ds": "2024-01-03", "unit_price": "4"}, {"ds": "2024-01-09"}]
    frame = daily(spark, rows)
    assert by_day(frame, "unit_price") == {1: None, 2: None} | dict.fromkeys(range(3, 10), 4.0)
    prices = [
        {"ds_from": "2023-12-01", "ds_to": "2023-12-31", "unit_price": "1"},
        {"ds_from": "2024-01-04", "ds_to": "2024-01-08", "unit_price": "6"},
        {"ds_from": "2024-01-05", "ds_to": "2024-01-06", "unit_price": "5"},  # a mark-down within
    ]
    with_feed = daily(spark, rows, feeds={"prices": prices})
    assert by_day(with_feed, "unit_price") == {1: 1, 2: 1, 3: 4, 4: 6, 5: 5, 6: 5, 7: 6, 8: 6, 9: 6}


def test_a_give_away_does_not_outlast_its_day(spark: SparkSession) -> None:
    rows = [
        {"ds": "2024-01-01", "unit_price": "5"},
        {"ds": "2024-01-02", "unit_price": "0"},
        {"ds": "2024-01-05", "unit_price": "0"},
        {"ds": "2024-01-06", "units": "3"},
    ]
    assert by_day(daily(spark, rows), "unit_price") == {1: 5, 2: 0, 3: 5, 4: 5, 5: 0, 6: 5}
    periods = [{"ds_from": "2024-01-02", "ds_to": "2024-01-03", "unit_price": "0"}]
    stated = daily(spark, [*rows[:1], rows[3]], feeds={"prices": periods})
    assert by_day(stated, "unit_price") == {1: 5, 2: 0, 3: 0, 4: 5, 5: 5, 6: 5}
    always = daily(spark, [{"ds": "2024-01-01", "unit_price": "0"}, {"ds": "2024-01-03"}])
    assert by_day(always, "unit_price") == {1: 0, 2: 0, 3: 0}


def test_what_is_planned_ahead_is_what_the_days_will_say(spark: SparkSession) -> None:
    """The plan made on day 4 for six days equals silver.sales_daily of a feed that has gone on to day 10."""
    prices = [
        {"ds_from": "2024-01-01", "ds_to": "2024-01-05", "unit_price": "6"},
        {"ds_from": "2024-01-06", "unit_price": "7"},  # without an end
        {"ds_from": "2024-01-07", "ds_to": "2024-01-08", "unit_price": "5"},  # a mark-down within
        {"ds_from": "2024-01-01", "ds_to": "2024-01-03", "unit_price": "9", "sku_id": "B"},
    ]
    promotions = [
        {"ds_from": "2024-01-03", "ds_to": "2024-01-06"},
        {"ds_from": "2024-01-05", "ds_to": "2024-01-05"},
        {"ds_from": "2024-01-12", "ds_to": "2024-01-15"},
    ]
    source = mapping("prices", "promotions")
    feeds = {"prices": prices, "promotions": promotions}
    accepted = {feed: clean_feed(bronze(spark, feed, rows), feed, source).accepted for feed, rows in feeds.items()}
    sold = [{"ds": "2024-01-01"}, {"ds": "2024-01-04"}, {"ds": "2024-01-01", "sku_id": "B"}]
    series = clean(spark, sold, source).series
    rows = planned_daily(series, date(2024, 1, 4), 6, **accepted).collect()
    assert {row.unique_id for row in rows} == {"A|L|all"}  # nothing is stated for B
    later = daily(spark, [*sold, {"ds": "2024-01-10"}], source, feeds).filter("ds > '2024-01-04' AND sku_id = 'A'")
    will_be = {row.ds: (row.unit_price, row.is_promo, row.bucket) for row in later.collect()}
    assert {row.ds: (row.unit_price, row.is_promo, row.bucket) for row in rows} == will_be
    assert len(rows) == len(will_be) == 6
    assert planned_daily(series, date(2024, 1, 4), 6).count() == 0
    no_price = planned_daily(series, date(2024, 1, 4), 6, promotions=accepted["promotions"]).collect()
    assert {(row.ds.day, row.unit_price, row.is_promo) for row in no_price} == {(5, None, True), (6, None, True)}


def _doubled(rows: pa.Table) -> pa.Table:
    """A stand-in whose values show which rows it was given: 2 y where stock ran out, and the series' rows so far."""
    ids = rows["unique_id"].to_pylist()
    latent = [2.0 * y if c else y for y, c in zip(rows["y"].to_pylist(), rows["is_censored"].to_pylist(), strict=True)]
    seen = [float(ids[: i + 1].count(u)) for i, u in enumerate(ids)]
    return pa.table({"y_latent": latent, "y_latent_low": rows["y"], "y_latent_high": seen})


def test_latent_demand_is_estimated_from_whole_series_in_order_of_days(spark: SparkSession) -> None:
    rows = [{"ds": f"2024-01-{d:02d}", "units": str(d), "sku_id": s} for d in (1, 2, 5) for s in "ABCDE"]
    stock = [{"ds": "2024-01-02", "on_hand_qty": "0", "sku_id": "A"}]
    cleaned = clean(spark, rows, mapping("stock"))
    counted = dimensions.stock(clean_feed(bronze(spark, "stock", stock), "stock", mapping("stock"), 4), spark)
    frame = sales_daily(
        cleaned.lines, cleaned.series, mapping("stock"), date(2024, 1, 5), 4, stock=counted, latent=_doubled
    )
    found = {(row.sku_id, row.ds.day): row for row in frame.collect()}
    assert len(found) == 25
    for (sku, day), row in found.items():
        is_censored = (sku, day) == ("A", 2)
        assert row.is_censored == is_censored
        assert row.y_latent == (2.0 * row.y if is_censored else row.y)
        assert (row.y_latent_low, row.y_latent_high) == (row.y, float(day))


def test_without_stock_counts_demand_is_what_was_sold(spark: SparkSession) -> None:
    for row in daily(spark, [{"units": "3"}, {"ds": "2024-01-03"}]).collect():
        assert row.y_latent == row.y_latent_low == row.y_latent_high == row.y


def _random_case(seed: int) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    draw = random.Random(seed)

    def day(low: int, high: int) -> str:
        return (DAY + timedelta(days=draw.randrange(low, high))).isoformat()

    sales = [
        {
            "sku_id": draw.choice("AB"),
            "ds": day(0, 25),
            "units": str(draw.choice([0, 1, 2, 0.1, 0.7])),
            "unit_price": draw.choice([None, str(draw.randrange(1, 900) / 100)]),
            "discount_value": str(draw.randrange(100) / 100),
        }
        for _ in range(40)
    ]

    def periods(n: int) -> list[dict[str, Any]]:
        out = []
        for _ in range(n):
            first = date.fromisoformat(day(-10, 30))
            until = first + timedelta(days=draw.randrange(6))
            ds_to = until.isoformat() if draw.random() < 0.8 else None
            out.append({"sku_id": draw.choice("AB"), "ds_from": first.isoformat(), "ds_to": ds_to})
        return out

    prices = [{**period, "unit_price": str(draw.randrange(1, 900) / 100)} for period in periods(draw.randrange(12))]
    return sales, {"prices": prices, "promotions": periods(3)}


def _covering(periods: list[dict[str, Any]], sku: str, day: str) -> list[dict[str, Any]]:
    """Periods of the SKU that cover the day, the last started (then the last stated) at the end."""
    found = [p for p in periods if p["sku_id"] == sku and p["ds_from"] <= day <= (p["ds_to"] or "9999")]
    return sorted(found, key=lambda p: p["ds_from"])


def _brute_force(sales: list[dict[str, Any]], feeds: dict[str, list[dict[str, Any]]]) -> dict[tuple[str, str], tuple]:
    """Day by day from the definitions; prices before a series begins count as known."""
    last = max(row["ds"] for row in sales)
    expected = {}
    for sku in {row["sku_id"] for row in sales}:
        begin = min(row["ds"] for row in sales if row["sku_id"] == sku)
        known = None
        for offset in range(-20, 40):
            day = (DAY + timedelta(days=offset)).isoformat()
            lines = [row for row in sales if row["sku_id"] == sku and row["ds"] == day]
            priced = [(float(r["units"]), float(r["unit_price"])) for r in lines if r["unit_price"]]
            weight = sum(units for units, _ in priced)
            if covering := _covering(feeds["prices"], sku, day):
                known = float(covering[-1]["unit_price"])
            elif weight > 0:
                known = sum(units * price for units, price in priced) / weight
            elif priced:
                known = sum(price for _, price in priced) / len(priced)
            if begin <= day <= last:
                promoted = bool(_covering(feeds["promotions"], sku, day))
                expected[sku, day] = (sum(float(row["units"]) for row in lines), known, promoted, not lines)
    return expected


@pytest.mark.parametrize("seed", range(3))
def test_days_equal_a_brute_force_and_the_same_bits_come_from_any_partitioning(spark: SparkSession, seed: int) -> None:
    sales, feeds = _random_case(seed)
    one = daily(spark, sales, feeds=feeds, partitions=1).collect()
    seven = daily(spark, sales, feeds=feeds, partitions=7).collect()
    assert sorted(map(repr, one)) == sorted(map(repr, seven))  # repr of a float is exact
    expected = _brute_force(sales, feeds)
    assert {(row.sku_id, row.ds.isoformat()) for row in one} == set(expected)
    for row in one:
        y, price, promoted, filled = expected[row.sku_id, row.ds.isoformat()]
        assert row.y == pytest.approx(y, abs=1e-12)
        assert row.unit_price == (price if price is None else pytest.approx(price, abs=1e-12))
        assert (row.is_promo, row.is_filled) == (promoted, filled)


def test_what_comes_later_changes_no_earlier_day(spark: SparkSession) -> None:
    sales, feeds = _random_case(11)
    sales.append({"ds": "2024-01-25"})  # the feed's last day stays
    border = "2024-01-13"

    def changed(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
        return [{**row, "unit_price": "99.99"} if row[key] >= border and "unit_price" in row else row for row in rows]

    later = {"prices": changed(feeds["prices"], "ds_from"), "promotions": feeds["promotions"]}
    before, after = (
        sorted(repr(row) for row in daily(spark, *case).filter(f"ds < '{border}'").collect())
        for case in ((sales, mapping(*feeds), feeds), (changed(sales, "ds"), mapping(*feeds), later))
    )
    assert before == after
    assert before


def test_a_buckets_rows_are_contiguous_and_sorted_by_series(spark: SparkSession, tmp_path: Path) -> None:
    rows = [{"sku_id": f"S{i}", "ds": f"2024-01-0{1 + i % 5}"} for i in range(40)]
    daily(spark, rows, partitions=3).write.partitionBy("bucket").parquet(str(tmp_path / "out"))
    files = list((tmp_path / "out").glob("bucket=*/*.parquet"))
    assert len(files) == len({file.parent for file in files}) == 4
    for file in files:
        frame = pd.read_parquet(file)[["unique_id", "ds"]]
        assert frame.equals(frame.sort_values(["unique_id", "ds"], ignore_index=True))


messy_row = st.fixed_dictionaries(
    {
        "sku_id": st.sampled_from(["A", "A", "B", "", None, "A|B"]),
        "ds": st.sampled_from(["2024-01-01", "2024-01-02", "2024-01-02", "2024-13-01", "", None, "2999-01-01"]),
        "units": st.sampled_from(["1", "2", "5", "0", "-1", "-3", "x", None, "NaN"]),
        "unit_price": st.sampled_from(["1.5", "0", None, "free"]),
        "customer_id": st.sampled_from(["K", "K", "J", None]),
        "transaction_id": st.sampled_from(["1", "2", "C3", "C4", None]),
        "row_hash": st.sampled_from(["", "", "h1", "h2"]),
    }
)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(messy_row, min_size=40, max_size=120), min_days=st.sampled_from([0, 2]))
def test_every_row_has_one_outcome(spark: SparkSession, rows: list[dict[str, Any]], min_days: int) -> None:
    rule = {"id": "non_positive_price", "reject_when": "unit_price <= 0", "reason": "a sale has a price"}
    source = mapping(drop_exact_duplicates=True, cancellations=CANCELLATIONS, min_selling_days=min_days, rules=[rule])
    cleaned = clean(spark, rows, source).persist()
    found = counts(cleaned)
    assert sum(found.values()) == len(rows)
    copies = sum(count - 1 for value, count in Counter(r["row_hash"] for r in rows).items() if value)
    assert found.get(("duplicate", "exact_duplicate"), 0) == copies
    quarantined = Counter(row.rule_id for row in cleaned.quarantined.collect())
    assert quarantined == Counter({rule_id: n for (outcome, rule_id), n in found.items() if outcome == "quarantined"})
    lines = cleaned.lines.collect()
    assert len(lines) == found.get(("used", ""), 0)
    assert all(0 <= line.net_units <= line.units for line in lines)
    if min_days == 0:  # what the matched cancellations took is what the sales lost
        cancelled = cleaned.split.rows.filter("rule_id = 'cancellation_matched'").collect()
        assert sum(-row.units for row in cancelled) == sum(line.units - line.net_units for line in lines)
    cleaned.unpersist()


def test_products_take_the_first_value_stated_and_miss_no_sku(spark: SparkSession) -> None:
    rows = [
        {"sku_id": "A", "product_name": None, "brand": "first"},
        {"sku_id": "A", "product_name": "name", "brand": "second"},
        {"sku_id": "B", "product_name": "b"},
        {"sku_id": None, "product_name": "nothing"},
    ]
    source = mapping("products")
    feed = clean_feed(bronze(spark, "products", rows).repartition(3), "products", source)
    series = clean(spark, [{"sku_id": "A"}, {"sku_id": "Z"}], source).series
    found = {row.sku_id: (row.product_name, row.brand) for row in dimensions.products(feed, series).collect()}
    assert found == {"A": ("name", "first"), "B": ("b", None), "Z": (None, None)}
    outcomes = {(row.outcome, row.rule_id): row.rows for row in feed.counts.collect()}
    assert outcomes == {
        ("used", ""): 2,
        ("duplicate", "repeated_key"): 1,
        ("quarantined", "missing_sku_id"): 1,
    }


def test_without_feeds_the_dimensions_follow_from_the_sales(spark: SparkSession) -> None:
    series = clean(spark, [{"location_id": "X"}, {"location_id": "Y"}], mapping()).series
    places = dimensions.locations(None, series, "GB").collect()
    assert {(row.location_id, row.country) for row in places} == {("X", "GB"), ("Y", "GB")}
    assert dimensions.stock(None, spark).columns == list(contract("silver.stock").columns)
    assert dimensions.supply(None, spark).count() == 0


def test_the_last_supply_terms_stated_count(spark: SparkSession) -> None:
    rows = [{"lead_time_days": "3", "pack_qty": "6"}, {"lead_time_days": "4"}, {"sku_id": "B", "moq_qty": "-2"}]
    feed = clean_feed(bronze(spark, "supply", rows), "supply", mapping("supply"), 4)
    first, second = sorted(dimensions.supply(feed, spark).collect())
    assert (first.unique_id, first.lead_time_days, first.pack_qty) == ("A|L|all", 4.0, None)
    assert first.bucket == zlib.crc32(b"A|L|all") % 4
    assert (second.unique_id, second.moq_qty) == ("B|L|all", None)


def test_a_supply_term_that_is_no_usable_number_costs_itself_alone_and_is_kept_as_stated(spark: SparkSession) -> None:
    cases = [
        ({"pack_qty": "0"}, '{"pack_qty":"0"}'),
        ({"pack_qty": "2.5"}, None),
        ({"moq_qty": "-2", "order_cost": "none"}, '{"order_cost":"none","moq_qty":"-2"}'),
        ({"lead_time_days": " 2-3 "}, '{"lead_time_days":" 2-3 "}'),
        ({"lead_time_days": ""}, None),
        ({"unit_cost": "12345678901234"}, '{"unit_cost":"12345678901234"}'),
        ({"unit_cost": "nan"}, '{"unit_cost":"nan"}'),
    ]
    good = {"lead_time_days": "3", "order_cost": "1", "unit_cost": "2", "moq_qty": "4", "pack_qty": "5"}
    rows = [{"sku_id": f"s{n}"} | good | terms for n, (terms, _) in enumerate(cases)]
    feed = clean_feed(bronze(spark, "supply", rows), "supply", mapping("supply"), 4)
    assert {(row.outcome, row.rule_id) for row in feed.counts.collect()} == {("used", "")}
    found = sorted(dimensions.supply(feed, spark).collect())
    for row, (terms, refused) in zip(found, cases, strict=True):
        assert row.refused_values == refused
        for name, text in good.items():
            value = {"2.5": 2.5}.get(terms[name]) if name in terms else float(text)
            assert row[name] == value, (terms, name)


def test_stock_on_order_that_is_no_number_leaves_the_count(spark: SparkSession) -> None:
    day = {"ds": "2024-01-05", "on_hand_qty": "7"}
    rows = [
        {"sku_id": sku, **day, "on_order_qty": text} for sku, text in zip("ABCD", ("3", "-3", "soon", ""), strict=True)
    ]
    rows.append({"sku_id": "E", "ds": "2024-01-05", "on_hand_qty": "many", "on_order_qty": "3"})
    feed = clean_feed(bronze(spark, "stock", rows), "stock", mapping("stock"), 4)
    found = {
        row.unique_id[0]: (row.on_hand_qty, row.on_order_qty, row.refused_values)
        for row in dimensions.stock(feed, spark).collect()
    }
    assert found == {
        "A": (7.0, 3.0, None),
        "B": (7.0, -3.0, None),
        "C": (7.0, None, '{"on_order_qty":"soon"}'),
        "D": (7.0, None, None),
    }
    assert {row.rule_id for row in feed.quarantined.collect()} == {"unparseable_on_hand_qty"}


def test_the_calendar_holds_events_and_the_holidays_of_the_region(spark: SparkSession) -> None:
    source = mapping("locations", "calendar")
    places = [
        {"location_id": "CA_1", "region": "CA", "country": "US", "latitude": "38.5", "depot_id": "dc"},
        {"location_id": "NY_1", "region": "NY", "country": "US"},
        {"location_id": "Q", "country": "QQ"},
    ]
    events = [
        {"ds": "2024-03-31", "event_name": "Easter"},
        {"ds": "2024-03-31", "event_name": "Brunch"},
        {"ds": "2024-03-31", "event_name": "Easter"},
        {"ds": "2024-03-30", "event_name": "Opening", "location_id": "NY_1"},
        {"ds": "2024-03-29", "event_name": None},
        {"ds": "2024-03-28", "benefit_regions": "NY, CA"},
        {"ds": "2024-03-27", "benefit_regions": "CA", "event_name": "Fair"},
    ]
    split_places = clean_feed(bronze(spark, "locations", places), "locations", source)
    assert [row.rule_id for row in split_places.quarantined.collect()] == ["unknown_country"]
    locations = dimensions.locations(split_places, clean(spark, [{"location_id": "CA_1"}], source).series, None)
    places_of = {row.location_id: (row.latitude, row.longitude, row.depot_id) for row in locations.collect()}
    assert places_of == {"CA_1": (38.5, None, "dc"), "NY_1": (None, None, None)}
    feed = clean_feed(bronze(spark, "calendar", events), "calendar", source)
    shut = spark.createDataFrame(
        [
            ("NY_1", date(2024, 3, 29), True, False),
            ("NY_1", date(2024, 4, 5), True, True),
            ("CA_1", date(2024, 3, 29), False, False),
        ],
        "location_id string, ds date, is_closed boolean, is_closed_planned boolean",
    )
    frame = dimensions.calendar(feed, locations, shut, date(2024, 3, 28), date(2024, 4, 1))
    found = {(row.location_id, row.ds.isoformat()): row for row in frame.collect()}
    assert len(found) == frame.count() == 2 * (5 + dimensions.CALENDAR_DAYS_AHEAD)
    assert max(day for _, day in found) == "2025-04-02"
    chavez = found["CA_1", "2024-03-31"]  # a public holiday in California, not in New York
    assert (chavez.is_holiday, chavez.is_event) == (True, True)
    assert chavez.event_name == "Brunch + Cesar Chavez Day + Easter"
    new_york = found["NY_1", "2024-03-31"]
    assert (new_york.is_holiday, new_york.is_event, new_york.event_name) == (False, True, "Brunch + Easter")
    assert found["NY_1", "2024-03-30"].event_name == "Opening"
    plain = found["CA_1", "2024-03-29"]
    assert (plain.is_holiday, plain.is_event, plain.event_name) == (False, False, None)
    assert found["NY_1", "2024-07-04"].event_name == "Independence Day"
    closed = {key for key, row in found.items() if row.is_closed}
    assert closed == {("NY_1", "2024-03-29"), ("NY_1", "2024-04-05")}
    assert {key for key, row in found.items() if row.is_closed_planned} == {("NY_1", "2024-04-05")}
    benefits = {key for key, row in found.items() if row.is_benefit_day}
    assert benefits == {("CA_1", "2024-03-28"), ("NY_1", "2024-03-28")}
    assert not found["CA_1", "2024-03-28"].is_event


def _online_retail_by_hand(frame: pd.DataFrame) -> tuple[dict[tuple[str, str], int], float]:
    """Counts by outcome and rule, and net units, from the file with pandas and plain loops."""
    found: dict[tuple[str, str], int] = {}
    rows = frame.drop_duplicates()
    found["duplicate", "exact_duplicate"] = len(frame) - len(rows)
    sku = rows.StockCode.astype(str).str.strip().str.upper()
    rows = rows.assign(sku=sku)
    is_cancelled = rows.Invoice.astype(str).str.startswith("C")
    product = sku.map(lambda s: re.fullmatch(r"\d{5}[A-Z]{0,3}|DCGS[0-9A-Z]+|SP\d+", s) is not None)
    rules = {
        "non_product_code": ~product,
        "stock_adjustment": (rows.Quantity < 0) & ~is_cancelled,
        "zero_units": rows.Quantity == 0,
        "non_positive_price": rows.Price <= 0,
    }
    left = pd.Series(True, index=rows.index)
    for rule_id, broken in rules.items():
        if (left & broken).any():
            found["quarantined", rule_id] = int((left & broken).sum())
        left &= ~broken
    used = rows[left].assign(order=range(int(left.sum())))
    total, matched, unmatched = float(used.Quantity[used.Quantity > 0].sum()), 0, 0
    stacks: dict[tuple, list[int]] = defaultdict(list)
    used = used.assign(is_return=used.Quantity < 0).sort_values(["InvoiceDate", "is_return", "order"])
    for customer, code, units in zip(used["Customer ID"], used.sku, used.Quantity, strict=True):
        stack = stacks[customer, code]
        if units > 0:
            stack.append(units)
        elif pd.isna(customer) or -units > sum(stack):
            unmatched += 1
        else:
            matched, wanted, total = matched + 1, -units, total + units
            while wanted:
                take = min(stack[-1], wanted)
                stack[-1] -= take
                wanted -= take
                if not stack[-1]:
                    stack.pop()
    found["used", "cancellation_matched"] = matched
    found["quarantined", "cancellation_without_sale"] = unmatched
    found["used", ""] = int((used.Quantity > 0).sum())
    return found, total


@pytest.mark.real_data
@pytest.mark.slow
def test_online_retail_equals_pandas_to_the_row_and_unit(compiling_spark: SparkSession, tmp_path: Path) -> None:
    spark, folder = compiling_spark, find("online_retail_II")
    source = load_source(Path(__file__).parents[2] / "conf" / "sources" / "online_retail_ii.toml")
    cleaned = clean_sales(read_files(spark, folder, source), source, 16, match_cancellations).persist()
    raw = pd.read_parquet(next(folder.glob("*.parquet")))
    expected, net_units = _online_retail_by_hand(raw)
    assert counts(cleaned) == expected
    assert sum(expected.values()) == len(raw) == 525_461
    assert cleaned.lines.selectExpr("cast(sum(net_units) AS double)").collect()[0][0] == net_units
    cleaned.unpersist()

"""features.group_daily against plain SQL of its definition, extended day by day, and blind to what comes after."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from lakehouse.transforms.features.group_daily import LEVELS, LOOK_BACK_DAYS, SUMS, group_sums, with_levels

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FIRST, DAYS = date(2024, 1, 1), 150
UNTIL = FIRST + timedelta(days=DAYS)
DEPARTMENT = {"a": "food", "b": "food", "c": None}
TREND = ("trailing_mean_7", "trailing_mean_28", "trailing_mean_112")
KEY = ("level", "group_name", "ds")
SALES = "sku_id string, location_id string, ds date, y double, y_latent double"


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


@pytest.fixture(scope="module")
def sales() -> list[tuple[Any, ...]]:
    """Three SKUs in two stores; one starts late and has a gap, one day is not known, one was sold out of stock."""
    rng = random.Random(3)
    rows: list[tuple[Any, ...]] = []
    for sku in DEPARTMENT:
        for store in ("S1", "S2"):
            for number in range(20 if sku == "c" else 0, DAYS):
                if sku == "c" and 60 <= number < 75:
                    continue
                units = float(rng.choice([0, 0, 1, 2, 7]))
                latent = None if (sku, number) == ("a", 44) else units + (1.37 if rng.random() < 0.05 else 0.0)
                rows.append((sku, store, day(number), units, latent))
    return rows


@pytest.fixture(scope="module")
def products(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(list(DEPARTMENT.items()), "sku_id string, department string")


def frame_of(spark: SparkSession, sales: list[tuple[Any, ...]]) -> DataFrame:
    return spark.createDataFrame(sales, SALES)


def rows_of(frame: DataFrame) -> dict[tuple[Any, ...], dict[str, Any]]:
    rows = [row.asDict() for row in frame.collect()]
    found = {tuple(row[name] for name in KEY): row for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def built(spark: SparkSession, sales: list[tuple[Any, ...]], products: DataFrame) -> dict[tuple[Any, ...], Any]:
    return rows_of(with_levels(group_sums(frame_of(spark, sales), products), UNTIL))


def test_levels_are_what_sql_says(sales: list[tuple[Any, ...]], built: dict[tuple[Any, ...], Any]) -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE s (sku_id text, location_id text, ds date, y double, y_latent double, department text)")
    con.executemany(
        "INSERT INTO s VALUES (?, ?, ?, ?, ?, ?)", [(*row, DEPARTMENT[row[0]] or "(none)") for row in sales]
    )
    checked = 0
    for level, by in LEVELS.items():
        name = "concat_ws(' / ', " + ", ".join(by) + ")" if by else "'all'"

        def mean(condition: str, what: str = "d.y_latent") -> str:
            return f"(SELECT avg({what}) FROM d WHERE d.g = k.g AND d.ds <= k.t AND {condition})"

        windows = ", ".join(mean(f"d.ds > k.t - {n}") for n in (7, 28, 112))
        weekday = mean("d.ds > k.t - 56 AND (k.t - d.ds) % 7 = 0")
        share = mean("d.ds > k.t - 28", "d.share")
        found = con.execute(
            f"""WITH d AS (SELECT {name} AS g, ds, sum(y_latent) AS y_latent, avg((y > 0)::int) AS share FROM s
                           WHERE y_latent IS NOT NULL GROUP BY ALL),
                k AS (SELECT g, unnest(generate_series(min(ds), DATE '{UNTIL}', INTERVAL 1 DAY))::date AS t
                      FROM d GROUP BY g)
            SELECT k.g, k.t, d.y_latent, {windows}, {weekday}, {share}
            FROM k LEFT JOIN d ON d.g = k.g AND d.ds = k.t"""
        ).fetchall()
        for group, ds, y, *levels in found:
            row = built[level, group, ds]
            names = (*TREND, "trailing_weekday_mean_8", "trailing_selling_share_28")
            assert row["y_latent"] == (None if y is None else pytest.approx(y))
            assert [row[each] for each in names] == [None if x is None else pytest.approx(x, abs=1e-8) for x in levels]
            checked += 1
    assert checked == len(built)


def test_days_extend_the_table_to_the_same_bits(
    spark: SparkSession, sales: list[tuple[Any, ...]], products: DataFrame, built: dict[tuple[Any, ...], Any]
) -> None:
    """Every day's row is the same when only the look-back before it is at hand, and when nothing after it was known."""
    reached = day(130)
    known = frame_of(spark, [row for row in sales if row[2] <= reached])
    earlier = with_levels(group_sums(known, products), reached)
    assert rows_of(earlier) == {key: row for key, row in built.items() if key[2] <= reached}

    kept = earlier.filter(earlier["ds"] > reached - timedelta(days=LOOK_BACK_DAYS)).select(*SUMS)
    fresh = group_sums(frame_of(spark, [row for row in sales if row[2] > reached]), products)
    extended = rows_of(with_levels(kept.unionByName(fresh), UNTIL))
    after = {key: row for key, row in built.items() if key[2] > reached}
    assert after
    assert {key: row for key, row in extended.items() if key[2] > reached} == after

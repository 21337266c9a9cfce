"""What a day without a usable row means: unknown, closed, a share of a week; never silently nothing sold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakehouse.errors import PromiseError, SourceError
from tests.field.shop import PLAIN, Outcome, take_in

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FIRST, DAYS = date(2024, 1, 1), 70  # a Monday; ten weeks
LAST = FIRST + timedelta(days=DAYS - 1)
BY_PLACE = PLAIN.replace('{ const = "s1" }', '"shop"').replace('["*.csv"]', '["sales.csv"]')


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def write(path: Path, header: str, rows: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def write_sales(folder: Path, is_open: Callable[[str, int], bool], shops: Iterable[str] = ("north", "south")) -> None:
    """Three articles a shop, 4 to 6 units on each day on which it is open."""
    rows = [
        f"{day(number)},{sku},{4 + number % 3},{shop}"
        for number in range(DAYS)
        for shop in shops
        if is_open(shop, number)
        for sku in ("tea", "oil", "rice")
    ]
    write(folder / "sales.csv", "day,sku,qty,shop", rows)


def unknown_days(outcome: Outcome) -> dict[str, set[int]]:
    """Days by number whose demand is unknown, by location; all articles of a location must agree."""
    found: dict[tuple[str, str], set[int]] = {}
    for row in outcome.days():
        days = found.setdefault((row["location_id"], row["sku_id"]), set())
        if row["y"] is None:
            days.add((row["ds"] - FIRST).days)
            assert row["masked_by"] == "closed"
        else:
            assert row["y"] == 4 + (row["ds"] - FIRST).days % 3 or row["is_filled"]
    places = {place for place, _ in found}
    for place in places:
        assert len({frozenset(days) for (name, _), days in found.items() if name == place}) == 1
    return {place: found[place, "tea"] for place in places}


def test_days_without_any_sale_of_a_place_are_closed_not_days_without_demand(
    spark: SparkSession, tmp_path: Path
) -> None:
    shut = {"weeks": set(range(49, 70)), "between": {20, 21, 22, 23}, "never": set()}
    shut["sundays"] = {number for number in range(DAYS) if number % 7 == 6}
    write_sales(tmp_path / "in", lambda shop, number: number not in shut[shop], shut)
    found = take_in(spark, tmp_path / "in", BY_PLACE, tmp_path / "lake", LAST)
    assert unknown_days(found) == shut
    assert {row["is_closed"] for row in found.lake.read_arrow("silver.calendar").to_pylist() if row["ds"] > LAST} == {
        True,
        False,
    }
    ahead = [row for row in found.lake.read_arrow("silver.calendar").to_pylist() if row["ds"] > LAST]
    assert {row["location_id"] for row in ahead if row["is_closed"]} == {"sundays"}
    assert {row["ds"].isoweekday() for row in ahead if row["is_closed"]} == {7}
    assert found.said["sales.closed"] == (
        "2 spells without any sale of a location are taken as closed, not as days without demand: "
        f"between {day(20)} to {day(23)}, weeks {day(49)} to {day(69)}"
    )
    assert found.said["sales.closed_weekdays"] == "closed on 1 weekday, by the sales: sundays Sundays"
    assert "closed 105" in found.said["sales.days_masked"]


def test_what_the_feeds_say_of_opening_counts_before_what_sales_show(spark: SparkSession, tmp_path: Path) -> None:
    sundays = {number for number in range(DAYS) if number % 7 == 6}
    shut = {"stated": sundays | {30}, "open": {40, 41, 42, 43, 44}}
    write_sales(tmp_path / "in", lambda shop, number: number not in shut[shop], shut)
    write(tmp_path / "in" / "places.csv", "shop,open", ["stated,1-6", "open,"])
    events = [f"{day(number)},open,0" for number in range(40, 45)]
    write(tmp_path / "in" / "events.csv", "day,shop,shut", [*events, f"{day(30)},stated,1", f"{day(75)},,1"])
    mapping = f"""{BY_PLACE}
[feeds.locations]
files = ["places.csv"]
[feeds.locations.columns]
location_id = "shop"
open_weekdays = "open"
[feeds.calendar]
files = ["events.csv"]
[feeds.calendar.columns]
ds = "day"
location_id = "shop"
is_closed = "shut"
"""
    found = take_in(spark, tmp_path / "in", mapping, tmp_path / "lake", LAST)
    assert unknown_days(found) == {"stated": shut["stated"], "open": set()}
    assert found.totals["tea"] == sum(
        4 + number % 3 for number in range(DAYS) for shop in shut if number not in shut[shop]
    )
    calendar = found.lake.read_arrow("silver.calendar").to_pylist()
    ahead = {row["location_id"]: set() for row in calendar} | {}
    for row in calendar:
        if row["is_closed"] and DAYS <= (row["ds"] - FIRST).days < DAYS + 14:
            ahead[row["location_id"]].add((row["ds"] - FIRST).days)
    assert ahead == {"stated": {75, 76, 83}, "open": {75}}


@pytest.mark.parametrize(
    ("step", "period", "clean", "expected"),
    [
        (7, "week", 'period = "week"', {0: 3.0, 6: 3.0}),
        (7, "week", 'period = "week"\nweekday_shares = [0, 0, 0, 0, 0.5, 0.5, 0]', {0: 0.0, 4: 10.5, 5: 10.5, 6: 0.0}),
        (7, "week", 'period = "day"', {0: 21.0, 1: None, 7: 21.0}),  # open on Mondays
    ],
)
def test_rows_a_week_apart_are_refused_until_the_mapping_says_what_they_are(
    spark: SparkSession, tmp_path: Path, step: int, period: str, clean: str, expected: dict[int, float | None]
) -> None:
    rows = [f"{day(number)},{sku},21" for number in range(0, 20 * step, step) for sku in ("tea", "oil")]
    write(tmp_path / "in" / "sales.csv", "day,sku,qty", rows)
    as_of = day(20 * step - 1)
    with pytest.raises(SourceError, match=rf"rows a {period} apart .*period = \"{period}\" where it sums up"):
        take_in(spark, tmp_path / "in", PLAIN, tmp_path / "refused", as_of)
    found = take_in(spark, tmp_path / "in", f"{PLAIN}\n[clean]\n{clean}\n", tmp_path / "lake", as_of)
    assert found.totals == {"tea": 420.0, "oil": 420.0}
    tea = {(row["ds"] - FIRST).days: row["y"] for row in found.days() if row["sku_id"] == "tea"}
    assert {number: tea[number] for number in expected} == expected
    if '"week"' in clean:
        assert set(tea) == set(range(20 * step))


def test_months_are_spread_over_their_days_to_the_last_unit(spark: SparkSession, tmp_path: Path) -> None:
    months = [date(2024, number, 1) for number in range(1, 13)]
    write(tmp_path / "in" / "sales.csv", "day,sku,qty", [f"{month},tea,100" for month in months])
    with pytest.raises(SourceError, match="rows a month apart"):
        take_in(spark, tmp_path / "in", PLAIN, tmp_path / "refused", date(2024, 12, 31))
    mapping = f'{PLAIN}\n[clean]\nperiod = "month"\n'
    found = take_in(spark, tmp_path / "in", mapping, tmp_path / "lake", date(2024, 12, 31))
    assert found.span == (date(2024, 1, 1), date(2024, 12, 31))
    by_month: dict[int, float] = {}
    for row in found.days():
        by_month[row["ds"].month] = by_month.get(row["ds"].month, 0.0) + row["y"]
        assert abs(row["y"] - 100 / 30.5) < 0.25
    assert by_month == {number: pytest.approx(100.0, abs=1e-9) for number in range(1, 13)}


def test_a_day_with_a_sale_that_cannot_be_read_is_unknown_and_its_neighbours_are_not(
    spark: SparkSession, tmp_path: Path
) -> None:
    bad = {5: "1;205", 12: "n/a", 19: "", 26: "twelve"}
    rows = [f"{day(number)},tea,{bad.get(number, '7')}" for number in range(DAYS)]
    rows += [f"{day(number)},oil,9" for number in range(DAYS) if number != 33]
    rows += ["2024-02-30,oil,9", f"{day(40)},tea,1"]
    write(tmp_path / "in" / "sales.csv", "day,sku,qty", rows)
    found = take_in(spark, tmp_path / "in", PLAIN, tmp_path / "lake", LAST)
    days = {(row["sku_id"], (row["ds"] - FIRST).days): row for row in found.days()}
    assert {key for key, row in days.items() if row["y"] is None} == {("tea", number) for number in bad}
    assert {row["masked_by"] for row in days.values() if row["y"] is None} == {"rejected_row"}
    assert (days["oil", 33]["y"], days["tea", 40]["y"], days["tea", 6]["y"]) == (0.0, 8.0, 7.0)
    assert found.rejected == {"unparseable_units": 3, "missing_units": 1, "unparseable_ds": 1}
    said = found.said["sales.rows_rejected"]
    assert said.startswith("5 of 141 rows of sales were set aside (3.5%): ")
    assert "sales.csv row 6: units must be a number below 1e12; found units = '1;205'" in said
    strict = f"{PLAIN}\n[clean]\nmax_lost_share = 0.02\n"
    with pytest.raises(PromiseError, match=r"3\.5% of the rows cannot be read, more than clean.max_lost_share = 2\.0%"):
        take_in(spark, tmp_path / "in", strict, tmp_path / "strict", LAST)


def test_days_that_no_shop_sold_on_are_mistyped(spark: SparkSession, tmp_path: Path) -> None:
    mistyped = ["1970-01-01", "1900-01-01", "0204-01-05", "2014-02-03", "2034-02-03", "2042-01-01"]
    rows = [f"{day(number)},{sku},7" for number in range(DAYS) for sku in ("tea", "oil")]
    write(tmp_path / "in" / "sales.csv", "day,sku,qty", [*rows, *(f"{text},tea,7" for text in mistyped)])
    found = take_in(spark, tmp_path / "in", PLAIN, tmp_path / "lake", LAST)
    assert found.span == (FIRST, LAST)
    assert found.totals == {"tea": 490.0, "oil": 490.0}
    assert sum(found.rejected.values()) == len(mistyped)
    window = f"{PLAIN}\n[clean]\nfirst_day = 2024-01-15\nlast_day = 2024-02-29\n"
    within = take_in(spark, tmp_path / "in", window, tmp_path / "window", LAST)
    assert within.span == (date(2024, 1, 15), date(2024, 2, 29))


def test_files_that_state_the_same_again_are_refused_and_tills_are_not(spark: SparkSession, tmp_path: Path) -> None:
    for number, (start, stop) in enumerate([(0, 30), (20, 50), (40, 70)]):
        rows = [f"{day(at)},{sku},{5 + at % 9}" for at in range(start, stop) for sku in ("tea", "oil")]
        write(tmp_path / "rolling" / f"export_{number}.csv", "day,sku,qty", rows)
    with pytest.raises(SourceError, match=r"80 of their 80 rows there .* export_0.csv and export_1.csv.*latest_by"):
        take_in(spark, tmp_path / "rolling", PLAIN, tmp_path / "refused", LAST)
    latest = PLAIN.replace(
        "[feeds.sales.columns]", 'latest_by = ["sku_id", "location_id", "ds"]\n[feeds.sales.columns]'
    )
    found = take_in(spark, tmp_path / "rolling", latest, tmp_path / "latest", LAST)
    once = sum(5 + at % 9 for at in range(DAYS))
    assert found.totals == {"tea": once, "oil": once}
    for till in (1, 2):
        rows = [f"{day(at)},{sku},{5 + (at * till) % 9}" for at in range(DAYS) for sku in ("tea", "oil")]
        write(tmp_path / "tills" / f"till_{till}.csv", "day,sku,qty", rows)
    both = take_in(spark, tmp_path / "tills", PLAIN, tmp_path / "both", LAST)
    assert both.totals["tea"] == once + sum(5 + (at * 2) % 9 for at in range(DAYS))
    assert "280 rows, which are added up" in both.said["sales.files_share_days"]


def test_codes_that_match_nothing_and_twins_are_named(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"{day(number)},{sku},7" for number in range(20) for sku in ("00123", "123", "ab-1", "AB-1", "900")]
    write(tmp_path / "in" / "sales.csv", "day,sku,qty", rows)
    write(tmp_path / "in" / "products.csv", "nr,name", ["SKU-00123,Tea", "SKU-900,Oil"])
    mapping = f"""{PLAIN.replace("*.csv", "sales.csv")}
[feeds.products]
files = ["products.csv"]
[feeds.products.columns]
sku_id = "nr"
product_name = "name"
"""
    found = take_in(spark, tmp_path / "in", mapping, tmp_path / "lake", day(19))
    assert found.said["sales.twins_sku_id"].startswith(
        "2 values of sku_id differ from another one in case or leading zeros alone and are planned apart: "
        "00123 / 123, AB-1 / ab-1"
    )
    assert found.said["products.strangers_sku_id"] == (
        "2 of 2 values of sku_id occur in no sale, such as 'SKU-00123' (sales have '00123'); none matches, so nothing "
        "of this feed is used: are they written in another way?"
    )

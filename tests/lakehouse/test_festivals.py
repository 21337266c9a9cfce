"""Festivals: dates against published lists, days within reach, the stage's table."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pyarrow as pa
import pytest

from jobs.settings import load_settings
from lakehouse.errors import ConfigError
from lakehouse.schema.tables import contract
from lakehouse.transforms.silver.festival_rule import MOVABLE, FestivalRule, movable_days
from lakehouse.transforms.silver.festivals import Spell, festivals, spells

# Month and day of 2001 to 2035, from the Hong Kong Observatory's calendar tables.
LUNAR_NEW_YEAR = (
    "01-24 02-12 02-01 01-22 02-09 01-29 02-18 02-07 01-26 02-14 02-03 01-23 02-10 01-31 02-19 02-08 01-28 02-16 "
    "02-05 01-25 02-12 02-01 01-22 02-10 01-29 02-17 02-06 01-26 02-13 02-03 01-23 02-11 01-31 02-19 02-08"
)
DRAGON_BOAT = (
    "06-25 06-15 06-04 06-22 06-11 05-31 06-19 06-08 05-28 06-16 06-06 06-23 06-12 06-02 06-20 06-09 05-30 06-18 "
    "06-07 06-25 06-14 06-03 06-22 06-10 05-31 06-19 06-09 05-28 06-16 06-05 06-24 06-12 06-01 06-20 06-10"
)
MID_AUTUMN = (
    "10-01 09-21 09-11 09-28 09-18 10-06 09-25 09-14 10-03 09-22 09-12 09-30 09-19 09-08 09-27 09-15 10-04 09-24 "
    "09-13 10-01 09-21 09-10 09-29 09-17 10-06 09-25 09-15 10-03 09-22 09-12 10-01 09-19 09-08 09-27 09-16"
)
# Easter Sunday, from the tables of the U.S. Census Bureau.
EASTER = (
    "04-15 03-31 04-20 04-11 03-27 04-16 04-08 03-23 04-12 04-04 04-24 04-08 03-31 04-20 04-05 03-27 04-16 04-01 "
    "04-21 04-12 04-04 04-17 04-09 03-31 04-20 04-05 03-28 04-16 04-01 04-21 04-13 03-28 04-17 04-09 03-25"
)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("lunar_new_year", LUNAR_NEW_YEAR),
        ("dragon_boat", DRAGON_BOAT),
        ("mid_autumn", MID_AUTUMN),
        ("easter", EASTER),
    ],
)
def test_dates_that_move_are_those_that_are_published(name: str, published: str) -> None:
    days = [date.fromisoformat(f"{2001 + k}-{text}") for k, text in enumerate(published.split())]
    assert len(days) == 35
    assert [day for year in range(2001, 2036) for day in movable_days(name, year)] == days


def test_a_day_off_for_a_holiday_of_a_weekend_is_no_festival_of_its_own() -> None:
    """Christmas of 2010 was a Saturday, Independence Day of 2010 a Sunday."""
    found = spells({}, "US", None, date(2010, 6, 1), date(2011, 1, 31))
    days = {(each.festival, each.first) for each in found}
    assert ("Christmas Day", date(2010, 12, 25)) in days
    assert ("Independence Day", date(2010, 7, 4)) in days
    assert not {date(2010, 12, 24), date(2010, 7, 5)} & {day for _, day in days}


def test_a_year_may_hold_two_of_the_moons_and_none_that_is_unknown() -> None:
    assert movable_days("ramadan", 2030) == (date(2030, 1, 5), date(2030, 12, 26))
    with pytest.raises(ConfigError, match="no date of diwali is known for 2040"):
        movable_days("diwali", 2040)
    for name in MOVABLE:
        days = [day for year in range(2001, 2036) for day in movable_days(name, year)]
        assert all(340 <= (b - a).days <= 390 for a, b in pairwise(days)), name


@pytest.mark.parametrize(
    ("rule", "year", "day"),
    [
        (FestivalRule(weekday="Thu 4 11", shift_days=1), 2024, date(2024, 11, 29)),  # Black Friday
        (FestivalRule(weekday="Thu 4 11", shift_days=4), 2025, date(2025, 12, 1)),  # Cyber Monday
        (FestivalRule(weekday="Mon -1 5"), 2026, date(2026, 5, 25)),  # Memorial Day
        (FestivalRule(day="02-29"), 2025, date(2025, 2, 28)),
        (FestivalRule(day="11-11"), 2025, date(2025, 11, 11)),
    ],
)
def test_rules_name_days(rule: FestivalRule, year: int, day: date) -> None:
    assert rule.first_days(year) == [day]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "expected one of movable, day, weekday and dates, found none"),
        ({"day": "11-11", "movable": "easter"}, "expected one of movable, day, weekday and dates, found"),
        ({"day": "02-30"}, "expected month and day such as 11-11, found '02-30'"),
        ({"weekday": "Thu 6 11"}, "expected weekday, number and month such as 'Thu 4 11'"),
        ({"movable": "pi"}, "expected one of easter, lunar_new_year"),
        ({"day": "11-11", "countries": ("DE", "XX")}, "expected ISO 3166 alpha-2 codes .* found XX"),
        ({"day": "11-11", "days_before": -1}, "days_before: expected 0 to 60, found -1"),
    ],
)
def test_a_rule_that_says_no_day_is_refused(said: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FestivalRule(**said)  # type: ignore[arg-type]


def test_a_planner_adds_a_festival_by_a_setting() -> None:
    settings = load_settings(overrides=['festivals.anniversary={day="05-05", days_before=2}'])
    assert settings.festivals["anniversary"] == FestivalRule(day="05-05", days_before=2)
    assert settings.festivals["easter"].movable == "easter"
    with pytest.raises(ConfigError, match="expected month and day"):
        load_settings(overrides=['festivals.anniversary={day="13-05"}'])


def test_a_planner_states_dates_and_takes_a_rule_out() -> None:
    said = ["festivals.sale.dates=[2024-03-07, 2025-02-27]", "festivals.halloween.is_kept=false"]
    rules = load_settings(overrides=said).festivals
    assert rules["sale"].first_days(2025) == [date(2025, 2, 27)]
    assert rules["sale"].first_days(2026) == []
    names = {each.festival for each in spells(rules, "US", None, date(2024, 1, 1), date(2024, 12, 31))}
    assert {"sale", "thanksgiving"} <= names
    assert "halloween" not in names


def test_a_year_that_no_festival_of_the_place_can_reach_need_not_be_known() -> None:
    rules = {"diwali": FestivalRule(movable="diwali", days_before=20, countries=("IN",))}
    assert spells(rules, "IN", None, date(2001, 1, 5), date(2035, 12, 1))
    assert spells(rules, "DE", None, date(2040, 1, 5), date(2041, 12, 1))
    with pytest.raises(ConfigError, match=r"no date of diwali is known for 2036; state them by `dates`"):
        spells(rules, "IN", None, date(2035, 1, 5), date(2036, 2, 1))


def test_weekend_days_that_make_up_for_a_holiday_are_told() -> None:
    found = spells({}, "CN", None, date(2024, 1, 1), date(2024, 12, 31))
    worked = [each.first for each in found if each.festival == "make_up_workday"]
    # State Council, General Office, notice 7 of 2023.
    stated = "02-04 02-18 04-07 04-28 05-11 09-14 09-29 10-12"
    assert worked == [date.fromisoformat(f"2024-{text}") for text in stated.split()]
    assert not any("substituted" in each.festival for each in found)


def test_days_count_from_the_first_and_distance_from_the_nearest() -> None:
    rows = list(Spell("feast", date(2024, 1, 1), 2, 2, 1).rows(date(2023, 12, 31), date(2024, 1, 9)))
    assert rows == [
        (date(2023, 12, 31), "feast", -1, 1, "before"),
        (date(2024, 1, 1), "feast", 0, 0, "on"),
        (date(2024, 1, 2), "feast", 1, 0, "on"),
        (date(2024, 1, 3), "feast", 2, 1, "after"),
    ]


def test_a_public_holiday_stands_for_itself_unless_a_rule_holds_its_day() -> None:
    rules = {"easter": FestivalRule(movable="easter", shift_days=-2, days=4, countries=("DE",))}
    found = spells(rules, "DE", None, date(2024, 3, 1), date(2024, 6, 1))
    names = {each.festival for each in found}
    assert {"easter", "Ascension Day", "Labor Day"} <= names
    assert not {"Good Friday", "Easter Monday"} & names
    assert spells(rules, None, None, date(2024, 3, 1), date(2024, 6, 1)) == []


def test_the_table_holds_each_place_s_festivals() -> None:
    rules = {
        "lunar_new_year": FestivalRule(movable="lunar_new_year", days_before=5, countries=("CN",)),
        "sale": FestivalRule(day="01-20", days_before=1, days_after=0),
    }
    places = pa.table(
        {"location_id": ["b", "a", "c"], "country": [None, "CN", "CN"], "region": pa.nulls(3, pa.string())}
    )
    table = festivals(places, rules, date(2024, 1, 15), date(2024, 2, 12))
    assert table.schema == contract("silver.festival").arrow_schema()
    rows = table.to_pylist()
    at = {(row["location_id"], row["festival"], row["ds"]): row for row in rows}
    assert len(at) == len(rows)
    day = date(2024, 2, 10)
    assert {row["location_id"] for row in rows if row["festival"] == "lunar_new_year"} == {"a", "c"}
    assert at["a", "lunar_new_year", day - timedelta(days=5)]["festival_day"] == -5
    assert at["a", "lunar_new_year", day]["festival_phase"] == "on"
    assert {row["location_id"] for row in rows if row["festival"] == "sale"} == {"a", "b", "c"}
    assert min(row["ds"] for row in rows) >= date(2024, 1, 15)
    assert festivals(places.slice(0, 0), rules, day, day).num_rows == 0


def test_the_nearer_of_two_years_counts() -> None:
    rules = {"ramadan": FestivalRule(movable="ramadan", days=1, days_before=60, days_after=60, countries=("SA",))}
    places = pa.table({"location_id": ["a"], "country": ["SA"], "region": pa.nulls(1, pa.string())})
    table = festivals(places, rules, date(2030, 1, 1), date(2030, 12, 31))
    rows = {row["ds"]: row for row in table.to_pylist() if row["festival"] == "ramadan"}
    assert len(rows) == 65 + 66
    assert rows[date(2030, 2, 1)]["festival_day"] == 27
    assert rows[date(2030, 12, 1)]["festival_day"] == -25

"""Mistyped days, summed periods and days without trade, on censuses made to be one or the other."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from udfs.demand.trading_days import closures, stray_days, summed_period

FIRST = date(2024, 1, 1)  # a Monday


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def census(places: dict[str, dict[int, tuple[int, int]]]) -> pa.Table:
    """(rows, rows with a sale) by location and day number."""
    rows = [
        {"location_id": place, "ds": day(number), "rows": count, "sold": sold}
        for place, days in places.items()
        for number, (count, sold) in days.items()
    ]
    schema = pa.schema([("location_id", pa.string()), ("ds", pa.date32()), ("rows", pa.int64()), ("sold", pa.int64())])
    return pa.Table.from_pylist(rows, schema)


def trade(days: object, rows: int = 40) -> dict[int, tuple[int, int]]:
    return {int(number): (rows, rows) for number in days}  # type: ignore[attr-defined]


def spells(days: dict[int, tuple[int, int]], last: int) -> list[tuple[str, int, int]]:
    found = closures(census({"s": days}), day(last))
    return [(spell.kind, (spell.first - FIRST).days, (spell.last - FIRST).days) for spell in found]


@pytest.mark.parametrize("number", [-19_723, -3_000, -366, 500, 4_000])
@pytest.mark.parametrize(("rows", "days"), [(40, 100), (2, 60), (1, 30)])
def test_a_row_far_from_all_others_is_mistyped(number: int, rows: int, days: int) -> None:
    found = stray_days(census({"s": trade(range(days), rows) | {number: (1, 1)}}))
    assert found == [day(number)]


def test_seasons_and_late_openings_are_no_typing_errors() -> None:
    summers = [number for year in range(4) for number in range(365 * year, 365 * year + 100)]
    assert stray_days(census({"s": trade(summers, 3)})) == []
    assert stray_days(census({"s": trade(range(0, 2_000, 200), 1)})) == []
    assert stray_days(census({"old": trade(range(-600, -400)), "new": trade(range(100))})) == []
    assert stray_days(census({})) == []


def test_periods_are_told_from_days() -> None:
    weeks, months = range(0, 140, 7), [0, 31, 60, 91, 121, 152, 182]
    assert summed_period(census({"s": trade(weeks)})) == "week"
    assert summed_period(census({"s": trade([*range(0, 70, 7), *range(84, 140, 7)])})) == "week"
    assert summed_period(census({"s": trade(months)})) == "month"
    assert summed_period(census({"s": trade(weeks), "t": trade(range(2, 140, 7))})) is None
    assert summed_period(census({"s": trade(range(0, 28, 7))})) is None, "four rows say nothing"
    assert summed_period(census({"s": trade(range(100))})) is None


def test_a_spell_without_trade_of_a_busy_place_is_a_closure() -> None:
    assert spells(trade([*range(50), *range(60, 100)]), 99) == [("closed", 50, 59)]
    assert spells(trade(range(80)), 99) == [("closed", 80, 99)]
    assert spells(trade(range(50)), 199) == [("gone", 50, 199)]
    assert spells(trade(range(100)), 99) == []
    assert spells(trade([*range(41), *range(42, 100)]), 99) == [("closed", 41, 41)], "busy: a day is no chance"


def test_closed_weekdays_are_found_and_do_not_make_spells() -> None:
    open_days = [number for number in range(140) if number % 7 != 6]
    assert spells(trade(open_days), 139) == [("weekday", number, number) for number in range(6, 140, 7)]
    holiday = [number for number in open_days if number not in range(70, 84)]
    found = spells(trade(holiday), 139)
    assert [spell for spell in found if spell[0] == "closed"] == [("closed", 70, 82)]
    assert sum(spell[0] == "weekday" for spell in found) == 20


def test_days_without_a_sale_of_a_slow_place_are_chance_until_they_are_many() -> None:
    rng = np.random.default_rng(5)
    slow = [number for number in range(400) if rng.random() < 0.6]
    assert spells(trade(slow, 1), 399) == []
    gap = [number for number in slow if not 200 <= number < 230]
    [(kind, first, last)] = spells(trade(gap, 1), 399)
    assert kind == "closed"
    assert first <= 200
    assert last >= 229


def test_stated_zeros_are_days_of_trade_until_three_in_a_row() -> None:
    def stated(zeros: list[int]) -> dict[int, tuple[int, int]]:
        return {number: (40, 0 if number in zeros else 40) for number in range(100)}

    assert spells(stated([30]), 99) == []
    assert spells(stated([30, 31]), 99) == []
    assert spells(stated([30, 31, 32]), 99) == [("closed", 30, 32)]


def test_each_place_is_judged_by_itself_and_from_its_first_sale() -> None:
    found = closures(
        census({"a": trade([*range(50), *range(60, 100)]), "b": trade(range(70, 100)), "c": {5: (3, 0)}}), day(99)
    )
    assert [(spell.location_id, spell.kind) for spell in found] == [("a", "closed")]

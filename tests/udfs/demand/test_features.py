"""The daily features against SQL, against the future, and against themselves computed day by day."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from math import isqrt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.real_data import find
from tests.udfs.demand.feature_frames import FIRST_DAY, calendar_of, hard_history, history_of, m5_history
from tests.udfs.demand.feature_oracle import differences, features_by_sql
from udfs.demand.features.sku_features import FeatureSpec, sku_daily_features

SPEC = FeatureSpec()
NO_CALENDAR = pa.table(
    {
        "location_id": pa.array([], pa.string()),
        "ds": pa.array([], pa.date32()),
        "is_holiday": pa.array([], pa.bool_()),
        "is_event": pa.array([], pa.bool_()),
    }
)


def days_from(first: date | None, last: date | None, table: pa.Table) -> pa.Table:
    keep = pc.is_valid(table["ds"])
    if first is not None:
        keep = pc.and_(keep, pc.greater_equal(table["ds"], pa.scalar(first)))
    if last is not None:
        keep = pc.and_(keep, pc.less_equal(table["ds"], pa.scalar(last)))
    return table.filter(keep)


def to_the_bit(table: pa.Table) -> dict[str, tuple[list[bool], list[object]]]:
    """Return the nulls and values of each column, doubles as their bits."""
    bits = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        values = column.drop_null()
        if pa.types.is_floating(values.type):
            values = pa.array(np.array(values.to_numpy(zero_copy_only=False)).view(np.int64))
        bits[name] = (column.is_null().to_pylist(), values.to_pylist())
    return bits


def column(table: pa.Table, name: str, unique_id: str) -> list[float | None]:
    return table.filter(pc.equal(table["unique_id"], unique_id))[name].to_pylist()


def test_hard_series_equal_sql() -> None:
    history = hard_history()
    calendar = calendar_of(history)
    assert differences(sku_daily_features(history, calendar), features_by_sql(history, calendar)) == []


@pytest.mark.real_data
def test_real_m5_rows_equal_sql() -> None:
    history, calendar = m5_history(find("m5"))
    found = sku_daily_features(history, calendar)
    assert found.num_rows == 40 * 391
    assert differences(found, features_by_sql(history, calendar)) == []


def test_schema_nulls_and_dictionaries() -> None:
    history = hard_history()
    calendar = calendar_of(history)
    found = sku_daily_features(history, calendar)
    assert found.schema == SPEC.schema()
    assert not any(np.isnan(c.drop_null().to_numpy()).any() for c in found if pa.types.is_floating(c.type))
    y = history["y"].to_numpy()  # nulls become NaN here
    as_nan = history.set_column(3, "y", pa.array(y))
    assert sku_daily_features(as_nan, calendar).equals(found)
    coded = history
    for at, name in ((0, "unique_id"), (1, "location_id")):
        coded = coded.set_column(at, name, coded[name].dictionary_encode())
    chunks = pa.concat_tables([coded.slice(i, 50) for i in range(0, coded.num_rows, 50)])
    assert sku_daily_features(chunks, calendar).equals(found)


def test_deviation_of_huge_units_keeps_its_digits() -> None:
    """Units near 1e9 that differ by one: the exact variance in fractions is the oracle."""
    y = [1e9 + (i * i) % 3 for i in range(57)]
    found = column(sku_daily_features(history_of([("huge", FIRST_DAY, y)]), NO_CALENDAR), "rolling_std_56", "huge")
    units = [Fraction(v) for v in y[:56]]
    mean = sum(units) / 56
    variance = sum((u - mean) ** 2 for u in units) / 55
    exact = isqrt(int(variance * 10**40)) / 10**20
    assert found[-1] == pytest.approx(exact, rel=1e-12)


def test_emits_only_the_days_asked_for_and_never_reads_behind_them() -> None:
    history = hard_history()
    calendar = calendar_of(history)
    first, last = FIRST_DAY + timedelta(days=70), FIRST_DAY + timedelta(days=131)
    full = sku_daily_features(history, calendar)
    later = pc.greater(history["ds"], pa.scalar(last))
    poisoned = history.set_column(3, "y", pc.if_else(later, pa.scalar(np.inf), history["y"]))
    found = sku_daily_features(poisoned, calendar, first_ds=first, last_ds=last)
    assert to_the_bit(found) == to_the_bit(days_from(first, last, full))
    assert sku_daily_features(history, calendar, first_ds=date(2030, 1, 1)).num_rows == 0
    assert sku_daily_features(history.slice(0, 0), calendar).schema == SPEC.schema()


units = st.one_of(st.none(), st.sampled_from([0.0, 0.0, 1.0, 2.5, 1e9]), st.integers(0, 9).map(float))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), series=st.lists(st.lists(units, min_size=1, max_size=90), min_size=1, max_size=3))
def test_units_sold_on_or_after_a_day_change_none_of_its_features(
    data: st.DataObject, series: list[list[float | None]]
) -> None:
    history = history_of([(f"s{i}", FIRST_DAY, y) for i, y in enumerate(series)])
    calendar = calendar_of(history)
    day = FIRST_DAY + timedelta(days=data.draw(st.integers(0, 89), label="changed from day"))
    later = pc.greater_equal(history["ds"], pa.scalar(day))
    other = data.draw(st.lists(units, min_size=history.num_rows, max_size=history.num_rows), label="other units")
    changed = history.set_column(3, "y", pc.if_else(later, pa.array(other, pa.float64()), history["y"]))
    before, after = (
        days_from(None, day, sku_daily_features(table, calendar).drop_columns("y")) for table in (history, changed)
    )
    assert to_the_bit(before) == to_the_bit(after)


@pytest.mark.parametrize("new_days", [1, 2, 9])
@pytest.mark.parametrize("until", [3, 57, 130, 140])
def test_new_days_from_the_lookback_equal_the_full_rebuild(until: int, new_days: int) -> None:
    history = hard_history()
    calendar = calendar_of(history)
    first = FIRST_DAY + timedelta(days=until)
    last = first + timedelta(days=new_days - 1)
    yesterday = sku_daily_features(history, calendar, last_ds=first - timedelta(days=1))
    carry = days_from(first - timedelta(days=1), None, yesterday)
    lookback = days_from(first - timedelta(days=SPEC.lookback_days), last, history)
    found = sku_daily_features(lookback, calendar, first_ds=first, last_ds=last, carry=carry)
    full = sku_daily_features(history, calendar)
    assert found.num_rows > 0
    assert to_the_bit(found) == to_the_bit(days_from(first, last, full))


def spoiled(how: str) -> pa.Table:
    history = hard_history()
    at = history["unique_id"].to_pylist().index("d|gappy") + 10
    head, row, tail = history.slice(0, at), history.slice(at, 1), history.slice(at + 1)
    parts = {
        "gap": [head, tail],
        "twice": [head, row, row, tail],
        "unsorted days": [head, tail.slice(0, 1), row, tail.slice(1)],
        "unsorted ids": [history.slice(at - 10), history.slice(0, at - 10)],
    }
    return pa.concat_tables(parts[how]).combine_chunks()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("gap", r"'d\|gappy'.*a row for every day, found 2015-12-31 right after 2015-12-29"),
        ("twice", r"'d\|gappy'.*one row per day, found 2015-12-30 twice"),
        ("unsorted days", r"'d\|gappy'.*found 2015-12-31 right after 2015-12-29"),
        ("unsorted ids", r"sorted by \(unique_id, ds\), found unique_id 'a\|all_null' after 'l\|returns'"),
    ],
)
def test_rows_out_of_order_are_refused(how: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sku_daily_features(spoiled(how), NO_CALENDAR)


def test_wrong_input_is_refused() -> None:
    history = hard_history()
    whole = history.set_column(3, "y", pa.array(np.ones(history.num_rows, np.int64)))
    with pytest.raises(TypeError, match=r"history\.y: expected double, found int64"):
        sku_daily_features(whole, NO_CALENDAR)
    with pytest.raises(TypeError, match="found no \\['is_promo'\\]"):
        sku_daily_features(history.drop_columns("is_promo"), NO_CALENDAR)
    infinite = history.set_column(3, "y", pc.if_else(pc.equal(history["y"], 7.5), np.inf, history["y"]))
    with pytest.raises(ValueError, match=r"'j\|one_sale'.*finite y, found inf"):
        sku_daily_features(infinite, NO_CALENDAR)
    moved = pa.array(["north"] * 20 + ["south"] * (history.num_rows - 20))
    with pytest.raises(ValueError, match=r"'a\|all_null'.*one location_id, found north and south"):
        sku_daily_features(history.set_column(1, "location_id", moved), NO_CALENDAR)
    nameless = pa.array([None, *history["unique_id"].to_pylist()[1:]], pa.string())
    with pytest.raises(ValueError, match="unique_id: expected no null, found 1"):
        sku_daily_features(history.set_column(0, "unique_id", nameless), NO_CALENDAR)
    calendar = calendar_of(history)
    with pytest.raises(ValueError, match="calendar: expected one row per location and day, found 2"):
        sku_daily_features(history, pa.concat_tables([calendar, calendar.slice(3, 1)]))


def test_a_carry_that_does_not_fit_is_refused() -> None:
    history = hard_history()
    first = FIRST_DAY + timedelta(days=100)
    carry = days_from(first - timedelta(days=1), first - timedelta(days=1), sku_daily_features(history, NO_CALENDAR))
    short = days_from(first - timedelta(days=20), first, history)
    with pytest.raises(ValueError, match=r"'b\|all_zero': expected 56 days before .* found 20; read the whole"):
        sku_daily_features(short, NO_CALENDAR, first_ds=first, carry=carry)
    with pytest.raises(ValueError, match="the day before first_ds, found"):
        sku_daily_features(history, NO_CALENDAR, first_ds=first + timedelta(days=1), carry=carry)
    with pytest.raises(ValueError, match="expected first_ds"):
        sku_daily_features(history, NO_CALENDAR, carry=carry)


@pytest.mark.parametrize("wrong", [{"lags": ()}, {"windows": (28, 7)}, {"weekday_weeks": (0,)}, {"price_window": 0}])
def test_spec_refuses_what_it_cannot_compute(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FeatureSpec(**wrong)

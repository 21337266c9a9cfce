from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.real_data import find
from udfs.demand.returns import match_cancellations

Line = tuple[str | None, int, int, float]  # group, time, line id, units


def table(lines: list[Line]) -> pa.Table:
    names = ["group_id", "sold_at", "line_id", "units"]
    columns = list(zip(*lines, strict=True)) or [[]] * 4
    types = [pa.string(), pa.int64(), pa.int64(), pa.float64()]
    return pa.table([pa.array(list(c), t) for c, t in zip(columns, types, strict=True)], names=names)


def matched(lines: list[Line]) -> tuple[dict[int, float], dict[int, bool | None]]:
    result = match_cancellations(table(lines))
    ids = result["line_id"].to_pylist()
    assert ids == [line[2] for line in lines]
    return (
        {i: v for i, v in zip(ids, result["reversed_units"].to_pylist(), strict=True) if v},
        {i: v for i, v in zip(ids, result["is_matched"].to_pylist(), strict=True) if v is not None},
    )


def brute_force(lines: list[Line]) -> tuple[dict[int, float], dict[int, bool | None]]:
    """For each cancellation in order of time, look at all sales afresh, unit by unit."""
    taken: dict[int, float] = {}
    verdict: dict[int, bool | None] = {}
    for group, time, line, units in sorted((x for x in lines if x[3] < 0), key=lambda x: (x[1], x[2])):
        stock = []  # one entry per unit that is left, the oldest first
        for g, t, i, u in sorted((x for x in lines if x[3] > 0), key=lambda x: (x[1], x[2])):
            if g is not None and g == group and t <= time:
                stock += [i] * int(u - taken.get(i, 0))
        need = int(-units)
        verdict[line] = len(stock) >= need
        if verdict[line]:
            for i in stock[len(stock) - need :]:
                taken[i] = taken.get(i, 0) + 1
    return taken, verdict


def test_the_most_recent_sale_is_reversed_first() -> None:
    assert matched([("a", 1, 1, 5), ("a", 2, 2, 3), ("a", 3, 3, -4)]) == ({2: 3.0, 1: 1.0}, {3: True})


def test_a_cancellation_is_matched_whole_or_not_at_all() -> None:
    assert matched([("a", 1, 1, 5), ("a", 2, 2, -6), ("a", 3, 3, -5)]) == ({1: 5.0}, {2: False, 3: True})


def test_a_later_sale_and_another_group_are_no_match() -> None:
    assert matched([("a", 2, 1, 5), ("b", 1, 2, 5), ("a", 1, 3, -5)]) == ({}, {3: False})


def test_a_sale_at_the_same_time_comes_first_whatever_its_line_id() -> None:
    assert matched([("a", 1, 9, 2), ("a", 1, 1, -2)]) == ({9: 2.0}, {1: True})


def test_units_are_taken_once() -> None:
    lines: list[Line] = [("a", 1, 1, 4), ("a", 2, 2, -3), ("a", 3, 3, -3), ("a", 4, 4, 2), ("a", 5, 5, -3)]
    assert matched(lines) == ({1: 4.0, 4: 2.0}, {2: True, 3: False, 5: True})


def test_no_group_matches_nothing_and_zero_units_are_neither() -> None:
    assert matched([(None, 1, 1, 5), (None, 2, 2, -5), ("a", 1, 3, 0)]) == ({}, {2: False})


def test_fractional_units_are_matched_despite_rounding() -> None:
    reversed_units, verdict = matched([("a", 1, 1, 0.1), ("a", 2, 2, 0.2), ("a", 3, 3, -0.3)])
    assert verdict == {3: True}
    assert sum(reversed_units.values()) == pytest.approx(0.3)


LINES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.integers(0, 6),
        st.integers(-5, 6).map(float),
    ),
    max_size=25,
).map(lambda rows: [(g, t, i, u) for i, (g, t, u) in enumerate(rows)])


@settings(max_examples=200, deadline=None)
@given(lines=LINES, seed=st.integers(0, 99))
def test_equals_brute_force_in_any_row_order_and_conserves_units(lines: list[Line], seed: int) -> None:
    expected = brute_force(lines)
    shuffled = [lines[i] for i in np.random.default_rng(seed).permutation(len(lines))]
    reversed_units, verdict = matched(shuffled)
    assert (reversed_units, verdict) == expected
    units = {line: u for _, _, line, u in lines}
    assert sum(reversed_units.values()) == -sum(units[i] for i, is_matched in verdict.items() if is_matched)
    assert all(0 <= taken <= units[i] for i, taken in reversed_units.items())


def test_keys_of_several_columns_and_timestamps() -> None:
    start = datetime(2010, 1, 1, 9, 30)
    lines = pa.table(
        {
            "customer": [1.0, 1.0, 2.0, 1.0, None],
            "sku": ["x", "y", "x", "x", "x"],
            "sold_at": [start + timedelta(minutes=m) for m in (0, 1, 2, 3, 4)],
            "line_id": ["r0", "r1", "r2", "r3", "r4"],
            "units": pa.array([4, 4, 4, -4, -4], pa.int32()),
        }
    )
    result = match_cancellations(lines, ["customer", "sku"])
    assert result["reversed_units"].to_pylist() == [4.0, 0.0, 0.0, 0.0, 0.0]
    assert result["is_matched"].to_pylist() == [None, None, None, True, False]


def test_empty_input() -> None:
    assert match_cancellations(table([])).num_rows == 0


def test_bad_input_is_refused_by_name() -> None:
    good = table([("a", 1, 1, 5), ("a", 2, 2, -5)])
    with pytest.raises(ValueError, match=r"missing \['units'\]"):
        match_cancellations(good.drop_columns(["units"]))
    with pytest.raises(ValueError, match="expected 2 different ids, found 1"):
        match_cancellations(table([("a", 1, 1, 5), ("a", 2, 1, -5)]))
    with pytest.raises(ValueError, match="units: expected finite units"):
        match_cancellations(good.set_column(3, "units", pa.array([1.0, None])))
    with pytest.raises(ValueError, match="sold_at: expected a value in every line, found 1 NULL"):
        match_cancellations(good.set_column(1, "sold_at", pa.array([1, None])))


@pytest.mark.real_data
def test_real_invoices_conserve_units_and_leave_no_sale_below_zero() -> None:
    frame = pd.read_parquet(find("online_retail_II") / "online_retail_2009_2010.parquet")
    lines = pa.table(
        {
            "customer": pa.array(frame["Customer ID"], from_pandas=True),
            "sku": frame["StockCode"].astype(str),
            "sold_at": pd.to_datetime(frame["InvoiceDate"]),
            "line_id": np.arange(len(frame)),
            "units": frame["Quantity"],
        }
    )
    result = match_cancellations(lines, ["customer", "sku"]).to_pandas()
    units = frame["Quantity"].to_numpy()
    is_matched = result["is_matched"].eq(True).to_numpy()
    taken = result["reversed_units"].to_numpy()
    assert (units < 0).sum() == result["is_matched"].notna().sum() == 12_326
    assert taken.sum() == -units[is_matched].sum()
    assert ((taken >= 0) & (taken <= np.maximum(units, 0))).all()
    # Each unmatched cancellation of a known customer asks for more than its group ever sold before it, or than the
    # matched cancellations have left: checked against plain sums per group.
    frame = frame.assign(at=pd.to_datetime(frame["InvoiceDate"]), taken=taken, is_matched=is_matched)
    known = frame[frame["Customer ID"].notna()]
    net = known[(known["Quantity"] > 0) | known["is_matched"]].groupby(["Customer ID", "StockCode"])["Quantity"].sum()
    assert (net >= 0).all()
    assert is_matched.sum() == 8_011

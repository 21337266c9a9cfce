from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from udfs.forecasting.frame_rows import KEYS, coded, extra_columns, numbers_of, rows_of, series_runs

D = Decimal
DAYS = pd.date_range("2024-01-01", periods=3)


def _frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": "a", "ds": DAYS, "y": [1.0, 2.0, 3.0]} | columns)


@pytest.mark.parametrize(
    "y",
    [
        [D("1.5"), None, D("2")],
        [D("1.5"), D("NaN"), 2.0],
        [1.5, None, np.int64(2)],
        pd.Series([D("1.5"), None, D("2")], dtype=pd.ArrowDtype(pa.decimal128(10, 2))),
        pd.Series([1.5, None, 2], dtype="Float64"),
        pd.Series([1.5, None, 2], dtype=pd.ArrowDtype(pa.float32())),
        pd.Series([1.5, np.nan, 2], dtype="float32"),
    ],
)
def test_numbers_of_any_kind_are_floats(y: object) -> None:
    rows = rows_of(_frame(y=y if isinstance(y, pd.Series) else pd.Series(y, dtype=object)), "history", KEYS)
    assert rows["y"].dtype == float
    np.testing.assert_array_equal(rows["y"], [1.5, np.nan, 2.0])


@pytest.mark.parametrize("kind", [pa.decimal128(22, 3), pa.decimal256(40, 3), pa.int64(), pa.uint8(), pa.float32()])
def test_arrow_numbers_of_any_kind_are_floats(kind: pa.DataType) -> None:
    ids, ds = pa.array(["a"] * 3), pa.array(DAYS)
    table = pa.table({"unique_id": ids, "ds": ds, "y": pa.array([1, None, 2]).cast(kind, safe=False)})
    np.testing.assert_array_equal(rows_of(table, "history", KEYS)["y"], [1.0, np.nan, 2.0])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([True, False, True], r"found flags \(True and False\); if they count"),
        (pd.Series([True, None, True], dtype="boolean"), "found flags"),
        (pd.Series([True, None, True], dtype=object), "found flags"),
        (["1", "2", "3"], r"expected numbers in y of history, found '1' \(object\).*pd.to_numeric"),
        (pd.Series(["1,5", None, "2"], dtype="string"), "found '1,5'"),
        ([None, D("1"), "2"], "found '2'"),
        (pd.Categorical([1.0, 2, 3]), r"found 1.0 \(category\)"),
        (pd.to_timedelta([1, 2, 3], "D"), r"\(timedelta64"),
        ([1 + 2j, 0, 0], r"\(complex128\)"),
        ([1.0, np.inf, 2], "expected finite y, found infinity for 'a' at 2024-01-02"),
        ([D("1"), D("2"), D("-Infinity")], "found infinity for 'a' at 2024-01-03"),
    ],
)
def test_what_is_no_number_of_units_is_refused(y: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rows_of(_frame(y=y), "history", KEYS)


def test_the_frame_that_was_given_stays_as_it_is() -> None:
    frame = _frame(y=[D(1), D(2), D(3)], price=1)
    before = frame.rename(columns={"price": 0})
    rows = rows_of(before, "history", KEYS)
    assert rows.columns.tolist() == ["unique_id", "ds", "y", "0"]
    assert before.columns.tolist() == ["unique_id", "ds", "y", 0]
    assert before["y"].tolist() == [D(1), D(2), D(3)]


def test_a_column_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="each column of future once, found y twice"):
        rows_of(pd.concat([_frame(), _frame()[["y"]]], axis=1), "future", KEYS)
    with pytest.raises(ValueError, match="found 0 twice"):
        rows_of(_frame(**{"0": 1}).assign(zero=2).rename(columns={"zero": 0}), "history", KEYS)


def test_numbers_decimals_and_flags_are_covariates_and_all_else_traits() -> None:
    flags = pd.Series([True, None, False], dtype=object)
    rows = _frame(price=[D("1.5"), None, D("2")], promo=flags, brand="x", code=pd.Categorical([1, 1, 1]), none=None)
    assert extra_columns(rows) == (["price", "promo"], ["brand", "code", "none"])
    np.testing.assert_array_equal(numbers_of(rows, "promo", "history"), [1.0, np.nan, 0.0])
    np.testing.assert_array_equal(numbers_of(rows, "price", "history"), [1.5, np.nan, 2.0])
    with pytest.raises(ValueError, match="expected numbers in brand of future, found 'x'"):
        numbers_of(rows, "brand", "future")


@pytest.mark.parametrize("n_rows", [1, 2, 17, 400])
@pytest.mark.parametrize("values", [["b", "a", "c"], [2, "b", "a"], [10, 9], [D("2"), D("1")], ["x"]])
def test_objects_are_coded_in_sorted_order_whether_rows_share_them(values: list[object], n_rows: int) -> None:
    ids = pd.Series([values[k % len(values)] for k in range(n_rows)], dtype=object, index=range(5, 5 + n_rows))
    for given in (ids, ids.sort_values(key=lambda s: s.astype(str)), ids.map(lambda v: "".join(list(str(v))))):
        result = coded(given)
        assert result.tolist() == given.tolist()
        assert result.index.equals(given.index)
        start_R, code_R, ids_S = series_runs(result)
        code, expected = pd.factorize(given, sort=True)
        assert ids_S.tolist() == expected.tolist()
        np.testing.assert_array_equal(np.repeat(code_R, np.diff(start_R, append=n_rows)), code)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_missing_id_is_refused(missing: object) -> None:
    frame = pd.concat([_frame()] * 20, ignore_index=True)
    frame.loc[7, "unique_id"] = missing
    for given in (frame, frame.astype({"unique_id": "string"}), pa.Table.from_pandas(frame)):
        with pytest.raises(ValueError, match="expected unique_id on every row of history, found 1 missing"):
            rows_of(given, "history", KEYS)

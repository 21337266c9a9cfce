from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.udfs.forecasting.series import CUTOFF, batch_of, long_table
from udfs.series.sku_batch import PAD_MULTIPLE_DAYS, SkuBatch

_VALUES = st.one_of(st.none(), st.just(float("nan")), st.integers(0, 3).map(float))
_ROWS = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.integers(-60, 5)), _VALUES, max_size=60
)  # (unique_id, day relative to the cutoff) -> y


def _by_brute_force(rows: dict[tuple[str, int], float | None], max_history: int | None) -> dict[str, dict[int, float]]:
    """Observed (age in days -> y) per series, one row at a time."""
    observed: dict[str, dict[int, float]] = {}
    for (unique_id, day), _ in sorted(rows.items()):
        if day <= 0:
            observed.setdefault(unique_id, {})
    for unique_id, cells in observed.items():
        known = {d: y for (u, d), y in rows.items() if u == unique_id and d <= 0 and y is not None and y == y}
        sales = [d for d, y in known.items() if y > 0]
        for d, y in known.items():
            listed = not sales or d >= min(sales)
            if listed and (max_history is None or -d < max_history):
                cells[-d] = y
    return observed


@settings(max_examples=150, deadline=None)
@given(rows=_ROWS, max_history=st.sampled_from([None, 1, 10, 28, 40]))
def test_from_arrow_equals_one_row_at_a_time(
    rows: dict[tuple[str, int], float | None], max_history: int | None
) -> None:
    keys = sorted(rows)
    table = pa.table(
        {
            "unique_id": pa.array([u for u, _ in keys], pa.string()),
            "ds": pa.array([CUTOFF + dt.timedelta(days=d) for _, d in keys], pa.date32()),
            "y": pa.array([rows[k] for k in keys], pa.float64()),
        }
    )
    batch = SkuBatch.from_arrow(table, CUTOFF, max_history)
    expected = _by_brute_force(rows, max_history)
    assert list(batch.unique_ids) == sorted(expected)
    assert batch.n_days % PAD_MULTIPLE_DAYS == 0
    for s, unique_id in enumerate(batch.unique_ids):
        ages = batch.n_days - 1 - np.flatnonzero(batch.mask_ST[s].numpy())
        values = batch.y_ST[s].numpy()
        assert {int(a): values[batch.n_days - 1 - a] for a in ages} == expected[unique_id]
        assert not values[~batch.mask_ST[s].numpy()].any()


def test_history_beyond_the_window_still_tells_when_an_item_was_listed() -> None:
    y = np.r_[5.0, np.zeros(40)]
    batch = batch_of({"sold_long_ago": y}, max_history=10)
    assert batch.mask_ST.sum() == 10  # zeros after a first sale are real, though the sale itself is out of the window


def test_unsorted_and_duplicate_rows_are_refused() -> None:
    table = long_table({"a": np.ones(3), "b": np.ones(3)})
    with pytest.raises(ValueError, match="twice or out of order"):
        SkuBatch.from_arrow(table.take([0, 2, 1, 3, 4, 5]), CUTOFF)
    with pytest.raises(ValueError, match="twice or out of order"):
        SkuBatch.from_arrow(table.take([0, 1, 1, 2, 3]), CUTOFF)
    with pytest.raises(ValueError, match="in two places"):
        SkuBatch.from_arrow(table.take([0, 3, 1]), CUTOFF)
    with pytest.raises(ValueError, match="max_history"):
        SkuBatch.from_arrow(table, CUTOFF, max_history=0)


@pytest.mark.parametrize(
    ("days", "unique_id"), [([CUTOFF, None], ["a", "a"]), ([CUTOFF, CUTOFF], ["a", None]), ([None], ["a"])]
)
def test_a_row_without_a_key_is_refused(days: list[dt.date | None], unique_id: list[str | None]) -> None:
    y = np.ones(len(days))
    table = pa.table({"unique_id": pa.array(unique_id, pa.string()), "ds": pa.array(days, pa.date32()), "y": y})
    with pytest.raises(ValueError, match="expected unique_id and ds on every row, found NULLs"):
        SkuBatch.from_arrow(table, CUTOFF)


@pytest.mark.parametrize(
    ("y_shape", "mask_shape", "message"),
    [
        ((1, 28), (1, 27), r"of one shape \(S, T\), found \(1, 28\) and \(1, 27\)"),
        ((28,), (28,), r"of one shape \(S, T\), found \(28,\) and \(28,\)"),
        ((2, 28), (2, 28), "one unique_id per row of y_ST, found 1 ids for 2 rows"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    y_shape: tuple[int, ...], mask_shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SkuBatch(np.array(["a"], dtype=object), torch.zeros(y_shape), torch.zeros(mask_shape).bool(), CUTOFF)


def test_select_keeps_rows_together() -> None:
    batch = batch_of({"a": np.arange(1, 5), "b": np.arange(5, 9), "c": np.arange(9, 13)})
    picked = batch.select(np.array([2, 0]))
    assert list(picked.unique_ids) == ["c", "a"]
    assert picked.y_ST[:, -1].tolist() == [12.0, 4.0]
    assert picked.n_days == batch.n_days
    assert list(batch.select(np.array([False, True, False])).unique_ids) == ["b"]


def test_horizon_starts_the_day_after_the_cutoff() -> None:
    assert batch_of({"a": np.ones(3)}).horizon_dates(2) == [dt.date(2024, 4, 1), dt.date(2024, 4, 2)]

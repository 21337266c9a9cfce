"""A series is in scope from its sale day of a given number on, whatever comes later."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from udfs.series.scope import NEVER, in_scope, scope_days
from udfs.series.sku_batch import SkuBatch

FIRST = date(2024, 1, 1)
DEMAND = {"a": [1.0, 0.0, 2.0, None, 3.0, 0.0], "b": [0.0] * 6, "c": [5.0] * 6, "d": [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]}
"""In scope with two sale days: a on the third, c on the second, d on the sixth, b never."""


def history() -> pa.Table:
    ids = [name for name, y in DEMAND.items() for _ in y]
    ds = [FIRST + timedelta(days=t) for y in DEMAND.values() for t in range(len(y))]
    y = [value for values in DEMAND.values() for value in values]
    return pa.table({"unique_id": ids, "ds": pa.array(ds, pa.date32()), "y": pa.array(y, pa.float64())})


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, {"a": 0, "c": 0, "d": 4}), (2, {"a": 2, "c": 1, "d": 5}), (3, {"a": 4, "c": 2}), (7, {})],
)
def test_the_day_is_that_of_the_sale_of_that_number(number: int, expected: dict[str, int]) -> None:
    first = (FIRST - date(1970, 1, 1)).days
    found = scope_days(history(), number)
    assert found == {name: first + expected[name] if name in expected else NEVER for name in DEMAND}


def test_rows_of_series_in_scope_stay_whole() -> None:
    rows, scope = history(), scope_days(history(), 2)
    for days, names in ((0, ""), (1, "c"), (2, "ac"), (5, "acd")):
        found = in_scope(rows, scope, FIRST + timedelta(days=days))
        assert found["unique_id"].to_pylist() == [name for name in names for _ in range(6)]
    assert in_scope(rows, dict.fromkeys(DEMAND, 0), FIRST) is rows


def test_a_batch_cut_back_has_not_observed_what_was_out_of_scope_then() -> None:
    batch = SkuBatch.from_arrow(history(), FIRST + timedelta(days=5))
    scope = scope_days(history(), 2)
    batch = replace(batch, scope_S=np.array([scope[name] for name in batch.unique_ids]))
    assert batch.until(0).mask_ST.any(1).tolist() == [True, False, True, True]
    then = batch.until(3)
    assert then.mask_ST.any(1).tolist() == [True, False, True, False]
    assert then.select(np.array([3, 2])).until(1).mask_ST.any(1).tolist() == [False, True]
    assert not then.y_ST[1].any()
    assert batch.mask_ST[1].any(), "the batch itself is as it was"
    with pytest.raises(ValueError, match="expected a day of scope of 4 series, found 1"):
        replace(batch, scope_S=np.array([1]))

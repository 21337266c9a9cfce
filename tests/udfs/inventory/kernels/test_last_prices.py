"""Prices where the data end before the as-of day, or end on a give-away; and whether units have parts."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from tests.udfs.inventory.tables import AS_OF, PATH_TERMS, forecast_table, stock_tables, supply_table
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.last_prices import last_prices
from udfs.inventory.kernels.plan_bucket import plan_bucket

DAY = timedelta(days=1)
SPEC = InventorySpec(candidates=("base_stock",), n_paths=50, tuning_paths=20)
NAN = float("nan")
Row = tuple[str, int, float | None, float | None]


def daily(rows: list[Row]) -> pa.Table:
    """Rows of unique_id, days before AS_OF, price, units sold; ids encoded as bucket files bring them."""
    return pa.table(
        {
            "unique_id": pa.array([row[0] for row in rows], pa.string()).dictionary_encode(),
            "ds": pa.array([AS_OF - row[1] * DAY for row in rows], pa.date32()),
            "unit_price": pa.array([row[2] for row in rows], pa.float64()),
            "y": pa.array([row[3] for row in rows], pa.float64()),
        }
    )


def found(rows: list[Row], max_age_days: int = 366, *, is_listed: bool = True) -> dict[str, tuple[date, float] | None]:
    prices = last_prices(daily(rows), AS_OF, max_age_days, is_listed=is_listed).to_pylist()
    assert [row["unique_id"] for row in prices] == sorted({row[0] for row in rows})
    return {row["unique_id"]: (row["ds"], row["unit_price"]) if row["ds"] else None for row in prices}


def test_a_price_is_the_last_one_above_nothing_not_after_the_day() -> None:
    rows: list[Row] = [
        ("late feed", 4, 2.0, 1),
        ("late feed", 3, 3.0, 1),
        ("give-away", 1, 5.0, 1),
        ("give-away", 0, 0.0, 40),
        ("give-away week", 9, 5.0, 1),
        *(("give-away week", back, 0.0, 40) for back in range(8)),
        ("gap", 2, 4.0, 1),
        ("gap", 1, None, None),
        ("gap", 0, NAN, NAN),
        ("never", 0, None, 3),
        ("free", 0, 0.0, 3),
        ("raised tomorrow", 0, 6.0, 1),
        ("raised tomorrow", -1, 7.0, 1),
    ]
    expected = {
        "late feed": (AS_OF - 3 * DAY, 3.0),
        "give-away": (AS_OF - DAY, 5.0),
        "give-away week": (AS_OF - 9 * DAY, 5.0),
        "gap": (AS_OF - 2 * DAY, 4.0),
        "never": None,
        "free": None,
        "raised tomorrow": (AS_OF, 6.0),
    }
    assert found(rows) == found(rows, is_listed=False) == expected
    assert found([]) == {}


@pytest.mark.parametrize(("most", "known"), [(39, False), (40, True), (366, True)])
def test_a_price_holds_for_so_many_days(most: int, known: bool) -> None:
    """A feed more than a month late, and give-aways for more than a month."""
    for rows in ([("a", 40, 5.0, 2.0)], [("a", 40, 5.0, 2.0), *(("a", back, 0.0, 9.0) for back in range(40))]):
        for is_listed in (True, False):
            price = found(rows, most, is_listed=is_listed)["a"]  # type: ignore[arg-type]
            assert price == ((AS_OF - 40 * DAY, 5.0) if known else None)


def test_a_price_that_no_feed_lists_is_as_old_as_the_last_sale_at_one() -> None:
    carried: list[Row] = [("a", 20, 5.0, 2.0), *(("a", back, 5.0, 0.0) for back in range(20))]
    assert found(carried, is_listed=True)["a"] == (AS_OF, 5.0)
    assert found(carried, is_listed=False)["a"] == (AS_OF - 20 * DAY, 5.0)
    assert found(carried, 19, is_listed=False)["a"] is None
    returned: list[Row] = [("a", 3, 5.0, -1.0), ("a", 1, 5.0, None)]
    assert found(returned, is_listed=False)["a"] == (AS_OF - 3 * DAY, 5.0)


def test_units_have_parts_where_parts_were_sold() -> None:
    rows: list[Row] = [
        ("weighed", 5, 2.0, 1.375),
        ("weighed", 0, 2.0, 2.0),
        ("counted", 0, 2.0, 3.0),
        ("unknown", 0, 2.0, None),
        ("later", -1, 2.0, 0.5),
    ]
    table = last_prices(daily(rows), AS_OF, 366, is_listed=True)
    assert dict(zip(table["unique_id"].to_pylist(), table["is_fractional"].to_pylist(), strict=True)) == {
        "weighed": True, "counted": False, "unknown": False, "later": False,
    }  # fmt: skip


def test_it_agrees_with_a_walk_through_the_days() -> None:
    rng = np.random.default_rng(3)
    rows: list[Row] = [
        (f"s{s}", back, float(rng.choice([0.0, 1.5, 2.0])), float(rng.choice([0.0, 1.0])))
        for s in range(40)
        for back in range(-2, 30)
        if rng.random() < 0.3
    ]
    for is_listed in (True, False):
        expected: dict[str, tuple[date, float] | None] = {row[0]: None for row in rows}
        for name in expected:
            own = sorted((row for row in rows if row[0] == name and 0 <= row[1] <= 21), key=lambda row: row[1])
            priced = [row for row in own if row[2]]
            told = [row for row in priced if is_listed or row[3]]
            if told:
                expected[name] = AS_OF - told[0][1] * DAY, float(priced[0][2] or 0)
        assert found(rows, 21, is_listed=is_listed) == expected


@pytest.mark.parametrize("back", [0, 1, 3])
def test_a_line_is_priced_and_says_how_old_the_price_is(back: int) -> None:
    plan = plan_bucket(
        forecast_table({"a": ([10.0] * 14, [3.0] * 14)}),
        supply_table(),
        stock_tables([("a", 5.0, 0.0, AS_OF)]),
        last_prices(daily([("a", 9, 1.0, 1), ("a", back, 4.0, 1)]), AS_OF, 366, is_listed=False),
        AS_OF,
        SPEC,
        PATH_TERMS,
    )
    line, policy = plan.proposal.to_pylist()[0], plan.policy.to_pylist()[0]
    assert line["order_value"] == pytest.approx(line["order_qty"] * 2.8)
    said = {0: "", 1: " The price of 4.00 is 1 day old.", 3: " The price of 4.00 is 3 days old."}[back]
    assert line["reason"].endswith("unit cost 2.80 from the price." + said)
    assert (policy["unit_price"], policy["price_age_days"], policy["unit_cost"]) == (4.0, back, pytest.approx(2.8))

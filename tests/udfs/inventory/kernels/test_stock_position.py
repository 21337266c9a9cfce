"""Stock on the as-of day: a count is rolled forward, and what earlier plans ordered is not ordered again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from tests.udfs.inventory.tables import (
    AS_OF,
    PATH_TERMS,
    demand_table,
    forecast_table,
    open_order_table,
    price_table,
    stock_table,
    supply_table,
)
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.plan_bucket import plan_bucket
from udfs.inventory.kernels.stock_position import StockTables

SPEC = InventorySpec(candidates=("base_stock",), n_paths=50, tuning_paths=20)
DAY = timedelta(days=1)
Order = tuple[str, date, float, date]


def lines(
    stock: Sequence[tuple[str, float | None, float | None, date]] = (),
    sold: dict[str, dict[date, float | None]] | None = None,
    orders: Sequence[Order] = (),
    *,
    as_of: date = AS_OF,
    ids: Sequence[str] = ("a",),
    mean: float = 10.0,
    spec: InventorySpec = SPEC,
) -> dict[str, dict[str, object]]:
    """Order lines by series: steady demand, lead time 4 days, single units."""
    forecast = forecast_table({s: ([mean] * 14, [0.0] * 14) for s in ids})
    days = pa.array([day + (as_of - AS_OF) for day in forecast["ds"].to_pylist()], pa.date32())
    plan = plan_bucket(
        forecast.set_column(forecast.column_names.index("ds"), "ds", days),
        supply_table([(s, 4.0, 0.0, 2.0, 1.0, 1.0) for s in ids]),
        StockTables(stock_table(stock), demand_table(sold or {}), open_order_table(orders)),
        price_table([(s, 4.0) for s in ids]),
        as_of,
        spec,
        PATH_TERMS,
    )
    assert plan.failures.num_rows == 0, plan.failures.to_pylist()
    return {row["unique_id"]: row for row in plan.proposal.to_pylist()}


def days_sold(count: int, units: float | None, until: date = AS_OF) -> dict[date, float | None]:
    return {until - k * DAY: units for k in range(count)}


# ------------------------------------------------------------------------------------------------- the count, rolled
def test_a_count_is_rolled_forward_by_the_sales_since() -> None:
    line = lines([("a", 100.0, 0.0, AS_OF - 3 * DAY)], {"a": days_sold(5, 12.0)})["a"]
    assert line["on_hand_qty"] == 64.0  # the sales of the day of the count came before it
    assert line["is_stock_assumed"] is False
    assert "Stock was counted 3 days before: 100, less 36 sold since." in str(line["reason"])
    returned = lines([("a", 100.0, 0.0, AS_OF - DAY)], {"a": {AS_OF: -2.0}})["a"]
    assert returned["on_hand_qty"] == 102.0
    today = lines([("a", 100.0, 0.0, AS_OF)], {"a": days_sold(5, 12.0)})["a"]
    assert today["on_hand_qty"] == 100.0
    assert "counted" not in str(today["reason"])


def test_stock_does_not_fall_below_nothing_and_says_that_it_was_received_unseen() -> None:
    line = lines([("a", 20.0, 0.0, AS_OF - 3 * DAY)], {"a": days_sold(3, 12.0)})["a"]
    assert line["on_hand_qty"] == 0.0
    assert line["is_stock_assumed"] is True
    assert "more was sold since than is known to have been there" in str(line["reason"])
    spec = replace(SPEC, backorder_share=1.0)
    owed = lines([("a", -5.0, 0.0, AS_OF - 2 * DAY)], {"a": days_sold(2, 0.0)}, spec=spec)["a"]
    assert owed["on_hand_qty"] == -5.0


def test_days_that_are_not_reported_are_taken_at_the_forecast() -> None:
    sold = {"a": {AS_OF - 2 * DAY: 7.0, AS_OF - DAY: None}}
    line = lines([("a", 100.0, 0.0, AS_OF - 3 * DAY)], sold)["a"]
    assert line["on_hand_qty"] == 73.0  # 7 sold, two days of 10 expected
    assert line["is_stock_assumed"] is True
    assert "less 27 sold since, of which 2 days are not reported and taken as forecast." in str(line["reason"])


def test_a_count_that_is_too_old_is_no_stock() -> None:
    spec = replace(SPEC, max_stock_age_days=14)
    for age, hand, assumed in ((14, 100.0, False), (15, 40.0, True), (180, 40.0, True)):
        line = lines([("a", 100.0, 0.0, AS_OF - age * DAY)], {"a": days_sold(age, 0.0)}, spec=spec)["a"]
        assert (line["on_hand_qty"], line["is_stock_assumed"]) == (hand, assumed)
    text = str(line["reason"])
    assert "Stock was counted 180 days before, too long ago: the position is assumed to be one that its own" in text


# ---------------------------------------------------------------------------------------------------------- own orders
def test_orders_of_earlier_plans_are_on_order_until_the_day_that_they_are_due() -> None:
    orders = [
        ("a", AS_OF - 4 * DAY, 12.0, AS_OF),  # arrived today
        ("a", AS_OF - 2 * DAY, 24.0, AS_OF + 2 * DAY),
        ("a", AS_OF - DAY, 12.0, AS_OF + 3 * DAY),
        ("a", AS_OF, 999.0, AS_OF + 4 * DAY),  # of today's own plan, which is being made anew
        ("a", AS_OF + DAY, 999.0, AS_OF + 5 * DAY),
    ]
    line = lines([("a", 50.0, None, AS_OF - DAY)], {"a": {AS_OF: 10.0}}, orders)["a"]
    assert (line["on_hand_qty"], line["on_order_qty"]) == (52.0, 36.0)
    assert "50, less 10 sold since, and 12 received from earlier plans." in str(line["reason"])
    assert "36 units are on order from earlier plans." in str(line["reason"])
    assert "taken as none" not in str(line["reason"])
    counted = lines([("a", 50.0, None, AS_OF)], orders=orders)["a"]
    assert (counted["on_hand_qty"], counted["on_order_qty"]) == (50.0, 36.0), "a count holds what was due by its day"
    assert "received" not in str(counted["reason"])
    unknown = lines([], orders=orders)["a"]
    assert (unknown["on_hand_qty"], unknown["on_order_qty"], unknown["is_stock_assumed"]) == (4.0, 36.0, True)


def test_the_feed_knows_better_what_is_on_order_up_to_the_day_of_its_count() -> None:
    orders = [
        ("a", AS_OF - 4 * DAY, 24.0, AS_OF),
        ("a", AS_OF - 2 * DAY, 24.0, AS_OF + 2 * DAY),
        ("a", AS_OF - DAY, 12.0, AS_OF + 3 * DAY),
    ]
    fresh = lines([("a", 50.0, 7.0, AS_OF)], orders=orders)["a"]
    assert (fresh["on_hand_qty"], fresh["on_order_qty"]) == (50.0, 7.0)
    assert "earlier plans" not in str(fresh["reason"])
    # Counted in the evening two days ago, before that day's plan: its order and yesterday's are not in the feed.
    older = lines([("a", 50.0, 7.0, AS_OF - 2 * DAY)], {"a": days_sold(2, 5.0)}, orders)["a"]
    assert (older["on_hand_qty"], older["on_order_qty"]) == (40.0, 43.0)
    assert "36 units are on order from plans since the count." in str(older["reason"])


def test_an_order_without_lead_time_comes_after_the_count_of_its_day() -> None:
    line = lines([("a", 50.0, None, AS_OF - DAY)], {"a": {AS_OF: 10.0}}, [("a", AS_OF - DAY, 6.0, AS_OF - DAY)])["a"]
    assert (line["on_hand_qty"], line["on_order_qty"]) == (46.0, 0.0)


@pytest.mark.parametrize("says_on_order", [True, False])
@pytest.mark.parametrize("counts_daily", [True, False])
def test_three_daily_runs_order_what_one_does_and_the_days_between(says_on_order: bool, counts_daily: bool) -> None:
    """Eight series with 20 units on hand: without memory each run would order the whole need again."""
    ids = [f"s{k}" for k in range(8)]
    orders: list[Order] = []
    hand, sold, totals = dict.fromkeys(ids, 20.0), {s: {} for s in ids}, []
    for k in range(3):
        as_of = AS_OF + k * DAY
        if k:
            sold = {s: {**sold[s], as_of: 3.0} for s in ids}
            hand = {s: units - 3.0 for s, units in hand.items()}
        counted = k if counts_daily else 0
        on_order = sum(q for u, _, q, _ in orders if u == ids[0]) if counted == k else 0.0
        stock = [
            (s, hand[s] if counts_daily else 20.0, on_order if says_on_order else None, AS_OF + counted * DAY)
            for s in ids
        ]
        found = lines(stock, sold, orders, as_of=as_of, ids=ids, mean=9.0)
        totals.append(sum(float(str(row["order_qty"])) for row in found.values()))
        orders += [(s, as_of, row["order_qty"], row["expected_receipt_ds"]) for s, row in found.items()]  # type: ignore[misc]
    assert totals[0] == 8 * (5 * 9.0 - 20.0)
    assert totals[1:] == [8 * 3.0] * 2, "a day's sales are ordered again, and no more"


def test_two_orders_of_one_day_end_their_series_alone() -> None:
    orders = open_order_table([("a", AS_OF - DAY, 5.0, AS_OF + DAY)] * 2 + [("b", AS_OF - DAY, 5.0, AS_OF + DAY)])
    plan = plan_bucket(
        forecast_table({s: ([10.0] * 14, [0.0] * 14) for s in ("a", "b")}),
        supply_table(),
        StockTables(stock_table(), demand_table({}), orders),
        price_table(),
        AS_OF,
        SPEC,
        PATH_TERMS,
    )
    assert plan.proposal["unique_id"].to_pylist() == ["b"]
    assert plan.failures["unique_id"].to_pylist() == ["a"]
    assert "expected one order per series and day, found 2" in plan.failures["error"][0].as_py()


def test_other_series_change_no_bit() -> None:
    rng = np.random.default_rng(4)
    ids = [f"s{k:02d}" for k in range(30)]
    stock = [(s, float(rng.integers(0, 90)), None, AS_OF - int(rng.integers(0, 9)) * DAY) for s in ids]
    sold = {s: {AS_OF - k * DAY: float(rng.poisson(4)) for k in range(12)} for s in ids}
    orders = [(s, AS_OF - 2 * DAY, float(rng.integers(1, 30)), AS_OF + int(rng.integers(-2, 3)) * DAY) for s in ids]
    together = lines(stock, sold, orders, ids=ids)
    assert together["s07"] == lines(stock, sold, orders, ids=["s07"])["s07"]

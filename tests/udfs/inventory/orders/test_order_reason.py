import re
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa

from tests.udfs.inventory.tables import AS_OF, PATH_TERMS, forecast_table, price_table, stock_tables, supply_table
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.plan_bucket import plan_bucket

REVIEW = " Next review Tuesday 2016-03-01."
SPEC = InventorySpec(service_level=0.9, review_days=2, candidates=("base_stock",), n_paths=50, tuning_paths=20)


def reason(
    mean: float,
    sd: float,
    terms: tuple[float | None, ...] = (7.0, 0.0, 1.0, 1.0, 1.0),
    stock: tuple[float | None, float | None] | None = (12.0, 0.0),
    *,
    days: int = 28,
    age: int = 0,
    is_fallback: bool = False,
    price: float | None = 4.0,
    spec: InventorySpec = SPEC,
) -> str:
    """The reason of the only line of a bucket with one series of constant daily demand, less its next review."""
    plan = plan_bucket(
        forecast_table({"a": ([mean] * days, [sd] * days)}, "seasonal_naive", ["a"] if is_fallback else []),
        supply_table([("a", *terms)]),  # type: ignore[list-item]
        stock_tables([("a", *stock, AS_OF - timedelta(days=age))] if stock else []),
        price_table([("a", price)]),
        AS_OF,
        spec,
        PATH_TERMS,
    )
    assert plan.failures.num_rows == 0
    text = str(plan.proposal["reason"][0].as_py())
    assert REVIEW in text
    return text.replace(REVIEW, "")


def test_an_order_raised_to_a_full_pack() -> None:
    # 9 days of 4: 36 - 13 = 23, four packs of 6.
    assert reason(4.0, 0.0, (7.0, 0.0, 1.0, 1.0, 6.0), (13.0, 0.0)) == (
        "Order 24 (4 packs of 6): position 13 covers 3.2 days; demand over 9 days p50 36, p90 36; "
        "up to 36 at 90% service (base_stock); raised from 23 to a full pack."
    )


def test_an_order_raised_to_the_minimum() -> None:
    text = reason(4.0, 0.0, (7.0, 0.0, 1.0, 100.0, 30.0))
    assert text.startswith("Order 120 (4 packs of 30): ")
    assert text.endswith("; raised from 24 to the minimum order of 100.")


def test_no_order() -> None:
    assert reason(4.0, 0.0, stock=(50.0, 30.0)) == (
        "No order: position 80 covers 20.0 days; nothing due, up to 36 at 90% service (base_stock); "
        "demand over 9 days p50 36, p90 36."
    )


def test_a_policy_with_a_lot_says_when_it_orders() -> None:
    spec = replace(SPEC, candidates=("s_s",), order_cost=0.5)
    text = reason(4.0, 0.0, (7.0, 0.5, 1.0, 1.0, 1.0), spec=spec)
    # EOQ sqrt(2 x .5 x 4 x 365 / .25) = 76.4, less the 8 units of a review's demand
    assert "; up to 104.4 when at or below 36 at 90% service (s_s)" in text
    assert text.startswith("Order 93: ")


def test_a_share_of_a_service_budget_is_said() -> None:
    spec = replace(SPEC, candidates=("tuned_base_stock",), fill_rate_over="bucket", least_fill_rate=0.9)
    assert " at least cost with no fill beyond what pays, its part of 90% over its bucket (tuned_base_stock)." in (
        reason(4.0, 1.0, spec=spec)
    )
    thin = reason(4.0, 4.0, price=1.001, spec=spec)
    assert re.search(
        r" at least cost with 9\d(\.\d)?% fill, its part of 90% over its bucket \(tuned_base_stock\)", thin
    )


def test_what_was_assumed_is_said_with_the_value_taken() -> None:
    text = reason(4.0, 0.0, (None, None, None, None, None), None)
    assert text.startswith("Order 8: position 28 covers 7.0 days; ")
    assert " Stock is unknown: the position is assumed to be one that its own policy brings about. Assumed: " in text
    assert text.endswith(
        "Assumed: lead time 7 days, minimum order 1, pack 1, order cost 0, unit cost 2.80 from the price."
    )
    assert reason(4.0, 2.0, (7.0, 0.0, None, 1.0, 1.0), price=None).endswith(
        " (base_stock). Money did not decide: neither unit cost nor price is known. Assumed: unit cost unknown. "
        "No price above 0 in 366 days."
    )
    assert reason(4.0, 2.0, stock=(12.0, None)).endswith(". Stock on order is unknown and taken as none.")


def test_an_old_count_a_short_forecast_and_a_fallback_are_said() -> None:
    text = reason(4.0, 2.0, days=5, age=3, is_fallback=True)
    assert text.endswith(
        ". Stock was counted 3 days before: 12, less 12 sold since, of which 3 days are not reported and taken as "
        "forecast. The forecast ends after 5 days and is extended. "
        "Fallback forecast (seasonal_naive)."
    )
    assert "Stock was counted" not in reason(4.0, 2.0)
    assert "extended" not in reason(4.0, 2.0, days=9)


def test_no_demand_and_tiny_demand_are_not_confused() -> None:
    assert "position 12 meets no expected demand" in reason(0.0, 0.0)
    assert "p50 under 0.1" in reason(0.0001, 0.0)
    assert reason(4.0, 2.0, (0.0, 0.0, 1.0, 1.0, 10.0), (3.0, 0.0)).startswith("Order 10 (1 pack of 10): ")


def test_closed_days_within_lead_time_and_review_are_counted_and_want_no_stock() -> None:
    closed = [day in (2, 3, 15) for day in range(28)]
    means = [0.0 if shut else 4.0 for shut in closed]
    forecast = forecast_table({"a": (means, [0.0] * 28)}).append_column("is_closed", pa.array(closed))
    plan = plan_bucket(
        forecast,
        supply_table([("a", 7.0, 0.0, 1.0, 1.0, 1.0)]),
        stock_tables([("a", 12.0, 0.0, AS_OF)]),
        price_table([("a", 4.0)]),
        AS_OF,
        SPEC,
        PATH_TERMS,
    )
    assert plan.proposal["reason"].to_pylist() == [
        "Order 16: position 12 covers 5.0 days; demand over 9 days p50 28, p90 28; "
        f"up to 28 at 90% service (base_stock).{REVIEW} Closed on 2 of these days."
    ]

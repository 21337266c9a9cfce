"""What decisions added, beside arithmetic by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.orders.decision_value import forecast_values, order_values

DAY = date(2024, 3, 1)
SPEC = InventorySpec(holding_cost_rate=0.365, backorder_share=0.5)


def demand(*units: float | None) -> pa.Table:
    days = [DAY + timedelta(days=k + 1) for k in range(len(units))]
    return pa.table({"unique_id": ["a"] * len(units), "ds": days, "y": pa.array(units, pa.float64())})


def forecast_rows(*rows: tuple[int, int, float, float]) -> pa.Table:
    """Of (day of the plan, day of demand, decided, model)."""
    days = [(DAY + timedelta(days=made), DAY + timedelta(days=ahead), *means) for made, ahead, *means in rows]
    names = ("cutoff", "ds", "mean", "model_mean")
    columns = dict(zip(names, map(list, zip(*days, strict=True)), strict=True))
    return pa.table({"decision_id": ["x"] * len(rows), "unique_id": ["a"] * len(rows)} | columns)


def test_the_value_of_a_forecast_is_the_error_that_it_saved() -> None:
    # Demand 12, 20, 9, unknown; the model said 10 a day, Ana 15. A day counts once, as the first plan had it.
    rows = forecast_rows((0, 1, 15, 10), (0, 2, 15, 10), (0, 4, 15, 10), (1, 2, 15, 11), (1, 3, 18, 12))
    first, second = forecast_values(rows, demand(12.0, 20.0, 9.0, None)).to_dict("records")
    assert (first["order_date"], first["days"], first["first_ds"], first["last_ds"]) == (
        DAY,
        2,
        DAY + timedelta(days=1),
        DAY + timedelta(days=2),
    )
    assert (first["decided_qty"], first["planned_qty"], first["realised_qty"]) == (30.0, 20.0, 32.0)
    assert (first["decided_short_qty"], first["decided_over_qty"]) == (5.0, 3.0)
    assert (first["planned_short_qty"], first["planned_over_qty"]) == (12.0, 0.0)
    assert first["value_added_qty"] == 12.0 - 8.0
    assert (second["order_date"], second["days"], second["value_added_qty"]) == (DAY + timedelta(days=1), 1, 3.0 - 9.0)
    assert first["decided_cost"] != first["decided_cost"], "no money is reckoned of a forecast"


def test_nothing_realised_is_nothing_measured() -> None:
    assert len(forecast_values(forecast_rows((0, 3, 15, 10)), demand(12.0))) == 0
    assert len(forecast_values(forecast_rows((0, 1, 15, 10)).slice(1), demand(12.0))) == 0


def order(**more: Any) -> pa.Table:
    """Lead time 2, review 3; 10 in stock; a unit costs 4 and brings 10; 5 a day were expected."""
    row = {
        "decision_id": "x",
        "unique_id": "a",
        "order_date": DAY,
        "decided_qty": 30.0,
        "planned_qty": 12.0,
        "position_qty": 10.0,
        "daily_demand_qty": 5.0,
        "lead_time_days": 2.0,
        "review_days": 3.0,
        "shelf_life_days": None,
        "unit_cost": 4.0,
        "unit_price": 10.0,
    }
    return pa.Table.from_pylist([row | more])


def value(rows: pa.Table, *units: float | None) -> dict[str, Any]:
    (found,) = order_values(rows, demand(*units), SPEC).to_dict("records")
    return found


def test_the_value_of_an_order_is_the_cost_that_it_saved() -> None:
    # 10 less 6 in the lead time leave 4. 24 more are wanted until the next receipt: 4 + 30 leave 10, 4 + 12 lack 8.
    found = value(order(), 2.0, 4.0, 8.0, 8.0, 8.0)
    assert (found["decided_short_qty"], found["decided_over_qty"]) == (0.0, 10.0)
    assert (found["planned_short_qty"], found["planned_over_qty"]) == (8.0, 0.0)
    assert (found["value_added_qty"], found["realised_qty"], found["days"]) == (8.0 - 10.0, 30.0, 5)
    # .004 a unit and day: 10 for 3 days, then used up within 2 days, so 10 more unit-days. 8 lost at a margin of 6.
    assert found["decided_cost"] == pytest.approx(0.004 * (30 + 10))
    assert found["planned_cost"] == 48.0
    assert found["value_added_value"] == pytest.approx(48.0 - 0.16)


def test_what_the_position_lacks_before_the_receipt_waits_by_its_share() -> None:
    # 10 less 16: half of the 6 waits, so that 27 of 30 are left for 24, and 9 of 12.
    found = value(order(), 8.0, 8.0, 8.0, 8.0, 8.0)
    assert (found["decided_over_qty"], found["planned_short_qty"]) == (3.0, 15.0)


def test_what_spoils_costs_its_cost_and_a_year_is_the_end_of_holding() -> None:
    # It keeps 4 days, 3 of them until the next receipt: of 10 left 5 sell on the last day, 5 spoil.
    found = value(order(shelf_life_days=4.0), 2.0, 4.0, 8.0, 8.0, 8.0)
    assert found["decided_cost"] == pytest.approx(0.004 * (30 + 7.5) + 5 * 4.0)
    idle = value(order(daily_demand_qty=0.0), 2.0, 4.0, 8.0, 8.0, 8.0)
    assert idle["decided_cost"] == pytest.approx(0.004 * (30 + 10 * 365))


def test_money_is_unknown_without_a_cost_and_assumed_without_a_price() -> None:
    unknown = value(order(unit_cost=None), 2.0, 4.0, 8.0, 8.0, 8.0)
    assert unknown["decided_cost"] != unknown["decided_cost"]
    assert unknown["value_added_qty"] == -2.0
    assumed = value(order(unit_price=None), 2.0, 4.0, 8.0, 8.0, 8.0)
    assert assumed["planned_cost"] == pytest.approx(8.0 * 4.0 * 0.3 / 0.7)


def test_an_order_of_which_a_day_is_unknown_is_not_measured() -> None:
    for units in ((2.0, 4.0, 8.0, 8.0), (2.0, None, 8.0, 8.0, 8.0), ()):
        assert len(order_values(order(), demand(*units), SPEC)) == 0

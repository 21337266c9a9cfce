"""Days on which orders are placed, by supplier: in the calendar itself, in levels and replays, in the reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests.udfs.inventory.simulation.one_path import OnePath
from tests.udfs.inventory.tables import AS_OF, PATH_TERMS, forecast_table, price_table, stock_tables, supply_table
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.plan_bucket import plan_bucket
from udfs.inventory.kernels.planning_inputs import day_number, read_forecast
from udfs.inventory.kernels.replay_bucket import situation_of
from udfs.inventory.policies.policy_registry import plans_of
from udfs.inventory.policies.replay import replay_actual
from udfs.inventory.review_calendar import ReviewCalendar, SupplierTerms, weekday_numbers
from udfs.inventory.simulation.levels import BaseStock
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.terms import SimulationTerms

SPEC = InventorySpec(candidates=("base_stock",), n_paths=60, tuning_paths=40)
MONDAY = date(2016, 2, 29)  # the day after AS_OF, a Sunday
DAY = timedelta(days=1)
FORECAST = forecast_table({"a": ([5.0] * 28, [2.0] * 28)})


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Mon, Thu", (0, 3)),
        ("1,4", (0, 3)),
        ("1-5", (0, 1, 2, 3, 4)),
        ("mo - fr", (0, 1, 2, 3, 4)),
        ("Sat-Mon", (0, 5, 6)),
        ("Thursday;Mon", (0, 3)),
        ("7", (6,)),
        ("", ()),
    ],
)
def test_weekdays_are_read_as_people_write_them(text: str, days: tuple[int, ...]) -> None:
    assert weekday_numbers(text) == days


@pytest.mark.parametrize("text", ["8", "0", "Foo", "T", "Mon,never", "1,4.5"])
def test_what_is_no_weekday_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="review_weekdays: expected weekdays such as Mon, Thu"):
        weekday_numbers(text)


def calendar(weekdays: str, period: int = 1, first: date = MONDAY) -> ReviewCalendar:
    week_S7 = np.zeros((1, 7), dtype=bool)
    week_S7[0, list(weekday_numbers(weekdays))] = True
    return ReviewCalendar(np.array([period]), np.array([day_number(first)]), week_S7)


@pytest.mark.parametrize(
    ("weekdays", "period"), [("Mon,Thu", 1), ("Wed", 1), ("1-7", 1), ("", 5), ("", 1), ("2,3,6", 9)]
)
def test_a_calendar_is_that_of_the_days_one_by_one(weekdays: str, period: int) -> None:
    mine, listed = calendar(weekdays, period), weekday_numbers(weekdays)

    def is_review(day: date) -> bool:
        return day.weekday() in listed if listed else (day - MONDAY).days % period == 0

    def wait(day: date) -> int:
        return next(k for k in range(60) if is_review(day + k * DAY))

    for k in range(-20, 20):
        day = MONDAY + k * DAY
        assert mine.days_to_review(day_number(day))[0] == wait(day)
        pattern = mine.pattern(day_number(day), 12)
        if listed:
            expected = [1 + wait(d + (wait(d) + 1) * DAY) for d in (day + h * DAY for h in range(12))]
            assert pattern.days_SH[0].tolist() == expected
            assert [int(pattern.week_S[0]) >> j & 1 for j in range(7)] == [is_review(day + j * DAY) for j in range(7)]
        else:
            assert (pattern.days_SH[0].tolist(), pattern.week_S[0]) == ([period] * 12, 0.0)


def test_both_simulators_order_on_weekdays_alone() -> None:
    demand = torch.from_numpy(np.random.default_rng(1).poisson(3.0, (2, 5, 40)).astype(float))
    terms = SimulationTerms(
        2.0, 0.1, 1.0, order_cost=1.0, review_period=3.0, review_week=np.array([float(0b0010010), 0.0])
    )

    class Opaque:
        def __init__(self, inner: BaseStock) -> None:
            self.order = inner.order

    mine, other = (simulate(policy, demand, terms) for policy in (BaseStock(20.0), Opaque(BaseStock(20.0))))
    assert torch.equal(mine.ordered_SP, other.ordered_SP)
    assert torch.equal(mine.orders_SP, other.orders_SP)
    for s, is_review in enumerate((lambda t: t % 7 in (1, 4), lambda t: t % 3 == 0)):
        for p in range(5):
            path = OnePath(lead_time=2, holding_cost=0.1, shortage_cost=1.0, order_cost=1.0)
            total = path.run(lambda t, x, due=is_review: 20.0 - x if due(t) else 0.0, demand[s, p].tolist())
            assert mine.ordered_SP[s, p] == pytest.approx(total["ordered"])
            assert mine.shortage_cost_SP[s, p] == pytest.approx(total["shortage"])


def tables(**columns: Any) -> pa.Table:
    supply = supply_table([("a", 2.0, 0.0, 2.0, 1.0, 1.0)])
    for name, value in columns.items():
        supply = supply.append_column(name, pa.array([value]))
    return supply


def order(as_of: date, spec: InventorySpec = SPEC, stock: float = 3.0, **columns: Any) -> dict[str, Any]:
    days = pa.array([day + (as_of - AS_OF) for day in FORECAST["ds"].to_pylist()], pa.date32())
    found = plan_bucket(
        FORECAST.set_column(FORECAST.column_names.index("ds"), "ds", days),
        tables(**columns),
        stock_tables([("a", stock, 0.0, as_of)]),
        price_table([("a", 4.0)]),
        as_of,
        spec,
        PATH_TERMS,
    )
    assert found.failures.num_rows == 0, found.failures.to_pylist()
    return found.proposal.to_pylist()[0] | found.policy.to_pylist()[0]


SUPPLIERS = {"Grossist A": SupplierTerms(review_weekdays=("Mon", "Thu")), "Import": SupplierTerms(review_days=14)}


def test_a_supplier_is_ordered_from_on_its_days_and_each_order_lasts_until_the_next() -> None:
    spec = replace(SPEC, suppliers=SUPPLIERS)
    monday = order(MONDAY, spec, supplier_id="grossist a")
    thursday = order(MONDAY + 3 * DAY, spec, supplier_id="Grossist A")
    assert (monday["review_days"], thursday["review_days"]) == (3.0, 4.0)
    assert 0.0 < monday["order_qty"] < thursday["order_qty"]
    assert "Next review Thursday 2016-03-03." in monday["reason"]
    assert "Next review Monday 2016-03-07." in thursday["reason"]
    tuesday = order(MONDAY + DAY, spec, supplier_id="Grossist A")
    assert tuesday["order_qty"] == 0.0
    assert "no review day, the next is Thursday 2016-03-03" in tuesday["reason"]
    other = order(MONDAY + DAY, spec, supplier_id="Grossist B")
    assert other["order_qty"] > 0.0
    assert "review" not in other["reason"]


def test_the_feeds_days_count_before_the_suppliers_and_those_before_all() -> None:
    spec = replace(SPEC, suppliers=SUPPLIERS, review_days=2, first_review=MONDAY)
    assert order(MONDAY, spec)["review_days"] == 2.0
    assert order(MONDAY, spec, supplier_id="Import")["review_days"] == 14.0
    assert order(MONDAY, spec, supplier_id="Grossist A", review_weekdays="1-2")["review_days"] == 1.0
    assert order(MONDAY, spec, supplier_id="Grossist A", review_days=5.0)["review_days"] == 5.0
    late = replace(spec, suppliers={"Import": SupplierTerms(review_days=14, first_review=MONDAY + 3 * DAY)})
    assert "the next is Thursday 2016-03-03" in order(MONDAY, late, supplier_id="Import")["reason"]


def test_weekdays_that_nobody_can_read_cost_themselves_alone() -> None:
    found = order(MONDAY, replace(SPEC, suppliers=SUPPLIERS), supplier_id="Grossist A", review_weekdays="often")
    assert found["review_days"] == 3.0
    assert "supply replaced: review weekdays 'often' cannot be planned with" in found["doubts"]
    period = order(MONDAY, review_days=0.0)
    assert period["review_days"] == 1.0
    assert "review period '0' cannot be planned with, 1 days assumed" in period["doubts"]


def test_a_replay_orders_on_the_suppliers_days() -> None:
    """Levels by the gap that follows each day, orders on Mondays and Thursdays alone, told day by day."""
    forecast, _ = read_forecast(FORECAST, AS_OF, PATH_TERMS.levels)
    spec, supply = replace(SPEC, suppliers=SUPPLIERS), tables(supplier_id="Grossist A")
    here, _ = situation_of(forecast, AS_OF, supply, price_table([("a", 4.0)]), spec, PATH_TERMS)
    plan = plans_of(["base_stock"], here)["base_stock"]
    actual = np.random.default_rng(2).poisson(5.0, 28).astype(float)
    found = replay_actual({"base_stock": plan}, here, actual[None, :])["base_stock"]
    level = plan.order_up_to_SH[0]
    # Day 0 is Sunday: orders of Monday (1) last three days, of Thursday (4) four.
    for h in range(28):
        days = 2 + (3 if (h - 1) % 7 == 0 else 4 if h % 7 == 4 else int(here.reviews.days_SH[0, h]))
        assert level[h] == here.paths.quantile_ahead(np.array([float(days)]), np.array([0.95]))[0, h]
    start = here.steady_stock(plan.reorder_point_SH[:, 0], level[:1], 4)
    totals = []
    for p in range(4):
        path = OnePath(lead_time=2, holding_cost=float(here.daily_holding_cost[0]), shortage_cost=2.0, pack=1.0)
        path.due = {k: float(u) for k, u in enumerate(start.pipeline_SPL[0, p])}
        path.receive(float(start.on_hand_SP[0, p]), -1)
        totals.append(path.run(lambda t, x: max(level[t] - x, 0.0) if t % 7 in (1, 4) else 0.0, actual))
    assert found.sales_S[0] == pytest.approx(np.mean([t["sales"] for t in totals]))
    assert found.holding_S[0] == pytest.approx(np.mean([t["holding"] for t in totals]) / 28)


def test_suppliers_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match="expected either review_weekdays or review_days"):
        SupplierTerms(review_weekdays=("Mon",), review_days=3)
    with pytest.raises(ValueError, match="review_days: expected whole days from 1 to 365, found 0"):
        SupplierTerms(review_days=0)
    with pytest.raises(ValueError, match="expected weekdays such as"):
        SupplierTerms(review_weekdays=("Freitag",))

"""A number that cannot be meant orders what the number that was meant would have ordered, and moves nobody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest

from tests.udfs.inventory.tables import AS_OF, PATH_TERMS, forecast_table, price_table, stock_tables, supply_table
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.last_prices import last_prices
from udfs.inventory.kernels.plan_bucket import BucketPlan, plan_bucket

DAY = timedelta(days=1)
SPEC = InventorySpec(candidates=("base_stock",), n_paths=50, tuning_paths=20, moq_qty=2.0, pack_qty=4.0)
FORECAST = forecast_table({name: ([10.0] * 28, [3.0] * 28) for name in ("a", "b", "c")})
Terms = tuple[float | None, float | None, float | None, float | None, float | None]  # lead, order cost, cost, moq, pack
Count = tuple[float | None, float | None, int] | None  # on hand, on order, days ago
GOOD: Terms = (3.0, 1.0, 2.0, 6.0, 6.0)
FULL: Count = (12.0, 0.0, 0)
NUMBERS = ["unique_id", "order_qty", "order_value", "on_hand_qty", "position_qty", "expected_receipt_ds", "demand_p90"]


def planned(terms: Terms = GOOD, count: Count = FULL, prices: pa.Table | None = None) -> BucketPlan:
    """Series a with these terms, its last count and prices, beside two that are as they should be."""
    supply = supply_table([("a", *terms), ("b", *GOOD), ("c", *GOOD)])
    rows = [("b", 12.0, 0.0, AS_OF), ("c", 12.0, 0.0, AS_OF)]
    rows += [("a", count[0], count[1], AS_OF - count[2] * DAY)] if count else []  # type: ignore[list-item]
    money = price_table([(name, 4.0) for name in "abc"]) if prices is None else prices
    plan = plan_bucket(FORECAST, supply, stock_tables(rows), money, AS_OF, SPEC, PATH_TERMS)
    assert plan.failures.num_rows == 0
    return plan


def line(plan: BucketPlan) -> dict[str, object]:
    return plan.proposal.to_pylist()[0]


@pytest.mark.parametrize(
    ("odd", "meant", "kind"),
    [
        ((2.5, *GOOD[1:]), GOOD, "supply rounded"),
        ((2.01, *GOOD[1:]), GOOD, "supply rounded"),
        ((-3.0, *GOOD[1:]), (None, *GOOD[1:]), "supply replaced"),
        ((9e5, *GOOD[1:]), (None, *GOOD[1:]), "supply replaced"),
        ((*GOOD[:4], 5.5), GOOD, "supply rounded"),
        ((*GOOD[:4], 0.0), (*GOOD[:4], None), "supply replaced"),
        ((*GOOD[:4], 4e12), (*GOOD[:4], None), "supply replaced"),
        ((*GOOD[:3], 5.2, 6.0), GOOD, "supply rounded"),
        ((*GOOD[:3], -1.0, 6.0), (*GOOD[:3], None, 6.0), "supply replaced"),
        ((3.0, -1.0, *GOOD[2:]), (3.0, None, *GOOD[2:]), "supply replaced"),
        ((3.0, 1.0, -2.0, 6.0, 6.0), (3.0, 1.0, None, 6.0, 6.0), "supply replaced"),
    ],
)
def test_a_term_that_cannot_be_meant(odd: Terms, meant: Terms, kind: str) -> None:
    _same(planned(odd), planned(meant), kind)


@pytest.mark.parametrize(
    ("odd", "meant", "kind"),
    [
        ((-7.0, 0.0, 0), (0.0, 0.0, 0), "stock negative"),
        ((-4e7, 0.0, 0), (0.0, 0.0, 0), "stock negative"),
        ((12.0, -5.0, 0), (12.0, 0.0, 0), "stock negative"),
        ((40_123_455.0, 0.0, 0), None, "stock unusable"),
        ((float("inf"), 0.0, 0), None, "stock unusable"),
        ((12.0, 590_123_412_345.0, 0), (12.0, None, 0), "stock unusable"),
        ((12.0, 0.0, 32), None, "stock old"),
        ((900.0, 0.0, 400), None, "stock old"),
    ],
)
def test_a_count_that_cannot_be_meant(odd: Count, meant: Count, kind: str) -> None:
    _same(planned(count=odd), planned(count=meant), kind)


@pytest.mark.parametrize("given_away", [1, 3, 30])
def test_days_given_away_leave_the_price_and_the_choice(given_away: int) -> None:
    def prices(last: float) -> pa.Table:
        rows = [("a", back, last if back < given_away else 4.0) for back in range(40)]
        rows += [(name, 0, 4.0) for name in "bc"]
        daily = {
            "unique_id": pa.array([name for name, _, _ in rows]),
            "ds": pa.array([AS_OF - back * DAY for _, back, _ in rows], pa.date32()),
            "y": pa.array([9.0] * len(rows)),
            "unit_price": pa.array([price for _, _, price in rows]),
        }
        return last_prices(pa.table(daily), AS_OF, 366, is_listed=False)

    terms: Terms = (3.0, 1.0, None, 6.0, 6.0)  # the unit cost rests on the price
    free, paid = planned(terms, prices=prices(0.0)), planned(terms, prices=prices(4.0))
    assert free.proposal.select(NUMBERS).equals(paid.proposal.select(NUMBERS))
    policy = [plan.policy.to_pylist()[0] for plan in (free, paid)]
    assert [row["unit_price"] for row in policy] == [4.0, 4.0]
    assert [row["price_age_days"] for row in policy] == [given_away, 0.0]
    assert policy[0]["decided_by"] == policy[1]["decided_by"]


@pytest.mark.parametrize(
    ("terms", "price", "decider", "said"),
    [
        (GOOD, 4.0, "no replays", None),
        ((3.0, 1.0, None, 6.0, 6.0), None, "no price or cost", "neither unit cost nor price is known"),
        ((3.0, 1.0, None, 6.0, 6.0), 0.0, "no price or cost", "neither unit cost nor price is known"),
        ((3.0, 1.0, 0.0, 6.0, 6.0), 4.0, "unit cost of 0", "a unit costs nothing"),
        ((60.0, *GOOD[1:]), 4.0, "lead time", "lead time and review exceed what a replay can show"),
    ],
)
def test_money_is_not_said_to_decide_where_it_did_not(
    terms: Terms, price: float | None, decider: str, said: str | None
) -> None:
    plan = planned(terms, prices=price_table([("a", price), ("b", 4.0), ("c", 4.0)]))
    assert [row["decided_by"] for row in plan.policy.to_pylist()] == [decider, "no replays", "no replays"]
    reason = str(line(plan)["reason"])
    assert ("Money did not decide" in reason) is (said is not None)
    assert said is None or f"Money did not decide: {said}." in reason


def test_a_count_is_as_old_as_the_settings_allow() -> None:
    rows = [("a", 12.0, 0.0, AS_OF - 40 * DAY)]
    tables = (FORECAST, supply_table([("a", *GOOD)]), stock_tables(rows), price_table([("a", 4.0)]), AS_OF)
    wide = plan_bucket(*tables, replace(SPEC, max_stock_age_days=40), PATH_TERMS)
    assert line(wide)["doubts"] is None
    assert line(wide)["is_stock_assumed"] is True, "forty days of sales are not known"


def _same(odd: BucketPlan, meant: BucketPlan, kind: str) -> None:
    """Equal numbers in all lines, equal rows of the others, and the kind of doubt beside the odd one alone."""
    assert odd.proposal.select(NUMBERS).equals(meant.proposal.select(NUMBERS))
    assert odd.proposal.slice(1).equals(meant.proposal.slice(1))
    assert odd.policy.slice(1).equals(meant.policy.slice(1))
    assert odd.steps.equals(meant.steps)
    assert [text and text.split(": ")[0] for text in odd.proposal["doubts"].to_pylist()] == [kind, None, None]
    assert f" Doubtful: {line(odd)['doubts']}." in str(line(odd)["reason"])
    assert meant.proposal["doubts"].to_pylist() == [None] * 3

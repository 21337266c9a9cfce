from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from udfs.inventory.orders.marginal_value import marginal_values
from udfs.inventory.orders.order_list import OrderList, explain, order_list
from udfs.inventory.orders.order_terms import OrderTerms


def one_line(demand: list[float], position: float, terms: OrderTerms, **options: object) -> str:
    """The reason of the first line; demand is over 8 days."""
    rows = [demand, *options.pop("others", [])]  # type: ignore[misc]
    positions = [position, *[0.0] * (len(rows) - 1)]
    return order_list(rows, positions, terms, interval_days_S=8.0, currency="USD", **options).reason[0]  # type: ignore[arg-type]


def random_list(seed: int, **limits: float) -> tuple[OrderList, OrderTerms]:
    rng = np.random.default_rng(seed)
    S = 30
    cost_S = rng.gamma(2.0, 2.0, S) + 0.1
    terms = OrderTerms(
        unit_price=cost_S * rng.uniform(0.9, 2.0, S),
        unit_cost=cost_S,
        holding_cost=0.02 * cost_S,
        moq=rng.choice([0.0, 5.0, 20.0], S),
        pack=rng.choice([1.0, 4.0, 6.0], S),
        most_qty=rng.choice([12.0, np.inf], S),
    )
    demand_SP = rng.poisson(rng.gamma(1.0, 10.0, S)[:, None], (S, 40)).astype(float)
    position_S = rng.integers(-3, 10, S).astype(float)
    size_S = rng.uniform(0.1, 3.0, S)
    return order_list(demand_SP, position_S, terms, interval_days_S=8.0, unit_size_S=size_S, **limits), terms


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), budget=st.floats(0.0, 500.0), capacity=st.floats(0.0, 300.0))
def test_every_order_can_be_delivered_within_the_limits(seed: int, budget: float, capacity: float) -> None:
    done, terms = random_list(seed, budget=budget, capacity=capacity)
    is_order_S = done.quantity_S > 0.0
    assert (done.quantity_S % np.asarray(terms.pack) == 0.0).all()
    assert (done.quantity_S >= terms.least_order())[is_order_S].all()
    assert (done.quantity_S <= np.asarray(terms.most_qty)).all()
    assert done.cost_S.sum() <= budget * (1.0 + 1e-9)
    assert done.size_S.sum() <= capacity * (1.0 + 1e-9)
    assert (done.value_S[is_order_S] > 0.0).all()
    assert done.value_S.sum() == pytest.approx(done.cut.value)
    assert len(done.reason) == 30
    assert done.cut.gap < 1e-6


def test_without_limits_it_is_the_newsvendors_order() -> None:
    done, _ = random_list(3)
    assert np.array_equal(done.taken_N, done.steps.count_N)
    assert done.cut.gap == 0.0
    richer, _ = random_list(3, budget=1e9, capacity=1e9)
    assert np.array_equal(done.quantity_S, richer.quantity_S)


def test_no_budget_orders_nothing() -> None:
    done, _ = random_list(3, budget=0.0)
    assert done.quantity_S.sum() == 0.0
    assert all(line.startswith("No order: ") for line in done.reason)


def test_more_budget_never_earns_less() -> None:
    values = [random_list(8, budget=b)[0].cut.value for b in (0.0, 20.0, 50.0, 100.0, 200.0, 400.0)]
    assert values == sorted(values)
    assert values[-1] > values[1] > 0.0


def test_lead_time_demand_that_is_lost_is_not_ordered_for() -> None:
    terms = OrderTerms(unit_price=3.0, unit_cost=1.0, carry_value=0.0)
    waits = order_list([[9.0]], [2.0], terms, interval_days_S=3.0)
    lost = order_list([[9.0]], [2.0], terms, interval_days_S=3.0, lead_time_demand_SP=[[6.0]])
    assert (waits.quantity_S[0], lost.quantity_S[0]) == (7.0, 3.0)


def test_series_and_their_ids_may_come_in_any_order() -> None:
    rng = np.random.default_rng(2)
    demand_SP, id_S = rng.poisson(6.0, (12, 20)).astype(float), rng.permutation(100)[:12]
    demand_SP[6:] = demand_SP[:6]  # ties
    terms, turn = OrderTerms(unit_price=3.0, unit_cost=1.0, carry_value=0.5), np.arange(12)[::-1]
    options = {"interval_days_S": 8.0, "budget": 31.0}
    done = order_list(demand_SP, np.zeros(12), terms, series_id_S=id_S, **options)
    turned = order_list(demand_SP[turn], np.zeros(12), terms, series_id_S=id_S[turn], **options)
    assert np.array_equal(done.quantity_S[turn], turned.quantity_S)
    assert done.reason == turned.reason[::-1]


PATHS = [10.0, 12.0, 14.0, 20.0, 20.0, 22.0, 26.0, 28.0, 31.0, 40.0]
POSITION = "position 10 covers 3.6 days; demand over 8 days p50 20, p90 31"


def test_reason_of_an_order_that_profit_ends() -> None:
    terms = OrderTerms(unit_price=1.5, unit_cost=1.0, carry_value=0.5, pack=12.0)
    assert one_line(PATHS, 10.0, terms) == f"Order 12 (1 pack of 12): {POSITION}; the next pack would lose 2.90."


def test_reason_of_an_order_that_the_pack_ends() -> None:
    terms = OrderTerms(unit_price=2.0, unit_cost=1.0, carry_value=0.5, pack=24.0)
    reason = one_line(PATHS, 20.0, terms)
    assert reason.startswith("No order: position 20 covers 7.2 days")
    assert reason.endswith("; the least order of 24 would lose 4.95, though one more unit would pay.")


def test_reason_of_an_order_that_the_minimum_prevents_or_raises() -> None:
    terms = OrderTerms(unit_price=2.0, unit_cost=1.0, carry_value=0.5, moq=24.0)
    assert one_line(PATHS, 20.0, terms).endswith("; the least order of 24 would lose 4.95, though one unit would pay.")
    assert "; raised to the minimum order of 24, which still pays; the next unit would lose" in one_line(
        PATHS, 10.0, terms
    )


def test_reason_of_an_order_at_its_largest() -> None:
    terms = OrderTerms(unit_price=2.0, unit_cost=1.0, carry_value=0.5, pack=6.0, most_qty=6.0)
    reason = one_line(PATHS, 10.0, terms)
    assert reason.startswith("Order 6 (1 pack of 6): ")
    assert reason.endswith("; the next pack would earn 0.45 per USD, but no larger order is wanted.")


OTHER = {"others": [[50.0] * 10], "unit_size_S": 3.0}
LOW_HIGH = OrderTerms(unit_price=np.array([2.0, 5.0]), unit_cost=1.0, carry_value=0.5, pack=6.0)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"budget": 60.0}, "; the next pack would earn 0.45 per USD, below the budget's cut of"),
        ({"capacity": 180.0}, "; the next pack would earn 0.15 per unit of capacity, below the capacity's cut of"),
    ],
)
def test_reason_of_an_order_that_a_limit_ends(limits: dict, words: str) -> None:
    # Nine packs of the other series earn at least 1 per USD, then the first pack here .7 and the second .45.
    reason = one_line(PATHS, 10.0, LOW_HIGH, **OTHER, **limits)
    assert reason.startswith("Order 6 (1 pack of 6): ")
    assert words in reason


def test_reason_of_a_step_that_does_not_fit() -> None:
    terms = OrderTerms(unit_price=np.array([2.0, 5.0]), unit_cost=1.0, carry_value=0.5, moq=np.array([0.0, 54.0]))
    reason = one_line([9.0] * 10, 0.0, terms, others=[[54.0] * 10], budget=5.0)
    assert reason.startswith("Order 5: ")
    blocked = order_list([[9.0] * 10, [54.0] * 10], [0.0, 0.0], terms, interval_days_S=8.0, budget=5.0).reason[1]
    assert blocked.endswith("would earn 4.00 per unit of currency, but does not fit into what is left of the budget.")


def test_reason_with_both_limits() -> None:
    done, _ = random_list(1, budget=120.0, capacity=35.0)
    assert done.cut.prices.budget > 0.0
    assert done.cut.prices.capacity > 0.0
    assert any("that its share of budget and capacity is worth." in line for line in done.reason)


def test_reason_without_demand() -> None:
    terms = OrderTerms(unit_price=2.0, unit_cost=1.0)
    assert one_line([0.0, 0.0], 3.0, terms) == (
        "No order: position 3 meets no expected demand; demand over 8 days p50 0, p90 0; the least order of 1 would "
        "earn nothing."
    )


def test_explain_shows_every_step_of_a_series() -> None:
    done, _ = random_list(5, budget=100.0)
    row = int(np.argmax(done.quantity_S))
    table = explain(done, row)
    assert (table.step_qty * table.steps_taken).sum() == done.quantity_S[row]
    assert (table.step_value * table.steps_taken).sum() == pytest.approx(done.value_S[row])
    assert table.rate.tolist() == pytest.approx((table.step_value / table.step_cost).tolist())
    assert len(explain(done, int(np.flatnonzero(np.bincount(done.steps.row_N, minlength=30) == 0)[0]))) == 0


@pytest.mark.parametrize("series", [-1, 30])
def test_explain_refuses_a_row_that_is_not_there(series: int) -> None:
    done, _ = random_list(5)
    with pytest.raises(ValueError, match=f"series: expected a row below 30, found {series}"):
        explain(done, series)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"interval_days_S": 0.0}, "interval_days_S: expected days > 0, found 0 in row 0"),
        ({"interval_days_S": [3.0, np.nan]}, "interval_days_S: expected days > 0, found nan in row 1"),
        ({"unit_size_S": [1.0, -1.0]}, "unit_size_S: expected a size >= 0, found -1 in row 1"),
        ({"capacity": 5.0}, "unit_size_S: expected the size of a unit with a capacity of 5, found None"),
        ({"series_id_S": [3, 3]}, "series_id_S: expected 2 different integers, found 1 of int64"),
        ({"series_id_S": [0.5, 1.5]}, "series_id_S: expected 2 different integers, found 2 of float64"),
        ({"budget": np.nan}, "budget: expected a number >= 0"),
    ],
)
def test_bad_input_is_named(options: dict, words: str) -> None:
    options = {"interval_days_S": 8.0, **options}
    with pytest.raises(ValueError, match=words):
        order_list([[4.0], [5.0]], [0.0, 0.0], OrderTerms(unit_price=3.0, unit_cost=1.0), **options)


def test_steps_are_those_of_marginal_values() -> None:
    terms = OrderTerms(unit_price=3.0, unit_cost=1.0, carry_value=0.0)
    done = order_list([[4.0, 8.0]], [1.0], terms, interval_days_S=2.0)
    assert np.array_equal(done.steps.value_N, marginal_values([[4.0, 8.0]], [1.0], terms).value_N)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from udfs.inventory.orders.marginal_value import MarginalSteps, marginal_values
from udfs.inventory.orders.order_terms import OrderTerms
from udfs.series import series_threads

S, P = 4, 9


def expected_profit(order: float, need_P: np.ndarray, terms: OrderTerms, s: int) -> float:
    """Path by path: what is sold, what is left over, and what both bring, over no order."""
    sold, left = np.minimum(order, need_P), np.maximum(order - need_P, 0.0)
    at = {name: np.broadcast_to(getattr(terms, name), (S,))[s] for name in ("unit_price", "unit_cost", "shortage_cost")}
    holding = np.broadcast_to(np.multiply(terms.holding_cost, terms.holding_periods), (S,))[s]
    carry = np.broadcast_to(np.asarray(terms.carry_value), (S,))[s]
    income = sold * (at["unit_price"] + at["shortage_cost"]) + left * (carry - holding)
    order_cost = np.broadcast_to(terms.order_cost, (S,))[s] if order > 0.0 else 0.0
    return float(income.mean()) - order * at["unit_cost"] - order_cost


def needs(demand_P: np.ndarray, lead_P: np.ndarray | None, position: float, share: float) -> np.ndarray:
    """What an order could sell, told as the story of each path."""
    need = []
    for p, total in enumerate(demand_P):
        stock, waiting = max(position, 0.0), max(-position, 0.0)
        lead = 0.0 if lead_P is None else lead_P[p]
        unmet = max(lead - stock, 0.0)
        stock = max(stock - lead, 0.0)
        need.append(max(total - lead - stock, 0.0) + share * unmet + waiting)
    return np.array(need)


def one_by_one(steps: MarginalSteps, s: int) -> tuple[np.ndarray, np.ndarray]:
    """Quantity and value of each step of a series, without runs."""
    mine = steps.row_N == s
    return tuple(np.repeat(a[mine], steps.count_N[mine]) for a in (steps.quantity_N, steps.value_N))  # type: ignore[return-value]


def random_terms(rng: np.random.Generator, *, with_order_cost: bool) -> OrderTerms:
    return OrderTerms(
        unit_price=rng.uniform(1.0, 4.0, S),
        unit_cost=rng.uniform(0.5, 3.0, S),
        holding_cost=rng.uniform(0.0, 0.3, S),
        holding_periods=rng.integers(1, 5, S).astype(float),
        carry_value=0.0 if rng.random() < 0.3 else None,
        shortage_cost=rng.uniform(0.0, 1.0, S),
        order_cost=rng.uniform(0.0, 6.0, S) if with_order_cost else 0.0,
        moq=rng.integers(0, 8, S).astype(float),
        pack=rng.integers(1, 5, S) / rng.choice([1.0, 2.0]),  # also packs of what is sold by weight
        most_qty=rng.choice([0.0, 3.0, 11.0, np.inf], S),
        backorder_share=rng.uniform(0.0, 1.0, S),
    )


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), has_lead=st.booleans(), with_order_cost=st.booleans(), is_whole=st.booleans())
def test_values_are_those_of_every_order_tried(
    seed: int, has_lead: bool, with_order_cost: bool, is_whole: bool
) -> None:
    rng = np.random.default_rng(seed)
    demand_SP = rng.poisson(6.0, (S, P)).astype(float) if is_whole else rng.gamma(2.0, 4.0, (S, P))
    lead_SP = demand_SP * rng.random((S, P)) if has_lead else None
    position_S = rng.integers(-4, 9, S).astype(float)
    terms = random_terms(rng, with_order_cost=with_order_cost)
    steps = marginal_values(demand_SP, position_S, terms, lead_time_demand_SP=lead_SP)
    for s in range(S):
        share = np.broadcast_to(terms.backorder_share, (S,))[s]
        need_P = needs(demand_SP[s], None if lead_SP is None else lead_SP[s], position_S[s], share)
        pack, most = np.broadcast_to(terms.pack, (S,))[s], np.broadcast_to(terms.most_qty, (S,))[s]
        orders = [0.0, *(q for q in terms.least_order()[s] + pack * np.arange(200) if q <= most)]
        profits = np.array([expected_profit(q, need_P, terms, s) for q in orders])
        best = int(np.argmax(profits > profits.max() - 1e-10))
        quantity_K, value_K = one_by_one(steps, s)
        assert quantity_K.sum() == pytest.approx(orders[best])
        assert np.cumsum(value_K) == pytest.approx(profits[1 : best + 1], abs=1e-9)
        assert (np.diff(value_K[1:]) <= 0.0).all()  # concave after the first step
        if not with_order_cost and len(value_K) > 1:
            assert value_K[0] / quantity_K[0] >= value_K[1] / quantity_K[1] - 1e-12


def test_the_last_step_is_the_newsvendors_quantity() -> None:
    demand_SP = stats.poisson(7.0).ppf((np.arange(4000) + 0.5) / 4000)[np.newaxis]
    terms = OrderTerms(unit_price=5.0, unit_cost=3.0, carry_value=2.0)
    quantity_K, _ = one_by_one(marginal_values(demand_SP, [2.0], terms), 0)
    assert quantity_K.sum() == stats.poisson(7.0).ppf(2.0 / (2.0 + 1.0)) - 2.0


def test_an_order_of_millions_of_packs_has_few_runs() -> None:
    terms = OrderTerms(unit_price=3.0, unit_cost=1.0, carry_value=0.0)
    steps = marginal_values([[1e6, 3e6, 5e6]], [0.0], terms)
    assert steps.count_N.tolist() == [1, 999_999, 2_000_000]
    assert steps.value_N == pytest.approx([2.0, 2.0, 3.0 * 2.0 / 3.0 - 1.0])


def test_most_steps_makes_coarser_steps_of_the_same_worth() -> None:
    demand_SP = np.random.default_rng(3).gamma(2.0, 300.0, (1, 50))
    terms = OrderTerms(unit_price=3.0, unit_cost=1.0, carry_value=0.0, pack=2.0)
    fine_q, fine_v = one_by_one(marginal_values(demand_SP, [0.0], terms), 0)
    coarse_q, coarse_v = one_by_one(marginal_values(demand_SP, [0.0], terms, most_steps=20), 0)
    assert len(coarse_q) <= 21
    assert set(coarse_q[1:] % 2.0) == {0.0}
    places = np.searchsorted(np.cumsum(fine_q), np.cumsum(coarse_q))
    inside = places < len(fine_q)
    assert np.cumsum(coarse_v)[inside] == pytest.approx(np.cumsum(fine_v)[places[inside]])
    assert coarse_v.sum() > 0.98 * fine_v.sum()


@pytest.mark.parametrize(
    ("demand", "position", "terms"),
    [
        ([0.0, 0.0], 0.0, OrderTerms(unit_price=3.0, unit_cost=1.0)),  # no demand
        ([4.0, 6.0], 6.0, OrderTerms(unit_price=3.0, unit_cost=1.0)),  # the position covers every path
        ([4.0, 6.0], 0.0, OrderTerms(unit_price=1.0, unit_cost=3.0)),  # sold below cost
        ([4.0, 6.0], 0.0, OrderTerms(unit_price=3.0, unit_cost=1.0, most_qty=0.0)),
        ([4.0, 6.0], 0.0, OrderTerms(unit_price=3.0, unit_cost=1.0, order_cost=100.0)),
    ],
)
def test_nothing_worth_ordering_has_no_steps(demand: list[float], position: float, terms: OrderTerms) -> None:
    assert len(marginal_values([demand], [position], terms).row_N) == 0


def test_a_first_step_that_loses_is_kept_where_the_next_make_it_good() -> None:
    terms = OrderTerms(unit_price=3.0, unit_cost=1.0, order_cost=5.0)
    steps = marginal_values([[4.0, 4.0]], [0.0], terms)
    assert steps.value_N.tolist() == [-3.0, 2.0]
    assert steps.count_N.tolist() == [1, 3]


def test_what_ends_an_order() -> None:
    terms = OrderTerms(
        unit_price=3.0, unit_cost=1.0, carry_value=0.0, moq=np.array([0, 0, 0, 9]), pack=np.array([1, 4, 1, 1]),
        most_qty=np.array([np.inf, np.inf, 2, np.inf]),
    )  # fmt: skip
    end = marginal_values(np.full((4, 2), 5.0), np.zeros(4), terms).end
    assert end.value_S.tolist() == [-1.0, 3.0 - 4.0, 2.0, -1.0]
    assert end.cost_S.tolist() == [1.0, 4.0, 1.0, 1.0]
    assert (end.unit_value_S > 0.0).tolist() == [False, True, True, False]
    assert end.is_capped_S.tolist() == [False, False, True, False]
    assert end.is_raised_S.tolist() == [False, False, False, True]


def test_a_series_does_not_depend_on_those_beside_it_nor_on_threads() -> None:
    rng = np.random.default_rng(5)
    demand_SP, position_S = rng.gamma(2.0, 5.0, (40, 30)), rng.uniform(-2.0, 9.0, 40)
    terms = OrderTerms(unit_price=3.0, unit_cost=1.0, holding_cost=0.1, pack=3.0)
    whole = marginal_values(demand_SP, position_S, terms)
    token = series_threads._kernel_threads.set(3)
    try:
        threaded = marginal_values(demand_SP, position_S, terms)
    finally:
        series_threads._kernel_threads.reset(token)
    assert np.array_equal(whole.value_N, threaded.value_N)
    alone = marginal_values(demand_SP[7:8], position_S[7:8], terms)
    assert np.array_equal(whole.value_N[whole.row_N == 7], alone.value_N)


def test_rates_and_totals() -> None:
    steps = marginal_values([[4.0], [2.0]], [0.0, 0.0], OrderTerms(unit_price=3.0, unit_cost=np.array([2.0, 0.0])))
    assert steps.rates().tolist() == [0.5, 0.5, np.inf, np.inf]
    assert steps.total(steps.count_N, steps.quantity_N).tolist() == [4.0, 2.0]


TERMS = OrderTerms(unit_price=3.0, unit_cost=1.0)


@pytest.mark.parametrize(
    ("demand", "position", "options", "words"),
    [
        ([1.0, 2.0], [0.0], {}, r"demand_SP: expected \[S, P\] with at least one path"),
        (np.empty((1, 0)), [0.0], {}, "at least one path"),
        ([[1.0], [np.nan]], [0.0, 0.0], {}, "demand_SP: expected finite units >= 0, found nan in row 1"),
        ([[1.0], [-2.0]], [0.0, 0.0], {}, "found -2 in row 1"),
        ([[np.inf]], [0.0], {}, "found inf in row 0"),
        ([[1.0]], [np.nan], {}, "position_S: expected 1 finite numbers, found nan"),
        ([[1.0]], [0.0, 0.0], {}, r"position_S: expected 1 finite numbers, found shape \(2,\)"),
        ([[1.0]], [0.0], {"most_steps": 0}, "most_steps: expected at least 1 or None, found 0"),
        ([[1.0]], [0.0], {"lead_time_demand_SP": [[1.0, 1.0]]}, "lead_time_demand_SP: expected shape"),
        ([[1.0]], [0.0], {"lead_time_demand_SP": [[-1.0]]}, "lead_time_demand_SP: expected finite units"),
        ([[1.0], [1.0]], [0.0, 0.0], {"lead_time_demand_SP": [[1.0], [2.0]]}, "found more in row 1"),
        ([[1.0]], [0.0], {"terms": OrderTerms(np.ones(2), np.ones(2))}, "terms: expected scalars or 1 values each"),
    ],
)
def test_bad_input_is_named(demand: object, position: list[float], options: dict, words: str) -> None:
    options = {"terms": TERMS, **options}
    with pytest.raises(ValueError, match=words):
        marginal_values(demand, position, options.pop("terms"), **options)  # type: ignore[arg-type]

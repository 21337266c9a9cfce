from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.udfs.inventory.orders.milp_oracle import Instance, optimum, random_instance
from udfs.inventory.orders.budget_cut import Cut, cut_rate, steps_within
from udfs.inventory.orders.marginal_value import marginal_values
from udfs.inventory.orders.order_terms import OrderTerms


def cut_of(instance: Instance, budget: float = np.inf, capacity: float = np.inf, **options: int) -> Cut:
    return cut_rate(*instance.runs, count_N=instance.steps.count_N, budget=budget, capacity=capacity, **options)


def many_series(S: int, seed: int = 0) -> Instance:
    rng = np.random.default_rng(seed)
    mean_S, cost_S = rng.gamma(0.7, 12.0, S), rng.gamma(2.0, 2.0, S).round(2) + 0.05
    demand_SP = rng.poisson(mean_S[:, None] * rng.gamma(4.0, 0.25, (S, 50))).astype(float)
    terms = OrderTerms(
        unit_price=cost_S * rng.uniform(1.05, 2.0, S),
        unit_cost=cost_S,
        holding_cost=0.01 * cost_S,
        moq=rng.choice([0.0, 6.0, 24.0], S),
        pack=rng.choice([1.0, 6.0], S),
    )
    steps = marginal_values(demand_SP, np.zeros(S), terms)
    return Instance(steps, steps.quantity_N * rng.uniform(0.1, 3.0, S)[steps.row_N])


@pytest.mark.parametrize("limit", ["budget", "capacity", "both"])
@pytest.mark.parametrize("with_order_cost", [False, True])
def test_equals_the_integer_programme(limit: str, with_order_cost: bool) -> None:
    rng, solved = np.random.default_rng(11), 0
    for _ in range(25):
        instance = random_instance(rng, with_order_cost=with_order_cost)
        if not len(instance.steps.row_N):
            continue
        share_2 = rng.uniform(0.0, 1.1, 2)
        budget = np.inf if limit == "capacity" else share_2[0] * instance.whole(instance.steps.cost_N)
        capacity = np.inf if limit == "budget" else share_2[1] * instance.whole(instance.size_N)
        cut = cut_of(instance, budget, capacity)
        assert cut.value == pytest.approx(optimum(instance, budget, capacity), rel=1e-7, abs=1e-9)
        assert cut.gap <= 1e-7
        assert cut.cost <= budget * (1.0 + 1e-9)
        assert cut.size <= capacity * (1.0 + 1e-9)
        solved += 1
    assert solved >= 20


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_equals_every_combination_tried(seed: int) -> None:
    rng = np.random.default_rng(seed)
    level_s = rng.integers(1, 4, 3)
    series_N = np.repeat(np.arange(3), level_s)
    cost_N, size_N = (rng.integers(1, 9, 3).astype(float)[series_N] for _ in range(2))
    value_N = np.concatenate([np.sort(rng.integers(-2, 9, n))[::-1] for n in level_s]).astype(float)
    budget, capacity = rng.integers(0, 30, 2).astype(float)
    best = 0.0
    for levels in itertools.product(*(range(n + 1) for n in level_s)):
        taken_N = np.concatenate([np.arange(n) < k for n, k in zip(level_s, levels, strict=True)])
        if taken_N @ cost_N <= budget and taken_N @ size_N <= capacity:
            best = max(best, float(taken_N @ value_N))
    cut = cut_rate(series_N, cost_N, value_N, size_N, budget=budget, capacity=capacity)
    assert cut.value == pytest.approx(best)
    assert cut.upper_bound == pytest.approx(best)


@pytest.mark.parametrize(("budget_share", "capacity_share"), [(0.4, np.inf), (np.inf, 0.4), (0.3, 0.25)])
def test_many_series_are_near_a_bound_that_holds(budget_share: float, capacity_share: float) -> None:
    instance = many_series(600)
    budget = budget_share * instance.whole(instance.steps.cost_N)
    capacity = capacity_share * instance.whole(instance.size_N)
    cut = cut_of(instance, budget, capacity)
    assert cut.value <= cut.upper_bound
    assert cut.gap < 1e-5
    assert cut.cost <= budget * (1.0 + 1e-9)
    assert cut.size <= capacity * (1.0 + 1e-9)
    hurried = cut_of(instance, budget, capacity, core_limit=5, node_limit=1)
    assert hurried.value <= cut.upper_bound * (1.0 + 1e-12)
    assert hurried.upper_bound >= cut.value * (1.0 - 1e-12)
    assert hurried.value == pytest.approx(cut.value, rel=1e-2)


def test_the_bound_holds_against_the_integer_programme_when_the_search_is_cut_short() -> None:
    rng = np.random.default_rng(4)
    for _ in range(15):
        instance = random_instance(rng)
        budget, capacity = 0.5 * instance.whole(instance.steps.cost_N), 0.4 * instance.whole(instance.size_N)
        cut = cut_of(instance, budget, capacity, core_limit=2, node_limit=1)
        best = optimum(instance, budget, capacity)
        assert cut.value <= best + 1e-9
        assert cut.upper_bound >= best * (1.0 - 1e-9)


def test_without_limits_everything_is_taken() -> None:
    instance = many_series(50)
    cut = cut_of(instance)
    assert (cut.prices.budget, cut.prices.capacity, cut.gap, len(cut.exception_E)) == (0.0, 0.0, 0.0, 0)
    assert cut.value == pytest.approx(instance.whole(instance.steps.value_N))
    taken_N = steps_within(cut, *instance.runs, count_N=instance.steps.count_N)
    assert np.array_equal(taken_N, instance.steps.count_N)


def test_no_budget_buys_only_what_is_free() -> None:
    cut = cut_rate([0, 1], [2.0, 0.0], [5.0, 3.0], budget=0.0)
    assert (cut.value, cut.cost, cut.gap) == (3.0, 0.0, 0.0)
    assert steps_within(cut, [0, 1], [2.0, 0.0], [5.0, 3.0]).tolist() == [0, 1]


def test_no_steps_at_all() -> None:
    none = np.empty(0, np.int64)
    cut = cut_rate(none, [], [], budget=5.0)
    assert (cut.value, cut.upper_bound, cut.gap) == (0.0, 0.0, 0.0)
    assert len(steps_within(cut, none, [], [])) == 0


def test_a_sum_of_cents_that_equals_the_budget_fits() -> None:
    cut = cut_rate([0, 0], [0.1, 0.1], [1.0, 0.9], count_N=[1, 2], budget=0.3)
    assert cut.value == pytest.approx(2.8)


def test_part_of_a_run_is_taken() -> None:
    series_N, cost_N, value_N, count_N = [0, 0], [1.0, 1.0], [2.0, 1.5], [1, 1_000_000]
    cut = cut_rate(series_N, cost_N, value_N, count_N=count_N, budget=123_456.5)
    assert steps_within(cut, series_N, cost_N, value_N, count_N=count_N).tolist() == [1, 123_455]
    assert cut.gap == pytest.approx(0.0, abs=1e-9)


def test_buckets_in_any_order_take_the_same_steps() -> None:
    instance = many_series(150)
    id_S = np.random.default_rng(1).permutation(10_000)[:150] - 5_000
    series_N = id_S[instance.steps.row_N]
    columns = (series_N, *instance.runs[1:])
    budget, capacity = 0.3 * instance.whole(instance.steps.cost_N), 0.3 * instance.whole(instance.size_N)
    limits = {"budget": budget, "capacity": capacity, "core_limit": 100, "node_limit": 50}
    cut = cut_rate(*columns, count_N=instance.steps.count_N, **limits)  # type: ignore[arg-type]
    whole_N = steps_within(cut, *columns, count_N=instance.steps.count_N)
    bucket_N = instance.steps.row_N % 7
    order_N = np.concatenate([np.flatnonzero(bucket_N == b) for b in (5, 0, 6, 2, 1, 4, 3)])
    moved = cut_rate(*(c[order_N] for c in columns), count_N=instance.steps.count_N[order_N], **limits)  # type: ignore[arg-type]
    assert (moved.value, moved.prices, moved.upper_bound) == (cut.value, cut.prices, cut.upper_bound)
    assert moved.level_E.tolist() == cut.level_E.tolist()
    for b in range(7):
        mine = np.flatnonzero(bucket_N == b)
        taken = steps_within(moved, *(c[mine] for c in columns), count_N=instance.steps.count_N[mine])
        assert np.array_equal(taken, whole_N[mine])


def test_equal_series_are_served_by_id() -> None:
    series_N = np.array([40, 10, 30, 20])
    cut = cut_rate(series_N, np.ones(4), np.full(4, 2.0), budget=2.0)
    assert steps_within(cut, series_N, np.ones(4), np.full(4, 2.0)).tolist() == [0, 1, 0, 1]


def test_thousands_of_equal_series_need_no_search() -> None:
    S = 5000
    cut = cut_rate(np.arange(S), np.ones(S), np.full(S, 2.0), np.ones(S), budget=1000.0, capacity=2000.0)
    assert (cut.value, cut.cost) == (2000.0, 1000.0)
    assert cut.gap == pytest.approx(0.0, abs=1e-9)


ONE = {"series_N": [0], "cost_N": [1.0], "value_N": [1.0]}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"budget": -1.0}, "budget: expected a number >= 0, inf for no limit, found -1"),
        ({"budget": np.nan}, "budget: .* found nan"),
        ({"capacity": -2.0}, "capacity: expected a number >= 0"),
        ({"core_limit": 0}, "core_limit: expected at least 1, found 0"),
        ({"node_limit": 0}, "node_limit: expected at least 1, found 0"),
        ({"series_N": [0.5]}, r"series_N: expected integers \[N\], found float64"),
        ({"cost_N": [1.0, 2.0]}, r"cost_N: expected shape \(1,\) as series_N has"),
        ({"cost_N": [-1.0]}, "cost_N: expected finite numbers >= 0, found -1 in row 0"),
        ({"value_N": [np.inf]}, "value_N: expected finite numbers, found inf in row 0"),
        ({"size_N": [np.nan]}, "size_N: expected finite numbers >= 0, found nan"),
        ({"count_N": [0]}, "count_N: expected finite numbers >= 1, found 0"),
        ({"count_N": [2]}, "count_N: expected 1 for the first run of a series, found 2 in row 0"),
        (
            {"series_N": [0, 0, 0], "cost_N": [4.0, 1.0, 2.0], "value_N": [4.0, 1.0, 1.0]},
            "cost_N: expected no change after the first step of a series, found 2 after 1 in row 2",
        ),
        (
            {"series_N": [0, 0, 0], "cost_N": [1.0] * 3, "value_N": [1.0] * 3, "size_N": [1.0, 1.0, 2.0]},
            "size_N: expected no change after the first step",
        ),
        (
            {"series_N": [0, 0, 0], "cost_N": [1.0] * 3, "value_N": [4.0, 1.0, 2.0]},
            "value_N: expected no rise after the first step of a series, found 2 after 1 in row 2",
        ),
    ],
)
def test_bad_input_is_named(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cut_rate(**{**ONE, **options})

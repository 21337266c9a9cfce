"""What (s, S) answers at the edges, and what it refuses."""

from __future__ import annotations

import doctest
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from udfs.inventory.theory.s_s import power_approximation, zheng_federgruen
from udfs.inventory.theory.s_s.discrete_demand import NegativeBinomialDemand, PmfDemand, PoissonDemand
from udfs.inventory.theory.s_s.zheng_federgruen import s_s_cost, s_s_discrete, s_s_negative_binomial, s_s_poisson


def test_without_a_fixed_cost_it_is_the_newsvendors_base_stock() -> None:
    mean_S, backorder_S = np.array([0.05, 1.0, 7.5, 60.0, 900.0]), np.array([3.0, 9.0, 1.0, 99.0, 0.2])
    for lead_time in (0, 5):
        s, S, _ = s_s_poisson(mean_S, 0.0, 1.0, backorder_S, lead_time)
        expected = stats.poisson.ppf(backorder_S / (1.0 + backorder_S), mean_S * (lead_time + 1))
        assert S.tolist() == expected.tolist()
        assert s.tolist() == (expected - 1).tolist()


def test_without_demand_nothing_is_kept() -> None:
    s, S, cost = s_s_poisson([0.0, 0.0], [0.0, 50.0], 1.0, 9.0, [0, 4])
    assert (s.tolist(), S.tolist(), cost.tolist()) == ([-1, -1], [0, 0], [0.0, 0.0])
    assert s_s_discrete([1.0, 0.0], 5.0, 1.0, 9.0).cost == 0.0
    assert s_s_negative_binomial(0.0, 0.0, 5.0, 1.0, 9.0).cost == 0.0
    assert s_s_negative_binomial(0.0, 2.0, 5.0, 1.0, 9.0).cost == 0.0
    assert s_s_cost([2, -5], [3, -4], PoissonDemand(0.0), 5.0, 1.0, 9.0).tolist() == [3.0, 36.0]


def test_demand_that_hardly_ever_comes() -> None:
    # One unit with a chance of 1e-9: order it when it is owed (K and p each time), for stock would cost h for ever.
    s, S, cost = s_s_poisson([1e-9, 1e-300, 1e-250], 10.0, 1.0, 9.0)
    assert (s.tolist(), S.tolist()) == ([-1, -1, -1], [0, 0, 0])
    assert cost[0] == pytest.approx(19e-9, rel=1e-6)
    assert (cost[1:] >= 0.0).all()
    assert (cost[1:] < 1e-200).all()


def test_demand_of_a_hundred_thousand_units() -> None:
    s, S, cost = s_s_poisson(1e5, [1e3, 1e6], 1.0, 9.0)
    # So large a batch is ordered as if demand were steady: about EOQ apart, and near its cost.
    quantity = np.sqrt(2 * 1e6 * 1e5 / 1.0 * (10.0 / 9.0))
    assert S[1] - s[1] == pytest.approx(quantity, rel=0.2)
    demand = PoissonDemand(1e5)
    assert s_s_cost(s, S, demand, [1e3, 1e6], 1.0, 9.0) == pytest.approx(cost, rel=1e-9)
    for ds, dS in ((-20, 0), (20, 0), (0, -20), (0, 20)):
        assert (s_s_cost(s + ds, S + dS, demand, [1e3, 1e6], 1.0, 9.0) >= cost * (1 - 1e-12)).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: s_s_poisson([1.0, 1e13], 1.0, 1.0, 9.0),
        lambda: s_s_poisson([1.0, 1e300], 1.0, 1.0, 9.0),
        lambda: s_s_poisson([1.0, 1.0], [1.0, 1e14], 1.0, 9.0),
        lambda: s_s_negative_binomial([1.0, 1.0], [2.0, 1e9], 1.0, 1.0, 9.0),
        lambda: s_s_cost([0, 0], [5, 2**21], PoissonDemand(1.0), 1.0, 1.0, 9.0),
        lambda: s_s_discrete([0.5, 0.5], 1.0, 1.0, 9.0, [0, 10_000_000]),
    ],
)
def test_more_units_than_memory_allows_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"at most 1048576 units, found more at row 1; count in packs"):
        call()


def test_longer_buffers_give_the_same_answer() -> None:
    # S - s of thousands of units: the first buffers are too short. Steady demand of 3 units: s, S by hand.
    s, S, cost = s_s_discrete(PmfDemand([0.0, 0.0, 0.0, 1.0]), [3e6, 10.0], 1.0, 9.0)
    assert S[0] - s[0] > 2048
    periods = np.arange(500, 4000)  # periods served by one order; those at the end of the cycle owe
    best = min(
        (3e6 + 3 * (k - owed) * (k - owed - 1) / 2 + 9 * 3 * owed * (owed + 1) / 2) / k
        for k in periods
        for owed in {int(k * 0.1) + d for d in (-1, 0, 1)}
    )
    assert cost[0] == pytest.approx(best, rel=1e-12)
    assert cost[1] == s_s_discrete([0.0, 0.0, 0.0, 1.0], 10.0, 1.0, 9.0).cost


@pytest.mark.parametrize("ratio", [1e-6, 1e6, 1e12])
def test_extreme_ratios_of_backorder_to_holding_cost(ratio: float) -> None:
    _, S, cost = s_s_poisson(10.0, 0.0, 1.0, ratio)
    assert stats.poisson.sf(S, 10.0) <= 1.0 / (1.0 + ratio) <= stats.poisson.sf(S - 1, 10.0)
    short = sum(stats.poisson.sf(x, 10.0) for x in range(int(S), int(S) + 200))
    on_hand = sum(stats.poisson.cdf(x, 10.0) for x in range(int(S)))
    assert cost == pytest.approx(on_hand + ratio * short, rel=1e-6)


def test_a_series_has_the_same_bits_alone_and_in_any_batch() -> None:
    rng = np.random.default_rng(3)
    mean_S, fixed_S = rng.uniform(0, 80, 64), rng.uniform(0, 300, 64)
    mean_S[10], fixed_S[11] = 5000.0, 1e7
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        whole = s_s_poisson(mean_S, fixed_S, 1.0, 9.0, 1)
    finally:
        torch.set_num_threads(before)
    for row in range(64):
        alone = s_s_poisson(mean_S[row], fixed_S[row], 1.0, 9.0, 1)
        assert tuple(x[row] for x in whole) == tuple(alone)


def test_shapes_broadcast_and_types_are_as_said() -> None:
    s, S, cost = s_s_poisson(np.ones((3, 1)), [1.0, 2.0], 1, 9)
    assert s.shape == S.shape == cost.shape == (3, 2)
    assert (s.dtype, S.dtype, cost.dtype) == (np.int64, np.int64, np.float64)
    assert s_s_poisson(5, 5, 1, 9).cost.shape == ()
    assert s_s_poisson([], 5, 1, 9).cost.shape == (0,)
    assert s_s_discrete(np.full((2, 4), 0.25), 5, 1, 9).cost.shape == (2,)
    assert s_s_discrete(np.full(4, 0.25), [5, 6, 7], 1, 9).cost.shape == (3,)
    with pytest.raises(ValueError, match="shape mismatch"):
        s_s_poisson([1.0, 2.0], [1.0, 2.0, 3.0], 1, 9)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
@pytest.mark.parametrize("position", range(5))
def test_bad_parameters_are_named(position: int, value: float) -> None:
    arguments = [np.full(3, x) for x in (4.0, 5.0, 1.0, 9.0, 2.0)]
    arguments[position][1] = value
    name = ("mean_demand", "fixed_cost", "holding_cost", "backorder_cost", "lead_time")[position]
    with pytest.raises(ValueError, match=f"{name}: expected .*, found {value} at row 1"):
        s_s_poisson(*arguments)


@pytest.mark.parametrize("name", ["holding_cost", "backorder_cost"])
def test_free_stock_or_free_backorders_are_refused(name: str) -> None:
    costs = {"holding_cost": 1.0, "backorder_cost": 9.0} | {name: 0.0}
    with pytest.raises(ValueError, match=f"{name}: expected finite and > 0, found 0.0"):
        s_s_poisson(4.0, 5.0, **costs)


def test_part_of_a_period_is_no_lead_time() -> None:
    with pytest.raises(ValueError, match=r"lead_time: expected a whole number of periods >= 0, found 1\.5"):
        s_s_poisson(4.0, 5.0, 1.0, 9.0, 1.5)


@pytest.mark.parametrize(
    ("pmf", "message"),
    [
        ([0.5, 0.4], r"pmf: expected a sum of 1 over each row, found 0\.9"),
        ([[0.5, 0.5], [0.5, 0.6]], r"a sum of 1 over each row, found 1\.1 at row 1"),
        ([1.5, -0.5], r"pmf: expected finite and >= 0, found -0\.5 at row 1"),
        ([[0.5, 0.5], [np.nan, 1.0]], r"pmf: expected finite and >= 0, found nan at row \(1, 0\)"),
        ([], r"pmf: expected shape \[N\] or \[S, N\] with N >= 1, found \(0,\)"),
        (1.0, r"pmf: expected shape \[N\] or \[S, N\] with N >= 1, found \(\)"),
        (np.ones((1, 1, 1)), r"pmf: expected shape \[N\] or \[S, N\] with N >= 1, found \(1, 1, 1\)"),
    ],
)
def test_what_is_no_distribution_is_refused(pmf: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        s_s_discrete(pmf, 5.0, 1.0, 9.0)


def test_negative_binomial_refuses_too_small_a_variance() -> None:
    with pytest.raises(ValueError, match=r"variance: expected finite and not below the mean, found 2\.0 at row 1"):
        NegativeBinomialDemand(3.0, [3.0, 2.0])
    with pytest.raises(ValueError, match=r"variance: expected finite and not below the mean, found inf"):
        NegativeBinomialDemand(3.0, np.inf)
    with pytest.raises(ValueError, match=r"mean_demand: expected finite and >= 0, found -3\.0"):
        NegativeBinomialDemand(-3.0, 4.0)


@pytest.mark.parametrize(
    ("s", "S", "message"),
    [
        (1.5, 4, r"reorder_point: expected a whole number below 2\^52 in size, found 1\.5"),
        (1, np.nan, r"order_up_to: expected a whole number below 2\^52 in size, found nan"),
        (-1e300, 4, r"reorder_point: expected a whole number below 2\^52 in size, found -1e\+300"),
        ([1, 4], [4, 4], r"reorder_point: expected less than order_up_to, found 4\.0 at row 1"),
    ],
)
def test_levels_that_are_none_are_refused(s: object, S: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        s_s_cost(s, S, PoissonDemand(3.0), 5.0, 1.0, 9.0)


@pytest.mark.parametrize("module", [zheng_federgruen, power_approximation])
def test_examples_of_the_docstrings(module: object) -> None:
    done = doctest.testmod(module)
    assert done.attempted > 0
    assert done.failed == 0

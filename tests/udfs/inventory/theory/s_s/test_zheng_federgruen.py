"""Optima against publications, stockpyl, and the enumeration of a Markov chain."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from scipy import stats
from stockpyl.ss import s_s_cost_discrete, s_s_discrete_exact

from tests.real_data import find
from tests.udfs.inventory.theory.s_s.oracle import best_by_enumeration, chain_cost
from udfs.inventory.theory.s_s.discrete_demand import PmfDemand, PoissonDemand
from udfs.inventory.theory.s_s.zheng_federgruen import s_s_cost, s_s_discrete, s_s_negative_binomial, s_s_poisson


def random_instances(n: int, highest_mean: float, seed: int = 1991) -> np.ndarray:
    """Mean demand, K, h and p of n instances, [n, 4]."""
    rng = np.random.default_rng(seed)
    columns = [rng.uniform(1, highest_mean, n), rng.uniform(1, 100, n), rng.uniform(0.2, 2, n), rng.uniform(2, 40, n)]
    return np.round(np.stack(columns, axis=1), 3)


def assert_optima_of_stockpyl(instances: np.ndarray) -> None:
    s, S, cost = s_s_poisson(*instances.T)
    for row, (mean, fixed, holding, backorder) in enumerate(instances):
        expected = s_s_discrete_exact(holding, backorder, fixed, True, mean)
        assert (s[row], S[row]) == expected[:2]
        assert cost[row] == pytest.approx(expected[2], rel=1e-9)


@pytest.mark.real_data
def test_published_instances_in_one_call() -> None:
    with find("inventory_theory/zheng_federgruen_1991.csv").open() as file:
        rows = list(csv.DictReader(file))
    column = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    s, S, cost = s_s_poisson(
        column["mean_poisson_demand"], column["K"], column["h"], column["p"], column["lead_time"].astype(int)
    )
    assert len(rows) == 12
    assert s.tolist() == column["s_opt"].tolist()
    assert S.tolist() == column["S_opt"].tolist()
    assert cost == pytest.approx(column["cost_opt"], abs=1e-3)


@pytest.mark.real_data
def test_textbook_instances_with_poisson_demand() -> None:
    instances = json.loads(find("inventory_theory/textbook_instances.json").read_text())["instances"]
    data = [x["data"] for x in instances if x["name"] in {"example_4_7", "problem_4_31"}]
    names = ("demand_mean", "fixed_cost", "holding_cost", "stockout_cost")
    assert_optima_of_stockpyl(np.array([[x[name] for name in names] for x in data], dtype=float))
    assert len(data) == 2


def test_random_instances_have_the_optima_of_stockpyl() -> None:
    assert_optima_of_stockpyl(random_instances(12, highest_mean=15))


@pytest.mark.slow
def test_many_random_instances_have_the_optima_of_stockpyl() -> None:
    assert_optima_of_stockpyl(random_instances(60, highest_mean=60))


@pytest.mark.parametrize("lead_time", [0, 1, 3])
@pytest.mark.parametrize(("mean", "fixed", "backorder"), [(0.7, 4.0, 9.0), (2.0, 12.0, 4.0), (1.3, 0.5, 30.0)])
def test_optimum_equals_the_best_chain(mean: float, fixed: float, backorder: float, lead_time: int) -> None:
    pmf_N = stats.poisson.pmf(np.arange(18), mean)
    best, _, _ = best_by_enumeration(pmf_N, fixed, 1.0, backorder, lead_time, -4, 17)
    s, S, cost = s_s_poisson(mean, fixed, 1.0, backorder, lead_time)
    assert cost == pytest.approx(best, rel=1e-7)
    assert chain_cost(int(s), int(S), pmf_N, fixed, 1.0, backorder, lead_time) == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("lead_time", [0, 2])
@pytest.mark.parametrize(
    "pmf_N",
    [
        [0.5, 0.0, 0.5],
        [0.0, 0.0, 0.0, 1.0],
        [0.7, 0.1, 0.0, 0.0, 0.0, 0.2],
        [0.0, 0.25, 0.5, 0.25, 0.0, 0.0],
        [0.9, 0.1],
    ],
)
def test_optimum_for_any_pmf_equals_the_best_chain(pmf_N: list[float], lead_time: int) -> None:
    best, _, _ = best_by_enumeration(np.array(pmf_N), 3.0, 1.0, 6.0, lead_time, -3, 18)
    s, S, cost = s_s_discrete(pmf_N, 3.0, 1.0, 6.0, lead_time)
    assert cost == pytest.approx(best, rel=1e-9)
    assert chain_cost(int(s), int(S), np.array(pmf_N), 3.0, 1.0, 6.0, lead_time) == pytest.approx(best, rel=1e-9)


def test_poisson_as_a_pmf_has_the_same_optimum() -> None:
    mean_S = np.array([0.3, 4.0, 11.5, 27.0])
    pmf_SN = stats.poisson.pmf(np.arange(120), mean_S[:, None])
    for lead_time in (0, 1, 4):
        by_pmf = s_s_discrete(pmf_SN, 20.0, 0.5, 9.0, lead_time)
        by_mean = s_s_poisson(mean_S, 20.0, 0.5, 9.0, lead_time)
        assert by_pmf.reorder_point.tolist() == by_mean.reorder_point.tolist()
        assert by_pmf.order_up_to.tolist() == by_mean.order_up_to.tolist()
        assert by_pmf.cost == pytest.approx(by_mean.cost, rel=1e-11)


def test_negative_binomial_equals_its_pmf_over_the_lead_time() -> None:
    mean_S, variance_S = np.array([0.2, 3.0, 8.0, 20.0]), np.array([0.9, 3.6, 40.0, 61.0])
    prob_S = mean_S / variance_S
    pmf_SN = stats.nbinom.pmf(np.arange(500), (mean_S * prob_S / (1 - prob_S))[:, None], prob_S[:, None])
    for lead_time in (0, 3):
        by_pmf = s_s_discrete(pmf_SN, 30.0, 1.0, 19.0, lead_time)
        s, S, cost = s_s_negative_binomial(mean_S, variance_S, 30.0, 1.0, 19.0, lead_time)
        assert s.tolist() == by_pmf.reorder_point.tolist()
        assert S.tolist() == by_pmf.order_up_to.tolist()
        assert cost == pytest.approx(by_pmf.cost, rel=1e-10)


def test_negative_binomial_with_the_variance_of_poisson_is_poisson() -> None:
    mean_S = np.array([0.0, 0.4, 5.0, 40.0])
    poisson = s_s_poisson(mean_S, 25.0, 1.0, 9.0, 2)
    limit = s_s_negative_binomial(mean_S, mean_S, 25.0, 1.0, 9.0, 2)
    near = s_s_negative_binomial(mean_S, mean_S * (1 + 1e-12), 25.0, 1.0, 9.0, 2)
    for found in (limit, near):
        assert found.order_up_to.tolist() == poisson.order_up_to.tolist()
        assert found.cost == pytest.approx(poisson.cost, rel=1e-9)


def test_cost_of_given_levels_equals_stockpyl_and_the_chain() -> None:
    rng = np.random.default_rng(5)
    s_S = rng.integers(-3, 12, 25)
    S_S = s_S + rng.integers(1, 25, 25)
    mean_S = rng.uniform(0.5, 12, 25)
    cost_S = s_s_cost(s_S, S_S, PoissonDemand(mean_S), 7.0, 0.8, 5.0)
    with_lead_time_S = s_s_cost(s_S, S_S, PoissonDemand(mean_S), 7.0, 0.8, 5.0, 2)
    for row in range(25):
        pmf_N = stats.poisson.pmf(np.arange(60), mean_S[row])
        expected = s_s_cost_discrete(int(s_S[row]), int(S_S[row]), 0.8, 5.0, 7.0, True, mean_S[row])
        assert cost_S[row] == pytest.approx(expected, rel=1e-10)
        chain = chain_cost(int(s_S[row]), int(S_S[row]), pmf_N, 7.0, 0.8, 5.0, 2)
        assert with_lead_time_S[row] == pytest.approx(chain, rel=1e-8)


def test_cost_of_given_levels_far_from_the_demand() -> None:
    # Two units in every period, so that one order of S - s units serves (S - s) / 2 periods.
    demand = PmfDemand([0.0, 0.0, 1.0])
    assert s_s_cost(98, 100, demand, 5.0, 1.0, 4.0) == pytest.approx(5.0 + 98.0)
    assert s_s_cost(-102, -100, demand, 5.0, 1.0, 4.0) == pytest.approx(5.0 + 4.0 * 102.0)
    assert s_s_cost(-10, 10, demand, 5.0, 1.0, 4.0) == pytest.approx(
        (5.0 + 8 + 6 + 4 + 2 + 4 * (2 + 4 + 6 + 8 + 10)) / 10
    )


def test_optimum_costs_what_its_levels_cost_and_no_neighbour_costs_less() -> None:
    mean, fixed, holding, backorder = random_instances(60, highest_mean=60, seed=7).T
    s, S, cost = s_s_poisson(mean, fixed, holding, backorder, 2)
    demand = PoissonDemand(mean)
    assert s_s_cost(s, S, demand, fixed, holding, backorder, 2) == pytest.approx(cost, rel=1e-11)
    for ds in (-7, -1, 0, 1):
        for dS in (-1, 0, 1, 9):
            near = s_s_cost(s + ds, np.maximum(S + dS, s + ds + 1), demand, fixed, holding, backorder, 2)
            assert (near >= cost * (1 - 1e-12)).all()

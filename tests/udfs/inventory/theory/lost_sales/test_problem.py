from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from udfs.inventory.theory.lost_sales.demand_pmf import poisson_pmf
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem

GOOD: dict[str, Any] = {
    "pmf_SN": poisson_pmf([2.0, 5.0]),
    "holding_cost_S": 1.0,
    "shortage_cost_S": 9.0,
    "lead_time": 2,
}


def test_levels_are_quantiles_of_the_demand_of_several_periods() -> None:
    problem = LostSalesProblem(**GOOD)
    assert problem.backorder_level().tolist() == stats.poisson.ppf(0.9, [6.0, 15.0]).tolist()
    assert problem.demand_quantile(1).tolist() == stats.poisson.ppf(0.9, [2.0, 5.0]).tolist()
    assert problem.mean_S == pytest.approx([2.0, 5.0])
    assert problem.position_cap_S.tolist() == [stats.poisson.ppf(0.9, 6.0) + 2.0, stats.poisson.ppf(0.9, 15.0) + 5.0]
    assert problem.n_states == 351  # pairs of at most 25 units: 26 x 27 / 2


def test_a_greatest_demand_bounds_the_quantile() -> None:
    certain = LostSalesProblem(np.array([[0.0, 0.0, 1.0]]), 1e-15, 1.0, lead_time=1)
    assert certain.backorder_level().tolist() == [4]


def test_more_than_the_memory_budget_is_refused() -> None:
    pmf_SN = np.repeat(poisson_pmf(5.0), 1_000, axis=0)
    with pytest.raises(ValueError, match=r"at most 1073741824 bytes, found 1000 series of up to 135751 states"):
        LostSalesProblem(pmf_SN, 1.0, 39.0, 4)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pmf_SN", np.array([0.5, 0.5]), r"pmf_SN: expected probabilities \[S, N\], found shape \(2,\)"),
        ("pmf_SN", np.zeros((0, 3)), "pmf_SN: expected probabilities"),
        ("pmf_SN", np.array([[0.5, 0.5], [0.5, 0.4]]), "sum to 1, found 0.9 in row 1"),
        ("pmf_SN", np.array([[1.5, -0.5]]), "pmf_SN: expected probabilities >= 0"),
        ("pmf_SN", np.array([[np.nan, 1.0]]), "found nan in row 0"),
        ("pmf_SN", np.array([[1.0, 0.0]]), "some demand"),
        ("lead_time", 0, "lead_time: expected whole periods from 1 to 4, found 0"),
        ("lead_time", 5, "found 5"),
        ("lead_time", 1.5, "found 1.5"),
        ("lead_time", np.nan, "lead_time: expected whole periods from 1 to 4, found nan"),
        ("lead_time", np.inf, "found inf"),
        ("holding_cost_S", 0.0, "holding_cost_S: expected currency > 0, found 0 in row 0"),
        ("shortage_cost_S", [9.0, np.nan], "shortage_cost_S: expected currency > 0, found nan in row 1"),
        ("shortage_cost_S", [9.0, -1.0], "found -1 in row 1"),
        ("shortage_cost_S", [9.0, 9.0, 9.0], r"shortage_cost_S: expected a number or \[2\], found shape \(3,\)"),
        ("position_cap_S", 0, "position_cap_S: expected whole units >= 1, found 0"),
        ("position_cap_S", 7.5, "found 7.5"),
        ("position_cap_S", 2_000, "at most 2000000 states"),
    ],
)
def test_bad_values_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LostSalesProblem(**{**GOOD, name: value})

from __future__ import annotations

import json

import numpy as np
import pytest
from stockpyl.ss import s_s_power_approximation as of_stockpyl

from tests.real_data import find
from udfs.inventory.theory.s_s.discrete_demand import NegativeBinomialDemand
from udfs.inventory.theory.s_s.power_approximation import s_s_power_approximation
from udfs.inventory.theory.s_s.zheng_federgruen import s_s_cost, s_s_discrete


@pytest.mark.real_data
def test_textbook_instances() -> None:
    instances = json.loads(find("inventory_theory/textbook_instances.json").read_text())["instances"]
    data = [x["data"] for x in instances if x["name"] in {"example_4_8", "problem_4_32"}]
    names = ("holding_cost", "stockout_cost", "fixed_cost", "demand_mean", "demand_sd")
    expected = np.array([of_stockpyl(*(x[name] for name in names)) for x in data])
    column = {name: np.array([x[name] for x in data]) for name in names}
    s, S = s_s_power_approximation(
        column["demand_mean"],
        column["demand_sd"],
        column["fixed_cost"],
        column["holding_cost"],
        column["stockout_cost"],
    )
    assert len(data) == 2
    assert np.stack([s, S], axis=1) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("lead_time", [0, 2, 4])
def test_it_costs_little_more_than_the_optimum_where_it_was_fitted(lead_time: int) -> None:
    mean, ratio, fixed, backorder = (
        x.ravel() for x in np.meshgrid([2.0, 4.0, 8.0, 16.0], [3.0, 9.0], [32.0, 64.0], [4.0, 9.0, 24.0])
    )
    demand = NegativeBinomialDemand(mean, mean * ratio)
    s, S = s_s_power_approximation(mean, np.sqrt(mean * ratio), fixed, 1.0, backorder, lead_time)
    cost = s_s_cost(np.round(s), np.round(S), demand, fixed, 1.0, backorder, lead_time)
    excess = cost / s_s_discrete(demand, fixed, 1.0, backorder, lead_time).cost - 1.0
    assert excess.min() >= -1e-12
    assert excess.mean() < 0.01


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
@pytest.mark.parametrize("position", range(5))
def test_bad_parameters_are_named(position: int, value: float) -> None:
    arguments = [50.0, 8.0, 2.5, 0.18, 0.70]
    arguments[position] = value
    name = ("mean_demand", "sd_demand", "fixed_cost", "holding_cost", "backorder_cost")[position]
    with pytest.raises(ValueError, match=f"{name}: expected finite and > 0, found {value}"):
        s_s_power_approximation(*arguments)


@pytest.mark.parametrize("lead_time", [-1, 0.5, np.nan])
def test_bad_lead_time_is_named(lead_time: float) -> None:
    with pytest.raises(ValueError, match="lead_time: expected a whole number of periods >= 0"):
        s_s_power_approximation(50.0, 8.0, 2.5, 0.18, 0.70, [1, lead_time])

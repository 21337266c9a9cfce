"""The level for a fill rate against a search from 0 upwards."""

from __future__ import annotations

import numpy as np
import pytest

from udfs.inventory.demand_distribution import DemandDistribution
from udfs.inventory.theory.stock_levels.fill_rate_level import fill_rate_level


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "gamma", "normal"])
def test_it_is_the_first_level_that_meets_the_target(family: str) -> None:
    mean_S = np.array([0.01, 0.7, 3.0, 18.0, 240.0])
    demand = DemandDistribution.fit(mean_S, mean_S * np.array([1.5, 2.0, 9.0, 30.0, 3.0]), family)  # type: ignore[arg-type]
    for rate in (0.3, 0.9, 0.999):
        level_S = fill_rate_level(demand, rate)
        meets_S = demand.loss(level_S) <= (1.0 - rate) * mean_S
        below_S = demand.loss(level_S - 1.0) <= (1.0 - rate) * mean_S
        assert meets_S.all()
        assert not below_S[level_S > 0.0].any()
        assert (level_S == np.floor(level_S)).all()


def test_each_series_may_have_a_target_of_its_own() -> None:
    demand = DemandDistribution.fit(np.full(2, 5.0), np.full(2, 5.0), "poisson")
    both = fill_rate_level(demand, np.array([0.8, 0.99]))
    assert both.tolist() == [fill_rate_level(demand, 0.8)[0], fill_rate_level(demand, 0.99)[1]]


def test_a_series_without_demand_gets_nothing() -> None:
    demand = DemandDistribution.fit(np.zeros(1), np.zeros(1), "auto")
    assert fill_rate_level(demand, 0.95).tolist() == [0.0]


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0, np.nan])
def test_a_target_out_of_range(rate: float) -> None:
    demand = DemandDistribution.fit(np.ones(2), np.ones(2), "poisson")
    with pytest.raises(ValueError, match=r"fill_rate: expected a share in \(0, 1\), found .* in row 1"):
        fill_rate_level(demand, np.array([0.5, rate]))

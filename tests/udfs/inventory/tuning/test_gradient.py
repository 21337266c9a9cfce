from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from udfs.inventory.simulation.demand_samples import CountDemand
from udfs.inventory.simulation.terms import SimulationTerms
from udfs.inventory.tuning.gradient import GradientSpec, tune_by_gradient
from udfs.inventory.tuning.tune import tune

DEMAND = CountDemand([4.0, 30.0], [9.0, 60.0]).draw(64, 40)


@pytest.mark.parametrize(("method", "step"), [("adam", 0.2), ("adagrad", 0.5), ("sgd", 0.2)])
def test_each_method_comes_near_the_best_base_stock(method: Any, step: float) -> None:
    terms = SimulationTerms([1, 2], 1.0, 9.0)
    found = tune_by_gradient(DEMAND, terms, [5.0, 60.0], spec=GradientSpec(method, 60, step))
    best = tune("base_stock", DEMAND, terms, [5.0, 60.0])
    assert (found.cost_S <= 1.005 * best.cost_S).all()


def test_backorders_without_lead_time_are_a_newsvendor() -> None:
    demand = CountDemand(200.0).draw(200, 30)
    terms = SimulationTerms(0, 1.0, 9.0, backorder_share=1.0)
    found = tune_by_gradient(demand, terms, 150.0, spec=GradientSpec("adam", 80, 0.1))
    assert found.level_S[0] == pytest.approx(stats.poisson(200.0).ppf(0.9), abs=2.0)
    assert found.cap_S is None


def test_caps_are_tuned_too() -> None:
    terms = SimulationTerms([3, 3], 1.0, 4.0)
    start = np.array([20.0, 130.0]), np.array([5.0, 36.0])
    found = tune_by_gradient(DEMAND, terms, *start, warm_up=8, spec=GradientSpec("adam", 60, 0.2))
    best = tune("capped_base_stock", DEMAND, terms, *start, warm_up=8)
    assert found.cap_S is not None
    assert (found.cost_S <= 1.01 * best.cost_S).all()


@pytest.mark.parametrize("bad", [{"method": "newton"}, {"n_steps": 0}, {"step": 0.0}, {"step": np.nan}])
def test_bad_specs_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(bad))}: expected"):
        GradientSpec(**bad)

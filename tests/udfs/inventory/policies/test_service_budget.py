"""One service budget over series: against every combination, and what tuned levels make of it."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from tests.udfs.inventory.policies.situations import situation
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.policies.service_budget import SHORTFALLS, UNIT_WEIGHT, shared_fill_rates
from udfs.inventory.policies.tuned import tuned_base_stock, tuned_s_s

LEAST = 0.9
RATES = [0.0, *(1.0 - (1.0 - LEAST) * k for k in SHORTFALLS)]


def curves(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cost and fill of three series at each rate, cost convex in fill, and their demand."""
    rng = np.random.default_rng(seed)
    fill_SG = np.maximum(np.array(RATES), rng.uniform(0.3, 0.6, 3)[:, None])
    fill_SG = np.sort(fill_SG, axis=1)
    cost_SG = rng.uniform(1.0, 9.0, 3)[:, None] / (1.02 - fill_SG)
    return cost_SG, fill_SG, rng.uniform(0.5, 5.0, 3)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_cheaper_serves_as_much(seed: int) -> None:
    cost_SG, fill_SG, demand_S = curves(seed)

    def tune_at(rate_S: np.ndarray) -> SimpleNamespace:
        g_S = np.array([RATES.index(rate) for rate in rate_S])
        return SimpleNamespace(cost_S=cost_SG[np.arange(3), g_S], fill_rate_S=fill_SG[np.arange(3), g_S])

    target_S = shared_fill_rates(tune_at, LEAST, np.ones(3, dtype=bool), demand_S)
    found = tune_at(target_S)
    weight_S = UNIT_WEIGHT * demand_S / demand_S.sum() + (1.0 - UNIT_WEIGHT) / 3.0
    service = weight_S @ found.fill_rate_S
    assert min(service, demand_S @ found.fill_rate_S / demand_S.sum()) >= LEAST
    for g_S in itertools.product(range(len(RATES)), repeat=3):
        if weight_S @ fill_SG[np.arange(3), list(g_S)] >= service - 1e-12:
            assert cost_SG[np.arange(3), list(g_S)].sum() >= found.cost_S.sum() - 1e-9


def test_series_that_need_not_serve_are_left_alone() -> None:
    demand_S = np.ones(3)

    def tune_at(rate_S: np.ndarray) -> SimpleNamespace:
        assert rate_S[2] == 0.0
        return SimpleNamespace(cost_S=np.ones(3), fill_rate_S=np.array([0.5, 0.5, 1.0]))

    assert shared_fill_rates(tune_at, LEAST, np.array([True, True, False]), demand_S)[2] == 0.0
    none_S = shared_fill_rates(tune_at, LEAST, np.zeros(3, dtype=bool), demand_S)
    assert none_S.tolist() == [0.0] * 3


def test_together_they_reach_the_rate_for_less_than_each_alone() -> None:
    """Two steady goods and two erratic ones; a margin so thin that the rate decides."""
    rng = np.random.default_rng(3)
    erratic = rng.poisson(0.05, (2, 60, 28)) * rng.integers(5, 40, (2, 60, 28))
    path_SNH = np.concatenate([rng.poisson(6.0, (2, 60, 28)), erratic]).astype(float)
    found = {}
    for over in ("series", "bucket"):
        spec = InventorySpec(least_fill_rate=0.9, fill_rate_over=over, n_paths=60, tuning_paths=60)
        found[over] = [
            policy(situation(path_SNH, spec, unit_price=3.001, unit_cost=3.0))
            for policy in (tuned_base_stock, tuned_s_s)
        ]
    for alone, shared in zip(found["series"], found["bucket"], strict=True):
        assert alone.shared_fill_S is None
        assert shared.shared_fill_S is not None
        assert shared.shared_fill_S[:2].min() > 0.9 > shared.shared_fill_S[2:].min()
        assert shared.reorder_point_SH.sum() < alone.reorder_point_SH.sum()


def test_another_word_is_refused() -> None:
    with pytest.raises(ValueError, match="fill_rate_over: expected one of series, bucket, found 'class'"):
        InventorySpec(fill_rate_over="class")

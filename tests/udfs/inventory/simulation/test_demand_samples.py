from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from udfs.inventory.simulation.demand_samples import CountDemand


@pytest.mark.parametrize(
    ("mean", "variance"),
    [(0.02, 0.0), (0.7, 0.7), (3.0, 9.0), (0.4, 4.0), (40.0, 0.0), (250.0, 2500.0), (20_000.0, 0.0)],
)
def test_draws_have_the_distribution(mean: float, variance: float) -> None:
    family = stats.poisson(mean) if variance <= mean else stats.nbinom(mean**2 / (variance - mean), mean / variance)
    values = CountDemand(mean, variance).draw(200, 1000, seed=4, dtype=torch.float64).numpy().ravel()
    edges = np.unique(family.ppf(np.linspace(0.0, 1.0, 41)[1:-1]))
    expected = np.diff(np.concatenate([[0.0], family.cdf(edges), [1.0]])) * values.size
    found = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    enough = expected > 5.0
    assert found[~enough].sum() <= expected[~enough].sum() + 30
    chi2 = ((found - expected)[enough] ** 2 / expected[enough]).sum()
    assert stats.chi2(max(int(enough.sum()) - 1, 1)).sf(chi2) > 1e-4
    assert values.mean() == pytest.approx(mean, abs=5 * np.sqrt(max(variance, mean) / values.size))


def test_periods_paths_and_series_are_independent() -> None:
    demand = CountDemand(np.full(2, 4.0)).draw(400, 400).numpy().astype(np.float64)
    pairs = [(demand[0, :, 1:], demand[0, :, :-1]), (demand[0, 1:], demand[0, :-1]), (demand[0], demand[1])]
    for left, right in pairs:
        assert abs(np.corrcoef(left.ravel(), right.ravel())[0, 1]) < 5 / np.sqrt(left.size)


def test_a_series_depends_on_its_key_alone() -> None:
    mean = np.array([1.0, 5.0, 9.0])
    whole = CountDemand(mean, 12.0, key_S=[11, 12, 13]).draw(5, 30, seed=3)
    alone = CountDemand(mean[1:2], 12.0, key_S=[12]).draw(9, 30, seed=3)
    assert torch.equal(alone[0, :5], whole[1])
    assert not torch.equal(CountDemand(mean[1:2], 12.0, key_S=[12]).draw(5, 30, seed=4)[0], whole[1])


def test_no_demand_is_zero() -> None:
    assert float(CountDemand([0.0, 0.0]).draw(3, 4).abs().sum()) == 0.0


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"mean_S": [1.0, -1.0]}, "mean_S: expected finite units >= 0, found -1 in row 1"),
        ({"mean_S": [np.nan]}, "mean_S: expected finite"),
        ({"mean_S": [1.0], "variance_S": np.inf}, "variance_S: expected finite"),
        ({"mean_S": [[1.0]]}, r"CountDemand: expected numbers or \[S\]"),
        ({"mean_S": [1.0], "key_S": [1, 2]}, "key_S: expected 1 keys"),
    ],
)
def test_bad_parameters_are_refused(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CountDemand(**bad)


@pytest.mark.parametrize("arguments", [(0, 1), (1, 0), (1, 1, 0, torch.int64)])
def test_nothing_to_draw_is_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="expected paths, periods and a float type"):
        CountDemand(1.0).draw(*arguments)

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.series import batch_of
from udfs.contest.choice import Choice
from udfs.forecasting.forecaster import Forecast, merge
from udfs.forecasting.models.naive import HistoricMean

BATCH = batch_of({"a": np.full(20, 1.0), "b": np.full(20, 2.0), "c": np.full(20, 3.0)})


def test_merged_parts_come_in_the_order_of_the_series() -> None:
    parts = []
    for index, name in ((np.array([2, 0]), "two"), (np.array([1]), "one")):
        forecast = HistoricMean().forecast(BATCH.select(index), 4, (0.5,))
        parts.append((index, forecast.with_choice(Choice.decided(len(index), name, "by hand"))))
    index, merged = merge(parts)
    assert index.tolist() == [0, 1, 2]
    assert torch.equal(merged.mean_SH, HistoricMean().forecast(BATCH, 4, (0.5,)).mean_SH)
    assert merged.choice is not None
    assert merged.choice.name_S.tolist() == ["two", "one", "two"]


def test_a_part_that_does_not_say_who_made_it_is_refused() -> None:
    with pytest.raises(ValueError, match="expected every part to carry a choice, found one without"):
        merge([(np.arange(3), HistoricMean().forecast(BATCH, 4, (0.5,)))])


def _forecast(mean: float, quantiles: list[float]) -> Forecast:
    mean_SH, quantile_SHQ = torch.tensor([[mean]]).double(), torch.tensor([[quantiles]]).double()
    return Forecast(mean_SH, mean_SH, quantile_SHQ, *(mean_SH[:, 0] for _ in range(4)))


@pytest.mark.parametrize("seed", range(8))
def test_the_mean_of_any_demand_lies_within_the_bounds_of_its_quantiles(seed: int) -> None:
    rng = np.random.default_rng(seed)
    demand = rng.negative_binomial(0.05 + seed, 0.02 + 0.1 * seed, 500) + (seed % 2) * rng.gamma(0.2, 50.0, 500)
    levels = ((0.5,), (0.1, 0.5, 0.9), (0.05, 0.25, 0.5, 0.75, 0.99))[seed % 3]
    told = _forecast(demand.mean(), np.quantile(demand, levels, method="inverted_cdf").tolist())
    low_SH, high_SH = told.mean_bounds(levels, torch.tensor([demand.max()]))
    assert low_SH <= told.mean_SH <= high_SH


def test_bounds_are_those_of_the_docstring() -> None:
    levels = (0.05, 0.5, 0.99)
    told = _forecast(0.0, [10.0, 13.0, 16.0])
    low_SH, high_SH = told.mean_bounds(levels, torch.tensor([100.0]))
    assert low_SH.item() == pytest.approx(0.95 * 10)
    assert high_SH.item() == pytest.approx(2 * (0.05 * 10 + 0.45 * 13 + 0.49 * 16 + 0.01 * 100))
    # A quantile above all that was seen stands for what may come.
    _, high_SH = told.mean_bounds(levels, torch.tensor([5.0]))
    assert high_SH.item() == pytest.approx(2 * (0.05 * 10 + 0.45 * 13 + 0.5 * 16))


def test_one_day_in_ninety_may_carry_a_mean_beyond_the_p95() -> None:
    demand = np.append(10.0 + np.arange(89) % 7, 99999.0)
    levels = (0.05, 0.5, 0.95, 0.99)
    told = _forecast(demand.mean(), np.quantile(demand, levels).tolist())
    low_SH, high_SH = told.mean_bounds(levels, torch.tensor([99999.0]))
    assert told.mean_SH > 70 * told.quantile_SHQ[0, 0, 2]
    assert low_SH < told.mean_SH < high_SH

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.udfs.demand.test_demand_profile import HAND_MADE
from tests.udfs.forecasting.series import batch_of
from udfs.forecasting.choice.class_route import ClassRoute
from udfs.forecasting.models.croston.croston_model import VARIANTS, Croston
from udfs.forecasting.models.ets.ets_model import ExponentialSmoothing

LEVELS = (0.1, 0.5, 0.9)


def test_each_class_takes_its_route() -> None:
    batch = batch_of(HAND_MADE)
    choice = ClassRoute().forecast(batch, 7, LEVELS).choice
    model = dict(zip(batch.unique_ids, choice.name_S, strict=True))
    assert model["no_sales"] == "zero"
    assert model["new"] == "historic_mean"
    assert model["smooth"] == model["erratic"] == "ets"
    assert {model["intermittent"], model["lumpy"]} <= set(VARIANTS)


def test_the_lowest_score_wins_and_the_forecast_is_that_model_s() -> None:
    rng = np.random.default_rng(6)
    series = {
        f"s{s:02d}": rng.poisson(3, 150) * (rng.random(150) < np.linspace(0.6, 0.1 if s % 2 else 0.6, 150)) * 1.0
        for s in range(30)
    }
    batch = batch_of(series)
    route = ClassRoute().forecast(batch, 7, LEVELS)
    rivals = {name: Croston(name).forecast(batch, 7, LEVELS) for name in VARIANTS}
    rivals["ets"] = ExponentialSmoothing().forecast(batch, 7, LEVELS)
    scores = torch.stack([rivals[name].score_S for name in VARIANTS])
    seen = set()
    for s, name in enumerate(route.choice.name_S):
        seen.add(name)
        assert torch.equal(route.quantile_SHQ[s], rivals[name].quantile_SHQ[s])
        if name in VARIANTS:
            ranked = scores[:, s].sort().values
            assert route.choice.score_S[s] == ranked[0]
            assert route.choice.runner_up_score_S[s] == ranked[1]
            assert route.choice.runner_up_S[s] != name
    assert len(seen) > 1


def test_min_history_is_checked() -> None:
    with pytest.raises(ValueError, match="expected min_history of at least one day, found 0"):
        ClassRoute(min_history=0)

"""Gains of pairs are those of real averages, and add up over buckets."""

from __future__ import annotations

import numpy as np
import pytest

from tests.udfs.forecasting.series import batch_of
from udfs.demand.demand_profile import DEMAND_CLASSES
from udfs.forecasting.choice.backtest import Windows, backtest_windows
from udfs.forecasting.choice.backtest_scores import scaled_pinball, score_windows
from udfs.forecasting.choice.ensemble import Ensemble
from udfs.forecasting.choice.pair_gains import pair_gains, score_gains
from udfs.forecasting.models.naive import HistoricMean, SeasonalNaive

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
CANDIDATES, HALVES = {"smooth": ("seasonal_naive", "historic_mean", "untried")}, (np.arange(6), np.arange(6, 12))
SMOOTH = DEMAND_CLASSES.index("smooth")


def test_a_gain_is_what_the_average_of_two_models_really_scores_less() -> None:
    models = {"seasonal_naive": SeasonalNaive(7), "historic_mean": HistoricMean()}
    rng = np.random.default_rng(3)
    batch = batch_of({f"s{s}": rng.poisson(5 + s, 120).astype(float) for s in range(12)})
    windows = Windows.of(batch, (28, 14), 14)
    tested = {name: (np.arange(12), backtest_windows(model, windows, LEVELS)) for name, model in models.items()}
    both = backtest_windows(Ensemble(tuple(models.values())), windows, LEVELS)
    a_WS, b_WS, both_WS = (
        score_windows(result, {"score": scaled_pinball})["score"].numpy()
        for result in (*(result for _, result in tested.values()), both)
    )
    gains = score_gains(tested, {"seasonal_naive": a_WS, "historic_mean": b_WS}, windows, scaled_pinball)
    np.testing.assert_allclose(gains["historic_mean", "seasonal_naive"], (a_WS + b_WS) / 2 - both_WS, rtol=1e-12)
    assert (gains["historic_mean", "seasonal_naive"] > 0).all()

    summed = pair_gains(gains, np.full(12, SMOOTH), CANDIDATES)
    gain = ((a_WS + b_WS) / 2 - both_WS).mean(0).sum()
    assert summed["smooth", "seasonal_naive"] == pytest.approx([0.0, gain, 0.0])
    assert summed["smooth", "untried"] == [0.0, 0.0, 0.0]
    parts = []
    for at in HALVES:
        of_half = {pair: gain_WS[:, at] for pair, gain_WS in gains.items()}
        parts.append(pair_gains(of_half, np.full(6, SMOOTH), CANDIDATES)["smooth", "seasonal_naive"])
    np.testing.assert_allclose(np.sum(parts, axis=0), summed["smooth", "seasonal_naive"])

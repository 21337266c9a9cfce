from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.series import batch_of, mixed_series
from udfs.forecasting import metrics
from udfs.forecasting.choice.ensemble import Ensemble, average
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.models.croston.croston_model import Croston
from udfs.forecasting.models.ets.ets_model import ExponentialSmoothing
from udfs.forecasting.models.naive import HistoricMean, SeasonalNaive

LEVELS = (0.1, 0.5, 0.9)
MEMBERS = (SeasonalNaive(), HistoricMean(), Croston("tsb"))


def test_means_and_quantiles_are_averaged() -> None:
    batch = batch_of(mixed_series(15))
    ensemble = Ensemble(MEMBERS, (1.0, 2.0, 5.0))
    assert isinstance(ensemble, Forecaster)
    assert ensemble.name == "seasonal_naive+historic_mean+tsb"
    made = ensemble.forecast(batch, 9, LEVELS)
    parts = [member.forecast(batch, 9, LEVELS) for member in MEMBERS]
    for name in ("mean_SH", "sd_SH", "quantile_SHQ", "sse_S", "score_S"):
        arrays = np.stack([getattr(part, name).numpy() for part in parts])
        expected = np.average(arrays, axis=0, weights=[1, 2, 5])
        np.testing.assert_allclose(getattr(made, name).numpy(), expected, rtol=1e-12)
    assert torch.equal(made.n_obs_S, torch.stack([part.n_obs_S for part in parts]).amin(0))
    assert torch.equal(made.n_params_S, torch.stack([part.n_params_S for part in parts]).sum(0))


def test_an_average_scores_no_worse_than_its_members_on_average() -> None:
    batch = batch_of(mixed_series(40, n_days=200))
    known = batch.until(14)
    actual_SH, mask_SH = batch.ahead(14, 14)
    scale_S = metrics.difference_scale(known, 1)
    members = (*MEMBERS, ExponentialSmoothing())
    forecasts = [member.forecast(known, 14, LEVELS) for member in members]
    forecasts.append(Ensemble(members).forecast(known, 14, LEVELS))
    scores = [metrics.scaled_pinball(actual_SH, f.quantile_SHQ, LEVELS, mask_SH, scale_S).mean(1) for f in forecasts]
    defined = scores[0].isfinite()
    assert int(defined.sum()) > 20
    assert (scores[-1] <= torch.stack(scores[:-1]).mean(0) + 1e-12)[defined].all()


def test_a_member_without_weight_is_not_heard() -> None:
    batch = batch_of(mixed_series(3))
    forecasts = [member.forecast(batch, 5, LEVELS) for member in MEMBERS]
    forecasts[1].mean_SH[0] = torch.nan
    weight_SM = torch.tensor([[1.0, 0.0, 1.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    made = average(forecasts, weight_SM)
    torch.testing.assert_close(made.mean_SH[0], (forecasts[0].mean_SH[0] + forecasts[2].mean_SH[0]) / 2)
    assert torch.equal(made.quantile_SHQ[1], forecasts[1].quantile_SHQ[1])
    assert made.n_params_S.tolist() == [
        int(forecasts[0].n_params_S[0] + forecasts[2].n_params_S[0]),
        int(forecasts[1].n_params_S[1]),
        0,
    ]
    assert made.finite_series().tolist() == [True, True, False]


@pytest.mark.parametrize("weights", [(1.0,), (1.0, -1.0, 1.0), (0.0, 0.0, 0.0), (1.0, float("nan"), 1.0)])
def test_weights_are_checked(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="3 weights, finite, not negative"):
        Ensemble(MEMBERS, weights)


def test_an_ensemble_needs_members() -> None:
    with pytest.raises(ValueError, match="at least one member"):
        Ensemble(())

from __future__ import annotations

import sys
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.series import batch_of
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.models.pretrained import Pretrained, contexts

LEVELS = (0.05, 0.1, 0.5, 0.9, 0.99)

CHRONOS = '''
"""The interface of chronos-forecasting's BaseChronosPipeline, answered by a normal distribution."""

import json
from pathlib import Path
from statistics import NormalDist

import torch


class BaseChronosPipeline:
    @classmethod
    def from_pretrained(cls, path, device_map=None, local_files_only=False):
        assert local_files_only and device_map == "cpu"
        self = cls()
        self.sd = json.loads(Path(path, "config.json").read_text())["sd"]
        self.calls = []
        return self

    def predict_quantiles(self, inputs, prediction_length=None, quantile_levels=None, **kwargs):
        assert not kwargs and inputs.dtype == torch.float32 and inputs.ndim == 2
        self.calls.append(inputs)
        mean = inputs.nanmean(1)[:, None].repeat(1, prediction_length)
        scores = torch.tensor([NormalDist().inv_cdf(min(max(q, 0.1), 0.9)) for q in quantile_levels])
        return mean[:, :, None] + self.sd * scores, mean
'''


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pretrained:
    """Weights (a standard deviation) on disk, and a package `chronos` that reads them."""
    (tmp_path / "site" / "chronos").mkdir(parents=True)
    (tmp_path / "site" / "chronos" / "__init__.py").write_text(CHRONOS)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "config.json").write_text('{"sd": 2.0}')
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "chronos", raising=False)
    yield Pretrained(tmp_path / "weights", context=30, series_at_once=2)
    sys.modules.pop("chronos", None)


def test_a_forecast_has_the_pipelines_mean_and_quantiles_also_at_levels_it_does_not_know(model: Pretrained) -> None:
    series = {"a": np.arange(40.0), "b": np.full(10, 100.0), "c": np.r_[50.0, np.nan, 52.0]}
    forecast = model.forecast(batch_of(series), 5, LEVELS)
    assert isinstance(model, Forecaster)
    means = torch.tensor([np.arange(10, 40).mean(), 100.0, 51.0]).double()[:, None].repeat(1, 5)
    torch.testing.assert_close(forecast.mean_SH, means)
    for q, level in enumerate(LEVELS):
        expected_SH = (means + 2.0 * NormalDist().inv_cdf(level)).clamp(min=0)
        torch.testing.assert_close(forecast.quantile_SHQ[..., q], expected_SH, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(forecast.sd_SH, torch.full_like(means, 2.0), rtol=1e-5, atol=1e-5)
    earlier = np.arange(5, 35).mean()
    assert float(forecast.sse_S[0]) == pytest.approx(((np.arange(35, 40) - earlier) ** 2).sum())
    assert forecast.n_obs_S.tolist() == [5, 5, 2]


def test_contexts_hold_the_last_steps_with_gaps_as_nan() -> None:
    batch = batch_of({"a": np.r_[1.0, np.nan, 3.0], "b": np.arange(1.0, 9.0)})
    context_ST = contexts(batch, 6)
    nan = float("nan")
    expected = torch.tensor([[nan, nan, nan, 1.0, nan, 3.0], [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]])
    torch.testing.assert_close(context_ST, expected, equal_nan=True)
    assert contexts(batch, 100).shape == (2, 8), "padding that nobody observed is left out"


def test_a_series_without_an_observation_gets_zeros(model: Pretrained) -> None:
    batch = batch_of({"a": np.arange(40.0), "b": np.full(10, 3.0)})
    batch.mask_ST[0] = False
    forecast = model.forecast(batch, 3, LEVELS)
    assert forecast.finite_series().all()
    assert (forecast.quantile_SHQ[0] == 0).all()
    assert float(forecast.mean_SH[1, 0]) == 3.0
    nobody = batch.select(np.array([], dtype=int))
    assert model.forecast(nobody, 3, LEVELS).quantile_SHQ.shape == (0, 3, 5)


def test_what_is_absent_or_wrong_is_named(model: Pretrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = batch_of({"a": np.arange(40.0)})
    with pytest.raises(FileNotFoundError, match=r"weights of a Chronos model in .*nowhere, with a config\.json"):
        Pretrained(tmp_path / "nowhere").forecast(batch, 3, LEVELS)
    for field in ("context", "series_at_once"):
        with pytest.raises(ValueError, match=f"expected {field} of at least 1, found 0"):
            Pretrained(model.path, **{field: 0})
    with pytest.raises(ValueError, match="increasing quantile levels"):
        Pretrained(model.path, levels=(0.9, 0.1))
    with pytest.raises(ValueError, match="horizon"):
        model.forecast(batch, 0, LEVELS)
    wrong = Pretrained(model.path, levels=(0.5,))
    monkeypatch.setattr(type(wrong.pipeline), "predict_quantiles", lambda *_args, **_kw: (torch.zeros(1, 1, 1),) * 2)
    with pytest.raises(ValueError, match="check the version of chronos-forecasting"):
        wrong.forecast(batch, 3, LEVELS)
    monkeypatch.setitem(sys.modules, "chronos", None)
    with pytest.raises(ImportError, match="pip install chronos-forecasting"):
        Pretrained(model.path).forecast(batch, 3, LEVELS)

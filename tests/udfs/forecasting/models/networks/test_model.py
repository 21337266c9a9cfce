from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.models.networks.stores import HORIZON, small, stores
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.models.networks.network_model import NetworkModel
from udfs.forecasting.models.networks.network_spec import BLOCKS, HEADS
from udfs.forecasting.models.networks.windows import NetworkSeries
from udfs.series.covariates import Covariates, Traits
from udfs.series.sku_batch import SkuBatch

LEVELS = (0.1, 0.5, 0.9)
FIELDS = ("mean_SH", "sd_SH", "quantile_SHQ", "sse_S", "score_S")


def untrained(batch: SkuBatch, **changes: object) -> NetworkModel:
    return NetworkModel.untrained(small(**changes), NetworkSeries.from_batch(batch))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("block", BLOCKS)
def test_a_model_keeps_a_forecasters_promises_and_comes_back_from_disk(block: str, head: str, tmp_path: Path) -> None:
    batch = stores()
    model = untrained(batch, block=block, head=head)
    assert isinstance(model, Forecaster)
    assert model.name == block
    before = batch.y_ST.clone()
    forecast = model.forecast(batch, HORIZON, LEVELS)
    assert forecast.mean_SH.shape == forecast.sd_SH.shape == (24, HORIZON)
    assert forecast.quantile_SHQ.shape == (24, HORIZON, 3)
    assert forecast.finite_series().all()
    assert (forecast.mean_SH > 0).all()
    assert (forecast.quantile_SHQ >= 0).all()
    assert (forecast.quantile_SHQ.diff(dim=2) >= 0).all()
    assert torch.equal(batch.y_ST, before)
    model.save(tmp_path / block)
    again = NetworkModel.load(tmp_path / block)
    assert (again.spec, again.trait_values) == (model.spec, model.trait_values)
    for field in FIELDS:
        found = getattr(again.forecast(batch, HORIZON, LEVELS), field)
        torch.testing.assert_close(found, getattr(forecast, field), rtol=0, atol=0)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_series_gets_the_same_bits_in_any_batch_and_padding(block: str) -> None:
    batch = stores(40)
    model = untrained(batch, block=block)
    together = model.forecast(batch, HORIZON, LEVELS)
    padded = dataclasses.replace(
        batch,
        y_ST=torch.nn.functional.pad(batch.y_ST, (56, 0)),
        mask_ST=torch.nn.functional.pad(batch.mask_ST, (56, 0)),
        known=Covariates(
            batch.known.names, torch.nn.functional.pad(batch.known.values_SXK, (0, 0, 56, 0), value=float("nan"))
        ),
    )
    stretched = model.forecast(padded, HORIZON, LEVELS)
    for index in (np.arange(5, 18), np.array([3]), np.array([36, 0, 21])):
        alone = model.forecast(batch.select(index), HORIZON, LEVELS)
        for field in FIELDS:
            expected = getattr(alone, field)
            for other in (together, stretched):
                torch.testing.assert_close(getattr(other, field)[index], expected, rtol=0, atol=0, equal_nan=True)


def test_a_shorter_horizon_is_the_beginning_of_a_longer_one() -> None:
    batch = stores()
    for block in BLOCKS:
        model = untrained(batch, block=block)
        long, short = model.forecast(batch, HORIZON, LEVELS), model.forecast(batch, 3, LEVELS)
        torch.testing.assert_close(short.mean_SH, long.mean_SH[:, :3], rtol=1e-5, atol=1e-6)


def test_errors_are_those_of_the_last_days_forecast_from_before_them() -> None:
    batch = stores()
    model = untrained(batch)
    forecast = model.forecast(batch, HORIZON, LEVELS)
    earlier = model.forecast(batch.until(HORIZON), HORIZON, LEVELS)
    actual_SH, seen_SH = batch.ahead(HORIZON, HORIZON)
    error_SH = torch.where(seen_SH, actual_SH - earlier.mean_SH, 0.0)
    torch.testing.assert_close(forecast.sse_S, error_SH.square().sum(1))
    assert torch.equal(forecast.n_obs_S, seen_SH.sum(1))


def test_what_lies_before_the_context_does_not_count_and_what_is_known_ahead_does() -> None:
    batch = stores()
    model = untrained(batch)
    expected = model.forecast(batch, HORIZON, LEVELS).mean_SH
    long_ago = batch.y_ST.clone()
    long_ago[:, :-28] = 55.0
    torch.testing.assert_close(
        model.forecast(dataclasses.replace(batch, y_ST=long_ago), HORIZON, LEVELS).mean_SH, expected
    )
    cheaper = batch.known.values_SXK.clone()
    cheaper[:, -1, 0] = 1.0
    known = dataclasses.replace(batch.known, values_SXK=cheaper)
    changed = model.forecast(dataclasses.replace(batch, known=known), HORIZON, LEVELS).mean_SH != expected
    assert changed[:, -1].all()
    assert not changed[:, :-1].any()


def test_a_trait_means_the_same_under_another_code_and_an_unseen_value_is_unknown() -> None:
    batch = stores(7)
    model = untrained(batch)
    with torch.no_grad():
        for embedding in model.module.embeddings:
            embedding.weight[1:] = torch.randn_like(embedding.weight[1:])
    expected = model.forecast(batch, HORIZON, LEVELS).mean_SH
    names = [f"i{s % 7}" for s in range(7)]
    recoded = Traits.from_columns(
        {"item": names, "store": [f"t{s % 2}" for s in range(7)]}, [names[::-1], ["t1", "t0"]]
    )
    found = model.forecast(dataclasses.replace(batch, traits=recoded), HORIZON, LEVELS).mean_SH
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    unknown = Traits.from_columns({"item": [None] * 7, "store": ["t9"] * 7}, [["new"], ["t9"]])
    minus_one = Traits(("item", "store"), torch.full((7, 2), -1), batch.traits.values)
    found, expected = (
        model.forecast(dataclasses.replace(batch, traits=t), HORIZON, LEVELS).mean_SH for t in (unknown, minus_one)
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_no_covariates_no_traits_and_no_series_are_fine() -> None:
    full = stores()
    bare = SkuBatch(full.unique_ids, full.y_ST, full.mask_ST, full.cutoff)
    model = untrained(bare)
    assert model.forecast(bare, HORIZON, LEVELS).finite_series().all()
    none = SkuBatch(np.empty(0, object), torch.zeros(0, 28).double(), torch.zeros(0, 28).bool(), dt.date(2024, 1, 1))
    assert model.forecast(none, HORIZON, LEVELS).quantile_SHQ.shape == (0, HORIZON, 3)


def test_batches_that_do_not_fit_the_model_are_refused(tmp_path: Path) -> None:
    batch = stores()
    model = untrained(batch)
    with pytest.raises(ValueError, match="a horizon of at most 7 days, which lstm was trained for, found 8"):
        model.forecast(batch, 8, LEVELS)
    with pytest.raises(ValueError, match="increasing quantile levels"):
        model.forecast(batch, HORIZON, ())
    with pytest.raises(ValueError, match=r"the covariates of training, \('price', 'is_promo'\), found \(\)"):
        model.forecast(dataclasses.replace(batch, known=None), HORIZON, LEVELS)
    with pytest.raises(ValueError, match="the traits of training"):
        model.forecast(dataclasses.replace(batch, traits=None), HORIZON, LEVELS)
    short = Covariates(batch.known.names, batch.known.values_SXK[:, :-2])
    with pytest.raises(ValueError, match="covariates known 7 steps ahead, found 5"):
        model.forecast(dataclasses.replace(batch, known=short), HORIZON, LEVELS)
    with pytest.raises(FileNotFoundError, match="expected a saved network with"):
        NetworkModel.load(tmp_path)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("block", BLOCKS)
def test_cuda_agrees_with_the_cpu(block: str) -> None:
    batch = stores()
    model = untrained(batch, block=block)
    on_cpu, on_cuda = (model.forecast(b, HORIZON, LEVELS) for b in (batch, batch.to("cuda")))
    torch.testing.assert_close(on_cuda.mean_SH.cpu(), on_cpu.mean_SH, rtol=1e-3, atol=1e-4)

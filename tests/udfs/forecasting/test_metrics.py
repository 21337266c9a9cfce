from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from utilsforecast import losses

from tests.udfs.forecasting.series import CUTOFF, batch_of
from udfs.forecasting import metrics

RNG = np.random.default_rng(9)
SERIES = {f"s{s}": 1 + RNG.poisson(4, 60).astype(float) for s in range(6)}
ACTUAL = torch.from_numpy(RNG.poisson(4, (6, 14)).astype(float))
MEAN = torch.from_numpy(RNG.gamma(4, 1, (6, 14)))
LOW, HIGH = MEAN - 2, MEAN + 2
MASK = torch.ones((6, 14), dtype=torch.bool)
BATCH = batch_of(SERIES)


def _frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    ids = np.repeat(list(SERIES), 14)
    ds = np.tile(pd.date_range(CUTOFF, periods=15, freq="D")[1:], 6)
    columns = {"y": ACTUAL, "mean": MEAN, "mean-lo-80": LOW, "mean-hi-80": HIGH}
    test = pd.DataFrame({"unique_id": ids, "ds": ds} | {k: v.numpy().ravel() for k, v in columns.items()})
    train = pd.concat(
        pd.DataFrame({"unique_id": u, "ds": pd.date_range(end=CUTOFF, periods=60, freq="D"), "y": y})
        for u, y in SERIES.items()
    )
    return test, train


def test_metrics_equal_utilsforecast() -> None:
    test, train = _frames()
    scale2, scale1 = (metrics.difference_scale(BATCH, power) for power in (2, 1))
    pairs = {
        "rmsse": (
            metrics.rmsse(ACTUAL, MEAN, MASK, scale2),
            losses.rmsse(test, models=["mean"], seasonality=1, train_df=train),
        ),
        "wape": (metrics.wape(ACTUAL, MEAN, MASK), losses.nd(test, models=["mean"])),
        "bias": (metrics.bias(ACTUAL, MEAN, MASK), losses.bias(test, models=["mean"])),
        "pinball": (
            metrics.scaled_pinball(ACTUAL, MEAN[:, :, None], (0.9,), MASK, scale1)[:, 0],
            losses.scaled_quantile_loss(test, models={"mean": "mean"}, seasonality=1, train_df=train, q=0.9),
        ),
        "coverage": (metrics.coverage(ACTUAL, LOW, HIGH, MASK), losses.coverage(test, models=["mean"], level=80)),
    }
    for name, (ours, peer) in pairs.items():
        np.testing.assert_allclose(ours.numpy(), peer["mean"].to_numpy(), rtol=1e-10, err_msg=name)


def test_masked_days_do_not_count_and_no_day_gives_nan() -> None:
    mask = MASK.clone()
    mask[0, 7:] = False
    mask[1] = False
    spoiled = ACTUAL.clone()
    spoiled[~mask] = 1e9
    ours = metrics.wape(spoiled, MEAN, mask)
    assert ours[0] == pytest.approx(metrics.wape(ACTUAL[:1, :7], MEAN[:1, :7], MASK[:1, :7]).item())
    assert ours[1].isnan()
    assert metrics.bias(spoiled, MEAN, mask)[1].isnan()


def test_a_level_series_has_no_scale() -> None:
    scale = metrics.difference_scale(batch_of({"level": np.full(20, 3.0)}), power=2)
    assert scale.isnan().all()

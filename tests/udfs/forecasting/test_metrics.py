from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from utilsforecast import losses

from tests import real_data
from tests.udfs.forecasting.series import CUTOFF, batch_of
from udfs.forecasting import metrics
from udfs.forecasting.models.naive import SeasonalNaive
from udfs.forecasting.models.naive2 import Naive2
from udfs.series.sku_batch import SkuBatch

RNG = np.random.default_rng(9)
SERIES = {f"s{s}": 1 + RNG.poisson(4, 60).astype(float) for s in range(6)}
ACTUAL = torch.from_numpy(RNG.poisson(4, (6, 14)).astype(float))
MEAN = torch.from_numpy(RNG.gamma(4, 1, (6, 14)))
LOW, HIGH = MEAN - 2, MEAN + 2
MASK = torch.ones((6, 14), dtype=torch.bool)
BATCH = batch_of(SERIES)
LEVELS = (0.1, 0.5, 0.9)
QUANTILES = torch.stack([0.6 * MEAN, MEAN, 1.7 * MEAN], dim=-1)


def _frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    ids = np.repeat(list(SERIES), 14)
    ds = np.tile(pd.date_range(CUTOFF, periods=15, freq="D")[1:], 6)
    columns = {"y": ACTUAL, "mean": MEAN, "mean-lo-80": LOW, "mean-hi-80": HIGH}
    columns |= {f"q{q}": QUANTILES[:, :, q] for q in range(3)}
    test = pd.DataFrame({"unique_id": ids, "ds": ds} | {k: v.numpy().ravel() for k, v in columns.items()})
    train = pd.concat(
        pd.DataFrame({"unique_id": u, "ds": pd.date_range(end=CUTOFF, periods=60, freq="D"), "y": y})
        for u, y in SERIES.items()
    )
    return test, train


def _without_listing_rule(series: dict[str, np.ndarray]) -> SkuBatch:
    """A batch whose zeros before the first sale count as observed, as in the published evaluations."""
    n_days = max(len(y) for y in series.values())
    y_ST = torch.zeros((len(series), n_days), dtype=torch.float64)
    mask_ST = torch.zeros((len(series), n_days), dtype=torch.bool)
    for s, y in enumerate(series.values()):
        y_ST[s, n_days - len(y) :] = torch.from_numpy(y)
        mask_ST[s, n_days - len(y) :] = True
    return SkuBatch(np.array(list(series), dtype=object), y_ST, mask_ST, CUTOFF)


def test_metrics_equal_utilsforecast() -> None:
    test, train = _frames()
    scale2, scale1 = (metrics.difference_scale(BATCH, power) for power in (2, 1))
    weekly1, weekly2 = (metrics.difference_scale(BATCH, power, lag=7) for power in (1, 2))
    columns = {"mean": ["q0", "q1", "q2"]}
    scaled = {"seasonality": 7, "train_df": train}
    pairs = {
        "rmsse": (
            metrics.rmsse(ACTUAL, MEAN, MASK, scale2),
            losses.rmsse(test, models=["mean"], seasonality=1, train_df=train),
        ),
        "rmsse, weekly": (
            metrics.rmsse(ACTUAL, MEAN, MASK, weekly2),
            losses.rmsse(test, models=["mean"], **scaled),
        ),
        "mase": (metrics.mase(ACTUAL, MEAN, MASK, weekly1), losses.mase(test, models=["mean"], **scaled)),
        "smape, there without the factor 2": (
            metrics.smape(ACTUAL, MEAN, MASK) / 2,
            losses.smape(test, models=["mean"]),
        ),
        "wql": (
            metrics.wql(ACTUAL, QUANTILES, LEVELS, MASK),
            losses.scaled_crps(test, models=columns, quantiles=np.array(LEVELS)).sort_values("unique_id"),
        ),
        "mean pinball": (
            metrics.scaled_pinball(ACTUAL, QUANTILES, LEVELS, MASK, weekly1).mean(1),
            losses.scaled_mqloss(test, models=columns, quantiles=np.array(LEVELS), **scaled).sort_values("unique_id"),
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


def test_pooled_wql_is_that_of_one_long_series() -> None:
    test, _ = _frames()
    peer = losses.scaled_crps(
        test.assign(unique_id="all"), models={"mean": ["q0", "q1", "q2"]}, quantiles=np.array(LEVELS)
    )
    ours = metrics.pooled_wql(ACTUAL, QUANTILES, LEVELS, MASK)
    assert ours.item() == pytest.approx(peer["mean"].item(), rel=1e-12)


def test_a_series_that_sold_nothing_has_no_wql_but_counts_in_the_pooled_one() -> None:
    actual = ACTUAL.clone()
    actual[0] = 0.0
    loss = metrics.wql(actual, QUANTILES, LEVELS, MASK)
    assert loss[0].isnan()
    assert loss[1:].isfinite().all()
    only_sold = metrics.pooled_wql(actual[1:], QUANTILES[1:], LEVELS, MASK[1:])
    assert metrics.pooled_wql(actual, QUANTILES, LEVELS, MASK) > only_sold
    assert metrics.pooled_wql(actual[:1], QUANTILES[:1], LEVELS, MASK[:1]).isnan()


def test_smape_of_nothing_forecast_and_nothing_sold_is_zero() -> None:
    actual, mean = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    mask = torch.ones_like(actual, dtype=torch.bool)
    assert metrics.smape(actual, mean, mask).item() == pytest.approx((0.0 + 2.0) / 2)


def test_wrmsse_and_wspl_by_hand() -> None:
    """Level 0 holds nodes 0 and 1, level 5 nodes 2 and 3; node 3 has no scale, so node 2 stands for its level."""
    score = torch.tensor([0.5, 1.0, 2.0, torch.nan])
    weight = torch.tensor([3.0, 1.0, 10.0, 90.0])
    level = torch.tensor([0, 0, 5, 5])
    expected = ((3 * 0.5 + 1 * 1.0) / 4 + 2.0) / 2
    assert metrics.wrmsse(score, weight, level).item() == pytest.approx(expected)
    pinball = torch.stack([score * 0.5, score * 1.5], dim=1)
    assert metrics.wspl(pinball, weight, level).item() == pytest.approx(expected)
    assert metrics.wrmsse(score[:2], weight[:2]).item() == pytest.approx(2.5 / 4)
    assert metrics.wrmsse(score, torch.tensor([3.0, 1.0, 0.0, 90.0]), level).item() == pytest.approx(2.5 / 4)
    assert metrics.wrmsse(score[3:], weight[3:]).isnan()


def test_weights_that_do_not_fit_are_refused() -> None:
    score = torch.ones(3)
    with pytest.raises(ValueError, match="one weight and one level per score"):
        metrics.wrmsse(score, torch.ones(2))
    with pytest.raises(ValueError, match="weights of at least 0"):
        metrics.wspl(torch.ones(3, 2), torch.tensor([1.0, -1.0, 1.0]))


def test_owa_is_a_mean_of_ratios_of_means_over_scored_series() -> None:
    smape, mase = torch.tensor([0.2, 0.4]), torch.tensor([1.0, torch.nan])
    benchmark_smape, benchmark_mase = torch.tensor([0.5, 0.7]), torch.tensor([2.0, 9.0])
    ours = metrics.owa(smape, mase, benchmark_smape, benchmark_mase)
    assert ours.item() == pytest.approx((0.3 / 0.6 + 1.0 / 2.0) / 2)


@pytest.mark.parametrize(("power", "lag"), [(3, 1), (1, 0)])
def test_a_scale_that_is_not_defined_is_refused(power: int, lag: int) -> None:
    with pytest.raises(ValueError, match="expected a lag of at least one and power 1 or 2"):
        metrics.difference_scale(BATCH, power, lag)


@pytest.mark.real_data
def test_seasonal_naive_on_carparts_scores_as_published() -> None:
    """MASE 1.201 and WQL 1.600, each quantile being the point forecast; the last 12 months are the test.

    WQL is over the parts that were followed to the end; the others, too short for a scale, have no MASE either.
    """
    parts = pd.read_parquet(real_data.find("carparts") / "carparts.parquet").sort_values(["unique_id", "ds"])
    sales = {str(part): y.to_numpy() for part, y in parts.groupby("unique_id")["y"] if len(y) == 51}
    batch = _without_listing_rule({part: y[:-12] for part, y in sales.items()})
    actual = torch.from_numpy(np.stack([sales[part][-12:] for part in batch.unique_ids]))
    levels = tuple(k / 10 for k in range(1, 10))
    mean = SeasonalNaive(season_length=12).forecast(batch, 12, levels).mean_SH
    mask = torch.ones_like(actual, dtype=torch.bool)

    mase = metrics.mase(actual, mean, mask, metrics.difference_scale(batch, power=1, lag=12))
    assert mase.nanmean().item() == pytest.approx(1.201, abs=5e-4)
    wql = metrics.pooled_wql(actual, mean[:, :, None].expand(-1, -1, 9), levels, mask)
    assert wql.item() == pytest.approx(1.600, abs=5e-4)


@pytest.mark.real_data
def test_benchmarks_on_m4_hourly_score_as_published() -> None:
    """Seasonal naive 13.912, 1.193 and .627 (sMAPE, MASE, OWA); Naive2, which OWA is relative to, 18.383 and 2.395."""
    folder = real_data.find("m4_hourly")
    train, test = (
        pd.read_parquet(folder / f"{part}.parquet").sort_values(["unique_id", "step"]) for part in ("train", "test")
    )
    batch = _without_listing_rule({u: y.to_numpy() for u, y in train.groupby("unique_id")["y"]})
    actual = torch.from_numpy(test["y"].to_numpy().reshape(len(batch), 48))
    mask = torch.ones_like(actual, dtype=torch.bool)
    scale = metrics.difference_scale(batch, power=1, lag=24)
    scores = []
    for model in (SeasonalNaive(season_length=24), Naive2(season_length=24)):
        mean = model.forecast(batch, 48, (0.5,)).mean_SH
        scores.append((metrics.smape(actual, mean, mask), metrics.mase(actual, mean, mask, scale)))
    means = [[score.mean().item() for score in pair] for pair in scores]
    np.testing.assert_allclose(means[0], [0.13912, 1.193], rtol=3e-4)
    np.testing.assert_allclose(means[1], [0.18383, 2.395], rtol=3e-4)
    assert metrics.owa(*scores[0], *scores[1]).item() == pytest.approx(0.627, abs=6e-4)

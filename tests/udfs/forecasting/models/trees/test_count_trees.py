from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from tests.udfs.forecasting.series import batch_of, mixed_series
from udfs.forecasting.frames import forecast
from udfs.forecasting.models.trees.count_rows import forgetting_mean, origin_features, own_unit, phase_features
from udfs.forecasting.models.trees.count_trees import CountTrees, DemandClasses
from udfs.series.sku_batch import SkuBatch

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def test_forgetting_mean_is_the_weighted_mean_of_the_observed_days() -> None:
    rng = np.random.default_rng(1)
    y_ST, mask_ST = rng.poisson(2.0, (5, 40)).astype(float), rng.random((5, 40)) < 0.7
    mask_ST[4] = False
    made_S = forgetting_mean(y_ST, mask_ST, 6.0)
    for s in range(4):
        days = np.flatnonzero(mask_ST[s])
        weights = [2.0 ** (-(39 - t) / 6.0) for t in days]
        assert made_S[s] == pytest.approx(np.average(y_ST[s, days], weights=weights), rel=1e-12)
    assert made_S[4] == 0.0


def test_units_are_pieces_where_sales_are_few_and_tenths_of_the_level_elsewhere() -> None:
    y_ST = np.array([[2.0], [300.0], [0.5], [0.0]]).repeat(50, axis=1)
    seen_ST = np.ones_like(y_ST, dtype=bool)
    unit_S = own_unit(y_ST, seen_ST, np.array([True, True, False, False]))
    np.testing.assert_allclose(unit_S, [1.0, 30.0, 0.05, 1.0], rtol=1e-12)


def test_features_scale_with_the_unit_and_do_not_see_padding_or_unobserved_days() -> None:
    rng = np.random.default_rng(2)
    y_ST, mask_ST = rng.poisson(1.0, (6, 60)).astype(float), rng.random((6, 60)) < 0.8
    unit_S = np.ones(6)
    fixed = origin_features(y_ST, mask_ST, unit_S)
    tenfold = origin_features(10.0 * y_ST, mask_ST, 10.0 * unit_S)
    np.testing.assert_allclose(tenfold[:, :-1], fixed[:, :-1], rtol=1e-12)
    hidden = origin_features(np.where(mask_ST, y_ST, 99.0), mask_ST, unit_S)
    np.testing.assert_array_equal(hidden, fixed)
    sold = (y_ST > 0) & mask_ST
    np.testing.assert_array_equal(fixed[:, -5], [59 - np.flatnonzero(row).max() for row in sold])


@pytest.mark.parametrize("step", [1, 3, 7, 8])
def test_the_phase_of_a_day_ahead_is_that_of_the_days_whole_seasons_before_it(step: int) -> None:
    y_ST = np.tile(np.arange(7.0), (1, 10))[:, :66]  # the day after the last one is 66 % 7
    made = phase_features(y_ST, np.ones_like(y_ST, dtype=bool), np.ones(1), step, 7)
    assert made[0, 0] == pytest.approx((66 + step - 1) % 7)
    assert made[0, -1] == step


def test_sparse_counts_get_a_class_each_and_the_tail_shares_one() -> None:
    demand = np.repeat([0.0, 1.0, 2.0, 3.0, 9.0], [700, 150, 100, 30, 20])
    classes = DemandClasses.of(demand, 10)
    assert classes.lower_C.tolist() == [0.0, 1.0, 2.0]
    assert [len(v) for v in classes.values] == [700, 150, 150]
    assert classes.index(np.array([0.0, 1.0, 2.0, 7.0, 11.0])).tolist() == [0, 1, 2, 2, 2]


def test_quantiles_and_moments_of_a_mixture_are_those_of_the_weighted_sample() -> None:
    rng = np.random.default_rng(3)
    demand = rng.negative_binomial(1, 0.2, 2000).astype(float)
    classes = DemandClasses.of(demand, 12)
    share_SC = rng.dirichlet(np.ones(len(classes)), 30)
    mean_S, sd_S = classes.moments(share_SC)
    quantile_SQ = classes.quantiles(share_SC, LEVELS)
    for s in range(30):
        weight = np.concatenate([np.full(len(v), p / len(v)) for v, p in zip(classes.values, share_SC[s], strict=True)])
        sample = np.concatenate(classes.values)
        assert mean_S[s] == pytest.approx(np.sum(weight * sample))
        assert sd_S[s] == pytest.approx(np.sqrt(np.sum(weight * (sample - mean_S[s]) ** 2)))
        brute = [sample[np.flatnonzero(weight.cumsum() >= level - 1e-9)[0]] for level in LEVELS]
        np.testing.assert_array_equal(quantile_SQ[s], brute)


def test_the_distribution_of_independent_poisson_demand_is_found() -> None:
    """Three groups of series, each Poisson with a mean of its own: the oracle is the distribution itself."""
    rng = np.random.default_rng(4)
    means = np.repeat([0.1, 0.8, 4.0], 60)
    batch = batch_of({f"s{s:03d}": rng.poisson(m, 100).astype(float) for s, m in enumerate(means)})
    made = CountTrees(season_length=7).forecast(batch, 6, LEVELS)
    for mean in (0.1, 0.8, 4.0):
        quantile_HQ = made.quantile_SHQ[torch.from_numpy(means == mean)].mean(0)
        oracle_Q = stats.poisson.ppf(LEVELS, mean)
        assert (quantile_HQ - torch.from_numpy(oracle_Q)).abs().max() < 0.65
        assert made.mean_SH[torch.from_numpy(means == mean)].mean() == pytest.approx(mean, rel=0.12, abs=0.03)
        # Few rounds leave each class a little of its share of the pool, which widens the sparsest series.
        assert 0.85 * mean**0.5 < made.sd_SH[torch.from_numpy(means == mean)].mean() < 1.6 * mean**0.5


def test_a_weekly_season_is_learned() -> None:
    rng = np.random.default_rng(5)
    week = np.array([0.2, 0.2, 0.2, 0.2, 0.2, 5.0, 5.0])
    batch = batch_of({f"s{s:03d}": rng.poisson(week[np.arange(140) % 7]).astype(float) for s in range(80)})
    mean_H = CountTrees(season_length=7).forecast(batch, 7, LEVELS).mean_SH.mean(0).numpy()
    np.testing.assert_allclose(mean_H, week[np.arange(140, 147) % 7], rtol=0.3, atol=0.2)


def test_the_same_seed_gives_the_same_bits_and_the_past_alone_counts() -> None:
    batch = batch_of(mixed_series(30))
    model = CountTrees(rounds=5)
    once, twice = model.forecast(batch, 8, LEVELS), model.forecast(batch, 8, LEVELS)
    assert torch.equal(once.quantile_SHQ, twice.quantile_SHQ)
    y_ST = torch.where(batch.mask_ST, batch.y_ST, 77.0)
    hidden = model.forecast(replace(batch, y_ST=y_ST), 8, LEVELS)
    assert torch.equal(once.mean_SH, hidden.mean_SH)
    padded = replace(
        batch,
        y_ST=torch.nn.functional.pad(batch.y_ST, (28, 0)),
        mask_ST=torch.nn.functional.pad(batch.mask_ST, (28, 0)),
    )
    assert torch.equal(once.mean_SH, model.forecast(padded, 8, LEVELS).mean_SH)


def test_constant_demand_stays_and_a_series_without_a_day_has_no_forecast() -> None:
    batch = batch_of({f"s{s}": np.full(30, 3.0) for s in range(3)} | {"none": np.full(30, np.nan)})
    made = CountTrees().forecast(batch, 4, LEVELS)
    assert made.finite_series().tolist() == [uid != "none" for uid in batch.unique_ids]
    assert (made.quantile_SHQ[made.finite_series()] == 3.0).all()
    assert (made.mean_SH[made.finite_series()] == 3.0).all()
    assert (made.sd_SH[made.finite_series()] == 0.0).all()


def test_demand_in_fractions_is_not_rounded() -> None:
    rng = np.random.default_rng(6)
    batch = batch_of({f"s{s:02d}": 0.01 * rng.poisson(8.0, 80) + 0.005 for s in range(30)})
    made = CountTrees().forecast(batch, 5, LEVELS)
    assert made.mean_SH.mean().item() == pytest.approx(0.085, rel=0.1)
    assert 0.03 < made.quantile_SHQ[..., 0].mean() < 0.07 < made.quantile_SHQ[..., 4].mean() < 0.14


def test_too_little_history_is_refused() -> None:
    batch: SkuBatch = batch_of({"s": np.ones(5)})
    with pytest.raises(ValueError, match="expected days observed after 8 others to learn from, found none in 1 series"):
        CountTrees().forecast(batch, 3, LEVELS)


def test_through_the_public_function_a_short_panel_falls_back() -> None:
    history = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2024-01-01", periods=5), "y": 2.0})
    with pytest.warns(UserWarning, match="learn from"):
        made = forecast(history, model="count_trees", horizon=3)
    assert made["mean"].tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    "wrong", [{"season_length": 0}, {"classes": 1}, {"rounds": 0}, {"leaves": 1}, {"threads": 0}, {"max_rows": 0}]
)
def test_each_parameter_is_checked(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"CountTrees.{next(iter(wrong))}: expected at least"):
        CountTrees(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"learning_rate": 0.0}, {"learning_rate": 1.5}, {"l2": -1.0}])
def test_learning_rate_and_penalty_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected a learning_rate above 0"):
        CountTrees(**wrong)  # type: ignore[arg-type]

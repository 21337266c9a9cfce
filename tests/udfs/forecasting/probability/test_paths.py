from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
import torch
from scipy import special, stats

from udfs.demand.demand_profile import DEMAND_CLASSES
from udfs.forecasting.probability.error_correlation import Copula, ErrorCorrelation
from udfs.forecasting.probability.lead_time import lead_time_demand, window_demand
from udfs.forecasting.probability.paths import PathSource, sample_paths
from udfs.forecasting.probability.quantile_function import normal_at
from udfs.forecasting.probability.score_summary import ScoreSummary

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
HORIZON = 14
CUTOFF = dt.date(2024, 3, 31)


def gamma_days(n_series: int) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    """Continuous demand with a weekly pattern: ids, mean, quantiles."""
    scale_SH = np.linspace(1, 9, n_series)[:, None] * (1 + 0.3 * np.sin(np.arange(HORIZON)))[None]
    quantile_SHQ = stats.gamma.ppf(np.asarray(LEVELS), 3.0, scale=scale_SH[..., None])
    ids = np.array([f"item{s}" for s in range(n_series)], dtype=object)
    return ids, torch.from_numpy(3.0 * scale_SH), torch.from_numpy(quantile_SHQ)


def count_days(means: list[float]) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    mean_SH = np.repeat(np.array(means)[:, None], HORIZON, axis=1)
    quantile_SHQ = stats.nbinom.ppf(np.asarray(LEVELS), 1.5, 1.5 / (1.5 + mean_SH[..., None]))
    ids = np.array([f"part{s}" for s in range(len(means))], dtype=object)
    return ids, torch.from_numpy(mean_SH), torch.from_numpy(quantile_SHQ)


def copula_of(n: int, level: float, season: float, short: float, decay: float, shift_share: float = 1.0) -> Copula:
    return Copula(*(np.full(n, x) for x in (level, season, short, decay)), 7, shift_share)


def test_normal_quantiles_equal_scipy() -> None:
    p = np.concatenate([10.0 ** -np.arange(1, 15), np.linspace(0.001, 0.999, 998)])
    np.testing.assert_allclose([normal_at(x) for x in p], special.ndtri(p), rtol=1e-13)


def test_quantiles_and_means_of_paths_are_the_stored_ones() -> None:
    ids, mean_SH, quantile_SHQ = gamma_days(3)
    path_SNH = sample_paths(ids, mean_SH, quantile_SHQ, LEVELS, copula_of(3, 0.2, 0.1, 0.3, 0.6, 0.2), 20_000).numpy()
    for k, level in enumerate(LEVELS):
        below = (path_SNH <= quantile_SHQ[:, None, :, k].numpy()).mean(1)
        assert np.abs(below - level).max() < 5 * np.sqrt(level * (1 - level) / 20_000)
    np.testing.assert_allclose(path_SNH.mean(1), mean_SH.numpy(), rtol=0.03)


def test_counts_keep_their_quantiles_and_means() -> None:
    ids, mean_SH, quantile_SHQ = count_days([0.05, 0.4, 2.0, 30.0])
    path_SNH = sample_paths(ids, mean_SH, quantile_SHQ, LEVELS, copula_of(4, 0.1, 0.05, 0.1, 0.6), 20_000).numpy()
    assert np.array_equal(path_SNH, np.round(path_SNH))
    assert path_SNH.min() >= 0
    for k, level in enumerate(LEVELS):
        quantile = quantile_SHQ[:, None, :, k].numpy()
        slack = 5 * np.sqrt(level * (1 - level) / 20_000)
        assert ((path_SNH <= quantile).mean(1) >= level - slack).all()
        assert ((path_SNH < quantile).mean(1) <= level + slack).all()
    np.testing.assert_allclose(path_SNH.mean((1, 2)), mean_SH[:, 0].numpy(), rtol=0.06)


@pytest.mark.parametrize("shift_share", [1.0, 0.25])
def test_errors_of_paths_correlate_as_the_copula_says(shift_share: float) -> None:
    level, season, short, decay = 0.1, 0.05, 0.2, 0.6
    lag = np.abs(np.subtract.outer(np.arange(HORIZON), np.arange(HORIZON)))
    expected = level + season * (lag % 7 == 0) + short * decay**lag
    off = lag > 0
    for ids, mean_SH, quantile_SHQ in (gamma_days(2), count_days([0.4, 3.0])):
        copula = copula_of(2, level, season, short, decay, shift_share)
        path_SNH = sample_paths(ids, mean_SH, quantile_SHQ, LEVELS, copula, 30_000).numpy()
        for s in range(2):
            found = np.corrcoef(path_SNH[s].T)
            assert abs(found[off].mean() - expected[off].mean()) < 0.015
            assert np.abs(found - expected)[off].max() < 0.06


def test_a_series_paths_do_not_depend_on_neighbours_order_or_number() -> None:
    ids, mean_SH, quantile_SHQ = gamma_days(5)
    copula = copula_of(5, 0.2, 0.1, 0.3, 0.6, 0.2)
    whole = sample_paths(ids, mean_SH, quantile_SHQ, LEVELS, copula, 50, seed=3)
    order = np.array([4, 1])
    part = sample_paths(ids[order], mean_SH[order], quantile_SHQ[order], LEVELS, copula.select(order), 20, seed=3)
    assert torch.equal(part, whole[order, :20])
    other = sample_paths(ids, mean_SH, quantile_SHQ, LEVELS, copula, 50, seed=4)
    assert not torch.equal(other, whole)
    assert not torch.equal(whole[0] / mean_SH[0], whole[1] / mean_SH[1])


@pytest.mark.parametrize("shift_share", [1.0, 0.2])
def test_tensor_and_compiled_paths_agree(shift_share: float) -> None:
    copula = copula_of(3, 0.2, 0.1, 0.3, 0.6, shift_share)
    for ids, mean_SH, quantile_SHQ in (gamma_days(3), count_days([0.2, 1.0, 9.0])):
        source = PathSource.prepare(ids, mean_SH, quantile_SHQ, LEVELS, copula, seed=5)
        compiled, tensors = source.draw(200), source.draw_torch(200, "cpu")
        # A count may fall to the other side of a whole number by the last bit.
        assert (torch.isclose(compiled, tensors, rtol=1e-8, atol=1e-8)).double().mean() > 0.999


def ar1_counts(n_windows: int, n_series: int, seed: int) -> np.ndarray:
    """(W, S, H) INAR(1) counts with mean 4: each unit stays on with probability .6 (Al-Osh & Alzaid, 1987)."""
    rng = np.random.default_rng(seed)
    y = rng.poisson(4.0, (n_windows, n_series))
    days = []
    for _ in range(HORIZON):
        y = rng.binomial(y, 0.6) + rng.poisson(1.6, y.shape)
        days.append(y)
    return np.stack(days, axis=2).astype(float)


def test_lead_time_demand_of_autocorrelated_counts_is_the_true_one() -> None:
    y = torch.from_numpy(ar1_counts(2, 3000, seed=1))
    mean, sd = torch.full_like(y, 4.0), torch.full_like(y, 2.0)
    class_S = torch.full((3000,), DEMAND_CLASSES.index("smooth"))
    unit_S = torch.ones(3000, dtype=torch.float64)
    summary = ScoreSummary.from_backtest(mean, sd, y, torch.ones_like(y, dtype=torch.bool), class_S, unit_S)
    fitted = ErrorCorrelation.fit(summary)
    level, season, short, decay = fitted.of(mean[0, :1], class_S[:1], unit_S[:1]).__getstate__()[:4]
    assert (float(short[0]), float(decay[0])) == (pytest.approx(1.0, abs=0.1), pytest.approx(0.6))
    assert float(level[0] + season[0]) < 0.03

    quantile_SHQ = torch.from_numpy(np.broadcast_to(stats.poisson.ppf(LEVELS, 4.0), (1, HORIZON, 8)).copy())
    ids = np.array(["one"], dtype=object)
    copula = fitted.of(mean[0, :1], class_S[:1], unit_S[:1])
    truth = ar1_counts(1, 200_000, seed=2)[0].cumsum(1)
    tables = {}
    for name, joint in (("joint", copula), ("independent", Copula.independent(1))):
        source = PathSource.prepare(ids, mean[0, :1], quantile_SHQ, LEVELS, joint)
        tables[name] = lead_time_demand(source, CUTOFF, LEVELS, n_paths=20_000)
    for days in (1, 7, 14):
        row = tables["joint"].slice(days - 1, 1).to_pylist()[0]
        assert (row["unique_id"], row["cutoff"], row["days"]) == ("one", CUTOFF, days)
        assert row["mean"] == pytest.approx(4.0 * days)
        assert row["sd"] == pytest.approx(truth[:, days - 1].std(), rel=0.06)
        for level_name, q in (("p05", 0.05), ("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            assert abs(row[level_name] - np.quantile(truth[:, days - 1], q)) <= max(1.0, 0.04 * row[level_name])
    alone = tables["independent"].slice(13, 1).to_pylist()[0]
    assert alone["sd"] < 0.65 * truth[:, 13].std()
    assert (truth[:, 13] > alone["p95"]).mean() > 0.12


def test_a_window_of_days_is_the_sum_of_its_paths() -> None:
    ids, mean_SH, quantile_SHQ = gamma_days(3)
    source = PathSource.prepare(ids, mean_SH, quantile_SHQ, LEVELS, copula_of(3, 0.2, 0.1, 0.2, 0.6), seed=2)
    path_SNH = source.draw(200).numpy()
    table = window_demand(source, 4, 9, LEVELS, n_paths=200)
    sums = path_SNH[:, :, 3:9].sum(2)
    np.testing.assert_allclose(table["p90"].to_numpy(), np.quantile(sums, 0.9, axis=1))
    np.testing.assert_allclose(table["sd"].to_numpy(), sums.std(1, ddof=1))
    np.testing.assert_allclose(table["mean"].to_numpy(), mean_SH[:, 3:9].sum(1).numpy())
    first = lead_time_demand(source, CUTOFF, LEVELS, n_paths=200)
    whole = window_demand(source, 1, HORIZON, LEVELS, n_paths=200)
    assert whole["p95"].to_pylist() == first["p95"].to_pylist()[HORIZON - 1 :: HORIZON]


def test_error_correlation_survives_arrow_in_any_order() -> None:
    y = torch.from_numpy(ar1_counts(1, 300, seed=3))
    mean, class_S = torch.full_like(y, 4.0), torch.zeros(300, dtype=torch.long)
    unit_S = torch.ones(300, dtype=torch.float64)
    summary = ScoreSummary.from_backtest(mean, mean, y, torch.ones_like(y, dtype=torch.bool), class_S, unit_S)
    fitted = ErrorCorrelation.fit(summary)
    table = fitted.to_arrow()
    again = ErrorCorrelation.from_arrow(table.take(np.arange(table.num_rows)[::-1].copy()))
    np.testing.assert_array_equal(again.parameter_D4, fitted.parameter_D4)
    assert again.season_length == fitted.season_length
    with pytest.raises(ValueError, match="cells once"):
        ErrorCorrelation.from_arrow(table.slice(1))
    with pytest.raises(ValueError, match="prior_windows above 0"):
        ErrorCorrelation.fit(summary, prior_windows=0.0)
    assert not ErrorCorrelation.fit(ScoreSummary.empty(1)).parameter_D4.any()


def test_refusals() -> None:
    ids, mean_SH, quantile_SHQ = gamma_days(2)
    copula = Copula.independent(2)
    with pytest.raises(ValueError, match="to match"):
        PathSource.prepare(ids[:1], mean_SH, quantile_SHQ, LEVELS, copula)
    with pytest.raises(ValueError, match="finite means"):
        PathSource.prepare(ids, mean_SH * torch.nan, quantile_SHQ, LEVELS, copula)
    with pytest.raises(ValueError, match="do not fall"):
        PathSource.prepare(ids, mean_SH, quantile_SHQ.flip(2), LEVELS, copula)
    with pytest.raises(ValueError, match="increasing quantile levels"):
        PathSource.prepare(ids, mean_SH, quantile_SHQ, LEVELS[::-1], copula)
    long_season = Copula(copula.level_S, copula.level_S, copula.level_S, copula.level_S, 1 << 20)
    with pytest.raises(ValueError, match="horizon and season"):
        PathSource.prepare(ids, mean_SH, quantile_SHQ, LEVELS, long_season)
    source = PathSource.prepare(ids, mean_SH, quantile_SHQ, LEVELS, copula)
    with pytest.raises(ValueError, match="at least one path"):
        source.draw(0)
    with pytest.raises(ValueError, match="at least two paths"):
        lead_time_demand(source, CUTOFF, LEVELS, n_paths=1)
    with pytest.raises(ValueError, match="first_day <= last_day"):
        window_demand(source, 5, 4, LEVELS)
    with pytest.raises(ValueError, match="four arrays"):
        Copula(np.zeros(2), np.zeros(3), np.zeros(2), np.zeros(2))
    with pytest.raises(ValueError, match="summing to at most 1"):
        copula_of(2, 0.6, 0.3, 0.3, 0.5)
    with pytest.raises(ValueError, match="shift_share above 0"):
        copula_of(2, 0.1, 0.1, 0.1, 0.5, 0.0)

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy import stats

from udfs.demand.demand_profile import DEMAND_CLASSES
from udfs.forecasting.forecaster import Forecast
from udfs.forecasting.probability.calibration import Calibration, CalibrationSpec, covered
from udfs.forecasting.probability.score_summary import N_BINS, ScoreSummary, demand_units

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
HORIZON = 28


def forecast_of(mean_SH: torch.Tensor, sd_SH: torch.Tensor, levels: tuple[float, ...] = LEVELS) -> Forecast:
    nothing_S = torch.zeros(len(mean_SH), dtype=torch.float64)
    quantile_SHQ = torch.zeros((*mean_SH.shape, len(levels)), dtype=torch.float64)
    return Forecast(mean_SH, sd_SH, quantile_SHQ, nothing_S, nothing_S, nothing_S, nothing_S)


def counts(n_windows: int, n_series: int, seed: int) -> tuple[torch.Tensor, ...]:
    """Negative binomial demand; the forecast knows the mean but takes the sd for half of what it is."""
    rng = np.random.default_rng(seed)
    mean_S = rng.choice([0.25, 1.5, 6.0, 40.0], n_series)
    mean = np.broadcast_to(mean_S[None, :, None], (n_windows, n_series, HORIZON)).copy()
    y = rng.negative_binomial(2.0, 2.0 / (2.0 + mean)).astype(float)
    sd = 0.5 * np.sqrt(mean + mean**2 / 2.0)
    class_S = np.where(mean_S < 1, DEMAND_CLASSES.index("intermittent"), DEMAND_CLASSES.index("smooth"))
    mask = rng.random(y.shape) < 0.95
    return tuple(torch.from_numpy(x) for x in (mean, sd, y, mask, class_S))


def test_quantiles_of_exchangeable_counts_are_the_true_ones() -> None:
    mean, sd, y, mask, class_S = counts(2, 800, seed=1)
    unit_S = torch.ones(800, dtype=torch.float64)
    calibration = Calibration.fit(ScoreSummary.from_backtest(mean, sd, y, mask, class_S, unit_S))
    forecast = calibration.apply(forecast_of(mean[0], sd[0]), class_S, unit_S, LEVELS)
    for level_mean, slack in ((0.25, 0), (1.5, 1), (6.0, 1), (40.0, 4)):
        s = int(np.flatnonzero(mean[0, :, 0].numpy() == level_mean)[0])
        truth = stats.nbinom.ppf(LEVELS[:-1], 2.0, 2.0 / (2.0 + level_mean))
        assert np.abs(forecast.quantile_SHQ[s, 3, :-1].numpy() - truth).max() <= slack
        true_sd = np.sqrt(level_mean + level_mean**2 / 2)
        assert float(forecast.sd_SH[s, 3]) == pytest.approx(true_sd, rel=0.1)
    torch.testing.assert_close(forecast.mean_SH, mean[0])
    assert bool((forecast.quantile_SHQ.diff(dim=2) >= 0).all())
    assert bool((forecast.quantile_SHQ >= 0).all())
    assert torch.equal(forecast.quantile_SHQ, forecast.quantile_SHQ.round())


@pytest.mark.parametrize("width", [0.5, 0.8, 0.9])
def test_intervals_cover_new_windows(width: float) -> None:
    mean, sd, y, mask, class_S = counts(3, 600, seed=2)
    unit_S = torch.ones(600, dtype=torch.float64)
    calibration = Calibration.fit(ScoreSummary.from_backtest(mean[:2], sd[:2], y[:2], mask[:2], class_S, unit_S))
    low_SH, high_SH = calibration.pit(forecast_of(mean[2], sd[2]), y[2], class_S, unit_S)
    assert float(covered(low_SH, high_SH, width).mean()) == pytest.approx(width, abs=0.015)


def test_shares_of_intervals_and_points_are_those_inside() -> None:
    low = torch.tensor([0.0, 0.2, 0.6, 0.3, 0.8], dtype=torch.float64)
    high = torch.tensor([0.5, 0.4, 0.8, 0.3, 0.8], dtype=torch.float64)
    torch.testing.assert_close(covered(low, high, 0.5), torch.tensor([0.5, 0.75, 0.75, 1.0, 0.0], dtype=torch.float64))


def test_continuous_demand_is_covered_and_not_rounded() -> None:
    rng = np.random.default_rng(3)
    mean = np.broadcast_to(rng.uniform(2, 500, (1, 400, 1)), (2, 400, HORIZON)).copy()
    y = mean * rng.gamma(4.0, 0.25, mean.shape)
    mean_WSH, sd_WSH, y_WSH = (torch.from_numpy(x) for x in (mean, 0.2 * mean, y))
    unit_S = demand_units(y_WSH[0], torch.ones_like(y_WSH[0], dtype=torch.bool))
    assert not bool(unit_S.any())
    class_S = torch.zeros(400, dtype=torch.long)
    first = (x[:1] for x in (mean_WSH, sd_WSH, y_WSH, torch.ones_like(y_WSH, dtype=torch.bool)))
    calibration = Calibration.fit(ScoreSummary.from_backtest(*first, class_S, unit_S))
    forecast = calibration.apply(forecast_of(mean_WSH[1], sd_WSH[1]), class_S, unit_S, LEVELS)
    truth_Q = stats.gamma.ppf(LEVELS[:-1], 4.0, scale=0.25)
    found_Q = (forecast.quantile_SHQ[..., :-1] / mean_WSH[1][..., None]).numpy().reshape(-1, len(truth_Q)).mean(0)
    np.testing.assert_allclose(found_Q, truth_Q, atol=0.05)
    below_Q = (y_WSH[1][..., None] <= forecast.quantile_SHQ).double().flatten(0, 1).mean(0).numpy()
    np.testing.assert_allclose(below_Q, LEVELS, atol=0.015)


def test_few_windows_widen_the_tail_as_split_conformal_does() -> None:
    rng = np.random.default_rng(4)
    mean = torch.full((1, 60, 1), 1000.0, dtype=torch.float64)
    y = mean + torch.from_numpy(rng.normal(0, 100, (1, 60, 1)))
    one, unit_S = torch.ones(60, dtype=torch.long) * 0, torch.zeros(60, dtype=torch.float64)
    summary = ScoreSummary.from_backtest(mean, mean * 0.1, y, torch.ones_like(y, dtype=torch.bool), one, unit_S)
    calibration = Calibration.fit(summary, CalibrationSpec(prior_errors=1e-6))
    forecast = calibration.apply(forecast_of(mean[0, :1], mean[0, :1] * 0.1), one[:1], unit_S[:1], (0.1, 0.5, 0.9))
    ordered = np.sort(y.flatten().numpy())
    rank = int(np.ceil(61 * 0.9))
    assert float(forecast.quantile_SHQ[0, 0, 2]) == pytest.approx(ordered[rank - 1], abs=8.0)
    assert float(forecast.quantile_SHQ[0, 0, 0]) == pytest.approx(ordered[60 - rank], abs=8.0)


def test_a_cell_without_errors_takes_its_parents() -> None:
    mean, sd, y, mask, class_S = counts(2, 300, seed=5)
    unit_S = torch.ones(300, dtype=torch.float64)
    calibration = Calibration.fit(ScoreSummary.from_backtest(mean, sd, y, mask, class_S, unit_S))
    unseen_S = torch.full((300,), DEMAND_CLASSES.index("new"))
    forecast = calibration.apply(forecast_of(mean[0], sd[0]), unseen_S, unit_S, LEVELS)
    assert bool(forecast.quantile_SHQ.isfinite().all())
    inside = (y[0] <= forecast.quantile_SHQ[..., 5]).double().mean()
    assert 0.85 < float(inside) < 0.97


def test_halves_add_up_to_the_whole_and_survive_arrow() -> None:
    *tensors, class_S = counts(2, 100, seed=6)
    unit_S = torch.ones(100, dtype=torch.float64)
    whole = ScoreSummary.from_backtest(*tensors, class_S, unit_S)
    halves = [
        ScoreSummary.from_backtest(*(x[:, part] for x in tensors), class_S[part], unit_S[part])
        for part in (slice(0, 37), slice(37, None))
    ]
    tables = [half.to_arrow() for half in halves]
    for total in (halves[0] + halves[1], ScoreSummary.from_arrow(pa.concat_tables(tables), HORIZON)):
        for field in dataclasses.fields(ScoreSummary):
            np.testing.assert_allclose(getattr(total, field.name), getattr(whole, field.name), rtol=1e-12, atol=1e-9)
    assert whole.count_CB.sum() == int(tensors[3].sum())
    assert whole.pairs_DHH.sum() == float((tensors[3].double().sum(2) ** 2).sum())


def test_unseen_days_and_broken_forecasts_do_not_count() -> None:
    mean, sd, y, mask, class_S = counts(1, 40, seed=7)
    unit_S = torch.ones(40, dtype=torch.float64)
    y[0, 3] = torch.nan
    mean[0, 4] = torch.nan
    summary = ScoreSummary.from_backtest(mean, sd, y, mask, class_S, unit_S)
    mask[0, 3:5] = False
    assert summary.count_CB.sum() == int(mask.sum())
    assert np.isfinite(summary.product_DHH).all()


def test_a_forecast_that_is_not_finite_stays_so_and_spares_its_neighbours() -> None:
    mean, sd, y, mask, class_S = counts(1, 60, seed=8)
    unit_S = torch.ones(60, dtype=torch.float64)
    calibration = Calibration.fit(ScoreSummary.from_backtest(mean, sd, y, mask, class_S, unit_S))
    whole = calibration.apply(forecast_of(mean[0], sd[0]), class_S, unit_S, LEVELS)
    broken = mean[0].clone()
    broken[5] = torch.nan
    spoilt = calibration.apply(forecast_of(broken, sd[0]), class_S, unit_S, LEVELS)
    assert np.flatnonzero(~spoilt.finite_series()).tolist() == [5]
    others = np.delete(np.arange(60), 5)
    assert torch.equal(spoilt.quantile_SHQ[others], whole.quantile_SHQ[others])


def test_too_few_windows_leave_the_forecast_as_it_is() -> None:
    mean, sd, y, mask, class_S = counts(1, 2, seed=9)
    unit_S = torch.ones(2, dtype=torch.float64)
    calibration = Calibration.fit(ScoreSummary.from_backtest(mean, sd, y, mask, class_S, unit_S))
    forecast = forecast_of(mean[0], sd[0])
    assert calibration.apply(forecast, class_S, unit_S, LEVELS) is forecast
    with pytest.raises(ValueError, match="too few backtest windows"):
        calibration.apply(forecast, class_S, unit_S, (0.5,))


def test_refusals() -> None:
    mean, sd, y, mask, class_S = counts(1, 4, seed=10)
    unit_S = torch.ones(4, dtype=torch.float64)
    summary = ScoreSummary.from_backtest(mean, sd, y, mask, class_S, unit_S)
    with pytest.raises(ValueError, match="one shape"):
        ScoreSummary.from_backtest(mean, sd[:, :3], y, mask, class_S, unit_S)
    with pytest.raises(ValueError, match="class and unit of 4"):
        ScoreSummary.from_backtest(mean, sd, y, mask, class_S[:3], unit_S)
    with pytest.raises(ValueError, match="horizon of at least one"):
        ScoreSummary.empty(0)
    with pytest.raises(ValueError, match="one horizon"):
        summary + ScoreSummary.empty(7)
    with pytest.raises(ValueError, match="run the backtest again"):
        ScoreSummary.from_arrow(summary.to_arrow(), 7)
    table = summary.to_arrow()
    short = pa.array([[0.0] * N_BINS] * table.num_rows, pa.list_(pa.float64()))
    with pytest.raises(ValueError, match="values in a row"):
        ScoreSummary.from_arrow(table.set_column(4, table.schema.field(4), short), HORIZON)
    with pytest.raises(ValueError, match="prior_errors above 0"):
        CalibrationSpec(prior_errors=0.0)
    with pytest.raises(ValueError, match="increasing quantile levels"):
        Calibration.fit(summary).apply(forecast_of(mean[0], sd[0]), class_S, unit_S, (0.9, 0.1))

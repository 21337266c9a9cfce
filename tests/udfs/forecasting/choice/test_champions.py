from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.series import CUTOFF, batch_of, mixed_series
from udfs.contest.choice import Choice, Selection
from udfs.demand.demand_profile import DEMAND_CLASSES, demand_statistics
from udfs.forecasting.choice.backtest import BacktestSpec, Windows, backtest_windows
from udfs.forecasting.choice.champions import Champions
from udfs.forecasting.choice.class_route import ClassRoute
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.models.croston.croston_model import Croston
from udfs.forecasting.models.naive import HistoricMean, SeasonalNaive
from udfs.forecasting.probability.calibrated import Calibrated, calibrate_backtest, summarise_errors
from udfs.forecasting.probability.calibration import Calibration
from udfs.forecasting.probability.score_summary import ScoreSummary, demand_units
from udfs.series.sku_batch import SkuBatch

LEVELS = (0.1, 0.5, 0.9)
MODELS = {"seasonal_naive": SeasonalNaive(), "historic_mean": HistoricMean(), "tsb": Croston("tsb")}


def champions(n_series: int) -> tuple[Champions, np.ndarray]:
    """One model for most series, an average for every fourth, no contest for every fifth."""
    weight_SK = np.eye(3)[np.arange(n_series) % 3]
    weight_SK[::4] = (0.25, 0.0, 0.75)
    weight_SK[::5] = 0.0
    ids = np.array([f"s{s:03d}" for s in range(n_series)], dtype=object)
    choice = Choice.decided(n_series, "chosen", "by hand")
    return Champions(ids, Selection(tuple(MODELS), weight_SK, choice), MODELS, ClassRoute()), weight_SK


def test_each_series_gets_what_was_chosen_for_it() -> None:
    batch = batch_of(mixed_series(30))
    forecaster, weight_SK = champions(30)
    assert isinstance(forecaster, Forecaster)
    made = forecaster.forecast(batch, 8, LEVELS)
    parts = [model.forecast(batch, 8, LEVELS) for model in MODELS.values()]
    route = ClassRoute().forecast(batch, 8, LEVELS)
    for s in range(30):
        if not weight_SK[s].any():
            assert torch.equal(made.quantile_SHQ[s], route.quantile_SHQ[s])
            assert made.choice.rule_S[s] == route.choice.rule_S[s]
            continue
        expected = sum(w * part.quantile_SHQ[s] for w, part in zip(weight_SK[s], parts, strict=True))
        torch.testing.assert_close(made.quantile_SHQ[s], expected, rtol=1e-12, atol=1e-12)
        assert made.choice.rule_S[s] == "by hand"


def test_once_chosen_a_series_depends_on_itself_alone() -> None:
    batch = batch_of(mixed_series(30))
    forecaster, _ = champions(30)
    together = forecaster.forecast(batch, 8, LEVELS)
    for index in (np.arange(3, 11), np.array([20]), np.array([29, 0, 7])):
        alone = forecaster.forecast(batch.select(index), 8, LEVELS)
        assert torch.equal(alone.mean_SH, together.mean_SH[index])
        assert torch.equal(alone.quantile_SHQ, together.quantile_SHQ[index])
        assert alone.choice.name_S.tolist() == together.choice.name_S[index].tolist()


def test_an_unknown_series_and_a_missing_model_are_refused() -> None:
    forecaster, _ = champions(3)
    with pytest.raises(ValueError, match="models were chosen for, found 's003'"):
        forecaster.forecast(batch_of(mixed_series(4)), 8, LEVELS)
    lacking = Champions(forecaster.unique_ids, forecaster.selection, {}, ClassRoute())
    with pytest.raises(ValueError, match=f"expected a model 'historic_mean' for the cutoff {CUTOFF}"):
        lacking.forecast(batch_of(mixed_series(3)), 8, LEVELS)


def test_a_model_is_asked_for_the_batch_s_cutoff() -> None:
    forecaster, _ = champions(3)
    asked: list[dt.date] = []

    def fitted(cutoff: dt.date) -> Forecaster:
        asked.append(cutoff)
        return HistoricMean()

    batch = batch_of(mixed_series(3)).until(10)
    Champions(forecaster.unique_ids, forecaster.selection, MODELS | {"historic_mean": fitted}, ClassRoute()).forecast(
        batch, 8, LEVELS
    )
    assert asked == [CUTOFF - dt.timedelta(days=10)]


def _tested(n_series: int = 40) -> tuple[Windows, np.ndarray]:
    batch = batch_of(mixed_series(n_series, n_days=200))
    windows = Windows.of(batch, BacktestSpec().days_back(9), 9)
    return windows, demand_statistics(batch).class_S.numpy()


def test_calibration_changes_quantiles_and_spares_series_that_no_backtest_has_seen() -> None:
    windows, class_S = _tested()
    model = SeasonalNaive()
    result = backtest_windows(model, windows, LEVELS)
    batch = windows.batch
    summary = ScoreSummary.from_backtest(
        result.mean_WSH,
        result.sd_WSH,
        windows.actual_WSH,
        result.mask_WSH,
        torch.from_numpy(class_S),
        demand_units(batch.y_ST, batch.mask_ST),
    )
    calibrated = Calibrated(model, Calibration.fit(summary))
    plain, made = model.forecast(batch, 9, LEVELS), calibrated.forecast(batch, 9, LEVELS)
    assert calibrated.name == "seasonal_naive"
    assert torch.equal(made.mean_SH, plain.mean_SH)
    spared = np.isin(class_S, [DEMAND_CLASSES.index("new"), DEMAND_CLASSES.index("no_sales")])
    assert spared.any()
    same = (made.quantile_SHQ == plain.quantile_SHQ).flatten(1).all(1).numpy()
    assert same[spared].all()
    assert not same[~spared].all()


def test_backtest_quantiles_are_calibrated_on_windows_known_by_then() -> None:
    windows, class_S = _tested()
    result = backtest_windows(SeasonalNaive(), windows, LEVELS)
    all_known = calibrate_backtest(result, class_S, CUTOFF)
    assert torch.equal(all_known.mean_WSH.nan_to_num(-1), result.mean_WSH.nan_to_num(-1))

    def miss(quantile_WSHQ: torch.Tensor) -> float:
        """How far the share of days below the three levels is off, on the windows calibrated on."""
        below = (windows.actual_WSH[..., None] <= quantile_WSHQ)[result.mask_WSH].double().mean(0)
        return float((below - torch.tensor(LEVELS)).abs().max())

    assert miss(all_known.quantile_WSHQ) < miss(result.quantile_WSHQ)
    # The newest window changes; quantiles calibrated on the older ones must not.
    until = CUTOFF - dt.timedelta(days=9)
    changed = Windows.of(_with_other_end(windows), windows.days_back, 9)
    other = backtest_windows(SeasonalNaive(), changed, LEVELS)
    before, after = calibrate_backtest(result, class_S, until), calibrate_backtest(other, class_S, until)
    assert torch.equal(before.quantile_WSHQ.nan_to_num(-1), after.quantile_WSHQ.nan_to_num(-1))
    assert not torch.equal(
        calibrate_backtest(other, class_S, CUTOFF).quantile_WSHQ.nan_to_num(-1),
        all_known.quantile_WSHQ.nan_to_num(-1),
    )


def _with_other_end(windows: Windows) -> SkuBatch:
    y_ST = windows.batch.y_ST.clone()
    y_ST[:, -9:] += 40.0
    return replace(windows.batch, y_ST=y_ST)


def test_too_few_errors_leave_a_backtest_as_it_is() -> None:
    windows, class_S = _tested(1)
    result = backtest_windows(SeasonalNaive(), windows, LEVELS)
    assert calibrate_backtest(result, class_S, CUTOFF) is result


def test_errors_of_a_selection_are_those_of_its_average() -> None:
    windows, class_S = _tested()
    tests = [backtest_windows(model, windows, LEVELS) for model in MODELS.values()]
    weight_SK = np.tile([0.5, 0.0, 0.5], (40, 1))
    weight_SK[:10] = 0.0
    choice = Choice.decided(40, "", "")
    selection = Selection(tuple(MODELS), weight_SK, choice)
    forecasts = {test.model: (test.mean_WSH, test.sd_WSH) for test in tests}
    found = summarise_errors(selection, forecasts, windows, class_S)
    mask_WSH = windows.mask_WSH.clone()
    mask_WSH[:, :10] = False
    expected = ScoreSummary.from_backtest(
        (tests[0].mean_WSH + tests[2].mean_WSH) / 2,
        (tests[0].sd_WSH + tests[2].sd_WSH) / 2,
        windows.actual_WSH,
        mask_WSH,
        torch.from_numpy(class_S),
        demand_units(windows.batch.y_ST, windows.batch.mask_ST),
    )
    assert found.count_CB.sum() > 0
    np.testing.assert_allclose(found.square_C, expected.square_C, rtol=1e-9)
    np.testing.assert_array_equal(found.windows_C, expected.windows_C)

"""Everything between history and a chosen forecast, in one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from udfs.contest.choice import Selection, select
from udfs.contest.scores import WindowScores
from udfs.demand.demand_profile import DEMAND_CLASSES, demand_statistics
from udfs.forecasting.choice.backtest import ForecasterSource, Windows, backtest_windows
from udfs.forecasting.choice.backtest_scores import SCORES, Score, score_windows
from udfs.forecasting.choice.champions import Champions
from udfs.forecasting.choice.class_route import ClassRoute, forecast_mean
from udfs.forecasting.choice.selection import CLASS_SUMMARY_SCHEMA, summarise_classes
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.forecaster import Forecast, check_request, merge
from udfs.forecasting.isolate import forecast_isolated
from udfs.forecasting.masked import first_observed
from udfs.forecasting.probability.calibrated import Calibrated, calibrate_backtest, summarise_errors
from udfs.forecasting.probability.calibration import Calibration
from udfs.forecasting.probability.score_summary import ScoreSummary
from udfs.forecasting.registry import RUNGS, make_all, rung_of
from udfs.series.sku_batch import SkuBatch


@dataclass(frozen=True, slots=True)
class AutoForecaster:
    """Backtest the candidates of each demand class, choose per series, forecast with what was chosen.

    The rungs of the ladder are climbed one after the other: a dearer rung is backtested for a class only if the rung
    below has paid there and the budget allows. Series that never sold are forecast as zero, and those with a history
    below `min_history` by their mean. So are those that sold once, after days without a sale: no interval between sales
    was ever seen, and a model that weighs late days more would take a sale on the last day for many to come.

    Unlike other models, this one pools over the batch: how the series of a class fare together decides for each of
    them, so that a series' forecast depends on the batch it is in. `Champions` is what remains once the choice is
    made; it depends on each series alone.

    Attributes:
        sources: models by name; at least the first candidate of every class.
        spec: candidates, windows, score and budget; its `model` does not matter.
        scores: the functions that `spec.score` names.
    """

    sources: Mapping[str, ForecasterSource]
    spec: ForecastSpec
    scores: Mapping[str, Score] | None = None
    name: str = "auto"

    pools_series: ClassVar[bool] = True

    def __post_init__(self) -> None:
        scores = self.scores or SCORES
        if self.spec.score not in scores:
            raise ValueError(f"expected a known score, found {self.spec.score!r}; known: {', '.join(scores)}")
        missing = [name for name in self.wanted(self.spec) if name not in self.sources]
        if missing:
            raise ValueError(f"expected a source for every candidate, found none for {', '.join(missing)}")

    @classmethod
    def of(cls, spec: ForecastSpec) -> AutoForecaster:
        """Of registered models alone."""
        return cls(make_all(cls.wanted(spec), spec), spec)

    @staticmethod
    def wanted(spec: ForecastSpec) -> tuple[str, ...]:
        """The candidates of all classes."""
        return tuple(dict.fromkeys(name for names in spec.candidates().values() for name in names))

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`; `choice` is always set."""
        check_request(horizon, quantiles)
        selection, errors = self.select(batch, horizon, quantiles)
        route = ClassRoute(self.spec.season_length, self.spec.min_history)
        champions = Calibrated(
            Champions(batch.unique_ids, selection, self.sources, route),
            Calibration.fit(errors),
            self.spec.season_length,
            self.spec.min_history,
        )
        sold_once_S = _sold_once_after_zeros(batch)
        index, once = np.flatnonzero(~sold_once_S), np.flatnonzero(sold_once_S)
        # Isolated here: were a caller to isolate this model, each half would choose anew.
        parts, _ = forecast_isolated(champions, batch.select(index), horizon, quantiles)
        parts = [(index[at], forecast) for at, forecast in parts]
        if once.size:
            rule = "one sale, after days without: its mean"
            parts.append((once, forecast_mean(batch.select(once), horizon, quantiles, rule)))
        return _filled(parts, selection, batch, (horizon, len(quantiles)))

    def select(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> tuple[Selection, ScoreSummary]:
        """The models chosen for each series, rung by rung, and the errors that they made on the windows."""
        spec = self.spec
        class_S = demand_statistics(batch, spec.season_length, spec.min_history).class_S.cpu().numpy()
        days_back = spec.backtest().days_back(horizon)
        windows = Windows.of(batch, days_back, horizon, spec.min_history, spec.season_length)
        affordable = spec.ladder().affordable(spec.candidates(), spec.windows)
        contest = spec.selection(affordable)
        scored: dict[str, np.ndarray] = {}
        forecasts: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        summary = CLASS_SUMMARY_SCHEMA.empty_table()
        for rung in range(len(RUNGS)):
            worth = spec.ladder().worth_trying(affordable, summary)
            todo = {name for names in worth.values() for name in names} - set(scored)
            for name in sorted(name for name in todo if rung_of(name) <= rung):
                classes = [DEMAND_CLASSES.index(c) for c, names in worth.items() if name in names]
                index = np.flatnonzero(np.isin(class_S, classes))
                scored[name], forecasts[name] = self._test(name, windows, (index, class_S), quantiles)
            summary = summarise_classes(_cube(scored, windows), class_S, contest, batch.cutoff)
        selection = select(_cube(scored, windows), class_S, summary, batch.cutoff, contest)
        return selection, summarise_errors(selection, forecasts, windows, class_S)

    def _test(
        self, name: str, windows: Windows, series: tuple[np.ndarray, np.ndarray], quantiles: tuple[float, ...]
    ) -> tuple[np.ndarray, tuple[torch.Tensor, torch.Tensor]]:
        """(W, S) scores of a model, then its mean_WSH and sd_WSH; NaN for series that it was not tested on.

        Args:
            series: positions of the series to test on, and the classes of all.
        """
        index, class_S = series
        score_WS = np.full((len(windows), len(windows.batch)), np.nan)
        result = backtest_windows(self.sources[name], windows.select(index), quantiles, name)
        result = calibrate_backtest(result, class_S[index], windows.batch.cutoff)
        score = (self.scores or SCORES)[self.spec.score]
        score_WS[:, index] = score_windows(result, {name: score})[name].cpu().numpy()
        return score_WS, (windows.spread(result.mean_WSH, index), windows.spread(result.sd_WSH, index))


def _sold_once_after_zeros(batch: SkuBatch) -> np.ndarray:
    """(S,) bool, True where all that was observed before a series' only sale, and something was, is zeros."""
    sale_ST = batch.mask_ST & (batch.y_ST > 0)
    is_late_S = first_observed(sale_ST.t()) > first_observed(batch.mask_ST.t())
    return (is_late_S & (sale_ST.sum(1) == 1)).cpu().numpy()


def _filled(
    parts: list[tuple[np.ndarray, Forecast]], selection: Selection, batch: SkuBatch, shape: tuple[int, int]
) -> Forecast:
    """The parts as one forecast, with NaN for the series that no part has."""
    done = np.concatenate([index for index, _ in parts]) if parts else np.empty(0, dtype=int)
    index = np.setdiff1d(np.arange(len(batch)), done)
    nan_SH = torch.full_like(batch.y_ST[index, :1], torch.nan).repeat(1, shape[0])
    none_S = torch.zeros(len(index), dtype=torch.long, device=batch.device)
    rest = Forecast(
        nan_SH,
        nan_SH.clone(),
        nan_SH[:, :, None].repeat(1, 1, shape[1]),
        nan_SH[:, 0].clone(),
        none_S,
        none_S.clone(),
        nan_SH[:, 0].clone(),
        selection.choice.select(index),
    )
    return merge([*parts, (index, rest)])[1]


def _cube(scored: Mapping[str, np.ndarray], windows: Windows) -> WindowScores:
    shape = (len(scored), len(windows), len(windows.batch))
    return WindowScores(tuple(scored), np.array(list(scored.values())).reshape(shape))

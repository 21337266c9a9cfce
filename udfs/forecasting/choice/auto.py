"""Everything between history and a chosen forecast, in one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from udfs.contest.choice import JOIN, Selection, select
from udfs.contest.scores import WindowScores
from udfs.demand.demand_profile import DEMAND_CLASSES, demand_statistics
from udfs.forecasting.choice import stacking
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

LEAST_OBSERVED = 3
"""Days that a series without a contest of its own needs to be forecast by the models of the others."""


@dataclass(frozen=True, slots=True)
class AutoForecaster:
    """Backtest the candidates of each demand class, choose per series, forecast with what was chosen.

    The rungs of the ladder are climbed one after the other: a dearer rung is backtested for a class only if the rung
    below has paid there and the budget allows. The weights of an average are learned over all series of a class
    (`stacking`); `max_members` of 1 takes the single best by the scores of series. Series that never sold are forecast
    as zero. Those with a history below `min_history` take the average that the others have on average, and their mean
    where they have fewer than `LEAST_OBSERVED` days or no other has a contest. So do those that sold once, after days
    without a sale: no interval between sales was ever seen, and a model that weighs late days more would take a sale on
    the last day for many to come.

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
        tested: dict[str, _Tested] = {}
        summary = CLASS_SUMMARY_SCHEMA.empty_table()
        for rung in range(len(RUNGS)):
            worth = spec.ladder().worth_trying(affordable, summary)
            todo = {name for names in worth.values() for name in names} - set(scored)
            for name in sorted(name for name in todo if rung_of(name) <= rung):
                classes = [DEMAND_CLASSES.index(c) for c, names in worth.items() if name in names]
                index = np.flatnonzero(np.isin(class_S, classes))
                tested[name] = self._test(name, windows, (index, class_S), quantiles)
                scored[name] = tested[name].score_WS
            summary = summarise_classes(_cube(scored, windows), class_S, contest, batch.cutoff)
        learned = {} if spec.max_members == 1 else _learned(tested, contest.candidates, windows, class_S, quantiles)
        selection = select(_cube(scored, windows), class_S, summary, batch.cutoff, contest, learned)
        if learned:
            pooling = [name for name, source in self.sources.items() if getattr(source, "pools_series", False)]
            _lend(selection, batch, class_S, pooling)
        forecasts = {name: (one.mean_WSH, one.sd_WSH) for name, one in tested.items()}
        return selection, summarise_errors(selection, forecasts, windows, class_S)

    def _test(
        self, name: str, windows: Windows, series: tuple[np.ndarray, np.ndarray], quantiles: tuple[float, ...]
    ) -> _Tested:
        """What a model did on the windows; NaN for series that it was not tested on.

        Args:
            series: positions of the series to test on, and the classes of all.
        """
        index, class_S = series
        score_WS = np.full((len(windows), len(windows.batch)), np.nan)
        result = backtest_windows(self.sources[name], windows.select(index), quantiles, name)
        result = calibrate_backtest(result, class_S[index], windows.batch.cutoff)
        score = (self.scores or SCORES)[self.spec.score]
        score_WS[:, index] = score_windows(result, {name: score})[name].cpu().numpy()
        quantile_WSHQ = np.where(result.mask_WSH.cpu()[..., None], result.quantile_WSHQ.cpu(), np.nan)
        taught = {}
        for c in np.unique(class_S[index]):
            at = stacking.sample(np.flatnonzero(class_S[index] == c))
            taught[DEMAND_CLASSES[c]] = quantile_WSHQ[:, at]
        return _Tested(score_WS, windows.spread(result.mean_WSH, index), windows.spread(result.sd_WSH, index), taught)


@dataclass(frozen=True, slots=True)
class _Tested:
    """score_WS, mean_WSH, sd_WSH; and by class the quantiles of the series that teach its weights."""

    score_WS: np.ndarray
    mean_WSH: torch.Tensor
    sd_WSH: torch.Tensor
    taught: Mapping[str, np.ndarray]


def _learned(
    tested: Mapping[str, _Tested],
    candidates: Mapping[str, tuple[str, ...]],
    windows: Windows,
    class_S: np.ndarray,
    quantiles: tuple[float, ...],
) -> dict[str, np.ndarray]:
    """By class the weights of its candidates; a candidate that was not tested has 0."""
    learned = {}
    for demand_class, names in candidates.items():
        known = [name for name in names if name in tested and demand_class in tested[name].taught]
        if not known:
            continue
        at = stacking.sample(np.flatnonzero(class_S == DEMAND_CLASSES.index(demand_class)))
        actual_WSH, scale_WS = windows.actual_WSH[:, at].cpu().numpy(), windows.pinball_scale_WS[:, at].cpu().numpy()
        quantile_KWSHQ = np.stack([tested[name].taught[demand_class] for name in known])
        weight_K = stacking.stacked_weights(quantile_KWSHQ, actual_WSH, scale_WS, quantiles)
        if weight_K is not None:
            of = dict(zip(known, weight_K, strict=True))
            learned[demand_class] = np.array([of.get(name, 0.0) for name in names])
    return learned


def _lend(selection: Selection, batch: SkuBatch, class_S: np.ndarray, pooling: list[str]) -> None:
    """Give new series, which have no window, the average of what all others have, and of it the models that learn from
    all series at once where there are any: a new series has little of its own to learn from."""
    is_new_S = (class_S == DEMAND_CLASSES.index("new")) & (batch.mask_ST.sum(1) >= LEAST_OBSERVED).cpu().numpy()
    contested_S = selection.weight_SK.any(1)
    if not is_new_S.any() or not contested_S.any():
        return
    weight_K = selection.weight_SK[contested_S].mean(0)
    pools_K = np.isin(selection.names, pooling)
    if weight_K[pools_K].any():
        weight_K[~pools_K] = 0.0
    weight_K /= weight_K.sum()
    selection.weight_SK[is_new_S] = weight_K
    selection.choice.name_S[is_new_S] = JOIN.join(selection.names[k] for k in np.flatnonzero(weight_K))
    selection.choice.rule_S[is_new_S] = (
        f"too few observed days for a contest: the average of {int(contested_S.sum()):,} other series"
    )


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

"""Backtest one bucket of series: Arrow tables in, Arrow tables out.

This is the pure kernel that a worker calls. It reads nothing, writes nothing and knows no engine. What it says about
demand classes are sums, so that the summaries of all buckets add up to that of all series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import torch

from lakehouse.schema.codes import OTHER_CANDIDATES
from lakehouse.schema.columns import schema_of
from udfs.contest.scores import WindowScores
from udfs.demand.demand_profile import DEMAND_CLASSES, demand_statistics
from udfs.forecasting import registry
from udfs.forecasting.choice.backtest import ForecasterSource, Windows, backtest_windows
from udfs.forecasting.choice.backtest_scores import SCORES, Score, score_windows
from udfs.forecasting.choice.pair_gains import Tested, pair_gains, score_gains
from udfs.forecasting.choice.selection import merge_class_summaries, summarise_classes
from udfs.forecasting.choice.total_errors import total_errors, total_of
from udfs.forecasting.forecast_spec import ForecastSpec, choose_device
from udfs.forecasting.forecaster import check_request
from udfs.forecasting.kernels.forecast_bucket import BatchOf
from udfs.forecasting.kernels.forecast_tables import FAILURE_SCHEMA
from udfs.forecasting.probability.calibrated import calibrate_backtest
from udfs.series.sku_batch import SkuBatch


def backtest_schema(scores: Mapping[str, Score] = SCORES) -> pa.Schema:
    """One row per series, window and model: its key, the scores, and the days scored."""
    key, days = schema_of(("unique_id", "cutoff", "model")), schema_of(("n_days",))
    return pa.schema([*key, *(pa.field(name, pa.float64()) for name in scores), *days])


@dataclass(frozen=True, slots=True)
class BacktestBucket:
    """Results for one bucket.

    Attributes:
        backtest: `backtest_schema`, sorted by its key; scores are NULL where they are not defined.
        class_summary: `selection.CLASS_SUMMARY_SCHEMA` of the bucket's series, for every forecast cutoff.
        failures: a row per series, window and model that could not forecast a series old enough; `fallback` is "other
            candidates" where another model could, else "none".
    """

    backtest: pa.Table
    class_summary: pa.Table
    failures: pa.Table


def backtest_bucket(
    history: pa.Table,
    cutoffs: Sequence[date],
    horizon: int,
    spec: ForecastSpec | None = None,
    forecasters: Mapping[str, ForecasterSource] | None = None,
    *,
    earlier_summary: pa.Table | None = None,
    batch_of: BatchOf = SkuBatch.from_arrow,
    scores: Mapping[str, Score] = SCORES,
) -> BacktestBucket:
    """Test every candidate on the windows that forecasts at some cutoffs need.

    Args:
        history: as for `forecast_bucket`.
        cutoffs: of the forecasts to come. The windows of each lie before it, with all their days known by then.
        horizon: days of each window.
        spec: candidates, windows, budget.
        forecasters: candidates beside the registered ones, by name; a function gives the model for a window's cutoff.
        earlier_summary: class summary of an earlier run: rungs that did not pay there are left out.
        scores: the columns to compute; `spec.score` must be one of them.

    A series is tested with the candidates of the demand classes that it has at `cutoffs`, and with the benchmark.
    Scores of quantiles are those of quantiles calibrated on the model's errors in this bucket.

    Raises:
        ValueError: no cutoff, a bad horizon, a score or model that is not known, or history that `batch_of` refuses.
    """
    spec = spec or ForecastSpec()
    if not cutoffs:
        raise ValueError("expected at least one cutoff, found none")
    if spec.score not in scores:
        raise ValueError(f"expected a score that is computed, found {spec.score!r}; known: {', '.join(scores)}")
    check_request(horizon, spec.quantiles)
    ordered, last = sorted(set(cutoffs)), max(cutoffs)
    days_back = {(last - cutoff).days + days for cutoff in ordered for days in spec.backtest().days_back(horizon)}
    device = choose_device(spec.device)
    batch = batch_of(history, last, spec.max_history_days).to(device)
    windows = Windows.of(batch, tuple(days_back), horizon, spec.min_history, spec.season_length)
    classes = {cutoff: classes_at(batch, cutoff, spec) for cutoff in ordered}
    candidates = contest(spec, earlier_summary)
    tested = _run(windows, classes, candidates, spec, forecasters)

    scored = {
        model: {name: score_WS.cpu().numpy() for name, score_WS in score_windows(result, scores).items()}
        for model, (_, result) in tested.items()
    }
    deciding = {name: of_model[spec.score] for name, of_model in scored.items()}
    gains = score_gains(tested, deciding, windows, scores[spec.score]) if spec.max_members > 1 else {}
    tests = _Tests(windows, tested, deciding, gains, total_of(batch), spec)
    summaries = [tests.summary(cutoff, class_S, candidates) for cutoff, class_S in classes.items()]
    return BacktestBucket(
        backtest=_rows(batch, tested, scored, backtest_schema(scores)),
        class_summary=merge_class_summaries(summaries),
        failures=_failures(batch, tested),
    )


def contest(spec: ForecastSpec, earlier_summary: pa.Table | None = None) -> dict[str, tuple[str, ...]]:
    """The candidates per class that are worth a try and fit the budget."""
    ladder = spec.ladder()
    return ladder.affordable(ladder.worth_trying(spec.candidates(), earlier_summary), spec.windows)


def classes_at(batch: SkuBatch, cutoff: date, spec: ForecastSpec) -> np.ndarray:
    """(S,) index into `DEMAND_CLASSES` as seen on an earlier day; `new` where the batch does not reach that far."""
    days = (batch.cutoff - cutoff).days
    if days >= batch.n_days:
        return np.full(len(batch), DEMAND_CLASSES.index("new"))
    known = batch.until(days)
    return demand_statistics(known, spec.season_length, spec.min_history).class_S.cpu().numpy()


def _run(
    windows: Windows,
    classes: Mapping[date, np.ndarray],
    candidates: Mapping[str, tuple[str, ...]],
    spec: ForecastSpec,
    forecasters: Mapping[str, ForecasterSource] | None,
) -> dict[str, Tested]:
    """Per model the positions of the series that it was tested on, and the test."""
    wanted = [name for names in candidates.values() for name in names] + ([spec.benchmark] if spec.benchmark else [])
    tested, first = {}, min(classes)
    for name, source in registry.make_all(wanted, spec, forecasters).items():
        numbers = [DEMAND_CLASSES.index(c) for c, names in candidates.items() if name in names]
        competing = [np.isin(class_S, numbers) for class_S in classes.values()]
        index = np.flatnonzero(np.any(competing, axis=0) | (name == spec.benchmark))
        result = backtest_windows(source, windows.select(index), spec.quantiles, name)
        # What the benchmark scores elsewhere must not tell in a contest, nor what classes series came to have later.
        learn_S = next((competes_S[index] for competes_S in competing if competes_S.any()), None)
        tested[name] = (index, calibrate_backtest(result, classes[first][index], first, learn_S))
    return tested


@dataclass(frozen=True, slots=True)
class _Tests:
    """What all candidates did on all windows: their tests and (W, S) scores, what pairs of them gain, and the totals
    that series add to (None where they have nothing in common)."""

    windows: Windows
    tested: Mapping[str, Tested]
    score_WS: Mapping[str, np.ndarray]
    gains: Mapping[tuple[str, str], np.ndarray]
    total_S: np.ndarray | None
    spec: ForecastSpec

    def summary(self, cutoff: date, class_S: np.ndarray, candidates: Mapping[str, tuple[str, ...]]) -> pa.Table:
        """The class sums of a cutoff's forecast: what decides about it comes from its own windows."""
        of_cutoff = self._cutoffs(cutoff)
        used = [w for w, window in enumerate(self.windows.cutoffs) if window in of_cutoff]
        totals = None
        if self.total_S is not None:
            totals = total_errors(self._errors(cutoff), self.total_S, class_S, candidates)
        of_windows = {pair: gain_WS[used] for pair, gain_WS in self.gains.items()}
        paired = pair_gains(of_windows, class_S, self.spec.candidates())
        return summarise_classes(self._scores(used), class_S, self.spec.selection(candidates), cutoff, totals, paired)

    def _cutoffs(self, cutoff: date) -> tuple[date, ...]:
        return self.spec.backtest().cutoffs(cutoff, self.windows.actual_WSH.shape[2])

    def _scores(self, used: list[int]) -> WindowScores:
        score_KWS = np.full((len(self.tested), len(used), len(self.windows.batch)), np.nan)
        for k, (name, (index, _)) in enumerate(self.tested.items()):
            score_KWS[k][:, index] = self.score_WS[name][used]
        return WindowScores(tuple(self.tested), score_KWS)

    def _errors(self, cutoff: date) -> dict[str, np.ndarray]:
        """By model forecast less actual on the windows of a cutoff, oldest first, (W, S, H); NaN where none is."""
        of_cutoff, windows = self._cutoffs(cutoff), self.windows
        at_W = [(w, windows.cutoffs.index(day)) for w, day in enumerate(of_cutoff) if day in windows.cutoffs]
        errors = {}
        for name, (index, result) in self.tested.items():
            error_WSH = np.full((len(of_cutoff), *windows.actual_WSH.shape[1:]), np.nan)
            for w, at in at_W:
                gap_SH = result.mean_WSH[at] - result.windows.actual_WSH[at]
                error_WSH[w, index] = torch.where(result.mask_WSH[at], gap_SH, torch.nan).cpu().numpy()
            errors[name] = error_WSH
        return errors


def _rows(
    batch: SkuBatch,
    tested: Mapping[str, Tested],
    scored: Mapping[str, Mapping[str, np.ndarray]],
    schema: pa.Schema,
) -> pa.Table:
    parts = [schema.empty_table()]
    for name, (index, result) in tested.items():
        n_days_WS = result.mask_WSH.sum(2).cpu().numpy()
        at_W, at_S = n_days_WS.nonzero()
        cutoff_W = np.array(result.windows.cutoffs, dtype="datetime64[D]")
        columns = [
            pa.array(batch.unique_ids[index[at_S]], pa.string()),
            pa.array(cutoff_W[at_W], pa.date32()),
            pa.array(np.full(len(at_S), name, dtype=object), pa.string()),
            *(pa.array(_finite(score_WS[at_W, at_S]), from_pandas=True) for score_WS in scored[name].values()),
            pa.array(n_days_WS[at_W, at_S].astype(np.int32)),
        ]
        parts.append(pa.table(columns, schema=schema))
    return pa.concat_tables(parts).sort_by([(key, "ascending") for key in ("unique_id", "cutoff", "model")])


def _finite(x: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(x), x, np.nan)


def _failures(batch: SkuBatch, tested: Mapping[str, Tested]) -> pa.Table:
    found = [
        (int(index[failure.series.position]), result.windows.cutoffs[failure.window], failure.series)
        for index, result in tested.values()
        for failure in result.failures
    ]
    rescued = np.zeros((len(batch), len(next(iter(tested.values()))[1].windows)), dtype=bool)
    for index, result in tested.values():
        rescued[index] |= result.mask_WSH.any(2).t().cpu().numpy()
    window_of = {cutoff: w for w, cutoff in enumerate(next(iter(tested.values()))[1].windows.cutoffs)}
    rows = [
        (
            batch.unique_ids[at],
            cutoff,
            failure.error_class,
            failure.error,
            OTHER_CANDIDATES if rescued[at, window_of[cutoff]] else "none",
        )
        for at, cutoff, failure in sorted(found, key=lambda row: (row[0], row[1], row[2].error))
    ]
    return pa.table({name: [row[k] for row in rows] for k, name in enumerate(FAILURE_SCHEMA.names)}, FAILURE_SCHEMA)

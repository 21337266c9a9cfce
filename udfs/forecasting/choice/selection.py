"""Which model forecasts a series: by its own backtest scores, shrunk toward those of its demand class.

A few windows of one series say little: on 12,196 daily series of the M5 (28 days after each of three cutoffs, chosen
by the three windows before), the single model with a series' own best score had a scaled pinball loss of .2335, the
best of its class .2273, the best by shrunk scores .2279, and the average of the best three by shrunk scores .2264.
How much a series' own scores count is therefore estimated
(Efron & Morris, 1975, Data analysis using Stein's estimator and its generalizations, JASA 70(350)). Per class and
model, with d the difference of a model's score to that of the class's first candidate, averaged over the W windows of
a series,

    own weight = tau^2 / (tau^2 + sigma^2 / W),

where sigma^2 is the mean variance of d between windows of a series and tau^2 what the variance of d between series
exceeds sigma^2 / W by. The class's mean of d counts as if `prior_series` more series had shown no difference.

Everything a class needs is a sum over its series, so buckets of series can be summarised apart and added up.
Dimensions as in `udfs.series.sku_batch`, and W windows, K models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from udfs.demand.demand_profile import DEMAND_CLASSES
from udfs.forecasting.choice.ensemble import JOIN
from udfs.forecasting.forecaster import Choice

CLASS_SUMMARY_SCHEMA = pa.schema(
    [
        ("cutoff", pa.date32()),
        ("demand_class", pa.string()),
        ("model", pa.string()),
        ("series", pa.int64()),
        ("score_sum", pa.float64()),
        ("difference_sum", pa.float64()),
        ("difference_square_sum", pa.float64()),
        ("repeated_series", pa.int64()),
        ("window_variance_sum", pa.float64()),
        ("inverse_windows_sum", pa.float64()),
    ]
)
"""Per forecast cutoff, class and model, over the series that have this model's and the first candidate's score:
their number; sums of the mean score, of its difference d to the first candidate's, and of d^2; the number of series
with two windows or more and the sum of their variances of d; the sum of 1 / W."""

_KEY = ("cutoff", "demand_class", "model")


@dataclass(frozen=True, slots=True)
class SelectionSpec:
    """How models are chosen.

    Attributes:
        candidates: per demand class the models that compete, best guess first; it decides ties and stands where
            there is no score. A class that is not named has no contest.
        max_members: models that an average may have; 1 always takes the single best.
        tolerance: members score at most this share above the best.
        prior_series: series without a difference between models that are added to every class.
        score_name: what the scores are, for the rule in words.
    """

    candidates: Mapping[str, tuple[str, ...]]
    max_members: int = 3
    tolerance: float = 0.1
    prior_series: float = 10.0
    score_name: str = "scaled pinball"

    def __post_init__(self) -> None:
        for demand_class, names in self.candidates.items():
            if demand_class not in DEMAND_CLASSES or not names or len(set(names)) != len(names):
                raise ValueError(
                    f"expected candidates of the classes {', '.join(DEMAND_CLASSES)}, each named once, found "
                    f"{demand_class!r}: {names}"
                )
        if self.max_members < 1:
            raise ValueError(f"expected max_members of at least one, found {self.max_members}")
        for name in ("tolerance", "prior_series"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} of at least 0 and finite, found {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class WindowScores:
    """Scores of K models on W windows of S series; NaN where a model has none."""

    models: tuple[str, ...]
    score_KWS: np.ndarray

    def __post_init__(self) -> None:
        if self.score_KWS.ndim != 3 or len(self.score_KWS) != len(self.models):
            raise ValueError(f"expected scores of shape ({len(self.models)}, W, S), found {self.score_KWS.shape}")

    @classmethod
    def from_rows(cls, rows: pa.Table, unique_ids: np.ndarray, score: str, cutoffs: Sequence[date]) -> WindowScores:
        """The scores of some series from rows of `forecast.backtest`.

        Args:
            rows: unique_id, cutoff, model and `score`; rows of other series are ignored.
            cutoffs: of the windows to use; rows of others are ignored.

        Raises:
            ValueError: two rows of one series, cutoff and model.
        """
        rows = rows.select(["unique_id", "cutoff", "model", score])
        rows = rows.filter(pc.is_in(rows["cutoff"], pa.array(cutoffs, pa.date32())))
        at_S = pd.Index(unique_ids).get_indexer(rows["unique_id"].to_numpy())
        at_W, found = pd.factorize(rows["cutoff"].to_numpy(), sort=True)
        at_K, models = pd.factorize(rows["model"].to_numpy(), sort=True)
        score_KWS = np.full((len(models), len(found), len(unique_ids)), np.nan)
        count_KWS = np.zeros(score_KWS.shape, dtype=int)
        mine = at_S >= 0
        np.add.at(count_KWS, (at_K[mine], at_W[mine], at_S[mine]), 1)
        if (count_KWS > 1).any():
            raise ValueError("expected one backtest row per unique_id, cutoff and model, found several; give one run's")
        score_KWS[at_K[mine], at_W[mine], at_S[mine]] = rows[score].cast(pa.float64()).to_numpy()[mine]
        return cls(tuple(str(name) for name in models), score_KWS)

    def of(self, names: Sequence[str]) -> np.ndarray:
        """(len(names), W, S); NaN for a model without scores."""
        missing = np.full(self.score_KWS.shape[1:], np.nan)
        at = {name: k for k, name in enumerate(self.models)}
        return np.stack([self.score_KWS[at[name]] if name in at else missing for name in names])


@dataclass(frozen=True, slots=True)
class Selection:
    """What makes each series' forecast.

    Attributes:
        models: the K models that any series uses.
        weight_SK: rows sum to one; all 0 for series without a contest.
        choice: names, rules and scores, series by series.
    """

    models: tuple[str, ...]
    weight_SK: np.ndarray
    choice: Choice


def summarise_classes(scores: WindowScores, class_S: np.ndarray, spec: SelectionSpec, cutoff: date) -> pa.Table:
    """The class sums of some series, as `CLASS_SUMMARY_SCHEMA`.

    Args:
        class_S: index into `DEMAND_CLASSES`, as seen at `cutoff`.
        cutoff: of the forecast that the summary is for.
    """
    rows = []
    for demand_class, names in spec.candidates.items():
        at = class_S == DEMAND_CLASSES.index(demand_class)
        score_KWS = scores.of(names)[:, :, at]
        for name, score_WS in zip(names, score_KWS, strict=True):
            sums = _sums(score_WS, score_KWS[0])
            if sums[0]:
                rows.append((cutoff, demand_class, name, *sums))
    return pa.Table.from_arrays(
        [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(CLASS_SUMMARY_SCHEMA)],
        schema=CLASS_SUMMARY_SCHEMA,
    )


def merge_class_summaries(tables: Sequence[pa.Table]) -> pa.Table:
    """Summaries of disjoint sets of series as one; exactly rounded, so their order does not matter."""
    groups: dict[tuple[date, str, str], list[dict[str, float]]] = {}
    for table in tables:
        for row in table.select(CLASS_SUMMARY_SCHEMA.names).to_pylist():
            groups.setdefault(tuple(row[k] for k in _KEY), []).append(row)
    merged = [
        {**dict(zip(_KEY, key, strict=True))}
        | {name: math.fsum(row[name] for row in rows) for name in CLASS_SUMMARY_SCHEMA.names[len(_KEY) :]}
        for key, rows in sorted(groups.items())
    ]
    for row in merged:
        row |= {"series": int(row["series"]), "repeated_series": int(row["repeated_series"])}
    return pa.Table.from_pylist(merged, schema=CLASS_SUMMARY_SCHEMA)


def select(
    scores: WindowScores, class_S: np.ndarray, summary: pa.Table, cutoff: date, spec: SelectionSpec
) -> Selection:
    """Choose for every series.

    Args:
        scores: of these series, from windows whose days end by `cutoff`.
        class_S: index into `DEMAND_CLASSES`, as seen at `cutoff`.
        summary: merged class summary; rows of other cutoffs are ignored.

    What decides, in this order: a series' own scores shrunk toward its class's; the class's scores, for a series
    without a window; the first candidate of the class, where no series of the class has one. Equal scores go to the
    earlier candidate. The best `max_members` models within `tolerance` of the best are averaged, weighted by
    1 / score.
    """
    models = tuple(dict.fromkeys(name for names in spec.candidates.values() for name in names))
    weight_SK = np.zeros((len(class_S), len(models)))
    choice = Choice.decided(len(class_S), "", "")
    table = {(row["demand_class"], row["model"]): row for row in summary.to_pylist() if row["cutoff"] == cutoff}
    for demand_class, names in spec.candidates.items():
        index = np.flatnonzero(class_S == DEMAND_CLASSES.index(demand_class))
        if not index.size:
            continue
        contest = _Contest(demand_class, names, [table.get((demand_class, name)) for name in names], spec)
        columns = np.array([models.index(name) for name in names])
        weight_SK[index[:, None], columns] = contest.decide(scores.of(names)[:, :, index], index, choice)
    return Selection(models, weight_SK, choice)


@dataclass(frozen=True, slots=True)
class _Contest:
    """The choice among the candidates of one class."""

    demand_class: str
    names: tuple[str, ...]
    sums: list[dict[str, float] | None]
    spec: SelectionSpec

    def decide(self, score_KWS: np.ndarray, index: np.ndarray, choice: Choice) -> np.ndarray:
        """(S, K) weights; fills `choice` at `index`."""
        first = self.sums[0]
        if first is None:
            choice.model_S[index] = self.names[0]
            choice.rule_S[index] = f"first candidate for {self.demand_class} demand: no backtest scores to choose by"
            return np.eye(len(self.names))[np.zeros(len(index), dtype=int)]
        score_KS, own_KS, windows_S = self._shrunk(score_KWS, first)
        order_KS = np.argsort(score_KS, axis=0, kind="stable")
        rank_KS = np.argsort(order_KS, axis=0, kind="stable")
        member_KS = (rank_KS < self.spec.max_members) & (score_KS <= score_KS.min(0) * (1.0 + self.spec.tolerance))
        member_KS |= rank_KS == 0
        weight_KS = np.where(member_KS, 1.0 / np.maximum(score_KS, 1e-12), 0.0)
        weight_KS /= weight_KS.sum(0)
        for s, at in enumerate(index):
            members = np.flatnonzero(member_KS[:, s])
            rest = [k for k in order_KS[:, s] if not member_KS[k, s] and np.isfinite(score_KS[k, s])]
            choice.model_S[at] = JOIN.join(self.names[k] for k in members)
            choice.score_S[at] = float(weight_KS[members, s] @ score_KS[members, s])
            if rest:
                choice.runner_up_S[at] = self.names[rest[0]]
                choice.runner_up_score_S[at] = score_KS[rest[0], s]
            # The first candidate has no difference to itself; the rival's own weight says what decided.
            own = own_KS[order_KS[:2, s], s].max()
            choice.rule_S[at] = self._rule(members, weight_KS[:, s], score_KS[:, s], rest, (own, int(windows_S[s])))
        return weight_KS.T

    def _shrunk(self, score_KWS: np.ndarray, first: dict[str, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(K, S) scores, infinite where a model has none; (K, S) weight of a series' own scores; (S,) windows."""
        mean_S, windows_S = _mean(score_KWS[0])
        base_S = np.where(windows_S > 0, mean_S, first["score_sum"] / first["series"])
        score_KS = np.full((len(self.names), score_KWS.shape[2]), np.inf)
        own_KS = np.zeros_like(score_KS)
        for k, sums in enumerate(self.sums):
            if sums is None:
                continue
            class_difference, between, within = _components(sums, self.spec.prior_series)
            own_S, n_S = _mean(score_KWS[k] - score_KWS[0])
            with np.errstate(divide="ignore", invalid="ignore"):
                own_KS[k] = np.where((n_S > 0) & (between > 0), between / (between + within / n_S), 0.0)
            difference_S = class_difference + own_KS[k] * np.where(n_S > 0, own_S - class_difference, 0.0)
            # The class's difference may exceed what a series' first candidate lost; no score is negative.
            score_KS[k] = np.maximum(base_S + difference_S, 1e-3 * base_S)
        return score_KS, own_KS, windows_S

    def _rule(
        self,
        members: np.ndarray,
        weight_K: np.ndarray,
        score_K: np.ndarray,
        rest: list[int],
        evidence: tuple[float, int],
    ) -> str:
        own, windows = evidence
        assert self.sums[0] is not None
        pool = f"{self.sums[0]['series']:,} {self.demand_class} series"
        if not windows:
            whose = f" of {pool}, for it has no window of its own"
        elif own < 0.005:
            whose = f" over {_windows(windows)}, by how {pool} fared"
        else:
            whose = f" over {_windows(windows)}, its own counting {own:.0%} and those of {pool} the rest"
        against = f" against {_number(score_K[rest[0]])} of {self.names[rest[0]]}" if rest else ""
        if len(members) == 1:
            return f"lowest {self.spec.score_name}{whose}: {_number(score_K[members[0]])}{against}"
        parts = ", ".join(f"{weight_K[k]:.0%} {self.names[k]} ({_number(score_K[k])})" for k in members)
        return f"average of the lowest {self.spec.score_name}{whose}: {parts}{against}"


def _sums(score_WS: np.ndarray, first_WS: np.ndarray) -> tuple[int, float, float, float, int, float, float]:
    """The numbers of a row of the class summary."""
    difference_WS = np.where(np.isfinite(score_WS) & np.isfinite(first_WS), score_WS - first_WS, np.nan)
    mean_S, n_S = _mean(difference_WS)
    score_S, _ = _mean(np.where(np.isfinite(difference_WS), score_WS, np.nan))
    seen, repeated = n_S > 0, n_S > 1
    square_S = np.where(np.isfinite(difference_WS), (difference_WS - mean_S) ** 2, 0.0).sum(0)
    variance_S = square_S[repeated] / (n_S[repeated] - 1)
    return (
        int(seen.sum()),
        math.fsum(score_S[seen]),
        math.fsum(mean_S[seen]),
        math.fsum(mean_S[seen] ** 2),
        int(repeated.sum()),
        math.fsum(variance_S),
        math.fsum(1.0 / n_S[seen]),
    )


def _components(sums: dict[str, float], prior_series: float) -> tuple[float, float, float]:
    """(class difference, variance between series, variance between windows of a series) of a model."""
    n = sums["series"]
    mean = sums["difference_sum"] / n
    within = sums["window_variance_sum"] / sums["repeated_series"] if sums["repeated_series"] else 0.0
    total = max(sums["difference_square_sum"] / n - mean**2, 0.0) * n / max(n - 1, 1)
    # Without repeated windows nothing tells noise from difference: the class decides.
    between = max(total - within * sums["inverse_windows_sum"] / n, 0.0) if sums["repeated_series"] else 0.0
    return sums["difference_sum"] / (n + prior_series), between, within


def _mean(x_WS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(S,) mean over the finite windows (NaN where none is), and their number."""
    finite_WS = np.isfinite(x_WS)
    n_S = finite_WS.sum(0)
    total_S = np.where(finite_WS, x_WS, 0.0).sum(0)
    return np.where(n_S > 0, total_S / np.maximum(n_S, 1), np.nan), n_S


def _windows(number: int) -> str:
    return "1 window" if number == 1 else f"{number} windows"


def _number(score: float) -> str:
    text = f"{score:.3g}" if score >= 1 else f"{score:.3f}"
    return text.removeprefix("0")

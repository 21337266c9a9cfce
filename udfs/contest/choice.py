"""What is chosen for each series, and the rule that decided, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date

import numpy as np
import pyarrow as pa

from udfs.contest.class_weights import class_weights
from udfs.contest.contest_spec import ContestSpec
from udfs.contest.scores import WindowScores
from udfs.contest.shrinkage import Shrunk, shrink, total_factors
from udfs.demand.demand_profile import DEMAND_CLASSES

JOIN = "+"
"""Between the members' names in the name of an average."""

OWN_POWER = 2.0
"""A learned weight moves with this power of how much better a series' shrunk score is than its class's."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which candidate was chosen for each series, by what rule, against what runner-up.

    All are (S,) arrays. Scores are better when lower, in units a day or as the rule says, and compare only within one
    series; they are NaN (and the runner-up is "") where a rule decided without a contest.
    """

    name_S: np.ndarray
    rule_S: np.ndarray
    score_S: np.ndarray
    runner_up_S: np.ndarray
    runner_up_score_S: np.ndarray

    @classmethod
    def decided(cls, n_series: int, name: str, rule: str, score_S: np.ndarray | None = None) -> Choice:
        """One candidate for all series by a rule, without a contest."""
        return cls(
            name_S=np.full(n_series, name, dtype=object),
            rule_S=np.full(n_series, rule, dtype=object),
            score_S=np.full(n_series, np.nan) if score_S is None else score_S,
            runner_up_S=np.full(n_series, "", dtype=object),
            runner_up_score_S=np.full(n_series, np.nan),
        )

    def select(self, index: np.ndarray) -> Choice:
        """The series at `index` (positions)."""
        return Choice(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def put(self, is_theirs_S: np.ndarray, other: Choice) -> None:
        """Take another choice for the series where the mask is True."""
        for f in fields(self):
            getattr(self, f.name)[is_theirs_S] = getattr(other, f.name)[is_theirs_S]


@dataclass(frozen=True, slots=True)
class Selection:
    """What decides for each series.

    Attributes:
        names: the K candidates that any series uses.
        weight_SK: rows sum to one; all 0 for series without a contest.
        choice: names, rules and scores, series by series.
    """

    names: tuple[str, ...]
    weight_SK: np.ndarray
    choice: Choice


def select(
    scores: WindowScores,
    class_S: np.ndarray,
    summary: pa.Table,
    cutoff: date,
    spec: ContestSpec,
    learned: Mapping[str, np.ndarray] | None = None,
) -> Selection:
    """Choose for every series.

    Args:
        scores: of these series, from windows whose days end by `cutoff`.
        class_S: index into `DEMAND_CLASSES`, as seen at `cutoff`.
        summary: merged class sums; rows of other cutoffs are ignored.
        learned: by class the (K,) weights of its candidates in an average, where all series have taught them; of a
            class that is not named, what follows from its sums (`class_weights`).

    What decides, in this order: a series' own scores shrunk toward its class's; the class's scores, for a series
    without a window; the first candidate of the class, where no series of the class has one. Equal scores go to the
    earlier candidate. The best `max_members` within `tolerance` of the best are averaged, weighted by 1 / score; with
    learned weights the `max_members` of most weight, once a series' own scores have moved them.
    """
    every = tuple(dict.fromkeys(name for names in spec.candidates.values() for name in names))
    weight_SK = np.zeros((len(class_S), len(every)))
    choice = Choice.decided(len(class_S), "", "")
    table = {(row["demand_class"], row[spec.noun]): row for row in summary.to_pylist() if row["cutoff"] == cutoff}
    for demand_class, names in spec.candidates.items():
        index = np.flatnonzero(class_S == DEMAND_CLASSES.index(demand_class))
        if not index.size:
            continue
        sums = [table.get((demand_class, name)) for name in names]
        learned_K = (learned or {}).get(demand_class)
        if learned_K is None and spec.max_members > 1:
            learned_K = class_weights(sums, spec.total_weight)
        contest = _Contest(demand_class, names, sums, spec, learned_K)
        columns = np.array([every.index(name) for name in names])
        weight_SK[index[:, None], columns] = contest.decide(scores.of(names)[:, :, index], index, choice)
    return Selection(every, weight_SK, choice)


@dataclass(frozen=True, slots=True)
class _Contest:
    """The choice among the candidates of one class."""

    demand_class: str
    names: tuple[str, ...]
    sums: list[dict[str, float] | None]
    spec: ContestSpec
    learned_K: np.ndarray | None = None

    def decide(self, score_KWS: np.ndarray, index: np.ndarray, choice: Choice) -> np.ndarray:
        """(S, K) weights; fills `choice` at `index`."""
        if self.sums[0] is None:
            choice.name_S[index] = self.names[0]
            choice.rule_S[index] = (
                f"first candidate for {self.demand_class} demand: no {self.spec.evidence} to choose by"
            )
            return np.eye(len(self.names))[np.zeros(len(index), dtype=int)]
        shrunk = shrink(score_KWS, self.sums, self.spec.prior_series, self.spec.doubt)
        factor_K = total_factors(self.sums, self.spec.total_weight)
        score_KS = shrunk.score_KS * factor_K[:, None]
        beside = ", errors of sums counted in" if (factor_K != 1.0).any() else ""
        order_KS = np.argsort(score_KS, axis=0, kind="stable")
        rank_KS = np.argsort(order_KS, axis=0, kind="stable")
        member_KS = (rank_KS < self.spec.max_members) & (score_KS <= score_KS.min(0) * (1.0 + self.spec.tolerance))
        member_KS |= rank_KS == 0
        weight_KS = np.where(member_KS, 1.0 / np.maximum(score_KS, 1e-12), 0.0)
        if self.learned_K is not None:
            moved_KS = self._moved(score_KS, factor_K)
            weight_KS = np.where(moved_KS.any(0), moved_KS, weight_KS)
            member_KS = weight_KS > 0
        weight_KS /= weight_KS.sum(0)
        for s, at in enumerate(index):
            members = np.flatnonzero(member_KS[:, s])
            rest = [k for k in order_KS[:, s] if not member_KS[k, s] and np.isfinite(score_KS[k, s])]
            choice.name_S[at] = JOIN.join(self.names[k] for k in members)
            choice.score_S[at] = float(weight_KS[members, s] @ score_KS[members, s])
            if rest:
                choice.runner_up_S[at] = self.names[rest[0]]
                choice.runner_up_score_S[at] = score_KS[rest[0], s]
            whose = self._whose(shrunk, order_KS[:, s], s)
            choice.rule_S[at] = self._rule(members, weight_KS[:, s], score_KS[:, s], rest, whose) + beside
        return weight_KS.T

    def _moved(self, score_KS: np.ndarray, factor_K: np.ndarray) -> np.ndarray:
        """(K, S) the learned weights, moved by how a series differs from its class; 0 beyond `max_members`."""
        assert self.learned_K is not None
        class_K = np.array([sums["score_sum"] / sums["series"] if sums else np.inf for sums in self.sums]) * factor_K
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio_KS = score_KS / score_KS.min(0) / (class_K / class_K.min())[:, None]
            moved_KS = self.learned_K[:, None] * np.nan_to_num(ratio_KS**-OWN_POWER, nan=0.0, posinf=0.0)
        rank_KS = np.argsort(np.argsort(-moved_KS, axis=0, kind="stable"), axis=0, kind="stable")
        return np.where(rank_KS < self.spec.max_members, moved_KS, 0.0)

    def _whose(self, shrunk: Shrunk, order_K: np.ndarray, s: int) -> str:
        """Whose scores decided for a series: its own, its class's, or both."""
        # The first candidate has no difference to itself; the rival's own weight says what decided.
        own, windows = shrunk.own_KS[order_K[:2], s].max(), int(shrunk.windows_S[s])
        first = self.sums[0]
        pool = f"{first['series'] if first else 0:,} {self.demand_class} series"
        if not windows:
            return f" of {pool}, for it has no window of its own"
        if own < 0.005:
            return f" over {_windows(windows)}, by how {pool} fared"
        return f" over {_windows(windows)}, its own counting {own:.0%} and those of {pool} the rest"

    def _rule(self, members: np.ndarray, weight_K: np.ndarray, score_K: np.ndarray, rest: list[int], whose: str) -> str:
        against = f" against {_number(score_K[rest[0]])} of {self.names[rest[0]]}" if rest else ""
        if len(members) == 1:
            return f"lowest {self.spec.score_name}{whose}: {_number(score_K[members[0]])}{against}"
        parts = ", ".join(f"{weight_K[k]:.0%} {self.names[k]} ({_number(score_K[k])})" for k in members)
        if self.learned_K is not None:
            least = f"average with the least loss of all {self.demand_class} series"
            return f"{least}, moved by {self.spec.score_name}{whose}: {parts}{against}"
        return f"average of the lowest {self.spec.score_name}{whose}: {parts}{against}"


def _windows(number: int) -> str:
    return "1 window" if number == 1 else f"{number} windows"


def _number(score: float) -> str:
    text = f"{score:.3g}" if score >= 1 else f"{score:.3f}"
    return text.removeprefix("0")

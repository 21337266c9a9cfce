"""Which policy orders for a series: the one whose replays cost least at the service required.

A few replayed weeks of one series are mostly chance, so its costs are shrunk toward those of its demand class, exactly
as `udfs.contest` does with the scores of forecasts. A policy competes in a class only where it
served the required share of the class's demand. A learned policy is taken where the sums of the class prove it, or
else only where it beat the tuned base stock in the series' own replays: asked series by series, chance alone turns away
many that it would save money on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa

from lakehouse.schema.tables import contract
from udfs.contest.choice import Choice, select
from udfs.contest.class_sums import class_sums, mean_difference, merge_class_sums
from udfs.contest.contest_spec import ContestSpec
from udfs.contest.scores import WindowScores
from udfs.demand.demand_profile import DEMAND_CLASSES
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.policies.names import TUNED_BASE_STOCK
from udfs.inventory.policies.policy_registry import learned_names

REPLAY_SUMMARY_SCHEMA = contract("inventory.replay_summary").arrow_schema(with_partitions=False)
"""The class sums of policies, and the units that were wanted and served where a service is required."""


PROOF: Final = 3.0
"""Standard errors by which a class's mean score of a learned policy must be below every other candidate's. Series of a
class share their weeks, so that their number overstates what they say together. Replayed on weekly demand of 6,048
series, chosen by three windows of six weeks and judged on the 28 weeks after them, the network then keeps 95 to 100% of
its saving over the tuned base stock in four of four comparisons, where series by series it kept 58 to 93%; the share of
series that it harms rises from 12 to 22% to 16 to 34%."""


@dataclass(frozen=True, slots=True)
class ReplayEvidence:
    """What the replays say: `rows` of this bucket's series, `summary` of all buckets' classes."""

    rows: pa.Table
    summary: pa.Table


def summarise_replays(
    rows: pa.Table,
    unique_ids: np.ndarray,
    class_S: np.ndarray,
    spec: InventorySpec,
    cutoff: date,
    windows: Sequence[date],
) -> pa.Table:
    """The class sums of some series' replays from the given windows, for a choice at `cutoff`.

    rows: unique_id, cutoff, policy, score, demand_qty, sales_qty, is_service_required. class_S: index into
    `DEMAND_CLASSES`.
    """
    scores = replay_values(rows, unique_ids, "score", windows)
    sums = class_sums(scores, class_S, _contest(_everywhere(spec.candidates)), cutoff)
    # Where units spoil before they are sold, money decides on the service.
    served = rows.filter(rows["is_service_required"])
    units = {name: replay_values(served, unique_ids, f"{name}_qty", windows) for name in ("demand", "sales")}
    for row in sums:
        at = class_S == DEMAND_CLASSES.index(row["demand_class"])
        for name, found in units.items():
            row[f"{name}_sum"] = float(np.nansum(found.of([row["policy"]])[0][:, at]))
    return pa.Table.from_pylist(sums, schema=REPLAY_SUMMARY_SCHEMA)


def merge_replay_summaries(table: pa.Table) -> pa.Table:
    """Rows of several buckets as one per cutoff, class and policy."""
    return merge_class_sums([table], REPLAY_SUMMARY_SCHEMA)


def choose(
    evidence: ReplayEvidence,
    unique_ids: np.ndarray,
    class_S: np.ndarray,
    spec: InventorySpec,
    cutoff: date,
    windows: Sequence[date],
) -> Choice:
    """The policy of each series, with the rule that decided, the runner-up and both scores.

    A score is the replayed cost over the value at selling price of the demand that was expected or came, whichever is
    more. A class none of whose policies reached the required fill rate takes the one that came nearest. Without any
    replay the first candidate decides.
    """
    scores = replay_values(evidence.rows, unique_ids, "score", windows)
    fit = _fit_for_service(evidence.summary, spec, cutoff)
    choice = select(scores, class_S, evidence.summary, cutoff, _contest(fit)).choice
    unproven = _unproven_learned(choice.name_S, scores)
    for demand_class, name in _proven_in_class(evidence.summary, fit, cutoff):
        unproven &= (class_S != DEMAND_CLASSES.index(demand_class)) | (choice.name_S != name)
    if unproven.any():
        proven = {name: _without_learned(names) for name, names in fit.items()}
        choice.put(unproven, select(scores, class_S, evidence.summary, cutoff, _contest(proven)).choice)
    return choice


def _proven_in_class(summary: pa.Table, fit: Mapping[str, tuple[str, ...]], cutoff: date) -> list[tuple[str, str]]:
    """Class and name of each learned policy that is cheaper than all others there by `PROOF` standard errors.

    Errors of two differences to the first candidate add up at most: how they hang together is not summed.
    """
    differences: dict[str, dict[str, tuple[float, float]]] = {}
    for row in summary.to_pylist():
        if row["cutoff"] == cutoff and row["policy"] in fit[row["demand_class"]]:
            differences.setdefault(row["demand_class"], {})[row["policy"]] = mean_difference(row)
    proven = []
    for demand_class, found in differences.items():
        others = [difference for name, difference in found.items() if name not in learned_names()]
        for name in set(learned_names()) & set(found):
            mean, error = found[name]
            if others and all(mean + PROOF * (error + theirs) < other for other, theirs in others):
                proven.append((demand_class, name))
    return proven


def _unproven_learned(policy_S: np.ndarray, scores: WindowScores) -> np.ndarray:
    """[S]: a learned policy was chosen that did not beat the tuned base stock in the series' own replays."""
    is_learned_S = np.isin(policy_S.astype(str), learned_names())
    unproven_S = np.zeros(len(policy_S), dtype=bool)
    for s in np.flatnonzero(is_learned_S):
        own_2W = scores.of([str(policy_S[s]), TUNED_BASE_STOCK])[:, :, s]
        both = np.isfinite(own_2W).all(0)
        unproven_S[s] = not (both.any() and own_2W[0, both].mean() < own_2W[1, both].mean())
    return unproven_S


def _without_learned(names: tuple[str, ...]) -> tuple[str, ...]:
    learned = learned_names()
    return tuple(name for name in names if name not in learned) or (TUNED_BASE_STOCK,)


def _fit_for_service(summary: pa.Table, spec: InventorySpec, cutoff: date) -> dict[str, tuple[str, ...]]:
    """Per class the candidates that served the required share of its demand; else the one that came nearest."""
    rates: dict[str, dict[str, float]] = {}
    for row in summary.to_pylist():
        if row["cutoff"] == cutoff:
            rate = row["sales_sum"] / row["demand_sum"] if row["demand_sum"] > 0 else 1.0
            rates.setdefault(row["demand_class"], {})[row["policy"]] = rate
    fit = {}
    for demand_class, names in _everywhere(spec.candidates).items():
        found = rates.get(demand_class, {})
        good = tuple(name for name in names if found.get(name, 0.0) >= spec.least_fill_rate)
        nearest = (max(names, key=lambda name: found.get(name, 0.0)),) if found else names
        fit[demand_class] = good or nearest
    return fit


def _everywhere(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(DEMAND_CLASSES, names)


def _contest(candidates: Mapping[str, tuple[str, ...]]) -> ContestSpec:
    return ContestSpec(
        candidates,
        max_members=1,
        doubt=1.0,
        score_name="replayed cost per currency of sales",
        evidence="replays",
        noun="policy",
    )


def replay_values(rows: pa.Table, unique_ids: np.ndarray, name: str, windows: Sequence[date]) -> WindowScores:
    """A column of replays by policy, window and series."""
    return WindowScores.from_rows(rows, unique_ids, "policy", name, windows)

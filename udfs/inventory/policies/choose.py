"""Which policy orders for a series: the one whose replays cost least at the service required.

A few replayed weeks of one series are mostly chance, so its costs are shrunk toward those of its demand class, exactly
as `udfs.forecasting.choice.selection` does with the scores of forecasts. A policy competes in a class only where it
served the required share of the class's demand. A learned policy is taken only where it beat the tuned base stock in
the series' own replays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from udfs.demand.demand_profile import DEMAND_CLASSES
from udfs.forecasting.choice.selection import (
    CLASS_SUMMARY_SCHEMA,
    SelectionSpec,
    WindowScores,
    merge_class_summaries,
    select,
    summarise_classes,
)
from udfs.forecasting.forecaster import Choice
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.policies.names import LEARNED_NAMES, TUNED_BASE_STOCK

REPLAY_SUMMARY_SCHEMA = pa.schema(
    [
        *(field.with_name("policy") if field.name == "model" else field for field in CLASS_SUMMARY_SCHEMA),
        ("demand_sum", pa.float64()),
        ("sales_sum", pa.float64()),
    ]
)
"""`selection.CLASS_SUMMARY_SCHEMA` of policies, and the units that were wanted and served in their replays."""


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

    rows: unique_id, cutoff, policy, score, demand_qty, sales_qty. class_S: index into `DEMAND_CLASSES`.
    """
    scores = replay_values(rows, unique_ids, "score", windows)
    sums = summarise_classes(scores, class_S, _selection(_everywhere(spec.candidates)), cutoff)
    demand, sales = (replay_values(rows, unique_ids, name, windows) for name in ("demand_qty", "sales_qty"))
    units = []
    for row in sums.to_pylist():
        at = class_S == DEMAND_CLASSES.index(row["demand_class"])
        units.append([float(np.nansum(found.of([row["model"]])[0][:, at])) for found in (demand, sales)])
    columns = [
        *sums.columns,
        pa.array([u[0] for u in units], pa.float64()),
        pa.array([u[1] for u in units], pa.float64()),
    ]
    return pa.Table.from_arrays(columns, schema=REPLAY_SUMMARY_SCHEMA)


def merge_replay_summaries(table: pa.Table) -> pa.Table:
    """Rows of several buckets as one per cutoff, class and policy."""
    renamed = table.select(REPLAY_SUMMARY_SCHEMA.names).rename_columns(
        ["model" if name == "policy" else name for name in REPLAY_SUMMARY_SCHEMA.names]
    )
    merged = merge_class_summaries([renamed.select(CLASS_SUMMARY_SCHEMA.names)])
    units: dict[tuple[date, str, str], tuple[list[float], list[float]]] = {}
    for row in renamed.to_pylist():
        demand, sales = units.setdefault((row["cutoff"], row["demand_class"], row["model"]), ([], []))
        demand.append(row["demand_sum"])
        sales.append(row["sales_sum"])
    sums = [units[row["cutoff"], row["demand_class"], row["model"]] for row in merged.to_pylist()]
    # Exactly rounded sums do not depend on the order of the buckets.
    columns = [pa.array([math.fsum(found[k]) for found in sums], pa.float64()) for k in (0, 1)]
    return pa.Table.from_arrays([*merged.columns, *columns], schema=REPLAY_SUMMARY_SCHEMA)


def choose(
    evidence: ReplayEvidence,
    unique_ids: np.ndarray,
    class_S: np.ndarray,
    spec: InventorySpec,
    cutoff: date,
    windows: Sequence[date],
) -> Choice:
    """The policy of each series, with the rule that decided, the runner-up and both scores.

    A score is the replayed cost over the value of the demand expected at selling price. A class none of whose policies
    reached the required fill rate takes the one that came nearest. Without any replay the first candidate decides.
    """
    summary = evidence.summary.rename_columns(
        ["model" if name == "policy" else name for name in evidence.summary.column_names]
    )
    scores = replay_values(evidence.rows, unique_ids, "score", windows)
    fit = _fit_for_service(summary, spec, cutoff)
    choice = select(scores, class_S, summary, cutoff, _selection(fit)).choice
    unproven = _unproven_learned(choice.model_S, scores)
    if unproven.any():
        proven = {name: _without_learned(names) for name, names in fit.items()}
        second = select(scores, class_S, summary, cutoff, _selection(proven)).choice
        for name in ("model_S", "rule_S", "runner_up_S", "score_S", "runner_up_score_S"):
            getattr(choice, name)[unproven] = getattr(second, name)[unproven]
    choice.rule_S[:] = [rule.replace("no backtest scores", "no replays") for rule in choice.rule_S]
    return choice


def _unproven_learned(policy_S: np.ndarray, scores: WindowScores) -> np.ndarray:
    """[S]: a learned policy was chosen that did not beat the tuned base stock in the series' own replays."""
    is_learned_S = np.isin(policy_S.astype(str), LEARNED_NAMES)
    unproven_S = np.zeros(len(policy_S), dtype=bool)
    for s in np.flatnonzero(is_learned_S):
        own_2W = scores.of([str(policy_S[s]), TUNED_BASE_STOCK])[:, :, s]
        both = np.isfinite(own_2W).all(0)
        unproven_S[s] = not (both.any() and own_2W[0, both].mean() < own_2W[1, both].mean())
    return unproven_S


def _without_learned(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in LEARNED_NAMES) or (TUNED_BASE_STOCK,)


def _fit_for_service(summary: pa.Table, spec: InventorySpec, cutoff: date) -> dict[str, tuple[str, ...]]:
    """Per class the candidates that served the required share of its demand; else the one that came nearest."""
    rates: dict[str, dict[str, float]] = {}
    for row in summary.to_pylist():
        if row["cutoff"] == cutoff:
            rate = row["sales_sum"] / row["demand_sum"] if row["demand_sum"] > 0 else 1.0
            rates.setdefault(row["demand_class"], {})[row["model"]] = rate
    fit = {}
    for demand_class, names in _everywhere(spec.candidates).items():
        found = rates.get(demand_class, {})
        good = tuple(name for name in names if found.get(name, 0.0) >= spec.least_fill_rate)
        nearest = (max(names, key=lambda name: found.get(name, 0.0)),) if found else names
        fit[demand_class] = good or nearest
    return fit


def _everywhere(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(DEMAND_CLASSES, names)


def _selection(candidates: Mapping[str, tuple[str, ...]]) -> SelectionSpec:
    return SelectionSpec(candidates, max_members=1, score_name="replayed cost per currency of sales")


def replay_values(rows: pa.Table, unique_ids: np.ndarray, name: str, windows: Sequence[date]) -> WindowScores:
    renamed = rows.rename_columns(["model" if column == "policy" else column for column in rows.column_names])
    return WindowScores.from_rows(renamed, unique_ids, name, windows)

"""The policy of each series as a table: its levels, why it was chosen, what it costs beside the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lakehouse.schema.tables import table_of
from udfs.contest.scores import WindowScores
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.kernels.plan_tables import POLICY, null_unless_finite
from udfs.inventory.kernels.planning_inputs import classes_of
from udfs.inventory.policies.choose import choose, replay_values
from udfs.inventory.policies.names import BENCHMARK
from udfs.inventory.stated_terms import supply_note
from udfs.inventory.supply import DAYS_PER_YEAR

if TYPE_CHECKING:
    from udfs.inventory.kernels.planned_series import Planned, PolicyEvidence


def policy_table(planned: Planned, as_of: date, evidence: PolicyEvidence | None) -> pa.Table:
    """Rows of inventory.policy. Costs are per year, NULL where the unit cost is unknown or nothing was replayed."""
    n_series = len(planned.forecast)
    terms, choice, paths = planned.supply.terms, planned.choice, planned.situation.paths
    sum_SN, price_S = planned.protection_SN, planned.supply.unit_price_S
    order_up_to_S = planned.of_chosen(planned.order_up_to_KS)
    mean_S = paths.mean_ahead(planned.situation.protection_days)[:, 0]
    return table_of(
        POLICY,
        {
            "unique_id": planned.forecast.unique_id_S,
            "as_of": [as_of] * n_series,
            "policy": choice.name_S,
            "rule": choice.rule_S,
            "decided_by": planned.decider_S,
            "runner_up": [name or None for name in choice.runner_up_S],
            "score": null_unless_finite(choice.score_S),
            "runner_up_score": null_unless_finite(choice.runner_up_score_S),
            "service_level": terms.service_level,
            "lead_time_days": terms.lead_time_days,
            "review_days": terms.review_days,
            "demand_mean": mean_S,
            "demand_sd": sum_SN.std(axis=1, ddof=1),
            "demand_p50": np.quantile(sum_SN, 0.5, axis=1),
            "demand_p90": np.quantile(sum_SN, 0.9, axis=1),
            "safety_stock_qty": planned.of_chosen(planned.reorder_point_KS) - mean_S,
            "reorder_point_qty": planned.of_chosen(planned.reorder_point_KS),
            "order_up_to_qty": order_up_to_S,
            "expected_fill_rate": _expected(planned, "fill_rate"),
            "expected_cost": _yearly(planned, _expected(planned, "cost")),
            "benchmark_cost": _yearly(planned, planned.expected[BENCHMARK].cost),
            "expected_shortage_cost": _yearly(planned, _expected(planned, "shortage_S")),
            "expected_waste_cost": _yearly(planned, _expected(planned, "waste_S")),
            "expected_waste_qty": _expected(planned, "weekly_waste"),
            "shelf_life_days": null_unless_finite(planned.situation.limits.shelf_life_days),
            **_replayed(planned, evidence),
            **_held_out(planned, evidence),
            "unit_cost": null_unless_finite(terms.unit_cost),
            "unit_price": null_unless_finite(price_S),
            "price_age_days": null_unless_finite(np.where(np.isnan(price_S), np.nan, planned.supply.price_age_S)),
            "supply_notes": [supply_note(notes) for notes in planned.supply.notes_S],
            "is_supply_assumed": np.logical_or.reduce(list(planned.supply.is_assumed.values())),
        },
    )


def _expected(planned: Planned, name: str) -> FloatArray:
    return planned.of_chosen(np.stack([getattr(planned.expected[policy], name) for policy in planned.names]))


def _yearly(planned: Planned, cost_S: FloatArray) -> pa.Array:
    return null_unless_finite(np.where(planned.situation.has_money, cost_S * DAYS_PER_YEAR, np.nan))


def _replayed(planned: Planned, evidence: PolicyEvidence | None) -> dict[str, pa.Array]:
    """What the chosen policy and the benchmark cost in the replays that decided."""
    chosen_S = planned.choice.name_S
    if evidence is None:
        nothing = pa.nulls(len(planned.forecast), pa.float64())
        return dict.fromkeys(("replayed_fill_rate", "replayed_cost", "replayed_benchmark_cost"), nothing)
    demand, sales = (_replay_mean(planned, evidence, name, evidence.windows, chosen_S) for name in _UNITS)
    with np.errstate(divide="ignore", invalid="ignore"):
        fill_S = np.where(demand > 0.0, sales / demand, np.where(demand == 0.0, 1.0, np.nan))
    benchmark_S = np.full(len(chosen_S), BENCHMARK, dtype=object)
    return {
        "replayed_fill_rate": null_unless_finite(fill_S),
        "replayed_cost": _yearly(planned, _replay_mean(planned, evidence, _COST, evidence.windows, chosen_S)),
        "replayed_benchmark_cost": _yearly(
            planned, _replay_mean(planned, evidence, _COST, evidence.windows, benchmark_S)
        ),
    }


def _held_out(planned: Planned, evidence: PolicyEvidence | None) -> dict[str, pa.Array]:
    """A choice that knew only the windows before the last, and the benchmark, on that last window."""
    names = ("held_out_cost", "held_out_benchmark_cost")
    if evidence is None or evidence.held_out is None:
        return dict.fromkeys(names, pa.nulls(len(planned.forecast), pa.float64()))
    ids, held_out = planned.forecast.unique_id_S, evidence.held_out
    class_S = classes_of(evidence.classes[held_out], ids)
    earlier = tuple(window for window in evidence.windows if window < held_out)
    then_S = choose(evidence.replays, ids, class_S, planned.situation.spec, held_out, earlier).name_S
    benchmark_S = np.full(len(ids), BENCHMARK, dtype=object)
    costs = (_replay_mean(planned, evidence, _COST, (held_out,), policy_S) for policy_S in (then_S, benchmark_S))
    return {name: _yearly(planned, cost_S) for name, cost_S in zip(names, costs, strict=True)}


_COST, _UNITS = "replay_cost", ("demand_qty", "sales_qty")


def _replay_mean(
    planned: Planned, evidence: PolicyEvidence, column: str, windows: Sequence[date], policy_S: np.ndarray
) -> FloatArray:
    """Mean over the windows of a column of each series' own policy, [S]; NaN where it was not replayed."""
    found: WindowScores = replay_values(evidence.replays.rows, planned.forecast.unique_id_S, column, windows)
    mean_S = np.full(len(policy_S), np.nan)
    for name in set(policy_S):
        at_S = policy_S == name
        value_WS = found.of([name])[0][:, at_S]
        seen_S = np.isfinite(value_WS).any(0)
        total_S = np.where(np.isfinite(value_WS), value_WS, 0.0).sum(0) / np.maximum(np.isfinite(value_WS).sum(0), 1)
        mean_S[at_S] = np.where(seen_S, total_S, np.nan)
    return mean_S

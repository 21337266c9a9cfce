"""Levels tuned on sample paths: what costs least when the paths are replayed, started from what theory says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from torch import Tensor

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.simulation import lanes
from udfs.inventory.simulation.lanes import NO_LIMIT
from udfs.inventory.simulation.levels import BaseStock, CappedBaseStock, ReorderPoint
from udfs.inventory.simulation.simulation_kernel import LevelPolicy, start_arrays, unit_columns
from udfs.inventory.simulation.simulator import check_demand, check_simulation
from udfs.inventory.simulation.state import Stock
from udfs.inventory.simulation.terms import SimulationTerms
from udfs.inventory.tuning.search_kernel import SIZE, tune_series
from udfs.inventory.tuning.tuning_spec import TuningSpec
from udfs.series.series_threads import over_series

Kind = Literal["base_stock", "capped_base_stock", "s_s"]
KINDS: Final = {"base_stock": lanes.BASE_STOCK, "capped_base_stock": lanes.CAPPED, "s_s": lanes.REORDER_POINT}

_SAMPLE = 256  # paths that the spread of demand is estimated from


@dataclass(frozen=True, slots=True)
class Tuned:
    """What tuning found for S series.

    policy: of the tuned levels. shift_S: units added to the level in every period. size_S: the cap of a capped base
    stock, S - s of an (s, S), else 0. cost_S: currency per period on the paths. fill_rate_S: on the paths.
    reaches_S: whether the required fill rate is reached; where it is not, `policy` is the one with the highest found.
    candidates_S: how many were tried.
    """

    policy: LevelPolicy
    shift_S: FloatArray
    size_S: FloatArray
    cost_S: FloatArray
    fill_rate_S: FloatArray
    reaches_S: BoolArray
    candidates_S: FloatArray


def tune(
    kind: Kind,
    demand_SPT: Tensor,
    terms: SimulationTerms,
    level: Any,
    size: Any = None,
    *,
    spec: TuningSpec | None = None,
    most: Any = None,
    required_fill_rate: Any = None,
    start: Stock | None = None,
    warm_up: int = 0,
) -> Tuned:
    """Tune one level per series, and a size, to the least cost per period (Snyder & Shen 2019, section 4.3 to 4.5).

    Args:
        kind: "base_stock" (with a review period (R, S)): order up to level + shift; "capped_base_stock": the same
            with at most `size` units an order; "s_s": at or below level + shift order up to level + shift + size.
        demand_SPT: sample paths, units, finite and >= 0, (S, P, T) on the CPU, float32 or float64.
        terms: of S series.
        level: where the search starts, units; a number, [S], or [S, T] where it moves with the period. It is rounded
            to the smallest step, as levels between whole units order parts of units.
        size: where the search starts, >= 0; a number or [S]. None is the economic order quantity for "s_s", 1.5 times
            the mean demand of a review period for a cap.
        spec: how hard to search; None is the default.
        most: units that no level may exceed, the cap of an order excepted; a number, [S] or [S, T]. None is no limit.
        required_fill_rate: in [0, 1), a number or [S]; None asks for none. The least cost among levels that reach it,
            where none does the highest fill rate.
        start, warm_up: see `simulate`.

    Returns:
        Levels at least as good on the paths as those started from (rounded) and their neighbours at the smallest step.

    Raises:
        ValueError: an unknown kind; sizes below 0 or NaN, a fill rate outside [0, 1); what `simulate` refuses.
    """
    spec = spec or TuningSpec()
    _check(kind, demand_SPT, start, warm_up)
    n_series, _, n_periods = demand_SPT.shape
    level_ST = np.clip(BaseStock(level).parameters(n_series, n_periods)[0], -NO_LIMIT, NO_LIMIT)
    base_ST = np.round(level_ST / spec.unit) * spec.unit
    demand = np.ascontiguousarray(demand_SPT.detach().numpy())
    most_ST = _limit(most, n_series, n_periods)
    cost_SK = np.stack([terms.column(name, n_series) for name in _COSTS], axis=1)
    mean_S, spread_S = _spread(demand, terms)
    size_S = _start_size(kind, size, mean_S, terms, spec.unit)
    step_S2 = np.maximum(np.round(np.stack([spread_S, size_S], 1) * 0.5 / spec.unit), 1.0) * spec.unit
    best_SK = np.zeros((n_series, 5))
    best_SK[:, SIZE] = size_S
    required_S = _required(required_fill_rate, n_series)
    units, begins = unit_columns(terms, n_series), start_arrays(start, demand)

    def kernel(first: int, last: int) -> None:
        tune_series(
            KINDS[kind], base_ST, most_ST, units, cost_SK, demand, begins, warm_up, step_S2, float(spec.unit),
            spec.reach, spec.most_candidates, required_S, first, last, best_SK,
        )  # fmt: skip

    over_series(kernel, n_series)
    return _tuned(kind, base_ST, most_ST, best_SK, required_S)


_COSTS: Final = ("holding_cost", "shortage_cost", "order_cost", "waste_cost")


def _check(kind: str, demand_SPT: Tensor, start: Stock | None, warm_up: int) -> None:
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {sorted(KINDS)}, found {kind!r}")
    check_simulation(demand_SPT, warm_up, None, start)
    check_demand(demand_SPT)


def _limit(most: Any, n_series: int, n_periods: int) -> FloatArray:
    return np.minimum(BaseStock(NO_LIMIT if most is None else most).parameters(n_series, n_periods)[0], NO_LIMIT)


def _tuned(kind: Kind, base_ST: FloatArray, most_ST: FloatArray, best_SK: FloatArray, required_S: FloatArray) -> Tuned:
    shift_S, size_S, cost_S, fill_S, tried_S = best_SK.T.copy()
    policy = _policy(kind, base_ST + shift_S[:, None], most_ST, size_S)
    return Tuned(policy, shift_S, size_S, cost_S, fill_S, fill_S >= required_S, tried_S)


def _policy(kind: Kind, level_ST: FloatArray, most_ST: FloatArray, size_S: FloatArray) -> LevelPolicy:
    level_ST = np.minimum(level_ST, most_ST)
    if kind == "base_stock":
        return BaseStock(level_ST)
    if kind == "capped_base_stock":
        return CappedBaseStock(level_ST, size_S)
    return ReorderPoint(level_ST, np.minimum(level_ST + size_S[:, None], most_ST))


def _spread(demand_SPT: np.ndarray, terms: SimulationTerms) -> tuple[FloatArray, FloatArray]:
    """Mean demand of a period, and the standard deviation of what an order covers, both [S]."""
    n_series, _, n_periods = demand_SPT.shape
    covered_S = terms.column("lead_time", n_series) + terms.column("review_period", n_series)
    sample_SPT = demand_SPT[:, :_SAMPLE]
    mean_S = sample_SPT.mean((1, 2), dtype=np.float64)
    of_paths_S = sample_SPT.sum(2, dtype=np.float64).var(1) / n_periods
    of_periods_S = sample_SPT.var((1, 2), dtype=np.float64)
    return mean_S, np.sqrt(np.maximum(of_paths_S, of_periods_S) * covered_S)


def _start_size(kind: Kind, size: Any, mean_S: FloatArray, terms: SimulationTerms, unit: float) -> FloatArray:
    n_series = len(mean_S)
    if size is not None:
        values = np.asarray(size, dtype=np.float64)
        if values.shape not in ((), (n_series,)):
            raise ValueError(f"size: expected a number or [{n_series}], found shape {values.shape}")
        bad = np.flatnonzero(~((np.atleast_1d(values) >= 0.0) & np.isfinite(np.atleast_1d(values))))
        if bad.size:
            raise ValueError(
                f"size: expected finite units >= 0, found {np.atleast_1d(values)[bad[0]]:g} in row {bad[0]}"
            )
        size_S = np.array(np.broadcast_to(values, (n_series,)))
    elif kind == "s_s":
        fixed_S, h_S = terms.column("order_cost", n_series), terms.column("holding_cost", n_series)
        size_S = np.sqrt(2.0 * fixed_S * mean_S / np.where(h_S > 0.0, h_S, np.inf))
    else:
        size_S = 1.5 * mean_S * terms.column("review_period", n_series)
    least = unit if kind == "capped_base_stock" else 0.0
    size_S = np.maximum(np.round(size_S / unit) * unit, least)
    return np.zeros(n_series) if kind == "base_stock" else size_S


def _required(required_fill_rate: Any, n_series: int) -> FloatArray:
    if required_fill_rate is None:
        return np.full(n_series, -1.0)
    values = np.asarray(required_fill_rate, dtype=np.float64)
    if values.shape not in ((), (n_series,)):
        raise ValueError(f"required_fill_rate: expected a number or [{n_series}], found shape {values.shape}")
    values = np.array(np.broadcast_to(values, (n_series,)))
    bad = np.flatnonzero(~((values >= 0.0) & (values < 1.0)))
    if bad.size:
        raise ValueError(f"required_fill_rate: expected a share in [0, 1), found {values[bad[0]]:g} in row {bad[0]}")
    return values

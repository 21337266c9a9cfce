"""The simulation of level policies as a compiled loop: the same numbers as the tensor operations, on the CPU.

It has no gradient and knows no other policy; `simulator.simulate` takes it by itself where that is no loss. What is on
order is kept as a running sum, so that results agree up to rounding (exactly for whole units).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final, TypeGuard

import numba
import numpy as np
import torch
from torch import Tensor

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.simulation import lanes
from udfs.inventory.simulation.lanes import (
    BACK,
    CHUNK,
    HAND,
    LANES,
    LIFE,
    N_STATE,
    N_SUMS,
    NO_LIMIT,
    ON_ORDER,
    SUMS,
    replay,
)
from udfs.inventory.simulation.levels import BaseStock, CappedBaseStock, ReorderPoint, ReorderQuantity
from udfs.inventory.simulation.result import SimulationResult
from udfs.inventory.simulation.state import Stock
from udfs.inventory.simulation.terms import SimulationTerms
from udfs.series.series_threads import over_series

LevelPolicy = BaseStock | CappedBaseStock | ReorderPoint | ReorderQuantity

UNIT_TERMS: Final = (
    "lead_time",
    "review_period",
    "backorder_share",
    "moq",
    "pack",
    "capacity",
    "shelf_life",
    "review_week",
)
"""In the order of the columns that `lanes` reads."""

_SUMS: Final = (
    ("holding_cost_SP", lanes.SUM_HAND, "holding_cost"),
    ("order_cost_SP", lanes.SUM_ORDERS, "order_cost"),
    ("shortage_cost_SP", lanes.SUM_SHORT, "shortage_cost"),
    ("waste_cost_SP", lanes.SUM_WASTED, "waste_cost"),
    ("purchase_cost_SP", lanes.SUM_ORDERED, "unit_cost"),
    ("demand_SP", lanes.SUM_DEMAND, ""),
    ("sales_SP", lanes.SUM_SALES, ""),
    ("ordered_SP", lanes.SUM_ORDERED, ""),
    ("wasted_SP", lanes.SUM_WASTED, ""),
    ("orders_SP", lanes.SUM_ORDERS, ""),
    ("short_periods_SP", lanes.SUM_SHORT_PERIODS, ""),
    ("cycles_SP", lanes.SUM_CYCLES, ""),
    ("short_cycles_SP", lanes.SUM_SHORT_CYCLES, ""),
)
"""Field of the result, sum of the lanes it is made from, and the term that prices it."""
SUMMED: Final = tuple((offset - SUMS) // LANES for _, offset, _ in _SUMS)


def can_compile(policy: object, demand_SPT: Tensor) -> TypeGuard[LevelPolicy]:
    """Whether `simulate_compiled` gives what the tensor operations would."""
    return (
        type(policy) in (BaseStock, CappedBaseStock, ReorderPoint, ReorderQuantity)
        and demand_SPT.device.type == "cpu"
        and demand_SPT.dtype in (torch.float32, torch.float64)
        and not (torch.is_grad_enabled() and (getattr(policy, "requires_grad", False) or demand_SPT.requires_grad))
    )


def simulate_compiled(
    policy: LevelPolicy,
    demand_SPT: Tensor,
    terms: SimulationTerms,
    start: Stock | None,
    lead_times_SPT: Tensor | None,
    longest: int,
    warm_up: int,
) -> SimulationResult:
    """See `simulator.simulate`, whose checks have passed but for the demand's values. longest: of the lead times.

    Raises:
        ValueError: demand that is not finite and >= 0, levels or terms of another number of series.
    """
    n_series, n_paths, n_periods = demand_SPT.shape
    demand, shape = np.ascontiguousarray(demand_SPT.detach().numpy()), (n_series, n_paths)
    first_ST, second_ST = level_rows(policy, n_series, n_periods)
    unit_SK, price_SK = unit_columns(terms, n_series), _price_columns(terms, n_series)
    begins = start_arrays(start, demand)
    leads = np.zeros((n_series, 0, 0), dtype=np.int32)
    if lead_times_SPT is not None:
        leads = lead_times_SPT.expand(demand_SPT.shape).to(torch.int32).contiguous().numpy()
    sums_KSP = np.empty((len(_SUMS), *shape), dtype=demand.dtype)
    n_slots = max(longest + 1, begins[2].shape[2])
    hand_SP, back_SP = np.empty((2, *shape), dtype=demand.dtype)
    ends = hand_SP, back_SP, np.zeros((*shape, n_slots), dtype=demand.dtype)
    bad_S = np.zeros(n_series, dtype=np.bool_)

    def kernel(begin: int, end: int) -> None:
        levels = policy.kind, first_ST, second_ST
        _replay_series(
            *levels, unit_SK, price_SK, demand, leads, begins, longest, warm_up, begin, end, sums_KSP, ends, bad_S
        )

    over_series(kernel, n_series)
    if bad_S.any():
        raise ValueError(bad_demand(demand, int(bad_S.argmax())))
    sums = {name: torch.from_numpy(sums_SP) for (name, _, _), sums_SP in zip(_SUMS, sums_KSP, strict=True)}
    return SimulationResult(**sums, n_periods=n_periods - warm_up, end=Stock(*map(torch.from_numpy, ends)))


def level_rows(policy: LevelPolicy, n_series: int, n_periods: int) -> tuple[FloatArray, FloatArray]:
    """The policy's one or two levels, [S, T or 1], finite."""
    rows = [np.clip(level, -NO_LIMIT, NO_LIMIT) for level in policy.parameters(n_series, n_periods)]
    return rows[0], rows[-1]


def unit_columns(terms: SimulationTerms, n_series: int) -> FloatArray:
    """What rules how units move, (S, 8)."""
    return np.minimum(np.stack([terms.column(name, n_series) for name in UNIT_TERMS], axis=1), NO_LIMIT)


def _price_columns(terms: SimulationTerms, n_series: int) -> FloatArray:
    """What one unit of each of `_SUMS` counts for in the result, (S, K)."""
    return np.stack([terms.column(name, n_series) if name else np.ones(n_series) for *_, name in _SUMS], axis=1)


def start_arrays(start: Stock | None, demand_SPT: np.ndarray) -> tuple[Any, Any, Any, Any]:
    """On hand and backorders (S, P), the pipeline (S, P, L) and what is on hand by age (S, P, A), of the demand's type.

    P is 1 where it holds for all; A is 0 where all is fresh.
    """
    nothing_SPA = np.zeros((len(demand_SPT), 1, 0), dtype=demand_SPT.dtype)
    if start is None:
        nothing_SP = np.zeros((len(demand_SPT), 1), dtype=demand_SPT.dtype)
        return nothing_SP, nothing_SP, nothing_SPA, nothing_SPA
    known = [getattr(start, field.name) for field in fields(Stock)]
    values = [nothing_SPA if value is None else value.detach().cpu().numpy() for value in known]
    hand_SP, back_SP, pipeline_SPL, aged_SPA = (np.array(each, dtype=demand_SPT.dtype, order="C") for each in values)
    return hand_SP, back_SP, pipeline_SPL, aged_SPA


def bad_demand(demand_SPT: np.ndarray, s: int) -> str:
    """What is wrong with the demand of series s, in words."""
    p, t = np.argwhere(~((demand_SPT[s] >= 0.0) & np.isfinite(demand_SPT[s])))[0]
    return f"demand_SPT: expected finite units >= 0, found {demand_SPT[s, p, t]:g} in series {s}, path {p}, period {t}"


@numba.njit(cache=True, nogil=True, error_model="numpy")
def is_demand(values_PT: np.ndarray) -> bool:
    """Whether all are finite and at least 0."""
    n_bad = 0
    for p in range(values_PT.shape[0]):
        for t in range(values_PT.shape[1]):
            value = values_PT[p, t]
            n_bad += not (value >= 0.0 and value < np.inf)
    return n_bad == 0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def ring_length(unit_K: np.ndarray, longest: int, n_leads: int, n_start: int) -> tuple[int, bool]:
    """Rows of the ring of receipts, and whether a receipt may already wait where an order goes."""
    lead = int(unit_K[lanes.LEAD])
    adds = n_leads > 0 or n_start > lead
    return (max(longest if n_leads else lead, n_start - 1) + 1, adds)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def begin_lanes(
    x: np.ndarray,
    ring_RB: np.ndarray,
    ages_AB: np.ndarray,
    hand_P: np.ndarray,
    back_P: np.ndarray,
    pipeline_PL: np.ndarray,
    aged_PA: np.ndarray,
    path: int,
    n: int,
    life: int,
) -> None:
    """The start of period 0 for paths path..path + n; stock on hand is fresh where `aged_PA` has no column."""
    x[:] = 0.0
    ring_RB[:] = 0.0
    ages_AB[:] = 0.0
    for i in range(n):
        x[HAND + i] = hand_P[(path + i) % len(hand_P)]
        x[BACK + i] = back_P[(path + i) % len(back_P)]
        due_L = pipeline_PL[(path + i) % len(pipeline_PL)]
        for k in range(len(due_L)):
            ring_RB[k, i] = due_L[k]
            x[ON_ORDER + i] += due_L[k]
        if life and aged_PA.shape[1] == 0:
            ages_AB[life - 1, i] = x[HAND + i]
        elif life:
            left_A = aged_PA[(path + i) % len(aged_PA)]
            for k in range(len(left_A)):
                ages_AB[min(k, life - 1), i] += left_A[k]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def lanes_for(n_paths: int) -> int:
    """Whole vectors are faster than the same paths one by one, but for a handful."""
    return n_paths if n_paths < 8 else min(-(-n_paths // 32) * 32, LANES)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def keep_sums(n: int, x: np.ndarray, total_KB: np.ndarray, anew: bool) -> None:
    """Move the sums of a chunk of periods to float64, so that long float32 replays lose nothing."""
    if anew:
        total_KB[:] = 0.0
    for k in range(total_KB.shape[0]):
        for i in range(n):
            total_KB[k, i] += x[SUMS + k * LANES + i]
            x[SUMS + k * LANES + i] = 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _replay_series(
    kind: int,
    first_ST: np.ndarray,
    second_ST: np.ndarray,
    unit_SK: np.ndarray,
    price_SK: np.ndarray,
    demand_SPT: np.ndarray,
    lead_SPT: np.ndarray,
    start: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    longest: int,
    warm_up: int,
    begin: int,
    end: int,
    sums_KSP: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray, np.ndarray],
    bad_S: np.ndarray,
) -> None:
    _, n_paths, n_periods = demand_SPT.shape
    hand_SP, back_SP, pipeline_SPL, aged_SPA = start
    x, total_KB = np.zeros(N_STATE, demand_SPT.dtype), np.zeros((N_SUMS, LANES))
    demand_CB = np.zeros((min(CHUNK, n_periods), LANES), demand_SPT.dtype)
    has_leads = lead_SPT.shape[1] > 0
    lead_CB = np.zeros((demand_CB.shape[0] if has_leads else 0, LANES), np.int32)
    for s in range(begin, end):
        bad_S[s] = not is_demand(demand_SPT[s])
        if bad_S[s]:
            continue
        n_slots, adds = ring_length(unit_SK[s], longest, lead_SPT.shape[1], pipeline_SPL.shape[2])
        life = int(unit_SK[s, LIFE])
        ring_RB, ages_AB = np.zeros((n_slots, LANES), x.dtype), np.zeros((max(life, 1), LANES), x.dtype)
        for path in range(0, n_paths, LANES):
            n = min(LANES, n_paths - path)
            begin_lanes(x, ring_RB, ages_AB, hand_SP[s], back_SP[s], pipeline_SPL[s], aged_SPA[s], path, n, life)
            total_KB[:] = 0.0
            for t in range(0, n_periods, CHUNK):
                n_here = min(CHUNK, n_periods - t)
                lanes.turn(demand_SPT[s], path, t, n, n_here, demand_CB)
                if has_leads:
                    lanes.turn(lead_SPT[s], path, t, n, n_here, lead_CB)
                levels = first_ST[s], second_ST[s]
                replay(
                    kind,
                    levels,
                    unit_SK[s],
                    lanes_for(n),
                    x,
                    ring_RB,
                    ages_AB,
                    demand_CB,
                    lead_CB,
                    t,
                    n_here,
                    warm_up,
                    adds,
                    False,
                )
                keep_sums(n, x, total_KB, t <= warm_up < t + n_here)
            _write(x, total_KB, ring_RB, price_SK[s], s, path, n, n_periods, adds, sums_KSP, ends)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _write(
    x: np.ndarray,
    total_KB: np.ndarray,
    ring_RB: np.ndarray,
    price_K: np.ndarray,
    s: int,
    path: int,
    n: int,
    n_periods: int,
    adds: bool,
    sums_KSP: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Sums and end of n paths of series s; the last cycle is cut off by the end."""
    n_slots = ring_RB.shape[0]
    for k in range(sums_KSP.shape[0]):
        row = SUMMED[k]
        for i in range(n):
            sums_KSP[k, s, path + i] = price_K[k] * total_KB[row, i]
    hand_SP, back_SP, pipeline_SPL = ends
    for i in range(n):
        p = path + i
        sums_KSP[-2, s, p] += 1.0
        sums_KSP[-1, s, p] += x[lanes.CYCLE_SHORT + i]
        hand_SP[s, p] = x[HAND + i]
        back_SP[s, p] = x[BACK + i]
        for k in range(n_slots if adds else n_slots - 1):
            pipeline_SPL[s, p, k] = ring_RB[(n_periods + k) % n_slots, i]

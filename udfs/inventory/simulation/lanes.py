"""Compiled loops that replay 128 paths of one series side by side, so that one instruction serves 8 or 16 of them.

The state of the paths lies in one flat array `x`: row after row of `LANES` numbers at offsets the compiler knows, which
is how it sees that rows do not overlap and may be computed in vectors. Numbers have the type of the demand. `fastmath`
leaves out what concerns NaN, infinities and the sign of zero; it does not reorder sums.

`ring` holds what is on order: row (t + k) mod its length arrives at the start of period t + k. `ages` holds units that
perish: row (t + k) mod its length can be sold for the last time in period t + k.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from udfs.inventory.simulation.terms import ROUNDING_32, ROUNDING_64

LANES: Final = 128
CHUNK: Final = 32
"""Periods whose demand is turned round at once; 32 x 128 numbers stay in the first cache."""

(HAND, BACK, ON_ORDER, WANTED, CYCLE_SHORT, USED) = (row * LANES for row in range(6))
SUMS: Final = 6 * LANES
"""Offset of the sums."""
N_SUMS: Final = 10
(
    SUM_HAND,
    SUM_SHORT,
    SUM_SALES,
    SUM_ORDERS,
    SUM_DEMAND,
    SUM_ORDERED,
    SUM_SHORT_PERIODS,
    SUM_CYCLES,
    SUM_SHORT_CYCLES,
    SUM_WASTED,
) = (SUMS + row * LANES for row in range(N_SUMS))
N_STATE: Final = SUMS + N_SUMS * LANES

BASE_STOCK, CAPPED, REORDER_POINT, REORDER_QUANTITY = range(4)
LEAD, REVIEW, SHARE, MOQ, PACK, CAPACITY, LIFE, WEEK = range(8)
"""Columns of the terms that rule how units move."""

NO_LIMIT: Final = 1e30
"""Stands for an infinite capacity or level, which the arithmetic chosen below does not know."""

_lanes = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "ninf", "nsz"})


@_lanes
def _rounding(x: np.ndarray) -> float:
    return ROUNDING_32 if x.itemsize == 4 else ROUNDING_64


@_lanes
def _want(n: int, x: np.ndarray, kind: int, first: float, second: float) -> None:
    """What a level policy wants, see `levels`; at most a rounding error is nothing."""
    real = x.dtype.type
    zero, one, rounding, a, b = real(0.0), real(1.0), real(_rounding(x)), real(first), real(second)
    if kind == BASE_STOCK:
        for i in range(n):
            gap = a - (x[HAND + i] + x[ON_ORDER + i] - x[BACK + i])
            x[WANTED + i] = gap if gap > rounding else zero
    elif kind == CAPPED:
        for i in range(n):
            gap = min(a - (x[HAND + i] + x[ON_ORDER + i] - x[BACK + i]), b)
            x[WANTED + i] = gap if gap > rounding else zero
    elif kind == REORDER_POINT:
        for i in range(n):
            position = x[HAND + i] + x[ON_ORDER + i] - x[BACK + i]
            gap = b - position if position <= a + rounding else zero
            x[WANTED + i] = gap if gap > rounding else zero
    else:
        for i in range(n):
            below = (a - (x[HAND + i] + x[ON_ORDER + i] - x[BACK + i])) / b
            x[WANTED + i] = (np.floor(below + rounding) + one) * b if below >= -rounding else zero


@_lanes
def _round(n: int, x: np.ndarray, moq: float, pack: float, capacity: float) -> None:
    """See `simulator.deliverable`."""
    real = x.dtype.type
    zero, rounding, least, unit = real(0.0), real(_rounding(x)), real(moq), real(pack)
    most = real(capacity if pack == 0.0 else np.floor(capacity / pack + _rounding(x)) * pack)
    if pack > 0.0:
        for i in range(n):
            packs = np.ceil(max(x[WANTED + i], least) / unit - rounding)
            x[WANTED + i] = min(packs * unit, most) if x[WANTED + i] > zero else zero
    else:
        for i in range(n):
            x[WANTED + i] = min(max(x[WANTED + i], least), most) if x[WANTED + i] > zero else zero


@_lanes
def _send(n: int, x: np.ndarray, slot_B: np.ndarray, adds: bool) -> None:
    """Put what is wanted on order; `adds` where something may be on its way for the same period."""
    if adds:
        for i in range(n):
            slot_B[i] += x[WANTED + i]
    else:
        for i in range(n):
            slot_B[i] = x[WANTED + i]


@_lanes
def _send_each(n: int, x: np.ndarray, ring_RB: np.ndarray, lead_B: np.ndarray, t: int) -> None:
    for i in range(n):
        ring_RB[(t + lead_B[i]) % ring_RB.shape[0], i] += x[WANTED + i]


@_lanes
def _serve(n: int, x: np.ndarray, demand_B: np.ndarray, arrived_B: np.ndarray, share: float) -> None:
    """Receive, serve backorders, then demand; count everything."""
    real = x.dtype.type
    zero, one, rounding, waits, lost = (
        real(0.0),
        real(1.0),
        real(_rounding(x)),
        real(share),
        real(1.0 - share),
    )
    for i in range(n):
        demand, arrived, wanted, back = demand_B[i], arrived_B[i], x[WANTED + i], x[BACK + i]
        x[ON_ORDER + i] = x[ON_ORDER + i] + wanted - arrived
        stock = x[HAND + i] + arrived
        late = min(stock, back)
        stock -= late
        sold = min(stock, demand)
        unmet = demand - sold
        stock -= sold
        back = back - late + waits * unmet
        short = one if unmet > rounding else zero
        received = one if arrived > zero else zero
        before = x[CYCLE_SHORT + i]
        x[SUM_SHORT_CYCLES + i] += received * before
        x[SUM_CYCLES + i] += received
        x[CYCLE_SHORT + i] = max(before * (one - received), short)
        x[HAND + i] = stock
        x[BACK + i] = back
        x[SUM_HAND + i] += stock
        x[SUM_SHORT + i] += lost * unmet + back
        x[SUM_SALES + i] += sold
        x[SUM_ORDERS + i] += one if wanted > zero else zero
        x[SUM_DEMAND + i] += demand
        x[SUM_ORDERED + i] += wanted
        x[SUM_SHORT_PERIODS + i] += short


@_lanes
def _serve_scored(n: int, x: np.ndarray, demand_B: np.ndarray, arrived_B: np.ndarray, share: float) -> None:
    """`_serve` that counts only what cost and fill rate need."""
    real = x.dtype.type
    zero, one, waits, lost = real(0.0), real(1.0), real(share), real(1.0 - share)
    for i in range(n):
        demand, arrived, wanted, back = demand_B[i], arrived_B[i], x[WANTED + i], x[BACK + i]
        x[ON_ORDER + i] = x[ON_ORDER + i] + wanted - arrived
        stock = x[HAND + i] + arrived
        late = min(stock, back)
        stock -= late
        sold = min(stock, demand)
        unmet = demand - sold
        stock -= sold
        back = back - late + waits * unmet
        x[HAND + i] = stock
        x[BACK + i] = back
        x[SUM_HAND + i] += stock
        x[SUM_SHORT + i] += lost * unmet + back
        x[SUM_SALES + i] += sold
        x[SUM_ORDERS + i] += one if wanted > zero else zero


@_lanes
def _keep_stock(n: int, x: np.ndarray) -> None:
    for i in range(n):
        x[USED + i] = x[HAND + i]


@_lanes
def _age(n: int, x: np.ndarray, ages_AB: np.ndarray, arrived_B: np.ndarray, t: int, life: int) -> None:
    """Take what was used from the oldest units first, and throw away those whose last period this was."""
    n_ages, zero = ages_AB.shape[0], x.dtype.type(0.0)
    new_B = ages_AB[(t + life - 1) % n_ages]
    for i in range(n):
        new_B[i] += arrived_B[i]
        x[USED + i] = x[USED + i] + arrived_B[i] - x[HAND + i]
    for k in range(life):
        old_B = ages_AB[(t + k) % n_ages]
        for i in range(n):
            taken = min(old_B[i], x[USED + i])
            old_B[i] -= taken
            x[USED + i] -= taken
    last_B = ages_AB[t % n_ages]
    for i in range(n):
        # Stock in parts of a unit and its batches are added up in different orders: none may go below 0 for it.
        gone = min(last_B[i], x[HAND + i])
        x[SUM_WASTED + i] += gone
        x[SUM_HAND + i] -= gone
        x[HAND + i] -= gone
        last_B[i] = zero


@_lanes
def _forget(x: np.ndarray) -> None:
    """What happened before the counted periods is not theirs, nor is a shortage in the cycle that goes on."""
    x[SUMS:] = 0.0
    x[CYCLE_SHORT : CYCLE_SHORT + LANES] = 0.0


@_lanes
def replay(
    kind: int,
    levels: tuple[np.ndarray, np.ndarray],
    terms_K: np.ndarray,
    n: int,
    x: np.ndarray,
    ring_RB: np.ndarray,
    ages_AB: np.ndarray,
    demand_CB: np.ndarray,
    lead_CB: np.ndarray,
    begin: int,
    n_periods: int,
    warm_up: int,
    adds: bool,
    scores: bool,
) -> None:
    """Replay periods begin..begin + n_periods, whose demand is in `demand_CB`.

    levels: two arrays [T], of length 1 where they hold for all periods. lead_CB: lead times of each path, or no
    row. adds: see `_send`; arrivals are then cleared. scores: count only what `_serve_scored` counts.
    """
    lead, review, life = int(terms_K[LEAD]), int(terms_K[REVIEW]), int(terms_K[LIFE])
    week = int(terms_K[WEEK])
    rounds = terms_K[MOQ] > 0.0 or terms_K[PACK] > 0.0 or terms_K[CAPACITY] < NO_LIMIT
    n_slots, (first_T, second_T) = ring_RB.shape[0], levels
    for c in range(n_periods):
        t = begin + c
        if t == warm_up and t > 0:
            _forget(x)
        if (week >> (t % 7)) & 1 if week else t % review == 0:
            _want(n, x, kind, first_T[t % first_T.shape[0]], second_T[t % second_T.shape[0]])
            if rounds:
                _round(n, x, terms_K[MOQ], terms_K[PACK], terms_K[CAPACITY])
        else:
            x[WANTED : WANTED + n] = 0.0
        if lead_CB.shape[0]:
            _send_each(n, x, ring_RB, lead_CB[c], t)
        else:
            _send(n, x, ring_RB[(t + lead) % n_slots], adds)
        arrived_B = ring_RB[t % n_slots]
        if life:
            _keep_stock(n, x)
        if scores:
            _serve_scored(n, x, demand_CB[c], arrived_B, terms_K[SHARE])
        else:
            _serve(n, x, demand_CB[c], arrived_B, terms_K[SHARE])
        if life:
            _age(n, x, ages_AB, arrived_B, t, life)
        if adds:
            arrived_B[:n] = 0.0


@_lanes
def turn(values_PT: np.ndarray, path: int, begin: int, n_paths: int, n_periods: int, tile_CB: np.ndarray) -> None:
    """Paths side by side: row c of the tile is period begin + c. Lanes without a path keep what they hold."""
    for i in range(n_paths):
        for c in range(n_periods):
            tile_CB[c, i] = values_PT[path + i, begin + c]

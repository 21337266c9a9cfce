"""The minimum-cost flow behind the allocation of stock to channels, compiled.

Nodes are the channels 0..C-1 and the pool C; the stock waits at its node, and each channel takes stock out of the
network at a value per unit that falls step by step. Units go one path after the other, always the path of greatest gain
left; a path may take back units that were moved before. The gains fall, so the first path without gain ends it.
"""

from __future__ import annotations

import numba
import numpy as np

_ROUNDING = 1e-12


@numba.njit(cache=True, nogil=True, error_model="numpy")
def solve(  # type: ignore[no-untyped-def]
    demand_SCK, weight_K, pool_S, placed_SC, margin_SC, floor_SC, placing_SC, cost_SCC, taken_SC, from_pool_SC,
    transfers_SCC, left_S
):  # fmt: skip
    """Fill units per channel, units from the pool and transfers of a slice of SKUs; transfers_SCC starts at 0."""
    n_series, n_channels, n_values = demand_SCK.shape
    value_CK, until_CK = np.empty((n_channels, n_values)), np.empty((n_channels, n_values))
    cost_NN, moved_NN = np.empty((n_channels + 1, n_channels + 1)), np.empty((n_channels + 1, n_channels + 1))
    supply_N = np.empty(n_channels + 1)
    for s in range(n_series):
        cost_NN[:] = np.inf
        cost_NN[:n_channels, :n_channels] = cost_SCC[s]
        cost_NN[n_channels, :n_channels] = placing_SC[s]
        supply_N[:n_channels], supply_N[n_channels] = placed_SC[s], pool_S[s]
        moved_NN[:] = 0.0
        _steps(demand_SCK[s], weight_K, margin_SC[s], value_CK, until_CK)
        # Worth more than any path could gain or cost: protected units come first.
        dear = np.where(np.isinf(cost_NN), 0.0, cost_NN).max()
        urgent = 4.0 * (margin_SC[s].max() + (n_channels + 1) * dear) + 1.0
        _send(supply_N, cost_NN, moved_NN, value_CK, until_CK, floor_SC[s], urgent, taken_SC[s])
        taken_SC[s] += supply_N[:n_channels]  # what no path moved stays where it is
        left_S[s] = supply_N[n_channels]
        transfers_SCC[s] = moved_NN[:n_channels, :n_channels]
        from_pool_SC[s] = moved_NN[n_channels, :n_channels]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _steps(demand_CK, weight_K, margin_C, value_CK, until_CK):  # type: ignore[no-untyped-def]
    """Expected earnings of a unit in each channel, margin x P(D > x), as steps that hold until x = until."""
    n_channels, n_values = demand_CK.shape
    for c in range(n_channels):
        order = np.argsort(demand_CK[c])
        above = 0.0
        for k in range(n_values - 1, -1, -1):
            above += weight_K[order[k]]
            value_CK[c, k], until_CK[c, k] = margin_C[c] * above, demand_CK[c, order[k]]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _send(supply_N, cost_NN, moved_NN, value_CK, until_CK, floor_C, urgent, taken_C):  # type: ignore[no-untyped-def]
    """Send units along the best paths until none gains; changes the supply, the moves and what is taken."""
    n_channels = taken_C.size
    step_C = np.zeros(n_channels, dtype=np.int64)
    distance_N, before_N = np.empty(n_channels + 1), np.empty(n_channels + 1, dtype=np.int64)
    taken_C[:] = 0.0
    tiny = _ROUNDING * urgent
    while True:
        _paths(supply_N, cost_NN, moved_NN, tiny, distance_N, before_N)
        best, best_gain, room = -1, tiny, 0.0
        for c in range(n_channels):
            gain, width = _next_step(value_CK[c], until_CK[c], floor_C[c], urgent, taken_C[c], step_C, c)
            if gain - distance_N[c] > best_gain:
                best, best_gain, room = c, gain - distance_N[c], width
        if best < 0:
            return
        taken_C[best] += _push(best, room, supply_N, moved_NN, before_N)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _next_step(value_K, until_K, floor, urgent, taken, step_C, c):  # type: ignore[no-untyped-def]
    """What the channel's next unit earns, and for how many units that holds."""
    while step_C[c] < until_K.size and until_K[step_C[c]] <= taken:
        step_C[c] += 1
    gain, width = 0.0, np.inf
    if step_C[c] < until_K.size:
        gain, width = value_K[step_C[c]], until_K[step_C[c]] - taken
    missing = floor - taken
    if missing > 0.0:
        return gain + urgent, min(width, missing)
    return gain, width


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _paths(supply_N, cost_NN, moved_NN, tiny, distance_N, before_N):  # type: ignore[no-untyped-def]
    """The cheapest way for a unit of supply to each node (Bellman & Ford); taking back a move returns its cost."""
    n_nodes = supply_N.size
    for n in range(n_nodes):
        distance_N[n], before_N[n] = 0.0 if supply_N[n] > 0.0 else np.inf, -1
    for _ in range(n_nodes):
        changed = False
        for a in range(n_nodes):
            if distance_N[a] == np.inf:
                continue
            for b in range(n_nodes):
                step = -cost_NN[b, a] if moved_NN[b, a] > 0.0 else cost_NN[a, b]
                if distance_N[a] + step < distance_N[b] - tiny:
                    distance_N[b], before_N[b] = distance_N[a] + step, a
                    changed = True
        if not changed:
            return


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _push(target, room, supply_N, moved_NN, before_N):  # type: ignore[no-untyped-def]
    """Move up to `room` units along the path to the target; returns how many the path lets through."""
    units, b = room, target
    while before_N[b] >= 0:
        a = before_N[b]
        if moved_NN[b, a] > 0.0:
            units = min(units, moved_NN[b, a])
        b = a
    units = min(units, supply_N[b])
    supply_N[b] -= units
    b = target
    while before_N[b] >= 0:
        a = before_N[b]
        if moved_NN[b, a] > 0.0:
            moved_NN[b, a] -= units
        else:
            moved_NN[a, b] += units
        b = a
    return units

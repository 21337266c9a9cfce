"""Exact routes of a few stops: Held-Karp for each set of stops, then the best partition (Held & Karp 1962)."""

from __future__ import annotations

import numpy as np


def shortest(distance_NN: np.ndarray, demand_N: np.ndarray, capacity: float) -> float:
    """Length of the shortest routes that serve all stops, place 0 being the depot."""
    n = len(demand_N) - 1
    sets = range(1 << n)
    path = np.full((1 << n, n), np.inf)
    for j in range(n):
        path[1 << j, j] = distance_NN[0, j + 1]
    for chosen in sets:
        for j in range(n):
            if chosen >> j & 1 and np.isfinite(path[chosen, j]):
                for k in range(n):
                    if not chosen >> k & 1:
                        longer = path[chosen, j] + distance_NN[j + 1, k + 1]
                        path[chosen | 1 << k, k] = min(path[chosen | 1 << k, k], longer)
    tour = (path + distance_NN[1:, 0]).min(1)
    load = [sum(demand_N[j + 1] for j in range(n) if chosen >> j & 1) for chosen in sets]
    best = [0.0] + [np.inf] * ((1 << n) - 1)
    for chosen in sets:
        part = chosen
        while part:
            if load[part] <= capacity:
                best[chosen] = min(best[chosen], best[chosen & ~part] + tour[part])
            part = (part - 1) & chosen
    return float(best[-1])

"""What each order-up-to level would serve of the demand on sample paths.

A period is the protection interval: stock is brought to the level before each demand, so a level y serves min(d, y).
Dimensions: S series, P paths, T periods, G levels tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, check, reject
from udfs.series.series_threads import over_series


@dataclass(frozen=True, slots=True)
class FillRateCurve:
    """Expected service of S series at G levels; all are concave in the level.

    level_SG: units, increasing along G. served_SG: units served over the T periods. share_SG: share of the units that
    are served, 0 on paths without a demand. demand_S: units demanded. sells_S: probability of any demand.
    """

    level_SG: FloatArray
    served_SG: FloatArray
    share_SG: FloatArray
    demand_S: FloatArray
    sells_S: FloatArray

    @classmethod
    def of(cls, path_SPT: FloatArray, level_SG: FloatArray) -> FillRateCurve:
        """Measure levels on paths of demand.

        Raises ValueError for paths or levels that are not finite and >= 0, levels that fall, or shapes of another S.
        """
        path_SPT = np.ascontiguousarray(path_SPT, dtype=np.float64)
        level_SG = np.ascontiguousarray(level_SG, dtype=np.float64)
        if path_SPT.ndim != 3 or level_SG.ndim != 2 or len(path_SPT) != len(level_SG):
            raise ValueError(f"expected paths (S, P, T) and levels (S, G), found {path_SPT.shape}, {level_SG.shape}")
        check("path_SPT", path_SPT, AT_LEAST_ZERO)
        check("level_SG", level_SG, AT_LEAST_ZERO)
        reject(
            np.asarray((np.diff(level_SG, axis=1) < 0.0).any(1)),
            lambda row: f"level_SG: expected levels that increase along G, found {level_SG[row]}",
        )
        served_SG, share_SG = np.zeros(level_SG.shape), np.zeros(level_SG.shape)
        demand_S, sells_S = np.zeros(len(level_SG)), np.zeros(len(level_SG))
        arrays = (path_SPT, level_SG, served_SG, share_SG, demand_S, sells_S)
        over_series(lambda lo, hi: _measure(*arrays, lo, hi), len(level_SG))
        return cls(level_SG, served_SG, share_SG, demand_S, sells_S)

    def fill_rate(self) -> FloatArray:
        """Expected units served over expected units demanded, [S, G]; 1 where nothing is demanded."""
        demand_S1 = self.demand_S[:, None]
        return np.where(demand_S1 > 0.0, self.served_SG / np.where(demand_S1 > 0.0, demand_S1, 1.0), 1.0)

    def value(self, unit_weight: float) -> FloatArray:
        """Each series' part in the assortment's fill rate, [S, G].

        unit_weight in [0, 1] weighs the fill rate of all units together (1) against the mean of the series' own fill
        rates over those that sell at all (0). The first is won with cheap units, the second with rare sellers.
        Raises ValueError for a weight out of range.
        """
        if not 0.0 <= unit_weight <= 1.0:
            raise ValueError(f"unit_weight: expected a share in [0, 1], found {unit_weight}")
        units_SG = self.served_SG / max(float(self.demand_S.sum()), np.finfo(float).tiny)
        series_SG = self.share_SG / max(float(self.sells_S.sum()), np.finfo(float).tiny)
        return unit_weight * units_SG + (1.0 - unit_weight) * series_SG


def level_grid(largest_S: FloatArray, n_levels: int = 64, reach: float = 4.0) -> FloatArray:
    """Whole levels from 0 to `reach` times the largest demand seen, [S, n_levels], denser where demand has been.

    Rows repeat levels where the largest demand is small.
    Raises ValueError for demand that is not finite and >= 0, fewer than 8 levels, or a reach below 1.
    """
    largest_S = np.asarray(largest_S, dtype=np.float64)
    check("largest_S", largest_S, AT_LEAST_ZERO)
    if not (8 <= n_levels < np.inf and n_levels % 1 == 0):
        raise ValueError(f"n_levels: expected a whole number >= 8, found {n_levels}")
    if not 1.0 <= reach < np.inf:
        raise ValueError(f"reach: expected a finite number >= 1, found {reach}")
    n_levels = int(n_levels)
    n_below = n_levels * 5 // 8
    below_G = np.linspace(0.0, 1.0, n_below, endpoint=False) ** 1.3
    share_G = np.concatenate([below_G, np.linspace(1.0, reach, n_levels - n_below)])
    level_SG: FloatArray = np.ceil(np.ceil(largest_S)[:, None] * share_G)
    return level_SG


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _measure(path_SPT, level_SG, served_SG, share_SG, demand_S, sells_S, lo, hi):  # type: ignore[no-untyped-def]
    n_paths = path_SPT.shape[1]
    served_G = np.empty(level_SG.shape[1])
    for s in range(lo, hi):
        for p in range(n_paths):
            total = 0.0
            served_G[:] = 0.0
            for d in path_SPT[s, p]:
                if d > 0.0:
                    total += d
                    for g in range(len(served_G)):
                        served_G[g] += min(d, level_SG[s, g])
            if total > 0.0:
                demand_S[s] += total / n_paths
                sells_S[s] += 1.0 / n_paths
                for g in range(len(served_G)):
                    served_SG[s, g] += served_G[g] / n_paths
                    share_SG[s, g] += served_G[g] / total / n_paths

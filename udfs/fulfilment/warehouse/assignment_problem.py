"""Quadratic assignment: facilities to locations at least flow times distance.

The cost of an assignment p is the sum over i, j of flow[i, j] distance[p(i), p(j)], and of linear[i, p(i)].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from udfs.fulfilment.warehouse.layout import FloatArray, IntArray

FREE = -1


@dataclass(frozen=True, eq=False)
class AssignmentProblem:
    """F facilities, L >= F locations. flow_FF, distance_LL: any finite numbers, neither need be symmetric. linear_FL:
    what a facility costs at a location by itself. fixed_F: the location where a facility stays, or FREE.

    Raises ValueError on shapes that do not go together, numbers that are not finite, and a location fixed twice.
    """

    flow_FF: FloatArray
    distance_LL: FloatArray
    linear_FL: FloatArray | None = None
    fixed_F: IntArray | None = None

    def __post_init__(self) -> None:
        n, m = len(self.flow_FF), len(self.distance_LL)
        if n > m:
            raise ValueError(f"distance_LL: expected at least {n} locations for {n} facilities, found {m}")
        shapes = {"flow_FF": (n, n), "distance_LL": (m, m), "linear_FL": (n, m), "fixed_F": (n,)}
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values is None:
                continue
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(f"{name}: expected finite numbers of shape {shape}, found {values.shape}")
        if self.fixed_F is not None:
            kept = self.fixed_F[self.fixed_F != FREE]
            if len(set(kept.tolist())) < len(kept) or (kept < 0).any() or (kept >= m).any():
                raise ValueError(
                    f"fixed_F: expected different locations from 0 to {m - 1}, found {sorted(kept.tolist())}"
                )

    def cost(self, location_F: IntArray) -> float:
        """The cost of an assignment."""
        total = (self.flow_FF * self.distance_LL[np.ix_(location_F, location_F)]).sum()
        if self.linear_FL is not None:
            total += self.linear_FL[np.arange(len(location_F)), location_F].sum()
        return float(total)


@dataclass(frozen=True)
class Assignment:
    """location_F: of each facility. cost: of the whole."""

    location_F: IntArray
    cost: float

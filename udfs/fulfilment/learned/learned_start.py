"""Routes of a learned policy for the solver to begin with, where a comparison on held-out days allows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from udfs.fulfilment.learned.attention_policy import AttentionPolicy
from udfs.fulfilment.learned.method_comparison import size_class
from udfs.fulfilment.learned.policy_rollout import best_routes
from udfs.fulfilment.learned.route_instances import RouteInstances
from udfs.fulfilment.routing.delivery_problem import DeliveryProblem, FloatArray
from udfs.fulfilment.routing.timetable import Trips

_LEAST = 1e-6


@dataclass(frozen=True)
class LearnedStart:
    """A policy, and the classes of sizes in which the solver is better from its routes."""

    policy: AttentionPolicy
    sizes: frozenset[int]

    @classmethod
    def of(cls, policies: pa.Table | None, methods: pa.Table | None) -> LearnedStart | None:
        """From rows of fulfilment.route_policy and .route_method; None where there is no policy, or no use for one.

        Of several policies the one of the latest run that compared it counts.
        """
        if policies is None or methods is None or not policies.num_rows:
            return None
        newest = max(policies.to_pylist(), key=lambda row: str(row["run_id"]))
        rows = [row for row in methods.to_pylist() if row["run_id"] == newest["run_id"]]
        sizes = frozenset(row["size_class"] for row in rows if row["is_used_as_start"])
        return cls(AttentionPolicy.from_bytes(newest["weights"]).eval(), sizes) if sizes else None

    def routes(
        self, problem: DeliveryProblem, depot: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
    ) -> list[tuple[int, Trips]]:
        """(vehicle type, trips) of all stops, which may be late for windows; none on a day unlike those compared.

        depot, rows: latitude and longitude of the depot and, in the order of the problem's stops, of the shipments.
        """
        n_stops = len(problem.stops)
        is_alike = len(problem.vehicles) == 1 and problem.vehicles[0].most_trips == 1 and len(problem.depots) == 1
        if not (is_alike and n_stops >= 2 and size_class(n_stops) in self.sizes and n_stops <= max(self.sizes)):
            return []
        capacity_K = np.array(problem.vehicles[0].capacity_K, dtype=np.float64)
        share_N = (problem.load_NK / capacity_K).max(1)
        if (share_N > 1.0).any():
            return []
        demand_N = np.concatenate([[0.0], share_N.clip(min=_LEAST)])
        place_N2 = _in_unit_square(np.array([(row["latitude"], row["longitude"]) for row in (depot, *rows)]))
        instances = RouteInstances(
            torch.from_numpy(place_N2).float()[None], torch.from_numpy(demand_N).float()[None], torch.ones(1)
        )
        found = best_routes(self.policy, instances)[1][0]
        return [(0, [[stop - 1 for stop in route]]) for route in found[: problem.vehicles[0].number]]


def _in_unit_square(degrees_N2: FloatArray) -> FloatArray:
    """Latitude and longitude as places on a map whose longer side is 1."""
    north_N, east_N = degrees_N2.T
    flat_N2 = np.stack([east_N * np.cos(np.radians(north_N.mean())), north_N], 1)
    flat_N2 -= flat_N2.min(0)
    found: FloatArray = flat_N2 / max(float(flat_N2.max()), 1e-9)
    return found

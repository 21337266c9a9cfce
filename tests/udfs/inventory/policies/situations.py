"""Situations of a few series with demand that can be reckoned by hand."""

from __future__ import annotations

import numpy as np

from udfs.inventory.demand_paths import DemandPaths
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.policies.situation import Situation
from udfs.inventory.supply import SupplyTerms


def situation(
    path_SNH: np.ndarray, spec: InventorySpec | None = None, unit_price: float = 4.0, **terms: float
) -> Situation:
    """Series with the given paths; terms that are not named: 2 days of lead time, unit cost 3, nothing else."""
    n_series = len(path_SNH)
    values = {
        "lead_time_days": 2.0,
        "review_days": 1.0,
        "moq_qty": 0.0,
        "pack_qty": 1.0,
        "unit_cost": 3.0,
        "order_cost": 0.0,
        "holding_cost_rate": 0.25,
        "service_level": 0.9,
        **terms,
    }
    paths = DemandPaths(path_SNH, path_SNH.mean(1))
    return Situation.of(
        paths,
        path_SNH.std(1),
        SupplyTerms(**{name: np.full(n_series, value) for name, value in values.items()}),
        np.full(n_series, unit_price),
        spec or InventorySpec(n_paths=path_SNH.shape[1], tuning_paths=path_SNH.shape[1]),
    )


def steady(mean: float, n_series: int = 1, n_paths: int = 2, n_days: int = 14) -> np.ndarray:
    """The same demand every day on every path."""
    return np.full((n_series, n_paths, n_days), mean)

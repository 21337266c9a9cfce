"""The terms on which a series is supplied, and the check that finds the series whose terms make no sense."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from udfs.inventory.demand_distribution import BoolArray, FloatArray

DAYS_PER_YEAR: Final = 365.0
MOST: Final = 1e12  # units or currency; what is more is a unit error, and sums of it would lose single units
MAX_PROTECTION_DAYS: Final = 730  # a longer wait is a unit error (hours for days) rather than a supplier


@dataclass(frozen=True, slots=True)
class SupplyTerms:
    """Supply terms of S series, float64 [S] each. `find_bad_terms` tells which rows can be planned with.

    lead_time_days: order to receipt, whole days. review_days: from one order opportunity to the next, whole days.
    moq_qty: least order in units. pack_qty: units per pack. unit_cost: currency per unit, NaN if unknown.
    order_cost: currency per order. holding_cost_rate: share of the unit cost per year. service_level: the
    probability of no stockout in an order cycle.
    """

    lead_time_days: FloatArray
    review_days: FloatArray
    moq_qty: FloatArray
    pack_qty: FloatArray
    unit_cost: FloatArray
    order_cost: FloatArray
    holding_cost_rate: FloatArray
    service_level: FloatArray

    def __post_init__(self) -> None:
        shapes = {field.name: np.shape(getattr(self, field.name)) for field in fields(self)}
        if len(set(shapes.values())) != 1 or len(shapes["lead_time_days"]) != 1:
            raise ValueError(f"SupplyTerms: expected one shape [S] for all, found {shapes}")

    def take(self, rows: np.ndarray) -> SupplyTerms:
        """The terms of the given rows (a mask or indices)."""
        return SupplyTerms(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def find_bad_terms(terms: SupplyTerms) -> dict[int, str]:
    """Row -> what is wrong with its terms, in words; a row that can be planned with is absent.

    One wrong supplier row must not stop the bucket it travels in, so this reports and does not raise.
    """
    problems: dict[int, list[str]] = {}
    for name, is_good, expected in _RULES:
        values = getattr(terms, name)
        for row in np.flatnonzero(~is_good(values)):
            problems.setdefault(int(row), []).append(f"{name}: expected {expected}, found {values[row]:g}")
    protection = terms.lead_time_days + terms.review_days
    for row in np.flatnonzero(np.isfinite(protection) & (protection > MAX_PROTECTION_DAYS)):
        problems.setdefault(int(row), []).append(
            f"lead_time_days + review_days: expected at most {MAX_PROTECTION_DAYS}, found {protection[row]:g}"
        )
    return {row: "; ".join(found) + "; correct the supply feed" for row, found in sorted(problems.items())}


def _is_whole(values: FloatArray) -> BoolArray:
    return np.isfinite(values) & (values == np.floor(values))


def _is_cost(values: FloatArray) -> BoolArray:
    return np.isfinite(values) & (values >= 0.0) & (values <= MOST)


_RULES: Final[tuple[tuple[str, Callable[[FloatArray], BoolArray], str], ...]] = (
    ("lead_time_days", lambda v: _is_whole(v) & (v >= 0.0), "whole days >= 0"),
    ("review_days", lambda v: _is_whole(v) & (v >= 1.0), "whole days >= 1"),
    ("moq_qty", _is_cost, f"units from 0 to {MOST:g}"),
    ("pack_qty", lambda v: _is_cost(v) & (v > 0.0), "units > 0"),
    ("unit_cost", lambda v: np.isnan(v) | _is_cost(v), f"currency per unit from 0 to {MOST:g}"),
    ("order_cost", _is_cost, f"currency per order from 0 to {MOST:g}"),
    ("holding_cost_rate", _is_cost, "a share per year >= 0"),
    ("service_level", lambda v: (v > 0.0) & (v < 1.0), "a probability strictly between 0 and 1"),
)

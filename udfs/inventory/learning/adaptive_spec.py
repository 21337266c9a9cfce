"""What a learner of base-stock levels and order caps is told before it starts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from udfs.inventory.demand_distribution import FloatArray

STEP_RULES: Final = ("adagrad", "sgd")
_MAX_LEAD_TIME: Final = 730


@dataclass(frozen=True)
class AdaptiveSpec:
    """How S series learn; numbers hold for all series.

    Start high: twice the demand of L + 1 periods as a level and of one period as a cap were unlearned soonest. A cap
    that no order reaches is not moved, so that from a low level the cap is learned last; and a level that no position
    reaches is not moved either, so that from a level of many times that demand only the cap is learned, and the policy
    ends as a constant order. Without a cap any level will do as a start.

    Attributes:
        initial_level_S: position to order up to before anything is known, units > 0, [S].
        initial_cap_S: greatest order before anything is known, units > 0, [S]. inf orders without a cap and learns
            none: plain base stock.
        holding_cost_S, shortage_cost_S: currency per unit left and per unit of demand lost, > 0, [S].
        lead_time_S: whole periods from order to receipt, 0 to 730, [S].
        step_rule: "adagrad" divides by the root of the sum of squared gradients, "sgd" by the root of the number of
            periods and by the shortage cost.
        step: length of the first step, as a share of the initial level (or cap), > 0. The default was chosen for
            "adagrad" on demand of other means than the tests'; "sgd" does well with .5 to 1.

    Raises:
        ValueError: a value out of range, or arrays of different lengths.
    """

    initial_level_S: Any
    initial_cap_S: Any
    holding_cost_S: Any
    shortage_cost_S: Any
    lead_time_S: Any
    step_rule: str = "adagrad"
    step: float = 0.25

    def __post_init__(self) -> None:
        if self.step_rule not in STEP_RULES:
            raise ValueError(f"step_rule: expected one of {STEP_RULES}, found {self.step_rule!r}")
        if not (np.isfinite(self.step) and self.step > 0.0):
            raise ValueError(f"step: expected a share > 0, found {self.step}")
        names = [field.name for field in fields(self) if field.name.endswith("_S")]
        arrays = {name: np.atleast_1d(np.asarray(getattr(self, name), dtype=np.float64)) for name in names}
        lengths = {len(values) for values in arrays.values()} - {1}
        if len(lengths) > 1 or any(values.ndim != 1 for values in arrays.values()):
            raise ValueError(f"AdaptiveSpec: expected numbers or arrays of one shape [S], found lengths {lengths}")
        for name, values in arrays.items():
            object.__setattr__(self, name, np.array(np.broadcast_to(values, (max(lengths, default=1),))))
            _check_column(name, values)

    @property
    def n_series(self) -> int:
        """S."""
        return len(self.lead_time_S)


def _check_column(name: str, values: FloatArray) -> None:
    is_good, expected = np.isfinite(values) & (values > 0.0), "a finite number > 0"
    if name == "initial_cap_S":
        is_good, expected = values > 0.0, "units > 0, or inf for no cap"
    if name == "lead_time_S":
        is_good = (values >= 0.0) & (values <= _MAX_LEAD_TIME) & (values == np.floor(values))
        expected = f"whole periods from 0 to {_MAX_LEAD_TIME}"
    rows = np.flatnonzero(~is_good)
    if rows.size:
        raise ValueError(f"{name}: expected {expected}, found {values[rows[0]]:g} in row {rows[0]}")

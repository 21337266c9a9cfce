"""Capacitated lot sizing with set-up times over a bill of materials: what is to be made, on what, and when.

I items, T periods, R resources. Each item is made on one resource or none (-1: bought, or made without limit).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from udfs.supply_network.production.bill_of_materials import FloatArray, Need, exploded, in_order, needs_matrix

IntArray = NDArray[np.int64]
OWN_DEMAND = " (sold as it is)"


@dataclass(frozen=True, eq=False)
class LotProblem:
    """Items in an order in which products come before their components; only items of no product have own demand.

    demand_IT: units wanted by the end of each period. unit_time_I, setup_time_I: hours; setup_cost_I per set-up;
    holding_cost_I: per unit and period in stock; late_cost_I: per unit and period late; stock_I: units at the start.
    resource_I: row of capacity_RT (hours), overtime_RT (further hours) and overtime_cost_R (per hour). needs_II: units
    of the column's item in one of the row's.
    """

    item_I: tuple[str, ...]
    demand_IT: FloatArray
    unit_time_I: FloatArray
    setup_time_I: FloatArray
    setup_cost_I: FloatArray
    holding_cost_I: FloatArray
    late_cost_I: FloatArray
    stock_I: FloatArray
    resource_I: IntArray
    resource_R: tuple[str, ...]
    capacity_RT: FloatArray
    overtime_RT: FloatArray
    overtime_cost_R: FloatArray
    needs_II: FloatArray

    def __post_init__(self) -> None:
        n, periods = self.demand_IT.shape
        for name in ("unit_time_I", "setup_time_I", "setup_cost_I", "holding_cost_I", "late_cost_I", "stock_I"):
            _check(name, getattr(self, name), (n,), self.item_I)
        _check("demand_IT", self.demand_IT, (n, periods), self.item_I)
        for name in ("capacity_RT", "overtime_RT"):
            _check(name, getattr(self, name), (len(self.resource_R), periods), self.resource_R)
        _check("overtime_cost_R", self.overtime_cost_R, (len(self.resource_R),), self.resource_R)
        is_unknown_I = (self.resource_I < -1) | (self.resource_I >= len(self.resource_R))
        if is_unknown_I.any():
            raise ValueError(
                f"resource_I: expected -1 to {len(self.resource_R) - 1}, found "
                f"{self.resource_I[is_unknown_I][0]} for {self.item_I[int(is_unknown_I.argmax())]}"
            )

    @property
    def echelon_holding(self) -> FloatArray:
        """What a unit's stay costs more than that of its components."""
        return np.maximum(self.holding_cost_I - self.needs_II @ self.holding_cost_I, 0.0)

    @property
    def is_component(self) -> NDArray[np.bool_]:
        return np.asarray(self.needs_II.any(axis=0), dtype=bool)

    def net_echelon_demand(self) -> FloatArray:
        """[I, T] demand for an item on its own and in all products, less what there is of it, in whatever form."""
        total_IT = exploded(self.demand_IT, self.needs_II)
        stock_I1 = exploded(self.stock_I[:, None], self.needs_II)
        left_IT = np.maximum(np.cumsum(total_IT, axis=1) - stock_I1, 0.0)
        return np.diff(left_IT, axis=1, prepend=0.0)

    def without_limits(self) -> LotProblem:
        """The same with all the capacity that anybody could ask for."""
        return replace(self, resource_I=np.full_like(self.resource_I, -1))


def lot_problem(
    items: Sequence[str],
    demand_IT: FloatArray,
    needs: Sequence[Need],
    terms: dict[str, FloatArray],
    **resources: object,
) -> LotProblem:
    """A problem of items in any order. A component that is also sold gets an item beside it, ending in `OWN_DEMAND`.

    terms: by the names of `LotProblem`, [I] each, with resource_I; resources: its fields of resources.
    Raises ValueError as `in_order` and `LotProblem` do, and for an item of the bill that is not among `items`.
    """
    known, parts = set(items), {need.component for need in needs}
    if unknown := sorted({name for need in needs for name in (need.product, need.component)} - known):
        raise ValueError(f"bom: expected items that have a row of terms, found none for {', '.join(unknown[:5])}")
    row_of = {item: row for row, item in enumerate(items)}
    sold_parts = [item for item in items if item in parts and demand_IT[row_of[item]].any()]
    every = [*needs, *(Need(item + OWN_DEMAND, item, 1.0) for item in sold_parts)]
    order = in_order(every, [*items, *(item + OWN_DEMAND for item in sold_parts)])
    base = [row_of[item.removesuffix(OWN_DEMAND)] for item in order]
    is_own = np.array([item.endswith(OWN_DEMAND) for item in order])
    sells = np.array([item not in sold_parts for item in order])
    values = {name: np.asarray(value)[base] for name, value in terms.items()}
    for name in ("unit_time_I", "setup_time_I", "setup_cost_I", "stock_I"):
        values[name] = np.where(is_own, 0.0, values[name])
    values["resource_I"] = np.where(is_own, -1, values["resource_I"]).astype(np.int64)
    demand = np.asarray(demand_IT, float)[base] * sells[:, None]
    return LotProblem(tuple(order), demand, needs_II=needs_matrix(every, order), **values, **resources)  # type: ignore[arg-type]


def _check(name: str, value: FloatArray, shape: tuple[int, ...], names: Sequence[str]) -> None:
    if value.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, found {value.shape}")
    bad = ~(np.isfinite(value) & (value >= 0.0))
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        raise ValueError(f"{name}: expected finite numbers >= 0, found {value[bad][0]:g} for {names[row]}")

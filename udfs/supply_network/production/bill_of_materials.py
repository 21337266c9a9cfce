"""Bills of materials: what each product needs of its components, in an order in which products come first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Need:
    """`qty` units of the component in one unit of the product."""

    product: str
    component: str
    qty: float


def in_order(needs: Iterable[Need], items: Iterable[str] = ()) -> list[str]:
    """All items, each product before its components, by name where the bill leaves it open.

    Raises ValueError with the loop where an item is a part of itself, and for a quantity that is not > 0.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(sorted(items), ()))
    for need in sorted(needs, key=lambda each: (each.product, each.component)):
        if not 0.0 < need.qty < np.inf:
            raise ValueError(
                f"bom: expected a quantity > 0 of {need.component} in {need.product}, found {need.qty:g}; "
                "correct the row"
            )
        sorter.add(need.component, need.product)
    try:
        return list(sorter.static_order())
    except CycleError as error:
        loop = " > ".join(error.args[1])
        raise ValueError(
            f"bom: an item is a part of itself: {loop} (each goes into the next). "
            "Take one of these rows out of the feed"
        ) from None


def needs_matrix(needs: Sequence[Need], items: Sequence[str]) -> FloatArray:
    """(I, I) units of the column's item in one of the row's. Rows of one pair add up."""
    index = {item: row for row, item in enumerate(items)}
    matrix_II = np.zeros((len(items), len(items)))
    for need in needs:
        matrix_II[index[need.product], index[need.component]] += need.qty
    return matrix_II


def exploded(own_IT: FloatArray, needs_II: FloatArray) -> FloatArray:
    """Own demand and that of all products which an item goes into, however far up; items in the order of `in_order`."""
    total_IT = own_IT.astype(float).copy()
    for product in range(len(total_IT)):
        components = np.flatnonzero(needs_II[product])
        total_IT[components] += needs_II[product, components][:, None] * total_IT[product]
    return total_IT

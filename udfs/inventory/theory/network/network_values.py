"""The check of a network's parameters: one message that names the argument, the rule and the first bad entry."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray

_RULES: Final = {
    "positive": ("a finite number > 0", lambda v: np.isfinite(v) & (v > 0.0)),
    "not_negative": ("a finite number >= 0", lambda v: np.isfinite(v) & (v >= 0.0)),
    "not_negative_or_inf": ("a number >= 0, or inf", lambda v: v >= 0.0),
    "whole": ("a whole number >= 0", lambda v: np.isfinite(v) & (v >= 0.0) & (v == np.floor(v))),
    "whole_or_inf": ("a whole number >= 0, or inf", lambda v: (v >= 0.0) & (v == np.floor(v))),
}


def checked(name: str, values: ArrayLike, shape: tuple[int, ...], rule: str) -> FloatArray:
    """`values` as new float64 of `shape`, numbers and shorter shapes broadcast to it.

    rule: "positive", "not_negative", "not_negative_or_inf", "whole" or "whole_or_inf".
    Raises ValueError where the values do not fit the shape, or naming the first entry that breaks the rule.
    """
    given = np.asarray(values, dtype=np.float64)
    try:
        array = np.array(np.broadcast_to(given, shape), order="C")  # one layout, so that kernels are compiled once
    except ValueError:
        raise ValueError(f"{name}: expected a shape that fits {shape}, found {given.shape}") from None
    expected, is_good = _RULES[rule]
    with np.errstate(invalid="ignore"):
        bad = np.argwhere(~is_good(array))
    if bad.size:
        first = tuple(int(k) for k in bad[0])
        raise ValueError(f"{name}: expected {expected}, found {array[first]:g} at {list(first)}")
    return array


def common_shape(arrays: dict[str, ArrayLike], n_dimensions: int) -> tuple[int, ...]:
    """The shape that all arrays broadcast to, at least `n_dimensions` long; ValueError with the shapes if none."""
    shapes = {name: np.shape(values) for name, values in arrays.items()}
    try:
        return np.broadcast_shapes(*shapes.values(), (1,) * n_dimensions)
    except ValueError:
        raise ValueError(f"expected shapes that broadcast to one another, found {shapes}") from None

"""Parameters of a batch of series: checked, as float64, and of one length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Rule:
    """What a parameter must be: in words, and as a test of each element."""

    expected: str
    is_good: Callable[[FloatArray], BoolArray]


POSITIVE: Final = Rule("a finite number > 0", lambda v: np.isfinite(v) & (v > 0.0))
AT_LEAST_ZERO: Final = Rule("a finite number >= 0", lambda v: np.isfinite(v) & (v >= 0.0))
FINITE: Final = Rule("a finite number", lambda v: np.isfinite(v))
PROBABILITY: Final = Rule("a probability strictly between 0 and 1", lambda v: (v > 0.0) & (v < 1.0))
WHOLE: Final = Rule("a whole number >= 0", lambda v: np.isfinite(v) & (v >= 0.0) & (v == np.floor(v)))
WHOLE_POSITIVE: Final = Rule("a whole number >= 1", lambda v: np.isfinite(v) & (v >= 1.0) & (v == np.floor(v)))


def per_series(**given: tuple[ArrayLike, Rule]) -> list[FloatArray]:
    """Check each parameter and return them in the order given, float64 [S] each; numbers hold for all series.

    Where all are numbers, S is 1.

    Raises:
        ValueError: an element that breaks its rule (the first such row is named), more than one dimension, or
            arrays of different lengths.
    """
    columns = {name: np.atleast_1d(np.asarray(values, dtype=np.float64)) for name, (values, _) in given.items()}
    for name, column in columns.items():
        if column.ndim != 1:
            raise ValueError(f"{name}: expected a number or [S], found shape {column.shape}")
        check(name, column, given[name][1])
    return _of_one_length(columns)


def per_period(n_series: int, n_periods: int, **given: tuple[ArrayLike, Rule]) -> list[FloatArray]:
    """Check each parameter and return them, float64 [S, T] each; given as a number, [S], [S, T], or [T] where S is 1.

    Raises:
        ValueError: an element that breaks its rule, or a shape that is none of these.
    """
    tables = []
    for name, (values, rule) in given.items():
        table = np.asarray(values, dtype=np.float64)
        check(name, table, rule)
        if table.shape == (n_series,):
            table = table[:, None]
        elif n_series == 1 and table.shape == (n_periods,):
            table = table[None, :]
        if table.shape not in ((), (n_series, 1), (n_series, n_periods)):
            raise ValueError(
                f"{name}: expected a number, [{n_series}] or [{n_series}, {n_periods}], found shape {table.shape}"
            )
        tables.append(_copy(table, (n_series, n_periods)))
    return tables


def check(name: str, values: FloatArray, rule: Rule) -> None:
    """Raise ValueError that names the first element of `values` (any shape) that breaks the rule."""
    bad = np.argwhere(~np.atleast_1d(rule.is_good(values)))
    if bad.size:
        place = f"row {bad[0][0]}" + (f", column {', '.join(map(str, bad[0][1:]))}" if len(bad[0]) > 1 else "")
        found = np.atleast_1d(values)[tuple(bad[0])]
        raise ValueError(f"{name}: expected {rule.expected}, found {found:g} in {place}")


def reject(is_bad_S: BoolArray, message: Callable[[int], str]) -> None:
    """Raise ValueError with the message of the first bad row, for rules between several parameters."""
    bad = np.flatnonzero(is_bad_S)
    if bad.size:
        raise ValueError(f"{message(int(bad[0]))} in row {bad[0]}")


def _of_one_length(columns: dict[str, FloatArray]) -> list[FloatArray]:
    lengths = {name: column.shape[0] for name, column in columns.items() if column.shape[0] != 1}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"expected numbers or arrays of one length [S], found lengths {lengths}")
    n_series = next(iter(lengths.values()), 1)
    return [_copy(column, (n_series,)) for column in columns.values()]


def _copy(values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """The values in the given shape, one after the other and writable.

    A view would be read-only where nothing is broadcast: another type to a compiled kernel, which would be compiled
    anew for each mix of them.
    """
    return np.array(np.broadcast_to(values, shape), order="C")

"""Which part of a difference each cause bears, where what a cause does depends on the others.

Exchanging one cause after the other gives parts that sum to the whole, but other parts in another order. The Shapley
value is the mean over all orders: the one rule by which parts sum to the whole, a cause that never matters bears
nothing, and causes that do the same bear the same. It takes a value for each set of causes, 2^n of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Final

MOST_CAUSES: Final = 10
"""Beyond them the sets are too many to try each."""
_GRAIN: Final = 2.0**-20
"""Parts are rounded to it, so that all but one add up without rounding."""


def shapley(
    causes: Sequence[str], value: Callable[[frozenset[str]], Sequence[float]]
) -> dict[str, tuple[Fraction, ...]]:
    """The exact part of each cause in each of the numbers that `value` gives for a set of exchanged causes.

    The parts of a number sum to its value at all causes less its value at none, exactly.

    >>> parts = shapley(["a", "b"], lambda known: [10.0 if len(known) == 2 else 0.0])
    >>> [float(part) for (part,) in parts.values()]
    [5.0, 5.0]

    Raises:
        ValueError: more than `MOST_CAUSES` causes.
    """
    n = len(causes)
    if n > MOST_CAUSES:
        raise ValueError(f"expected at most {MOST_CAUSES} causes, found {n}; join some")
    sets = [frozenset(chosen) for size in range(n + 1) for chosen in combinations(causes, size)]
    found = {known: [Fraction(number) for number in value(known)] for known in sets}
    parts = {}
    for cause in causes:
        total = [Fraction(0)] * len(found[frozenset()])
        for known in (each for each in sets if cause not in each):
            weight = Fraction(math.factorial(len(known)) * math.factorial(n - len(known) - 1), math.factorial(n))
            gains = zip(found[known | {cause}], found[known], strict=True)
            total = [sum_ + weight * (after - before) for sum_, (after, before) in zip(total, gains, strict=True)]
        parts[cause] = tuple(total)
    return parts


def in_floats(parts: Mapping[str, Fraction], whole: float) -> dict[str, float]:
    """The parts as floats that sum to `whole`: the largest bears the rounding of the others.

    Where no part is larger than the whole, `math.fsum` of them is the whole; where large parts cancel, it is as near as
    floats of their size can be.
    """
    if not parts:
        return {}
    rounded = {name: float(round(part / Fraction(_GRAIN)) * Fraction(_GRAIN)) for name, part in parts.items()}
    largest = max(rounded, key=lambda name: abs(parts[name]))
    others = sum((Fraction(value) for name, value in rounded.items() if name != largest), Fraction(0))
    return rounded | {largest: float(Fraction(whole) - others)}

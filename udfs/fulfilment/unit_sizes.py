"""Whether litres and kilograms of units can be what they are said to be."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

_LIGHTEST, _HEAVIEST = 0.02, 1.3  # kilograms a litre of a whole assortment: crisps in bags, and more than water
_FEWEST = 3


def size_fault(litres_N: ArrayLike, kg_N: ArrayLike) -> str | None:
    """What is odd about the articles that state both, in words; None where nothing is, or too few do (nan: unstated).

    Pounds read as kilograms make an assortment 2.2 times as dense, which only one of dense goods shows.
    """
    litres, kg = np.asarray(litres_N, dtype=np.float64), np.asarray(kg_N, dtype=np.float64)
    is_known = (litres > 0.0) & (kg > 0.0)
    if is_known.sum() < _FEWEST:
        return None
    density = float(np.median(kg[is_known] / litres[is_known]))
    words = f"half of the articles weigh {density:,.3g} kg a litre or more"
    if density > _HEAVIEST:
        return f"{words}, more than water does: is unit_kg in pounds or grams, or unit_litres in gallons?"
    if density < _LIGHTEST:
        return f"{words.replace('more', 'less')}: is unit_litres in millilitres?"
    return None

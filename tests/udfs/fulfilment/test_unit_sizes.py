"""Units of size that cannot be meant are asked about."""

from __future__ import annotations

import numpy as np

from udfs.fulfilment.unit_sizes import size_fault

LITRES = np.array([0.5, 1.0, 2.0, 0.7, np.nan])
KG = np.array([0.4, 0.7, 1.6, 0.6, 3.0])


def test_usual_goods_are_fine_and_few_say_nothing() -> None:
    assert size_fault(LITRES, KG) is None
    assert size_fault(LITRES[:2], 100 * KG[:2]) is None
    assert size_fault([np.nan] * 9, [np.nan] * 9) is None


def test_pounds_grams_and_millilitres_are_asked_about() -> None:
    assert "pounds" in str(size_fault(LITRES, 2.2046 * KG))
    assert "grams" in str(size_fault(LITRES, 1000 * KG))
    assert "millilitres" in str(size_fault(1000 * LITRES, KG))

"""A delivery problem says what is wrong with it before anybody searches, and rounds by rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.udfs.fulfilment.routing.days import day, van
from udfs.fulfilment.routing.delivery_problem import whole_loads, whole_metres, whole_seconds


def test_loads_round_up_and_ways_to_the_nearest() -> None:
    assert whole_loads([0.0, 0.0004, 1.2], 1000).tolist() == [0, 1, 1200]
    assert whole_loads([0.1 + 0.2], 10).tolist() == [3], "what binary fractions add is no load"
    assert whole_metres([10.7, 0.4994], 1000).tolist() == [10_700, 499], "kilometres are not cut to whole ones"
    assert whole_seconds([10.7]).tolist() == [11]


@pytest.mark.parametrize("amount", [np.nan, -1.0, np.inf])
def test_no_amount_that_is_none(amount: float) -> None:
    for rounded in (whole_loads, whole_metres, whole_seconds):
        with pytest.raises(ValueError, match="expected finite numbers >= 0, found"):
            rounded([1.0, amount])


def changed(name: str, at: Any, value: Any) -> dict[str, Any]:
    array = getattr(day(4), name).copy()
    array[at] = value
    return {name: array}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (changed("metres_PP", (0, 1), -5), "metres_PP: expected numbers >= 0, found -5 for place 0"),
        (changed("seconds_PP", (2, 2), 9), "seconds_PP: expected 0 from a place to itself, found 9 for place 2"),
        ({"metres_PP": day(4).metres_PP / 1000.0}, "metres_PP: expected whole numbers, found float64"),
        ({"seconds_PP": day(3).seconds_PP}, r"seconds_PP: expected shape \(5, 5\), found \(4, 4\)"),
        (changed("load_NK", (1, 0), -1), "load_NK: expected numbers >= 0, found -1 for s1"),
        (changed("window_N2", (2, 1), 0), "window_N2: expected an end after the start.*for s2; add 86,400"),
        (changed("prize_N", 0, np.nan), "prize_N: expected 4 amounts"),
        (changed("place_N", 3, 9), "place_N: expected rows of the matrices, 0 to 4, found 9"),
        ({"stops": ("a", "b", "a", "c")}, "stops: expected each name once, found a twice"),
        ({"vehicles": (van(depot=1),)}, "vehicle type van: expected a depot of 0 to 0"),
        ({"vehicles": (van(capacity_K=(1,)),)}, "2 capacities, found depot 0 and 1"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        day(4, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"number": -1},
        {"capacity_K": (1.5, 2)},
        {"fixed_cost": float("nan")},
        {"km_cost": -0.1},
        {"shift_s": (7200, 3600)},
        {"break_s": 20 * 3600},
        {"most_trips": 0},
    ],
)
def test_no_vehicle_that_is_none(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"vehicle type van: {next(iter(changes))}: expected"):
        van(**changes)

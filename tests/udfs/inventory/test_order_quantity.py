import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.inventory.order_quantity import inventory_position, round_order


@given(
    raw=st.integers(0, 300).map(lambda n: n / 4),
    moq=st.integers(0, 120).map(lambda n: n / 2),
    pack=st.integers(1, 96).map(lambda n: n / 4),
)
def test_order_is_the_least_number_of_packs_that_serves_need_and_minimum(raw: float, moq: float, pack: float) -> None:
    expected = 0.0
    if raw > 0:
        expected = pack
        while expected < raw or expected < moq:
            expected += pack
    assert round_order(np.array([raw]), np.array([moq]), np.array([pack]))[0] == expected


def test_rounding_error_buys_no_further_pack() -> None:
    raw = np.array([0.1 + 0.2, 5.0 - 4.1 - 0.9, 12.0 + 1e-12])
    assert raw[1] > 0.0 or raw[1] == 0.0
    assert round_order(raw * np.array([10, 1, 1]), np.zeros(3), np.array([3.0, 1.0, 6.0])).tolist() == [3.0, 0.0, 12.0]


def test_position_counts_backorders_once() -> None:
    on_hand, on_order = np.array([10.0, -3.0]), np.array([4.0, 2.0])
    assert inventory_position(on_hand, on_order, np.array([5.0, 0.0])).tolist() == [9.0, -1.0]


def test_a_position_of_unknown_stock_is_unknown() -> None:
    assert np.isnan(inventory_position(np.array([np.nan, 1.0]), np.zeros(2))).tolist() == [True, False]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pack_S", -0.5, "pack_S: expected a finite number > 0, found -0.5 in row 1"),
        ("pack_S", 0.0, "pack_S: expected a finite number > 0, found 0 in row 1"),
        ("moq_S", -1.0, "moq_S: expected a finite number >= 0, found -1 in row 1"),
        ("moq_S", np.nan, "moq_S: expected a finite number >= 0, found nan in row 1"),
        ("raw_S", np.nan, "raw_S: expected a finite number, found nan in row 1"),
    ],
)
def test_quantities_that_make_no_sense(name: str, value: float, message: str) -> None:
    given_S = {key: np.array([2.0, 2.0]) for key in ("raw_S", "moq_S", "pack_S")}
    given_S[name] = np.array([2.0, value])
    with pytest.raises(ValueError, match=re.escape(message)):
        round_order(**given_S)

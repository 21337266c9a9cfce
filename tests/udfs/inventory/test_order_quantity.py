import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from udfs.inventory.order_quantity import inventory_position, round_order


@given(
    raw=st.integers(0, 300).map(lambda n: n / 4),
    moq=st.integers(0, 120).map(lambda n: n / 2),
    pack=st.integers(1, 24),
)
def test_order_is_the_least_number_of_packs_that_serves_need_and_minimum(raw: float, moq: float, pack: int) -> None:
    expected = 0
    if raw > 0:
        expected = pack
        while expected < raw or expected < moq:
            expected += pack
    assert round_order(np.array([raw]), np.array([moq]), np.array([float(pack)]))[0] == expected


def test_rounding_error_buys_no_further_pack() -> None:
    raw = np.array([0.1 + 0.2, 5.0 - 4.1 - 0.9, 12.0 + 1e-12])
    assert raw[1] > 0.0 or raw[1] == 0.0
    assert round_order(raw * np.array([10, 1, 1]), np.zeros(3), np.array([3.0, 1.0, 6.0])).tolist() == [3.0, 0.0, 12.0]


def test_position_counts_backorders_once() -> None:
    on_hand, on_order = np.array([10.0, -3.0]), np.array([4.0, 2.0])
    assert inventory_position(on_hand, on_order, np.array([5.0, 0.0])).tolist() == [9.0, -1.0]

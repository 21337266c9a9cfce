import pytest

from udfs.inventory.orders.order_words import money, order_head, plural, units


@pytest.mark.parametrize(
    ("amount", "words"), [(0.0, "0.00"), (3.14159, "3.14"), (-2.5, "-2.50"), (0.0123, "0.012"), (-0.0123, "-0.012")]
)
def test_small_amounts_keep_two_digits(amount: float, words: str) -> None:
    assert money(amount) == words


@pytest.mark.parametrize(("quantity", "words"), [(0.0, "0"), (0.01, "under 0.1"), (3.04, "3"), (3.06, "3.1")])
def test_units(quantity: float, words: str) -> None:
    assert units(quantity) == words


def test_what_is_ordered() -> None:
    assert order_head(0.0, 6.0) == "No order"
    assert order_head(7.0, 1.0) == "Order 7"
    assert order_head(6.0, 6.0) == "Order 6 (1 pack of 6)"
    assert order_head(24.0, 12.0) == "Order 24 (2 packs of 12)"
    assert plural(0, "day") == "days"

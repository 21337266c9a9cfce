import numpy as np
import pytest

from udfs.inventory.orders.order_terms import OrderTerms


def test_the_newsvendors_two_costs() -> None:
    terms = OrderTerms(
        unit_price=5.0, unit_cost=3.0, holding_cost=0.1, holding_periods=4.0, carry_value=1.0, shortage_cost=0.5
    )
    assert terms.underage() == pytest.approx(5.0 + 0.5 - 3.0)
    assert terms.overage() == pytest.approx(3.0 - 1.0 + 0.4)


def test_what_is_left_over_is_still_stock_by_default() -> None:
    assert OrderTerms(unit_price=5.0, unit_cost=3.0, holding_cost=0.1, holding_periods=4.0).overage() == pytest.approx(
        0.4
    )


def test_the_least_order_is_the_minimum_in_whole_packs() -> None:
    terms = OrderTerms(unit_price=5.0, unit_cost=3.0, moq=np.array([0.0, 10.0, 12.0]), pack=6.0)
    assert terms.least_order().tolist() == [6.0, 12.0, 12.0]


@pytest.mark.parametrize(
    ("name", "bad", "words"),
    [
        ("unit_price", [1.0, -1.0], "unit_price: expected a finite number >= 0, found -1 in row 1"),
        ("unit_cost", np.nan, "unit_cost: expected a finite number >= 0, found nan in row 0"),
        ("holding_cost", -0.5, "holding_cost"),
        ("holding_periods", np.inf, "holding_periods"),
        ("carry_value", np.nan, "carry_value: expected a finite number"),
        ("shortage_cost", -1.0, "shortage_cost"),
        ("order_cost", np.inf, "order_cost"),
        ("moq", -1.0, "moq"),
        ("pack", [1.0, 0.0], r"pack: expected units > 0, found 0 in row 1"),
        ("pack", 0.0, "pack"),
        ("most_qty", np.nan, "most_qty: expected units >= 0, inf for no limit, found nan"),
        ("backorder_share", 1.1, r"backorder_share: expected a share in \[0, 1\], found 1.1"),
    ],
)
def test_a_bad_value_is_named(name: str, bad: object, words: str) -> None:
    values = {"unit_price": 2.0, "unit_cost": 1.0, name: np.asarray(bad)}
    with pytest.raises(ValueError, match=words):
        OrderTerms(**values)  # type: ignore[arg-type]


def test_a_unit_left_over_may_not_be_worth_more_than_it_costs() -> None:
    with pytest.raises(ValueError, match=r"carry_value: expected at most unit_cost .* of -0.5 in row 1"):
        OrderTerms(unit_price=3.0, unit_cost=1.0, carry_value=np.array([1.0, 1.5]))


@pytest.mark.parametrize("unit_cost", [np.ones(3), np.ones((2, 1))])
def test_lengths_must_agree(unit_cost: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected scalars and one length \[S\]"):
        OrderTerms(unit_price=np.full(2, 2.0), unit_cost=unit_cost, carry_value=0.0)

"""Markdown programmes beside brute force and the closed form; beliefs; what cannot be meant."""

from __future__ import annotations

from math import exp, factorial, log

import numpy as np
import pytest

from udfs.pricing.markdown import BadMarkdownError, Beliefs, Markdown, best_buy, known_value, values

LADDER = np.array([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])


def every_plan(rate_TJ: np.ndarray, price_J: np.ndarray, stock: int, salvage: float, first: int = 0) -> float:
    """The best expected revenue by trying each price after each demand, with no table and nothing kept."""
    if not len(rate_TJ):
        return salvage * stock
    best = -np.inf
    for j in range(first, len(price_J)):
        chance = np.array([exp(-rate_TJ[0, j]) * rate_TJ[0, j] ** d / factorial(d) for d in range(stock)])
        total = (1.0 - chance.sum()) * (price_J[j] * stock + every_plan(rate_TJ[1:], price_J, 0, salvage, j))
        for d in range(stock):
            total += chance[d] * (price_J[j] * d + every_plan(rate_TJ[1:], price_J, stock - d, salvage, j))
        best = max(best, total)
    return best


def test_the_programme_is_what_trying_everything_finds() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        n_periods, n_prices, stock = rng.integers(1, 4), rng.integers(1, 4), rng.integers(0, 4)
        price_J = np.sort(rng.uniform(0.2, 2.0, n_prices))[::-1]
        rate_TJ, salvage = rng.uniform(0.05, 3.0, (n_periods, n_prices)), rng.uniform(0.0, price_J[-1])
        found = known_value(rate_TJ, price_J, int(stock), salvage)[stock]
        assert found == pytest.approx(every_plan(rate_TJ, price_J, int(stock), salvage), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("stock", [1, 3, 10])
def test_fine_periods_and_prices_come_to_gallego_and_van_ryzins_closed_form(stock: int) -> None:
    arrivals, horizon, n_periods = 4.0, 3.0, 1500
    price_J = np.linspace(5.0, 0.2, 120)
    rate_TJ = np.tile(arrivals * np.exp(-price_J) * horizon / n_periods, (n_periods, 1))
    exact = log(sum((arrivals / exp(1.0) * horizon) ** i / factorial(i) for i in range(stock + 1)))
    assert known_value(rate_TJ, price_J, stock, may_rise=True)[stock] == pytest.approx(exact, rel=1e-3)


def items(stock: float, price_J: np.ndarray = LADDER, salvage: float = 0.0) -> Markdown:
    return Markdown(price_J[None], np.ones((1, 6)), np.array([stock]), np.array([salvage]))


def beliefs(units: float = 5.0, se: float = 0.0) -> Beliefs:
    return Beliefs.of(*(np.array([each]) for each in (log(units), se, -2.0, se)))


def test_what_is_certain_earns_what_the_programme_that_knows_it_earns() -> None:
    rate_TJ = np.tile(5.0 * LADDER**-2.0, (6, 1))
    assert values(items(40.0), beliefs()).max() == pytest.approx(known_value(rate_TJ, LADDER, 40)[40], rel=1e-9)


def test_more_stock_lowers_the_price_and_earns_more() -> None:
    found = [values(items(float(n)), beliefs(se=0.3)) for n in (0, 5, 20, 40, 80, 160)]
    price = [LADDER[each.argmax()] for each in found]
    assert found[0].max() == 0.0
    assert price == sorted(price, reverse=True)
    assert price[1] == 1.0 > price[-1]
    assert (np.diff([each.max() for each in found]) > 0).all()


def test_a_stock_in_lots_earns_about_what_it_does_unit_by_unit() -> None:
    exact = known_value(np.tile(60.0 * LADDER**-2.0, (6, 1)), LADDER, 600)[600]
    assert values(items(600.0), beliefs(60.0)).max() == pytest.approx(exact, rel=2e-3)
    assert values(items(1e7), beliefs(5.0)).max() == pytest.approx(values(items(400.0), beliefs(5.0)).max(), rel=1e-4)
    assert values(items(1e7), beliefs(1e6)).max() == pytest.approx(
        1e7 * values(items(200.0), beliefs(20.0)).max() / 200, rel=0.05
    )


def test_sales_move_beliefs_towards_what_would_have_sold_as_much() -> None:
    before = beliefs(5.0, 0.5)
    many = before.after(np.array([14.0]), np.array([False]), np.array([1.0]), np.ones(1))
    out = before.after(np.array([5.0]), np.array([True]), np.array([1.0]), np.ones(1))
    level = [float((each.level_SK * each.weight_SK).sum()) for each in (before, out, many)]
    assert level == sorted(level)
    assert level[2] > log(8.0)
    assert many.weight_SK.sum() == pytest.approx(1.0)


def test_price_and_quantity_are_chosen_together() -> None:
    value_N = known_value(np.tile(5.0 * LADDER**-2.0, (6, 1)), LADDER, 120)
    cheap, dear = best_buy(value_N, 0.5), best_buy(value_N, 0.8)
    assert 120 > cheap > dear > 0
    assert best_buy(value_N, 1.0) == 0


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (items(5.0, LADDER[::-1].copy()), "prices: expected a ladder that falls"),
        (items(5.0, np.array([1.0, 0.0])), "prices: expected > 0 and finite"),
        (items(5.0, np.array([1.0, np.nan])), "prices: expected > 0 and finite"),
        (items(5.0, salvage=0.5), "prices: expected at least the salvage value"),
        (items(-1.0), "stock: expected 0 to a billion units"),
        (items(np.nan), "stock: expected 0 to a billion units"),
        (items(5.0, salvage=-1.0), "salvage: expected a value >= 0"),
    ],
)
def test_what_cannot_be_meant_is_named(item: Markdown, words: str) -> None:
    with pytest.raises(BadMarkdownError, match=f"programme 0: {words}"):
        values(item, beliefs())


@pytest.mark.parametrize("elasticity", [0.0, 1.0, np.inf, -np.inf, np.nan])
def test_an_elasticity_that_is_no_answer_is_refused(elasticity: float) -> None:
    with pytest.raises(BadMarkdownError, match="elasticities below 0"):
        Beliefs.of(np.zeros(1), np.zeros(1), np.array([elasticity]), np.zeros(1))


def test_a_broken_unit_is_left_over() -> None:
    whole, broken = (values(items(n, salvage=0.2), beliefs()) for n in (12.0, 12.5))
    assert broken == pytest.approx(whole + 0.1)

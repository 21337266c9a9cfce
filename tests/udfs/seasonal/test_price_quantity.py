"""Price and quantity together: against every price and quantity tried, and what is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from udfs.seasonal.price_quantity import best_price

PRICE, COST, SALVAGE = 10.0, 6.0, 2.0


def one(elasticity: float, sd: float, step: float = 0.5, cost: float = COST) -> tuple[float, float, float]:
    values = (np.array([x]) for x in (4.0, sd, PRICE, cost, SALVAGE, elasticity))
    found = best_price(*values, step)
    return float(found.price_I[0]), float(found.qty_I[0]), float(found.gain_I[0])


def profit(price: float, quantity: float, elasticity: float, sd: float) -> float:
    """By the mean of sales over many quantiles of demand."""
    z = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    demand = np.exp(4.0 + elasticity * np.log(price / PRICE) + sd * z)
    sales = np.minimum(demand, quantity).mean()
    return float(price * sales + SALVAGE * (quantity - sales) - COST * quantity)


@pytest.mark.parametrize(("elasticity", "sd"), [(-1.5, 0.3), (-2.5, 0.6), (-4.0, 0.9), (-3.0, 0.1)])
def test_no_price_and_quantity_earn_more(elasticity: float, sd: float) -> None:
    price, quantity, gain = one(elasticity, sd)
    best = profit(price, quantity, elasticity, sd)
    tried = [
        profit(p, q, elasticity, sd)
        for p in np.linspace(0.5, 1.5, 21) * PRICE
        for q in quantity * np.array([0.7, 0.9, 1.0, 1.1, 1.3])
        if p > COST
    ]
    assert best >= max(tried) * (1 - 1e-3)
    stated_qty = np.exp(4.0 + sd * stats.norm.ppf((PRICE - COST) / (PRICE - SALVAGE)))
    assert gain == pytest.approx(best - profit(PRICE, stated_qty, elasticity, sd), rel=0.02, abs=0.05)


def test_known_demand_has_the_price_of_a_monopolist() -> None:
    price, quantity, _ = one(-3.0, 1e-6)
    assert price == pytest.approx(COST * 3.0 / 2.0, abs=0.13)  # cost x e / (1 + e), in steps of an eighth
    assert quantity == pytest.approx(np.exp(4.0 - 3.0 * np.log(price / PRICE)), rel=1e-3)


def test_the_step_bounds_and_what_is_not_known_stays_open() -> None:
    assert one(-1.05, 0.4, step=0.1)[0] == pytest.approx(1.1 * PRICE)
    assert one(-9.0, 0.4, step=0.1)[0] == pytest.approx(0.9 * PRICE)
    assert one(-9.0, 0.4, step=0.3, cost=9.0)[0] > 9.0
    assert np.isnan(one(np.nan, 0.4)).all()

"""What a leftover brings in a sell-off, beside simulated seasons that end in one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from udfs.pricing.markdown import known_value
from udfs.seasonal.leftover_value import _LADDER, leftover_values
from udfs.seasonal.season_spec import SeasonSpec

SPEC = SeasonSpec()
PRICE, COST, MEAN, SD, LAST_WEEK = 20.0, 12.0, np.log(300.0), 0.6, 0.2


def value(elasticity: float, **more: float) -> float:
    told = {"mean": MEAN, "sd": SD, "week": LAST_WEEK, "price": PRICE, "cost": COST, "assumed": 6.0} | more
    mean, sd, week, price, cost, assumed = (np.array([each]) for each in told.values())
    return float(leftover_values(mean, sd, week, price, cost, assumed, np.array([elasticity]), SPEC)[0])


def bought(salvage: float) -> float:
    return float(np.exp(MEAN + SD * ndtri((PRICE - COST) / (PRICE - salvage))))


def profit(qty: float, elasticity: float, draws: int = 400) -> float:
    """Mean profit of a buy over seasons that end in the best sell-off for their own demand."""
    demand = np.exp(np.random.default_rng(3).normal(MEAN, SD, draws))
    found = np.minimum(demand, qty) * PRICE - qty * COST
    weeks = SPEC.fading_rate ** np.arange(1, SPEC.sell_off_weeks + 1)
    for at in np.flatnonzero(demand < qty - 1):
        rate_TJ = demand[at] * LAST_WEEK * weeks[:, None] * _LADDER**elasticity
        found[at] += known_value(rate_TJ, PRICE * _LADDER, int(qty - demand[at]))[-1]
    return float(found.mean())


@pytest.mark.parametrize("elasticity", [-1.5, -2.5, -4.0])
def test_buying_by_it_earns_more_than_by_an_assumed_share_and_nearly_the_most(elasticity: float) -> None:
    found = profit(bought(value(elasticity)), elasticity)
    assert found >= profit(bought(6.0), elasticity) - 1e-9
    best = max(profit(qty, elasticity) for qty in np.linspace(150, 700, 23))
    assert found >= 0.98 * best


def test_where_demand_is_gone_nothing_is_brought() -> None:
    assert value(-3.0, week=1e-9) < 0.5


def test_more_answer_to_prices_brings_more_and_never_the_cost() -> None:
    assert value(-4.0) > value(-2.0)
    assert value(-15.0, week=1.0) < COST


def test_an_unknown_answer_is_no_value() -> None:
    assert np.isnan(value(float("nan")))
    assert np.isnan(value(1.0))

"""The (r, Q) policies: against an exhaustive search, a simulation of units, stockpyl and each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats
from stockpyl import rq as reference

from udfs.inventory.theory.lot_sizing.eoq_backorders import eoq_backorders
from udfs.inventory.theory.stock_levels.r_q_approximations import (
    r_q_eoq_backorders,
    r_q_eoq_safety_stock,
    r_q_expected_inventory_level,
    r_q_loss_function,
)
from udfs.inventory.theory.stock_levels.r_q_normal import NormalTerms, best_reorder_point, r_q_normal, r_q_normal_cost
from udfs.inventory.theory.stock_levels.r_q_poisson import PoissonTerms, r_q_poisson, r_q_poisson_cost

RNG = np.random.default_rng(5)
S = 40
RANDOM = {
    "mean_demand": RNG.uniform(0.5, 400.0, S),
    "fixed_cost": RNG.uniform(0.5, 200.0, S),
    "holding_cost": RNG.uniform(0.1, 5.0, S),
    "backorder_cost": RNG.uniform(5.0, 60.0, S),
    "lead_time": RNG.uniform(0.01, 3.0, S),
}
SD = RANDOM["mean_demand"] * RNG.uniform(0.05, 1.5, S)
EXAMPLE = (1300.0, 150.0, 8.0, 0.225, 7.5, 1 / 12)  # example 5.1
STOCKPYL = {
    "holding_cost": 0.225,
    "stockout_cost": 7.5,
    "fixed_cost": 8,
    "demand_mean": 1300,
    "demand_sd": 150,
    "lead_time": 1 / 12,
}


def _all_poisson_costs(demand: float, k: float, h: float, p: float, lead: float) -> dict[tuple[int, int], float]:
    """The cost of every r in -6 .. 24 and Q in 1 .. 44, summed from the definition."""
    n = np.arange(200)
    pmf = stats.poisson.pmf(n, demand * lead)
    rate = {y: (pmf * (h * np.maximum(y - n, 0) + p * np.maximum(n - y, 0))).sum() for y in range(-5, 69)}
    return {
        (r, q): float((k * demand + sum(rate[y] for y in range(r + 1, r + q + 1))) / q)
        for r in range(-6, 25)
        for q in range(1, 45)
    }


def test_poisson_optimum_is_that_of_an_exhaustive_search() -> None:
    demand, k = np.array([1.5, 6.0, 0.2, 12.0]), np.array([20.0, 0.5, 5.0, 100.0])
    h, p, lead = np.array([20.0, 1.0, 3.0, 4.0]), np.array([150.0, 2.0, 4.0, 28.0]), np.array([2.0, 1.0, 0.0, 0.5])
    best = r_q_poisson(PoissonTerms(demand, k, h, p, lead))
    for s in range(4):
        costs = _all_poisson_costs(demand[s], k[s], h[s], p[s], lead[s])
        r, q = min(costs, key=costs.__getitem__)
        assert (best.reorder_point_S[s], best.quantity_S[s]) == (r, q)
        assert best.cost_S[s] == pytest.approx(costs[r, q], rel=1e-9)


def test_poisson_optimum_and_cost_equal_stockpyls_on_random_instances() -> None:
    terms = PoissonTerms(**{**RANDOM, "mean_demand": RANDOM["mean_demand"] / 20.0})
    best = r_q_poisson(terms)
    own_cost = r_q_poisson_cost(best.reorder_point_S, best.quantity_S, terms)
    np.testing.assert_allclose(best.cost_S, own_cost, rtol=1e-9)
    for s in range(10):
        theirs = reference.r_q_poisson_exact(
            RANDOM["holding_cost"][s],
            RANDOM["backorder_cost"][s],
            RANDOM["fixed_cost"][s],
            RANDOM["mean_demand"][s] / 20.0,
            RANDOM["lead_time"][s],
        )
        np.testing.assert_allclose([best.reorder_point_S[s], best.quantity_S[s], best.cost_S[s]], theirs, rtol=1e-9)


def test_a_large_poisson_demand_keeps_its_precision() -> None:
    """Forty thousand units of lead-time demand; the running sums are checked against the distribution itself."""
    terms = PoissonTerms(20000.0, 5000.0, 1.0, 30.0, 2.0)
    best = r_q_poisson(terms)
    assert best.cost_S[0] == pytest.approx(r_q_poisson_cost(best.reorder_point_S, best.quantity_S, terms)[0], rel=1e-9)
    for r, q in ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, 1)):
        assert r_q_poisson_cost(best.reorder_point_S + r, best.quantity_S + q, terms)[0] >= best.cost_S[0] * (1 - 1e-13)


def test_normal_optimum_is_that_of_a_search_in_two_dimensions() -> None:
    terms = NormalTerms(demand_sd=SD, **RANDOM)
    best = r_q_normal(terms)
    own_cost = r_q_normal_cost(best.reorder_point_S, best.quantity_S, terms)
    np.testing.assert_allclose(best.cost_S, own_cost, rtol=1e-12)
    for s in range(0, S, 4):
        given = {name: column[s] for name, column in RANDOM.items()}
        stock = {
            "holding_cost": given["holding_cost"],
            "stockout_cost": given["backorder_cost"],
            "fixed_cost": given["fixed_cost"],
            "demand_mean": given["mean_demand"],
            "demand_sd": SD[s],
            "lead_time": given["lead_time"],
        }
        cost = reference.r_q_cost(best.reorder_point_S[s], best.quantity_S[s], **stock)
        assert cost == pytest.approx(best.cost_S[s], rel=1e-6)
        one = NormalTerms(demand_sd=SD[s], **given)

        def cost_of(x: np.ndarray, one: NormalTerms = one) -> float:
            return float(r_q_normal_cost(x[0], abs(x[1]) + 1e-9, one)[0])

        start = [best.reorder_point_S[s] * 1.1 + 1.0, best.quantity_S[s] * 0.9]
        found = optimize.minimize(cost_of, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13})
        assert best.cost_S[s] <= found.fun * (1.0 + 1e-12)
        assert found.fun == pytest.approx(best.cost_S[s], rel=1e-7)


def test_at_the_normal_optimum_both_ends_cost_the_average() -> None:
    terms = NormalTerms(demand_sd=SD, **RANDOM)
    best = r_q_normal(terms)
    mu, sigma = RANDOM["mean_demand"] * RANDOM["lead_time"], SD * np.sqrt(RANDOM["lead_time"])
    for end in (best.reorder_point_S, best.reorder_point_S + best.quantity_S):
        z = (end - mu) / sigma
        loss = sigma * (stats.norm.pdf(z) - z * stats.norm.sf(z))
        rate = RANDOM["holding_cost"] * (end - mu + loss) + RANDOM["backorder_cost"] * loss
        np.testing.assert_allclose(rate, best.cost_S, rtol=1e-9)
    np.testing.assert_allclose(best_reorder_point(best.quantity_S, terms), best.reorder_point_S, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("limit", [{"lead_time": 0.0}, {"demand_sd": 0.0}])
def test_without_uncertainty_it_is_the_eoq_with_backorders(limit: dict[str, float]) -> None:
    given: dict[str, Any] = {**RANDOM, "demand_sd": SD, **limit}
    terms, exact = NormalTerms(**given), r_q_normal(NormalTerms(**given))
    plain = eoq_backorders(
        RANDOM["fixed_cost"], RANDOM["holding_cost"], RANDOM["backorder_cost"], RANDOM["mean_demand"]
    )
    np.testing.assert_allclose(exact.quantity_S, plain.quantity_S, rtol=1e-12)
    np.testing.assert_allclose(exact.cost_S, plain.cost_S, rtol=1e-12)
    expected_r = RANDOM["mean_demand"] * given["lead_time"] - plain.quantity_S * plain.backorder_share_S
    np.testing.assert_allclose(exact.reorder_point_S, expected_r, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(best_reorder_point(plain.quantity_S, terms), expected_r, rtol=1e-9, atol=1e-9)
    tiny = r_q_normal(NormalTerms(**{**given, **dict.fromkeys(limit, 1e-12)}))
    np.testing.assert_allclose(tiny.cost_S, plain.cost_S, rtol=1e-4)


def test_extreme_terms_still_meet_the_conditions_of_the_optimum() -> None:
    """Order costs near nothing and enormous, backorders cheaper and dearer than holding, by many powers of ten."""
    rng = np.random.default_rng(0)

    def over(low: float, high: float) -> np.ndarray:
        return np.asarray(10.0 ** rng.uniform(low, high, 3000))

    terms = NormalTerms(over(-3, 5), over(-3, 4), over(-4, 5), over(-3, 3), over(-3, 4), over(-2, 1.5))
    best = r_q_normal(terms)
    for step in (0.98, 1.02):
        moved = r_q_normal_cost(best_reorder_point(best.quantity_S * step, terms), best.quantity_S * step, terms)
        assert (moved >= best.cost_S * (1.0 - 1e-7)).all()
        shifted = r_q_normal_cost(best.reorder_point_S + (step - 1.0) * best.quantity_S, best.quantity_S, terms)
        assert (shifted >= best.cost_S * (1.0 - 1e-7)).all()


def test_the_approximations_are_stockpyls() -> None:
    terms = NormalTerms(*EXAMPLE)
    eil = r_q_expected_inventory_level(terms)
    found = [eil.reorder_point_S[0], eil.quantity_S[0], eil.cost_S[0]]
    np.testing.assert_allclose(found, reference.r_q_eil_approximation(**STOCKPYL), rtol=1e-6)
    for ours, theirs in (
        (r_q_eoq_backorders, reference.r_q_eoqb_approximation),
        (r_q_eoq_safety_stock, reference.r_q_eoqss_approximation),
        (r_q_loss_function, reference.r_q_loss_function_approximation),
    ):
        plan = ours(terms)
        np.testing.assert_allclose([plan.reorder_point_S[0], plan.quantity_S[0]], theirs(**STOCKPYL), rtol=1e-6)
        assert plan.cost_S[0] >= r_q_normal(terms).cost_S[0] * (1.0 - 1e-12)


def test_the_eoq_with_backorders_costs_at_most_an_eighth_more() -> None:
    terms = NormalTerms(demand_sd=SD, **RANDOM)
    ratio = r_q_eoq_backorders(terms).cost_S / r_q_normal(terms).cost_S
    assert (ratio >= 1.0 - 1e-12).all()
    assert ratio.max() < 1.125


def test_a_series_is_the_same_alone_and_in_a_batch() -> None:
    for solve, terms, given in (
        (r_q_normal, NormalTerms, {**RANDOM, "demand_sd": SD}),
        (r_q_poisson, PoissonTerms, RANDOM),
    ):
        together = solve(terms(**given))  # type: ignore[operator]
        for s in (0, 17, 39):
            alone = solve(terms(**{name: column[s] for name, column in given.items()}))  # type: ignore[operator]
            assert alone.reorder_point_S[0] == together.reorder_point_S[s]
            assert alone.cost_S[0] == together.cost_S[s]


@pytest.mark.parametrize("name", ["mean_demand", "fixed_cost", "holding_cost", "backorder_cost"])
@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_a_parameter_out_of_range_is_named(name: str, bad: float) -> None:
    given: dict[str, Any] = {name_: column[:3].copy() for name_, column in RANDOM.items()}
    given[name][2] = bad
    with pytest.raises(ValueError, match=rf"{name}: expected a finite number > 0, found {bad:g} in row 2"):
        PoissonTerms(**given)
    with pytest.raises(ValueError, match=rf"{name}: expected a finite number > 0, found {bad:g} in row 2"):
        NormalTerms(demand_sd=1.0, **given)


def test_other_bad_parameters_are_errors() -> None:
    terms = NormalTerms(*EXAMPLE)
    with pytest.raises(ValueError, match="lead_time: expected a finite number >= 0"):
        PoissonTerms(1, 1, 1, 1, -1)
    with pytest.raises(ValueError, match="demand_sd: expected a finite number >= 0"):
        NormalTerms(1, -1, 1, 1, 1, 1)
    with pytest.raises(ValueError, match="quantity: expected a finite number > 0"):
        best_reorder_point(0.0, terms)
    with pytest.raises(ValueError, match="quantity: expected a finite number > 0"):
        r_q_normal_cost(1.0, 0.0, terms)
    with pytest.raises(ValueError, match="reorder_point: expected a whole number"):
        r_q_poisson_cost(0.5, 1, PoissonTerms(1, 1, 1, 1))
    with pytest.raises(ValueError, match="one length"):
        PoissonTerms([1, 2], [1, 2, 3], 1, 1)
    with pytest.raises(ValueError, match="units that make the order at most 1e"):
        PoissonTerms(1e6, 1e9, 1, 1)
    with pytest.raises(ValueError, match="units that make the lead-time demand at most 1e"):
        PoissonTerms(1e6, 1, 1, 1, 2)


def test_the_approximations_say_where_they_do_not_hold() -> None:
    with pytest.raises(ValueError, match="backorder_cost: expected more than Q h / lambda"):
        r_q_expected_inventory_level(NormalTerms(10, 5, 1000, 5, 1, 1))
    for approximation in (r_q_expected_inventory_level, r_q_loss_function):
        with pytest.raises(ValueError, match="expected an uncertain lead-time demand"):
            approximation(NormalTerms(10, 0, 10, 1, 5, 1))

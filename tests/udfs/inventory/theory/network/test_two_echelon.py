from itertools import product

import numpy as np
import pytest
from scipy import stats

from udfs.inventory.theory.network.two_echelon import TwoEchelon, levels_cost, optimal_levels


def simulated(rate_C, dc_lead, lead_C, dc_level, level_C, n=1_000_000, seed=0) -> np.ndarray:
    """Backorders, stock on hand and fill rate per store, from one event after the other.

    The n-th unit asked of the DC is met by the unit that the (n - level)-th request ordered, and so at each store.
    """
    rng, rate_C = np.random.default_rng(seed), np.asarray(rate_C)
    time_T = np.cumsum(rng.exponential(1.0 / rate_C.sum(), n))
    store_T = rng.choice(rate_C.size, n, p=rate_C / rate_C.sum())
    shipped_T = np.maximum(time_T, ready(time_T + dc_lead, dc_level))
    rows = []
    for c, lead in enumerate(lead_C):
        asked_T, arrived_T = time_T[store_T == c], ready(shipped_T[store_T == c] + lead, level_C[c])
        wait_T = np.maximum(arrived_T - asked_T, 0.0)
        shelf_T = np.maximum(asked_T - arrived_T, 0.0)[int(level_C[c]) :]
        rows.append([wait_T.sum() / time_T[-1], shelf_T.sum() / time_T[-1], (wait_T == 0.0).mean()])
    return np.array(rows)


def ready(arrival_T: np.ndarray, level: float) -> np.ndarray:
    """When the unit for each request arrives; the first ones were there from the start."""
    return np.concatenate([np.full(int(level), -np.inf), arrival_T])[: arrival_T.size]


@pytest.mark.parametrize(
    ("rate_C", "dc_lead", "lead_C", "dc_level", "level_C"),
    [
        ([0.5, 1.0], 4.0, [1.0, 1.0], 8, [2, 3]),
        ([0.5, 1.0], 4.0, [1.0, 1.0], 2, [2, 3]),
        ([2.0, 0.3, 1.0], 2.5, [0.5, 3.0, 0.0], 0, [8, 3, 4]),
        ([1.0], 3.0, [2.0], 3, [3]),
    ],
)
def test_exact_measures_equal_a_simulation(rate_C, dc_lead, lead_C, dc_level, level_C) -> None:
    found = levels_cost(TwoEchelon(rate_C, dc_lead, lead_C, 1.0, 1.2, 20.0), dc_level, level_C)
    truth_CM = simulated(rate_C, dc_lead, lead_C, dc_level, level_C)
    assert found.store_backorders_SC[0] == pytest.approx(truth_CM[:, 0], rel=0.025, abs=0.004)
    assert found.store_on_hand_SC[0] == pytest.approx(truth_CM[:, 1], rel=0.01, abs=0.004)
    assert found.fill_rate_SC[0] == pytest.approx(truth_CM[:, 2], abs=0.004)


def law_by_definition(rate_C, dc_lead, lead_C, dc_level, c, n=60) -> np.ndarray:
    """P(O_c = x): binomial share of the DC's backorders, convolved with the demand over the transport time."""
    share, numbers = rate_C[c] / sum(rate_C), np.arange(4 * n)
    owed = stats.poisson.pmf(numbers, sum(rate_C) * dc_lead)
    waiting_X = owed[: dc_level + 1].sum() * (np.arange(n) == 0).astype(float)
    for b in range(1, 3 * n):
        waiting_X += owed[dc_level + b] * stats.binom.pmf(np.arange(n), b, share)
    return np.convolve(waiting_X, stats.poisson.pmf(np.arange(n), rate_C[c] * lead_C[c]))[:n]


def test_optimum_is_the_best_of_all_levels() -> None:
    rate_C, dc_lead, lead_C, h_0, h_C, p_C = [0.4, 1.1], 3.0, [1.0, 0.5], 0.7, [1.0, 1.3], [9.0, 15.0]
    costs = {}
    for dc_level in range(14):
        below = np.arange(dc_level + 1)
        cost = h_0 * ((dc_level - below) * stats.poisson.pmf(below, sum(rate_C) * dc_lead)).sum()
        levels = []
        for c in range(2):
            law_X, x = law_by_definition(rate_C, dc_lead, lead_C, dc_level, c), np.arange(60)
            each = [(law_X * (h_C[c] * np.maximum(s - x, 0) + p_C[c] * np.maximum(x - s, 0))).sum() for s in range(30)]
            levels.append(int(np.argmin(each)))
            cost += min(each)
        costs[dc_level, *levels] = cost
    best = min(costs, key=costs.__getitem__)
    system = TwoEchelon(rate_C, dc_lead, lead_C, h_0, h_C, p_C)
    found = optimal_levels(system)
    assert (found.dc_level_S[0], *found.store_level_SC[0]) == best
    assert found.cost_S[0] == pytest.approx(costs[best], rel=1e-9)
    for (dc_level, *levels), cost in costs.items():
        assert levels_cost(system, dc_level, levels).cost_S[0] == pytest.approx(cost, rel=1e-9)


def random_system(n_series: int, n_stores: int, ratio: float = 1.0) -> TwoEchelon:
    rng = np.random.default_rng(5)
    return TwoEchelon(
        rng.uniform(0.05, 1.5, (n_series, n_stores)), rng.uniform(0.5, 6.0, n_series),
        rng.uniform(0.0, 3.0, (n_series, n_stores)), rng.uniform(0.3, 1.0, n_series), 1.0,
        rng.uniform(4.0, 40.0, (n_series, n_stores)), ratio,
    )  # fmt: skip


def test_two_moments_come_close_and_metric_less_so() -> None:
    """Levels by the approximation, judged by the exact cost; Graves (1985) found few levels off, and by one unit."""
    system = random_system(150, 5)
    exact = optimal_levels(system)
    excess = {}
    for method in ("negative_binomial", "metric"):
        near = optimal_levels(system, method)
        true = levels_cost(system, near.dc_level_S, near.store_level_SC)
        excess[method] = true.cost_S / exact.cost_S - 1.0
        assert (excess[method] >= -1e-12).all()
    assert excess["negative_binomial"].mean() < 5e-4
    assert excess["negative_binomial"].max() < 0.01
    assert excess["metric"].mean() > 5.0 * excess["negative_binomial"].mean()


def test_no_neighbouring_levels_cost_less() -> None:
    system = random_system(4, 2)
    best = optimal_levels(system)
    for step in product((-1, 0, 1), repeat=3):
        dc_level, levels = np.maximum(best.dc_level_S + step[0], 0), np.maximum(best.store_level_SC + step[1:], 0)
        assert (levels_cost(system, dc_level, levels).cost_S >= best.cost_S - 1e-12).all()


def compound(rate, ratio, n_periods, rng) -> np.ndarray:
    return rng.negative_binomial(rate / (ratio - 1.0), 1.0 / ratio, n_periods).astype(float)


def test_overdispersed_demand_comes_close_to_a_simulation() -> None:
    """Demand in small periods, the units of one shared out at random among those of its period."""
    rng, ratio, rate_C, step = np.random.default_rng(6), 3.0, np.array([0.8, 1.6]), 0.05
    n_periods, dc_lead, lead, dc_level, level_C = 1_500_000, 4.0, 1.0, 7, [4, 7]
    demand_CT = np.array([compound(r * step, ratio, n_periods, rng) for r in rate_C]).astype(int)
    period_U = np.concatenate([np.repeat(np.arange(n_periods), d) for d in demand_CT])
    store_U = np.repeat([0, 1], demand_CT.sum(axis=1))
    order = np.lexsort((rng.random(period_U.size), period_U))
    time_U, store_U = period_U[order] * step, store_U[order]
    shipped_U = np.maximum(time_U, ready(time_U + dc_lead, dc_level))
    found = levels_cost(TwoEchelon(rate_C, dc_lead, lead, 1.0, 1.0, 9.0, ratio), dc_level, level_C, "negative_binomial")
    for c in range(2):
        asked_U, arrived_U = time_U[store_U == c], ready(shipped_U[store_U == c] + lead, level_C[c])
        span = n_periods * step
        assert found.store_backorders_SC[0, c] == pytest.approx(
            np.maximum(arrived_U - asked_U, 0).sum() / span, rel=0.07
        )
        on_hand = np.maximum(asked_U - arrived_U, 0.0)[level_C[c] :].sum() / span
        assert found.store_on_hand_SC[0, c] == pytest.approx(on_hand, rel=0.07)


def test_a_series_does_not_depend_on_the_others() -> None:
    system = random_system(30, 4)
    found = optimal_levels(system)
    for s in (0, 13, 29):
        alone = TwoEchelon(
            system.demand_rate[s], system.dc_lead_time[s], system.store_lead_time[s], system.dc_holding_cost[s],
            system.store_holding_cost[s], system.shortage_cost[s],
        )  # fmt: skip
        assert optimal_levels(alone).cost_S[0] == found.cost_S[s]
        assert np.array_equal(optimal_levels(alone).store_level_SC[0], found.store_level_SC[s])


@pytest.mark.parametrize("method", ["exact", "negative_binomial", "metric"])
def test_limit_cases(method) -> None:
    near = optimal_levels(TwoEchelon([1.0, 2.0], 0.0, [3.0, 0.0], 1.0, 1.0, 9.0), method)
    assert near.dc_level_S.tolist() == [0.0]  # a supplier next door needs no stock before it
    assert near.store_level_SC.tolist() == [[stats.poisson.ppf(0.9, 3.0), 0.0]]
    idle = optimal_levels(TwoEchelon([0.0, 2.0], 4.0, 1.0, 1.0, 1.0, 9.0), method)
    assert idle.store_level_SC[0, 0] == 0.0
    assert np.isnan(idle.fill_rate_SC[0, 0])
    assert idle.store_backorders_SC[0, 0] == 0.0


GOOD = {
    "demand_rate": [0.5, 1.0],
    "dc_lead_time": 4.0,
    "store_lead_time": 1.0,
    "dc_holding_cost": 1.0,
    "store_holding_cost": 1.2,
    "shortage_cost": 20.0,
}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"demand_rate": [-0.5, 1.0]}, r"demand_rate: .* found -0.5 at \[0, 0\]"),
        ({"demand_rate": [0.0, 0.0]}, r"total demand_rate of an SKU: .* found 0 at \[0\]"),
        ({"demand_rate": [9000.0, 1.0]}, r"demand_rate: expected at most 20000 units over a lead time, found 36004"),
        ({"dc_lead_time": -1.0}, "dc_lead_time"),
        ({"store_lead_time": np.nan}, "store_lead_time"),
        ({"dc_holding_cost": 0.0}, "dc_holding_cost: expected a finite number > 0"),
        ({"store_holding_cost": 0.0}, "store_holding_cost"),
        ({"shortage_cost": [1.0, 0.0]}, r"shortage_cost: .* found 0 at \[0, 1\]"),
        ({"variance_to_mean": 0.5}, "variance_to_mean - 1: .* found -0.5"),
        ({"variance_to_mean": 0.0}, "variance_to_mean: expected a finite number > 0"),
        ({"shortage_cost": [1.0, 2.0, 3.0]}, "broadcast"),
        ({"dc_lead_time": [[1.0, 2.0]]}, "fits|broadcast"),
    ],
)
def test_bad_parameters_are_named(changes: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        TwoEchelon(**{**GOOD, **changes})


def test_methods_and_levels_that_do_not_fit_are_refused() -> None:
    system = TwoEchelon(**GOOD)
    with pytest.raises(ValueError, match=r"method: expected one of .* found 'best'"):
        optimal_levels(system, "best")
    with pytest.raises(ValueError, match="method: expected 'negative_binomial' where variance_to_mean exceeds 1"):
        optimal_levels(TwoEchelon(**GOOD, variance_to_mean=2.0))
    with pytest.raises(ValueError, match="dc_level_S: expected a whole number"):
        levels_cost(system, 1.5, 2)
    with pytest.raises(ValueError, match=r"store_level_SC: expected a whole number >= 0, found -1 at \[0, 1\]"):
        levels_cost(system, 1, [2, -1])

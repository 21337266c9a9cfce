"""Serial systems against published optima, quadrature, exhaustive search and stockpyl's networks.

stockpyl's own optimiser does not run under NumPy 2 (its `find_nearest` asks for an array without a copy), so its optima
were taken once with that search written anew (see tests/benchmarks/bench_stock_networks.py).
"""

from itertools import product

import numpy as np
import pytest
from scipy import integrate, optimize, stats
from stockpyl.instances import load_instance
from stockpyl.ssm_serial import newsvendor_heuristic

from tests.real_data import find
from udfs.inventory.theory.network.serial import (
    SerialSystem,
    levels_cost,
    newsvendor_bounds,
    optimal_levels,
    shang_song_levels,
)

POISSON = {  # echelon levels from the customer up; cost as published (stockpyl's for problem 6.2b); stockpyl's cost
    # with its tails cut at 1e-12 in place of 3e-5
    "shang_song_1": ([8, 13, 18, 22], 12.688, 12.687897827893359),
    "shang_song_9": ([9, 10, 13, 19], 53.008, 53.007604770118654),
    "shang_song_17": ([11, 17, 22, 27], 16.206, 16.205544137325706),
    "shang_song_25": ([11, 14, 18, 26], 74.564, 74.56363970762632),
    "problem_6_2b": ([41, 74, 109, 142, 174], 453.692, 453.6915586953854),
}
STOCKPYL_NORMAL = {  # stockpyl 1.0.2 with its default grid of 1000 x 100 points; its levels are points of that grid
    "example_6_1": ([6.484, 12.028, 22.720], 47.665393, 0.035),
    "problem_6_1": ([123.9391, 228.4876], 166.270529, 0.47),
    "problem_6_2a": ([40.6713, 74.3445, 109.2650, 142.0028, 174.4289], 451.728811, 0.47),
    "problem_6_16": ([171.0617, 232.1126], 438.239625, 0.52),
}


def network(name: str):
    return load_instance(name, filepath=str(find("inventory_theory") / "textbook_instances.json"))


def system_of(name: str) -> SerialSystem:
    nodes = sorted(network(name).nodes, key=lambda node: node.index)  # stockpyl counts from the customer up, from 1
    holding = [node.echelon_holding_cost for node in nodes]
    if holding[0] is None:
        # These give local costs only, listed from the supplier down.
        holding = np.diff([node.local_holding_cost for node in nodes], prepend=0.0)[::-1]
    demand = nodes[0].demand_source
    is_poisson = demand.type == "P"
    return SerialSystem(
        holding,
        [node.shipment_lead_time for node in nodes],
        nodes[0].stockout_cost,
        demand.mean,
        None if is_poisson else demand.standard_deviation,
        "poisson" if is_poisson else "normal",
    )


@pytest.mark.real_data
@pytest.mark.parametrize("name", POISSON)
def test_poisson_instances_have_the_published_optimum_and_stockpyls(name: str) -> None:
    levels, published, exact = POISSON[name]
    found = optimal_levels(system_of(name))
    assert found.echelon_SN[0].tolist() == levels
    assert found.cost_S[0] == pytest.approx(published, abs=5e-4)
    assert found.cost_S[0] == pytest.approx(exact, rel=1e-9)


@pytest.mark.real_data
@pytest.mark.parametrize("name", STOCKPYL_NORMAL)
def test_normal_instances_are_stockpyls_but_for_its_grid(name: str) -> None:
    levels, cost, step = STOCKPYL_NORMAL[name]
    system = system_of(name)
    found = optimal_levels(system)
    assert np.abs(found.echelon_SN[0] - levels).max() <= step  # one step of stockpyl's grid
    assert found.cost_S[0] == pytest.approx(cost, rel=3e-4)
    assert levels_cost(system, levels).cost_S[0] == pytest.approx(found.cost_S[0], rel=1e-4)
    assert levels_cost(system, levels).cost_S[0] >= found.cost_S[0] * (1.0 - 1e-7)
    finer = optimal_levels(system, steps_per_sd=128)
    assert found.cost_S == pytest.approx(finer.cost_S, rel=1e-6)


@pytest.mark.real_data
@pytest.mark.parametrize("letter", ["a", "b"])
def test_the_same_system_in_half_the_time_unit_costs_half(letter: str) -> None:
    whole, halved = (
        optimal_levels(system_of(f"problem_6_2{letter}")),
        optimal_levels(system_of(f"problem_6_2{letter}_adj")),
    )
    assert halved.echelon_SN == pytest.approx(whole.echelon_SN)
    assert halved.cost_S == pytest.approx(0.5 * whole.cost_S, rel=1e-9)


@pytest.mark.real_data
@pytest.mark.parametrize("name", [*POISSON, *STOCKPYL_NORMAL])
def test_heuristic_equals_stockpyls(name: str) -> None:
    expected = newsvendor_heuristic(network=network(name))
    expected_N = np.array([expected[k] for k in sorted(expected)])
    if name not in STOCKPYL_NORMAL:
        expected_N = np.floor(expected_N)
    assert shang_song_levels(system_of(name))[0] == pytest.approx(expected_N, rel=1e-6)


@pytest.mark.parametrize(("lead_1", "lead_2", "sd"), [(1.0, 1.0, 15.0), (8.0, 3.0, 4.0), (1.0, 2.0, 60.0)])
def test_two_stages_equal_quadrature(lead_1: float, lead_2: float, sd: float) -> None:
    """Of the last case's demand 5% is negative: the recursion takes the normal as it is."""
    h_1, h_2, shortage, mean = 1.5, 1.0, 15.0, 100.0
    total = shortage + h_1 + h_2
    first, second = stats.norm(mean * lead_1, sd * lead_1**0.5), stats.norm(mean * lead_2, sd * lead_2**0.5)
    level_1 = first.ppf((shortage + h_2) / total)

    def cost_1(y: float) -> float:
        z = (y - first.mean()) / first.std()
        return h_1 * (y - first.mean()) + total * first.std() * (stats.norm.pdf(z) - z * stats.norm.sf(z))

    def cost_2(y: float) -> float:
        low, high = second.mean() - 9.0 * second.std(), second.mean() + 9.0 * second.std()
        bend = min(max(y - level_1, low), high)
        return sum(
            integrate.quad(
                lambda d: (h_2 * (y - d) + cost_1(min(level_1, y - d))) * second.pdf(d), a, b, epsrel=1e-11, limit=200
            )[0]
            for a, b in ((low, bend), (bend, high))
            if b > a
        )

    centre = first.mean() + second.mean()
    best = optimize.minimize_scalar(
        cost_2, bounds=(centre, centre + 8.0 * sd), method="bounded", options={"xatol": 1e-6}
    )
    found = optimal_levels(SerialSystem([h_1, h_2], [lead_1, lead_2], shortage, mean, sd))
    assert found.cost_S[0] == pytest.approx(best.fun, rel=1e-6)
    assert found.echelon_SN[0] == pytest.approx([level_1, best.x], abs=2e-4 * sd)


@pytest.mark.parametrize("demand", ["poisson", "negative_binomial"])
def test_whole_unit_levels_are_the_best_of_all(demand: str) -> None:
    sd = None if demand == "poisson" else 2.0
    system = SerialSystem([2.0, 1.0, 0.5], [1.0, 0.0, 2.0], 9.0, 1.3, sd, demand)
    found = optimal_levels(system)
    tried = np.array(list(product(range(9), range(9), range(12))), dtype=float)
    n = len(tried)
    many = SerialSystem([2.0, 1.0, 0.5], [1.0, 0.0, 2.0], np.full(n, 9.0), 1.3, sd, demand)
    costs = levels_cost(many, tried).cost_S
    assert found.cost_S[0] == pytest.approx(costs.min(), rel=1e-12)
    assert levels_cost(system, found.echelon_SN).cost_S == pytest.approx(found.cost_S, rel=1e-12)


@pytest.mark.parametrize("demand", ["normal", "poisson", "negative_binomial"])
def test_cost_equals_a_simulation(demand: str) -> None:
    """Stock of both stages period by period: order, receive, demand, count."""
    rng, n, mean, lead_1, lead_2 = np.random.default_rng(1), 300_000, 6.0, 1, 2
    law = {
        "normal": stats.norm(mean, 1.5),
        "poisson": stats.poisson(mean),
        "negative_binomial": stats.nbinom(6.0, 0.5),
    }[demand]
    demand_T = law.rvs(n, random_state=rng).astype(float)
    sd = None if demand == "poisson" else float(law.std())
    system = SerialSystem([3.0, 1.0], [lead_1, lead_2], 20.0, mean, sd, demand)
    levels = optimal_levels(system)
    level_1, level_2 = levels.echelon_SN[0]
    # Echelon stock of stage 2 is its level less the demand over its lead time; stage 1 gets no more than that.
    total_T = np.concatenate([[0.0], np.cumsum(demand_T)])
    t = np.arange(lead_1 + lead_2, n)
    in_reach = np.minimum(level_1, level_2 - (total_T[t - lead_1] - total_T[t - lead_1 - lead_2]))
    net_1 = in_reach - (total_T[t] - total_T[t - lead_1])
    echelon_2 = level_2 - (total_T[t - lead_1] - total_T[t - lead_1 - lead_2])
    cost = 1.0 * echelon_2 + 3.0 * net_1 + 24.0 * np.maximum(-net_1, 0.0)
    assert levels.cost_S[0] == pytest.approx(cost.mean(), rel=0.005)


def test_one_stage_is_the_newsvendor() -> None:
    mean, sd = np.array([40.0, 100.0]), np.array([9.0, 30.0])
    found = optimal_levels(SerialSystem([[0.5], [2.0]], [[4.0], [1.0]], [8.0, 3.0], mean, sd))
    ratio, time = np.array([8.0, 3.0]) / np.array([8.5, 5.0]), np.array([4.0, 1.0])
    level = stats.norm.ppf(ratio, mean * time, sd * np.sqrt(time))
    cost = np.array([8.5, 5.0]) * stats.norm.pdf(stats.norm.ppf(ratio)) * sd * np.sqrt(time)
    assert found.echelon_SN[:, 0] == pytest.approx(level, rel=1e-6)
    assert found.cost_S == pytest.approx(cost, rel=1e-6)


def test_bounds_hold_and_a_series_does_not_depend_on_the_others() -> None:
    rng, n = np.random.default_rng(2), 60
    given = (
        rng.uniform(0.1, 3.0, (n, 4)),
        rng.uniform(0.2, 2.0, (n, 4)),
        rng.uniform(1.0, 60.0, n),
        rng.uniform(0.2, 20.0, n),
    )
    system = SerialSystem(*given, demand="poisson")
    found, (lower_SN, upper_SN) = optimal_levels(system), newsvendor_bounds(system)
    assert (lower_SN <= found.echelon_SN).all()
    assert (found.echelon_SN <= upper_SN).all()
    for s in (0, 31, 59):
        alone = optimal_levels(SerialSystem(*(values[s : s + 1] for values in given), demand="poisson"))
        assert alone.cost_S[0] == found.cost_S[s]
        assert np.array_equal(alone.echelon_SN[0], found.echelon_SN[s])


def test_without_any_lead_time_there_is_no_stock_and_no_cost() -> None:
    for demand, sd in (("normal", 10.0), ("poisson", None)):
        found = optimal_levels(SerialSystem([1.0, 1.0], 0.0, 2.0, 50.0, sd, demand))
        assert found.echelon_SN.tolist() == [[0.0, 0.0]]
        assert found.cost_S.tolist() == [0.0]


def test_local_levels_add_up_to_what_binds() -> None:
    levels = levels_cost(SerialSystem([1.0, 1.0, 1.0], 1.0, 9.0, 4.0, demand="poisson"), [[9.0, 7.0, 12.0]])
    assert levels.local_SN.tolist() == [[7.0, 0.0, 5.0]]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"echelon_holding_cost": [1.0, 0.0]},
            r"echelon_holding_cost: expected a finite number > 0, found 0 at \[0, 1\]",
        ),
        ({"echelon_holding_cost": [1.0, np.nan]}, "echelon_holding_cost: .* found nan"),
        ({"lead_time": -1.0}, "lead_time: expected a finite number >= 0, found -1"),
        ({"shortage_cost": 0.0}, "shortage_cost: expected a finite number > 0"),
        ({"demand_mean": 0.0}, "demand_mean"),
        ({"demand_sd": -2.0}, "demand_sd"),
        ({"demand_sd": None}, "demand_sd: expected None for poisson demand alone, found None"),
        ({"demand": "poisson"}, "demand_sd: expected None for poisson demand alone, found 2.0"),
        ({"demand": "negative_binomial", "demand_sd": 2.0}, r"demand_sd\^2 / demand_mean - 1: .* found 0"),
        ({"demand": "gamma"}, "demand: expected one of .* found 'gamma'"),
        ({"lead_time": [1.0, 1.0, 1.0]}, "broadcast"),
        ({"demand_mean": [1.0, 2.0], "demand_sd": [1.0, 2.0, 3.0]}, "broadcast"),
    ],
)
def test_bad_parameters_are_named(changes: dict, match: str) -> None:
    good = {"echelon_holding_cost": [1.0, 1.0], "lead_time": 1.0, "shortage_cost": 9.0, "demand_mean": 5.0}
    with pytest.raises(ValueError, match=match):
        SerialSystem(**{**good, "demand_sd": 2.0, **changes})


def test_bad_levels_and_grids_are_refused() -> None:
    system = SerialSystem([1.0, 1.0], 1.0, 9.0, 5.0, demand="poisson")
    with pytest.raises(ValueError, match=r"echelon_SN: expected a whole number >= 0, found 1.5 at \[0, 1\]"):
        levels_cost(system, [[1.0, 1.5]])
    with pytest.raises(ValueError, match="echelon_SN: expected a shape that fits"):
        levels_cost(system, [[1.0, 1.0, 1.0]])
    with pytest.raises(ValueError, match="steps_per_sd: expected 8 to 4096, found 2"):
        optimal_levels(system, steps_per_sd=2)


@pytest.mark.parametrize(
    "system",
    [
        SerialSystem([1.0, 1.0], 1.0, 9.0, [5.0, 1e6], demand="poisson"),
        SerialSystem([1.0, 1.0], 1.0, 9.0, [5.0, 1e6], 1.0),
    ],
)
def test_a_grid_that_would_never_end_is_refused(system: SerialSystem) -> None:
    with pytest.raises(ValueError, match=r"demand_mean: expected levels within 50000 points .* at \[1\]"):
        optimal_levels(system)

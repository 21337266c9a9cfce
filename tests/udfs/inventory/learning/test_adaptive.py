"""Levels and caps learned from sales: the derivative, the two ways to run it, and what is learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from udfs.inventory.learning.adaptive import AdaptivePolicy
from udfs.inventory.learning.adaptive_spec import AdaptiveSpec
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.terms import SimulationTerms
from udfs.inventory.theory.lost_sales.demand_pmf import geometric_pmf, poisson_pmf
from udfs.inventory.theory.lost_sales.level_search import capped_orders
from udfs.inventory.theory.lost_sales.lost_sales_base_stock import best_base_stock
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem
from udfs.inventory.theory.lost_sales.value_iteration import optimal_policy, policy_cost

GOOD: dict[str, Any] = {
    "initial_level_S": [20.0, 30.0],
    "initial_cap_S": 10.0,
    "holding_cost_S": 1.0,
    "shortage_cost_S": [4.0, 9.0],
    "lead_time_S": [1.0, 2.0],
}


def paid(level: float, cap: float, demand_T: np.ndarray, shortage: float, lead_time: int) -> np.ndarray:
    """Cost of each period with fixed levels, by the story of the problem."""
    pipeline, on_hand, cost_T = [0.0] * lead_time, 0.0, []
    for demand in demand_T:
        order = min(max(level - on_hand - sum(pipeline), 0.0), cap)
        pipeline.append(order)
        sellable = on_hand + pipeline.pop(0)
        on_hand = max(sellable - demand, 0.0)
        cost_T.append(on_hand + shortage * max(demand - sellable, 0.0))
    return np.array(cost_T)


@pytest.mark.parametrize("lead_time", [0, 1, 3])
@pytest.mark.parametrize("cap", [5.37, np.inf])
def test_it_moves_along_the_derivative_of_the_cost(cap: float, lead_time: int) -> None:
    """Steps too short to matter, so that both move by the sum of derivatives over the root of time."""
    rng = np.random.default_rng(lead_time)
    level, shortage, n_periods = 2.31 + 4.0 * (lead_time + 1), 4.0, 300
    demand_T = rng.poisson(4.0, n_periods).astype(float)
    tiny = 1e-7
    policy = AdaptivePolicy(AdaptiveSpec(level, cap, 1.0, shortage, lead_time, "sgd", tiny))
    policy.run(demand_T[None, None])
    # Period t is learned from when period t + 1 begins, as the t-th gradient.
    weight_T = tiny / (shortage * np.sqrt(np.arange(1.0, n_periods)))
    for k, initial in enumerate((level, cap)):
        if not np.isfinite(initial):
            assert policy._value_SP2[0, 0, k] == initial
            continue
        step = np.array([1e-3 * (k == 0), 1e-3 * (k == 1)])
        up_T = paid(level + step[0], cap + step[1], demand_T, shortage, lead_time)
        down_T = paid(level - step[0], cap - step[1], demand_T, shortage, lead_time)
        derivative_T = (up_T - down_T)[:-1] / 2e-3
        moved = policy._value_SP2[0, 0, k] - initial
        assert np.abs(derivative_T).sum() > 10.0
        assert moved / initial == pytest.approx(-(weight_T * derivative_T).sum(), rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("step_rule", ["adagrad", "sgd"])
def test_the_compiled_loop_is_the_policy_in_the_simulator(step_rule: str) -> None:
    rng = np.random.default_rng(3)
    demand_SPT = rng.poisson(np.array([3.0, 5.0])[:, None, None], (2, 3, 150)).astype(float)
    spec = AdaptiveSpec(**{**GOOD, "lead_time_S": [0.0, 2.0]}, step_rule=step_rule)
    compiled, stepwise = AdaptivePolicy(spec, 3), AdaptivePolicy(spec, 3)
    cost_SPB = compiled.run(demand_SPT, 1)
    terms = SimulationTerms(spec.lead_time_S, spec.holding_cost_S, spec.shortage_cost_S)
    for _ in range(2):  # a second simulation starts to learn anew
        result = simulate(stepwise, torch.as_tensor(demand_SPT), terms)
        assert result.cost.numpy() / 150.0 == pytest.approx(cost_SPB[:, :, 0], rel=1e-9)
        # The last period has been seen by neither.
        assert stepwise.level == pytest.approx(compiled.level, rel=1e-9)
        assert stepwise.cap == pytest.approx(compiled.cap, rel=1e-9)


@pytest.mark.parametrize(("pmf", "shortage"), [(poisson_pmf, 9.0), (geometric_pmf, 19.0)])
@pytest.mark.parametrize("lead_time", [1, 2])
def test_cost_falls_as_it_learns_to_within_five_per_cent(pmf: Any, shortage: float, lead_time: int) -> None:
    n_paths = 40
    pmf_SN = np.repeat(pmf(5.0), n_paths, axis=0)
    wide = LostSalesProblem(pmf_SN, 1.0, shortage, lead_time, 20.0 * (lead_time + 1))
    one = LostSalesProblem(pmf_SN[:1], 1.0, shortage, lead_time)
    demand_SPT = np.random.default_rng(8).choice(pmf_SN.shape[1], (1, n_paths, 2_000), p=pmf_SN[0]).astype(float)
    policy = AdaptivePolicy(AdaptiveSpec(10.0 * (lead_time + 1), 10.0, 1.0, shortage, lead_time), n_paths)
    paid_B = policy.run(demand_SPT, 4).mean((0, 1))
    optimum, base = optimal_policy(one).cost_S[0], best_base_stock(one).cost_S[0]
    levels = [np.rint(x[0]).astype(np.int64) for x in (policy.level, policy.cap)]
    learned_P = policy_cost(wide, capped_orders(wide, *levels), 1e-4)
    assert learned_P.mean() < 1.05 * optimum
    assert learned_P.mean() < 1.05 * base
    assert learned_P.mean() < paid_B[0]
    assert paid_B[-1] < paid_B[0]


def test_it_goes_on_from_what_it_has_learned() -> None:
    demand_SPT = np.random.default_rng(0).poisson(5.0, (2, 4, 400)).astype(float)
    policy = AdaptivePolicy(AdaptiveSpec(**{**GOOD, "initial_level_S": 60.0, "initial_cap_S": np.inf}), 4)
    first = policy.run(demand_SPT)
    after_first = policy.level.mean()
    assert policy.run(demand_SPT).mean() < first.mean()
    assert policy.level.mean() < after_first < 60.0


def test_a_series_learns_the_same_beside_others() -> None:
    demand_SPT = np.random.default_rng(0).poisson(5.0, (2, 3, 200)).astype(float)
    both = AdaptivePolicy(AdaptiveSpec(**GOOD), 3)
    both.run(demand_SPT)
    alone = AdaptivePolicy(AdaptiveSpec(30.0, 10.0, 1.0, 9.0, 2.0), 3)
    alone.run(demand_SPT[1:])
    assert (both.level[1] == alone.level[0]).all()
    assert (both.cap[1] == alone.cap[0]).all()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("step_rule", "adam", "step_rule: expected one of"),
        ("step", 0.0, "step: expected a share > 0"),
        ("step", np.nan, "step: expected a share > 0"),
        ("initial_level_S", [20.0, 0.0], "initial_level_S: expected a finite number > 0, found 0 in row 1"),
        ("initial_level_S", np.inf, "initial_level_S: expected a finite number > 0, found inf in row 0"),
        ("initial_cap_S", -1.0, "initial_cap_S: expected units > 0, or inf for no cap, found -1 in row 0"),
        ("initial_cap_S", np.nan, "initial_cap_S: expected units > 0"),
        ("holding_cost_S", 0.0, "holding_cost_S: expected a finite number > 0"),
        ("shortage_cost_S", [4.0, np.nan], "shortage_cost_S: expected a finite number > 0, found nan in row 1"),
        ("lead_time_S", 1.5, "lead_time_S: expected whole periods from 0 to 730, found 1.5 in row 0"),
        ("lead_time_S", -1.0, "found -1 in row 0"),
        ("lead_time_S", 731.0, "found 731 in row 0"),
        ("lead_time_S", [1.0, 2.0, 3.0], "AdaptiveSpec: expected numbers or arrays of one shape"),
        ("lead_time_S", [[1.0, 2.0]], "AdaptiveSpec: expected numbers or arrays of one shape"),
    ],
)
def test_bad_settings_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("1.5", r"1\.5")):
        AdaptiveSpec(**{**GOOD, name: value})


def test_a_lead_time_beyond_the_demand_loses_all_of_it() -> None:
    policy = AdaptivePolicy(AdaptiveSpec(20.0, 10.0, 1.0, 4.0, [6.0, 5.0]), 1)
    paid_S = policy.run(np.full((2, 1, 6), 3.0))[:, 0, 0]
    assert paid_S[0] == 4.0 * 3.0
    assert paid_S[1] < paid_S[0]


def test_bad_runs_are_refused() -> None:
    spec = AdaptiveSpec(**GOOD)
    for n_paths in (0, 1.5, np.nan, np.inf):
        with pytest.raises(ValueError, match="n_paths: expected a whole number >= 1"):
            AdaptivePolicy(spec, n_paths)  # type: ignore[arg-type]
    policy = AdaptivePolicy(spec, 2)
    good_SPT = np.ones((2, 2, 6))
    for bad_SPT in (good_SPT[0], good_SPT[:, :1]):
        with pytest.raises(ValueError, match=r"demand_SPT: expected shape \(2, 2\) by periods"):
            policy.run(bad_SPT)
    for n_blocks in (0, 4):
        with pytest.raises(ValueError, match="n_blocks: expected a divisor of 6 periods"):
            policy.run(good_SPT, n_blocks)
    with pytest.raises(ValueError, match="n_blocks: expected a divisor of 0 periods"):
        policy.run(good_SPT[:, :, :0])
    for bad in (-1.0, np.nan, np.inf):
        bad_SPT = good_SPT.copy()
        bad_SPT[1, 0, 3] = bad
        with pytest.raises(ValueError, match="demand_SPT: expected finite units >= 0, found others in row 1"):
            policy.run(bad_SPT)


def test_a_level_never_reached_leaves_a_constant_order() -> None:
    """The limit case that the spec names: the level stays, and the cap alone decides."""
    demand_SPT = np.random.default_rng(0).poisson(5.0, (1, 4, 2_000)).astype(float)
    policy = AdaptivePolicy(AdaptiveSpec(200.0, 10.0, 1.0, 4.0, 1), 4)
    policy.run(demand_SPT)
    assert (policy.level > 150.0).all()
    assert (policy.cap < 5.0).all()

"""Training through the simulator, against exact costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from udfs.inventory.learning.neural import NeuralPolicy
from udfs.inventory.learning.neural_features import PolicyFeatures
from udfs.inventory.learning.neural_spec import NeuralPolicySpec
from udfs.inventory.learning.neural_training import Replay, train_neural_policy
from udfs.inventory.learning.order_tabulation import tabulate_policy
from udfs.inventory.simulation.levels import BaseStock, ReorderPoint
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.state import OrderingPolicy, Stock
from udfs.inventory.simulation.terms import SimulationTerms
from udfs.inventory.theory.lost_sales.demand_pmf import poisson_pmf
from udfs.inventory.theory.lost_sales.lost_sales_base_stock import best_base_stock
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem
from udfs.inventory.theory.lost_sales.value_iteration import optimal_policy, policy_cost

QUICK = NeuralPolicySpec(width=8, steps=15, batch_paths=16, evaluate_every=5)
TERMS = SimulationTerms(lead_time=np.array([2.0, 1.0]), holding_cost=1.0, shortage_cost=np.array([4.0, 9.0]))
FEATURES = PolicyFeatures([5.0, 5.0], [16.0, 14.0])


def poisson(n_series: int, n_paths: int, n_periods: int, seed: int = 0) -> Tensor:
    drawn = np.random.default_rng(seed).poisson(5.0, (n_series, n_paths, n_periods))
    return torch.tensor(drawn, dtype=torch.float32)


def test_it_beats_the_best_base_stock_and_nears_the_optimum() -> None:
    """Zipkin's instance where base stock is worst: 5.5% above the optimum of 4.40 (Poisson, p = 4, L = 2)."""
    problem = LostSalesProblem(poisson_pmf(5.0), 1.0, 4.0, lead_time=2)
    base, optimum = best_base_stock(problem), optimal_policy(problem).cost_S[0]
    features = PolicyFeatures([5.0], base.level_S.astype(float))
    terms = SimulationTerms(lead_time=2, holding_cost=1.0, shortage_cost=4.0)
    spec = NeuralPolicySpec(whole_units=True, steps=160, batch_paths=64, learning_rate=0.02, evaluate_every=80)
    held_out = Replay(poisson(1, 256, 60, seed=1), features, warm_up=10)
    made = train_neural_policy(poisson(1, 500, 30), terms, features, spec, warm_up=10, validation=held_out)
    table = tabulate_policy(made, problem)
    found = policy_cost(problem, table.order_SX)[0]
    assert optimum <= found < 1.005 * optimum < 0.98 * base.cost_S[0]
    # What the simulator counts is the exact cost.
    replayed = simulate(made, poisson(1, 1000, 110, seed=2).double(), terms, warm_up=10).cost.mean() / 100.0
    assert float(replayed) == pytest.approx(found, rel=0.01)


def test_the_cost_has_a_gradient_in_every_layer() -> None:
    made = train_neural_policy(poisson(2, 4, 12), TERMS, FEATURES, replace(QUICK, steps=2))
    for values in made.network.parameters:
        values.requires_grad_()
    simulate(made, poisson(2, 8, 12), TERMS).cost.sum().backward()
    assert all(values.grad is not None and float(values.grad.abs().sum()) > 0.0 for values in made.network.parameters)


def test_the_gradient_is_that_of_finite_differences() -> None:
    made = train_neural_policy(poisson(2, 4, 12), TERMS, FEATURES, QUICK)
    bias = made.network.biases[-1].requires_grad_()
    demand = poisson(2, 64, 12).double() + torch.rand(
        (2, 64, 12), dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    simulate(made, demand, TERMS).cost.mean().backward()
    costs = []
    for step in (-1e-3, 1e-3):
        moved = replace(made, network=replace(made.network, biases=(*made.network.biases[:-1], bias.detach() + step)))
        costs.append(float(simulate(moved, demand, TERMS).cost.mean()))
    assert bias.grad is not None
    assert float(bias.grad) == pytest.approx((costs[1] - costs[0]) / 2e-3, rel=0.03)


@pytest.mark.parametrize("own_weights", [False, True])
def test_training_lowers_the_cost_from_a_bad_level(own_weights: bool) -> None:
    features = PolicyFeatures([5.0, 5.0], [25.0, 6.0])
    made = train_neural_policy(
        poisson(2, 64, 30),
        TERMS,
        features,
        replace(QUICK, steps=40, own_weights=own_weights, learning_rate=0.02),
        warm_up=5,
    )
    test = poisson(2, 64, 60, seed=9)
    before = simulate(BaseStock(np.array([25.0, 6.0])), test, TERMS, warm_up=10).cost_per_period
    after = simulate(made, test, TERMS, warm_up=10).cost_per_period
    assert bool((after < 0.8 * before).all())


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    first, again, other = (
        train_neural_policy(poisson(2, 32, 12), TERMS, FEATURES, replace(QUICK, seed=seed)).to_bytes()
        for seed in (0, 0, 1)
    )
    assert first == again != other


def test_networks_of_their_own_do_not_feel_their_neighbours() -> None:
    spec, demand = replace(QUICK, own_weights=True), poisson(2, 32, 12)
    together = train_neural_policy(demand, TERMS, FEATURES, spec)
    alone = train_neural_policy(
        demand[:1], TERMS.take(np.array([0]), 2), FEATURES.take(torch.tensor([0])), spec, weight_S=torch.ones(1)
    )
    # Adam's steps do not depend on the weight of a series; nor do gradients after they are cut.
    test = poisson(2, 8, 20, seed=4)
    found = simulate(together, test, TERMS).ordered_SP[0]
    expected = simulate(alone, test[:1], TERMS.take(np.array([0]), 2)).ordered_SP[0]
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=0.0)


@pytest.mark.parametrize("own_weights", [False, True])
def test_a_network_that_learned_nothing_good_is_not_kept(own_weights: bool) -> None:
    """Trained on ten times the demand that the held-out periods have."""
    spec = replace(QUICK, own_weights=own_weights, learning_rate=0.1)
    held_out = Replay(poisson(2, 50, 40, seed=1), FEATURES, warm_up=8)
    made = train_neural_policy(10.0 * poisson(2, 32, 12), TERMS, FEATURES, spec, validation=held_out)
    kept = simulate(made, held_out.demand_SPT, TERMS, warm_up=8).cost
    base = simulate(BaseStock(np.array([16.0, 14.0])), held_out.demand_SPT, TERMS, warm_up=8).cost
    torch.testing.assert_close(kept, base)


def test_batches_of_series_paths_and_their_starting_stock_belong_together() -> None:
    """Each series and path begins with what it needs; a batch that mixed them up would lose sales."""
    demand = torch.arange(1.0, 9.0).reshape(4, 2, 1).repeat(1, 1, 6)
    start = Stock(demand[..., 0] * 6.0, torch.zeros((4, 1)), torch.zeros((4, 1, 1)))
    replay = Replay(demand, PolicyFeatures([1.0] * 4, [0.0] * 4), start)
    part = replay.take(torch.tensor([3, 1]), torch.tensor([1, 0]))
    terms = SimulationTerms(lead_time=0, holding_cost=0.0, shortage_cost=1.0)
    never = BaseStock(0.0)
    assert part.start is not None
    assert float(simulate(never, part.demand_SPT, terms, start=part.start).cost.sum()) == 0.0
    assert part.demand_SPT[:, :, 0].tolist() == [[8.0, 7.0], [4.0, 3.0]]


def test_packs_minimum_orders_and_reviews_are_trained_through() -> None:
    terms = SimulationTerms(lead_time=1, holding_cost=1.0, shortage_cost=9.0, pack=4, moq=8, review_period=2)
    features = PolicyFeatures([5.0], [10.0])
    made = train_neural_policy(
        poisson(1, 64, 40), terms, features, replace(QUICK, steps=40, learning_rate=0.02), warm_up=10
    )
    test = poisson(1, 64, 60, seed=3)
    found, base = (simulate(policy, test, terms, warm_up=10) for policy in (made, BaseStock(10.0)))
    assert float(found.cost.mean()) < 0.95 * float(base.cost.mean())
    assert bool((found.ordered_SP % 4.0 == 0.0).all())


def test_a_reorder_point_is_trained_though_orders_have_a_fixed_cost() -> None:
    """From a bad (s, S) to within 2% of the best one with the same S - s, found by trying all."""
    terms = SimulationTerms(lead_time=2, holding_cost=1.0, shortage_cost=9.0, order_cost=64.0, backorder_share=1.0)
    lot, test = 25.0, poisson(1, 128, 120, seed=8)

    def cost(policy: OrderingPolicy) -> float:
        return float(simulate(policy, test, terms, warm_up=20).cost_per_period)

    best = min(cost(ReorderPoint(s, s + lot)) for s in np.arange(5.0, 26.0))
    spec = replace(QUICK, steps=80, batch_paths=32, learning_rate=0.03, evaluate_every=20)
    features = PolicyFeatures([5.0], [4.0], lot=[lot])
    held_out = Replay(poisson(1, 128, 80, seed=5), features, warm_up=20)
    made = train_neural_policy(poisson(1, 128, 40), terms, features, spec, warm_up=10, validation=held_out)
    assert cost(made) < 1.02 * best < 0.8 * cost(ReorderPoint(4.0, 4.0 + lot))


def test_series_that_cost_nothing_do_not_break_the_weights() -> None:
    terms = SimulationTerms(lead_time=1, holding_cost=0.0, shortage_cost=0.0)
    made = train_neural_policy(poisson(2, 4, 8), terms, FEATURES, replace(QUICK, steps=2))
    assert all(bool(torch.isfinite(values).all()) for values in made.network.parameters)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Replay.demand_SPT: expected \(S, P, T\), found shape \(2, 3\)"):
        Replay(torch.ones((2, 3)), FEATURES)
    moving = PolicyFeatures([[5.0, 5.0, 5.0]] * 2, [16.0, 14.0])
    with pytest.raises(ValueError, match=r"Replay.features.scale: expected S, P, T of the demand, \(2, 1, 4\)"):
        Replay(torch.ones((2, 1, 4)), moving)
    with pytest.raises(ValueError, match=r"Replay.features.scale: expected S, P, T of the demand, \(3, 1, 4\)"):
        Replay(torch.ones((3, 1, 4)), FEATURES)
    one = Replay(torch.ones((1, 1, 4)), PolicyFeatures([5.0], [16.0]))
    with pytest.raises(ValueError, match="validation: expected 2 series, found 1"):
        train_neural_policy(poisson(2, 4, 8), TERMS, FEATURES, QUICK, validation=one)


@pytest.mark.parametrize("weight_S", [torch.ones(3), torch.tensor([1.0, -1.0]), torch.tensor([1.0, float("nan")])])
def test_bad_weights_are_refused(weight_S: Tensor) -> None:
    with pytest.raises(ValueError, match="weight_S: expected 2 finite weights >= 0"):
        train_neural_policy(poisson(2, 4, 8), TERMS, FEATURES, QUICK, weight_S=weight_S)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no cuda device")
def test_a_cuda_device_trains_the_same_policy() -> None:
    def trained(device: str) -> NeuralPolicy:
        return train_neural_policy(poisson(2, 32, 12).to(device), TERMS, FEATURES, QUICK)

    test = poisson(2, 8, 20, seed=4)
    on_cpu = simulate(trained("cpu"), test, TERMS).cost_per_period
    on_cuda = simulate(trained("cuda"), test.to("cuda"), TERMS).cost_per_period.cpu()
    torch.testing.assert_close(on_cpu, on_cuda, rtol=1e-2, atol=0.0)

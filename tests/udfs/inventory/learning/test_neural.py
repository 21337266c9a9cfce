"""The neural ordering policy: what it reads, orders, refuses and stores."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from udfs.inventory.learning.neural import NeuralPolicy, input_count
from udfs.inventory.learning.neural_features import PolicyFeatures, state_features, term_features
from udfs.inventory.learning.neural_network import OrderNetwork
from udfs.inventory.learning.neural_spec import NeuralPolicySpec
from udfs.inventory.simulation.levels import BaseStock, ReorderPoint
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.state import StockState
from udfs.inventory.simulation.terms import SimulationTerms

TERMS = SimulationTerms(lead_time=np.array([1.0, 2.0, 0.0]), holding_cost=1.0, shortage_cost=np.array([4.0, 9.0, 0.0]))
FEATURES = PolicyFeatures([5.0, 10.0, 2.0], [12.0, 35.0, 3.0], [[0.4], [0.9], [0.1]])


def network(n_networks: int = 1, n_slots: int = 2, n_extra: int = 1, last_layer: float = 0.0) -> OrderNetwork:
    blank = torch.zeros((n_networks, 1, input_count(n_slots, n_extra)))
    made = OrderNetwork.untrained(blank, blank + 1.0, 4, 2, torch.Generator().manual_seed(3))
    made.weights[-1].fill_(last_layer)
    return made


def policy(own: bool = False, last_layer: float = 0.0, whole_units: bool = False) -> NeuralPolicy:
    spec = NeuralPolicySpec(width=4, own_weights=own, whole_units=whole_units)
    return NeuralPolicy(network(3 if own else 1, last_layer=last_layer), TERMS, FEATURES, spec, 2)


def state(on_hand: Tensor, pipeline: Tensor, t: int = 0, backorders: float = 0.0) -> StockState:
    zero = torch.zeros_like(on_hand)
    return StockState(t, slice(0, len(on_hand)), on_hand, zero + backorders, pipeline, zero, zero)


def demand(n_paths: int = 3, n_periods: int = 12) -> Tensor:
    return torch.poisson(torch.full((3, n_paths, n_periods), 5.0), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("own", [False, True])
def test_an_untrained_network_is_the_base_stock_that_it_begins_with(own: bool) -> None:
    found = simulate(policy(own), demand(), TERMS)
    expected = simulate(BaseStock(np.array([12.0, 35.0, 3.0])), demand(), TERMS)
    torch.testing.assert_close(found.cost, expected.cost)
    torch.testing.assert_close(found.ordered_SP, expected.ordered_SP)


def test_an_untrained_network_with_a_lot_is_that_s_s() -> None:
    features = replace(FEATURES, lot=[20.0, 0.0, 7.0])
    terms = replace(TERMS, order_cost=30.0)
    spec = NeuralPolicySpec(width=4)
    found = simulate(NeuralPolicy(network(), terms, features, spec, 2), demand(), terms)
    s = np.array([12.0, 35.0, 3.0])
    expected = simulate(ReorderPoint(s, s + np.array([20.0, 0.0, 7.0])), demand(), terms)
    torch.testing.assert_close(found.cost, expected.cost)
    # With no lot an order of nothing is none.
    torch.testing.assert_close(found.orders_SP, expected.orders_SP)


def test_a_trained_network_orders_as_its_formula_says() -> None:
    on_hand, pipeline = torch.tensor([[3.0], [20.0], [50.0]]), torch.tensor([[[1.0, 0.0]], [[4.0, 5.0]], [[0.0, 0.0]]])
    made = policy(last_layer=0.3)
    inputs = np.array([[4 / 5, 0, 0, (12 - 4) / 5], [24 / 10, 5 / 10, 0, (35 - 29) / 10], [50 / 2, 0, 0, (3 - 50) / 2]])
    told = term_features(TERMS, FEATURES)[:, 0].numpy()
    layer = np.clip(np.concatenate([inputs, told, [[0.4], [0.9], [0.1]]], 1), -5.0, 5.0)
    for k in range(3):
        layer = layer @ made.network.weights[k][0].numpy() + made.network.biases[k][0].numpy()
        layer = layer / (1.0 + np.exp(-layer)) if k < 2 else layer
    scale = np.array([5.0, 10.0, 2.0])
    expected = np.maximum(np.array([8.0, 6.0, -47.0]) + scale * layer[:, 0], 0.0)
    found = made.order(state(on_hand, pipeline))[:, 0]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)
    assert found.min() == 0.0 < found.max()


def test_terms_are_told_as_finite_numbers_in_the_limits_too() -> None:
    limits = SimulationTerms(
        lead_time=np.array([0.0, 5.0]), holding_cost=np.array([0.0, 0.0]), shortage_cost=np.array([0.0, 3.0])
    )
    found = term_features(limits, PolicyFeatures([1e-3, 1e6], [0.0, 0.0]))
    assert bool(torch.isfinite(found).all())
    assert found[1, 0, 0] > found[0, 0, 0] == 0.0


def test_receipts_beyond_the_slots_count_in_the_last_and_missing_ones_are_none() -> None:
    scale, level = torch.tensor([[2.0]]), torch.tensor([[20.0]])
    at = state(torch.tensor([[1.0]]), torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), backorders=6.0)
    inputs, gap = state_features(at, scale, level, 2)
    assert inputs[0, 0].tolist() == [1.0, 4.5, 3.0, 7.5]
    assert gap.tolist() == [[7.5]]
    assert state_features(at, scale, level, 5)[0][0, 0].tolist() == [1.0, 1.0, 1.5, 2.0, 0.0, 3.0, 7.5]
    assert state_features(at, scale, level, 1)[0][0, 0].tolist() == [1.0, 3.0, 7.5]


def test_features_follow_period_path_and_series() -> None:
    scale = torch.arange(1.0, 25.0).reshape(2, 3, 4)
    features = PolicyFeatures(scale, [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]], [[0.5], [0.7]])
    some = features.take(torch.tensor([1]), torch.tensor([2, 0]))
    at = some.at(3, slice(0, 1))
    assert at[0].tolist() == [[24.0, 16.0]]
    assert at[1].tolist() == [[8.0]]
    assert at[2].tolist() == [[[pytest.approx(0.7)]]]
    with pytest.raises(ValueError, match="t: expected a period below the 4"):
        features.at(4, slice(0, 2))


def test_orders_are_whole_where_asked_and_keep_the_precision_of_the_stock() -> None:
    on_hand = torch.tensor([[3.3], [20.1], [1.9]], dtype=torch.float64)
    at = state(on_hand, torch.zeros((3, 1, 3), dtype=torch.float64))
    found = policy(whole_units=True).order(at)
    assert found.dtype is torch.float64
    assert found[:, 0].tolist() == [9.0, 15.0, 1.0]


@pytest.mark.parametrize("own", [False, True])
def test_a_stored_policy_orders_the_same(own: bool) -> None:
    made = policy(own, last_layer=0.2)
    again = NeuralPolicy.from_bytes(made.to_bytes(), TERMS, FEATURES)
    at = state(torch.rand((3, 4)) * 9.0, torch.rand((3, 4, 3)))
    assert torch.equal(made.order(at), again.order(at))
    assert again.spec == made.spec
    assert made.to_bytes() == again.to_bytes()


def test_one_network_orders_for_series_that_it_never_saw() -> None:
    other = PolicyFeatures([5.0], [12.0], [[0.4]])
    terms = TERMS.take(np.array([0]), 3)
    found = policy(last_layer=0.2).for_series(terms, other).order(state(torch.ones((1, 1)), torch.zeros((1, 1, 3))))
    expected = policy(last_layer=0.2).order(state(torch.ones((3, 1)), torch.zeros((3, 1, 3))))
    torch.testing.assert_close(found, expected[:1])


def test_series_ordered_for_in_blocks_get_the_same_orders() -> None:
    made = policy(own=True, last_layer=0.2)
    whole, blocks = (simulate(made, demand(), TERMS, max_memory_mb=mb) for mb in (512.0, 1e-6))
    torch.testing.assert_close(whole.cost, blocks.cost)


def test_bytes_of_another_format_are_refused() -> None:
    with pytest.raises(ValueError, match="stored: expected a policy of format 1"):
        NeuralPolicy.from_bytes(b"no policy", TERMS, FEATURES)
    stored = io.BytesIO()
    torch.save({"format": 0}, stored)
    with pytest.raises(ValueError, match="found format 0"):
        NeuralPolicy.from_bytes(stored.getvalue(), TERMS, FEATURES)


def test_features_that_the_network_was_not_made_for_are_refused() -> None:
    with pytest.raises(ValueError, match=r"features.extra: expected 1 features, found 0"):
        replace(policy(), features=PolicyFeatures([5.0, 1.0, 1.0], [12.0, 1.0, 1.0]))
    with pytest.raises(ValueError, match="expected the 3 series that have a network, found 1"):
        policy(own=True).for_series(TERMS.take(np.array([0]), 3), FEATURES.take(torch.tensor([0])))


@pytest.mark.parametrize(
    ("scale", "level", "extra", "message"),
    [
        ([1.0, 0.0], [1.0, 1.0], None, r"PolicyFeatures.scale: expected units > 0, found 0 in row 1"),
        ([1.0], [float("nan")], None, r"PolicyFeatures.level: expected finite numbers, found nan or inf in row 0"),
        (1.0, [1.0], None, r"PolicyFeatures.scale: expected \[S\], \[S, T\], \[S, P, T\], found shape \(\)"),
        ([1.0], [1.0], [1.0], r"PolicyFeatures.extra: expected \[S, K\], \[S, T, K\], \[S, P, T, K\], found"),
        ([1.0], [1.0, 2.0], None, r"PolicyFeatures: expected one length of S, found \[1, 2\]"),
        ([[1.0, 2.0]], [[1.0, 2.0, 3.0]], None, r"PolicyFeatures: expected one length of T, found \[2, 3\]"),
    ],
)
def test_bad_features_are_refused(scale: object, level: object, extra: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PolicyFeatures(scale, level, extra)


def test_a_lot_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"PolicyFeatures.lot: expected units >= 0, found -1 in row 1"):
        replace(FEATURES, lot=[0.0, -1.0, 0.0])


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("width", 0, "a whole number >= 1"),
        ("steps", 2.5, "a whole number >= 1"),
        ("batch_paths", True, "a whole number >= 1"),
        ("learning_rate", float("nan"), "a number > 0"),
        ("max_gradient", 0.0, "a number > 0"),
        ("last_rate", 1.5, r"a share in \(0, 1\]"),
        ("seed", -1, "a whole number >= 0"),
    ],
)
def test_a_bad_spec_is_refused(name: str, value: object, expected: str) -> None:
    with pytest.raises(ValueError, match=rf"NeuralPolicySpec\.{name}: expected {expected}"):
        NeuralPolicySpec(**{name: value})  # type: ignore[arg-type]


def test_the_rate_falls_from_the_first_to_the_last() -> None:
    spec = NeuralPolicySpec(steps=100, learning_rate=0.5, last_rate=0.1)
    rates = [spec.rate(step) for step in range(101)]
    assert rates[0] == 0.5
    assert rates[100] == pytest.approx(0.05)
    assert rates == sorted(rates, reverse=True)

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.udfs.inventory.theory.lost_sales import oracle
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.state import StockState
from udfs.inventory.simulation.terms import SimulationTerms
from udfs.inventory.theory.lost_sales.demand_pmf import poisson_pmf
from udfs.inventory.theory.lost_sales.order_table import make_table, state_digits
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem
from udfs.inventory.theory.lost_sales.states import number_states, sold_out, state_number
from udfs.inventory.theory.lost_sales.value_iteration import optimal_policy


def test_states_follow_the_orders_on_the_way_and_then_the_stock_to_sell() -> None:
    problem = LostSalesProblem(poisson_pmf([1.0, 2.0]), 1.0, 4.0, 2, position_cap_S=[2, 3])
    assert state_digits(problem, 0).tolist() == [[x, y] for y in range(3) for x in range(3 - y)]
    assert len(state_digits(problem, 1)) == 10 == problem.n_states


@pytest.mark.parametrize("lead_time", [1, 2, 3, 4])
@pytest.mark.parametrize("cap", [1, 2, 6])
def test_every_state_has_one_number_and_periods_lead_to_the_right_one(lead_time: int, cap: int) -> None:
    problem = LostSalesProblem(poisson_pmf(1.0), 1.0, 4.0, lead_time, cap)
    digits_XL = state_digits(problem, 0)
    known = [tuple(x) for x in digits_XL.tolist()]
    assert sorted(known) == sorted(oracle.states(cap, lead_time))
    number_X, is_known_X = state_number(digits_XL, np.int64(cap))
    assert is_known_X.all()
    assert number_X.tolist() == list(range(len(known)))
    states = number_states(cap, lead_time)
    for k, state in enumerate(known):
        for order in range(cap - sum(state) + 1):
            after = sold_out(states, states.block_X[k], order)
            assert known[after] == oracle.next_state(state, order, state[0])
            assert known[after + state[0]] == oracle.next_state(state, order, 0)


def test_what_exceeds_the_cap_orders_nothing() -> None:
    problem = LostSalesProblem(poisson_pmf(1.0), 1.0, 4.0, 2, position_cap_S=2)
    table = make_table(problem, np.array([[2, 1, 0, 1, 0, 0]]))
    stock_SPL = np.array([[[0, 0], [1, 0], [0, 1], [9, 0], [2, 1], [-1, 0]]])
    assert table.order_at(stock_SPL).tolist() == [[2, 1, 1, 0, 0, 2]]


def test_in_a_simulation_receipts_of_the_period_can_be_sold() -> None:
    problem = LostSalesProblem(poisson_pmf([1.0, 1.0]), 1.0, 4.0, 2, position_cap_S=[2, 2])
    table = make_table(problem, np.array([[2, 1, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0]]))
    none_SP = torch.zeros(1, 3)
    pipeline_SPL = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    on_hand_SP = torch.tensor([[0.5, 0.0, 0.0]])
    for row, expected in ((0, [2.0, 1.0, 1.0]), (1, [0.0, 1.0, 0.0])):
        state = StockState(3, slice(row, row + 1), on_hand_SP, none_SP, pipeline_SPL, none_SP, none_SP)
        assert table.order(state).tolist() == [expected]


def test_the_simulator_agrees_on_the_cost() -> None:
    problem = LostSalesProblem(poisson_pmf([5.0, 2.0]), 1.0, [4.0, 9.0], 2)
    found = optimal_policy(problem)
    rng = np.random.default_rng(1)
    demand_SPT = torch.as_tensor(rng.poisson(np.array([5.0, 2.0])[:, None, None], (2, 2_000, 120)), dtype=torch.float64)
    result = simulate(found.policy, demand_SPT, SimulationTerms(2.0, 1.0, problem.shortage_cost_S), warm_up=20)
    cost_SP = result.cost.numpy() / 100.0
    error_S = cost_SP.std(1) / np.sqrt(cost_SP.shape[1])
    assert (np.abs(cost_SP.mean(1) - found.cost_S) < 4.0 * error_S).all()
    assert (error_S < 0.01 * found.cost_S).all()


def test_bad_orders_are_refused() -> None:
    problem = LostSalesProblem(poisson_pmf(1.0), 1.0, 4.0, 2, position_cap_S=2)
    with pytest.raises(ValueError, match=r"order_SX: expected shape \(1, 6\), found \(1, 8\)"):
        make_table(problem, np.zeros((1, 8), dtype=np.int64))
    for state, order, message in (
        (1, 2, r"from 0 to 1 units in state \[1, 0\], found 2"),
        (3, -1, "found -1 in row 0"),
    ):
        order_SX = np.zeros((1, 6), dtype=np.int64)
        order_SX[0, state] = order
        with pytest.raises(ValueError, match=message):
            make_table(problem, order_SX)

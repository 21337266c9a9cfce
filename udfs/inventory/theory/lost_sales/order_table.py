"""A policy as a table: what to order in each state of the lost-sales problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from udfs.inventory.simulation.state import StockState
from udfs.inventory.theory.lost_sales.problem import IntArray, LostSalesProblem
from udfs.inventory.theory.lost_sales.states import number_states, state_number


@dataclass(frozen=True)
class OrderTable:
    """Orders of S series.

    Attributes:
        order_SX: units to order in each of X states, as `states` numbers them; 0 beyond a series' own number of states.
        position_cap_S: the greatest position that the table knows, units, [S].
        lead_time: L, whole periods.
    """

    order_SX: IntArray
    position_cap_S: IntArray
    lead_time: int

    def order_at(self, stock_SPL: IntArray) -> IntArray:
        """Units to order, [S, P], where stock_SPL[..., k] units can be sold from k periods on.

        A position above the cap of a series orders nothing; what is below 0 counts as 0.
        """
        stock_SPL = np.maximum(stock_SPL[..., : self.lead_time], 0)
        state_SP, is_known_SP = state_number(stock_SPL, self.position_cap_S[:, None])
        return np.where(is_known_SP, np.take_along_axis(self.order_SX, state_SP, axis=1), 0)

    def order(self, state: StockState) -> Tensor:
        """Units wanted now, (S, P), in a simulation; parts of units count as none."""
        sellable_SP = state.on_hand_SP + state.pipeline_SPL[..., 0]
        stock_SPL = torch.cat([sellable_SP[..., None], state.pipeline_SPL[..., 1 : self.lead_time]], dim=-1)
        part = OrderTable(self.order_SX[state.rows], self.position_cap_S[state.rows], self.lead_time)
        return torch.as_tensor(part.order_at(np.floor(stock_SPL.cpu().numpy()).astype(np.int64))).to(state.on_hand_SP)


def state_digits(problem: LostSalesProblem, row: int) -> IntArray:
    """The states of one series as (X, L): units in each slot, in the order of their numbers."""
    states = number_states(int(problem.position_cap_S[row]), problem.lead_time)
    ahead_XL = states.ahead_YL[states.block_X]
    sellable_X = states.position_X - ahead_XL[:, 0]
    return np.column_stack([sellable_X, ahead_XL[:, :-1] - ahead_XL[:, 1:]])


def make_table(problem: LostSalesProblem, order_SX: IntArray) -> OrderTable:
    """The table of `problem`'s states. Raises ValueError where an order is below 0 or a position above the cap."""
    if order_SX.shape != (problem.n_series, problem.n_states):
        raise ValueError(
            f"order_SX: expected shape {(problem.n_series, problem.n_states)}, found {tuple(order_SX.shape)}"
        )
    order_SX = np.asarray(order_SX, dtype=np.int64)
    for row in range(problem.n_series):
        cap, digits_XL = int(problem.position_cap_S[row]), state_digits(problem, row)
        most_X = cap - digits_XL.sum(1)
        bad = np.flatnonzero((order_SX[row, : len(most_X)] < 0) | (order_SX[row, : len(most_X)] > most_X))
        if bad.size:
            raise ValueError(
                f"order_SX: expected from 0 to {most_X[bad[0]]} units in state {digits_XL[bad[0]].tolist()}, "
                f"found {order_SX[row, bad[0]]} in row {row}"
            )
    return OrderTable(order_SX, problem.position_cap_S, problem.lead_time)

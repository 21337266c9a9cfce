"""Any ordering policy as a table of whole-unit orders, so that its long-run cost can be had exactly."""

from __future__ import annotations

import numpy as np
import torch

from udfs.inventory.simulation.state import OrderingPolicy, StockState
from udfs.inventory.theory.lost_sales.order_table import OrderTable, make_table, state_digits
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem


def tabulate_policy(policy: OrderingPolicy, problem: LostSalesProblem, first_row: int = 0) -> OrderTable:
    """What a policy orders in every state of the lost-sales problem, to whole units.

    Orders that would lift the position above the problem's cap are cut to reach it, as the table knows no more.

    Args:
        policy: asked in period 0, for the series from `first_row` on; it must order by the stock alone.
        problem: S instances with one lead time.
        first_row: the policy's row of the problem's first instance.
    """
    order_SX = np.zeros((problem.n_series, problem.n_states), dtype=np.int64)
    for row in range(problem.n_series):
        digits_XL = state_digits(problem, row)
        wanted_X = _orders(policy, first_row + row, digits_XL)
        most_X = int(problem.position_cap_S[row]) - digits_XL.sum(1)
        order_SX[row, : len(wanted_X)] = np.clip(np.rint(wanted_X), 0, most_X)
    return make_table(problem, order_SX)


@torch.no_grad()
def _orders(policy: OrderingPolicy, row: int, digits_XL: np.ndarray) -> np.ndarray:
    """Orders in states (x_0, x_1, ...): the states are the paths of one series."""
    stock_XL = torch.as_tensor(digits_XL, dtype=torch.float64)
    # What x_0 counts as on hand may as well arrive now; the last slot is that of the order to come.
    receipts = [torch.zeros_like(stock_XL[:, :1]), stock_XL[:, 1:], torch.zeros_like(stock_XL[:, :1])]
    none_SP = torch.zeros_like(stock_XL[None, :, 0])
    state = StockState(
        0, slice(row, row + 1), stock_XL[None, :, 0], none_SP, torch.cat(receipts, 1)[None], none_SP, none_SP
    )
    return policy.order(state)[0].cpu().numpy()

"""Base-stock levels and order caps that follow their cost downhill, from the sales that a shop can see.

A policy orders min((level - position)+, cap). Each period tells, for each unit that can be sold, whether one unit
more of it would have stayed (cost h) or, where all was sold, would have been sold (gain p). Which share of the stock
moves with the level and the cap is known exactly: the derivatives of on-hand stock and of each order on its way obey
the same recursion as the stock itself. Their product is the derivative of a period's cost, and needs no lost demand to
be seen: with a sell-out, the derivative from the left is -p whether or not a customer went away. For one level it is
the gradient of Huh, Janakiraman, Muckstadt & Rusmevichientong (2009), "An adaptive algorithm for finding the optimal
base-stock policy in lost sales inventory systems with censored demand"; the cap adds a second one.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
import torch
from torch import Tensor

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.learning.adaptive_spec import AdaptiveSpec
from udfs.inventory.simulation.state import StockState
from udfs.series.series_threads import over_series

_SOLD_OUT: Final = 1e-9  # units; less than this on hand is a rounding error of the orders


class AdaptivePolicy:
    """S learners on P paths each, which order in a simulation and learn as it goes.

    A call with period 0 forgets what its series learned before. It expects to be asked in every period. The learned
    values are means over time in which late values count most (weights t^3: Shamir & Zhang 2013).

    Args:
        spec: S series.
        n_paths: P; every path learns for itself.

    Raises:
        ValueError: `n_paths` is not a whole number >= 1.
    """

    def __init__(self, spec: AdaptiveSpec, n_paths: int = 1) -> None:
        if not 1 <= n_paths < np.inf or n_paths % 1 != 0:
            raise ValueError(f"n_paths: expected a whole number >= 1, found {n_paths}")
        shape = (spec.n_series, int(n_paths))
        self.spec = spec
        initial_S12 = np.stack([spec.initial_level_S, spec.initial_cap_S], axis=-1)[:, None]
        self._value_SP2 = np.array(np.broadcast_to(initial_S12, (*shape, 2)), order="C")
        self._mean_SP2 = self._value_SP2.copy()
        self._square_SP2 = np.zeros((*shape, 2))
        # Derivatives of the units in each slot (0: can be sold in this period) with respect to level and cap.
        self._moves_SP2X = np.zeros((*shape, 2, int(spec.lead_time_S.max()) + 1))
        self._periods_S = np.zeros(spec.n_series, dtype=np.int64)

    @property
    def level(self) -> FloatArray:
        """The learned levels, units, [S, P]."""
        return self._mean_SP2[..., 0].copy()

    @property
    def cap(self) -> FloatArray:
        """The learned caps, units, [S, P]; inf where none is learned."""
        return self._mean_SP2[..., 1].copy()

    def order(self, state: StockState) -> Tensor:
        """Learn from the period that has passed, then say what to order now, units, (S, P)."""
        on_hand_SP = state.on_hand_SP.detach().cpu().double().numpy()
        position_SP = state.position.detach().cpu().double().numpy()
        first = state.rows.start or 0
        if state.t == 0:
            self._forget(slice(first, first + len(on_hand_SP)))
        order_SP = np.empty_like(on_hand_SP)

        def kernel(start: int, stop: int) -> None:
            rows = slice(first + start, first + stop)
            stock = (on_hand_SP[start:stop], position_SP[start:stop])
            _order_rows(*stock, order_SP[start:stop], *self._arrays(rows))

        over_series(kernel, len(on_hand_SP))
        return torch.as_tensor(order_SP).to(state.on_hand_SP)

    def run(self, demand_SPT: FloatArray, n_blocks: int = 1) -> FloatArray:
        """Learn along demand paths from an empty stock with lost sales; mean cost per period of each block, [S, P, B].

        It does what `simulate` does with `order`, in one compiled loop, and goes on from what was learned before. With
        a lead time of T or more nothing arrives within the demand, so that all of it is lost.

        Args:
            demand_SPT: units >= 0 in each of T periods.
            n_blocks: B equal blocks of periods; must divide T.

        Raises:
            ValueError: a shape that does not fit, demand that is negative or not finite, or a bad `n_blocks`.
        """
        demand_SPT = np.ascontiguousarray(demand_SPT, dtype=np.float64)
        shape = self._value_SP2.shape[:2]
        if demand_SPT.ndim != 3 or demand_SPT.shape[:2] != shape:
            raise ValueError(f"demand_SPT: expected shape {shape} by periods, found {demand_SPT.shape}")
        if not n_blocks >= 1 or demand_SPT.shape[2] == 0 or demand_SPT.shape[2] % n_blocks:
            raise ValueError(f"n_blocks: expected a divisor of {demand_SPT.shape[2]} periods, found {n_blocks}")
        bad = np.flatnonzero(~(np.isfinite(demand_SPT) & (demand_SPT >= 0.0)).all((1, 2)))
        if bad.size:
            raise ValueError(f"demand_SPT: expected finite units >= 0, found others in row {bad[0]}")
        cost_SPB = np.zeros((*shape, n_blocks))
        self._moves_SP2X[:] = 0.0  # the stock starts anew

        def kernel(start: int, stop: int) -> None:
            _run_rows(demand_SPT[start:stop], cost_SPB[start:stop], *self._arrays(slice(start, stop)))

        over_series(kernel, len(demand_SPT))
        return cost_SPB

    def _arrays(self, rows: slice) -> tuple[tuple[Any, ...], tuple[FloatArray, ...], np.ndarray]:
        """Terms, memory and count of periods of some series, as the kernels take them."""
        spec = self.spec
        lead_time_S = spec.lead_time_S[rows].astype(np.int64)
        initial = (spec.initial_level_S[rows], spec.initial_cap_S[rows], spec.step, spec.step_rule == "adagrad")
        terms = (lead_time_S, spec.holding_cost_S[rows], spec.shortage_cost_S[rows], *initial)
        memory = (self._value_SP2[rows], self._mean_SP2[rows], self._square_SP2[rows], self._moves_SP2X[rows])
        return terms, memory, self._periods_S[rows]

    def _forget(self, rows: slice) -> None:
        initial_S2 = np.stack([self.spec.initial_level_S[rows], self.spec.initial_cap_S[rows]], axis=-1)
        self._value_SP2[rows] = initial_S2[:, None]
        self._mean_SP2[rows] = initial_S2[:, None]
        for memory in (self._square_SP2, self._moves_SP2X, self._periods_S):
            memory[rows] = 0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _order_rows(on_hand_SP, position_SP, order_SP, terms, memory, periods_S):  # type: ignore[no-untyped-def]
    lead_time_S, value_SP2, moves_SP2X = terms[0], memory[0], memory[3]
    for s in range(on_hand_SP.shape[0]):
        for p in range(on_hand_SP.shape[1]):
            if periods_S[s] > 0:
                _learn(on_hand_SP[s, p], s, p, terms, memory, periods_S[s])
            order_SP[s, p] = _order(position_SP[s, p], lead_time_S[s], value_SP2[s, p], moves_SP2X[s, p])
        periods_S[s] += 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _run_rows(demand_SPT, cost_SPB, terms, memory, periods_S):  # type: ignore[no-untyped-def]
    lead_time_S, holding_S, shortage_S = terms[0], terms[1], terms[2]
    value_SP2, moves_SP2X = memory[0], memory[3]
    n_periods = demand_SPT.shape[2]
    block = n_periods // cost_SPB.shape[2]
    for s in range(demand_SPT.shape[0]):
        for p in range(demand_SPT.shape[1]):
            pipeline_X = np.zeros(lead_time_S[s] + 1)
            on_hand = 0.0
            for t in range(n_periods):
                if t > 0:
                    _learn(on_hand, s, p, terms, memory, periods_S[s] + t)
                position = on_hand + pipeline_X.sum()
                pipeline_X[lead_time_S[s]] += _order(position, lead_time_S[s], value_SP2[s, p], moves_SP2X[s, p])
                on_hand += pipeline_X[0]
                pipeline_X[:-1] = pipeline_X[1:]
                pipeline_X[-1] = 0.0
                left = on_hand - demand_SPT[s, p, t]
                cost = holding_S[s] * left if left > 0.0 else -shortage_S[s] * left
                cost_SPB[s, p, t // block] += cost / block
                on_hand = max(left, 0.0)
        periods_S[s] += n_periods


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _learn(on_hand, s, p, terms, memory, periods):  # type: ignore[no-untyped-def]
    """Move level and cap along the last period's derivative; what was sold moves with neither any more."""
    _, holding_S, shortage_S, level_S, cap_S, step, is_adagrad = terms
    value_SP2, mean_SP2, square_SP2, moves_SP2X = memory
    is_sold_out = on_hand <= _SOLD_OUT
    slope = -shortage_S[s] if is_sold_out else holding_S[s]
    weight = min(4.0 / (periods + 3.0), 1.0)
    for k in range(2):
        initial = cap_S[s] if k else level_S[s]
        if not np.isfinite(initial):
            continue
        gradient = slope * moves_SP2X[s, p, k, 0]
        square_SP2[s, p, k] += gradient * gradient
        scale = np.sqrt(square_SP2[s, p, k]) if is_adagrad else shortage_S[s] * np.sqrt(periods)
        if gradient != 0.0:
            value_SP2[s, p, k] = max(value_SP2[s, p, k] - step * initial * gradient / scale, 0.0)
        mean_SP2[s, p, k] += weight * (value_SP2[s, p, k] - mean_SP2[s, p, k])
        if is_sold_out:
            moves_SP2X[s, p, k, 0] = 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _order(position, lead_time, value_2, moves_2X):  # type: ignore[no-untyped-def]
    """The order, and the derivatives of all slots moved on to the coming period."""
    wanted = value_2[0] - position
    for k in range(2):
        # Slot 0 holds what can be sold now: what was left, and what arrives.
        if len(moves_2X[k]) > 1:
            moves_2X[k, 0] += moves_2X[k, 1]
            moves_2X[k, 1:-1] = moves_2X[k, 2:]
            moves_2X[k, -1] = 0.0
        if wanted > value_2[1]:
            moves_2X[k, lead_time] += 1.0 * k
        elif wanted > 0.0:
            moves_2X[k, lead_time] += 1.0 - k - moves_2X[k].sum()
    return min(max(wanted, 0.0), value_2[1])

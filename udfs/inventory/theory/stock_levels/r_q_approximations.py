"""Well-known approximations of the best (r, Q) policy under normal demand (Snyder & Shen 2019, chapter 5).

`r_q_normal` gives the exact optimum as fast; these serve comparison, and planners who know them by name. `cost_S` is
the exact cost of the policy unless its docstring says otherwise.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from scipy import special

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import reject
from udfs.inventory.theory.lot_sizing.eoq import eoq
from udfs.inventory.theory.lot_sizing.eoq_backorders import eoq_backorders
from udfs.inventory.theory.stock_levels.normal_backorders import loss, second_loss, survival
from udfs.inventory.theory.stock_levels.r_q_normal import (
    NormalTerms,
    ReorderQuantityPlan,
    best_reorder_point,
    r_q_normal_cost,
)
from udfs.series.series_threads import over_series

_STEPS = 1000
_TOLERANCE = 1e-10


def r_q_eoq_backorders(terms: NormalTerms) -> ReorderQuantityPlan:
    """Q of the EOQ with backorders and the best r for it: at most 1/8 above the least cost (Zheng 1992)."""
    _, _, demand_S, fixed_S, h_S, p_S = terms.columns()
    quantity_S = eoq_backorders(fixed_S, h_S, p_S, demand_S).quantity_S
    return _costed(best_reorder_point(quantity_S, terms), quantity_S, terms)


def r_q_eoq_safety_stock(terms: NormalTerms) -> ReorderQuantityPlan:
    """Q of the EOQ, and r the newsvendor level of the lead-time demand (equation (5.21))."""
    mu_S, sigma_S, demand_S, fixed_S, h_S, p_S = terms.columns()
    return _costed(mu_S + sigma_S * special.ndtri(p_S / (p_S + h_S)), eoq(fixed_S, h_S, demand_S).quantity_S, terms)


def r_q_expected_inventory_level(terms: NormalTerms) -> ReorderQuantityPlan:
    """Hadley & Whitin's approximation (equations (5.16) to (5.18)): backorders cost once per unit, whatever their wait.

    P(D > r) = Q h / (p lambda) and Q = sqrt(2 lambda (K + p n(r)) / h) in turn, from the EOQ on. `backorder_cost` is
    read as currency per unit backordered; `cost_S` is this model's cost, not that of `r_q_normal`.

    Raises:
        ValueError: a series where Q h >= p lambda, so that backorders are too cheap for this model, or one whose lead
            time or deviation is 0.
    """
    columns = terms.columns()
    mu_S, sigma_S, demand_S, fixed_S, h_S, p_S = columns
    _reject_certain(sigma_S)
    z_S, quantity_S = _iterate(columns, _expected_level)
    reject(
        ~np.isfinite(z_S) | ~np.isfinite(quantity_S),
        lambda row: (
            f"backorder_cost: expected more than Q h / lambda "
            f"(EOQ: {math.sqrt(2.0 * fixed_S[row] * h_S[row] / demand_S[row]):g}), found {p_S[row]:g}"
        ),
    )
    short_S = sigma_S * (np.exp(-0.5 * z_S * z_S) / np.sqrt(2.0 * np.pi) - z_S * special.ndtr(-z_S))
    reorder_S = mu_S + sigma_S * z_S
    cost_S = h_S * (sigma_S * z_S + 0.5 * quantity_S) + (fixed_S + p_S * short_S) * demand_S / quantity_S
    return ReorderQuantityPlan(reorder_S, quantity_S, cost_S)


def r_q_loss_function(terms: NormalTerms) -> ReorderQuantityPlan:
    """n(r) = h Q / (h + p) and Q = sqrt(2 (K lambda + (h + p) n2(r)) / h) in turn, from the EOQ on.

    Snyder & Shen (2019), equations (5.28), (5.29).

    Raises:
        ValueError: a series whose lead time or deviation is 0.
    """
    columns = terms.columns()
    _reject_certain(columns[1])
    z_S, quantity_S = _iterate(columns, _loss_level)
    return _costed(columns[0] + columns[1] * z_S, quantity_S, terms)


def _costed(reorder_S: FloatArray, quantity_S: FloatArray, terms: NormalTerms) -> ReorderQuantityPlan:
    return ReorderQuantityPlan(reorder_S, quantity_S, r_q_normal_cost(reorder_S, quantity_S, terms))


def _reject_certain(sigma_S: FloatArray) -> None:
    reject(
        sigma_S <= 0.0,
        lambda row: "demand_sd, lead_time: expected an uncertain lead-time demand for this approximation, found sd 0",
    )


def _iterate(columns: tuple[FloatArray, ...], kernel: object) -> tuple[FloatArray, FloatArray]:
    """Safety factor z and quantity of each series."""
    z_S, quantity_S = np.empty(columns[0].size), np.empty(columns[0].size)
    over_series(lambda start, stop: kernel(start, stop, *columns[1:], z_S, quantity_S), z_S.size)  # type: ignore[operator]
    return z_S, quantity_S


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _expected_level(
    start: int,
    stop: int,
    sigma_S: FloatArray,
    demand_S: FloatArray,
    fixed_S: FloatArray,
    h_S: FloatArray,
    p_S: FloatArray,
    z_S: FloatArray,
    quantity_S: FloatArray,
) -> None:
    for s in range(start, stop):
        sigma, demand, h, p = sigma_S[s], demand_S[s], h_S[s], p_S[s]
        q, z = math.sqrt(2.0 * fixed_S[s] * demand / h), 0.0
        for _ in range(_STEPS):
            share = q * h / (p * demand)
            if share >= 1.0:
                z = np.nan
                break
            z = _quantile(share)
            further = math.sqrt(2.0 * demand * (fixed_S[s] + p * sigma * loss(z)) / h)
            is_done = abs(further - q) <= _TOLERANCE * q
            q = further
            if is_done:
                break
        z_S[s], quantity_S[s] = z, q


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _quantile(share: float) -> float:
    """The z with P(Z > z) = share, by bisection: erfc is the only normal function compiled here."""
    low, high = -38.0, 38.0
    for _ in range(70):
        z = 0.5 * (low + high)
        if survival(z) > share:
            low = z
        else:
            high = z
    return 0.5 * (low + high)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _loss_level(
    start: int,
    stop: int,
    sigma_S: FloatArray,
    demand_S: FloatArray,
    fixed_S: FloatArray,
    h_S: FloatArray,
    p_S: FloatArray,
    z_S: FloatArray,
    quantity_S: FloatArray,
) -> None:
    for s in range(start, stop):
        sigma, h, p = sigma_S[s], h_S[s], p_S[s]
        order = fixed_S[s] * demand_S[s]
        q, z = math.sqrt(2.0 * order / h), 0.0
        for _ in range(_STEPS):
            z = _loss_root(h * q / ((h + p) * sigma))
            further = math.sqrt(2.0 * (order + (h + p) * sigma * sigma * second_loss(z)) / h)
            is_done = abs(further - q) <= _TOLERANCE * q
            q = further
            if is_done:
                break
        z_S[s], quantity_S[s] = z, q


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _loss_root(target: float) -> float:
    """The z with E[(Z - z)+] = target. The loss is convex and at least -z, so Newton's steps rise from -target."""
    z = -target
    for _ in range(200):
        step = (loss(z) - target) / survival(z)
        if not step > 1e-14 * (1.0 + abs(z)):
            break
        z += step
    return z

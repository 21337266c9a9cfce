"""What ended each order of a budgeted list, in plain words and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.orders.budget_cut import Cut
from udfs.inventory.orders.marginal_value import MarginalSteps
from udfs.inventory.orders.order_terms import OrderTerms
from udfs.inventory.orders.order_words import money, units
from udfs.inventory.orders.step_table import IntArray

BINDINGS: Final = ("profit", "pack", "moq", "most", "budget", "capacity", "budget and capacity")
_ROUNDING: Final = 1e-9
_CODE: Final = {name: code for code, name in enumerate(BINDINGS)}


@dataclass(frozen=True, slots=True)
class Binding:
    """What keeps each order from one more step, [S] each.

    code_S: place in `BINDINGS`: the next step would not pay; a unit more would pay but not a pack; a unit would pay but
    not the minimum order; the largest order allowed is reached; a limit of the list. is_moq_raised_S: the order is
    the minimum order, which is more than would pay by itself.
    value_S, cost_S, size_S: expected profit, purchase cost and capacity of the next step.
    """

    code_S: IntArray
    is_moq_raised_S: np.ndarray
    value_S: FloatArray
    cost_S: FloatArray
    size_S: FloatArray


def find_binding(
    steps: MarginalSteps, taken_N: IntArray, unit_size_S: FloatArray, terms: OrderTerms, cut: Cut
) -> Binding:
    """What binds each series' order of `taken_N` steps of each run, under the cut of the whole list."""
    S, end = steps.n_series, steps.end
    value_S, cost_S = end.value_S.copy(), end.cost_S.copy()
    quantity_S = steps.total(taken_N, steps.quantity_N)
    least_S = np.broadcast_to(terms.least_order(), (S,))
    code_S = np.full(S, _CODE["profit"])
    code_S[end.unit_value_S > 0.0] = _CODE["pack"]
    code_S[(end.unit_value_S > 0.0) & (quantity_S == 0.0) & (least_S > np.asarray(terms.pack))] = _CODE["moq"]
    code_S[end.is_capped_S] = _CODE["most"]
    step_S = np.where(quantity_S == 0.0, least_S, np.asarray(terms.pack))
    left = np.flatnonzero(taken_N < steps.count_N)
    rows, first = np.unique(steps.row_N[left], return_index=True)
    runs = left[first]
    value_S[rows], cost_S[rows], step_S[rows] = steps.value_N[runs], steps.cost_N[runs], steps.quantity_N[runs]
    size_S = step_S * unit_size_S
    code_S[rows] = _limits(cut, cost_S[rows], size_S[rows])
    is_raised_S = end.is_raised_S & (quantity_S > 0.0) & (quantity_S == least_S)
    return Binding(code_S, is_raised_S, value_S, cost_S, size_S)


def _limits(cut: Cut, cost_R: FloatArray, size_R: FloatArray) -> IntArray:
    """Which limits keep a profitable step out: those that it takes of and that have a price, or too little room."""
    is_budget_R = (cost_R > 0.0) & ((cut.prices.budget > 0.0) | (cost_R > cut.budget - cut.cost))
    is_capacity_R = (size_R > 0.0) & ((cut.prices.capacity > 0.0) | (size_R > cut.capacity - cut.size))
    code_R = np.where(is_budget_R, _CODE["budget"], _CODE["capacity"])
    return np.where(is_budget_R & is_capacity_R, _CODE["budget and capacity"], code_R)


def binding_notes(
    binding: Binding, quantity_S: FloatArray, terms: OrderTerms, cut: Cut, currency: str = "unit of currency"
) -> list[str]:
    """One clause per series, without a full stop, such as "the next pack would earn 0.08 per USD, below the budget's
    cut of 0.21"."""
    S = len(quantity_S)
    columns = (
        binding.code_S,
        binding.is_moq_raised_S,
        binding.value_S,
        binding.cost_S,
        binding.size_S,
        quantity_S,
        np.broadcast_to(np.asarray(terms.pack), (S,)),
        np.broadcast_to(terms.least_order(), (S,)),
    )
    return [_note(cut, currency, *row) for row in zip(*(c.tolist() for c in columns), strict=True)]


def _note(
    cut: Cut,
    currency: str,
    code: int,
    is_raised: bool,
    value: float,
    cost: float,
    size: float,
    quantity: float,
    pack: float,
    least: float,
) -> str:
    next_one = "the next unit" if pack == 1.0 else "the next pack"
    step = next_one if quantity > 0.0 else f"the least order of {units(least)}"
    raised = f"raised to the minimum order of {units(least)}, which still pays; " if is_raised else ""
    name = BINDINGS[code]
    if name in ("profit", "pack", "moq"):
        worth = f"would lose {money(-value)}" if value < 0.0 else "would earn nothing"
        unit = ", though one more unit would pay" if name == "pack" else ""
        return f"{raised}{step} {worth}{', though one unit would pay' if name == 'moq' else unit}"
    if name == "most":
        return f"{raised}{step} would earn {_rate(value, cost, f'per {currency}')}, but no larger order is wanted"
    return f"{raised}{step} {_against(name, value, cost, size, cut, currency)}"


def _against(name: str, value: float, cost: float, size: float, cut: Cut, currency: str) -> str:
    """The next step against the price of what it takes."""
    worth = cut.prices.budget * cost + cut.prices.capacity * size
    if name == "budget":
        earned, price = _rate(value, cost, f"per {currency}"), f"the budget's cut of {money(cut.prices.budget)}"
    elif name == "capacity":
        earned, price = (
            _rate(value, size, "per unit of capacity"),
            f"the capacity's cut of {money(cut.prices.capacity)}",
        )
    else:
        earned, price = money(value), f"the {money(worth)} that its share of budget and capacity is worth"
    if value >= worth * (1.0 - _ROUNDING):
        return f"would earn {earned}, but does not fit into what is left of the {name}"
    return f"would earn {earned}, below {price}"


def _rate(value: float, amount: float, per: str) -> str:
    return f"{money(value / amount)} {per}" if amount > 0.0 else money(value)

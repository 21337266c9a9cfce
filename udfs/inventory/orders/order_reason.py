"""Why a line of the order plan says what it says, in plain words with its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.kernels.planning_inputs import ForecastInput, IdArray, StockInput, SupplyInput
from udfs.inventory.order_quantity import round_order
from udfs.inventory.orders.order_words import order_head, plural, units
from udfs.inventory.policies.policy_registry import POLICIES
from udfs.inventory.supply import SupplyTerms

_TERM_WORDS: Final = {
    "lead_time_days": "lead time {:g} days",
    "moq_qty": "minimum order {:g}",
    "pack_qty": "pack {:g}",
    "order_cost": "order cost {:g}",
}


@dataclass(frozen=True, slots=True)
class OrderLines:
    """What the reasons of S order lines speak of, units unless named otherwise, [S] each.

    order_S, raw_order_S: after and before packs and minimum order. cover_days_S: days that the position lasts.
    days_S: lead time and review. p50_S, p90_S: quantiles of the demand of those days. reorder_point_S, order_up_to_S:
    the policy's levels today; NaN for a policy without. policy_S: its name.
    """

    order_S: FloatArray
    raw_order_S: FloatArray
    position_S: FloatArray
    cover_days_S: FloatArray
    days_S: FloatArray
    p50_S: FloatArray
    p90_S: FloatArray
    reorder_point_S: FloatArray
    order_up_to_S: FloatArray
    policy_S: IdArray


def order_reasons(lines: OrderLines, forecast: ForecastInput, supply: SupplyInput, stock: StockInput) -> list[str]:
    """One sentence per line for the decision, and one for each thing that was assumed or stood in."""
    notes = zip(
        _rounding_notes(lines, supply.terms),
        _stock_notes(stock),
        _supply_notes(supply),
        _forecast_notes(lines.days_S, forecast),
        strict=True,
    )
    targets = _targets(lines, supply.terms.service_level)
    columns = (
        lines.order_S,
        supply.terms.pack_qty,
        lines.position_S,
        lines.cover_days_S,
        lines.days_S,
        lines.p50_S,
        lines.p90_S,
    )
    return [
        _decision(target, *numbers) + rounding + "." + "".join(rest)
        for numbers, target, (rounding, *rest) in zip(
            zip(*(c.tolist() for c in columns), strict=True), targets, notes, strict=True
        )
    ]


def _decision(
    target: str, order: float, pack: float, position: float, cover: float, days: float, p50: float, p90: float
) -> str:
    head = order_head(order, pack)
    covers = f"covers {cover:.1f} days" if cover < np.inf else "meets no expected demand"
    over = f"demand over {days:.0f} {plural(days, 'day')} p50 {units(p50)}, p90 {units(p90)}"
    if order > 0.0:
        return f"{head}: position {units(position)} {covers}; {over}; {target}"
    return f"{head}: position {units(position)} {covers}; nothing due, {target}; {over}"


def _targets(lines: OrderLines, service_level_S: FloatArray) -> list[str]:
    """What the policy aims at, with its name: levels at a service level, or levels of least cost."""
    words = []
    rows = zip(
        lines.reorder_point_S.tolist(),
        lines.order_up_to_S.tolist(),
        lines.policy_S.tolist(),
        service_level_S.tolist(),
        strict=True,
    )
    for reorder_point, order_up_to, policy, service_level in rows:
        aim = f"at {100.0 * service_level:g}% service" if POLICIES[policy].aims_at_service else "at least cost"
        if order_up_to != order_up_to:
            words.append(f"as {policy} has learned")
        elif order_up_to > reorder_point:
            words.append(f"up to {units(order_up_to)} when at or below {units(reorder_point)} {aim} ({policy})")
        else:
            words.append(f"up to {units(order_up_to)} {aim} ({policy})")
    return words


def _rounding_notes(lines: OrderLines, terms: SupplyTerms) -> list[str]:
    """What lifted the order above what the policy wanted: the minimum order, a full pack, or nothing."""
    in_packs_S = round_order(lines.raw_order_S, np.zeros_like(terms.moq_qty), terms.pack_qty)
    is_moq_S = lines.order_S > in_packs_S
    is_pack_S = (terms.pack_qty > 1.0) & (lines.order_S > lines.raw_order_S)
    notes = []
    for raw, moq, is_moq, is_pack in zip(
        lines.raw_order_S.tolist(), terms.moq_qty.tolist(), is_moq_S.tolist(), is_pack_S.tolist(), strict=True
    ):
        if is_moq:
            notes.append(f"; raised from {units(raw)} to the minimum order of {units(moq)}")
        elif is_pack:
            notes.append(f"; raised from {units(raw)} to a full pack")
        else:
            notes.append("")
    return notes


def _stock_notes(stock: StockInput) -> list[str]:
    return [
        " Stock is unknown: the position is assumed from forecast demand."
        if is_hand_assumed
        else (f" Stock was counted {age} {plural(age, 'day')} before." if age else "")
        + (" Stock on order is unknown and taken as none." if is_order_assumed else "")
        for is_hand_assumed, is_order_assumed, age in zip(
            stock.is_on_hand_assumed_S.tolist(),
            stock.is_on_order_assumed_S.tolist(),
            stock.age_days_S.tolist(),
            strict=True,
        )
    ]


def _supply_notes(supply: SupplyInput) -> list[str]:
    """The supply terms that were assumed, with the values taken."""
    words: list[list[str]] = [[] for _ in range(len(supply.terms.pack_qty))]
    for name, text in _TERM_WORDS.items():
        values = getattr(supply.terms, name)
        for row in np.flatnonzero(supply.is_assumed[name]).tolist():
            words[row].append(text.format(values[row]))
    for row in np.flatnonzero(supply.is_assumed["unit_cost"]).tolist():
        cost = supply.terms.unit_cost[row]
        words[row].append(f"unit cost {cost:.2f} from the price" if cost == cost else "unit cost unknown")
    return [f" Assumed: {', '.join(found)}." if found else "" for found in words]


def _forecast_notes(days_S: FloatArray, forecast: ForecastInput) -> list[str]:
    return [
        (f" The forecast ends after {horizon} {plural(horizon, 'day')} and is extended." if days > horizon else "")
        + (f" Fallback forecast ({model})." if is_fallback else "")
        for days, is_fallback, model, horizon in zip(
            days_S.tolist(),
            forecast.is_fallback_S.tolist(),
            forecast.model_S.tolist(),
            forecast.horizon_S.tolist(),
            strict=True,
        )
    ]

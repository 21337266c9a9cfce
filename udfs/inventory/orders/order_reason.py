"""Why a line of the order plan says what it says, in plain words with its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.kernels.planned_series import Planned
from udfs.inventory.kernels.planning_inputs import ForecastInput, IdArray
from udfs.inventory.kernels.stock_position import StockInput
from udfs.inventory.kernels.supply_input import SupplyInput
from udfs.inventory.order_quantity import round_order
from udfs.inventory.orders.limit_words import limit_notes
from udfs.inventory.orders.order_words import order_head, plural, units
from udfs.inventory.policies.policy_registry import POLICIES
from udfs.inventory.review_calendar import WEEKDAYS
from udfs.inventory.stated_terms import value_words
from udfs.inventory.supply import SupplyTerms

_WITHOUT_MONEY: Final = {
    "no price or cost": " Money did not decide: neither unit cost nor price is known.",
    "unit cost of 0": " Money did not decide: a unit costs nothing.",
    "lead time": " Money did not decide: lead time and review exceed what a replay can show.",
}


@dataclass(frozen=True, slots=True)
class OrderLines:
    """What the reasons of S order lines speak of, units unless named otherwise, [S] each.

    order_S, raw_order_S: after and before packs and minimum order. cover_days_S: days that the position lasts.
    days_S: lead time and review. p50_S, p90_S: quantiles of the demand of those days. reorder_point_S, order_up_to_S:
    the policy's levels today; NaN for a policy without. policy_S: its name. earned_S: what the order is expected to
    earn before the next one, currency, NaN where no cost is known.
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
    earned_S: FloatArray


def order_reasons(lines: OrderLines, planned: Planned, as_of: date) -> list[str]:
    """One sentence per line for the decision, and one for each thing that was assumed, stood in or is doubtful."""
    supply = planned.supply
    notes = zip(
        _rounding_notes(lines, supply.terms),
        _worth_notes(lines, planned),
        limit_notes(planned),
        _review_notes(planned, as_of),
        [_WITHOUT_MONEY.get(decider, "") for decider in planned.decider_S],
        _stock_notes(planned.stock),
        _supply_notes(supply, planned.situation.spec.max_price_age_days),
        _forecast_notes(lines.days_S, planned.forecast),
        planned.decided.notes(as_of) if planned.decided is not None else [""] * len(planned.forecast),
        [f" Doubtful: {text}." if text else "" for text in planned.doubts_S],
        strict=True,
    )
    targets = _targets(lines, planned)
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
        _decision(target, review, *numbers) + rounding + "." + "".join(rest)
        for numbers, target, review, (rounding, *rest) in zip(
            zip(*(c.tolist() for c in columns), strict=True), targets, next_reviews(planned, as_of), notes, strict=True
        )
    ]


def _decision(
    target: str,
    next_review: str,
    order: float,
    pack: float,
    position: float,
    cover: float,
    days: float,
    p50: float,
    p90: float,
) -> str:
    head = order_head(order, pack)
    covers = f"covers {cover:.1f} days" if cover < np.inf else "meets no expected demand"
    over = f"demand over {days:.0f} {plural(days, 'day')} p50 {units(p50)}, p90 {units(p90)}"
    if order > 0.0:
        return f"{head}: position {units(position)} {covers}; {over}; {target}"
    due = f"no review day, the next is {next_review}" if next_review else "nothing due"
    return f"{head}: position {units(position)} {covers}; {due}, {target}; {over}"


def next_reviews(planned: Planned, as_of: date) -> list[str]:
    """The next day on which orders are placed, '' where it is today."""
    return [_day_words(as_of, days) if days else "" for days in planned.days_to_review_S.tolist()]


def _review_notes(planned: Planned, as_of: date) -> list[str]:
    """Until when an order of today has to last, where that is longer than a day."""
    rows = zip(planned.days_to_review_S.tolist(), planned.situation.terms.review_days.tolist(), strict=True)
    return [f" Next review {_day_words(as_of, int(gap))}." if not days and gap > 1.0 else "" for days, gap in rows]


def _day_words(as_of: date, days: int) -> str:
    day = as_of + timedelta(days=days)
    return f"{WEEKDAYS[day.weekday()]} {day}"


def _targets(lines: OrderLines, planned: Planned) -> list[str]:
    """What the policy aims at, with its name: levels at a service level, or levels of least cost."""
    words = []
    rows = zip(
        lines.reorder_point_S.tolist(),
        lines.order_up_to_S.tolist(),
        lines.policy_S.tolist(),
        planned.supply.terms.service_level.tolist(),
        planned.of_chosen(planned.shared_fill_KS).tolist(),
        _must_serve(lines, planned).tolist(),
        strict=True,
    )
    least = f"{100.0 * planned.situation.spec.least_fill_rate:g}%"
    for reorder_point, order_up_to, policy, service_level, shared_fill, must_serve in rows:
        aim = f"at {100.0 * service_level:g}% service" if POLICIES[policy].aims_at_service else "at least cost"
        if shared_fill == shared_fill:
            own = f"{100.0 * shared_fill:.3g}% fill" if shared_fill > 0.0 else "no fill beyond what pays"
            aim += f" with {own}, its part of {least} over its bucket"
        elif must_serve and not POLICIES[policy].aims_at_service:
            aim += f" with {least} fill"
        if order_up_to != order_up_to:
            words.append(f"as {policy} has learned")
        elif order_up_to > reorder_point:
            words.append(f"up to {units(order_up_to)} when at or below {units(reorder_point)} {aim} ({policy})")
        else:
            words.append(f"up to {units(order_up_to)} {aim} ({policy})")
    return words


def _must_serve(lines: OrderLines, planned: Planned) -> BoolArray:
    """[S]: whether the levels have a service to reach, whatever it costs."""
    aims_S = np.array([POLICIES[policy].aims_at_service for policy in lines.policy_S.tolist()], dtype=bool)
    is_tuned_S = ~np.isnan(lines.order_up_to_S) & planned.situation.has_money & planned.situation.is_service_required
    return np.asarray(aims_S | (is_tuned_S & (planned.situation.spec.least_fill_rate > 0.0)))


def _worth_notes(lines: OrderLines, planned: Planned) -> list[str]:
    """Why something is ordered that earns nothing before the next order."""
    is_idle_S = (lines.order_S > 0.0) & (lines.earned_S == 0.0)
    for_service = " By money alone it would not be ordered today: it is for the service asked."
    for_later = " It earns nothing before the next order, and saves order costs later."
    rows = zip(is_idle_S.tolist(), _must_serve(lines, planned).tolist(), strict=True)
    return [(for_service if must_serve else for_later) if is_idle else "" for is_idle, must_serve in rows]


def _rounding_notes(lines: OrderLines, terms: SupplyTerms) -> list[str]:
    """What lifted the order above what the policy wanted: the minimum order, a full pack, or nothing."""
    in_packs_S = round_order(lines.raw_order_S, np.zeros_like(terms.moq_qty), terms.pack_qty)
    is_moq_S = lines.order_S > in_packs_S
    is_pack_S = (terms.pack_qty != 1.0) & (lines.order_S > lines.raw_order_S)
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
    rows = zip(
        stock.is_on_hand_assumed_S.tolist(),
        stock.age_days_S.tolist(),
        stock.planned_days_S.tolist(),
        stock.counted_S.tolist(),
        stock.sold_S.tolist(),
        stock.received_S.tolist(),
        stock.missing_days_S.tolist(),
        stock.is_overdrawn_S.tolist(),
        stock.is_on_order_assumed_S.tolist(),
        stock.own_order_S.tolist(),
        strict=True,
    )
    return [
        (_no_count_note(age, planned) if is_hand_assumed else _count_note(age, *rolled) if age else "")
        + _on_order_note(is_hand_assumed, is_order_assumed, own)
        for is_hand_assumed, age, planned, *rolled, is_order_assumed, own in rows
    ]


def _no_count_note(age: int, planned: int) -> str:
    known = f"was counted {age} {plural(age, 'day')} before, too long ago" if age else "is unknown"
    if planned:
        plan = f"the plan of {planned} days before" if planned > 1 else "the plan of the day before"
        return f" Stock {known}: the position is what {plan} assumed, less sales and with its orders since."
    return f" Stock {known}: the position is assumed to be one that its own policy brings about."


def _count_note(age: int, counted: float, sold: float, received: float, missing_days: int, is_overdrawn: bool) -> str:
    """The way from a count to today."""
    text = f" Stock was counted {age} {plural(age, 'day')} before: {units(counted)}, less {units(sold)} sold since"
    if missing_days:
        verb = "is" if missing_days == 1 else "are"
        text += f", of which {missing_days} {plural(missing_days, 'day')} {verb} not reported and taken as forecast"
    if received:
        text += f", and {units(received)} received from earlier plans"
    if is_overdrawn:
        text += "; more was sold since than is known to have been there"
    return text + "."


def _on_order_note(is_hand_assumed: bool, is_assumed: bool, own: float) -> str:
    """What is on order by earlier plans; that nothing is known goes without saying where no stock is."""
    if own:
        plans = "earlier plans" if is_assumed else "plans since the count"
        return f" {units(own)} {plural(own, 'unit')} {'is' if own == 1 else 'are'} on order from {plans}."
    return " Stock on order is unknown and taken as none." if is_assumed and not is_hand_assumed else ""


def _supply_notes(supply: SupplyInput, max_price_age_days: int) -> list[str]:
    """The supply terms that were assumed, with the values taken, and the age of a price that is not of today."""
    notes = []
    for found, price, age in zip(
        supply.notes_S, supply.unit_price_S.tolist(), supply.price_age_S.tolist(), strict=True
    ):
        words = [
            f"{value_words(note)} from the price" if note.term == "unit_cost" and price == price else value_words(note)
            for note in found
            if note.kind in ("assumed", "replaced")
        ]
        is_unpriced = price != price and any(note.term == "unit_cost" and note.value != note.value for note in found)
        text = f" Assumed: {', '.join(words)}." if words else ""
        text += f" No price above 0 in {max_price_age_days} days." if is_unpriced else ""
        notes.append(text + (f" The price of {price:.2f} is {age:.0f} {plural(age, 'day')} old." if age else ""))
    return notes


def _forecast_notes(days_S: FloatArray, forecast: ForecastInput) -> list[str]:
    closed_S = (forecast.closed_SH & (np.arange(forecast.closed_SH.shape[1]) < days_S[:, None])).sum(1)
    return [
        (f" Closed on {closed} of these days." if closed else "")
        + (f" The forecast ends after {horizon} {plural(horizon, 'day')} and is extended." if days > horizon else "")
        + (f" Fallback forecast ({model})." if is_fallback else "")
        for days, closed, is_fallback, model, horizon in zip(
            days_S.tolist(),
            closed_S.tolist(),
            forecast.is_fallback_S.tolist(),
            forecast.model_S.tolist(),
            forecast.horizon_S.tolist(),
            strict=True,
        )
    ]

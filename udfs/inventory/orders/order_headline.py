"""An order line at a glance: what decided its quantity and what it assumes, in codes to filter by, and one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lakehouse.schema.codes import BETWEEN_DOUBTS
from udfs.inventory.demand_distribution import BoolArray
from udfs.inventory.order_quantity import round_order
from udfs.inventory.orders.order_words import number, order_head, plural, units
from udfs.inventory.stated_terms import term_name

if TYPE_CHECKING:
    from udfs.inventory.kernels.planned_series import Planned
    from udfs.inventory.orders.order_reason import OrderLines

LONGEST: Final = 140
"""Characters of a headline: a line of a list."""
DECIDED_FORECAST: Final = "decided forecast"
_LEAST_WORDS, _LONGEST_CUT = 12, 42


def main_reasons(lines: OrderLines, planned: Planned) -> NDArray[np.object_]:
    """What decided the quantity, of `ORDER_REASONS`, [S]: the narrowest of all that bounds it; a budget comes later."""
    caps, limited = planned.situation.caps, planned.limited_order
    is_order_S = limited.order_S > 0.0
    life_S, cover_S, room_S = caps.life_SH[:, 0], caps.cover_SH[:, 0], caps.room_SH[:, 0]
    lowest_S = np.minimum(np.minimum(life_S, cover_S), room_S)
    binds_S = (planned.of_chosen(planned.wanted_KS) > lowest_S) & (is_order_S | (lines.raw_order_S > 0.0))
    in_packs_S = round_order(lines.raw_order_S, np.zeros_like(lines.raw_order_S), planned.situation.terms.pack_qty)
    rules: list[tuple[BoolArray, str]] = [
        (~is_order_S & (planned.days_to_review_S > 0), "no review day"),
        (limited.order_S < limited.uncut_S, "largest order"),
        (~is_order_S & (life_S <= 0.0), "spoils unsold"),
        (~is_order_S & (planned.situation.daily_mean <= 0.0), "no demand"),
        (is_order_S & (lines.order_S > in_packs_S), "minimum order"),
        (binds_S & (life_S == lowest_S), "shelf life"),
        (binds_S & (cover_S == lowest_S), "cover"),
        (binds_S & (room_S == lowest_S), "room"),
        (is_order_S & (lines.order_S > lines.raw_order_S) & (planned.situation.terms.pack_qty != 1.0), "full packs"),
        (is_order_S, "reorder"),
    ]
    found_S = np.select([rule for rule, _ in rules], [code for _, code in rules], "enough stock")
    return np.asarray(found_S.astype(object))


def assumptions(planned: Planned) -> list[str | None]:
    """What the line assumes for want of data: stock, open orders, terms of supply, the forecast, also where a planner
    decided it; None for nothing."""
    stock, forecast = planned.stock, planned.forecast
    rows = zip(
        stock.is_on_hand_assumed_S.tolist(),
        stock.is_on_order_assumed_S.tolist(),
        planned.supply.notes_S,
        forecast.is_fallback_S.tolist(),
        (planned.situation.protection_days > forecast.horizon_S).tolist(),
        _is_decided(planned).tolist(),
        strict=True,
    )
    return [
        BETWEEN_DOUBTS.join(
            [
                *(["stock"] if no_stock else ["open orders"] if no_open_orders else []),
                *(term_name(note.term) for note in notes if note.kind in ("assumed", "replaced")),
                *(["fallback forecast"] if is_fallback else []),
                *(["extended forecast"] if is_extended else []),
                *([DECIDED_FORECAST] if is_decided else []),
            ]
        )
        or None
        for no_stock, no_open_orders, notes, is_fallback, is_extended, is_decided in rows
    ]


def _is_decided(planned: Planned) -> BoolArray:
    none_S = np.zeros(len(planned.forecast), dtype=bool)
    return none_S if planned.decided is None else np.asarray(planned.decided.is_decided.any(1))


class _Line(NamedTuple):
    """What a headline says, units or days; see `OrderLines`."""

    reason: str
    next_review: str
    order: float
    pack: float
    position: float
    is_assumed: bool
    cover: float
    days: float
    p50: float
    p90: float
    reorder_point: float
    order_up_to: float
    most_cover: float
    room: float
    largest: float
    decided: str


def headlines(
    lines: OrderLines, planned: Planned, reason_S: NDArray[np.object_], next_review_S: list[str]
) -> list[str]:
    """The line in one sentence of at most `LONGEST` characters: order, stock and need (median to the 90% quantile),
    and what decided; `reason` has the whole of it."""
    limits = planned.situation.limits
    columns = (
        lines.order_S,
        planned.supply.terms.pack_qty,
        lines.position_S,
        planned.stock.is_on_hand_assumed_S,
        lines.cover_days_S,
        lines.days_S,
        lines.p50_S,
        lines.p90_S,
        lines.reorder_point_S,
        lines.order_up_to_S,
        limits.most_cover_days,
        limits.most_shelf_qty,
        limits.largest_order_qty,
    )
    decided = planned.decided
    decided_S = [""] * len(reason_S) if decided is None else decided.heads(lines.days_S)
    rows = zip(reason_S.tolist(), next_review_S, *(column.tolist() for column in columns), decided_S, strict=True)
    return [_headline(_Line(*row)) for row in rows]


def _headline(line: _Line) -> str:
    has = f"{units(line.position)}{' (assumed)' if line.is_assumed else ''}"
    lasts = f"lasts {line.cover:.1f} days" if line.cover < np.inf else "meets no demand"
    needs = f"{line.days:.0f} {plural(line.days, 'day')} need {units(line.p50)} to {units(line.p90)}"
    need = f"{order_head(line.order, line.pack)}: {has} {lasts}, {needs}"
    why = f"; {_decided(line)}"
    return need + _who(line.decided, LONGEST - len(need) - max(len(why), _LONGEST_CUT)) + why


def _who(words: str, room: int) -> str:
    """Who decided of the need, as far as there is room; `reason` has the whole of it."""
    words = f" ({words})" if words else ""
    if len(words) <= room:
        return words
    return f"{words[: room - 4]}...)" if room >= _LEAST_WORDS else ""


def _decided(line: _Line) -> str:
    has_levels = line.order_up_to == line.order_up_to
    filled = f"filled to {units(line.order_up_to)}" if has_levels else "as its policy has learned"
    full = line.order_up_to <= line.reorder_point
    enough = f"{units(line.order_up_to)} is full" if full else f"above the reorder point of {units(line.reorder_point)}"
    return {
        "reorder": filled,
        "full packs": f"{filled}, in full packs",
        "minimum order": "raised to the minimum order",
        "shelf life": "no more than sells before it spoils",
        "cover": f"no more than {line.most_cover:.0f} days of cover",
        "room": f"there is room for {number(line.room)}",
        "largest order": f"cut to the largest order of {number(line.largest)}",
        "enough stock": enough if has_levels else "enough, as its policy has learned",
        "no review day": f"next orders on {line.next_review}",
        "no demand": "no demand expected",
        "spoils unsold": "more would rather spoil than sell",
    }[line.reason]


def cut_headline(head: str, headline: str, why: str) -> str:
    """That of an order that the budget or the capacity of the list has cut, made of the one without the limit."""
    return f"{head}: {headline.split(': ', 1)[-1].rsplit('; ', 1)[0]}; {why}"

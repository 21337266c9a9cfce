"""What the stated terms of supply become before a plan can be made with them, term by term and row by row.

- A term that is not stated is assumed: the settings', for the unit cost what the price leaves.
- One that no plan can be made with is replaced by the same: text, a number below 0, a pack of 0, a lead time beyond
  `MAX_PROTECTION_DAYS`, a minimum order or a pack of a hundred years' demand (`plausible`).
- A lead time with a fraction, such as a mean that was measured, is rounded up: an order that is planned to come a part
  of a day too late is too late.
- A minimum order or a pack with a fraction is rounded up where the series is sold in whole units. Goods that are sold
  by weight come in packs of 2.5 as in any other, so there it stays.
- What can be planned with and hardly can be meant stays, and is doubtful: the limits are `InventorySpec`'s.
- A limit of the stock (`LIMITS`) that is not stated is none, or that of the product or its group. A shelf life with a
  fraction is rounded down: a part of a day is no day of sale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.orders.order_words import money, number
from udfs.inventory.plausible import days_of_demand, is_impossible
from udfs.inventory.review_calendar import MOST_REVIEW_DAYS
from udfs.inventory.supply import MAX_PROTECTION_DAYS, MOST


class TermNote(NamedTuple):
    """What became of one term of one series.

    kind: assumed, replaced, rounded or doubtful. stated: as the feed has it, '' where it is not stated. value: what the
    plan takes, NaN for an unknown unit cost. words: of a doubt.
    """

    term: str
    kind: str
    stated: str
    value: float
    words: str = ""


@dataclass(frozen=True, slots=True)
class StatedTerm:
    """A term as the feed states it, [S]: a number or NaN; None where it does not state one, else the text of it."""

    value_S: FloatArray
    text_S: NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Goods:
    """What is known of S series beside their terms: mean expected demand in units a day, selling price (NaN where
    unknown), and whether they are sold in fractions of a unit."""

    daily_mean_S: FloatArray
    unit_price_S: FloatArray
    is_fractional_S: BoolArray


@dataclass(frozen=True, slots=True)
class UsableTerms:
    """By term, what the plan takes and where it is the settings'; notes_S: a tuple of `TermNote` for each series."""

    value: dict[str, FloatArray]
    is_assumed: dict[str, BoolArray]
    notes_S: NDArray[np.object_]


TERMS: Final = {
    "lead_time_days": ("lead time", " days"),
    "moq_qty": ("minimum order", ""),
    "pack_qty": ("pack", ""),
    "order_cost": ("order cost", ""),
    "unit_cost": ("unit cost", ""),
}
"""The terms that a feed may state: how a planner calls each, and its unit."""

LIMITS: Final = {
    "shelf_life_days": ("shelf life", " days"),
    "most_shelf_qty": ("room", ""),
    "largest_order_qty": ("largest order", ""),
}
"""The limits of the stock that a feed may state, likewise."""

REVIEWS: Final = {"review_days": ("review period", " days"), "review_weekdays": ("review weekdays", "")}
"""What a feed may state of the days on which orders are placed; weekdays are text."""

_NAMES: Final = TERMS | LIMITS | REVIEWS


def usable_terms(
    stated: Mapping[str, StatedTerm], assumed: Mapping[str, FloatArray], goods: Goods, spec: InventorySpec
) -> UsableTerms:
    """The terms that a plan can be made with, and what became of the stated ones.

    stated, assumed: by the names of `TERMS`, and of `LIMITS` and `review_days` where those are known. A limit of inf is
    none.
    """
    notes: list[list[TermNote]] = [[] for _ in goods.daily_mean_S]
    value: dict[str, FloatArray] = {}
    is_assumed: dict[str, BoolArray] = {}
    for name in (name for name in _NAMES if name in stated):
        term = stated[name]
        is_stated_S = np.array([text is not None for text in term.text_S], dtype=bool)
        is_good_S = is_stated_S & _POSSIBLE[name](term.value_S, goods, spec)
        rounds_S = np.full(len(notes), name in ("lead_time_days", "review_days"))
        if name in ("moq_qty", "pack_qty"):
            rounds_S = ~goods.is_fractional_S
        whole_S = np.where(is_good_S & rounds_S, np.ceil(term.value_S), term.value_S)
        if name == "shelf_life_days":
            whole_S = np.where(is_good_S, np.floor(term.value_S), term.value_S)
        value[name] = np.where(is_good_S, whole_S, assumed[name])
        is_assumed[name] = ~is_good_S
        for kind, at_S in (
            ("assumed", ~is_stated_S & (name in TERMS)),
            ("replaced", is_stated_S & ~is_good_S),
            ("rounded", is_good_S & (whole_S != term.value_S)),
        ):
            for at in np.flatnonzero(at_S):
                notes[at].append(TermNote(name, kind, term.text_S[at] or "", float(value[name][at])))
    for row, note in _doubtful(stated, value, is_assumed, goods, spec):
        notes[row].append(note)
    notes_S = np.empty(len(notes), dtype=object)
    notes_S[:] = [tuple(found) for found in notes]
    return UsableTerms(value, is_assumed, notes_S)


def term_name(term: str) -> str:
    """How a planner calls a term."""
    return _NAMES[term][0]


def value_words(note: TermNote) -> str:
    """A term with the value that the plan takes, such as "lead time 7 days"."""
    noun, unit = _NAMES[note.term]
    value = money(note.value) if note.term == "unit_cost" else number(note.value)
    if note.value == inf:
        return f"no {noun}"
    return f"{noun} {value}{unit}" if note.value == note.value else f"{noun} unknown"


def doubt_words(note: TermNote) -> str:
    """What is to be said of a stated term that is not planned with as it is, or is hard to believe."""
    noun, unit = _NAMES[note.term]
    if note.kind == "replaced":
        taken = f"{number(note.value)}{unit} assumed" if note.value == note.value else "unknown"
        taken = "none assumed" if note.value == inf else taken
        return f"{noun} '{note.stated}' cannot be planned with, {taken}"
    way = "down" if note.term == "shelf_life_days" else "up"
    words = f"rounded {way} to {number(note.value)}" if note.kind == "rounded" else note.words
    return f"{noun} {note.stated}{unit} {words}".rstrip()


def supply_note(notes: tuple[TermNote, ...]) -> str | None:
    """The terms that are not as stated, with both values, by column name; None where all are."""
    forms = {"assumed": "{0} assumed {2}", "replaced": "{0} '{1}' replaced by {2}", "rounded": "{0} {1} rounded to {2}"}
    changed = [note for note in notes if note.kind in forms]
    said = [forms[note.kind].format(note.term, note.stated, _taken(note.value)) for note in changed]
    return "; ".join(said) or None


def _taken(value: float) -> str:
    return "none" if value == inf else number(value) or "unknown"


_LEAST_PACK: Final = 0.001  # a gram of what is counted in kilograms
_Possible = Callable[[FloatArray, Goods, InventorySpec], BoolArray]


def _amount(value_S: FloatArray, *_: object) -> BoolArray:
    return np.isfinite(value_S) & (value_S >= 0.0) & (value_S <= MOST)


def _lead_time(value_S: FloatArray, _goods: Goods, spec: InventorySpec) -> BoolArray:
    return _amount(value_S) & (np.ceil(value_S) + spec.review_days <= MAX_PROTECTION_DAYS)


def _lot(value_S: FloatArray, goods: Goods, _spec: InventorySpec) -> BoolArray:
    return _amount(value_S) & ~is_impossible(value_S, goods.daily_mean_S)


_LONG_DAYS = 3650.0
_POSSIBLE: Final[dict[str, _Possible]] = {
    "lead_time_days": _lead_time,
    "order_cost": _amount,
    "unit_cost": _amount,
    "moq_qty": _lot,
    "pack_qty": lambda value_S, goods, spec: _lot(value_S, goods, spec) & (value_S >= _LEAST_PACK),
    "review_days": lambda value_S, *_: _amount(value_S) & (value_S > 0.0) & (value_S <= MOST_REVIEW_DAYS),
    "shelf_life_days": lambda value_S, *_: _amount(value_S) & (value_S >= 1.0),
    "most_shelf_qty": lambda value_S, *_: _amount(value_S) & (value_S > 0.0),
    "largest_order_qty": lambda value_S, *_: _amount(value_S) & (value_S > 0.0),
}


def _time(days: float) -> str:
    """A number of days, as far as anybody can picture it."""
    return f"{number(np.round(days))} days" if days <= _LONG_DAYS else "more than ten years"


def _doubtful(
    stated: Mapping[str, StatedTerm],
    value: Mapping[str, FloatArray],
    is_assumed: Mapping[str, BoolArray],
    goods: Goods,
    spec: InventorySpec,
) -> list[tuple[int, TermNote]]:
    """Stated terms that are used and hardly can be meant."""
    lead_S, cost_S, price_S = value["lead_time_days"], value["unit_cost"], goods.unit_price_S
    found = [(row, "lead_time_days", "") for row in np.flatnonzero(lead_S > spec.doubtful_lead_days)]
    for name in ("moq_qty", "pack_qty"):
        days_S = days_of_demand(value[name], goods.daily_mean_S)
        is_much_S = (days_S > spec.doubtful_lot_days) & np.isfinite(days_S) & (value[name] > 1.0)
        found += [(at, name, f"is {_time(days_S[at])} of demand") for at in np.flatnonzero(is_much_S)]
    with np.errstate(invalid="ignore"):
        is_dear_S = cost_S > spec.doubtful_cost_ratio * price_S
    found += [(at, "unit_cost", f"beside a price of {price_S[at]:.2f}") for at in np.flatnonzero(is_dear_S)]
    found += [(at, "unit_cost", "says that a unit costs nothing") for at in np.flatnonzero(cost_S == 0.0)]
    return [
        (int(row), TermNote(name, "doubtful", stated[name].text_S[row], float(value[name][row]), words))
        for row, name, words in found
        if not is_assumed[name][row]
    ]

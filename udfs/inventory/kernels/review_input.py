"""On which days each series of a bucket can be ordered: as its supply feed states, else its supplier, else all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.planning_inputs import day_number
from udfs.inventory.review_calendar import ReviewCalendar, SupplierTerms, weekday_numbers
from udfs.inventory.stated_terms import TermNote

REVIEW_COLUMNS = ("supplier_id", "review_days", "review_weekdays")


def suppliers_of(supply: pa.Table, at_S: NDArray[np.int64], spec: InventorySpec) -> list[SupplierTerms | None]:
    """What the settings say of each series' supplier; at_S: its row of the supply table, -1 for none."""
    by_name = {name.strip().casefold(): terms for name, terms in spec.suppliers.items()}
    names = _texts(supply, "supplier_id", at_S)
    return [by_name.get(name.strip().casefold()) if name else None for name in names]


def assumed_periods(suppliers_S: Sequence[SupplierTerms | None], spec: InventorySpec) -> FloatArray:
    """Days between two reviews of each series where its feed states none, [S]."""
    own = [terms.review_days if terms else None for terms in suppliers_S]
    return np.array([float(spec.review_days if days is None else days) for days in own])


def read_reviews(
    supply: pa.Table,
    at_S: NDArray[np.int64],
    suppliers_S: Sequence[SupplierTerms | None],
    period_S: FloatArray,
    is_stated_S: NDArray[np.bool_],
    spec: InventorySpec,
) -> tuple[ReviewCalendar, dict[int, TermNote]]:
    """The calendars, and by row a note on weekdays that the feed states and nobody can read.

    period_S: days between two reviews; is_stated_S: the feed states them, which counts before the supplier's weekdays.
    """
    weekday_S7, notes = np.zeros((len(at_S), 7), dtype=bool), {}
    for row, text in enumerate(_texts(supply, "review_weekdays", at_S)):
        supplier = suppliers_S[row]
        found = weekday_numbers(", ".join(supplier.review_weekdays)) if supplier and not is_stated_S[row] else ()
        try:
            found = weekday_numbers(text or "") or found
        except ValueError:
            notes[row] = TermNote("review_weekdays", "replaced", text or "", float("inf"))
        weekday_S7[row, list(found)] = True
    first = [(terms.first_review if terms else None) or spec.first_review for terms in suppliers_S]
    first_S = np.array([day_number(day) for day in first], dtype=np.int64)
    return ReviewCalendar(period_S.astype(np.int64), first_S, weekday_S7), notes


def _texts(supply: pa.Table, name: str, at_S: NDArray[np.int64]) -> list[str | None]:
    if name not in supply.column_names:
        return [None] * len(at_S)
    values = [*supply[name].to_pylist(), None]
    return [values[at] for at in at_S]

"""All doubts about the series of a bucket in one place: what earlier stages told, and those about stock and supply."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.doubts import Doubts
from udfs.inventory.demand_paths import WEEK_DAYS
from udfs.inventory.kernels.planning_inputs import IdArray
from udfs.inventory.kernels.stock_position import StockInput
from udfs.inventory.kernels.supply_input import SupplyInput
from udfs.inventory.level_caps import least_order
from udfs.inventory.order_limits import LimitedOrder
from udfs.inventory.orders.order_words import number, units
from udfs.inventory.policies.situation import Situation
from udfs.inventory.stated_terms import doubt_words


def order_doubts(
    unique_id_S: IdArray, supply: SupplyInput, stock: StockInput, told: pa.Table | None
) -> NDArray[np.object_]:
    """The text of each series, None where there is no doubt, [S]; see `udfs.doubts`.

    told: unique_id, doubts: what earlier stages have found, any number of rows for a series.
    """
    doubts, row_of = Doubts(len(unique_id_S)), {unique_id: row for row, unique_id in enumerate(unique_id_S)}
    for told_row in told.to_pylist() if told is not None else []:
        if (row := row_of.get(told_row["unique_id"])) is not None:
            doubts.add_text(row, told_row["doubts"])
    for row, (notes, found) in enumerate(zip(supply.notes_S, stock.doubts_S, strict=True)):
        for kind, words in found:
            doubts.add(kind, row, words)
        for note in notes:
            if note.kind != "assumed":
                doubts.add(f"supply {note.kind}", row, doubt_words(note))
    return _texts(doubts)


def limit_doubts(doubts_S: NDArray[np.object_], found: LimitedOrder, situation: Situation) -> NDArray[np.object_]:
    """The doubts with the orders that a planner's largest order has cut, and what is sold and never worth ordering."""
    doubts, limits = Doubts(len(doubts_S)), situation.limits
    largest_S, life_S, least_S = limits.largest_order_qty, limits.shelf_life_days, least_order(situation.terms)
    # A series of which not one unit is expected to be wanted in its life is dead stock and no question.
    is_wanted_S = situation.daily_mean * np.where(limits.spoils, life_S, 0.0) >= 1.0
    for row in np.flatnonzero((situation.caps.life_SH[:, 0] <= 0.0) & is_wanted_S).tolist():
        a_week, days = units(WEEK_DAYS * situation.daily_mean[row]), f"{life_S[row]:.0f} days"
        what = "a unit keeps" if least_S[row] <= 1.0 else f"the least order of {units(least_S[row])} keeps"
        doubts.add("spoils unsold", row, f"{a_week} a week wanted, {what} {days}")
    for row in np.flatnonzero(found.order_S < found.uncut_S).tolist():
        wanted, left = units(found.uncut_S[row]), units(found.order_S[row])
        doubts.add("order cut", row, f"{wanted} wanted, {left} left by the largest order of {number(largest_S[row])}")
    for row, text in enumerate(doubts_S.tolist()):
        doubts.add_text(row, text)
    return _texts(doubts)


def _texts(doubts: Doubts) -> NDArray[np.object_]:
    texts = doubts.texts()
    texts_S = np.empty(len(texts), dtype=object)
    texts_S[:] = texts
    return texts_S

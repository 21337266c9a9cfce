"""All doubts about the series of a bucket in one place: what earlier stages told, and those about stock and supply."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.doubts import Doubts
from udfs.inventory.decided_demand import DecidedDays
from udfs.inventory.demand_paths import WEEK_DAYS
from udfs.inventory.kernels.planning_inputs import IdArray
from udfs.inventory.kernels.stock_position import StockInput
from udfs.inventory.kernels.supply_input import SupplyInput
from udfs.inventory.level_caps import least_order
from udfs.inventory.order_limits import LimitedOrder
from udfs.inventory.orders.order_words import number, units
from udfs.inventory.policies.situation import Situation
from udfs.inventory.stated_terms import doubt_words

_YEAR_DAYS = 365
_LEAST_UNSOLD_DAYS = 56
_RARE = -np.log(0.001)


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


def unsold_doubts(daily: pa.Table, as_of: date) -> pa.Table:
    """unique_id, doubts: series that have not sold for so long that chance hardly explains it.

    Selling days that come by chance at the rate at which they came until the last one would leave out so many days once
    in a thousand times: exp(-rate x days) < .001. A shop that sells a thing once a month waits 207 days.

    daily: unique_id, ds, y of the days looked at.
    """
    ids = daily["unique_id"].combine_chunks().dictionary_encode()
    code_R, names = ids.indices.to_numpy(), ids.dictionary.to_pylist()
    day_R = daily["ds"].cast(pa.date32()).cast(pa.int32()).to_numpy()
    is_sale_R = np.nan_to_num(daily["y"].to_numpy()) > 0.0
    today = (as_of - date(1970, 1, 1)).days
    first_S, last_S = np.full(len(names), today), np.full(len(names), today - _YEAR_DAYS)
    np.minimum.at(first_S, code_R, day_R)
    np.maximum.at(last_S, code_R[is_sale_R], day_R[is_sale_R])
    n_S = np.bincount(code_R[is_sale_R], minlength=len(names))
    unsold_S, lived_S = today - last_S, np.maximum(last_S - first_S + 1, 1)
    words = [
        (name, f"unsold: none for {unsold} days, before that on {n} of {lived}" if n else "unsold: none for a year")
        for name, unsold, n, lived, is_seen in zip(
            names, unsold_S.tolist(), n_S.tolist(), lived_S.tolist(), (first_S <= today - _YEAR_DAYS + 1).tolist(),
            strict=True,
        )
        if unsold >= _LEAST_UNSOLD_DAYS and (unsold * n / lived > _RARE if n else is_seen)
    ]  # fmt: skip
    columns = [[name for name, _ in words], [text for _, text in words]]
    return pa.table({"unique_id": pa.array(columns[0], pa.string()), "doubts": pa.array(columns[1], pa.string())})


def limit_doubts(
    doubts_S: NDArray[np.object_], found: LimitedOrder, situation: Situation, decided: DecidedDays | None = None
) -> NDArray[np.object_]:
    """The doubts with the orders that a planner's largest order has cut, what is sold and never worth ordering, and
    decided demand that is taken to last.

    What does not sell is a question only where more of it is ordered.
    """
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
    repeated_S = np.zeros(0) if decided is None else decided.repeats(situation.protection_days)
    for row in np.flatnonzero(repeated_S).tolist():
        days = f"{repeated_S[row]} of the last {WEEK_DAYS} days forecast"
        doubts.add("decided forecast", row, f"{days} are as a planner decided, and taken to repeat beyond them")
    for row, text in enumerate(doubts_S.tolist()):
        doubts.add_text(row, text)
    for row in np.flatnonzero(found.order_S <= 0.0).tolist():
        doubts.drop("unsold", row)
    return _texts(doubts)


def _texts(doubts: Doubts) -> NDArray[np.object_]:
    texts = doubts.texts()
    texts_S = np.empty(len(texts), dtype=object)
    texts_S[:] = texts
    return texts_S

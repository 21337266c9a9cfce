"""The price that money is reckoned with: each series' last known one, whatever day the data end."""

from __future__ import annotations

from datetime import date
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

PRICE_DAYS: Final = 28
"""Days of history that hold a price: each day carries the last one stated, so one row is enough but for give-aways."""


def last_prices(daily: pa.Table, as_of: date) -> pa.Table:
    """unique_id, ds, unit_price: of each series the last price above 0 on or before `as_of`, and its day.

    daily: unique_id, ds, unit_price (currency per unit, NULL where unknown), in any order. A price of 0 is a give-away:
    it says nothing about what a unit brings. A series without a price has no row.
    """
    table = pa.table({"unique_id": daily["unique_id"].cast(pa.string()), "ds": daily["ds"].cast(pa.date32())})
    table = table.append_column("unit_price", daily["unit_price"].cast(pa.float64()))
    is_known = pc.and_(pc.less_equal(table["ds"], pa.scalar(as_of, pa.date32())), pc.greater(table["unit_price"], 0.0))
    known = table.filter(is_known)
    latest = known.group_by("unique_id").aggregate([("ds", "max")]).rename_columns(["unique_id", "ds"])
    return known.join(latest, keys=["unique_id", "ds"], join_type="inner").sort_by("unique_id")

"""What the last days tell of a series' money and measure: its last known price, and whether its units have parts."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa


def last_prices(daily: pa.Table, as_of: date, max_age_days: int, *, is_listed: bool) -> pa.Table:
    """unique_id, ds, unit_price, is_fractional: of each series the last price above 0, and the day that it is known of.

    daily: unique_id, ds, y (units sold, NULL where not observed), unit_price (currency per unit, the last one known so
    far), in any order; days before `as_of` - `max_age_days` and after `as_of` tell nothing. A price of 0 is a
    give-away: it says nothing about what a unit brings. is_listed: a feed states prices whether something is sold or
    not; else a price is known of the days on which it was paid, and carried on from there. Where it is unknown it is
    NULL, with its day. is_fractional: sold in parts of a unit, as by weight.
    """
    last = int(np.datetime64(as_of, "D").astype(np.int64))
    first = last - max_age_days
    code, ids = pd.factorize(daily["unique_id"].cast(pa.string()).to_numpy(), sort=True)
    day = daily["ds"].cast(pa.date32()).cast(pa.int32()).to_numpy().astype(np.int64)
    y, price = (daily[name].cast(pa.float64()).to_numpy() for name in ("y", "unit_price"))
    is_told = (day >= first) & (day <= last)
    is_known = is_told & (price > 0.0)
    is_paid = is_known if is_listed else is_known & np.isfinite(y) & (y != 0.0)
    day_S, known_S = np.full(len(ids), first - 1), np.full(len(ids), first - 1)
    np.maximum.at(day_S, code[is_paid], day[is_paid])
    np.maximum.at(known_S, code[is_known], day[is_known])
    price_S = np.full(len(ids), np.nan)
    is_last = is_known & (day == known_S[code])
    price_S[code[is_last]] = price[is_last]
    is_fractional_S = np.zeros(len(ids), dtype=bool)
    is_fractional_S[code[is_told & np.isfinite(y) & (y != np.floor(y))]] = True
    unknown_S = day_S < first
    return pa.table(
        {
            "unique_id": pa.array(ids, pa.string()),
            "ds": pa.array(day_S.astype("datetime64[D]"), pa.date32(), mask=unknown_S),
            "unit_price": pa.array(price_S, pa.float64(), mask=unknown_S),
            "is_fractional": pa.array(is_fractional_S),
        }
    )

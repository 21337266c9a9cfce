"""Accepted prices in what a plan goes by: the demand that they bring, and what a unit sells for."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_FACTOR = "decided_factor"


def with_accepted_demand(decided: pa.Table, accepted: pa.Table) -> pa.Table:
    """What planners decided of demand (see `DecidedDays.of`), and on other days what accepted prices do to it.

    accepted: unique_id, ds, decision_id, demand_factor, author, note, of one series and day at most.
    """
    if not accepted.num_rows:
        return decided
    of_prices = accepted.rename_columns([_FACTOR if n == "demand_factor" else n for n in accepted.column_names])
    of_prices = of_prices.append_column("decided_qty", pa.nulls(len(accepted), pa.float64()))
    of_prices = of_prices.select(decided.column_names).cast(decided.schema)
    said = decided.select(["unique_id", "ds"])
    return pa.concat_tables([decided, _without(of_prices, said)])


def _without(rows: pa.Table, said: pa.Table) -> pa.Table:
    """The rows of series and days that nothing is said of."""
    known = set(zip(said["unique_id"].to_pylist(), said["ds"].to_pylist(), strict=True))
    pairs = zip(rows["unique_id"].to_pylist(), rows["ds"].to_pylist(), strict=True)
    return rows.filter(pa.array([pair not in known for pair in pairs], pa.bool_())) if known else rows


def with_accepted_prices(prices: pa.Table, accepted: pa.Table, as_of: date) -> pa.Table:
    """`last_prices` with the price that was accepted for the day after `as_of` in place of the last one."""
    tomorrow = pc.equal(accepted["ds"], pa.scalar(as_of + timedelta(days=1), pa.date32()))
    new = accepted.filter(pc.and_(tomorrow, accepted["unit_price"].is_valid()))
    if not new.num_rows:
        return prices
    price_of = dict(zip(new["unique_id"].to_pylist(), new["unit_price"].to_pylist(), strict=True))
    ids = prices["unique_id"].to_pylist()
    is_new = np.array([unique_id in price_of for unique_id in ids])
    price = pa.array([price_of.get(unique_id) for unique_id in ids], pa.float64())
    day = pa.array([as_of] * len(ids), pa.date32())
    for name, values in (("unit_price", price), ("ds", day)):
        at = prices.column_names.index(name)
        prices = prices.set_column(at, name, pc.if_else(pa.array(is_new), values, prices[name]))
    return prices

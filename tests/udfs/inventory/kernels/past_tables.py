"""Input tables of replays: forecasts made at past cutoffs, the demand that then came, demand classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa

from tests.udfs.inventory.tables import AS_OF, forecast_table

H = 14
CUTOFFS = (AS_OF - timedelta(days=2 * H), AS_OF - timedelta(days=H))
CHOICES = {CUTOFFS[1]: CUTOFFS[:1], AS_OF: CUTOFFS}
"""A choice on the as-of day that knows both cutoffs' replays, and one on the last cutoff that knows the first's."""

Daily = Mapping[str, tuple[Sequence[float | None], Sequence[float | None]]]
"""unique_id -> means and standard deviations of the days after a cutoff."""


def forecast_at(cutoff: date, daily: Daily) -> pa.Table:
    table = forecast_table(daily)
    days = pa.array([day + (cutoff - AS_OF) for day in table["ds"].to_pylist()], pa.date32())
    return table.set_column(table.column_names.index("ds"), "ds", days)


def actual_table(rows: Mapping[str, Sequence[float | None]]) -> pa.Table:
    """unique_id -> demand of the days after the first cutoff."""
    found = [(u, CUTOFFS[0] + timedelta(days=k + 1), y) for u, ys in rows.items() for k, y in enumerate(ys)]
    columns = list(zip(*found, strict=True)) or [[], [], []]
    types = (pa.string(), pa.date32(), pa.float64())
    return pa.table([pa.array(list(c), t) for c, t in zip(columns, types, strict=True)], names=["unique_id", "ds", "y"])


def class_table(ids: Sequence[str], demand_class: str = "smooth") -> pa.Table:
    return pa.table({"unique_id": pa.array(ids, pa.string()), "demand_class": [demand_class] * len(ids)})


def rows_by_key(replay: pa.Table) -> dict[tuple[str, date, str], dict[str, object]]:
    """(unique_id, cutoff, policy) -> row."""
    return {(row["unique_id"], row["cutoff"], row["policy"]): row for row in replay.to_pylist()}

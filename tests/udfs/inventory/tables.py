"""Small input tables for a bucket, each column given only where a test speaks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa
from scipy import special

from udfs.forecasting.forecast_spec import quantile_column
from udfs.inventory.kernels.planning_inputs import PATH_COLUMNS, PathTerms
from udfs.inventory.kernels.stock_position import StockTables

AS_OF = date(2016, 2, 28)
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
PATH_TERMS = PathTerms(LEVELS)


def forecast_table(
    daily: Mapping[str, tuple[Sequence[float | None], Sequence[float | None]]],
    model: str = "ets",
    fallback: Sequence[str] = (),
) -> pa.Table:
    """unique_id -> (means, standard deviations), one value for each day after AS_OF.

    Quantiles are normal, not below 0; days are independent. Without deviation every path is the mean.
    """
    rows = [
        (
            unique_id,
            model,
            AS_OF + timedelta(days=day + 1),
            mean,
            sd,
            *(_quantile(mean, sd, level) for level in LEVELS),
            *(0.0 for _ in PATH_COLUMNS),
            unique_id in fallback,
        )
        for unique_id, (means, sds) in daily.items()
        for day, (mean, sd) in enumerate(zip(means, sds, strict=True))
    ]
    numbers = ["mean", "sd", *(quantile_column(level) for level in LEVELS), *PATH_COLUMNS]
    names = ["unique_id", "model", "ds", *numbers, "is_fallback"]
    types = [pa.string(), pa.string(), pa.date32(), *(pa.float64() for _ in numbers), pa.bool_()]
    columns = list(zip(*rows, strict=True)) or [[] for _ in names]
    return pa.table([pa.array(list(c), t) for c, t in zip(columns, types, strict=True)], names=names)


def _quantile(mean: float | None, sd: float | None, level: float) -> float | None:
    if mean is None or sd is None or not sd < float("inf"):
        return mean
    return max(mean + sd * float(special.ndtri(level)), 0.0)


def supply_table(
    rows: Sequence[tuple[str, float | None, float | None, float | None, float | None, float | None]] = (),
) -> pa.Table:
    """Rows of unique_id, lead_time_days, order_cost, unit_cost, moq_qty, pack_qty."""
    return _table(["unique_id", "lead_time_days", "order_cost", "unit_cost", "moq_qty", "pack_qty"], rows)


def stock_table(rows: Sequence[tuple[str, float | None, float | None, date]] = ()) -> pa.Table:
    """Rows of unique_id, on_hand_qty, on_order_qty, ds."""
    return _table(["unique_id", "on_hand_qty", "on_order_qty", "ds"], rows)


def demand_table(sold: Mapping[str, Mapping[date, float | None]]) -> pa.Table:
    """unique_id -> units sold by day, as unique_id, ds, y."""
    return _table(["unique_id", "ds", "y"], [(u, ds, y) for u, days in sold.items() for ds, y in days.items()])


def open_order_table(rows: Sequence[tuple[str, date, float, date]] = ()) -> pa.Table:
    """Rows of unique_id, order_date, order_qty, expected_receipt_ds."""
    return _table(["unique_id", "order_date", "order_qty", "expected_receipt_ds"], rows)


def stock_tables(rows: Sequence[tuple[str, float | None, float | None, date]] = ()) -> StockTables:
    """Counts alone: nothing was sold since and nothing ordered before."""
    return StockTables(stock_table(rows), demand_table({}), open_order_table())


def price_table(rows: Sequence[tuple[str, float | None]] = ()) -> pa.Table:
    """Rows of unique_id, unit_price: prices of AS_OF."""
    return _table(["unique_id", "unit_price", "ds"], [(*row, AS_OF) for row in rows])


def _table(names: list[str], rows: Sequence[tuple[object, ...]]) -> pa.Table:
    types = {"unique_id": pa.string()} | dict.fromkeys(("ds", "order_date", "expected_receipt_ds"), pa.date32())
    columns = list(zip(*rows, strict=True)) or [[] for _ in names]
    arrays = [pa.array(list(c), types.get(n, pa.float64())) for n, c in zip(names, columns, strict=True)]
    return pa.table(arrays, names=names)

"""Stock formulas as SQL functions, for notebooks and BI: in Spark with `register`, in DuckDB with `register_duckdb`.

| function | gives |
|---|---|
| `eoq(fixed_cost, holding_cost, demand_rate)` | units per order |
| `safety_stock(service_level, mean_demand, demand_sd, lead_time, lead_time_sd)` | units |
| `reorder_point(service_level, mean_demand, demand_sd, lead_time, lead_time_sd)` | units |
| `newsvendor_quantity(mean_demand, demand_sd, holding_cost, shortage_cost)` | units |

Each works on Arrow columns, a batch at a time. A row with a NULL gives NULL; a parameter out of range (NaN among them)
is an error that names it. `udfs.inventory` says what the parameters mean and where the formulas come from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.inventory.theory.lot_sizing.eoq import eoq as _eoq
from udfs.inventory.theory.stock_levels.newsvendor import newsvendor_quantity as _newsvendor_quantity
from udfs.inventory.theory.stock_levels.safety_stock import reorder_point as _reorder_point
from udfs.inventory.theory.stock_levels.safety_stock import safety_stock as _safety_stock

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyspark.sql import SparkSession


def eoq(fixed_cost: pa.Array, holding_cost: pa.Array, demand_rate: pa.Array) -> pa.Array:
    return _by_row("eoq", lambda *columns: _eoq(*columns).quantity_S, fixed_cost, holding_cost, demand_rate)


def safety_stock(
    service_level: pa.Array, mean_demand: pa.Array, demand_sd: pa.Array, lead_time: pa.Array, lead_time_sd: pa.Array
) -> pa.Array:
    return _by_row("safety_stock", _safety_stock, service_level, mean_demand, demand_sd, lead_time, lead_time_sd)


def reorder_point(
    service_level: pa.Array, mean_demand: pa.Array, demand_sd: pa.Array, lead_time: pa.Array, lead_time_sd: pa.Array
) -> pa.Array:
    return _by_row("reorder_point", _reorder_point, service_level, mean_demand, demand_sd, lead_time, lead_time_sd)


def newsvendor_quantity(
    mean_demand: pa.Array, demand_sd: pa.Array, holding_cost: pa.Array, shortage_cost: pa.Array
) -> pa.Array:
    return _by_row("newsvendor_quantity", _newsvendor_quantity, mean_demand, demand_sd, holding_cost, shortage_cost)


FUNCTIONS: Final[tuple[tuple[Callable[..., pa.Array], int], ...]] = (
    (eoq, 3),
    (safety_stock, 5),
    (reorder_point, 5),
    (newsvendor_quantity, 4),
)
"""Each SQL function and how many columns it takes."""


def register(spark: SparkSession) -> None:
    """Make the functions known to a Spark session; doing it again changes nothing."""
    from pyspark.sql.functions import arrow_udf

    for function, _ in FUNCTIONS:
        spark.udf.register(function.__name__, arrow_udf(function, "double"))  # type: ignore[call-overload]


def register_duckdb(connection: DuckDBPyConnection) -> None:
    """Make the functions known to a DuckDB connection, once for each."""
    for function, n_columns in FUNCTIONS:
        connection.create_function(  # type: ignore[call-overload]
            function.__name__, function, ["DOUBLE"] * n_columns, "DOUBLE", type="arrow", null_handling="special"
        )


def _by_row(name: str, formula: Callable[..., np.ndarray], *given: Any) -> pa.Array:
    """The formula of the rows without a NULL, and NULL for the others. Raises ValueError that names the function."""
    columns = [_numbers(column) for column in given]
    is_known = np.ones(len(columns[0]), dtype=np.bool_)
    for column in columns:
        is_known &= np.asarray(column.is_valid())
    answers = np.zeros(is_known.size)
    try:
        answers[is_known] = formula(*(column.to_numpy(zero_copy_only=False)[is_known] for column in columns))
    except ValueError as error:
        raise ValueError(f"{name}: {error} of the batch") from error
    return pa.array(answers, mask=~is_known)


def _numbers(column: Any) -> pa.Array:
    """One float64 array of what an engine hands over: whole or decimal numbers too, in one chunk or several."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return pc.cast(column, pa.float64())

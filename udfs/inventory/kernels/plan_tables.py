"""The tables that the inventory kernels hand over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.kernels.planning_inputs import Problems

_D, _B, _T, _S, _I = pa.float64(), pa.bool_(), pa.date32(), pa.string(), pa.int32()
REPLAY_SCHEMA: Final = pa.schema(
    [
        ("unique_id", _S),
        ("cutoff", _T),
        ("policy", _S),
        ("replay_cost", _D),
        ("replay_holding_cost", _D),
        ("replay_ordering_cost", _D),
        ("replay_shortage_cost", _D),
        ("demand_qty", _D),
        ("sales_qty", _D),
        ("score", _D),
        ("n_days", _I),
    ]
)
POLICY_SCHEMA: Final = pa.schema(
    [
        ("unique_id", _S),
        ("as_of", _T),
        ("policy", _S),
        ("rule", _S),
        ("runner_up", _S),
        ("score", _D),
        ("runner_up_score", _D),
        ("service_level", _D),
        ("lead_time_days", _D),
        ("review_days", _D),
        ("demand_mean", _D),
        ("demand_sd", _D),
        ("demand_p50", _D),
        ("demand_p90", _D),
        ("safety_stock_qty", _D),
        ("reorder_point_qty", _D),
        ("order_up_to_qty", _D),
        ("expected_fill_rate", _D),
        ("expected_cost", _D),
        ("benchmark_cost", _D),
        ("replayed_fill_rate", _D),
        ("replayed_cost", _D),
        ("replayed_benchmark_cost", _D),
        ("held_out_cost", _D),
        ("held_out_benchmark_cost", _D),
        ("is_supply_assumed", _B),
    ]
)
PROPOSAL_SCHEMA: Final = pa.schema(
    [
        ("unique_id", _S),
        ("order_date", _T),
        ("order_qty", _D),
        ("order_value", _D),
        ("expected_value", _D),
        ("position_qty", _D),
        ("on_hand_qty", _D),
        ("on_order_qty", _D),
        ("days_of_cover", _D),
        ("demand_p50", _D),
        ("demand_p90", _D),
        ("expected_receipt_ds", _T),
        ("moq_qty", _D),
        ("pack_qty", _D),
        ("is_stock_assumed", _B),
        ("stockout_risk", _D),
        ("expected_shortage_qty", _D),
        ("reason", _S),
    ]
)
STEP_SCHEMA: Final = pa.schema(
    [
        ("unique_id", _S),
        ("step", _I),
        ("step_count", _I),
        ("step_qty", _D),
        ("step_cost", _D),
        ("expected_value", _D),
    ]
)
FAILURE_SCHEMA: Final = pa.schema([("unique_id", _S), ("error_class", _S), ("error", _S), ("fallback", _S)])


def failure_table(problems: Problems) -> pa.Table:
    """Rows of `FAILURE_SCHEMA`, in order of unique_id."""
    ids = sorted(problems)
    return table_of(
        FAILURE_SCHEMA,
        {
            "unique_id": ids,
            "error_class": [type(problems[unique_id]).__name__ for unique_id in ids],
            "error": [str(problems[unique_id]) for unique_id in ids],
            # An order made up from defaults would look like a decision: a series without one is left to a person.
            "fallback": ["none"] * len(ids),
        },
    )


def null_unless_finite(values: FloatArray) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))


def table_of(schema: pa.Schema, columns: Mapping[str, Any]) -> pa.Table:
    """Columns by name as a table of the schema."""
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for field, column in ((field, columns[field.name]) for field in schema)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)

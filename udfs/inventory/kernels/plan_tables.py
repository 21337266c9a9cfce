"""The tables that the inventory kernels hand over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakehouse.schema.columns import schema_of
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.kernels.planning_inputs import Problems

PROPOSAL, STEP, POLICY, REPLAY = (f"inventory.{name}" for name in ("order_proposal", "order_step", "policy", "replay"))
DECIDED = "inventory.decided_demand"


def series_numbers(unique_ids: Iterable[str]) -> NDArray[np.int64]:
    """A number of each series that is the same wherever it travels: 63 bits of a hash of its id."""
    hashes = (hashlib.blake2b(unique_id.encode(), digest_size=8).digest() for unique_id in unique_ids)
    return np.array([int.from_bytes(each, "little") >> 1 for each in hashes], dtype=np.int64)


def failure_table(problems: Problems) -> pa.Table:
    """What failed and why: unique_id, error_class, error, fallback, in order of unique_id."""
    ids = sorted(problems)
    columns = {
        "unique_id": ids,
        "error_class": [type(problems[unique_id]).__name__ for unique_id in ids],
        "error": [str(problems[unique_id]) for unique_id in ids],
        # An order made up from defaults would look like a decision: a series without one is left to a person.
        "fallback": ["none"] * len(ids),
    }
    return pa.table(columns, schema=schema_of(columns))


def null_unless_finite(values: FloatArray) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))

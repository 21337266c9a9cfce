"""The sums of backtest scores by demand class as a table: what all buckets together say about each model.

How a model is chosen by them is told in `udfs.contest`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pyarrow as pa

from lakehouse.schema.tables import contract
from udfs.contest.class_sums import class_sums, merge_class_sums
from udfs.contest.contest_spec import ContestSpec
from udfs.contest.scores import WindowScores

CLASS_SUMMARY_SCHEMA = contract("forecast.class_summary").arrow_schema(with_partitions=False)
"""Per forecast cutoff, class and model the sums that `udfs.contest.class_sums` tells of."""


def summarise_classes(
    scores: WindowScores,
    class_S: np.ndarray,
    spec: ContestSpec,
    cutoff: date,
    totals: Mapping[tuple[str, str], list[float]] | None = None,
    gains: Mapping[tuple[str, str], list[float]] | None = None,
) -> pa.Table:
    """The class sums of some series, as `CLASS_SUMMARY_SCHEMA`; see `class_sums`.

    totals, gains: by class and model, see `total_errors` and `pair_gains`.
    """
    rows = class_sums(scores, class_S, spec, cutoff)
    for row in rows:
        key = (row["demand_class"], row[spec.noun])
        row |= {"total_errors": (totals or {}).get(key), "pair_gains": (gains or {}).get(key)}
    return pa.Table.from_pylist(rows, schema=CLASS_SUMMARY_SCHEMA)


def merge_class_summaries(tables: Sequence[pa.Table]) -> pa.Table:
    """Summaries of disjoint sets of series as one; exactly rounded, so their order does not matter."""
    return merge_class_sums(tables, CLASS_SUMMARY_SCHEMA)

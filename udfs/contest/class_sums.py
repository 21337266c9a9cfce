"""What the series of a demand class say together about its candidates, as sums: buckets of series add up.

Sums are taken over the series that have a candidate's and the first candidate's score: `series`, their number; sums of
the mean score, of its difference d to the first candidate's, and of d^2; the number of series with two windows or more
and the sum of their variances of d; the sum of 1 / W.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.schema.tables.column_groups import CLASS_SUMS
from udfs.contest.contest_spec import ContestSpec
from udfs.contest.scores import WindowScores, mean_over_windows
from udfs.demand.demand_profile import DEMAND_CLASSES


def class_sums(scores: WindowScores, class_S: np.ndarray, spec: ContestSpec, cutoff: date) -> list[dict[str, Any]]:
    """A row per class and candidate with scores: cutoff, demand_class, `spec.noun` and `CLASS_SUMS`.

    Args:
        class_S: index into `DEMAND_CLASSES`, as seen at `cutoff`.
        cutoff: of the choice that the sums are for.
    """
    rows = []
    for demand_class, names in spec.candidates.items():
        at = class_S == DEMAND_CLASSES.index(demand_class)
        score_KWS = scores.of(names)[:, :, at]
        for name, score_WS in zip(names, score_KWS, strict=True):
            sums = _sums(score_WS, score_KWS[0])
            if sums[0]:
                key = {"cutoff": cutoff, "demand_class": demand_class, spec.noun: name}
                rows.append(key | dict(zip(CLASS_SUMS, sums, strict=True)))
    return rows


def merge_class_sums(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    """Sums of disjoint sets of series as one; exactly rounded, so their order does not matter.

    Args:
        tables: with the columns of `schema` at least.
        schema: of the result: cutoff, demand_class and the candidate's name, then columns that are added up.
    """
    key, added = schema.names[:3], schema.names[3:]
    groups: dict[tuple[date, str, str], list[dict[str, float]]] = {}
    for table in tables:
        for row in table.select(schema.names).to_pylist():
            groups.setdefault(tuple(row[name] for name in key), []).append(row)
    merged = [
        dict(zip(key, at, strict=True))
        | {name: _sum([row[name] for row in rows], schema.field(name)) for name in added}
        for at, rows in sorted(groups.items())
    ]
    return pa.Table.from_pylist(merged, schema=schema)


def mean_difference(sums: Mapping[str, float]) -> tuple[float, float]:
    """A candidate's mean difference to the first candidate over the class's series, and its standard error; the error
    is infinite where no series has two windows."""
    n = sums["series"]
    mean = sums["difference_sum"] / n
    if n < 2 or not sums["repeated_series"]:
        return mean, math.inf
    return mean, math.sqrt(max(sums["difference_square_sum"] / n - mean**2, 0.0) / (n - 1))


def _sum(values: list[Any], field: pa.Field) -> Any:
    """Numbers, or arrays of equal length element by element; of arrays the missing ones add nothing."""
    if pa.types.is_list(field.type):
        known = [value for value in values if value is not None]
        return np.array([math.fsum(each) for each in zip(*known, strict=True)]).tolist() if known else None
    return (int if pa.types.is_integer(field.type) else float)(math.fsum(values))


def _sums(score_WS: np.ndarray, first_WS: np.ndarray) -> tuple[int, float, float, float, int, float, float]:
    """`CLASS_SUMS` of one candidate."""
    difference_WS = np.where(np.isfinite(score_WS) & np.isfinite(first_WS), score_WS - first_WS, np.nan)
    mean_S, n_S = mean_over_windows(difference_WS)
    score_S, _ = mean_over_windows(np.where(np.isfinite(difference_WS), score_WS, np.nan))
    seen, repeated = n_S > 0, n_S > 1
    square_S = np.where(np.isfinite(difference_WS), (difference_WS - mean_S) ** 2, 0.0).sum(0)
    variance_S = square_S[repeated] / (n_S[repeated] - 1)
    return (
        int(seen.sum()),
        math.fsum(score_S[seen]),
        math.fsum(mean_S[seen]),
        math.fsum(mean_S[seen] ** 2),
        int(repeated.sum()),
        math.fsum(variance_S),
        math.fsum(1.0 / n_S[seen]),
    )

"""Lifts of festivals as rows that people read."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from lakehouse.schema.tables import contract
from lakehouse.schema.tables.seasons import NO_CATEGORY
from udfs.forecasting.festival_adjusted import FestivalLifts

LIFTS = "forecast.festival_lift"


def lift_table(lifts: FestivalLifts | None, cutoff: date, festivals: pa.Table) -> pa.Table:
    """Rows of `LIFTS` without partition columns, by category and kind of day; none where nothing was learned.

    festivals: what the lifts were learned with; its names give the codes theirs.
    """
    schema = contract(LIFTS).arrow_schema(with_partitions=False)
    if lifts is None:
        return schema.empty_table()
    kinds = [*lifts.named_kinds(sorted(festivals["festival"].unique().to_pylist())), *lifts.closure_kinds()]
    factor_CF = np.exp(np.concatenate([lifts.festival_CF, lifts.closure_CF[:, 1:]], axis=1))
    return pa.Table.from_pylist(
        [
            {"cutoff": cutoff, "category": category or NO_CATEGORY, "lift_factor": float(factor)}
            | {"day_kind": kind, "festival": festival, "festival_day": day}
            for category, factor_F in zip(lifts.categories, factor_CF, strict=True)
            for (kind, festival, day), factor in zip(kinds, factor_F, strict=True)
        ],
        schema,
    )

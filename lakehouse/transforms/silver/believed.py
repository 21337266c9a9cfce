"""Days that cannot be believed: their units and prices are set aside, and what the feed states stays beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.transforms.silver.cleaning import IMPLAUSIBLE

# (series, y, unit_price, is_stated) of whole series, each (R,) -> y_bound, y_usual, price_bound, price_usual, each (R,)
Judge = Callable[..., pd.DataFrame]


def judged(rows: DataFrame, judge: Judge, *, is_masked: bool) -> DataFrame:
    """Add y_bound, price_bound, price_stated and y_usual, and with `is_masked` take away what is beyond a bound.

    rows: of silver.sales_daily with y_stated, masked_by and is_filled, whole series sorted by day in each partition.

    Beyond y_bound y becomes NULL, masked_by 'implausible' and y_stated what the feed says; y_usual is a usual day's
    units, and so for rows so large that they were rejected. Beyond price_bound, and where a give-away would be carried
    to days without a sale, unit_price is the last one before that can be believed, and price_stated what it was. Only
    four narrow columns leave the JVM.
    """
    names = ("y_bound", "y_usual", "price_bound", "price_usual")

    @F.pandas_udf(", ".join(f"{name} double" for name in names))  # type: ignore[call-overload]
    def verdict(batches: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.DataFrame]:
        parts = list(batches)
        if not parts:
            return
        found = judge(*(pd.concat(column, ignore_index=True).to_numpy() for column in zip(*parts, strict=True)))
        start = 0
        for first, *_ in parts:
            yield found.iloc[start : start + len(first)]
            start += len(first)

    is_stated = ~F.col("is_filled") & (F.col("masked_by").isNull() | F.col("y_stated").isNotNull())
    y = F.when(F.col("masked_by") == IMPLAUSIBLE, F.lit(math.inf)).otherwise(F.col("y"))
    found = rows.withColumn("verdict", verdict(F.xxhash64("unique_id"), y, "unit_price", is_stated))
    known = {name: F.col(f"verdict.{name}") for name in names}
    if not is_masked:
        nothing = F.lit(None).cast("double")
        marks = {"y_bound": known["y_bound"], "price_bound": known["price_bound"]}
        return found.withColumns({**marks, "price_stated": nothing, "y_usual": nothing}).drop("verdict")
    is_beyond = known["y_bound"].isNotNull()
    is_refused = known["price_bound"].isNotNull() | known["price_usual"].isNotNull()
    return found.withColumns(
        {
            "y_bound": known["y_bound"],
            "y_usual": known["y_usual"],
            "y_stated": F.coalesce("y_stated", F.when(is_beyond, F.col("y"))),
            "masked_by": _either(is_beyond, F.lit(IMPLAUSIBLE), F.col("masked_by")),
            "y": F.when(~is_beyond, F.col("y")),
            "price_bound": known["price_bound"],
            "price_stated": F.when(is_refused, F.col("unit_price")),
            "unit_price": _either(is_refused, known["price_usual"], F.col("unit_price")),
        }
    ).drop("verdict")


def _either(condition: Column, one: Column, other: Column) -> Column:
    return F.when(condition, one).otherwise(other)

"""Codes of the feeds beside those of the sales: twins but for case or leading zeros, and feeds that match none."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.feeds.findings import Finding
from lakehouse.feeds.quality import Split
from lakehouse.schema.tables import FEEDS

_PARTS = ("sku_id", "location_id")
_NAMED = 3


def code_findings(series: DataFrame, feeds: Mapping[str, Split]) -> list[Finding]:
    """What is to be said of the codes of the sold series and of the feeds beside them."""
    return [*_twins(series), *_strangers(series, feeds)]


def _core(code: Column) -> Column:
    """What is left of a code without case, blanks and leading zeros."""
    return F.regexp_replace(F.lower(F.trim(code)), "^0+(?=.)", "")


def _twins(series: DataFrame) -> list[Finding]:
    found = []
    for part in _PARTS:
        alike = series.groupBy(_core(F.col(part)).alias("core")).agg(F.array_sort(F.collect_set(part)).alias("codes"))
        twins = alike.filter(F.size("codes") > 1).orderBy("core").collect()
        if twins:
            named = tuple(" / ".join(row["codes"]) for row in twins[:20])
            words = (
                f"{len(twins):,} values of {part} differ from another one in case or leading zeros alone and are "
                f"planned apart: {', '.join(named[:_NAMED])}; where they are one, say so in the mapping "
                f'({part} = {{ expr = "upper(...)" }} or lpad)'
            )
            found.append(Finding("sales", f"twins_{part}", words, len(twins), named))
    return found


def _strangers(series: DataFrame, feeds: Mapping[str, Split]) -> list[Finding]:
    """Feeds of which no code, or not every second one, is a sold one: codes written in another way match nothing."""
    found = []
    for part in _PARTS:
        sold = series.select(F.col(part).alias("code")).distinct()
        stated = [
            feed.accepted.select(F.lit(name).alias("feed"), F.col(part).alias("code")).filter("code IS NOT NULL")
            for name, feed in feeds.items()
            if part in FEEDS[name].required
        ]
        if not stated:
            continue
        codes = reduce(DataFrame.unionByName, stated).distinct()
        joined = codes.join(F.broadcast(sold.withColumn("is_sold", F.lit(True))), "code", "left")
        counted = joined.groupBy("feed").agg(
            F.count("*").alias("codes"),
            F.count("is_sold").alias("known"),
            F.min(F.when(F.col("is_sold").isNull(), F.col("code"))).alias("stranger"),
        )
        rows = [row for row in counted.orderBy("feed").collect() if row["known"] * 2 < row["codes"]]
        if not rows:
            continue
        example = sold.agg(F.min("code")).collect()[0][0]
        for row in rows:
            words = (
                f"{row['codes'] - row['known']:,} of {row['codes']:,} values of {part} occur in no sale, such as "
                f"{row['stranger']!r} (sales have {example!r})"
            )
            if not row["known"]:
                words += "; none matches, so nothing of this feed is used: are they written in another way?"
            found.append(Finding(row["feed"], f"strangers_{part}", words, row["codes"] - row["known"]))
    return found

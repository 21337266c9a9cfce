"""Kits: what is sold as one and stocked as several. Sales of a kit are demand of its components, and of nothing else.

A component gets the units of the kit's sales times those of it in a kit, net of cancellations likewise. It gets no
price, discount or promotion of them: what a kit costs says nothing of what a component does. The kit itself has no
series: it is no article to order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import SourceError
from lakehouse.feeds.findings import Finding
from lakehouse.feeds.quality import EXACT, Split
from lakehouse.schema.entities import SERIES
from lakehouse.transforms.keys import bucket_of, key_of, parts_of

_OF_THE_KIT = ("unit_price", "discount_value", "is_promo", "on_hand_qty")
_NAMED = 5
_SIXTH = Decimal("0.000001")  # as exact as units are kept


def expanded(stated: Iterable[tuple[str, str, Decimal]]) -> list[tuple[str, str, Decimal]]:
    """What each kit comes to, kits within kits taken apart: (kit, component, units in one kit), in their order.

    stated: the same as the feed has it, one row per kit and component. Raises SourceError with the loop where a kit is
    a part of itself.
    """
    contents: dict[str, dict[str, Decimal]] = {}
    for kit, component, units in stated:
        contents.setdefault(kit, {})[component] = units
    known: dict[str, dict[str, Decimal]] = {}
    for kit in contents:
        _take_apart(kit, contents, known, ())
    return [(kit, component, units) for kit in sorted(contents) for component, units in sorted(known[kit].items())]


def _take_apart(
    sku: str, contents: Mapping[str, Mapping[str, Decimal]], known: dict[str, dict[str, Decimal]], path: tuple[str, ...]
) -> dict[str, Decimal]:
    """The units of each component in one `sku`; `path`: the kits in which it was met."""
    if sku in path:
        loop = " > ".join((*path[path.index(sku) :], sku))
        raise SourceError(
            f"kits: a kit is a part of itself: {loop} (each contains the next). Take one of these rows out of the feed."
        )
    if sku not in contents:
        return {sku: Decimal(1)}
    if sku not in known:
        total: dict[str, Decimal] = {}
        for part, units in contents[sku].items():
            for component, each in _take_apart(part, contents, known, (*path, sku)).items():
                total[component] = total.get(component, Decimal(0)) + units * each
        known[sku] = total
    return known[sku]


@dataclass(frozen=True, slots=True)
class Kits:
    """`contents`: (kit_sku_id, component_sku_id, component_qty) of whole kits, a small frame; buckets of series."""

    contents: DataFrame
    n_buckets: int

    @classmethod
    def of(cls, feed: Split | None, n_buckets: int) -> Self | None:
        """From the accepted rows of the feed `kits`; None without it, or where it has none. Raises as `expanded`."""
        if feed is None:
            return None
        rows = feed.accepted.select("kit_sku_id", "component_sku_id", "component_qty").collect()  # a parts list
        whole = [(*names, units.quantize(_SIXTH)) for *names, units in expanded(sorted(tuple(row) for row in rows))]
        schema = f"kit_sku_id string, component_sku_id string, component_qty {EXACT}"
        return cls(feed.rows.sparkSession.createDataFrame(whole, schema), n_buckets) if whole else None

    def of_lines(self, lines: DataFrame) -> DataFrame:
        """Lines of sales, those of kits as lines of their components: `units` and `net_units` times component_qty."""
        apart = self._apart(lines)
        values: dict[str, Column] = {
            name: F.coalesce((F.col(name) * F.col("component_qty")).cast(EXACT), F.col(name))
            for name in ("units", "net_units")
        }
        values |= {name: F.when(~_is_kit(), F.col(name)) for name in _OF_THE_KIT}
        return apart.select(*(values.get(name, F.col(name)).alias(name) for name in lines.columns))

    def of_series(self, series: DataFrame) -> DataFrame:
        """Series of what is stocked: without the kits, with the components, from the first sale of either on."""
        days = (F.min("first_ds").alias("first_ds"), F.max("last_ds").alias("last_ds"))
        merged = self._apart(series).groupBy("unique_id", *SERIES.parts, "bucket").agg(*days)
        return merged.select(*series.columns)

    def of_masks(self, masks: DataFrame) -> DataFrame:
        """Days whose demand is unknown, those of kits as days of their components."""
        merged = self._apart(masks).groupBy("unique_id", "bucket", "ds").agg(F.max("masked_by").alias("masked_by"))
        return merged.select(*masks.columns)

    def findings(self, products: Split | None) -> list[Finding]:
        """Components that the feed `products` does not have."""
        if products is None:
            return []
        known = products.accepted.select(F.col("sku_id").alias("component_sku_id")).distinct()
        missing = self.contents.join(known, "component_sku_id", "left_anti").groupBy("component_sku_id")
        rows = missing.agg(F.min("kit_sku_id").alias("kit")).orderBy("component_sku_id").collect()
        if not rows:
            return []
        named = tuple(f"{row['component_sku_id']} (in {row['kit']})" for row in rows[:20])
        words = (
            f"{len(rows):,} components of kits are not in products, and get their demand all the same: "
            f"{', '.join(named[:_NAMED])}; correct their codes, or add them to products"
        )
        return [Finding("kits", "unknown_components", words, len(rows), named)]

    def _apart(self, rows: DataFrame) -> DataFrame:
        """The rows with the series of the component in place of the kit's; component_qty is NULL where it is no kit."""
        named = rows.select(*(name for name in rows.columns if name not in SERIES.parts), *parts_of(SERIES))
        joined = named.join(F.broadcast(self.contents), F.col("sku_id") == F.col("kit_sku_id"), "left")
        of_component = joined.withColumn("sku_id", F.coalesce("component_sku_id", "sku_id"))
        return of_component.withColumn(SERIES.id, key_of(SERIES)).withColumn(
            "bucket", bucket_of(SERIES, self.n_buckets)
        )


def _is_kit() -> Column:
    return F.col("component_qty").isNotNull()

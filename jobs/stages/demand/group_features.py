"""Group features: demand of groups of series by day, extended by new days, rebuilt where the past changed.

Trees read them, whole, when they are fitted, where `trees.group_features` says so; nobody else waits for them.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.hashing import digest
from jobs.engine.stage import FrameStage, Read, until_as_of
from lakehouse.delta.ledger import StageRecord
from lakehouse.delta.state import Held, parts
from lakehouse.transforms.features.group_daily import LOOK_BACK_DAYS, SUMS, group_sums, with_levels

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_SALES, _PRODUCTS, _GROUPS = "silver.sales_daily", "silver.products", "features.group_daily"
_UNTIL = " until "


def build(context: RunContext, frames: Frames) -> StageRecord:
    """Write the days after those that the table holds already, or all of them."""
    lake, reached = context.lakehouse, None if context.force else _reached(context)
    if reached is None or reached < context.as_of:
        frame = _levels(context, frames, reached)
        after = None if reached is None else f"ds > '{reached}'"
        lake.write_spark(frame.withColumn("run_id", F.lit(context.run.run_id)), _GROUPS, replace_where=after)
    return StageRecord("succeeded", rows=lake.rows(_GROUPS))


def _levels(context: RunContext, frames: Frames, reached: date | None) -> DataFrame:
    sales, products = frames[_SALES], frames[_PRODUCTS]
    if reached is None:
        return with_levels(group_sums(sales, products), context.as_of)
    earlier = context.lakehouse.read_spark(context.spark, _GROUPS, frames.version(_GROUPS)).filter(
        (F.col("ds") > F.lit(reached - timedelta(days=LOOK_BACK_DAYS))) & (F.col("ds") <= F.lit(reached))
    )
    fresh = group_sums(sales.filter(F.col("ds") > F.lit(reached)), products)
    return with_levels(earlier.select(*SUMS).unionByName(fresh), context.as_of).filter(F.col("ds") > F.lit(reached))


def _reached(context: RunContext) -> date | None:
    """The last day that stands: the table's days until then go back to what silver still says of them."""
    held = Held(context.lakehouse).of(_GROUPS).get("")
    origin, _, known = ((held and held["lineage"]) or "").partition(_UNTIL)
    return date.fromisoformat(known) if origin == _origin(context) else None


def _lineage(context: RunContext) -> str:
    """What the table goes back to, and the last day of which every bucket of silver has told: later ones may gain rows,
    as where a feed is late."""
    told = [part.covers_to for part in parts(context.lakehouse, _SALES, "bucket").values() if part.covers_to]
    return f"{_origin(context)}{_UNTIL}{min([context.as_of, *told])}"


def _origin(context: RunContext) -> str:
    """The code, the past of every bucket of silver, and the departments."""
    past = {name: row["lineage"] for name, row in Held(context.lakehouse).of(_SALES, "bucket").items()}
    products = context.lakehouse.read_arrow(_PRODUCTS, columns=["sku_id", "department"]).sort_by("sku_id")
    return digest(STAGE.version, past, products.to_pydict())


def _is_wanted(context: RunContext) -> bool:
    return context.settings.trees.group_features


STAGE = FrameStage(
    name="group_features",
    reads=(
        Read(_SALES, ("sku_id", "location_id", "ds", "y", "y_latent"), days=until_as_of),
        Read(_PRODUCTS, ("sku_id", "department")),
        Read(_GROUPS, (), is_past=True),
    ),
    writes=(_GROUPS,),
    identity=_is_wanted,
    build=build,
    lineage=_lineage,
    is_wanted=_is_wanted,
)

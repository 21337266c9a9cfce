"""Deliver: routes and what they leave become the list that a dispatcher opens, and what the routes save."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.frames import as_of_part, write_part
from jobs.engine.stage import THIS, FrameStage, Read
from lakehouse.delta.ledger import StageRecord
from lakehouse.schema.tables import contract
from lakehouse.transforms.gold.deliveries import delivery_plan, fulfilment_value, slot_moves, warehouse_day

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_PLAN, _VALUE, _WAREHOUSE = "gold.delivery_plan", "gold.fulfilment_value", "gold.warehouse_day"
_MOVES, _SLOT_MOVE = "gold.slot_moves", "fulfilment.slot_move"
_PRODUCTS = "silver.products"
_WAVE, _TASK = "fulfilment.wave", "fulfilment.task"
_SHIPMENT, _DAY = "fulfilment.shipment", "fulfilment.depot_day"
_OF_RUN = (_SHIPMENT, "fulfilment.shipment_line", "fulfilment.route", "fulfilment.stop", "fulfilment.unserved", _DAY)


def _is_anything_shipped(context: RunContext) -> bool:
    return context.lakehouse.has_rows(_SHIPMENT)


def build(context: RunContext, frames: Frames) -> StageRecord:
    """Write the as-of day's deliveries."""
    currency = context.mapping.currency
    tables = {name: frames[name] for name in (*_OF_RUN, _WAVE, _TASK, "silver.locations")}
    of_table = {
        _PLAN: partial(delivery_plan, tables, currency),
        _VALUE: partial(fulfilment_value, tables[_DAY], tables[_SHIPMENT], currency),
        _WAREHOUSE: partial(warehouse_day, tables[_WAVE], tables[_TASK]),
        _MOVES: partial(slot_moves, frames[_SLOT_MOVE], frames[_PRODUCTS]),
    }

    def rows(name: str) -> DataFrame:
        declared, every = contract(name), {"as_of": context.as_of, "run_id": context.run.run_id}
        frame = of_table[name]().withColumns({column: F.lit(value) for column, value in every.items()})
        return frame.selectExpr(*declared.casts())

    written = write_part(context, frames, as_of_part(context), {name: partial(rows, name) for name in of_table})
    return StageRecord("succeeded", rows=written)


STAGE = FrameStage(
    name="deliver",
    reads=(
        *(Read(name, (), run=THIS) for name in (*_OF_RUN, _WAVE, _TASK, _SLOT_MOVE)),
        Read("silver.locations", ("location_id", "location_name")),
        Read(_PRODUCTS, ("sku_id", "product_name")),
    ),
    writes=(_PLAN, _VALUE, _WAREHOUSE, _MOVES),
    identity=lambda context: context.mapping.currency,
    build=build,
    part=as_of_part,
    is_wanted=_is_anything_shipped,
)

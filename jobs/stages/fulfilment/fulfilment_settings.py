"""What the stages of fulfilment are told."""

from __future__ import annotations

from jobs.engine.setting import Setting
from udfs.fulfilment.fulfilment_spec import FulfilmentSpec
from udfs.fulfilment.learned.learn_spec import LearnSpec
from udfs.fulfilment.warehouse_spec import WarehouseSpec

FULFILMENT: Setting[FulfilmentSpec] = Setting(
    "fulfilment", FulfilmentSpec, "what is assumed of places, vehicles and ways, and how long routes are looked for"
)
WAREHOUSE: Setting[WarehouseSpec] = Setting(
    "warehouse", WarehouseSpec, "who picks, packs and loads in each depot, and how fast"
)
LEARNED: Setting[LearnSpec] = Setting(
    "learned_routes", LearnSpec, "how long a policy of routes is learned, and on what it is compared"
)

"""What the production plan is told."""

from __future__ import annotations

from jobs.engine.setting import Setting
from udfs.supply_network.production.production_spec import ProductionSpec

PRODUCTION: Setting[ProductionSpec] = Setting(
    "production", ProductionSpec, "periods of the production plan, and how long it is looked for"
)

"""What the gold tables are told."""

from __future__ import annotations

from jobs.engine.setting import Setting
from lakehouse.transforms.gold.order_check import OrderCheckSpec

ORDER_CHECK: Setting[OrderCheckSpec] = Setting(
    "order_check", OrderCheckSpec, "when an order line is listed as implausible in gold.order_check"
)

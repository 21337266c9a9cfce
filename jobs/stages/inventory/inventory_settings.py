"""What the stages of inventory are told, and which policies they know."""

from __future__ import annotations

from jobs.engine.setting import Setting
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.policies.policy_registry import POLICIES


def check_inventory(spec: InventorySpec) -> None:
    """Raises ValueError where a policy is unknown."""
    unknown = [name for name in spec.candidates if name not in POLICIES]
    if unknown:
        raise ValueError(f"candidates: expected one of {', '.join(POLICIES)}, found {', '.join(map(repr, unknown))}")


INVENTORY: Setting[InventorySpec] = Setting(
    "inventory",
    InventorySpec,
    "the service wanted, what stands in where a feed is silent, the day's limits",
    check=check_inventory,
)

"""Inventory: lot sizes, stock levels, policies, simulation, the order list.

Public functions for notebooks: `s_s_poisson`, `simulate`, `order_list`. They are loaded when first asked for, so that a
worker that needs one bucket kernel does not import them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from udfs.inventory.orders.order_list import order_list
    from udfs.inventory.simulation.simulator import simulate
    from udfs.inventory.theory.s_s.zheng_federgruen import s_s_poisson

__all__ = ["order_list", "s_s_poisson", "simulate"]


def __getattr__(name: str) -> Any:
    if name == "order_list":
        from udfs.inventory.orders.order_list import order_list

        return order_list
    if name == "s_s_poisson":
        from udfs.inventory.theory.s_s.zheng_federgruen import s_s_poisson

        return s_s_poisson
    if name == "simulate":
        from udfs.inventory.simulation.simulator import simulate

        return simulate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")

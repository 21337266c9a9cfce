"""Every table, declared once: columns, key, partitions, write mode and comment.

DDL, comments, checks, quarantine rules and the data dictionary all come from here. One file per layer or two.
"""

from __future__ import annotations

from lakehouse.errors import ContractError
from lakehouse.schema.contract import Contract
from lakehouse.schema.tables import feeds, forecast, gold, inventory, ops
from lakehouse.schema.tables.feeds import FEED_COLUMNS, FEED_REQUIRED

__all__ = ["FEED_COLUMNS", "FEED_REQUIRED", "LAYERS", "TABLES", "contract"]

TABLES: dict[str, Contract] = {
    contract.name: contract for part in (feeds, forecast, inventory, gold, ops) for contract in part.CONTRACTS
}
LAYERS = ("bronze", "silver", "features", "forecast", "inventory", "gold", "ops")


def contract(name: str) -> Contract:
    """The contract of a table, by `schema.table`. Raises ContractError naming the tables that exist."""
    if name not in TABLES:
        raise ContractError(f"no table {name!r}; the tables are {', '.join(TABLES)}")
    return TABLES[name]

"""Why a plan is as it is: what its run was told, and what made an order another than before."""

from __future__ import annotations

from lakehouse.schema.checks import OneOf
from lakehouse.schema.columns import Column, declare
from lakehouse.schema.contract import Contract

CAUSES = ("sales", "plan", "supply", "choice", "pooled", "settings", "budget", "override", "purchase", "other")
"""What can make an order another: see the comment of the column `cause`."""

declare(
    Column("settings", "string", "Settings that can change a result, as JSON; secrets are none of them"),
    Column("mapping", "string", "The source's mapping, as JSON"),
    Column("against_as_of", "date", "Day of the plan that the order is compared with"),
    Column("against_run_id", "string", "Run of the plan that the order is compared with"),
    Column(
        "cause",
        "string",
        "sales: the history of sales and the day; plan: prices, promotions and closures ahead; supply: stock, orders "
        "under way, terms of supply, products; choice: the series' own past scores, which choose model and policy; "
        "pooled: what all series taught; settings; budget: the day's limits and what others want of them; "
        "override: a planner's decision; purchase: chosen suppliers and depots; other: what rerunning does not give, "
        "such as a correction by hand or another version of the code",
        OneOf(CAUSES),
    ),
    Column("order_qty_change", "double", "Units of the order's change that the cause bears; they sum to the change"),
    Column("order_value_change", "double", "The same in currency; NULL where a unit's cost is not known"),
)

CONTRACTS: tuple[Contract, ...] = (
    Contract(
        "ops.run_settings",
        "What each run was told, so that its results can be had again",
        ("run_id", "config_hash", "settings", "mapping", "recorded_at"),
        ("run_id",),
        mode="merge",
    ),
    Contract(
        "gold.order_change",
        "Why an order differs from an earlier plan's: the causes' parts, which sum to the change",
        (
            "as_of",
            "unique_id",
            "against_as_of",
            "cause",
            "order_qty_change",
            "order_value_change",
            "currency",
            "words",
            "run_id",
            "against_run_id",
            "recorded_at",
        ),
        ("as_of", "unique_id", "against_run_id", "cause"),
        mode="merge",
    ),
)

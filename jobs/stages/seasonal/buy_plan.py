"""Buy plan: for each season named, earlier launches that are alike, and what to buy: at once, or in two steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.stage import THIS, Read, UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.inventory.planning_reads import days_counted
from jobs.stages.seasonal.seasonal_settings import SEASON
from lakehouse.schema.entities import WHOLE
from udfs.inventory.kernels.stock_counts import last_on_hand
from udfs.seasonal.buy_plan import ANALOGUE, BUY_PLAN, BuyInputs, buy_plan
from udfs.seasonal.season_spec import SeasonSpec

if TYPE_CHECKING:
    from jobs.context import RunContext

_ELASTICITY = "pricing.elasticity"
_SEASON, _DAILY, _PRODUCTS, _STOCK = "silver.season", "features.sku_daily", "silver.products", "silver.stock"


@dataclass(frozen=True, slots=True)
class BuyParameters:
    """`assumed_margin`: of the price, where no cost is stated."""

    spec: SeasonSpec
    as_of: date
    assumed_margin: float


def kernel(inputs: dict[str, pa.Table], parameters: BuyParameters, _unit: str) -> KernelResult:
    """All series' sales to the plans of the seasons."""
    own = [row for row in inputs[_ELASTICITY].to_pylist() if row["effect"] == "own"]
    # What nobody's weeks say is a usual value: too little to set a price by.
    known = {row["category"]: row["class_elasticity"] for row in own if row["identification"] != "all"}
    found = BuyInputs(inputs[_SEASON], inputs[_DAILY], inputs[_PRODUCTS], last_on_hand(inputs[_STOCK]), known)
    analogues, plans = buy_plan(found, parameters.as_of, parameters.spec, parameters.assumed_margin)
    return KernelResult({ANALOGUE: analogues, BUY_PLAN: plans}, ids=plans.num_rows)


def parameters(context: RunContext, _sums: Mapping[str, Any]) -> BuyParameters:
    inventory = context.settings.inventory
    return BuyParameters(SEASON.of(context.settings), context.as_of, inventory.assumed_margin)


def _history(context: RunContext) -> tuple[date | None, date | None]:
    return context.as_of - timedelta(days=SEASON.of(context.settings).max_history_days), context.as_of


STAGE = UnitStage(
    name="buy_plan",
    version=3,
    unit=WHOLE,
    engine="local",
    reads=(
        Read(_SEASON, ("unique_id", "season_name", "ds_from", "ds_to", "unit_price", "unit_cost", "salvage_value")),
        Read(_DAILY, ("unique_id", "ds", "y", "unit_price"), days=_history),
        Read(_PRODUCTS, ("sku_id", "category", "brand")),
        Read(_STOCK, ("unique_id", "ds", "on_hand_qty"), days=days_counted),
        Read(_ELASTICITY, ("category", "effect", "identification", "class_elasticity"), run=THIS),
    ),
    writes=(ANALOGUE, BUY_PLAN),
    settings=("season", "inventory"),
    ignores=("inventory.budget", "inventory.capacity_qty"),
    libraries=("lightgbm", "scipy"),
    kernel=kernel,
    parameters=parameters,
)

"""Inventory: forecasts, terms and replays become a policy per series and what it wants to order, bucket by bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.stage import Read, Sum, UnitStage, until_as_of
from jobs.engine.task import KernelResult
from jobs.stages.inventory.planning_reads import (
    ACCEPTED,
    ACCEPTED_PRICES,
    CHAMPIONS,
    CLOSED,
    DECIDED,
    DEMAND,
    EARLIER_ORDERS,
    FEATURES,
    FORECASTS,
    PRODUCT,
    PRODUCTS,
    PROPOSAL,
    REPLAY,
    REPLAY_SUMMARY,
    REPLAYS,
    STEP,
    STOCK,
    SUPPLIES,
    SUPPLY,
    are_prices_listed,
    champion_forecast,
    choices,
    classes_at,
    days_told,
    doubts_told,
    earlier_plans,
    path_terms,
    prices_of,
    stock_tables,
)
from lakehouse.delta.decisions import FORECAST_DAYS, forecasts_for
from lakehouse.schema.entities import SERIES
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.accepted_prices import with_accepted_demand, with_accepted_prices
from udfs.inventory.kernels.plan_bucket import plan_bucket
from udfs.inventory.kernels.planned_series import PolicyEvidence
from udfs.inventory.kernels.planning_inputs import PathTerms
from udfs.inventory.kernels.supply_input import REFUSED
from udfs.inventory.orders.order_doubts import unsold_doubts
from udfs.inventory.policies.choose import ReplayEvidence, merge_replay_summaries

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext

_POLICY = "inventory.policy"
_SUMMARY = Sum(REPLAY_SUMMARY, merge_replay_summaries)


@dataclass(frozen=True, slots=True)
class InventoryParameters:
    """`summary` is that of all buckets: a few rows that travel with the task. `windows`, `held_out`: see
    `PolicyEvidence`; `are_prices_listed`: see `last_prices`; `decided`: rows of `FORECAST_DAYS`."""

    spec: InventorySpec
    path_terms: PathTerms
    as_of: date
    summary: pa.Table
    windows: tuple[date, ...]
    held_out: date | None
    are_prices_listed: bool = True
    decided: pa.Table = field(default_factory=FORECAST_DAYS.empty_table)


def kernel(inputs: dict[str, pa.Table], parameters: InventoryParameters) -> KernelResult:
    """One bucket of forecasts to policies and what they want to order."""
    spec, as_of = parameters.spec, parameters.as_of
    forecast = champion_forecast(inputs, as_of)
    days = [as_of, *([] if parameters.held_out is None else [parameters.held_out])]
    evidence = PolicyEvidence(
        ReplayEvidence(inputs[REPLAY], parameters.summary),
        {day: classes_at(inputs, day) for day in days},
        parameters.windows,
        parameters.held_out,
    )
    prices = prices_of(inputs, as_of, spec, is_listed=parameters.are_prices_listed)
    plan = plan_bucket(
        forecast=forecast,
        supply=inputs[SUPPLY],
        stock=stock_tables(inputs, as_of, spec),
        prices=with_accepted_prices(prices, inputs[ACCEPTED], as_of),
        as_of=as_of,
        spec=spec,
        path_terms=parameters.path_terms,
        evidence=evidence,
        doubts=pa.concat_tables([doubts_told(inputs, as_of), unsold_doubts(inputs[FEATURES], as_of)]),
        products=inputs[PRODUCT],
        decided=with_accepted_demand(parameters.decided, inputs[ACCEPTED]),
    )
    tables = {_POLICY: plan.policy, PROPOSAL: plan.proposal, STEP: plan.steps, DECIDED: plan.decided}
    return KernelResult(tables, failures=plan.failures, ids=len(forecast["unique_id"].unique()))


def parameters(context: RunContext, sums: Mapping[str, Any]) -> InventoryParameters:
    windows = choices(context)
    return InventoryParameters(
        context.settings.inventory,
        path_terms(context),
        context.as_of,
        sums[_SUMMARY.key],
        windows[context.as_of],
        min(windows) if len(windows) > 1 else None,
        are_prices_listed(context),
        decided_days(context),
    )


def decided_days(context: RunContext, recorded_by: datetime | None = None) -> pa.Table:
    """What planners decided, at a moment (UTC) or by now, of the days that are planned for."""
    return forecasts_for(context.lakehouse, context.as_of, context.horizon_end, recorded_by)


def _identity(context: RunContext) -> list[object]:
    known: list[object] = [earlier_plans(context), are_prices_listed(context)]
    decided = decided_days(context)
    if decided.num_rows:
        known.append([decided[name].cast(pa.string()).to_pylist() for name in ("decision_id", "ds")])
    return known


STAGE = UnitStage(
    name="inventory",
    version=9,
    unit=SERIES,
    reads=(
        FORECASTS,
        CHAMPIONS,
        Read(FEATURES, ("unique_id", "ds", "y", "unit_price"), days=days_told),
        SUPPLIES,
        PRODUCTS,
        Read(STOCK, ("unique_id", "ds", "on_hand_qty", "on_order_qty", REFUSED), days=until_as_of),
        EARLIER_ORDERS,
        REPLAYS,
        CLOSED,
        ACCEPTED_PRICES,
    ),
    sums=(_SUMMARY,),
    writes=(_POLICY, PROPOSAL, STEP, DECIDED),
    settings=("inventory", "forecast", "horizon", "replays"),
    ignores=("inventory.budget", "inventory.capacity_qty"),
    identity=_identity,
    kernel=kernel,
    parameters=parameters,
    promise=(DEMAND, PROPOSAL),
)

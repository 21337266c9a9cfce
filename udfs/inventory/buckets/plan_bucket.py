"""One bucket of series from forecast to order lines: a pure function that any engine can call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa

from udfs.inventory.base_stock import BaseStock
from udfs.inventory.buckets.inputs import (
    ForecastInput,
    InventoryInputError,
    Problems,
    StockInput,
    SupplyInput,
    read_forecast,
    read_stock,
    read_supply,
)
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.lead_time_demand import LeadTimeDemand, days_of_cover, lead_time_demand
from udfs.inventory.order_quantity import inventory_position, round_order
from udfs.inventory.orders.order_reason import OrderLines, order_reasons
from udfs.inventory.policy import InventoryPolicy, PolicyDecision
from udfs.inventory.spec import InventorySpec


class NonFiniteDecisionError(InventoryInputError):
    """The numbers of a series are too extreme for its levels to be computed."""


_D, _B, _T, _S = pa.float64(), pa.bool_(), pa.date32(), pa.string()
POLICY_SCHEMA: Final = pa.schema(
    [
        ("unique_id", _S),
        ("as_of", _T),
        ("policy", _S),
        ("service_level", _D),
        ("lead_time_days", _D),
        ("review_days", _D),
        ("demand_mean", _D),
        ("demand_sd", _D),
        ("demand_p50", _D),
        ("demand_p90", _D),
        ("safety_stock_qty", _D),
        ("reorder_point_qty", _D),
        ("order_up_to_qty", _D),
        ("expected_fill_rate", _D),
        ("expected_cost", _D),
        ("is_supply_assumed", _B),
    ]
)
ORDER_PLAN_SCHEMA: Final = pa.schema(
    [
        ("unique_id", _S),
        ("order_date", _T),
        ("order_qty", _D),
        ("order_value", _D),
        ("position_qty", _D),
        ("on_hand_qty", _D),
        ("on_order_qty", _D),
        ("days_of_cover", _D),
        ("demand_p50", _D),
        ("demand_p90", _D),
        ("expected_receipt_ds", _T),
        ("moq_qty", _D),
        ("pack_qty", _D),
        ("is_stock_assumed", _B),
        ("stockout_risk", _D),
        ("expected_shortage_qty", _D),
        ("reason", _S),
    ]
)
FAILURE_SCHEMA: Final = pa.schema([("unique_id", _S), ("error_class", _S), ("error", _S), ("fallback", _S)])


@dataclass(frozen=True, slots=True)
class BucketPlan:
    """The tables of one bucket, each in order of unique_id."""

    policy: pa.Table
    order_plan: pa.Table
    failures: pa.Table


@dataclass(frozen=True, slots=True)
class _Planned:
    """Everything known about the series that can be planned, [S] throughout."""

    forecast: ForecastInput
    supply: SupplyInput
    stock: StockInput
    demand: LeadTimeDemand
    decision: PolicyDecision
    lines: OrderLines


def plan_bucket(
    forecast: pa.Table,
    supply: pa.Table,
    stock: pa.Table,
    prices: pa.Table,
    as_of: date,
    spec: InventorySpec,
    policy: InventoryPolicy | None = None,
) -> BucketPlan:
    """Policy parameters and one order line per series.

    The order is placed at the end of `as_of`, after that day's sales, and arrives at the end of
    `as_of` + lead time. `stockout_risk` is the probability that demand over the lead time exceeds the position:
    what today's order can no longer change. `order_value` is quantity x unit cost, NULL where neither cost nor
    price is known; `days_of_cover` is NULL where no demand is expected; `expected_receipt_ds` is NULL where nothing
    is ordered. `expected_cost` is holding and ordering cost in currency per year. Quantities are in units.

    forecast: unique_id, model, ds, mean, sd [, is_fallback], the rows of one cutoff, `as_of`. supply: unique_id,
    lead_time_days, order_cost, unit_cost, moq_qty, pack_qty. stock: unique_id, on_hand_qty, on_order_qty, ds.
    prices: unique_id, unit_price. A NULL or an absent row is filled from `spec` and flagged as assumed.
    policy: default `BaseStock()`.

    Every unique_id of `forecast` ends in `order_plan` or, with its error, in `failures`; a series that fails
    changes no bit of another's result. Raises ValueError where a table lacks a column or a key.
    """
    policy = policy or BaseStock()
    readable, problems = read_forecast(forecast, as_of)
    supply_in, supply_problems = read_supply(supply, prices, readable.unique_id_S, spec)
    stock_in, stock_problems = read_stock(stock, readable, as_of, spec)
    problems = {**stock_problems, **supply_problems, **problems}
    fit = np.flatnonzero(~np.isin(readable.unique_id_S, list(problems)))
    planned = _plan(readable.take(fit), supply_in.take(fit), stock_in.take(fit), policy, spec)
    is_finite_S = _is_finite(planned)
    if not is_finite_S.all():
        problems.update(_non_finite(planned, np.flatnonzero(~is_finite_S)))
        fit = fit[is_finite_S]
        # Rare, and no row depends on another: planning the rest again gives the same bits.
        planned = _plan(readable.take(fit), supply_in.take(fit), stock_in.take(fit), policy, spec)
    return BucketPlan(
        policy=_policy_table(planned, as_of, policy.name),
        order_plan=_order_table(planned, as_of),
        failures=_failure_table(problems),
    )


def _plan(
    forecast: ForecastInput,
    supply: SupplyInput,
    stock: StockInput,
    policy: InventoryPolicy,
    spec: InventorySpec,
) -> _Planned:
    terms = supply.terms
    # Extreme inputs overflow here; the caller looks for what is not finite and fails just those series.
    with np.errstate(all="ignore"):
        demand = lead_time_demand(
            forecast.daily,
            terms.lead_time_days,
            terms.review_days,
            distribution=spec.distribution,
            error_correlation=spec.error_correlation,
        )
        decision = policy.decide(demand, terms)
        position_S = inventory_position(stock.on_hand_S, stock.on_order_S)
        raw_S = policy.raw_order(decision, position_S)
        lines = OrderLines(
            order_S=round_order(raw_S, terms.moq_qty, terms.pack_qty),
            raw_order_S=raw_S,
            position_S=position_S,
            cover_days_S=days_of_cover(forecast.daily, position_S),
            p50_S=demand.protection.quantile(0.5),
            p90_S=demand.protection.quantile(0.9),
        )
    return _Planned(forecast, supply, stock, demand, decision, lines)


def _is_finite(planned: _Planned) -> np.ndarray:
    levels = (
        planned.demand.protection.sd_S,
        planned.lines.p50_S,
        planned.lines.p90_S,
        planned.lines.order_S,
        planned.decision.order_up_to_S,
        planned.decision.expected_fill_rate_S,
    )
    return np.logical_and.reduce([np.isfinite(level) for level in levels])


def _non_finite(planned: _Planned, rows: np.ndarray) -> Problems:
    return {
        planned.forecast.unique_id_S[row]: NonFiniteDecisionError(
            f"expected finite inventory levels, found order-up-to {planned.decision.order_up_to_S[row]:g} for mean "
            f"demand {planned.demand.protection.mean_S[row]:g}; check the forecast and the terms"
        )
        for row in rows
    }


def _policy_table(planned: _Planned, as_of: date, policy_name: str) -> pa.Table:
    S = len(planned.forecast.unique_id_S)
    terms, decision, demand = planned.supply.terms, planned.decision, planned.demand.protection
    return _table(
        POLICY_SCHEMA,
        {
            "unique_id": planned.forecast.unique_id_S,
            "as_of": [as_of] * S,
            "policy": [policy_name] * S,
            "service_level": terms.service_level,
            "lead_time_days": terms.lead_time_days,
            "review_days": terms.review_days,
            "demand_mean": demand.mean_S,
            "demand_sd": demand.sd_S,
            "demand_p50": planned.lines.p50_S,
            "demand_p90": planned.lines.p90_S,
            "safety_stock_qty": decision.safety_stock_S,
            "reorder_point_qty": decision.reorder_point_S,
            "order_up_to_qty": decision.order_up_to_S,
            "expected_fill_rate": decision.expected_fill_rate_S,
            "expected_cost": _null_unless_finite(decision.expected_cost_S),
            "is_supply_assumed": np.logical_or.reduce(list(planned.supply.is_assumed.values())),
        },
    )


def _order_table(planned: _Planned, as_of: date) -> pa.Table:
    terms, stock, lines = planned.supply.terms, planned.stock, planned.lines
    is_order_S = lines.order_S > 0.0
    value_S = np.where(is_order_S, lines.order_S * terms.unit_cost, 0.0)
    receipt_S = np.datetime64(as_of, "D") + terms.lead_time_days.astype("timedelta64[D]")
    reasons = order_reasons(lines, planned.demand, planned.decision, planned.forecast, planned.supply, planned.stock)
    return _table(
        ORDER_PLAN_SCHEMA,
        {
            "unique_id": planned.forecast.unique_id_S,
            "order_date": [as_of] * len(reasons),
            "order_qty": lines.order_S,
            "order_value": _null_unless_finite(value_S),
            "position_qty": lines.position_S,
            "on_hand_qty": stock.on_hand_S,
            "on_order_qty": stock.on_order_S,
            "days_of_cover": _null_unless_finite(lines.cover_days_S),
            "demand_p50": lines.p50_S,
            "demand_p90": lines.p90_S,
            "expected_receipt_ds": pa.array(receipt_S, pa.date32(), mask=~is_order_S),
            "moq_qty": terms.moq_qty,
            "pack_qty": terms.pack_qty,
            "is_stock_assumed": stock.is_on_hand_assumed_S | stock.is_on_order_assumed_S,
            "stockout_risk": planned.demand.lead_time.survival(lines.position_S),
            "expected_shortage_qty": _null_unless_finite(planned.demand.lead_time.loss(lines.position_S)),
            "reason": reasons,
        },
    )


def _failure_table(problems: Problems) -> pa.Table:
    ids = sorted(problems)
    return _table(
        FAILURE_SCHEMA,
        {
            "unique_id": ids,
            "error_class": [type(problems[unique_id]).__name__ for unique_id in ids],
            "error": [str(problems[unique_id]) for unique_id in ids],
            # An order made up from defaults would look like a decision: a series without one is left to a person.
            "fallback": ["none"] * len(ids),
        },
    )


def _null_unless_finite(values: FloatArray) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))


def _table(schema: pa.Schema, columns: dict[str, Any]) -> pa.Table:
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for field, column in ((field, columns[field.name]) for field in schema)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)

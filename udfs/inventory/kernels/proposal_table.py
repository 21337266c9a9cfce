"""What each series' policy wants to order, and what each pack of it is expected to earn."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from lakehouse.schema.tables import table_of
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.kernels.plan_tables import PROPOSAL, STEP, null_unless_finite
from udfs.inventory.order_quantity import round_order
from udfs.inventory.orders.marginal_value import MarginalSteps, marginal_values
from udfs.inventory.orders.order_headline import assumptions, headlines, main_reasons
from udfs.inventory.orders.order_reason import OrderLines, next_reviews, order_reasons
from udfs.inventory.orders.order_terms import OrderTerms
from udfs.inventory.policies.policy_registry import learned_names

PricedSteps = tuple[np.ndarray, MarginalSteps]
_NEXT_TO_NOTHING = 1e-9
"""Expected profit per unit of currency of a pack that only saves order costs, before its cover is reckoned."""

if TYPE_CHECKING:
    from udfs.inventory.kernels.planned_series import Planned


def proposal_table(planned: Planned, as_of: date, priced: PricedSteps) -> pa.Table:
    """Rows of inventory.order_proposal: order lines before a budget or a capacity is looked at."""
    earned_S = _value_of_order(planned, priced)
    terms, stock, lines = planned.supply.terms, planned.stock, _lines(planned, earned_S)
    is_order_S = lines.order_S > 0.0
    reason_S = main_reasons(lines, planned)
    value_S = np.where(is_order_S, lines.order_S * terms.unit_cost, 0.0)
    receipt_S = np.datetime64(as_of, "D") + terms.lead_time_days.astype("timedelta64[D]")
    lead_SN = planned.situation.paths.sums(planned.days_to_review_S + terms.lead_time_days)
    short_SN = np.maximum(lead_SN - lines.position_S[:, None], 0.0)
    return table_of(
        PROPOSAL,
        {
            "unique_id": planned.forecast.unique_id_S,
            "order_date": [as_of] * len(planned.forecast),
            "order_qty": lines.order_S,
            "order_value": null_unless_finite(value_S),
            "expected_value": null_unless_finite(earned_S),
            "position_qty": lines.position_S,
            "on_hand_qty": stock.on_hand_S,
            "on_order_qty": stock.on_order_S,
            "days_of_cover": null_unless_finite(lines.cover_days_S),
            "daily_demand_qty": planned.situation.daily_mean,
            "demand_p50": lines.p50_S,
            "demand_p90": lines.p90_S,
            "expected_receipt_ds": pa.array(receipt_S, pa.date32(), mask=~is_order_S),
            "moq_qty": terms.moq_qty,
            "pack_qty": terms.pack_qty,
            "is_stock_assumed": stock.is_assumed,
            "stockout_risk": (short_SN > 0.0).mean(1),
            "expected_shortage_qty": short_SN.mean(1),
            "doubts": planned.doubts_S,
            "main_reason": reason_S,
            "headline": headlines(lines, planned, reason_S, next_reviews(planned, as_of)),
            "assumptions": assumptions(planned),
            "reason": order_reasons(lines, planned, as_of),
        },
    )


def step_table(planned: Planned, priced: PricedSteps) -> pa.Table:
    """Rows of inventory.order_step: runs of equal packs as they are worth taking, up to the proposal.

    What a policy wants beyond the packs that pay before the next order saves order costs later. Such packs count as
    next to nothing, those of a series with less cover first, so that a budget is spent on them last.
    """
    rows, steps = priced
    runs = pd.DataFrame(
        {
            "row": steps.row_N,
            "step_count": steps.count_N,
            "step_qty": steps.quantity_N,
            "step_cost": steps.cost_N,
            "expected_value": steps.value_N,
        }
    )
    runs = pd.concat([runs, _rest(planned, rows, runs)]).sort_values("row", kind="stable", ignore_index=True)
    return table_of(
        STEP,
        {
            "unique_id": planned.forecast.unique_id_S[rows[runs["row"].to_numpy()]],
            "step": runs.groupby("row").cumcount().to_numpy(),
            **{name: runs[name].to_numpy() for name in ("step_count", "step_qty", "step_cost", "expected_value")},
        },
    )


def _rest(planned: Planned, rows: np.ndarray, runs: pd.DataFrame) -> pd.DataFrame:
    """Runs of what is proposed beyond the listed steps: the least order where none is listed, then packs."""
    here, order_S = planned.situation.take(rows), planned.order[rows]
    pack_S, cost_S = here.terms.pack_qty, here.terms.unit_cost
    listed_S = np.bincount(runs["row"], runs["step_count"] * runs["step_qty"], minlength=len(rows))
    least_S = np.where(listed_S == 0.0, round_order(pack_S, here.terms.moq_qty, pack_S), 0.0)
    packs_S = np.round((order_S - listed_S - least_S) / pack_S)
    with np.errstate(divide="ignore"):
        cover_S = (planned.position[rows] + listed_S) / here.daily_mean
    rate_S = _NEXT_TO_NOTHING / (1.0 + np.clip(np.nan_to_num(cover_S, posinf=1e6), 0.0, 1e6))
    # No step of a series may be worth more than the one before it.
    last_S = np.full(len(rows), np.inf)
    last_S[runs["row"]] = np.where(runs["step_count"].to_numpy() > 0, runs["expected_value"], np.inf)
    parts = []
    for count_S, qty_S in ((np.where(least_S > 0.0, 1.0, 0.0), least_S), (packs_S, pack_S)):
        at = np.flatnonzero(count_S > 0.0)
        value_S = np.minimum(rate_S * qty_S * cost_S, np.where(last_S > 0.0, last_S, np.inf))
        columns = {"step_count": count_S.astype(np.int64), "step_qty": qty_S, "step_cost": qty_S * cost_S}
        parts.append(pd.DataFrame({"row": at} | {k: v[at] for k, v in (columns | {"expected_value": value_S}).items()}))
    return pd.concat(parts)


def _lines(planned: Planned, earned_S: FloatArray) -> OrderLines:
    paths, chosen_S = planned.situation.paths, planned.choice.name_S
    sum_SN = planned.protection_SN
    is_learned_S = np.isin(chosen_S.astype(str), learned_names())
    return OrderLines(
        order_S=planned.order,
        raw_order_S=planned.of_chosen(planned.order_KS),
        position_S=planned.position,
        cover_days_S=paths.days_of_cover(planned.position),
        days_S=planned.situation.protection_days,
        p50_S=np.quantile(sum_SN, 0.5, axis=1),
        p90_S=np.quantile(sum_SN, 0.9, axis=1),
        reorder_point_S=np.where(is_learned_S, np.nan, planned.of_chosen(planned.reorder_point_KS)),
        order_up_to_S=np.where(is_learned_S, np.nan, planned.of_chosen(planned.order_up_to_KS)),
        policy_S=chosen_S,
        earned_S=earned_S,
    )


def _value_of_order(planned: Planned, priced: PricedSteps) -> FloatArray:
    """Expected profit of the packs that are worth their money, currency, [S]; NaN for an unknown unit cost."""
    rows, steps = priced
    value_S = np.where(planned.situation.has_money, 0.0, np.nan)
    value_S[rows] = steps.total(steps.count_N, steps.value_N)
    return value_S


def priced_steps(planned: Planned) -> PricedSteps:
    """The positions of the series that are ordered at a known cost, and their steps up to the proposal.

    A unit is reckoned over the days that the order is meant to last: lead time, review, and the lot beyond them, or
    until it spoils: then it is worth nothing.
    """
    situation, order_S = planned.situation, planned.order
    rows = np.flatnonzero((order_S > 0.0) & situation.has_money)
    here, wanted_S = situation.take(rows), order_S[rows]
    lot_S = planned.of_chosen(planned.order_up_to_KS - planned.reorder_point_KS)[rows]
    with np.errstate(divide="ignore", invalid="ignore"):
        extra_S = np.where(lot_S > 0.0, np.ceil(lot_S / here.daily_mean), 0.0)
    most_S = np.maximum(here.paths.n_days - here.protection_days, 0.0)
    life_S = here.terms.lead_time_days + here.limits.shelf_life_days
    days_S = np.minimum(here.protection_days + np.minimum(extra_S, most_S), life_S)
    terms = OrderTerms(
        unit_price=here.terms.unit_cost + here.margin,
        unit_cost=here.terms.unit_cost,
        holding_cost=here.daily_holding_cost,
        holding_periods=days_S - here.terms.lead_time_days,
        carry_value=np.where(days_S < life_S, here.terms.unit_cost, -here.limits.waste_cost),
        order_cost=here.terms.order_cost,
        moq=here.terms.moq_qty,
        pack=here.terms.pack_qty,
        most_qty=wanted_S,
        backorder_share=situation.spec.backorder_share,
    )
    lead_SN = here.paths.sums(here.terms.lead_time_days)
    # Sums of floats may fall short of a part of them by their rounding.
    sum_SN = np.maximum(here.paths.sums(days_S), lead_SN)
    return rows, marginal_values(sum_SN, planned.position[rows], terms, lead_time_demand_SP=lead_SN)

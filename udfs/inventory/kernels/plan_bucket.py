"""One bucket of series from forecast to policies and order lines: a pure function that any engine can call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa
import torch

from udfs.contest.choice import Choice
from udfs.inventory.decided_demand import DecidedDays
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.decided_table import decided_table
from udfs.inventory.kernels.plan_tables import failure_table, series_numbers
from udfs.inventory.kernels.planned_series import Planned, PolicyEvidence
from udfs.inventory.kernels.planning_inputs import (
    ForecastInput,
    PathTerms,
    classes_of,
    day_number,
    read_forecast,
)
from udfs.inventory.kernels.policy_table import policy_table
from udfs.inventory.kernels.proposal_table import priced_steps, proposal_table, step_table
from udfs.inventory.kernels.stock_position import StockInput, StockTables, read_stock
from udfs.inventory.kernels.supply_input import SupplyInput, read_supply
from udfs.inventory.orders.order_doubts import limit_doubts, order_doubts
from udfs.inventory.policies.average_state import average_position
from udfs.inventory.policies.choose import choose
from udfs.inventory.policies.names import WITHOUT_MONEY, WITHOUT_REPLAY
from udfs.inventory.policies.plan import Plan
from udfs.inventory.policies.policy_registry import planned_names, plans_of
from udfs.inventory.policies.replay import can_replay, replay_paths
from udfs.inventory.policies.situation import Situation
from udfs.inventory.simulation.state import StockState


@dataclass(frozen=True, slots=True)
class BucketPlan:
    """The tables of one bucket, each in order of unique_id. `proposal`: order lines before budget and capacity;
    `steps`: what each next pack of them is expected to earn; `decided`: demand of the series whose forecast a planner
    has decided."""

    policy: pa.Table
    proposal: pa.Table
    steps: pa.Table
    decided: pa.Table
    failures: pa.Table


def plan_bucket(
    forecast: pa.Table,
    supply: pa.Table,
    stock: StockTables,
    prices: pa.Table,
    as_of: date,
    spec: InventorySpec,
    path_terms: PathTerms,
    evidence: PolicyEvidence | None = None,
    doubts: pa.Table | None = None,
    products: pa.Table | None = None,
    decided: pa.Table | None = None,
) -> BucketPlan:
    """Policy parameters and one order line per series.

    The order is placed at the end of `as_of`, after that day's sales, and arrives at the end of
    `as_of` + lead time. On a day that is no review day by the spec nothing is ordered, and the reason names the next.
    `stockout_risk` is the probability that demand over the lead time (from the next review on) exceeds the position:
    what no order can change any more. `order_value` is quantity x unit cost, NULL where neither cost nor
    price is known; `days_of_cover` is NULL where no demand is expected; `expected_receipt_ds` is NULL where nothing
    is ordered. `expected_cost` is holding, ordering, lost margin and waste in currency per year. Quantities are in
    units.

    forecast: unique_id, model, ds, mean, sd, quantiles, path_* [, is_fallback], the rows of one cutoff, `as_of`.
    supply, products: see `read_supply`. stock: see `StockTables`. prices: see `last_prices`. A NULL, an absent row or a
    term that no plan can be made with is filled from `spec` and flagged as assumed. evidence: what replays say; without
    it the first candidate decides. doubts: see `order_doubts`. decided: see `DecidedDays.of`; orders go by it, while
    what was sold on days that nobody reported, and the position that a policy would have brought about, are the
    model's: they lie in the past.

    Every unique_id of `forecast` ends in `proposal` or, with its error, in `failures`; a series that fails changes no
    bit of another's result, unless they share a network or a service budget. Raises ValueError where a table lacks a
    column or a key.
    """
    readable, problems = read_forecast(forecast, as_of, path_terms.levels)
    supply_in, supply_problems = read_supply(supply, prices, readable, as_of, spec, products)
    stock_in, stock_problems = read_stock(stock, readable, as_of, spec)
    problems = {**stock_problems, **supply_problems, **problems}
    doubts_S = order_doubts(readable.unique_id_S, supply_in, stock_in, doubts)
    fit = np.flatnonzero(~np.isin(readable.unique_id_S, list(problems)))
    decided_in = DecidedDays.of(decided, readable.unique_id_S, as_of, readable.mean_SH.shape[1])

    ordered = [("unique_id", "ascending")]
    tables: list[tuple[pa.Table, ...]] = []
    # An empty bucket is planned too, for its tables' schemas.
    for at in list(readable.take(fit).by_horizon()) or [fit]:
        rows = fit[at] if fit.size else fit
        inputs = (readable.take(rows), supply_in.take(rows), stock_in.take(rows), doubts_S[rows])
        told = decided_in.take(rows, inputs[0].mean_SH.shape[1])
        planned = _plan(*inputs, told if told.is_decided.any() else None, as_of, spec, path_terms, evidence)
        tables.append(_tables(planned, inputs[0], as_of, path_terms, evidence))
    policy, proposal, steps, changed = (pa.concat_tables(parts) for parts in zip(*tables, strict=True))
    return BucketPlan(
        policy=policy.sort_by(ordered),
        proposal=proposal.sort_by(ordered),
        steps=steps.sort_by([*ordered, ("step", "ascending")]),
        decided=changed.sort_by([*ordered, ("ds", "ascending")]),
        failures=failure_table(problems),
    )


def _tables(
    planned: Planned, by_model: ForecastInput, as_of: date, path_terms: PathTerms, evidence: PolicyEvidence | None
) -> tuple[pa.Table, ...]:
    """Policies, order lines, steps, decided demand."""
    priced = priced_steps(planned)
    return (
        policy_table(planned, as_of, evidence),
        proposal_table(planned, as_of, priced),
        step_table(planned, priced),
        decided_table(planned, by_model, as_of, path_terms),
    )


def _plan(
    forecast: ForecastInput,
    supply: SupplyInput,
    stock: StockInput,
    doubts_S: np.ndarray,
    decided: DecidedDays | None,
    as_of: date,
    spec: InventorySpec,
    path_terms: PathTerms,
    evidence: PolicyEvidence | None,
) -> Planned:
    paths = forecast.paths(path_terms, spec.n_paths)
    if decided is not None:
        if not stock.is_placed.all():
            by_model = _plan(forecast, supply, stock, doubts_S, None, as_of, spec, path_terms, evidence)
            stock = stock.placed(by_model.position)
        forecast, paths = decided.applied(forecast, paths, path_terms.levels)
    reviews = supply.calendar.pattern(day_number(as_of), paths.n_days)
    situation = Situation.of(paths, forecast.sd_SH, supply.terms, supply.unit_price_S, spec, supply.limits, reviews)
    plans = plans_of(planned_names(spec.candidates), situation)
    names = tuple(plans)
    choice, decider_S = chosen_policies(forecast.unique_id_S, situation, evidence, as_of)
    chosen_S = np.array([names.index(name) for name in choice.name_S], dtype=np.int64)
    days_to_review_S = supply.calendar.days_to_review(day_number(as_of))
    stock = _placed(stock, forecast.unique_id_S, plans, chosen_S, situation, days_to_review_S)
    planned = Planned(
        forecast=forecast,
        supply=supply,
        stock=stock,
        doubts_S=doubts_S,
        situation=situation,
        names=names,
        choice=choice,
        chosen_S=chosen_S,
        decider_S=decider_S,
        order_KS=np.stack([_order_today(plan, stock, supply) for plan in plans.values()]),
        reorder_point_KS=np.stack([plan.reorder_point_SH[:, 0] for plan in plans.values()]),
        order_up_to_KS=np.stack([plan.order_up_to_SH[:, 0] for plan in plans.values()]),
        wanted_KS=np.stack([plan.wanted_S for plan in plans.values()]),
        shared_fill_KS=np.stack([_shared_fill(plan) for plan in plans.values()]),
        expected={name: replay_paths(plan, situation, spec.tuning_paths) for name, plan in plans.items()},
        protection_SN=paths.sums(situation.protection_days),
        days_to_review_S=days_to_review_S,
        decided=decided,
    )
    return replace(planned, doubts_S=limit_doubts(doubts_S, planned.limited_order, situation, decided))


def _placed(
    stock: StockInput,
    unique_id_S: np.ndarray,
    plans: Mapping[str, Plan],
    chosen_S: np.ndarray,
    situation: Situation,
    days_to_review_S: np.ndarray,
) -> StockInput:
    """The stock with a position of its own policy for each series of which nothing is known."""
    if stock.is_placed.all():
        return stock
    position_S, number_S = np.zeros(len(chosen_S)), series_numbers(unique_id_S)
    for k, plan in enumerate(plans.values()):
        at_S = (chosen_S == k) & ~stock.is_placed
        if at_S.any():
            position_S[at_S] = average_position(plan, situation, number_S, days_to_review_S)[at_S]
    return stock.placed(position_S)


def chosen_policies(
    unique_id_S: np.ndarray, situation: Situation, evidence: PolicyEvidence | None, as_of: date
) -> tuple[Choice, np.ndarray]:
    """The policy of each series, and what decided on it, of `POLICY_DECIDERS`, [S]: replayed money, or a rule where its
    money or its lead time leaves nothing for replays to decide."""
    spec = situation.spec
    if evidence is None:
        choice = Choice.decided(len(situation), spec.candidates[0], "first candidate: no replays to choose by")
    else:
        class_S = classes_of(evidence.classes[as_of], unique_id_S)
        choice = choose(evidence.replays, unique_id_S, class_S, spec, as_of, evidence.windows)
    decider_S = np.where(np.isfinite(choice.score_S), "money", "no replays").astype(object)
    cost_S, days = situation.terms.unit_cost, situation.paths.n_days
    for decider, at_S, name, rule in (
        (
            "no price or cost",
            np.isnan(cost_S),
            WITHOUT_MONEY,
            "neither unit cost nor price is known: money cannot decide",
        ),
        ("unit cost of 0", cost_S == 0.0, WITHOUT_MONEY, "a unit costs nothing: money cannot decide"),
        (
            "lead time",
            situation.has_money & ~can_replay(situation),
            WITHOUT_REPLAY,
            f"lead time and review exceed the {days} days that a replay can show",
        ),
    ):
        choice.put(at_S, Choice.decided(len(at_S), name, rule))
        decider_S[at_S] = decider
    return choice, decider_S


def _shared_fill(plan: Plan) -> FloatArray:
    return np.full(len(plan.wanted_S), np.nan) if plan.shared_fill_S is None else plan.shared_fill_S


def _order_today(plan: Plan, stock: StockInput, supply: SupplyInput) -> FloatArray:
    """Units that the plan's policy wants at the stock of today, before packs and minimum order, [S]."""
    lead_S = np.maximum(supply.terms.lead_time_days.astype(np.int64), 1)
    slot_L = np.arange(int(lead_S.max(initial=1)))
    # When stock on order will arrive is not known: spread over the lead time.
    pipeline_SL = np.where(slot_L < lead_S[:, None], (stock.on_order_S / lead_S)[:, None], 0.0)
    on_hand_S1 = torch.from_numpy(stock.on_hand_S)[:, None]
    zero_S1 = torch.zeros_like(on_hand_S1)
    state = StockState(
        t=0,
        rows=slice(0, len(lead_S)),
        on_hand_SP=on_hand_S1.clamp(min=0.0),
        backorders_SP=(-on_hand_S1).clamp(min=0.0),
        pipeline_SPL=torch.from_numpy(pipeline_SL)[:, None, :],
        sales_SP=zero_S1,
        was_short_SP=zero_S1,
    )
    return np.asarray(plan.policy.order(state).clamp(min=0.0)[:, 0].double().numpy())

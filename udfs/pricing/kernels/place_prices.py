"""The SKUs of one category in one place: their new prices, what is decided of them, and what that does to demand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from udfs.pricing.markdown import MOST_UNITS, Beliefs, Markdown, values
from udfs.pricing.pricing_spec import PricingSpec, SellOff
from udfs.pricing.regular_price import Goods, best_regular, binding

WEEK = 7
_LEAST_UNITS = 1e-3
_LEAST_GAIN = 1e-9
_MOST_LOG_FACTOR = np.log(100.0)
"""A price far from those seen says little of demand: a hundredfold or a hundredth is the most that is believed."""


@dataclass(frozen=True, slots=True)
class PriceTerms:
    """What a run is told: its day, the days ahead, its name, and what planners decided of prices.

    decided: unique_id, ds, decision_id, decided_price, author, note, a row for each series and day at most.
    """

    spec: PricingSpec
    as_of: date
    horizon: int
    run_id: str
    decided: pd.DataFrame


@dataclass(frozen=True, slots=True)
class PlacePrices:
    """Rows of pricing.price_plan, .price_decision and .accepted_demand without run and bucket, and what failed."""

    plan: pd.DataFrame
    decision: pd.DataFrame
    demand: pd.DataFrame
    failures: pd.DataFrame


def place_prices(series: pd.DataFrame, elasticity: pd.DataFrame, terms: PriceTerms) -> PlacePrices:
    """Price the SKUs of one category in one place.

    series: unique_id, sku_id, category, unit_price, unit_cost, is_cost_assumed, on_hand_qty (NaN where nobody counts),
    is_before_event, mean (units of each day of the horizon, an array). elasticity: rows of pricing.elasticity of them.
    A series without a price, a cost or an answer to its price fails alone.
    """
    series = series.sort_values("unique_id", ignore_index=True)
    goods, facts = _goods(series, elasticity, terms.spec)
    faults = [fault or _stock_fault(row, terms) for fault, row in zip(goods.faults(), series.itertuples(), strict=True)]
    fit = np.array([fault is None for fault in faults], dtype=np.bool_)
    failures = pd.DataFrame(
        {
            "unique_id": series["unique_id"][~fit],
            "error_class": "BadPriceError",
            "error": [fault for fault in faults if fault],
        }
    )
    series, facts, goods = series[fit].reset_index(drop=True), facts[fit].reset_index(drop=True), _only(goods, fit)
    if not len(series):
        return PlacePrices(pd.DataFrame(), pd.DataFrame(), pd.DataFrame(), failures)
    series = series.assign(usual_price=facts["usual_price"], identification=facts["identification"])
    price_S, kind_S, bound, money = _planned(series, goods, terms)
    plan = _plan_rows(series, facts, goods, price_S, kind_S, bound, money)
    own = _own_decisions(series, price_S, goods.price_S, terms)
    return PlacePrices(plan, _decision_rows(own, goods, series), _demand_rows(series, goods, own), failures)


def _stock_fault(row: Any, terms: PriceTerms) -> str | None:
    """What is wrong with the stock of an SKU that has to go."""
    if terms.spec.sell_off_of(row.sku_id, row.category, terms.as_of) is None or not row.on_hand_qty > MOST_UNITS:
        return None
    return f"stock: expected at most {MOST_UNITS:,.0f} units, found {row.on_hand_qty}"


def _goods(series: pd.DataFrame, elasticity: pd.DataFrame, spec: PricingSpec) -> tuple[Goods, pd.DataFrame]:
    """The group as arrays, and the own rows of the elasticities in the order of the series."""
    ids = pd.Index(series["unique_id"])
    own = elasticity[elasticity["effect"] == "own"].set_index("unique_id").reindex(ids).reset_index()
    # A rival's effect below its standard error may be none, and bounds at 0 would have it lift everything.
    cross = elasticity[(elasticity["effect"] == "cross") & (elasticity["elasticity"] > elasticity["elasticity_se"])]
    row, column = ids.get_indexer(cross["unique_id"]), ids.get_indexer(cross["rival_id"])
    known = (row >= 0) & (column >= 0)
    effect_SN = np.zeros((len(ids), len(ids)))
    effect_SN[row[known], column[known]] = cross["elasticity"].to_numpy(float)[known]
    np.fill_diagonal(effect_SN, own["elasticity"].to_numpy(float))
    place_of = {sku: s for s, sku in reversed(list(enumerate(series["sku_id"])))}
    below_S = np.full(len(ids), -1, dtype=np.int64)
    for family in spec.families.values():
        here = [place_of[sku] for sku in family if sku in place_of]
        below_S[here[1:]] = here[:-1]
    goods = Goods(
        np.array([0, len(ids)]),
        series["unit_price"].to_numpy(float),
        series["unit_cost"].to_numpy(float),
        np.array([float(np.sum(mean)) for mean in series["mean"]]),
        effect_SN,
        own["elasticity_se"].to_numpy(float),
        own["is_promoted"].eq(True).to_numpy(bool),
        below_S,
    )
    return goods, own


def _only(goods: Goods, fit: np.ndarray) -> Goods:
    place_S = np.cumsum(fit) - 1
    below_S = goods.below_S[fit]
    is_there = (below_S >= 0) & fit[np.maximum(below_S, 0)]
    return replace(
        goods,
        first_G=np.array([0, int(fit.sum())]),
        effect_SN=np.ascontiguousarray(goods.effect_SN[np.ix_(fit, fit)]),
        below_S=np.where(is_there, place_S[np.maximum(below_S, 0)], -1),
        **{name: getattr(goods, name)[fit] for name in ("price_S", "cost_S", "units_S", "effect_se_S", "is_fixed_S")},
    )


def _planned(
    series: pd.DataFrame, goods: Goods, terms: PriceTerms
) -> tuple[np.ndarray, np.ndarray, list[list[str]], tuple[np.ndarray, np.ndarray]]:
    """Price, kind and what binds of each series, and (kept, planned) money."""
    spec, rails = terms.spec, terms.spec.guardrails
    pairs = zip(series["sku_id"], series["category"], strict=True)
    offs = [spec.sell_off_of(sku, category, terms.as_of) for sku, category in pairs]
    is_off = np.array([off is not None for off in offs])
    is_unknown = (series["identification"] == "all").to_numpy()
    fixed = replace(goods, is_fixed_S=goods.is_fixed_S | is_off | is_unknown)
    price_S = best_regular(fixed, rails)
    bound = binding(fixed, rails, price_S)
    for s in np.flatnonzero((goods.is_fixed_S | is_unknown) & ~is_off):
        bound[s] = ["no price has changed" if is_unknown[s] else "promotion"]
    unsure = (price_S != goods.price_S) & ~goods.is_sure(price_S)
    for s in np.flatnonzero(unsure):
        price_S[s] = goods.price_S[s]
        bound[s] = ["too little is known"]
    rises = (price_S > goods.price_S) & series["is_before_event"].to_numpy(bool)
    for s in np.flatnonzero(rises):
        price_S[s] = goods.price_S[s]
        bound[s].append("no rise before an event")
    _within_budget(goods, price_S, bound, spec.most_changes_share)
    planned_S = goods.profit_at(price_S)
    kept_S = planned_S - goods.gain_of(price_S)
    for s in np.flatnonzero(is_off):
        off = offs[s]
        assert off is not None
        price_S[s], kept_S[s], planned_S[s] = _marked_down(series.iloc[s], goods, int(s), off, terms)
        bound[s] = []
    return price_S, np.where(is_off, "sell off", "regular"), bound, (kept_S, planned_S)


def _within_budget(goods: Goods, price_S: np.ndarray, bound: list[list[str]], share: float) -> None:
    """Leave the changes that gain most, each beside the prices of now."""
    changed = np.flatnonzero(price_S != goods.price_S)
    most = int(np.floor(share * len(price_S) + 1e-9))
    if len(changed) <= most:
        return
    now = goods.profit_at(goods.price_S).sum()
    gain = np.empty(len(changed))
    for k, s in enumerate(changed):
        alone_S = goods.price_S.copy()
        alone_S[s] = price_S[s]
        gain[k] = goods.profit_at(alone_S).sum() - now
    for s in changed[np.argsort(-gain, kind="stable")[most:]]:
        price_S[s] = goods.price_S[s]
        bound[s].append("change budget")


def _marked_down(row: pd.Series, goods: Goods, s: int, off: SellOff, terms: PriceTerms) -> tuple[float, float, float]:
    """The price of now of what has to go, and the revenue to the end at the price of before and at it.

    Demand after the horizon is that of its last week. Without a count of stock nothing is marked down.
    """
    now, stock = goods.price_S[s], float(row["on_hand_qty"])
    if not np.isfinite(stock):
        return now, np.nan, np.nan
    usual = float(row["usual_price"]) if np.isfinite(row["usual_price"]) else now
    lower = [usual * share for share in off.ladder if usual * share < now * (1.0 - _LEAST_GAIN)]
    price_J = np.unique(np.round([now, *lower], 2))[::-1].copy()
    mean = np.asarray(row["mean"], float)
    weeks = [mean[k : k + WEEK].sum() for k in range(0, len(mean) - len(mean) % WEEK, WEEK)] or [mean.sum()]
    n_weeks = max(-(-(off.until - terms.as_of).days // WEEK), 1)
    units_T = np.array([weeks[min(t, len(weeks) - 1)] for t in range(n_weeks)])
    level = max(units_T.mean(), _LEAST_UNITS)
    beliefs = Beliefs.of(
        *(np.array([x]) for x in (np.log(level), terms.spec.level_sd, goods.own_effect[s], goods.effect_se_S[s]))
    )
    items = Markdown(
        price_J[None],
        (units_T / level)[None],
        np.array([max(stock, 0.0)]),
        np.array([min(off.salvage * usual, price_J[-1])]),
    )
    [value_J] = values(items, beliefs)
    best = int(np.argmax(value_J))
    return float(price_J[best]), float(value_J[0]), float(value_J[best])


def _plan_rows(
    series: pd.DataFrame,
    facts: pd.DataFrame,
    goods: Goods,
    price_S: np.ndarray,
    kind_S: np.ndarray,
    bound: list[list[str]],
    money: tuple[np.ndarray, np.ndarray],
) -> pd.DataFrame:
    kept_S, planned_S = money
    rows = pd.DataFrame(
        {
            "unique_id": series["unique_id"],
            "price_kind": kind_S,
            "unit_price": goods.price_S,
            "unit_cost": goods.cost_S,
            "is_cost_assumed": series["is_cost_assumed"].to_numpy(bool),
            "planned_price": price_S,
            "kept_units": goods.units_S,
            "planned_units": goods.units_at(price_S),
            "kept_profit": kept_S,
            "planned_profit": planned_S,
            "elasticity": goods.own_effect,
            "elasticity_se": goods.effect_se_S,
            "identification": facts["identification"],
            "binding": [", ".join(words) or None for words in bound],
        }
    )
    return rows.assign(reason=[_reason(row) for row in rows.itertuples()])


def _reason(row: Any) -> str:
    now, then, kind = row.unit_price, row.planned_price, row.price_kind
    whose = {"own": "its own sales", "shared": "its own and its category's", "category": "its category's"}
    source = whose.get(row.identification, "what is usual elsewhere")
    answer = f"elasticity {row.elasticity:.2f} +- {row.elasticity_se:.2f} from {source}"
    gain = row.planned_profit - row.kept_profit
    what = "Keep" if then == now else f"From {now:.2f} to"
    kept = f"; kept from more by: {row.binding}" if row.binding else ""
    kept += "; the unit cost is assumed" if row.is_cost_assumed else ""
    if gain != gain:
        return f"{what} {then:.2f}: to be sold off, but no stock is counted; {answer}."
    money = "revenue to the end" if kind == "sell off" else "margin of the horizon"
    return f"{what} {then:.2f}: {gain:+.2f} {money}; {answer}{kept}."


def _own_decisions(series: pd.DataFrame, price_S: np.ndarray, now_S: np.ndarray, terms: PriceTerms) -> pd.DataFrame:
    """By series and day the price that holds or is proposed: planners' first, then the plan's."""
    ids = series["unique_id"]
    decided = terms.decided[terms.decided["unique_id"].isin(ids)].assign(price_status="accepted")
    days = [terms.as_of + timedelta(days=h + 1) for h in range(terms.horizon)]
    changed = [(s, ids[s]) for s in np.flatnonzero(np.abs(price_S - now_S) > _LEAST_GAIN)]
    status = "accepted" if terms.spec.accept == "auto" else "proposed"
    planned = pd.DataFrame(
        [
            {
                "unique_id": unique_id,
                "ds": day,
                "decision_id": f"{terms.run_id} {unique_id}",
                "decided_price": price_S[s],
                "author": "price plan",
                "note": f"price {price_S[s]:.2f} instead of {now_S[s]:.2f}",
                "price_status": status,
            }
            for s, unique_id in changed
            for day in days
        ],
        columns=[*terms.decided.columns, "price_status"],
    )
    both = pd.concat([each for each in (decided, planned) if len(each)] or [planned], ignore_index=True)
    return both.drop_duplicates(["unique_id", "ds"], keep="first")


def _decision_rows(own: pd.DataFrame, goods: Goods, series: pd.DataFrame) -> pd.DataFrame:
    """A row for each decision: its first and last day."""
    now_of = dict(zip(series["unique_id"], goods.price_S, strict=True))
    keys = ["unique_id", "decision_id", "price_status", "decided_price", "author", "note"]
    found = own.groupby(keys, sort=True)["ds"].agg(valid_from="min", valid_to="max").reset_index()
    return found.assign(unit_price=found["unique_id"].map(now_of).astype(float))


def _demand_rows(series: pd.DataFrame, goods: Goods, own: pd.DataFrame) -> pd.DataFrame:
    """What accepted prices do to the demand of each series and day, its own price's and its rivals'."""
    accepted = own[own["price_status"] == "accepted"]
    place = pd.Index(series["unique_id"])
    parts = [_day_rows(place, goods, today) for _, today in accepted.groupby("ds", sort=True)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _day_rows(place: pd.Index, goods: Goods, today: pd.DataFrame) -> pd.DataFrame:
    """The same of a day. What is said of a series is said by its own price, else by that which moves it most."""
    at_K = place.get_indexer(pd.Index(today["unique_id"]))
    price_S = goods.price_S.copy()
    price_S[at_K] = today["decided_price"].to_numpy(float)
    log_S = np.log(np.maximum(goods.units_at(price_S), _LEAST_UNITS) / np.maximum(goods.units_S, _LEAST_UNITS))
    log_S = np.clip(log_S, -_MOST_LOG_FACTOR, _MOST_LOG_FACTOR)
    moved = np.flatnonzero((np.abs(log_S) > _LEAST_GAIN) | np.isin(np.arange(len(place)), at_K))
    pull_SK = np.abs(goods.effect_SN[:, at_K] * np.log(price_S / goods.price_S)[at_K])
    pull_SK[at_K, np.arange(len(at_K))] = np.inf
    cause = today.iloc[pull_SK[moved].argmax(1)].reset_index(drop=True)
    is_own = cause["unique_id"].to_numpy() == place[moved].to_numpy()
    price = cause["decided_price"].astype(float)
    of_whom = np.where(is_own, "", " of " + cause["unique_id"])
    return pd.DataFrame(
        {
            "unique_id": place[moved],
            "ds": today["ds"].iloc[0],
            # A decision is about one series: what it does to another has a name of its own.
            "decision_id": np.where(is_own, cause["decision_id"], cause["decision_id"] + "/" + place[moved]),
            "demand_factor": np.exp(log_S[moved]),
            "unit_price": price.where(is_own),
            "author": cause["author"] + " (price " + price.map("{:.2f}".format) + of_whom + ")",
            "note": cause["note"],
        }
    )

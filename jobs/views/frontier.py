"""What service costs: candidate policies in replays, and the frontier of what choosing among them can reach.

A policy is a point: the share of demand served from stock, and the cost a year of keeping it so (holding, ordering,
waste). So is a choice: a lost unit's margin is weighed more and more, every series takes its cheapest candidate at each
weight by the replays before the last one, and all are judged on the last: what is drawn did not choose itself. Points
that no other serves as much for less than are the frontier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError
from udfs.inventory.supply import DAYS_PER_YEAR

WEIGHTS: Final = tuple(2.0**power for power in range(-4, 8))
"""Times its margin that a lost unit is reckoned to cost: from a sixteenth (customers come back) to 128."""
KEPT, LOST = ("replay_holding_cost", "replay_ordering_cost", "replay_waste_cost"), "replay_shortage_cost"
_UNITS = ("demand_qty", "sales_qty")
_MONEY = (*KEPT, LOST)
_DUTY = "is_service_required"
_LEAST_POINTS = 0.1  # per cent of demand served, below which more is none
_REPLAY, _POLICY = "inventory.replay", "inventory.policy"


@dataclass(frozen=True, slots=True)
class ServiceCost:
    """Sums over all series, money a year in currency, judged on the replay from `cutoff` on.

    `policies`, `choices`: one row per candidate, per weight of `WEIGHTS`; `chosen`: of the policies that plan today,
    which that replay helped to choose. Columns: the costs by kind, `demand_qty`, `sales_qty`, `kept_cost` (all but lost
    margin), `cost` (all) and `fill_rate`. `by_duty`: the chosen's, where a service is required (True) and where shelf
    life leaves it to money (False). `series`: those that every candidate was replayed for, the one in use among
    them; `is_held_out`: whether the choices were made by other replays than that one.
    """

    policies: pd.DataFrame
    choices: pd.DataFrame
    chosen: pd.Series
    by_duty: pd.DataFrame
    series: int
    cutoff: pd.Timestamp
    is_held_out: bool


def service_cost(lake: Lakehouse, run_id: str) -> ServiceCost:
    """Of one run, bucket by bucket, so that memory does not grow with the series.

    Raises ConfigError where no series was replayed.
    """
    of_run = pc.field("run_id") == run_id
    cutoffs = pc.unique(lake.read_arrow(_REPLAY, columns=["cutoff"], filters=of_run)["cutoff"]).to_pylist()
    if not cutoffs:
        raise ConfigError(
            f"{_REPLAY} has no rows of run {run_id}: no series has a history and a price that a replay needs; a longer "
            "history or a feed of prices brings them"
        )
    last = max(cutoffs)
    buckets = lake.partition_values(_REPLAY, "bucket")
    parts = [each for bucket in buckets for each in _of_bucket(lake, int(bucket), of_run, last)]
    if not parts:
        raise ConfigError(
            f"{_REPLAY}: expected series whose every candidate was replayed from {last}, with its costs by kind, found "
            "none; rows of an earlier version have no such costs: run the replay stage again"
        )
    sums = pd.concat(parts).groupby(["kind", "name"], sort=False)[[*_MONEY, *_UNITS, "series"]].sum()
    sums = sums.assign(kept_cost=sums[list(KEPT)].sum(axis=1), cost=sums[list(_MONEY)].sum(axis=1))
    sums["fill_rate"] = sums["sales_qty"] / sums["demand_qty"].where(sums["demand_qty"] > 0)
    kinds = sums.reset_index("kind")
    policies, choices, chosen, by_duty = (
        kinds[kinds["kind"] == kind].drop(columns="kind") for kind in ("policy", "choice", "chosen", "duty")
    )
    choices = choices.rename(index=float).sort_index()
    by_duty = by_duty.rename(index={"True": True, "False": False})
    series, at = int(chosen["series"].iloc[0]), pd.Timestamp(last)
    return ServiceCost(policies, choices, chosen.iloc[0], by_duty, series, at, is_held_out=len(cutoffs) > 1)


def _of_bucket(lake: Lakehouse, bucket: int, of_run: pc.Expression, last: object) -> list[pd.DataFrame]:
    """Sums of a bucket: a row per policy, per weight of a choice, and of today's policies, whole and by duty."""
    here = of_run & (pc.field("bucket") == bucket)
    columns = ["unique_id", "cutoff", "policy", _DUTY, *_MONEY, *_UNITS]
    rows = lake.read_arrow(_REPLAY, columns=columns, filters=here).to_pandas().dropna(subset=list(_MONEY))
    rows[list(_MONEY)] *= DAYS_PER_YEAR
    tested = rows[rows["cutoff"] == last].set_index(["unique_id", "policy"])
    earlier = rows[rows["cutoff"] < last]
    learnt = (earlier if len(earlier) else rows).groupby(["unique_id", "policy"])[list(_MONEY)].sum()
    names = sorted(set(rows["policy"]))
    tables = {column: tested[column].unstack().reindex(columns=names) for column in (*_MONEY, *_UNITS)}
    known = learnt[LOST].unstack().reindex(columns=names).dropna().index
    policies = lake.read_arrow(_POLICY, columns=["unique_id", "policy"], filters=here).to_pandas()
    chosen = policies.loc[policies["policy"].isin(names)].set_index("unique_id")["policy"]
    ids = tables[LOST].dropna().index.intersection(known).intersection(chosen.index)
    if not len(ids):
        return []
    value_CSP = np.stack([tables[column].loc[ids].to_numpy() for column in (*_MONEY, *_UNITS)])
    learnt_SP = {column: learnt[column].unstack().loc[ids, names].to_numpy() for column in _MONEY}
    kept_SP, lost_SP = sum(learnt_SP[column] for column in KEPT), learnt_SP[LOST]
    picks = {("policy", name): np.full(len(ids), p) for p, name in enumerate(names)}
    picks |= {("choice", str(weight)): np.argmin(kept_SP + weight * lost_SP, axis=1) for weight in WEIGHTS}
    chosen_S = np.searchsorted(names, chosen.loc[ids].to_numpy(str))
    picks["chosen", "chosen"] = chosen_S
    duty_S = tested[_DUTY].groupby("unique_id").first().loc[ids].to_numpy(bool)
    everyone_S = np.ones(len(ids), bool)
    rows_of = [_picked(kind, name, pick_S, value_CSP, everyone_S) for (kind, name), pick_S in picks.items()]
    return rows_of + [_picked("duty", str(duty), chosen_S, value_CSP, duty_S == duty) for duty in (True, False)]


def _picked(kind: str, name: str, pick_S: np.ndarray, value_CSP: np.ndarray, is_in_S: np.ndarray) -> pd.DataFrame:
    """The sums of one candidate per series, over those that are in."""
    sums = value_CSP[:, is_in_S, pick_S[is_in_S]].sum(axis=1)
    row = dict(zip((*_MONEY, *_UNITS), sums, strict=True))
    return pd.DataFrame([{"kind": kind, "name": name, **row, "series": int(is_in_S.sum())}])


def service_words(money: ServiceCost, currency: str) -> str:
    """What a point of service costs beyond today's choice, in a plain sentence."""
    chosen = money.chosen
    words = (
        f"In the replay of {money.series:,} series from {money.cutoff.date()} on, the policies in use serve "
        f"{chosen['fill_rate']:.1%} of demand from stock{_duty_words(money.by_duty)}; to keep that up costs "
        f"{chosen['kept_cost']:,.0f} {currency} a year, and {chosen[LOST]:,.0f} of margin is lost."
    )
    best = undominated(money).iloc[-1]
    points = 100.0 * (best["fill_rate"] - chosen["fill_rate"])
    if points > _LEAST_POINTS:
        extra = best["kept_cost"] - chosen["kept_cost"]
        words += f" The most that these candidates serve is {best['fill_rate']:.1%}, for {extra:+,.0f} a year"
        words += f" ({extra / points:,.0f} a point)."
    return words


def _duty_words(by_duty: pd.DataFrame) -> str:
    """Where service is left to money, how much is served apart from where it is required."""
    served, series = by_duty["fill_rate"].to_dict(), by_duty["series"].to_dict()
    if not series[False]:
        return ""
    return (
        f" ({served[True]:.1%} where a service is required, {served[False]:.1%} of {series[False]:,} series whose "
        "shelf life leaves it to money)"
    )


def undominated(money: ServiceCost) -> pd.DataFrame:
    """The candidates and choices that no other serves as much for less than, the cheapest first."""
    points = pd.concat([money.policies, money.choices]).dropna(subset=["fill_rate"])
    points = points.sort_values(["kept_cost", "fill_rate"], ascending=[True, False], kind="stable")
    served_before = points["fill_rate"].cummax().shift(fill_value=-1.0)
    return points[points["fill_rate"] > served_before]

"""Levels of depots and locations, and what each depot allocates today, from policies and proposals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats

from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import table_of_rows
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.stock_counts import last_on_hand
from udfs.inventory.supply import DAYS_PER_YEAR
from udfs.inventory.theory.network.channel_allocation import ChannelTerms, allocate
from udfs.inventory.theory.network.two_echelon import TwoEchelon, TwoEchelonLevels, optimal_levels
from udfs.supply_network.network_map import NetworkMap

LEVEL, ALLOCATION = "network.level", "network.allocation"
_SHARES = (np.arange(15) + 0.5) / 15.0


@dataclass(frozen=True, slots=True)
class Group:
    """The articles of a depot that C of its locations sell, [A] and [A, C]; `ids` of the series, '' where none.

    mean, sd: units a day. cost, margin: currency a unit. position, wanted: units on hand and on order, and to order.
    supply_days: [A], to the depot. lane_days: [C], from it.
    """

    depot: str
    locations: list[str]
    articles: list[tuple[str, str]]
    ids: list[list[str]]
    mean: FloatArray
    sd: FloatArray
    cost: FloatArray
    margin: FloatArray
    level: FloatArray
    position: FloatArray
    wanted: FloatArray
    supply_days: FloatArray
    lane_days: FloatArray


def network_tables(
    network: NetworkMap, *, policy: pa.Table, proposal: pa.Table, products: pa.Table, locations: pa.Table,
    stock: pa.Table, spec: InventorySpec,
) -> tuple[pa.Table, pa.Table, list[tuple[str, str]]]:  # fmt: skip
    """Rows of network.level and network.allocation, and (unique_id, why) of series that the network does not reach.

    policy, proposal: what inventory decided. products: sku_id, department. locations: location_id, region. stock:
    counts, of depots too: a depot's latest is the pool that it allocates, else what its level gives on average.
    """
    levels: list[dict[str, Any]] = []
    shares: list[dict[str, Any]] = []
    counted = last_on_hand(stock)
    groups, failures = _groups(network, policy, proposal, products, locations, spec)
    for group in groups:
        together, alone = _solved(group, spec)
        levels += _level_rows(group, together, alone)
        shares += _allocation_rows(group, together, counted)
    return table_of_rows(LEVEL, levels), table_of_rows(ALLOCATION, shares), failures


def _groups(
    network: NetworkMap, policy: pa.Table, proposal: pa.Table, products: pa.Table, locations: pa.Table,
    spec: InventorySpec,
) -> tuple[Iterator[Group], list[tuple[str, str]]]:  # fmt: skip
    department = dict(zip(products["sku_id"].to_pylist(), products["department"].to_pylist(), strict=True))
    region = dict(zip(locations["location_id"].to_pylist(), locations["region"].to_pylist(), strict=True))
    line = {row["unique_id"]: row for row in proposal.to_pylist()}
    by_depot: dict[str, dict[tuple[str, str], dict[str, dict[str, Any]]]] = {}
    failures = []
    for row in policy.sort_by("unique_id").to_pylist():
        sku, location, channel = SERIES.split(row["unique_id"])
        place = network.place_of(location, region.get(location))
        supplier = next(iter(network.suppliers_of.get(department.get(sku) or "", ())), None)
        days = row["lead_time_days"] + row["review_days"]
        if place is None or supplier is None:
            what = f"region {region.get(location)!r}" if place is None else f"department {department.get(sku)!r}"
            failures.append((row["unique_id"], f"network: expected a {'depot' if place is None else 'supplier'} for "
                             f"{what}, found none; add it to the file of the network"))  # fmt: skip
        elif row["unit_cost"] is not None and row["unit_cost"] > 0.0 and row["demand_mean"] > 0.0 and days > 0.0:
            of_article = by_depot.setdefault(network.depot_of[place], {}).setdefault((sku, channel), {})
            of_article[location] = row | {
                "line": line.get(row["unique_id"], {}),
                "days": days,
                "supplier": supplier,
                "place": place,
            }
    found = (_group(network, depot, articles, spec) for depot, articles in sorted(by_depot.items()))
    return found, failures


def _group(
    network: NetworkMap, depot: str, articles: dict[tuple[str, str], dict[str, dict[str, Any]]], spec: InventorySpec
) -> Group:
    names, keys = sorted({location for each in articles.values() for location in each}), sorted(articles)
    rows = [[articles[key].get(name, {}) for name in names] for key in keys]
    place_of = {name: each[name]["place"] for each in articles.values() for name in each}
    any_row = [next(iter(articles[key].values())) for key in keys]
    days_AC = np.array([[row.get("days", 1.0) for row in each] for each in rows])

    def table(name: str, default: float = 0.0, *, of_line: bool = False) -> FloatArray:
        found = [[(row.get("line", {}) if of_line else row).get(name) for row in each] for each in rows]
        return np.array([[default if value is None else value for value in each] for each in found], dtype=np.float64)

    cost_A = np.array([row["unit_cost"] for row in any_row], dtype=np.float64)
    margin_AC = np.maximum(table("unit_price", np.nan) - cost_A[:, None], 0.0)
    assumed_A1 = cost_A[:, None] * spec.assumed_margin / (1.0 - spec.assumed_margin)
    return Group(
        depot, names, keys, [[row.get("unique_id", "") for row in each] for each in rows],
        table("demand_mean") / days_AC, table("demand_sd") / np.sqrt(days_AC), cost_A,
        np.where(np.isnan(margin_AC), assumed_A1, margin_AC), table("service_level", spec.service_level),
        table("position_qty", of_line=True), table("order_qty", of_line=True),
        np.array([network.days[row["supplier"], depot] for row in any_row]),
        np.array([network.days[depot, place_of[name]] for name in names]),
    )  # fmt: skip


def _solved(group: Group, spec: InventorySpec) -> tuple[TwoEchelonLevels, TwoEchelonLevels]:
    """The best levels with the depot, and those of locations that wait the whole way for a supplier of their own."""
    holding_A = group.cost * spec.holding_cost_rate / DAYS_PER_YEAR
    shortage_AC = holding_A[:, None] * group.level / (1.0 - group.level)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_AC = np.where(group.mean > 0.0, np.maximum(group.sd**2 / group.mean, 1.0), 1.0)
    lane = group.lane_days + 1.0  # a location reviews once a day: its orders wait for that day to end
    with_depot = TwoEchelon(group.mean, group.supply_days, lane, holding_A, holding_A[:, None], shortage_AC, ratio_AC)
    far_AC = group.supply_days[:, None] + lane
    alone = TwoEchelon(group.mean, 0.0, far_AC, holding_A, holding_A[:, None], shortage_AC, ratio_AC)
    return optimal_levels(with_depot, "negative_binomial"), optimal_levels(alone, "negative_binomial")


def _level_rows(group: Group, found: TwoEchelonLevels, alone: TwoEchelonLevels) -> Iterator[dict[str, Any]]:
    for a, (sku, channel) in enumerate(group.articles):
        shared: dict[str, Any] = {"sku_id": sku, "channel_id": channel, "depot_name": group.depot}
        shared |= {"network_cost": float(found.cost_S[a]), "alone_cost": float(alone.cost_S[a])}
        yield shared | {
            "stage_name": group.depot, "level_qty": float(found.dc_level_S[a]),
            "mean_on_hand_qty": float(found.dc_on_hand_S[a]), "mean_backorder_qty": float(found.dc_backorders_S[a]),
            "expected_fill_rate": None, "stage_lead_days": float(group.supply_days[a]),
        }  # fmt: skip
        for c, location in enumerate(group.locations):
            if group.ids[a][c]:
                yield shared | {
                    "stage_name": location, "level_qty": float(found.store_level_SC[a, c]),
                    "mean_on_hand_qty": float(found.store_on_hand_SC[a, c]),
                    "mean_backorder_qty": float(found.store_backorders_SC[a, c]),
                    "expected_fill_rate": float(found.fill_rate_SC[a, c]), "stage_lead_days": float(group.lane_days[c]),
                }  # fmt: skip


def _allocation_rows(group: Group, found: TwoEchelonLevels, counted: dict[str, float]) -> Iterator[dict[str, Any]]:
    """The pool shared for the greatest expected margin over the lane and a review, what is on hand there known: to each
    location at most what it wants, and all of that where the pool holds it."""
    days = group.lane_days + 1.0
    known = [counted.get(SERIES.key(sku, group.depot, channel)) for sku, channel in group.articles]
    pool_A = np.floor(
        [mean if count is None else max(count, 0.0) for count, mean in zip(known, found.dc_on_hand_S, strict=True)]
    )
    z_K = stats.norm.ppf(_SHARES)
    demand_ACK = np.maximum((group.mean * days)[..., None] + (group.sd * np.sqrt(days))[..., None] * z_K, 0.0)
    left_ACK = np.maximum(np.round(demand_ACK) - np.maximum(group.position, 0.0)[..., None], 0.0)
    shared = allocate(np.minimum(left_ACK, group.wanted[..., None]), pool_A, ChannelTerms(group.margin))
    given_AC = _filled(shared.allocation_SC, group.wanted, pool_A)
    for a in range(len(group.articles)):
        for c, unique_id in enumerate(group.ids[a]):
            if unique_id:
                yield {
                    "unique_id": unique_id, "depot_name": group.depot, "pool_qty": float(pool_A[a]),
                    "is_pool_assumed": known[a] is None, "wanted_qty": float(group.wanted[a, c]),
                    "allocated_qty": float(given_AC[a, c]),
                    "next_unit_value": float(shared.next_unit_value_SC[a, c]),
                    "reason": shared.reason(a, group.locations),
                }  # fmt: skip


def _filled(first_AC: FloatArray, wanted_AC: FloatArray, pool_A: FloatArray) -> FloatArray:
    """What is left of each pool goes to what is still wanted: all of it, or whole units of equal shares."""
    rest_AC, left_A = wanted_AC - first_AC, pool_A - first_AC.sum(1)
    share_A = np.divide(left_A, rest_AC.sum(1), out=np.zeros_like(left_A), where=rest_AC.sum(1) > 0.0)
    more_AC = np.where(share_A[:, None] < 1.0, np.floor(rest_AC * np.maximum(share_A, 0.0)[:, None]), rest_AC)
    return first_AC + more_AC

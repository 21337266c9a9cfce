"""What prizes for waiting shipments are worth, on real sales: `python -m tests.benchmarks.bench_delivery_days`.

M5's sales, each of its stores parted into `--parts` small ones by article, at made-up places around one depot. Every
evening each store orders up to a level; the depot's routes are planned by the stage's kernel. Three ways of shipping
meet the same sales: all tomorrow, each store every other day only (`alternate`), and all but what routes leave out
because its prize is lower than its way (`prizes`). A day costs its routes and the margin of what customers did not
find. The same days tell what the routes save beside the nearest place next, and beside savings.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lakehouse.schema.entities import DEPOT_DAY
from lakehouse.schema.tables import contract
from tests.real_data import ROOT
from udfs.fulfilment.fulfilment_spec import FulfilmentSpec
from udfs.fulfilment.made_up_places import made_up_places
from udfs.fulfilment.route_tables import DAY, STOP, RouteInputs, route_tables
from udfs.fulfilment.waiting_value import waiting_value
from udfs.fulfilment.warehouse_spec import WarehouseSpec

FloatArray = np.ndarray
MARGIN, LITRES, PACK, COVER = 0.3, 3.0, 6.0, 2.0  # of the price; a unit's; units; deviations of a level above the mean
KNOWN = 56  # days before the first, of which means and deviations are
BLANK = {
    "is_late": False, "is_carried": False,
    "is_place_assumed": True, "is_load_assumed": True, "is_fleet_assumed": True, "order_value": 0.0,
    "is_travel_assumed": True,
}  # fmt: skip


@dataclass(frozen=True)
class Shops:
    """sales_NT: units asked for. price_N: currency. shop_N: row of `places` of each article. first: day after KNOWN."""

    sales_NT: FloatArray
    price_N: FloatArray
    shop_N: FloatArray
    places: list[dict[str, Any]]
    depot: dict[str, Any]
    first: date


def shops(days: int, parts: int, share: float, seed: int) -> Shops:
    """The last days of M5, a share of its articles."""
    folder = ROOT / "m5"
    sales = pd.read_csv(folder / "sales_train_evaluation.csv.gz")
    columns = [name for name in sales if name.startswith("d_")][-(KNOWN + days) :]
    rng = np.random.default_rng(seed)
    sales = sales[rng.random(len(sales)) < share].reset_index(drop=True)
    calendar = pd.read_csv(folder / "calendar.csv").set_index("d")
    week = calendar.loc[columns[KNOWN], "wm_yr_wk"]
    prices = pd.read_csv(folder / "sell_prices.csv.gz")
    prices = prices[prices.wm_yr_wk <= week].groupby(["store_id", "item_id"])["sell_price"].last()
    price = prices.reindex(pd.MultiIndex.from_frame(sales[["store_id", "item_id"]])).fillna(0.0).to_numpy()
    shop = sales.store_id + "_" + pd.Series(rng.integers(parts, size=len(sales)).astype(str))
    names, shop_N = np.unique(shop, return_inverse=True)
    blank = {"latitude": None, "longitude": None, "country": "US", "region": "CA", "depot_id": "dc"}
    found = {row["location_id"]: row for row in made_up_places([{"location_id": n, **blank} for n in names], {}, "US")}
    first = pd.Timestamp(calendar.loc[columns[KNOWN], "date"]).date()
    return Shops(
        sales[columns].to_numpy(np.float64), price, shop_N, [found[name] for name in names], found["dc"], first
    )


@dataclass
class Way:
    """How shipments leave, and what it has cost: by day routes, lost margin, and the routes of two simple rules."""

    name: str
    stock_N: FloatArray
    waiting_N: FloatArray
    visits: list[FloatArray] = field(default_factory=list)
    costs: list[tuple[float, float, float, float]] = field(default_factory=list)


def day_of_routes(world: Shops, day: date, load_S: FloatArray, prize_S: FloatArray, share_S: FloatArray) -> Any:
    """Served shops and the row of fulfilment.depot_day; prize_S: nan where a shipment may not wait."""
    name, rows = DEPOT_DAY.key("dc", day), []
    for shop in np.flatnonzero(load_S):
        place, may_wait = world.places[shop], not np.isnan(prize_S[shop])
        rows.append(
            BLANK
            | {
                "depot_day_id": name, "depot_id": "dc", "ds": day, "shipment_id": str(shop), "location_id": str(shop),
                "shipped_qty": load_S[shop] / LITRES, "load_litres": load_S[shop], "load_kg": load_S[shop] / LITRES,
                "latitude": place["latitude"], "longitude": place["longitude"], "window_from_s": 6 * 3600,
                "window_to_s": 18 * 3600, "service_s": 900, "visit_share": share_S[shop],
                "wait_until_ds": day + timedelta(days=1) if may_wait else None,
                "wait_value": prize_S[shop] if may_wait else 0.0,
            }
        )  # fmt: skip
    fleet = {
        "depot_id": "dc", "vehicle_type": "van", "vehicle_count": 60.0, "capacity_litres": 6000.0, "capacity_kg": None,
        "fixed_cost": 80.0, "km_cost": 0.6, "hour_cost": 30.0, "shift_from_s": 5 * 3600, "shift_to_s": 19 * 3600,
        "break_minutes": 30.0, "most_trips": 1.0, "ship_weekdays": "1,2,3,4,5,6,7", "window_from_s": 0,
        "latitude": world.depot["latitude"], "longitude": world.depot["longitude"], "window_to_s": 172800,
        "is_fleet_assumed": True,
    }  # fmt: skip
    tables = {"fulfilment.shipment": rows, "fulfilment.vehicle": [fleet]}
    names = ("shipment", "shipment_line", "vehicle", "leg", "slot")
    inputs = RouteInputs(
        *(
            pa.Table.from_pylist(
                tables.get(f"fulfilment.{each}", []),
                schema=contract(f"fulfilment.{each}").arrow_schema(with_partitions=False),
            )
            for each in names
        )
    )
    if not rows:
        return set(), {"route_cost": 0.0, "nearest_neighbour_cost": 0.0, "savings_cost": 0.0}
    found, failed, _ = route_tables(inputs, FulfilmentSpec(effort=0.5), WarehouseSpec())
    if failed.num_rows:
        raise ValueError(failed.to_pylist())
    return {int(row["shipment_id"]) for row in found[STOP].to_pylist()}, found[DAY].to_pylist()[0]


def step(world: Shops, way: Way, t: int, choose: Callable[[Way, int, FloatArray], FloatArray]) -> None:
    """One evening and the day after it. choose: what of the orders' loads may be left out, by shop, nan: nothing."""
    known_NT = world.sales_NT[:, t : t + KNOWN]  # the days before the evening's next one
    mean_N, sd_N = known_NT.mean(1), known_NT.std(1)
    level_N = 2 * mean_N + COVER * np.sqrt(2.0) * sd_N
    short_N = level_N - way.stock_N - way.waiting_N
    order_N = way.waiting_N + np.where(short_N > 0, np.ceil(short_N / PACK) * PACK, 0.0)
    lost_N = waiting_value(way.stock_N, 0 * mean_N, 0 * sd_N + 1e-9, mean_N, sd_N, order_N, MARGIN * world.price_N)
    count = len(world.places)
    load_S = np.bincount(world.shop_N, order_N * LITRES, count)
    prize_S = np.bincount(world.shop_N, lost_N, count)
    held_S = np.bincount(world.shop_N, way.waiting_N, count) > 0  # has waited once: not again
    allowed_S = choose(way, t, held_S)
    share_S = np.mean(way.visits[-28:], 0) if way.visits else np.zeros(count)
    is_out_S = allowed_S == 0.0
    served, row = day_of_routes(
        world,
        world.first + timedelta(days=t),
        np.where(is_out_S, 0.0, load_S),
        np.where(np.isnan(allowed_S), np.nan, prize_S),
        np.maximum(share_S, 1e-6),
    )
    is_served_S = np.isin(np.arange(count), list(served))
    came_N = np.where(is_served_S[world.shop_N], order_N, 0.0)
    way.waiting_N = order_N - came_N
    way.visits.append(is_served_S.astype(float))
    asked_N = world.sales_NT[:, KNOWN + t]
    sold_N = np.minimum(asked_N, way.stock_N + came_N)
    way.stock_N = way.stock_N + came_N - sold_N
    lost = float((MARGIN * world.price_N * (asked_N - sold_N)).sum())
    way.costs.append(
        (
            row["route_cost"],
            lost,
            *(np.nan if row[name] is None else row[name] for name in ("nearest_neighbour_cost", "savings_cost")),
        )
    )


def everything(_way: Way, _t: int, held_S: FloatArray) -> FloatArray:
    return np.full(len(held_S), np.nan)


def prizes(_way: Way, _t: int, held_S: FloatArray) -> FloatArray:
    return np.where(held_S, np.nan, 1.0)


def alternate(_way: Way, t: int, held_S: FloatArray) -> FloatArray:
    return np.where((np.arange(len(held_S)) + t) % 2 == 0, np.nan, 0.0)


WAYS = {"tomorrow": everything, "alternate": alternate, "prizes": prizes}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--parts", type=int, default=12)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    world = shops(asked.days, asked.parts, asked.share, asked.seed)
    print(f"{len(world.sales_NT):,} articles in {len(world.places)} shops, {asked.days} days from {world.first}")
    ways = {}
    for name, choose in WAYS.items():
        start_N = 3 * world.sales_NT[:, :KNOWN].mean(1)
        ways[name] = way = Way(name, start_N, 0 * start_N)
        for t in range(asked.days):
            step(world, way, t, choose)
        route, lost, nearest, saved = np.array(way.costs).T
        print(
            f"{name}: {route.sum() + lost.sum():,.0f}, routes {route.sum():,.0f}, lost margin {lost.sum():,.0f}, "
            f"{np.mean(way.visits):.0%} of shops a day; nearest next {nearest.sum():,.0f}, savings {saved.sum():,.0f}",
            flush=True,
        )
    tell(ways)


def tell(ways: dict[str, Way]) -> None:
    """Means a day, with 95% intervals of the paired differences."""
    total = {name: np.array(way.costs)[:, :2].sum(1) for name, way in ways.items()}
    for name in ("tomorrow", "alternate"):
        print(f"prizes save beside {name}: {interval(total[name] - total['prizes'])} a day")
    cost = np.array(ways["prizes"].costs)
    for column, name in ((2, "the nearest place next"), (3, "savings")):
        saved = interval(cost[:, column] - cost[:, 0])
        print(f"routes save beside {name}: {saved} a day of {np.nanmean(cost[:, column]):,.0f}")


def interval(difference_T: FloatArray) -> str:
    """Over pairs of days: what waits today comes tomorrow, so that one day is cheap and the next one dear."""
    pair_T = np.nanmean(difference_T[: len(difference_T) // 2 * 2].reshape(-1, 2), 1)
    half = 1.96 * pair_T.std(ddof=1) / np.sqrt(len(pair_T))
    mean = pair_T.mean()
    return f"{mean:,.1f} ({mean - half:,.1f} to {mean + half:,.1f}, {len(pair_T)} pairs of days)"


if __name__ == "__main__":
    main()

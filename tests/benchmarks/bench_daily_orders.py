"""Daily runs on real demand with the stock that their own orders bring about.

    python -m tests.benchmarks.bench_daily_orders [--days 30] [--series 400] [--count-every 1] [--set KEY=VALUE]...

An even sample of the M5 series is planned day by day. Each evening sales, cut to what was there, and (every so many
days) a count of stock are handed in as feeds, the whole job runs, and what it orders arrives on the day that the plan
says; what is on order is not told, so the job must remember. A JSON line per day, and at the end: orders over demand in
units, the units on order by the plan against those truly under way, fill rate and stock against what the plans of the
first day promised.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from jobs.cli import main as shelfcast
from lakehouse.delta.io import Lakehouse
from tests.benchmarks import m5_data

FIRST = date(2016, 1, 31)
"""The first evening that plans."""
LEAD_DAYS, ORDER_COST, MARGIN, COVER_DAYS = 2, 0.2, 0.3, (3.0, 31.0)
"""Terms of supply, and how many days of demand are there on the first evening: orders of a month, spread over it."""


@dataclass
class Store:
    """The truth: what is there, under way, sold and lost, per series."""

    ids: pd.MultiIndex
    on_hand: np.ndarray
    under_way: dict[date, np.ndarray] = field(default_factory=dict)
    sold: np.ndarray | None = None
    lost: float = 0.0
    demanded: float = 0.0

    def trade(self, ds: date, demand: np.ndarray) -> None:
        """A day: what is due arrives, then demand is served as far as it can be."""
        self.on_hand = self.on_hand + self.under_way.pop(ds, 0.0)
        self.sold = np.minimum(self.on_hand, demand)
        self.on_hand = self.on_hand - self.sold
        self.lost += float((demand - self.sold).sum())
        self.demanded += float(demand.sum())

    def order(self, plan: pd.DataFrame) -> np.ndarray:
        """Send the plan's orders on their way; returns their units per series."""
        placed = np.zeros(len(self.ids))
        for due, rows in plan[plan["order_qty"] > 0].groupby("expected_receipt_ds"):
            units = np.zeros(len(self.ids))
            units[self.ids.get_indexer(pd.MultiIndex.from_frame(rows[["sku_id", "location_id"]]))] = rows["order_qty"]
            self.under_way[due] = self.under_way.get(due, 0.0) + units
            placed += units
        return placed

    def waiting(self) -> np.ndarray:
        return sum(self.under_way.values(), np.zeros(len(self.ids)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--series", type=int, default=400)
    parser.add_argument("--count-every", type=int, default=1)
    parser.add_argument("--set", action="append", default=[])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(simulate(Path(folder), asked.days, asked.series, asked.count_every, asked.set)))


def simulate(folder: Path, days: int, n_series: int, count_every: int, settings: list[str]) -> dict[str, float]:
    batch = m5_data.load(n_series)
    back = (batch.cutoff - FIRST).days
    demand_ST, price_SX = batch.y_ST.numpy(), batch.known.values_SXK[:, :, 0].numpy()  # type: ignore[union-attr]
    today = demand_ST.shape[1] - back - 1
    names = [name.removesuffix("_evaluation").split("_") for name in batch.unique_ids]
    ids = pd.MultiIndex.from_tuples([("_".join(each[:3]), "_".join(each[3:])) for each in names])
    cover_S = np.random.default_rng(0).uniform(*COVER_DAYS, len(ids))
    store = Store(ids, np.ceil(cover_S * demand_ST[:, today - 27 : today + 1].mean(1)))
    feeds = write_terms(folder / "feeds", ids, price_SX[:, today])
    started = demand_ST[:, : today + 1].cumsum(1) > 0
    for at in range(today + 1):
        seen = started[:, at]
        sales = pd.DataFrame({"y": demand_ST[seen, at], "p": price_SX[seen, at]}, index=ids[seen])
        write_day(feeds / "sales.csv", FIRST - timedelta(days=today - at), sales)
    plans, on_hand, gaps = [], [], []
    orders = demanded = 0.0
    for number in range(days):
        as_of = FIRST + timedelta(days=number)
        if number % count_every == 0:
            write_count(feeds / "stock" / f"{as_of}.csv", as_of, store)
        begun = time.perf_counter()
        plan = run(folder, feeds, as_of, settings)
        seconds = time.perf_counter() - begun
        plans.append(plan)
        known = plan.set_index(["sku_id", "location_id"])["position_qty"].reindex(ids).to_numpy()
        truth = store.on_hand + store.waiting()
        is_planned = ~np.isnan(known)
        gaps.append(float(np.abs(known - truth)[is_planned].sum() / max(truth.sum(), 1.0)))
        placed = store.order(plan)
        demand = demand_ST[:, today + 1 + number]
        store.trade(as_of + timedelta(days=1), demand)
        assert store.sold is not None
        sales = pd.DataFrame({"y": store.sold, "p": price_SX[:, today + 1 + number]}, index=ids)
        write_day(feeds / "sales.csv", as_of + timedelta(days=1), sales)
        orders, demanded = orders + placed.sum(), demanded + demand.sum()
        on_hand.append(float(store.on_hand.sum()))
        line = {"as_of": str(as_of), "seconds": round(seconds, 1), "ordered": placed.sum(), "demanded": demand.sum()}
        line |= {"sold": store.sold.sum(), "on_hand": store.on_hand.sum(), "lines": int((placed > 0).sum())}
        print(json.dumps(line | {"position_gap": round(gaps[-1], 4)}), flush=True)
    promised = plans[0]["expected_fill_rate"].dropna()
    weights = plans[0].loc[promised.index, "demand_p50"]
    return {
        "ordered_over_demanded": round(orders / demanded, 3),
        "fill_rate": round(1 - store.lost / store.demanded, 4),
        "promised_fill_rate": round(float((promised * weights).sum() / weights.sum()), 4),
        "mean_stock_days": round(float(np.mean(on_hand)) / (demanded / days), 1),
        "worst_position_gap": max(gaps),
    }


def run(folder: Path, feeds: Path, as_of: date, settings: list[str]) -> pd.DataFrame:
    """The plan of a day: gold.order_plan with the fill rate that gold.policy_value expects."""
    args = ["run", "--source", "feed_layout", "--input", str(feeds), "--lakehouse", str(folder / "lake")]
    wanted = [part for each in settings for part in ("--set", each)]
    if shelfcast([*args, "--as-of", str(as_of), *wanted]):
        raise SystemExit(f"the run of {as_of} failed")
    lake = Lakehouse(str(folder / "lake"))
    plan, value = (lake.read_arrow(f"gold.{name}").to_pandas() for name in ("order_plan", "policy_value"))
    plan, value = (table[table["as_of"] == as_of] for table in (plan, value))
    return plan.merge(value[["unique_id", "expected_fill_rate"]], on="unique_id", how="left")


def write_terms(feeds: Path, ids: pd.MultiIndex, price: np.ndarray) -> Path:
    """Supply and products, once."""
    (feeds / "stock").mkdir(parents=True)
    skus, places = ids.get_level_values(0), ids.get_level_values(1)
    terms = {"sku_id": skus, "location_id": places, "lead_time_days": LEAD_DAYS, "order_cost": ORDER_COST}
    terms |= {"unit_cost": np.round(price * (1 - MARGIN), 2), "moq_qty": 1, "pack_qty": 1}
    pd.DataFrame(terms).to_csv(feeds / "supply.csv", index=False)
    products = pd.DataFrame({"sku_id": skus.unique()})
    products["department"] = products["sku_id"].str.rsplit("_", n=2).str[0]
    products["category"] = products["sku_id"].str.rsplit("_", n=1).str[0]
    products.to_csv(feeds / "products.csv", index=False)
    return feeds


def write_day(path: Path, ds: date, sales: pd.DataFrame) -> None:
    """A day's sales at the end of the file, those of no unit too."""
    rows = sales.reset_index(names=["sku_id", "location_id"]).assign(ds=str(ds)).rename(columns={"y": "units"})
    rows["unit_price"] = rows.pop("p").round(2)
    rows.to_csv(path, mode="a", header=not path.exists(), index=False)


def write_count(path: Path, ds: date, store: Store) -> None:
    counted = pd.DataFrame({"on_hand_qty": store.on_hand}, index=store.ids)
    counted.reset_index(names=["sku_id", "location_id"]).assign(ds=str(ds)).to_csv(path, index=False)


if __name__ == "__main__":
    main()

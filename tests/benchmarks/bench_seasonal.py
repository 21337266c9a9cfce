"""Launches on M5, a season bought in two steps: `python -m tests.benchmarks.bench_seasonal [tune|test] [two_stage]`.

Launches are first sales of an item in a store. Units of their first 28 days are forecast on the eve of each, from a
forest of those that were known whole four weeks or less before. `tune` takes launches from day 112 to 250 of the files,
which settings may be chosen by, `test` those from day 278 on, which nothing may be.
"""

from __future__ import annotations

import sys
from datetime import date

import numpy as np
import pandas as pd

from tests import real_data
from tests.udfs.seasonal.test_two_stage import outcome, season
from udfs.seasonal.analogues import Analogues, find_analogues
from udfs.seasonal.launches import Launch, units_of
from udfs.seasonal.sales_panel import SalesPanel
from udfs.seasonal.season_spec import SeasonSpec

DAYS = 28
BLOCKS = {
    "tune": ((112, 140), (140, 168), (168, 196), (196, 224), (224, 250)),
    "test": ((278, 306), (306, 334), (334, 364)),
}


def m5_panel() -> SalesPanel:
    """All item-store series of the files; a price holds for its week."""
    folder = real_data.find("m5")
    sales = pd.read_csv(folder / "sales_train_evaluation.csv.gz")
    sales.index = pd.Index(sales["item_id"] + "|" + sales["store_id"] + "|all")
    sales = sales.sort_index()
    days = [column for column in sales.columns if column.startswith("d_")]
    calendar = pd.read_csv(folder / "calendar.csv").set_index("d").loc[days]
    prices = pd.read_csv(folder / "sell_prices.csv.gz")
    prices.index = pd.Index(prices["item_id"] + "|" + prices["store_id"] + "|all")
    by_week = prices.pivot_table(index=prices.index, columns="wm_yr_wk", values="sell_price")
    price = by_week.reindex(index=sales.index, columns=calendar["wm_yr_wk"]).to_numpy(np.float32)
    category = dict(zip(sales["item_id"], sales["dept_id"], strict=True))
    first = date.fromisoformat(calendar["date"].iloc[0])
    return SalesPanel(sales.index.to_numpy(object), sales[days].to_numpy(np.float32), price, first, category, {})


def forecast(panel: SalesPanel, first: int, stop: int, spec: SeasonSpec) -> tuple[Analogues, np.ndarray]:
    """Launches of the days [first, stop), each as known on its eve, and the units that they sold.

    The forest and its analogues are those known at `first`; what a launch is described by is known on its own eve.
    """
    rows = np.flatnonzero((panel.first_sale >= first) & (panel.first_sale < stop))
    days = [int(panel.first_sale[row]) for row in rows]
    launches = [
        Launch(panel.unique_id_S[row], day, float(panel.price_ST[row, day]))
        for row, day in zip(rows, days, strict=True)
    ]
    found = find_analogues(panel, launches, DAYS, spec, known_until=first)
    return found, units_of(panel, launches, DAYS)


def launches(part: str) -> None:
    panel, spec = m5_panel(), SeasonSpec()
    found = [forecast(panel, first, stop, spec) for first, stop in BLOCKS[part]]
    quantiles = np.concatenate([each.quantiles((0.1, 0.5, 0.9)) for each, _ in found])
    units = np.concatenate([sold for _, sold in found])
    wape = np.abs(quantiles[:, 1] - units).sum() / units.sum()
    inside = ((units >= quantiles[:, 0]) & (units <= quantiles[:, 2])).mean()
    print(f"{part}: {len(units)} launches, WAPE of the median {wape:.3f}, in the 80% interval {inside:.3f}")


def two_stage() -> None:
    for share in (np.inf, 0.5, 0.3):
        rng = np.random.default_rng(0)
        one, two, cost = np.mean([outcome(*season(rng, share), rng) for _ in range(20)], axis=0)
        print(
            f"reorders of at most {share:g} of the demand expected: one buy {one:.3f} of perfect information, "
            f"two steps {two:.3f}, over and short {cost:.3%} of sales"
        )


if __name__ == "__main__":
    asked = sys.argv[1:] or ["tune", "two_stage"]
    for name in asked:
        two_stage() if name == "two_stage" else launches(name)

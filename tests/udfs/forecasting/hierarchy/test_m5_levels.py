"""The twelve levels of the M5 competition: sums by `Hierarchy`, scores by `metrics`, against figures computed apart."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import torch

from tests import real_data
from udfs.forecasting import metrics
from udfs.forecasting.hierarchy.hierarchy import Hierarchy, aggregate
from udfs.series.sku_batch import SkuBatch

KEYS = ["item_id", "store_id", "dept_id", "cat_id", "state_id"]
FIRST_DAY = 1495


def _levels(series: pd.DataFrame) -> dict[str, np.ndarray]:
    """Eleven groupings above item by store; several cross each other."""
    pairs = [
        ("state_id", "cat_id"),
        ("state_id", "dept_id"),
        ("store_id", "cat_id"),
        ("store_id", "dept_id"),
        ("item_id", "state_id"),
    ]
    single = {key: series[key].to_numpy() for key in ("state_id", "store_id", "cat_id", "dept_id", "item_id")}
    crossed = {f"{a}, {b}": (series[a] + " " + series[b]).to_numpy() for a, b in pairs}
    return {"total": np.zeros(len(series), dtype=int)} | single | crossed


def _sales_and_price() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    folder = real_data.find("m5")
    wide = pd.read_csv(folder / "sales_train_evaluation.csv.gz")
    days = [column for column in wide.columns if column.startswith("d_")]
    calendar = pd.read_csv(next(folder.glob("calendar.csv*")))
    week = calendar.set_index("d").loc[days, "wm_yr_wk"].to_numpy()
    prices = pd.read_csv(folder / "sell_prices.csv.gz").pivot(
        index=["store_id", "item_id"], columns="wm_yr_wk", values="sell_price"
    )
    prices = prices.reindex(columns=np.unique(week)).ffill(axis=1).bfill(axis=1)
    price = prices.loc[list(zip(wide["store_id"], wide["item_id"], strict=True))][week].to_numpy()
    return wide[KEYS], wide[days].to_numpy(float), price


@pytest.mark.real_data
def test_wrmsse_of_two_benchmarks_on_three_windows() -> None:
    series, sales, price = _sales_and_price()
    hierarchy = Hierarchy.from_levels(_levels(series))
    assert hierarchy.sizes[-1] == 12_196
    assert not hierarchy.is_tree
    sales_NT, revenue_NT = aggregate(hierarchy, sales), aggregate(hierarchy, sales * price)
    np.testing.assert_array_equal(sales_NT[hierarchy.rows("item_id")].sum(0), sales_NT[0])
    level = torch.from_numpy(hierarchy.node_levels)

    expected = {1801: (0.9005, 0.8855), 1829: (0.7836, 0.6596), 1857: (0.6689, 0.5755)}
    for cutoff, published in expected.items():
        n = cutoff - FIRST_DAY + 1
        past = sales_NT[:, :n]
        ids = np.arange(len(past)).astype(object)
        listed = torch.from_numpy(np.cumsum(past > 0, axis=1) > 0)
        batch = SkuBatch(ids, torch.from_numpy(past), listed, dt.date(2016, 1, 1))
        scale = metrics.difference_scale(batch, power=2)
        actual = torch.from_numpy(sales_NT[:, n : n + 28])
        weight = torch.from_numpy(revenue_NT[:, n - 28 : n].sum(1))
        last_week = np.tile(past[:, -7:], 4)
        weekday_mean = np.tile(past[:, -28:].reshape(-1, 4, 7).mean(1), 4)
        ours = [
            metrics.wrmsse(
                metrics.rmsse(actual, torch.from_numpy(mean), torch.ones_like(actual, dtype=torch.bool), scale),
                weight,
                level,
            ).item()
            for mean in (last_week, weekday_mean)
        ]
        np.testing.assert_allclose(ours, published, atol=6e-5)

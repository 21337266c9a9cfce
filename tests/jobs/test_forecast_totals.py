"""gold.forecast_total against sums by pandas: nothing lost on any level, quantiles as past sums erred."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables.column_groups import QUANTILES
from lakehouse.transforms.gold.forecast_total import LEAST_RATIOS, LEVELS


@pytest.fixture(scope="module")
def totals(finished: Lakehouse) -> pd.DataFrame:
    return finished.read_arrow("gold.forecast_total").to_pandas()


@pytest.fixture(scope="module")
def parts(finished: Lakehouse) -> pd.DataFrame:
    """The champions' means, with what was sold on days that have been."""
    champion = finished.read_arrow("forecast.champion", columns=["unique_id", "cutoff", "model"]).to_pandas()
    demand = finished.read_arrow("forecast.demand", columns=["unique_id", "cutoff", "model", "ds", "mean"]).to_pandas()
    sold = finished.read_arrow("features.sku_daily", columns=["unique_id", "ds", "y"]).to_pandas()
    rows = demand.merge(champion, on=["unique_id", "cutoff", "model"]).merge(sold, on=["unique_id", "ds"], how="left")
    rows[["sku_id", "location_id"]] = rows["unique_id"].str.split("|", expand=True)[[0, 1]]
    products = finished.read_arrow("silver.products", columns=["sku_id", "department", "category"]).to_pandas()
    return rows.merge(products, on="sku_id", how="left").fillna({"department": "(none)", "category": "(none)"})


def test_each_level_adds_up_to_the_parts_day_by_day(totals: pd.DataFrame, parts: pd.DataFrame) -> None:
    assert set(totals["level"]) == set(LEVELS)
    by_day = parts.groupby(["cutoff", "ds"])["mean"].sum()
    for _, rows in totals.groupby("level"):
        sums = rows.groupby(["cutoff", "ds"])[["mean", "series"]].sum()
        np.testing.assert_allclose(sums["mean"], by_day, rtol=0, atol=1e-6)
        assert (sums["series"] == parts.groupby(["cutoff", "ds"]).size()).all()


@pytest.mark.parametrize("level", [name for name, by in LEVELS.items() if by])
def test_groups_are_those_of_pandas(totals: pd.DataFrame, parts: pd.DataFrame, level: str) -> None:
    by = list(LEVELS[level])
    rows = totals[totals["level"] == level].set_index(["cutoff", "ds", *by]).sort_index()
    grouped = parts.groupby(["cutoff", "ds", *by])
    pd.testing.assert_series_equal(rows["mean"], grouped["mean"].sum(), atol=1e-6)
    is_past = rows.index.get_level_values("cutoff") < parts["cutoff"].max()
    actual = grouped["y"].sum(min_count=1)
    pd.testing.assert_series_equal(rows["actual"][is_past], actual[is_past], check_names=False, atol=1e-6)
    assert rows["actual"][~is_past].isna().all()
    assert rows["group_name"].tolist() == [" / ".join(key[2:]) for key in rows.index]


def test_quantiles_are_those_of_past_sums(totals: pd.DataFrame, parts: pd.DataFrame) -> None:
    level = "location, category"
    rows = totals[totals["level"] == level]
    seen = parts[parts["y"].notna()].groupby(["cutoff", "ds", *LEVELS[level]])[["mean", "y"]].sum().reset_index()
    seen = seen[seen["mean"] > 0]
    ratio = seen["y"] / seen["mean"]
    week = (pd.to_datetime(seen["ds"]) - pd.to_datetime(seen["cutoff"])).dt.days.sub(1) // 7
    assert ratio.groupby(week).size().min() >= LEAST_RATIOS
    today = rows[rows["cutoff"] == parts["cutoff"].max()]
    ahead = (pd.to_datetime(today["ds"]) - pd.to_datetime(today["cutoff"])).dt.days.sub(1) // 7
    for name in QUANTILES:
        of_week = ratio.groupby(week).quantile(int(name[1:]) / 100)
        np.testing.assert_allclose(today[name], today["mean"] * ahead.map(of_week), atol=1e-6)
    assert rows[rows["cutoff"] < parts["cutoff"].max()][list(QUANTILES)].isna().all(axis=None)

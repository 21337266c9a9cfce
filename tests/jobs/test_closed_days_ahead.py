"""From the calendar feed to the order: days on which a store is closed, ahead and past, on the tiny retailer."""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from jobs.pipeline import run_stages
from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import ALL_STAGES, day, make_context
from tests.tiny_retailer import SKUS, write_feeds

AS_OF, HORIZON = day(119), 14
LAST_REPLAY = AS_OF - timedelta(days=HORIZON)
AHEAD = [AS_OF + timedelta(days=k) for k in (2, 3, 4)]
PAST = [AS_OF - timedelta(days=k) for k in (1, 6)]


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """The store in the north was closed on two days of the last replay and will be on three days; stock was counted
    two days before."""
    folder = write_feeds(tmp_path_factory.mktemp("closed") / "feeds")
    sales = folder / "sales" / "first.csv"
    rows = list(csv.DictReader(sales.open(encoding="utf-8")))
    shut = {("north", str(ds)) for ds in PAST}
    _write(sales, [row for row in rows if (row["location_id"], row["ds"]) not in shut])
    _write(
        folder / "calendar.csv",
        [{"location_id": "north", "ds": str(ds), "event_name": "", "is_closed": "true"} for ds in PAST + AHEAD],
    )
    stock = list(csv.DictReader((folder / "stock.csv").open(encoding="utf-8")))
    _write(folder / "stock.csv", [row | {"ds": str(AS_OF - timedelta(days=2)), "on_hand_qty": "50"} for row in stock])
    lake = Lakehouse(str(tmp_path_factory.mktemp("closed") / "lake"))
    run_stages(make_context(spark, lake, folder, AS_OF), ALL_STAGES)
    return lake


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _north(lake: Lakehouse, name: str) -> pd.DataFrame:
    frame = lake.read_arrow(name).to_pandas()
    return frame[frame["unique_id"].str.contains("|north|", regex=False)]


def test_what_is_closed_is_forecast_zero_there_and_nowhere_else(lake: Lakehouse) -> None:
    demand = lake.read_arrow("forecast.demand").to_pandas().query("cutoff == @AS_OF")
    is_shut = demand["ds"].isin(AHEAD) & demand["unique_id"].str.contains("|north|", regex=False)
    assert is_shut.sum() == len(SKUS) * len(AHEAD)
    numbers = ["mean", "sd", *(c for c in demand.columns if c[0] == "p" and c[1:].isdigit())]
    assert (demand.loc[is_shut, numbers] == 0.0).all().all()
    assert (demand.loc[~is_shut, "mean"] > 0.0).all()
    lead = (
        _north(lake, "forecast.lead_time_demand")
        .query("cutoff == @AS_OF")
        .pivot(index="unique_id", columns="days", values="p90")
    )
    assert (lead[4] == lead[1]).all()
    assert (lead[5] > lead[4]).any()


def test_a_closed_day_of_the_past_is_scored_nowhere_and_ends_no_replay(lake: Lakehouse) -> None:
    backtest = _north(lake, "forecast.backtest").query("cutoff == @LAST_REPLAY")
    assert set(backtest["n_days"]) == {HORIZON - len(PAST)}
    replay = _north(lake, "inventory.replay").query("cutoff == @LAST_REPLAY")
    assert replay["unique_id"].nunique() == len(SKUS), "nothing was sold on these days: a replay goes on"
    features = _north(lake, "features.sku_daily").query("@LAST_REPLAY < ds <= @AS_OF")
    assert features.loc[features["ds"].isin(PAST), "y_latent"].isna().all()
    came = features.groupby("unique_id")["y_latent"].sum()
    np.testing.assert_allclose(replay["demand_qty"], came[replay["unique_id"]], rtol=1e-12)


def test_a_planner_reads_of_closed_days_and_none_counts_as_unreported(lake: Lakehouse) -> None:
    plan = lake.read_arrow("inventory.order_plan").to_pandas()
    is_north = plan["unique_id"].str.contains("|north|", regex=False)
    assert plan.loc[is_north, "reason"].str.contains("Closed on 3 of these days.", regex=False).all()
    assert not plan.loc[~is_north, "reason"].str.contains("Closed on").any()
    assert plan["reason"].str.contains("Stock was counted 2 days before", regex=False).all()
    assert not plan["reason"].str.contains("not reported").any()

"""Prices in the main job: off they are nothing, proposed they change nothing, accepted they are ordered for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from jobs.cli import main
from jobs.pipeline import all_stages, run_stages
from jobs.views.price_words import price_words
from lakehouse.delta.content_hash import content_hash
from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import copied, make_context
from tests.jobs.test_inventory_stages import AS_OF, by_series, frame

ON = "pricing.enabled=true"
BY = ("--author", "Ana", "--note", "a leaflet")


def said(lake: Lakehouse, sku: str, *more: str) -> int:
    return main(["override", sku, "--lakehouse", lake.root, *BY, *more])


def again(spark: SparkSession, lake: Lakehouse) -> dict[str, str]:
    names = [stage.name for stage in all_stages() if stage.name != "ingest"]
    return {report.stage: report.status for report in run_stages(make_context(spark, lake, None, AS_OF, ON), names)}


def lines(lake: Lakehouse) -> pd.DataFrame:
    """The order lines of the run with prices, the last one published."""
    return by_series(lake, "gold.order_plan")


def test_prices_are_planned_proposed_accepted_and_withdrawn(
    spark: SparkSession, finished: Lakehouse, tmp_path: Path, capsys: Any
) -> None:
    lake = copied(finished, tmp_path / "lake")
    before = lines(lake)
    chosen = before["daily_demand_qty"].idxmax()
    until = str(AS_OF + timedelta(days=14))
    assert said(lake, chosen, "--price", "1.5", "--until", until) != 0
    assert "pricing.enabled = true" in capsys.readouterr().err

    status = again(spark, lake)
    assert (status["elasticity"], status["price"]) == ("done", "done")
    plan = by_series(lake, "pricing.price_plan")
    assert set(plan.index) == set(before.index)
    assert (plan["planned_price"] == plan["unit_price"]).all()  # the tiny retailer has never changed a price
    assert set(plan["binding"]) == {"no price has changed"}
    assert not plan["is_cost_assumed"].any()  # its supply feed states them
    [run_id] = plan["run_id"].unique()
    words = price_words(lake, run_id, "USD")
    assert words.startswith(f"pricing.price_plan: 0 of {len(plan)} prices are to change, for 0 USD more over the hor")
    assert "WARNING" not in words
    assert price_words(lake, "another", "USD") == ""
    own = frame(lake, "pricing.elasticity").query("effect == 'own'").set_index("unique_id")
    assert set(own["identification"]) == {"all"}
    assert not len(frame(lake, "pricing.accepted_demand"))
    assert not len(frame(lake, "ops.failure"))
    same = ["order_qty", "daily_demand_qty", "unit_price", "stockout_risk"]
    pd.testing.assert_frame_equal(lines(lake)[same], before[same])

    forecast = content_hash(lake, "forecast.demand")
    price = 0.5 * plan.loc[chosen, "unit_price"]
    assert said(lake, chosen, "--price", str(price), "--until", until) == 0
    status = again(spark, lake)
    assert (status["forecast"], status["replay"], status["price"], status["order"]) == (
        "reused",
        "reused",
        "done",
        "done",
    )
    demand = frame(lake, "pricing.accepted_demand")
    assert set(demand["unique_id"]) == {chosen}
    expected = 0.5 ** own.loc[chosen, "elasticity"]
    assert demand["demand_factor"].to_numpy() == pytest.approx(expected)
    after = lines(lake)
    line = after.loc[chosen]
    assert line["daily_demand_qty"] == pytest.approx(expected * before.loc[chosen, "daily_demand_qty"])
    assert line["order_qty"] > before.loc[chosen, "order_qty"]
    assert line["unit_price"] == pytest.approx(price)
    assert f"Ana (price {price:.2f}) expects +" in line["reason"]
    others = before.index.drop(chosen)
    pd.testing.assert_frame_equal(after.loc[others, same], before.loc[others, same])
    assert content_hash(lake, "forecast.demand") == forecast
    decided = frame(lake, "inventory.decided_demand")
    assert decided["mean"].to_numpy() == pytest.approx(expected * decided["model_mean"].to_numpy())
    status = again(spark, lake)
    assert {status[name] for name in ("elasticity", "price", "inventory", "order", "publish")} == {"reused"}

    assert said(lake, chosen, "--withdraw") == 0
    again(spark, lake)
    pd.testing.assert_frame_equal(lines(lake)[same], before[same])


def test_stages_of_prices_that_nobody_asked_for_leave_no_table(finished: Lakehouse) -> None:
    assert not any(finished.exists(f"pricing.{name}") for name in ("elasticity", "price_plan", "accepted_demand"))

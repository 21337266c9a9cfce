"""What planners' decisions added, from the decision to the days after it."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from jobs.cli import main
from jobs.pipeline import run_stages
from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import copied, day, make_context
from tests.jobs.test_inventory_stages import AS_OF, frame
from tests.jobs.test_override import said
from tests.tiny_retailer import write_sales

LATER = day(126)
FORESEEN, ORDERED = "S05|north|all", "S02|north|all"


@pytest.fixture
def lake(spark: SparkSession, finished: Lakehouse, feeds: Path, tmp_path: Path) -> Lakehouse:
    """A plan with two decisions, and the week that came after it."""
    lake, source = copied(finished, tmp_path / "lake"), tmp_path / "feeds"
    assert said(lake, FORESEEN, "--forecast-units", "25", "--until", str(AS_OF + timedelta(days=4))) == 0
    assert said(lake, ORDERED, "--order", "60") == 0
    run_stages(make_context(spark, lake, None, AS_OF), ["inventory", "order", "publish", "decision_value"])
    assert not lake.exists("gold.decision_value"), "no day of theirs has come"
    shutil.copytree(feeds, source)
    write_sales(source / "sales" / "later.csv", 120, 126)
    run_stages(make_context(spark, lake, source, LATER), ["ingest", "clean", "features", "decision_value"])
    return lake


def test_decisions_are_held_against_the_demand_that_came(spark: SparkSession, lake: Lakehouse, capsys: Any) -> None:
    values = frame(lake, "gold.decision_value").set_index("unique_id")
    assert set(values.index) == {FORESEEN, ORDERED}
    assert set(values["as_of"]) == {LATER}
    daily = frame(lake, "features.sku_daily").set_index(["unique_id", "ds"])["y_latent"]

    def demand(series: str, first: int, last: int) -> list[float]:
        return [daily[series, AS_OF + timedelta(days=k)] for k in range(first, last + 1)]

    row, units = values.loc[FORESEEN], demand(FORESEEN, 1, 4)
    model = frame(lake, "forecast.demand").merge(frame(lake, "forecast.champion"), on=["unique_id", "cutoff", "model"])
    model = model[(model["unique_id"] == FORESEEN) & (model["cutoff"] == AS_OF)].sort_values("ds")["mean"][:4]
    errors = [sum(abs(y - f) for y, f in zip(units, means, strict=True)) for means in (model, [25.0] * 4)]
    assert (row["decision"], row["days"], row["realised_qty"], row["decided_qty"]) == ("forecast", 4, sum(units), 100.0)
    assert row["value_added_qty"] == pytest.approx(errors[0] - errors[1])
    assert pd.isna(row["value_added_value"])

    row = values.loc[ORDERED]
    # 4 days of lead time, a day until the next order; 5 in stock, counted on the day after the plan: its position.
    plan = frame(lake, "inventory.order_plan").set_index("unique_id").loc[ORDERED]
    wanted = frame(lake, "inventory.order_proposal").set_index("unique_id").loc[ORDERED, "order_qty"]
    left = max(plan["position_qty"] - sum(demand(ORDERED, 1, 4)), 0.0)
    (last,) = demand(ORDERED, 5, 5)
    assert (row["decided_qty"], row["planned_qty"], row["days"]) == (60.0, wanted, 5)
    assert row["decided_over_qty"] == pytest.approx(left + 60.0 - last)
    over, a_day = left + 60.0 - last, plan["daily_demand_qty"]
    held = over + over * over / a_day / 2.0
    assert row["decided_cost"] == pytest.approx(1.5 * 0.25 / 365.0 * held)
    assert row["value_added_value"] == pytest.approx(row["planned_cost"] - row["decided_cost"])

    assert main(["decisions", "--lakehouse", lake.root]) == 0
    told = capsys.readouterr().out
    assert "planner.decision: 2 decisions, 2 measured" in told
    assert f"{FORESEEN}, {AS_OF + timedelta(days=1)} to {AS_OF + timedelta(days=4)}: forecast 25 a day (Ana: a" in told
    assert f"{values.loc[FORESEEN, 'value_added_qty']:+,.1f} units nearer over 4 days" in told
    assert "Ana, orders: " in told
    (again,) = run_stages(make_context(spark, lake, None, LATER), ["decision_value"])
    assert again.status == "reused"


def test_nobody_who_has_decided_is_told_how(finished: Lakehouse, capsys: Any) -> None:
    assert main(["decisions", "--lakehouse", finished.root]) == 0
    assert "nobody has decided anything yet" in capsys.readouterr().out

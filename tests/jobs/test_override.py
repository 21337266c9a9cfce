"""A planner's order or confirmation, from the command to the next run's tables."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from jobs.cli import main
from jobs.pipeline import run_stages
from lakehouse.delta.content_hash import content_hash
from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import copied, make_context
from tests.jobs.test_export import line, publish
from tests.jobs.test_inventory_stages import AS_OF, by_series, frame

BY = ("--author", "Ana", "--note", "a fair in town")
LIMITS = ("order_check.most_cover_days=0.1", "order_check.least_value=0")
"""Settings by which the lines of many series are to be checked."""


def said(lake: Lakehouse, sku: str, *more: str) -> int:
    return main(["override", sku, "--lakehouse", lake.root, *BY, *more])


@pytest.fixture
def lake(finished: Lakehouse, tmp_path: Path) -> Lakehouse:
    return copied(finished, tmp_path / "lake")


def again(spark: SparkSession, lake: Lakehouse, *settings: str) -> tuple[list[str], pd.DataFrame]:
    """Statuses of order and publish, and the lines."""
    reports = run_stages(make_context(spark, lake, None, AS_OF, *settings), ["order", "publish"])
    return [report.status for report in reports], by_series(lake, "gold.order_plan")


def confirmed(lake: Lakehouse) -> list[str]:
    checks = frame(lake, "gold.order_check").set_index("unique_id")
    return checks.index[checks["is_confirmed"]].tolist()


def test_a_planners_order_is_honoured_until_it_is_withdrawn_and_a_confirmed_line_stays_confirmed(
    spark: SparkSession, lake: Lakehouse, capsys: Any
) -> None:
    before = by_series(lake, "gold.order_plan")
    ordered, (idle, first) = before[before["order_qty"] > 0].index[0], before[before["order_qty"] == 0].index[:2]
    assert said(lake, ordered, "--order", "0") == said(lake, idle, "--order", "7") == 0
    assert f"{idle}, {AS_OF}: order 7 instead of 0; the next run" in capsys.readouterr().out
    assert said(lake, first, "--order", "5") == 0
    status, after = again(spark, lake, *LIMITS)
    assert status == ["done", "done"]
    assert (after.loc[ordered, "order_qty"], after.loc[ordered, "order_value"]) == (0.0, 0.0)
    assert pd.isna(after.loc[ordered, "expected_receipt_ds"])
    line = after.loc[idle]
    assert (line["order_qty"], line["order_value"], line["main_reason"]) == (7.0, 7.0 * line["unit_cost"], "planner")
    assert line["expected_receipt_ds"] == AS_OF + timedelta(days=int(line["lead_time_days"]))
    assert line["headline"].endswith(": Ana decided, the plan wanted 0; a fair in town")
    assert line["reason"].startswith("Order 7")
    assert " as Ana decided: a fair in town. The plan: No order: " in line["reason"]
    others = before.index.difference([ordered, idle, first])
    pd.testing.assert_series_equal(after.loc[others, "order_qty"], before.loc[others, "order_qty"])
    checked = frame(lake, "gold.order_check")["unique_id"]
    assert {idle} < {*checked}
    assert first in {*checked}
    assert confirmed(lake) == []
    assert again(spark, lake, *LIMITS)[0] == ["reused", "reused"]

    assert said(lake, ordered, "--withdraw") == said(lake, first, "--confirm", "much cover") == 0
    _, back = again(spark, lake, *LIMITS)
    assert (back.loc[idle, "order_qty"], back.loc[ordered, "order_qty"]) == (7.0, before.loc[ordered, "order_qty"])
    assert confirmed(lake) == [first]
    assert {idle, first} <= {*frame(lake, "gold.order_check")["unique_id"]}
    run_stages(make_context(spark, lake, None, AS_OF, *LIMITS, force=True), ["publish"])
    assert confirmed(lake) == [first]
    assert len(frame(lake, "planner.decision")) == 5


def test_a_planners_forecast_is_ordered_for_and_the_models_stays(lake: Lakehouse, capsys: Any) -> None:
    def run() -> tuple[set[str], pd.DataFrame]:
        reports = run_stages(make_context(None, lake, None, AS_OF), ["inventory", "order"])
        return {report.status for report in reports}, by_series(lake, "inventory.order_plan")

    tables = ("order_plan", "policy", "order_step", "order_proposal", "decided_demand")
    names = ["forecast.demand", *(f"inventory.{table}" for table in tables)]
    before, kept = by_series(lake, "inventory.order_plan"), [content_hash(lake, name) for name in names]
    series, until = before["daily_demand_qty"].idxmax(), AS_OF + timedelta(days=14)
    assert said(lake, series, "--forecast-factor", "3", "--until", str(until)) == 0
    first = AS_OF + timedelta(days=1)
    assert f"{series}, demand of {first} to {until}: 3 times the model's; runs from now on" in capsys.readouterr().out
    status, after = run()
    assert status == {"done"}
    line = after.loc[series]
    assert line["daily_demand_qty"] == pytest.approx(3.0 * before.loc[series, "daily_demand_qty"])
    assert line["order_qty"] > before.loc[series, "order_qty"]
    assert " (Ana: +200%); " in line["headline"]
    assert f" Ana expects +200% on 14 days from {first} to {until}: a fair in town." in line["reason"]
    others = before.index.drop(series)
    pd.testing.assert_series_equal(after.loc[others, "order_qty"], before.loc[others, "order_qty"])
    assert content_hash(lake, "forecast.demand") == kept[0]
    rows = frame(lake, "inventory.decided_demand")
    assert set(rows["unique_id"]) == {series}
    assert rows["mean"].to_numpy() == pytest.approx(3.0 * rows["model_mean"].to_numpy())
    assert run()[0] == {"reused"}
    assert said(lake, series, "--forecast-factor", "1", "--until", str(until)) == 0
    assert run()[1].loc[series, "order_qty"] == before.loc[series, "order_qty"]
    assert said(lake, series, "--withdraw") == 0
    assert f"{series}, {AS_OF} to {until}: earlier decisions withdrawn" in capsys.readouterr().out
    run()
    assert [content_hash(lake, name) for name in names] == kept


def test_what_planners_order_comes_out_of_the_budget_first(lake: Lakehouse) -> None:
    before = by_series(lake, "inventory.order_plan")
    chosen, budget = before[before["order_qty"] == 0].index[0], 0.5 * before["order_value"].sum()
    assert said(lake, chosen, "--order", "12") == 0
    context = make_context(None, lake, None, AS_OF, f"inventory.budget={budget}")
    run_stages(context, ["order"])
    plan = frame(lake, "inventory.order_plan")
    after = plan[plan["run_id"] == context.run.run_id].set_index("unique_id")
    assert (after.loc[chosen, "order_qty"], after.loc[chosen, "order_value"]) == (12.0, 18.0)
    assert 18.0 < after["order_value"].sum() <= budget


def test_what_cannot_be_meant_is_refused(lake: Lakehouse, capsys: Any) -> None:
    series = by_series(lake, "gold.order_plan").index[0]
    sku = series.split("|")[0]
    for arguments, words in (
        ((series,), "expected one of --order, --confirm, --forecast-factor"),
        ((series, "--order", "1", "--withdraw"), "expected one of --order"),
        ((sku, "--order", "1"), "expected one series of the plan, found 2"),
        (("nothing", "--order", "1"), "expected one series of the plan, found none of SKU 'nothing'"),
        ((series, "--forecast-units", "-1"), "decided_qty: expected units from 0"),
        (
            (series, "--forecast-factor", "1", "--until", str(AS_OF)),
            f"is for demand from {AS_OF + timedelta(days=1)} on",
        ),
        ((series, "--order", "-1"), "decided_qty: expected units from 0"),
        ((series, "--confirm", "odd"), "check_rule: expected one of"),
    ):
        assert said(lake, *arguments) == 2
        assert words in capsys.readouterr().err
    assert not lake.exists("planner.decision")
    assert said(lake, sku, "--location", series.split("|")[1], "--order", "1") == 0


def test_a_place_is_told_apart_however_many_there_are(tmp_path: Path) -> None:
    lake = Lakehouse(str(tmp_path))
    publish(lake, *(line("A", f"store{k}", None) for k in range(12)))
    assert said(lake, "A", "--location", "store7", "--order", "3") == 0
    assert frame(lake, "planner.decision")["unique_id"].tolist() == ["A|store7|all"]

"""Features of groups: extended from day to day, read by trees where settings say so, absent where they do not."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobs.engine.rounds import pin
from jobs.pipeline import run_stages
from jobs.stages.forecasting import train
from jobs.stages.forecasting.model_archive import fitted
from lakehouse.delta.files import read_bucket
from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import TREES, as_written_by, copied, day, make_context
from tests.tiny_retailer import write_sales
from udfs.forecasting.festival_adjusted import FestivalAdjusted
from udfs.forecasting.hierarchy.top_down import TopDown
from udfs.forecasting.models.trees.group_features import NAMES
from udfs.forecasting.models.trees.tree_model import TreeModel

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

WITH_GROUPS = (*TREES, "trees.group_features=true")
TABLE = "features.group_daily"


def rows(lake: Lakehouse) -> list[dict[str, object]]:
    table = lake.read_arrow(TABLE).drop_columns(["run_id"])
    return table.sort_by([("level", "ascending"), ("group_name", "ascending"), ("ds", "ascending")]).to_pylist()


def test_days_are_added_to_what_a_rebuild_would_write(spark: SparkSession, featured: Lakehouse, tmp_path: Path) -> None:
    lake = copied(featured, tmp_path / "lake")

    def run(as_of: int, *, force: bool = False) -> str:
        (report,) = run_stages(
            make_context(spark, lake, None, day(as_of), *WITH_GROUPS, force=force), ["group_features"]
        )
        return report.status

    assert run(112) == "done"
    first = rows(lake)
    assert {row["ds"] for row in first} == {day(number) for number in range(1, 113)}
    assert run(119) == "done"
    extended = rows(lake)
    assert [row for row in extended if row["ds"] <= day(112)] == first  # type: ignore[operator]
    runs = set(lake.read_arrow(TABLE)["run_id"].to_pylist())
    assert len(runs) == 2, "the days that were there stay as they were written"
    assert run(119) == "reused"
    assert run(115) == "done", "an earlier day finds its rows there"
    assert rows(lake) == extended
    assert run(119, force=True) == "done"
    assert rows(lake) == extended
    sales = lake.read_arrow("silver.sales_daily").to_pandas().query("ds <= @day(119)")
    whole = sum(row["y_latent"] for row in extended if row["level"] == "all" and row["y_latent"])  # type: ignore[misc]
    assert whole == pytest.approx(sales["y_latent"].sum())


def test_a_past_that_changed_while_nobody_looked_is_built_anew(
    spark: SparkSession, featured: Lakehouse, tmp_path: Path
) -> None:
    lake = copied(featured, tmp_path / "lake")

    def run(as_of: int, *settings: str, force: bool = False) -> None:
        run_stages(make_context(spark, lake, None, day(as_of), *settings, force=force), ["group_features"])

    run(112, *WITH_GROUPS)
    lake.open("silver.products").update(new_values={"department": "moved"}, predicate="sku_id = 'S01'")
    as_written_by(lake, "clean", "silver.products")
    run(112, *TREES)
    run(119, *WITH_GROUPS)
    found = rows(lake)
    assert {row["ds"] for row in found if row["department"] == "moved"} == {day(number) for number in range(1, 120)}
    run(119, *WITH_GROUPS, force=True)
    assert rows(lake) == found


def test_days_that_a_late_feed_brings_take_the_place_of_what_was_not_known(
    spark: SparkSession, hundred_days: Path, tmp_path: Path
) -> None:
    lake = copied(Lakehouse(str(hundred_days / "lake")), tmp_path / "lake")
    feeds = Path(shutil.copytree(hundred_days / "feeds", tmp_path / "feeds"))

    def run(as_of: int, *stages: str, force: bool = False) -> None:
        run_stages(make_context(spark, lake, feeds, day(as_of), *WITH_GROUPS, force=force), stages)

    run(101, "group_features")
    known = {row["ds"]: row["y_latent"] for row in rows(lake) if row["level"] == "all"}
    assert known[day(100)] is not None
    assert known[day(101)] is None
    write_sales(feeds / "sales" / "second.csv", 100, 102, seed=8)
    run(102, "ingest", "clean", "group_features")
    found = rows(lake)
    assert all(row["y_latent"] is not None for row in found if row["level"] == "all")
    run(102, "group_features", force=True)
    assert rows(lake) == found


def test_trees_are_fitted_and_asked_with_them(spark: SparkSession, featured: Lakehouse, tmp_path: Path) -> None:
    lake = copied(featured, tmp_path / "lake")
    context = make_context(spark, lake, None, day(119), *WITH_GROUPS)
    run_stages(context, ["group_features", "train", "train_networks", "backtest"])
    stored = fitted({"forecast.model": lake.read_arrow("forecast.model")})["trees"]
    adjusted = stored(day(119) - timedelta(days=14))  # type: ignore[operator, arg-type]
    assert isinstance(adjusted, FestivalAdjusted)
    scaled = adjusted.inner
    assert isinstance(scaled, TopDown)
    trees = scaled.parts
    assert isinstance(trees, TreeModel)
    assert set(NAMES) <= set(trees.ensemble.names)
    assert trees.groups is not None
    scores = lake.read_arrow("forecast.backtest").to_pandas().query("model == 'trees'")["scaled_pinball"]
    assert len(scores) == 36
    assert np.isfinite(scores).all()


def test_nobody_waits_for_what_is_not_wanted(featured: Lakehouse, tmp_path: Path) -> None:
    lake = copied(featured, tmp_path / "lake")
    reports = run_stages(make_context(None, lake, None, day(119), *TREES), ["group_features", "train"])
    assert [report.status for report in reports] == ["done", "done"]
    assert reports[0].record.rows == 0
    assert not lake.exists(TABLE)
    assert lake.rows("forecast.model") > 0


def test_trees_do_not_read_what_an_earlier_run_has_left(
    spark: SparkSession, featured: Lakehouse, tmp_path: Path
) -> None:
    lake = copied(featured, tmp_path / "lake")
    run_stages(make_context(spark, lake, None, day(119), *WITH_GROUPS), ["group_features"])
    (read,) = (read for read in train.STAGE.reads if read.table == TABLE)
    for settings, is_read in ((TREES, False), (WITH_GROUPS, True)):
        pinned = pin(make_context(None, lake, None, day(119), *settings), train.STAGE, read)
        assert (read_bucket(pinned, "whole").num_rows > 0) is is_read

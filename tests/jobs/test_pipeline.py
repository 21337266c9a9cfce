"""The main job on a tiny retailer: end to end, again, a day later, after a change, and with things going wrong."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
import pytest

from jobs.context import RunContext
from jobs.engine.frames import Frames
from jobs.pipeline import all_stages, run_stages
from jobs.stages.gold import publish
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.ledger import StageRecord
from lakehouse.delta.lock import WriterLock
from lakehouse.errors import ConfigError, LockedError, PromiseError
from lakehouse.schema import entities
from lakehouse.schema.tables import TABLES
from lakehouse.schema.tables.column_groups import QUANTILES
from tests.jobs.kernels import Loses
from tests.jobs.run_tool import UNCHANGED, copied, day, hashes, make_context, with_kernel
from tests.tiny_retailer import SKUS, STORES, write_sales

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SERIES = len(SKUS) * len(STORES)


def versions(lake: Lakehouse) -> dict[str, int]:
    return {name: lake.version(name) for name in TABLES if not name.startswith("ops.")}


def test_every_series_has_a_forecast_and_an_order_line(finished: Lakehouse) -> None:
    demand = finished.read_arrow("forecast.demand")
    plan = finished.read_arrow("gold.order_plan")
    at_as_of = demand.filter(pc.equal(demand["cutoff"], day(119)))
    assert len(at_as_of["unique_id"].unique()) == SERIES
    assert at_as_of.num_rows == SERIES * 14
    assert plan.num_rows == SERIES
    assert finished.rows("ops.failure") == 0 if finished.exists("ops.failure") else True


def test_orders_respect_stock_packs_and_order_up_to(finished: Lakehouse) -> None:
    for row in finished.read_arrow("gold.order_plan").to_pylist():
        assert row["order_qty"] % 6 == 0
        if row["order_qty"]:
            assert row["position_qty"] <= row["reorder_point_qty"]
            raised = row["position_qty"] + row["order_qty"]
            assert row["order_up_to_qty"] <= raised < row["order_up_to_qty"] + 6
            assert row["order_value"] == pytest.approx(1.5 * row["order_qty"])
        else:
            assert row["position_qty"] >= row["reorder_point_qty"]
        assert row["reason"]
        assert not row["is_supply_assumed"]


def test_accuracy_is_of_the_last_cutoff_whose_days_were_seen(finished: Lakehouse) -> None:
    accuracy = finished.read_arrow("gold.forecast_accuracy")
    assert accuracy.num_rows == SERIES
    assert set(accuracy["cutoff"].to_pylist()) == {day(119 - 14)}
    sales = finished.read_arrow("silver.sales_daily")
    inside = pc.and_(pc.greater(sales["ds"], day(105)), pc.less_equal(sales["ds"], day(119)))
    actual = sales.filter(inside).group_by("unique_id").aggregate([("y", "sum")]).to_pylist()
    found = {row["unique_id"]: row["actual"] for row in accuracy.to_pylist()}
    assert found == {row["unique_id"]: row["y_sum"] for row in actual}
    rows = accuracy.to_pandas()
    shares = rows[[f"coverage_{quantile}" for quantile in QUANTILES]].to_numpy()
    assert ((shares >= 0) & (shares <= 1)).all()
    assert (np.diff(shares.mean(0)) > 0).all()
    assert (rows["wql"].isna() == (rows["actual"] == 0)).all()


def test_a_run_in_one_call_changes_nothing_of_what_stages_one_by_one_have_left(
    spark: SparkSession, feeds: Path, finished: Lakehouse
) -> None:
    """`finished` was made as a scheduler makes it, by one call for each stage."""
    before, seen = hashes(finished), versions(finished)
    reports = run_stages(make_context(spark, finished, feeds, day(119)))
    assert {report.stage: report.status for report in reports} == UNCHANGED
    assert hashes(finished) == before
    assert versions(finished) == seen


def test_forced_again_gives_the_same_content(spark: SparkSession, feeds: Path, finished: Lakehouse) -> None:
    before = hashes(finished)
    run_stages(make_context(spark, finished, feeds, day(119), force=True))
    assert hashes(finished) == before


def test_a_day_later_extends_features_to_what_a_full_rebuild_gives(
    spark: SparkSession, feeds: Path, cleaned: Lakehouse, tmp_path: Path
) -> None:
    daily, whole = copied(cleaned, tmp_path / "daily"), copied(cleaned, tmp_path / "whole")
    stages = ["ingest", "clean", "features"]
    run_stages(make_context(spark, daily, feeds, day(110)), stages)
    reports = run_stages(make_context(spark, daily, feeds, day(111)), stages)
    assert [report.status for report in reports] == ["reused", "reused", "done"]
    assert reports[-1].record.rows == SERIES, "one new day per series"
    run_stages(make_context(spark, whole, feeds, day(111)), stages)
    keys = [("unique_id", "ascending"), ("ds", "ascending")]
    tables = [lake.read_arrow("features.sku_daily").drop_columns(["run_id"]).sort_by(keys) for lake in (daily, whole)]
    assert tables[0].equals(tables[1])


def test_an_earlier_day_forced_again_takes_no_later_day_away(
    spark: SparkSession, feeds: Path, finished: Lakehouse, tmp_path: Path
) -> None:
    lake = copied(finished, tmp_path / "lake")
    columns = [name for name in TABLES["features.sku_daily"].columns if name != "run_id"]
    keys = [("unique_id", "ascending"), ("ds", "ascending")]
    before = lake.read_arrow("features.sku_daily", columns=columns).sort_by(keys)
    run_stages(make_context(spark, lake, feeds, day(110), force=True), ["features"])
    assert lake.read_arrow("features.sku_daily", columns=columns).sort_by(keys).equals(before)


def test_a_new_file_of_later_days_extends_and_a_corrected_day_rebuilds(
    spark: SparkSession, hundred_days: Path, two_days_more: Path, tmp_path: Path
) -> None:
    lake, folder = copied(Lakehouse(str(hundred_days / "lake")), tmp_path / "lake"), tmp_path / "feeds"
    shutil.copytree(hundred_days / "feeds", folder)
    stages = ["ingest", "clean", "features"]
    write_sales(folder / "sales" / "second.csv", 100, 101)
    report = run_stages(make_context(spark, lake, folder, day(101)), stages)[-1]
    censored = lake.read_arrow("silver.sales_daily", columns=["ds"], filters=pc.field("is_censored"))["ds"]
    assert day(100) in censored.to_pylist(), "a stock-out on the last known day"
    assert report.record.rows == SERIES, "what is estimated for it stays when the next day is known"
    # The same file, day 101 corrected and day 102 added.
    shutil.copy(two_days_more / "feeds" / "sales" / "second.csv", folder / "sales")
    run_stages(make_context(spark, lake, folder, day(102)), stages)
    keys = [("unique_id", "ascending"), ("ds", "ascending")]
    for name in ("silver.sales_daily", "features.sku_daily"):
        drop = [column for column in ("run_id",) if column in TABLES[name].columns]
        whole = Lakehouse(str(two_days_more / "lake"))
        both = [each.read_arrow(name).drop_columns(drop).sort_by(keys) for each in (lake, whole)]
        assert both[0].equals(both[1]), name


def test_a_stage_whose_forerunner_has_not_run_is_refused(lake: Lakehouse) -> None:
    with pytest.raises(PromiseError, match="'ingest' has not succeeded yet"):
        run_stages(make_context(None, lake, None, day(119)), ["features"])


def test_a_stage_does_not_build_on_features_that_end_before_its_day(finished: Lakehouse) -> None:
    with pytest.raises(PromiseError, match="'features' has not succeeded yet"):
        run_stages(make_context(None, finished, None, day(120)), ["forecast"])


def test_a_failing_series_gets_a_fallback_and_a_reason_and_the_stage_holds_its_threshold(
    spark: SparkSession, feeds: Path, featured: Lakehouse, tmp_path: Path
) -> None:
    from udfs.forecasting import registry

    lake = copied(featured, tmp_path / "lake")
    registry.register(registry.Model("breaks_on_s01_north", make=lambda spec: _BreaksOn("S01|north|all", spec)))
    try:
        with pytest.raises(PromiseError, match="1 of 12 series failed"):
            run_stages(make_context(spark, lake, feeds, day(119), "forecast.model=breaks_on_s01_north"))
        reports = run_stages(
            make_context(spark, lake, feeds, day(119), "forecast.model=breaks_on_s01_north", "max_failure_rate=0.2")
        )
    finally:
        registry.unregister("breaks_on_s01_north")
    assert {report.stage: report.record.rows for report in reports}["publish"] > 0
    failure = lake.read_arrow("ops.failure", filters=pc.field("stage") == "forecast").to_pylist()
    assert {(row["entity"], row["id"]) for row in failure} == {("series", "S01|north|all")}
    assert all("cannot forecast S01" in row["error"] for row in failure)
    assert lake.read_arrow("gold.order_plan").num_rows == SERIES


def test_a_series_that_a_kernel_loses_ends_its_stage_with_its_name(
    calibrated: Lakehouse, finished: Lakehouse, tmp_path: Path
) -> None:
    """Nothing is lost between the stages: each id that comes in goes out with a result or with a reason."""
    lake, lost = copied(calibrated, tmp_path / "lake"), "S03|north|all"
    context = make_context(None, lake, None, day(119))
    careless = with_kernel("forecast", lambda kernel: Loses(kernel, lost))
    bucket = entities.SERIES.bucket_of(lost, 10)
    message = rf"bucket {bucket}: PromiseError: 1 of \d series of features.sku_daily are neither in"
    with pytest.raises(PromiseError, match=rf"{message} forecast.demand nor among the failures, such as \['S03.north"):
        run_stages(context, ["forecast"], careless)
    with pytest.raises(PromiseError, match="'forecast' has not succeeded yet"):
        run_stages(context, ["replay"])
    run_stages(context, ["forecast"])
    assert hashes(lake)["forecast.demand"] == hashes(finished)["forecast.demand"]
    careless = with_kernel("inventory", lambda kernel: Loses(kernel, lost))
    with pytest.raises(
        PromiseError, match=r"1 of \d series of forecast.demand are neither in inventory.order_proposal"
    ):
        run_stages(context, ["replay", "inventory"], careless)


def test_an_order_line_that_gold_loses_ends_publish(spark: SparkSession, finished: Lakehouse, tmp_path: Path) -> None:
    lake = copied(finished, tmp_path / "lake")

    class Losing(Frames):
        def __getitem__(self, table: str) -> DataFrame:
            frame = Frames.__getitem__(self, table)
            return frame.filter("unique_id <> 'S03|north|all'") if table == "inventory.policy" else frame

    def build(context: RunContext, frames: Frames) -> StageRecord:
        return publish.build(context, Losing(frames.context, frames.stage, frames.reads, frames.versions))

    stages = [replace(publish.STAGE, build=build) if each.name == "publish" else each for each in all_stages()]
    with pytest.raises(PromiseError, match=r"12 order lines were planned, 11 are in gold\.order_plan of 2024-04-28"):
        run_stages(make_context(spark, lake, None, day(119), force=True), ["publish"], stages)


class _BreaksOn:
    """A forecaster that raises whenever its batch holds one certain series."""

    name = "breaks"

    def __init__(self, unique_id: str, spec: object) -> None:
        from udfs.forecasting.models.naive import SeasonalNaive

        self._bad, self._inner = unique_id, SeasonalNaive()

    def forecast(self, batch, horizon, quantiles):
        if self._bad in set(batch.unique_ids):
            raise RuntimeError("cannot forecast S01")
        return self._inner.forecast(batch, horizon, quantiles)


def test_two_writers_are_refused(lake: Lakehouse) -> None:
    with WriterLock(lake), pytest.raises(LockedError, match="another process"), WriterLock(lake):
        pass


def test_another_source_or_bucket_count_is_refused(spark: SparkSession, feeds: Path, finished: Lakehouse) -> None:
    with pytest.raises(ConfigError, match="holds the source 'feed_layout'"):
        run_stages(make_context(spark, finished, feeds, day(119), source="m5"), ["ingest"])
    with pytest.raises(ConfigError, match="made with 10"):
        run_stages(make_context(spark, finished, feeds, day(119), "buckets=8"), ["ingest", "clean"])

"""What runs, in which order, and when a stage has nothing to do.

A stage's fingerprint chains what it depends on: the content of the input files, the settings it reads and the
fingerprints of the stages before it. An equal fingerprint that succeeded means there is nothing to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobs import STAGE_NAMES
from jobs.context import RunContext
from jobs.engine.memory import MemoryWatch
from jobs.settings import PIPELINE_VERSION, digest
from jobs.stages.demand import clean, features, ingest
from jobs.stages.forecasting import backtest, calibrate, forecast, series_inputs, train
from jobs.stages.forecasting.earlier import earlier_run
from jobs.stages.gold import publish
from jobs.stages.inventory import inventory, order, replay
from lakehouse.delta.ledger import StageRecord
from lakehouse.errors import ConfigError, PromiseError


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: the tables it reads, the settings it depends on, and what it does.

    `is_per_run`: its results are keyed by run, so another run's success does not count for this one.
    `is_by_day`: its results reach to the as-of day of the run that made them and no further.
    """

    name: str
    main: Callable[[RunContext, str], StageRecord]
    inputs: tuple[str, ...]
    depends_on: Callable[[RunContext], Any]
    is_per_run: bool = True
    is_by_day: bool = False


def _result_settings(context: RunContext, *names: str) -> list[Any]:
    settings = context.settings.result_settings()
    return [settings[name] for name in names]


def _settings_without_limits(context: RunContext, *names: str) -> list[Any]:
    """What stages before the order depend on: the day's budget and capacity are not theirs."""
    settings = context.settings.without_limits().result_settings()
    return [settings[name] for name in names]


_PLAN = tuple(name for name in series_inputs.TABLES if name != series_inputs.FEATURES)
STAGES: tuple[Stage, ...] = (
    Stage("ingest", lambda context, _: ingest.main(context), (), ingest.fingerprint, is_per_run=False),
    Stage(
        "clean",
        lambda context, _: clean.main(context),
        tuple(f"bronze.{feed}" for feed in clean.FEEDS),
        lambda c: [c.mapping.clean.model_dump(mode="json"), c.mapping.country, c.settings.buckets, c.settings.horizon],
        is_per_run=False,
    ),
    Stage(
        "features",
        features.main,
        ("silver.sales_daily", "silver.calendar"),
        lambda c: [str(c.as_of)],
        is_per_run=False,
        is_by_day=True,
    ),
    Stage(
        "train",
        train.main,
        ("features.sku_daily", *_PLAN),
        lambda c: [
            str(c.as_of),
            earlier_run(c),
            *_result_settings(c, "forecast", "trees", "network", "horizon", "replays"),
        ],
    ),
    Stage(
        "backtest",
        backtest.main,
        ("features.sku_daily", *_PLAN, "forecast.model"),
        lambda c: [str(c.as_of), *_result_settings(c, "forecast", "horizon", "replays")],
    ),
    Stage(
        "calibrate",
        calibrate.main,
        ("features.sku_daily", *_PLAN, "forecast.model", "forecast.backtest", "forecast.class_summary"),
        lambda c: [str(c.as_of), *_result_settings(c, "forecast", "horizon", "replays")],
    ),
    Stage(
        "forecast",
        forecast.main,
        (
            "features.sku_daily",
            *_PLAN,
            "forecast.model",
            "forecast.backtest",
            "forecast.class_summary",
            "forecast.error_summary",
        ),
        lambda c: [str(c.as_of), *_result_settings(c, "forecast", "horizon", "replays")],
    ),
    Stage(
        "replay",
        replay.main,
        ("forecast.demand", "forecast.champion", "features.sku_daily", "features.sku_profile", "silver.supply"),
        lambda c: [str(c.as_of), *_settings_without_limits(c, "inventory", "horizon", "replays")],
    ),
    Stage(
        "inventory",
        inventory.main,
        (
            "forecast.demand",
            "forecast.champion",
            "features.sku_daily",
            "features.sku_profile",
            "silver.supply",
            "silver.stock",
            "inventory.replay",
            "inventory.replay_summary",
        ),
        lambda c: [str(c.as_of), *_settings_without_limits(c, "inventory")],
    ),
    Stage(
        "order",
        order.main,
        ("inventory.order_proposal", "inventory.order_step"),
        lambda c: [str(c.as_of), *_result_settings(c, "inventory")],
    ),
    Stage(
        "publish",
        lambda context, _: publish.main(context),
        ("forecast.demand", "forecast.champion", "inventory.policy", "inventory.order_plan", "silver.products"),
        lambda c: [str(c.as_of), c.mapping.currency],
    ),
)
if tuple(stage.name for stage in STAGES) != STAGE_NAMES:
    raise AssertionError("jobs/__init__.py names other stages than jobs/pipeline.py runs")


@dataclass(frozen=True, slots=True)
class StageReport:
    """What a stage did in this call: `status` is done, reused (nothing to do) or failed."""

    stage: str
    status: str
    record: StageRecord


def run_stages(context: RunContext, names: Sequence[str] = STAGE_NAMES) -> list[StageReport]:
    """Run the named stages in the pipeline's order. Raises what a stage raises, after noting it in the ledger."""
    unknown = sorted(set(names) - set(STAGE_NAMES))
    if unknown:
        raise ConfigError(f"unknown stages {unknown}; the stages are {', '.join(STAGE_NAMES)}")
    ingest.check_one_source(context)
    reports = []
    upstream = ""
    for stage in STAGES:
        if stage.name in names:
            fingerprint = digest(PIPELINE_VERSION, stage.name, stage.depends_on(context), upstream)
            reports.append(_run_stage(context, stage, fingerprint))
            upstream = fingerprint
        else:
            upstream = _known_fingerprint(context, stage, needed=bool(set(names) & set(_later(stage))))
    return reports


def _later(stage: Stage) -> tuple[str, ...]:
    return STAGE_NAMES[STAGE_NAMES.index(stage.name) + 1 :]


def _known_fingerprint(context: RunContext, stage: Stage, *, needed: bool) -> str:
    """The fingerprint of a stage that is not asked for: that of its last success, which later stages build on."""
    if not needed:
        return ""
    for row in context.ledger.succeeded(stage.name):
        is_of_run = row["run_id"] == context.run.run_id
        reaches = not stage.is_by_day or row["as_of"] >= context.as_of
        if is_of_run or (not stage.is_per_run and reaches):
            return str(row["fingerprint"])
    raise PromiseError(
        f"stage {stage.name!r} has not succeeded yet for run {context.run.run_id}, and what you ask for builds on it; "
        f"run `shelfcast {stage.name}` with the same arguments first, or leave out --stages"
    )


def _run_stage(context: RunContext, stage: Stage, fingerprint: str) -> StageReport:
    ledger = context.ledger
    found = None if context.force else ledger.find_done(stage.name, fingerprint, any_run=not stage.is_per_run)
    if found:
        context.progress.say(f"{stage.name}: nothing to do (done by run {found['run_id']})")
        context.progress.event("stage_reused", stage=stage.name, run_id=found["run_id"])
        record = StageRecord("succeeded", found["rows"], found["series"], found["failed_series"])
        return StageReport(stage.name, "reused", record)
    inputs = {table: context.lakehouse.version(table) for table in stage.inputs}
    context.progress.say(f"{stage.name}: started")
    context.progress.event("stage_begin", stage=stage.name, inputs=inputs)
    ledger.start(stage.name, fingerprint, inputs)
    started = time.perf_counter()
    with MemoryWatch() as memory:
        try:
            record = stage.main(context, fingerprint)
        except BaseException as error:  # also an interrupt is noted, then passed on
            record = StageRecord("failed", error=f"{type(error).__name__}: {error}"[:2000])
            raise
        finally:
            record = replace(record, seconds=time.perf_counter() - started, peak_memory_mb=memory.peak_mb)
            ledger.finish(stage.name, fingerprint, inputs, record)
            context.progress.event("stage_end", stage=stage.name, status=record.status, seconds=record.seconds)
    context.progress.say(_summary(stage.name, record))
    return StageReport(stage.name, "done", record)


def _summary(name: str, record: StageRecord) -> str:
    parts = [f"{name}: {record.seconds:.1f} s", f"{record.rows:,} rows", f"peak {record.peak_memory_mb / 1024:.1f} GiB"]
    if record.series:
        parts.insert(1, f"{record.series:,} series ({record.failed_series} failed)")
    return ", ".join(parts)

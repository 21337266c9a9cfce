"""Features: silver becomes features.sku_daily, bucket by bucket, and only for the days and buckets that are new.

A bucket is `covered` when its features reach the as-of day already, `extended` when silver has only grown since (the
new days are computed from their look-back), and `rebuilt` otherwise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.drive import BucketStage, run_bucket_stage
from jobs.engine.task import BucketTask, KernelResult
from lakehouse.delta.files import PinnedTable, pinned_files
from lakehouse.delta.ledger import StageRecord
from udfs.demand.features.sku_features import FeatureSpec, sku_daily_features

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext

_SALES, _CALENDAR, _FEATURES = "silver.sales_daily", "silver.calendar", "features.sku_daily"
_SALES_COLUMNS = ("unique_id", "location_id", "ds", "y", "y_latent", "unit_price", "is_promo")
_CARRY_COLUMNS = ("unique_id", "ds", "history_days", "days_since_sale")
_BY_SERIES = ("unique_id", "ds")
_IDS = ("unique_id", "location_id")


@dataclass(frozen=True, slots=True)
class FeatureParameters:
    """`first_ds` None rebuilds the bucket; else only `first_ds..last_ds` are computed, from look-back and carry."""

    spec: FeatureSpec
    first_ds: date | None
    last_ds: date


def kernel(inputs: dict[str, pa.Table], parameters: FeatureParameters) -> KernelResult:
    """One bucket of silver to features; pure but for reading its arguments."""
    sales = inputs[_SALES]
    carry = inputs.get(_FEATURES) if parameters.first_ds else None
    table = sku_daily_features(
        sales,
        inputs[_CALENDAR],
        parameters.spec,
        first_ds=parameters.first_ds,
        last_ds=parameters.last_ds,
        carry=carry,
    )
    first = parameters.first_ds
    rows = sales.filter(pc.greater_equal(sales["ds"], pa.scalar(first, pa.date32()))) if first else sales
    table = table.append_column("y_latent", rows["y_latent"])
    return KernelResult({_FEATURES: table}, series=len(sales["unique_id"].unique()))


def main(context: RunContext, fingerprint: str) -> StageRecord:
    """Bring features up to the as-of day: rebuild the buckets whose past changed, extend the others."""
    lake = context.lakehouse
    lake.ensure(_FEATURES, context.spark)
    version = lake.version(_SALES)
    buckets = silver_buckets(context, version)
    earlier = covering_record(context)
    rebuilt, extended = split_buckets(context, buckets, version, earlier)
    # A rebuild for an earlier day must not take away the days that the ledger says are there.
    last_ds = max([context.as_of, *(row["as_of"] for row in context.ledger.succeeded("features"))])
    records = [_run(context, fingerprint, rebuilt, (None, last_ds), version)]
    if extended and earlier and earlier["as_of"] < context.as_of:
        new_days = (earlier["as_of"] + timedelta(days=1), context.as_of)
        records.append(_run(context, fingerprint, extended, new_days, version))
        context.progress.say(f"  features: {len(extended)} buckets extended, {len(rebuilt)} rebuilt")
    return StageRecord(
        "succeeded", rows=sum(record.rows for record in records), series=sum(record.series for record in records)
    )


def _run(
    context: RunContext, fingerprint: str, buckets: list[int], days: tuple[date | None, date], version: int
) -> StageRecord:
    """Compute the days `first, last` of some buckets; a first day of None rebuilds them."""
    lake, spec = context.lakehouse, FeatureSpec()
    first_ds, last_ds = days
    sales = PinnedTable(
        _SALES, lake.uri(_SALES), version, _SALES_COLUMNS, order_by=_BY_SERIES, last_ds=last_ds, dictionary=_IDS
    )
    calendar = PinnedTable(
        _CALENDAR,
        lake.uri(_CALENDAR),
        lake.version(_CALENDAR),
        ("location_id", "ds", "is_holiday", "is_event"),
        is_bucketed=False,
    )
    inputs: tuple[PinnedTable, ...] = (sales, calendar)
    if first_ds:
        known = first_ds - timedelta(days=1)
        carry = PinnedTable(
            _FEATURES, lake.uri(_FEATURES), lake.version(_FEATURES), _CARRY_COLUMNS, first_ds=known, last_ds=known
        )
        look_back = first_ds - timedelta(days=spec.lookback_days)
        inputs = (replace(sales, first_ds=look_back), calendar, carry)
    task = BucketTask(
        stage="features",
        run_id=context.run.run_id,
        inputs=inputs,
        kernel=kernel,
        parameters=FeatureParameters(spec, first_ds, last_ds),
        outputs=((_FEATURES, lake.uri(_FEATURES)),),
    )

    def replaces(_table: str, values: list[str]) -> dict[str, list[str]]:
        # A rebuilt bucket loses every earlier run's days; an extended one only those of this run.
        return {"bucket": values} | ({"run_id": [context.run.run_id]} if first_ds else {})

    return run_bucket_stage(
        context, BucketStage(task, buckets, context.settings.runner.features, fingerprint, replaces)
    )


def silver_buckets(context: RunContext, version: int) -> list[int]:
    """Buckets that hold rows of silver.sales_daily at a version."""
    files = pinned_files(context.lakehouse.uri(_SALES), version)
    return sorted({int(dict(values)["bucket"]) for _, values in files})


def covering_record(context: RunContext) -> dict[str, Any] | None:
    """The succeeded features stage, of any run, that reaches furthest."""
    done = context.ledger.succeeded("features")
    return max(done, key=lambda row: (row["as_of"], row["finished_at"]), default=None) if not context.force else None


def split_buckets(
    context: RunContext, buckets: list[int], version: int, earlier: dict[str, Any] | None
) -> tuple[list[int], list[int]]:
    """(to rebuild, to extend or already covered).

    A bucket may be extended while silver only gained files since, the calendar kept the days that were used, and all
    that it holds comes from stages that succeeded (what a crashed run left may reach further than the record says).
    """
    if earlier is None:
        return buckets, []
    seen = json.loads(earlier["input_versions"])
    if _calendar_changed(context, seen[_CALENDAR], earlier["as_of"]):
        return buckets, []
    before = _files_by_bucket(context, seen[_SALES])
    after = _files_by_bucket(context, version)
    unfinished = _buckets_of_unfinished_runs(context)
    rebuilt = [
        bucket
        for bucket in buckets
        if bucket in unfinished or not before.get(bucket) or not before[bucket] <= after[bucket]
    ]
    return rebuilt, [bucket for bucket in buckets if bucket not in set(rebuilt)]


def _buckets_of_unfinished_runs(context: RunContext) -> set[int]:
    finished = {row["run_id"] for row in context.ledger.succeeded("features")}
    lake = context.lakehouse
    files = pinned_files(lake.uri(_FEATURES), lake.version(_FEATURES))
    return {int(dict(values)["bucket"]) for _, values in files if dict(values)["run_id"] not in finished}


def _files_by_bucket(context: RunContext, version: int) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for path, values in pinned_files(context.lakehouse.uri(_SALES), version):
        found.setdefault(int(dict(values)["bucket"]), set()).add(path)
    return found


def _calendar_changed(context: RunContext, version: int, through: date) -> bool:
    """Whether a day that features have used is another day now (a new event, a moved holiday)."""
    lake = context.lakehouse
    if version == lake.version(_CALENDAR):
        return False
    condition = pc.field("ds") <= pa.scalar(through)
    columns = ["location_id", "ds", "is_holiday", "is_event"]
    keys = [("location_id", "ascending"), ("ds", "ascending")]
    before = lake.read_arrow(_CALENDAR, version, columns, condition).sort_by(keys)
    after = lake.read_arrow(_CALENDAR, None, columns, condition).sort_by(keys)
    return not before.equals(after)

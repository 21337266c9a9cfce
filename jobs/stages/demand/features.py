"""Features: silver becomes features.sku_daily, bucket by bucket, and only for the days and buckets that are new.

A bucket is covered when its features reach the as-of day already, extended from the last day that they hold when silver
has only grown since, and rebuilt otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.hashing import digest
from jobs.engine.rounds import pin, task_of
from jobs.engine.stage import Read, UnitStage
from jobs.engine.task import KernelResult, Round
from lakehouse.delta.state import Held, Part, parts
from lakehouse.schema.entities import SERIES
from udfs.demand.features.sku_features import FeatureSpec, sku_daily_features

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext

_SALES, _CALENDAR, _FEATURES = "silver.sales_daily", "silver.calendar", "features.sku_daily"
_CALENDAR_COLUMNS = ("location_id", "ds", "is_holiday", "is_event")
_CARRY_COLUMNS = ("unique_id", "ds", "history_days", "days_since_sale")
_ONE_DAY = timedelta(days=1)


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
    return KernelResult({_FEATURES: table}, ids=len(sales["unique_id"].unique()))


def rounds(context: RunContext, stage: UnitStage) -> list[Round]:
    """The buckets to rebuild, those to extend (by the day that they end on), and those that silver has no more."""
    sales = parts(context.lakehouse, _SALES, "bucket")
    mine = parts(context.lakehouse, _FEATURES, "bucket")
    reaches = {bucket: part.covers_to for bucket, part in mine.items() if part.covers_to is not None}
    # A rebuild for an earlier day must not take away the days that are there.
    last_ds = max([context.as_of, *reaches.values()])
    standing = {} if context.force else _standing(context, stage, mine)
    rebuilt = [bucket for bucket in sales if bucket not in standing]
    ends: dict[date, list[str]] = {}
    for bucket in standing:
        if (
            bucket in sales
            and bucket in reaches
            and reaches[bucket] < min(context.as_of, sales[bucket].covers_to or context.as_of)
        ):
            ends.setdefault(reaches[bucket], []).append(bucket)
    found = [_round(context, stage, rebuilt, None, last_ds)]
    found += [_round(context, stage, buckets, end + _ONE_DAY, context.as_of) for end, buckets in sorted(ends.items())]
    found.append(_emptied(context, stage, [bucket for bucket in mine if bucket not in sales]))
    return [each for each in found if each.units]


def _standing(context: RunContext, stage: UnitStage, mine: Mapping[str, Part]) -> dict[str, str]:
    """Buckets whose features go back to what silver and the calendar still say of the days that they hold."""
    held = Held(context.lakehouse).of(_FEATURES, "bucket")
    ends = {f"bucket={bucket}": part.covers_to for bucket, part in mine.items()}
    now = _lineage(context, stage, ends, list(held))
    return {
        name.removeprefix("bucket="): row["lineage"]
        for name, row in held.items()
        if row["covers_to"] is not None and row["lineage"] == now.get(name)
    }


def _lineage(
    context: RunContext, stage: UnitStage, ends: Mapping[str, date | None], names: Sequence[str]
) -> dict[str, str]:
    """By part: the code, the past of silver's bucket, and the calendar of the days that the part holds."""
    past = {name: row["lineage"] for name, row in Held(context.lakehouse).of(_SALES, "bucket").items()}
    calendars = {end: _calendar_digest(context, end) for end in {ends.get(name) for name in names} if end is not None}
    found = {}
    for name in names:
        end = ends.get(name)
        if end is not None and past.get(name):
            found[name] = digest(stage.version, past[name], calendars[end])
    return found


def _calendar_digest(context: RunContext, through: date) -> str:
    """A hash of the days that features have used: a new event or a moved holiday among them changes it."""
    condition = pc.field("ds") <= pa.scalar(through)
    rows = context.lakehouse.read_arrow(_CALENDAR, columns=list(_CALENDAR_COLUMNS), filters=condition)
    rows = rows.sort_by([("location_id", "ascending"), ("ds", "ascending")])
    return digest([rows[name].to_pylist() for name in _CALENDAR_COLUMNS])


def _recorded_lineage(context: RunContext, stage: UnitStage, names: Sequence[str]) -> dict[str, str]:
    """What parts that have just been written go back to."""
    ends = {
        f"bucket={bucket}": part.covers_to for bucket, part in parts(context.lakehouse, _FEATURES, "bucket").items()
    }
    return _lineage(context, stage, ends, names)


def _round(context: RunContext, stage: UnitStage, buckets: list[str], first_ds: date | None, last_ds: date) -> Round:
    """Compute the days `first_ds..last_ds` of some buckets; a first day of None rebuilds them."""
    spec = FeatureSpec()
    sales, calendar = (pin(context, stage, read) for read in stage.reads)
    inputs = [replace(sales, last_ds=last_ds), calendar]
    if first_ds:
        known = first_ds - _ONE_DAY
        inputs[0] = replace(inputs[0], first_ds=first_ds - timedelta(days=spec.lookback_days))
        inputs.append(replace(pin(context, stage, Read(_FEATURES, _CARRY_COLUMNS)), first_ds=known, last_ds=known))
        context.progress.say(f"  features: {len(buckets)} buckets are extended from {first_ds}")
    task = task_of(context, stage, tuple(inputs), FeatureParameters(spec, first_ds, last_ds), buckets)

    def replaces(_table: str, values: list[str]) -> dict[str, list[str]]:
        # A rebuilt bucket loses every earlier run's days; an extended one only those of this run.
        return {"bucket": values} | ({"run_id": [context.run.run_id]} if first_ds else {})

    return Round(buckets, task, replaces, partial(_recorded_lineage, context, stage))


def _emptied(context: RunContext, stage: UnitStage, buckets: list[str]) -> Round:
    """Buckets that silver has no more: reading nothing of them, they lose their rows."""
    each = _round(context, stage, buckets, None, context.as_of)
    return replace(each, task=replace(each.task, promise=None))


def parameters(_context: RunContext, _sums: Mapping[str, Any]) -> None:
    """Each round has its own."""


STAGE = UnitStage(
    name="features",
    unit=SERIES,
    engine="spark",
    reads=(
        Read(
            _SALES,
            ("unique_id", "location_id", "ds", "y", "y_latent", "unit_price", "is_promo"),
            order_by=("unique_id", "ds"),
            dictionary=("unique_id", "location_id"),
        ),
        Read(_CALENDAR, _CALENDAR_COLUMNS),
    ),
    writes=(_FEATURES,),
    kernel=kernel,
    parameters=parameters,
    promise=(_SALES, _FEATURES),
    rounds=rounds,
)

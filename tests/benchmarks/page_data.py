"""A finished lakehouse made as large as a page is to be measured on: every series as often as that takes."""

from __future__ import annotations

import math
import shutil
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import write_deltalake

from jobs.views.plans import plan_of
from jobs.views.series import PLAN, published_day
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import contract

_OF_PLANS = (
    PLAN,
    "gold.order_check",
    "gold.stock_risk",
    "gold.policy_value",
    "gold.forecast_accuracy",
    "gold.order_change",
)
_OF_RUNS = ("inventory.policy", "inventory.order_step", "forecast.demand", "forecast.lead_time_demand")
_BY_DAY = ("silver.sales_daily", "silver.planned_daily")
_AS_IT_IS = ("silver.calendar", "gold.forecast_total", "planner.decision")
_DAYS_BACK = 365


def enlarged(source: Lakehouse, folder: Path, least_series: int) -> Lakehouse:
    """A lakehouse in the folder with what the page reads, of at least so many series: copies of the source's, the SKU
    of the k-th with `-k` behind it. Of the latest plan's run alone, and of the last year of days."""
    plan = plan_of(source, published_day(source, None))
    copies = math.ceil(least_series / source.rows(PLAN, where={"as_of": str(plan.as_of)}))
    half_done = folder.with_name(f"{folder.name}.half")
    shutil.rmtree(half_done, ignore_errors=True)
    target = Lakehouse(str(half_done))
    for name in _AS_IT_IS:
        _write(target, name, source.read_arrow(name))
    for name in _OF_PLANS:
        _write(target, name, _multiplied(source.read_arrow(name), copies))
    for name in _OF_RUNS:
        _by_bucket(source, target, name, pc.field("run_id") == plan.run_id, copies)
    for name in _BY_DAY:
        _by_bucket(source, target, name, pc.field("ds") > plan.as_of - timedelta(days=_DAYS_BACK), copies)
    half_done.rename(folder)
    return Lakehouse(str(folder))


def _by_bucket(source: Lakehouse, target: Lakehouse, name: str, where: pc.Expression, copies: int) -> None:
    for bucket in source.partition_values(name, "bucket"):
        rows = source.read_arrow(name, filters=where & (pc.field("bucket") == int(bucket)))
        _write(target, name, _multiplied(rows, copies).sort_by([("unique_id", "ascending")]))


def _write(target: Lakehouse, name: str, rows: pa.Table) -> None:
    target.ensure(name)
    if rows.num_rows:
        whole = contract(name).conform(rows, with_partitions=True)
        write_deltalake(target.open(name), whole, mode="append")


def _multiplied(rows: pa.Table, copies: int) -> pa.Table:
    return pa.concat_tables([_copy(rows, number, copies) for number in range(copies)])


def _copy(rows: pa.Table, number: int, copies: int) -> pa.Table:
    """The rows as of other SKUs; ranks stay unique."""
    changed = {}
    if number and "unique_id" in rows.column_names:
        changed["unique_id"] = pc.replace_substring(rows["unique_id"], "|", f"-{number}|", max_replacements=1)
    if number and "sku_id" in rows.column_names:
        changed["sku_id"] = pc.binary_join_element_wise(rows["sku_id"], str(number), "-")
    if "order_rank" in rows.column_names:
        changed["order_rank"] = pc.add(pc.multiply(pc.subtract(rows["order_rank"], 1), copies), 1 + number)
    columns = {name: changed.get(name, rows[name]) for name in rows.column_names}
    return pa.table({name: column.cast(rows.schema.field(name).type) for name, column in columns.items()})

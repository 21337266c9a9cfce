"""Plans published, by day, and whose orders one has made others than the one before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from jobs.views.series import PLAN, published_day
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError

CHANGE = "gold.order_change"


@dataclass(frozen=True, slots=True)
class Plan:
    """A day's plan, and the run that published it."""

    as_of: date
    run_id: str


def plan_of(lake: Lakehouse, as_of: date) -> Plan:
    """The plan of a published day."""
    rows = lake.read_arrow(PLAN, columns=["run_id"], filters=pc.field("as_of") == as_of)
    return Plan(as_of, rows["run_id"][0].as_py())


def plan_before(lake: Lakehouse, as_of: date) -> Plan | None:
    """The latest plan of an earlier day."""
    earlier = [day for day in lake.partition_values(PLAN, "as_of") if day < str(as_of)]
    return plan_of(lake, date.fromisoformat(earlier[-1])) if earlier else None


def plans(lake: Lakehouse, as_of: date | None, against: str | None) -> tuple[Plan, str]:
    """The plan asked for, and the run of the one that it is compared with.

    as_of: None is the latest. against: a day or a run; None is the plan before. Raises ConfigError for one that is not.
    """
    plan = plan_of(lake, published_day(lake, as_of))
    if against is None:
        before = plan_before(lake, plan.as_of)
        if before is None:
            raise ConfigError(
                f"no plan is older than that of {plan.as_of}; name a run with --against (`shelfcast status`)"
            )
        return plan, before.run_id
    if against in lake.partition_values(PLAN, "as_of"):
        return plan, plan_of(lake, date.fromisoformat(against)).run_id
    if not lake.read_arrow("ops.run", columns=["run_id"], filters=pc.field("run_id") == against).num_rows:
        raise ConfigError(f"--against {against} is neither a day with a plan nor a run; `shelfcast status` lists runs")
    return plan, against


def published_plan(lake: Lakehouse, run_id: str) -> Plan:
    """The plan that a run published. Raises ConfigError where another run has published that day since."""
    rows = lake.read_arrow(PLAN, columns=["as_of"], filters=pc.field("run_id") == run_id)
    if not rows.num_rows:
        raise ConfigError(f"expected a run whose plan is published, found {run_id}; give a day with a plan instead")
    return Plan(rows["as_of"][0].as_py(), run_id)


def value_changes(lake: Lakehouse, plan: Plan, before: Plan) -> pa.Table:
    """(unique_id, last_order_qty, change_value) of the series that both plans have: units that the plan before ordered,
    and the order's value less that plan's, NULL where either is not known."""
    now, then = (_values(lake, each) for each in (plan, before))
    at = pc.index_in(now["unique_id"], then["unique_id"])
    rows = pa.table({"unique_id": now["unique_id"], "at": at, "value": now["value"]}).filter(at.is_valid())
    last = then.take(rows["at"])
    change = pc.subtract(rows["value"], last["value"])
    return pa.table({"unique_id": rows["unique_id"], "last_order_qty": last["order_qty"], "change_value": change})


def largest_changes(lake: Lakehouse, plan: Plan, before: Plan, most: int) -> tuple[list[str], int]:
    """The series whose orders' values changed most, at most so many, the largest first; and how many changed at all."""
    rows = value_changes(lake, plan, before)
    rows = rows.append_column("size", pc.abs(rows["change_value"]))
    rows = rows.filter(pc.greater(rows["size"], 0.0))
    rows = rows.sort_by([("size", "descending"), ("unique_id", "ascending")])
    return rows["unique_id"].slice(0, most).to_pylist(), rows.num_rows


def known_changes(lake: Lakehouse, plan: Plan, before: Plan, unique_id: str | None = None) -> pa.Table:
    """Rows of gold.order_change about two plans, of all series or of one; the largest part of each in units first."""
    where = (pc.field("as_of") == plan.as_of) & (pc.field("run_id") == plan.run_id)
    where = where & (pc.field("against_run_id") == before.run_id)
    rows = lake.read_arrow(CHANGE, filters=where if unique_id is None else where & (pc.field("unique_id") == unique_id))
    rows = rows.append_column("size", pc.abs(rows["order_qty_change"]))
    keys = [("unique_id", "ascending"), ("size", "descending"), ("cause", "ascending")]
    return rows.sort_by(keys).drop_columns(["size"])


def _values(lake: Lakehouse, plan: Plan) -> pa.Table:
    """(unique_id, order_qty, value): nothing ordered costs nothing, whether or not a unit's cost is known."""
    where = (pc.field("as_of") == plan.as_of) & (pc.field("run_id") == plan.run_id)
    rows = lake.read_arrow(PLAN, columns=["unique_id", "order_qty", "order_value"], filters=where).combine_chunks()
    value = pc.if_else(pc.equal(rows["order_qty"], 0.0), 0.0, rows["order_value"])
    return rows.drop_columns(["order_value"]).append_column("value", value)

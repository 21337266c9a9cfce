"""Accuracy and money over the days published, and how much plans change."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from jobs.page.published import CHECK, RISK, Day
from jobs.page.svg_plot import Plot, day_words
from jobs.views.accuracy import accuracy_by, accuracy_overall, verdict
from jobs.views.series import PLAN
from lakehouse.delta.io import Lakehouse

ACCURACY, VALUE, TOTAL = "gold.forecast_accuracy", "gold.policy_value", "gold.forecast_total"
_DAYS_SHOWN = 60
_ERRORS = ["actual", "forecast", "naive_forecast", "wape", "naive_wape", "share_below_p90", "days"]


@dataclass(frozen=True, slots=True)
class Results:
    """`days`: one row per published day, the last first; `changes`: of those that had a plan before. `verdict`: of the
    last day that could be tested, '' for none. `groups`: accuracy of its departments. `total`: picture of all sales and
    the forecast of all, None without."""

    days: list[dict[Hashable, Any]]
    changes: list[dict[Hashable, Any]]
    verdict: str
    groups: list[dict[Hashable, Any]]
    total: Markup | None


def results(lake: Lakehouse, day: Day) -> Results:
    """Of the last days published."""
    days = lake.partition_values(PLAN, "as_of")[-_DAYS_SHOWN:]
    where = pc.field("as_of").isin([date.fromisoformat(each) for each in days])
    table = pd.DataFrame(index=pd.Index([date.fromisoformat(each) for each in days], name="as_of"))
    for name, columns in (
        (PLAN, ("order_qty", "order_value", "expected_value", "last_order_qty", "unit_cost")),
        (RISK, ("value_at_risk",)),
        (VALUE, ("expected_cost", "benchmark_cost")),
    ):
        rows = lake.read_arrow(name, columns=["as_of", *columns], filters=where)
        table = table.join(_sums(name, rows))
    table["changed_share"] = table["changed"] / table["compared"].where(table["compared"] > 0)
    table["nervousness"] = table["moved_value"] / table["mean_value"].where(table["mean_value"] > 0)
    checks = lake.read_arrow(CHECK, columns=["as_of", "unique_id"], filters=where)
    table = table.join(
        checks.group_by("as_of").aggregate([("unique_id", "count_distinct")]).to_pandas().set_index("as_of")
    )
    errors = lake.read_arrow(ACCURACY, columns=["as_of", "department", *_ERRORS], filters=where).to_pandas()
    tested = {at: accuracy_overall(rows) for at, rows in errors.groupby("as_of")}
    table = table.join(pd.DataFrame(tested, index=["wape", "naive_wape", "bias"]).T)
    words, groups = "", []
    if tested:
        last = max(tested)
        rows = errors[errors["as_of"] == last]
        words = verdict(tested[last], int(rows["days"].max()))
        groups = accuracy_by(rows, "department").reset_index().to_dict("records")
    shown = table.sort_index(ascending=False).reset_index().astype(object)
    rows = shown.where(shown.notna(), None).to_dict("records")
    return Results(rows, [row for row in rows if row["compared"]], words, groups, _total(lake, day))


def _sums(name: str, rows: pa.Table) -> pd.DataFrame:
    if name == PLAN:
        rows = _with_changes(rows)
    summed = rows.group_by("as_of").aggregate([(column, "sum") for column in rows.column_names[1:]]).to_pandas()
    return summed.rename(columns=lambda column: column.removesuffix("_sum")).set_index("as_of")


def _with_changes(rows: pa.Table) -> pa.Table:
    """Of the plans' lines what is summed; lines that the plan before had are compared, in money where cost is known."""
    order, last = rows["order_qty"], rows["last_order_qty"]
    moved = pc.abs(pc.subtract(order, last))
    columns = {
        "as_of": rows["as_of"],
        "order_value": rows["order_value"],
        "expected_value": rows["expected_value"],
        "lines": pc.greater(order, 0.0).cast(pa.int64()),
        "compared": last.is_valid().cast(pa.int64()),
        "changed": pc.greater(moved, 0.0).cast(pa.int64()),
        "moved_value": pc.multiply(moved, rows["unit_cost"]),
        "mean_value": pc.multiply(pc.divide(pc.add(order, last), 2.0), rows["unit_cost"]),
    }
    return pa.table(columns)


def _total(lake: Lakehouse, day: Day) -> Markup | None:
    where = (pc.field("as_of") == day.as_of) & (pc.field("level") == "all")
    rows = lake.read_arrow(TOTAL, filters=where).sort_by("ds").to_pandas()
    ahead, past = rows[rows["cutoff"] == day.as_of], rows[rows["actual"].notna()].drop_duplicates("ds", keep="last")
    if ahead.empty:
        return None
    first = past["ds"].iloc[0] if len(past) else ahead["ds"].iloc[0]
    top = float(max(rows["mean"].max(), past["actual"].max() if len(past) else 0.0, ahead["p95"].fillna(0.0).max()))
    said = f"Units of all series a day: sold, forecast before and after {day_words(day.as_of)}"
    plot = Plot(first, ahead["ds"].iloc[-1], 0.0, top, said)
    if ahead["p05"].notna().all():
        plot.band(list(ahead["ds"]), list(ahead["p05"]), list(ahead["p95"]), "wide")
    for _, made in rows[rows["cutoff"] < day.as_of].groupby("cutoff"):
        plot.line(list(made["ds"]), list(made["mean"]), "median")
    plot.line(list(past["ds"]), list(past["actual"]), "sold")
    plot.dots(list(past["ds"]), list(past["actual"]), "sold", "sold")
    plot.line(list(ahead["ds"]), list(ahead["mean"]), "mean")
    return plot.svg()

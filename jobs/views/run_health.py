"""How a run went: its stages and units, what failed, what is late, how large the tables have grown."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jobs.views.doubts import late_words
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError
from lakehouse.schema.tables import TABLES

_MIB = 2**20


def stages_of(lake: Lakehouse, as_of: date) -> pd.DataFrame:
    """Rows of ops.run of the latest run as of a day, in the order in which its stages last started.

    `usual_seconds`: the median of the same stage in other runs that did it, NaN where there is none. Raises ConfigError
    where no run is of that day.
    """
    runs = lake.read_arrow("ops.run").to_pandas()
    of_day = runs[runs["as_of"] == as_of]
    if of_day.empty:
        raise ConfigError(f"no run as of {as_of} in {lake.base}; `shelfcast status` lists the runs")
    run_id = of_day.sort_values("started_at")["run_id"].iloc[-1]
    others = runs[(runs["run_id"] != run_id) & (runs["status"] == "succeeded")]
    usual = others.groupby("stage")["seconds"].median()
    stages = runs[runs["run_id"] == run_id].sort_values("started_at").reset_index(drop=True)
    return stages.assign(usual_seconds=stages["stage"].map(usual))


def units_of(lake: Lakehouse, run_id: str) -> pd.DataFrame:
    """Rows of ops.run_unit of a run: stage, unit, status, attempts, seconds, rows, failed_ids, error."""
    columns = ["stage", "unit", "status", "attempts", "seconds", "rows", "failed_ids", "error_class", "error"]
    return lake.read_arrow("ops.run_unit", columns=columns, filters=pc.field("run_id") == run_id).to_pandas()


def unit_troubles(units: pd.DataFrame) -> pd.DataFrame:
    """Units that failed or were done more than once, by stage, status and error: how many, and one of them."""
    rows = units[(units["status"] != "succeeded") | (units["attempts"] > 1)]
    keys = ["stage", "status", "attempts", "error_class"]
    grouped = rows.assign(error_class=rows["error_class"].fillna("")).groupby(keys)
    return grouped.agg(units=("unit", "size"), such_as=("unit", "first"), error=("error", "first")).reset_index()


def failures_of(lake: Lakehouse, run_id: str) -> pd.DataFrame:
    """What failed in a run, by stage, error and fallback: ids, and one of them with its message."""
    rows = lake.read_arrow("ops.failure", filters=pc.field("run_id") == run_id).to_pandas()
    keys = ["stage", "error_class", "fallback"]
    grouped = rows.assign(fallback=rows["fallback"].fillna("")).groupby(keys)
    return grouped.agg(ids=("id", "nunique"), such_as=("id", "first"), error=("error", "first")).reset_index()


def table_sizes(lake: Lakehouse) -> pd.DataFrame:
    """Tables that exist, the largest first, from their logs alone: mib, rows, files, version."""
    found = []
    for name in TABLES:
        if lake.exists(name):
            actions = pa.table(lake.open(name).get_add_actions(flatten=True))
            mib = (pc.sum(actions["size_bytes"]).as_py() or 0) / _MIB
            rows = int(pc.sum(actions["num_records"]).as_py() or 0)
            found.append((name, mib, rows, actions.num_rows, lake.version(name)))
    sizes = pd.DataFrame(found, columns=["table", "mib", "rows", "files", "version"])
    return sizes.sort_values(["mib", "table"], ascending=[False, True], ignore_index=True)


def days_held(lake: Lakehouse, as_of: date) -> pd.DataFrame:
    """Of tables that hold days up to the as-of day: the last day of their parts, and days that they are behind it.

    As ops.held has it; a part that is behind is one that this run left as it was.
    """
    columns = ["table_name", "covers_from", "covers_to", "recorded_at"]
    held = lake.read_arrow("ops.held", columns=columns).to_pandas().dropna(subset=["covers_to"])
    last = held.groupby("table_name").agg(
        parts=("covers_to", "size"), first_day=("covers_from", "min"), last_day=("covers_to", "max")
    )
    behind = [max((as_of - day).days, 0) for day in last["last_day"]]
    return (
        last.assign(days_behind=behind).sort_values(["days_behind", "last_day"], ascending=[False, True]).reset_index()
    )


def health_words(lake: Lakehouse, stages: pd.DataFrame, units: pd.DataFrame) -> str:
    """Whether a run kept its promise, how long it took and what is wrong, in plain sentences."""
    broken = stages[stages["status"] != "succeeded"]
    failed_units, retried = units[units["status"] != "succeeded"], units[units["attempts"] > 1]
    slowest = stages.sort_values("seconds").iloc[-1]
    finished = stages["finished_at"].max()
    words = (
        f"Run {stages['run_id'].iloc[0]}, finished {finished:%Y-%m-%d %H:%M} UTC: {len(stages) - len(broken)} of "
        f"{len(stages)} stages succeeded in {stages['seconds'].sum():,.0f} s, {slowest['stage']} "
        f"{slowest['seconds']:,.0f} s of it; peak memory {stages['peak_memory_mb'].max() / 1024:.1f} GiB; "
        f"{stages['failed_ids'].sum():,} ids failed."
    )
    if len(broken):
        words += f" NOT succeeded: {', '.join(f'{row.stage} ({row.status})' for row in broken.itertuples())}."
    if len(failed_units) or len(retried):
        words += f" Of {len(units):,} units {len(failed_units):,} failed, {len(retried):,} were done more than once."
    late = late_words(lake, stages["as_of"].iloc[0]).strip().removeprefix("WARNING: ")
    return f"{words} Late: {late}." if late else f"{words} Sales reach the as-of day."

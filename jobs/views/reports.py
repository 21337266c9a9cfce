"""What the command line prints: a run's summary, the ledger, the data dictionary."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from jobs.views.delivery_words import delivery_words
from jobs.views.doubts import (
    check_words,
    decision_words,
    doubt_words,
    late_words,
    past_words,
    policy_words,
    stock_words,
    unused_words,
)
from jobs.views.feed_report import findings
from jobs.views.price_words import price_words
from jobs.views.purchase_words import depot_words, purchase_words
from lakehouse.delta.content_hash import content_hash
from lakehouse.delta.decisions import decisions_for, forecasts_for
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.session import build_session
from lakehouse.errors import ConfigError
from lakehouse.schema.tables import TABLES, contract

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.setting import Settings
    from jobs.pipeline import StageReport
    from jobs.views.export import Exported
    from lakehouse.delta.keep import Freed, Runs

_WIDTH = 150
_FILES_SHOWN = 20


def run_summary(context: RunContext, done: Sequence[StageReport]) -> str:
    """What the run did, stage by stage, and the head of the order plan once it is published."""
    rows = [
        (
            report.stage,
            report.status,
            f"{report.record.seconds:.1f}",
            f"{report.record.peak_memory_mb / 1024:.1f}",
            f"{report.record.rows:,}",
            f"{report.record.ids:,}" if report.record.ids else "",
            f"{report.record.failed_ids:,}" if report.record.ids else "",
        )
        for report in done
    ]
    header = ("stage", "status", "seconds", "peak GiB", "rows", "ids", "failed")
    text = _table(f"run {context.run.run_id} of {context.mapping.name}, as of {context.as_of}", header, rows)
    text += findings(context.lakehouse)
    if any(report.stage == "publish" for report in done):
        text += _order_head(context)
    if any(report.stage == "deliver" for report in done):
        text += delivery_words(context.lakehouse, context.run.run_id, context.mapping.currency)
    return text + late_words(context.lakehouse, context.as_of)


def _order_head(context: RunContext) -> str:
    plan = context.lakehouse.read_arrow("gold.order_plan", filters=pc.field("as_of") == context.as_of)
    ordered = plan.filter(pc.greater(plan["order_qty"], 0))
    value = pc.sum(ordered["order_value"]).as_py() or 0.0
    currency = context.mapping.currency
    top = ordered.sort_by([("order_value", "descending"), ("unique_id", "ascending")]).slice(0, 8)
    rows = [
        (
            row["sku_id"],
            row["product_name"] or "",
            row["location_id"],
            f"{row['order_qty']:,.0f}",
            f"{row['order_value'] or 0:,.2f}",
            row["headline"].split(": ", 1)[-1],
        )
        for row in top.to_pylist()
    ]
    title = (
        f"gold.order_plan: {plan.num_rows:,} series, {ordered.num_rows:,} to order for {value:,.0f} {currency}; "
        "the largest orders"
    )
    text = _table(title, ("sku", "product", "location", "qty", currency, "why"), rows) + _policy_words(context)
    text += price_words(context.lakehouse, context.run.run_id, currency)
    text += purchase_words(context.lakehouse, context.run.run_id, currency)
    text += depot_words(context.lakehouse, context.run.run_id)
    text += check_words(context.lakehouse.read_arrow("gold.order_check", filters=pc.field("as_of") == context.as_of))
    forecasts = forecasts_for(context.lakehouse, context.as_of, context.horizon_end)
    text += decision_words(plan, decisions_for(context.lakehouse, context.as_of), forecasts)
    text += doubt_words(plan, context.lakehouse.root)
    later = context.lakehouse.read_arrow("silver.stock", columns=["ds"], filters=pc.field("ds") > context.as_of)
    text += stock_words(plan, later.num_rows) + unused_words(plan, context.settings.inventory)
    return text + _past_words(context)


def _past_words(context: RunContext) -> str:
    from jobs.stages.forecasting.forecasting_reads import known_then  # torch, which `status` does not need

    is_realised = context.settings.forecast.future_prices == "realised"
    has_supply = context.lakehouse.rows("silver.supply") > 0
    return past_words(known_then(context).foreseen, is_realised=is_realised, has_supply=has_supply)


def _policy_words(context: RunContext) -> str:
    """Which policies order, what chose them, and what they cost beside the benchmark in a replay that did not."""
    names = ["policy", "decided_by", "held_out_cost", "held_out_benchmark_cost"]
    of_day = pc.field("as_of") == context.as_of
    rows = context.lakehouse.read_arrow("gold.policy_value", columns=names, filters=of_day)
    text = "gold.policy_value: " + policy_words(rows["policy"].to_pylist(), rows["decided_by"].to_pylist())
    known = rows.drop_null()
    cost, benchmark = (pc.sum(known[name]).as_py() or 0.0 for name in names[2:])
    if benchmark > 0.0:
        text += (
            f"; in a replay that did not choose them {cost:,.0f} {context.mapping.currency} a year against "
            f"{benchmark:,.0f} with z x sigma x sqrt(lead time + review): {cost / benchmark - 1.0:+.1%}"
        )
    return text + "\n"


def status(lake: Lakehouse, run_id: str | None = None, *, with_hashes: bool = False) -> str:
    """The ledger of one run (the latest by default): stages, units, failures, row accounts; the other runs by name."""
    runs = lake.read_arrow("ops.run").to_pylist()
    if not runs:
        raise ConfigError(f"no run yet in {lake.base}; `shelfcast run --lakehouse {lake.root} ...` starts one")
    runs.sort(key=lambda row: row["started_at"])
    chosen = run_id or runs[-1]["run_id"]
    stages = [row for row in runs if row["run_id"] == chosen]
    if not stages:
        known = sorted({row["run_id"] for row in runs})
        raise ConfigError(f"no run {chosen!r} in {lake.base}; the runs are {', '.join(known)}")
    parts = [
        _stages(chosen, stages),
        _unit_counts(lake, chosen),
        _failures(lake, chosen),
        file_accounts(lake),
        _row_accounts(lake),
        findings(lake),
    ]
    others = sorted({row["run_id"] for row in runs} - {chosen})
    if others:
        parts.append(f"other runs: {', '.join(others)} (--run RUN_ID shows one)\n")
    if with_hashes:
        names = [name for name in TABLES if not name.startswith("ops.") and lake.exists(name)]
        parts.append(_table("content", ("table", "hash"), [(name, content_hash(lake, name)) for name in names]))
    return "".join(parts)


def _stages(run_id: str, stages: Sequence[dict[str, Any]]) -> str:
    rows = [
        (
            row["stage"],
            row["status"],
            f"{row['started_at']:%Y-%m-%d %H:%M:%S}",
            f"{row['seconds']:.1f}",
            f"{row['peak_memory_mb'] / 1024:.1f}",
            f"{row['rows']:,}",
            f"{row['ids']:,}" if row["ids"] else "",
            f"{row['failed_ids']:,}" if row["ids"] else "",
            row["error"] or "",
        )
        for row in stages
    ]
    title = f"run {run_id}: source {stages[0]['source']}, as of {stages[0]['as_of']}"
    return _table(title, ("stage", "status", "started (UTC)", "s", "GiB", "rows", "ids", "failed", "error"), rows)


def _unit_counts(lake: Lakehouse, run_id: str) -> str:
    units = lake.read_arrow("ops.run_unit", filters=pc.field("run_id") == run_id).to_pylist()
    broken = [row for row in units if row["status"] != "succeeded"]
    rows = [(row["stage"], str(row["unit"]), str(row["attempts"]), row["error_class"], row["error"]) for row in broken]
    return _table("units that failed", ("stage", "unit", "attempts", "error", "message"), rows) if rows else ""


def _failures(lake: Lakehouse, run_id: str) -> str:
    failures = lake.read_arrow("ops.failure", filters=pc.field("run_id") == run_id)
    if not failures.num_rows:
        return "failures: none\n"
    groups = failures.group_by(["stage", "error_class", "fallback"]).aggregate([("id", "count_distinct")])
    rows = [
        (row["stage"], row["error_class"], row["fallback"] or "", str(row["id_count_distinct"]))
        for row in groups.sort_by([("stage", "ascending"), ("error_class", "ascending")]).to_pylist()
    ]
    return _table("failures (ops.failure names each)", ("stage", "error", "fallback", "ids"), rows)


def file_accounts(lake: Lakehouse) -> str:
    """Files by feed and by what became of them, with the first of their names; content that repeats is one file."""
    names: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    rows: defaultdict[tuple[str, str], int] = defaultdict(int)
    for line in lake.read_arrow("ops.ingest_file").to_pylist():
        key = (line["feed"], line.get("file_state") or "read")
        names[key].append(line["source_file"])
        rows[key] += line["rows"]
        if others := json.loads(line.get("other_names") or "[]"):
            names[line["feed"], "repeated"] += others
    told = [
        (*key, str(len(names[key])), f"{rows[key]:,}", ", ".join(sorted(names[key])[:4]))
        for key in sorted(names)
        if key[1] != "removed"
    ]
    return _table("files (ops.ingest_file names each)", ("feed", "state", "files", "rows", "such as"), told)


def _row_accounts(lake: Lakehouse) -> str:
    counts = lake.read_arrow("ops.row_count")
    if not counts.num_rows:
        return ""
    order = [(name, "ascending") for name in ("feed", "outcome", "rule_id")]
    rows = [
        (row["feed"], row["outcome"], row["rule_id"], f"{row['rows']:,}") for row in counts.sort_by(order).to_pylist()
    ]
    return _table("where the source rows went", ("feed", "outcome", "rule", "rows"), rows)


def describe(name: str | None) -> str:
    """The data dictionary of a table (with or without its schema), or a line for each table of a schema, or of all."""
    found = [each for each in TABLES.values() if name in (None, each.schema_name, each.table_name)]
    if len(found) > 1:
        names = [(declared.name, ", ".join(declared.key), declared.comment) for declared in found]
        return _table("tables (shelfcast describe TABLE shows columns)", ("table", "key", "meaning"), names)
    declared = found[0] if found else contract(name or "")
    rows = [
        (
            column.name,
            declared.sql_type(column.name).lower(),
            "key" if column.name in declared.key else "",
            column.comment,
            column.check.words() if column.check else "",
        )
        for column in declared.declared()
    ]
    partitions = f", partitioned by {', '.join(declared.partitions)}" if declared.partitions else ""
    title = f"{declared.name}: {declared.comment}{partitions}"
    return _table(title, ("column", "type", "", "meaning", "check"), rows)


def tables(lake: Lakehouse) -> str:
    """Every table that exists, with its version and rows."""
    rows = [
        (name, str(lake.version(name)), f"{lake.rows(name):,}", declared.comment)
        for name, declared in TABLES.items()
        if lake.exists(name)
    ]
    return _table(lake.base, ("table", "version", "rows", "meaning"), rows)


def kept(lake: Lakehouse, freed: Sequence[Freed], runs: Runs, *, is_dry: bool) -> str:
    """What housekeeping did, table by table; tables where there was nothing to do are left out."""
    rows = [
        (each.table, f"{each.let_go_files:,}", f"{each.deleted_files:,}", f"{each.deleted_bytes / 2**20:,.1f}")
        for each in freed
        if each.let_go_files or each.deleted_files
    ]
    total = sum(each.deleted_bytes for each in freed) / 2**20
    let_go, deleted = sum(each.let_go_files for each in freed), sum(each.deleted_files for each in freed)
    rows.append(("all", f"{let_go:,}", f"{deleted:,}", f"{total:,.1f}"))
    title = f"{lake.base}: files let go of, and files deleted" + (" (a dry run: nothing was touched)" if is_dry else "")
    text = _table(title, ("table", "let go", "deleted", "MiB deleted"), rows)
    text += f"runs expired: {', '.join(runs.expired) or 'none'}\n"
    if runs.unfinished:
        text += f"as old, kept since they never finished: {', '.join(runs.unfinished)}\n"
    return text


def exported(done: Exported) -> str:
    """The files that an export wrote, and what their reader should know."""
    shown = done.files[:_FILES_SHOWN]
    rows = [
        (
            str(file.path),
            f"{file.rows:,}",
            "" if file.value is None else f"{file.value:,.2f} {done.currency}",
            f"{file.path.stat().st_size / 2**20:.1f}",
        )
        for file in shown
    ]
    text = _table(done.title, ("file", "rows", "order value", "MiB"), rows)
    if len(done.files) > len(shown):
        text += f"and {len(done.files) - len(shown):,} files more\n"
    return text + "".join(f"note: {note}\n" for note in done.notes)


def create_tables(lake: Lakehouse, settings: Settings) -> None:
    """Create every table of the house that is missing."""
    spark = build_session(settings.spark, lake.base) if lake.catalog else None
    for name in TABLES:
        lake.ensure(name, spark)


def _table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A plain text table, no wider than a terminal should be."""
    table = Table(title=title, title_justify="left", box=SIMPLE, header_style="", title_style="bold")
    for name in header:
        numeric = name in {"seconds", "peak GiB", "rows", "ids", "failed", "qty", "s", "GiB", "attempts", "version"}
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    buffer = io.StringIO()
    Console(file=buffer, width=_WIDTH, highlight=False, markup=False).print(table)
    return buffer.getvalue()

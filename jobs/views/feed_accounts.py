"""What became of the feeds: every row accounted for, examples of those set aside, and the days that silver knows."""

from __future__ import annotations

import json
import textwrap
from datetime import date
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jobs.views.series import frame_of
from lakehouse.delta.dataset import batches_of
from lakehouse.delta.io import Lakehouse

OUTCOMES: Final = ("used", "quarantined", "duplicate", "out_of_scope")
_DAILY: Final = ("ds", "y", "is_filled", "is_promo", "is_censored", "masked_by", "y_stated", "y_bound", "price_bound")


def row_accounts(lake: Lakehouse) -> pd.DataFrame:
    """One row per feed: bronze rows, rows of each outcome, and those that no outcome names (0 where all are known)."""
    counts = lake.read_arrow("ops.row_count").to_pandas()
    table = counts.pivot_table(index="feed", columns="outcome", values="rows", aggfunc="sum", fill_value=0)
    known = [name for name in (*OUTCOMES, *sorted(set(table.columns) - {*OUTCOMES})) if name in table.columns]
    bronze = [lake.rows(f"bronze.{feed}") for feed in table.index]
    table = table[known].astype(int)
    return table.assign(unaccounted=bronze - table.sum(axis=1), bronze=bronze).sort_values("bronze", ascending=False)


def rule_counts(lake: Lakehouse) -> pd.DataFrame:
    """Rows that were not used, by feed, outcome and rule, the most first."""
    counts = lake.read_arrow("ops.row_count").to_pandas()
    rows = counts[counts["outcome"] != "used"]
    return rows.sort_values(["rows", "feed", "rule_id"], ascending=[False, True, True], ignore_index=True)


def quarantine_examples(lake: Lakehouse, most: int = 2) -> pd.DataFrame:
    """The first rows that each rule set aside: feed, rule_id, source_file, source_row, reason, payload."""
    columns = ["feed", "rule_id", "source_file", "source_row", "reason", "payload"]
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    counts = lake.read_arrow("ops.row_count").to_pylist()
    wanted = {(row["feed"], row["rule_id"]) for row in counts if row["outcome"] == "quarantined"}
    if lake.exists("ops.quarantine"):
        for batch in batches_of(lake.dataset("ops.quarantine"), columns):
            for row in _first_of_rules(batch, wanted, most):
                kept = found.setdefault((row["feed"], row["rule_id"]), [])
                kept += [row] if len(kept) < most else []
            if all(len(found.get(key, [])) >= most for key in wanted):
                break
    return pd.DataFrame([row for key in sorted(found) for row in found[key]], columns=columns)


def _first_of_rules(batch: pa.RecordBatch, wanted: set[tuple[str, str]], most: int) -> list[dict[str, Any]]:
    """At most so many rows of each rule of a batch: a batch holds tens of thousands."""
    rules = pa.table([batch["feed"], batch["rule_id"]], ["feed", "rule_id"]).to_pandas()
    rules = rules[[pair in wanted for pair in zip(rules["feed"], rules["rule_id"], strict=True)]]
    return batch.take(pa.array(rules.groupby(["feed", "rule_id"]).head(most).index, pa.int64())).to_pylist()


def example_words(examples: pd.DataFrame) -> str:
    """Rows of `quarantine_examples`, two lines each: rule, place and reason, then what the row states."""
    told = []
    rows: list[Any] = list(examples.itertuples())
    for row in rows:
        stated = {name: value for name, value in json.loads(row.payload).items() if value is not None}
        told.append(f"{row.feed}, {row.rule_id} ({row.source_file} row {row.source_row}): {row.reason}")
        told.append(textwrap.shorten("    " + ", ".join(f"{name} {value}" for name, value in stated.items()), 170))
    return "\n".join(told) or "No row was quarantined."


def days_of_sales(lake: Lakehouse, since: date, until: date) -> pd.DataFrame:
    """What silver.sales_daily holds of each day after `since` up to `until`, indexed by day without gaps.

    Columns: series; units; reported, those with a row in the feed; promoted; out_of_stock; implausible, whose units or
    price cannot be believed; masked, whose demand is not known; masked_by, the most frequent reason, '' for none.
    A day without any series is NaN: none of the table's rows is of it.
    """
    days = (pc.field("ds") > since) & (pc.field("ds") <= until)
    parts = []
    for bucket in lake.partition_values("silver.sales_daily", "bucket"):
        here = days & (pc.field("bucket") == int(bucket))
        rows = frame_of(lake.read_arrow("silver.sales_daily", columns=list(_DAILY), filters=here))
        flags = pd.DataFrame(
            {
                "ds": rows["ds"],
                "series": 1,
                "units": rows["y"].fillna(0.0),
                "reported": ~rows["is_filled"] & (rows["y"].notna() | rows["y_stated"].notna()),
                "promoted": rows["is_promo"] == True,  # noqa: E712 (NULL where no feed says)
                "out_of_stock": rows["is_censored"],
                "implausible": rows["y_bound"].notna() | rows["price_bound"].notna(),
                "masked": rows["masked_by"].notna(),
                "masked_by": rows["masked_by"].fillna(""),
            }
        )
        parts.append(flags.groupby(["ds", "masked_by"]).sum().reset_index())
    whole = pd.concat(parts).groupby(["ds", "masked_by"]).sum().reset_index()
    totals = whole.drop(columns="masked_by").groupby("ds").sum()
    reasons = whole[whole["masked_by"] != ""].sort_values("series").groupby("ds")["masked_by"].last()
    span = pd.date_range(pd.Timestamp(since) + pd.Timedelta(days=1), until, freq="D", name="ds")
    return totals.assign(masked_by=reasons).reindex(span).fillna({"masked_by": ""})


def accounts_words(accounts: pd.DataFrame) -> str:
    """Whether every source row is accounted for, in a plain sentence."""
    lost = accounts[accounts["unaccounted"] != 0]
    if len(lost):
        named = ", ".join(f"{feed} {rows:,}" for feed, rows in lost["unaccounted"].to_dict().items())
        return f"NOT every source row is accounted for: {named}. Run clean again; if they stay, this is a defect."
    used, whole = accounts["used"].sum() if "used" in accounts else 0, accounts["bronze"].sum()
    others = f"{whole - used:,} are set aside by a rule that is named" if used < whole else "none is set aside"
    return f"Every one of {whole:,} source rows is accounted for: {used:,} are used, {others}."


def day_words_of(days: pd.DataFrame, until: date) -> str:
    """Days that are missing, late or set aside as a whole, in plain sentences."""
    seen = days[days["series"] > 0]
    if seen.empty:
        return f"silver.sales_daily holds no day up to {until}."
    last, idle = seen.index.max(), seen.index[(seen["reported"] == 0)]
    late = (pd.Timestamp(until) - last).days
    words = f"The last day of sales is {last.date()}" + (
        f", {late} days before {until}." if late else ", the as-of day."
    )
    if len(idle):
        named = ", ".join(f"{day.date()}{_why(seen, day)}" for day in idle[:10])
        words += f" Days on which nothing was reported: {named}{' and more' if len(idle) > 10 else ''}."
    return words


def _why(days: pd.DataFrame, day: pd.Timestamp) -> str:
    reason = days.loc[day, "masked_by"]
    return f" ({reason!s})" if reason else ""

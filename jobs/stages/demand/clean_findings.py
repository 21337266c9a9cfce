"""What cleaning found that a person should know: rows and values lost, days masked, days not believed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from lakehouse.errors import PromiseError, SourceError
from lakehouse.feeds.accounts import RowAccounts
from lakehouse.feeds.date_pattern import likely_days
from lakehouse.feeds.findings import Finding, counted, write_findings
from udfs.demand.trading_days import Spell

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.context import RunContext

_SALES_DAILY, _QUARANTINE = "silver.sales_daily", "ops.quarantine"
_MOST_NAMED = 5


def nothing_left(context: RunContext, accounts: RowAccounts) -> SourceError:
    """Where no row of sales can be used: the rule that most of them broke, with one of them, and what may help."""
    total, dropped = sum(accounts.outcomes("sales").values()), accounts.dropped("sales")
    if dropped == total:
        place = context.mapping.place("feeds", "sales", "drop_when")
        return SourceError(f"sales: no row of {total:,} can be used: all are left out by drop_when ({place})")
    rule, count = next(iter(accounts.rejected("sales").items()))
    example = examples_of(context)["sales", rule]
    return SourceError(
        f"sales: no row of {total:,} can be used; {rule} rejected {count:,}, such as {example}.{hint(rule, example)} "
        "ops.quarantine holds them all with their reasons. Correct the mapping, or the files, and run again."
    )


def hint(rule: str, example: str) -> str:
    """What the text that a rule rejected may be, and how the mapping says so; '' where nothing comes to mind."""
    text = (re.findall(r"= '(.*)'", example) or [""])[0]
    if rule.endswith("_ds"):
        readings = [f'{day} as format = "{pattern}"' for pattern, day in likely_days(text)]
        return f" {text!r} may be {' or '.join(readings)}: say it in the mapping." if readings else ""
    if (grouped := re.fullmatch(r"\d{1,3}(?:([^\d\s-]|[ \u00a0\u202f])\d{3})+", text)) is not None:
        digits = re.sub(r"\D", "", text)
        return f' {text!r} may be {digits}: say notation = {{ thousands = "{grouped[1]}" }} for the feed.'
    return ""


def check_lost_share(context: RunContext, accounts: RowAccounts) -> None:
    """Raise PromiseError where more rows of sales cannot be read than the mapping allows for."""
    share, most = accounts.lost_share(context.mapping), context.mapping.clean.max_lost_share
    if share <= most:
        return
    rule, count = next(iter(accounts.rejected("sales").items()))
    example = examples_of(context)["sales", rule]
    raise PromiseError(
        f"sales: {share:.1%} of the rows cannot be read, more than clean.max_lost_share = {most:.1%} allows; {rule} "
        f"rejected {count:,}, such as {example}.{hint(rule, example)} Nothing is planned from the others. "
        "ops.quarantine holds each row; correct the files or the mapping, or allow for more."
    )


def examples_of(context: RunContext) -> dict[tuple[str, str], str]:
    """By feed and rule, the first row that it rejected: file, row, reason."""
    rows = context.lakehouse.read_spark(context.spark, _QUARANTINE).groupBy("feed", "rule_id")
    first = rows.agg(F.min(F.struct("source_file", "source_row", "reason")).alias("row")).collect()
    return {
        (
            row["feed"],
            row["rule_id"],
        ): f"{row['row']['source_file']} row {row['row']['source_row']}: {row['row']['reason']}"
        for row in first
    }


def say_findings(
    context: RunContext,
    accounts: RowAccounts,
    stray: Sequence[date],
    spells: Sequence[Spell],
    others: Sequence[Finding],
) -> None:
    """Keep what a person should know as ops.finding; the run's summary says it."""
    rejected = bool(accounts.feeds_with("quarantined"))
    found = accounts.findings(examples_of(context) if rejected else {})
    if stray:
        words = f"days far from all others are taken for mistyped: {', '.join(map(str, stray[:_MOST_NAMED]))}"
        found.append(Finding("sales", "stray_days", words, len(stray)))
    found += [*others, *_without_trade(spells)]
    days = context.lakehouse.read_spark(context.spark, _SALES_DAILY)
    doubtful = days.filter("masked_by IS NOT NULL OR y_bound IS NOT NULL OR price_bound IS NOT NULL").persist()
    try:
        found += [*_masked(context, doubtful), *_not_believed(context, doubtful)]
    finally:
        doubtful.unpersist()
    write_findings(context.lakehouse, "clean", found)


def _without_trade(spells: Sequence[Spell]) -> list[Finding]:
    found = []
    for kind, what in (("closed", "taken as closed, not as days without demand"), ("gone", "taken as given up")):
        spans = [
            f"{spell.location_id} {spell.first}" + (f" to {spell.last}" if spell.first < spell.last else "")
            for spell in spells
            if spell.kind == kind
        ]
        if spans:
            are = "is" if len(spans) == 1 else "are"
            words = f"{counted(len(spans), 'spell')} without any sale of a location {are} {what}: "
            words += ", ".join(spans[:_MOST_NAMED])
            found.append(Finding("sales", kind, words, len(spans), tuple(spans[:20])))
    shut = sorted({(spell.location_id, f"{spell.first:%A}") for spell in spells if spell.kind == "weekday"})
    if shut:
        named = ", ".join(f"{place} {day}s" for place, day in shut[:_MOST_NAMED])
        found.append(
            Finding(
                "sales",
                "closed_weekdays",
                f"closed on {counted(len(shut), 'weekday')}, by the sales: {named}",
                len(shut),
            )
        )
    return found


def _masked(context: RunContext, doubtful: DataFrame) -> list[Finding]:
    """Days of series whose demand is unknown, by reason."""
    rows = doubtful.filter("masked_by IS NOT NULL").groupBy("masked_by").count().collect()
    if not rows:
        return []
    named = ", ".join(f"{row['masked_by']} {row['count']:,}" for row in sorted(rows))
    count = sum(row["count"] for row in rows)
    share = count / max(context.lakehouse.rows(_SALES_DAILY), 1)
    words = f"demand of {counted(count, 'day')} of series ({share:.2%}) is unknown, not zero: {named}"
    return [Finding("sales", "days_masked", words, count)]


def _not_believed(context: RunContext, doubtful: DataFrame) -> list[Finding]:
    """The days whose units or price can only be typing errors, the furthest beyond their bound first."""
    is_taken_out = context.mapping.clean.implausible == "mask"
    became = "are not used" if is_taken_out else "are used all the same, as clean.implausible says"
    found = []
    for what, stated, bound in (
        ("units", F.coalesce("y_stated", "y"), F.col("y_bound")),
        ("prices", F.coalesce("price_stated", "unit_price"), F.col("price_bound")),
    ):
        days = doubtful.filter(bound.isNotNull()).select("unique_id", "ds", stated.alias("x"), bound.alias("bound"))
        count = days.count()
        if count:
            beyond = F.abs(F.log(F.greatest("x", F.lit(1e-9)) / F.col("bound"))).desc()
            worst = days.orderBy(beyond, "unique_id", "ds").limit(20).collect()
            named = tuple(
                f"{row['unique_id']} {row['ds']}: {row['x']:,.15g} against a bound of {row['bound']:,.6g}"
                if row["x"] is not None
                else f"{row['unique_id']} {row['ds']}: 1e12 or more"
                for row in worst
            )
            words = (
                f"{what} of {counted(count, 'day')} are beyond belief and {became}: {'; '.join(named[:_MOST_NAMED])}"
            )
            found.append(Finding("sales", f"implausible_{what}", words, count, named))
    return found

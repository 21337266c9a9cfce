"""`shelfcast check`: what a run would make of a folder under a mapping, said in seconds and without tables."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.stages.demand.days_of_trade import judge_shared, refuse_sums, says_how_files_share
from lakehouse.errors import SourceError
from lakehouse.feeds.accounts import RowAccounts
from lakehouse.feeds.date_pattern import likely_days
from lakehouse.feeds.findings import counted
from lakehouse.feeds.lines_beside import told
from lakehouse.feeds.quality import words_for
from lakehouse.feeds.reading import zones_of_places
from lakehouse.feeds.sources import SourceMapping
from lakehouse.transforms.silver.feed_check import FeedCheck, check_feed
from udfs.demand.trading_days import stray_days

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_FILES_SHOWN = 10


@dataclass(slots=True)
class SourceCheck:
    """All feeds of a mapping, checked. refusals: why a run would not take them; notes: what it would not say itself."""

    feeds: dict[str, FeedCheck] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, reason: str) -> None:
        if reason not in self.refusals:
            self.refusals.append(reason)

    def accounts(self) -> RowAccounts:
        rows = {(name, *key): count for name, feed in self.feeds.items() for key, count in feed.rows.items()}
        lost = {(name, column): found for name, feed in self.feeds.items() for column, found in feed.lost.items()}
        return RowAccounts(rows, lost)

    def verdict(self) -> str:
        if self.refusals:
            return f"a run would refuse this: {'; '.join(self.refusals)}"
        sales = self.feeds["sales"]
        return f"a run would take this in: {sales.used:,} of {sum(sales.rows.values()):,} rows of sales can be used"

    def next_step(self, source: str, input_dir: Path) -> str:
        """The run that may follow, as of the last day of sales; '' where a run would refuse the folder."""
        if self.refusals:
            return ""
        last, counted_to = self.feeds["sales"].last_ds, self.feeds["stock"].last_ds if "stock" in self.feeds else None
        note = ""
        if last and counted_to and counted_to > last:
            note = (
                f"note: stock is counted until {counted_to}, the last sale is of {last}: a run does not look at counts "
                f"after its --as-of; give {counted_to} if sales are complete until then\n"
            )
        given = ["--source", source, "--input", str(input_dir), "--lakehouse", "lake/my_shop", "--as-of", str(last)]
        return f"{note}next: {shlex.join(['shelfcast', 'run', *given])}"

    def as_json(self) -> dict[str, Any]:
        feeds = {}
        for name, feed in self.feeds.items():
            feeds[name] = {
                "files": feed.files,
                "rows": [{"outcome": o, "rule": r, "rows": n} for (o, r), n in sorted(feed.rows.items())],
                "lost": {column: {"rows": n, "example": text} for column, (n, text) in feed.lost.items()},
                "examples": {key: asdict(example) for key, example in feed.examples.items()},
                "first_ds": str(feed.first_ds or "") or None,
                "last_ds": str(feed.last_ds or "") or None,
                "series": feed.series,
                "set_aside": feed.set_aside,
                "news": feed.news,
                "left_to_run": feed.left_to_run,
            }
        return {"feeds": feeds, "notes": self.notes, "refusals": self.refusals, "is_refused": bool(self.refusals)}


def check_source(
    mapping: SourceMapping, input_dir: Path, spark: Callable[[], SparkSession], most_pieces: int | None = None
) -> SourceCheck:
    """Check each feed, going on where one is refused, so that all reasons are said at once."""
    report = SourceCheck()
    zones: dict[str, str] = {}
    with _refusal(report):
        zones = zones_of_places(mapping, input_dir, spark)
    for name in mapping.feeds:
        report.feeds[name] = FeedCheck(name)
        try:
            report.feeds[name] = _checked(mapping, name, input_dir, spark, zones, most_pieces, report.feeds[name])
        except SourceError as error:
            report.feeds[name].refusal = str(error)
            report.refuse(str(error))
    if not report.feeds["sales"].refusal:
        _judge_sales(report, mapping)
    return report


def text_of(report: SourceCheck) -> str:
    """The report for people; its last line is the verdict."""
    shown = {name: feed for name, feed in report.feeds.items() if feed.files or feed.refusal}
    lines = [line for name, feed in shown.items() for line in _feed_lines(name, feed)]
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes), report.verdict()])


@contextlib.contextmanager
def _refusal(report: SourceCheck) -> Any:
    try:
        yield
    except SourceError as error:
        report.refuse(str(error))


def _checked(
    mapping: SourceMapping,
    name: str,
    input_dir: Path,
    spark: Callable[[], SparkSession],
    zones: Mapping[str, str],
    most_pieces: int | None,
    check: FeedCheck,
) -> FeedCheck:
    found = check_feed(mapping, name, input_dir, spark, zones=zones, most_pieces=most_pieces, check=check)
    stray = stray_days(found.census) if name == "sales" and not mapping.clean.first_day else []
    if not stray:
        return found
    # Which days lie far from all others is known once all are read; it is rare, so the files are read again.
    again = check_feed(mapping, name, input_dir, spark, zones=zones, stray=stray, most_pieces=most_pieces)
    again.census = again.census.filter(pc.invert(pc.is_in(again.census["ds"], pa.array(stray, pa.date32()))))
    return again


def _judge_sales(report: SourceCheck, mapping: SourceMapping) -> None:
    """What stops a run, or should make a person stop, once all rows are read."""
    sales, accounts = report.feeds["sales"], report.accounts()
    with _refusal(report):
        refuse_sums(mapping, sales.census)
    rejected, total = accounts.rejected("sales"), sum(sales.rows.values())
    if not sales.used:
        rule = next(iter(rejected), "")
        reason = f"; {rule} rejected {rejected[rule]:,}, such as {sales.examples[rule]}" if rule else ""
        report.refusals.append(f"no row of {total:,} of sales can be used{reason}{_other_readings(sales, rule)}")
    elif (share := accounts.lost_share(mapping)) > mapping.clean.max_lost_share:
        report.refusals.append(
            f"{share:.1%} of the rows of sales cannot be read, more than max_lost_share = "
            f"{mapping.clean.max_lost_share:.1%} allows"
        )
    if not says_how_files_share(mapping):
        with _refusal(report):
            days = pa.array(sales.shared_days, pa.date32())
            report.notes += [finding.words for finding in judge_shared(days, *sales.stated_again)]


def _other_readings(sales: FeedCheck, rule: str) -> str:
    if not rule.endswith("_ds"):
        return ""
    text = sales.examples[rule].words.rpartition("= ")[2].strip("'").partition(" (not ")[0]
    readings = [f'{day} as format = "{pattern}"' for pattern, day in likely_days(text)]
    return f". {text!r} may be {' or '.join(readings)}" if readings else ""


def _feed_lines(name: str, feed: FeedCheck) -> list[str]:
    span = f"{feed.first_ds} to {feed.last_ds}" if feed.first_ds != feed.last_ds else str(feed.first_ds)
    days = f", {span}" if feed.first_ds else ""
    series = f", {feed.series:,} series" if feed.series else ""
    files = counted(len(feed.files), "file")
    lines = [f"{name}: {files}, {counted(sum(feed.rows.values()), 'row')}{days}{series}"]
    lines += [f"  refused, so that no further row was read: {feed.refusal}"] if feed.refusal else []
    lines += [f"  {path}: {counted(rows, 'row')}" for path, rows in list(feed.files.items())[:_FILES_SHOWN]]
    if (more := len(feed.files) - _FILES_SHOWN) > 0:
        lines.append(f"  and {more:,} more files")
    words = {"used": "used", "quarantined": "set aside", "duplicate": "duplicates", "out_of_scope": "out of scope"}
    order = list(words)
    for (outcome, rule), rows in sorted(feed.rows.items(), key=lambda item: (order.index(item[0][0]), -item[1])):
        example = f"; such as {feed.examples[rule]}" if rule in feed.examples else ""
        if rule == "repeated_key" and feed.is_of_sales:
            example = f": {name} are taken from the lines of sales, which name each of them often"
        lines.append(f"  {words[outcome]}{f' by {rule}' if rule else ''}: {counted(rows, 'row')}{example}")
    for column, (rows, _) in feed.lost.items():
        expected = "" if f"lost {column}" in feed.examples else f"; must be {words_for(column)}"
        lines.append(
            f"  unknown {column}: {counted(rows, 'value')}; such as {feed.examples.get(f'lost {column}', expected)}"
        )
    lines += [f"  {words}" for words in (*told(feed.set_aside), *feed.news)]
    lines += [f"  left to the run: {rule} ({why})" for rule, why in feed.left_to_run.items()]
    return lines

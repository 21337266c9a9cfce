"""Ingest: the source's files become bronze tables, each content once, whatever the files' names.

What is new, renamed, repeated, replaced or gone is decided by `lakehouse/feeds/register.py`; here it is done and said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.engine.side_by_side import side_by_side
from jobs.engine.stage import FrameStage, Needs
from jobs.stages.demand.input_files import REGISTER, fingerprint, input_dir, known_files, plans_of, zones
from lakehouse.delta.files import write_bucket
from lakehouse.delta.io import WrittenFile
from lakehouse.delta.ledger import StageRecord
from lakehouse.errors import SourceError
from lakehouse.feeds import lines_beside
from lakehouse.feeds.findings import findings_of, write_findings
from lakehouse.feeds.reading import open_feed_file
from lakehouse.feeds.register import Line, News, Plan, Reading, check_size, when_emptied
from lakehouse.feeds.sql_clauses import SparkFault, in_a_line
from lakehouse.schema.tables import FEEDS

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_ONE_REGISTER = Lock()
_ROWS_A_FILE = 1_000_000


def build(context: RunContext, _frames: Frames) -> StageRecord:
    """Take in every content that is new or read otherwise than before, and do what the mapping says of the others."""
    plans = plans_of(context)
    works = {name: partial(_follow, context, name, plan) for name, plan in plans.items()}
    taken = side_by_side(None, works)
    found = [finding for name in works for finding in findings_of(name, taken[name][1])]
    write_findings(context.lakehouse, "ingest", found)
    return StageRecord("succeeded", rows=sum(rows for rows, _ in taken.values()))


def _follow(context: RunContext, name: str, plan: Plan) -> tuple[int, list[News]]:
    """Do what is planned for a feed, file by file; returns the rows taken in, and what a person should know."""
    table, rows = f"bronze.{name}", 0
    context.lakehouse.ensure(table, context.spark if context.lakehouse.catalog else None)
    news = list(plan.news)
    _say(context, name, news)
    beside: dict[str, Mapping[str, int]] = {}
    held = {line.batch_id: line.rows for line in known_files(context, name)}
    for reading in plan.readings:
        taken, told = _take_in(context, name, reading, held, beside)
        _say(context, name, told)
        rows += taken
        news += told
    for words in lines_beside.told(beside):
        context.progress.say(f"  ingest: {name}: {words}")
    if plan.removed:
        context.lakehouse.commit_files(table, [], {"batch_id": list(plan.removed)})
    _register(context, name, plan.lines)
    return rows, news


def look(context: RunContext) -> None:
    """Where there is nothing to take in: say what became of the files, and learn new names of known ones."""
    if context.input_dir is None:
        return
    for name, plan in plans_of(context).items():
        _say(context, name, plan.news)
        if not plan.readings and not plan.removed:
            _register(context, name, plan.lines)


def _say(context: RunContext, name: str, told: Sequence[News]) -> None:
    for news in told:
        context.progress.say(f"  ingest: {name}: {news}")
        context.progress.event("files", feed=name, news=news.kind, files=list(news.files))


def _take_in(
    context: RunContext, name: str, reading: Reading, held: dict[str, int], beside: dict[str, Mapping[str, int]]
) -> tuple[int, list[News]]:
    """Write one file's rows to bronze and, once they are there, its line in the register of files.

    held: rows of the feed's files by batch, which is brought up to date: the register is not read for each file;
    beside: by file, the lines that are no records, which is added to.
    """
    file = reading.file
    try:
        others = [count for count in held.values() if count]
        taken, rows, news = _write(context, name, reading, others, beside)
    except SparkFault as error:
        raise SourceError(
            f"{file.path}: cannot be read: {in_a_line(error)} Deliver it again, or take it out of the folder; what "
            "it gave before stays until then."
        ) from error
    before = sum(line.rows for line in taken.replaces)
    instead = f", in place of {before:,} rows of {', '.join(sorted({line.name for line in taken.replaces}))}"
    context.progress.say(f"  ingest: {file.path} -> bronze.{name}: {rows:,} rows{instead if before else ''}")
    context.progress.event("file", feed=name, file=file.path, rows=rows, bytes=file.bytes, rows_replaced=before)
    settled = [line.with_rows(0) for line in taken.replaces] if taken.replaces else reading.kept()
    lines = [*settled, taken.line.with_rows(rows)]
    _register(context, name, lines)
    held.update({line.batch_id: line.rows for line in lines})
    return rows, news


def _write(
    context: RunContext, name: str, reading: Reading, others: Sequence[int], beside: dict[str, Mapping[str, int]]
) -> tuple[Reading, int, list[News]]:
    """Put the file's rows in place of those that it replaces; returns the reading as it was done, rows and news.

    others: rows of the feed's files, to tell whether this one is whole; beside: see `_take_in`.
    """
    lake, file, table = context.lakehouse, reading.file, f"bronze.{name}"
    feed = context.mapping.feeds[name]
    written, news = ([], []) if file.is_empty else _written(context, name, reading, beside)
    rows = sum(part.rows for part in written)
    if reading.takes_rows_away and not rows:
        reading = when_emptied(feed, reading)
    elif sized := check_size(feed, reading, rows, others):
        news.append(sized)
    batches = [file.batch_id, *(line.batch_id for line in reading.replaces)]
    if written or reading.replaces or not file.is_empty:
        lake.commit_files(table, written, {"batch_id": batches})
    return reading, rows, news


def _written(
    context: RunContext, name: str, reading: Reading, beside: dict[str, Mapping[str, int]]
) -> tuple[list[WrittenFile], list[News]]:
    """The file's rows as Parquet below bronze, not yet committed: nothing counts before all of them are read."""
    file, table = reading.file, f"bronze.{name}"
    reader = open_feed_file(
        file,
        name,
        context.mapping,
        input_dir(context),
        lambda: context.spark,
        arrived_at=reading.line.arrived_at,
        zones=zones(context),
        as_of=context.as_of,
    )
    written, waiting = [], []
    for piece in chain(reader.tables(), [None]):
        if piece is not None:
            waiting.append(piece)
        if waiting and (piece is None or sum(part.num_rows for part in waiting) >= _ROWS_A_FILE):
            rows = pa.concat_tables(waiting)
            written.append(write_bucket(table, context.lakehouse.uri(table), rows, {"batch_id": file.batch_id}))
            waiting = []
    if reader.set_aside:
        beside[file.path] = reader.set_aside
    news = [News("reading", words.removeprefix(f"{file.path}: "), (file.path,)) for words in reader.records.news]
    return [part for part in written if part is not None], news


def _register(context: RunContext, name: str, lines: Sequence[Line]) -> None:
    with _ONE_REGISTER:  # feeds are taken in side by side, and a table takes one commit after the other
        context.lakehouse.upsert(REGISTER, [line.row(context.mapping.name, name) for line in lines])


STAGE = FrameStage(
    name="ingest",
    version=6,
    writes=tuple(f"bronze.{feed}" for feed in FEEDS),
    build=build,
    look=look,
    identity=fingerprint,
    is_by_day=False,
    needs=Needs(retries=2),  # files come from elsewhere
)

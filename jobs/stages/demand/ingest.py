"""Ingest: the source's files become bronze tables, each content once, whatever the files' names.

What is new, renamed, repeated, replaced or gone is decided by `lakehouse/feeds/register.py`; here it is done and said.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from jobs.engine.hashing import digest
from jobs.engine.side_by_side import side_by_side
from jobs.engine.stage import FrameStage
from lakehouse.delta.files import write_bucket
from lakehouse.delta.io import WrittenFile
from lakehouse.delta.ledger import StageRecord
from lakehouse.errors import ConfigError, SourceError
from lakehouse.feeds.bronze import READER
from lakehouse.feeds.feed_files import FeedFile, find_feed_files, lookup_file
from lakehouse.feeds.reading import open_feed_file, zones_of_places
from lakehouse.feeds.register import Line, Plan, Reading, plan_feed, when_emptied
from lakehouse.feeds.sources import FILE_RULES
from lakehouse.schema.tables import FEEDS

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

_REGISTER = "ops.ingest_file"
_ONE_REGISTER = Lock()
_ROWS_A_FILE = 1_000_000


def build(context: RunContext, _frames: Frames) -> StageRecord:
    """Take in every content that is new or read otherwise than before, and do what the mapping says of the others."""
    plans = plans_of(context)
    works = {name: partial(_follow, context, name, plan) for name, plan in plans.items()}
    return StageRecord("succeeded", rows=sum(side_by_side(None, works).values()))


def _follow(context: RunContext, name: str, plan: Plan) -> int:
    """Do what is planned for a feed, file by file; returns the rows taken in."""
    table, rows = f"bronze.{name}", 0
    context.lakehouse.ensure(table, context.spark if context.lakehouse.catalog else None)
    _say(context, name, plan)
    for reading in plan.readings:
        rows += _take_in(context, name, reading)
    if plan.removed:
        context.lakehouse.commit_files(table, [], {"batch_id": list(plan.removed)})
    _register(context, name, plan.lines)
    return rows


def look(context: RunContext) -> None:
    """Where there is nothing to take in: say what became of the files, and learn new names of known ones."""
    if context.input_dir is None:
        return
    for name, plan in plans_of(context).items():
        _say(context, name, plan)
        if not plan.readings and not plan.removed:
            _register(context, name, plan.lines)


def plans_of(context: RunContext) -> dict[str, Plan]:
    """What is to be done, by feed: nothing is read or written before all feeds are decided on."""
    now = datetime.now(UTC)
    return {
        name: plan_feed(feed, files_of(context, name), known_files(context, name), reading_hash(context, name), now)
        for name, feed in context.mapping.feeds.items()
    }


def _say(context: RunContext, name: str, plan: Plan) -> None:
    for news in plan.news:
        context.progress.say(f"  ingest: {name}: {news}")
        context.progress.event("files", feed=name, news=news.kind, files=list(news.files))


def _take_in(context: RunContext, name: str, reading: Reading) -> int:
    """Write one file's rows to bronze and, once they are there, its line in the register of files."""
    file = reading.file
    try:
        taken, rows = _write(context, name, reading)
    except (PySparkException, Py4JError) as error:
        reason = str(error).strip().split("\n")[0]
        raise SourceError(
            f"{file.path}: cannot be read: {reason} Deliver it again, or take it out of the folder; what it gave "
            "before stays until then."
        ) from error
    before = sum(line.rows for line in taken.replaces)
    instead = f", in place of {before:,} rows of {', '.join(sorted({line.name for line in taken.replaces}))}"
    context.progress.say(f"  ingest: {file.path} -> bronze.{name}: {rows:,} rows{instead if before else ''}")
    context.progress.event("file", feed=name, file=file.path, rows=rows, bytes=file.bytes, rows_replaced=before)
    settled = [line.with_rows(0) for line in taken.replaces] if taken.replaces else reading.kept()
    _register(context, name, [*settled, taken.line.with_rows(rows)])
    return rows


def _write(context: RunContext, name: str, reading: Reading) -> tuple[Reading, int]:
    """Put the file's rows in place of those that it replaces; returns the reading as it was done, and its rows."""
    lake, file, table = context.lakehouse, reading.file, f"bronze.{name}"
    written = [] if file.is_empty else _written(context, name, reading)
    rows = sum(part.rows for part in written)
    if reading.takes_rows_away and not rows:
        reading = when_emptied(context.mapping.feeds[name], reading)
    batches = [file.batch_id, *(line.batch_id for line in reading.replaces)]
    if written or reading.replaces or not file.is_empty:
        lake.commit_files(table, written, {"batch_id": batches})
    return reading, rows


def _written(context: RunContext, name: str, reading: Reading) -> list[WrittenFile]:
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
    )
    written, waiting = [], []
    for piece in chain(reader.tables(), [None]):
        if piece is not None:
            waiting.append(piece)
        if waiting and (piece is None or sum(part.num_rows for part in waiting) >= _ROWS_A_FILE):
            rows = pa.concat_tables(waiting)
            written.append(write_bucket(table, context.lakehouse.uri(table), rows, {"batch_id": file.batch_id}))
            waiting = []
    for words in reader.records.news:
        context.progress.say(f"  ingest: {name}: {words}")
    return [part for part in written if part is not None]


def zones(context: RunContext) -> dict[str, str]:
    """Time zone by location, where the locations feed states some."""
    return zones_of_places(context.mapping, input_dir(context), lambda: context.spark)


def _register(context: RunContext, name: str, lines: Sequence[Line]) -> None:
    with _ONE_REGISTER:  # feeds are taken in side by side, and a table takes one commit after the other
        context.lakehouse.upsert(_REGISTER, [line.row(context.mapping.name, name) for line in lines])


def fingerprint(context: RunContext) -> str | None:
    """Hash of the files' contents, of how the mapping reads them and of how it lets one follow the other.

    Equal means nothing new to take in. Names count only where the mapping takes something from them. None where the
    call names no folder: then what bronze holds is what there is.
    """
    if context.input_dir is None:
        return None
    parts = []
    for name, feed in context.mapping.feeds.items():
        by_name = feed.order_by is not None or feed.replaces not in ("name", "nothing", "feed")
        contents = sorted({(file.batch_id, file.path if by_name else "") for file in files_of(context, name)})
        rules = feed.model_dump(mode="json", include=set(FILE_RULES - {"files", "optional"}))
        parts.append((name, reading_hash(context, name), rules, contents))
    return digest(sorted(parts, key=lambda part: part[0]))


def reading_hash(context: RunContext, name: str) -> str:
    """Hash of all that decides which rows a file's content becomes: the mapping and the look-up beside it."""
    feed = context.mapping.feeds[name]
    how = feed.model_dump(mode="json", exclude=set(FILE_RULES), exclude_defaults=True)
    lookup = lookup_file(feed, input_dir(context))
    source = context.mapping
    return digest(
        READER,
        how,
        source.notation.model_dump(mode="json", exclude_defaults=True),
        source.timezone,
        source.currency,
        source.clean.drop_exact_duplicates,
        lookup[0].content if lookup else "",
        {} if name == "locations" else zones(context),
    )


def files_of(context: RunContext, name: str) -> list[FeedFile]:
    """The feed's files in the input folder. There may be none where an earlier run took some in."""
    feed, folder = context.mapping.feeds[name], input_dir(context)
    if not feed.optional and any(line.rows for line in known_files(context, name)):
        feed = feed.model_copy(update={"optional": True})
    return find_feed_files(feed, folder)


def input_dir(context: RunContext) -> Path:
    if context.input_dir is None:
        raise ConfigError("ingest needs the folder of the feeds; give --input DIR")
    if not context.input_dir.is_dir():
        raise ConfigError(f"--input {context.input_dir} is not a folder")
    return context.input_dir


def known_files(context: RunContext, feed: str) -> list[Line]:
    """The register's lines of a feed."""
    rows = context.lakehouse.read_arrow(_REGISTER, filters=pc.field("feed") == feed).to_pylist()
    return [Line.of(row) for row in rows]


STAGE = FrameStage(
    name="ingest",
    writes=tuple(f"bronze.{feed}" for feed in FEEDS),
    build=build,
    look=look,
    identity=fingerprint,
    is_by_day=False,
)

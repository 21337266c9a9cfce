"""Ingest: the source's files become bronze tables, each file once.

A file is known by its content and by the mapping that read it. One that changed replaces the rows it gave before.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from jobs.engine.hashing import digest
from jobs.engine.stage import FrameStage
from lakehouse.delta.ledger import StageRecord
from lakehouse.errors import ConfigError
from lakehouse.feeds.bronze import to_bronze
from lakehouse.feeds.feed_files import FeedFile, find_feed_files, read_feed_file, read_lookup
from lakehouse.feeds.sources import Feed
from lakehouse.schema.tables import FEED_COLUMNS

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames


def build(context: RunContext, _frames: Frames) -> StageRecord:
    """Take in every new or changed file of every feed."""
    rows = 0
    for name, feed in context.mapping.feeds.items():
        table = f"bronze.{name}"
        context.lakehouse.ensure(table, context.spark)
        known = known_files(context, name)
        for file in find_feed_files(feed, input_dir(context)):
            before = known.get(file.path)
            if before == (file.batch_id, feed_hash(feed)):
                continue
            rows += _take_in(context, name, feed, file, replaces=before[0] if before else None)
    return StageRecord("succeeded", rows=rows)


def _take_in(context: RunContext, name: str, feed: Feed, file: FeedFile, replaces: str | None) -> int:
    """Write one file's rows to bronze and, once they are there, its line in the register of files."""
    table = f"bronze.{name}"
    raw = read_feed_file(context.spark, file, feed)
    lookup = read_lookup(context.spark, feed, input_dir(context))
    frame = to_bronze(raw, name, context.mapping, lookup)
    batches = ", ".join(f"'{batch}'" for batch in dict.fromkeys([file.batch_id, replaces or file.batch_id]))
    version = context.lakehouse.write_spark(frame, table, replace_where=f"batch_id IN ({batches})")
    rows = context.lakehouse.rows(table, version, {"batch_id": file.batch_id})
    context.progress.say(f"  ingest: {file.path} -> {table}: {rows:,} rows")
    context.progress.event("file", feed=name, file=file.path, rows=rows, bytes=file.bytes)
    line = {
        "source": context.mapping.name,
        "feed": name,
        "source_file": file.path,
        "batch_id": file.batch_id,
        "config_hash": feed_hash(feed),
        "file_bytes": file.bytes,
        "rows": rows,
        "ingested_at": datetime.now(UTC),
    }
    context.lakehouse.upsert("ops.ingest_file", [line])
    return rows


def fingerprint(context: RunContext) -> str | None:
    """Hash of every file's content and of the mapping that reads it: equal means nothing new to take in.

    None where the call names no folder: then what bronze holds is what there is.
    """
    if context.input_dir is None:
        return None
    files = [
        (name, file.path, file.batch_id, feed_hash(feed))
        for name, feed in context.mapping.feeds.items()
        for file in find_feed_files(feed, input_dir(context))
    ]
    return digest(sorted(files))


def feed_hash(feed: Feed) -> str:
    return digest(feed.model_dump(mode="json"))


def input_dir(context: RunContext) -> Path:
    if context.input_dir is None:
        raise ConfigError("ingest needs the folder of the feeds; give --input DIR")
    if not context.input_dir.is_dir():
        raise ConfigError(f"--input {context.input_dir} is not a folder")
    return context.input_dir


def known_files(context: RunContext, feed: str) -> dict[str, tuple[str, str]]:
    """(batch_id, mapping hash) of the files of a feed taken in before, by path."""
    rows = context.lakehouse.read_arrow("ops.ingest_file", filters=pc.field("feed") == feed).to_pylist()
    return {row["source_file"]: (row["batch_id"], row["config_hash"]) for row in rows}


STAGE = FrameStage(
    name="ingest",
    writes=tuple(f"bronze.{feed}" for feed in FEED_COLUMNS),
    build=build,
    identity=fingerprint,
    is_by_day=False,
)

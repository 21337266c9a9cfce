"""The files of the input folder beside those that are known: what is to be done with each, and a hash of it all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from jobs.engine.hashing import digest
from lakehouse.errors import ConfigError
from lakehouse.feeds.bronze import READER
from lakehouse.feeds.feed_files import FeedFile, find_feed_files, lookup_file
from lakehouse.feeds.reading import zones_of_places
from lakehouse.feeds.register import Line, Plan, plan_feed
from lakehouse.feeds.sources import FILE_RULES

if TYPE_CHECKING:
    from jobs.context import RunContext

REGISTER = "ops.ingest_file"


def plans_of(context: RunContext) -> dict[str, Plan]:
    """What is to be done, by feed: nothing is read or written before all feeds are decided on."""
    now = datetime.now(UTC)
    return {
        name: plan_feed(feed, files_of(context, name), known_files(context, name), reading_hash(context, name), now)
        for name, feed in context.mapping.feeds.items()
    }


def zones(context: RunContext) -> dict[str, str]:
    """Time zone by location, where the locations feed states some."""
    return zones_of_places(context.mapping, input_dir(context), lambda: context.spark)


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
        *([source.rates] if source.rates and "currency" in feed.columns else []),
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
    rows = context.lakehouse.read_arrow(REGISTER, filters=pc.field("feed") == feed).to_pylist()
    return [Line.of(row) for row in rows]

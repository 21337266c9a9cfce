"""The register of files: what of a feed is new, renamed, repeated, replaced or gone, decided before anything is read.

A file is its content. The register (`ops.ingest_file`) holds a line per feed, content and name, of which one a content
counts: the name that it has now, with the rows that it gave and when it first came; the others are `removed`. So the
register's rows add up to bronze. `plan_feed` compares it with the files of the input folder; it reads no row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Literal

from lakehouse.errors import SourceError
from lakehouse.feeds.feed_files import FeedFile, earlier_batch_id, named_batch_id
from lakehouse.feeds.file_order import name_key
from lakehouse.feeds.sources import Feed

FileState = Literal["read", "gone", "superseded", "removed"]
_SHOWN = 5
_MANY = 1_000  # rows
_SEVERAL = 5  # files


@dataclass(frozen=True, slots=True)
class Line:
    """What the register says of one content of a feed; `state` as the column `file_state` says, None for the NULL."""

    batch_id: str
    name: str
    reading: str
    bytes: int
    rows: int
    arrived_at: datetime
    state: FileState | None = "read"
    other_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Line:
        """A row of `ops.ingest_file`, also of one that had fewer columns."""
        return cls(
            row["batch_id"],
            row["source_file"],
            row["config_hash"],
            row["file_bytes"],
            row["rows"],
            row["ingested_at"],
            row.get("file_state"),
            tuple(json.loads(row.get("other_names") or "[]")),
        )

    def with_rows(self, rows: int) -> Line:
        return replace(self, rows=rows)

    def row(self, source: str, feed: str) -> dict[str, Any]:
        """The line as a row of `ops.ingest_file`."""
        return {
            "source": source,
            "feed": feed,
            "source_file": self.name,
            "batch_id": self.batch_id,
            "config_hash": self.reading,
            "file_bytes": self.bytes,
            "rows": self.rows,
            "ingested_at": self.arrived_at,
            "file_state": self.state,
            "other_names": json.dumps(self.other_names, ensure_ascii=False) if self.other_names else None,
        }


@dataclass(frozen=True, slots=True)
class Reading:
    """A file to take in, the line that it gets, and the lines of files whose rows go when its rows come."""

    file: FeedFile
    line: Line
    replaces: tuple[Line, ...] = ()

    @property
    def takes_rows_away(self) -> bool:
        """Whether rows would be missing if the file had none; a file that was never read may have some."""
        return any(line.rows or line.state == "superseded" for line in self.replaces)

    def kept(self) -> list[Line]:
        """The lines of the files that it would have replaced, as they are when their rows stay."""
        return [replace(line, state="gone" if line.state == "removed" else "read") for line in self.replaces]


@dataclass(frozen=True, slots=True)
class News:
    """Something about a feed's files that a person should know."""

    kind: str
    words: str
    files: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.words}: {_listed(self.files)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for a feed: files to read, batches whose rows go, lines that change besides, and the news."""

    readings: tuple[Reading, ...] = ()
    removed: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    news: tuple[News, ...] = ()


@dataclass(slots=True)
class _Content:
    """A content that lies in the folder: its file (under the name that it is known by), all its names, its line."""

    file: FeedFile
    files: tuple[FeedFile, ...]
    known: Line | None
    arrived_at: datetime
    earlier_names: list[str] = field(default_factory=list)
    replaces: list[Line] = field(default_factory=list)
    is_superseded: bool = False
    is_due: bool = False

    @property
    def other_names(self) -> tuple[str, ...]:
        return tuple(file.path for file in self.files if file.path != self.file.path)

    @property
    def has_no_rows(self) -> bool:
        return self.file.is_empty or (self.known is not None and self.known.state == "read" and not self.known.rows)

    def line(self, reading: str) -> Line:
        """What the register is to say of it; `reading` is how it is read where it is due."""
        known = self.known
        return Line(
            self.file.batch_id,
            self.file.path,
            known.reading if known and not self.is_due else reading,
            self.file.bytes,
            known.rows if known and not self.is_superseded else 0,
            self.arrived_at,
            "superseded" if self.is_superseded else "read",
            self.other_names,
        )


def plan_feed(feed: Feed, found: Sequence[FeedFile], known: Iterable[Line], reading: str, now: datetime) -> Plan:
    """Decide on a feed's files.

    found: what lies in the folder; known: the register's lines of the feed; reading: a hash of how the mapping reads a
    file (after another one, what is there is read again); now: when new files came.
    Raises SourceError where a rule of the mapping refuses, before anything has changed.
    """
    living = [line for line in known if line.state != "removed"]
    lines = {line.batch_id: line for line in living}
    contents = _contents(feed, found, lines, now)
    names_now = {each.file.batch_id: each.file.path for each in contents}
    missing = _without_heirs(feed, contents, [line for line in lines.values() if line.batch_id not in names_now])
    missing, dropped = _superseded(feed, contents, missing)
    gone = [line for line in missing if line.rows]
    _refuse(feed, contents, gone)
    for each in contents:
        each.is_due = _is_due(feed, each, reading)
    readings = tuple(Reading(each.file, each.line(reading), tuple(each.replaces)) for each in contents if each.is_due)
    dropped += [line for each in contents if not each.is_due for line in each.replaces]
    dropped += [_removed(line) for line in missing if feed.when_gone == "remove" or not line.rows]
    kept = [replace(line, state="gone") for line in gone if feed.when_gone == "keep" and line.state is not None]
    now_said = [*kept, *(each.line(reading) for each in contents), *(line.with_rows(0) for line in dropped)]
    lines_now = {line.batch_id: line for line in now_said}.values()
    settled = {line.batch_id for each in readings for line in (each.line, *each.replaces)}
    return Plan(
        readings,
        tuple(line.batch_id for line in dropped if line.rows),
        (
            *(line for line in lines_now if line.batch_id not in settled and lines.get(line.batch_id) != line),
            *(_removed(line).with_rows(0) for line in living if names_now.get(line.batch_id, line.name) != line.name),
        ),
        _news(feed, contents, gone, reading),
    )


def when_emptied(feed: Feed, reading: Reading) -> Reading:
    """The reading of a file that turned out to have no row: whether the rows that it replaces go.

    Raises SourceError where the mapping does not say that they may.
    """
    if not reading.takes_rows_away or feed.when_emptied == "remove":
        return reading
    if feed.when_emptied == "keep":
        return replace(reading, replaces=())
    names, rows = sorted({line.name for line in reading.replaces}), sum(line.rows for line in reading.replaces)
    raise SourceError(
        f"{reading.file.path} has no row; it would take the place of {names} with {rows:,} rows, which stay. Deliver "
        'it again, or take it out of the folder; if it is right, say when_emptied = "remove" or "keep" in the source '
        "mapping."
    )


def check_size(feed: Feed, reading: Reading, rows: int, others: Sequence[int]) -> News | None:
    """What is to be said of a file that has far fewer or more rows than what it replaces, or than `others` of the feed.

    Raises SourceError where half the rows of what it replaces would go, and the mapping does not say that they may: an
    export that was cut off would turn the rest into days without sales. Small files come and go.
    """
    before = sum(line.rows for line in reading.replaces)
    if not before and len(others) >= _SEVERAL and 2 * rows <= (usual := int(median(others))) >= _MANY:
        words = f"{rows:,} rows where files of the feed have {usual:,}, so it may not be whole"
        return News("small", words, (reading.file.path,))
    if before < _MANY or before < 2 * rows < 3 * before:
        return None
    if rows < before and feed.when_shrunk == "refuse":
        names = _listed(sorted({line.name for line in reading.replaces}))
        raise SourceError(
            f"{reading.file.path} has {rows:,} rows; it would take the place of {names} with {before:,} rows, which "
            'stay. Deliver it again, whole; if it is right, say when_shrunk = "accept" in the source mapping.'
        )
    return News("shrunk" if rows < before else "grown", f"{rows:,} rows in place of {before:,}", (reading.file.path,))


def _contents(feed: Feed, found: Sequence[FeedFile], lines: Mapping[str, Line], now: datetime) -> list[_Content]:
    """The contents of the folder in the order in which they came, new ones by name."""
    _refuse_packed_twins(found)
    by_batch: dict[str, list[FeedFile]] = {}
    for file in sorted(found, key=lambda file: (_name_order(feed, file.path, is_found=True), file.path)):
        by_batch.setdefault(file.batch_id, []).append(file)
    contents = []
    for number, (batch_id, files) in enumerate(by_batch.items()):
        line = lines.get(batch_id)
        named = next((file for file in files if line and file.path == line.name), files[0])
        came = line.arrived_at if line else now + timedelta(microseconds=number)
        earlier = [line.name] if line and line.name not in {file.path for file in files} else []
        contents.append(_Content(named, tuple(files), line, came, earlier))
    return sorted(contents, key=lambda each: each.arrived_at)


def _name_order(feed: Feed, name: str, *, is_found: bool) -> tuple[str, ...]:
    """What the name says of the file's place; () where it says nothing. Raises SourceError for a file that is there."""
    if feed.order_by is None:
        return ()
    key = name_key(feed.order_by, name)
    if key is None and is_found:
        raise SourceError(f"{name}: its name does not match order_by = {feed.order_by!r}; rename it, or change that")
    return key or ()


def _without_heirs(feed: Feed, contents: Sequence[_Content], missing: Sequence[Line]) -> list[Line]:
    """Give the lines of files that are no longer there to the content in their place; returns those without one."""
    without = []
    for line in missing:
        same = next((each for each in contents if _is_same_file(line, each, feed)), None)
        heir = same or next((each for each in contents if _takes_its_name(line, each, feed)), None)
        if heir is None:
            without.append(line)
            continue
        heir.replaces.append(_removed(line))
        if same:
            same.earlier_names += [line.name] if line.name not in {file.path for file in same.files} else []
            same.arrived_at = same.arrived_at if same.known else min(same.arrived_at, line.arrived_at)
    return without


def _is_same_file(line: Line, content: _Content, feed: Feed) -> bool:
    """Whether the content is the line's, whose id holds the name as well."""
    if line.state is None:
        return any(f.bytes == line.bytes and earlier_batch_id(f, line.name) == line.batch_id for f in content.files)
    is_new = content.known is None
    return feed.reads_names and is_new and named_batch_id(line.name, content.file.content) == line.batch_id


def _takes_its_name(line: Line, content: _Content, feed: Feed) -> bool:
    """Whether the content replaces what had its name before.

    A new one does. One that was there under another name was renamed and does not; but one without a row must not pass
    for that, as equally empty files are no renamed ones.
    """
    if feed.replaces == "nothing" or not (content.known is None or content.has_no_rows):
        return False
    return _unpacked(line.name) in {_unpacked(file.path) for file in content.files}


def _superseded(feed: Feed, contents: Sequence[_Content], missing: list[Line]) -> tuple[list[Line], list[Line]]:
    """Where a later file replaces earlier ones entirely, give their lines to the last of each kind.

    Returns the lines of missing files that stay, and the lines whose rows go although nothing is read for them.
    """
    if feed.replaces in ("name", "nothing"):
        return missing, []
    stay: list[Line] = []
    dropped: list[Line] = []
    for kind in _kinds(feed, contents, missing):
        *earlier, last = sorted(kind, key=lambda each: _order(feed, each))
        for each in earlier:
            line = _removed(each) if isinstance(each, Line) else _supersede(each)
            (dropped if isinstance(last, Line) else last.replaces).append(line)
        if isinstance(last, Line):
            stay.append(last)
    return stay, dropped


def _kinds(feed: Feed, contents: Sequence[_Content], missing: Sequence[Line]) -> list[list[_Content | Line]]:
    """Files of which only the last counts, together. A file without a row is none of them: it replaces nothing."""
    kinds: dict[tuple[str, ...], list[_Content | Line]] = {}
    every: list[_Content | Line] = [*(content for content in contents if not content.has_no_rows), *missing]
    for each in every:
        name = each.name if isinstance(each, Line) else each.file.path
        key = () if feed.replaces == "feed" else name_key(feed.replaces, name)
        if key is None and isinstance(each, _Content):
            raise SourceError(
                f"{name}: its name does not match replaces = {feed.replaces!r}; rename it, or change that"
            )
        kinds.setdefault((name, "") if key is None else key, []).append(each)
    return list(kinds.values())


def _order(feed: Feed, each: _Content | Line) -> tuple[tuple[str, ...], datetime, str]:
    name = each.name if isinstance(each, Line) else each.file.path
    return _name_order(feed, name, is_found=False), each.arrived_at, name


def _supersede(content: _Content) -> Line:
    """Set the content aside; returns its line, with the rows that it has in bronze."""
    rows = content.known.rows if content.known else 0
    content.is_superseded = True
    return replace(content.line(""), rows=rows)


def _is_due(feed: Feed, content: _Content, reading: str) -> bool:
    """Whether the file must be read: it is new, or is read otherwise, or counts again; or it took rows and has none."""
    known = content.known
    if content.is_superseded:
        return False
    if known is None or known.reading != reading or known.state not in ("read", "gone"):
        return True
    is_in_another_place = feed.order_by is not None and known.name != content.file.path
    return is_in_another_place or (content.has_no_rows and bool(content.replaces))


def _removed(line: Line) -> Line:
    return replace(line, state="removed", other_names=())


def _unpacked(name: str) -> str:
    return name[:-3] if name.lower().endswith(".gz") else name


def _refuse_packed_twins(found: Sequence[FeedFile]) -> None:
    batches: dict[str, set[str]] = {}
    for file in sorted(found, key=lambda each: bool(each.member)):
        # Each of several zips may well hold a file of the same name.
        if not file.member or _unpacked(file.beside_zip()) in batches:
            batches.setdefault(_unpacked(file.beside_zip()), set()).add(file.content)
    if twins := sorted(name for name, contents in batches.items() if len(contents) > 1):
        raise SourceError(
            f"{twins} lie there packed (.gz, .zip) and unpacked, with different content: rows would count twice. "
            "Remove one of each."
        )


def _refuse(feed: Feed, contents: Sequence[_Content], gone: Sequence[Line]) -> None:
    """Raise SourceError where files are missing, or say nothing, against the mapping."""
    names = [line.name for line in gone]
    if gone and feed.when_gone == "refuse":
        raise SourceError(
            f'{_listed(names)}: no longer in the input folder, and when_gone = "refuse". Put them back, or say '
            'when_gone = "keep" (their rows stay) or "remove" in the source mapping.'
        )
    if gone and feed.when_gone == "remove" and not contents and not feed.optional:
        raise SourceError(
            f"no file of {list(feed.files)} is in the input folder: all {sum(line.rows for line in gone):,} rows of "
            f"{_listed(names)} would be removed (when_gone). Pass the folder that holds the feed."
        )
    if (
        contents
        and not gone
        and not feed.optional
        and all(each.file.is_empty and not each.replaces for each in contents)
    ):
        raise SourceError(f"{_listed([each.file.path for each in contents])}: empty, and the feed has no other file")


def _news(feed: Feed, contents: Sequence[_Content], gone: Sequence[Line], reading: str) -> tuple[News, ...]:
    renamed = [f"{name} -> {each.file.path}" for each in contents for name in each.earlier_names]
    repeated = [
        f"{name} (as {each.file.path})" for each in contents if not each.has_no_rows for name in each.other_names
    ]
    empty = [file.path for each in contents if each.file.is_empty for file in each.files]
    superseded = [each.file.path for each in contents if each.is_superseded]
    rows = sum(line.rows for line in gone)
    fate = f"their {rows:,} rows stay" if feed.when_gone == "keep" else f"their {rows:,} rows are removed"
    if feed.when_gone == "keep" and any(line.reading != reading for line in gone):
        fate += " as an earlier mapping read them"
    told = (
        ("renamed", "renamed, the same content as before", renamed),
        ("repeated", "the same content again, counted once", repeated),
        ("empty", "empty, no rows", empty),
        ("superseded", "replaced by a later file, not counted", superseded),
        ("gone", f"no longer in the folder, {fate}", [line.name for line in gone]),
    )
    return tuple(
        News(kind, f"{len(names)} {'file' if len(names) == 1 else 'files'} {words}", tuple(sorted(names)))
        for kind, words, names in told
        if names
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")

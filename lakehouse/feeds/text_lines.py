"""Text files line by line: opened in their encoding, parsed without remarks, and refused where they are no text."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TextIO

from lakehouse.errors import SourceError
from lakehouse.feeds.feed_files import CHUNK_BYTES, FeedFile, is_packed, open_bytes
from lakehouse.feeds.sources import Feed

_END_MARK = "\x00end of file\x00"
csv.field_size_limit(1 << 24)


@dataclass(frozen=True, slots=True)
class TextRecord:
    """A record: its number from 1, its fields, its text, and the line of the file, from 1, in which it begins."""

    number: int
    fields: Sequence[str]
    text: str
    line: int = 0


def parsed(lines: Iterable[str], feed: Feed, first_line: int) -> Iterator[TextRecord]:
    """Records, without remarks: a line that begins a record with the mark is one, a line inside quotes is not."""
    taken: list[tuple[int, str]] = []

    def unremarked() -> Iterator[str]:
        for number, line in enumerate(lines, start=first_line):
            if taken or not feed.comment or not line.startswith(feed.comment):
                taken.append((number, line))
                yield line

    number = 0
    for fields in csv_reader(unremarked(), feed):
        if fields:
            number += 1
            yield TextRecord(number, fields, "".join(line for _, line in taken).rstrip("\r\n"), taken[0][0])
        taken.clear()


def csv_reader(lines: Iterable[str], feed: Feed) -> Any:
    """Python's reader with the feed's delimiter, quotes and escapes."""
    signs: dict[str, Any] = {"delimiter": feed.delimiter, "escapechar": feed.escape}
    signs |= {"quotechar": feed.quote} if feed.quote else {"quoting": csv.QUOTE_NONE}
    return csv.reader(lines, **signs)


def open_text(file: FeedFile, encoding: str) -> TextIO:
    """The file's text, unpacked, with its line ends as they stand."""
    codec = "utf-8-sig" if encoding.upper() in ("UTF-8", "UTF8") else encoding  # a byte order mark is no name
    return io.TextIOWrapper(open_bytes(file.local(), packed=is_packed(file.path)), encoding=codec, newline="")


def not_text(file: FeedFile, feed: Feed, error: Exception) -> SourceError:
    """Where the file's bytes are no text in its encoding: the first such line, by number."""
    if "UTF8" not in str(error) and not isinstance(error, UnicodeError):
        return SourceError(f"{file.path}: cannot be read as CSV: {error}")
    decoder = codecs.getincrementaldecoder(feed.encoding)()
    with open_bytes(file.local(), packed=is_packed(file.path)) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                decoder.decode(line)
            except UnicodeError:
                return SourceError(
                    f"{file.path}, line {number}: {line.strip()[:80]!r} is no text in {feed.encoding}. "
                    f"{_encoding_words(file, feed)}"
                )
    return SourceError(f"{file.path}: holds bytes that are no text in {feed.encoding}. {_encoding_words(file, feed)}")


def _encoding_words(file: FeedFile, feed: Feed) -> str:
    with open_bytes(file.local(), packed=is_packed(file.path)) as stream:
        marked = stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    other = "UTF-16" if marked else "windows-1252" if feed.encoding.upper().startswith("UTF") else "UTF-8"
    return f'Say the file\'s encoding in the mapping, such as encoding = "{other}".'


def likely_encoding(file: FeedFile, feed: Feed) -> list[str]:
    """Words where text that the mapping says to be no UTF-8 is: it can be read so, but its letters are wrong."""
    if feed.encoding.upper().startswith("UTF"):
        return []
    with open_bytes(file.local(), packed=is_packed(file.path)) as stream:
        start = stream.read(CHUNK_BYTES)
    line = next((line for line in start.splitlines() if not line.isascii()), b"")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeError:
        return []
    shown = line.decode(errors="replace")[:80]
    words = f"{file.path}: is read as {feed.encoding}, yet its text is valid UTF-8, such as {shown!r}; "
    return [words + 'say encoding = "UTF-8" if that is right'] if line else []


def refuse_open_quote(file: FeedFile, feed: Feed) -> None:
    """Raise SourceError where a quote is never closed: the last field would swallow the rest of the file unseen.

    Quotes come in pairs, so only a file with an odd number of them is parsed to find out (it may just hold 5" pipes),
    and one whose quotes may be escaped or stand in remarks.
    """
    if not feed.quote:
        return
    quotes, mark = 0, feed.quote.encode(feed.encoding if not feed.encoding.upper().startswith("UTF") else "ascii")
    with open_bytes(file.local(), packed=is_packed(file.path)) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            quotes += chunk.count(mark)
    if not quotes or (quotes % 2 == 0 and not feed.escape and not feed.comment):
        return
    rows, is_open = 0, True
    with open_text(file, feed.encoding) as text:
        lines = chain(islice(text, feed.skip_lines, None), ["\n", _END_MARK])
        try:
            for each in parsed(lines, feed, 1):
                rows = each.number
                is_open = each.fields != [_END_MARK]
        except csv.Error:  # the field outgrew csv's limit
            rows += 1
        except UnicodeError as error:
            raise not_text(file, feed, error) from error
    if is_open:
        raise SourceError(
            f"{file.path}: a quote that opens a field in record {rows - (not feed.names)} is never closed, so the "
            "field swallows the rest of the file. Close it, or double the quotes inside the field."
        )

"""Feed files: finding them below the input folder and knowing them by their content."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, cast

from lakehouse.errors import SourceError
from lakehouse.feeds.sources import Feed

CHUNK_BYTES = 1 << 20
# What engines, file managers and editors leave beside data.
_NO_DATA = (
    *("_SUCCESS", "_metadata", "_common_metadata", "_committed_*", "_started_*", "*.crc"),
    *(".DS_Store", "._*", "Thumbs.db", "desktop.ini", "~$*", ".~lock.*"),
)
_BLANK = b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"  # white space, byte order marks, and the zeros of a broken copy


@dataclass(frozen=True, slots=True)
class FeedFile:
    """One file of a feed.

    path: relative to the input folder, with forward slashes; uri: where it lies; bytes: its size on disk; content:
    first 16 hex digits of the SHA-256 of its content, unpacked; batch_id: the same, so that a file is itself under any
    name, unless the mapping takes values from the name, which then counts too; is_empty: it holds but white space.
    """

    path: str
    uri: str
    bytes: int
    content: str
    batch_id: str
    is_empty: bool = False


def find_feed_files(feed: Feed, input_dir: Path) -> list[FeedFile]:
    """The feed's files below `input_dir`, in order of their path; a folder stands for the files inside it.

    Returns an empty list when nothing matches an optional feed. Raises SourceError when nothing matches a required one,
    naming the folder and what is there, and when a packed file cannot be unpacked.
    """
    if not input_dir.is_dir():
        raise SourceError(f"the input folder {input_dir} does not exist; pass the folder that holds {feed.files}")
    matches = {match for pattern in feed.files for match in input_dir.glob(pattern)}
    files = sorted({file for match in matches for file in _files_in(match) if not _is_no_data(file.name)})
    if not files and not feed.optional:
        present = sorted(entry.name for entry in input_dir.iterdir())
        shown = ", ".join(present[:20]) + (f" and {len(present) - 20} more" if len(present) > 20 else "")
        raise SourceError(
            f"no file in {input_dir} matches {list(feed.files)}; found there: {shown or 'nothing'}. "
            "Pass the folder that holds them, or change `files` in the source mapping."
        )
    return [_feed_file(file, input_dir, feed) for file in files]


def lookup_file(feed: Feed, input_dir: Path) -> tuple[FeedFile, Feed] | None:
    """The file of the feed's look-up and how it is read; None where the feed has no look-up."""
    if feed.lookup is None:
        return None
    source = feed.model_copy(update={"files": (feed.lookup.file,), "lookup": None, "optional": False, "columns": {}})
    files = find_feed_files(source, input_dir)
    if len({file.batch_id for file in files}) > 1:
        raise SourceError(f"look-up {feed.lookup.file!r} matches {[file.path for file in files]}; name one file")
    return files[0], source


def _files_in(match: Path) -> list[Path]:
    return [match] if match.is_file() else [file for file in match.rglob("*") if file.is_file()]


def _is_no_data(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in _NO_DATA)


def _feed_file(file: Path, input_dir: Path, feed: Feed) -> FeedFile:
    path = file.relative_to(input_dir).as_posix()
    try:
        content, is_empty = _content(file)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(
            f"{path}: cannot be read to its end: {error}. Deliver it again, or take it out of the folder; "
            "what it gave before stays until then."
        ) from error
    batch_id = named_batch_id(path, content) if feed.reads_names else content
    return FeedFile(path, str(file.resolve()), file.stat().st_size, content, batch_id, is_empty)


def _content(file: Path) -> tuple[str, bool]:
    """Hash of the file's content, unpacked, and whether it holds nothing."""
    digest, is_empty = hashlib.sha256(), True
    with open_bytes(str(file), packed=is_packed(file.name)) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            is_empty = is_empty and not chunk.strip(_BLANK)
    return digest.hexdigest()[:16], is_empty


def named_batch_id(path: str, content: str) -> str:
    return hashlib.sha256(f"{path}\0{content}".encode()).hexdigest()[:16]


def earlier_batch_id(file: FeedFile, path: str) -> str:
    """What the batch id of the file was under the name `path` when it still hashed path and packed content."""
    digest = hashlib.sha256(path.encode() + b"\0")
    with open(file.uri, "rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()[:16]


def is_packed(path: str) -> bool:
    return path.lower().endswith(".gz")


def open_bytes(uri: str, *, packed: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.open(uri, "rb")) if packed else open(uri, "rb")

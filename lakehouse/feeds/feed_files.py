"""Feed files: finding them below the input folder and knowing them by their content."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from lakehouse.errors import SourceError
from lakehouse.feeds.sources import Feed
from lakehouse.feeds.zip_members import ZipMember, is_zip, members_of, open_member, unpacked

CHUNK_BYTES = 1 << 20
# What engines, file managers and editors leave beside data.
_NO_DATA = (
    *("_SUCCESS", "_metadata", "_common_metadata", "_committed_*", "_started_*", "*.crc"),
    *(".DS_Store", "._*", "Thumbs.db", "desktop.ini", "~$*", ".~lock.*"),
)
KINDS = {
    "csv": (".csv", ".tsv", ".txt", ".dat", ".asc"),
    "parquet": (".parquet", ".pq"),
    "excel": (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"),
}
"""Ends of names by the format that they stand for."""
_BLANK = b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"  # white space, byte order marks, and the zeros of a broken copy


@dataclass(frozen=True, slots=True)
class FeedFile:
    """One file of a feed.

    path: relative to the input folder, with forward slashes; uri: where it lies; bytes: its size on disk; content:
    first 16 hex digits of the SHA-256 of its content, unpacked; batch_id: the same, so that a file is itself under any
    name, unless the mapping takes values from the name, which then counts too; is_empty: it holds but white space;
    member: its name in the zip at `uri`, whose name stands in the path like a folder's.
    """

    path: str
    uri: str
    bytes: int
    content: str
    batch_id: str
    is_empty: bool = False
    member: str = ""

    def local(self) -> str:
        """Where it lies as a file of its own: a member of a zip is unpacked when it is first asked for."""
        return unpacked(self.uri, self.member, self.content) if self.member else self.uri

    def beside_zip(self) -> str:
        """Its path as if its zip had been unpacked where it lies."""
        return _beside(self.path.removesuffix(f"/{self.member}"), self.member) if self.member else self.path


def find_feed_files(feed: Feed, input_dir: Path) -> list[FeedFile]:
    """The feed's files below `input_dir`, in order of their path; a folder stands for the files inside it.

    Returns an empty list when nothing matches an optional feed. Raises SourceError when nothing matches a required one,
    naming the folder and what is there, and when a packed file cannot be unpacked.
    """
    if not input_dir.is_dir():
        raise SourceError(f"the input folder {input_dir} does not exist; pass the folder that holds {feed.files}")
    matches = {match for pattern in feed.files for match in input_dir.glob(pattern)}
    found = {file for match in matches for file in _files_in(match) if not _is_no_data(file.name)}
    zips = {file for file in found if is_zip(file.name) and file.stat().st_size}
    files = [_feed_file(file, input_dir, feed) for file in sorted(found - zips)]
    files += [_of_zip(member, feed) for member in _wanted_members(feed, input_dir, zips)]
    if not files and not feed.optional:
        present = sorted(entry.name for entry in input_dir.iterdir())
        shown = ", ".join(present[:20]) + (f" and {len(present) - 20} more" if len(present) > 20 else "")
        raise SourceError(
            f"no file in {input_dir} matches {list(feed.files)}; found there: {shown or 'nothing'}. "
            "Pass the folder that holds them, or change `files` in the source mapping."
        )
    return sorted(files, key=lambda file: file.path)


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


def _wanted_members(feed: Feed, input_dir: Path, zips: set[Path]) -> list[ZipMember]:
    """Members of `zips`, which the patterns match, that are data; of other zips those that the patterns match."""
    wanted = []
    for file in sorted(entry for entry in input_dir.rglob("*") if is_zip(entry.name) and entry.is_file()):
        path = file.relative_to(input_dir).as_posix()
        if _is_no_data(file.name) or not file.stat().st_size:
            continue
        members = [each for each in members_of(file, path) if not _is_no_data(PurePosixPath(each.name).name)]
        named = [member for member in members if any(_names(pattern, member) for pattern in feed.files)]
        if file in zips and not named:
            named = [member for member in members if feed.format != "auto" or is_known(member.name)]
            named = named or [member for member in members if member.is_archive()]
            if not named:
                raise SourceError(
                    f"{path}: expected a file of a known kind in it, found {[member.name for member in members]}; name "
                    f'one in the mapping, such as files = "{path}/name", and its `format`'
                )
        wanted += named
    for member in wanted:
        member.check()
    return wanted


def _names(pattern: str, member: ZipMember) -> bool:
    """Whether the pattern matches the member in its zip, or where it would lie unpacked; there by its folder too."""
    wanted = PurePosixPath(pattern).parts
    beside = PurePosixPath(_beside(member.path, member.name))
    folders = [folder for folder in beside.parents if len(folder.parts) >= len(PurePosixPath(member.path).parts)]
    in_zip = PurePosixPath(f"{member.path}/{member.name}")
    return any(_matches(path.parts, wanted) for path in (in_zip, beside, *folders))


def _beside(path: str, name: str) -> str:
    """The path that a zip's member would have, had the zip at `path` been unpacked where it lies."""
    return (PurePosixPath(path).parent / name).as_posix()


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """As `Path.glob` matches a path: part by part, ** standing for any number of folders."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _of_zip(member: ZipMember, feed: Feed) -> FeedFile:
    path = f"{member.path}/{member.name}"
    try:
        with open_member(member.uri, member.name) as stored:
            content, is_empty = _content(gzip.GzipFile(fileobj=stored) if is_packed(member.name) else stored)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    batch_id = named_batch_id(path, content) if feed.reads_names else content
    return FeedFile(path, member.uri, member.bytes, content, batch_id, is_empty, member.name)


def _feed_file(file: Path, input_dir: Path, feed: Feed) -> FeedFile:
    path = file.relative_to(input_dir).as_posix()
    try:
        with open_bytes(str(file), packed=is_packed(file.name)) as stream:
            content, is_empty = _content(stream)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    batch_id = named_batch_id(path, content) if feed.reads_names else content
    return FeedFile(path, str(file.resolve()), file.stat().st_size, content, batch_id, is_empty)


def _unreadable(path: str, error: Exception) -> SourceError:
    return SourceError(
        f"{path}: cannot be read to its end: {error}. Deliver it again, or take it out of the folder; "
        "what it gave before stays until then."
    )


def _content(stream: IO[bytes] | gzip.GzipFile) -> tuple[str, bool]:
    """Hash of the content, unpacked, and whether it holds nothing."""
    digest, is_empty = hashlib.sha256(), True
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


def is_known(name: str) -> bool:
    """Whether the end of the name tells a format."""
    return name.lower().removesuffix(".gz").endswith(tuple(end for ends in KINDS.values() for end in ends))


def is_packed(path: str) -> bool:
    return path.lower().endswith(".gz")


def open_bytes(uri: str, *, packed: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.open(uri, "rb")) if packed else open(uri, "rb")

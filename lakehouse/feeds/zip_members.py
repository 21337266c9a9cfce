"""The files in a zip: which of them hold data, and reading one. Nothing is ever written under a name from the zip."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import IO

from lakehouse.errors import SourceError

_HIDDEN = "__MACOSX"
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz", ".bz2", ".xz")
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class ZipMember:
    """A file in a zip: the zip's `path` for messages and where it lies, the member's `name` in it, its packed bytes."""

    path: str
    uri: str
    name: str
    bytes: int
    is_encrypted: bool

    def is_archive(self) -> bool:
        return self.name.lower().endswith(_ARCHIVES)

    def check(self) -> None:
        """Raise SourceError where it cannot be read as it stands, with what to do."""
        parts = PurePosixPath(self.name).parts
        reason = ""
        if ".." in parts or self.name.startswith("/") or ":" in parts[0]:
            reason = "its name leads out of the zip; pack it anew with names below the packed folder"
        elif self.is_encrypted:
            reason = "it is encrypted; unpack it into the folder, or deliver it without a password"
        elif self.is_archive():
            reason = "an archive within a zip is not looked into; unpack the outer one into the folder"
        if reason:
            raise SourceError(f"{self.path}/{self.name}: {reason}")


def is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


def members_of(file: Path, path: str) -> list[ZipMember]:
    """The files in a zip, without what packing programs add, in the order of their names.

    path: the zip's, for messages. Raises SourceError where it is no zip, or has two files of one name.
    """
    with _opened(str(file), path) as archive:
        found = [
            ZipMember(
                path,
                str(file.resolve()),
                info.filename.replace("\\", "/"),
                info.compress_size,
                bool(info.flag_bits & _ENCRYPTED),
            )
            for info in archive.infolist()
            if not info.is_dir() and _HIDDEN not in PurePosixPath(info.filename).parts
        ]
    names = [member.name for member in found]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SourceError(f"{path}: expected one file of a name, found several called {repeated}; pack it anew")
    return sorted(found, key=lambda member: member.name)


@contextmanager
def open_member(uri: str, name: str) -> Iterator[IO[bytes]]:
    """The member's content, unpacked. Raises OSError or zlib.error where it is damaged or packed in an unknown way."""
    with _opened(uri, uri) as archive:
        stored = next(info for info in archive.infolist() if info.filename.replace("\\", "/") == name)
        try:
            with archive.open(stored) as stream:
                yield stream
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise OSError(str(error)) from error


@cache
def unpacked(uri: str, name: str, content: str) -> str:
    """Where the member lies as a file of its own, under the name of its content; it goes with the process."""
    folder = Path(_folder().name)
    target = folder / f"{content}{PurePosixPath(name).suffix}"
    handle, part = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as out, open_member(uri, name) as stream:
        shutil.copyfileobj(stream, out, 1 << 20)
    os.replace(part, target)
    return str(target)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="shelfcast-")


@contextmanager
def _opened(uri: str, path: str) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(uri)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error) as error:
        raise SourceError(
            f"{path}: expected a zip: {error}. Deliver it again, or take it out of the folder; what it gave before "
            "stays until then."
        ) from error
    with archive:
        yield archive

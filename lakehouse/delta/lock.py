"""One writer per lakehouse.

Two processes' commits to a local folder can overwrite each other, and so can those of two Spark drivers on S3, which
look whether a version is there and then write it. deltalake's commits to an object store are put only where nothing
is yet; the lock of an object store rests on that.
"""

from __future__ import annotations

import _thread
import contextlib
import fcntl
import json
import os
import posixpath
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import IO, Any

import psutil
from deltalake import CommitProperties, DeltaTable, Field, Schema
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.schema import PrimitiveType

from lakehouse.delta import uri
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError, EngineError, LockedError, SourceError
from lakehouse.schema.tables import TABLES

_NAME = ".shelfcast.lock"
_HOLDER = "shelfcast.writer"
_BEAT_SECONDS = 20.0
_PATIENCE_BEATS = 4
"""A holder that has been silent for so many beats is gone."""


_RETRY_SECONDS = 2.0


class WriterLock:
    """Held by whoever writes to a lakehouse; a second one is refused and told who holds it.

    On a local folder the lock goes with its process. On an object store the holder shows every now and then that it
    lives; one that has stopped doing so (its machine is gone) loses the lock after a minute and a half, one of this
    machine whose process has ended at once.

    With `patience_seconds` whoever comes second waits so long, which it says, before it is refused.
    """

    def __init__(
        self,
        lakehouse: Lakehouse,
        patience_seconds: float = 0,
        say: Callable[[str], None] | None = None,
        *,
        name: str = _NAME,
    ) -> None:
        """`name`: of the lock; another one guards tables that nobody else writes to."""
        base = lakehouse.base
        self._until, self._say = time.monotonic() + patience_seconds, say
        self._lock: _FolderLock | _StoreLock = _FolderLock(base, name) if lakehouse.is_local else _StoreLock(base, name)

    def __enter__(self) -> WriterLock:
        while True:
            try:
                self._lock.acquire()
                return self
            except LockedError as error:
                if time.monotonic() >= self._until:
                    raise
                if self._say:
                    self._say(f"waiting: {error}")
                    self._say = None
                time.sleep(_RETRY_SECONDS)

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def nothing_left_of_a_refused(lakehouse: Lakehouse) -> contextlib.AbstractContextManager[None]:
    """Within it, and within the lock, a run may be refused: what it has made of a lakehouse then goes again.

    That is a folder that is not there when this is called, and that has no rows but those of its log.
    """
    return _cleared(lakehouse, is_new=lakehouse.is_local and not os.path.exists(lakehouse.base))


@contextlib.contextmanager
def _cleared(lakehouse: Lakehouse, *, is_new: bool) -> Iterator[None]:
    try:
        yield
    except (ConfigError, EngineError, SourceError):
        names = (name for name in TABLES if not name.startswith("ops."))
        if is_new and not any(lakehouse.rows(name) for name in names if lakehouse.exists(name)):
            shutil.rmtree(lakehouse.base, ignore_errors=True)
        raise


class _FolderLock:
    def __init__(self, base: str, name: str) -> None:
        self._base, self._name = base, name
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        os.makedirs(self._base, exist_ok=True)
        file = open(os.path.join(self._base, self._name), "a+", encoding="utf-8")  # noqa: SIM115 - held until released
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise LockedError(
                f"another process (pid {holder}) is writing to {self._base}; wait for it, or stop it"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file:
            self._file.close()


class _StoreLock:
    """The holder's name as a property of an empty Delta table: its next version can be written once only.

    Nobody's clock is compared with another's: a waiting process watches whether the version moves.
    """

    def __init__(self, base: str, name: str) -> None:
        self._base = base
        self._uri = posixpath.join(base, name)
        self._me = {"id": uuid.uuid4().hex, "host": socket.gethostname(), "pid": os.getpid()}
        self._table: DeltaTable | None = None
        self._done = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._is_lost = False

    def acquire(self) -> None:
        table = self._open()
        holder = _holder_of(table)
        if holder and not _is_dead(holder):
            self._wait(table, holder)
        try:
            _set(table, self._me)
        except CommitFailedError:
            raise LockedError(f"another process has just begun to write to {self._base}; wait for it") from None
        self._table = table
        self._beating.start()

    def release(self) -> None:
        self._done.set()
        self._beating.join()
        if self._table is not None and not self._is_lost:
            try:
                _set(self._table, None)
            except CommitFailedError:
                self._is_lost = True
            except (DeltaError, OSError):  # out of reach: the lock ends when nobody beats any more
                pass
        if self._is_lost:
            raise LockedError(
                f"the lock on {self._base} was lost: the store could not be reached for longer than another process "
                "waits. Run the same command again: what was committed stands, the rest is done again."
            )

    def _open(self) -> DeltaTable:
        options = uri.storage_options(self._base)
        if not DeltaTable.is_deltatable(self._uri, options):
            # A second one that makes it at the same moment finds it made.
            with contextlib.suppress(DeltaError):
                schema = Schema([Field("nothing", PrimitiveType("string"))])
                DeltaTable.create(self._uri, schema, storage_options=options)
        return DeltaTable(self._uri, storage_options=options)

    def _wait(self, table: DeltaTable, holder: dict[str, Any]) -> None:
        """Return when the holder has shown no life for long enough; raise LockedError as soon as it does."""
        seen = table.version()
        until = time.monotonic() + _PATIENCE_BEATS * _BEAT_SECONDS
        while time.monotonic() < until:
            time.sleep(_BEAT_SECONDS / 4)
            table.update_incremental()
            if table.version() != seen and _holder_of(table):
                raise LockedError(
                    f"another process (pid {holder['pid']} on {holder['host']}) is writing to {self._base}; wait for "
                    "it, or stop it"
                )

    def _beat(self) -> None:
        while not self._done.wait(_BEAT_SECONDS):
            try:
                assert self._table is not None
                _set(self._table, self._me)
            except CommitFailedError:
                self._is_lost = True
                _thread.interrupt_main()  # nothing may be committed any more
                return
            except (DeltaError, OSError):  # the store is out of reach for the moment
                continue


def _holder_of(table: DeltaTable) -> dict[str, Any] | None:
    found = json.loads(table.metadata().configuration.get(_HOLDER) or "null")
    return found if isinstance(found, dict) else None


def _is_dead(holder: dict[str, Any]) -> bool:
    return holder["host"] == socket.gethostname() and not psutil.pid_exists(holder["pid"])


def _set(table: DeltaTable, holder: dict[str, Any] | None) -> None:
    """Write the next version, or raise CommitFailedError where another was first."""
    # The moment makes each beat another content, which alone makes it a version.
    value = json.dumps(None if holder is None else holder | {"at": time.time()})
    table.alter.set_table_properties(
        {_HOLDER: value}, raise_if_not_exists=False, commit_properties=CommitProperties(max_commit_retries=0)
    )
    table.update_incremental()

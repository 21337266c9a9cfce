"""What a JVM writes while it starts stays with us: the resolver's tables, warnings of modules, hints on log levels."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ERROR, _ANY = re.compile(rb"\b(ERROR|FATAL|Exception)\b"), re.compile(b"")
_END = b"\0\n"
_PATIENCE_SECONDS = 5.0


@contextmanager
def held_start() -> Iterator[None]:
    """Hold what is written to this process's standard error, also by a JVM that is started within.

    Where the start succeeds, only lines of errors are passed on; where it raises, every line is. Afterwards the JVM
    goes on writing to where standard error was before.
    """
    sys.stderr.flush()
    try:
        terminal = os.dup(2)
    except OSError:  # no standard error at all
        yield
        return
    lines, is_up = _HeldLines(terminal), False
    os.dup2(lines.entry, 2)
    os.close(lines.entry)
    try:
        yield
        is_up = True
    finally:
        sys.stderr.flush()
        os.write(2, _END)
        os.dup2(terminal, 2)
        lines.let_go(_ERROR if is_up else _ANY)


class _HeldLines:
    """A pipe whose reader keeps lines up to `_END`, and passes on what comes later."""

    def __init__(self, terminal: int) -> None:
        self._exit, self.entry = os.pipe()
        self._terminal = terminal
        self._held: list[bytes] = []
        self._ended, self._let_go = threading.Event(), threading.Event()
        threading.Thread(target=self._read, name="jvm-messages", daemon=True).start()

    def let_go(self, wanted: re.Pattern[bytes]) -> None:
        """Pass on the wanted ones of the held lines, once all of them are read."""
        self._ended.wait(_PATIENCE_SECONDS)
        for line in filter(wanted.search, self._held):
            os.write(self._terminal, line)
        self._let_go.set()

    def _read(self) -> None:
        with os.fdopen(self._exit, "rb") as lines:
            for line in lines:
                if line.endswith(_END):
                    self._ended.set()
                    self._let_go.wait()
                elif self._ended.is_set():
                    os.write(self._terminal, line)
                else:
                    self._held.append(line)
        os.close(self._terminal)

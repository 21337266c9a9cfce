"""Progress that a person can read and a machine can parse."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobs.engine.task import UnitResult

_EVERY_SECONDS = 2.0


@dataclass(slots=True)
class Progress:
    """Reports stages and units: plain lines to `stream`, JSON lines to `json_path` when given.

    On a terminal the running line is redrawn in place; elsewhere a line is printed every couple of seconds. Every JSON
    line names the run, and none shows a row: of an error it has the class, the ledger the text. `listener` is called
    with the kind and the values of each event.
    """

    stream: IO[str] = field(default_factory=lambda: sys.stderr)
    json_path: Path | None = None
    quiet: bool = False
    run_id: str = ""
    listener: Callable[[str, Mapping[str, Any]], None] | None = None
    _stage: str = ""
    _things: str = "series"
    _total: int = 0
    _done: int = 0
    _ids: int = 0
    _failed: int = 0
    _started: float = 0.0
    _last: float = 0.0

    def say(self, text: str) -> None:
        if not self.quiet:
            self._clear_line()
            print(text, file=self.stream, flush=True)

    def warn(self, text: str) -> None:
        """Say what must not be missed, quiet or not."""
        self._clear_line()
        print(text, file=self.stream, flush=True)

    def event(self, kind: str, **values: Any) -> None:
        """One JSON line with a UTC time, for machines."""
        if self.listener is not None:
            self.listener(kind, values)
        if self.json_path is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": now, "event": kind, "run_id": self.run_id, **values}
        with self.json_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")

    def begin_units(self, stage: str, things: str, total: int, already_done: int) -> None:
        """`things`: what is counted inside the units, such as series."""
        self._stage, self._things, self._total, self._done = stage, things, total, 0
        self._ids = self._failed = 0
        self._started = self._last = time.monotonic()
        if already_done:
            self.say(f"  {stage}: {already_done} units were done before, {total} to do")
        self.event("units_begin", stage=stage, units=total, already_done=already_done)

    def unit(self, result: UnitResult) -> None:
        """Count a finished unit and show where the stage stands."""
        self._done += 1
        self._ids += result.ids
        self._failed += result.failed_ids
        self.event(
            "unit",
            stage=self._stage,
            unit=result.unit,
            ids=result.ids,
            failed_ids=result.failed_ids,
            rows=result.rows,
            seconds=round(result.seconds, 3),
            error_class=result.error_class,
            units_done=self._done,
            units=self._total,
        )
        now = time.monotonic()
        if now - self._last >= _EVERY_SECONDS or (self._is_terminal() and self._done < self._total):
            self._last = now
            self._show(self.unit_line(now))

    def unit_line(self, now: float) -> str:
        elapsed = max(now - self._started, 1e-9)
        rate = self._ids / elapsed
        left = (self._total - self._done) * elapsed / self._done if self._done else 0.0
        return (
            f"  {self._stage}: {self._done}/{self._total} units, {self._ids:,} {self._things} done, "
            f"{self._failed} failed, {rate:,.0f} {self._things}/s, {left:.0f} s left"
        )

    def _is_terminal(self) -> bool:
        return hasattr(self.stream, "isatty") and self.stream.isatty()

    def _show(self, line: str) -> None:
        if self.quiet:
            return
        if self._is_terminal():
            print(f"\r\033[K{line}", end="", file=self.stream, flush=True)
        else:
            print(line, file=self.stream, flush=True)

    def _clear_line(self) -> None:
        if self._is_terminal():
            print("\r\033[K", end="", file=self.stream)

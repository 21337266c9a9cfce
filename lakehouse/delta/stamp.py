"""What a commit says of itself: the stage that made it, the fingerprint, the run, and the days that it covers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who writes: what a commit says of itself."""

    stage: str
    fingerprint: str
    run_id: str

    def words(self, covers: tuple[date, date] | None = None) -> dict[str, str]:
        """The commit's metadata: text by name."""
        found = {"stage": self.stage, "fingerprint": self.fingerprint, "run": self.run_id}
        if covers is not None:
            found |= {"covers_from": covers[0].isoformat(), "covers_to": covers[1].isoformat()}
        return found


_STAMP: ContextVar[Stamp | None] = ContextVar("shelfcast_stamp", default=None)


@contextmanager
def stamped(stamp: Stamp) -> Iterator[None]:
    """Every commit of data inside carries the stamp."""
    token = _STAMP.set(stamp)
    try:
        yield
    finally:
        _STAMP.reset(token)


def stamp_words(covers: tuple[date, date] | None = None) -> dict[str, str]:
    """The metadata of a commit made now; empty outside `stamped`."""
    stamp = _STAMP.get()
    return {} if stamp is None else stamp.words(covers)


def present_stamp() -> Stamp | None:
    return _STAMP.get()


def user_metadata(covers: tuple[date, date] | None = None) -> str | None:
    """The same for Spark, which takes one text."""
    words = stamp_words(covers)
    return json.dumps(words) if words else None

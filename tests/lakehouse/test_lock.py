"""One writer at a time, on a folder and on an object store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.delta import lock
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.lock import WriterLock
from lakehouse.errors import LockedError

ROOT = Path(__file__).resolve().parents[2]


def test_a_second_process_is_refused_and_told_who_holds_the_lock(lake: Lakehouse) -> None:
    script = (
        "import sys; from lakehouse.delta.io import Lakehouse; from lakehouse.delta.lock import WriterLock\n"
        "with WriterLock(Lakehouse(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, lake.root], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(LockedError, match=rf"pid {holder.pid}\b"), WriterLock(lake):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with WriterLock(lake):  # a lock goes with its process, however it ended
        held = Path(lake.base, ".shelfcast.lock").read_text(encoding="utf-8")
    assert held == str(os.getpid())


SCRIPT = (
    "import sys; from lakehouse.delta.io import Lakehouse; from lakehouse.delta.lock import WriterLock\n"
    "with WriterLock(Lakehouse(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"
)


def holding(lake: Lakehouse) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SCRIPT, lake.root]
    holder = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"locked\n"
    return holder


def test_a_patient_second_waits_its_turn_and_says_so(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_RETRY_SECONDS", 0.05)
    holder, said = holding(lake), list[str]()

    def end(words: str) -> None:
        said.append(words)
        holder.kill()
        holder.communicate()

    with WriterLock(lake, 60, end):
        assert len(said) == 1
        assert f"waiting: another process (pid {holder.pid})" in said[0]
        with pytest.raises(LockedError), WriterLock(lake, 0.2, said.append):
            pass
    assert len(said) == 2


def test_a_store_is_locked_too_and_a_dead_process_holds_nothing(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lakehouse(f"{store}/locked")
    with WriterLock(lake):
        pass
    monkeypatch.setattr(lock, "_BEAT_SECONDS", 0.2)
    with WriterLock(lake), pytest.raises(LockedError, match=rf"pid {os.getpid()} on .* is writing"), WriterLock(lake):
        pass
    holder = holding(lake)
    holder.kill()
    holder.communicate()
    with WriterLock(lake):
        pass


def test_a_holder_elsewhere_that_shows_no_life_loses_the_lock_and_learns_it(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lakehouse(f"{store}/silent")
    first, second = WriterLock(lake), WriterLock(lake)
    first._lock._me["host"] = "elsewhere"  # type: ignore[union-attr]
    first.__enter__()  # its next sign of life would come in twenty seconds
    monkeypatch.setattr(lock, "_BEAT_SECONDS", 0.1)
    with second:
        with pytest.raises(LockedError, match="was lost"):
            first.__exit__()
        with pytest.raises(LockedError, match="is writing"), WriterLock(lake):
            pass


def test_of_two_that_begin_at_the_same_moment_one_gets_the_lock(store: str) -> None:
    lake = Lakehouse(f"{store}/both")
    with WriterLock(lake):
        pass
    first, second = WriterLock(lake), WriterLock(lake)
    table = second._lock._open()  # type: ignore[union-attr]
    second._lock._open = lambda: table  # type: ignore[union-attr, method-assign]
    with first, pytest.raises(LockedError, match="has just begun"):
        second.__enter__()

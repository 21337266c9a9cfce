"""What stages are given, by several threads at once too."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from jobs import context as context_module
from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import make_context


def test_threads_that_ask_for_spark_at_once_start_one_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []

    def slow_start(*_arguments: Any) -> object:
        time.sleep(0.2)  # as a JVM does
        started.append(object())
        return started[-1]

    monkeypatch.setattr(context_module, "build_session", slow_start)
    context = make_context(None, Lakehouse(str(tmp_path)), None, date(2024, 1, 1))
    with ThreadPoolExecutor(4) as pool:
        sessions = list(pool.map(lambda _: context.spark, range(4)))
    assert len(started) == 1
    assert all(session is started[0] for session in sessions)

"""Kernels compiled beside the run: a stage waits for its own, and what goes wrong costs nothing but time."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.engine import warm_up
from jobs.engine.warm_up import kernels_compiled_ahead, wait_for
from jobs.settings import load_settings
from lakehouse.delta.io import Lakehouse

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of compiled kernels: that of a fresh machine."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return tmp_path


def compiled(cache: Path) -> set[str]:
    """Names of the files whose kernels are there."""
    return {path.name.split(".")[0] for path in cache.rglob("*.nbi")}


def process() -> subprocess.Popen[bytes] | None:
    return None if warm_up._running is None else warm_up._running.process


def test_a_stage_waits_until_its_kernels_are_there_and_the_next_run_finds_them(cache: Path) -> None:
    settings = load_settings(None, [])
    with kernels_compiled_ahead(settings, ["features", "publish"]):
        wait_for("ingest"), wait_for("publish")  # one is not asked for, the other has no kernels
        assert warm_up._running is not None
        assert warm_up._running.waiting == {"features"}
        wait_for("features")
        assert "feature_kernel" in {name.rsplit("-", 1)[0] for name in compiled(cache)}
        running = process()
        assert running is not None
        running.wait(60)
    assert process() is None
    with kernels_compiled_ahead(settings, ["features", "publish"]):
        assert process() is None, "nothing is left to compile"
    with kernels_compiled_ahead(load_settings(None, ["forecast.season_length=5"]), ["features", "publish"]):
        assert process() is not None, "another spec may need other kernels"


def test_it_ends_with_the_run_and_what_it_did_not_finish_is_asked_again(cache: Path) -> None:
    settings = load_settings(None, [])
    for _ in range(2):
        with kernels_compiled_ahead(settings, ["replay"]):
            running = process()
        assert running is not None
        assert running.poll() is not None
    assert not list(cache.glob("compiled-*"))


@pytest.mark.parametrize("python", ["/bin/false", "/no/such/python"])
def test_a_compiler_that_fails_holds_nobody_up(cache: Path, monkeypatch: pytest.MonkeyPatch, python: str) -> None:
    monkeypatch.setattr(sys, "executable", python)
    started = time.monotonic()
    with kernels_compiled_ahead(load_settings(None, []), ["features", "replay"]):
        wait_for("features"), wait_for("replay")
    assert time.monotonic() - started < 30
    assert not list(cache.glob("compiled-*"))


def test_nothing_is_compiled_here_for_another_machine(cache: Path) -> None:
    settings = load_settings(ROOT / "conf" / "cluster.toml", [])
    with kernels_compiled_ahead(settings, ["clean", "features", "backtest", "replay"]):
        assert process() is None
    with kernels_compiled_ahead(settings, ["clean", "order"]):
        assert process() is not None, "order runs in this process"


def test_the_stages_ask_for_nothing_that_was_not_compiled_ahead(calibrated: Lakehouse, tmp_path: Path) -> None:
    """What the pipeline calls with, on the tiny retailer, was called with before, so that its buckets compile nothing.

    In a process of its own: the tests around this one call kernels with types of their own.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.jobs.compiled_calls", calibrated.base, str(tmp_path / "lake")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    stages, ahead, beside = done.stdout.splitlines()[-1].split(" ", 2)
    assert int(stages) == 8
    assert int(ahead) > 30
    assert beside == "[]"

"""What a user sees of an engine's start: nothing when it succeeds, everything when it does not, errors always."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lakehouse.delta.quiet_start import held_start

ROOT = Path(__file__).parents[2]
NOISE = ":: loading settings ::\nWARNING: Using incubator modules\n12:00:00 ERROR Disk: full\n"
# Stays as a JVM does: it speaks at once, says so, and speaks again when its input ends.
ENGINE = f"""
import sys
print({NOISE!r}, end="", file=sys.stderr, flush=True)
print("spoken", flush=True)
sys.stdin.read()
print("late", file=sys.stderr)
"""


def test_a_start_that_succeeds_lets_errors_through_and_whatever_comes_later(capfd: pytest.CaptureFixture[str]) -> None:
    with held_start():
        engine = subprocess.Popen([sys.executable, "-c", ENGINE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert engine.stdout is not None
        assert engine.stdout.readline() == b"spoken\n"
    assert capfd.readouterr().err == "12:00:00 ERROR Disk: full\n"
    engine.communicate(timeout=60)
    later, until = "", time.monotonic() + 20
    while not later and time.monotonic() < until:
        later = capfd.readouterr().err
    assert later == "late\n"


def test_a_start_that_fails_shows_all_that_was_said(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(subprocess.CalledProcessError), held_start():
        subprocess.run([sys.executable, "-c", f"import sys; sys.exit({NOISE.rstrip()!r})"], check=True)
    assert capfd.readouterr().err == NOISE


@pytest.mark.slow
def test_spark_starts_without_a_word_on_a_fresh_machine_and_again(tmp_path: Path) -> None:
    """The resolver's tables came first of all that a newcomer saw."""
    program = (
        "from lakehouse.delta.session import SparkSettings, build_session\n"
        "spark = build_session(SparkSettings(master='local[1]', conf={'spark.driver.host': '127.0.0.1'}))\n"
        "print(spark.range(3).count())\n"
        "spark.stop()\n"
    )
    home = os.environ | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | home,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")

"""What a user sees of an error that nobody expected: a line, and where the trace lies."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobs import cli
from jobs.traces import kept_trace, one_line


def raised(error: Exception) -> None:
    try:
        raise KeyError("inner")
    except KeyError as inner:
        raise error from inner


@pytest.mark.parametrize(
    "error",
    [
        ValueError("three words here\nand a second line"),
        ZeroDivisionError(),
        RuntimeError("\n\n  [CODE] spark words\n"),
    ],
)
def test_an_unexpected_error_is_one_line_and_a_file_with_its_trace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(cli, "_models", lambda _: raised(error))
    assert cli.main(["models"]) == 1
    said, where = capsys.readouterr().err.strip().split("\n")
    assert said == f"shelfcast: unexpected {type(error).__name__}: {one_line(error)}"
    found = re.fullmatch(r"shelfcast: the whole trace is in (.*\.log)", where)
    assert found
    trace = Path(found[1]).read_text()
    assert "KeyError: 'inner'" in trace
    assert f"{type(error).__name__}" in trace
    assert 'File "' in trace


def test_a_trace_keeps_the_call_without_its_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told = ["lakehouse.storage_options.AWS_SECRET_ACCESS_KEY=hidden1", "spark.conf.a.password=hidden 2"]
    told += ["--set=lakehouse.storage_options={AWS_X='hidden3'}", "tracking.mlflow=postgresql://me:hidden4@db/runs"]
    monkeypatch.setattr("sys.argv", ["shelfcast", "run", "--set", *told, "--horizon", "28"])
    called = Path(kept_trace(ValueError("x"))).read_text().splitlines()[0]
    assert "hidden" not in called
    assert called.startswith("shelfcast run --set lakehouse.storage_options.AWS_SECRET_ACCESS_KEY=*** ")
    assert called.endswith("tracking.mlflow=postgresql://me:***@db/runs --horizon 28")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("a\nb", "a"),
        ("", "no words"),
        (
            "ray::train() (pid=1)\nTraceback (most recent call last):\n  File x\nValueError: too few days",
            "ValueError: too few days",
        ),
        ("An error occurred while calling o1.x.\n: java.io.IOException: full\n\tat a.B", "java.io.IOException: full"),
        ("x" * 9000, "x" * 500),
    ],
)
def test_a_message_is_cut_to_the_line_that_says_it(words: str, line: str) -> None:
    assert one_line(RuntimeError(words)) == line

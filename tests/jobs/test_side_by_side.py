"""Works of a stage run at one time, each with the stage's stamp, and an error is raised once the others have ended."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from jobs.engine.side_by_side import side_by_side
from lakehouse.delta.stamp import Stamp, present_stamp, stamped

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STAMP = Stamp("toy", "fingerprint", "run")


def test_works_meet_while_they_run_and_know_the_stamp(spark: SparkSession) -> None:
    both = threading.Barrier(2, timeout=60)

    def work(rows: int) -> tuple[int, Stamp | None]:
        both.wait()  # one after the other they would wait here for ever
        return spark.range(rows).count(), present_stamp()

    with stamped(STAMP):
        found = side_by_side(spark, {"two": lambda: work(2), "three": lambda: work(3)})
    assert found == {"two": (2, STAMP), "three": (3, STAMP)}
    assert list(found) == ["two", "three"]
    assert side_by_side(spark, {}) == {}


def test_an_error_is_raised_when_what_runs_beside_it_has_ended_and_the_rest_never_begins(spark: SparkSession) -> None:
    raised, ended, begun = threading.Event(), [], []

    def fails() -> int:
        raised.set()
        raise ValueError("the second")

    def waits() -> int:
        raised.wait(60)
        ended.append(spark.range(5).count())
        return 5

    works = {"first": waits, "second": fails, "third": waits, "fourth": waits}
    late = {f"late {number}": lambda: begun.append(1) for number in range(40)}
    with pytest.raises(ValueError, match="the second"):
        side_by_side(spark, works | late)
    assert ended == [5, 5, 5]
    assert len(begun) < 40

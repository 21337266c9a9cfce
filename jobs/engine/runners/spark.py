"""Unit tasks on Spark: Spark schedules unit numbers, and each Python worker opens the unit's files itself.

Rows cross neither the shuffle nor the JVM-Python boundary, which is where row-wise UDFs spend their time.
"""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.engine.task import UnitResult, UnitTask, execute_caught

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


# A wave is what a crash can cost; a Spark task costs 0.1 s of processor time whatever it does.
_BUCKETS_PER_SLOT = 32
_TASKS_PER_SLOT = 8


@dataclass(frozen=True)
class SparkRunner:
    """Runs waves of units with `mapInArrow`, a few tasks a core so that a slow unit holds up no other core."""

    spark: SparkSession
    commit_every: int = 8

    def run(self, task: UnitTask, units: Sequence[str]) -> Iterator[UnitResult]:
        slots = self.spark.sparkContext.defaultParallelism
        wave = max(self.commit_every, _BUCKETS_PER_SLOT * slots)
        for start in range(0, len(units), wave):
            numbers = list(units[start : start + wave])
            tasks = min(len(numbers), _TASKS_PER_SLOT * slots)
            frame = self.spark.range(0, len(numbers), 1, tasks).mapInArrow(_work(task, numbers), "result BINARY")
            for row in frame.collect():
                yield pickle.loads(row["result"])


def _work(task: UnitTask, numbers: list[str]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What a Spark task does with its share of `numbers`: run each unit, hand back the pickled result."""

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        pa.set_cpu_count(1)  # the cores are Spark's to share out
        for batch in batches:
            for index in batch.column(0).to_pylist():
                result = pickle.dumps(execute_caught(task, numbers[index]))
                yield pa.RecordBatch.from_pydict({"result": pa.array([result], pa.binary())})
        if not gc.get_freeze_count():
            # A PySpark worker collects garbage after every task, 80 ms with numba's half a million objects loaded;
            # frozen, they are not looked at again.
            gc.freeze()

    return work

"""Unit tasks on Spark: Spark schedules units by number, and each Python worker opens the unit's files itself.

Rows cross neither the shuffle nor the JVM-Python boundary, which is where row-wise UDFs spend their time.
"""

from __future__ import annotations

import gc
import pickle
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark import TaskContext

from jobs.engine.runners.core_share import keep_to_cores
from jobs.engine.task import UnitResult, UnitTask, execute_caught
from jobs.engine.warm_up import wait_for

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class SparkRunner:
    """Runs jobs of `commit_every` units with `mapInArrow`, as many at once as keep every core busy.

    A job's results come as soon as it ends, so that they can be committed while the next ones run: a crash costs what
    is being worked on, never more than the cores need and `commit_every` twice over.
    """

    spark: SparkSession
    commit_every: int = 8

    def run(self, task: UnitTask, units: Sequence[str]) -> Iterator[UnitResult]:
        wait_for(task.stage)
        shares = [list(units[start : start + self.commit_every]) for start in range(0, len(units), self.commit_every)]
        slots = self.spark.sparkContext.defaultParallelism
        at_once = -(-slots // self.commit_every) + 1  # one more, whose tasks start where those of the last one end
        tag = f"shelfcast-{uuid.uuid4().hex}"
        waiting = iter(shares)
        with ThreadPoolExecutor(at_once, thread_name_prefix="spark-job") as pool:
            running = {pool.submit(self._job, task, share, tag) for share in islice(waiting, at_once)}
            try:
                while running:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for job in done:
                        yield from job.result()
                    running |= {pool.submit(self._job, task, share, tag) for share in islice(waiting, len(done))}
            finally:
                self.spark.sparkContext.cancelJobsWithTag(tag)

    def _job(self, task: UnitTask, share: list[str], tag: str) -> list[UnitResult]:
        """One Spark job; a task of it costs 0.1 s of processor time whatever it does, so there are few."""
        context = self.spark.sparkContext
        context.addJobTag(tag)
        tasks = min(len(share), context.defaultParallelism)
        work = _work(task.of_units(share), share)
        frame = self.spark.range(0, len(share), 1, tasks).mapInArrow(work, "result BINARY")
        return [pickle.loads(row["result"]) for row in frame.collect()]


def _work(task: UnitTask, units: list[str]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What a Spark task does with its share of `units`: run each unit, hand back the pickled result."""

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        spark_task = TaskContext.get()
        keep_to_cores(spark_task.cpus() if spark_task else 1)  # the cores are Spark's to share out
        for batch in batches:
            for index in batch.column(0).to_pylist():
                result = pickle.dumps(execute_caught(task, units[index]))
                yield pa.RecordBatch.from_pydict({"result": pa.array([result], pa.binary())})
        if not gc.get_freeze_count():
            # A PySpark worker collects garbage after every task, 80 ms with numba's half a million objects loaded;
            # frozen, they are not looked at again.
            gc.freeze()

    return work

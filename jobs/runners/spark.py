"""Bucket tasks on Spark: Spark schedules bucket numbers, and each Python worker opens the bucket's files itself.

Rows cross neither the shuffle nor the JVM-Python boundary, which is where row-wise UDFs spend their time.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.bucket_task import BucketTask, UnitResult, execute_caught

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class SparkRunner:
    """Runs waves of buckets with `mapInArrow`; a wave is what one commit holds, but keeps every core busy."""

    spark: SparkSession
    commit_every: int = 8

    def run(self, task: BucketTask, buckets: Sequence[int]) -> Iterator[UnitResult]:
        slots = self.spark.sparkContext.defaultParallelism
        wave = max(self.commit_every, 4 * slots)

        def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for bucket in batch.column(0).to_pylist():
                    result = pickle.dumps(execute_caught(task, bucket))
                    yield pa.RecordBatch.from_pydict({"result": pa.array([result], pa.binary())})

        for start in range(0, len(buckets), wave):
            numbers = list(buckets[start : start + wave])
            # One bucket per Spark task: a task is the unit of retry, and a slow bucket holds up no other.
            rows = self.spark.sparkContext.parallelize([(bucket,) for bucket in numbers], len(numbers))
            frame = self.spark.createDataFrame(rows, "bucket INT").mapInArrow(work, "result BINARY")
            for row in frame.collect():
                yield pickle.loads(row["result"])

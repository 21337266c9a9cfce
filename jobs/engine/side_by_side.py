"""Independent work of a Spark stage, side by side: while one query is planned, another one keeps the cores busy."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

T = TypeVar("T")
_AT_ONCE = 4  # more would only hold more memory


def side_by_side(spark: SparkSession | None, works: Mapping[str, Callable[[], T]]) -> dict[str, T]:
    """The result of each work, by its name; the first ones begin first. `spark`: None where none of them uses it.

    Where one raises, what runs beside it comes to its end, what has not begun never does, and the error is raised: of
    several the one whose work comes first.
    """
    tag = f"shelfcast-{uuid.uuid4().hex}"

    def one(work: Callable[[], T]) -> T:
        if spark is not None:
            spark.sparkContext.addJobTag(tag)
        return work()

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="spark-work") as pool:
        # Commits are stamped by a context variable, which threads do not inherit.
        begun = {name: pool.submit(copy_context().run, one, work) for name, work in works.items()}
        try:
            wait(begun.values(), return_when=FIRST_EXCEPTION)
        except BaseException:
            if spark is not None:
                spark.sparkContext.cancelJobsWithTag(tag)
            raise
        finally:
            for future in begun.values():
                future.cancel()
    for future in begun.values():
        if not future.cancelled() and (error := future.exception()) is not None:
            raise error
    return {name: future.result() for name, future in begun.items()}

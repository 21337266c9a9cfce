"""Finding a bucket's files in tables of many files: `python -m tests.benchmarks.bench_files`.

A year at 32 buckets makes 12,000 files in a table keyed by run, one at 128 buckets 48,000. Measured are the log of a
version loaded anew, a bucket's files once the log is loaded, and the files of all units looked up at once.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable

from deltalake.transaction import AddAction

from lakehouse.delta.files import PinnedTable, files_of, pinned_files, unit_files
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import contract

NAME = "forecast.demand"
COMMITS = 100


def table_of(lake: Lakehouse, files: int, buckets: int) -> PinnedTable:
    """A log of so many files that are not there, by run and bucket; pinned to its last run."""
    declared, table = contract(NAME), lake.ensure(NAME)
    bounds = {"unique_id": "a", "cutoff": "2024-01-01", "model": "ets", "ds": "2024-01-01"}
    nulls = dict.fromkeys(bounds, 0)
    stats = json.dumps({"numRecords": 900, "minValues": bounds, "maxValues": bounds, "nullCount": nulls})
    actions = []
    for number in range(files):
        values = {"run_id": f"2024{number // buckets:05d}-0123456789", "bucket": str(number % buckets)}
        path = f"run_id={values['run_id']}/bucket={values['bucket']}/part-{number:032x}.parquet"
        actions.append(AddAction(path, 50_000, values, 0, True, stats))
    step = -(-files // COMMITS)
    for start in range(0, files, step):
        part = actions[start : start + step]
        table.create_write_transaction(part, "append", table.schema(), partition_by=list(declared.partitions))
    table.update_incremental()
    table.create_checkpoint()
    last = f"2024{(files - buckets) // buckets:05d}-0123456789"
    return PinnedTable(NAME, lake.uri(NAME), table.version(), declared.file_columns(), (("run_id", last),))


def seconds(work: Callable[[], object], times: int = 5) -> float:
    best = float("inf")
    for _ in range(times):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


def anew(pinned: PinnedTable) -> None:
    pinned_files.cache_clear()
    pinned_files(pinned.uri, pinned.version)


def main() -> None:
    print(f"{'files':>8} {'log loaded':>12} {'one bucket':>12} {'all buckets':>12}   (seconds, best of 5)")
    for files, buckets in ((12_000, 32), (48_000, 128), (100_000, 256)):
        with tempfile.TemporaryDirectory() as folder:
            pinned = table_of(Lakehouse(folder), files, buckets)
            loaded = seconds(lambda p=pinned: anew(p))  # type: ignore[misc]
            one = seconds(lambda p=pinned: files_of(p, 7))  # type: ignore[misc]
            assert len(files_of(pinned, 7)) == 1
            every = seconds(lambda p=pinned, b=buckets: unit_files([p], range(b)))  # type: ignore[misc]
        print(f"{files:>8,} {loaded:>12.3f} {one:>12.4f} {every:>12.4f}")


if __name__ == "__main__":
    main()

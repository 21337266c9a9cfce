"""Record what each stage makes of the tiny retailer: `python -m tests.jobs.record_stage_results`."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

from jobs.pipeline import run_stages
from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import day, make_context
from tests.jobs.stage_results import CHANGED, FILE, faults, record, recorded, results_of
from tests.tiny_retailer import write_feeds

SPARK = ("spark.master=local[2]", "spark.driver_memory=2g", "spark.shuffle_partitions=2")


def main() -> int:
    """One whole run as of day 119, the same as the tests' finished lakehouse. Results that changed under a version that
    did not are not recorded: the exit code is 1."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lakehouse(str(Path(folder) / "lake"))
        context = make_context(None, lake, write_feeds(Path(folder) / "feeds"), day(119), *SPARK)
        with contextlib.closing(context):
            run_stages(context)
        found = faults(recorded(), results_of(lake)) if FILE.exists() else []
        print("\n".join(found))
        if any(CHANGED in line for line in found):
            return 1
        record(lake)
    print(f"recorded in {FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A run of the toys whose process is killed by a kernel: `python -m tests.jobs.toys.killed LAKE FOLDER STAGE ID`.

FOLDER holds the files of the feed; the kernel dies with this process, which is the driver, in the bucket of ID.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from jobs.pipeline import run_stages
from lakehouse.delta.io import Lakehouse
from tests.jobs.kernels import Dies
from tests.jobs.run_tool import with_kernel
from tests.jobs.toys.toy_tool import toy_context, toys_on


def main(lake: str, folder: str, stage: str, id_: str) -> None:
    with tempfile.TemporaryDirectory() as deaths:
        deadly = with_kernel(stage, lambda kernel: Dies(kernel, id_, deaths, times=1), toys_on("local"))
        run_stages(toy_context(Lakehouse(lake), Path(folder), "runner.commit_every=1"), stages=deadly)


if __name__ == "__main__":
    main(*sys.argv[1:])

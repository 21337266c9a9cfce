"""Inventory at scale: seconds, rates and agreement beside stockpyl in the same run.

`python -m tests.benchmarks.bench_inventory [s_s] [simulation] [--threads 2]`

Each part is a module of its own with a `report(threads)` that prints its table; without a name all parts run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch

from tests.benchmarks import bench_s_s, bench_simulation

PARTS: dict[str, Callable[[int], None]] = {
    "s_s": bench_s_s.report,
    "simulation": bench_simulation.report,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"some of: {', '.join(PARTS)}; all if none is given")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.parts) - set(PARTS))
    if unknown:
        parser.error(f"part: expected some of {', '.join(PARTS)}, found {', '.join(unknown)}")
    torch.set_num_threads(arguments.threads)
    for name in arguments.parts or PARTS:
        PARTS[name](arguments.threads)


if __name__ == "__main__":
    main()

"""Daily features by several engines on the same rows: seconds, rows per second, peak memory, and agreement.

`python -m tests.benchmarks.bench_features [--series 27400] [--days 730] [--repeats 1] [--only ours,polars]`

Each competitor runs in a process of its own with two cores; the clock runs from the start of the job to the end of
its Parquet write (imports and the start of Spark are left out for all; the compiled kernel and Python's byte code are
cached, as after the first run of an installation). Memory is the resident set summed over the process tree, sampled
ten times a second. The results of all must agree on a sample of series before a time is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread

import duckdb
import psutil
import pyarrow as pa

from tests.benchmarks.feature_competitors import COMPETITORS
from tests.benchmarks.retail_input import SERIES_PER_BUCKET, write_input
from tests.udfs.demand.feature_oracle import differences
from udfs.demand.features.sku_features import FeatureSpec

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    rows: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    bytes_per_row: float

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds


def measure(name: str, folder: Path, buckets: int, days: int, out: Path) -> Result:
    """Run one competitor in its own process and watch its memory."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "tests.benchmarks.feature_competitors", name, str(folder), str(buckets), str(out)]
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    settings = {"PYSPARK_PYTHON": sys.executable, "POLARS_MAX_THREADS": "2", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**inherited, **settings})
    peak, done = [0.0], Event()
    watcher = Thread(target=_watch, args=(process.pid, peak, done))
    watcher.start()
    output, _ = process.communicate()
    done.set()
    watcher.join()
    lines = [line for line in output.splitlines() if line.startswith("seconds ")]
    if process.returncode or not lines:
        raise RuntimeError(f"{name}: expected a line with its seconds, found exit code {process.returncode}")
    rows = buckets * SERIES_PER_BUCKET * days
    written = sum(file.stat().st_size for file in results_of(out).rglob("*.parquet"))
    seconds, cpu_seconds = (float(x) for x in lines[-1].split()[1:])
    return Result(name, rows, seconds, cpu_seconds, peak[0], written / rows)


def results_of(out: Path) -> Path:
    """Where a competitor's files lie: ours writes a Delta table of a lakehouse, beside its input."""
    return out / "features" if (out / "features").is_dir() else out


def _watch(pid: int, peak: list[float], done: Event) -> None:
    while not done.wait(0.1):
        total = 0
        try:
            tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in tree:
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        peak[0] = max(peak[0], total / 2**20)


def sample(out: Path, buckets: int) -> pa.Table:
    """Read every column of one series from the first, the middle and the last bucket."""
    ids = [f"SKU{bucket:05d}{17:04d}|S07|store" for bucket in sorted({0, buckets // 2, buckets - 1})]
    schema = FeatureSpec().schema()
    casts = ", ".join(f"{n}::TINYINT AS {n}" if schema.field(n).type == pa.int8() else n for n in schema.names)
    files = f"{results_of(out)}/**/*.parquet"
    query = f"SELECT {casts} FROM read_parquet('{files}') WHERE unique_id IN ? ORDER BY unique_id, ds"
    return duckdb.execute(query, [ids]).to_arrow_table()


def compare(names: Sequence[str], folder: Path, buckets: int, days: int, repeats: int, work: Path) -> list[Result]:
    """Measure each competitor `repeats` times, keep its best run, and check the samples against the first one's."""
    results, reference = [], None
    for name in names:
        runs = [measure(name, folder, buckets, days, work / name) for _ in range(repeats)]
        best = min(runs, key=lambda run: run.seconds)
        found = sample(work / name, buckets)
        reference = reference if reference is not None else found
        wrong = differences(found, reference, TOLERANCE)
        if wrong or found.num_rows == 0:
            raise AssertionError(f"{name}: expected the values of {names[0]} on {found.num_rows} rows, found {wrong}")
        shutil.rmtree(work / name)
        results.append(best)
        print(f"{name:18s} {best.seconds:8.2f} s wall {best.cpu_seconds:8.1f} s cpu", flush=True)
    return results


def table(results: Sequence[Result]) -> str:
    head = ("", "rows", "seconds", "x ours", "rows/s", "cpu s", "peak MiB", "B/row")
    lines = ["{:18s} {:>12s} {:>9s} {:>7s} {:>12s} {:>8s} {:>9s} {:>6s}".format(*head)]
    ours = next((r.seconds for r in results if r.name == "ours"), None)
    for r in results:
        ratio = f"{r.seconds / ours:.2f}" if ours else ""
        lines.append(
            f"{r.name:18s} {r.rows:12,d} {r.seconds:9.2f} {ratio:>7s} {r.rows_per_second:12,.0f} {r.cpu_seconds:8.1f}"
            f" {r.peak_mib:9,.0f} {r.bytes_per_row:6.1f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=27_400)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", default=",".join(COMPETITORS), help="competitors, comma separated")
    parser.add_argument(
        "--slope", default="0.25,0.5,1", help="shares of the series for the slope of ours; empty for none"
    )
    parser.add_argument("--folder", type=Path, help="keep the input here; default: a temporary folder")
    args = parser.parse_args()
    names = [name for name in args.only.split(",") if name]
    factors = [float(x) for x in args.slope.split(",") if x]
    buckets = -(-args.series // SERIES_PER_BUCKET)
    with tempfile.TemporaryDirectory(prefix="bench_features_") as temporary:
        work = Path(temporary)
        folder = args.folder or work / "input"
        write_input(folder, round(buckets * max([1.0, *factors])), args.days)
        measure("ours", folder, 2, args.days, work / "warm")  # fills numba's cache and Python's: see above
        results = compare(names, folder, buckets, args.days, args.repeats, work)
        print("\n" + table(results))
        slope = [measure("ours", folder, round(buckets * x), args.days, work / "slope") for x in factors]
        if slope:
            print("\nours at " + ", ".join(f"{x:g}x" for x in factors) + " the series\n" + table(slope))
    report = {
        "machine": {"cores": psutil.cpu_count(), "cpu": platform.processor(), "memory": psutil.virtual_memory().total},
        "series": buckets * SERIES_PER_BUCKET,
        "days": args.days,
        "results": [asdict(r) for r in results],
        "slope": [asdict(r) for r in slope],
    }
    path = ROOT / "artifacts" / "bench_features.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()

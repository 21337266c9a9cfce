"""The whole job, raw files to orders, on the M5 a few times over: seconds and peak memory of each stage by size.

    python -m tests.benchmarks.bench_slope [--times 1,5] [--as-of 2016-02-28] [--lakehouse DIR] [--set KEY=VALUE]...

The four stores are copied under other names; a copy's sales are drawn from a binomial distribution around the real
ones, so that no two stores are alike. A JSON line per size, and at the end how the seconds per series of the largest
compare with those of the smallest.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from jobs.cli import main as shelfcast
from lakehouse.delta.io import Lakehouse
from tests import real_data


def write_copies(folder: Path, times: int) -> Path:
    """The competition's files with `times` as many stores."""
    source = real_data.find("m5")
    folder.mkdir(parents=True)
    (folder / "calendar.csv").write_bytes((source / "calendar.csv").read_bytes())
    sales = pd.read_csv(source / "sales_train_evaluation.csv.gz")
    prices = pd.read_csv(source / "sell_prices.csv.gz")
    days = [name for name in sales.columns if name.startswith("d_")]
    rng = np.random.default_rng(0)
    for k in range(times):
        mode, header, suffix = ("w", True, "") if k == 0 else ("a", False, f"x{k}")
        rows = sales.copy()
        if k:
            rows[days] = rng.binomial(2 * sales[days].to_numpy(), 0.5)
        rows["store_id"] += suffix
        rows["id"] = rows["item_id"] + "_" + rows["store_id"] + "_evaluation"
        rows.to_csv(folder / "sales_train_evaluation.csv", mode=mode, header=header, index=False)
        stated = prices.assign(store_id=prices["store_id"] + suffix)
        stated.to_csv(folder / "sell_prices.csv", mode=mode, header=header, index=False)
    return folder


def measure(times: int, as_of: str, root: Path, settings: list[str]) -> dict[str, object]:
    """Seconds and peak memory of the run, and of its stages."""
    files, lakehouse = write_copies(root / f"input{times}", times), root / f"lake{times}"
    args = ["run", "--source", "m5", "--input", str(files), "--lakehouse", str(lakehouse), "--as-of", as_of]
    begun = time.perf_counter()
    if shelfcast([*args, *(part for each in settings for part in ("--set", each))]):
        raise SystemExit("the run failed")
    seconds = time.perf_counter() - begun
    stages = Lakehouse(str(lakehouse)).read_arrow("ops.run").to_pandas().sort_values("started_at")
    return {
        "times": times,
        "series": int(stages["ids"].max()),
        "seconds": round(seconds, 1),
        "peak_gib": round(float(stages["peak_memory_mb"].max()) / 1024, 1),
        "stages": {row["stage"]: round(row["seconds"], 1) for row in stages.to_dict("records")},
        "peaks_gib": {row["stage"]: round(row["peak_memory_mb"] / 1024, 1) for row in stages.to_dict("records")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", default="1,5")
    parser.add_argument("--as-of", default="2016-02-28")
    parser.add_argument("--lakehouse", default=None)
    parser.add_argument("--set", action="append", default=[])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.lakehouse) as folder:
        found = [measure(int(n), asked.as_of, Path(folder), asked.set) for n in asked.times.split(",")]
        for each in found:
            print(json.dumps(each), flush=True)
    per_series = [float(str(each["seconds"])) / int(str(each["series"])) for each in found]
    print(json.dumps({"seconds_per_series_over_the_smallest": round(per_series[-1] / per_series[0], 3)}))


if __name__ == "__main__":
    main()

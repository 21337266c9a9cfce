"""The planner's page in a browser, on a plan of 30,000 series: seconds, decisions, exports, accessibility, pictures.

Run it as `python -m tests.benchmarks.bench_page --from LAKEHOUSE --out FOLDER`, where LAKEHOUSE is finished (as the
demo makes one). It needs what the project does not depend on; where that is absent it says so and measures nothing:

- `--python PATH` or SHELFCAST_BROWSER_PYTHON: an interpreter that has playwright (`pip install playwright`; it needs no
  browser of its own);
- `--browser PATH` (/usr/bin/chromium);
- `--axe PATH` or SHELFCAST_AXE: `axe.min.js` of the npm package axe-core; without it nothing is checked by it.

The enlarged lakehouse is kept in FOLDER for the next time. Prints a JSON line per finding, and exits with 1 where one
misses its goal: the first list under 1 s, an interaction under 0.3 s (medians), no violation found by axe-core, no page
wider than the screen, no request to another host.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl

from jobs.views.plans import plan_of
from jobs.views.series import PLAN, published_day
from lakehouse.delta.decisions import TABLE
from lakehouse.delta.io import Lakehouse
from tests.benchmarks.page_data import enlarged

UPLOADED = 1_000
MOST_SECONDS = {"first list": 1.0, "interaction": 0.3}


def main() -> int:
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    if reason := _lacking(options):
        print(json.dumps({"skipped": reason}))
        return 0
    folder = options.out / "lakehouse"
    lake = Lakehouse(str(folder)) if folder.exists() else enlarged(Lakehouse(options.source), folder, options.series)
    upload = _upload(lake, options.out / "upload.xlsx")
    decided = lake.rows(TABLE)
    with _served(lake) as address:
        findings = _in_browser(options, address, lake, upload)
    missed = []
    for finding in [*findings, _reopened(options.out / "export.xlsx"), *_recorded(lake, decided)]:
        is_missed = finding.get("median_s", 0.0) > MOST_SECONDS.get(finding.get("goal", ""), float("inf"))
        if is_missed or finding.get("wrong"):
            missed.append(finding["what"])
        print(json.dumps(finding), flush=True)
    if missed:
        print(json.dumps({"missed": missed}))
    return 1 if missed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_page")
    parser.add_argument("--from", dest="source", required=True, help="a finished lakehouse; it is not written to")
    parser.add_argument("--out", type=Path, required=True, help="for the enlarged lakehouse and the pictures")
    parser.add_argument("--series", type=int, default=30_000)
    parser.add_argument("--python", default=os.environ.get("SHELFCAST_BROWSER_PYTHON", sys.executable))
    parser.add_argument("--browser", default="/usr/bin/chromium")
    parser.add_argument("--axe", default=os.environ.get("SHELFCAST_AXE", ""))
    return parser.parse_args()


def _lacking(options: argparse.Namespace) -> str:
    """Why nothing can be measured, or nothing."""
    if subprocess.run([options.python, "-c", "import playwright"], capture_output=True).returncode:
        return f"{options.python} has no playwright; name an interpreter that has it with --python"
    if not Path(options.browser).exists():
        return f"there is no browser at {options.browser}; name one with --browser"
    return ""


@contextlib.contextmanager
def _served(lake: Lakehouse) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "shelfcast", "page", "--lakehouse", lake.root, "--port", str(port)]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            said = server.stdout.readline()
            print(json.dumps({"what": "page started", "seconds": round(time.perf_counter() - started, 2)}), flush=True)
            assert said, "the page did not start; what it said stands above"
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _in_browser(options: argparse.Namespace, address: str, lake: Lakehouse, upload: Path) -> list[dict[str, Any]]:
    plan = lake.read_arrow(PLAN, columns=["unique_id", "order_value", "as_of"])
    largest = plan.sort_by([("as_of", "descending"), ("order_value", "descending")])["unique_id"][0].as_py()
    told = {
        "address": address,
        "browser": options.browser,
        "axe": options.axe,
        "out": str(options.out),
        "upload": str(upload),
        "series": largest,
    }
    script = Path(__file__).with_name("page_in_browser.py")
    done = subprocess.run(
        [options.python, str(script), json.dumps(told)], stdout=subprocess.PIPE, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _upload(lake: Lakehouse, path: Path) -> Path:
    """A workbook of orders for many series, with the headers of the exported list."""
    plan = plan_of(lake, published_day(lake, None))
    rows = lake.read_arrow(PLAN, columns=["as_of", "sku_id", "location_id", "channel_id"]).to_pylist()
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(["SKU", "Location", "Channel", "order_qty", "note"])
    for row in [row for row in rows if row["as_of"] == plan.as_of][:UPLOADED]:
        sheet.append([row["sku_id"], row["location_id"], row["channel_id"], 3, "measured"])
    book.save(path)
    return path


def _reopened(path: Path) -> dict[str, Any]:
    """What stands in the exported workbook; a formula among it is wrong."""
    started = time.perf_counter()
    sheet = openpyxl.load_workbook(path, read_only=True).active
    formulas = rows = 0
    for row in sheet.iter_rows(min_row=2):
        rows += 1
        formulas += sum(cell.data_type == "f" for cell in row)
    seconds = round(time.perf_counter() - started, 2)
    listed = json.loads(path.with_suffix(".json").read_text())["lines"]
    wrong = formulas > 0 or rows != listed
    return {"what": "export reopened", "rows": rows, "listed": listed, "formulas": formulas, "seconds": seconds} | (
        {"wrong": True} if wrong else {}
    )


def _recorded(lake: Lakehouse, before: int) -> Iterator[dict[str, Any]]:
    """One decision on a series' page, and those of the file."""
    recorded = Lakehouse(lake.root).rows(TABLE) - before
    yield {"what": "decisions recorded", "rows": recorded, "wrong": recorded != UPLOADED + 1}


if __name__ == "__main__":
    sys.exit(main())

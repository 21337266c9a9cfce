"""python -m tests.jobs.compiled_calls LAKEHOUSE COPY: calls of kernels by the stages that were not made ahead.

Prints for how many stages calls were made ahead, how many, and those that the stages made beside them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.compute as pc
from numba.core.dispatcher import Dispatcher

from jobs.pipeline import run_stages
from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import copied, day, make_context
from udfs.compile_ahead import STEPS, compile_for
from udfs.demand.censoring.censored_demand import latent_table
from udfs.demand.features.sku_features import sku_daily_features

STAGES = ["train", "backtest", "calibrate", "forecast", "replay", "inventory", "order"]


def calls() -> set[str]:
    """(kernel, types) that this process has called from Python or compiled."""
    found = set()
    for module in [module for name, module in sys.modules.items() if name.startswith("udfs.")]:
        for kernel in vars(module).values():
            if isinstance(kernel, Dispatcher):
                name = f"{kernel.py_func.__module__}.{kernel.py_func.__qualname__}"
                found |= {f"{name}{types}" for types in kernel.overloads}
    return found


def run_all(lake: Lakehouse) -> None:
    """The stages but ingest, on one lakehouse; clean's and features' functions without Spark."""
    context = make_context(None, lake, None, day(119), force=True)
    sales = lake.read_arrow("silver.sales_daily").sort_by([("unique_id", "ascending"), ("ds", "ascending")])
    columns = ["unique_id", "location_id", "ds", "y", "unit_price", "is_promo"]
    calendar = lake.read_arrow("silver.calendar", columns=["location_id", "ds", "is_holiday", "is_event"])
    known = sku_daily_features(sales.select(columns), calendar, last_ds=day(118))
    carry = known.filter(pc.equal(known["ds"], day(118)))
    sku_daily_features(sales.select(columns), calendar, first_ds=day(119), last_ds=day(119), carry=carry)
    latent_table(sales.select(["unique_id", "ds", "y", "is_censored"]))
    run_stages(context, STAGES)


def main() -> None:
    lake = copied(Lakehouse(sys.argv[1]), Path(sys.argv[2]))
    settings = make_context(None, lake, None, day(119)).settings
    stages = [*compile_for(STEPS, settings.forecast, settings.inventory)]
    ahead = calls()
    run_all(lake)
    print(len(stages), len(ahead), sorted(calls() - ahead))


if __name__ == "__main__":
    main()

"""Lots on Trigeiro's and the CLSP's instances: `python -m tests.benchmarks.bench_production [INSTANCE ...]`.

`--seconds` are those of the processor, so that others on the machine count for little; without them 10 for Trigeiro's
and 5 for the CLSP's. HiGHS has limits by the wall's clock alone, which `--wall` says may run so many times faster.
`--against S` runs HiGHS alone as well, on the whole model for S seconds of the wall, for the gap to the better of both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from tests import real_data
from udfs.supply_network.production.fix_and_optimise import solve
from udfs.supply_network.production.lot_model import lot_model
from udfs.supply_network.production.lot_problem import LotProblem

SECONDS = {"trigeiro": 10.0, "clsp": 5.0}


def instances(file: str) -> Iterator[tuple[str, LotProblem]]:
    """Each instance of a file: one resource, no stock, no overtime."""
    rows = pd.read_parquet(real_data.find("lot_sizing") / f"{file}.parquet")
    for name, items in rows.groupby("instance", sort=False):
        demand = np.stack(items["demand"].to_numpy())
        n, periods = demand.shape
        yield (
            str(name),
            LotProblem(
                item_I=tuple(f"item {k}" for k in items["item"]),
                demand_IT=demand,
                unit_time_I=items["unit_time"].to_numpy(),
                setup_time_I=items["setup_time"].to_numpy(),
                setup_cost_I=items["setup_cost"].to_numpy(),
                holding_cost_I=items["holding_cost"].to_numpy(),
                late_cost_I=items["setup_cost"].to_numpy(),
                stock_I=np.zeros(n),
                resource_I=np.zeros(n, dtype=np.int64),
                resource_R=("machine",),
                capacity_RT=np.full((1, periods), items["capacity"].iloc[0]),
                overtime_RT=np.zeros((1, periods)),
                overtime_cost_R=np.zeros(1),
                needs_II=np.zeros((n, n)),
            ),
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--wall", type=float, default=1.0)
    parser.add_argument("--against", type=float)
    asked = parser.parse_args()
    for file, default in SECONDS.items():
        for name, problem in instances(file):
            if asked.names and name not in asked.names:
                continue
            model, started = lot_model(problem), time.process_time()
            seconds = asked.seconds or default
            found = solve(model, seconds, clock=time.process_time, wall_per_second=asked.wall)
            missing = found.value_N[model.missing].sum()
            words = f"{name}: {found.cost:,.1f}, bound {found.bound:,.1f}, hours that are not there {missing:.2f}"
            print(f"{words}, {time.process_time() - started:.1f} CPU seconds", end="")
            if asked.against:
                zero = np.zeros(problem.demand_IT.shape)
                alone = model.solve(zero, zero + 1.0, asked.against)
                best = min(found.cost, alone.fun if alone.x is not None else np.inf)
                print(f"; HiGHS alone {alone.fun}; above the better {found.cost / best - 1:.3%}", end="")
            print(flush=True)


if __name__ == "__main__":
    main()

"""What a run's chosen policies save against the safety stock of z x sigma x sqrt(lead time), from its own tables.

`python -m tests.benchmarks.bench_policies LAKEHOUSE [RUN_ID]` prints, for the policies that the choice on earlier
replays put to the test of the last one, the cost per year beside the benchmark's, with a confidence interval from
resampling series; then every candidate's replays, cutoff by cutoff.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from lakehouse.delta.io import Lakehouse

RESAMPLES = 2000
_PAIRS = {
    "held out: chosen before the last replay": ("held_out_cost", "held_out_benchmark_cost"),
    "replayed: chosen by these replays": ("replayed_cost", "replayed_benchmark_cost"),
    "expected: on the sample paths": ("expected_cost", "benchmark_cost"),
}


def saving(cost_S: np.ndarray, benchmark_S: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """1 - sum cost / sum benchmark, and the 2.5% and 97.5% quantiles of it over resampled series."""
    rng, n_series = np.random.default_rng(seed), len(cost_S)
    weight_RS = (rng.multinomial(n_series, np.full(n_series, 1.0 / n_series)) for _ in range(RESAMPLES))
    found = np.array([1.0 - (w @ cost_S) / (w @ benchmark_S) for w in weight_RS])
    low, high = np.quantile(found, [0.025, 0.975])
    return float(1.0 - cost_S.sum() / benchmark_S.sum()), float(low), float(high)


def main(root: str, run_id: str | None = None) -> None:
    lake = Lakehouse(root)
    policy = lake.read_arrow("inventory.policy").to_pandas()
    run = run_id or policy["run_id"].iloc[-1]
    policy = policy[policy["run_id"] == run]
    print(f"run {run}: {len(policy):,} series; policies {policy['policy'].value_counts().to_dict()}")
    for words, (cost, benchmark) in _PAIRS.items():
        known = policy.dropna(subset=[cost, benchmark])
        share, low, high = saving(known[cost].to_numpy(), known[benchmark].to_numpy())
        print(
            f"{words}: {known[cost].sum():,.0f} against {known[benchmark].sum():,.0f} a year, saving {share:.2%} "
            f"(95% interval {low:.2%} to {high:.2%}), {len(known):,} series, "
            f"no dearer on {(known[cost] <= known[benchmark] * (1 + 1e-9)).mean():.1%}"
        )
    replay = lake.read_arrow("inventory.replay", filters=pc.field("run_id") == run).to_pandas()
    sums = replay.groupby(["cutoff", "policy"]).sum(numeric_only=True)
    table = pd.DataFrame(
        {
            "cost a day": sums["replay_cost"],
            "holding": sums["replay_holding_cost"],
            "ordering": sums["replay_ordering_cost"],
            "lost margin": sums["replay_shortage_cost"],
            "fill rate": sums["sales_qty"] / sums["demand_qty"],
        }
    )
    print(table.round(4).to_string())


if __name__ == "__main__":
    main(*sys.argv[1:])

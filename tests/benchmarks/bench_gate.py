"""Does `auto` lose to one of its own candidates? From frame to frame, as a user calls it.

Run it as `python -m tests.benchmarks.bench_gate [SET ...] [--validation] [--models NAME,...]`. Prints a JSON line per
set: MASE of the median, WQL over the levels .1 to .9, OWA of the mean where sMAPE means something, and the error of the
sum of all series (sum of absolute errors of its steps over its actuals), for `auto` and for every candidate, and
`auto` over the best candidate by each. The gate: at most `GATE` by each of `GATED`; the exit status says whether all
sets pass. Candidates are told the season, `auto` finds it unless no calendar has it. `--validation` scores the windows
before the test window, by which settings were chosen.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from tests.benchmarks.gate_data import SETS, GateSet
from udfs.forecasting import metrics
from udfs.forecasting.forecast_spec import quantile_column
from udfs.forecasting.frames import INTERMITTENT, REGULAR, forecast
from udfs.forecasting.registry import AUTO
from udfs.series.sku_batch import SkuBatch

LEVELS = tuple(round(0.1 * k, 1) for k in range(1, 10))
GATE = 1.01
GATED = ("mase", "wql", "owa")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET")
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--models", default=",".join(dict.fromkeys((*REGULAR, *INTERMITTENT))))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    passed = True
    for name in arguments.sets or SETS:
        row = gate(SETS[name](), arguments.models.split(","), arguments.validation)
        passed &= all(ratio <= GATE for measure, ratio in row["ratio"].items() if measure in GATED)
        print(json.dumps({"set": name, "windows": "validation" if arguments.validation else "test"} | row), flush=True)
    sys.exit(not passed)


@dataclass(frozen=True)
class Window:
    """What was known at a cutoff and what came in the steps after it, series in the order of their sorted ids."""

    history: pd.DataFrame
    ids: np.ndarray
    ds: pd.DatetimeIndex
    actual_SH: torch.Tensor
    mask_SH: torch.Tensor
    scale_S: torch.Tensor

    @classmethod
    def of(cls, data: GateSet, back: int) -> Window:
        wide = data.rows.pivot(index="unique_id", columns="ds", values="y").sort_index()
        grid = pd.date_range(wide.columns.min(), wide.columns.max(), freq=data.freq)
        wide = wide.reindex(columns=grid)
        history = data.rows[data.rows["ds"] <= grid[-1 - back]]
        known = wide.loc[wide.index.isin(history["unique_id"])]
        y = torch.from_numpy(known.to_numpy())
        past, ahead = y[:, : len(grid) - back], y[:, len(grid) - back :][:, : data.horizon]
        past_batch = SkuBatch(known.index.to_numpy(object), past.nan_to_num(), ~past.isnan(), grid[-1 - back].date())
        ds = grid[len(grid) - back :][: data.horizon]
        lag = data.season_length if past.shape[1] > data.season_length else 1
        scale_S = metrics.difference_scale(past_batch, power=1, lag=lag)
        return cls(history, known.index.to_numpy(), ds, ahead.nan_to_num(), ~ahead.isnan(), scale_S)

    def scores(self, made: pd.DataFrame) -> dict[str, float]:
        """A series that lacks its last rows is forecast from there on: what no forecast reaches is not scored."""
        columns = ["mean", *(quantile_column(level) for level in LEVELS)]
        index = pd.MultiIndex.from_product([self.ids, self.ds], names=["unique_id", "ds"])
        value = made.set_index(["unique_id", "ds"])[columns].reindex(index).to_numpy()
        value_SHC = torch.from_numpy(value.reshape(*self.mask_SH.shape, -1))
        mask_SH = self.mask_SH & ~value_SHC.isnan().any(2)
        if mask_SH.sum() < 0.9 * self.mask_SH.sum():
            raise ValueError(f"expected forecasts of the rows after the cutoff, found {int(mask_SH.sum())} of them")
        mean_SH, quantile_SHQ = value_SHC[:, :, 0].nan_to_num(), value_SHC[:, :, 1:].nan_to_num()
        median_SH = quantile_SHQ[:, :, LEVELS.index(0.5)]
        error_H = torch.where(mask_SH, mean_SH - self.actual_SH, 0.0).sum(0)
        return {
            "mase": metrics.mase(self.actual_SH, median_SH, mask_SH, self.scale_S).nanmean().item(),
            "wql": float(metrics.pooled_wql(self.actual_SH, quantile_SHQ, LEVELS, mask_SH)),
            "sum": (error_H.abs().sum() / torch.where(mask_SH, self.actual_SH, 0.0).sum()).item(),
            "smape": metrics.smape(self.actual_SH, mean_SH, mask_SH).nanmean().item(),
            "mase_of_mean": metrics.mase(self.actual_SH, mean_SH, mask_SH, self.scale_S).nanmean().item(),
        }


def gate(data: GateSet, candidates: list[str], validation: bool) -> dict[str, dict[str, Any]]:
    """Scores by model, means over the windows, and `auto` over the best candidate by each of them."""
    scored: dict[str, list[dict[str, float]]] = {}
    seconds: dict[str, float] = {}
    for back in data.backs if validation else (data.horizon,):
        window = Window.of(data, back)
        for name in ("naive2", *candidates, AUTO):
            start = time.perf_counter()
            season = None if name == AUTO and not data.told else data.season_length
            of_run = (data.horizon, season, data.freq, LEVELS, "cpu")
            made = forecast(window.history, name, *of_run, leading_zeros=data.leading_zeros)
            seconds[name] = round(seconds.get(name, 0.0) + time.perf_counter() - start, 2)
            scored.setdefault(name, []).append(window.scores(made))
    return summary({name: averaged(rows) for name, rows in scored.items()}, data.owa) | {"seconds": seconds}


def averaged(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def summary(mean: dict[str, dict[str, float]], owa: bool) -> dict[str, dict[str, Any]]:
    scores = {}
    for name, row in mean.items():
        scores[name] = {key: row[key] for key in ("mase", "wql", "sum")}
        if owa:
            scores[name]["owa"] = sum(row[key] / mean["naive2"][key] for key in ("smape", "mase_of_mean")) / 2
    rivals = [row for name, row in scores.items() if name not in ("naive2", AUTO)]
    ratio = {key: round(value / min(row[key] for row in rivals), 4) for key, value in scores[AUTO].items()}
    rounded = {name: {key: round(value, 4) for key, value in row.items()} for name, row in scores.items()}
    return {"ratio": ratio, "scores": rounded}


if __name__ == "__main__":
    main()

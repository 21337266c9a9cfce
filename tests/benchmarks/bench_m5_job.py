"""The whole job on the four M5 stores: what `shelfcast run` writes to `forecast.demand`, scored on the days that came.

    python -m tests.benchmarks.bench_m5_job test|tuning|YYYY-MM-DD[,YYYY-MM-DD] [--source NAME] [--set KEY=VALUE]...

Every cutoff is a run as of that day in one lakehouse, up to the forecast. Per cutoff one JSON line: seconds; WRMSSE, by
level and over seasonal naive's; scaled pinball of the series, weighted by revenue as M5 did (SPL at the levels that the
table holds); sales forecast over sales in department x store, by week; the weekday profile of forecast and sales.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import date

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from jobs.cli import main as shelfcast
from lakehouse.delta.io import Lakehouse
from tests import real_data
from tests.benchmarks import m5_data
from tests.benchmarks.m5_data import HORIZON
from tests.benchmarks.m5_wrmsse import Wrmsse
from udfs.forecasting.models.naive import SeasonalNaive
from udfs.forecasting.quantile_levels import QUANTILES
from udfs.series.sku_batch import SkuBatch

WINDOWS = {"test": m5_data.TEST_CUTOFFS, "tuning": m5_data.TUNING_CUTOFFS}
STAGES = "ingest,clean,festivals,features,train,train_networks,backtest,calibrate,forecast"
_LEVELS = {f"p{round(level * 100):02d}": level for level in QUANTILES}


def run(cutoff: date, folder: str, source: str, settings: list[str]) -> float:
    """Seconds that the job took."""
    start = time.perf_counter()
    args = ["run", "--source", source, "--input", str(real_data.find("m5")), "--lakehouse", folder]
    args += ["--as-of", str(cutoff), "--stages", STAGES]
    if shelfcast([*args, *(part for each in settings for part in ("--set", each))]):
        raise SystemExit("the run failed")
    return time.perf_counter() - start


def forecasts(cutoff: date, folder: str, batch: SkuBatch) -> tuple[np.ndarray, np.ndarray]:
    """(S, H) means and (S, H, Q) quantiles of the run as of `cutoff`; 0 for a series that it does not know."""
    wanted = ["unique_id", "cutoff", "ds", "mean", *_LEVELS]
    lake = Lakehouse(folder)
    # Later days' runs replay this cutoff too, and so did runs of other settings.
    of_day = lake.read_arrow("ops.run", columns=["run_id", "stage", "as_of", "started_at"]).to_pandas()
    of_day = of_day[(of_day["stage"] == "forecast") & (of_day["as_of"] == cutoff)]
    run_id = of_day.sort_values("started_at")["run_id"].iloc[-1]
    mine = (pc.field("cutoff") == cutoff) & (pc.field("run_id") == run_id)
    rows = lake.read_arrow("forecast.demand", columns=wanted, filters=mine)
    # The files' ids end in "_evaluation"; the job's are item, store and channel.
    at = pd.Index([name.removesuffix("_evaluation") for name in batch.unique_ids])
    encoded = rows["unique_id"].combine_chunks().dictionary_encode()
    row_of_U = at.get_indexer(["_".join(series.split("|")[:2]) for series in encoded.dictionary.to_pylist()])
    if (row_of_U < 0).any():
        raise SystemExit(f"{(row_of_U < 0).sum()} series of the job are not in the files")
    day_R = rows["ds"].to_numpy().astype("datetime64[D]") - np.datetime64(cutoff) - np.timedelta64(1, "D")
    values_SHQ = np.zeros((len(at), HORIZON, 1 + len(_LEVELS)))
    found_RQ = np.stack([rows[name].to_numpy() for name in ("mean", *_LEVELS)], axis=1)
    values_SHQ[row_of_U[encoded.indices.to_numpy()], day_R.astype(int)] = found_RQ
    return values_SHQ[..., 0], values_SHQ[..., 1:]


def scaled_pinball(judge: Wrmsse, quantile_SHQ: np.ndarray) -> float:
    """SPL of the series (the last level), weighted by revenue; scaled by the mean absolute one-day difference."""
    loss_S = np.zeros(len(quantile_SHQ))
    for at, level in enumerate(QUANTILES):
        gap_SH = judge.actual_SH - quantile_SHQ[..., at]
        loss_S += np.maximum(level * gap_SH, (level - 1) * gap_SH).mean(1) / len(QUANTILES)
    order_S = judge.group_LS[-1]
    return float((judge.weight_L[-1][order_S] * loss_S / judge.abs_scale_S).sum())


def sums(batch: SkuBatch, judge: Wrmsse, mean_SH: np.ndarray) -> dict[str, object]:
    """Forecast over sales by week; mean absolute miss of store-department weeks; profiles of weekdays, Monday first."""
    weeks = [
        round(float(mean_SH[:, at : at + 7].sum() / judge.actual_SH[:, at : at + 7].sum()), 4)
        for at in range(0, HORIZON, 7)
    ]
    group_S = judge.group_LS[8]
    misses = [
        np.abs(np.bincount(group_S, mean_SH[:, w].sum(1)) / np.bincount(group_S, judge.actual_SH[:, w].sum(1)) - 1)
        for w in (slice(at, at + 7) for at in range(0, HORIZON, 7))
    ]
    first = pd.Timestamp(batch.cutoff).weekday() + 1
    weekday_H = (np.arange(HORIZON) + first) % 7
    profile = {}
    for name, x_SH in (("forecast", mean_SH), ("sales", judge.actual_SH)):
        total_W = np.bincount(weekday_H, x_SH.sum(0))
        profile[name] = (total_W / total_W.mean()).round(3).tolist()
    return {"sum_ratio_by_week": weeks, "store_dept_week_miss": round(float(np.mean(misses)), 4), "weekdays": profile}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cutoffs")
    parser.add_argument("--source", default="m5")
    parser.add_argument("--lakehouse")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    args = parser.parse_args()
    cutoffs = WINDOWS.get(args.cutoffs) or [date.fromisoformat(each) for each in args.cutoffs.split(",")]
    batch = m5_data.load()
    ratios = []
    with tempfile.TemporaryDirectory() as temporary:
        for cutoff in cutoffs:
            seconds = run(cutoff, args.lakehouse or temporary, args.source, args.settings)
            back = (batch.cutoff - cutoff).days
            past, judge = batch.until(back), Wrmsse.of(batch, back)
            mean_SH, quantile_SHQ = forecasts(cutoff, args.lakehouse or temporary, batch)
            # Christmas Day is a closed day that the files do not tell of; a mapping would.
            open_H = batch.ahead(back, HORIZON)[1].numpy().any(0)
            mean_SH, quantile_SHQ = mean_SH * open_H, quantile_SHQ * open_H[:, None]
            levels = judge.level_scores(mean_SH)
            naive = judge.score(SeasonalNaive(7).forecast(past, HORIZON, QUANTILES).mean_SH.numpy() * open_H)
            ratios.append(float(levels.mean() / naive))
            line = {"cutoff": str(cutoff), "seconds": round(seconds), "wrmsse": round(float(levels.mean()), 4)}
            line |= {"ratio": round(ratios[-1], 4), "spl": round(scaled_pinball(judge, quantile_SHQ), 4)}
            print(json.dumps(line | sums(past, judge, mean_SH) | {"levels": levels.round(3).tolist()}), flush=True)
    print(json.dumps({"mean_ratio": round(float(np.mean(ratios)), 4)}))


if __name__ == "__main__":
    main()

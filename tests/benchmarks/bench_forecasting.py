"""The batched forecasters against their peers: same run, same series, two threads, warm, alternating, medians.

Run it as `python -m tests.benchmarks.bench_forecasting [SERIES]` (default 2000 series of the M5; about eight minutes on
two cores). It prints a table per data set, the rates from a long frame to a long frame, the slope from 1,000 to 100,000
series, and how much of the machine's arithmetic the search of exponential smoothing uses.

Data: 335 days of the M5's item-store series with 28 days to forecast, the stores' closing day and one day in a hundred
unobserved; and the carparts, monthly, with the last 12 months to forecast. Series start at their first sale. Peers
that need whole series get the gaps filled with the last value, the intermittent ones with 0. Where the real data are
absent, generated counts stand in.

Ours makes the mean and eight quantiles of every series; a peer makes the mean and, where it can, two intervals. A slow
peer gets an even sample of the series, and accuracy is compared on that sample.
"""

from __future__ import annotations

import datetime as dt
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numba
import numpy as np
import pandas as pd
import torch

from tests import real_data
from tests.benchmarks import forecasting_competitors as competitors
from tests.udfs.forecasting.series import batch_of, m5_table, mixed_series
from udfs.forecasting import forecast, metrics, registry
from udfs.forecasting.forecast_spec import QUANTILES, ForecastSpec
from udfs.forecasting.models.ets.ets_forms import EtsGrid
from udfs.forecasting.models.ets.recursion import grid_sse, start_states
from udfs.series.sku_batch import SkuBatch

T = TypeVar("T")

THREADS = 2
REPEATS = 3
SECONDS_PER_PAIR = 25.0
"""A pair that is past this after a repeat gets no further one."""
M5_CUTOFF, M5_END, M5_HORIZON = dt.date(2016, 1, 31), dt.date(2016, 2, 28), 28
SLOPE_SERIES = (1_000, 10_000, 100_000)
FLOPS = (5, 9, 8, 12)
"""Additions and multiplications per observed day of a point of each kind: level, trend, season, both."""


@dataclass(frozen=True)
class Task:
    """Series to forecast, and what was sold then."""

    name: str
    batch: SkuBatch
    season_length: int
    actual_SH: torch.Tensor
    mask_SH: torch.Tensor

    @property
    def horizon(self) -> int:
        return int(self.actual_SH.shape[1])

    def sample(self, n_series: int | None) -> Task:
        if n_series is None or n_series >= len(self.batch):
            return self
        index = np.linspace(0, len(self.batch) - 1, n_series).astype(int)
        return replace(
            self, batch=self.batch.select(index), actual_SH=self.actual_SH[index], mask_SH=self.mask_SH[index]
        )


def main(n_series: int) -> None:
    torch.set_num_threads(THREADS)
    tasks = [m5(n_series), carparts()] if (real_data.ROOT / "m5").exists() else [generated(n_series)]
    for task in tasks:
        print(f"\n{task.name}: {len(task.batch)} series, T {task.batch.n_days}, H {task.horizon}")
        print(
            f"{'ours':8} {'peer':22} {'ours/s':>9} {'peer/s':>9} {'ratio':>8} {'goal':>6} | {'sample':>6} "
            f"{'RMSSE':>13} {'pinball .9':>13} {'pinball .95':>13}  (ours peer)"
        )
        for pair in competitors.PAIRS:
            if pair.ours in registry.made_names():
                print(_row(task, pair), flush=True)
    _frames(tasks[0])
    _slope(tasks[0])
    _arithmetic(tasks[0])


def m5(n_series: int) -> Task:
    batch = SkuBatch.from_arrow(m5_table(n_series), M5_END)
    closed = [(M5_END - dt.timedelta(days=k)).timetuple()[1:3] == (12, 25) for k in range(batch.n_days)][::-1]
    gaps_ST = torch.from_numpy(np.random.default_rng(0).random(tuple(batch.mask_ST.shape)) < 0.01)
    mask_ST = batch.mask_ST & ~torch.tensor(closed) & ~gaps_ST
    whole = replace(batch, y_ST=torch.where(mask_ST, batch.y_ST, 0.0), mask_ST=mask_ST)
    return _task("M5", whole, M5_HORIZON, 7)


def carparts() -> Task:
    data = pd.read_parquet(real_data.find("carparts") / "carparts.parquet")
    y_ST = data.pivot(index="unique_id", columns="ds", values="y").to_numpy(float)
    listed_ST = np.maximum.accumulate(y_ST > 0, axis=1) | ~(y_ST > 0).any(1, keepdims=True)
    mask_ST = torch.from_numpy(listed_ST & ~np.isnan(y_ST))
    ids = np.arange(len(y_ST)).astype(str).astype(object)
    whole = SkuBatch(ids, torch.where(mask_ST, torch.from_numpy(y_ST), 0.0), mask_ST, dt.date(2002, 3, 31))
    return _task("carparts", whole, 12, 12)


def generated(n_series: int) -> Task:
    return _task("generated counts", batch_of(mixed_series(n_series, n_days=364)), M5_HORIZON, 7)


def _task(name: str, whole: SkuBatch, horizon: int, season_length: int) -> Task:
    """The last `horizon` steps are the test; series with less than two seasons before them are left out."""
    n_seen_S = whole.mask_ST[:, : whole.n_days - horizon].sum(1)
    whole = whole.select((n_seen_S >= 2 * season_length).numpy())
    history = whole.until(horizon)
    history = replace(history, y_ST=history.y_ST.contiguous(), mask_ST=history.mask_ST.contiguous())
    return Task(name, history, season_length, *whole.ahead(horizon, horizon))


def _row(task: Task, pair: competitors.Pair) -> str:
    sample = task.sample(pair.series)
    frame = competitors.frame(sample.batch, pair.fill)
    model = registry.make(pair.ours, ForecastSpec(season_length=task.season_length))
    model.forecast(task.batch.select(slice(0, 64)), task.horizon, QUANTILES)
    competitors.run(pair, frame[frame["unique_id"] <= "000003"], task.season_length, task.horizon)
    began, our_seconds, peer_seconds = time.perf_counter(), [], []
    for _ in range(REPEATS):
        _, seconds = _timed(lambda: model.forecast(task.batch, task.horizon, QUANTILES))
        our_seconds.append(seconds)
        theirs, seconds = _timed(lambda: competitors.run(pair, frame, task.season_length, task.horizon))
        peer_seconds.append(seconds)
        if time.perf_counter() - began > SECONDS_PER_PAIR:
            break
    ours = model.forecast(sample.batch, task.horizon, QUANTILES)
    our_quantiles = (ours.quantile_SHQ[..., QUANTILES.index(level)] for level in (0.9, 0.95))
    scores = zip(
        _scores(sample, ours.mean_SH, *our_quantiles),
        _scores(sample, theirs["mean"], theirs.get("p90"), theirs.get("p95")),
        strict=True,
    )
    our_rate = len(task.batch) / statistics.median(our_seconds)
    peer_rate = len(sample.batch) / statistics.median(peer_seconds)
    return (
        f"{pair.ours:8} {pair.peer:22} {our_rate:9,.0f} {peer_rate:9,.1f} {our_rate / peer_rate:7,.1f}x "
        f"{pair.goal:5,.0f}x | {len(sample.batch):6} " + " ".join(f"{our:6.4f} {peer:6.4f}" for our, peer in scores)
    )


def _scores(
    task: Task, mean_SH: torch.Tensor, p90_SH: torch.Tensor | None, p95_SH: torch.Tensor | None
) -> tuple[float, float, float]:
    """Mean RMSSE, and mean scaled pinball losses at .9 and .95 (NaN where there are no quantiles)."""
    scale_S = metrics.difference_scale(task.batch, power=2)
    rmsse = metrics.rmsse(task.actual_SH, mean_SH, task.mask_SH, scale_S).nanmean().item()
    if p90_SH is None or p95_SH is None:
        return rmsse, float("nan"), float("nan")
    quantile_SHQ = torch.stack([p90_SH, p95_SH], dim=-1)
    scale_S = metrics.difference_scale(task.batch, power=1)
    loss_SQ = metrics.scaled_pinball(task.actual_SH, quantile_SHQ, (0.9, 0.95), task.mask_SH, scale_S)
    return rmsse, *loss_SQ.nanmean(0).tolist()


def _frames(task: Task) -> None:
    """From a long pandas frame to the long frame of forecasts, by days and text ids, where a user's clock runs."""
    print(f"\nfrom frame to frame on {task.name}")
    for pair in competitors.PAIRS:
        if pair.frame_goal is not None:
            print(_frame_row(task, pair), flush=True)


def _frame_row(task: Task, pair: competitors.Pair) -> str:
    whole, part = _dated(task, pair), _dated(task.sample(pair.series), pair)
    our_seconds: list[float] = []
    peer_seconds: list[float] = []
    for repeat in range(2 * REPEATS + 1):  # the first warms both
        _, seconds = _timed(lambda: forecast(whole, pair.ours, task.horizon, task.season_length))
        our_seconds.append(seconds)
        if repeat <= 1 or sum(peer_seconds) < SECONDS_PER_PAIR:
            _, seconds = _timed(lambda: competitors.run_frame(pair, part, task.season_length, task.horizon, "D"))
            peer_seconds.append(seconds)
    our_rate = len(task.batch) / statistics.median(our_seconds[1:])
    peer_rate = part["unique_id"].nunique() / statistics.median(peer_seconds[1:])
    return (
        f"{pair.ours:8} {pair.peer:22} {our_rate:9,.0f} {peer_rate:9,.1f} {our_rate / peer_rate:7,.1f}x "
        f"{pair.frame_goal:5,.0f}x | {len(whole):,} rows, {part['unique_id'].nunique()} series for the peer"
    )


def _dated(task: Task, pair: competitors.Pair) -> pd.DataFrame:
    data = competitors.frame(task.batch, pair.fill)
    return data.assign(ds=pd.Timestamp("2015-03-03") + pd.to_timedelta(data["ds"], unit="D"))


def _slope(task: Task) -> None:
    """Seconds for more and more series, the same ones over and over; 1 is linear."""
    print("\nslope on", task.name)
    for name in ("ets", "theta", "arima", "sba", "tsb"):
        if name not in registry.made_names():
            continue
        model = registry.make(name, ForecastSpec(season_length=task.season_length))
        sizes = SLOPE_SERIES if name != "arima" else SLOPE_SERIES[:2]
        seconds = []
        for size in sizes:
            batch = task.batch.select(np.arange(size) % len(task.batch))
            forecast_all = partial(model.forecast, batch, task.horizon, QUANTILES)
            seconds.append(min(_timed(forecast_all)[1] for _ in range(2)))
        slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
        rates = ", ".join(f"{size:,}: {size / s:,.0f}/s" for size, s in zip(sizes, seconds, strict=True))
        print(f"{name:8} {rates}; exponent {slope:.2f}", flush=True)


def _arithmetic(task: Task) -> None:
    """The search of exponential smoothing against the multiply-adds that the same threads reach in registers."""
    y_ST, mask_ST = task.batch.y_ST, task.batch.mask_ST
    start = start_states(y_ST, mask_ST, task.season_length)
    points = EtsGrid().points()
    trend_S, season_S = start.n_S >= 4 * task.season_length, start.may_season_S
    none_S = torch.zeros_like(trend_S)  # positive series are few here, and divide
    use_SK = torch.stack([~none_S, trend_S, season_S, trend_S & season_S, none_S, none_S], dim=1)
    seconds = statistics.median(_timed(lambda: grid_sse(y_ST, mask_ST, start, use_SK, points))[1] for _ in range(5))
    n_K = np.diff((0, *points.edges))
    per_day_S = use_SK[:, :4].double() @ torch.from_numpy(n_K * np.array(FLOPS)).double()
    flops = float((per_day_S * start.n_S).sum())
    gigabytes = (y_ST.nbytes + mask_ST.nbytes) / 1e9
    peak = _peak_flops()
    rate = flops / seconds
    print(
        f"\nets search: {rate / 1e9:.0f} of {peak / 1e9:.0f} GFLOP/s of single-precision multiply-adds, "
        f"{rate / peak:.0%} (it multiplies and adds apart: at most half); reads {gigabytes / seconds:.1f} GB/s"
    )


def _peak_flops() -> float:
    """Single-precision flops a second of chains of multiply-adds on all threads."""
    passes, chain = 2_000, 64
    arrays = [np.ones(2_048, dtype=np.float32) for _ in range(THREADS)]

    def all_threads() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda x: _multiply_add(x, passes), arrays))

    all_threads()
    seconds = min(_timed(all_threads)[1] for _ in range(5))
    return 2.0 * chain * passes * sum(len(x) for x in arrays) / seconds


@numba.njit(nogil=True, fastmath={"contract"})
def _multiply_add(x, passes):  # type: ignore[no-untyped-def]
    a, b = np.float32(0.999), np.float32(0.001)
    for _ in range(passes):
        for k in range(len(x)):
            value = x[k]
            for _ in range(64):
                value = value * a + b
            x[k] = value


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)

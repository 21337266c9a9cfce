"""The peers of the forecasting benchmark: which of our models each is held against, and how it is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from statsforecast import StatsForecast
from statsforecast.models import (
    TSB,
    AutoARIMA,
    AutoETS,
    AutoTheta,
    CrostonOptimized,
    CrostonSBA,
    DynamicOptimizedTheta,
    Naive,
    SeasonalExponentialSmoothingOptimized,
)

from udfs.series.sku_batch import SkuBatch

ALIAS = "peer"


@dataclass(frozen=True)
class Pair:
    """One of our registered models and a peer.

    Attributes:
        ours: the registered name; the pair is left out where no such model is.
        peer: its name in the table.
        make: the peer's model for a season length.
        series: how many series the peer gets (a sample tells the rate of a slow one); None for all. A sample that is
            to tell accuracy needs some fifty: of 24 series of the M5 one, sold on few days before and on many of the
            tested ones, made half of a mean scaled loss.
        n_jobs: its processes.
        has_intervals: whether it gives prediction intervals.
        fill: what it gets on unobserved days: "last" value or "zero". Ours knows them as unobserved.
        goal: how many times the peer's series per second ours should reach.
        frame_goal: the same from a long frame to a long frame; None does not measure that.
    """

    ours: str
    peer: str
    make: Callable[[int], object]
    series: int | None = None
    n_jobs: int = 1
    has_intervals: bool = False
    fill: str = "last"
    goal: float = 1.0
    frame_goal: float | None = None


PAIRS = (
    Pair("ets", "AutoETS", lambda m: AutoETS(season_length=m, alias=ALIAS), 160, 2, True, goal=2000, frame_goal=1500),
    Pair(
        "ets",
        "SeasonalESOptimized",
        lambda m: SeasonalExponentialSmoothingOptimized(season_length=m, alias=ALIAS),
        goal=4,
        frame_goal=4,
    ),
    Pair("theta", "AutoTheta", lambda m: AutoTheta(season_length=m, alias=ALIAS), 60, 2, True, goal=1000),
    Pair(
        "theta",
        "DynamicOptimizedTheta",
        lambda m: DynamicOptimizedTheta(season_length=m, alias=ALIAS),
        100,
        2,
        True,
        goal=500,
    ),
    Pair("arima", "AutoARIMA", lambda m: AutoARIMA(season_length=m, alias=ALIAS), 60, 2, True, goal=100),
    Pair("croston", "CrostonOptimized", lambda _: CrostonOptimized(alias=ALIAS), fill="zero", goal=10),
    Pair("sba", "CrostonSBA", lambda _: CrostonSBA(alias=ALIAS), fill="zero", goal=10),
    Pair("tsb", "TSB(.2, .2)", lambda _: TSB(0.2, 0.2, alias=ALIAS), fill="zero", goal=10),
)


def frame(batch: SkuBatch, fill: str) -> pd.DataFrame:
    """unique_id, ds, y from each series' first observed day on, with unobserved days filled."""
    mask_ST = batch.mask_ST.numpy()
    n_time = mask_ST.shape[1]
    first_S = np.where(mask_ST.any(1), mask_ST.argmax(1), n_time - 1)
    y_ST = np.where(mask_ST, batch.y_ST.numpy(), 0.0)
    if fill == "last":
        at_ST = np.maximum.accumulate(np.where(mask_ST, np.arange(n_time), 0), axis=1)
        y_ST = np.take_along_axis(y_ST, at_ST, 1)
    rows, columns = np.nonzero(np.arange(n_time) >= first_S[:, None])
    ids = np.array([f"{s:06d}" for s in range(len(batch))], dtype=object)
    return pd.DataFrame({"unique_id": ids[rows], "ds": columns, "y": y_ST[rows, columns]})


def run_frame(pair: Pair, data: pd.DataFrame, season_length: int, horizon: int, freq: str | int) -> pd.DataFrame:
    """The long frame that the peer makes of a long frame."""
    engine = StatsForecast([pair.make(season_length)], freq=freq, n_jobs=pair.n_jobs, fallback_model=Naive(alias=ALIAS))
    levels = {"level": [80, 90]} if pair.has_intervals else {}
    return engine.forecast(df=data, h=horizon, **levels)


def run(pair: Pair, data: pd.DataFrame, season_length: int, horizon: int) -> dict[str, torch.Tensor]:
    """(S, H) "mean" of the peer and, where it gives intervals, "p90" and "p95"."""
    result = run_frame(pair, data, season_length, horizon, 1)
    columns = {"mean": ALIAS} | ({"p90": f"{ALIAS}-hi-80", "p95": f"{ALIAS}-hi-90"} if pair.has_intervals else {})
    return {
        name: torch.from_numpy(result[column].to_numpy(float).reshape(-1, horizon)).clamp(min=0)
        for name, column in columns.items()
    }

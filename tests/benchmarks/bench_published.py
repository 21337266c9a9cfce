"""Accuracy of `udfs.forecasting.forecast` on two sets with published scores: carparts and pasta.

Run it as `python -m tests.benchmarks.bench_published [carparts|pasta] [--validation] [MODEL ...]`, where `a+b`
averages two models and `calibrated:a` is a model with quantiles calibrated on its own errors of three windows before
each cutoff. Prints a JSON line per model: MASE of the median (as published) and of the mean, WQL over the levels .1 to
.9, and seconds. `--validation` scores the windows before the test windows, by which models and settings were chosen.

carparts: the monthly series that were followed for all 51 months, as the published scores of seasonal naive, each of
its quantiles being the point forecast, need; the last 12 months are the test; season 12. Always forecasting 0 has a
MASE of 0.796 and a WQL of 1. Published: seasonal naive 1.201 and 1.600, best 0.797 (PatchTST, MASE) and 0.890 (TFT,
WQL).

pasta: 118 daily series in windows of 30 days, as GIFT-Eval rolls them, a tenth of the days in all: here five. Its
season of a day is 1 (GluonTS's `get_seasonality("D")`), both in MASE and in its seasonal naive, the last value
repeated, whose normal quantiles widen with the square root of the horizon: here "published_naive". Published: 1.135 and
1.736, best 0.743 and 0.574, on windows of 2018; these data end with 2017, so that compare with "published_naive" here.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
import pandas as pd
import torch

from tests import real_data
from udfs.demand.demand_profile import demand_statistics
from udfs.forecasting import metrics
from udfs.forecasting.choice.backtest import Windows, backtest_windows
from udfs.forecasting.choice.ensemble import JOIN, Ensemble
from udfs.forecasting.forecast_spec import ForecastSpec, quantile_column
from udfs.forecasting.forecaster import Forecast, Forecaster
from udfs.forecasting.frame_panel import PanelSpec, panel_of
from udfs.forecasting.frames import forecast
from udfs.forecasting.probability.calibrated import Calibrated
from udfs.forecasting.probability.calibration import Calibration
from udfs.forecasting.probability.score_summary import ScoreSummary, demand_units
from udfs.forecasting.registry import AUTO, made_names, make
from udfs.series.sku_batch import SkuBatch

LEVELS = tuple(round(0.1 * k, 1) for k in range(1, 10))
CALIBRATED = "calibrated:"
PUBLISHED_NAIVE = "published_naive"
LEADING_ZEROS = "unknown"  # a part that has not sold yet is not on the market


@dataclass(frozen=True)
class Task:
    """Long rows whose `step` counts to 0, the last one, and how they are scored.

    Attributes:
        horizon, season_length, freq: of the forecast.
        scale_lag: of the scale of MASE.
        test, validation: steps before the last one at which the windows start.
        naive_spread: whether the published naive forecast has quantiles that differ from its mean.
    """

    rows: pd.DataFrame
    horizon: int
    season_length: int
    freq: str | int
    scale_lag: int
    test: tuple[int, ...]
    validation: tuple[int, ...]
    naive_spread: bool = True


@dataclass
class Tally:
    """Scores summed over windows."""

    mase: dict[str, list[torch.Tensor]] = field(default_factory=lambda: {"median": [], "mean": []})
    loss: float = 0.0
    total: float = 0.0

    def row(self) -> dict[str, float]:
        mean = {f"mase_{kind}": torch.cat(parts).nanmean().item() for kind, parts in self.mase.items()}
        return {name: round(value, 4) for name, value in (mean | {"wql": self.loss / self.total}).items()}


@dataclass(frozen=True)
class PublishedNaive:
    """The last season of `lag` steps repeated, 0 where it was not observed, with normal quantiles whose variance grows
    by that of the errors with each season, not clipped at 0."""

    lag: int = 1
    spread: bool = True
    name: str = PUBLISHED_NAIVE

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        y = pd.DataFrame(torch.where(batch.mask_ST, batch.y_ST, torch.nan).numpy().T)
        sigma = np.sqrt((y.diff(self.lag) ** 2).mean().fillna(0.0).to_numpy())
        last = (y.ffill() if self.lag == 1 else y.fillna(0.0)).iloc[-self.lag :].to_numpy().T
        mean = last[:, np.arange(horizon) % self.lag]
        sd = self.spread * sigma[:, None] * np.sqrt(np.arange(horizon) // self.lag + 1.0)
        z = np.array([NormalDist().inv_cdf(q) for q in quantiles])
        none = torch.zeros(len(batch))
        mean_SH, sd_SH, quantile_SHQ = map(torch.from_numpy, (mean, sd, mean[..., None] + sd[..., None] * z))
        return Forecast(mean_SH, sd_SH, quantile_SHQ, none, none, none, none)


@dataclass(frozen=True)
class SelfCalibrated:
    """A model calibrated on its errors in three windows before the cutoff that it forecasts from."""

    model: Forecaster
    season_length: int
    min_history: int = 14

    @property
    def name(self) -> str:
        return CALIBRATED + self.model.name

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        days_back = tuple(horizon * k for k in (3, 2, 1) if horizon * (k + 1) < batch.n_days)
        windows = Windows.of(batch, days_back, horizon, self.min_history, self.season_length)
        result = backtest_windows(self.model, windows, quantiles, self.model.name)
        class_S = demand_statistics(batch, self.season_length, self.min_history).class_S
        summary = ScoreSummary.from_backtest(
            result.mean_WSH,
            result.sd_WSH,
            windows.actual_WSH,
            result.mask_WSH,
            class_S,
            demand_units(batch.y_ST, batch.mask_ST),
        )
        calibrated = Calibrated(self.model, Calibration.fit(summary), self.season_length, self.min_history)
        return calibrated.forecast(batch, horizon, quantiles)


def carparts() -> Task:
    rows = pd.read_parquet(real_data.find("carparts") / "carparts.parquet").sort_values(["unique_id", "ds"])
    rows = rows[rows.groupby("unique_id")["y"].transform("size") == 51]
    ds = rows.groupby("unique_id").cumcount(ascending=False)
    return Task(rows.assign(step=-ds, ds=1_000 - ds), 12, 12, 1, 12, (12,), (30, 27, 24), naive_spread=False)


def pasta() -> Task:
    path = real_data.find("pasta") / "hierarchical_sales_2014_2017.csv"
    wide = pd.read_csv(path, parse_dates=["DATE"]).set_index("DATE")
    wide = wide[[column for column in wide.columns if column.startswith("QTY")]].asfreq("D")
    rows = wide.rename_axis("ds").reset_index().melt("ds", var_name="unique_id", value_name="y")
    rows["step"] = (rows["ds"] - rows["ds"].max()).dt.days
    windows = -(-len(wide) // (10 * 30))
    back = tuple(30 * k for k in range(windows, 0, -1))
    return Task(rows.sort_values(["unique_id", "ds"]), 30, 7, "D", 1, back, tuple(b + back[0] for b in back))


def windows_of(task: Task, starts: tuple[int, ...]) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """History and what came after it; series without a history are left out."""
    for back in starts:
        history = task.rows[task.rows["step"] <= -back].drop(columns="step").dropna(subset="y")
        ahead = task.rows[task.rows["step"].between(1 - back, task.horizon - back)]
        yield history, ahead[ahead["unique_id"].isin(history["unique_id"].unique())]


def add(tally: Tally, task: Task, made: pd.DataFrame, history: pd.DataFrame, actual: pd.DataFrame) -> None:
    """Score one window; what a model made no forecast for counts as a failure of the run."""
    joined = actual.merge(made, on=["unique_id", "ds"], how="left").sort_values(["unique_id", "ds"])
    if joined["mean"].isna().any():
        raise ValueError(f"expected a forecast of every row, found {int(joined['mean'].isna().sum())} without")
    shape = (joined["unique_id"].nunique(), task.horizon)
    actual_SH = torch.from_numpy(joined["y"].to_numpy(dtype=float).reshape(shape))
    mask_SH = ~actual_SH.isnan()
    actual_SH = actual_SH.nan_to_num()
    columns = [quantile_column(level) for level in LEVELS]
    quantile_SHQ = torch.from_numpy(joined[columns].to_numpy().reshape(*shape, -1))
    mean_SH = torch.from_numpy(joined["mean"].to_numpy().reshape(shape))
    scale_S = scales(history, task.scale_lag)
    for kind, point_SH in (("median", quantile_SHQ[:, :, LEVELS.index(0.5)]), ("mean", mean_SH)):
        tally.mase[kind].append(metrics.mase(actual_SH, point_SH, mask_SH, scale_S))
    total = float(torch.where(mask_SH, actual_SH.abs(), 0.0).sum())
    tally.loss += float(metrics.pooled_wql(actual_SH, quantile_SHQ, LEVELS, mask_SH)) * total
    tally.total += total


def scales(history: pd.DataFrame, lag: int) -> torch.Tensor:
    """Mean absolute difference `lag` steps apart over all the rows, zeros before the first sale included."""
    step = history["ds"] if history["ds"].dtype.kind == "i" else (history["ds"] - history["ds"].min()).dt.days
    wide = history.assign(step=step).pivot(index="unique_id", columns="step", values="y").sort_index()
    y = wide.reindex(columns=range(int(step.min()), int(step.max()) + 1)).to_numpy()
    ids = np.arange(len(y)).astype(object)
    seen = torch.from_numpy(~np.isnan(y))
    batch = SkuBatch(ids, torch.from_numpy(np.nan_to_num(y)), seen, pd.Timestamp(2000, 1, 1).date())
    return metrics.difference_scale(batch, power=1, lag=lag)


def model_of(name: str, task: Task) -> Forecaster:
    if name.startswith(CALIBRATED):
        return SelfCalibrated(model_of(name.removeprefix(CALIBRATED), task), task.season_length)
    if name == PUBLISHED_NAIVE:
        return PublishedNaive(task.scale_lag, task.naive_spread)
    spec = ForecastSpec(season_length=task.season_length, quantiles=LEVELS)
    members = tuple(make(member, spec) for member in name.split(JOIN))
    return members[0] if len(members) == 1 else Ensemble(members)


def made_by(name: str, task: Task, history: pd.DataFrame) -> pd.DataFrame:
    model: str | Forecaster = name if name in (AUTO, *made_names()) else model_of(name, task)
    if isinstance(model, PublishedNaive):  # as published, with quantiles below 0, which `forecast` would clip
        panel = panel_of(history, task.freq, task.horizon, spec=PanelSpec(leading_zeros=LEADING_ZEROS))
        walk = model.forecast(panel.batch, task.horizon, LEVELS)
        step_SH = panel.last_step_S[:, None] + np.arange(1, task.horizon + 1)
        keys = {"unique_id": np.repeat(panel.ids_S, task.horizon), "ds": panel.axis.stamps(step_SH.ravel())}
        columns = {quantile_column(q): walk.quantile_SHQ[:, :, k].numpy().ravel() for k, q in enumerate(LEVELS)}
        return pd.DataFrame(keys | {"mean": walk.mean_SH.numpy().ravel()} | columns)
    arguments = (task.horizon, task.season_length, task.freq, LEVELS)
    return forecast(history, model, *arguments, device="cpu", leading_zeros=LEADING_ZEROS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=("carparts", "pasta"))
    parser.add_argument("models", nargs="*")
    parser.add_argument("--validation", action="store_true")
    arguments = parser.parse_intermixed_args()
    warnings.simplefilter("ignore")
    task = {"carparts": carparts, "pasta": pasta}[arguments.task]()
    starts = task.validation if arguments.validation else task.test
    windows = list(windows_of(task, starts))
    for name in arguments.models or [PUBLISHED_NAIVE, AUTO, *made_names()]:
        tally, start = Tally(), time.perf_counter()
        for history, actual in windows:
            add(tally, task, made_by(name, task, history), history, actual)
        seconds = round(time.perf_counter() - start, 1)
        print(json.dumps({"model": name} | tally.row() | {"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()

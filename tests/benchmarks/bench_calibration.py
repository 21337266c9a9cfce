"""Coverage and pinball loss before and after calibration, and how well paths cover sums of days.

Run it as `python -m tests.benchmarks.bench_calibration [MODEL] [SERIES]` (default class_route, every series). Three
test windows of 28 days on the M5 stores and on the pasta of one grocer, each calibrated on the three windows before its
cutoff only. Prints one JSON line per finding. `adjusted` coverage holds a count's day by its share of probability (see
`calibration.covered`); `plain` counts every day within the bounds. Sums are by paths with the fitted copula and by
paths of independent days, adjusted coverage.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from tests import real_data
from tests.benchmarks import m5_data
from udfs.demand.demand_profile import DEMAND_CLASSES, demand_statistics
from udfs.forecasting import metrics, registry
from udfs.forecasting.forecast_spec import QUANTILES, ForecastSpec
from udfs.forecasting.forecaster import Forecast
from udfs.forecasting.probability.calibration import Calibration, covered
from udfs.forecasting.probability.error_correlation import Copula, ErrorCorrelation
from udfs.forecasting.probability.lead_time import lead_time_demand
from udfs.forecasting.probability.paths import PathSource
from udfs.forecasting.probability.score_summary import ScoreSummary, demand_units
from udfs.series.sku_batch import SkuBatch

HORIZON = 28
WINDOWS = 3
N_PATHS = 300
CHUNK = 2000
WIDTHS = {0.5: (2, 4), 0.8: (1, 5), 0.9: (0, 6)}
"""Width of a central interval and the places of its bounds among `QUANTILES`."""


@dataclass(frozen=True)
class Window:
    """What was forecast at one cutoff and what came."""

    batch: SkuBatch
    forecast: Forecast
    class_S: torch.Tensor
    actual_SH: torch.Tensor
    mask_SH: torch.Tensor

    @classmethod
    def at(cls, batch: SkuBatch, days_back: int, model: str) -> Window:
        train = batch.until(days_back)
        forecast = registry.make(model, ForecastSpec()).forecast(train, HORIZON, QUANTILES)
        return cls(train, forecast, demand_statistics(train).class_S, *batch.ahead(days_back, HORIZON))


def main(model: str, n_series: int | None) -> None:
    torch.set_num_threads(1)
    for name, batch in (("m5", m5_data.load(n_series)), ("pasta", load_pasta())):
        unit_S = demand_units(batch.y_ST, batch.mask_ST)
        days_back = [HORIZON * k for k in range(1, 2 * WINDOWS + 1)]
        windows = [Window.at(batch, back, model) for back in days_back]
        days: list[dict[str, float]] = []
        sums: list[dict[str, float]] = []
        for k in range(WINDOWS):
            summary = _summary(windows[k + 1 : k + 1 + WINDOWS], unit_S)
            calibration = Calibration.fit(summary)
            calibrated = calibration.apply(windows[k].forecast, windows[k].class_S, unit_S, QUANTILES)
            days += _score_days(windows[k], calibration, calibrated, unit_S)
            copula = ErrorCorrelation.fit(summary).of(calibrated.mean_SH, windows[k].class_S, unit_S)
            sums += _score_sums(windows[k], calibrated, copula)
        by_part = pd.DataFrame(days).groupby("part", sort=False).mean()
        print(json.dumps({"data": name, "model": model, "days": by_part.round(4).to_dict("index")}))
        by_days = pd.DataFrame(sums).groupby(["joint", "days"], sort=False).mean().round(4)
        for (joint, n_days), row in by_days.iterrows():
            print(json.dumps({"data": name, "sum of days": n_days, "paths": joint, **row.to_dict()}))
    _time(windows_of=Window.at(m5_data.load(n_series), HORIZON, model))


def load_pasta() -> SkuBatch:
    """118 products, daily; days without a row are closed."""
    wide = pd.read_csv(real_data.find("pasta") / "hierarchical_sales_2014_2017.csv", parse_dates=["DATE"])
    wide = wide.set_index("DATE").sort_index()
    sold = wide[[c for c in wide.columns if c.startswith("QTY_")]]
    sold = sold.reindex(pd.date_range(sold.index[0], sold.index[-1]))
    y_ST = sold.to_numpy(float).T.copy()
    mask_ST = ~np.isnan(y_ST)
    ids = sold.columns.to_numpy(object)
    return SkuBatch(ids, torch.from_numpy(np.nan_to_num(y_ST)), torch.from_numpy(mask_ST), sold.index[-1].date())


def _summary(windows: list[Window], unit_S: torch.Tensor) -> ScoreSummary:
    return ScoreSummary.from_backtest(
        torch.stack([w.forecast.mean_SH for w in windows]),
        torch.stack([w.forecast.sd_SH for w in windows]),
        torch.stack([w.actual_SH for w in windows]),
        torch.stack([w.mask_SH for w in windows]),
        torch.stack([w.class_S for w in windows]),
        unit_S,
    )


def _score_days(
    window: Window, calibration: Calibration, calibrated: Forecast, unit_S: torch.Tensor
) -> list[dict[str, float]]:
    """Per class and over all: scaled pinball loss and coverage."""
    low_SH, high_SH = calibration.pit(window.forecast, window.actual_SH, window.class_S, unit_S)
    scale_S = metrics.difference_scale(window.batch, power=1)
    rows = []
    for part in ("all", *DEMAND_CLASSES):
        in_S = torch.ones_like(unit_S, dtype=torch.bool)
        if part != "all":
            in_S = window.class_S == DEMAND_CLASSES.index(part)
        mask_SH = window.mask_SH & in_S[:, None]
        if not bool(mask_SH.any()):
            continue
        row: dict[str, float] = {"part": part, "series": float(in_S.sum())}  # type: ignore[dict-item]
        for name, forecast in (("before", window.forecast), ("after", calibrated)):
            loss_SQ = metrics.scaled_pinball(window.actual_SH, forecast.quantile_SHQ, QUANTILES, mask_SH, scale_S)
            row[f"pinball {name}"] = float(loss_SQ.mean(1).nanmean())
            for width, (a, b) in WIDTHS.items():
                inside_SH = (window.actual_SH >= forecast.quantile_SHQ[..., a]) & (
                    window.actual_SH <= forecast.quantile_SHQ[..., b]
                )
                row[f"plain {width:.0%} {name}"] = float(inside_SH[mask_SH].double().mean())
        for width in WIDTHS:
            row[f"adjusted {width:.0%}"] = float(covered(low_SH, high_SH, width)[mask_SH].mean())
        rows.append(row)
    return rows


def _score_sums(window: Window, calibrated: Forecast, copula: Copula) -> list[dict[str, float]]:
    """Adjusted coverage of sums of the days that were observed."""
    whole = np.flatnonzero(calibrated.finite_series() & window.mask_SH.any(1).numpy())
    cumulative_SH = torch.where(window.mask_SH, window.actual_SH, 0.0).cumsum(1)
    rows = []
    for joint, used in (("copula", copula), ("independent", Copula.independent(len(copula)))):
        ends: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = {1: [], 7: [], 14: [], 28: []}
        for start in range(0, len(whole), CHUNK):
            at = whole[start : start + CHUNK]
            source = PathSource.prepare(
                window.batch.unique_ids[at], calibrated.mean_SH[at], calibrated.quantile_SHQ[at], QUANTILES,
                used.select(at),
            )  # fmt: skip
            open_SH = window.mask_SH[at][:, None].double()
            sum_SNH = (source.draw(N_PATHS) * open_SH).cumsum(2)
            for n_days, pits in ends.items():
                came_S1, sum_SN = cumulative_SH[at, n_days - 1][:, None], sum_SNH[..., n_days - 1]
                below_S, upto_S = (sum_SN < came_S1).sum(1), (sum_SN <= came_S1).sum(1)
                # What came is one more draw: it has a place among N + 1.
                pits.append((below_S / (N_PATHS + 1.0), (upto_S + 1.0) / (N_PATHS + 1.0)))
        for n_days, pits in ends.items():
            low_S, high_S = (torch.cat([pit[side] for pit in pits]) for side in (0, 1))
            cover = {f"{width:.0%}": float(covered(low_S, high_S, width).mean()) for width in WIDTHS}
            rows.append({"joint": joint, "days": n_days, **cover})  # type: ignore[dict-item]
    return rows


def _time(windows_of: Window) -> None:
    """Series a second through `lead_time_demand`, with the shapes and correlations found."""
    forecast, n_series = windows_of.forecast, len(windows_of.batch)
    finite = np.flatnonzero(forecast.finite_series())
    copula = Copula(*(np.full(n_series, x) for x in (0.1, 0.02, 0.1, 0.8))).select(finite)

    def run(index: np.ndarray) -> float:
        start = time.process_time()
        source = PathSource.prepare(
            windows_of.batch.unique_ids[finite][index],
            forecast.mean_SH[finite][index],
            forecast.quantile_SHQ[finite][index],
            QUANTILES,
            copula.select(index),
        )
        lead_time_demand(source, dt.date(2016, 2, 28), QUANTILES, N_PATHS)
        return time.process_time() - start

    run(np.arange(8))  # compile outside the clock
    seconds = run(np.arange(len(finite)))
    print(json.dumps({"lead_time_demand": {"paths": N_PATHS, "cpu seconds": round(seconds, 2),
                                           "series a second": round(len(finite) / seconds)}}))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "class_route", int(sys.argv[2]) if len(sys.argv) > 2 else None)

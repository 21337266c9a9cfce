"""LSTM, GRU and Transformer on the four M5 stores, trained by Ray Train on CPUs.

Run it as `python -m tests.benchmarks.bench_networks [BLOCK ...] [--cutoff DATE ...] [--once]`. For each block and
cutoff it trains on the history up to the cutoff and prints steps, seconds, WRMSSE and its ratio to seasonal naive's
over the 28 days after it, of the network alone and scaled halfway towards forecasts of its store and department
totals. `--once` trains at the first cutoff only and forecasts the later ones with the same model.

The settings were chosen on windows that begin on 2015-10-11 and 2015-11-08, before every window printed by default.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
import time
from pathlib import Path

import numpy as np

from jobs.engine.training import train_network
from jobs.settings import RaySettings
from tests.benchmarks import m5_data
from tests.benchmarks.m5_wrmsse import Wrmsse
from udfs.forecasting.hierarchy.top_down import fit_top_down
from udfs.forecasting.models.naive import SeasonalNaive
from udfs.forecasting.models.networks.network_model import NetworkModel
from udfs.forecasting.models.networks.network_spec import BLOCKS, NetworkSpec
from udfs.forecasting.models.networks.windows import NetworkSeries
from udfs.forecasting.models.regression.log_totals import LogRegression
from udfs.series.sku_batch import SkuBatch

SPEC = {
    "horizon": m5_data.HORIZON,
    "max_steps": 500,
    "evaluate_every": 100,
    "patience": 3,
}
TOTALS = LogRegression(covariates=("is_snap", "is_event"))
GROUPS = ("store_id", "dept_id")


def price_of(batch: SkuBatch) -> np.ndarray:
    """(S,) mean price: what a unit of each series is worth."""
    assert batch.known is not None
    price_SX = batch.known.values_SXK[:, : batch.n_days, batch.known.names.index("unit_price")]
    mean_S: np.ndarray = price_SX.mean(1).numpy()
    return mean_S


def train(past: SkuBatch, spec: NetworkSpec, workers: int) -> tuple[NetworkModel, int]:
    """The model, and the steps that were taken."""
    with tempfile.TemporaryDirectory() as folder:
        NetworkSeries.from_batch(past, price_of(past)).save(Path(folder, "series"))
        training = train_network(Path(folder, "series"), spec, Path(folder), "bench", RaySettings(workers=workers))
    return training.model, training.curve[-1].step


def show(batch: SkuBatch, days_back: int, model: NetworkModel, steps: int, seconds: float) -> dict[str, float]:
    """Print one window; ratios to seasonal naive, by the name of the forecaster."""
    past, judge = batch.until(days_back), Wrmsse.of(batch, days_back)
    naive = judge.score(SeasonalNaive(7).forecast(past, m5_data.HORIZON, (0.5,)).mean_SH.numpy())
    ratios = {}
    for forecaster in (model, fit_top_down(past, m5_data.HORIZON, model, TOTALS, GROUPS)):
        mean_SH = forecaster.forecast(past, m5_data.HORIZON, (0.5,)).mean_SH.numpy()
        score, bias = judge.score(mean_SH), mean_SH.sum() / judge.actual_SH.sum() - 1.0
        ratios[forecaster.name] = score / naive
        print(
            f"{forecaster.name:<22} {past.cutoff} {steps:>6} {seconds:>8.0f} {score:>8.4f} {naive:>8.4f} "
            f"{score / naive:>7.4f} {bias:>+7.3f}",
            flush=True,
        )
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("blocks", nargs="*", default=BLOCKS, choices=BLOCKS, metavar="BLOCK")
    parser.add_argument("--cutoff", type=dt.date.fromisoformat, nargs="+", default=m5_data.TEST_CUTOFFS)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--series", type=int, default=None, help="an even sample; all by default")
    asked = parser.parse_args()

    batch = m5_data.load(asked.series)
    print(f"{len(batch)} series; seconds are of training, Ray's start included")
    print(
        f"{'model':<22} {'cutoff':<10} {'steps':>6} {'seconds':>8} {'WRMSSE':>8} {'naive':>8} {'ratio':>7} {'bias':>7}"
    )
    for block in asked.blocks:
        ratios: dict[str, list[float]] = {}
        model, steps, seconds = None, 0, 0.0
        for cutoff in asked.cutoff:
            days_back = (batch.cutoff - cutoff).days
            if model is None or not asked.once:
                started = time.perf_counter()
                model, steps = train(batch.until(days_back), NetworkSpec(block=block, **SPEC), asked.workers)
                seconds = time.perf_counter() - started
            for name, ratio in show(batch, days_back, model, steps, seconds).items():
                ratios.setdefault(name, []).append(ratio)
        for name, values in ratios.items():
            print(f"{name:<22} mean of {len(values)} windows: {np.mean(values):.4f}", flush=True)


if __name__ == "__main__":
    main()

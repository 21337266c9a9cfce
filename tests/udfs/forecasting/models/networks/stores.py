"""A small chain whose demand the tests know by construction."""

from __future__ import annotations

import datetime as dt

import numpy as np
import torch

from udfs.forecasting.models.networks.network_spec import NetworkSpec
from udfs.series.covariates import Covariates, Traits
from udfs.series.sku_batch import SkuBatch

CUTOFF = dt.date(2024, 3, 31)
HORIZON = 7


def small(**changes: object) -> NetworkSpec:
    """A network that trains in a second or two."""
    values: dict[str, object] = {
        "hidden": 16,
        "context": 28,
        "horizon": HORIZON,
        "embedding": 3,
        "batch_size": 32,
        "max_steps": 30,
        "evaluate_every": 10,
        "learning_rate": 0.01,
        "average_decay": 0.9,
    }
    return NetworkSpec(**(values | changes))  # type: ignore[arg-type]


def stores(n_series: int = 24, n_days: int = 140, seed: int = 0) -> SkuBatch:
    """Poisson counts with a week, a price whose cut by a third doubles demand, and promotions that treble it.

    A tenth of the days is not observed, some series begin late, and prices of some days are not known.
    """
    rng = np.random.default_rng(seed)
    n_all = n_days + HORIZON
    price_SX = np.where(rng.random((n_series, n_all // 7 + 1)) < 0.2, 2.0, 3.0).repeat(7, axis=1)[:, :n_all]
    promo_SX = (rng.random((n_series, n_all)) < 0.1).astype(float)
    week_X = 1 + 0.7 * np.sin(2 * np.pi * (CUTOFF.toordinal() - n_days + 1 + np.arange(n_all)) / 7)
    level_S1 = rng.choice([0.5, 2.0, 8.0], (n_series, 1))
    mean_SX = level_S1 * week_X * np.where(price_SX < 3, 2.0, 1.0) * np.where(promo_SX > 0, 3.0, 1.0)
    y_ST = rng.poisson(mean_SX)[:, :n_days].astype(float)
    mask_ST = rng.random((n_series, n_days)) > 0.1
    mask_ST[: n_series // 4, : n_days // 3] = False
    known_SXK = np.stack([np.where(rng.random(price_SX.shape) < 0.05, np.nan, price_SX), promo_SX], 2)
    return SkuBatch(
        np.array([f"s{s:03d}" for s in range(n_series)], dtype=object),
        torch.from_numpy(np.where(mask_ST, y_ST, 0.0)),
        torch.from_numpy(mask_ST),
        CUTOFF,
        Covariates(("price", "is_promo"), torch.from_numpy(known_SXK)),
        Traits.from_columns(
            {"item": [f"i{s % 7}" for s in range(n_series)], "store": [f"t{s % 2}" for s in range(n_series)]}
        ),
    )

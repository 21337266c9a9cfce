from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from scipy import stats

from lakehouse.schema.tables.column_groups import QUANTILES
from lakehouse.transforms.gold.coverage import coverage, level_of, pinball

LEVELS = {name: level_of(name) for name in QUANTILES}
N_DAYS = 20_000


def _covered(spark: SparkSession, actual: np.ndarray, quantile_of: Callable[[float], np.ndarray]) -> dict[str, float]:
    days = pd.DataFrame({"actual": actual.astype(float)} | {name: quantile_of(p) for name, p in LEVELS.items()})
    columns = [F.avg(coverage("actual", name, QUANTILES)).alias(name) for name in QUANTILES]
    return spark.createDataFrame(days).agg(*columns).first().asDict()  # type: ignore[union-attr]


@pytest.mark.parametrize("low", [0.05, 0.5, 4.0])
def test_calibrated_counts_cover_the_level_however_many_tie(spark: SparkSession, low: float) -> None:
    rng = np.random.default_rng(3)
    mean = rng.uniform(low, 3 * low, N_DAYS)
    actual = rng.poisson(mean)
    covered = _covered(spark, actual, lambda p: stats.poisson.ppf(p, mean))
    assert covered == {name: pytest.approx(level, abs=0.03) for name, level in LEVELS.items()}
    plain = np.mean(actual <= stats.poisson.ppf(0.5, mean))
    if low < 1:
        assert plain > 0.65


def test_values_without_ties_are_counted_plainly(spark: SparkSession) -> None:
    actual = np.random.default_rng(1).normal(10, 2, N_DAYS)
    covered = _covered(spark, actual, lambda p: np.full(N_DAYS, stats.norm.ppf(p, 10, 2)))
    for name, level in LEVELS.items():
        assert covered[name] == pytest.approx(np.mean(actual <= stats.norm.ppf(level, 10, 2)), abs=1e-9)


def test_forecasts_that_are_wrong_are_seen_through_the_ties(spark: SparkSession) -> None:
    actual = np.random.default_rng(2).poisson(0.6, N_DAYS)
    too_low, too_high = (
        _covered(spark, actual, lambda p, mean=mean: np.full(N_DAYS, stats.poisson.ppf(p, mean))) for mean in (0.1, 2.0)
    )
    assert all(too_low[name] < level - 0.02 for name, level in LEVELS.items())
    assert all(too_high[name] > level + 0.02 for name, level in LEVELS.items() if 0.06 < level < 0.95)


def test_the_loss_is_least_at_the_quantile(spark: SparkSession) -> None:
    actual = np.random.default_rng(4).gamma(3, 2, 5_000)
    days = pd.DataFrame({"actual": actual} | {name: np.full(5_000, np.quantile(actual, 0.9)) for name in QUANTILES})
    losses = [F.sum(pinball(F.col("actual"), name)).alias(name) for name in ("p75", "p90", "p95")]
    made = spark.createDataFrame(days.assign(p75=days["p75"] * 0.8, p95=days["p95"] * 1.2)).agg(*losses).first()
    short = actual - days["p90"].to_numpy()
    assert made is not None
    assert made["p90"] == pytest.approx(2 * np.maximum(0.9 * short, -0.1 * short).sum())

from __future__ import annotations

import numpy as np
import pytest

from tests import real_data
from tests.benchmarks.bench_m4 import load
from tests.udfs.forecasting.series import m5_table
from udfs.series.season_length import find_season, natural_season
from udfs.series.sku_batch import SkuBatch


@pytest.mark.parametrize(
    ("freq", "season"),
    [
        ("D", 7), ("W", 52), ("W-MON", 52), ("MS", 12), ("ME", 12), ("M", 12), ("QS", 4), ("h", 24), ("H", 24),
        ("15min", 96), ("2h", 12), ("7D", 1), ("36h", 1), ("YS", 1), ("3MS", 4), (1, 1), ("1", 1),
    ],
)  # fmt: skip
def test_the_calendar_s_season(freq: str | int, season: int) -> None:
    assert natural_season(freq) == season


def _counts(n_series: int, n_steps: int, season: int, amplitude: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    level_ST = 8.0 * np.exp(np.cumsum(rng.normal(0, 0.02, (n_series, n_steps)), axis=1))
    wave_T = 1.0 + amplitude * np.sin(2 * np.pi * np.arange(n_steps) / season)
    return rng.poisson(level_ST * wave_T).astype(float)


@pytest.mark.parametrize(("freq", "season", "n_steps"), [("W", 52, 170), ("D", 7, 60), ("MS", 12, 60), ("h", 24, 120)])
def test_a_season_is_found_where_it_is_and_not_where_it_is_not(freq: str, season: int, n_steps: int) -> None:
    seen = np.ones((40, n_steps), dtype=bool)
    seen[:, 5::9] = False
    found = [find_season(_counts(40, n_steps, season, 0.4, seed), seen, freq).length for seed in range(20)]
    assert found == [season] * 20
    none = [find_season(_counts(40, n_steps, season, 0.0, seed), seen, freq) for seed in range(20)]
    assert np.mean([one.length == 1 for one in none]) >= 0.9
    assert all(one.asked == season for one in none)


def _prices(n_series: int, n_steps: int, seed: int) -> np.ndarray:
    """Random walks: detrended, values a season apart go against each other."""
    return 50.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.03, (n_series, n_steps)), axis=1))


@pytest.mark.parametrize("freq", ["W", 1])
def test_a_season_that_a_tenth_of_the_series_has_is_found_and_prices_alone_have_none(freq: str | int) -> None:
    seen = np.ones((80, 520), dtype=bool)
    for seed in range(5):
        prices = _prices(80, 520, seed)
        assert find_season(prices, seen, freq).length == 1
        mixed = np.concatenate([prices[:72], _counts(8, 520, 52, 0.5, seed)])
        assert find_season(mixed, seen, freq).length == 52


def test_shocks_that_all_series_share_are_no_season() -> None:
    rng = np.random.default_rng(3)
    seen = np.ones((200, 100), dtype=bool)
    found = [find_season(rng.normal(0, 0.3, (200, 100)) + rng.normal(0, 1, 100), seen, "D").length for _ in range(40)]
    assert np.mean(np.array(found) == 1) >= 0.9


def test_steps_without_a_calendar_have_the_clearest_season() -> None:
    seen = np.ones((30, 400), dtype=bool)
    for season in (7, 12, 24, 52):
        assert find_season(_counts(30, 400, season, 0.5, 1), seen, 1).length == season
    none = [find_season(_counts(30, 400, 7, 0.0, seed), seen, 1).length for seed in range(20)]
    assert np.mean(np.array(none) == 1) >= 0.9


@pytest.mark.parametrize("n_steps", [1, 5, 13, 20])
def test_what_too_few_steps_cannot_tell_the_calendar_does(n_steps: int) -> None:
    y_ST = np.random.default_rng(1).poisson(3, (2, n_steps)).astype(float)
    seen = np.ones_like(y_ST, dtype=bool)
    assert find_season(y_ST, seen, "D" if n_steps < 20 else "MS").length == (7 if n_steps < 20 else 12)
    assert find_season(y_ST, seen, 1).length == 1
    assert find_season(np.full((2, 300), 7.0), np.ones((2, 300), dtype=bool), "D").length == 7
    assert find_season(y_ST, ~seen, "D").length == 7


def test_the_hours_of_the_m4_have_a_day_and_items_of_the_m5_a_week() -> None:
    real_data.find("m4_hourly")
    batch, _ = load()
    for freq in ("h", 1):
        assert find_season(batch.y_ST.numpy(), batch.mask_ST.numpy(), freq).length == 24
    items = SkuBatch.from_arrow(m5_table(300), batch.cutoff.replace(2016, 2, 28))
    assert find_season(items.y_ST.numpy(), items.mask_ST.numpy(), "D").length == 7

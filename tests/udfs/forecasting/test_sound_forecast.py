"""A forecast that contradicts itself is mended by its quantiles, series by series, and says so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from udfs.forecasting.forecaster import Forecast
from udfs.forecasting.sound_forecast import sound_forecast

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
H = 5
INF, NAN = float("inf"), float("nan")


def forecast(means: list[float], scale: float = 1.0) -> Forecast:
    """Poisson quantiles around the means, one series each."""
    mean_SH = torch.tensor(means, dtype=torch.float64)[:, None].repeat(1, H)
    quantile_SHQ = torch.stack([torch.from_numpy(stats.poisson(mean_SH).ppf(level)) for level in LEVELS], 2) * scale
    zeros_S = torch.zeros(len(means), dtype=torch.float64)
    return Forecast(mean_SH, mean_SH.sqrt(), quantile_SHQ, zeros_S, zeros_S, zeros_S, zeros_S)


def three() -> Forecast:
    return forecast([3.0, 12.0, 40.0])


def same(one: Forecast, other: Forecast, rows: list[int]) -> bool:
    return all(
        torch.equal(getattr(one, name)[rows], getattr(other, name)[rows])
        for name in ("mean_SH", "sd_SH", "quantile_SHQ")
    )


def test_a_sound_forecast_keeps_every_bit() -> None:
    plain = forecast([0.0, 0.004, 0.2, 3.0, 12.0, 4e5])
    found, doubts = sound_forecast(plain, plain, LEVELS)
    assert doubts == [None] * 6
    assert same(found, plain, list(range(6)))


@pytest.mark.parametrize("wild", [17.0, 430.0, 9_566.0])
def test_a_mean_above_its_own_last_quantile_becomes_that_of_the_quantiles(wild: float) -> None:
    """A barcode typed into the units once: the mean goes wild, the quantiles stay where demand is."""
    odd = three()
    odd.mean_SH[1], odd.sd_SH[1] = wild + 20.0, 50.0 * wild
    found, doubts = sound_forecast(odd, odd, LEVELS)
    assert doubts[0] is doubts[2] is None
    assert same(found, odd, [0, 2])
    assert torch.equal(found.quantile_SHQ, odd.quantile_SHQ)
    # Poisson of 12 a day, drawn straight between steps: a little off its 12 and 3.46.
    assert found.mean_SH[1].tolist() == pytest.approx([12.0] * H, abs=0.3)
    assert found.sd_SH[1].tolist() == pytest.approx([12.0**0.5] * H, abs=0.5)
    assert str(doubts[1]).startswith(
        f"forecast repaired: a mean of {wild + 20.0:,.4g} a day above its own 99% quantile of "
    )
    assert str(doubts[1]).endswith(" on 5 days, 12.27 taken")


def test_only_the_days_that_contradict_themselves_are_mended() -> None:
    odd = three()
    odd.mean_SH[1, 2:4] = 500.0
    found, doubts = sound_forecast(odd, odd, LEVELS)
    assert found.mean_SH[1, [0, 1, 4]].tolist() == [12.0] * 3
    assert found.mean_SH[1, 2:4].tolist() == pytest.approx([12.0] * 2, abs=0.3)
    assert " on 2 days" in str(doubts[1])


@pytest.mark.parametrize("mean", [0.001, 0.3, 1.0])
def test_what_sells_on_less_than_a_day_in_a_hundred_keeps_its_mean(mean: float) -> None:
    rare = forecast([mean], scale=0.0)
    found, doubts = sound_forecast(rare, rare, LEVELS)
    assert doubts == [None]
    assert same(found, rare, [0])


def test_levels_that_end_in_the_middle_say_nothing_of_a_mean() -> None:
    odd = three()
    odd.mean_SH[1] = 430.0
    median = Forecast(odd.mean_SH, odd.sd_SH, odd.quantile_SHQ[..., :4], *[odd.sse_S] * 4)
    found, doubts = sound_forecast(median, median, LEVELS[:4])
    assert doubts == [None] * 3
    assert same(found, median, [0, 1, 2])


@pytest.mark.parametrize("name", ["mean_SH", "sd_SH", "quantile_SHQ"])
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_past_errors_that_make_nonsense_of_a_series_are_left_out_for_it_alone(name: str, value: float) -> None:
    before, odd = three(), three()
    getattr(odd, name)[1, 0] = value
    found, doubts = sound_forecast(odd, before, LEVELS)
    assert same(found, before, [0, 1, 2])
    assert found.finite_series().all()
    assert doubts == [
        None,
        "forecast repaired: past errors made numbers of it that are not finite, they are left out",
        None,
    ]


@pytest.mark.parametrize("at", [0, 4, 6])
def test_quantiles_that_cross_are_said_and_a_rounding_error_is_not(at: int) -> None:
    odd, tiny = three(), three()
    odd.quantile_SHQ[1, :, at + 1] = odd.quantile_SHQ[1, :, at] - 1.0
    found, doubts = sound_forecast(odd, three(), LEVELS)
    assert doubts[0] is doubts[2] is None
    assert str(doubts[1]).startswith("forecast repaired: quantiles crossed on 5 days")
    assert bool((found.conformed().quantile_SHQ.diff(dim=2) >= 0.0).all())
    tiny.quantile_SHQ[1, :, at + 1] = tiny.quantile_SHQ[1, :, at] * (1.0 - 1e-9)
    assert sound_forecast(tiny, tiny, LEVELS)[1] == [None] * 3


def test_a_series_is_mended_as_it_is_alone() -> None:
    odd = three()
    odd.mean_SH[1] = 430.0
    together, doubts = sound_forecast(odd, odd, LEVELS)
    alone, said = sound_forecast(odd.select(np.array([1])), odd.select(np.array([1])), LEVELS)
    assert said == doubts[1:2]
    assert same(together.select(np.array([1])), alone, [0])

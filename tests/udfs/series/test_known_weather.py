"""Weather as it was known: the latest forecast, else the season's usual and a fading gap; never a later day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.udfs.forecasting.planted_weather import (
    CUTOFF,
    HORIZON,
    LEADS,
    PLACES,
    day_number,
    known,
    rows_of,
    temperatures,
    weather_rows,
)
from udfs.series.known_weather import Weather, WeatherResponse

NOW = day_number(CUTOFF)


@pytest.fixture(scope="module")
def forecast() -> pa.Table:
    return weather_rows(temperatures(), forecasts=True)


@pytest.mark.parametrize("days_back", [3, 40, 300, 600])
def test_what_comes_or_is_issued_later_changes_nothing(forecast: pa.Table, days_back: int) -> None:
    origin = CUTOFF - timedelta(days=days_back)
    is_later = pc.greater(forecast["known_on"], pa.scalar(origin))
    wild = pc.if_else(is_later, 59.0, forecast["temperature"])
    without = forecast.filter(pc.invert(is_later))
    expected = known(forecast).ahead(NOW - days_back, HORIZON)
    changed = forecast.set_column(forecast.column_names.index("temperature"), "temperature", wild)
    for table in (changed, without):
        np.testing.assert_array_equal(known(table).ahead(NOW - days_back, HORIZON), expected)
    assert not np.array_equal(known(changed).ahead(NOW - days_back + 1, HORIZON), expected)


def test_errors_grow_by_lead_and_forecasts_beat_what_fades(forecast: pa.Table) -> None:
    measured = forecast.filter(forecast["is_measured"])

    def errors(table: pa.Table) -> np.ndarray:
        weather, square = known(table), []
        for origin in range(NOW - 350, NOW - HORIZON, 2):
            came_LH = known(measured).days(origin + 1, HORIZON)[:, :, 0]
            square.append((weather.ahead(origin, HORIZON)[:, :, 0] - came_LH) ** 2)
        error_H: np.ndarray = np.sqrt(np.mean(square, axis=(0, 1)))
        return error_H

    with_forecasts, without = errors(forecast), errors(measured)
    assert (with_forecasts[: LEADS - 1] < 0.9 * without[: LEADS - 1]).all()
    assert with_forecasts[0] < 0.7 < 2.0 < with_forecasts[5]
    assert without[0] < without[1] < without[3]
    np.testing.assert_array_equal(with_forecasts[LEADS:], without[LEADS:])


def test_the_latest_forecast_counts_and_a_bad_one_is_trusted_less() -> None:
    days = [CUTOFF - timedelta(days=k) for k in range(200)]
    rng = np.random.default_rng(5)
    measured = [("north", day, day, True, float(rng.normal(10, 4)), None) for day in days]
    tomorrow, yesterday = CUTOFF + timedelta(days=1), CUTOFF - timedelta(days=1)
    both = [("north", tomorrow, yesterday, False, 30.0, None), ("north", tomorrow, CUTOFF, False, 20.0, None)]
    place = ["north"]
    good, later = (Weather.of(rows_of(*measured, *said), place) for said in (both, both[:1]))
    assert good is not None
    assert later is not None
    assert good.ahead(NOW, 1)[0, 0, 0] == pytest.approx(20.0)
    assert later.ahead(NOW, 1)[0, 0, 0] == pytest.approx(30.0)
    noise = [("north", day, day - timedelta(days=1), False, float(rng.normal(10, 4)), None) for day in days]
    bad = Weather.of(rows_of(*measured, *noise, both[1]), place)
    assert bad is not None
    assert bad.ahead(NOW, 1)[0, 0, 0] < 14.0, "of forecasts that say nothing the usual weather is left"


def test_a_place_without_weather_knows_none_and_a_late_feed_what_is_left_of_its_last_day() -> None:
    days = [CUTOFF - timedelta(days=k) for k in range(9, 100)]
    weather = known(rows_of(*(("north", day, day, True, 10.0 + (day == days[0]), None) for day in days)))
    ahead_LHW = weather.ahead(NOW, 2)
    assert np.isnan(ahead_LHW[1]).all()
    assert 9.9 < ahead_LHW[0, 0, 0] < 10.2
    assert Weather.of(rows_of(), list(PLACES)) is None
    assert Weather.of(None, list(PLACES)) is None
    assert np.isnan(weather.ahead(day_number(days[-1]) - 1, 2)).all(), "before the first day nothing is known"


def test_a_day_that_was_not_measured_is_as_last_forecast(forecast: pa.Table) -> None:
    day = CUTOFF - timedelta(days=30)
    gone = pc.and_(pc.equal(forecast["ds"], pa.scalar(day)), forecast["is_measured"])
    rows = forecast.filter(pc.invert(gone))
    is_last = pc.and_(pc.equal(rows["ds"], pa.scalar(day)), pc.equal(rows["known_on"], day - timedelta(days=1)))
    last = rows.filter(is_last).sort_by("location_id")["temperature"].to_pylist()
    assert known(rows).days(NOW - 30, 1)[:, 0, 0].tolist() == last


def test_demand_answers_what_is_known_and_nothing_else() -> None:
    weather = known(rows_of(("north", CUTOFF, CUTOFF, True, 20.0, 5.0)))
    effect_UW = np.array([[0.05, -0.1], [0.05, 0.0]])
    response = WeatherResponse(weather, np.array([0, 1]), effect_UW, np.array([1, 0, 0]), np.array([10.0, 0.0]))
    factor_S = response.came(NOW, 1)[:, 0]
    np.testing.assert_allclose(factor_S, [1.0, *[np.exp(0.5 - 0.1 * np.log(6.0))] * 2])
    assert response.select(np.array([2, 0])).came(NOW, 1)[:, 0].tolist() == factor_S[[2, 0]].tolist()
    hot = replace(response, usual_W=np.array([-1e6, 0.0]))
    assert hot.came(NOW, 1).max() == pytest.approx(5.0), "whatever the weather, demand is not ten times as high"
    np.testing.assert_array_equal(response.came(NOW, 3)[1], response.came(NOW, 1)[1].repeat(3))

"""Run a batched model so that a series it cannot forecast costs only itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from udfs.contest.choice import Choice
from udfs.forecasting.forecaster import Forecast, Forecaster
from udfs.series.sku_batch import SkuBatch

MAX_MESSAGE_CHARS = 500


@dataclass(frozen=True, slots=True)
class SeriesFailure:
    """A series (position in its batch) without a usable forecast, and why."""

    position: int
    error_class: str
    error: str


def forecast_isolated(
    forecaster: Forecaster, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]
) -> tuple[list[tuple[np.ndarray, Forecast]], list[SeriesFailure]]:
    """Forecast what can be forecast.

    When the model raises, the batch is halved until the series that make it raise stand alone: for k of S series about
    k log2(S) calls. Series with non-finite results fail too. Because forecasters give each series a result that
    depends on it alone, the halves give the others the same bits as the whole batch would have.

    Returns:
        parts: (positions, forecast with a choice) of disjoint sets of series.
        failures: one per remaining series, by position.
    """
    parts: list[tuple[np.ndarray, Forecast]] = []
    failures: list[SeriesFailure] = []
    todo = [np.arange(len(batch))] if len(batch) else []
    while todo:
        index = todo.pop()
        try:
            forecast = _checked(forecaster, batch.select(index), horizon, quantiles)
        except Exception as error:  # any model's any error: that is what isolation is for
            if len(index) > 1:
                todo += [index[len(index) // 2 :], index[: len(index) // 2]]
                continue
            message = f"{forecaster.name}: {error}"[:MAX_MESSAGE_CHARS]
            failures.append(SeriesFailure(int(index[0]), type(error).__name__, message))
            continue
        finite = forecast.finite_series()
        failures += [
            SeriesFailure(int(at), "NonFiniteForecast", f"{forecaster.name}: mean, sd or a quantile is not finite")
            for at in index[~finite]
        ]
        if finite.any():
            parts.append((index[finite], forecast.select(np.flatnonzero(finite))))
    return parts, sorted(failures, key=lambda failure: failure.position)


def _checked(forecaster: Forecaster, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
    """The model's forecast, of the shape asked for, with a choice."""
    forecast = forecaster.forecast(batch, horizon, quantiles)
    expected = (len(batch), horizon, len(quantiles))
    if tuple(forecast.quantile_SHQ.shape) != expected or tuple(forecast.mean_SH.shape) != expected[:2]:
        raise ValueError(
            f"expected quantile_SHQ of shape {expected} and mean_SH of its first two, found "
            f"{tuple(forecast.quantile_SHQ.shape)} and {tuple(forecast.mean_SH.shape)}"
        )
    if forecast.choice is not None:
        return forecast
    score_S = forecast.score_S.cpu().numpy()
    return forecast.with_choice(Choice.decided(len(batch), forecaster.name, "asked for by name", score_S))

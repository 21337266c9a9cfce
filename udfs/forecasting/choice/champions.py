"""Forecasts by the models that a selection has chosen, series by series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from udfs.contest.choice import Selection
from udfs.forecasting.choice.backtest import ForecasterSource, forecaster_at
from udfs.forecasting.choice.ensemble import average
from udfs.forecasting.forecaster import Forecast, Forecaster, check_request, merge
from udfs.series.sku_batch import SkuBatch


@dataclass(frozen=True, slots=True)
class Champions:
    """One forecast per series: of the model, or the average of the models, that was chosen for it.

    The choice is made; what is left is local: a series' forecast depends on no other series.

    Attributes:
        unique_ids: of the series that the selection is about, in its order.
        selection: weights of the models per series.
        sources: the models by name.
        no_contest: forecasts the series whose weights are all 0, and says by what rule.
    """

    unique_ids: np.ndarray
    selection: Selection
    sources: Mapping[str, ForecasterSource]
    no_contest: Forecaster
    name: str = "auto"

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """See `Forecaster.forecast`; `choice` is always set.

        Raises:
            ValueError: a series of the batch is not part of the selection, or a chosen model is missing.
        """
        check_request(horizon, quantiles)
        row_of = {unique_id: row for row, unique_id in enumerate(self.unique_ids)}
        unknown = [unique_id for unique_id in batch.unique_ids if unique_id not in row_of]
        if unknown:
            raise ValueError(f"expected series that models were chosen for, found {unknown[0]!r}; select again")
        rows = np.array([row_of[unique_id] for unique_id in batch.unique_ids], dtype=int)
        weight_SK = self.selection.weight_SK[rows]
        contested_S = weight_SK.any(1)
        parts = []
        for index, chosen in ((np.flatnonzero(~contested_S), False), (np.flatnonzero(contested_S), True)):
            if not chosen and (index.size or not len(batch)):
                made = self.no_contest.forecast(batch.select(index), horizon, quantiles)
                assert made.choice is not None
                parts.append((index, made))
            elif index.size:
                made = self._chosen(batch.select(index), horizon, quantiles, weight_SK[index])
                parts.append((index, made.with_choice(self.selection.choice.select(rows[index]))))
        return merge(parts)[1]

    def _chosen(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...], weight_SK: np.ndarray) -> Forecast:
        """The weighted average; a model forecasts only the series that it has weight in."""
        forecasts, weights = [], []
        for k in np.flatnonzero(weight_SK.any(0)):
            index = np.flatnonzero(weight_SK[:, k])
            model = self._model(self.selection.names[k], batch)
            if getattr(model, "pools_series", False):  # it learns from all of them, as in the backtest
                made = model.forecast(batch, horizon, quantiles).select(index)
            else:
                made = model.forecast(batch.select(index), horizon, quantiles)
            # A series that the model has no weight in gets another's row, which its weight of 0 silences.
            row_S = np.zeros(len(batch), dtype=int)
            row_S[index] = np.arange(len(index))
            forecasts.append(made.select(row_S))
            weights.append(weight_SK[:, k])
        return average(forecasts, torch.from_numpy(np.stack(weights, axis=1)).to(batch.device))

    def _model(self, name: str, batch: SkuBatch) -> Forecaster:
        model = forecaster_at(self.sources[name], batch.cutoff) if name in self.sources else None
        if model is None:
            raise ValueError(f"expected a model {name!r} for the cutoff {batch.cutoff}, found none; fit or bring one")
        return model

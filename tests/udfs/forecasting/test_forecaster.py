from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.series import batch_of
from udfs.contest.choice import Choice
from udfs.forecasting.forecaster import merge
from udfs.forecasting.models.naive import HistoricMean

BATCH = batch_of({"a": np.full(20, 1.0), "b": np.full(20, 2.0), "c": np.full(20, 3.0)})


def test_merged_parts_come_in_the_order_of_the_series() -> None:
    parts = []
    for index, name in ((np.array([2, 0]), "two"), (np.array([1]), "one")):
        forecast = HistoricMean().forecast(BATCH.select(index), 4, (0.5,))
        parts.append((index, forecast.with_choice(Choice.decided(len(index), name, "by hand"))))
    index, merged = merge(parts)
    assert index.tolist() == [0, 1, 2]
    assert torch.equal(merged.mean_SH, HistoricMean().forecast(BATCH, 4, (0.5,)).mean_SH)
    assert merged.choice is not None
    assert merged.choice.name_S.tolist() == ["two", "one", "two"]


def test_a_part_that_does_not_say_who_made_it_is_refused() -> None:
    with pytest.raises(ValueError, match="expected every part to carry a choice, found one without"):
        merge([(np.arange(3), HistoricMean().forecast(BATCH, 4, (0.5,)))])

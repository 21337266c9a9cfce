from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.series import batch_of, mixed_series
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.hierarchy.top_down import TopDown, fit_top_down, group_totals
from udfs.forecasting.models.naive import HistoricMean, SeasonalNaive
from udfs.series.covariates import Covariates, Traits
from udfs.series.sku_batch import SkuBatch

LEVELS = (0.1, 0.5, 0.9)
STORES = ("north", "south", "west")


@pytest.fixture(scope="module")
def batch() -> SkuBatch:
    series = mixed_series(40, n_days=140)
    traits = Traits.from_columns({"store": [STORES[k % 3] for k in range(40)], "item": sorted(series)})
    return replace(batch_of(series), traits=traits)


def store_sums(x_SX: torch.Tensor) -> np.ndarray:
    """(3, X) by a loop, as an oracle."""
    return np.stack([sum(x_SX[s].numpy() for s in range(k, 40, 3)) for k in range(3)])


def test_with_weight_one_parts_add_up_to_the_totals(batch: SkuBatch) -> None:
    fitted = fit_top_down(batch, 14, HistoricMean(), SeasonalNaive(7), ("store",), weight=1.0)
    forecast = fitted.forecast(batch, 14, LEVELS)
    sums_GT = np.stack([store_sums(batch.y_ST)[g] for g in range(3)])
    expected = batch_of({name: sums_GT[g] for g, name in enumerate(STORES)})
    total_GH = SeasonalNaive(7).forecast(expected, 14, LEVELS).mean_SH.numpy()
    part_GH = store_sums(HistoricMean().forecast(batch, 14, LEVELS).mean_SH)
    # A total far below its parts moves them by no more than a half.
    assert (total_GH > 0.5 * part_GH).mean() > 0.8
    np.testing.assert_allclose(store_sums(forecast.mean_SH), np.maximum(total_GH, 0.5 * part_GH), rtol=1e-9)


def test_with_one_half_each_sum_is_the_geometric_mean(batch: SkuBatch) -> None:
    parts, totals = HistoricMean(), SeasonalNaive(7)
    sums = {
        w: store_sums(fit_top_down(batch, 14, parts, totals, ("store",), weight=w).forecast(batch, 14, LEVELS).mean_SH)
        for w in (0.0, 0.5, 1.0)
    }
    np.testing.assert_allclose(sums[0.5], np.sqrt(sums[0.0] * sums[1.0]), rtol=1e-9)
    np.testing.assert_allclose(sums[0.0], store_sums(parts.forecast(batch, 14, LEVELS).mean_SH), rtol=1e-9)


def test_quantiles_move_with_the_mean_and_a_part_of_the_series_suffices(batch: SkuBatch) -> None:
    fitted = fit_top_down(batch, 14, HistoricMean(), SeasonalNaive(7), ("store",), days_back=(0, 14))
    assert isinstance(fitted, Forecaster)
    assert fitted.name == "historic_mean_top_down"
    whole, plain = (m.forecast(batch, 10, LEVELS) for m in (fitted, HistoricMean()))
    factor_SH = whole.mean_SH / plain.mean_SH
    torch.testing.assert_close(whole.quantile_SHQ, plain.quantile_SHQ * factor_SH[:, :, None])
    torch.testing.assert_close(whole.sd_SH, plain.sd_SH * factor_SH)
    some = np.array([3, 17, 18])
    alone = fitted.forecast(batch.select(some), 10, LEVELS)
    for name in ("mean_SH", "sd_SH", "quantile_SHQ"):
        torch.testing.assert_close(getattr(alone, name), getattr(whole, name)[some], rtol=0, atol=0)
    assert (fitted.factors[batch.cutoff] != fitted.factors[batch.until(14).cutoff]).any()


def test_nothing_after_a_cutoff_is_read(batch: SkuBatch) -> None:
    later_ST = batch.y_ST.clone()
    later_ST[:, -14:] = 99.0
    one, other = (
        fit_top_down(b, 14, HistoricMean(), SeasonalNaive(7), ("store",), days_back=(14,))
        for b in (batch, replace(batch, y_ST=later_ST))
    )
    cutoff = batch.until(14).cutoff
    np.testing.assert_array_equal(one.factors[cutoff], other.factors[cutoff])


def test_no_traits_make_one_group_and_new_groups_stay_as_they_are(batch: SkuBatch) -> None:
    bare = replace(batch, traits=None)
    fitted = fit_top_down(bare, 14, HistoricMean(), SeasonalNaive(7), ())
    assert fitted.factors[batch.cutoff].shape == (1, 14)
    by_store = fit_top_down(batch.select(slice(0, 2)), 14, HistoricMean(), SeasonalNaive(7), ("store",))
    unseen = batch.select(np.array([2]))  # "west" is not among the first two
    torch.testing.assert_close(
        by_store.forecast(unseen, 14, LEVELS).mean_SH, HistoricMean().forecast(unseen, 14, LEVELS).mean_SH
    )


def test_a_far_off_total_moves_its_parts_by_two_at_most(batch: SkuBatch) -> None:
    y_ST = batch.y_ST.clone()
    y_ST[:, -7:] = 1000.0
    fitted = fit_top_down(replace(batch, y_ST=y_ST), 14, HistoricMean(), SeasonalNaive(7), ("store",), weight=1.0)
    np.testing.assert_array_equal(fitted.factors[batch.cutoff], 2.0)


def test_totals_of_a_group() -> None:
    y_ST = torch.tensor([[1.0, 2.0, 0.0], [4.0, 0.0, 0.0], [7.0, 8.0, 9.0]]).double()
    mask_ST = torch.tensor([[True, True, False], [True, False, False], [True, True, True]])
    nan = float("nan")
    price = torch.tensor([[1.0, 2.0, nan], [3.0, nan, nan], [5.0, 5.0, 5.0]]).double()
    batch = SkuBatch(
        np.array(list("abc"), object),
        y_ST,
        mask_ST,
        batch_of({"a": np.ones(3)}).cutoff,
        Covariates(("p",), price[:, :, None]),
    )
    found = group_totals(batch, np.array([0, 0, 1]))
    assert found.y_ST.tolist() == [[5.0, 2.0, 0.0], [7.0, 8.0, 9.0]]
    assert found.mask_ST.tolist() == [[True, True, False], [True, True, True]]
    assert found.known is not None
    np.testing.assert_array_equal(found.known.values_SXK[:, :, 0].numpy(), [[2.0, 2.0, nan], [5.0, 5.0, 5.0]])


def test_what_does_not_fit_is_refused(batch: SkuBatch) -> None:
    with pytest.raises(ValueError, match="weight from 0 to 1, found 2"):
        fit_top_down(batch, 14, HistoricMean(), SeasonalNaive(7), ("store",), weight=2)
    with pytest.raises(ValueError, match="expected the traits"):
        fit_top_down(batch, 14, HistoricMean(), SeasonalNaive(7), ("brand",))
    fitted: TopDown = fit_top_down(batch, 14, HistoricMean(), SeasonalNaive(7), ("store",))
    with pytest.raises(ValueError, match="expected a cutoff with fitted totals"):
        fitted.forecast(batch.until(7), 14, LEVELS)
    with pytest.raises(ValueError, match="at most 14 days, fitted, found 15"):
        fitted.forecast(batch, 15, LEVELS)

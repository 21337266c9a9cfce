from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.udfs.forecasting.series import batch_of
from udfs.series.covariates import Covariates, Traits
from udfs.series.sku_batch import SkuBatch


def _batch() -> SkuBatch:
    batch = batch_of({"a": np.arange(1, 31.0), "b": np.arange(1, 11.0)})
    values_SXK = torch.arange(2 * (batch.n_days + 5), dtype=torch.float64).reshape(2, -1, 1)
    traits = Traits.from_columns({"store": ["x", None]})
    return replace(batch, known=Covariates(("price",), values_SXK), traits=traits)


def test_covariates_and_traits_follow_their_series() -> None:
    batch = _batch()
    picked = batch.select(np.array([1])).to("cpu")
    assert picked.known is not None
    assert picked.traits is not None
    assert torch.equal(picked.known.values_SXK, batch.known.values_SXK[1:])  # type: ignore[union-attr]
    assert picked.traits.codes_SC.tolist() == [[-1]]
    assert batch.traits.codes_SC.tolist() == [[0], [-1]]  # type: ignore[union-attr]


def test_a_batch_cut_back_knows_its_past_and_the_covariates_ahead() -> None:
    batch = _batch()
    earlier = batch.until(10)
    assert (batch.cutoff - earlier.cutoff).days == 10
    assert torch.equal(earlier.y_ST, batch.y_ST[:, :-10])
    assert earlier.known is not None
    assert earlier.known.days_ahead(earlier.n_days) == 15
    y_SH, mask_SH = batch.ahead(10, 4)
    assert y_SH.tolist() == [[21, 22, 23, 24], [1, 2, 3, 4]]
    assert mask_SH.all()


def test_codes_mean_the_same_in_every_batch_of_a_run() -> None:
    first = Traits.from_columns({"store": ["b", "a"]})
    later = Traits.from_columns({"store": ["a", "new"]}, first.values)
    assert first.codes_SC.tolist() == [[1], [0]]
    assert later.codes_SC.tolist() == [[0], [-1]]
    assert Traits.from_columns({}).codes_SC.shape == (0, 0)
    own = Traits.from_columns({"store": ["a", "new", None]}).coded_as(first.values)
    assert own.codes_SC.tolist() == [[0], [-1], [-1]]
    assert own.values == first.values
    assert first.coded_as(first.values) is first
    assert Traits.from_columns({"store": [None]}).coded_as((("a",),)).codes_SC.tolist() == [[-1]]


def test_shapes_that_do_not_fit_are_refused() -> None:
    batch = _batch()
    with pytest.raises(ValueError, match="shape"):
        Covariates(("price",), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="once"):
        Covariates(("price", "price"), torch.zeros(2, 3, 2))
    with pytest.raises(ValueError, match="lists of values"):
        Traits(("store",), torch.zeros((2, 1), dtype=torch.long), ())
    with pytest.raises(ValueError, match="known covariates"):
        replace(batch, known=Covariates(("price",), torch.zeros(2, 3, 1)))
    with pytest.raises(ValueError, match="traits of 2"):
        replace(batch, traits=Traits.from_columns({"store": ["x"]}))
    with pytest.raises(ValueError, match="days_back"):
        batch.until(batch.n_days)
    with pytest.raises(ValueError, match="horizon from 1 to 10"):
        batch.ahead(10, 11)


def test_what_nobody_states_ahead_is_what_it_last_was_or_as_it_was_lately() -> None:
    """Prices that rise by the day, the last of them a give-away, and promotions on the days ahead."""
    batch = batch_of({"a": np.arange(1, 31.0), "b": np.arange(1, 31.0)})
    values_SXK = torch.arange(1.0, batch.n_days + 6, dtype=torch.float64)[None, :, None].repeat(2, 1, 3)
    values_SXK[0, -6, 0] = 0.0
    values_SXK[1, :, 0] = torch.nan
    names = ("price", "promo", "event")
    told, untold = (Covariates(names, values_SXK, *unstated) for unstated in ((), (("price",), ("promo",))))
    assert torch.equal(told.ahead(batch.n_days, 3)[0], values_SXK[0, -5:-2])
    ahead_SFK = untold.ahead(batch.n_days, 9)
    assert ahead_SFK.shape == (2, 5, 3), "they end five days ahead"
    assert ahead_SFK[0, :, 0].tolist() == [batch.n_days - 1.0] * 5
    assert ahead_SFK[1, :, 0].isnan().all()
    assert ahead_SFK[:, :, 1].tolist() == [[batch.n_days - 13.5] * 5] * 2, "the mean of the last 28 days"
    assert torch.equal(ahead_SFK[0, :, 2], values_SXK[0, -5:, 2])
    over_SXK = untold.over(10, 2)
    assert torch.equal(over_SXK[0, :10], values_SXK[0, :10])
    assert over_SXK[0, 10:].tolist() == [[10.0, 55.0 / 28.0, 11.0], [10.0, 55.0 / 28.0, 12.0]]
    assert torch.equal(told.over(10, 2).nan_to_num(), values_SXK[:, :12].nan_to_num())
    assert untold.select(torch.tensor([0])).ahead(10, 1).tolist() == [[[10.0, 55.0 / 28.0, 11.0]]]
    with pytest.raises(ValueError, match=r"carried and averaged covariates among .*, found \['cost'\]"):
        Covariates(names, values_SXK, ("cost",))


def test_what_a_group_shares_is_kept_once_and_read_like_the_series_own() -> None:
    batch = batch_of({"a": np.arange(1, 31.0), "b": np.arange(1, 31.0), "c": np.arange(1, 31.0)})
    n_days = batch.n_days + 5
    own_SXK = torch.arange(3.0 * n_days, dtype=torch.float64).reshape(3, n_days, 1)
    shared_GXK = torch.stack([torch.zeros(n_days), torch.arange(1.0, n_days + 1)])[:, :, None].double()
    group_S = torch.tensor([1, 0, 1])
    shared = Covariates(("price", "day"), own_SXK, ("price",), (), shared_GXK, group_S)
    spread = Covariates(("price", "day"), torch.cat([own_SXK, shared_GXK[group_S]], dim=2), ("price",))
    assert torch.equal(shared.whole(), spread.values_SXK)
    assert torch.equal(shared.ahead(20, 7), spread.ahead(20, 7))
    assert torch.equal(shared.over(20, 7), spread.over(20, 7))
    some = torch.tensor([2, 1])
    assert torch.equal(shared.select(some).over(20, 7), spread.select(some).over(20, 7))
    assert shared.only(("day", "else")).names == ("day",)
    assert torch.equal(shared.only(["day"]).over(20, 7), spread.over(20, 7)[:, :, 1:])
    assert torch.equal(shared.only(["price"]).to("cpu").over(20, 7), spread.over(20, 7)[:, :, :1])
    assert torch.equal(replace(batch, known=shared).until(3).known.whole(), spread.values_SXK)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="shared_GXK over the days of values_SXK"):
        replace(shared, shared_GXK=shared_GXK[:, 1:])
    with pytest.raises(ValueError, match=r"found \['day'\]"):
        replace(shared, carried=("day",))

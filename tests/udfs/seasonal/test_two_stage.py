"""Two steps against one: the share of what perfect information earns, capacity kept, and the textbook's limits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from udfs.seasonal.two_stage import TwoStage

MARGIN, LOSS, EARLY, NOISE = 0.24, 0.08, 0.2, 0.15


def season(rng: np.random.Generator, capacity_share: float, items: int = 200) -> tuple[TwoStage, np.ndarray]:
    """The model of a season of lognormal demand, coefficients of variation .2 to .9, and the demand that comes."""
    cv, mean = rng.uniform(0.2, 0.9, items), rng.lognormal(6.0, 0.5, items)
    sd = np.sqrt(np.log(1 + cv * cv))
    log_mean = np.log(mean) - sd * sd / 2
    capacity = capacity_share * mean.sum()
    constants = (np.full(items, value) for value in (MARGIN, LOSS, EARLY))
    model = TwoStage(log_mean, sd, *constants, NOISE, capacity)
    return model, np.exp(log_mean + sd * rng.standard_normal(items))


def outcome(model: TwoStage, demand: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float]:
    """Share of perfect information: one buy, two steps; and the cost of two steps per unit of demand."""
    one = np.minimum(model.one_buy(), demand)
    earned_once = MARGIN * one - LOSS * (model.one_buy() - one)
    bought, _ = model.commitment()
    early = np.minimum(EARLY * demand * np.exp(NOISE * rng.standard_normal(len(demand))), demand)
    sold_early = np.minimum(early, bought)
    more = model.reorder(bought, sold_early)
    assert more.sum() <= model.reorder_capacity_qty * (1 + 1e-6)
    sold = sold_early + np.minimum(demand - early, bought - sold_early + more)
    left, short = bought + more - sold, demand - sold
    perfect = MARGIN * demand.sum()
    earned = (MARGIN * sold - LOSS * left).sum()
    return earned_once.sum() / perfect, earned / perfect, (MARGIN * short + LOSS * left).sum() / demand.sum()


@pytest.mark.parametrize("capacity_share", [np.inf, 0.5])
def test_two_steps_earn_what_is_asked_for(capacity_share: float) -> None:
    rng = np.random.default_rng(11)
    shares = np.mean([outcome(*season(rng, capacity_share), rng) for _ in range(4)], axis=0)
    assert shares[0] == pytest.approx(0.755, abs=0.03)
    assert shares[1] >= 0.92
    assert shares[2] <= 0.02


def test_the_less_there_is_to_reorder_the_more_is_committed_and_first_of_what_is_known_well() -> None:
    bought = [season(np.random.default_rng(5), share)[0].commitment() for share in (np.inf, 0.4, 0.2)]
    assert [price for _, price in bought] == sorted(price for _, price in bought)
    assert bought[0][0].sum() < bought[1][0].sum() < bought[2][0].sum()
    model, _ = season(np.random.default_rng(5), 0.4)
    waits = 1 - bought[1][0] / model.one_buy()
    certain = model.log_sd_I < np.median(model.log_sd_I)
    assert waits[certain].mean() < waits[~certain].mean()


def test_without_a_reorder_both_are_the_newsvendors() -> None:
    model, _ = season(np.random.default_rng(2), 0.0, items=20)
    bought, price = model.commitment()
    assert price == pytest.approx(MARGIN, rel=1e-3)
    newsvendor = np.exp(model.log_mean_I + model.log_sd_I * ndtri(MARGIN / (MARGIN + LOSS)))
    np.testing.assert_allclose(model.one_buy(), newsvendor, rtol=1e-9)
    np.testing.assert_allclose(bought, newsvendor, rtol=0.02)


def test_an_item_that_sold_out_may_have_sold_more() -> None:
    model, _ = season(np.random.default_rng(3), np.inf, items=5)
    bought = np.exp(model.log_mean_I) * EARLY
    open_mean, _ = model.updated(bought * 1.01, bought)
    sold_out_mean, _ = model.updated(bought, bought)
    assert (sold_out_mean > open_mean).all()


def test_values_out_of_range_name_their_row() -> None:
    model, _ = season(np.random.default_rng(3), np.inf, items=3)
    with pytest.raises(ValueError, match=r"loss_I: expected currency > 0, found -1 in row 1"):
        TwoStage(
            model.log_mean_I, model.log_sd_I, model.margin_I, np.array([1.0, -1.0, 1.0]), model.early_share_I, NOISE
        )

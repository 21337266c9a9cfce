"""Features from history: what they are, and that they do not look ahead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from udfs.inventory.learning.neural_history import HistoryFeatures
from udfs.inventory.learning.neural_spec import NeuralPolicySpec
from udfs.inventory.learning.neural_training import train_neural_policy
from udfs.inventory.simulation.levels import BaseStock
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.terms import SimulationTerms

TERMS = SimulationTerms(lead_time=1, holding_cost=1.0, shortage_cost=4.0)
HISTORY = HistoryFeatures(first=4, season=6)
GROUPS = (np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))


def demand(n_periods: int = 20) -> np.ndarray:
    return np.random.default_rng(0).poisson(9.0, (4, n_periods)).astype(float)


def known(n_periods: int = 20) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(n_periods, 2))


@pytest.mark.parametrize("period", [5, 12, 18])
def test_features_do_not_know_the_demand_of_their_own_period_or_a_later_one(period: int) -> None:
    changed = demand()
    changed[:, period:] = 100.0 * np.arange(1.0, 5.0)[:, None]
    before, after = (HISTORY.of(y, TERMS, groups=GROUPS, known_TK=known()) for y in (demand(), changed))
    for name in ("scale", "level", "extra"):
        first, second = getattr(before, name), getattr(after, name)
        assert torch.equal(first[:, :, : period + 1], second[:, :, : period + 1])
        if name != "extra":
            assert not torch.equal(first[:, :, period + 1], second[:, :, period + 1])
    assert bool((before.extra[:, :, period + 1] != after.extra[:, :, period + 1]).any(-1).all())


def test_features_of_a_longer_history_begin_with_those_of_the_shorter_one() -> None:
    short, whole = (HISTORY.of(demand()[:, :n], TERMS, groups=GROUPS, known_TK=known()[:n]) for n in (15, 20))
    for name in ("scale", "level", "extra"):
        assert torch.equal(getattr(short, name), getattr(whole, name)[:, :, :15])


def test_features_by_hand() -> None:
    """One series, a mean of 2 over the first two periods, then smoothed by a half."""
    history = HistoryFeatures(first=2, fast=0.9, middle=0.5, slow=0.1, safety=2.0, season=3)
    found = history.of(np.array([[1.0, 3.0, 6.0, 4.0, 9.0, 5.0]]), TERMS)
    mean = np.array([2.0, 2.0, 2.0, 4.0, 4.0, 6.5])
    np.testing.assert_allclose(found.scale[0, 0], mean)
    # Squared errors 1, 1, 16, 0, 25, ..: the first two begin the variance.
    variance = np.array([1.0, 1.0, 1.0, 8.5, 4.25, 14.625])
    np.testing.assert_allclose(found.level[0, 0], 2.0 * mean + 2.0 * np.sqrt(variance) * np.sqrt(2.0), rtol=1e-6)
    surprise = np.log(np.array([1.5, 3.5, 6.5, 4.5, 9.5]) / (mean[:5] + 0.5))
    extra = found.extra[0, 0].numpy()
    np.testing.assert_allclose(extra[5, 2:4], [np.sqrt(variance[5]) / 6.5, np.log(6.5)], rtol=1e-6)
    np.testing.assert_allclose(extra[5, 4:7], surprise[[4, 3, 2]], rtol=1e-5)
    np.testing.assert_allclose(extra[5, 7:9], surprise[[4, 3]], rtol=1e-5)
    # An order of period 5 covers periods 5 and 6, a season before 2 and 3.
    np.testing.assert_allclose(extra[5, 9:], surprise[[2, 3]].mean(), rtol=1e-5)
    assert extra[2, 9] == 0.0


def test_groups_share_their_mean_surprise() -> None:
    extra = HISTORY.of(demand(), TERMS, groups=GROUPS).extra[:, 0].numpy()
    own, everyone, first, second = (extra[:, 10, k] for k in (4, 7, 9, 11))
    np.testing.assert_allclose(everyone, own.mean(), rtol=1e-5)
    np.testing.assert_allclose(first, np.repeat([own[:2].mean(), own[2:].mean()], 2), rtol=1e-5)
    np.testing.assert_allclose(second, np.tile([own[::2].mean(), own[1::2].mean()], 2), rtol=1e-5)


def test_series_without_demand_have_finite_features() -> None:
    found = HISTORY.of(np.zeros((2, 12)), TERMS)
    assert float(found.scale.min()) > 0.0
    assert float(found.level.abs().max()) == 0.0
    assert bool(torch.isfinite(found.extra).all())


def test_the_tuned_safety_is_the_cheapest_of_those_tried() -> None:
    demand_ST = demand(60)
    tuned = HISTORY.tuned(demand_ST, TERMS)

    def cost(safety: float) -> float:
        level_ST = replace(HISTORY, safety=safety).of(demand_ST, TERMS).level[:, 0]
        return float(simulate(BaseStock(level_ST), torch.as_tensor(demand_ST)[:, None], TERMS, warm_up=4).cost.sum())

    assert cost(tuned.safety) < min(cost(-1.0), cost(4.0))
    assert HISTORY.tuned(demand_ST, TERMS, safeties=[tuned.safety, 4.0]).safety == tuned.safety
    dear = SimulationTerms(lead_time=1, holding_cost=1.0, shortage_cost=40.0)
    assert HISTORY.tuned(demand_ST, dear).safety > tuned.safety


def test_a_network_that_knows_the_calendar_beats_the_moving_level_on_later_periods() -> None:
    """Demand that doubles every fourth period: no average of the past sees it, one shared network does."""
    random = np.random.default_rng(0)
    season_T = np.where(np.arange(80) % 4 == 0, 2.0, 1.0)
    demand_ST = random.poisson(np.array([4.0, 9.0, 20.0, 50.0] * 10)[:, None] * season_T).astype(float)
    angle_T = 2.0 * np.pi * np.arange(80) / 4.0
    known_TK = np.stack([np.sin(angle_T), np.cos(angle_T), np.cos(2.0 * angle_T)], -1)
    history = HistoryFeatures().tuned(demand_ST[:, :50], TERMS)
    past = history.of(demand_ST[:, :50], TERMS, known_TK=known_TK[:50])
    spec = NeuralPolicySpec(steps=40, learning_rate=0.03)
    demand_SPT = torch.as_tensor(demand_ST, dtype=torch.float32)[:, None]
    made = train_neural_policy(demand_SPT[:, :, :50], TERMS, past, spec, warm_up=8)
    features = history.of(demand_ST, TERMS, known_TK=known_TK)
    found = simulate(made.for_series(TERMS, features), demand_SPT, TERMS, warm_up=50).cost.sum()
    moving = simulate(BaseStock(features.level[:, 0]), demand_SPT, TERMS, warm_up=50).cost.sum()
    assert float(found) < 0.85 * float(moving)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("first", 0, "first: expected whole periods >= 1, found 0"),
        ("first", float("nan"), "first: expected whole periods >= 1, found nan"),
        ("safety", float("inf"), "safety: expected a finite number, found inf"),
        ("season", -1, "season: expected whole periods >= 0, found -1"),
        ("middle", 1.0, r"HistoryFeatures.middle: expected a number in \(0, 1\), found 1.0"),
    ],
)
def test_a_bad_history_is_refused(name: str, value: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HistoryFeatures(**{name: value})  # type: ignore[arg-type]


def test_bad_demand_groups_and_calendars_are_refused() -> None:
    bad = demand()
    bad[2, 3] = np.nan
    with pytest.raises(ValueError, match="demand_ST: expected finite units >= 0, found others in row 2"):
        HISTORY.of(bad, TERMS)
    with pytest.raises(ValueError, match=r"demand_ST: expected \(S, T\) with T > 4, found shape \(4, 4\)"):
        HISTORY.of(demand(4), TERMS)
    with pytest.raises(ValueError, match=r"groups: expected a number for each of 4 series, found \(3,\)"):
        HISTORY.of(demand(), TERMS, groups=(np.zeros(3, dtype=np.int64),))
    with pytest.raises(ValueError, match=r"known_TK: expected \(20, K\), found shape \(19, 2\)"):
        HISTORY.of(demand(), TERMS, known_TK=known(19))

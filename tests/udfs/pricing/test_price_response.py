"""Effects of prices: planted ones are found, little evidence takes the category's, signs hold."""

from __future__ import annotations

import numpy as np
import pytest

from udfs.pricing.price_response import Effects, ResponseRows, discount, estimate, estimate_counts

N_WEEKS, GROUPS, PER = 80, 6, 30
OWN_G = np.linspace(-1.2, -3.2, GROUPS)


def planted(seed: int = 0, *, counts: bool = False) -> tuple[ResponseRows, np.ndarray, np.ndarray]:
    """Rows, own effects and cross effects of 180 series; the first of each category never changes its price."""
    rng = np.random.default_rng(seed)
    group_S = np.repeat(np.arange(GROUPS), PER)
    own_S, cross_S = OWN_G[group_S] + rng.normal(0, 0.3, group_S.size), np.abs(rng.normal(0.3, 0.1, group_S.size))
    level_S = rng.normal(0.7 if counts else 4.0, 0.4, group_S.size)
    x_STP = rng.choice([0.0, -0.1, -0.25], (group_S.size, N_WEEKS, 2), p=[0.6, 0.2, 0.2])
    x_STP[::PER, :, 0] = 0.0
    log_ST = level_S[:, None] + own_S[:, None] * x_STP[:, :, 0] + cross_S[:, None] * x_STP[:, :, 1]
    y_ST = rng.poisson(np.exp(log_ST)) if counts else log_ST + rng.normal(0, 0.2, log_ST.shape)
    first_S = np.arange(group_S.size + 1) * N_WEEKS
    x_RP, y_R = x_STP.reshape(-1, 2), y_ST.ravel().astype(float)
    return ResponseRows(first_S, x_RP, y_R, np.ones(y_R.size), group_S), own_S, cross_S


EFFECTS = Effects.of((), ("rival",))


@pytest.mark.parametrize("counts", [False, True])
def test_planted_effects_are_found_closer_than_each_series_alone_would(counts: bool) -> None:
    rows, own_S, _ = planted(counts=counts)
    found = (estimate_counts if counts else estimate)(rows, EFFECTS)
    error_S = found.effect_SP[:, 0] - own_S
    assert np.abs(found.mean_GP[:, 0] - OWN_G).max() < 0.3
    # Series lie .3 about their categories: knowing those alone would leave that.
    assert np.sqrt((error_S**2).mean()) < (0.33 if counts else 0.2)
    inside = np.abs(error_S) < 1.96 * found.se_SP[:, 0]
    assert 0.75 < inside.mean() <= 1.0
    if not counts:
        ratio = found.noise_S.mean() / 0.2
        assert ratio == pytest.approx(1.0, abs=0.05)


def test_a_price_that_never_changed_takes_its_categorys_value_and_says_so() -> None:
    rows, _, _ = planted()
    found = estimate(rows, EFFECTS)
    assert found.effect_SP[::PER, 0] == pytest.approx(found.mean_GP[:, 0], abs=1e-3)
    assert found.known_SP[::PER, 0].max() < 0.01
    assert np.median(found.known_SP[:, 0]) > 0.3


def test_signs_hold_where_the_data_say_otherwise() -> None:
    rng = np.random.default_rng(1)
    x_RP = rng.normal(0, 0.2, (400, 2))
    y_R = 3.0 + x_RP @ [1.0, -0.5] + rng.normal(0, 0.1, 400)
    rows = ResponseRows(np.arange(11) * 40, x_RP, y_R, np.ones(400), np.zeros(10, dtype=np.int64))
    found = estimate(rows, EFFECTS)
    assert (found.effect_SP[:, 0] == -0.1).all()
    assert (found.effect_SP[:, 1] == 0.0).all()
    free = estimate(rows, EFFECTS.without_bounds())
    assert free.effect_SP.mean(0) == pytest.approx([1.0, -0.5], abs=0.1)


def test_old_weeks_count_less() -> None:
    rng = np.random.default_rng(2)
    age_R = np.tile(np.arange(100.0)[::-1], 20)
    x_RP = rng.normal(0, 0.2, (2000, 1))
    y_R = np.where(age_R < 30, -3.0, -1.0) * x_RP[:, 0] + rng.normal(0, 0.1, 2000)
    first_S = np.arange(21) * 100

    def own(half_life: float) -> float:
        rows = ResponseRows(first_S, x_RP, y_R, discount(age_R, half_life), np.zeros(20, dtype=np.int64))
        return float(estimate(rows, Effects.of((), ())).mean_GP[0, 0])

    assert own(1e9) == pytest.approx(-1.6, abs=0.15)
    assert own(10.0) < -2.6


def test_demand_that_drifts_while_a_price_stays_is_no_answer_to_it() -> None:
    """Each price steps once, a year ago; demand drifts by its own for three years."""
    rng, n, n_weeks = np.random.default_rng(3), 120, 156
    drift_ST = np.cumsum(rng.normal(0, 0.04, (n, n_weeks)), axis=1)
    x_ST = np.where(np.arange(n_weeks) < 100, 0.0, rng.choice([-0.05, 0.05, 0.1], (n, 1)))
    y_R = (4.0 - 2.0 * x_ST + drift_ST + rng.normal(0, 0.1, drift_ST.shape)).ravel()
    block_R = np.tile((n_weeks - 1 - np.arange(n_weeks)) // 26, n)
    parts = np.arange(n + 1) * n_weeks, x_ST.reshape(-1, 1), y_R, np.ones(y_R.size), np.zeros(n, dtype=np.int64)
    effects = Effects.of((), ())
    one, own = (estimate(ResponseRows(*parts, block_R=blocks), effects) for blocks in (None, block_R))
    assert np.abs(own.effect_SP[:, 0] + 2.0).mean() < 0.6 * np.abs(one.effect_SP[:, 0] + 2.0).mean()
    assert own.effect_SP[:, 0].std() < 2.2
    latest_S = drift_ST[:, -26:].mean(1) + 4.0
    assert own.level_S == pytest.approx(latest_S, abs=0.6)


def test_categories_apart_are_as_together_where_all_is_known_before() -> None:
    rows, _, _ = planted()
    together = estimate(rows, EFFECTS)
    only = ResponseRows(
        rows.first_S[: PER + 1], *(a[: PER * N_WEEKS] for a in (rows.x_RP, rows.y_R, rows.weight_R)), rows.group_S[:PER]
    )
    apart = estimate(only, EFFECTS, together.all)
    assert apart.effect_SP == pytest.approx(together.effect_SP[:PER], abs=0.03)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="y_R: expected 2 finite rows; leave unusable weeks out"):
        ResponseRows(np.array([0, 2]), np.zeros((2, 1)), np.array([1.0, bad]), np.ones(2), np.zeros(1, dtype=np.int64))

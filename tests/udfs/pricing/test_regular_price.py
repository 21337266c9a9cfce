"""Regular prices: the best of all combinations, within every guardrail, which are told where they bind."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from udfs.pricing.regular_price import Goods, Guardrails, allowed_prices, best_regular, binding, holding_average

RAILS = Guardrails(largest_step=0.1, price_step=0.05)


def goods(seed: int = 0, groups: int = 4, size: int = 3) -> Goods:
    rng, n = np.random.default_rng(seed), groups * size
    effect_SN = rng.uniform(0.0, 0.4, (n, size))
    effect_SN[np.arange(n), np.arange(n) % size] = -rng.uniform(1.2, 4.0, n)
    price_S = np.round(rng.uniform(1.0, 3.0, n), 2)
    return Goods(
        np.arange(groups + 1) * size,
        price_S,
        price_S * rng.uniform(0.5, 0.8, n),
        rng.uniform(1.0, 50.0, n),
        effect_SN,
        rng.uniform(0.0, 0.3, n),
        np.zeros(n, dtype=bool),
        np.full(n, -1, dtype=np.int64),
    )


def test_prices_are_the_best_of_all_combinations() -> None:
    here = goods(groups=1)
    choice_SJ, count_S = allowed_prices(here, RAILS)
    tried = [
        here.profit_at(np.array([choice_SJ[s, c] for s, c in enumerate(at)])).sum()
        for at in product(*(range(n) for n in count_S))
    ]
    assert here.profit_at(best_regular(here, RAILS)).sum() == pytest.approx(max(tried), rel=1e-12)


def test_groups_do_not_touch_each_other() -> None:
    here = goods()
    found = best_regular(here, RAILS)
    dearer = replace(here, cost_S=np.where(np.arange(12) < 3, here.cost_S * 1.2, here.cost_S))
    assert best_regular(dearer, RAILS)[3:] == pytest.approx(found[3:])
    assert (best_regular(dearer, RAILS)[:3] >= found[:3]).all()
    assert (here.profit_at(found).sum()) > here.profit_at(here.price_S).sum()


def test_the_average_price_stays_where_it_was() -> None:
    here, fine = goods(groups=30), Guardrails(price_step=0.01)
    found = holding_average(here, fine)
    assert here.units_S @ found == pytest.approx(here.units_S @ here.price_S, rel=2e-3)
    free = here.profit_at(best_regular(here, fine)).sum()
    assert here.profit_at(here.price_S).sum() < here.profit_at(found).sum() <= free


def test_guardrails_hold_and_say_where_they_bind() -> None:
    here = replace(goods(groups=20), cost_S=goods(groups=20).cost_S * 1.1)
    rails = Guardrails(0.08, 0.1, 0.01, (0.99, 0.49))
    found = best_regular(here, rails)
    moved = found != here.price_S
    assert 0 < moved.sum() < len(found)
    assert (np.abs(found / here.price_S - 1.0) <= 0.08 + 1e-9).all()
    assert (found[moved] * 0.9 >= here.cost_S[moved] - 1e-9).all()
    assert np.isin(np.round(found[moved] % 1.0, 2), [0.99, 0.49]).all()
    told = binding(here, rails, found)
    assert all(
        "endings" in words
        for words, m in zip(told, moved, strict=True)
        if not m and "largest step" not in words and words
    )
    assert {word for words in told for word in words} >= {"endings", "largest step"}


def test_a_change_that_rests_on_what_is_not_known_is_not_sure() -> None:
    here = replace(goods(groups=20), effect_se_S=np.zeros(60))
    found = best_regular(here, RAILS)
    moved = found != here.price_S
    gain_S = here.gain_of(found)
    assert here.is_sure(found)[moved & (gain_S > 1e-9)].all()
    vague = replace(here, effect_se_S=np.full(60, 5.0))
    assert (best_regular(vague, RAILS) == found).all(), "that an effect may be larger earns nothing"
    assert vague.is_sure(found)[moved].mean() < 0.05, "but for a rise that rivals gain from"


def test_a_family_keeps_its_order() -> None:
    here = goods(groups=1)
    wanted = best_regular(here, RAILS)
    low, high = int(wanted.argmin()), int(wanted.argmax())
    below_S = np.full(3, -1, dtype=np.int64)
    below_S[high], price_S = low, here.price_S.copy()
    price_S[[low, high]] = 2.0
    steep_SN = np.where(here.effect_SN < 0.0, -4.0, here.effect_SN)
    cost_S = np.where(np.arange(3) == low, 1.9, 0.8)
    family = replace(here, price_S=price_S, below_S=below_S, cost_S=cost_S, effect_SN=steep_SN)
    alone = best_regular(replace(family, below_S=np.full(3, -1, dtype=np.int64)), RAILS)
    found = best_regular(family, RAILS)
    assert alone[high] < alone[low]
    assert found[high] >= found[low]
    assert "order of the family" in binding(family, RAILS, found)[high] + binding(family, RAILS, found)[low]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("price_S", 0.0, "price: expected > 0"),
        ("price_S", -1.0, "price: expected > 0"),
        ("price_S", np.nan, "price: expected > 0"),
        ("cost_S", np.nan, "unit cost: expected >= 0"),
        ("units_S", np.inf, "units: expected >= 0"),
        ("effect_SN", 0.5, "elasticity: expected below 0"),
        ("effect_SN", -np.inf, "elasticity: expected below 0"),
    ],
)
def test_what_cannot_be_meant_is_named(name: str, value: float, words: str) -> None:
    here = goods()
    spoilt = getattr(here, name).copy()
    spoilt[0] = value
    with pytest.raises(ValueError, match=f"SKU 0: {words}"):
        best_regular(replace(here, **{name: spoilt}), RAILS)


def test_guardrails_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"largest_step: expected a share in \(0, 1\), found 1.5"):
        Guardrails(largest_step=1.5)

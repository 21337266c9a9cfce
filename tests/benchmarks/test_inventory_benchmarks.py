"""The inventory benchmarks on real data: what they claim, and the choice of a champion."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks import bench_favorita, bench_spareparts, spareparts_data
from tests.real_data import find


@pytest.mark.real_data
def test_one_budget_beats_every_published_method_at_the_least_published_cost() -> None:
    find("spareparts_man")
    parts, curves = spareparts_data.load(), spareparts_data.published()
    assert len(parts) == 1392
    assert curves.groupby("method").size().to_dict() == dict.fromkeys(curves["method"].unique(), 25)
    targets = [0.75, 0.90, 0.99]
    by_target = curves.groupby("target")
    budgets = by_target["cost"].min().loc[targets]
    level_SB = bench_spareparts.allocated(bench_spareparts.curve_of(parts), parts, budgets.to_numpy())
    for b, target in enumerate(targets):
        mean_fill, unit_fill, cost = bench_spareparts.judge(level_SB[:, b], parts)
        assert mean_fill > by_target["mean_fill"].max()[target]
        assert unit_fill > by_target["unit_fill"].max()[target]
        assert cost <= budgets[target]


@pytest.mark.real_data
def test_levels_depend_on_the_training_weeks_alone() -> None:
    find("spareparts_man")
    parts = spareparts_data.load()
    changed = parts.demand_ST.copy()
    changed[:, spareparts_data.TRAIN_WEEKS :] = 7.0
    other = spareparts_data.SpareParts(
        changed,
        parts.unit_cost_S,
        parts.holding_cost_S,
        parts.order_cost_S,
        parts.lead_time_S,
        parts.moq_S,
        parts.pack_S,
    )
    budgets = np.array([100_000.0])
    first, second = (
        bench_spareparts.allocated(bench_spareparts.curve_of(each), each, budgets) for each in (parts, other)
    )
    np.testing.assert_array_equal(first, second)


def test_the_published_replay_serves_each_week_up_to_its_level() -> None:
    demand_ST = np.zeros((2, 150))
    demand_ST[0, 105:108] = [4.0, 0.0, 9.0]
    ones_S = np.ones(2)
    parts = spareparts_data.SpareParts(demand_ST, np.array([2.0, 8.0]), ones_S, ones_S, ones_S, ones_S, ones_S)
    level_ST = np.full((2, 45), 5.0)
    mean_fill, unit_fill, cost = spareparts_data.replay_published(level_ST, parts)
    assert mean_fill == unit_fill == pytest.approx(9.0 / 13.0)
    assert cost == pytest.approx(0.25 * 5.0 * (2.0 + 8.0))


def test_stock_above_a_falling_level_is_kept_and_paid_for() -> None:
    demand_ST = np.zeros((1, 150))
    demand_ST[0, 120] = 6.0
    ones_S = np.ones(1)
    parts = spareparts_data.SpareParts(demand_ST, 4.0 * ones_S, ones_S, ones_S, ones_S, ones_S, ones_S)
    level_ST = np.concatenate([np.full((1, 10), 8.0), np.full((1, 35), 1.0)], axis=1)
    mean_fill, _, cost = spareparts_data.replay_published(level_ST, parts)
    assert mean_fill == 1.0
    assert cost == pytest.approx((16 * 8.0 + 29 * 2.0) / 45)


def test_the_champion_takes_the_network_only_where_enough_was_saved() -> None:
    base_S2 = np.full((100, 2), 10.0)
    network_S2 = np.full((100, 2), 12.0)
    network_S2[:30] = 6.0  # saves much, and goes on to
    network_S2[30:40] = [8.0, 11.0]  # saves less, and is dearer afterwards
    uses_S, least = bench_favorita.choose(base_S2, network_S2)
    # Three of a hundred may be harmed.
    assert uses_S.tolist() == [True] * 33 + [False] * 67
    assert least == 1.0
    network_S2[30:40] = [8.0, 13.0]  # dearer over both
    uses_S, least = bench_favorita.choose(base_S2, network_S2)
    assert uses_S.tolist() == [True] * 30 + [False] * 70
    assert least == 8.0


def test_the_champion_takes_the_network_where_it_saves_most_money() -> None:
    base_S2 = np.array([[100.0, 100.0]] * 10 + [[10.0, 10.0]] * 90)
    network_S2 = base_S2 * np.array([[0.9]] * 10 + [[0.5]] * 90)
    network_S2[5:, 1] = 1.1 * base_S2[5:, 1]  # all but five are harmed in the weeks that check
    uses_S, _ = bench_favorita.choose(base_S2, network_S2)
    assert uses_S[:5].all()
    assert uses_S.sum() == 5 + 3


def test_a_network_that_never_saves_is_not_taken() -> None:
    uses_S, _ = bench_favorita.choose(np.full((50, 2), 10.0), np.full((50, 2), 12.0))
    assert not uses_S.any()

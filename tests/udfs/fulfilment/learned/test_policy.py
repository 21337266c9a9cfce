"""The policy's routes are feasible whatever it has learned, symmetries change no length, and training lowers costs."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from udfs.fulfilment.learned.attention_policy import AttentionPolicy, PolicySpec
from udfs.fulfilment.learned.policy_rollout import Rollout, best_routes, roll_out, split_routes
from udfs.fulfilment.learned.policy_training import TrainingPhase, TrainingSpec, log_likelihood, train_policy
from udfs.fulfilment.learned.route_instances import DEPOTS, LAYOUTS, RouteInstances, sample_instances

SMALL = PolicySpec(width=16, heads=2, layers=1, neighbours=6)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shaken(spec: PolicySpec = SMALL, seed: int = 0) -> AttentionPolicy:
    """A policy with large random weights: what it prefers shall not keep it within the rules."""
    policy = AttentionPolicy(spec, seed)
    with torch.no_grad():
        for values in policy.parameters():
            values.add_(0.5 * torch.randn(values.shape, generator=seeded(seed)))
    return policy


def faults(instances: RouteInstances, row: int, routes: list[list[int]]) -> list[str]:
    """What is wrong with routes, by the story of the problem, one stop after the other."""
    found = []
    visits = sorted(stop for route in routes for stop in route)
    if visits != list(range(1, instances.n_stops + 1)):
        found.append(f"visits {visits}")
    place = instances.place_BN2[row].tolist()
    for route in routes:
        load, time, at = 0.0, 0.0, 0
        for stop in [*route, 0]:
            load += float(instances.demand_BN[row, stop])
            time += math.dist(place[at], place[stop])
            if instances.window_BN2 is not None and instances.service_BN is not None:
                opens, closes = instances.window_BN2[row, stop].tolist()
                if time > closes + 1e-4:
                    found.append(f"{stop} at {time} after {closes}")
                time = max(time, opens) + float(instances.service_BN[row, stop])
            at = stop
        if load > float(instances.capacity_B[row]):
            found.append(f"load {load}")
    return found


def length(instances: RouteInstances, row: int, routes: list[list[int]]) -> float:
    place = instances.place_BN2[row].tolist()
    ways = [[0, *route, 0] for route in routes]
    return sum(math.dist(place[a], place[b]) for way in ways for a, b in pairwise(way))


@pytest.mark.parametrize("has_windows", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("depot", DEPOTS)
def test_no_sampled_route_is_overfull_or_late_and_each_stop_is_visited_once(
    layout: str, depot: str, has_windows: bool
) -> None:
    instances = sample_instances(3, 14, seeded(), layout, depot, has_windows)
    policy = shaken()
    found = roll_out(policy, policy.encode(instances), instances, 6, random=seeded(1))
    for row in range(3):
        for places, cost in zip(found.action_BMT[row].tolist(), found.cost_BM[row].tolist(), strict=True):
            routes = split_routes(places)
            assert faults(instances, row, routes) == []
            assert cost == pytest.approx(length(instances, row, routes), rel=1e-5)


def test_the_judge_of_routes_finds_each_fault() -> None:
    instances = sample_instances(1, 6, seeded(3), has_windows=True)
    alone = [[stop] for stop in range(1, 7)]
    assert faults(instances, 0, alone) == []
    assert faults(instances, 0, alone[:-1])
    assert faults(instances, 0, [*alone, [1]])
    assert faults(
        RouteInstances(instances.place_BN2, instances.demand_BN, torch.tensor([9.0])), 0, [[1, 2, 3, 4, 5, 6]]
    )
    last_first = sorted(range(1, 7), key=lambda stop: -float(instances.window_BN2[0, stop, 1]))  # type: ignore[index]
    assert faults(instances, 0, [last_first])


@pytest.mark.parametrize("has_windows", [False, True])
@pytest.mark.parametrize(
    ("is_multi_start", "has_symmetries"), [(False, False), (True, False), (False, True), (True, True)]
)
def test_greedy_routes_are_feasible_and_as_long_as_they_say(
    is_multi_start: bool, has_symmetries: bool, has_windows: bool
) -> None:
    instances = sample_instances(4, 12, seeded(2), "clustered", has_windows=has_windows)
    cost_B, routes = best_routes(shaken(), instances, is_multi_start, has_symmetries)
    for row in range(4):
        assert faults(instances, row, routes[row]) == []
        assert float(cost_B[row]) == pytest.approx(length(instances, row, routes[row]), rel=1e-5)


def test_the_best_of_more_is_never_longer() -> None:
    instances, policy = sample_instances(6, 12, seeded(4)), shaken()
    one, starts, views = (
        best_routes(policy, instances, *mode)[0] for mode in ((True, False), (True, True), (False, True))
    )
    assert (starts <= one + 1e-6).all()
    assert (starts <= views + 1e-6).all() or (starts < one - 1e-6).any()
    assert float(starts.mean()) < float(one.mean())


def test_symmetries_leave_every_distance() -> None:
    instances = sample_instances(3, 9, seeded(5))
    views = instances.symmetries()
    assert views.distance.view(8, 3, 10, 10).sub(instances.distance).abs().max() < 1e-6
    assert len({tuple(places.flatten().tolist()) for places in views.place_BN2[::3]}) == 8
    assert torch.equal(views.demand_BN.view(8, 3, 10), instances.demand_BN.expand(8, 3, 10))


def test_an_instance_is_routed_alike_alone_and_among_others() -> None:
    instances, policy = sample_instances(5, 10, seeded(6)), shaken()
    _, together = best_routes(policy, instances)
    assert together == [best_routes(policy, instances.take(slice(row, row + 1)))[1][0] for row in range(5)]


def test_all_moves_scored_at_once_are_the_moves_scored_one_by_one() -> None:
    instances, policy = sample_instances(2, 8, seeded(7), has_windows=True), shaken()
    encoded = policy.encode(instances)
    found = roll_out(policy, encoded, instances, 5, random=seeded(8), is_kept=True)
    assert found.at_BMT is not None
    assert found.context_BMTC is not None
    assert found.is_open_BMTN is not None
    one_by_one = torch.zeros(2, 5)
    for step in range(found.action_BMT.shape[2]):
        seen = (found.at_BMT[:, :, step], found.context_BMTC[:, :, step], found.is_open_BMTN[:, :, step])
        log_BMN = policy.scores(encoded, *seen).log_softmax(-1)
        one_by_one += log_BMN.gather(2, found.action_BMT[:, :, step, None])[..., 0]
    assert torch.allclose(log_likelihood(policy, encoded, found), one_by_one, atol=1e-4)


def test_a_draw_follows_the_policy() -> None:
    """Two stops that one vehicle takes: the chance of the first move is the softmax of its score."""
    place = torch.tensor([[[0.5, 0.5], [0.6, 0.5], [0.1, 0.4]]])
    instances = RouteInstances(place, torch.tensor([[0.0, 1.0, 1.0]]), torch.tensor([9.0]))
    policy = shaken()
    encoded = policy.encode(instances)
    found = roll_out(policy, encoded, instances, 4_000, random=seeded(9), is_kept=True)
    likelihood = log_likelihood(policy, encoded, _first_moves(found)).detach().exp()[0]
    drawn = found.action_BMT[0, :, 0]
    for stop in (1, 2):
        chance = float(likelihood[drawn == stop][0])
        assert (drawn == stop).float().mean() == pytest.approx(chance, abs=4 * math.sqrt(0.25 / 4_000))


def test_training_lowers_the_cost_of_what_it_sees() -> None:
    spec = TrainingSpec((TrainingPhase((8,), 60, moves=1_500, starts=8),), learning_rate=5e-3, leader=2.0)
    instances = sample_instances(64, 8, seeded(10))
    policy = AttentionPolicy(SMALL)
    before = best_routes(policy, instances, has_symmetries=False)[0].mean()
    train_policy(spec, policy)
    after = best_routes(policy, instances, has_symmetries=False)[0].mean()
    assert after < 0.99 * before


def test_training_is_the_same_every_time_and_knows_windows() -> None:
    spec = TrainingSpec((TrainingPhase((6, 9), 6, 300, 6, LAYOUTS, DEPOTS, has_windows=True),))
    one, two = (train_policy(spec, AttentionPolicy(SMALL)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    untrained = AttentionPolicy(SMALL)
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), untrained.parameters(), strict=True))


def test_a_stored_policy_routes_as_before_and_keeps_its_card() -> None:
    policy = shaken()
    policy.card |= {"trained_on": "nothing", "held_out": {"20 uniform": 0.01}}
    stored = policy.to_bytes()
    again = AttentionPolicy.from_bytes(stored)
    instances = sample_instances(3, 10, seeded(11))
    assert best_routes(again, instances)[1] == best_routes(policy, instances)[1]
    assert again.card == policy.card
    assert again.spec == SMALL
    with pytest.raises(ValueError, match="expected a policy of format 1"):
        AttentionPolicy.from_bytes(stored[: len(stored) // 2])


@pytest.mark.parametrize(
    ("demand", "capacity", "expected"),
    [([0.0, 5.0], 4.0, "one vehicle carries"), ([0.0, 0.0], 4.0, "demand > 0"), ([math.nan, 1.0], 4.0, "finite")],
)
def test_impossible_instances_are_refused(demand: list[float], capacity: float, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        RouteInstances(torch.rand(1, 2, 2), torch.tensor([demand]), torch.tensor([capacity]))


def _first_moves(found: Rollout) -> Rollout:
    def cut(values: Tensor | None) -> Tensor | None:
        return None if values is None else values[:, :, :1]

    return Rollout(
        found.action_BMT[:, :, :1], found.cost_BM, cut(found.at_BMT), cut(found.context_BMTC), cut(found.is_open_BMTN)
    )

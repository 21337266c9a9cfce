"""Routes that a policy builds: sampled or greedy, from many first stops, seen through 8 symmetries, the best of all.

Dimensions: B instances, M starts, T steps, N places, C context.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import torch
from torch import Tensor

from udfs.fulfilment.learned.attention_policy import AttentionPolicy, Encoded
from udfs.fulfilment.learned.route_instances import RouteInstances

_AT_ONCE: Final = 300_000  # scores of a step: more do not stay in the processor's cache
_TIE: Final = 1e-6


@dataclass(frozen=True)
class Rollout:
    """action_BMT: places in the order in which they are visited, 0 the depot, 0 again once all is done.
    cost_BM: length. at_BMT, context_BMTC, is_open_BMTN: what the policy saw before each action, where that was kept."""

    action_BMT: Tensor
    cost_BM: Tensor
    at_BMT: Tensor | None = None
    context_BMTC: Tensor | None = None
    is_open_BMTN: Tensor | None = None

    def take(self, rows: slice) -> Rollout:
        """Those of some instances."""
        parts: list[Any] = [getattr(self, each.name) for each in fields(self)]
        taken: list[Any] = [None if part is None else part[rows] for part in parts]
        return Rollout(*taken)


class _Vehicles:
    """M vehicles in each of B instances: where they are, what they carry, when it is, what is left to visit."""

    def __init__(self, instances: RouteInstances, n_starts: int) -> None:
        self.instances = instances
        shape, device = (len(instances.capacity_B), n_starts), instances.demand_BN.device
        self.at_BM = torch.zeros(shape, dtype=torch.int64, device=device)
        self.load_BM = instances.capacity_B[:, None].expand(shape).clone()
        self.time_BM = torch.zeros(shape, device=device)
        # Units left at each place: inf where none, so that no vehicle can carry them.
        self.demand_BMN = instances.demand_BN[:, None].expand(-1, n_starts, -1).clone()
        self.demand_BMN[..., 0] = torch.inf
        self.cost_BM = torch.zeros(shape, device=device)
        self.n_left_BM = torch.full(shape, float(instances.n_stops), device=device)

    def seen(self) -> tuple[Tensor, Tensor]:
        """Context, (B, M, C), and which places are open, (B, M, N)."""
        instances = self.instances
        is_open_BMN = self.demand_BMN <= self.load_BM[..., None]
        time_BM = self.time_BM
        if instances.window_BN2 is not None:
            close_BN = instances.window_BN2[..., 1]
            arrival_BMN = time_BM[..., None] + self._from_here()
            is_open_BMN &= arrival_BMN <= close_BN[:, None]
            is_open_BMN &= self._left(arrival_BMN) + instances.distance[:, :1] <= close_BN[:, :1, None]
            time_BM = time_BM / close_BN[:, :1]
        is_open_BMN[..., 0] = (self.at_BM != 0) | (self.n_left_BM == 0)
        load_BM = self.load_BM / instances.capacity_B[:, None]
        left_BM = self.n_left_BM / instances.n_stops
        return torch.stack([load_BM, load_BM.square(), left_BM, time_BM], -1), is_open_BMN

    def drive(self, to_BM: Tensor) -> None:
        instances = self.instances
        if instances.window_BN2 is not None:
            left_BMN = self._left(self.time_BM[..., None] + self._from_here())
            self.time_BM = torch.where(to_BM == 0, 0.0, left_BMN.gather(2, to_BM[..., None])[..., 0])
        n_places = instances.n_stops + 1
        self.cost_BM += instances.distance.flatten(1).gather(1, self.at_BM * n_places + to_BM)
        self.n_left_BM -= (to_BM != 0).float()
        self.demand_BMN.scatter_(2, to_BM[..., None], torch.inf)
        left_BM = self.load_BM - instances.demand_BN.gather(1, to_BM)
        self.load_BM = torch.where(to_BM == 0, instances.capacity_B[:, None], left_BM)
        self.at_BM = to_BM

    def _from_here(self) -> Tensor:
        index_BMN = self.at_BM[..., None].expand(-1, -1, self.instances.n_stops + 1)
        return self.instances.distance.gather(1, index_BMN)

    def _left(self, arrival_BMN: Tensor) -> Tensor:
        """When service would be done."""
        window_BN2, service_BN = self.instances.window_BN2, self.instances.service_BN
        if window_BN2 is None:
            return arrival_BMN
        done_BMN = torch.maximum(arrival_BMN, window_BN2[:, None, :, 0])
        return done_BMN if service_BN is None else done_BMN + service_BN[:, None]


@torch.no_grad()
def roll_out(
    policy: AttentionPolicy,
    encoded: Encoded,
    instances: RouteInstances,
    n_starts: int,
    first_BM: Tensor | None = None,
    random: torch.Generator | None = None,
    is_kept: bool = False,
) -> Rollout:
    """Let a policy drive until every stop is visited.

    first_BM: the first stops; None lets the policy choose. random: draws the moves, on the device of the instances;
    None takes the likeliest. is_kept: whether what the policy saw is kept, for training.
    """
    vehicles = _Vehicles(instances, n_starts)
    steps: list[tuple[Tensor, ...]] = []
    while bool((vehicles.n_left_BM > 0).any()) or bool((vehicles.at_BM != 0).any()):
        context_BMC, is_open_BMN = vehicles.seen()
        if first_BM is not None and not steps:
            to_BM = first_BM
        else:
            score_BMN = policy.scores(encoded, vehicles.at_BM, context_BMC, is_open_BMN)
            if random is not None:  # the largest of scores with Gumbel noise is a draw from their softmax
                drawn_BMN = torch.rand(score_BMN.shape, generator=random, device=score_BMN.device)
                score_BMN = score_BMN - torch.log(-torch.log(drawn_BMN.clamp(1e-20, 1.0 - 1e-7)))
            to_BM = score_BMN.argmax(-1)
        steps.append((to_BM, vehicles.at_BM, context_BMC, is_open_BMN) if is_kept else (to_BM,))
        vehicles.drive(to_BM)
    return Rollout(torch.stack([step[0] for step in steps], 2), vehicles.cost_BM, *_kept(steps))


def _kept(steps: list[tuple[Tensor, ...]]) -> list[Tensor]:
    return [torch.stack(part, 2) for part in list(zip(*steps, strict=True))[1:]]


@torch.no_grad()
def best_routes(
    policy: AttentionPolicy, instances: RouteInstances, is_multi_start: bool = True, has_symmetries: bool = True
) -> tuple[Tensor, list[list[list[int]]]]:
    """Length of the shortest greedy routes, (B,), and the routes of each instance, each a list of stops.

    is_multi_start: one rollout from each first stop. has_symmetries: of each of the 8 views. Without both it is the
    plain greedy policy.
    """
    n_views, n_starts = 8 if has_symmetries else 1, instances.n_stops if is_multi_start else 1
    size = max(1, _AT_ONCE // (n_views * n_starts * (instances.n_stops + 1)))
    costs, routes = [], []
    for start in range(0, len(instances.capacity_B), size):
        part = instances.take(slice(start, start + size))
        n_instances = len(part.capacity_B)
        views = part.symmetries() if has_symmetries else part
        first_BM = None
        if is_multi_start:
            first_BM = torch.arange(1, n_starts + 1, device=views.demand_BN.device).expand(n_views * n_instances, -1)
        found = roll_out(policy, policy.encode(views), views, n_starts, first_BM)
        cost_BV = found.cost_BM.view(n_views, n_instances, n_starts).transpose(0, 1).flatten(1)
        # Views and starts give the same routes in other orders: the first of the equal ones, whatever the rounding.
        best_B = (cost_BV <= cost_BV.amin(1, keepdim=True) + _TIE).int().argmax(1)
        action_BVT = found.action_BMT.view(n_views, n_instances, n_starts, -1).transpose(0, 1).flatten(1, 2)
        costs.append(cost_BV.gather(1, best_B[:, None])[:, 0])
        chosen_BT = action_BVT[torch.arange(n_instances, device=best_B.device), best_B].cpu()
        routes += [split_routes(row.tolist()) for row in chosen_BT]
    return torch.cat(costs), routes


def split_routes(places: list[int]) -> list[list[int]]:
    """The stops between visits to the depot.

    >>> split_routes([3, 1, 0, 2, 0, 0])
    [[3, 1], [2]]
    """
    routes: list[list[int]] = [[]]
    for place in places:
        if place:
            routes[-1].append(place)
        elif routes[-1]:
            routes.append([])
    return [route for route in routes if route]

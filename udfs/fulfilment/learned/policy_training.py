"""REINFORCE with a baseline that many rollouts of one instance share (POMO: Kwon et al. 2020).

Rollouts are drawn without gradients; then all their moves are scored again at once, which one pass over large matrices
does several times faster than a graph of small steps. An instance's costs are counted relative to their mean, so that
small and large ones weigh the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from udfs.fulfilment.learned.attention_policy import AttentionPolicy, Encoded
from udfs.fulfilment.learned.policy_rollout import Rollout, roll_out
from udfs.fulfilment.learned.route_instances import RouteInstances, sample_instances

_WARM_UP: Final = 50
_AT_ONCE: Final = 1_000_000  # numbers of a tensor in the pass back: more do not stay in the processor's cache
_LOSS_SCALE: Final = 100.0  # of relative costs, so that the cut of gradients works at their usual size


@dataclass(frozen=True, slots=True)
class TrainingPhase:
    """Steps on instances of some sizes, drawn in turn, each with its layouts and depots.

    Attributes:
        sizes: stops.
        steps: of the optimiser.
        moves: of rollouts in a step, about; they say how many instances a step sees.
        starts: rollouts of an instance, at most one for each stop.
        layouts, depots: as of `sample_instances`, each step draws one of each.
        has_windows: whether every second step sees time windows.
    """

    sizes: tuple[int, ...]
    steps: int
    moves: int = 30_000
    starts: int = 20
    layouts: tuple[str, ...] = ("uniform",)
    depots: tuple[str, ...] = ("random",)
    has_windows: bool = False

    def __post_init__(self) -> None:
        if not self.sizes or min(*self.sizes, self.steps, self.moves, self.starts - 1) < 1:
            raise ValueError(f"TrainingPhase: expected sizes, steps and moves >= 1 and starts >= 2, found {self}")


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """phases: in their order. learning_rate: of Adam, rises over the first steps and falls along a cosine to a
    hundredth. leader: what the advantage of an instance's best rollout is multiplied with, as it is the best that will
    be used (Wang et al. 2024, "Leader Reward for POMO"). max_gradient: norm to which gradients are cut."""

    phases: tuple[TrainingPhase, ...]
    learning_rate: float = 1e-3
    leader: float = 1.0
    max_gradient: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("learning_rate", "leader", "max_gradient"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"TrainingSpec.{name}: expected a number > 0, found {getattr(self, name)}")

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        falling = 0.5 * (1.0 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * min((step + 1) / _WARM_UP, 0.01 + 0.99 * falling)


def train_policy(
    spec: TrainingSpec,
    policy: AttentionPolicy,
    device: torch.device | str = "cpu",
    look: Callable[[int, AttentionPolicy], None] | None = None,
) -> AttentionPolicy:
    """Train a policy in place and return it; `look` is called after every step with its number."""
    policy = policy.to(device).train()
    random = torch.Generator().manual_seed(spec.seed)
    moves = torch.Generator(device).manual_seed(spec.seed)
    optimiser = torch.optim.Adam(policy.parameters(), lr=spec.learning_rate, betas=(0.9, 0.98), fused=True)
    step = 0
    for phase in spec.phases:
        for number in range(phase.steps):
            instances, n_starts = _drawn(phase, number, random)
            optimiser.param_groups[0]["lr"] = spec.rate(step)
            optimiser.zero_grad(set_to_none=True)
            add_gradient(policy, instances.to(device), n_starts, moves, spec.leader)
            torch.nn.utils.clip_grad_norm_(policy.parameters(), spec.max_gradient)
            optimiser.step()
            if look is not None:
                look(step, policy)
            step += 1
    return policy.eval()


def add_gradient(
    policy: AttentionPolicy, instances: RouteInstances, n_starts: int, random: torch.Generator, leader: float = 1.0
) -> float:
    """Add the gradient of the mean relative cost of sampled rollouts to that of the weights; the mean cost."""
    encoded = policy.encode(instances)
    device = instances.demand_BN.device
    first_BM = 1 + torch.rand(instances.demand_BN[:, 1:].shape, generator=random, device=device).argsort(1)
    found = roll_out(policy, encoded.detached(), instances, n_starts, first_BM[:, :n_starts], random, is_kept=True)
    advantage_BM = found.cost_BM / found.cost_BM.mean(1, keepdim=True) - 1.0
    is_best_BM = found.cost_BM == found.cost_BM.amin(1, keepdim=True)
    weight_BM = torch.where(is_best_BM, leader * advantage_BM, advantage_BM) * (_LOSS_SCALE / advantage_BM.numel())
    gradients = []
    at_once = max(1, _AT_ONCE // (found.action_BMT[0].numel() * encoded.pair_RX.shape[1]))
    for start in range(0, len(weight_BM), at_once):
        rows = slice(start, start + at_once)
        part = encoded.take(rows)
        (log_likelihood(policy, part, found.take(rows), first=1) * weight_BM[rows]).sum().backward()
        gradients.append([leaf.grad for leaf in part])
    torch.autograd.backward(list(encoded), [torch.cat(parts) for parts in zip(*gradients, strict=True)])
    return float(found.cost_BM.mean())


def log_likelihood(policy: AttentionPolicy, encoded: Encoded, found: Rollout, first: int = 0) -> Tensor:
    """Of a kept rollout's moves from the step `first` on, summed, (B, M)."""
    if found.at_BMT is None or found.context_BMTC is None or found.is_open_BMTN is None:
        raise ValueError("found: expected a rollout that was kept")
    at_BMT, action_BMT = found.at_BMT[:, :, first:], found.action_BMT[:, :, first:]
    context_BMTC, is_open_BMTN = found.context_BMTC[:, :, first:], found.is_open_BMTN[:, :, first:]
    score_BQN = policy.scores(encoded, at_BMT.flatten(1), context_BMTC.flatten(1, 2), is_open_BMTN.flatten(1, 2))
    log_BQN = score_BQN.log_softmax(-1)
    return log_BQN.gather(2, action_BMT.flatten(1)[..., None])[..., 0].view(at_BMT.shape).sum(-1)


def _drawn(phase: TrainingPhase, number: int, random: torch.Generator) -> tuple[RouteInstances, int]:
    """A step's instances and how many starts each has."""

    def pick(values: tuple[str, ...]) -> str:
        return values[int(torch.randint(len(values), (), generator=random))]

    n_stops = phase.sizes[number % len(phase.sizes)]
    n_starts = min(phase.starts, n_stops)
    n_instances = max(4, round(phase.moves / (n_starts * n_stops)))
    layout, depot = pick(phase.layouts), pick(phase.depots)
    has_windows = phase.has_windows and number // len(phase.sizes) % 2 == 1
    return sample_instances(n_instances, n_stops, random, layout, depot, has_windows), n_starts

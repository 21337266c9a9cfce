"""Training of a neural ordering policy on replayed demand.

Each step replays a batch of series and paths, and follows the gradient of what that cost, every series counted
relative to what the base stock costs it. Kept is the network of the look at the held-out demand that found the least
cost; the first look is at the untrained network, so none is worse there than the base stock it begins with.

A step depends on spec and data alone; on a CPU, where training keeps to one thread, so do the bits of the result.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import torch
from torch import Tensor

from udfs.inventory.learning.neural import NeuralPolicy, input_count
from udfs.inventory.learning.neural_features import PolicyFeatures
from udfs.inventory.learning.neural_network import OrderNetwork
from udfs.inventory.learning.neural_spec import NeuralPolicySpec
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.state import Stock, StockState
from udfs.inventory.simulation.terms import SimulationTerms
from udfs.series.series_threads import kernels_own_the_cores

_LEAST_SPREAD: Final = 1e-3
"""An input that varies less than this in training says nothing, and is not blown up to say something."""
_LEAST_COST: Final = 0.05
"""Of the median cost: what a series that costs less counts as, so that none outweighs all others."""


@dataclass(frozen=True)
class Replay:
    """Demand to replay, and what is known meanwhile.

    Attributes:
        demand_SPT: units, (S, P, T): sample paths, or windows of history.
        features: of the same series, paths and periods.
        start: stock at the start of period 0; None is empty shelves.
        warm_up: first periods whose costs do not count.
    """

    demand_SPT: Tensor
    features: PolicyFeatures
    start: Stock | None = None
    warm_up: int = 0

    def __post_init__(self) -> None:
        demand_SPT = torch.as_tensor(self.demand_SPT).to(self.features.scale)
        if demand_SPT.ndim != 3:
            raise ValueError(f"Replay.demand_SPT: expected (S, P, T), found shape {tuple(demand_SPT.shape)}")
        object.__setattr__(self, "demand_SPT", demand_SPT)
        features = self.features
        for name in ("scale", "level", "extra", "lot"):
            found = getattr(features, name).shape[:3]
            if any(
                a != b and (a != 1 or axis == 0)
                for axis, (a, b) in enumerate(zip(found, demand_SPT.shape, strict=True))
            ):
                raise ValueError(
                    f"Replay.features.{name}: expected S, P, T of the demand, {tuple(demand_SPT.shape)}, P and T "
                    f"perhaps 1, found {tuple(found)}"
                )

    def take(self, rows: Tensor, paths: Tensor | None = None) -> Replay:
        """Some series, and some paths of each."""
        demand_SPT = self.demand_SPT[rows] if paths is None else self.demand_SPT[rows][:, paths]
        start = self.start
        if start is not None:
            parts = {field.name: getattr(start, field.name) for field in fields(Stock)}
            start = Stock(**{k: _of_paths(part[rows], paths) for k, part in parts.items() if part is not None})
        return Replay(demand_SPT, self.features.take(rows, paths), start, self.warm_up)


def train_neural_policy(
    demand_SPT: Tensor,
    terms: SimulationTerms,
    features: PolicyFeatures,
    spec: NeuralPolicySpec,
    *,
    start: Stock | None = None,
    warm_up: int = 0,
    validation: Replay | None = None,
    weight_S: Tensor | None = None,
) -> NeuralPolicy:
    """Train a network to order.

    What the network costs is what `simulate` counts. The number of orders has no gradient, so that how often is
    ordered follows from the features' `lot` and stays as that says.

    Args:
        demand_SPT: units, (S, P, T), on the device to train on; trained in float32.
        terms: of S series.
        features: of the same series, paths and periods, as known at the start of each.
        spec: what to train.
        start: stock at the start of period 0; None is empty shelves.
        warm_up: first periods whose costs do not count.
        validation: held-out demand of the same series, by which the kept network is chosen: for each series where it
            has its own, in all otherwise. None keeps the last one.
        weight_S: what a unit of a series' cost counts, (S,), >= 0; None counts each series relative to the cost of
            the base stock that it begins with.

    Raises:
        ValueError: shapes that do not fit, weights that are not finite and >= 0, or what `simulate` refuses.

    >>> demand_SPT = torch.poisson(torch.full((1, 64, 30), 5.0), generator=torch.Generator().manual_seed(0))
    >>> terms = SimulationTerms(lead_time=1, holding_cost=1.0, shortage_cost=9.0)
    >>> policy = train_neural_policy(demand_SPT, terms, PolicyFeatures([5.0], [30.0]), NeuralPolicySpec(steps=20))
    >>> from udfs.inventory.simulation.levels import BaseStock
    >>> before, after = (simulate(each, demand_SPT, terms).cost.mean() for each in (BaseStock(30.0), policy))
    >>> bool(after < before)
    True
    """
    training = Replay(demand_SPT, features.to(torch.as_tensor(demand_SPT).device), start, warm_up)
    # Batches are small: a second thread costs more than it brings, and sums that it splits depend on their number.
    with kernels_own_the_cores():
        return _Trainer(training, terms, spec, validation, weight_S).run()


class _Trainer:
    def __init__(
        self,
        training: Replay,
        terms: SimulationTerms,
        spec: NeuralPolicySpec,
        validation: Replay | None,
        weight_S: Tensor | None,
    ) -> None:
        self.training, self.terms, self.spec, self.validation = training, terms, spec, validation
        self.n_series, self.n_paths, _ = training.demand_SPT.shape
        if validation is not None and len(validation.demand_SPT) != self.n_series:
            raise ValueError(f"validation: expected {self.n_series} series, found {len(validation.demand_SPT)}")
        self.random = torch.Generator().manual_seed(spec.seed)
        self.n_slots = max(int(terms.column("lead_time", self.n_series).max()), 1)
        self.network, base_cost_S = self._untrained()
        self.weight_S = self._weights(weight_S, base_cost_S)
        self.best, self.best_cost_G = self.network.on(base_cost_S.device), torch.full((), torch.inf)

    def run(self) -> NeuralPolicy:
        spec = self.spec
        parameters = self.network.parameters
        optimiser = torch.optim.Adam([values.requires_grad_() for values in parameters], lr=spec.learning_rate)
        self._look()
        for step in range(spec.steps):
            optimiser.param_groups[0]["lr"] = spec.rate(step)
            optimiser.zero_grad(set_to_none=True)
            self._batch_cost().backward()
            self._cut_gradients()
            optimiser.step()
            if (step + 1) % spec.evaluate_every == 0 or step + 1 == spec.steps:
                self._look()
        return self._policy(self.best, self.terms, self.training.features)

    def _untrained(self) -> tuple[OrderNetwork, Tensor]:
        """A network that knows how its inputs spread under the base stock, and what that costs each series, (S,)."""
        training, spec = self.training, self.spec
        rows = torch.arange(self.n_series)
        paths = torch.arange(min(self.n_paths, spec.batch_paths))
        replay = training.take(rows, paths)
        n_inputs = input_count(self.n_slots, training.features.n_extra)
        blank = torch.zeros((1, 1, n_inputs), device=training.demand_SPT.device)
        first = OrderNetwork.untrained(blank, blank + 1.0, 1, 1, torch.Generator())
        watched = _Watched(self._policy(first, self.terms, replay.features), replay.warm_up, spec.own_weights)
        cost_S = _cost(watched, replay, self.terms)
        centre_GK, spread_GK = watched.spread()
        network = OrderNetwork.untrained(centre_GK, spread_GK, spec.width, spec.layers, self.random)
        return network, cost_S

    def _weights(self, weight_S: Tensor | None, base_cost_S: Tensor) -> Tensor:
        if weight_S is None:
            least = _LEAST_COST * base_cost_S.median()
            return 1.0 / torch.maximum(base_cost_S, least).clamp(min=torch.finfo(torch.float32).tiny)
        weight_S = torch.as_tensor(weight_S).to(base_cost_S)
        if weight_S.shape != (self.n_series,) or not bool(((weight_S >= 0.0) & torch.isfinite(weight_S)).all()):
            raise ValueError(f"weight_S: expected {self.n_series} finite weights >= 0, found {weight_S}")
        return weight_S

    def _batch_cost(self) -> Tensor:
        spec = self.spec
        rows = torch.randperm(self.n_series, generator=self.random)[: spec.batch_series].sort().values
        paths = torch.randperm(self.n_paths, generator=self.random)[: spec.batch_paths]
        replay = self.training.take(rows, paths)
        terms = self.terms.take(rows.numpy(), self.n_series)
        policy = self._policy(self.network.take(rows), terms, replay.features)
        cost_S = _cost(policy, replay, terms) * self.weight_S[rows]
        # Networks of their own must not feel how many others are trained beside them.
        return cost_S.sum() if spec.own_weights else cost_S.mean()

    @torch.no_grad()
    def _cut_gradients(self) -> None:
        """Each network's gradient to at most the norm `max_gradient`."""
        gradients = [values.grad for values in self.network.parameters if values.grad is not None]
        norm_G11 = torch.stack([(gradient**2).sum((1, 2), keepdim=True) for gradient in gradients]).sum(0).sqrt()
        share_G11 = (self.spec.max_gradient / norm_G11.clamp(min=1e-12)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(share_G11)

    @torch.no_grad()
    def _look(self) -> None:
        """Keep the network where it costs less on the held-out demand than the one kept so far."""
        now = self.network.on(self.training.demand_SPT.device)
        if self.validation is None:
            self.best = now
            return
        cost_S = _cost(self._policy(now, self.terms, self.validation.features), self.validation, self.terms)
        cost_G = cost_S if self.spec.own_weights else (cost_S * self.weight_S).mean()[None]
        is_better_G11 = (cost_G < self.best_cost_G)[:, None, None]
        self.best_cost_G = torch.minimum(cost_G, self.best_cost_G)
        for kept, new in zip(self.best.parameters, now.parameters, strict=True):
            kept.copy_(torch.where(is_better_G11, new, kept))

    def _policy(self, network: OrderNetwork, terms: SimulationTerms, features: PolicyFeatures) -> NeuralPolicy:
        return NeuralPolicy(network, terms, features, self.spec, self.n_slots)


class _Watched:
    """A policy whose inputs are added up, to know their mean and spread."""

    requires_grad = True  # all series in one block: the sums are of all

    def __init__(self, policy: NeuralPolicy, warm_up: int, each_series: bool) -> None:
        self.policy, self.warm_up, self.axes = policy, warm_up, (1,) if each_series else (0, 1)
        self.sums: list[Tensor] = []

    def order(self, state: StockState) -> Tensor:
        if state.t >= self.warm_up:
            inputs_SPK = self.policy.inputs(state).double()
            mean, square = (x.mean(self.axes, keepdim=True) for x in (inputs_SPK, inputs_SPK**2))
            self.sums.append(torch.stack([mean, square]))
        return self.policy.order(state)

    def spread(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the inputs, (G, 1, K)."""
        mean, square = torch.stack(self.sums).mean(0)
        deviation = (square - mean**2).clamp(min=0.0).sqrt()
        return mean.float(), torch.where(deviation < _LEAST_SPREAD, 1.0, deviation).float()


def _cost(policy: NeuralPolicy | _Watched, replay: Replay, terms: SimulationTerms) -> Tensor:
    """Cost per period, (S,)."""
    found = simulate(policy, replay.demand_SPT, terms, start=replay.start, warm_up=replay.warm_up)
    return found.cost_per_period


def _of_paths(values: Tensor, paths: Tensor | None) -> Tensor:
    return values if paths is None or values.shape[1] == 1 else values[:, paths]

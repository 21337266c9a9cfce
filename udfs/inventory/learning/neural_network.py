"""A small network, or one per series, that says how far a base-stock level should move.

Dimensions: S series, P paths, K inputs, G networks (1 or S).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import silu

_FARTHEST: Final = 5.0
"""Standard deviations from what was seen in training at which an input is cut: beyond, a network only guesses."""


@dataclass(frozen=True)
class OrderNetwork:
    """Weights of G networks of the same shape.

    Attributes:
        weights: of each layer, (G, inputs, outputs). biases: of each layer, (G, 1, outputs).
        centre_GK, spread_GK: mean and standard deviation of the inputs, (G, 1, K).
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    centre_GK: Tensor
    spread_GK: Tensor

    @classmethod
    def untrained(
        cls, centre_GK: Tensor, spread_GK: Tensor, width: int, layers: int, generator: torch.Generator
    ) -> OrderNetwork:
        """Random hidden layers, the same in each network, and a last layer of zeros: it moves no level yet."""
        n_networks, _, n_inputs = centre_GK.shape
        sizes = [n_inputs, *[width] * layers, 1]
        weights, biases = [], []
        for n_in, n_out in pairwise(sizes):
            weight = torch.randn((1, n_in, n_out), generator=generator) / math.sqrt(n_in)
            weights.append(weight.repeat(n_networks, 1, 1).to(centre_GK))
            biases.append(torch.zeros((n_networks, 1, n_out)).to(centre_GK))
        weights[-1].zero_()
        return cls(tuple(weights), tuple(biases), centre_GK, spread_GK)

    @property
    def n_networks(self) -> int:
        """G."""
        return len(self.centre_GK)

    @property
    def parameters(self) -> list[Tensor]:
        """What is trained."""
        return [*self.weights, *self.biases]

    @property
    def requires_grad(self) -> bool:
        return any(values.requires_grad for values in self.parameters)

    def take(self, rows: slice | Tensor) -> OrderNetwork:
        """The networks of some series; the one that all share is theirs, too."""
        if self.n_networks == 1:
            return self
        return OrderNetwork(
            tuple(weight[rows] for weight in self.weights),
            tuple(bias[rows] for bias in self.biases),
            self.centre_GK[rows],
            self.spread_GK[rows],
        )

    def __call__(self, inputs_SPK: Tensor) -> Tensor:
        """(S, P): by how many scales of demand the level moves."""
        n_series, n_paths, n_inputs = inputs_SPK.shape
        found = ((inputs_SPK - self.centre_GK) / self.spread_GK).clamp(-_FARTHEST, _FARTHEST)
        if self.n_networks == 1:
            found = found.reshape(1, n_series * n_paths, n_inputs)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            found = torch.baddbmm(bias, found, weight)
            if layer < len(self.weights) - 1:
                found = silu(found)
        return found.reshape(n_series, n_paths)

    def on(self, device: torch.device | str) -> OrderNetwork:
        """A copy without gradients."""
        return OrderNetwork(
            tuple(weight.detach().to(device, copy=True) for weight in self.weights),
            tuple(bias.detach().to(device, copy=True) for bias in self.biases),
            self.centre_GK.to(device),
            self.spread_GK.to(device),
        )

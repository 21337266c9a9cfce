"""What a neural ordering policy looks like and how it is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NeuralPolicySpec:
    """A network that orders, and its training.

    Attributes:
        width, layers: of the hidden layers.
        own_weights: every series has a network of its own, all trained at once; otherwise one network, told apart by
            features, orders for all series, also for those that it was not trained on.
        whole_units: orders are rounded to the nearest unit when the policy is used. Training sees the unrounded ones,
            since between two whole numbers the cost of whole-unit demand is a straight line.
        steps: of the optimiser, Adam.
        learning_rate: of the first step; it falls along a cosine to `last_rate` times itself.
        max_gradient: norm to which a network's gradient is cut.
        batch_series, batch_paths: series and paths that a step sees, at most.
        evaluate_every: steps between two looks at the held-out demand.
        seed: of the first weights and of the batches.

    Raises:
        ValueError: a size below 1, or a rate that is not a number > 0.
    """

    width: int = 16
    layers: int = 2
    own_weights: bool = False
    whole_units: bool = False
    steps: int = 400
    learning_rate: float = 1e-2
    last_rate: float = 0.02
    max_gradient: float = 1.0
    batch_series: int = 512
    batch_paths: int = 64
    evaluate_every: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("width", "layers", "steps", "batch_series", "batch_paths", "evaluate_every"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"NeuralPolicySpec.{name}: expected a whole number >= 1, found {value!r}")
        for name in ("learning_rate", "max_gradient"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise ValueError(f"NeuralPolicySpec.{name}: expected a number > 0, found {value}")
        if not 0.0 < self.last_rate <= 1.0:
            raise ValueError(f"NeuralPolicySpec.last_rate: expected a share in (0, 1], found {self.last_rate}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(f"NeuralPolicySpec.seed: expected a whole number >= 0, found {self.seed!r}")

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        falling = 0.5 * (1.0 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * (self.last_rate + (1.0 - self.last_rate) * falling)

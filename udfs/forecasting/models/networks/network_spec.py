"""What a network looks like and how it is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

from udfs.forecasting.forecaster import check_request
from udfs.forecasting.quantile_levels import QUANTILES

BLOCKS = ("lstm", "gru", "transformer")
HEADS = ("negative_binomial", "quantile")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
ATTENTION_HEADS = 4

_POSITIVE = (
    "hidden",
    "layers",
    "context",
    "horizon",
    "harmonics",
    "embedding",
    "batch_size",
    "max_steps",
    "evaluate_every",
    "patience",
    "held_out_series",
    "learning_rate",
)


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """An encoder-decoder and its training.

    Attributes:
        block: what encodes the context and decodes the horizon: "lstm", "gru" or "transformer".
        head: "negative_binomial" (counts) or "quantile" (any demand that is at least 0).
        hidden, layers: width and depth of the block.
        context: steps of history that the encoder sees.
        horizon: steps ahead that training looks at; a fitted model forecasts at most so many.
        periods: seasons in steps, the shortest first; each gives `harmonics` pairs of Fourier terms (for a week,
            three pairs tell all weekdays apart). The first also gives the profile of the context that is passed to
            the decoder.
        embedding: largest width of a trait's embedding.
        dropout: share of activations, and of traits, that are left out at random in training.
        quantiles: levels that a quantile head is trained on.
        learning_rate: at its highest; it rises over the first steps and falls along a cosine to the last.
        batch_size: windows per step, over all workers together.
        max_steps, evaluate_every, patience: training ends after max_steps, or when that many evaluations on the
            held-out window brought nothing better.
        held_out_series: series looked at by an evaluation, at most.
        average_decay: decay of the running average of the weights, which is what is evaluated and kept.
        level_power: windows count in training by the value of their context's mean demand to this power; 0 counts
            all alike. See `WindowSampler`.
        precision: of matrix products in training: "auto" takes bfloat16 or float16 where a cuda device has it.
        seed: of the first weights, the windows drawn and dropout.
    """

    block: str = "lstm"
    head: str = "negative_binomial"
    hidden: int = 48
    layers: int = 1
    context: int = 56
    horizon: int = 28
    periods: tuple[float, ...] = (7.0,)
    harmonics: int = 3
    embedding: int = 8
    dropout: float = 0.1
    quantiles: tuple[float, ...] = QUANTILES
    learning_rate: float = 3e-3
    batch_size: int = 256
    max_steps: int = 1000
    evaluate_every: int = 50
    patience: int = 6
    held_out_series: int = 2048
    average_decay: float = 0.99
    level_power: float = 1.0
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_values()
        is_season = all(2 <= steps < math.inf for steps in self.periods)
        if not self.periods or not is_season or list(self.periods) != sorted(self.periods):
            raise ValueError(f"expected periods of at least 2 steps, the shortest first, found {self.periods}")
        if self.context < self.season_length:
            raise ValueError(f"expected a context of at least one season of {self.season_length}, found {self.context}")
        if self.block == "transformer" and self.hidden % ATTENTION_HEADS:
            raise ValueError(f"expected hidden to be a multiple of {ATTENTION_HEADS} heads, found {self.hidden}")
        check_request(self.horizon, self.quantiles)

    def _check_values(self) -> None:
        for name, choices in (("block", BLOCKS), ("head", HEADS), ("precision", PRECISIONS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"expected {name} to be one of {', '.join(choices)}, found {getattr(self, name)!r}")
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"expected {name} above 0 and finite, found {getattr(self, name)}")
        for name in ("dropout", "average_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"expected {name} within [0, 1), found {getattr(self, name)}")
        if not 0 <= self.level_power < math.inf:
            raise ValueError(f"expected level_power of at least 0 and finite, found {self.level_power}")

    @property
    def season_length(self) -> int:
        """M, steps of the shortest season."""
        return round(self.periods[0])

"""A neural ordering policy: a base-stock level that a network moves with the state of the stock.

order = max(0, level + scale x network(stock, terms, features) - position). With lost sales the best order depends on
when receipts come, not on their sum alone (Zipkin 2008); the network learns that by hindsight differentiable policy
optimisation: the replayed cost is differentiated through the simulator (Madeka et al. 2022, "Deep inventory
management"; Alvo, Russo & Kanoria 2023, "Neural inventory control in networks via hindsight differentiable policy
optimization"). Before training the network moves nothing, so the policy is the base stock that it begins with.

Where orders have a fixed cost the features give a lot, S - s, and the network moves s and S together. When and how
often is ordered then hardly changes with it, so the gradient is sound although the number of orders has none (Fu 1994,
"Sample path derivatives for (s, S) inventory systems").
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import torch
from torch import Tensor

from udfs.inventory.learning.neural_features import N_TERMS, PolicyFeatures, state_features, term_features
from udfs.inventory.learning.neural_network import OrderNetwork
from udfs.inventory.learning.neural_spec import NeuralPolicySpec
from udfs.inventory.simulation.state import StockState
from udfs.inventory.simulation.terms import SimulationTerms

_FORMAT: Final = 1


@dataclass(frozen=True)
class NeuralPolicy:
    """A network with the terms and features of the series that it orders for; an `OrderingPolicy`.

    Attributes:
        network: of all series, or one for each.
        terms: of the S series of `features`.
        features: of the periods that are replayed; period 0 is that of the simulation.
        spec: how it was trained.
        n_slots: receipts that the network tells apart.

    Raises:
        ValueError: another number of features than the network has inputs for, another number of series than it has
            networks, or terms of another number of series.
    """

    network: OrderNetwork
    terms: SimulationTerms
    features: PolicyFeatures
    spec: NeuralPolicySpec
    n_slots: int
    _terms_S1K: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n_inputs = self.network.centre_GK.shape[-1]
        n_extra = n_inputs - input_count(self.n_slots, 0)
        if self.features.n_extra != n_extra:
            raise ValueError(f"features.extra: expected {n_extra} features, found {self.features.n_extra}")
        if self.network.n_networks not in (1, self.features.n_series):
            raise ValueError(
                f"features: expected the {self.network.n_networks} series that have a network, "
                f"found {self.features.n_series}"
            )
        object.__setattr__(self, "_terms_S1K", term_features(self.terms, self.features))

    @property
    def requires_grad(self) -> bool:
        return self.network.requires_grad

    def order(self, state: StockState) -> Tensor:
        """Units wanted now, (S, P), >= 0.

        Raises ValueError where the state's period lies beyond those of the features.
        """
        scale_SP, _, _, lot_SP = self.features.at(state.t, state.rows)
        inputs_SPK, gap_SP = self._inputs(state)
        gap_SP = scale_SP * (gap_SP + self.network.take(state.rows)(inputs_SPK))
        wanted_SP = torch.where(gap_SP >= 0.0, gap_SP + lot_SP, torch.zeros_like(gap_SP))
        if self.spec.whole_units and not self.requires_grad:
            wanted_SP = wanted_SP.round()
        return wanted_SP.to(state.on_hand_SP)

    def inputs(self, state: StockState) -> Tensor:
        """What the network reads, (S, P, K)."""
        return self._inputs(state)[0]

    def for_series(self, terms: SimulationTerms, features: PolicyFeatures) -> NeuralPolicy:
        """The same network ordering for other series or other periods, on their device. Raises as the class does."""
        return NeuralPolicy(self.network.on(features.scale.device), terms, features, self.spec, self.n_slots)

    def to_bytes(self) -> bytes:
        """Network and spec, for a table; terms and features are data of their own."""
        network = self.network.on("cpu")
        tensors = {"weights": list(network.weights), "biases": list(network.biases)}
        inputs = {"centre_GK": network.centre_GK, "spread_GK": network.spread_GK}
        stored = io.BytesIO()
        torch.save({"format": _FORMAT, "spec": asdict(self.spec), "n_slots": self.n_slots, **tensors, **inputs}, stored)
        return stored.getvalue()

    @classmethod
    def from_bytes(cls, stored: bytes, terms: SimulationTerms, features: PolicyFeatures) -> NeuralPolicy:
        """A stored network, ordering for the given series on the device of their features.

        Raises:
            ValueError: bytes of another format, or features that the network was not made for.
        """
        try:
            found: dict[str, Any] = torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)
            if found["format"] != _FORMAT:
                raise ValueError(f"format {found['format']}")
        except Exception as error:
            raise ValueError(f"stored: expected a policy of format {_FORMAT} from to_bytes, found {error}") from error
        network = OrderNetwork(
            tuple(found["weights"]), tuple(found["biases"]), found["centre_GK"], found["spread_GK"]
        ).on(features.scale.device)
        return cls(network, terms, features, NeuralPolicySpec(**found["spec"]), found["n_slots"])

    def _inputs(self, state: StockState) -> tuple[Tensor, Tensor]:
        scale_SP, level_SP, extra_SPK, _ = self.features.at(state.t, state.rows)
        stock_SPK, gap_SP = state_features(state, scale_SP, level_SP, self.n_slots)
        shape = (*gap_SP.shape, -1)
        told = (self._terms_S1K[state.rows].expand(shape), extra_SPK.expand(shape))
        return torch.cat([stock_SPK, *told], -1), gap_SP


def input_count(n_slots: int, n_extra: int) -> int:
    """K, the inputs of a network."""
    return n_slots + 2 + N_TERMS + n_extra

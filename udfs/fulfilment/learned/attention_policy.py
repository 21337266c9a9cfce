"""A policy that builds routes stop by stop: a graph attention encoder and a pointer decoder.

The encoder attends along the edges to the nearest neighbours, and to the depot, with a bias that is learned from what
an edge is: its length, what it saves, how near it is for its neighbourhood. The decoder is that of the attention model
(Kool, van Hoof & Welling 2019): a glimpse of the places that are open, then a pointer. Since its query is linear in the
place and in the vehicle's state, all products with keys are made once per instance, and a step gathers rows of them.

Dimensions: B instances, N places, Q queries, H heads, D width, C context.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from udfs.fulfilment.learned.route_instances import RouteInstances

N_CONTEXT: Final = 4
_FORMAT: Final = 1
_CLOSED: Final = -1e4
_UNSEEN: Final = -60.0
_N_NODE, _N_EDGE, _EDGE_WIDTH = 13, 6, 16
_START_BIAS: Final = (-2.0, 0.5)  # per unit of length and saving: before it learns, the pointer prefers what is near


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """width: of a place's embedding, a multiple of heads. neighbours: edges of a place. clip: of the pointer's scores.

    Raises ValueError for a size below 1 or a width that the heads do not divide."""

    width: int = 64
    heads: int = 4
    layers: int = 3
    neighbours: int = 20
    clip: float = 10.0

    def __post_init__(self) -> None:
        for name in ("width", "heads", "layers", "neighbours"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"PolicySpec.{name}: expected a whole number >= 1, found {getattr(self, name)!r}")
        if self.width % self.heads:
            raise ValueError(f"PolicySpec.width: expected a multiple of {self.heads} heads, found {self.width}")


class Encoded(NamedTuple):
    """What a decoder's step needs of B instances, X = (H + 1) N: the glimpse's heads, then the pointer.

    pair_RX: scores of each place as it is seen from each, rows B N. context_BCX: what the context adds to them.
    value_BHNV: the heads' values, a 1 beside each. key_BDN: of the pointer."""

    pair_RX: Tensor
    context_BCX: Tensor
    value_BHNV: Tensor
    key_BDN: Tensor

    def detached(self) -> Encoded:
        return Encoded(*(part.detach() for part in self))

    def take(self, rows: slice) -> Encoded:
        """Some instances, as leaves of a graph of their own."""
        n_places = self.key_BDN.shape[2]
        pairs = slice(rows.start * n_places, rows.stop * n_places)
        parts = (self.pair_RX[pairs], *(part[rows] for part in self[1:]))
        return Encoded(*(part.detach().requires_grad_() for part in parts))


class AttentionPolicy(nn.Module):
    """Encoder and decoder; `card` says what it was trained on and what it cost on held-out instances."""

    def __init__(self, spec: PolicySpec, seed: int = 0, card: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.spec, self.card = spec, dict(card or {})
        width = spec.width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.enter = nn.Linear(_N_NODE, width)
            self.layers = nn.ModuleList(_Layer(width, spec.heads) for _ in range(spec.layers))
            self.leave = nn.LayerNorm(width)
            self.edge_in = nn.Linear(_N_EDGE, _EDGE_WIDTH)
            self.edge_out = nn.Linear(_EDGE_WIDTH + _N_EDGE, spec.heads * (spec.layers + 1) + 1)
            self.query = nn.Linear(width, 2 * width, bias=False)
            self.keys = nn.Linear(width, 4 * width, bias=False)
            self.context = nn.Parameter(torch.zeros(N_CONTEXT, 2 * width))
        with torch.no_grad():
            self.edge_out.weight[-1] = 0.0
            self.edge_out.weight[-1, _EDGE_WIDTH : _EDGE_WIDTH + 2] = torch.tensor(_START_BIAS)

    def encode(self, instances: RouteInstances) -> Encoded:
        node_BNF, edge_BFNN, is_edge_BNN = _features(instances, self.spec.neighbours)
        bias_BKNN = self._edge_scores(edge_BFNN)
        closed_B1NN = torch.where(is_edge_BNN, 0.0, _CLOSED)[:, None]
        place_BND = self.enter(node_BNF)
        heads = self.spec.heads
        for number, layer in enumerate(self.layers):
            place_BND = layer(place_BND, bias_BKNN[:, number * heads : (number + 1) * heads] + closed_B1NN)
        return self._prepared(self.leave(place_BND), bias_BKNN[:, -heads - 1 :])

    def scores(self, encoded: Encoded, at_BQ: Tensor, context_BQC: Tensor, is_open_BQN: Tensor) -> Tensor:
        """Logits of the next place, (B, Q, N), from where a vehicle is and from its state; closed places lie far below.

        at_BQ: places, int64. context_BQC: see `udfs.fulfilment.learned.policy_rollout`. is_open_BQN: where it may go.
        """
        n_instances, n_queries, n_places = is_open_BQN.shape
        heads, width = self.spec.heads, self.spec.width
        rows = (at_BQ + n_places * torch.arange(n_instances, device=at_BQ.device)[:, None]).view(-1)
        seen_BQX = encoded.pair_RX.index_select(0, rows).view(n_instances, n_queries, -1)
        seen_BQX = torch.baddbmm(seen_BQX, context_BQC, encoded.context_BCX)
        seen_BQHN = seen_BQX.view(n_instances, n_queries, heads + 1, n_places)
        closed_BQN = (~is_open_BQN).float()
        # The sum of the weights comes with the values, from the 1 beside them; scores are too small to overflow, and a
        # closed place weighs nothing beside an open one, without the numbers near 0 that processors are slow with.
        weight_BQHN = torch.add(seen_BQHN[:, :, :heads], closed_BQN[:, :, None], alpha=_UNSEEN).exp_()
        glimpse_BHQV = weight_BQHN.transpose(1, 2) @ encoded.value_BHNV
        glimpse_BHQV = glimpse_BHQV[..., :-1] / glimpse_BHQV[..., -1:].clamp(min=1e-30)
        glimpse_BQD = glimpse_BHQV.transpose(1, 2).reshape(n_instances, n_queries, width)
        pointed_BQN = torch.tanh((glimpse_BQD @ encoded.key_BDN) / math.sqrt(width))
        score_BQN = torch.add(seen_BQHN[:, :, heads], pointed_BQN, alpha=self.spec.clip)
        return score_BQN.add_(closed_BQN, alpha=_CLOSED)

    def to_bytes(self) -> bytes:
        """Weights, spec and card, for a table."""
        weights = {name: values.cpu() for name, values in self.state_dict().items()}
        stored = io.BytesIO()
        torch.save({"format": _FORMAT, "spec": asdict(self.spec), "card": self.card, "weights": weights}, stored)
        return stored.getvalue()

    @classmethod
    def from_bytes(cls, stored: bytes) -> AttentionPolicy:
        """A stored policy, on the CPU. Raises ValueError for bytes of another format."""
        try:
            found: dict[str, Any] = torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)
            if found["format"] != _FORMAT:
                raise ValueError(f"format {found['format']}")
            policy = cls(PolicySpec(**found["spec"]), card=found["card"])
            policy.load_state_dict(found["weights"])
        except Exception as error:
            raise ValueError(f"stored: expected a policy of format {_FORMAT} from to_bytes, found {error}") from error
        return policy

    def _edge_scores(self, edge_BFNN: Tensor) -> Tensor:
        """(B, K, N, N), K the heads of all layers, of the glimpse, and the pointer."""
        n_instances, n_features, n_places, _ = edge_BFNN.shape
        edge_BFE = edge_BFNN.reshape(n_instances, n_features, -1)
        hidden_BKE = torch.relu(self.edge_in.weight @ edge_BFE + self.edge_in.bias[:, None])
        score_BKE = self.edge_out.weight @ torch.cat([hidden_BKE, edge_BFE], 1) + self.edge_out.bias[:, None]
        return score_BKE.view(n_instances, -1, n_places, n_places)

    def _prepared(self, place_BND: Tensor, bias_BHNN: Tensor) -> Encoded:
        n_instances, n_places, width = place_BND.shape
        heads = self.spec.heads
        query_BND, direct_BND = self.query(place_BND).chunk(2, -1)
        key_BND, value_BND, pointer_BND, to_BND = self.keys(place_BND).chunk(4, -1)

        def by_head(values: Tensor) -> Tensor:
            return values.view(*values.shape[:-1], heads, -1).transpose(-3, -2)

        # More places share the attention: their scores must differ more for it to be as sharp.
        scale = math.log(n_places) / math.log(20.0) / math.sqrt(width // heads)
        glimpse_BHNN = scale * by_head(query_BND) @ by_head(key_BND).transpose(-2, -1)
        direct_BNN = direct_BND @ to_BND.transpose(-2, -1) / math.sqrt(width)
        pair_BHNN = torch.cat([glimpse_BHNN, direct_BNN[:, None]], 1) + bias_BHNN
        for_glimpse_CD, for_pointer_CD = self.context.chunk(2, -1)
        added_BHCN = scale * by_head(for_glimpse_CD) @ by_head(key_BND).transpose(-2, -1)
        added_BCN = for_pointer_CD @ to_BND.transpose(-2, -1)
        context_BHCN = torch.cat([added_BHCN, added_BCN[:, None]], 1)
        value_BHND = by_head(value_BND)
        return Encoded(
            pair_BHNN.transpose(1, 2).reshape(n_instances * n_places, -1),
            context_BHCN.transpose(1, 2).reshape(n_instances, N_CONTEXT, -1),
            torch.cat([value_BHND, torch.ones_like(value_BHND[..., :1])], -1),
            pointer_BND.transpose(-2, -1),
        )


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.merge = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.forward_in, self.forward_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, place_BND: Tensor, bias_BHNN: Tensor) -> Tensor:
        n_instances, n_places, width = place_BND.shape
        shape = (n_instances, n_places, 3, self.heads, width // self.heads)
        query, key, value = self.project(self.before_attention(place_BND)).view(shape).permute(2, 0, 3, 1, 4)
        score_BHNN = query @ key.transpose(-2, -1) / math.sqrt(width // self.heads) + bias_BHNN
        seen_BND = (score_BHNN.softmax(-1) @ value).transpose(1, 2).reshape(place_BND.shape)
        place_BND = place_BND + self.merge(seen_BND)
        return place_BND + self.forward_out(torch.relu(self.forward_in(self.before_forward(place_BND))))


def _features(instances: RouteInstances, neighbours: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of places (B, N, F), of pairs (B, F, N, N), and which pairs are edges, (B, N, N)."""
    distance_BNN, n_places = instances.distance, instances.n_stops + 1
    home_BN, scale = distance_BNN[:, 0], math.sqrt(instances.n_stops)
    nearest_BNK = distance_BNN.topk(min(neighbours + 1, n_places), largest=False).values
    local_BN = nearest_BNK[..., 1:4].mean(-1) + 1e-3
    is_depot_N = torch.arange(n_places, device=home_BN.device) == 0
    is_edge_BNN = (distance_BNN <= nearest_BNK[..., -1:]) | is_depot_N | is_depot_N[:, None]
    share_BN = instances.demand_BN / instances.capacity_B[:, None]
    away_BN2 = instances.place_BN2 - instances.place_BN2[:, :1]
    bearing_BN2 = away_BN2 / (home_BN[..., None] + 1e-3)
    stops_B1 = share_BN[:, 1:].mean(-1, keepdim=True).log()
    columns = [home_BN, share_BN, is_depot_N.expand_as(home_BN), stops_B1.expand_as(home_BN), local_BN * scale]
    slack_BNN, when_BN2 = _times(instances)
    node_BNF = torch.cat(
        [instances.place_BN2 - 0.5, bearing_BN2, away_BN2 * 0.5, torch.stack(columns, -1), when_BN2], -1
    )
    saving_BNN = home_BN[:, :, None] + home_BN[:, None] - distance_BNN
    near_BNN = torch.log((distance_BNN + 1e-2 / scale) / local_BN[:, :, None])
    kinds = [is_depot_N[:, None].expand_as(distance_BNN), is_depot_N.expand_as(distance_BNN)]
    edge_BFNN = torch.stack([distance_BNN * scale, saving_BNN * scale, near_BNN, *kinds, slack_BNN], 1)
    return node_BNF.float(), edge_BFNN.float(), is_edge_BNN


def _times(instances: RouteInstances) -> tuple[Tensor, Tensor]:
    """Slack of a pair's later window after the earlier one has opened, (B, N, N), and windows, (B, N, 2), in shifts;
    0 where instances have none."""
    distance_BNN, window_BN2, service_BN = instances.distance, instances.window_BN2, instances.service_BN
    if window_BN2 is None or service_BN is None:
        return torch.zeros_like(distance_BNN), torch.zeros_like(instances.place_BN2)
    horizon_B11 = window_BN2[:, :1, 1:]
    leave_BN1 = (window_BN2[..., 0] + service_BN)[..., None]
    slack_BNN = (window_BN2[:, None, :, 1] - leave_BN1 - distance_BNN) / horizon_B11
    return slack_BNN.clamp(-1.0, 1.0), window_BN2 / horizon_B11

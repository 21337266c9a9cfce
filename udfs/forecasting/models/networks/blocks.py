"""What encodes a context and decodes a horizon: recurrent layers or attention, behind one call.

A block maps (past_BCD, future_BHD) to (B, H, D), D the hidden width. A step of the horizon sees the context and the
steps of the horizon up to itself, so a forecast of h steps does not depend on how many more are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from udfs.forecasting.models.networks.network_spec import ATTENTION_HEADS, NetworkSpec


class Recurrent(nn.Module):
    """LSTM or GRU layers; the decoder starts from the encoder's last state (Sutskever, Vinyals & Le, 2014)."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        cell = nn.LSTM if spec.block == "lstm" else nn.GRU
        dropout = spec.dropout if spec.layers > 1 else 0.0
        size = {"input_size": spec.hidden, "hidden_size": spec.hidden, "num_layers": spec.layers}
        self.encoder = cell(**size, batch_first=True, dropout=dropout)
        self.decoder = cell(**size, batch_first=True, dropout=dropout)

    def forward(self, past_BCD: torch.Tensor, future_BHD: torch.Tensor) -> torch.Tensor:
        _, state = self.encoder(past_BCD)
        decoded_BHD, _ = self.decoder(future_BHD, state)
        return decoded_BHD + future_BHD


class Attention(nn.Module):
    """A Transformer with normalisation first (Vaswani et al., 2017; Xiong et al., 2020); the decoder is causal."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(_attention_layer(nn.TransformerEncoderLayer, spec) for _ in range(spec.layers))
        self.decoder = nn.ModuleList(_attention_layer(nn.TransformerDecoderLayer, spec) for _ in range(spec.layers))
        self.encoded = nn.LayerNorm(spec.hidden)

    def forward(self, past_BCD: torch.Tensor, future_BHD: torch.Tensor) -> torch.Tensor:
        n_past, n_future, width = past_BCD.shape[1], future_BHD.shape[1], past_BCD.shape[2]
        position_LD = _positions(n_past + n_future, width, past_BCD.device).to(past_BCD.dtype)
        memory_BCD = past_BCD + position_LD[:n_past]
        for layer in self.encoder:
            memory_BCD = layer(memory_BCD)
        memory_BCD = self.encoded(memory_BCD)
        later_HH = torch.ones(n_future, n_future, dtype=torch.bool, device=past_BCD.device).triu(1)
        decoded_BHD = future_BHD + position_LD[n_past:]
        for layer in self.decoder:
            decoded_BHD = layer(decoded_BHD, memory_BCD, tgt_mask=later_HH)
        return decoded_BHD


def make_block(spec: NetworkSpec) -> nn.Module:
    """The block that the spec names."""
    return Attention(spec) if spec.block == "transformer" else Recurrent(spec)


def _attention_layer(kind: Callable[..., nn.Module], spec: NetworkSpec) -> nn.Module:
    return kind(
        d_model=spec.hidden,
        nhead=ATTENTION_HEADS,
        dim_feedforward=2 * spec.hidden,
        dropout=spec.dropout,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )


def _positions(n_steps: int, width: int, device: torch.device) -> torch.Tensor:
    """(L, D) sines and cosines of the step (Vaswani et al., 2017, section 3.5)."""
    step_L1 = torch.arange(n_steps, device=device, dtype=torch.float32)[:, None]
    rate_D = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000.0) / width))
    angle_LD = step_L1 * rate_D
    return torch.stack([angle_LD.sin(), angle_LD.cos()], 2).flatten(1)[:, :width]

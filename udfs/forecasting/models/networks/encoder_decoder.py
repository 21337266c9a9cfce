"""The shell around a block: embeddings and projections in front of it, the head's outputs behind it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from udfs.forecasting.models.networks.blocks import make_block
from udfs.forecasting.models.networks.heads import make_head
from udfs.forecasting.models.networks.network_inputs import Inputs
from udfs.forecasting.models.networks.network_spec import NetworkSpec
from udfs.forecasting.models.networks.windows import Window


class EncoderDecoder(nn.Module):
    """Windows to the head's raw outputs and the scale of each series.

    Traits are embedded; a value that training has not seen, and one left out by dropout, is the zero vector.

    Args:
        spec: sizes, block and head.
        n_known: K covariates.
        n_values: number of values of each trait.
    """

    def __init__(self, spec: NetworkSpec, n_known: int, n_values: Sequence[int]) -> None:
        super().__init__()
        self._dropout = spec.dropout
        self.inputs = Inputs(spec, n_known)
        width = [min(spec.embedding, 1 + n // 2) for n in n_values]
        self.embeddings = nn.ModuleList(
            nn.Embedding(n + 1, d, padding_idx=0) for n, d in zip(n_values, width, strict=True)
        )
        n_static = self.inputs.n_numbers + sum(width)
        self.past = nn.Linear(self.inputs.n_past, spec.hidden)
        self.future = nn.Linear(self.inputs.n_future, spec.hidden)
        self.static = nn.Linear(n_static, 2 * spec.hidden)
        self.drop = nn.Dropout(spec.dropout)
        self.block = make_block(spec)
        self.output = nn.Sequential(
            nn.LayerNorm(spec.hidden),
            nn.Linear(spec.hidden, spec.hidden),
            nn.GELU(),
            nn.Linear(spec.hidden, make_head(spec).n_outputs),
        )

    def forward(self, window: Window) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, H, P) raw outputs and (B,) units of one, both in single precision."""
        features = self.inputs(window)
        static_BA = torch.cat([features.numbers_BA, *self._embedded(window.codes_BC)], 1)
        past_BD, future_BD = self.static(static_BA).chunk(2, 1)
        past_BCD = torch.tanh(self.past(features.past_BCF) + past_BD[:, None])
        future_BHD = torch.tanh(self.future(features.future_BHF) + future_BD[:, None])
        decoded_BHD = self.block(self.drop(past_BCD), self.drop(future_BHD))
        return self.output(decoded_BHD).float(), features.scale_B

    def _embedded(self, codes_BC: torch.Tensor) -> list[torch.Tensor]:
        code_BC = codes_BC + 1
        if self.training and self._dropout:
            kept_BC = torch.rand(code_BC.shape, device=code_BC.device) >= self._dropout
            code_BC = torch.where(kept_BC, code_BC, 0)
        return [embedding(code_B) for embedding, code_B in zip(self.embeddings, code_BC.unbind(1), strict=True)]

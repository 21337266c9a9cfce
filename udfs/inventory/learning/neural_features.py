"""What a neural ordering policy is told beside the stock, as numbers of order 1.

Dimensions: S series, P paths, T periods, K features, L slots of the pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from udfs.inventory.simulation.state import StockState
from udfs.inventory.simulation.terms import SimulationTerms

Rows = slice | Tensor

N_TERMS: Final = 8
_LEAST_SHARE: Final = 1e-3  # of a cost in the sum of both; odds beyond a thousand to one look alike


@dataclass(frozen=True)
class PolicyFeatures:
    """What is known of S series when they order.

    Attributes:
        scale: demand per period to be expected, units > 0, by which quantities are divided: [S], or [S, T] where it
            moves with the period, or [S, P, T] where each path has its own.
        level: base-stock level that the network starts from, units; shapes as of `scale`. A tuned one makes training
            begin where tuning ended.
        lot: units beyond the level that an order aims at, >= 0; shapes as of `scale`. With it the policy is (s, S),
            `level` being s and S = s + lot: the network moves both. None is 0, a base stock.
        extra: any further numbers known at the start of the period, such as the demand's coefficient of variation, a
            forecast over its scale, the season: [S, K], [S, T, K] or [S, P, T, K]. None is no such number.

    Kept as float32 (S, P or 1, T or 1) and (S, P or 1, T or 1, K).

    Raises:
        ValueError: another shape, another number of series, a scale that is not > 0, a lot that is not >= 0, or a
            value that is not finite.
    """

    scale: Any
    level: Any
    extra: Any = None
    lot: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _padded("scale", self.scale, 1))
        object.__setattr__(self, "level", _padded("level", self.level, 1).to(self.scale))
        extra = torch.zeros((self.n_series, 0)) if self.extra is None else self.extra
        object.__setattr__(self, "extra", _padded("extra", extra, 2).to(self.scale))
        lot = torch.zeros(self.n_series) if self.lot is None else self.lot
        object.__setattr__(self, "lot", _padded("lot", lot, 1).to(self.scale))
        _refuse("scale", "> 0", self.scale, ~(self.scale > 0.0))
        _refuse("lot", ">= 0", self.lot, ~(self.lot >= 0.0))
        for axis, letter in enumerate("SPT"):
            sizes = {values.shape[axis] for values in self._all} - ({1} if axis else set())
            if len(sizes) > 1:
                raise ValueError(f"PolicyFeatures: expected one length of {letter}, found {sorted(sizes)}")

    @property
    def _all(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.scale, self.level, self.extra, self.lot

    @property
    def n_series(self) -> int:
        """S."""
        return len(self.scale)

    @property
    def n_extra(self) -> int:
        """K."""
        return self.extra.shape[-1]

    def take(self, rows: Rows, paths: Tensor | None = None) -> PolicyFeatures:
        """Those of some series, and of some paths where paths differ."""
        return PolicyFeatures(*(_some_paths(values[rows], paths) for values in self._all))

    def to(self, device: torch.device | str) -> PolicyFeatures:
        return PolicyFeatures(*(values.to(device) for values in self._all))

    def at(self, t: int, rows: slice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Scale and level, (S, P or 1), extra, (S, P or 1, K), and lot, (S, P or 1), of period t.

        Raises ValueError where t lies beyond the periods that the features cover.
        """
        scale, level, extra, lot = (_period(values, t)[rows] for values in self._all)
        return scale, level, extra, lot


def term_features(terms: SimulationTerms, features: PolicyFeatures) -> Tensor:
    """(S, 1, N_TERMS): what the terms say to the network, each finite for all terms that are allowed."""
    names = ("lead_time", "review_period", "holding_cost", "shortage_cost", "order_cost", "pack", "moq")
    lead, review, hold, short, order, pack, moq = (terms.column(name, features.n_series) for name in names)
    scale = features.scale.mean((1, 2)).double().cpu().numpy()
    total = np.where(hold + short > 0.0, hold + short, 1.0)
    odds = np.log((short / total + _LEAST_SHARE) / (hold / total + _LEAST_SHARE))
    fixed = np.log1p(order / np.maximum((hold + _LEAST_SHARE * short) * scale, 1e-12))
    lot = features.lot.mean((1, 2)).double().cpu().numpy()
    columns = [odds, np.log1p(lead), np.log(review), fixed, *(np.log1p(units / scale) for units in (lot, pack, moq))]
    found_SK = np.stack([*columns, np.log(scale)], -1)
    return torch.as_tensor(found_SK[:, None], dtype=torch.float32, device=features.scale.device)


def state_features(state: StockState, scale_SP: Tensor, level_SP: Tensor, n_slots: int) -> tuple[Tensor, Tensor]:
    """What the stock says to the network, (S, P, n_slots + 2), and the gap to the level, (S, P), both over the scale.

    Units that can be sold in this period and those of the next `n_slots` - 1 receipts, the last slot with all that
    come later; backorders; the gap.
    """
    gap_SP = (level_SP - state.position.to(scale_SP)) / scale_SP
    receipts = list(_receipts(state, n_slots))
    columns = [receipts[0] + state.on_hand_SP, *receipts[1:], state.backorders_SP]
    scaled = [column.to(scale_SP) / scale_SP for column in columns]
    return torch.stack([*scaled, gap_SP], -1), gap_SP


def _receipts(state: StockState, n_slots: int) -> Iterator[Tensor]:
    pipeline_SPL = state.pipeline_SPL
    for slot in range(n_slots):
        if slot >= pipeline_SPL.shape[-1]:
            yield torch.zeros_like(state.on_hand_SP)
        elif slot == n_slots - 1 and slot > 0:
            yield pipeline_SPL[..., slot:].sum(-1)
        else:
            yield pipeline_SPL[..., slot]


def _padded(name: str, values: Any, n_dims: int) -> Tensor:
    """[S, ...], [S, T, ...] or [S, P, T, ...] as [S, P or 1, T or 1, ...]."""
    found = torch.as_tensor(values, dtype=torch.float32)
    if not n_dims <= found.ndim <= n_dims + 2:
        letters = "K" if n_dims == 2 else ""
        wanted = ", ".join(f"[{', '.join(axes + letters)}]" for axes in ("S", "ST", "SPT"))
        raise ValueError(f"PolicyFeatures.{name}: expected {wanted}, found shape {tuple(found.shape)}")
    bad = (~torch.isfinite(found)).nonzero()
    if len(bad):
        raise ValueError(f"PolicyFeatures.{name}: expected finite numbers, found nan or inf in row {bad[0, 0]}")
    if found.ndim < n_dims + 2:
        found = found[:, None]
    return found if found.ndim == n_dims + 2 else found[:, None]


def _refuse(name: str, expected: str, values: Tensor, is_bad: Tensor) -> None:
    bad = is_bad.nonzero()
    if len(bad):
        found = float(values[tuple(bad[0])])
        raise ValueError(f"PolicyFeatures.{name}: expected units {expected}, found {found:g} in row {int(bad[0, 0])}")


def _some_paths(values: Tensor, paths: Tensor | None) -> Tensor:
    return values if paths is None or values.shape[1] == 1 else values[:, paths]


def _period(values: Tensor, t: int) -> Tensor:
    if t >= values.shape[2] > 1:
        raise ValueError(f"t: expected a period below the {values.shape[2]} that the features cover, found {t}")
    return values[:, :, t if values.shape[2] > 1 else 0]

"""What is known about series besides their demand: covariates along time, and fixed traits.

Dimensions as in `udfs.series.sku_batch`, and X = T + F time with F days known ahead, K covariates, C traits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch


@dataclass(frozen=True, slots=True)
class Covariates:
    """Covariates known ahead: prices, promotions, events.

    Attributes:
        names: K names.
        values_SXK: (S, X, K) float64; the first T columns are the batch's days, the rest the days after the cutoff.
            NaN where a value is not known.
    """

    names: tuple[str, ...]
    values_SXK: torch.Tensor

    def __post_init__(self) -> None:
        if self.values_SXK.ndim != 3 or self.values_SXK.shape[2] != len(self.names):
            raise ValueError(
                f"expected values_SXK of shape (S, X, {len(self.names)}), found {tuple(self.values_SXK.shape)}"
            )
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"expected every covariate once, found {self.names}")

    def days_ahead(self, n_days: int) -> int:
        """F, for a batch of T = n_days."""
        return int(self.values_SXK.shape[1]) - n_days

    def select(self, index_S: torch.Tensor) -> Covariates:
        return replace(self, values_SXK=self.values_SXK[index_S])

    def to(self, device: torch.device | str) -> Covariates:
        return replace(self, values_SXK=self.values_SXK.to(device))


@dataclass(frozen=True, slots=True)
class Traits:
    """Fixed traits of series: store, department, brand.

    Attributes:
        names: C names.
        codes_SC: (S, C) int64, positions in `values`.
        values: per trait the values that the codes stand for, in sorted order. A batch may know fewer or others than
            a model was trained with: `coded_as` takes it there. Unknown is coded -1.
    """

    names: tuple[str, ...]
    codes_SC: torch.Tensor
    values: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if self.codes_SC.ndim != 2 or self.codes_SC.shape[1] != len(self.names) or len(self.values) != len(self.names):
            raise ValueError(
                f"expected codes_SC of shape (S, {len(self.names)}) and as many lists of values, found "
                f"{tuple(self.codes_SC.shape)} and {len(self.values)}"
            )

    @classmethod
    def from_columns(
        cls, columns: dict[str, Sequence[str | None]], values: Sequence[Sequence[str]] | None = None
    ) -> Traits:
        """Code columns of S strings each; `values` are those of another batch of the same run."""
        known = values if values is not None else [sorted({v for v in c if v is not None}) for c in columns.values()]
        codes = []
        for names, column in zip(known, columns.values(), strict=True):
            code = {value: k for k, value in enumerate(names)}
            codes.append([-1 if value is None else code.get(value, -1) for value in column])
        n_series = len(next(iter(columns.values()))) if columns else 0
        codes_SC = np.array(codes, dtype=np.int64).T.copy() if codes else np.empty((n_series, 0), dtype=np.int64)
        return cls(tuple(columns), torch.from_numpy(codes_SC), tuple(tuple(v) for v in known))

    def only(self, names: Sequence[str]) -> Traits:
        """Some of the traits, in the order asked for. Raises ValueError where one is missing."""
        at = [self.names.index(name) for name in names]
        return Traits(tuple(names), self.codes_SC[:, at], tuple(self.values[k] for k in at))

    def coded_as(self, values: tuple[tuple[str, ...], ...]) -> Traits:
        """The same traits in the codes of other values, those of a training; what is not among them becomes -1."""
        if values == self.values:
            return self
        codes_SC = self.codes_SC.clone()
        for c, (own, wanted) in enumerate(zip(self.values, values, strict=True)):
            code_of = {value: code for code, value in enumerate(wanted)}
            # Code -1 reads the -1 at the end.
            table = torch.tensor([*(code_of.get(value, -1) for value in own), -1], device=codes_SC.device)
            codes_SC[:, c] = table[self.codes_SC[:, c]]
        return Traits(self.names, codes_SC, values)

    def select(self, index_S: torch.Tensor) -> Traits:
        return replace(self, codes_SC=self.codes_SC[index_S])

    def to(self, device: torch.device | str) -> Traits:
        return replace(self, codes_SC=self.codes_SC.to(device))

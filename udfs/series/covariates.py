"""What is known about series besides their demand: covariates along time, and fixed traits.

Dimensions as in `udfs.series.sku_batch`, and X = T + F time with F days known ahead, K covariates, C traits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from udfs.series.known_weather import Weather

LOOK_BACK = 28
"""Days that a mean is taken of, and that the last value above 0 is looked for in: give-aways do not last longer."""


@dataclass(frozen=True, slots=True)
class Covariates:
    """Covariates known ahead: prices, promotions, events.

    Attributes:
        names: K names, first those of `values_SXK`, then those of `shared_GXK`.
        values_SXK: (S, X, K1) float64 of each series; the first T columns are the batch's days, the rest the days after
            the cutoff. NaN where a value is not known.
        carried: names of those that nobody states ahead: what they are is known once a day has come, and for the days
            after it they are taken to stay what they last were above 0. Prices that only sales tell of are such.
        averaged: likewise, but taken to be the mean of the last `LOOK_BACK` days, 0 where not known: promotions that
            only sales tell of. Without any ahead, forecasts would be those of days between promotions.
        shared_GXK: (G, X, K - K1) those that all series of a group have in common, such as a location's calendar: kept
            once, however many series there are; all of them are stated ahead. None where there are none.
        group_S: (S,) int64 group of each series; None where there are none.
        weather: of the groups, which are locations then; no column among these, for what is known of a day ahead hangs
            on the day that one looks from. None where nobody delivers any.

    Models read days ahead of an origin by `ahead` or `over`, which know what was known at it.
    """

    names: tuple[str, ...]
    values_SXK: torch.Tensor
    carried: tuple[str, ...] = ()
    averaged: tuple[str, ...] = ()
    shared_GXK: torch.Tensor | None = None
    group_S: torch.Tensor | None = None
    weather: Weather | None = None

    def __post_init__(self) -> None:
        n_shared = 0 if self.shared_GXK is None else self.shared_GXK.shape[2]
        n_own = len(self.names) - n_shared
        if self.values_SXK.ndim != 3 or self.values_SXK.shape[2] != n_own:
            raise ValueError(f"expected values_SXK of shape (S, X, {n_own}), found {tuple(self.values_SXK.shape)}")
        if (self.shared_GXK is None) != (self.group_S is None) or (
            self.shared_GXK is not None
            and self.group_S is not None
            and (self.shared_GXK.shape[1] != self.values_SXK.shape[1] or len(self.group_S) != len(self.values_SXK))
        ):
            raise ValueError("expected shared_GXK over the days of values_SXK, and group_S of its series")
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"expected every covariate once, found {self.names}")
        if unknown := {*self.carried, *self.averaged} - {*self.names[:n_own]}:
            raise ValueError(f"expected carried and averaged covariates among {self.names}, found {sorted(unknown)}")

    def days_ahead(self, n_days: int) -> int:
        """F, for a batch of T = n_days."""
        return int(self.values_SXK.shape[1]) - n_days

    @property
    def is_foreseen(self) -> bool:
        """Whether all of them are stated ahead."""
        return not self.carried and not self.averaged

    def ahead(self, origin: int, horizon: int) -> torch.Tensor:
        """(S, F, K) the days after the first `origin` ones, at most `horizon`, as they were known on the last of these.

        F is the horizon, or fewer where covariates end before.
        """
        values_SFK = self.values_SXK[:, origin : origin + horizon]
        if not self.is_foreseen:
            past_SLK = self.values_SXK[:, max(origin - LOOK_BACK, 0) : origin]
            if origin < LOOK_BACK:  # how many days a batch is padded by must not tell
                past_SLK = torch.nn.functional.pad(past_SLK, (0, 0, LOOK_BACK - origin, 0), value=torch.nan)
            values_SFK = foreseen(past_SLK, values_SFK, self.names, self.carried, self.averaged)
        return self._with_shared(values_SFK, origin, origin + horizon)

    def over(self, origin: int, horizon: int) -> torch.Tensor:
        """(S, O + F, K) the first `origin` days and `ahead` of them."""
        if self.is_foreseen:
            return self._with_shared(self.values_SXK[:, : origin + horizon], 0, origin + horizon)
        past_SOK = self._with_shared(self.values_SXK[:, :origin], 0, origin)
        return torch.cat([past_SOK, self.ahead(origin, horizon)], dim=1)

    def whole(self, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        """(S, X, K) all days as they came, whatever was known of them when."""
        shared_GXK = None if self.shared_GXK is None else self.shared_GXK.to(dtype)
        known = replace(self, values_SXK=self.values_SXK.to(dtype), shared_GXK=shared_GXK)
        return known._with_shared(known.values_SXK, 0, known.values_SXK.shape[1])

    def only(self, names: Iterable[str]) -> Covariates:
        """Those of the names that there are, in the order in which they stand here."""
        wanted, n_own = set(names), self.values_SXK.shape[2]
        own = [k for k, name in enumerate(self.names[:n_own]) if name in wanted]
        shared = [k for k, name in enumerate(self.names[n_own:]) if name in wanted]
        return Covariates(
            tuple(name for name in self.names if name in wanted),
            self.values_SXK[:, :, own],
            tuple(name for name in self.carried if name in wanted),
            tuple(name for name in self.averaged if name in wanted),
            None if self.shared_GXK is None else self.shared_GXK[:, :, shared],
            self.group_S,
        )

    def select(self, index_S: torch.Tensor) -> Covariates:
        group_S = None if self.group_S is None else self.group_S[index_S]
        return replace(self, values_SXK=self.values_SXK[index_S], group_S=group_S)

    def to(self, device: torch.device | str) -> Covariates:
        shared_GXK = None if self.shared_GXK is None else self.shared_GXK.to(device)
        group_S = None if self.group_S is None else self.group_S.to(device)
        return replace(self, values_SXK=self.values_SXK.to(device), shared_GXK=shared_GXK, group_S=group_S)

    def _with_shared(self, values_SFK: torch.Tensor, first: int, end: int) -> torch.Tensor:
        if self.shared_GXK is None or self.group_S is None:
            return values_SFK
        return torch.cat([values_SFK, self.shared_GXK[:, first:end][self.group_S]], dim=2)


def foreseen(
    past_SLK: torch.Tensor,
    ahead_SFK: torch.Tensor,
    names: Sequence[str],
    carried: Sequence[str],
    averaged: Sequence[str],
) -> torch.Tensor:
    """(S, F, K) days ahead as they were known after L past ones; see `Covariates`."""
    ahead_SFK = ahead_SFK.clone()
    for name in averaged:
        k = names.index(name)
        ahead_SFK[:, :, k] = past_SLK[:, -LOOK_BACK:, k].nan_to_num().mean(1)[:, None]
    for name in carried:
        k = names.index(name)
        ahead_SFK[:, :, k] = _last_usual(past_SLK[:, :, k])[:, None]
    return ahead_SFK


def _last_usual(past_SL: torch.Tensor) -> torch.Tensor:
    """(S,) the last value above 0; where there is none the last one, NaN without any day."""
    n_past = past_SL.shape[1]
    if not n_past:
        return torch.full_like(past_SL.sum(1), torch.nan)
    step_L = torch.arange(n_past, device=past_SL.device)
    last_S = torch.where(past_SL > 0, step_L, -1).max(1).values
    at_S = torch.where(last_S < 0, n_past - 1, last_S)
    return past_SL.gather(1, at_S[:, None])[:, 0]


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

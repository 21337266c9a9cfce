"""Levels tuned by the pathwise gradient of the simulated cost (Glasserman & Tayur 1995, Management Science 41).

The cost of a path has a slope in base-stock levels and caps almost everywhere, and its mean is the slope of the
expected cost. The number of orders has none, so that reorder points with a cost per order are searched by `tune`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
from torch import Tensor

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.simulation.levels import BaseStock, CappedBaseStock
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.state import Stock
from udfs.inventory.simulation.terms import SimulationTerms

Method = Literal["adam", "adagrad", "sgd"]
_OPTIMISERS: Final[dict[str, Callable[..., torch.optim.Optimizer]]] = {
    "adam": torch.optim.Adam,
    "adagrad": torch.optim.Adagrad,
    "sgd": torch.optim.SGD,
}


@dataclass(frozen=True, slots=True)
class GradientSpec:
    """Of the descent.

    method: "adam" (Kingma & Ba 2015), "adagrad" (Duchi, Hazan & Singer 2011) or "sgd". n_steps: >= 1.
    step: size of a step in units of the mean demand of a period, > 0; it shrinks linearly to nothing.

    Raises:
        ValueError: a value out of range.
    """

    method: Method = "adam"
    n_steps: int = 150
    step: float = 0.2

    def __post_init__(self) -> None:
        if self.method not in _OPTIMISERS:
            raise ValueError(f"method: expected one of {sorted(_OPTIMISERS)}, found {self.method!r}")
        if not (math.isfinite(self.n_steps) and self.n_steps % 1 == 0 and self.n_steps >= 1):
            raise ValueError(f"n_steps: expected a whole number >= 1, found {self.n_steps:g}")
        if not (math.isfinite(self.step) and self.step > 0.0):
            raise ValueError(f"step: expected a number > 0, found {self.step:g}")


@dataclass(frozen=True, slots=True)
class GradientTuned:
    """policy: of the best levels seen. level_S, cap_S (None without one): units. cost_S: per period on the paths."""

    policy: BaseStock | CappedBaseStock
    level_S: FloatArray
    cap_S: FloatArray | None
    cost_S: FloatArray


def tune_by_gradient(
    demand_SPT: Tensor,
    terms: SimulationTerms,
    level: Any,
    cap: Any = None,
    *,
    spec: GradientSpec | None = None,
    start: Stock | None = None,
    warm_up: int = 0,
) -> GradientTuned:
    """Tune base-stock levels, and caps where `cap` is given, to the least cost per period.

    Levels and caps are numbers or [S]; all other arguments are those of `simulate`, which raises ValueError for what
    is wrong with them. Each series descends by itself; it keeps the best levels it has seen, the start among them.
    """
    spec = spec or GradientSpec()
    n_series = demand_SPT.shape[0]
    unit_S = demand_SPT.mean((1, 2), dtype=torch.float64).clamp(min=1e-9)
    starts = [torch.as_tensor(x, dtype=torch.float64) for x in (level, cap) if x is not None]
    # In units of a period's demand, so that one step size suits all series.
    scaled = [(x.expand(n_series) / unit_S).clone().requires_grad_() for x in starts]
    optimiser = _OPTIMISERS[spec.method](scaled, lr=spec.step)
    fades = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda i: 1.0 - i / spec.n_steps)
    best = [x.detach().clone() for x in scaled]
    best_cost_S = torch.full((n_series,), math.inf, dtype=torch.float64)
    for i in range(spec.n_steps + 1):
        cost_S = simulate(
            _policy([x * unit_S for x in scaled]), demand_SPT, terms, start=start, warm_up=warm_up
        ).cost_per_period.double()
        better_S = cost_S.detach() < best_cost_S
        best_cost_S = torch.where(better_S, cost_S.detach(), best_cost_S)
        best = [torch.where(better_S, x.detach(), kept) for x, kept in zip(scaled, best, strict=True)]
        if i == spec.n_steps:
            break
        optimiser.zero_grad()
        (cost_S / _price(terms, n_series, unit_S)).sum().backward()
        optimiser.step()
        fades.step()
    found = [x * unit_S for x in best]
    return GradientTuned(
        _policy(found), found[0].numpy(), found[1].numpy() if len(found) > 1 else None, best_cost_S.numpy()
    )


def _policy(levels: list[Tensor]) -> BaseStock | CappedBaseStock:
    return BaseStock(levels[0]) if len(levels) == 1 else CappedBaseStock(levels[0], levels[1].clamp(min=0.0))


def _price(terms: SimulationTerms, n_series: int, unit_S: Tensor) -> Tensor:
    """What holding a period's demand costs: in units of it slopes are of the order of 1 in every series."""
    price = torch.from_numpy(terms.column("holding_cost", n_series))
    return torch.where(price > 0.0, price, torch.ones_like(price)) * unit_S

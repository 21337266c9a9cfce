"""Depot-days as tensors, sampled or given, for policies that learn routes.

Dimensions: B instances, N places (0 is the depot, stops follow). Distances are Euclidean in the unit square; a vehicle
drives a unit of distance in a unit of time, so that windows and distances have one scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final

import torch
from torch import Tensor

LAYOUTS: Final = ("uniform", "clustered")
DEPOTS: Final = ("random", "centre", "corner")
_CAPACITY: Final = ((20, 30.0), (50, 40.0), (100, 50.0))
_DEMAND: Final = (1, 9)
_CLUSTERS: Final = (3, 8)
_SPREAD: Final = 0.04
_SERVICE: Final = 0.05
_WIDTH: Final = (0.3, 0.8)
_HORIZON: Final = 4.6  # Solomon's R1: 230 minutes on a square of 100, every stop can be reached and left


@dataclass(frozen=True)
class RouteInstances:
    """B instances of one size; every stop is visited once, by vehicles that all start at the depot at time 0.

    Attributes:
        place_BN2: coordinates in the unit square.
        demand_BN: units, of the depot 0.
        capacity_B: units that a vehicle carries.
        window_BN2: first and last time at which service may begin, of the depot the shift; None is any time.
        service_BN: time that service takes; None is none.

    Raises:
        ValueError: shapes that do not fit, numbers that are not finite, a demand that is not > 0 or no vehicle carries.
    """

    place_BN2: Tensor
    demand_BN: Tensor
    capacity_B: Tensor
    window_BN2: Tensor | None = None
    service_BN: Tensor | None = None

    def __post_init__(self) -> None:
        n_instances, n_places = self.demand_BN.shape
        wanted = {
            "place_BN2": (n_instances, n_places, 2),
            "demand_BN": (n_instances, n_places),
            "capacity_B": (n_instances,),
            "window_BN2": (n_instances, n_places, 2),
            "service_BN": (n_instances, n_places),
        }
        for name, shape in wanted.items():
            values = getattr(self, name)
            if values is None:
                continue
            if tuple(values.shape) != shape or not bool(torch.isfinite(values).all()):
                raise ValueError(f"RouteInstances.{name}: expected {shape} finite numbers, found {tuple(values.shape)}")
        stop_BN = self.demand_BN[:, 1:]
        if n_places < 2 or not bool(((stop_BN > 0.0) & (stop_BN <= self.capacity_B[:, None])).all()):
            raise ValueError("RouteInstances.demand_BN: expected stops with demand > 0 that one vehicle carries")

    @property
    def n_stops(self) -> int:
        """N - 1."""
        return self.demand_BN.shape[1] - 1

    @cached_property
    def distance(self) -> Tensor:
        """Between places, (B, N, N). Summed from squares, exactly 0 on the diagonal, which `torch.cdist` is not."""
        apart_BNN2 = self.place_BN2[:, :, None] - self.place_BN2[:, None]
        return apart_BNN2.square().sum(-1).sqrt()

    def take(self, rows: Tensor | slice) -> RouteInstances:
        """Some of the instances."""
        return self._each(lambda values: values[rows])

    def to(self, device: torch.device | str) -> RouteInstances:
        return self._each(lambda values: values.to(device))

    def symmetries(self) -> RouteInstances:
        """The instances as the square's 8 symmetries see them, [8 B], the untouched ones first (Kwon et al. 2020)."""
        x, y = self.place_BN2.unbind(-1)
        seen = [(x, y), (y, x), (x, 1 - y), (y, 1 - x), (1 - x, y), (1 - y, x), (1 - x, 1 - y), (1 - y, 1 - x)]
        place_BN2 = torch.cat([torch.stack(pair, -1) for pair in seen])
        rows = torch.arange(len(self.capacity_B), device=place_BN2.device).repeat(len(seen))
        others = self.take(rows)
        return RouteInstances(place_BN2, others.demand_BN, others.capacity_B, others.window_BN2, others.service_BN)

    def _each(self, change: Callable[[Tensor], Tensor]) -> RouteInstances:
        parts: list[Any] = [getattr(self, each.name) for each in fields(self)]
        changed: list[Any] = [None if part is None else change(part) for part in parts]
        return RouteInstances(*changed)


def default_capacity(n_stops: int) -> float:
    """Kool, van Hoof & Welling (2019): 30, 40 and 50 units at 20, 50 and 100 stops; in between and beyond on lines."""
    (low, least), (high, most) = _CAPACITY[:2] if n_stops <= _CAPACITY[1][0] else _CAPACITY[1:]
    return max(float(round(least + (most - least) * (n_stops - low) / (high - low))), float(_DEMAND[1]))


def sample_instances(
    n_instances: int,
    n_stops: int,
    random: torch.Generator,
    layout: str = "uniform",
    depot: str = "random",
    has_windows: bool = False,
) -> RouteInstances:
    """Instances in the convention of Kool, van Hoof & Welling (2019): demands of 1 to 9, `default_capacity`.

    Args:
        layout: uniform, or clustered: 3 to 8 seeds, stops around each with a density that falls as exp(-d / .04), half
            of them uniform in every second instance (Uchoa et al. 2017).
        depot: random, centre or corner.
        has_windows: each stop opens at a random time and for a part of the shift such that a vehicle of its own can
            serve it and be back; service takes .05.
        random: on the CPU; what is drawn does not depend on the device it goes to.

    Raises:
        ValueError: an unknown layout or depot.
    """
    if layout not in LAYOUTS or depot not in DEPOTS:
        raise ValueError(f"expected a layout of {LAYOUTS} and a depot of {DEPOTS}, found {layout!r} and {depot!r}")
    place_BN2 = torch.rand((n_instances, n_stops + 1, 2), generator=random)
    if layout == "clustered":
        place_BN2[:, 1:] = _clustered(place_BN2[:, 1:], random)
    if depot != "random":
        place_BN2[:, 0] = 0.5 if depot == "centre" else 0.0
    low, high = _DEMAND
    demand_BN = torch.randint(low, high + 1, (n_instances, n_stops + 1), generator=random).float()
    demand_BN[:, 0] = 0.0
    capacity_B = torch.full((n_instances,), default_capacity(n_stops))
    instances = RouteInstances(place_BN2, demand_BN, capacity_B)
    if not has_windows:
        return instances
    return RouteInstances(place_BN2, demand_BN, capacity_B, *_windows(instances.distance[:, 0], random))


def _clustered(stop_BN2: Tensor, random: torch.Generator) -> Tensor:
    n_instances, n_stops, _ = stop_BN2.shape
    low, high = _CLUSTERS
    seed_BK2 = torch.rand((n_instances, high, 2), generator=random)
    n_seeds_B1 = torch.randint(low, high + 1, (n_instances, 1), generator=random)
    seed_BN = (torch.rand((n_instances, n_stops), generator=random) * n_seeds_B1).long()
    # In the plane a density of exp(-d / s) is a radius that is gamma distributed with shape 2.
    radius_BN = -_SPREAD * torch.rand((2, n_instances, n_stops), generator=random).clamp(min=1e-9).log().sum(0)
    angle_BN = 2.0 * math.pi * torch.rand((n_instances, n_stops), generator=random)
    around_BN2 = radius_BN[..., None] * torch.stack([angle_BN.cos(), angle_BN.sin()], -1)
    around_BN2 = around_BN2 + seed_BK2.gather(1, seed_BN[..., None].expand(-1, -1, 2))
    around_BN2 = 1.0 - (1.0 - around_BN2.abs()).abs()  # mirrored at the border
    is_half_B1 = torch.rand((n_instances, 1), generator=random) < 0.5
    is_uniform_BN = is_half_B1 & (torch.arange(n_stops) % 2 == 0)
    return torch.where(is_uniform_BN[..., None], stop_BN2, around_BN2.clamp(0.0, 1.0))


def _windows(from_depot_BN: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Windows and service times by which a vehicle of its own reaches every stop in time and is back in time."""
    shape = from_depot_BN.shape
    service_BN = torch.full(shape, _SERVICE)
    service_BN[:, 0] = 0.0
    latest_BN = _HORIZON - service_BN - from_depot_BN
    middle_BN = from_depot_BN + torch.rand(shape, generator=random) * (latest_BN - from_depot_BN)
    width_BN = _WIDTH[0] + (_WIDTH[1] - _WIDTH[0]) * torch.rand(shape, generator=random)
    open_BN = (middle_BN - width_BN / 2).clamp(min=0.0)
    close_BN = torch.minimum(middle_BN + width_BN / 2, latest_BN - 1e-4)
    close_BN = torch.maximum(close_BN, from_depot_BN + 1e-4)
    window_BN2 = torch.stack([torch.minimum(open_BN, close_BN), close_BN], -1)
    window_BN2[:, 0, 0], window_BN2[:, 0, 1] = 0.0, _HORIZON
    return window_BN2, service_BN

"""What a location gets on a day, cut into loads that the depot's largest vehicle holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Part:
    """line: of the lines given. load: number of the load that it is in, from 0."""

    line: int
    load: int
    qty: float


def loads_of(
    qty_N: NDArray[np.float64],
    pack_N: NDArray[np.float64],
    litres_N: NDArray[np.float64],
    kg_N: NDArray[np.float64],
    capacities: Sequence[tuple[float, float]],
) -> list[Part]:
    """The lines one after the other, in as few loads as their order allows: the quantities of each line's parts add up
    to the line's.

    qty_N, pack_N: units of each line and of a pack, of which no load holds a part but for the line's last. litres_N,
    kg_N: of a unit. capacities: litres and kilograms of each vehicle type, of which the one that takes most of an even
    mix is filled. A pack above it is a load by itself, which the routes will say no vehicle can bring.
    """
    litres, kg = _largest(capacities, float(qty_N @ litres_N), float(qty_N @ kg_N))
    parts: list[Part] = []
    load, left = 0, [litres, kg]
    is_empty = True
    for line in range(len(qty_N)):
        rest, size = float(qty_N[line]), (float(litres_N[line]), float(kg_N[line]))
        while rest > 0:
            fits = min(_units(room, each) for room, each in zip(left, size, strict=True))
            take = rest if rest <= fits else math.floor(fits / pack_N[line]) * float(pack_N[line])
            is_above = take <= 0 and is_empty
            if is_above:
                take = min(rest, float(pack_N[line]))
            if take > 0:
                parts.append(Part(line, load, take))
                rest, is_empty = rest - take, False
                left = [room - take * each for room, each in zip(left, size, strict=True)]
            if rest > 0 or is_above:  # beside a pack above the vehicle lies nothing, weightless things neither
                load, left, is_empty = load + 1, [litres, kg], True
    return parts


def _units(room: float, each: float) -> float:
    return room / each * (1 + 1e-12) if each > 0 else math.inf


def _largest(capacities: Sequence[tuple[float, float]], litres: float, kg: float) -> tuple[float, float]:
    if not capacities:
        return math.inf, math.inf
    return max(capacities, key=lambda held: min(held[0] / litres if litres else 1e99, held[1] / kg if kg else 1e99))

"""Compiled scalars: the expected cost rate of an inventory position under normal lead-time demand, and its inverse.

g(y) = h E[(y - D)+] + p E[(D - y)+] with D normal (mu, sigma) is convex; its integral has a closed form. Everything
is in units of sigma: z = (y - mu) / sigma, g(y) = sigma g1(z).
"""

from __future__ import annotations

import math

import numba

_NEWTON_STEPS = 200
_TOLERANCE = 1e-14


@numba.njit(cache=True, nogil=True, error_model="numpy")
def survival(z: float) -> float:
    """P(Z > z) of the standard normal."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def density(z: float) -> float:
    return math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def loss(z: float) -> float:
    """E[(Z - z)+] (Snyder & Shen 2019, equation (C.22))."""
    return density(z) - z * survival(z)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def second_loss(z: float) -> float:
    """E[((Z - z)+)^2] / 2, the integral of the loss from z on (Snyder & Shen 2019, equation (C.27))."""
    return 0.5 * ((z * z + 1.0) * survival(z) - z * density(z))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def rate(z: float, h: float, p: float) -> float:
    """g1(z)."""
    return h * z + (h + p) * loss(z)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def rate_slope(z: float, h: float, p: float) -> float:
    return h - (h + p) * survival(z)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def rate_integral(z_from: float, z_to: float, h: float, p: float) -> float:
    """The integral of g1 from `z_from` to `z_to`."""
    return 0.5 * h * (z_to * z_to - z_from * z_from) + (h + p) * (second_loss(z_from) - second_loss(z_to))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def rate_root(level: float, start: float, h: float, p: float) -> float:
    """The z on the side of `start` where g1(z) = level.

    `start` lies outside the two roots, so that Newton's steps on a convex function fall towards the root and never
    pass it.
    """
    z = start
    for _ in range(_NEWTON_STEPS):
        step = (rate(z, h, p) - level) / rate_slope(z, h, p)
        if not abs(step) > _TOLERANCE * (1.0 + abs(z)):
            break
        z -= step
    return z

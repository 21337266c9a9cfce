"""From the quantity that a policy wants to the quantity that a supplier delivers."""

from __future__ import annotations

import numpy as np

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.parameters import AT_LEAST_ZERO, FINITE, POSITIVE, check

# Positions and levels are sums of floats: this share of a pack is rounding error and buys no further pack.
_PACK_TOLERANCE = 1e-9


def inventory_position(
    on_hand_S: FloatArray, on_order_S: FloatArray, backorders_S: FloatArray | float = 0.0
) -> FloatArray:
    """Inventory position: on hand + on order - backorders, units, [S] (Snyder & Shen 2019, section 4.1).

    A feed that counts backorders as negative stock on hand gives the same position. NaN, stock that is not known, stays
    NaN.
    """
    return np.asarray(on_hand_S + on_order_S - backorders_S, dtype=np.float64)


def round_order(raw_S: FloatArray, moq_S: FloatArray, pack_S: FloatArray) -> FloatArray:
    """The least deliverable quantity that is at least `raw_S`: whole packs, and at least the minimum order.

    raw_S: units wanted, [S]; nothing is ordered where it is zero or less. moq_S: units >= 0, itself rounded up to
    whole packs. pack_S: units > 0, with a fraction for what is sold by weight.
    Raises ValueError for a pack that is not above 0, a negative minimum, or a quantity that is not finite, with its
    first row.
    """
    for name, values_S, rule in (
        ("raw_S", raw_S, FINITE),
        ("moq_S", moq_S, AT_LEAST_ZERO),
        ("pack_S", pack_S, POSITIVE),
    ):
        check(name, values_S, rule)
    wanted_S = np.maximum(raw_S, moq_S)
    packs_S = np.ceil(wanted_S / pack_S - _PACK_TOLERANCE)
    return np.where(raw_S > _PACK_TOLERANCE * pack_S, np.maximum(packs_S, 1.0) * pack_S, 0.0)

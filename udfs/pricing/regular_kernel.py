"""Regular prices' hot loop: coordinate ascent over allowed prices, group by group of SKUs that answer each other."""

from __future__ import annotations

import math

import numba
import numpy as np

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def best_prices(  # type: ignore[no-untyped-def]
    first_G,
    units_S,
    price_S,
    cost_S,
    effect_SN,
    low_S,
    high_S,
    choice_SJ,
    count_S,
    levy,
    sweeps,
    at_S,
):
    """Choose at_S, the place of each SKU's price among its allowed ones choice_SJ, the first count_S of them.

    SKUs first_G[g] to first_G[g + 1] answer each other: effect_SN[i, k] is the effect on i of the log price of the
    k-th of its group. levy: currency that a unit of price costs per unit sold now, which holds the average price.
    low_S, high_S: the SKU below, or above, whose price must not go, -1 for none.
    """
    for g in range(len(first_G) - 1):
        lo, hi = first_G[g], first_G[g + 1]
        step_N = np.zeros(hi - lo)
        log_units_N = np.zeros(hi - lo)
        for i in range(lo, hi):
            _move(i, lo, hi, choice_SJ[i, at_S[i]], price_S, effect_SN, step_N, log_units_N)
        for _ in range(sweeps):
            moved = 0
            for i in range(lo, hi):
                best, best_at = -np.inf, at_S[i]
                for c in range(count_S[i]):
                    price = choice_SJ[i, c]
                    is_below = low_S[i] >= 0 and price < choice_SJ[low_S[i], at_S[low_S[i]]]
                    is_above = high_S[i] >= 0 and price > choice_SJ[high_S[i], at_S[high_S[i]]]
                    if is_below or is_above:
                        continue
                    _move(i, lo, hi, price, price_S, effect_SN, step_N, log_units_N)
                    gain = -levy * units_S[i] * price
                    for j in range(lo, hi):
                        margin = price_S[j] * math.exp(step_N[j - lo]) - cost_S[j]
                        gain += margin * units_S[j] * math.exp(log_units_N[j - lo])
                    if gain > best:
                        best, best_at = gain, c
                moved += best_at != at_S[i]
                at_S[i] = best_at
                _move(i, lo, hi, choice_SJ[i, best_at], price_S, effect_SN, step_N, log_units_N)
            if moved == 0:
                break


@_jit
def _move(i, lo, hi, price, price_S, effect_SN, step_N, log_units_N):  # type: ignore[no-untyped-def]
    """Set a SKU's price: its step in logs, and what that does to the log of the expected units of all of its group."""
    old, new = step_N[i - lo], math.log(price / price_S[i])
    step_N[i - lo] = new
    for j in range(lo, hi):
        log_units_N[j - lo] += effect_SN[j, i - lo] * (new - old)

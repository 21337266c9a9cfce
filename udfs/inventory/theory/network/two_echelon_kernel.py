"""The stock that the stores of a distribution centre (DC) have outstanding, for every DC level, compiled."""

from __future__ import annotations

import numba
import numpy as np

from udfs.inventory.theory.network.count_pmf import fill_pmf, n_numbers

EXACT, TWO_MOMENTS, METRIC = 0, 1, 2
_TAIL = 1e-12


@numba.njit(cache=True, nogil=True, error_model="numpy")
def solve(  # type: ignore[no-untyped-def]
    method,
    rate_SC,
    ratio_SC,
    dc_lead_S,
    lead_SC,
    dc_holding_S,
    holding_SC,
    shortage_SC,
    dc_given_S,
    given_SC,
    dc_SM,
    store_SCM,
):
    """Fill a slice of SKUs. Levels below 0 are optimised, others taken.

    dc_SM: level, cost, on hand, backorders. store_SCM: level, on hand, backorders, probability of stock on hand.
    """
    n_series, n_stores = rate_SC.shape
    for s in range(n_series):
        rate = rate_SC[s].sum()
        ratio = (rate_SC[s] * ratio_SC[s]).sum() / rate
        mean = rate * dc_lead_S[s]
        n_levels = max(n_numbers(mean, ratio, _TAIL), int(dc_given_S[s]) + 1)
        pmf_D = np.empty(n_levels)
        fill_pmf(mean, ratio, pmf_D)
        on_hand_D, back_D, back_variance_D = _dc_moments(pmf_D, mean, ratio)
        cost_D = dc_holding_S[s] * on_hand_D
        best = int(dc_given_S[s])
        if best < 0:
            for c in range(n_stores):
                _stores(
                    method, rate_SC[s, c], rate, ratio_SC[s, c], mean, lead_SC[s, c], holding_SC[s, c],
                    shortage_SC[s, c], -1.0, pmf_D, back_D, back_variance_D, 0, cost_D, store_SCM[s, c],
                )  # fmt: skip
            best = np.argmin(cost_D)
        cost_D[:] = dc_holding_S[s] * on_hand_D
        for c in range(n_stores):
            _stores(
                method, rate_SC[s, c], rate, ratio_SC[s, c], mean, lead_SC[s, c], holding_SC[s, c],
                shortage_SC[s, c], given_SC[s, c], pmf_D, back_D, back_variance_D, best, cost_D, store_SCM[s, c],
            )  # fmt: skip
        dc_SM[s, 0], dc_SM[s, 1], dc_SM[s, 2], dc_SM[s, 3] = best, cost_D[best], on_hand_D[best], back_D[best]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _dc_moments(pmf_D, mean, ratio):  # type: ignore[no-untyped-def]
    """Expected stock on hand at the DC, mean and variance of its backorders, per DC level 0, 1, ..."""
    on_hand_D, back_D, variance_D = np.empty_like(pmf_D), np.empty_like(pmf_D), np.empty_like(pmf_D)
    below, on_hand = 0.0, 0.0
    back, square = mean, mean * ratio + mean * mean
    for level in range(pmf_D.size):
        on_hand_D[level], back_D[level] = on_hand, max(back, 0.0)
        variance_D[level] = max(square - back * back, 0.0)
        below += pmf_D[level]
        on_hand += below
        # One unit more: B falls by 1 where it is above 0, and B^2 by 2 B - 1.
        square -= 2.0 * back - (1.0 - below)
        back -= 1.0 - below
    return on_hand_D, back_D, variance_D


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _stores(  # type: ignore[no-untyped-def]
    method,
    rate,
    dc_rate,
    ratio,
    dc_mean,
    lead,
    holding,
    shortage,
    given,
    pmf_D,
    back_D,
    variance_D,
    least,
    cost_D,
    store_M,
):
    """Add a store's cost to that of every DC level from the highest to `least`; what it comes to at `least`.

    With K_b the law of what the store has outstanding while the DC owes b units, and F and f those of the demand at
    the DC, the law at DC level d is F(d) K_0 + U_d with U_d = sum_{n > d} f(n) K_{n-d}. One unit more owed is the
    store's with probability `share`: K_{b+1} = T K_b, where (T k)(x) = (1 - share) k(x) + share k(x - 1).
    So U_{d-1} = T (f(d) K_0 + U_d), and all DC levels together take no longer than one convolution.
    """
    share = rate / dc_rate
    n = n_numbers(share * dc_mean + rate * lead, ratio, _TAIL) + 1
    alone_X, waiting_X, law_X = np.empty(n), np.zeros(n), np.empty(n)
    fill_pmf(rate * lead, ratio, alone_X)
    reached = pmf_D.sum()
    for level in range(pmf_D.size - 1, least - 1, -1):
        mean = share * back_D[level] + rate * lead
        if method == EXACT:
            law_X[:] = reached * alone_X + waiting_X
            reached -= pmf_D[level]
            before = 0.0
            for x in range(n):
                now = pmf_D[level] * alone_X[x] + waiting_X[x]
                waiting_X[x] = (1.0 - share) * now + share * before
                before = now
        elif method == TWO_MOMENTS:
            split = share * (1.0 - share) * back_D[level] * ratio
            variance = share * share * variance_D[level] + split + ratio * rate * lead
            fill_pmf(mean, variance / mean if mean > 0.0 else 1.0, law_X)
        else:
            fill_pmf(mean, 1.0, law_X)
        cost_D[level] += _newsvendor(law_X, mean, holding, shortage, given, store_M)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _newsvendor(law_X, mean, holding, shortage, given, store_M):  # type: ignore[no-untyped-def]
    """Level (the least that costs least, unless given), on hand, backorders and ready rate into store_M; the cost."""
    target = shortage / (shortage + holding)
    level, below, on_hand = 0, 0.0, 0.0  # below = P(O < level), on_hand = E (level - O)+
    while level < given if given >= 0.0 else below + _at(law_X, level) < target and level < law_X.size:
        below += _at(law_X, level)
        on_hand += below
        level += 1
    backorders = max(mean - level + on_hand, 0.0)
    store_M[0], store_M[1], store_M[2], store_M[3] = level, on_hand, backorders, below
    return holding * on_hand + shortage * backorders


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _at(law_X, x):  # type: ignore[no-untyped-def]
    return law_X[x] if x < law_X.size else 0.0

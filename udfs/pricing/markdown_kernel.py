"""Markdown programmes' hot loops: the expected revenue of every price at every stock and period, backwards in time."""

from __future__ import annotations

import math

import numba
import numpy as np

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def programme(rate_TJ, price_J, salvage, lot, may_rise, value_TNJ, pmf_N):  # type: ignore[no-untyped-def]
    """Fill value_TNJ: expected revenue from period t on with n lots left, where price j holds in t.

    rate_TJ: expected units of demand by period and price; price_J falls. lot: units of one; salvage: of a unit left at
    the end. Afterwards prices may fall, and rise where `may_rise`.
    """
    n_periods, n_states, n_prices = value_TNJ.shape
    best_NJ = np.empty((n_states, n_prices))  # of the period after, from price j downwards
    for n in range(n_states):
        best_NJ[n, :] = salvage * lot * n
    for t in range(n_periods - 1, -1, -1):
        for j in range(n_prices):
            _demand(rate_TJ[t, j], lot, pmf_N)
            gain = price_J[j] * lot
            left = 1.0  # probability of a demand of n or more
            for n in range(n_states):
                total = 0.0
                for d in range(n):
                    total += pmf_N[d] * (gain * d + best_NJ[n - d, j])
                value_TNJ[t, n, j] = total + left * (gain * n + best_NJ[0, j])
                left = max(left - pmf_N[n], 0.0)
        for n in range(n_states):
            best_NJ[n, n_prices - 1] = value_TNJ[t, n, n_prices - 1]
            for j in range(n_prices - 2, -1, -1):
                best_NJ[n, j] = max(value_TNJ[t, n, j], best_NJ[n, j + 1])
            if may_rise:
                best_NJ[n, :] = best_NJ[n, 0]


@_jit
def _demand(rate, lot, pmf_N):  # type: ignore[no-untyped-def]
    """Probability of a demand of d lots: Poisson's by single units, the normal one's of that mean in lots."""
    n_states = len(pmf_N)
    if lot == 1.0:
        if rate > 700.0:  # exp(-rate) is 0: far above what can be sold
            pmf_N[:] = 0.0
            return
        pmf_N[0] = math.exp(-rate)
        for d in range(1, n_states):
            pmf_N[d] = pmf_N[d - 1] * rate / d
        return
    scale = math.sqrt(2.0 * max(rate, 1e-12))
    below = 0.0
    for d in range(n_states):
        upto = 0.5 * math.erfc(-((d + 0.5) * lot - rate) / scale)
        pmf_N[d] = upto - below
        below = upto


@_jit
def first_values(  # type: ignore[no-untyped-def]
    level_SK, elasticity_SK, weight_SK, season_ST, price_SJ, stock_S, lot_S, salvage_S, value_SJ, lo, hi
):
    """Fill rows lo..hi of value_SJ: expected revenue of each price now, over K beliefs about level and elasticity, of
    which sales will have told the true one by the next period."""
    n_periods, n_prices = season_ST.shape[1], price_SJ.shape[1]
    rate_TJ = np.empty((n_periods, n_prices))
    value_SJ[lo:hi] = 0.0
    for s in range(lo, hi):
        value_TNJ = np.empty((n_periods, stock_S[s] + 1, n_prices))
        pmf_N = np.empty(stock_S[s] + 1)
        for k in range(level_SK.shape[1]):
            for j in range(n_prices):
                answer = math.exp(level_SK[s, k]) * (price_SJ[s, j] / price_SJ[s, 0]) ** elasticity_SK[s, k]
                for t in range(n_periods):
                    rate_TJ[t, j] = answer * season_ST[s, t]
            programme(rate_TJ, price_SJ[s], salvage_S[s], lot_S[s], False, value_TNJ, pmf_N)
            for j in range(n_prices):
                value_SJ[s, j] += weight_SK[s, k] * value_TNJ[0, stock_S[s], j]


@_jit
def log_likelihoods(rate_SK, sold_S, is_out_S, log_SK):  # type: ignore[no-untyped-def]
    """Fill log_SK: of units sold under Poisson demand; where stock ran out, of a demand of at least so many."""
    for s in range(rate_SK.shape[0]):
        for k in range(rate_SK.shape[1]):
            rate, sold = rate_SK[s, k], sold_S[s]
            if not is_out_S[s]:
                log_SK[s, k] = sold * math.log(rate) - rate
                continue
            below = 0.0
            for d in range(int(sold)):
                below += math.exp(d * math.log(rate) - rate - math.lgamma(d + 1.0))
            log_SK[s, k] = math.log(max(1.0 - below, 1e-12))

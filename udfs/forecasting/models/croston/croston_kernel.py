"""Intermittent methods' hot loops on the CPU, one series at a time; `croston` says what they compute.

A series is first reduced to its events, the observed days with a demand other than 0, and the number of quiet days
before each. Over quiet days the forecast of Croston and SBA stands still and that of TSB falls geometrically, so their
squared errors add up in closed form and only events cost time; the grid's points share the vector registers.
"""

from __future__ import annotations

import numba
import numpy as np

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def fit(y_ST, mask_ST, is_tsb, warm_up, alpha_G, beta_G, factor_G, price_NG, mean_S, sse_S, n_S, best_S, lo, hi):  # type: ignore[no-untyped-def]
    """Fill rows lo..hi: forecast, sum of squared errors, observed days, and the grid's point with the least errors
    times their price for that many days.

    beta_G smooths TSB's probability, factor_G multiplies Croston's rate; each is unused by the other.
    """
    n_time, n_grid = y_ST.shape[1], len(alpha_G)
    event_N, quiet_N = np.empty(n_time + 1), np.empty(n_time + 1, dtype=np.int64)
    work_WG = np.empty((4, n_grid))
    size_G, other_G, rate_G, sse_G = work_WG[0], work_WG[1], work_WG[2], work_WG[3]
    power_LG = np.empty((n_time + 1 if is_tsb else 0, n_grid))
    decay_LG = np.empty_like(power_LG)
    if is_tsb:
        _decay_tables(beta_G, power_LG, decay_LG)
    for s in range(lo, hi):
        n_events, n_S[s], size, frequency = _events(y_ST[s], mask_ST[s], warm_up, event_N, quiet_N)
        size_G[:] = size
        sse_G[:] = 0.0
        if is_tsb:
            other_G[:] = frequency
            _run_tsb(event_N, quiet_N, n_events, alpha_G, beta_G, power_LG, decay_LG, size_G, other_G, rate_G, sse_G)
        else:
            other_G[:] = 1.0 / frequency
            _run_croston(event_N, quiet_N, n_events, alpha_G, factor_G, size_G, other_G, rate_G, sse_G)
        best, price_G = 0, price_NG[n_S[s]]
        for g in range(1, n_grid):
            if sse_G[g] * price_G[g] < sse_G[best] * price_G[best]:
                best = g
        best_S[s], mean_S[s], sse_S[s] = best, rate_G[best], sse_G[best]


@_jit
def _events(y_T, mask_T, warm_up, event_N, quiet_N):  # type: ignore[no-untyped-def]
    """Fill the events and the quiet days before each; one place behind the last event counts those after it.

    Returns the number of events, of observed days, the size of a sale and the share of selling days to start from.
    """
    n, n_events, quiet = 0, 0, 0
    n_sales, n_early, early_days, total, early_total = 0, 0, 0, 0.0, 0.0
    for t in range(len(y_T)):
        if not mask_T[t]:
            continue
        n += 1
        y = y_T[t]
        if y == 0.0:
            quiet += 1
            continue
        event_N[n_events], quiet_N[n_events] = y, quiet
        n_events += 1
        quiet = 0
        if y > 0.0:
            n_sales += 1
            total += y
            if n <= warm_up:
                n_early += 1
                early_total += y
    quiet_N[n_events] = quiet
    early_days = min(n, warm_up)
    size = early_total / n_early if n_early > 0 else total / max(n_sales, 1)
    return n_events, n, size, max(n_early, 1) / max(early_days, 1)


@_jit
def _run_croston(event_N, quiet_N, n_events, alpha_G, factor_G, size_G, interval_G, rate_G, sse_G):  # type: ignore[no-untyped-def]
    for g in range(len(alpha_G)):
        rate_G[g] = factor_G[g] * (size_G[g] / interval_G[g])
    since = 0.0  # observed days since the last sale
    for k in range(n_events):
        y, quiet = event_N[k], float(quiet_N[k])
        since += quiet + 1.0
        is_sale = 1.0 if y > 0.0 else 0.0  # a return moves no state
        for g in range(len(alpha_G)):
            rate, weight = rate_G[g], alpha_G[g] * is_sale
            error = y - rate
            sse_G[g] += quiet * (rate * rate) + error * error
            size = size_G[g] + weight * (y - size_G[g])
            interval = interval_G[g] + weight * (since - interval_G[g])
            size_G[g], interval_G[g] = size, interval
            rate_G[g] = factor_G[g] * (size / interval)
        if y > 0.0:
            since = 0.0
    for g in range(len(alpha_G)):
        sse_G[g] += quiet_N[n_events] * (rate_G[g] * rate_G[g])


@_jit
def _run_tsb(event_N, quiet_N, n_events, alpha_G, beta_G, power_LG, decay_LG, size_G, probability_G, rate_G, sse_G):  # type: ignore[no-untyped-def]
    for k in range(n_events):
        y, quiet = event_N[k], quiet_N[k]
        is_sale = 1.0 if y > 0.0 else 0.0
        for g in range(len(alpha_G)):
            size, probability = size_G[g], probability_G[g]
            rate = probability * size
            probability = probability * power_LG[quiet, g]
            error = y - probability * size
            sse_G[g] += rate * rate * decay_LG[quiet, g] + error * error
            size_G[g] = size + alpha_G[g] * is_sale * (y - size)
            probability_G[g] = probability + beta_G[g] * (is_sale - probability)
    quiet = quiet_N[n_events]
    for g in range(len(alpha_G)):
        rate = probability_G[g] * size_G[g]
        sse_G[g] += rate * rate * decay_LG[quiet, g]
        rate_G[g] = rate * power_LG[quiet, g]


@_jit
def _decay_tables(beta_G, power_LG, decay_LG):  # type: ignore[no-untyped-def]
    """q^L and 1 + q^2 + ... + q^(2 (L - 1)) for q = 1 - beta and every number of quiet days L."""
    power_LG[0, :] = 1.0
    decay_LG[0, :] = 0.0
    for quiet in range(1, len(power_LG)):
        for g in range(len(beta_G)):
            power_LG[quiet, g] = power_LG[quiet - 1, g] * (1.0 - beta_G[g])
            decay_LG[quiet, g] = decay_LG[quiet - 1, g] + power_LG[quiet - 1, g] * power_LG[quiet - 1, g]


@_jit
def errors(y_ST, mask_ST, is_tsb, warm_up, alpha_S, beta_S, factor_S, error_ST, lo, hi):  # type: ignore[no-untyped-def]
    """Fill rows lo..hi of the one-step errors at each series' own point; 0 on unobserved days."""
    n_time = y_ST.shape[1]
    event_N, quiet_N = np.empty(n_time + 1), np.empty(n_time + 1, dtype=np.int64)
    for s in range(lo, hi):
        _, _, size, frequency = _events(y_ST[s], mask_ST[s], warm_up, event_N, quiet_N)
        alpha, beta, factor = alpha_S[s], beta_S[s], factor_S[s]
        interval, since = 1.0 / frequency, 1.0
        for t in range(n_time):
            error_ST[s, t] = 0.0
            if not mask_ST[s, t]:
                continue
            y = y_ST[s, t]
            error_ST[s, t] = y - (frequency * size if is_tsb else factor * (size / interval))
            is_sale = y > 0.0
            frequency += beta * (is_sale - frequency)
            if is_sale:
                size += alpha * (y - size)
                interval += alpha * (since - interval)
                since = 1.0
            else:
                since += 1.0

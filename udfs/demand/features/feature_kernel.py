"""The loops behind `sku_features`: window statistics of one series after the other, compiled by numba.

Every value is computed from its own window alone, in a fixed order of additions (the nearest day first),
never from a running sum. So it does not drift, it does not depend on where the history starts, and one new day
computed from its look-back equals a full rebuild to the bit. The inner loops run over days and over slices that
start at zero, so that they vectorise; a series of a few years stays in the first-level cache.

Inside the kernel NaN stands for "no value"; `udfs.demand.features.sku_features` turns it into an Arrow null.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NO_SALE = -1  # days_since_sale of a series without an earlier sale


@njit(cache=True, nogil=True, error_model="numpy")
def first_break(day: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> int:
    """Return the first row whose day is not the day after the row before it in its series, or -1."""
    for s in range(starts.size):
        for i in range(starts[s] + 1, ends[s]):
            if day[i] != day[i - 1] + 1:
                return i
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def first_infinite(x: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> int:
    """Return the first row read (up to `stops` rows of each series) that holds an infinity, or -1."""
    for s in range(starts.size):
        for i in range(starts[s], starts[s] + stops[s]):
            if np.isinf(x[i]):
                return i
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def demand_features(
    y: np.ndarray,
    starts: np.ndarray,
    begins: np.ndarray,
    stops: np.ndarray,
    lags: np.ndarray,
    windows: np.ndarray,
    weeks: np.ndarray,
    pad: int,
    out: np.ndarray,
) -> None:
    """Fill `out` [column, emitted row] with y, lags, rolling means, sds and zero shares, weekday means.

    Series s occupies the rows from `starts[s]`; its days `begins[s]` to `stops[s]` (exclusive) are emitted,
    and nothing at or behind `stops[s]` is read. `pad` is the longest look-back in days.
    """
    n_lag, n_window = lags.size, windows.size
    longest = pad + _longest(begins, stops)
    filled, seen = np.empty(longest), np.empty(longest)
    n_seen, n_zero = np.empty(longest + 1), np.empty(longest + 1)
    total, square = np.empty(longest), np.empty(longest)
    at = 0
    for s in range(starts.size):
        m = stops[s] - begins[s]
        if m <= 0:
            continue
        _load(y, starts[s], begins[s], m, pad, filled, seen)
        _count(filled, seen, pad + m, n_seen, n_zero)
        _lag(filled, seen, pad, 0, out[0][at : at + m])
        for j in range(n_lag):
            _lag(filled, seen, pad, lags[j], out[1 + j][at : at + m])
        c = 1 + n_lag
        _means(filled, n_seen, n_zero, pad, windows, total, out[c:], at, m)
        _deviations(filled, seen, n_seen, pad, windows, square, out[c:], at, m)
        _weekday_means(filled, seen, pad, weeks, total, square, out[c + 3 * n_window :], at, m)
        at += m


@njit(cache=True, nogil=True, error_model="numpy")
def price_features(
    price: np.ndarray,
    starts: np.ndarray,
    begins: np.ndarray,
    stops: np.ndarray,
    window: int,
    out: np.ndarray,
) -> None:
    """Fill `out` [2, emitted row] with the price and its ratio to the mean of the `window` days before."""
    longest = window + _longest(begins, stops)
    filled, seen = np.empty(longest), np.empty(longest)
    total, count = np.empty(longest), np.empty(longest)
    at = 0
    for s in range(starts.size):
        m = stops[s] - begins[s]
        if m <= 0:
            continue
        _load(price, starts[s], begins[s], m, window, filled, seen)
        total[:m] = 0.0
        count[:m] = 0.0
        for k in range(1, window + 1):
            past, past_seen = filled[window - k : window - k + m], seen[window - k : window - k + m]
            for i in range(m):
                total[i] += past[i]
                count[i] += past_seen[i]
        for i in range(m):
            p = filled[window + i] if seen[window + i] > 0 else np.nan
            out[0, at + i] = p
            out[1, at + i] = p / (total[i] / count[i]) if total[i] > 0 else np.nan
        at += m


@njit(cache=True, nogil=True, error_model="numpy")
def sale_recency(
    y: np.ndarray,
    starts: np.ndarray,
    begins: np.ndarray,
    stops: np.ndarray,
    last_sale: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fill `out` with the days since the last earlier day with y > 0, or `NO_SALE`.

    Days are counted from the first row of a series. `last_sale[s]` is the last sale before those rows
    (negative), or any number from 0 on when there is none.
    """
    at = 0
    for s in range(starts.size):
        last, known = last_sale[s], last_sale[s] < 0
        for t in range(stops[s]):
            if t >= begins[s]:
                out[at] = t - last if known else NO_SALE
                at += 1
            if y[starts[s] + t] > 0:
                last, known = t, True


@njit(cache=True, nogil=True, error_model="numpy")
def spread(values_SD: np.ndarray, first: np.ndarray, lengths: np.ndarray, out: np.ndarray) -> None:
    """Copy, for each series, `lengths[s]` cells of the flat `values_SD` from cell `first[s]` on to `out`."""
    at = 0
    for s in range(first.size):
        for i in range(lengths[s]):
            out[at + i] = values_SD[first[s] + i]
        at += max(lengths[s], 0)


@njit(cache=True, nogil=True, error_model="numpy")
def count_up(first: np.ndarray, lengths: np.ndarray, out: np.ndarray) -> None:
    """Write first[s], first[s] + 1, ... (`lengths[s]` numbers) for each series to `out`."""
    at = 0
    for s in range(first.size):
        for i in range(lengths[s]):
            out[at + i] = first[s] + i
        at += max(lengths[s], 0)


@njit(cache=True, nogil=True, error_model="numpy")
def _longest(begins: np.ndarray, stops: np.ndarray) -> int:
    longest = 0
    for s in range(begins.size):
        longest = max(longest, stops[s] - begins[s])
    return longest


@njit(cache=True, nogil=True, error_model="numpy")
def _load(x: np.ndarray, start: int, begin: int, m: int, pad: int, filled: np.ndarray, seen: np.ndarray) -> None:
    """Copy days begin - pad .. begin + m; unobserved days, and days before the first one, become 0 unseen."""
    for i in range(pad + m):
        t = begin - pad + i
        if t < 0:
            filled[i] = 0.0
            seen[i] = 0.0
        else:
            v = x[start + t]
            ok = v == v
            filled[i] = v if ok else 0.0
            seen[i] = 1.0 if ok else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _count(filled: np.ndarray, seen: np.ndarray, n: int, n_seen: np.ndarray, n_zero: np.ndarray) -> None:
    """Running counts of observed and of zero days; whole numbers, so differences of them are exact."""
    a, b = 0, 0
    n_seen[0] = 0.0
    n_zero[0] = 0.0
    for i in range(n):
        ok = int(seen[i] > 0)
        a += ok
        b += ok & int(filled[i] == 0.0)
        n_seen[i + 1] = a
        n_zero[i + 1] = b


@njit(cache=True, nogil=True, error_model="numpy")
def _lag(filled: np.ndarray, seen: np.ndarray, pad: int, k: int, out: np.ndarray) -> None:
    past, past_seen = filled[pad - k : pad - k + out.size], seen[pad - k : pad - k + out.size]
    for i in range(out.size):
        out[i] = past[i] if past_seen[i] > 0 else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _means(
    filled: np.ndarray,
    n_seen: np.ndarray,
    n_zero: np.ndarray,
    pad: int,
    windows: np.ndarray,
    total: np.ndarray,
    out: np.ndarray,
    at: int,
    m: int,
) -> None:
    """Rolling means to rows 0.. of `out`, shares of zeros to rows 2 * windows..; windows ascend and nest."""
    n_window = windows.size
    total[:m] = 0.0
    done = 0
    for j in range(n_window):
        w = windows[j]
        for k in range(done + 1, w + 1):
            past = filled[pad - k : pad - k + m]
            for i in range(m):
                total[i] += past[i]
        done = w
        mean, share = out[j][at : at + m], out[2 * n_window + j][at : at + m]
        seen_now, seen_then = n_seen[pad : pad + m], n_seen[pad - w : pad - w + m]
        zero_now, zero_then = n_zero[pad : pad + m], n_zero[pad - w : pad - w + m]
        for i in range(m):
            n = seen_now[i] - seen_then[i]  # 0 / 0 gives NaN, the kernel's "no value"
            mean[i] = total[i] / n
            share[i] = (zero_now[i] - zero_then[i]) / n


@njit(cache=True, nogil=True, error_model="numpy")
def _deviations(
    filled: np.ndarray,
    seen: np.ndarray,
    n_seen: np.ndarray,
    pad: int,
    windows: np.ndarray,
    square: np.ndarray,
    out: np.ndarray,
    at: int,
    m: int,
) -> None:
    """Sample standard deviations to rows windows.. of `out`, whose rows 0.. hold the means.

    The two-pass algorithm (Chan, Golub, LeVeque 1983, eq. 1.1): squares are taken about the window's own mean, so
    that 1e9 units a day keep their digits.
    """
    n_window = windows.size
    for j in range(n_window):
        w = windows[j]
        mean, sd = out[j][at : at + m], out[n_window + j][at : at + m]
        square[:m] = 0.0
        for k in range(1, w + 1):
            past, past_seen = filled[pad - k : pad - k + m], seen[pad - k : pad - k + m]
            for i in range(m):
                d = (past[i] - mean[i]) * past_seen[i]
                square[i] += d * d
        seen_now, seen_then = n_seen[pad : pad + m], n_seen[pad - w : pad - w + m]
        for i in range(m):
            n = seen_now[i] - seen_then[i]
            sd[i] = np.sqrt(square[i] / (n - 1.0)) if n > 1 else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _weekday_means(
    filled: np.ndarray,
    seen: np.ndarray,
    pad: int,
    weeks: np.ndarray,
    total: np.ndarray,
    count: np.ndarray,
    out: np.ndarray,
    at: int,
    m: int,
) -> None:
    total[:m] = 0.0
    count[:m] = 0.0
    done = 0
    for j in range(weeks.size):
        for k in range(done + 1, weeks[j] + 1):
            a = pad - 7 * k
            past, past_seen = filled[a : a + m], seen[a : a + m]
            for i in range(m):
                total[i] += past[i]
                count[i] += past_seen[i]
        done = weeks[j]
        mean = out[j][at : at + m]
        for i in range(m):
            mean[i] = total[i] / count[i]

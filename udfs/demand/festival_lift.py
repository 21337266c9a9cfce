"""What festivals and closures next door do to demand: factors by category and kind of day, learned from days that came.

Dimensions: U units (a category in a location), T days, C categories, F kinds of day.
"""

from __future__ import annotations

import numpy as np

AROUND_WEEKS = 8
"""So many weeks before and after a day say what it would have been as an ordinary one."""
LEAST_ORDINARY = 3
_MOST_LOG = np.log(5.0)
_PASSES = 3


def usual_demand(y_UT: np.ndarray, seen_UT: np.ndarray, promo_UT: np.ndarray, ordinary_UT: np.ndarray) -> np.ndarray:
    """(U, T) mean of the unit's ordinary days around each day, of the same weekday and promotion, itself left out.

    NaN where there are fewer than `LEAST_ORDINARY`, and on days that were not seen.
    """
    usual_UT = np.full(y_UT.shape, np.nan)
    for is_promo in (False, True):
        kind_UT = seen_UT & (promo_UT == is_promo)
        use_UT = kind_UT & ordinary_UT
        total_UT, n_UT = np.zeros(y_UT.shape), np.zeros(y_UT.shape)
        for week in range(1, AROUND_WEEKS + 1):
            for source, target in (
                ((slice(None), slice(None, -7 * week)), (slice(None), slice(7 * week, None))),
                ((slice(None), slice(7 * week, None)), (slice(None), slice(None, -7 * week))),
            ):
                total_UT[target] += np.where(use_UT[source], y_UT[source], 0.0)
                n_UT[target] += use_UT[source]
        known_UT = kind_UT & (n_UT >= LEAST_ORDINARY)
        usual_UT[known_UT] = total_UT[known_UT] / n_UT[known_UT]
    return usual_UT


def log_lifts(
    y_UT: np.ndarray,
    usual_UT: np.ndarray,
    kinds_UT: list[np.ndarray],
    category_U: np.ndarray,
    n_kinds: list[int],
    n_categories: int,
) -> list[np.ndarray]:
    """(C, F) log factors of each list of kinds of day; what two lists say of a day multiplies.

    Args:
        y_UT: demand.
        usual_UT: `usual_demand`; days without it tell nothing.
        kinds_UT: numbers of kinds of day from 0, -1 for none of them.
        category_U: number of each unit's category from 0.

    A factor is the demand of all units of a category on such a day over what was usual, averaged over the days; it is
    shrunk towards that of all categories and this towards 1, by how far ordinary days of all units together stray.
    """
    found = [np.zeros((n_categories, n)) for n in n_kinds]
    for _ in range(_PASSES):
        for k, kind_UT in enumerate(kinds_UT):
            others = sum(_at(f, kinds_UT[j], category_U) for j, f in enumerate(found) if j != k)
            found[k] = _lifts(y_UT, usual_UT * np.exp(others), kind_UT, category_U, found[k].shape)
    return found


def _at(lift_CF: np.ndarray, kind_UT: np.ndarray, category_U: np.ndarray) -> np.ndarray:
    padded_CF = np.pad(lift_CF, ((0, 0), (0, 1)))  # -1: none
    lift_UT: np.ndarray = padded_CF[category_U[:, None], kind_UT]
    return lift_UT


def _lifts(
    y_UT: np.ndarray, usual_UT: np.ndarray, kind_UT: np.ndarray, category_U: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    known_UT = ~np.isnan(usual_UT) & (usual_UT > 0)
    n_categories, n_kinds = shape
    raw_CF, n_CF, noise_C = np.zeros(shape), np.zeros(shape), np.zeros(n_categories)
    for c in range(n_categories):
        of_U = category_U == c
        raw_CF[c], n_CF[c], noise_C[c] = _of_category(
            y_UT[of_U], usual_UT[of_U], known_UT[of_U], kind_UT[of_U], n_kinds
        )
    return _shrunk(raw_CF, n_CF, noise_C)


def _of_category(
    y_UT: np.ndarray, usual_UT: np.ndarray, known_UT: np.ndarray, kind_UT: np.ndarray, n_kinds: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """(F,) mean log factors, (F,) days that they are of, and the variance of an ordinary day's.

    A day counts less where few units saw it.
    """
    n_days = y_UT.shape[1]
    slot_UT = np.arange(n_days) * (n_kinds + 1) + np.where(kind_UT < 0, n_kinds, kind_UT)
    at, size = slot_UT[known_UT], n_days * (n_kinds + 1)
    y, usual = np.bincount(at, y_UT[known_UT], size), np.bincount(at, usual_UT[known_UT], size)
    n_TF = np.bincount(at, minlength=size).reshape(n_days, -1)
    # Half a unit keeps the log of nothing sold finite.
    log_TF = np.clip(np.log((y + 0.5) / (usual + 0.5)), -_MOST_LOG, _MOST_LOG).reshape(n_days, -1)
    share_TF = n_TF / max(1, int(n_TF.max(initial=0)))
    weight_TF = share_TF / (share_TF + 0.1)
    ordinary_T = n_TF[:, -1] > 0
    noise = (
        float(np.average(log_TF[ordinary_T, -1] ** 2, weights=share_TF[ordinary_T, -1])) if ordinary_T.any() else 0.0
    )
    n_F = weight_TF[:, :-1].sum(0)
    total_F = (weight_TF * log_TF)[:, :-1].sum(0)
    return np.divide(total_F, n_F, out=np.zeros(n_kinds), where=n_F > 0), n_F, noise


def _shrunk(raw_CF: np.ndarray, n_CF: np.ndarray, noise_C: np.ndarray) -> np.ndarray:
    """Categories towards all and all towards 0, each by how much varies beyond noise (method of moments)."""
    seen_CF = n_CF > 0
    variance_CF = np.maximum(noise_C, 1e-9)[:, None] / np.where(seen_CF, n_CF, 1.0)
    weight_CF = seen_CF / variance_CF
    total_F = weight_CF.sum(0)
    mean_F = np.divide((weight_CF * raw_CF).sum(0), total_F, out=np.zeros_like(total_F), where=total_F > 0)
    # A day moves all categories alike: it is one draw, however many of them saw it.
    of_all_F = np.where(seen_CF, variance_CF, np.inf).min(0, initial=np.inf)
    all_F = mean_F * _share(mean_F, of_all_F, total_F > 0)
    gap_CF = np.where(seen_CF, raw_CF - mean_F, 0.0)
    shrunk_CF: np.ndarray = all_F + gap_CF * _share(gap_CF, variance_CF, seen_CF)
    return shrunk_CF


def _share(x: np.ndarray, variance: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """How much of each value is to be believed; 0 where none was seen."""
    if not seen.any():
        return np.zeros_like(x)
    spread = max(float(np.mean(x[seen] ** 2 - variance[seen])), 0.0)
    return np.where(seen, spread / (spread + np.where(seen, variance, 1.0)), 0.0)

"""What festivals and closures next door do to demand: factors by category and kind of day, learned from days that came.

Dimensions: U units (a category in a location), T days, C categories, F kinds of day.
"""

from __future__ import annotations

import numpy as np

AROUND_WEEKS = 8
"""So many weeks before and after a day say what it would have been as an ordinary one."""
LEAST_ORDINARY = 3
LEAST_SHARE = 0.3
"""A day on which fewer of a category's units sell than this share of the usual says nothing of the others."""
_MOST_LOG = np.log(5.0)


def usual_demand(y_UT: np.ndarray, seen_UT: np.ndarray, state_UT: np.ndarray, ordinary_UT: np.ndarray) -> np.ndarray:
    """(U, T) mean of the unit's ordinary days before and of those after each day, of the same weekday and state.

    A state is a number for what else moves demand, such as promotions.
    Both sides count alike, so that a trend is no lift. NaN where a side has none or both have fewer than
    `LEAST_ORDINARY`, and on days that were not seen.
    """
    usual_UT = np.full(y_UT.shape, np.nan)
    for state in np.unique(state_UT):
        kind_UT = seen_UT & (state_UT == state)
        use_UT = kind_UT & ordinary_UT
        total_2UT, n_2UT = np.zeros((2, *y_UT.shape)), np.zeros((2, *y_UT.shape))
        for week in range(1, AROUND_WEEKS + 1):
            early, late = (slice(None), slice(None, -7 * week)), (slice(None), slice(7 * week, None))
            for side, source, target in ((0, early, late), (1, late, early)):
                total_2UT[side][target] += np.where(use_UT[source], y_UT[source], 0.0)
                n_2UT[side][target] += use_UT[source]
        known_UT = kind_UT & (n_2UT.min(0) > 0) & (n_2UT.sum(0) >= LEAST_ORDINARY)
        usual_UT[known_UT] = (total_2UT[:, known_UT] / n_2UT[:, known_UT]).mean(0)
    return usual_UT


def log_lifts(
    y_UT: np.ndarray,
    usual_UT: np.ndarray,
    kinds_UT: list[np.ndarray],
    category_U: np.ndarray,
    n_kinds: list[int],
    n_categories: int,
) -> list[np.ndarray]:
    """(C, F) log factors of each list of kinds of day, NaN of a kind that was not seen; those of two lists multiply.

    Args:
        y_UT: demand.
        usual_UT: `usual_demand`; days without it tell nothing.
        kinds_UT: numbers of kinds of day from 0, -1 for none of them. An earlier list explains what it can, and as far
            as later ones differ from kind to kind, a day is less sure a witness of it.
        category_U: number of each unit's category from 0.
        n_kinds, n_categories: how many there are.

    A factor is the demand of all units of a category on such a day over what was usual, averaged over the days; it is
    shrunk towards that of all categories and this towards 1, by how far ordinary days stray.
    """
    shapes = [(n_categories, n) for n in n_kinds]
    alone = [_lifts(y_UT, usual_UT, *of, category_U, 0.0) for of in zip(kinds_UT, shapes, strict=True)]
    spread = [float(np.mean(np.nan_to_num(lift_CF).mean(0) ** 2)) if lift_CF.size else 0.0 for lift_CF in alone]
    found: list[np.ndarray] = []
    for k, (kind_UT, shape) in enumerate(zip(kinds_UT, shapes, strict=True)):
        explained_UT = np.zeros(y_UT.shape)
        for lift_CF, earlier_UT in zip(found, kinds_UT, strict=False):
            explained_UT += _at(lift_CF, earlier_UT, category_U)
        found.append(_lifts(y_UT, usual_UT * np.exp(explained_UT), kind_UT, shape, category_U, sum(spread[k + 1 :])))
    return found


def _at(lift_CF: np.ndarray, kind_UT: np.ndarray, category_U: np.ndarray) -> np.ndarray:
    padded_CF = np.pad(np.nan_to_num(lift_CF), ((0, 0), (0, 1)))  # -1: none
    lift_UT: np.ndarray = padded_CF[category_U[:, None], kind_UT]
    return lift_UT


def _lifts(
    y_UT: np.ndarray,
    usual_UT: np.ndarray,
    kind_UT: np.ndarray,
    shape: tuple[int, int],
    category_U: np.ndarray,
    unexplained: float,
) -> np.ndarray:
    known_UT = ~np.isnan(usual_UT) & (usual_UT > 0)
    n_categories, n_kinds = shape
    raw_CF, variance_CF = np.zeros(shape), np.full(shape, np.inf)
    for c in range(n_categories):
        of_U = category_U == c
        days = y_UT[of_U], usual_UT[of_U], known_UT[of_U], kind_UT[of_U]
        raw_CF[c], variance_CF[c] = _of_category(*days, n_kinds, unexplained)
    # A day that stands out may be explained by a later list.
    return _shrunk(raw_CF, variance_CF, not unexplained)


def _of_category(
    y_UT: np.ndarray,
    usual_UT: np.ndarray,
    known_UT: np.ndarray,
    kind_UT: np.ndarray,
    n_kinds: int,
    unexplained: float,
) -> tuple[np.ndarray, np.ndarray]:
    """(F,) mean log factors of the days of each kind and their variances, infinite where there is no day.

    Ordinary days say how far all units together stray on a day, and each beside the others.
    """
    n_days = y_UT.shape[1]
    slot_UT = np.arange(n_days) * (n_kinds + 1) + np.where(kind_UT < 0, n_kinds, kind_UT)
    at, size = slot_UT[known_UT], n_days * (n_kinds + 1)
    y, usual = np.bincount(at, y_UT[known_UT], size), np.bincount(at, usual_UT[known_UT], size)
    n_TF = np.bincount(at, minlength=size).reshape(n_days, -1)
    n_T = n_TF.sum(1)
    usual_n = float(np.median(n_T[n_T > 0])) if n_T.any() else 0.0
    n_TF = np.where((n_T >= LEAST_SHARE * usual_n)[:, None], n_TF, 0)
    log_TF = _log_factor(y, usual).reshape(n_days, -1)
    ordinary_UT, ordinary_T = known_UT & (kind_UT < 0), n_TF[:, -1] > 0
    of_unit = _mean_square(_log_factor(y_UT[ordinary_UT], usual_UT[ordinary_UT]))
    of_day = _mean_square(log_TF[ordinary_T, -1]) + unexplained
    weight_TF = np.where(n_TF > 0, 1.0 / (of_day + of_unit / np.maximum(n_TF, 1)), 0.0)[:, :-1]
    weight_F = weight_TF.sum(0)
    raw_F = np.divide((weight_TF * log_TF[:, :-1]).sum(0), weight_F, out=np.zeros(n_kinds), where=weight_F > 0)
    return raw_F, np.divide(1.0, weight_F, out=np.full(n_kinds, np.inf), where=weight_F > 0)


def _log_factor(y: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Half a unit keeps the log of nothing sold finite."""
    log: np.ndarray = np.clip(np.log((y + 0.5) / (usual + 0.5)), -_MOST_LOG, _MOST_LOG)
    return log


def _mean_square(x: np.ndarray) -> float:
    return max(float(np.mean(x**2)) if len(x) else 0.0, 1e-9)


def _shrunk(raw_CF: np.ndarray, variance_CF: np.ndarray, own: bool) -> np.ndarray:
    """Categories towards all and all towards 0, each by how much varies beyond noise (method of moments)."""
    seen_CF = np.isfinite(variance_CF)
    weight_CF = 1.0 / variance_CF
    total_F = weight_CF.sum(0)
    mean_F = np.divide((weight_CF * raw_CF).sum(0), total_F, out=np.zeros_like(total_F), where=total_F > 0)
    # A day moves all categories alike: it is one draw, however many of them saw it.
    of_all_F = variance_CF.min(0, initial=np.inf)
    all_F = mean_F * _share(mean_F, of_all_F, total_F > 0, own)
    gap_CF = np.where(seen_CF, raw_CF - mean_F, 0.0)
    shrunk_CF: np.ndarray = all_F + gap_CF * _share(gap_CF, variance_CF, seen_CF, own)
    shrunk_CF[:, total_F == 0] = np.nan
    return shrunk_CF


def _share(x: np.ndarray, variance: np.ndarray, seen: np.ndarray, own: bool) -> np.ndarray:
    """How much of each value is to be believed; 0 where none was seen.

    With `own`, what lies more than two deviations of noise from 0 says itself how far values spread: most festivals
    move nothing, and must not talk down the few that do.
    """
    if not seen.any():
        return np.zeros_like(x)
    spread = max(float(np.average(x[seen] ** 2 - variance[seen], weights=1.0 / variance[seen])), 0.0)
    known = np.where(seen, variance, 1.0)
    spread_F = np.maximum(spread, own * (x**2 - 4.0 * known))
    return np.where(seen, spread_F / (spread_F + known), 0.0)

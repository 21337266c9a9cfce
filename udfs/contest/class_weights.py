"""Weights of an average, learned from what all series of a demand class say together.

The loss of the average of K candidates with weights w, over all series of a class, is nearly

    sum_k w_k p_k - 4 sum_{k<l} w_k w_l g_kl,

with p_k the mean score of candidate k and g_kl what the average of k and l with equal weights gains over the mean of
both: for squared errors this is exact (the ambiguity decomposition of Krogh & Vedelsby, 1995, Neural network ensembles,
cross validation, and active learning, NIPS 7), for pinball losses exact for pairs of equal weights. The errors of
sums are linear in w, so theirs are known exactly. Both make

    log loss(w) + total_weight log(root mean square error of sums(w)),

which is made least: Bates & Granger (1969), The combination of forecasts, OR 20(4). All of it follows from sums over
series, so that buckets of series can be summarised apart and added up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from udfs.contest.shrinkage import errors_of_sums
from udfs.contest.simplex import least_loss


def class_weights(sums_K: Sequence[Mapping[str, Any] | None], total_weight: float) -> np.ndarray | None:
    """(K,) weights of the candidates of a class, of sum one; never a worse loss than that of a single candidate.

    Args:
        sums_K: class sums with `pair_gains`, over the same candidates in the same order; None for a candidate without.
        total_weight: exponent of the errors of sums, where all candidates have them.

    None where pairs were not compared, or no score is above 0.
    """
    known = [k for k, sums in enumerate(sums_K) if sums is not None and sums.get("pair_gains")]
    if not known:
        return None
    rows = [sums for k in known if (sums := sums_K[k]) is not None]
    base = rows[0]["score_sum"] / rows[0]["series"] - rows[0]["difference_sum"] / rows[0]["series"]
    score_K = np.array([base + sums["difference_sum"] / sums["series"] for sums in rows])
    gain_KK = np.array([[sums["pair_gains"][k] for k in known] for sums in rows])
    gain_KK /= np.array([[min(a["series"], b["series"]) for b in rows] for a in rows])
    if not (score_K > 0).all():
        return None
    error_KX = errors_of_sums(rows)
    square_KK = error_KX @ error_KX.T / max(error_KX.shape[1], 1)
    exponent = total_weight if error_KX.shape[1] and (np.diag(square_KK) > 0).all() else 0.0

    def loss_and_slope(weight_K: np.ndarray) -> tuple[float, np.ndarray]:
        single = weight_K @ score_K - 2.0 * weight_K @ gain_KK @ weight_K
        slope_K = (score_K - 4.0 * gain_KK @ weight_K) / single
        if not exponent:
            return float(single), slope_K * single
        square = weight_K @ square_KK @ weight_K
        loss = single * square ** (exponent / 2.0)
        return float(loss), loss * (slope_K + exponent * square_KK @ weight_K / square)

    found_K = least_loss(loss_and_slope, len(known))
    corners = [np.eye(len(known))[k] for k in range(len(known))]
    best_K = min([found_K, *corners], key=lambda weight_K: loss_and_slope(weight_K)[0])
    weight_K = np.zeros(len(sums_K))
    weight_K[known] = best_K
    return weight_K

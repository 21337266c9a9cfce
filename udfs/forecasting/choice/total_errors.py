"""Errors of sums: what single series' scores cannot show.

The noise of a series hides what all of a store share, so that a flat forecast scores about as well, series by series,
as one that knows the weekdays; in their sum it does not. Each candidate's errors are therefore added up over the
series of a class, and how large these sums are tells beside the scores of the series (`udfs.contest.shrinkage`).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from udfs.demand.demand_profile import DEMAND_CLASSES
from udfs.series.sku_batch import SkuBatch

TOTALS = 8
"""Sums per class, window and day: few enough to travel, enough to tell chance from skill."""
_DECIMALS = 6
GROUPED_BY = ("location_id", "category", "department")


def total_of(batch: SkuBatch) -> np.ndarray | None:
    """(S,) which of the `TOTALS` a series adds to: series of one place and category go together, in every bucket.

    None where the batch has no such traits: sums of series that have nothing in common mean nothing.
    """
    names = () if batch.traits is None else batch.traits.names
    if batch.traits is None or not set(GROUPED_BY) <= set(names):
        return None
    traits = batch.traits.only(GROUPED_BY)
    codes_SC = traits.codes_SC.cpu().numpy()
    groups_GC, group_S = np.unique(codes_SC, axis=0, return_inverse=True)
    values = [[*names, ""] for names in traits.values]  # code -1 is unknown
    keys = ["|".join(values[c][code] for c, code in enumerate(codes_C)) for codes_C in groups_GC]
    return np.array([zlib.crc32(key.encode()) % TOTALS for key in keys])[group_S.ravel()]


def total_errors(
    error_KWSH: Mapping[str, np.ndarray],
    total_S: np.ndarray,
    class_S: np.ndarray,
    candidates: Mapping[str, Sequence[str]],
) -> dict[tuple[str, str], list[float]]:
    """By (demand class, model) the sums of its errors, W x TOTALS x H in one list.

    Args:
        error_KWSH: by model forecast less actual; NaN where it has no forecast or the day was not seen.
        total_S: see `total_of`.
        class_S: index into `DEMAND_CLASSES`.
        candidates: models by class.

    A day of a series that some candidate of its class has no forecast for is left out for all, so that sums compare; a
    candidate without any forecast in a window is NaN there.
    """
    found = {}
    for demand_class, names in candidates.items():
        at = np.flatnonzero(class_S == DEMAND_CLASSES.index(demand_class))
        known = [name for name in names if name in error_KWSH]
        if not at.size or not known:
            continue
        error_KWXH = np.stack([error_KWSH[name][:, at] for name in known])
        finite_KWXH = np.isfinite(error_KWXH)
        takes_part_KW = finite_KWXH.any((2, 3))
        common_WXH = (finite_KWXH | ~takes_part_KW[:, :, None, None]).all(0)
        for k, name in enumerate(known):
            error_WXH = np.where(common_WXH, error_KWXH[k], 0.0)
            sums_WGH = np.zeros((len(error_WXH), TOTALS, error_WXH.shape[2]))
            np.add.at(sums_WGH.transpose(1, 0, 2), total_S[at], error_WXH.transpose(1, 0, 2))
            is_absent_W = ~takes_part_KW[k] & takes_part_KW.any(0)
            sums_WGH[is_absent_W] = np.nan
            # The last bits of a forecast may differ with the number of threads; of small errors they would be seen.
            found[demand_class, name] = np.round(sums_WGH, _DECIMALS).ravel().tolist()
    return found

"""Series of a category in a location taken together: what they have in common stands out there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from udfs.series.sku_batch import SkuBatch


@dataclass(frozen=True, slots=True)
class CategoryUnits:
    """Categories in locations.

    Attributes:
        categories: names, the last one of what has none.
        unit_S, group_U, category_U: the unit of each series; the group of covariates and the category of each unit.
    """

    categories: tuple[str, ...]
    unit_S: np.ndarray
    group_U: np.ndarray
    category_U: np.ndarray

    @classmethod
    def of(cls, batch: SkuBatch) -> CategoryUnits:
        assert batch.known is not None
        assert batch.known.group_S is not None
        names: tuple[str, ...] = ("",)
        code_S = np.zeros(len(batch), dtype=np.int64)
        if batch.traits is not None and "category" in batch.traits.names:
            traits = batch.traits.only(("category",))
            names = (*traits.values[0], "")
            code_S = traits.codes_SC[:, 0].cpu().numpy() % len(names)  # -1, none, is the last
        pairs_S2 = np.stack([batch.known.group_S.cpu().numpy(), code_S], axis=1)
        pairs_U2, unit_S = np.unique(pairs_S2, axis=0, return_inverse=True)
        return cls(names, unit_S.ravel(), pairs_U2[:, 0], pairs_U2[:, 1])

    def sum(self, x_ST: np.ndarray) -> np.ndarray:
        total_UT = np.zeros((len(self.group_U), x_ST.shape[1]))
        np.add.at(total_UT, self.unit_S, x_ST)
        return total_UT

    def states(self, batch: SkuBatch) -> np.ndarray:
        """(U, T) a number for what else moves demand: whether most series are promoted, whether benefits are paid."""
        seen_ST = batch.mask_ST.cpu().numpy()
        n_UT = self.sum(seen_ST)
        promo, benefit = (self.sum(_is(name, batch) & seen_ST) > 0.5 * n_UT for name in ("is_promo", "is_benefit_day"))
        state_UT: np.ndarray = promo + 2 * benefit
        return state_UT


def _is(name: str, batch: SkuBatch) -> np.ndarray:
    """(S, T) whether a covariate is above 0; nowhere where there is no such."""
    assert batch.known is not None
    known = batch.known.only((name,))
    if not known.names:
        return np.zeros(tuple(batch.y_ST.shape), dtype=bool)
    return known.whole()[:, : batch.n_days, 0].cpu().numpy() > 0

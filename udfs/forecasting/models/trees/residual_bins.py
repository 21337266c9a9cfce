"""Quantiles around a global model's mean from errors it made on days it had not seen, binned by level and dispersion.

Within a bin the ratio of demand to its forecast is taken to have one distribution, so a bin's empirical quantiles
times the mean are quantiles of demand. Levels differ in how often nothing is sold, dispersion in how far demand lies
off its mean at the same level: two numbers that the history of a series gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

LEVELS = np.concatenate([[0.002, 0.005], np.arange(1, 100) / 100.0, [0.995, 0.998]])
"""Quantile levels stored; others are interpolated."""

_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class ResidualBins:
    """Distribution of demand over forecast per bin; B bins of level, D of dispersion.

    Attributes:
        level_B: (B - 1,) inner edges of the forecast mean, rising.
        dispersion_BD: (B, D - 1) inner edges of dispersion within each bin of level, rising.
        ratio_BDQ: (B, D, Q) quantiles of demand over forecast at `LEVELS`.
        sd_BD: (B, D) root mean squared relative error.
    """

    level_B: np.ndarray
    dispersion_BD: np.ndarray
    ratio_BDQ: np.ndarray
    sd_BD: np.ndarray

    @classmethod
    def fit(
        cls, mean_R: np.ndarray, dispersion_R: np.ndarray, y_R: np.ndarray, n_levels: int = 24, n_dispersions: int = 4
    ) -> ResidualBins:
        """Bins of equal counts over R forecasts and what was sold.

        Raises:
            ValueError: fewer than twenty forecasts; a bin holds as many, so that few forecasts make few bins.
        """
        if len(mean_R) < 20:
            raise ValueError(f"expected at least 20 held-out forecasts, found {len(mean_R)}; give a longer history")
        if len(mean_R) < 20 * n_levels * n_dispersions:
            n_dispersions = 1
            n_levels = min(n_levels, len(mean_R) // 20)
        inner = np.arange(1, n_levels) / n_levels
        level_B = np.quantile(mean_R, inner)
        bin_R = np.searchsorted(level_B, mean_R, side="right")
        dispersion_BD = np.empty((n_levels, n_dispersions - 1))
        ratio_BDQ = np.empty((n_levels, n_dispersions, len(LEVELS)))
        sd_BD = np.empty((n_levels, n_dispersions))
        for b in range(n_levels):
            in_bin = bin_R == b if (bin_R == b).any() else np.ones_like(bin_R, dtype=bool)
            ratio, dispersion = y_R[in_bin] / np.maximum(mean_R[in_bin], _TINY), dispersion_R[in_bin]
            dispersion_BD[b] = np.quantile(dispersion, np.arange(1, n_dispersions) / n_dispersions)
            bin_of = np.searchsorted(dispersion_BD[b], dispersion, side="right")
            for d in range(n_dispersions):
                chosen = ratio[bin_of == d] if (bin_of == d).any() else ratio
                ratio_BDQ[b, d] = np.quantile(chosen, LEVELS)
                sd_BD[b, d] = np.sqrt(((chosen - 1.0) ** 2).mean())
        return cls(level_B, dispersion_BD, ratio_BDQ, sd_BD)

    def around(
        self, mean_SH: np.ndarray, dispersion_S: np.ndarray, quantiles: tuple[float, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """(S, H) standard deviations and (S, H, Q) quantiles around means; each from its own bin alone."""
        bin_SH = np.searchsorted(self.level_B, mean_SH, side="right")
        edge_SHD = self.dispersion_BD[bin_SH]
        within_SH = (edge_SHD <= dispersion_S[:, None, None]).sum(2)
        # LEVELS rise, so one interpolation matrix serves every bin.
        weight_LQ = np.stack([np.interp(quantiles, LEVELS, unit) for unit in np.eye(len(LEVELS))])
        table_BDQ = self.ratio_BDQ @ weight_LQ
        # Rounding of the product must not make quantiles cross.
        table_BDQ = np.maximum.accumulate(table_BDQ, axis=2)
        return self.sd_BD[bin_SH, within_SH] * mean_SH, table_BDQ[bin_SH, within_SH] * mean_SH[:, :, None]

    def as_dict(self) -> dict[str, Any]:
        """Plain lists for JSON."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ResidualBins:
        bins = {name: np.array(values[name], dtype=np.float64) for name in cls.__dataclass_fields__}
        n_levels, n_dispersions = np.shape(bins["sd_BD"])
        bins["dispersion_BD"] = bins["dispersion_BD"].reshape(n_levels, n_dispersions - 1)
        return cls(**bins)

"""LightGBM ensembles for the mean of demand and, where asked, for its quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from udfs.forecasting.models.trees.tree_spec import TreeSpec

_FLOOR_OF_MEAN = 0.02


@dataclass(frozen=True, eq=False, slots=True)
class TreeEnsemble:
    """Trees and how their rows look.

    Attributes:
        mean: the ensemble of expected demand, with a log link.
        quantile: one ensemble per level of `levels`.
        names: columns of `feature_rows`, in order.
        used: those that the trees read.
        floor: smallest level in units a day that a forecast starts from.
        threads: of prediction.
    """

    mean: lightgbm.Booster
    quantile: tuple[lightgbm.Booster, ...]
    levels: tuple[float, ...]
    names: tuple[str, ...]
    used: tuple[str, ...]
    floor: float
    threads: int

    @classmethod
    def grow(
        cls,
        rows_RF: np.ndarray,
        y_R: np.ndarray,
        names: Sequence[str],
        used: Sequence[str],
        categorical: Sequence[str],
        spec: TreeSpec,
    ) -> TreeEnsemble:
        """Fit to R rows, whose demand y_R is not below 0.

        Boosting of the mean starts from the log of each row's own level, so that trees learn factors on it.
        """
        floor = max(_FLOOR_OF_MEAN * float(y_R.mean()), 1e-6)
        log_level_R = _log_level(rows_RF, names, floor)
        picked_RF = rows_RF[:, [names.index(name) for name in used]]

        def ensemble(objective: dict[str, Any], start_R: np.ndarray | None) -> lightgbm.Booster:
            data = lightgbm.Dataset(
                picked_RF, y_R, feature_name=list(used), categorical_feature=list(categorical), init_score=start_R
            )
            return lightgbm.train(spec.parameters() | objective, data, spec.rounds)

        return cls(
            mean=ensemble({"objective": "poisson" if spec.objective == "poisson" else "tweedie"}, log_level_R),
            quantile=tuple(ensemble({"objective": "quantile", "alpha": q}, None) for q in spec.quantile_levels()),
            levels=spec.quantile_levels(),
            names=tuple(names),
            used=tuple(used),
            floor=floor,
            threads=spec.threads,
        )

    def predict_mean(self, rows_SHF: np.ndarray) -> np.ndarray:
        """(S, H) expected demand."""
        return np.exp(self._raw(self.mean, rows_SHF) + _log_level(rows_SHF, self.names, self.floor))

    def predict_quantiles(self, rows_SHF: np.ndarray, quantiles: tuple[float, ...]) -> np.ndarray:
        """(S, H, Q) quantiles, interpolated between the fitted levels and flat beyond them, sorted, not below 0."""
        fitted_SHL = np.stack([self._raw(booster, rows_SHF) for booster in self.quantile], axis=2)
        fitted_SHL = np.maximum.accumulate(np.maximum(fitted_SHL, 0.0), axis=2)
        quantile_SHQ = np.zeros((*fitted_SHL.shape[:2], len(quantiles)))
        # Elementwise, for the order of a matrix product's additions may depend on the number of rows.
        for k, unit_L in enumerate(np.eye(len(self.levels))):
            quantile_SHQ += fitted_SHL[:, :, k, None] * np.interp(quantiles, self.levels, unit_L)
        return np.maximum.accumulate(quantile_SHQ, axis=2)

    def dispersion(self, rows_SHF: np.ndarray) -> np.ndarray:
        """(S,) coefficient of variation over the longest window; 0 where nothing was sold in it."""
        mean_S, sd_S = (
            np.nan_to_num(rows_SHF[:, 0, _starting(self.names, f"rolling_{kind}_")[-1]].astype(np.float64))
            for kind in ("mean", "std")
        )
        return np.divide(sd_S, mean_S, out=np.zeros_like(mean_S), where=mean_S > 0)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the ensembles as text; returns what else `load` needs."""
        for name, booster in zip(_file_names(self.levels), (self.mean, *self.quantile), strict=True):
            booster.save_model(str(folder / name))
        return {"levels": self.levels, "names": self.names, "used": self.used, "floor": self.floor}

    @classmethod
    def load(cls, folder: Path, about: dict[str, Any], threads: int) -> TreeEnsemble:
        boosters = [lightgbm.Booster(model_file=str(folder / name)) for name in _file_names(about["levels"])]
        names, used, levels = (tuple(about[name]) for name in ("names", "used", "levels"))
        return cls(boosters[0], tuple(boosters[1:]), levels, names, used, about["floor"], threads)

    def _raw(self, booster: lightgbm.Booster, rows_SHF: np.ndarray) -> np.ndarray:
        n_series, horizon = rows_SHF.shape[:2]
        if n_series == 0:
            return np.zeros((0, horizon))
        picked = rows_SHF[:, :, [self.names.index(name) for name in self.used]].reshape(n_series * horizon, -1)
        raw = booster.predict(picked, raw_score=True, num_threads=self.threads)
        return np.asarray(raw).reshape(n_series, horizon)


def _file_names(levels: Sequence[float]) -> list[str]:
    return ["mean.txt", *(f"quantile_{level:g}.txt" for level in levels)]


def _log_level(rows_XF: np.ndarray, names: Sequence[str], floor: float) -> np.ndarray:
    """Log of the mean of a middle rolling mean and of the longest mean of the target's weekday, floored."""
    rolling, weekday = (_starting(names, prefix) for prefix in ("rolling_mean_", "weekday_mean_"))
    of_days, of_weekdays = (
        np.nan_to_num(rows_XF[..., k].astype(np.float64)) for k in (rolling[len(rolling) // 2], weekday[-1])
    )
    return np.log(np.maximum(0.5 * (of_days + of_weekdays), 0.0) + floor)


def _starting(names: Sequence[str], prefix: str) -> list[int]:
    return [k for k, name in enumerate(names) if name.startswith(prefix)]

"""Gradient-boosted trees (LightGBM; Ke et al., 2017) as one global model over all series.

Direct multi-step: a row is (series, origin, day of the horizon) and its target the demand of that day, so no forecast
feeds another. The Tweedie loss of intermittent demand (Jorgensen, 1987; used by the leading entries of the M5) has a
log link; boosting starts from the log of the series' own recent level, so trees learn factors on it, and one tree
serves small and large series alike.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

import lightgbm
import numpy as np
import torch

from udfs.forecasting.forecaster import Forecast, check_request
from udfs.forecasting.models.trees.group_features import GroupFeatures
from udfs.forecasting.models.trees.residual_bins import ResidualBins
from udfs.forecasting.models.trees.tree_ensemble import TreeEnsemble
from udfs.forecasting.models.trees.tree_rows import feature_rows
from udfs.forecasting.models.trees.tree_spec import TreeSpec
from udfs.series.sku_batch import SkuBatch

_FORMAT = 1
_HELD_OUT_SHARE = 3
"""Rows of the last ensemble for one row of that which its errors are held out from."""


@dataclass(frozen=True, eq=False, slots=True)
class TreeModel:
    """Fitted trees; a `Forecaster` for batches with the covariates and traits that they were fitted with.

    Attributes:
        spec, horizon: of the fit.
        ensemble: the trees.
        bins: distribution of held-out errors.
        known, traits, trait_values: what a batch must carry.
        groups: features of groups at the cutoffs that it may be asked for; None where it was fitted without.
    """

    spec: TreeSpec
    horizon: int
    ensemble: TreeEnsemble
    bins: ResidualBins
    known: tuple[str, ...]
    traits: tuple[str, ...]
    trait_values: tuple[tuple[str, ...], ...]
    groups: GroupFeatures | None = None

    @property
    def name(self) -> str:
        return "trees"

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        """Forecast every series of a batch; nothing is learned from it.

        `sse_S` and `score_S` are NaN: a global model has no in-sample errors of its own per series.

        Raises:
            ValueError: a horizon longer than the fitted one, other covariates or traits than those fitted with, or a
                cutoff without features of groups.
        """
        check_request(horizon, quantiles)
        if horizon > self.horizon:
            raise ValueError(f"expected a horizon of at most {self.horizon} days, fitted, found {horizon}; fit again")
        batch = self._as_fitted(batch)
        rows_SHF = feature_rows(batch, batch.n_days, horizon, self.spec.rows, self.groups)
        mean_SH = self.ensemble.predict_mean(rows_SHF)
        sd_SH, quantile_SHQ = self.bins.around(mean_SH, self.ensemble.dispersion(rows_SHF), quantiles)
        if self.ensemble.levels:
            quantile_SHQ = self.ensemble.predict_quantiles(rows_SHF, quantiles)
        return _as_forecast(mean_SH, sd_SH, quantile_SHQ, batch.device)

    def save(self, folder: Path) -> None:
        """Write the ensembles as LightGBM text and the rest as model.json into a new or empty folder.

        Raises:
            FileExistsError: the folder holds something.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FileExistsError(f"expected an empty folder, found files in {folder}; choose another one")
        about = {
            "format": _FORMAT,
            "lightgbm": lightgbm.__version__,
            "numpy": np.__version__,
            "horizon": self.horizon,
            "known": self.known,
            "traits": self.traits,
            "trait_values": self.trait_values,
            "spec": asdict(self.spec),
            "ensemble": self.ensemble.save(folder),
            "bins": self.bins.as_dict(),
        }
        (folder / "model.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        if self.groups is not None:
            self.groups.save(folder)

    @classmethod
    def load(cls, folder: Path) -> TreeModel:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: no model.json in the folder.
            ValueError: a model.json of another format.
        """
        path = folder / "model.json"
        if not path.exists():
            raise FileNotFoundError(f"expected a saved model, found no {path}; fit one and save it")
        about = json.loads(path.read_text(encoding="utf-8"))
        if about.get("format") != _FORMAT:
            raise ValueError(f"expected model.json of format {_FORMAT}, found {about.get('format')!r}; fit again")
        spec = TreeSpec.from_dict(about["spec"])
        return cls(
            spec=spec,
            horizon=about["horizon"],
            ensemble=TreeEnsemble.load(folder, about["ensemble"], spec.threads),
            bins=ResidualBins.from_dict(about["bins"]),
            known=tuple(about["known"]),
            traits=tuple(about["traits"]),
            trait_values=tuple(tuple(values) for values in about["trait_values"]),
            groups=GroupFeatures.load(folder),
        )

    def _as_fitted(self, batch: SkuBatch) -> SkuBatch:
        """The batch with its traits coded as in the fit; a value that the fit has not seen is unknown."""
        known = () if batch.known is None else batch.known.names
        if known != self.known:
            raise ValueError(f"expected the known covariates {self.known} of the fit, found {known}")
        traits = () if batch.traits is None else batch.traits.names
        if traits != self.traits:
            raise ValueError(f"expected the traits {self.traits} of the fit, found {traits}")
        return batch if batch.traits is None else replace(batch, traits=batch.traits.coded_as(self.trait_values))


def fit_trees(
    batch: SkuBatch,
    horizon: int,
    spec: TreeSpec,
    groups: GroupFeatures | None = None,
    cutoffs: Sequence[date] | None = None,
) -> TreeModel:
    """Fit one global model to all series of a batch, for forecasts of up to `horizon` days.

    The last `horizon` days are held out for the errors that quantiles come from; then, with `spec.refit`, the trees
    are grown again with them.

    Args:
        groups: features of groups, as known at the end of each day of the batch; None fits without.
        cutoffs: of the batches that will be forecast, whose features of groups are kept; None: the batch's own.

    Raises:
        ValueError: a horizon below one, or too short a history to train and to hold out.
    """
    check_request(horizon, spec.levels)
    if batch.n_days <= 2 * horizon:
        raise ValueError(
            f"expected more than {2 * horizon} days, to train and to hold out, found {batch.n_days}; shorten the "
            "horizon or give more history"
        )
    # Where the trees are grown again, those that errors are held out from need only err alike.
    first = replace(spec, max_rows=-(-spec.max_rows // _HELD_OUT_SHARE)) if spec.refit else spec
    ensemble = _grow(batch.until(horizon), horizon, first, groups)
    bins = _held_out(ensemble, batch, horizon, spec, groups)
    return TreeModel(
        spec=spec,
        horizon=horizon,
        ensemble=_grow(batch, horizon, spec, groups) if spec.refit else ensemble,
        bins=bins,
        known=() if batch.known is None else batch.known.names,
        traits=() if batch.traits is None else batch.traits.names,
        trait_values=() if batch.traits is None else batch.traits.values,
        groups=None if groups is None else groups.at(cutoffs or [batch.cutoff]),
    )


def training_rows(
    batch: SkuBatch, horizon: int, spec: TreeSpec, groups: GroupFeatures | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(R, F) rows and (R,) demand at the training origins of a batch, the latest origin first.

    Raises:
        ValueError: no day that was observed after another.
    """
    last = batch.n_days - horizon
    origins = [last - k * spec.origin_step_days for k in range(spec.origins)]
    origins = [origin for origin in origins if origin >= min(horizon, last)]
    usable = [_usable(batch, origin, horizon) for origin in origins]
    share = spec.max_rows / max(1, sum(int(use_SH.sum()) for use_SH in usable))
    rng = np.random.default_rng(spec.seed)
    # Series that have not begun take no draws: those of the others would hang on what is to come.
    began_S = batch.mask_ST.any(1).cpu().numpy()
    rows, demand = [], []
    for origin, use_SH in zip(origins, usable, strict=True):
        drawn_SH = np.zeros_like(use_SH)
        drawn_SH[began_S] = use_SH[began_S] & (rng.random((int(began_S.sum()), horizon)) < share)
        rows.append(feature_rows(batch, origin, horizon, spec.rows, groups)[drawn_SH])
        demand.append(batch.target(origin, horizon).cpu().numpy()[drawn_SH])
    y_R = np.concatenate(demand)
    if len(y_R) == 0:
        raise ValueError(f"expected observed days over two horizons of {horizon} days, found none to train on")
    # Returns can exceed sales on a day; the losses know no demand below 0.
    return np.concatenate(rows), np.maximum(y_R, 0.0)


def _usable(batch: SkuBatch, origin: int, horizon: int) -> np.ndarray:
    """(S, H) True where a day after the origin was observed, and some day before it."""
    seen_SH = batch.mask_ST[:, origin : origin + horizon] & batch.mask_ST[:, :origin].any(1)[:, None]
    return seen_SH.cpu().numpy()


def _grow(batch: SkuBatch, horizon: int, spec: TreeSpec, groups: GroupFeatures | None) -> TreeEnsemble:
    rows_RF, y_R = training_rows(batch, horizon, spec, groups)
    values = {} if batch.traits is None else dict(zip(batch.traits.names, batch.traits.values, strict=True))
    known = () if batch.known is None else batch.known.names
    names = spec.rows.names(known, tuple(values), () if groups is None else groups.names)
    used = [name for name in names if len(values.get(name, ())) <= spec.max_trait_values]
    categorical = [name for name in used if name in values or name in spec.categorical_known]
    return TreeEnsemble.grow(rows_RF, y_R, names, used, categorical, spec)


def _held_out(
    ensemble: TreeEnsemble, batch: SkuBatch, horizon: int, spec: TreeSpec, groups: GroupFeatures | None
) -> ResidualBins:
    origin = batch.n_days - horizon
    rows_SHF = feature_rows(batch, origin, horizon, spec.rows, groups)
    mean_SH = ensemble.predict_mean(rows_SHF)
    dispersion_SH = np.broadcast_to(ensemble.dispersion(rows_SHF)[:, None], mean_SH.shape)
    y_SH = batch.target(origin, horizon).cpu().numpy()
    use_SH = _usable(batch, origin, horizon)
    return ResidualBins.fit(mean_SH[use_SH], dispersion_SH[use_SH], np.maximum(y_SH[use_SH], 0.0))


def _as_forecast(mean_SH: np.ndarray, sd_SH: np.ndarray, quantile_SHQ: np.ndarray, device: torch.device) -> Forecast:
    n_series = len(mean_SH)
    count_S = torch.zeros(n_series, dtype=torch.int64, device=device)
    unknown_S = torch.full((n_series,), torch.nan, dtype=torch.float64, device=device)
    return Forecast(
        mean_SH=torch.from_numpy(mean_SH).to(device),
        sd_SH=torch.from_numpy(sd_SH).to(device),
        quantile_SHQ=torch.from_numpy(quantile_SHQ).to(device),
        sse_S=unknown_S,
        n_obs_S=count_S,
        n_params_S=count_S,
        score_S=unknown_S,
    )

"""Trees of single series whose forecasts are scaled towards totals: what is fitted and loaded as the model `trees`.

Trees see each series' own noise; what all of a store's department share, its weekdays, pay days and level, a regression
of the total sees better (`udfs.forecasting.hierarchy.top_down`). Which groups have a total follows from the number of
series: a total of few is as noisy as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from udfs.forecasting.festival_adjusted import FestivalAdjusted, FestivalLifts, has_festivals, without
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.hierarchy.top_down import TopDown, fit_top_down, group_codes
from udfs.forecasting.models.regression.log_totals import LogRegression
from udfs.forecasting.models.trees.group_features import GroupFeatures
from udfs.forecasting.models.trees.tree_model import TreeModel, fit_trees
from udfs.forecasting.models.trees.tree_spec import TreeSpec
from udfs.forecasting.weather_adjusted import WeatherAdjusted, WeatherEffects, has_weather
from udfs.series.sku_batch import SkuBatch

GROUPS = (("location_id", "category"), ("location_id", "department"), ("location_id",), ())
"""Traits that name a group, finest first; none is one group of all."""


def fit(
    batch: SkuBatch,
    horizon: int,
    spec: TreeSpec,
    days_back: Sequence[int],
    groups: GroupFeatures | None = None,
) -> Forecaster:
    """Trees fitted to the days before the first of some cutoffs, with totals for each of them.

    Args:
        batch: all series, until the last of the cutoffs.
        days_back: the cutoffs as days before the batch's own; the trees know nothing after the earliest, and of series
            that came later nothing at all.
        groups: features of groups at the end of each day; trees that are fitted with them are asked with them.

    Raises:
        ValueError: what `fit_trees` raises.
    """
    lifts = effects = None
    if spec.festival_lifts and has_festivals(batch):
        lifts = FestivalLifts.learn(batch.until(max(days_back)))
        batch = without(batch, lifts)
    if has_weather(batch):
        effects = WeatherEffects.learn(batch.until(max(days_back)), horizon)
        batch = effects.without(batch)
    return _adjusted(_fit(batch, horizon, spec, days_back, groups), lifts, effects)


def _adjusted(model: Forecaster, lifts: FestivalLifts | None, effects: WeatherEffects | None) -> Forecaster:
    model = model if lifts is None else FestivalAdjusted(model, lifts)
    return model if effects is None else WeatherAdjusted(model, effects)


def _fit(
    batch: SkuBatch, horizon: int, spec: TreeSpec, days_back: Sequence[int], groups: GroupFeatures | None
) -> Forecaster:
    cutoffs = [batch.cutoff - timedelta(days=back) for back in days_back]
    known = batch.until(max(days_back))
    trees = fit_trees(known, horizon, spec, groups, cutoffs)
    began = replace(known, known=None).select(known.mask_ST.any(1).cpu().numpy())  # covariates are large
    by = groups_of(began, spec.least_group_series)
    if by is None or not spec.totals_weight:
        return trees
    totals = LogRegression(spec.totals_covariates, level_half_life_days=spec.totals_half_life_days, ridge=1.0)
    return fit_top_down(batch, horizon, trees, totals, by, days_back, spec.totals_weight)


def groups_of(batch: SkuBatch, least_series: int) -> tuple[str, ...] | None:
    """The finest of `GROUPS` whose groups have so many series on average; None where not even all together have."""
    names = () if batch.traits is None else batch.traits.names
    for by in GROUPS:
        if set(by) <= set(names):
            groups = len(np.unique(group_codes(batch, by), axis=0)) if by else 1
            if len(batch) >= least_series * groups:
                return by
    return None


def save(model: Forecaster, folder: Path) -> None:
    """Write what `fit` returned into an empty folder."""
    if isinstance(model, WeatherAdjusted):
        save(model.inner, folder)
        model.effects.save(folder)
        return
    if isinstance(model, FestivalAdjusted):
        save(model.inner, folder)
        model.lifts.save(folder)
        return
    parts = model.parts if isinstance(model, TopDown) else model
    assert isinstance(parts, TreeModel)
    parts.save(folder)
    if isinstance(model, TopDown):
        model.save(folder)


def load(folder: Path) -> Forecaster:
    """Read what `save` wrote."""
    trees = TreeModel.load(folder)
    model = TopDown.load(folder, trees) if TopDown.is_in(folder) else trees
    return _adjusted(model, FestivalLifts.load(folder), WeatherEffects.load(folder))

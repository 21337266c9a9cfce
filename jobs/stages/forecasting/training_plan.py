"""What is to be trained, and for which days."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from jobs.stages.forecasting.forecasting_reads import (
    CLASS_SUMMARY,
    cutoffs,
    earlier_runs,
    known_before,
    merged_classes,
)
from udfs.forecasting import registry
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.kernels.backtest_bucket import contest
from udfs.series.sku_batch import SkuBatch

if TYPE_CHECKING:
    from jobs.context import RunContext

LOOK_BACK_DAYS = 28
"""Days that a series needs before the first day learnt; a shorter history trains no model."""


def wanted_for(spec: ForecastSpec, earlier: pa.Table | None = None) -> list[str]:
    """The models to train: candidates within the budget on rungs that pay, or the one model asked for.

    earlier: the class summary of an earlier run; None knows nothing, and gives every rung the chance to show. A class
    of demand that no series had then is no reason to train.
    """
    if spec.model != "auto":
        return [spec.model] if spec.model in registry.fitted_names() else []
    candidates = contest(spec, earlier)
    seen = set(candidates) if earlier is None else set(earlier["demand_class"].to_pylist())
    competing = {name for demand_class, names in candidates.items() if demand_class in seen for name in names}
    return [name for name in registry.fitted_names() if name in competing]


def wanted(context: RunContext) -> list[str]:
    """The models that this run trains."""
    runs = earlier_runs(context)
    earlier = None
    if runs:
        condition = pc.field("run_id") == runs[0]
        rows = context.lakehouse.read_arrow(CLASS_SUMMARY, filters=condition)
        earlier = known_before(context, merged_classes(rows))
    return wanted_for(context.settings.forecast, earlier)


def fitted_as(kind: str, names: list[str]) -> tuple[str, ...]:
    """Those of the names that are fitted as "trees", or as a "network"."""
    return tuple(name for name in names if registry.MODELS[name].fit == kind)


def training_cutoffs(context: RunContext) -> tuple[str, ...]:
    """Those of the forecasts to come and of the backtest windows before each of them, oldest first."""
    spec, horizon = context.settings.forecast, context.settings.horizon
    made = cutoffs(context)
    days: set[date] = {*made, *(day for last in made for day in spec.backtest().cutoffs(last, horizon))}
    return tuple(day.isoformat() for day in sorted(days))


def tree_fits(context: RunContext) -> dict[str, tuple[str, ...]]:
    """By the cutoff of a fit the cutoffs that it serves, oldest first; none where no candidate is a tree.

    The as-of day has a fit of its own. A past cutoff is served by trees of an earlier one: they know less, never more.
    """
    if not fitted_as("trees", wanted(context)):
        return {}
    *past, last = training_cutoffs(context)
    size = context.settings.trees.cutoffs_per_fit
    shared = [tuple(past[max(end - size, 0) : end]) for end in range(len(past), 0, -size)]
    return {served[0]: served for served in [*reversed(shared), (last,)]}


def trees_wanted(context: RunContext) -> tuple[str, ...]:
    """The cutoffs that trees are fitted at."""
    return tuple(tree_fits(context))


def networks_wanted(context: RunContext) -> tuple[str, ...]:
    """The cutoffs that networks are trained for; none where no candidate is one."""
    return training_cutoffs(context) if fitted_as("network", wanted(context)) else ()


def is_long_enough(batch: SkuBatch, horizon: int) -> bool:
    """Whether there are days to learn from: a look-back before the horizon learnt and the one held out."""
    return bool(batch.mask_ST[:, : -(2 * horizon + LOOK_BACK_DAYS)].any())

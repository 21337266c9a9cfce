"""Replay: every candidate policy orders for past days, on forecasts of then, and meets the demand that came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.stage import UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.inventory.planning_reads import (
    CHAMPIONS,
    CLOSED,
    FORECASTS,
    PRODUCT,
    PRODUCTS,
    REPLAY,
    REPLAY_SUMMARY,
    REPLAYED_DAYS,
    SUPPLIES,
    SUPPLY,
    are_prices_listed,
    champion_forecast,
    choices,
    classes_at,
    demand_on_open_days,
    path_terms,
    prices_of,
    replay_cutoffs,
    since,
)
from lakehouse.schema.entities import SERIES
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.planning_inputs import PathTerms
from udfs.inventory.kernels.replay_bucket import replay_bucket

if TYPE_CHECKING:
    # The settings know every model; a worker imports only what its kernel needs.
    from jobs.context import RunContext


@dataclass(frozen=True, slots=True)
class ReplayParameters:
    """`choices`: by day of a choice, the cutoffs whose replays it may use; `are_prices_listed`: see `last_prices`."""

    spec: InventorySpec
    path_terms: PathTerms
    cutoffs: tuple[date, ...]
    choices: dict[date, tuple[date, ...]]
    are_prices_listed: bool = True


def kernel(inputs: dict[str, pa.Table], parameters: ReplayParameters) -> KernelResult:
    """One bucket of past forecasts and the demand that came to the money that each policy would have cost."""
    spec = parameters.spec
    found = replay_bucket(
        forecasts={cutoff: champion_forecast(inputs, cutoff) for cutoff in parameters.cutoffs},
        actual=since(demand_on_open_days(inputs, "y_latent"), min(parameters.cutoffs)),
        supply=inputs[SUPPLY],
        prices={
            cutoff: prices_of(inputs, cutoff, spec, is_listed=parameters.are_prices_listed)
            for cutoff in parameters.cutoffs
        },
        classes={day: classes_at(inputs, day) for day in parameters.choices},
        choices=parameters.choices,
        spec=spec,
        path_terms=parameters.path_terms,
        products=inputs[PRODUCT],
    )
    ids = len(found.replay["unique_id"].unique())
    return KernelResult({REPLAY: found.replay, REPLAY_SUMMARY: found.summary}, ids=ids)


def parameters(context: RunContext, _sums: Mapping[str, Any]) -> ReplayParameters:
    return ReplayParameters(
        context.settings.inventory,
        path_terms(context),
        replay_cutoffs(context),
        choices(context),
        are_prices_listed(context),
    )


STAGE = UnitStage(
    name="replay",
    version=7,
    unit=SERIES,
    reads=(FORECASTS, CHAMPIONS, REPLAYED_DAYS, SUPPLIES, PRODUCTS, CLOSED),
    writes=(REPLAY, REPLAY_SUMMARY),
    settings=("inventory", "forecast", "horizon", "replays"),
    ignores=("inventory.budget", "inventory.capacity_qty"),
    identity=are_prices_listed,
    kernel=kernel,
    parameters=parameters,
)

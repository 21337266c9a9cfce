"""One bucket of series at past cutoffs: every candidate policy replayed on the demand that then came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa

from lakehouse.schema.tables import contract, table_of
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.plan_tables import REPLAY
from udfs.inventory.kernels.planning_inputs import ForecastInput, PathTerms, class_of, day_number, read_forecast
from udfs.inventory.kernels.supply_input import read_supply
from udfs.inventory.policies.choose import REPLAY_SUMMARY_SCHEMA, summarise_replays
from udfs.inventory.policies.policy_registry import plans_of, with_rivals
from udfs.inventory.policies.replay import Replay, can_replay, replay_actual
from udfs.inventory.policies.situation import Situation
from udfs.inventory.supply import MOST


@dataclass(frozen=True, slots=True)
class BucketReplay:
    """`replay`: rows of inventory.replay by unique_id, cutoff and policy. `summary`: the bucket's class sums."""

    replay: pa.Table
    summary: pa.Table


def replay_bucket(
    forecasts: Mapping[date, pa.Table],
    actual: pa.Table,
    supply: pa.Table,
    prices: Mapping[date, pa.Table],
    classes: Mapping[date, pa.Table],
    choices: Mapping[date, Sequence[date]],
    spec: InventorySpec,
    path_terms: PathTerms,
    products: pa.Table | None = None,
) -> BucketReplay:
    """Replay the candidates after each past cutoff.

    Args:
        forecasts: by cutoff, what `plan_bucket` takes as `forecast`.
        actual: unique_id, ds, y: demand that came, NULL where it was not observed.
        supply, products: as for `plan_bucket`: today's terms, as no earlier ones are known, for feeds of terms bear no
            dates.
        prices: by cutoff, what `plan_bucket` takes as `prices`, as known then.
        classes: by day of a choice, unique_id and demand_class as seen then.
        choices: by day of a choice to come, the cutoffs whose replays it may use.
        spec: candidates and terms.
        path_terms: see `PathTerms`.

    Where the data end before the horizon does, as they do when a feed is late, the days told are replayed, if they are
    at least half of it. A series is left out at a cutoff where its forecast or terms are unfit, where a day of the
    horizon was not observed or is no demand (from 0 to `MOST` units), where its unit cost is unknown or 0, or where
    lead time and review exceed the horizon: `can_replay`.
    """
    rows = [contract(REPLAY).empty()]
    for cutoff, forecast in sorted(forecasts.items()):
        readable, _ = read_forecast(forecast, cutoff, path_terms.levels)
        readable = _while_told(readable, actual, cutoff)
        for same in readable.by_horizon():
            inputs = (readable.take(same), cutoff, actual, supply, prices[cutoff], products)
            rows.append(_replayed(*inputs, spec, path_terms))
    table = pa.concat_tables(rows).sort_by([(key, "ascending") for key in ("unique_id", "cutoff", "policy")])
    summaries = [
        summarise_replays(table, *class_of(classes[day]), spec, day, windows) for day, windows in choices.items()
    ]
    return BucketReplay(table, pa.concat_tables([REPLAY_SUMMARY_SCHEMA.empty_table(), *summaries]))


def _while_told(forecast: ForecastInput, actual: pa.Table, cutoff: date) -> ForecastInput:
    """The series of which at least half the horizon has come, each with a horizon that ends where its rows do."""
    last = actual.group_by("unique_id").aggregate([("ds", "max")])
    last_of = dict(zip(last["unique_id"].to_pylist(), last["ds_max"].to_pylist(), strict=True))
    told_S = np.array([(last_of.get(unique_id, cutoff) - cutoff).days for unique_id in forecast.unique_id_S], np.int64)
    horizon_S = np.minimum(forecast.horizon_S, told_S)
    rows = np.flatnonzero((2 * told_S >= forecast.horizon_S) & (horizon_S > 0))
    return replace(forecast, horizon_S=horizon_S).take(rows)


def _replayed(
    forecast: ForecastInput,
    cutoff: date,
    actual: pa.Table,
    supply: pa.Table,
    prices: pa.Table,
    products: pa.Table | None,
    spec: InventorySpec,
    path_terms: PathTerms,
) -> pa.Table:
    """Rows of inventory.replay for the series of one cutoff that can be replayed."""
    actual_SH = _actual_days(actual, forecast, cutoff)
    seen = np.flatnonzero(((actual_SH >= 0.0) & (actual_SH <= MOST)).all(1))
    situation, fit = situation_of(forecast.take(seen), cutoff, supply, prices, spec, path_terms, products)
    at = np.flatnonzero(can_replay(situation))
    if not at.size:
        return contract(REPLAY).empty()
    here, index = situation.take(at), seen[fit[at]]
    found = replay_actual(plans_of(with_rivals(spec.candidates), here), here, actual_SH[index])
    return _rows(forecast.unique_id_S[index], cutoff, found, here)


def situation_of(
    forecast: ForecastInput,
    cutoff: date,
    supply: pa.Table,
    prices: pa.Table,
    spec: InventorySpec,
    path_terms: PathTerms,
    products: pa.Table | None = None,
) -> tuple[Situation, np.ndarray]:
    """The series whose terms are fit, and their positions in the forecast."""
    supply_in, problems = read_supply(supply, prices, forecast, cutoff, spec, products)
    fit = np.flatnonzero(~np.isin(forecast.unique_id_S, list(problems)))
    kept, terms = forecast.take(fit), supply_in.take(fit)
    paths = kept.paths(path_terms, spec.n_paths)
    reviews = terms.calendar.pattern(day_number(cutoff), paths.n_days)
    return Situation.of(paths, kept.sd_SH, terms.terms, terms.unit_price_S, spec, terms.limits, reviews), fit


def _actual_days(actual: pa.Table, forecast: ForecastInput, cutoff: date) -> FloatArray:
    """(S, H) demand of the days after the cutoff; NaN where it is not known."""
    horizon = forecast.mean_SH.shape[1]
    actual_SH = np.full((len(forecast), horizon), np.nan)
    day = actual["ds"].cast(pa.date32()).cast(pa.int32()).to_numpy() - int(np.datetime64(cutoff, "D").astype(int)) - 1
    at = {unique_id: s for s, unique_id in enumerate(forecast.unique_id_S)}
    row = np.array([at.get(unique_id, -1) for unique_id in actual["unique_id"].to_pylist()], dtype=np.int64)
    inside = (day >= 0) & (day < horizon) & (row >= 0)
    y = actual["y"].cast(pa.float64()).to_numpy()
    actual_SH[row[inside], day[inside]] = y[inside]
    return actual_SH


def _rows(unique_ids: np.ndarray, cutoff: date, found: Mapping[str, Replay], situation: Situation) -> pa.Table:
    n_days = situation.paths.n_days
    parts = [
        table_of(
            REPLAY,
            {
                "unique_id": unique_ids,
                "cutoff": [cutoff] * len(unique_ids),
                "policy": [name] * len(unique_ids),
                "replay_cost": replay.cost,
                "replay_holding_cost": replay.holding_S,
                "replay_ordering_cost": replay.ordering_S,
                "replay_shortage_cost": replay.shortage_S,
                "replay_waste_cost": replay.waste_S,
                "is_service_required": situation.is_service_required,
                "demand_qty": replay.demand_S,
                "sales_qty": replay.sales_S,
                "score": replay.cost / _sales_value(situation, replay.demand_S),
                "n_days": np.full(len(unique_ids), n_days),
            },
        )
        for name, replay in found.items()
    ]
    return pa.concat_tables(parts)


def _sales_value(situation: Situation, demand_S: FloatArray) -> FloatArray:
    """Sales a day at selling price, currency, [S]: expected, or come where more came, and at least one unit in all.

    What was not expected at all and came would else be worth nothing, and its one series decide for its whole class.
    """
    n_days = situation.paths.n_days
    units_S = np.maximum(np.maximum(situation.daily_mean, demand_S / n_days), 1.0 / n_days)
    return units_S * (situation.terms.unit_cost + situation.margin)

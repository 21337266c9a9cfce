"""Compile the kernels that stages need before their first bucket asks for them: once per machine, in one process.

Numba keeps what it has compiled beside the sources (or in NUMBA_CACHE_DIR, or in the user's cache where neither can be
written), so a later process loads it. Each step calls the pure functions of a stage on a few made-up series: the types
of their arrays are what counts.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import special

from lakehouse.schema.tables import contract
from udfs.demand.censoring.censored_demand import CensoringSpec, latent_table
from udfs.demand.features.sku_features import sku_daily_features
from udfs.demand.returns import match_cancellations
from udfs.forecasting import registry
from udfs.forecasting.choice.selection import merge_class_summaries
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.kernels.backtest_bucket import backtest_bucket
from udfs.forecasting.kernels.calibrate_bucket import calibrate_bucket
from udfs.forecasting.kernels.forecast_bucket import Evidence, forecast_bucket
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.order_bucket import cut_of, order_bucket
from udfs.inventory.kernels.plan_bucket import plan_bucket
from udfs.inventory.kernels.planning_inputs import PATH_COLUMNS, PathTerms
from udfs.inventory.kernels.replay_bucket import replay_bucket
from udfs.inventory.kernels.stock_position import StockTables
from udfs.inventory.policies.policy_registry import learned_names
from udfs.inventory.stated_terms import TERMS

_DAYS, _HORIZON = 120, 14
_AS_OF = date(2024, 4, 29)


@dataclass(frozen=True)
class KernelCalls:
    """A small retailer's bucket, and the calls of each stage on it, with the candidates that a run is to use.

    Candidates that are trained (trees, networks, learned policies) are left out: they have no kernels of their own.
    """

    forecast_spec: ForecastSpec
    inventory_spec: InventorySpec

    def clean(self) -> None:
        lines = {"group_id": ["a", "a"], "line_id": ["1", "2"], "units": [2.0, -1.0]}
        sold_at = [datetime(2024, 1, 1, 9), datetime(2024, 1, 1, 10)]
        match_cancellations(pa.table({**lines, "sold_at": pa.array(sold_at, pa.timestamp("us"))}))
        y = self.history["y"].to_numpy()
        censored = self.history.append_column("is_censored", pa.array((y == 0) & (np.arange(y.size) % 3 == 0)))
        latent_table(censored, CensoringSpec(infer_runs=True))

    def features(self) -> None:
        rows = self.history.num_rows
        history = self.history.append_column("location_id", pa.array(["north"] * rows))
        history = history.append_column("unit_price", pa.array(np.full(rows, 2.5)))
        history = history.append_column("is_promo", pa.array([False] * rows))
        calendar = pa.table(
            {
                "location_id": ["north"],
                "ds": pa.array([_AS_OF], pa.date32()),
                "is_holiday": [False],
                "is_event": [False],
            }
        )
        yesterday = _AS_OF - timedelta(days=1)
        known = sku_daily_features(history, calendar, last_ds=yesterday)
        carry = known.filter(pc.equal(known["ds"], yesterday))
        sku_daily_features(history, calendar, first_ds=_AS_OF, last_ds=_AS_OF, carry=carry)

    def backtest(self) -> None:
        _ = self.evidence

    def calibrate(self) -> None:
        calibrate_bucket(self.history, [_AS_OF], _HORIZON, self._forecast_spec, evidence=self.evidence)

    def forecast(self) -> None:
        forecast_bucket(self.history, [_AS_OF], _HORIZON, self._forecast_spec, evidence=self.evidence)

    def replay(self) -> None:
        replay_bucket(
            {self._cutoff: self._forecast_from(self._cutoff)},
            self.history,
            self._supply,
            {self._cutoff: self._prices},
            {_AS_OF: self._classes},
            {_AS_OF: [self._cutoff]},
            self._inventory_spec,
            self._path_terms,
        )

    def inventory(self) -> None:
        _ = self.plan

    def order(self) -> None:
        spec = self._inventory_spec
        proposal, steps = self.plan
        order_bucket(proposal, steps, cut_of(proposal, steps, spec.budget, spec.capacity_qty))

    @cached_property
    def history(self) -> pa.Table:
        """Demand of every class, and a series too young for a contest."""
        rng = np.random.default_rng(7)
        weekend = np.where(np.arange(_DAYS) % 7 >= 5, 1.5, 1.0)
        demand = [rng.poisson(rate * weekend) for rate in (0.1, 0.4, 2.0, 6.0, 20.0)]
        demand += [rng.poisson(4.0, _DAYS) * (rng.random(_DAYS) < 0.3), rng.poisson(3.0, 10)]
        parts = []
        for number, y in enumerate(demand):
            y[0] = 1
            days = [_AS_OF - timedelta(days=back) for back in range(len(y) - 1, -1, -1)]
            ids = pa.array([f"S{number}|north|all"] * len(y)).dictionary_encode()
            columns = [ids, pa.array(days, pa.date32()), pa.array(y, pa.float64())]
            parts.append(pa.table(columns, names=["unique_id", "ds", "y"]))
        return pa.concat_tables(parts).unify_dictionaries()

    @cached_property
    def evidence(self) -> Evidence:
        spec = self._forecast_spec
        if spec.model != "auto":
            spec = replace(spec, regular_candidates=(spec.model,), intermittent_candidates=(spec.model,))
        found = backtest_bucket(self.history, [_AS_OF], _HORIZON, spec)
        return Evidence(found.backtest, merge_class_summaries([found.class_summary]))

    @cached_property
    def plan(self) -> tuple[pa.Table, pa.Table]:
        days = {"unique_id": self._ids, "ds": pa.array([_AS_OF] * len(self._ids), pa.date32())}
        counts = pa.table(days | {"on_hand_qty": [1.0] * len(self._ids), "on_order_qty": [0.0] * len(self._ids)})
        demand = pa.table(days | {"y": [1.0] * len(self._ids)})
        stock = StockTables(counts, demand, contract("inventory.order_plan").empty())
        forecast = self._forecast_from(_AS_OF)
        planned = plan_bucket(
            forecast, self._supply, stock, self._prices, _AS_OF, self._inventory_spec, self._path_terms
        )
        return planned.proposal, planned.steps

    @property
    def _forecast_spec(self) -> ForecastSpec:
        spec, known = self.forecast_spec, registry.made_names()
        regular = tuple(name for name in spec.regular_candidates if name in known)
        intermittent = tuple(name for name in spec.intermittent_candidates if name in known)
        return replace(
            spec,
            model=spec.model if spec.model in known else "auto",
            regular_candidates=regular or ("ets",),
            intermittent_candidates=intermittent or ("tsb",),
        )

    @property
    def _inventory_spec(self) -> InventorySpec:
        spec = self.inventory_spec
        candidates = tuple(name for name in spec.candidates if name not in learned_names())
        return replace(spec, candidates=candidates or ("s_s",), n_paths=40, tuning_paths=20)

    @property
    def _path_terms(self) -> PathTerms:
        spec = self.forecast_spec
        return PathTerms(spec.quantiles, spec.season_length, spec.seed)

    @property
    def _cutoff(self) -> date:
        return _AS_OF - timedelta(days=_HORIZON)

    @property
    def _ids(self) -> list[str]:
        return [f"S{number}|north|all" for number in range(6)]

    @property
    def _prices(self) -> pa.Table:
        days = pa.array([_AS_OF] * len(self._ids), pa.date32())
        return pa.table({"unique_id": self._ids, "ds": days, "unit_price": [2.5] * len(self._ids)})

    @property
    def _classes(self) -> pa.Table:
        return pa.table({"unique_id": self._ids, "demand_class": ["smooth"] * len(self._ids)})

    @property
    def _supply(self) -> pa.Table:
        terms = dict(zip(TERMS, (3.0, 10.0, 1.5, 6.0, 6.0), strict=True)) | {"shelf_life_days": 9.0}
        return pa.table({"unique_id": self._ids} | {name: [value] * len(self._ids) for name, value in terms.items()})

    def _forecast_from(self, cutoff: date) -> pa.Table:
        """What a plan reads of a forecast: normal demand of five units a day."""
        rows = len(self._ids) * _HORIZON
        quantiles = {
            name: [max(0.0, 5.0 + 2.0 * float(special.ndtri(level)))] * rows
            for name, level in zip(self.forecast_spec.quantile_columns(), self.forecast_spec.quantiles, strict=True)
        }
        numbers = {
            "mean": [5.0] * rows,
            "sd": [2.0] * rows,
            **quantiles,
            **{name: [0.0] * rows for name in PATH_COLUMNS},
        }
        days = [cutoff + timedelta(days=ahead) for ahead in range(1, _HORIZON + 1)] * len(self._ids)
        keys = {"unique_id": np.repeat(self._ids, _HORIZON), "model": ["ets"] * rows, "ds": pa.array(days, pa.date32())}
        return pa.table({**keys, **{name: pa.array(x, pa.float64()) for name, x in numbers.items()}})


STEPS: dict[str, Callable[[KernelCalls], None]] = {
    "clean": KernelCalls.clean,
    "features": KernelCalls.features,
    "backtest": KernelCalls.backtest,
    "calibrate": KernelCalls.calibrate,
    "forecast": KernelCalls.forecast,
    "replay": KernelCalls.replay,
    "inventory": KernelCalls.inventory,
    "order": KernelCalls.order,
}
"""Stages with kernels, in the pipeline's order."""


def compile_for(stages: Iterable[str], forecast_spec: ForecastSpec, inventory_spec: InventorySpec) -> Iterator[str]:
    """Compile what the named stages need, yielding each name once its kernels are there: first those that have none."""
    calls, wanted = KernelCalls(forecast_spec, inventory_spec), set(stages)
    yield from sorted(wanted - STEPS.keys())
    for stage, step in STEPS.items():
        if stage in wanted:
            step(calls)
            yield stage


def main(arguments: Sequence[str] = ()) -> None:
    """As a process: (stages, forecast spec, inventory spec) pickled on stdin, a line per stage on stdout."""
    stages, forecast_spec, inventory_spec = pickle.load(sys.stdin.buffer)
    for stage in compile_for(stages, forecast_spec, inventory_spec):
        print(stage, flush=True)


if __name__ == "__main__":
    main()

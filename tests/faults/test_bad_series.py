"""Series that no model likes: each ends with a result or a reason, and no other series' result moves by a bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jobs.engine.task import KernelResult
from jobs.stages.demand import features
from jobs.stages.forecasting import backtest, forecast, forecasting_reads
from jobs.stages.forecasting.forecasting_reads import KnownThen
from jobs.stages.inventory import inventory, order, replay
from jobs.stages.inventory.planning_reads import ACCEPTED, ACCEPTED_PRICES, EARLIER_ORDERS, ORDER_PLAN
from lakehouse.schema.tables import contract
from udfs.demand.features.sku_features import FeatureSpec
from udfs.forecasting import registry
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.forecaster import Forecast, Forecaster
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.planning_inputs import PathTerms
from udfs.inventory.kernels.product_input import PRODUCT_COLUMNS
from udfs.inventory.policies.choose import REPLAY_SUMMARY_SCHEMA, merge_replay_summaries
from udfs.inventory.stated_terms import TERMS
from udfs.series.sku_batch import SkuBatch

FIRST, DAYS, HORIZON = date(2024, 1, 1), 90, 14
LAST = FIRST + timedelta(days=DAYS - 1)
CUTOFFS = (LAST - timedelta(days=HORIZON), LAST)
# Names that sort before, between and after the good ones, so that every position in the bucket shifts.
NAN, ZERO, ONE_ROW, HUGE, RAISES = "A|n|nan", "G2|n|zero", "G4|n|one_row", "G5|n|huge", "Z|n|raises"
BAD = (NAN, ZERO, ONE_ROW, HUGE, RAISES)
MODELS = ("auto", "class_route", "ets", "theta", "regression", "seasonal_naive", "croston", "sba", "tsb")


def demand_of(name: str) -> np.ndarray:
    """Daily units of a series, NaN where not observed."""
    rng = np.random.default_rng(abs(hash_of(name)))
    if name == NAN:
        return np.full(DAYS, np.nan)
    if name == ZERO:
        return np.zeros(DAYS)
    if name == ONE_ROW:
        return np.array([3.0])
    if name == HUGE:
        return 1e9 * (1.0 + rng.poisson(2.0, DAYS))
    return rng.poisson(0.2 + 2.0 * (hash_of(name) % 4), DAYS).astype(float)


def hash_of(name: str) -> int:
    return sum(map(ord, name))


def sales_of(names: list[str]) -> pa.Table:
    """Rows of silver.sales_daily as the features kernel reads them, sorted by series and day."""
    parts = []
    for name in sorted(names):
        y = demand_of(name)
        parts.append(
            pa.table(
                {
                    "unique_id": pa.array([name] * len(y), pa.string()),
                    "location_id": pa.array(["north"] * len(y), pa.string()),
                    "ds": pa.array([LAST - timedelta(days=len(y) - 1 - t) for t in range(len(y))], pa.date32()),
                    "y": pa.array(y),  # NaN as it stands, not turned into NULL
                    "y_latent": pa.array(y),
                    "unit_price": pa.array(np.full(len(y), 2.5)),
                    "is_promo": pa.array([False] * len(y)),
                }
            )
        )
    return pa.concat_tables(parts).combine_chunks()


@dataclass(frozen=True)
class Chain:
    """Results of the kernels on one bucket, each fed by the one before."""

    features: KernelResult
    forecast: KernelResult
    replay: KernelResult
    inventory: KernelResult
    order: KernelResult

    def tables(self) -> dict[str, pa.Table]:
        rows = {replay.REPLAY: self.replay.tables[replay.REPLAY]}  # its summary is of all series
        return self.features.tables | self.forecast.tables | rows | self.inventory.tables | self.order.tables

    def reasons(self) -> dict[str, list[str]]:
        """The error class by series, of forecast and inventory."""
        found: dict[str, list[str]] = {}
        for result in (self.forecast, self.inventory):
            for row in result.failures.to_pylist() if result.failures is not None else []:
                found.setdefault(row["unique_id"], []).append(row["error_class"])
                assert row["error"], row
        return found


def empty(name: str, *columns: str) -> pa.Table:
    table = contract(name).arrow_schema().empty_table()
    return table.select(columns) if columns else table


def spec_of(model: str) -> ForecastSpec:
    """The model, raising for one series; `auto` chooses among models that do."""
    if model != "auto":
        return ForecastSpec(model=f"raising_{model}")
    candidates = ("raising_ets", "raising_tsb", "raising_seasonal_naive")
    return ForecastSpec(regular_candidates=candidates, intermittent_candidates=candidates, windows=2)


def forecast_inputs(history: pa.Table) -> dict[str, pa.Table]:
    inputs = {name: empty(name) for name in forecasting_reads.TABLES if name != forecasting_reads.FEATURES}
    columns = ["unique_id", "ds", "y_latent", "unit_price", "is_promo"]
    plan = {name: inputs[name].select(["unique_id", "ds", "unit_price", "is_promo"]) for name in inputs_by_series()}
    return inputs | plan | {forecasting_reads.FEATURES: history.select(columns)}


def inputs_by_series() -> tuple[str, ...]:
    return (forecasting_reads.SALES, forecasting_reads.PLANNED)


def run_features(names: list[str]) -> KernelResult:
    calendar = empty("silver.calendar", "location_id", "ds", "is_holiday", "is_event")
    inputs = {"silver.sales_daily": sales_of(names), "silver.calendar": calendar}
    return features.kernel(inputs, features.FeatureParameters(FeatureSpec(), None, LAST))


@lru_cache
def evidence(model: str) -> tuple[pa.Table, pa.Table]:
    """The backtest of the good series, and its class summary: what all buckets have found does not move."""
    inputs = forecast_inputs(run_features(GOOD).tables["features.sku_daily"])
    parameters = backtest.BacktestParameters(backtest.contested(spec_of(model)), CUTOFFS, HORIZON, KnownThen())
    tables = backtest.kernel(inputs, parameters).tables
    return tables[backtest.BACKTEST], tables[backtest.CLASS_SUMMARY]


def run_chain(names: list[str], model: str) -> Chain:
    sku_daily = run_features(names)
    history = sku_daily.tables["features.sku_daily"]
    rows, summary = evidence(model)
    demand = forecast.kernel(
        forecast_inputs(history) | {backtest.BACKTEST: rows},
        forecast.ForecastParameters(spec_of(model), CUTOFFS, HORIZON, summary, {}, KnownThen()),
    )
    inputs = {
        **{name: demand.tables[name] for name in ("forecast.demand", "forecast.champion")},
        "features.sku_daily": history.select(["unique_id", "ds", "y", "y_latent", "unit_price"]),
        "silver.supply": empty("silver.supply", "unique_id", *TERMS),
        "silver.products": empty("silver.products", *PRODUCT_COLUMNS),
        "silver.calendar": empty("silver.calendar", "location_id", "ds", "is_closed", "is_closed_planned"),
    }
    spec, choices = InventorySpec(lead_time_days=5, n_paths=30, tuning_paths=10), {LAST: CUTOFFS[:1]}
    terms = PathTerms(spec_of(model).quantiles)
    replayed = replay.kernel(inputs, replay.ReplayParameters(spec, terms, CUTOFFS[:1], choices))
    stock = empty("silver.stock", "unique_id", "ds", "on_hand_qty", "on_order_qty")
    orders, prices = empty(ORDER_PLAN, *EARLIER_ORDERS.columns), empty(ACCEPTED, *ACCEPTED_PRICES.columns)
    known = {"silver.stock": stock, ORDER_PLAN: orders, ACCEPTED: prices}
    plan = inventory.kernel(
        inputs | known | {replay.REPLAY: replayed.tables[replay.REPLAY]},
        inventory.InventoryParameters(spec, terms, LAST, replay_summary(model), CUTOFFS[:1], None),
    )
    return Chain(sku_daily, demand, replayed, plan, order.kernel(plan.tables, order.OrderParameters(None)))


@lru_cache
def replay_summary(model: str) -> pa.Table:
    """What the replays of all buckets have found: it does not move with the bad series of one."""
    return merge_replay_summaries(pa.Table.from_batches([], REPLAY_SUMMARY_SCHEMA))


def bits(table: pa.Table, names: list[str]) -> dict[str, bytes]:
    """The rows of these series in order, each column as bytes: doubles compare by their bits, -0.0 apart from 0.0."""
    rows = table.filter(pc.is_in(table["unique_id"], pa.array(names))).combine_chunks()
    names_of_keys = ("unique_id", "cutoff", "model", "policy", "ds", "days", "step")
    keys = [(name, "ascending") for name in names_of_keys if name in rows.column_names]
    rows = rows.sort_by(keys)
    found = {}
    for name in rows.column_names:
        column = rows[name].combine_chunks()
        raw = column.view(pa.int64()) if pa.types.is_float64(column.type) else column
        found[name] = repr(raw.to_pylist()).encode()
    return found


@pytest.fixture(scope="module", autouse=True)
def raising_models() -> Iterator[None]:
    """Every model once more, but raising for one series."""
    for model in MODELS[1:]:
        made = registry.MODELS[model]
        registry.register(
            replace(made, name=f"raising_{model}", make=lambda spec, made=made: RaisesOn(made.make(spec)))
        )
    yield
    for model in MODELS[1:]:
        registry.unregister(f"raising_{model}")


@dataclass(frozen=True)
class RaisesOn:
    inner: Forecaster

    @property
    def name(self) -> str:
        return self.inner.name

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        if RAISES in set(batch.unique_ids):
            raise FloatingPointError(f"no model for {RAISES}")
        return self.inner.forecast(batch, horizon, quantiles)


GOOD = [f"G{i}|n|good" for i in range(1, 8)]


@pytest.mark.parametrize("model", MODELS)
def test_bad_series_end_in_a_result_or_a_reason_and_leave_the_others_alone(model: str) -> None:
    alone, together = run_chain(GOOD, model), run_chain([*GOOD, *BAD], model)
    assert alone.reasons() == {}
    for name, table in together.tables().items():
        expected, found = bits(alone.tables()[name], GOOD), bits(table, GOOD)
        changed = [column for column in expected if expected[column] != found[column]]
        assert not changed, f"{name}: columns {changed} of good series moved"
    reasons = together.reasons()
    assert set(reasons) <= set(BAD)
    planned = set(together.order.tables["inventory.order_plan"]["unique_id"].to_pylist())
    assert planned | set(reasons) == {*GOOD, *BAD}


def test_what_each_bad_series_ends_with() -> None:
    chain = run_chain([*GOOD, *BAD], "auto")
    reasons, demand = chain.reasons(), chain.forecast.tables["forecast.demand"]
    plan = {row["unique_id"]: row for row in chain.order.tables["inventory.order_plan"].to_pylist()}
    now = demand.filter(pc.equal(demand["cutoff"], LAST))
    mean = {name: now.filter(pc.equal(now["unique_id"], name))["mean"].to_numpy() for name in (*GOOD, *BAD)}

    assert set(reasons[NAN]) == {"NoObservation"}
    assert len(mean[NAN]) == 0
    assert NAN not in plan

    assert ZERO not in reasons
    assert mean[ZERO].tolist() == [0.0] * HORIZON
    assert plan[ZERO]["order_qty"] == 0.0

    assert ONE_ROW not in reasons
    assert mean[ONE_ROW] == pytest.approx([3.0] * HORIZON)

    assert HUGE not in reasons
    assert mean[HUGE] == pytest.approx(np.full(HORIZON, 3e9), rel=0.5)
    assert plan[HUGE]["order_qty"] > 1e9

    assert set(reasons[RAISES]) == {"FloatingPointError"}
    assert len(mean[RAISES]) == HORIZON, "a fallback stands in"
    assert RAISES in plan
    failed = {row["unique_id"]: row for row in chain.forecast.failures.to_pylist()}
    assert failed[RAISES]["fallback"] == "seasonal_naive"
    assert failed[NAN]["fallback"] == "none"


def test_features_of_bad_series() -> None:
    rows = run_chain([*GOOD, *BAD], "auto").features.tables["features.sku_daily"]
    of = {name: rows.filter(pc.equal(rows["unique_id"], name)) for name in BAD}
    assert of[NAN].num_rows == DAYS
    for column in ("y", "lag_1", "rolling_mean_28", "zero_share_7", "days_since_sale"):
        assert of[NAN][column].null_count == DAYS, column
    assert set(of[ZERO]["rolling_mean_7"].to_pylist()[1:]) == {0.0}
    assert set(of[ZERO]["zero_share_56"].to_pylist()[1:]) == {1.0}
    assert of[ONE_ROW].num_rows == 1
    assert of[ONE_ROW]["lag_1"].to_pylist() == [None]
    mean_7 = of[HUGE]["rolling_mean_7"].to_numpy()[-1]
    assert mean_7 == pytest.approx(demand_of(HUGE)[-8:-1].mean(), rel=1e-12)


def test_an_infinite_number_of_units_is_refused_with_the_series_named() -> None:
    sales = sales_of(GOOD)
    at = sales.column_names.index("y")
    y = sales["y"].to_numpy().copy()
    y[0] = np.inf
    calendar = contract("silver.calendar").arrow_schema().empty_table()
    inputs = {"silver.sales_daily": sales.set_column(at, "y", pa.array(y)), "silver.calendar": calendar}
    with pytest.raises(ValueError, match=r"'G1\|n\|good'.*found inf"):
        features.kernel(inputs, features.FeatureParameters(FeatureSpec(), None, LAST))

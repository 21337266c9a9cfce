"""A past cutoff knows no later day: whatever comes after it may change, and no bit of what was trained, chosen,
forecast or planned at that cutoff does.

The days after a cutoff are shuffled, scaled, deleted or joined by new series in silver, every stage is run again, and
the rows of that cutoff are held against those of the untouched lakehouse. Left out are scores that by definition are
of later days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from jobs.context import RunContext
from jobs.engine.done import fingerprint_of
from jobs.engine.rounds import pin
from jobs.pipeline import all_stages, run_stages
from jobs.stages.inventory import replay
from jobs.stages.inventory.planning_reads import PRODUCT, SUPPLY, champion_forecast, path_terms, prices_of
from lakehouse.delta.files import read_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.stamp import Stamp, stamped
from lakehouse.delta.state import Held, parts
from tests.jobs.run_tool import copied, day, make_context
from tests.tiny_retailer import SKUS
from udfs.inventory.kernels.planning_inputs import read_forecast
from udfs.inventory.kernels.replay_bucket import situation_of
from udfs.inventory.policies.policy_registry import plans_of, with_rivals

AS_OF, HORIZON = day(119), 14
CUTOFF = AS_OF - timedelta(days=HORIZON)
"""The later of the two past cutoffs; the earlier one's replay ends on it."""
EARLIER = CUTOFF - timedelta(days=HORIZON)
SALES, CALENDAR = "silver.sales_daily", "silver.calendar"
STAGES = ["features", "festivals", "train", "backtest", "calibrate", "forecast", "replay"]
SETTINGS = (
    "trees.least_series=3",
    "trees.least_group_series=3",
    "trees.rounds=15",
    "trees.min_rows_per_leaf=20",
    "trees.max_rows=600",
    "trees.cutoffs_per_fit=2",
)
SCOPE = 40
"""Selling days that some of the tiny retailer's series have before the earlier cutoff, some later, one never."""
KEY = ("unique_id", "cutoff", "demand_class", "model", "policy", "ds", "days", "bucket")
CLOCKS = ("seconds",)

Change = Callable[[pa.Table], pa.Table]
Known = tuple[int, dict[str, list[str]], list[float]]


def context_of(lake: Lakehouse, scope: int, *settings: str) -> RunContext:
    made = make_context(None, lake, None, AS_OF, *SETTINGS, *settings, force=True)
    clean = made.mapping.clean.model_copy(update={"min_selling_days": scope})
    return replace(made, mapping=made.mapping.model_copy(update={"clean": clean}))


def is_later(rows: pa.Table) -> pa.ChunkedArray:
    return pc.greater(rows["ds"], pa.scalar(CUTOFF, pa.date32()))


def with_column(rows: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), rows.schema.field(name), values)


def shuffled(rows: pa.Table) -> pa.Table:
    """Demand of the later days, their prices and promotions among each other, and many times as large."""
    later, rng = np.flatnonzero(is_later(rows).to_numpy()), np.random.default_rng(1)
    order = np.arange(rows.num_rows)
    order[later] = rng.permutation(later)
    for name in ("y", "y_latent", "y_latent_low", "y_latent_high", "unit_price", "is_promo", "is_censored"):
        values = rows[name].take(pa.array(order))
        if pa.types.is_floating(values.type):
            values = pc.if_else(is_later(rows), pc.multiply(values, 12.5), values)
        rows = with_column(rows, name, values)
    return rows


def sold_out(rows: pa.Table) -> pa.Table:
    """Nothing is sold on any later day, and all of it is promoted at a tenth of the price."""
    later = is_later(rows)
    for name in ("y", "y_latent"):
        rows = with_column(rows, name, pc.if_else(later, pa.scalar(0.0), rows[name]))
    cheap = pc.if_else(later, pc.multiply(rows["unit_price"], 0.1), rows["unit_price"])
    return with_column(with_column(rows, "unit_price", cheap), "is_promo", pc.or_(later, rows["is_promo"]))


def deleted(rows: pa.Table) -> pa.Table:
    """No later day of any article but one, without which nothing could be trained for the as-of day."""
    return rows.filter(pc.or_(pc.invert(is_later(rows)), pc.equal(rows["sku_id"], SKUS[-1])))


def joined(rows: pa.Table) -> pa.Table:
    """In every bucket a further series, of a store of its own, that begins after the cutoff."""
    new = rows.filter(is_later(rows))
    words = [f"T{bucket}" for bucket in new["bucket"].to_pylist()]
    for name, values in (
        ("sku_id", words),
        ("location_id", ["west"] * len(words)),
        ("channel_id", ["web"] * len(words)),
        ("unique_id", [f"{word}|west|web" for word in words]),
    ):
        new = with_column(new, name, pa.chunked_array([pa.array(values, pa.string())]))
    keys = new.select(["unique_id", "ds"]).to_pylist()
    first = {(row["unique_id"], row["ds"]): at for at, row in reversed([*enumerate(keys)])}
    return pa.concat_tables([rows, new.take(sorted(first.values()))])


def change(lake: Lakehouse, how: Change) -> None:
    """Write the days of sales anew, and a calendar in which all places turned out to be closed for three later days."""
    rows = how(lake.read_arrow(SALES)).sort_by([("unique_id", "ascending"), ("ds", "ascending")])
    write_deltalake(lake.uri(SALES), rows, mode="overwrite", partition_by=["bucket"])
    days = lake.read_arrow(CALENDAR)
    is_shut = pc.and_(is_later(days), pc.less_equal(days["ds"], pa.scalar(CUTOFF + timedelta(days=3), pa.date32())))
    write_deltalake(lake.uri(CALENDAR), with_column(days, "is_closed", is_shut), mode="overwrite")


def run(lake: Lakehouse, scope: int, *settings: str) -> RunContext:
    """The stages, on silver as it is now: as if cleaning had left it so."""
    context, fingerprints = context_of(lake, scope, *settings), {}
    stages = {stage.name: stage for stage in all_stages()}
    for name in ("ingest", "clean"):
        fingerprints[name] = fingerprint_of(context, stages[name], all_stages(), fingerprints)
    with stamped(Stamp("clean", fingerprints["clean"], context.run.run_id)):
        for table in stages["clean"].writes:
            Held(lake).record(table, [""])
    run_stages(context, STAGES)
    return context


def known_at_cutoff(lake: Lakehouse) -> Iterator[tuple[str, list[str]]]:
    """What was trained, chosen, forecast and replayed by `CUTOFF`: by table its rows, every digit of them."""
    for table, until in (
        ("forecast.demand", CUTOFF),
        ("forecast.champion", CUTOFF),
        ("forecast.lead_time_demand", CUTOFF),
        ("forecast.class_summary", CUTOFF),
        ("forecast.error_summary", CUTOFF),
        ("inventory.replay_summary", CUTOFF),
        # The days of a window, and of a replay, end a horizon after its cutoff.
        ("forecast.backtest", EARLIER),
        ("inventory.replay", EARLIER),
        # The next fit serves the cutoff of the replay too, whose totals its file holds.
        ("forecast.model", EARLIER - timedelta(days=2 * HORIZON)),
    ):
        rows = lake.read_arrow(table)
        rows = rows.filter(pc.less_equal(rows["cutoff"], pa.scalar(until, pa.date32())))
        rows = rows.drop_columns([name for name in CLOCKS if name in rows.column_names])
        rows = rows.sort_by([(name, "ascending") for name in KEY if name in rows.column_names])
        yield table, [repr(row) for row in rows.to_pylist()]


def plans_at_cutoff(context: RunContext) -> list[str]:
    """The levels that each policy of the replay of `CUTOFF` is given, which its days then meet."""
    found, spec, terms = [], context.settings.inventory, path_terms(context)
    pinned = {read.table: pin(context, replay.STAGE, read) for read in replay.STAGE.reads}
    for bucket in parts(context.lakehouse, "forecast.demand", "bucket"):
        inputs = {table: read_bucket(each, bucket) for table, each in pinned.items()}
        forecast, _ = read_forecast(champion_forecast(inputs, CUTOFF), CUTOFF, terms.levels)
        prices = prices_of(inputs, CUTOFF, spec, is_listed=False)
        known = (inputs[SUPPLY], prices, spec, terms, inputs[PRODUCT])
        situation, at = situation_of(forecast, CUTOFF, *known)
        for name, plan in plans_of(with_rivals(spec.candidates), situation).items():
            levels = zip(plan.reorder_point_SH.tolist(), plan.order_up_to_SH.tolist(), strict=True)
            found += [f"{forecast.unique_id_S[s]} {name} {both}" for s, both in zip(at, levels, strict=True)]
    return sorted(found)


def forecast_from(lake: Lakehouse, cutoff: date) -> list[float]:
    rows = lake.read_arrow("forecast.demand", filters=pc.field("cutoff") == cutoff)
    return rows.sort_by([(name, "ascending") for name in KEY if name in rows.column_names])["mean"].to_pylist()


@pytest.fixture(scope="module", params=[SCOPE, 0])
def untouched(request: pytest.FixtureRequest, featured: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Known:
    lake = copied(featured, tmp_path_factory.mktemp("hindsight") / "lake")
    context = run(lake, request.param)
    return request.param, dict(known_at_cutoff(lake)) | {"plans": plans_at_cutoff(context)}, forecast_from(lake, AS_OF)


@pytest.mark.parametrize("how", [shuffled, sold_out, deleted, joined])
def test_nothing_after_a_cutoff_changes_a_bit_of_what_was_known_at_it(
    untouched: Known, featured: Lakehouse, tmp_path: Path, how: Change
) -> None:
    lake, (scope, before, today) = copied(featured, tmp_path / "lake"), untouched
    change(lake, how)
    plans = plans_at_cutoff(run(lake, scope))
    for table, rows in (*known_at_cutoff(lake), ("plans", plans)):
        assert before[table], f"{table} has no row of {CUTOFF}: nothing would be compared"
        assert rows == before[table], table
    assert forecast_from(lake, AS_OF) != today, "the as-of day knows what has changed"


def test_prices_and_promotions_of_sales_are_known_ahead_where_the_settings_say_so(
    featured: Lakehouse, tmp_path: Path
) -> None:
    """The same comparison finds a single thing that is known too early."""
    found = []
    for number, how in enumerate((None, sold_out)):
        lake = copied(featured, tmp_path / str(number))
        if how:
            change(lake, how)
        run(lake, 0, 'forecast.future_prices="realised"')
        found.append(forecast_from(lake, CUTOFF))
    assert found[0] != found[1]

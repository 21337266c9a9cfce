"""Series whose stock nobody counts: a day's orders of many are a day's demand, on every day of a row of runs."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from tests.udfs.inventory.tables import (
    AS_OF,
    PATH_TERMS,
    demand_table,
    forecast_table,
    open_order_table,
    price_table,
    stock_table,
    supply_table,
)
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.plan_bucket import BucketPlan, plan_bucket
from udfs.inventory.kernels.stock_position import StockTables

RNG = np.random.default_rng(8)
IDS = [f"s{i:03d}" for i in range(1000)]
MEAN = RNG.gamma(1.2, 4.0, len(IDS))
DAY = timedelta(days=1)
LEFT = ["unique_id", "order_date", "order_qty", "expected_receipt_ds", "on_hand_qty"]


def plan(
    spec: InventorySpec,
    as_of: date = AS_OF,
    sold: pa.Table | None = None,
    earlier: pa.Table | None = None,
    pack: float = 1.0,
) -> BucketPlan:
    forecast = forecast_table({s: ([m] * 28, [np.sqrt(m)] * 28) for s, m in zip(IDS, MEAN, strict=True)})
    days = pa.array([day + (as_of - AS_OF) for day in forecast["ds"].to_pylist()], pa.date32())
    return plan_bucket(
        forecast.set_column(forecast.column_names.index("ds"), "ds", days),
        supply_table([(s, float(2 + i % 6), 0.5, 2.0, 1.0, pack) for i, s in enumerate(IDS)]),
        StockTables(stock_table(), sold or demand_table({}), earlier or open_order_table()),
        price_table([(s, 4.0) for s in IDS]),
        as_of,
        spec,
        PATH_TERMS,
    )


def ordered(found: BucketPlan) -> np.ndarray:
    assert found.failures.num_rows == 0
    return found.proposal.sort_by("unique_id")["order_qty"].to_numpy()


@pytest.mark.parametrize("policy", ["tuned_s_s", "tuned_base_stock", "s_s", "base_stock", "z_sigma"])
@pytest.mark.parametrize("pack", [1.0, 6.0])
def test_the_orders_of_a_day_are_about_a_days_demand(policy: str, pack: float) -> None:
    found = plan(InventorySpec(candidates=(policy,), n_paths=100, tuning_paths=60), pack=pack)
    assert ordered(found).sum() == pytest.approx(MEAN.sum(), rel=0.25)
    assert all(found.proposal["is_stock_assumed"].to_pylist())
    assert "the position is assumed to be one that its own policy brings about" in found.proposal["reason"][0].as_py()


def test_with_a_weekly_review_the_orders_of_the_day_are_those_of_a_week() -> None:
    spec = InventorySpec(candidates=("base_stock",), n_paths=100, tuning_paths=60, review_days=7, first_review=AS_OF)
    assert ordered(plan(spec)).sum() == pytest.approx(7.0 * MEAN.sum(), rel=0.25)
    assert ordered(plan(spec, AS_OF + DAY)).sum() == 0.0


def test_a_series_has_the_same_position_in_any_bucket() -> None:
    spec = InventorySpec(candidates=("tuned_s_s",), n_paths=60, tuning_paths=40)
    together = plan(spec).proposal.to_pylist()
    forecast = forecast_table({IDS[7]: ([MEAN[7]] * 28, [np.sqrt(MEAN[7])] * 28)})
    alone = plan_bucket(
        forecast,
        supply_table([(IDS[7], float(2 + 7 % 6), 0.5, 2.0, 1.0, 1.0)]),
        StockTables(stock_table(), demand_table({}), open_order_table()),
        price_table([(IDS[7], 4.0)]),
        AS_OF,
        spec,
        PATH_TERMS,
    )
    assert alone.proposal.to_pylist() == [together[7]]


@pytest.mark.parametrize("policy", ["tuned_s_s", "base_stock"])
def test_a_row_of_daily_runs_orders_what_is_sold_and_forgets_nothing(policy: str) -> None:
    """Each run knows the earlier plans and the sales since; the first one alone draws a position."""
    spec = InventorySpec(candidates=(policy,), n_paths=100, tuning_paths=60)
    sold: dict[str, dict[date, float | None]] = {s: {} for s in IDS}
    earlier: list[pa.Table] = []
    total, first = np.zeros(len(IDS)), np.zeros(len(IDS))
    for k in range(10):
        as_of = AS_OF + k * DAY
        if k:
            for s, m in zip(IDS, MEAN, strict=True):
                sold[s][as_of] = float(RNG.poisson(m))
        found = plan(spec, as_of, demand_table(sold) if k else None, pa.concat_tables(earlier) if earlier else None)
        assert ordered(found).sum() == pytest.approx(MEAN.sum(), rel=0.3)
        total += ordered(found)
        rows = found.proposal.to_pylist()
        if k:
            assert "the position is what the plan of the day before assumed" in rows[0]["reason"]
            came_in = [row["position_qty"] for row in rows]
            moved = first - np.array([sold[s][as_of] for s in IDS])
            np.testing.assert_allclose(came_in, np.maximum(moved, came_in), rtol=1e-9)
        first = np.array([row["position_qty"] + row["order_qty"] for row in rows])
        earlier.append(found.proposal.select(LEFT))
    assert total.sum() == pytest.approx(10 * MEAN.sum(), rel=0.1)


def test_an_earlier_plan_that_is_too_old_is_no_stock_known() -> None:
    spec = InventorySpec(candidates=("base_stock",), n_paths=60, tuning_paths=40, max_stock_age_days=3)
    before = plan(spec).proposal.select(LEFT)
    young, old = (plan(spec, AS_OF + k * DAY, earlier=before).proposal["reason"][0].as_py() for k in (3, 4))
    assert "the plan of 3 days before assumed" in young
    assert "its own policy brings about" in old

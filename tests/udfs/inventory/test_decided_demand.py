"""Demand that planners decided: the orders of a day are those of a forecast that says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lakehouse.delta.decisions import FORECAST_DAYS
from tests.udfs.inventory.tables import AS_OF, PATH_TERMS, forecast_table, price_table, stock_tables, supply_table
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.plan_bucket import BucketPlan, plan_bucket
from udfs.inventory.kernels.plan_tables import DECIDED
from udfs.inventory.orders.order_headline import LONGEST

SPEC = InventorySpec(candidates=("base_stock",), n_paths=200, tuning_paths=20, lead_time_days=2, service_level=0.9)
MEANS = [10.0] * 14


def decided(unique_id: str, days: Sequence[int], author: str = "Ana", **what: float) -> list[dict[str, Any]]:
    known = {"decided_factor": None, "decided_qty": None, "author": author, "note": "a fair", "decision_id": author}
    return [{"unique_id": unique_id, "ds": AS_OF + timedelta(days=day)} | known | what for day in days]


def planned(
    rows: Sequence[dict[str, Any]] = (),
    sds: Sequence[float] = (3.0,) * 14,
    means: Sequence[float] = MEANS,
    stock: float | None = 12.0,
    spec: InventorySpec = SPEC,
    closed: Sequence[int] = (),
) -> BucketPlan:
    forecast = forecast_table({name: (list(means), list(sds)) for name in ("a", "b")})
    ds = forecast["ds"].to_pylist()
    is_closed = [(day - AS_OF).days in closed for day in ds]
    return plan_bucket(
        forecast.append_column("is_closed", pa.array(is_closed)),
        supply_table(),
        stock_tables([(name, stock, 0.0, AS_OF) for name in ("a", "b")] if stock is not None else []),
        price_table([("a", 2.0), ("b", 2.0)]),
        AS_OF,
        spec,
        PATH_TERMS,
        decided=pa.Table.from_pylist(list(rows), schema=FORECAST_DAYS),
    )


def line(plan: BucketPlan, unique_id: str = "a") -> dict[str, Any]:
    (found,) = [row for row in plan.proposal.to_pylist() if row["unique_id"] == unique_id]
    return found


def without_words(plan: BucketPlan) -> list[dict[str, Any]]:
    return plan.proposal.drop_columns(["headline", "reason", "assumptions"]).to_pylist()


@pytest.mark.parametrize("stock", [12.0, None])
def test_a_factor_of_one_and_no_decision_give_the_same_orders(stock: float | None) -> None:
    without = planned(stock=stock)
    one = planned(decided("a", range(1, 15), decided_factor=1.0), stock=stock)
    assert without_words(one) == without_words(without)
    assert (one.policy.equals(without.policy), one.steps.equals(without.steps)) == (True, True)
    assert "(Ana: the model's); " in line(one)["headline"]
    assert without.decided.num_rows == 0
    assert planned(decided("c", [1], decided_factor=9.0)).proposal.equals(planned().proposal)


def test_orders_are_those_of_a_forecast_that_expects_it_by_hand() -> None:
    # Without scatter: 2 days of lead time and 1 of review need 10 + 15 + 15, 12 are there.
    sure = line(planned(decided("a", [2, 3], decided_factor=1.5), sds=[0.0] * 14))
    assert (sure["order_qty"], sure["demand_p50"], sure["daily_demand_qty"]) == (28.0, 40.0, pytest.approx(150 / 14))
    units = line(planned(decided("a", [2, 3], decided_qty=15.0), sds=[0.0] * 14))
    assert units["order_qty"] == 28.0
    assert line(planned(sds=[0.0] * 14))["order_qty"] == 18.0
    # With scatter: mean and deviation of all days doubled are a forecast of twice the numbers.
    double = planned(decided("a", range(1, 15), decided_factor=2.0), stock=20.0)
    twice = planned(sds=[6.0] * 14, means=[20.0] * 14, stock=20.0)
    for name in ("order_qty", "demand_p50", "demand_p90", "stockout_risk", "daily_demand_qty", "days_of_cover"):
        assert line(double)[name] == pytest.approx(line(twice)[name], rel=1e-9), name
    assert line(double, "b") == line(planned(stock=20.0), "b"), "the neighbour's is the model's"


def test_a_stock_that_nobody_counted_is_what_the_model_would_have_brought_about() -> None:
    without, double = planned(stock=None), planned(decided("a", [1, 2, 3], decided_factor=2.0), stock=None)
    assert line(double)["position_qty"] == line(without)["position_qty"]
    assert line(double)["is_stock_assumed"]
    assert line(double)["order_qty"] >= line(without)["order_qty"] + 25.0


def test_units_where_the_model_expects_next_to_nothing_are_counts_around_them() -> None:
    plan = planned(decided("a", [1, 2, 3], decided_qty=40.0), means=[0.0] * 14, sds=[0.0] * 14, stock=0.0)
    rows = [row for row in plan.decided.to_pylist() if row["decision_id"]]
    assert [(row["mean"], row["model_mean"], row["sd"] ** 2) for row in rows] == [(40.0, 0.0, pytest.approx(40.0))] * 3
    assert [(row["p05"], row["p95"]) for row in rows] == [(pytest.approx(30, abs=1), pytest.approx(51, abs=1))] * 3
    # The three days rise and fall together: three times the 90% quantile of one.
    assert line(plan)["demand_p90"] == pytest.approx(3 * rows[0]["p90"], abs=3.0)


def test_what_was_decided_is_said_and_on_record_beside_the_models() -> None:
    said = decided("a", [2, 3], decided_factor=1.5) + decided("a", [9], "Bo", decided_qty=0.0)
    plan = planned(said, closed=[3])
    found = line(plan)
    assert " (Ana: +50% on 2 of 3 days); " in found["headline"]
    assert "decided forecast" in found["assumptions"].split("; ")
    days = f"2 days from {AS_OF + timedelta(days=2)} to {AS_OF + timedelta(days=3)}"
    assert f" Ana expects +50% on {days}: a fair." in found["reason"]
    assert f" Bo expects 0 a day on {AS_OF + timedelta(days=9)}: a fair." in found["reason"]
    rows = plan.decided.to_pylist()
    assert [row["unique_id"] for row in rows] == ["a"] * 14
    assert [row["decision_id"] for row in rows[:4]] == [None, "Ana", "Ana", None]
    assert [row["mean"] for row in rows[:4]] == [10.0, 15.0, 10.0, 10.0], "a closed day stays as it is"
    assert {row["model_mean"] for row in rows} == {10.0}
    assert (rows[8]["mean"], rows[8]["p95"]) == (0.0, 0.0)
    assert np.diff([row["until_p90"] for row in rows]).min() >= 0.0
    assert plan.decided.schema.names == [f.name for f in planned().decided.schema], DECIDED


def test_a_long_name_leaves_the_headline_a_line() -> None:
    found = line(planned(decided("a", [1], "Ana " * 100, decided_factor=1.5)))
    assert len(found["headline"]) <= LONGEST
    assert "(Ana Ana" in found["headline"]


def test_a_decided_week_that_is_repeated_beyond_the_horizon_is_a_doubt() -> None:
    long = replace(SPEC, lead_time_days=20)
    assert line(planned(decided("a", [13, 14], decided_factor=2.0), spec=long))["doubts"].startswith(
        "decided forecast: 2 of the last 7 days forecast are as a planner decided"
    )
    assert line(planned(decided("a", [3], decided_factor=2.0), spec=long))["doubts"] is None

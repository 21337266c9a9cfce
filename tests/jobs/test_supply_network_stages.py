"""Purchase and network as stages: what they make of the feeds, that orders follow, and that they are silent without."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.explain.plan_side import PlanSide
from jobs.explain.rerun import Rerun
from jobs.pipeline import run_stages
from lakehouse.delta.io import Lakehouse
from tests.conftest import once
from tests.jobs.run_tool import copied, day, make_context
from tests.tiny_retailer import SKUS, STORES, write_feeds

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

AS_OF = day(120)  # a Monday, on which both suppliers take orders
QUICK = ('forecast.model="seasonal_naive"', "replays=1", 'inventory.candidates=["base_stock"]')
SUPPLIERS = [
    ("Near", 4.0, 0.0, "", 0.0, 0.0, "", "", "", ""),
    ("Far", 20.0, 60.0, 400.0, 2.0, 0.1, 48, 0.05, "", "Mon, Thu"),
]


def _write(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_suppliers(folder: Path) -> None:
    terms = ("lead_time_days", "order_cost", "unit_cost", "moq_qty", "pack_qty")
    rows: list[tuple[object, ...]] = []
    for i, sku in enumerate(SKUS):
        for store in STORES:
            rows.append((sku, store, "Near", 2, 0.1, 1.5, 6, 6))
            rows.append((sku, store, "Far", "" if i == 0 else 9, 0.1, 1.1, 12, 12))
    _write(folder / "supply.csv", ("sku_id", "location_id", "supplier_id", *terms), rows)
    of_supplier = ("order_cost", "minimum_value", "truck_qty", "lead_time_sd_days", "added_share", "break_qty")
    header = ("supplier_id", *of_supplier, "break_share", "review_days", "review_weekdays")
    _write(folder / "suppliers.csv", header, SUPPLIERS)


@pytest.fixture(scope="module")
def bought(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    def build(folder: Path) -> None:
        feeds = write_feeds(tmp_path_factory.mktemp("suppliers"))
        write_suppliers(feeds)
        run_stages(make_context(spark, Lakehouse(str(folder)), feeds, AS_OF, *QUICK))

    return copied(Lakehouse(str(once(tmp_path_factory, "bought", build))), tmp_path_factory.mktemp("bought") / "lake")


def test_every_series_has_a_supplier_and_a_reason(bought: Lakehouse) -> None:
    plan = bought.read_arrow("network.purchase_plan").to_pylist()
    assert {row["unique_id"] for row in plan} == set(bought.read_arrow("inventory.policy")["unique_id"].to_pylist())
    without = [row for row in plan if row["unique_id"].startswith(f"{SKUS[0]}|")]
    assert {row["supplier_id"] for row in without} == {"Near"}  # the other states no lead time for it
    assert all(row["reason"].endswith("No other supplier offers it.") for row in without)
    others = [row for row in plan if row not in without]
    assert all(
        row["runner_up_supplier_id"] and "would" in row["reason"] for row in others if row["sourcing"] == "single"
    )
    failures = bought.read_arrow("ops.failure").to_pylist()
    assert {(row["stage"], row["fallback"]) for row in failures} == {("purchase", "other candidates")}
    assert all("supplier Far: lead time: expected days >= 0, found nan" in row["error"] for row in failures)


def test_orders_are_what_is_bought(bought: Lakehouse) -> None:
    orders = {row["unique_id"]: row for row in bought.read_arrow("gold.order_plan").to_pylist()}
    purchases = bought.read_arrow("network.purchase_order").to_pylist()
    quantity: dict[str, float] = {}
    for row in purchases:
        quantity[row["unique_id"]] = quantity.get(row["unique_id"], 0.0) + row["purchase_qty"]
        assert row["purchase_qty"] % (12 if row["supplier_id"] == "Far" else 6) == 0.0
        assert f"from {row['supplier_id']}" in orders[row["unique_id"]]["reason"]
    put_off = [row for row in purchases if row["purchase_note"] == "no order day of the supplier"]
    assert put_off or sum(quantity.values()) > 0.0
    assert all(row["purchase_qty"] == 0.0 for row in put_off)
    assert {unique_id: orders[unique_id]["order_qty"] for unique_id in quantity} == quantity
    for row in orders.values():
        if row["order_qty"] and row["order_value"]:
            assert row["order_value"] == pytest.approx(row["order_qty"] * row["unit_cost"])
            assert row["order_qty"] % row["pack_qty"] == 0.0
    named = {row["unique_id"]: row["supplier_id"] for row in purchases if row["purchase_qty"] > 0.0}
    assert all(name in orders[unique_id]["supplier_id"].split(" + ") for unique_id, name in named.items())
    far = sum(row["purchase_value"] for row in purchases if row["supplier_id"] == "Far")
    notes = [row["purchase_note"] or "" for row in purchases if row["supplier_id"] == "Far" and row["purchase_qty"]]
    assert far == 0.0 or far >= 60.0 or all("short of its minimum" in note for note in notes)


def test_a_budget_holds_for_what_is_bought_too(bought: Lakehouse, tmp_path: Path) -> None:
    lake = copied(bought, tmp_path / "lake")
    values = [row["order_value"] for row in bought.read_arrow("inventory.order_plan").to_pylist()]
    wanted = [value for value in values if value]
    assert len(wanted) > 1
    budget = 0.9 * math.fsum(wanted)
    run_stages(make_context(None, lake, None, AS_OF, *QUICK, f"inventory.budget={budget}"), ["order"])
    orders = lake.read_arrow("inventory.order_plan").to_pylist()
    assert 0.0 < math.fsum(row["order_value"] for row in orders) <= budget
    waiting = [row for row in orders if row["main_reason"] == "budget and capacity"]
    assert waiting
    assert all(row["order_qty"] == 0.0 and "goes to what lasts less" in row["reason"] for row in waiting)


def test_a_line_that_is_bought_is_made_again_as_it_was(bought: Lakehouse) -> None:
    [run_id] = bought.read_arrow("gold.order_plan")["run_id"].unique().to_pylist()
    for unique_id in bought.read_arrow("network.purchase_order")["unique_id"].unique().to_pylist()[:3]:
        side = PlanSide.of(bought, run_id, unique_id, None)
        again = Rerun(side, side).order([])
        assert (again.qty, again.value) == (side.published["order_qty"], side.published["order_value"])


def test_without_the_feed_nothing_is_made_or_changed(finished: Lakehouse) -> None:
    assert not any(finished.exists(name) for name in ("silver.offer", "silver.supplier"))
    made = ("network.purchase_order", "network.purchase_plan", "network.level", "network.allocation")
    assert not any(finished.exists(name) and finished.rows(name) for name in made)

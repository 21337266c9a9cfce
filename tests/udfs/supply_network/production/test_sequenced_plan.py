"""A plan in sequence: what changeovers change, what waits for components, and what is said where it does not fit."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa
import pytest

from udfs.supply_network.production.production_spec import ProductionSpec
from udfs.supply_network.production.production_tables import ProductionFeeds, ProductionTables, plan_production

AS_OF = date(2024, 3, 3)
SPEC = ProductionSpec(rounds=20)
MONDAY = AS_OF + timedelta(days=1)
PAIRS = [
    {"resource_id": "line", "from_sku_id": a, "to_sku_id": b, "setup_hours": hours, "setup_cost": None}
    for a, b, hours in (("dark", "milk", 4.0), ("milk", "white", 0.5), ("dark", "white", 3.0), ("milk", "dark", 0.25))
]


def table(rows: list[dict[str, object]], *columns: str) -> pa.Table:
    return pa.Table.from_pylist(rows) if rows else pa.table({name: pa.array([], pa.string()) for name in columns})


def chocolate(hours: float = 40.0, pairs: list[dict[str, object]] | None = None) -> ProductionFeeds:
    """Three bars on one line, wanted on all days, in two weeks: the dark one is out of stock first, then the white."""
    bars, days = ("dark", "milk", "white"), [MONDAY + timedelta(days=k) for k in range(14)]
    routing = {"resource_id": "line", "unit_hours": 0.1, "setup_hours": 2.0, "setup_cost": 1.0, "unit_cost": 10.0}
    shifts = [MONDAY, MONDAY + timedelta(days=7)]
    return ProductionFeeds(
        bom=table([], "sku_id", "component_sku_id", "component_qty"),
        routings=table([{"sku_id": bar} | routing for bar in bars]),
        resources=table(
            [
                {"resource_id": "line", "ds_from": day, "ds_to": day + timedelta(days=4), "capacity_hours": hours}
                | {"overtime_hours": None, "overtime_cost": None}
                for day in shifts
            ]
        ),
        changeovers=table(pairs or []),
        demand=table([{"sku_id": bar, "ds": day, "qty": 10.0} for bar in bars for day in days]),
        stock=table(
            [{"sku_id": "dark", "qty": 5.0}, {"sku_id": "white", "qty": 25.0}, {"sku_id": "milk", "qty": 45.0}]
        ),
    )


def planned(feeds: ProductionFeeds, said: list[str] | None = None) -> ProductionTables:
    return plan_production(feeds, AS_OF, 14, SPEC, (said if said is not None else []).append)


def orders(found: ProductionTables) -> list[list[str]]:
    weeks = sorted({row["ds_from"] for row in found.sequence})
    return [[row["sku_id"] for row in found.sequence if row["ds_from"] == week] for week in weeks]


def test_without_changeovers_the_order_is_by_due_date_and_what_goes_on_needs_no_set_up() -> None:
    said: list[str] = []
    found = planned(chocolate(), said)
    assert orders(found) == [["dark", "white", "milk"], ["milk", "white", "dark"]]
    assert [row["due_ds"].day for row in found.sequence[:3]] == [4, 6, 8]
    assert [row["setup_source"] for row in found.sequence] == [*["routings"] * 3, "same_item", *["routings"] * 2]
    assert {row["sequence_gap"] for row in found.sequence} == {None}
    first = found.sequence[0]
    assert first["start_hours"] == 0.0
    assert first["end_hours"] == pytest.approx(2.0 + 0.1 * first["lot_qty"])
    assert first["done_ds"] == MONDAY + timedelta(days=int(first["end_hours"] // 8))
    assert found.exceptions == []
    assert "by due date, for no feed states changeovers: set-ups take 10 hours, 12 in the plan" in said[1]


def test_changeovers_are_kept_short_over_both_periods_and_pairs_not_stated_are_marked() -> None:
    pytest.importorskip("ortools")
    found = planned(chocolate(pairs=PAIRS))
    assert orders(found) == [["milk", "dark", "white"], ["white", "milk", "dark"]]
    assert [row["setup_hours"] for row in found.sequence] == [2.0, 0.25, 3.0, 0.0, 2.0, 0.25]
    assert [row["setup_source"] for row in found.sequence[3:]] == ["same_item", "routings", "changeovers"]
    assert {row["sequence_gap"] for row in found.sequence} == {0.0}
    dear = [pair | {"setup_cost": 100.0 if pair["setup_hours"] == 0.25 else 0.0} for pair in PAIRS]
    assert all(row["setup_cost"] < 100.0 for row in planned(chocolate(pairs=dear)).sequence), "costs come first"


def test_what_does_not_fit_is_an_exception_with_its_hours() -> None:
    pytest.importorskip("ortools")
    assert planned(chocolate(hours=27.5)).exceptions == []
    slow = [
        {"resource_id": "line", "from_sku_id": a, "to_sku_id": b, "setup_hours": 6.0, "setup_cost": None}
        for a in ("dark", "milk", "white")
        for b in ("dark", "milk", "white")
        if a != b
    ]
    late = planned(chocolate(hours=27.5, pairs=slow)).exceptions
    assert {row["exception_kind"] for row in late} == {"late_lot"}
    assert all(row["binds"].startswith("line from") and row["late_qty"] > 0 for row in late)
    assert "set-ups take 12, in the plan 6" in late[0]["words"]


def bikes(press_first: bool) -> ProductionFeeds:
    """A bike of a frame, on the line; the frame on the press, or on the line as well."""
    feeds = chocolate(hours=60.0)
    press = {"resource_id": "press" if press_first else "line", "unit_hours": 0.2, "setup_hours": 1.0}
    money = {"setup_cost": 1.0, "unit_cost": 10.0}
    rows = [
        {"sku_id": "bike", "resource_id": "line", "unit_hours": 0.2, "setup_hours": 1.0},
        {"sku_id": "frame"} | press,
    ]
    resources = feeds.resources.to_pylist()
    return replace(
        feeds,
        bom=table([{"sku_id": "bike", "component_sku_id": "frame", "component_qty": 1.0}]),
        routings=table([row | money for row in rows]),
        resources=table([row | {"resource_id": name} for row in resources for name in ("line", "press")]),
        demand=table([{"sku_id": "bike", "ds": MONDAY + timedelta(days=k), "qty": 10.0} for k in range(14)]),
    )


@pytest.mark.parametrize("press_first", [True, False])
def test_a_product_waits_for_the_component_of_its_period(press_first: bool) -> None:
    found = planned(bikes(press_first))
    by_lot = {(row["sku_id"], row["ds_from"]): row for row in found.sequence}
    for (sku, week), bike in by_lot.items():
        if sku == "bike" and ("frame", week) in by_lot:
            runs = bike["start_hours"] + bike["setup_hours"]
            assert runs >= by_lot["frame", week]["end_hours"] - 1e-9, "both have the same shifts"
    assert found.exceptions == []
    # Half the hours, of which the plan lets both use all: on two resources one after the other does not fit.
    short = replace(
        bikes(press_first),
        resources=table(
            [
                row | {"capacity_hours": 17.0 if press_first else 34.0}
                for row in bikes(press_first).resources.to_pylist()
            ]
        ),
    )
    late = planned(short).exceptions
    assert {row["exception_kind"] for row in late} == ({"late_lot"} if press_first else set())
    assert all("waits for components" in row["words"] for row in late)


def test_where_two_resources_wait_for_each_other_what_cannot_be_is_said() -> None:
    """Two bikes and their frames, each made where the other's bike is: one of the lines is put in sequence first."""
    feeds, kinds = bikes(press_first=True), (("a", "line", "press"), ("b", "press", "line"))
    money = {"unit_hours": 0.2, "setup_hours": 1.0, "setup_cost": 1.0, "unit_cost": 10.0}
    made = [
        (f"{what}_{kind}", name) for kind, *names in kinds for what, name in zip(("bike", "frame"), names, strict=True)
    ]
    crossed = replace(
        feeds,
        bom=table([{"sku_id": f"bike_{k}", "component_sku_id": f"frame_{k}", "component_qty": 1.0} for k in "ab"]),
        routings=table([{"sku_id": sku, "resource_id": name} | money for sku, name in made]),
        demand=table([row | {"sku_id": f"bike_{k}"} for row in feeds.demand.to_pylist() for k in "ab"]),
    )
    late = planned(crossed).exceptions
    assert {(row["sku_id"], row["exception_kind"]) for row in late} == {("bike_a", "late_component")}
    assert all(row["words"].endswith("begins before what goes into it is made: frame_a") for row in late)


def test_a_matrix_that_cannot_be_meant_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    good = PAIRS[0]
    for change, words in (
        ({"resource_id": "lien"}, "expected a resource of the feed resources, found lien from dark to milk on lien"),
        ({"from_sku_id": "drak"}, "expected articles of the feed routings, found drak"),
        ({"setup_hours": -1.0}, "expected setup_hours >= 0, found -1.0 from dark to milk on line"),
        ({"setup_hours": float("nan")}, "expected setup_hours >= 0, found nan"),
        ({"setup_cost": float("inf")}, "expected setup_cost >= 0, found inf"),
        ({}, "expected one row for each pair, found two from dark to milk on line"),
    ):
        with pytest.raises(ValueError, match=f"changeovers: {words}"):
            planned(chocolate(pairs=[good, good | change]))
    monkeypatch.setitem(sys.modules, "ortools.sat.python", None)
    with pytest.raises(ValueError, match=r"expected ortools, .*pip install 'shelfcast\[production\]'"):
        planned(chocolate(pairs=PAIRS))
    with pytest.raises(ValueError, match=r"ProductionSpec.sequence_work: expected work > 0, found 0"):
        ProductionSpec(sequence_work=0)

"""Levels and allocations of a network: against the two-echelon optimum, and what is said of a file that is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lakehouse.schema.tables import contract
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.theory.network.two_echelon import TwoEchelon, optimal_levels
from udfs.supply_network.network_map import NetworkMap
from udfs.supply_network.network_tables import ALLOCATION, LEVEL, network_tables

TOLD: dict[str, Any] = {
    "suppliers": {"mill": {"departments": ["food"]}},
    "depots": {"dc": {"regions": ["N"]}},
    "lanes": [{"from": "mill", "to": ["dc"], "days": 6}, {"from": "dc", "to": "N", "days": 1}],
}
SERIES = ("a|s1|all", "a|s2|all", "b|s1|all")


def tables(told: dict[str, Any] = TOLD, **stock: float) -> tuple[pa.Table, pa.Table, list[tuple[str, str]]]:
    policy = [
        {
            "unique_id": s, "lead_time_days": 3.0, "review_days": 1.0, "demand_mean": 8.0, "demand_sd": 4.0,
            "service_level": 0.95, "unit_cost": 2.0, "unit_price": 3.0 + k,
        }
        for k, s in enumerate(SERIES)
    ]  # fmt: skip
    proposal = [{"unique_id": s, "position_qty": 1.0, "order_qty": 5.0} for s in SERIES]
    counts = [{"unique_id": f"a|{place}|all", "ds": 1, "on_hand_qty": count} for place, count in stock.items()]
    return network_tables(
        NetworkMap.of(told),
        policy=pa.Table.from_pylist(policy),
        proposal=pa.Table.from_pylist(proposal),
        products=pa.table({"sku_id": ["a", "b"], "department": ["food", "toys"]}),
        locations=pa.table({"location_id": ["s1", "s2"], "region": ["N", "N"]}),
        stock=pa.Table.from_pylist(counts) if counts else pa.table({"unique_id": [], "ds": [], "on_hand_qty": []}),
        spec=InventorySpec(),
    )


def test_levels_are_those_of_the_two_echelon_system() -> None:
    levels, _, failures = tables()
    contract(LEVEL).conform(levels)
    holding = 2.0 * 0.25 / 365.0
    known = optimal_levels(TwoEchelon([2.0, 2.0], 6.0, 2.0, holding, holding, holding * 19.0, 2.0), "negative_binomial")
    found = {row["stage_name"]: row for row in levels.to_pylist()}
    assert found["dc"]["level_qty"] == known.dc_level_S[0]
    assert [found[s]["level_qty"] for s in ("s1", "s2")] == known.store_level_SC[0].tolist()
    assert found["s1"]["network_cost"] == pytest.approx(known.cost_S[0])
    assert found["s1"]["network_cost"] < found["s1"]["alone_cost"]
    assert failures == [
        (
            "b|s1|all",
            "network: expected a supplier for department 'toys', found none; add it to the file of the network",
        )
    ]


def test_a_depot_supplies_locations_in_days_of_their_own() -> None:
    told = TOLD | {
        "depots": {"dc": {"regions": ["N"], "locations": ["s2"]}},
        "lanes": [*TOLD["lanes"], {"from": "dc", "to": "s2", "days": 7}],
    }
    levels, _, _ = tables(told)
    found = {row["stage_name"]: row for row in levels.to_pylist()}
    assert (found["s1"]["stage_lead_days"], found["s2"]["stage_lead_days"]) == (1.0, 7.0)
    assert found["s2"]["level_qty"] > found["s1"]["level_qty"]


def test_a_short_depot_gives_to_the_location_that_earns_most() -> None:
    _, shares, _ = tables(dc=2.0)
    contract(ALLOCATION).conform(shares)
    rows = {row["unique_id"]: row for row in shares.to_pylist()}
    assert rows["a|s1|all"]["pool_qty"] == 2.0
    assert not rows["a|s1|all"]["is_pool_assumed"]
    given = [rows[s]["allocated_qty"] for s in SERIES[:2]]
    assert sum(given) == 2.0
    assert given[1] >= given[0]  # its margin is twice the other's
    _, plenty, _ = tables(dc=100.0)
    assert plenty["allocated_qty"].to_pylist() == [5.0, 5.0], "each gets what it wants, and no more"
    _, less, _ = tables(dc=9.0)
    assert 8.0 <= sum(less["allocated_qty"].to_pylist()) <= 9.0
    assert max(less["allocated_qty"].to_pylist()) == 5.0
    _, assumed, _ = tables()
    assert all(assumed["is_pool_assumed"].to_pylist())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lanes": [*TOLD["lanes"], {"from": "dc", "to": "mill", "days": 1}]}, "expected no cycle, found"),
        ({"lanes": [*TOLD["lanes"], {"from": "dc", "to": "moon", "days": 1}]}, "lane dc -> moon leads to nowhere"),
        ({"lanes": [*TOLD["lanes"], {"from": "dc", "to": "N", "days": 1}]}, "lane dc -> N: expected it once"),
        ({"lanes": TOLD["lanes"][:1]}, "expected a lane dc -> N, found none; add it"),
        ({"lanes": [{"from": "mill", "to": "dc", "days": -1}]}, "lane mill -> dc: expected days >= 0, found -1"),
        (
            {"depots": {"dc": {"regions": ["N"]}, "dc2": {"regions": ["N"]}}},
            "'N': expected one depot, found 'dc' and 'dc2'",
        ),
        ({"depots": {}}, "network: expected depots with regions or locations, found none"),
        (
            {"suppliers": {"mill": {"departments": ["food"], "cost_share": 0}}},
            "suppliers.mill.cost_share: expected a numb",
        ),
        (
            {"suppliers": {"mill": {"departments": ["food"], "price": 1}}},
            "suppliers.mill: expected departments, cost_share",
        ),
        ({"roads": []}, r"network: expected assumed, suppliers, depots and lanes, found \['roads'\]"),
    ],
)
def test_a_file_that_is_wrong_says_what(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkMap.of(TOLD | changes)


def test_the_network_of_m5_is_one() -> None:
    from jobs.settings import conf_dir
    from lakehouse.toml_file import TomlFile

    network = NetworkMap.of(TomlFile.read(conf_dir() / "networks" / "m5.toml").values)
    assert network.is_assumed
    assert np.unique([network.days["foods", depot] for depot in network.depot_of.values()]).tolist() == [5.0]

"""What suppliers of a network's file ask, where no feed says it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import table_of_rows
from udfs.supply_network.network_map import NetworkMap


def assumed_offers(
    network: NetworkMap, policy: pa.Table, products: pa.Table, locations: pa.Table
) -> tuple[pa.Table, pa.Table]:
    """Rows as of silver.offer and silver.supplier: each supplier of a series' department, over its region's depot.

    policy: rows of inventory.policy, whose unit cost is the usual one. products: sku_id, department. locations:
    location_id, region. A series that the network does not reach, or whose cost nobody knows, has no offer.
    """
    department = dict(zip(products["sku_id"].to_pylist(), products["department"].to_pylist(), strict=True))
    region = dict(zip(locations["location_id"].to_pylist(), locations["region"].to_pylist(), strict=True))
    offers: list[dict[str, Any]] = []
    for row in policy.select(["unique_id", "unit_cost"]).to_pylist():
        sku, location, _ = SERIES.split(row["unique_id"])
        place, cost = network.place_of(location, region.get(location)), row["unit_cost"]
        if place is None or not cost:
            continue
        for name in network.suppliers_of.get(department.get(sku) or "", ()):
            asked = cost * network.terms[name].get("cost_share", 1.0)
            depot = network.depot_of[place]
            days = network.days[name, depot] + network.days[depot, place]
            of_series = {"unique_id": row["unique_id"], "supplier_id": name}
            offers.append(of_series | {"unit_cost": asked, "lead_time_days": days})
    suppliers = [{"supplier_id": name} | network.terms[name] for name in sorted({o["supplier_id"] for o in offers})]
    tables = ("silver.offer", offers), ("silver.supplier", suppliers)
    offer, supplier = (table_of_rows(name, rows, is_sparse=True) for name, rows in tables)
    return offer, supplier

"""A network of suppliers, depots and regions: who supplies whom, in how many days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from udfs.supply_network.lanes import Lanes


@dataclass(frozen=True, slots=True)
class NetworkMap:
    """supplier_of: department -> supplier. depot_of: region -> depot. days: (from, to) -> days of the lane. is_assumed:
    whether its terms are made up."""

    supplier_of: dict[str, str]
    depot_of: dict[str, str]
    days: dict[tuple[str, str], float]
    is_assumed: bool = False

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> NetworkMap:
        """The network that a file of conf/networks tells of.

        Raises ValueError for a key that is unknown or missing, a department or region with two suppliers or depots, a
        lane to nowhere or twice, a cycle, days below 0, or a depot that a lane lacks.
        """
        if unknown := sorted(set(told) - {"assumed", "suppliers", "depots", "lanes"}):
            raise ValueError(f"network: expected assumed, suppliers, depots and lanes, found {unknown}")
        suppliers, depots = dict(told.get("suppliers", {})), dict(told.get("depots", {}))
        supplier_of = _owners(suppliers, "departments", "suppliers")
        depot_of = _owners(depots, "regions", "depots")
        days: dict[tuple[str, str], float] = {}
        for lane in told.get("lanes", ()):
            for to in [lane["to"]] if isinstance(lane.get("to"), str) else lane.get("to", ()):
                if not isinstance(lane.get("days"), int | float) or lane["days"] < 0:
                    raise ValueError(f"lane {lane.get('from')} -> {to}: expected days >= 0, found {lane.get('days')!r}")
                if (lane["from"], to) in days:
                    raise ValueError(f"lane {lane['from']} -> {to}: expected it once, found it twice")
                days[lane["from"], to] = float(lane["days"])
        Lanes.of(list(days), [*suppliers, *depots, *depot_of])
        for region, depot in depot_of.items():
            wanted = [(depot, region), *((supplier, depot) for supplier in suppliers)]
            if missing := [lane for lane in wanted if lane not in days]:
                raise ValueError(f"network: expected a lane {missing[0][0]} -> {missing[0][1]}, found none; add it")
        return cls(supplier_of, depot_of, days, bool(told.get("assumed", False)))


def _owners(owners: Mapping[str, Any], key: str, what: str) -> dict[str, str]:
    """Who has each department or region."""
    found: dict[str, str] = {}
    for owner, terms in owners.items():
        if set(terms) != {key}:
            raise ValueError(f"{what}.{owner}: expected {key}, found {sorted(terms)}")
        for each in terms[key]:
            if each in found:
                raise ValueError(f"{key} {each!r}: expected one of {what}, found {found[each]!r} and {owner!r}")
            found[each] = owner
    if not found:
        raise ValueError(f"network: expected {what} with {key}, found none")
    return found

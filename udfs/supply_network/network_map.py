"""A network of suppliers, depots and regions: who supplies whom, in how many days, on which terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from udfs.supply_network.lanes import Lanes

TERMS = (
    "cost_share", "order_cost", "minimum_value", "truck_qty", "lead_time_sd_days", "added_share", "review_days",
    "review_weekdays",
)  # fmt: skip
"""What a file may say of a supplier: columns of the feed suppliers, and what a unit costs as a share of the usual."""

_ABOVE_0 = ("cost_share", "truck_qty", "review_days")


@dataclass(frozen=True, slots=True)
class NetworkMap:
    """suppliers_of: department -> its suppliers, the usual one first. depot_of: region or location -> depot. days:
    (from, to) -> days of the lane. terms: of each supplier what the file says, of `TERMS`. is_assumed: whether all is
    made up."""

    suppliers_of: dict[str, tuple[str, ...]]
    depot_of: dict[str, str]
    days: dict[tuple[str, str], float]
    terms: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_assumed: bool = False

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> NetworkMap:
        """The network that a file of conf/networks tells of.

        Raises ValueError for a key that is unknown or missing, a term that is no number in range, a place with two
        depots, a lane to nowhere or twice, a cycle, days below 0, or a depot that a lane lacks.
        """
        if unknown := sorted(set(told) - {"assumed", "suppliers", "depots", "lanes"}):
            raise ValueError(f"network: expected assumed, suppliers, depots and lanes, found {unknown}")
        suppliers, depots = dict(told.get("suppliers", {})), dict(told.get("depots", {}))
        owners = _owners(suppliers, ("departments",), "suppliers", TERMS)
        depot_of = {}
        for place, names in _owners(depots, ("regions", "locations"), "depots", ()).items():
            if len(names) > 1:
                raise ValueError(f"{place!r}: expected one depot, found {names[0]!r} and {names[1]!r}")
            depot_of[place] = names[0]
        days = _lane_days(told.get("lanes", ()))
        Lanes.of(list(days), [*suppliers, *depots, *depot_of])
        for place, depot in depot_of.items():
            wanted = [(depot, place), *((supplier, depot) for supplier in suppliers)]
            if missing := [lane for lane in wanted if lane not in days]:
                raise ValueError(f"network: expected a lane {missing[0][0]} -> {missing[0][1]}, found none; add it")
        terms = {name: _terms(name, said) for name, said in suppliers.items()}
        return cls(owners, depot_of, days, terms, bool(told.get("assumed", False)))

    def place_of(self, location: str, region: str | None) -> str | None:
        """What a depot supplies of a location: itself, or its region; None where no depot does."""
        return next((place for place in (location, region) if place in self.depot_of), None)

    @property
    def has_terms(self) -> bool:
        """Whether the file says anything of what suppliers ask."""
        return any(self.terms.values())


def _lane_days(lanes: Any) -> dict[tuple[str, str], float]:
    days: dict[tuple[str, str], float] = {}
    for lane in lanes:
        for to in [lane["to"]] if isinstance(lane.get("to"), str) else lane.get("to", ()):
            if not isinstance(lane.get("days"), int | float) or lane["days"] < 0:
                raise ValueError(f"lane {lane.get('from')} -> {to}: expected days >= 0, found {lane.get('days')!r}")
            if (lane["from"], to) in days:
                raise ValueError(f"lane {lane['from']} -> {to}: expected it once, found it twice")
            days[lane["from"], to] = float(lane["days"])
    return days


def _owners(
    owners: Mapping[str, Any], keys: tuple[str, ...], what: str, more: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """Who has each department or place, in the order of the file."""
    found: dict[str, tuple[str, ...]] = {}
    for owner, said in owners.items():
        if not set(said) & set(keys) or set(said) - {*keys, *more}:
            raise ValueError(f"{what}.{owner}: expected {', '.join((*keys, *more))}, found {sorted(said)}")
        for each in (name for key in keys for name in said.get(key, ())):
            found[each] = (*found.get(each, ()), owner)
    if not found:
        raise ValueError(f"network: expected {what} with {' or '.join(keys)}, found none")
    return found


def _terms(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """The terms of a supplier, checked."""
    terms = {key: said[key] for key in TERMS if key in said}
    for key, value in terms.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if key == "review_weekdays":
            expected, is_good = "a text such as 'Mon, Thu'", isinstance(value, str)
        elif key in _ABOVE_0:
            expected, is_good = "a number > 0", is_number and value > 0
        else:
            expected, is_good = "a number >= 0", is_number and value >= 0
        if not is_good:
            raise ValueError(f"suppliers.{name}.{key}: expected {expected}, found {value!r}")
    return terms

"""The depots, locations, vehicles and ways that a run ships by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.stages.fulfilment.fulfilment_settings import FULFILMENT
from jobs.stages.supply_network.network_file import network_of
from lakehouse.errors import SourceError
from lakehouse.schema.column_types import sql_type
from lakehouse.schema.columns import COLUMNS, schema_of
from lakehouse.schema.tables import FEEDS, table_of_rows
from lakehouse.transforms.silver.cleaning import clean_feed
from udfs.fulfilment.fleet import Vehicle, assumed_fleet, fleets_of
from udfs.fulfilment.fulfilment_spec import FulfilmentSpec
from udfs.fulfilment.made_up_places import made_up_places
from udfs.fulfilment.places import Place, places_of
from udfs.fulfilment.ship_days import LONGEST_DAYS, ship_day
from udfs.fulfilment.time_of_day import DAY_S

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

VEHICLE, LEG, SLOT = "fulfilment.vehicle", "fulfilment.leg", "fulfilment.slot"
_LOCATIONS, _CALENDAR = "silver.locations", "silver.calendar"


@dataclass(frozen=True)
class ShipNetwork:
    """fleets: by depot. closed: (location, day) known to be shut. ways: rows of the feed travel, None without one.
    slots: of the feed slots."""

    places: Mapping[str, Place]
    fleets: Mapping[str, tuple[Vehicle, ...]]
    closed: frozenset[tuple[str, date]]
    ways: DataFrame | None
    slots: pa.Table
    spec: FulfilmentSpec

    def fleet(self, depot: str) -> tuple[Vehicle, ...]:
        """Its vehicles: none where a feed states those of other depots, assumed ones where there is no feed."""
        return self.fleets.get(depot, ()) if self.fleets else assumed_fleet(self.spec)

    def depots(self) -> list[str]:
        """Those that some location can be supplied from."""
        return sorted({str(place.depot_id) for place in self.places.values() if place.fault is None and place.depot_id})

    def capacities(self) -> dict[str, tuple[tuple[float, float], ...]]:
        """Litres and kilograms of each vehicle, by depot."""
        return {depot: tuple((v.litres, v.kg) for v in self.fleet(depot) if v.count) for depot in self.depots()}

    def day_of(self, location: str, order_date: date, due: date | None) -> tuple[Any, ...]:
        """Location, order and receipt day, depot, its day, until when it may wait; or a code and words why not."""
        key = (location, order_date, due)
        place = self.places.get(location)
        if place is None or place.depot_id is None or place.fault:
            code, words = place.fault if place and place.fault else ("no_depot", f"{location} has no depot")
            return (*key, None, None, None, code, words)
        depot, weekdays = place.depot_id, {day for v in self.fleet(place.depot_id) for day in v.weekdays}

        def is_possible(day: date) -> bool:
            is_shut = (location, day) in self.closed or (depot, day) in self.closed
            return not is_shut and (day.isoweekday() in weekdays or not self.fleet(depot))

        found = ship_day(order_date, due or order_date, is_possible)
        if found is None:
            words = f"{depot} ships on no day within {LONGEST_DAYS} days of {due} on which {location} receives"
            return (*key, None, None, None, "no_shipping_day", words)
        return (*key, depot, found.ds, found.wait_until, None, None)

    def place_rows(self) -> pa.Table:
        """What a shipment says of its location."""
        names = ("location_id", "latitude", "longitude", "window_from_s", "window_to_s", "service_s",
                 "is_place_assumed", "is_fleet_assumed", "is_travel_assumed")  # fmt: skip
        rows = [
            (p.location_id, p.latitude, p.longitude, *p.window, p.service_s,
             p.is_assumed or self.places[str(p.depot_id)].is_assumed, not self.fleets, self.ways is None)
            for p in self.places.values()
            if p.fault is None and p.depot_id in self.places
        ]  # fmt: skip
        return pa.table(
            [list(column) for column in zip(*rows, strict=True)] if rows else [[]] * len(names), list(names)
        )

    def small_tables(self) -> dict[str, pa.Table]:
        """Rows of fulfilment.vehicle and .slot."""
        rows = [_vehicle_row(self.places[depot], each) for depot in self.depots() for each in self.fleet(depot)]
        return {VEHICLE: table_of_rows(VEHICLE, rows), SLOT: self.slots}

    def legs(self, loads: DataFrame) -> dict[str, DataFrame]:
        """Rows of fulfilment.leg: stated ways between the places of each depot's day."""
        if self.ways is None:
            return {}
        stops = loads.select("depot_day_id", "bucket", "location_id").distinct()
        depots = loads.select("depot_day_id", "bucket", F.col("depot_id").alias("location_id")).distinct()
        ends = stops.union(depots).distinct()
        start = ends.withColumnRenamed("location_id", "from_location_id")
        end = ends.select("depot_day_id", F.col("location_id").alias("to_location_id"))
        return {LEG: start.join(end, "depot_day_id").join(self.ways, ["from_location_id", "to_location_id"])}


def ship_network(context: RunContext, frames: Frames) -> ShipNetwork | None:
    """None where no location has coordinates. Raises SourceError for vehicles or places that cannot be read."""
    spec, network = FULFILMENT.of(context.settings), network_of(context)
    depot_of = network.depot_of if network else {}
    # Without Spark: most runs find here that there is nothing to do.
    found = context.lakehouse.dataset(_LOCATIONS, frames.version(_LOCATIONS)).to_table().to_pylist()
    rows = [row | {"is_place_assumed": False} for row in found]
    try:
        if spec.places == "generated":
            rows = made_up_places(rows, depot_of, context.mapping.country or "US")
        elif all(row["latitude"] is None or row["longitude"] is None for row in rows):
            return None
        fleets = fleets_of(_rows(context, frames, "vehicles").to_pylist(), spec)
    except ValueError as error:
        raise SourceError(str(error)) from error
    ways = _stated(context, frames, "travel") if _is_delivered(context, "travel") else None
    slots = table_of_rows(SLOT, _rows(context, frames, "slots").to_pylist())
    return ShipNetwork(places_of(rows, depot_of, spec), fleets, _closed(context, frames), ways, slots, spec)


def _closed(context: RunContext, frames: Frames) -> frozenset[tuple[str, date]]:
    """Locations and days on which they are known to be shut."""
    first, last = context.as_of, context.as_of + timedelta(days=2 * LONGEST_DAYS)
    shut = pc.field("is_closed_planned") & (pc.field("ds") > first) & (pc.field("ds") <= last)
    days = context.lakehouse.dataset(_CALENDAR, frames.version(_CALENDAR)).to_table(["location_id", "ds"], filter=shut)
    return frozenset(zip(days["location_id"].to_pylist(), days["ds"].to_pylist(), strict=True))


def _is_delivered(context: RunContext, feed: str) -> bool:
    return feed in context.mapping.feeds and context.lakehouse.has_rows(f"bronze.{feed}")


def _rows(context: RunContext, frames: Frames, feed: str) -> pa.Table:
    """Rows of a small feed; none where the source has no such feed."""
    if not _is_delivered(context, feed):
        return schema_of(FEEDS[feed].columns).empty_table()
    return _stated(context, frames, feed).toArrow()


def _stated(context: RunContext, frames: Frames, feed: str) -> DataFrame:
    """Rows of a feed that count, typed."""
    rows = clean_feed(frames[f"bronze.{feed}"], feed, context.mapping).accepted
    return rows.select(*(F.col(name).cast(sql_type(COLUMNS[name].type)).alias(name) for name in FEEDS[feed].columns))


def _vehicle_row(depot: Place, vehicle: Vehicle) -> dict[str, Any]:
    # A depot that states no hours is open: shifts say when its vehicles leave, and by when they are back.
    window = depot.window if depot.has_hours else (0, 2 * DAY_S)
    return {
        "depot_id": depot.location_id,
        "vehicle_type": vehicle.vehicle_type,
        "vehicle_count": vehicle.count,
        "capacity_litres": None if math.isinf(vehicle.litres) else vehicle.litres,
        "capacity_kg": None if math.isinf(vehicle.kg) else vehicle.kg,
        "fixed_cost": vehicle.fixed_cost,
        "km_cost": vehicle.km_cost,
        "hour_cost": vehicle.hour_cost,
        "shift_from_s": vehicle.shift[0],
        "shift_to_s": vehicle.shift[1],
        "break_minutes": vehicle.break_s / 60,
        "most_trips": vehicle.most_trips,
        "ship_weekdays": ",".join(str(day) for day in sorted(vehicle.weekdays)),
        "latitude": depot.latitude,
        "longitude": depot.longitude,
        "window_from_s": window[0],
        "window_to_s": window[1],
        "is_fleet_assumed": vehicle.is_assumed,
    }

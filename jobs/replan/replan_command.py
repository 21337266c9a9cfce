"""The command `shelfcast replan`: a depot's day planned again while it runs."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from jobs.arguments import day, lakehouse_of
from lakehouse.errors import ConfigError
from lakehouse.schema.entities import DEPOT_DAY
from lakehouse.schema.tables import contract

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.delta.io import Lakehouse
    from udfs.fulfilment.day_changes import DayChanges

_REPLAN = "fulfilment.replan"


def replan_command(commands: argparse._SubParsersAction) -> None:
    replan = commands.add_parser("replan", help="plan a depot's day again while it runs: what has left stays")
    replan.add_argument("--lakehouse", required=True)
    replan.add_argument("--depot", required=True)
    replan.add_argument("--day", type=day, required=True, metavar="DATE", help="the depot's day")
    replan.add_argument("--now", required=True, metavar="HH:MM", help="vehicles that left before stay as they are")
    replan.add_argument("--cancel", action="append", default=[], metavar="LOCATION", help="it wants nothing any more")
    replan.add_argument(
        "--load", action="append", default=[], metavar="LOCATION=LITRES[,KG]", help="what it gets instead"
    )
    replan.add_argument(
        "--window", action="append", default=[], metavar="LOCATION=HH:MM-HH:MM", help="when it receives instead"
    )
    replan.add_argument("--vehicles", action="append", default=[], metavar="TYPE=COUNT", help="how many there are now")
    replan.set_defaults(action=_replan)


def _replan(options: argparse.Namespace) -> int:
    from udfs.fulfilment.replanned_day import RunningDay, replanned
    from udfs.fulfilment.time_of_day import seconds_of

    lake, name = lakehouse_of(options), DEPOT_DAY.key(options.depot, options.day)
    if (now_s := seconds_of(options.now)) is None:
        raise ConfigError(f"--now: expected a time as hh:mm, found {options.now!r}")
    run = _run_of(lake, name)
    shipments = _rows(lake, "fulfilment.shipment", run, name).to_pylist()
    fleet = lake.read_arrow("fulfilment.vehicle", filters=_where(run, depot_id=options.depot)).to_pylist()
    legs = _rows(lake, "fulfilment.leg", run, name).to_pylist()
    ways = {(row["from_location_id"], row["to_location_id"]): (row["metres"], row["travel_seconds"]) for row in legs}
    number, changes, stops = _last(lake, run, name)
    more = _told(options)
    stated = None if shipments[0]["is_travel_assumed"] else ways
    running = RunningDay(options.day, shipments, fleet, stated, changes, stops)
    try:
        rows = replanned(running, more, now_s, _spec(lake, run))
    except ValueError as error:
        raise ConfigError(f"replan: {error}") from error
    said = {"depot_day_id": name, "replan_number": number, "replan_s": now_s, "run_id": run}
    said["changes"] = json.dumps(changes.then(more).plain())
    lake.append(_REPLAN, _table([row | said for row in rows]))
    print(_text(name, rows), end="")
    return 0


def _run_of(lake: Lakehouse, name: str) -> str:
    """The run that planned the depot's day last."""
    days = lake.read_arrow("fulfilment.depot_day", filters=pc.field("depot_day_id") == name)
    runs = lake.read_arrow("ops.run", columns=["run_id", "started_at"], filters=pc.field("stage") == "route")
    started = {row["run_id"]: row["started_at"] for row in runs.to_pylist()}
    if not days.num_rows:
        raise ConfigError(f"no routes of {name}; `SELECT depot_day_id FROM fulfilment.depot_day` lists what is planned")
    return str(max(days["run_id"].to_pylist(), key=lambda run: (started.get(run) is not None, started.get(run))))


def _where(run: str, **values: Any) -> pc.Expression:
    found = pc.field("run_id") == run
    for column, value in values.items():
        found &= pc.field(column) == value
    return found


def _rows(lake: Lakehouse, table: str, run: str, name: str) -> pa.Table:
    return lake.read_arrow(table, filters=_where(run, depot_day_id=name))


def _last(lake: Lakehouse, run: str, name: str) -> tuple[int, DayChanges, list[dict[str, Any]]]:
    """The number of the next plan, and the changes and stops of the last one."""
    from udfs.fulfilment.day_changes import DayChanges

    earlier = _rows(lake, _REPLAN, run, name).to_pylist()
    if earlier:
        number = max(row["replan_number"] for row in earlier)
        last = [row for row in earlier if row["replan_number"] == number]
        return number + 1, DayChanges.of(json.loads(last[0]["changes"])), [row for row in last if row["route_id"]]
    routes = {row["route_id"]: row for row in _rows(lake, "fulfilment.route", run, name).to_pylist()}
    stops = _rows(lake, "fulfilment.stop", run, name).to_pylist()
    of_route = ("vehicle_type", "depart_s")
    return 1, DayChanges(), [row | {each: routes[row["route_id"]][each] for each in of_route} for row in stops]


def _told(options: argparse.Namespace) -> DayChanges:
    from udfs.fulfilment.day_changes import DayChanges

    try:
        loads = [(name, *(float(each) for each in text.split(","))) for name, text in _pairs(options.load)]
        vehicles = tuple((name, int(text)) for name, text in _pairs(options.vehicles))
    except ValueError:
        raise ConfigError(
            "--load LOCATION=LITRES[,KG], --vehicles TYPE=COUNT: expected numbers, found others"
        ) from None
    windows = tuple((name, *text.split("-", 1)) for name, text in _pairs(options.window))
    if bad := [each for each in windows if len(each) != 3]:
        raise ConfigError(f"--window: expected LOCATION=HH:MM-HH:MM, found {'='.join(bad[0])!r}")
    full = tuple((name, amounts[0], amounts[1] if len(amounts) > 1 else 0.0) for name, *amounts in loads)
    return DayChanges(tuple(options.cancel), full, windows, vehicles)  # type: ignore[arg-type]


def _pairs(texts: list[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        name, mark, value = text.rpartition("=")
        if not mark or not name or not value:
            raise ConfigError(f"expected NAME=VALUE, found {text!r}")
        pairs.append((name, value))
    return pairs


def _spec(lake: Lakehouse, run: str) -> Any:
    from jobs.run_settings import recorded_settings
    from jobs.stages.fulfilment.fulfilment_settings import FULFILMENT
    from udfs.fulfilment.fulfilment_spec import FulfilmentSpec

    found = recorded_settings(lake, run)
    return FULFILMENT.of(found[0]) if found else FulfilmentSpec()


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist(rows, schema=contract(_REPLAN).arrow_schema(with_partitions=True))


def _text(name: str, rows: list[dict[str, Any]]) -> str:
    """The new stops, vehicle by vehicle, and what changed."""
    from udfs.fulfilment.time_of_day import time_of

    lines = []
    for row in sorted(rows, key=lambda row: (row["route_id"] or "~", row["stop_position"] or 0)):
        if row["route_id"] is None:
            lines.append(f"not served: {row['location_id']} ({row['shipment_id']}): {row['reason']}")
            continue
        why = f": {row['reason']}" if row["reason"] else ""
        vehicle = f"{row['vehicle_type']} {row['route_id'].rpartition(':')[2]}"
        lines.append(f"{vehicle:12} {time_of(row['arrive_s'])}  {row['location_id']}  {row['stop_state']}{why}")
    kept = sum(row["stop_state"] in ("departed", "kept") for row in rows)
    return "\n".join([f"{name}: {kept} of {len(rows)} stops stay as they were", *lines]) + "\n"

"""The command `shelfcast explain`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.arguments import day, lakehouse_of, positive
from lakehouse.errors import ConfigError, ContractError, ShelfcastError

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.explain.order_change import OrderChange
    from jobs.explain.plan_side import PlanSide
    from jobs.views.plans import Plan
    from lakehouse.delta.io import Lakehouse


def explain_command(commands: argparse._SubParsersAction) -> None:
    explain = commands.add_parser("explain", help="why an order is another than in an earlier plan, cause by cause")
    explain.add_argument("sku", metavar="SKU", nargs="?", help="the SKU, or a series' id (sku|location|channel)")
    explain.add_argument("--location", help="of the series, where the SKU has several")
    explain.add_argument("--channel", help="of the series, where the SKU has several")
    explain.add_argument(
        "--largest",
        type=positive,
        metavar="N",
        help="instead of one SKU: the N series whose orders changed most in money, but those in gold.order_change",
    )
    explain.add_argument("--lakehouse", required=True)
    explain.add_argument("--as-of", type=day, metavar="DATE", help="day of the plan (the latest)")
    explain.add_argument("--against", metavar="DATE|RUN_ID", help="the plan to compare it with (the one before)")
    explain.add_argument("--save", action="store_true", help="put the parts into gold.order_change, too")
    explain.add_argument("--source", help="source mapping, where a run is too old to have noted its settings")
    explain.add_argument("--conf", type=Path, help="settings of such a run")
    explain.add_argument("--set", action="append", metavar="KEY=VALUE", help="one setting of such a run")
    explain.set_defaults(action=_explain)


def _explain(options: argparse.Namespace) -> int:
    from jobs.views.explanation import text_of
    from jobs.views.plans import plans
    from jobs.views.series import series_of

    if (options.sku is None) == (options.largest is None):
        raise ConfigError("expected a SKU or --largest N; say which orders to explain")
    lake = lakehouse_of(options)
    plan, against = plans(lake, options.as_of, options.against)
    if options.largest:
        return _explain_largest(options, lake, plan, against)
    unique_id = series_of(lake, plan.as_of, options.sku, options.location, options.channel)
    print(text_of(_change(options, lake, _sides(options, lake, (against, plan.run_id), unique_id))), end="")
    return 0


def _explain_largest(options: argparse.Namespace, lake: Lakehouse, plan: Plan, against: str) -> int:
    """What was found is kept where one series fails, which is told at the end."""
    from jobs.views.explanation import line_of
    from jobs.views.plans import known_changes, largest_changes, published_plan

    before = published_plan(lake, against)
    largest, changed = largest_changes(lake, plan, before, options.largest)
    known = set(known_changes(lake, plan, before)["unique_id"].to_pylist())
    asked = [unique_id for unique_id in largest if unique_id not in known]
    sides, failed = _sides(options, lake, (against, plan.run_id), asked[0]) if asked else (), list[str]()
    for unique_id in asked:
        try:
            sides = tuple(side.of_series(unique_id) for side in sides)
            print(line_of(_change(options, lake, sides)), flush=True)
        except ShelfcastError as error:
            failed.append(f"{unique_id}: {error}")
    print(
        f"{plan.as_of} against {before.as_of}: {changed:,} orders changed in money; of the largest {len(largest)}, "
        f"{len(asked) - len(failed)} explained now, {len(largest) - len(asked)} before"
    )
    if failed:
        raise ContractError(f"{len(failed)} could not be explained; the first is {failed[0]}")
    return 0


def _sides(options: argparse.Namespace, lake: Lakehouse, runs: tuple[str, str], unique_id: str) -> tuple[PlanSide, ...]:
    from jobs.explain.plan_side import PlanSide

    default = _default(options, lake)
    return tuple(PlanSide.of(lake, run, unique_id, default) for run in runs)


def _change(options: argparse.Namespace, lake: Lakehouse, sides: tuple[PlanSide, ...]) -> OrderChange:
    from jobs.explain.order_change import explain, save

    change = explain(*sides)
    if options.save:
        save(lake, change)
    return change


def _default(options: argparse.Namespace, lake: Lakehouse) -> RunContext | None:
    """What stands in for settings that a run did not note."""
    if not options.source:
        return None
    from jobs.context import RunContext
    from jobs.settings import load_mapping, load_settings
    from jobs.views.series import published_day

    settings, mapping = load_settings(options.conf, options.set or []), load_mapping(options.source)
    return RunContext(settings, mapping, lake, published_day(lake, options.as_of))

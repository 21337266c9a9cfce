"""The command `shelfcast explain`."""

from __future__ import annotations

import argparse
from pathlib import Path

from jobs.arguments import day, lakehouse_of
from lakehouse.delta.lock import WriterLock


def explain_command(commands: argparse._SubParsersAction) -> None:
    explain = commands.add_parser("explain", help="why an order is another than in an earlier plan, cause by cause")
    explain.add_argument("sku", metavar="SKU", help="the SKU, or a series' id (sku|location|channel)")
    explain.add_argument("--location", help="of the series, where the SKU has several")
    explain.add_argument("--channel", help="of the series, where the SKU has several")
    explain.add_argument("--lakehouse", required=True)
    explain.add_argument("--as-of", type=day, metavar="DATE", help="day of the plan (the latest)")
    explain.add_argument("--against", metavar="DATE|RUN_ID", help="the plan to compare it with (the one before)")
    explain.add_argument("--save", action="store_true", help="put the parts into gold.order_change, too")
    explain.add_argument("--source", help="source mapping, where a run is too old to have noted its settings")
    explain.add_argument("--conf", type=Path, help="settings of such a run")
    explain.add_argument("--set", action="append", metavar="KEY=VALUE", help="one setting of such a run")
    explain.set_defaults(action=_explain)


def _explain(options: argparse.Namespace) -> int:
    from jobs.context import RunContext
    from jobs.explain.order_change import explain, save
    from jobs.explain.plan_side import PlanSide
    from jobs.settings import load_mapping, load_settings
    from jobs.views.explanation import plans, text_of
    from jobs.views.series import series_of

    lake = lakehouse_of(options)
    (as_of, run), against = plans(lake, options.as_of, options.against)
    unique_id = series_of(lake, as_of, options.sku, options.location, options.channel)
    default = None
    if options.source:
        settings, mapping = load_settings(options.conf, options.set or []), load_mapping(options.source)
        default = RunContext(settings, mapping, lake, as_of)
    sides = [PlanSide.of(lake, each, unique_id, default) for each in (against, run)]
    change = explain(*sides)
    if options.save:
        with WriterLock(lake):
            save(lake, change)
    print(text_of(change), end="")
    return 0

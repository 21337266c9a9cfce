"""What a person should know about the feeds, in the run's summary and in `shelfcast status`."""

from __future__ import annotations

import textwrap

from lakehouse.delta.io import Lakehouse
from lakehouse.feeds.findings import TABLE

_WIDTH = 150


def findings(lake: Lakehouse) -> str:
    """The findings of all stages, a paragraph each; '' where there are none."""
    if not lake.exists(TABLE):
        return ""
    rows = sorted(lake.read_arrow(TABLE).to_pylist(), key=lambda row: (row["stage"], row["feed"], row["finding"]))
    if not rows:
        return ""
    told = [
        textwrap.fill(f"{row['feed']}: {row['words']}", _WIDTH, initial_indent="  - ", subsequent_indent="    ")
        for row in rows
    ]
    return "\n".join(["what the feeds did not say, or said in a way that cannot be used:", *told, _more(rows), ""])


def _more(rows: list[dict[str, object]]) -> str:
    """The one command that shows more."""
    shown = {
        "rows_rejected": "ops.quarantine (each row)",
        "values_lost": "ops.value_lost",
        "days_masked": "silver.sales_daily WHERE masked_by IS NOT NULL",
        "implausible_units": "silver.sales_daily WHERE y_bound IS NOT NULL",
        "implausible_prices": "silver.sales_daily WHERE price_bound IS NOT NULL",
    }
    tables = [shown[name] for name in dict.fromkeys(str(row["finding"]) for row in rows) if name in shown]
    return "  `shelfcast status` shows them again with the counts of all rows" + (
        f"; tables: {', '.join(tables)}" if tables else ""
    )

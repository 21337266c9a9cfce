"""A planner's decision about lines of a published plan, as the command line takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow.compute as pc

from jobs.views.series import PLAN, published_day, series_of
from lakehouse.delta.decisions import Decision, record
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError

ALL_RULES = "all"


@dataclass(frozen=True, slots=True)
class Said:
    """What was said. Exactly one of `order` (units), `confirm` (a rule, or all) and `withdraw`; `sku` is a SKU or a
    series of the plan; `location` and `channel` narrow it. No `since`: the last day published; no `until`: that day."""

    sku: str
    author: str
    note: str
    order: float | None = None
    confirm: str | None = None
    withdraw: bool = False
    location: str | None = None
    channel: str | None = None
    since: date | None = None
    until: date | None = None


def override(lake: Lakehouse, said: Said) -> str:
    """Record it and say for what; the next run of these days goes by it.

    Raises ConfigError where nothing or several things are said, and for a SKU that the plan does not have or that
    stands for several series.
    """
    if (said.order is not None) + (said.confirm is not None) + said.withdraw != 1:
        raise ConfigError("expected one of --order, --confirm and --withdraw; say what is decided")
    day = published_day(lake, None)
    unique_id = series_of(lake, day, said.sku, said.location, said.channel)
    of_series = (pc.field("as_of") == day) & (pc.field("unique_id") == unique_id)
    [line] = lake.read_arrow(PLAN, filters=of_series).to_pylist()
    decision = decision_of(line, said)
    record(lake, [decision])
    return f"{decided_words(line, decision)}\n"


def decision_of(line: Mapping[str, Any], said: Said) -> Decision:
    """What was said of a line, a row of gold.order_plan. Raises ConfigError for what cannot be decided."""
    day = line["as_of"]
    return Decision(
        decision="order" if said.order is not None else "confirm" if said.confirm else "withdraw",
        unique_id=line["unique_id"],
        author=said.author,
        note=said.note,
        valid_from=said.since or day,
        valid_to=said.until or max(said.since or day, day),
        decided_qty=said.order if said.order is not None else float(line["order_qty"]) if said.confirm else None,
        check_rule=said.confirm if said.confirm not in (None, ALL_RULES) else None,
    )


def decided_words(line: Mapping[str, Any], decision: Decision) -> str:
    """For what series and days something is decided, what, and when it counts."""
    days = str(decision.valid_from) + (f" to {decision.valid_to}" if decision.valid_to > decision.valid_from else "")
    what = {
        "order": f"order {decision.decided_qty:g} instead of {line['order_qty']:g}"
        if decision.decided_qty is not None
        else "",
        "confirm": f"confirmed up to {line['order_qty']:g} units ({decision.check_rule or ALL_RULES})",
        "withdraw": "earlier decisions withdrawn",
    }[decision.decision]
    return f"{line['unique_id']}, {days}: {what}; the next run of these days goes by it"

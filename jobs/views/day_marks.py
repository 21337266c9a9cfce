"""What was or will be special about a day of a series: promoted, closed, a holiday or an event, out of stock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
import pyarrow.compute as pc
from matplotlib.axes import Axes

from jobs.views.charts import GREEN, GREY, day_bands
from jobs.views.series import calendar_events, read_series
from lakehouse.delta.io import Lakehouse

PROMOTED, CLOSED, EVENT = "promoted", "closed", "holiday, event or closed day"
MARKS = (PROMOTED, CLOSED, EVENT)
"""What `mark_days` calls its bands and lines in a legend."""
_MOST_NAMED = 8  # events of a panel whose names can be read beside each other


@dataclass(frozen=True, slots=True)
class DayMarks:
    """`promoted`: unique_id, ds, of days sold and days ahead whose promotion a feed states. `events`: location_id, ds,
    is_closed, words. `is_planned`: unique_ids that a feed states the days ahead of."""

    promoted: pd.DataFrame
    events: pd.DataFrame
    is_planned: frozenset[str]


def read_day_marks(lake: Lakehouse, chosen: pd.DataFrame, since: date, until: date) -> DayMarks:
    """Of chosen rows of gold.order_plan, the days after `since` up to `until`."""
    days = (pc.field("ds") > since) & (pc.field("ds") <= until)
    columns = ["unique_id", "ds", "is_promo"]
    sold = read_series(lake, "silver.sales_daily", chosen, columns, days)
    planned = read_series(lake, "silver.planned_daily", chosen, columns, days)
    stated = planned[planned["is_promo"].notna()]
    both = pd.concat([sold, stated])
    promoted = both.loc[both["is_promo"] == True, ["unique_id", "ds"]].drop_duplicates()  # noqa: E712
    return DayMarks(
        promoted, calendar_events(lake, set(chosen["location_id"]), since, until), frozenset(stated["unique_id"])
    )


def mark_days(axes: Axes, marks: DayMarks, row: Any, *, with_names: bool = True) -> None:
    """Bands behind the promoted and closed days of a row of gold.order_plan, lines at its events with their names."""
    promoted = marks.promoted.loc[marks.promoted["unique_id"] == row.unique_id, "ds"]
    day_bands(axes, promoted, color=GREEN, alpha=0.14, lw=0, label=PROMOTED, zorder=0)
    events = marks.events[marks.events["location_id"] == row.location_id]
    closed: dict[str, Any] = {"facecolor": "#D9D9D9", "edgecolor": GREY, "hatch": "////", "lw": 0}
    day_bands(axes, events.loc[events["is_closed"], "ds"], label=CLOSED, zorder=0, **closed)
    for number, event in enumerate(events.itertuples()):
        axes.axvline(event.ds, color=GREY, lw=0.8, ls=":", label=EVENT, zorder=1)
        if with_names and len(events) <= _MOST_NAMED:
            _name(axes, event, number)


def event_words(marks: DayMarks, row: Any) -> str:
    """The events of a row's location with their days, '' for none."""
    events = marks.events[marks.events["location_id"] == row.location_id]
    return ", ".join(f"{event.words} ({event.ds.day} {event.ds:%b})" for event in events.itertuples())


def _name(axes: Axes, event: Any, number: int) -> None:
    """Along its line, from the top; the names of neighbouring days would lie on each other, so they alternate."""
    words = event.words if len(event.words) <= 26 else event.words[:24].rstrip() + "..."
    at = (event.ds, 0.99)
    offset = (-2, 0) if number % 2 else (2, 0)
    style: dict[str, Any] = {"rotation": 90, "fontsize": 7.5, "color": GREY, "va": "top", "zorder": 6}
    axes.annotate(
        words,
        at,
        xycoords=("data", "axes fraction"),
        xytext=offset,
        textcoords="offset points",
        ha="right" if number % 2 else "left",
        **style,
    )

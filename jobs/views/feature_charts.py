"""Pictures of a series' features over time: what a model sees, the evening before each day."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jobs.views.charts import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    day_axis,
    empty_panel,
    headline,
    panel_grid,
    panel_title,
    series_name,
    shared_legend,
    styled,
)
from jobs.views.day_marks import MARKS, DayMarks, event_words, mark_days

_ZERO_SHARES = ["zero_share_7", "zero_share_28", "zero_share_56"]
_COLORS = (BLUE, ORANGE, PURPLE)


@styled()
def feature_panels(row: Any, features: pd.DataFrame, groups: pd.DataFrame, marks: DayMarks) -> Figure:
    """The features of one series over time, its promoted and closed days and events marked.

    row: of gold.order_plan. features: rows of features.sku_daily of the series. groups: what `read_groups` gives.
    """
    demand = partial(_demand, events=event_words(marks, row))
    draw: list[Callable[[Axes, pd.DataFrame], None]] = [demand, _weekdays, _spread, _zeros, _prices]
    draw.append(partial(_groups, groups=groups))
    figure, panels = panel_grid(len(draw), row_height=3.9)
    for axes, panel in zip(panels, draw, strict=True):
        panel(axes, features)
        if axes.axison:
            low, high = axes.get_ylim()
            axes.set_ylim(low, low + 1.3 * (high - low))
            axes.legend(loc="upper left", fontsize=8.5, ncols=3)
            day_axis(axes)
            mark_days(axes, marks, row, with_names=False)
    shared_legend(figure, panels, MARKS)
    headline(figure, f"{series_name(row)}: features.sku_daily, each value as known the evening before its day")
    return figure


def _demand(axes: Axes, features: pd.DataFrame, events: str) -> None:
    axes.plot(features["ds"], features["y"], color=GREY, lw=0.8, marker=".", ms=4, label="y, units sold")
    differs = features["y_latent"].notna() & (features["y"] != features["y_latent"])
    if differs.any():
        days = features[differs]
        axes.plot(days["ds"], days["y_latent"], "D", color=VERMILLION, ms=4, label="y_latent where it is not y")
    for color, window in zip(_COLORS, (7, 28, 56), strict=True):
        axes.plot(
            features["ds"], features[f"rolling_mean_{window}"], color=color, lw=1.6, label=f"rolling_mean_{window}"
        )
    axes.set_ylim(0, None)
    axes.set_ylabel("units a day")
    panel_title(axes, "Demand and its level", f"A level holds the days before, never its own. {events}")


def _weekdays(axes: Axes, features: pd.DataFrame) -> None:
    axes.plot(features["ds"], features["y"], color=GREY, lw=0.8, marker=".", ms=4, label="y, units sold")
    for color, weeks in zip(_COLORS, (4, 8), strict=False):
        axes.plot(features["ds"], features[f"weekday_mean_{weeks}"], color=color, lw=1.4, label=f"weekday_mean_{weeks}")
    axes.set_ylim(0, None)
    axes.set_ylabel("units a day")
    panel_title(
        axes, "The same weekday of earlier weeks", "A saw-tooth that meets the units: the week's season is real."
    )


def _spread(axes: Axes, features: pd.DataFrame) -> None:
    for color, window in zip(_COLORS, (7, 28, 56), strict=True):
        axes.plot(features["ds"], features[f"rolling_std_{window}"], color=color, lw=1.4, label=f"rolling_std_{window}")
    axes.set_ylim(0, None)
    axes.set_ylabel("units")
    panel_title(axes, "Spread of the days before", "A promotion lifts it until the window has passed.")


def _zeros(axes: Axes, features: pd.DataFrame) -> None:
    for color, window in zip(_COLORS, (7, 28, 56), strict=True):
        axes.plot(features["ds"], features[f"zero_share_{window}"], color=color, lw=1.4, label=f"zero_share_{window}")
    idle = features["days_since_sale"].fillna(features["history_days"])
    axes.set_ylim(0, max(0.05, 1.02 * float(np.nan_to_num(features[_ZERO_SHARES].to_numpy()).max())))
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}" if share <= 1.0 else "")
    axes.set_ylabel("share of days without a sale")
    small_print = f"days_since_sale: {idle.iloc[-1]:,.0f} on the last day, {idle.max():,.0f} at most in the days shown."
    panel_title(axes, "Days without a sale", small_print)


def _prices(axes: Axes, features: pd.DataFrame) -> None:
    known = features.dropna(subset=["unit_price"])
    if known.empty:
        panel_title(axes, "Price", "")
        empty_panel(axes, "No price is known.")
        return
    axes.step(known["ds"], known["unit_price"], where="mid", color=BLUE, lw=1.6, label="unit_price")
    usual = known["unit_price"] / known["price_ratio_28"]
    axes.plot(known["ds"], usual, color=ORANGE, lw=1.2, ls="--", label="unit_price / price_ratio_28: its usual price")
    axes.set_ylim(0, None)
    axes.set_ylabel("price")
    panel_title(
        axes, "Price against the 28 days before", "A day below its usual price sells more: price_ratio_28 says so."
    )


def _groups(axes: Axes, _: pd.DataFrame, groups: pd.DataFrame) -> None:
    panel_title(axes, "What series share", "Trailing 28-day mean of each group, over its own mean in the days shown.")
    if groups.empty:
        words = "features.group_daily has no rows of this series' groups:\nno model in use reads what series share."
        empty_panel(axes, words)
        return
    colors = dict(zip(("sku", "location, department", "location", "all"), (BLUE, GREEN, SKY, BLACK), strict=True))
    for level, rows in groups.groupby("level"):
        mean = rows["trailing_mean_28"] / max(float(np.nan_to_num(rows["trailing_mean_28"].mean())), 1e-9)
        label = f"{level}, {rows['series'].iloc[-1]:,.0f} series"
        axes.plot(rows["ds"], mean, color=colors.get(str(level), GREY), lw=1.5, label=label)
    axes.set_ylabel("over its own mean")

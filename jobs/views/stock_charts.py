"""Pictures of the projected stock of series, with the order of the plan."""

from __future__ import annotations

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
    PURPLE,
    SKY,
    VERMILLION,
    day_axis,
    day_words,
    days_words,
    panel_grid,
    panel_title,
    series_name,
    shared_legend,
    styled,
)

_MOST_DAYS = 36_500  # a cover longer than a calendar can say


@styled()
def stock_projections(chosen: pd.DataFrame, policy: pd.DataFrame, lead_time: pd.DataFrame) -> Figure:
    """One panel per chosen series: stock after each day with the order of the plan, at mean and at p90 demand.

    chosen: rows of gold.order_plan. policy: rows of inventory.policy. lead_time: rows of forecast.lead_time_demand from
    the as-of day.
    """
    figure, panels = panel_grid(len(chosen), row_height=4.6)
    policies = policy.set_index("unique_id").to_dict("index")
    rows: list[Any] = list(chosen.itertuples())
    for axes, row in zip(panels, rows, strict=True):
        summed = lead_time[lead_time["unique_id"] == row.unique_id].sort_values("days")
        terms = policies[row.unique_id]
        _projection(axes, row, summed, int(terms["lead_time_days"] + terms["review_days"]))
        panel_title(axes, series_name(row), f"{row.headline or row.reason}\n{cover_words(row)}")
        axes.set_ylabel("units")
        day_axis(axes)
    shared_legend(figure, panels)
    return figure


def cover_words(row: Any) -> str:
    """How long the position lasts at the day's expected demand, and how long with the order of a row of the plan."""
    if np.isnan(row.days_of_cover):
        return "No demand is expected: any stock lasts for ever."
    now = f"Cover at {row.daily_demand_qty:,.3g} a day: {days_words(row.days_of_cover)}"
    if row.order_qty <= 0:
        return f"{now}, until {day_words(_until(row, row.days_of_cover))}."
    if np.isnan(row.cover_after_days):  # a plan of an earlier version
        return f"{now}, before the order."
    with_order = (
        f"with the order {days_words(row.cover_after_days)}, until {day_words(_until(row, row.cover_after_days))}"
    )
    return f"{now}, {with_order}" + (f"; spoils after {row.shelf_life_days:g}." if row.shelf_life_days > 0 else ".")


def _until(row: Any, cover_days: float) -> Any:
    return row.as_of + pd.Timedelta(days=min(int(cover_days), _MOST_DAYS))


def stock_path(row: Any, used_H: np.ndarray) -> tuple[pd.DatetimeIndex, np.ndarray]:
    """Stock at the end of day 0, 1, ..., H when `used_H` units have been used up, and the order comes in.

    row: of gold.order_plan. used_H: cumulated demand, units, [H]. The order comes after the demand of its day, as the
    policy reckons; that day stands twice, before and after it. Stock below zero is demand not served.
    """
    days = pd.date_range(row.as_of, periods=len(used_H) + 1, freq="D")
    stock = row.position_qty - np.concatenate([[0.0], used_H])
    if row.order_qty <= 0 or row.expected_receipt_ds > days[-1]:
        return days, stock
    arrives = (row.expected_receipt_ds - row.as_of).days
    after = np.concatenate([stock[: arrives + 1], stock[arrives:] + row.order_qty])
    return days.insert(arrives, days[arrives]), after


def _projection(axes: Axes, row: Any, summed: pd.DataFrame, protection_days: int) -> None:
    days, expected = stock_path(row, summed["mean"].to_numpy())
    # Quantiles of sums are found from sample paths; demand itself never falls.
    _, fast = stock_path(row, np.maximum.accumulate(summed["p90"].to_numpy()))
    arrives = row.as_of + pd.Timedelta(days=int(row.lead_time_days))
    next_arrives = row.as_of + pd.Timedelta(days=protection_days)
    axes.axvspan(row.as_of, arrives, color="#EDEDED", lw=0, label="lead time")
    axes.axvline(next_arrives, color=GREY, lw=1.0, ls="--", label="a later order can arrive from here on")
    axes.fill_between(days, fast, expected, color=SKY, alpha=0.25, lw=0)
    axes.plot(days, expected, color=BLUE, lw=2.0, label="stock at expected demand")
    axes.plot(days, fast, color=VERMILLION, lw=1.6, ls="--", label="stock if demand runs at its 90% quantile")
    axes.axhline(row.order_up_to_qty, color=GREEN, lw=1.4, ls="-.", label="order-up-to level (stock + on order)")
    axes.axhline(row.safety_stock_qty, color=PURPLE, lw=1.6, ls=":", label="safety stock")
    axes.axhline(0.0, color=BLACK, lw=0.9)
    today = "position today, assumed" if row.is_stock_assumed else "position today"
    color = "white" if row.is_stock_assumed else BLACK
    axes.plot(row.as_of, row.position_qty, "o", ms=6.5, mfc=color, mec=BLACK, label=today, zorder=5, clip_on=False)
    _limits(axes, np.concatenate([expected, [row.order_up_to_qty, row.safety_stock_qty]]), fast[days <= next_arrives])
    axes.margins(x=0.02)
    _cover_line(axes, row, days)
    if row.order_qty > 0:
        _order_arrow(axes, row, days, expected)


def _limits(axes: Axes, levels: np.ndarray, fast: np.ndarray) -> None:
    """Down to the lowest point before a later order can arrive: what lies below it no planner would let happen."""
    low, high = min(0.0, float(fast.min())), max(1.0, float(levels.max()))
    bottom, top = low - 0.12 * (high - low), high + 0.08 * (high - low)
    axes.set_ylim(bottom, top)
    axes.axhspan(bottom, 0.0, facecolor=VERMILLION, alpha=0.10, lw=0, label="demand not served in time")


def _cover_line(axes: Axes, row: Any, days: pd.DatetimeIndex) -> None:
    """Where stock and order end at the day's expected demand; in words where that lies beyond the picture."""
    if np.isnan(row.cover_after_days):
        return
    until = _until(row, row.cover_after_days)
    if until <= days[-1]:
        axes.axvline(until, color=BLUE, lw=1.2, ls=":", label="stock and order last until here at mean demand")
        return
    words = f"lasts {days_words(row.cover_after_days)}, until {day_words(until)} \u2192"
    style: dict[str, Any] = {"ha": "right", "va": "bottom", "fontsize": 9, "fontweight": "bold", "color": BLUE}
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.8}
    axes.annotate(words, (0.99, 0.02), xycoords="axes fraction", bbox=box, zorder=6, **style)


def _order_arrow(axes: Axes, row: Any, days: pd.DatetimeIndex, expected: np.ndarray) -> None:
    """What arrives and when: beside the jump, or in words where it lies beyond the picture."""
    day = row.expected_receipt_ds
    words = f"+{row.order_qty:,.0f} on {day.day} {day:%b}"
    if not np.isnan(row.cover_after_days):
        words += f", {days_words(row.cover_after_days)} of cover"
    bold: dict[str, Any] = {"fontsize": 9, "fontweight": "bold", "color": BLUE}
    if day > days[-1]:
        axes.annotate(words, (0.98, 0.9), xycoords="axes fraction", ha="right", **bold)
        return
    before = expected[(day - row.as_of).days]
    top = before + row.order_qty
    axes.annotate("", (day, top), (day, before), arrowprops={"arrowstyle": "-|>", "color": BLUE})
    axes.annotate(words, (day, top), xytext=(6, 3), textcoords="offset points", **bold)

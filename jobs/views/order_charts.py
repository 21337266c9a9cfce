"""Pictures of orders: the projected stock of a series, and the order list as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from jobs.views.charts import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    bar_labels,
    day_axis,
    day_words,
    group_words,
    headline,
    panel_grid,
    panel_title,
    series_name,
    shared_legend,
    styled,
)
from jobs.views.series import grouping_column

TOP = 10
_MOST_COVER_DAYS = 60


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
        panel_title(axes, series_name(row), row.reason)
        axes.set_ylabel("units")
        day_axis(axes)
    shared_legend(figure, panels)
    return figure


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
    if row.order_qty > 0:
        _order_arrow(axes, row, days, expected)


def _limits(axes: Axes, levels: np.ndarray, fast: np.ndarray) -> None:
    """Down to the lowest point before a later order can arrive: what lies below it no planner would let happen."""
    low, high = min(0.0, float(fast.min())), max(1.0, float(levels.max()))
    bottom, top = low - 0.12 * (high - low), high + 0.08 * (high - low)
    axes.set_ylim(bottom, top)
    axes.axhspan(bottom, 0.0, facecolor=VERMILLION, alpha=0.10, lw=0, label="demand not served in time")


def _order_arrow(axes: Axes, row: Any, days: pd.DatetimeIndex, expected: np.ndarray) -> None:
    """What arrives and when: beside the jump, or in words where it lies beyond the picture."""
    day = row.expected_receipt_ds
    words = f"+{row.order_qty:,.0f} on {day.day} {day:%b}"
    bold: dict[str, Any] = {"fontsize": 9, "fontweight": "bold", "color": BLUE}
    if day > days[-1]:
        axes.annotate(words, (0.98, 0.9), xycoords="axes fraction", ha="right", **bold)
        return
    before = expected[(day - row.as_of).days]
    top = before + row.order_qty
    axes.annotate("", (day, top), (day, before), arrowprops={"arrowstyle": "-|>", "color": BLUE})
    axes.annotate(words, (day, top), xytext=(6, 3), textcoords="offset points", **bold)


@styled()
def order_overview(plan: pd.DataFrame, risk: pd.DataFrame) -> Figure:
    """Order value by group, days of cover before the order, and the largest risks of running out.

    plan, risk: all rows of gold.order_plan and gold.stock_risk of one as-of day.
    """
    figure, panels = panel_grid(3, row_height=4.3)
    _value_bars(panels[0], plan)
    _cover_histogram(panels[1], plan)
    _risk_bars(panels[2], risk)
    _largest_orders(figure, plan)
    headline(figure, _order_words(plan))
    return figure


def _order_words(plan: pd.DataFrame) -> str:
    ordered = plan[plan["order_qty"] > 0]
    value, currency = ordered["order_value"].sum(), plan["currency"].iloc[0]
    return (
        f"{day_words(plan['as_of'].iloc[0])}: {len(ordered):,} of {len(plan):,} series to order, for {value:,.0f} "
        f"{currency} at unit cost."
    )


def _value_bars(axes: Axes, plan: pd.DataFrame) -> None:
    column = grouping_column(plan, "demand_class")
    named = plan.assign(group=plan[column].fillna("unknown"), is_order=plan["order_qty"] > 0)
    totals = named.groupby("group")[["order_value", "is_order"]].sum().sort_values("order_value", ascending=False)
    top, rest = totals.head(TOP), totals.iloc[TOP:]
    if len(rest):
        top = pd.concat([top, rest.sum().to_frame(f"{len(rest)} others").T])
    values = top["order_value"].to_numpy(dtype=float)
    texts = [f"{value:,.0f} ({count:,.0f} lines)" for value, count in zip(values, top["is_order"], strict=True)]
    _money_bars(axes, [group_words(str(name)) for name in top.index], values, texts, BLUE)
    axes.set_title(f"Order value by {group_words(column)}")
    axes.set_xlabel(f"order value, {plan['currency'].iloc[0]}")


def _money_bars(axes: Axes, names: list[str], values: np.ndarray, texts: list[str], color: str) -> None:
    places = np.arange(len(values))[::-1].astype(float)
    limit = max(float(np.nanmax(values, initial=0.0)), 1e-9)
    axes.barh(places, values, 0.7, color=color)
    bar_labels(axes, values, places, texts, limit)
    axes.set_xlim(0, 1.35 * limit)
    axes.set_yticks(places, names)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _cover_histogram(axes: Axes, plan: pd.DataFrame) -> None:
    known = plan.dropna(subset=["days_of_cover"])
    cover = known["days_of_cover"].clip(upper=_MOST_COVER_DAYS)
    is_order = known["order_qty"] > 0
    edges = list(range(0, _MOST_COVER_DAYS + 3, 2))
    axes.hist(
        [cover[is_order], cover[~is_order]], edges, stacked=True, color=[BLUE, GREY], label=["order today", "no order"]
    )
    lead_time = float(plan["lead_time_days"].median())
    axes.axvline(lead_time, color=ORANGE, lw=2.0, ls="--", label=f"median lead time, {lead_time:g} days")
    axes.set_title("Days of cover before the order")
    axes.set_xlabel(f"days that the stock position lasts at the forecast mean ({_MOST_COVER_DAYS} = or more)")
    axes.set_ylabel("series")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.legend(loc="upper right")
    endless = len(plan) - len(known)
    assumed = int(plan["is_stock_assumed"].sum())
    notes = [f"{endless:,} series with no expected demand are not shown"] if endless else []
    notes += [f"position assumed, not counted, for\n{assumed:,} of {len(plan):,} series"] if assumed else []
    axes.annotate("\n".join(notes), (0.99, 0.55), xycoords="axes fraction", ha="right", va="top", fontsize=9)


def _risk_bars(axes: Axes, risk: pd.DataFrame) -> None:
    top = _ranked(risk, "value_at_risk")
    pairs = zip(top["value_at_risk"], top["stockout_risk"], strict=True)
    texts = [f"{value:,.0f} ({chance:.0%})" for value, chance in pairs]
    names = [series_name(row, product_width=24) for row in top.itertuples()]
    _money_bars(axes, names, top["value_at_risk"].to_numpy(dtype=float), texts, VERMILLION)
    axes.set_title("Largest stock-out risks before an order can arrive (chance in brackets)")
    axes.set_xlabel(f"expected unserved demand over the lead time at selling price, {risk['currency'].iloc[0]}")


def _largest_orders(figure: Figure, plan: pd.DataFrame) -> None:
    """The largest orders as a table, in the fourth place."""
    axes = figure.add_subplot(2, 2, 4)
    axes.axis("off")
    axes.set_title("Largest orders")
    top: list[Any] = list(_ranked(plan[plan["order_qty"] > 0], "order_value").itertuples())
    if not top:
        axes.annotate("Nothing to order.", (0.5, 0.5), xycoords="axes fraction", ha="center")
        return
    cells = [
        [
            series_name(row, product_width=26),
            f"{row.order_qty:,.0f}",
            f"{row.order_value:,.0f}",
            _days(row.days_of_cover),
        ]
        for row in top
    ]
    header = ["series", "units", plan["currency"].iloc[0], "cover, days"]
    height = 0.95 * (len(cells) + 1) / (TOP + 1)
    box = Bbox.from_bounds(0.0, 0.95 - height, 1.0, height)
    table = axes.table(cells, colLabels=header, colWidths=[0.61, 0.12, 0.12, 0.15], bbox=box, edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(8.5)
    for (_, column), cell in table.get_celld().items():
        cell.set_edgecolor("#D0D0D0")
        cell.set_text_props(ha="left" if column == 0 else "right")
        cell.PAD = 0.02


def _days(cover: float) -> str:
    return f"{cover:,.1f}" if cover == cover else "no demand"


def _ranked(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    known = rows.dropna(subset=[column])
    return known.sort_values([column, "unique_id"], ascending=[False, True]).head(TOP)

"""Pictures of the order list as a whole: money, what decided, cover before and after, risks, lines to look at."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jobs.views.charts import (
    BLUE,
    GREY,
    ORANGE,
    VERMILLION,
    day_words,
    days_words,
    empty_panel,
    group_words,
    headline,
    labelled_bars,
    panel_grid,
    panel_title,
    series_lines,
    series_name,
    styled,
    table_panel,
)
from jobs.views.series import grouping_column

TOP = 10
COVER_EDGES: Final = (0, 1, 2, 4, 7, 14, 21, 30, 45, 60, 90, 180, np.inf)
"""Days of cover, in steps that widen: from a day, which decides about today, to half a year, which is too much."""
_UNUSUAL = "much cover"  # the rule of gold.order_check that bounds the days an order may last


@styled()
def order_overview(plan: pd.DataFrame, risk: pd.DataFrame, check: pd.DataFrame) -> Figure:
    """Order value by group and by what decided, cover before and after, risks of running out, lines to look at.

    plan, risk, check: all rows of gold.order_plan, gold.stock_risk and gold.order_check of one as-of day.
    """
    figure, panels = panel_grid(6, row_height=4.2)
    _value_bars(panels[0], plan)
    _reason_bars(panels[1], plan)
    _cover_bars(panels[2], plan, check)
    _largest_orders(panels[3], plan)
    _risk_bars(panels[4], risk)
    _check_bars(panels[5], check)
    headline(figure, order_words(plan, check))
    return figure


def order_words(plan: pd.DataFrame, check: pd.DataFrame) -> str:
    """What is ordered, how long it lasts, and how much of it a rule finds implausible, in a sentence or two."""
    ordered = plan[plan["order_qty"] > 0]
    value, currency = ordered["order_value"].sum(), plan["currency"].iloc[0]
    words = (
        f"{day_words(plan['as_of'].iloc[0])}: {len(ordered):,} of {len(plan):,} series to order, for {value:,.0f} "
        f"{currency} at unit cost."
    )
    after = ordered["cover_after_days"].dropna()
    if len(after):
        words += f" Stock and order last {days_words(after.median())} in the middle, {days_words(after.max())} at most."
    lines = check.loc[~is_confirmed(check), ["unique_id", "order_value"]].drop_duplicates("unique_id")
    if len(lines):
        words += f" Lines to look at first: {len(lines):,}, of {lines['order_value'].sum():,.0f} {currency}."
    return words


def is_confirmed(check: pd.DataFrame) -> pd.Series:
    """Which rows of gold.order_check a planner has confirmed."""
    return check["is_confirmed"] == True  # noqa: E712 (NULL where nobody answered)


def _value_bars(axes: Axes, plan: pd.DataFrame) -> None:
    column = grouping_column(plan, "demand_class")
    named = plan.assign(group=plan[column].fillna("unknown"), is_order=plan["order_qty"] > 0)
    named = named[named["is_order"]]
    totals = named.groupby("group")[["order_value", "is_order"]].sum().sort_values("order_value", ascending=False)
    top, rest = totals.head(TOP), totals.iloc[TOP:]
    if len(rest):
        top = pd.concat([top, rest.sum().to_frame(f"{len(rest)} others").T])
    _order_bars(axes, f"Order value by {group_words(column)}", top, plan["currency"].iloc[0])


def _reason_bars(axes: Axes, plan: pd.DataFrame) -> None:
    is_order = plan["order_qty"] > 0
    ordered = plan[is_order].assign(is_order=1)
    totals = ordered.groupby("main_reason")[["order_value", "is_order"]].sum()
    ordered_by = totals.sort_values("order_value", ascending=False)
    others = plan.loc[~is_order, "main_reason"].value_counts()
    told = ", ".join(f"{reason} {count:,}" for reason, count in others.items())
    title, small_print = "Order value by main reason", f"Series without an order: {told}." if told else ""
    _order_bars(axes, title, ordered_by, plan["currency"].iloc[0], small_print)


def _order_bars(axes: Axes, title: str, totals: pd.DataFrame, currency: str, small_print: str = "") -> None:
    panel_title(axes, title, small_print)
    if totals.empty:
        empty_panel(axes, "Nothing to order.")
        return
    values = totals["order_value"].to_numpy(dtype=float)
    texts = [f"{value:,.0f} ({count:,.0f} lines)" for value, count in zip(values, totals["is_order"], strict=True)]
    labelled_bars(axes, [group_words(str(name)) for name in totals.index], values, texts, BLUE)
    axes.set_xlabel(f"order value, {currency}")


def _cover_bars(axes: Axes, plan: pd.DataFrame, check: pd.DataFrame) -> None:
    """The lines to order by days of cover, before and after, in ranges that widen."""
    ordered = plan[plan["order_qty"] > 0].dropna(subset=["cover_after_days"])
    if ordered.empty:
        panel_title(axes, "Days of cover of the lines to order", "")
        empty_panel(axes, "No order with demand to cover.")
        return
    names = cover_names()
    places = np.arange(len(names))
    for offset, column, color, label in (
        (-0.2, "days_of_cover", GREY, "before the order"),
        (0.2, "cover_after_days", BLUE, "after the order"),
    ):
        counts = np.histogram(ordered[column], np.array(COVER_EDGES))[0]
        axes.bar(places + offset, counts, 0.4, color=color, label=label)
        for place, count in zip(places + offset, counts, strict=True):
            if count:
                axes.annotate(f"{count:,}", (place, count), ha="center", va="bottom", fontsize=7.5, color=color)
    axes.set_xticks(places, names, fontsize=8)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("days that stock and open orders last at the expected demand, in ranges that widen")
    axes.set_ylabel("order lines")
    bound = check.loc[check["check_rule"] == _UNUSUAL, "bound_value"].min()
    if not np.isnan(bound):
        at = np.interp(bound, COVER_EDGES[:-1], np.arange(len(COVER_EDGES) - 1)) - 0.5
        axes.axvline(
            at, color=ORANGE, lw=1.8, ls="--", label=f"{bound:g} days: larger lines beyond are in gold.order_check"
        )
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])
    axes.legend(loc="upper left", fontsize=8.5)
    panel_title(axes, "Days of cover of the lines to order, before and after", _cover_notes(plan, ordered, bound))


def cover_names() -> list[str]:
    """The ranges of `COVER_EDGES` in words."""
    return [f"{low:g}-{high:g}" if np.isfinite(high) else f"{low:g}+" for low, high in pairwise(COVER_EDGES)]


def _cover_notes(plan: pd.DataFrame, ordered: pd.DataFrame, bound: float) -> str:
    """What the bars do not say: the money beyond the bound, series without an order, assumed stock."""
    notes = []
    if not np.isnan(bound):
        beyond = ordered[ordered["cover_after_days"] > bound]
        share = beyond["order_value"].sum() / max(ordered["order_value"].sum(), 1e-9)
        notes.append(
            f"{len(beyond) / len(ordered):.0%} of lines, {share:.0%} of the money, last beyond {bound:g} days."
        )
    others = plan.loc[plan["order_qty"] <= 0, "days_of_cover"]
    if others.notna().any():
        notes.append(f"{len(others):,} series without an order have {days_words(others.median())} in the middle.")
    assumed = int(plan["is_stock_assumed"].sum())
    if assumed:
        notes.append(f"Position assumed, not counted, for {assumed:,} of {len(plan):,} series.")
    return " ".join(notes)


def _risk_bars(axes: Axes, risk: pd.DataFrame) -> None:
    panel_title(
        axes, "Largest risks of running out before an order can arrive", "In brackets: the chance of running out."
    )
    top = _ranked(risk[risk["value_at_risk"] > 0], "value_at_risk")
    if top.empty:
        empty_panel(axes, "No series is at risk before an order can arrive, or none has a price.")
        return
    pairs = zip(top["value_at_risk"], top["stockout_risk"], strict=True)
    texts = [f"{value:,.0f} ({chance:.0%})" for value, chance in pairs]
    names = [series_lines(row) for row in top.itertuples()]
    labelled_bars(axes, names, top["value_at_risk"].to_numpy(dtype=float), texts, VERMILLION)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlabel(f"expected unserved demand over the lead time at selling price, {risk['currency'].iloc[0]}")


def _check_bars(axes: Axes, check: pd.DataFrame) -> None:
    """Order lines that rules find implausible, by rule, those that a planner has confirmed apart."""
    panel_title(axes, "Lines to look at before signing, by rule (gold.order_check)", "")
    if check.empty:
        empty_panel(axes, "gold.order_check lists no line: nothing to look at before signing.")
        return
    rows = check.assign(is_confirmed=is_confirmed(check))
    totals = rows.groupby("check_rule").agg(
        lines=("unique_id", "size"), value=("order_value", "sum"), confirmed=("is_confirmed", "sum")
    )
    totals = totals.sort_values("lines", ascending=False)
    currency = check["currency"].iloc[0]
    rules: list[Any] = list(totals.itertuples())
    texts = [
        f"{row.lines:,} lines, {row.value:,.0f} {currency}"
        + (f"; {row.confirmed:,} confirmed" if row.confirmed else "")
        for row in rules
    ]
    labelled_bars(axes, [str(name) for name in totals.index], totals["lines"].to_numpy(dtype=float), texts, ORANGE)
    axes.set_xlabel("order lines; one that two rules find counts in both")


def _largest_orders(axes: Axes, plan: pd.DataFrame) -> None:
    """The largest orders as a table."""
    top: list[Any] = list(_ranked(plan[plan["order_qty"] > 0], "order_value").itertuples())
    panel_title(axes, "Largest orders", "")
    if not top:
        empty_panel(axes, "Nothing to order.")
        return
    cells = [
        [
            series_name(row, product_width=26),
            f"{row.order_qty:,.0f}",
            f"{row.order_value:,.0f}",
            days_words(row.days_of_cover).removesuffix(" days"),
            days_words(row.cover_after_days).removesuffix(" days"),
        ]
        for row in top
    ]
    header = ["series", "units", plan["currency"].iloc[0], "days before", "days after"]
    table_panel(axes, header, cells, [0.54, 0.1, 0.1, 0.13, 0.13], TOP)


def largest_checks(check: pd.DataFrame, most: int = TOP) -> pd.DataFrame:
    """The largest lines of gold.order_check that nobody has confirmed, to be read before signing."""
    open_lines = check[~is_confirmed(check)]
    ranked = open_lines.sort_values(["order_value", "unique_id", "check_rule"], ascending=[False, True, True])
    return ranked.head(most)[
        ["check_rule", "sku_id", "product_name", "order_qty", "order_value", "found_value", "bound_value"]
    ]


def _ranked(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    known = rows.dropna(subset=[column])
    return known.sort_values([column, "unique_id"], ascending=[False, True]).head(TOP)

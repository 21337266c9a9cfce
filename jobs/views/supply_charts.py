"""Pictures of the supply network: from whom to buy and what it costs, what a depot saves, what is bought today."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jobs.views.charts import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    SKY,
    empty_panel,
    group_words,
    headline,
    labelled_bars,
    panel_grid,
    panel_title,
    stacked_bars,
    styled,
)

TOP = 12
_COSTS = {"daily_order_cost": ("order lines", ORANGE), "daily_holding_cost": ("stock and safety", SKY)}


@styled()
def supply_overview(plan: pd.DataFrame, orders: pd.DataFrame, levels: pd.DataFrame, currency: str) -> Figure:
    """Suppliers' shares and what buying there costs beside the price, today's orders, what depots save.

    plan, orders, levels: rows of network.purchase_plan, network.purchase_order and network.level of one run.
    """
    figure, panels = panel_grid(4, row_height=4.4)
    _purchases(panels[0], plan, currency)
    _costs(panels[1], plan, currency)
    _today(panels[2], orders, currency)
    _depots(panels[3], levels, currency)
    headline(figure, supply_words(plan, orders, levels, currency))
    return figure


def supply_words(plan: pd.DataFrame, orders: pd.DataFrame, levels: pd.DataFrame, currency: str) -> str:
    """What is bought and what depots save, in a sentence or two."""
    if plan.empty and levels.empty:
        return "Nobody states suppliers to choose from, nor depots: there is nothing to plan"
    words = []
    if not plan.empty:
        assumed = ", on terms that nobody has stated" if plan["is_offer_assumed"].any() else ""
        value = orders["purchase_value"].sum()
        words.append(
            f"{len(plan):,} series are bought from {plan['supplier_id'].nunique()} suppliers{assumed}; today's orders "
            f"come to {value:,.0f} {currency}"
        )
    if not levels.empty:
        together, alone = _network_costs(levels).sum()
        words.append(
            f"with depots, stock and shortages cost {together:,.0f} {currency} a day, without them {alone:,.0f}"
        )
    return "; ".join(words)


def _purchases(axes: Axes, plan: pd.DataFrame, currency: str) -> None:
    if plan.empty:
        empty_panel(axes, "No supplier is chosen.")
        return
    by = plan.groupby("supplier_id")["daily_purchase_cost"].agg(["sum", "count"]).nlargest(TOP, "sum")
    texts = [f"{row['sum']:,.0f} ({int(row['count']):,} series)" for _, row in by.iterrows()]
    labelled_bars(axes, [str(name) for name in by.index], by["sum"].to_numpy(), texts, BLUE)
    panel_title(
        axes, "From whom", f"Landed cost of a day's demand, {currency}, by the (first) supplier of each series."
    )


def _costs(axes: Axes, plan: pd.DataFrame, currency: str) -> None:
    if plan.empty:
        empty_panel(axes, "No supplier is chosen.")
        return
    by = plan.groupby("supplier_id")[list(_COSTS)].sum()
    by = by.loc[by.sum(axis=1).nlargest(TOP).index]
    parts = ((by[name].to_numpy(), color, words) for name, (words, color) in _COSTS.items())
    places, _ = stacked_bars(axes, parts, len(by))
    cycle = plan.groupby("supplier_id")["cycle_days"].median()
    axes.set_yticks(places, [f"{name}, every {cycle[name]:.3g} days" for name in by.index])
    axes.set_xlabel(f"{currency} a day")
    axes.legend(fontsize=8)
    panel_title(axes, "What buying costs beside the price", "A longer cycle has fewer orders and more stock.")


def _today(axes: Axes, orders: pd.DataFrame, currency: str) -> None:
    noted = orders.assign(note=orders["purchase_note"].fillna("").str.replace(r"[\d.,]+", "…", regex=True))
    by = noted.groupby(["supplier_id", "note"])["purchase_value"].agg(["sum", "count"]).reset_index()
    by = by[(by["sum"] > 0.0) | (by["note"] != "")].sort_values(["sum", "count"], ascending=False)[:TOP]
    if by.empty:
        empty_panel(axes, "Nothing is bought today.")
        return
    names = [f"{row.supplier_id}{': ' if row.note else ''}{row.note}" for row in by.itertuples()]
    texts = [f"{row['sum']:,.0f} ({int(row['count']):,} series)" for _, row in by.iterrows()]
    labelled_bars(axes, [name[:46] for name in names], by["sum"].to_numpy(), texts, GREEN)
    panel_title(axes, "Today", f"{currency} by supplier, and what its terms made of the lines.")


def _network_costs(levels: pd.DataFrame) -> pd.DataFrame:
    """By depot what its articles cost a day, with it and without."""
    articles = levels.drop_duplicates(["depot_name", "sku_id", "channel_id"])
    costs: pd.DataFrame = articles.groupby("depot_name")[["network_cost", "alone_cost"]].sum()
    return costs


def _depots(axes: Axes, levels: pd.DataFrame, currency: str) -> None:
    if levels.empty:
        empty_panel(axes, "No network is stated (network_plan.file).")
        return
    by = _network_costs(levels).nlargest(TOP, "alone_cost")
    places = np.arange(len(by))[::-1]
    axes.barh(places + 0.18, by["network_cost"], 0.34, color=BLUE, label="with the depot")
    axes.barh(places - 0.18, by["alone_cost"], 0.34, color=GREY, label="each location for itself")
    axes.set_yticks(places, [group_words(str(name)) for name in by.index])
    axes.set_xlabel(f"{currency} a day, holding and shortage")
    axes.legend(fontsize=8)
    panel_title(
        axes, "What depots save", "At the levels of each that cost least; both wait the whole way from suppliers."
    )

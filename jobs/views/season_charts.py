"""Pictures of what festivals do to demand, how demand answers prices, and what prices are planned."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jobs.views.charts import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    empty_panel,
    group_words,
    headline,
    labelled_bars,
    panel_grid,
    panel_title,
    styled,
)
from lakehouse.schema.tables.seasons import NO_CATEGORY

_LINES = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY)
FESTIVALS_SHOWN, TOP = 4, 10
_GRADES = {
    "own": "by its own weeks",
    "shared": "by its own and its category's",
    "category": "by its category's",
    "all": "by nobody's: the usual value",
}


@styled()
def festival_overview(lifts: pd.DataFrame) -> Figure:
    """Demand around the festivals that move it most, as a multiple of what is usual, by category.

    lifts: rows of forecast.festival_lift of one cutoff.
    """
    figure, panels = panel_grid(FESTIVALS_SHOWN, row_height=3.8)
    days = lifts[lifts["festival"].notna()]
    if (days["category"] != NO_CATEGORY).any():
        days = days[days["category"] != NO_CATEGORY]
    strength = np.log(days["lift_factor"]).abs().groupby(days["festival"]).max().sort_values(ascending=False)
    shown = [str(name) for name in strength[strength > 0.0].index[:FESTIVALS_SHOWN]]
    for axes, name in zip(panels, shown, strict=False):
        _festival(axes, name, days[days["festival"] == name])
    for axes in panels[len(shown) :]:
        empty_panel(axes, "No other festival has been seen in the sales.")
    headline(figure, festival_words(days, shown))
    return figure


def festival_words(days: pd.DataFrame, shown: list[str]) -> str:
    """Which festival day moves which category most, in a sentence."""
    if not shown:
        return "No festival is known to move demand: trees have learned of none"
    top = days.loc[np.log(days["lift_factor"]).abs().idxmax()]
    known = days["festival"].nunique()
    return (
        f"{known} festivals were seen in the sales; the strongest is {group_words(str(top.festival))}: on its day "
        f"{int(top.festival_day):+d} {top.category} sells {top.lift_factor:.2f} times what is usual"
    )


def _festival(axes: Axes, name: str, days: pd.DataFrame) -> None:
    reach = np.log(days["lift_factor"]).abs().groupby(days["category"]).max().sort_values(ascending=False)
    for color, category in zip(_LINES, reach.index, strict=False):
        rows = days[days["category"] == category].sort_values("festival_day")
        axes.plot(rows["festival_day"], rows["lift_factor"], "o-", color=color, ms=3, lw=1.4, label=str(category))
    axes.axhline(1.0, color=GREY, lw=0.8)
    axes.axvline(0.0, color=GREY, lw=0.8, ls=":")
    axes.set_xlabel("days from its first day")
    axes.set_ylabel("times the usual demand")
    axes.legend(fontsize=8, loc="best")
    more = len(reach) - len(_LINES)
    rest = f", {more} other categories move less" if more > 0 else ""
    panel_title(axes, group_words(name), f"Shrunk towards what all categories do, and that towards 1{rest}.")


@styled()
def price_overview(elasticity: pd.DataFrame, plan: pd.DataFrame, currency: str) -> Figure:
    """Own elasticities and whose weeks they rest on, planned changes, what they gain, and what keeps prices.

    elasticity: rows of pricing.elasticity of one run; plan: of pricing.price_plan.
    """
    figure, panels = panel_grid(4, row_height=4.2)
    own = elasticity[elasticity["effect"] == "own"]
    _elasticities(panels[0], own)
    _changes(panels[1], plan)
    _gains(panels[2], plan, currency)
    _binding(panels[3], plan)
    headline(figure, price_words(plan, currency))
    return figure


def price_words(plan: pd.DataFrame, currency: str) -> str:
    """How many prices are to change and what for, in a sentence."""
    if plan.empty:
        return "No price is planned: set pricing.enabled = true"
    changed = plan[plan["planned_price"] != plan["unit_price"]]
    gain = (changed["planned_profit"] - changed["kept_profit"]).sum()
    return (
        f"{len(changed):,} of {len(plan):,} prices are to change, for an expected {gain:,.0f} {currency} more over the "
        "horizon; by the effects that the prices were planned with, so that an experiment will show less"
    )


def _elasticities(axes: Axes, own: pd.DataFrame) -> None:
    if own.empty:
        empty_panel(axes, "No elasticity has been learned.")
        return
    edges = np.linspace(min(float(own["elasticity"].min()), -0.1), 0.0, 31)
    groups = [(name, own.loc[own["identification"] == name, "elasticity"]) for name in _GRADES]
    found = [(name, values) for name, values in groups if len(values)]
    labels = [f"{_GRADES[name]} ({len(values):,})" for name, values in found]
    axes.hist(
        [values for _, values in found], bins=list(edges), stacked=True, color=list(_LINES[: len(found)]), label=labels
    )
    axes.legend(fontsize=8)
    axes.set_xlabel("percent of demand a percent of price")
    axes.set_ylabel("series")
    panel_title(axes, "Own elasticities", "Known by whose weeks; those known by nobody's keep their regular price.")


def _changes(axes: Axes, plan: pd.DataFrame) -> None:
    changed = plan[plan["planned_price"] != plan["unit_price"]]
    if changed.empty:
        empty_panel(axes, "No price is to change.")
        return
    axes.hist(changed["planned_price"] / changed["unit_price"] - 1.0, bins=25, color=BLUE)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("planned price beside that of now")
    axes.set_ylabel("series")
    panel_title(axes, "Planned changes", "Nothing goes by them until somebody accepts them.")


def _gains(axes: Axes, plan: pd.DataFrame, currency: str) -> None:
    gain = (plan["planned_profit"] - plan["kept_profit"]).rename("gain")
    top = plan.assign(gain=gain).nlargest(TOP, "gain")
    top = top[top["gain"] > 0.0]
    if top.empty:
        empty_panel(axes, "No change earns more.")
        return
    names = [f"{row.unique_id}\n{row.unit_price:g} to {row.planned_price:g}" for row in top.itertuples()]
    labelled_bars(axes, names, top["gain"].to_numpy(), [f"{value:,.2f}" for value in top["gain"]], GREEN)
    panel_title(
        axes, "Largest gains", f"{currency} over the horizon, rivals' included, by the effects as they were estimated."
    )


def _binding(axes: Axes, plan: pd.DataFrame) -> None:
    counts = plan["binding"].dropna().str.split(", ").explode().value_counts()[:TOP]
    if counts.empty:
        empty_panel(axes, "No guardrail keeps a price away that would earn more.")
        return
    names = [group_words(str(name)) for name in counts.index]
    labelled_bars(axes, names, counts.to_numpy(dtype=float), [f"{count:,}" for count in counts], ORANGE)
    panel_title(axes, "What keeps prices", "Series whose best price a guardrail, or too little knowledge, keeps away.")

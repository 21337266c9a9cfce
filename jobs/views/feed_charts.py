"""Pictures of the feeds: where their rows went, what was set aside and why, and what each day brought."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

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
    day_bands,
    empty_panel,
    group_words,
    headline,
    labelled_bars,
    panel_grid,
    panel_title,
    stacked_bars,
    styled,
)
from jobs.views.feed_accounts import OUTCOMES

RULES_SHOWN = 12
_COLORS = dict(zip(OUTCOMES, (BLUE, VERMILLION, ORANGE, SKY), strict=True))


@styled()
def feed_overview(accounts: pd.DataFrame, rules: pd.DataFrame, days: pd.DataFrame, sentence: str) -> Figure:
    """Rows by outcome and by rule, then units and series day by day.

    accounts, rules, days: what `row_accounts`, `rule_counts` and `days_of_sales` give. sentence: set above the picture.
    """
    figure, panels = panel_grid(4, row_height=4.4)
    _outcomes(panels[0], accounts)
    _rules(panels[1], rules)
    _units(panels[2], days)
    _series(panels[3], days)
    headline(figure, sentence)
    return figure


def _outcomes(axes: Axes, accounts: pd.DataFrame) -> None:
    whole = accounts["bronze"].where(accounts["bronze"] > 0, 1).to_numpy(dtype=float)
    kinds = [name for name in accounts.columns if name not in ("bronze", "unaccounted")]
    parts = (
        (accounts[name].to_numpy(dtype=float) / whole, _COLORS.get(name, PURPLE), group_words(name)) for name in kinds
    )
    places, _ = stacked_bars(axes, parts, len(accounts))
    for place, (_, row) in zip(places, accounts.iterrows(), strict=True):
        text = f"{row['used']:,} of {row['bronze']:,} used" if "used" in accounts else f"{row['bronze']:,}"
        axes.annotate(text, (1.0, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.set_xlim(0, 1.55)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_ylim(len(places) - max(len(places), 4) - 0.6, len(places) - 0.4)
    axes.set_yticks(places, list(accounts.index))
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("share of the feed's rows")
    axes.legend(loc="lower right", fontsize=8.5)
    panel_title(axes, "What became of each feed's rows", "")


def _rules(axes: Axes, rules: pd.DataFrame) -> None:
    panel_title(axes, "Rows not used, by rule", "Quarantined rows stand in ops.quarantine, each with its file and row.")
    if rules.empty:
        empty_panel(axes, "Every row was used.")
        return
    top = rules.head(RULES_SHOWN)
    rows: list[Any] = list(top.itertuples())
    names = [f"{row.feed}: {row.rule_id or row.outcome}" for row in rows]
    texts = [f"{row.rows:,} {group_words(row.outcome)}" for row in rows]
    labelled_bars(
        axes, names, top["rows"].to_numpy(dtype=float), texts, [_COLORS.get(name, PURPLE) for name in top["outcome"]]
    )
    axes.set_xlabel("rows")


def _units(axes: Axes, days: pd.DataFrame) -> None:
    axes.plot(days.index, days["units"], color=BLACK, lw=1.0, label="units sold")
    _masked_days(axes, days)
    axes.set_ylim(0, 1.15 * max(float(np.nan_to_num(days["units"].max())), 1.0))
    axes.set_ylabel("units a day, all series")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.legend(loc="upper left", fontsize=8.5, ncols=3)
    day_axis(axes)
    panel_title(
        axes, "Units sold a day", "A gap, or a drop of all series at once: a closed day, or a feed that failed."
    )


def _masked_days(axes: Axes, days: pd.DataFrame) -> None:
    """Bands over days that no series knows, and over days without any row."""
    is_masked = days["masked"] >= days["series"]
    for mask, color, label in (
        (is_masked & (days["series"] > 0), GREY, "demand unknown for all (closed)"),
        (days["series"].isna(), VERMILLION, "no row of the day: late or missing"),
    ):
        day_bands(axes, pd.Series(days.index[mask]), color=color, alpha=0.35, lw=0, label=label)


def _series(axes: Axes, days: pd.DataFrame) -> None:
    series = days["series"].where(days["series"] > 0)
    for column, color, label in (
        ("reported", BLUE, "with a row in the feed"),
        ("promoted", GREEN, "promoted"),
        ("out_of_stock", VERMILLION, "out of stock"),
        ("implausible", PURPLE, "units or price beyond belief"),
    ):
        if days[column].sum() > 0 or column == "reported":
            axes.plot(
                days.index, days[column] / series, color=color, lw=1.1, label=f"{label}: {days[column].sum():,.0f}"
            )
    axes.set_ylim(0, None)
    axes.margins(y=0.15)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylabel("share of series")
    axes.legend(loc="upper left", fontsize=8.5, ncols=2, title="series-days", title_fontsize=8.5)
    low, high = axes.get_ylim()
    axes.set_ylim(low, 1.35 * high)
    day_axis(axes)
    panel_title(
        axes, "Series a day", "A day without a row counts as none sold, unless the shop was closed or out of stock."
    )

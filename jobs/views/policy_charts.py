"""Pictures of policies in money: what service costs, of what the cost consists, and what choosing has saved."""

from __future__ import annotations

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
    empty_panel,
    group_words,
    headline,
    labelled_bars,
    panel_grid,
    panel_title,
    policy_words,
    stacked_bars,
    styled,
)
from jobs.views.frontier import LOST, ServiceCost, service_words, undominated
from jobs.views.series import grouping_column

GROUPS_SHOWN = 8
_CHOSEN = "in use today\n(its choice has seen this replay)"
_KINDS = {
    "replay_holding_cost": ("holding", SKY),
    "replay_ordering_cost": ("ordering", ORANGE),
    "replay_waste_cost": ("waste", PURPLE),
    LOST: ("lost margin", VERMILLION),
}


@styled()
def policy_overview(money: ServiceCost, value: pd.DataFrame) -> Figure:
    """Cost against service, cost by kind, policies in use, and the saving against the benchmark by group.

    value: all rows of gold.policy_value of one as-of day.
    """
    figure, panels = panel_grid(4, row_height=4.8)
    currency = value["currency"].iloc[0]
    _frontier(panels[0], money, currency)
    _costs_by_kind(panels[1], money, currency)
    _policies_in_use(panels[2], value)
    _savings(panels[3], value, currency)
    headline(figure, service_words(money, currency))
    return figure


def _frontier(axes: Axes, money: ServiceCost, currency: str) -> None:
    best, by_weight = undominated(money), money.choices
    axes.plot(
        best["fill_rate"], best["kept_cost"], color=BLUE, lw=1.8, label="frontier: no other serves as much for less"
    )
    axes.plot(by_weight["fill_rate"], by_weight["kept_cost"], ".", color=BLUE, ms=6, label="each series' own choice")
    for weight in (1.0, 4.0, 16.0):
        point = money.choices.loc[weight]
        at = (point["fill_rate"], point["kept_cost"])
        axes.plot(*at, "o", color=BLUE, ms=7, mfc="white", zorder=4)
        axes.annotate(f"{weight:g}x", at, xytext=(4, -12), textcoords="offset points", fontsize=8.5, color=BLUE)
    for name, row in money.policies.iterrows():
        at = (row["fill_rate"], row["kept_cost"])
        axes.plot(*at, "s", color=GREY, ms=6, zorder=5)
        axes.annotate(
            policy_words(name), at, xytext=(0, 7), textcoords="offset points", ha="center", fontsize=8.5, color=GREY
        )
    chosen = money.chosen
    axes.plot(
        chosen["fill_rate"], chosen["kept_cost"], "*", color=VERMILLION, ms=13, mec=BLACK, zorder=6, label=_CHOSEN
    )
    axes.margins(x=0.12, y=0.12)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.yaxis.set_major_formatter(lambda cost, _: f"{cost:,.0f}")
    axes.set_xlabel("share of demand served from stock")
    axes.set_ylabel(f"holding, ordering and waste, {currency} a year")
    axes.legend(loc="best", fontsize=8.5)
    how = "chosen by the replays before it" if money.is_held_out else "chosen by the same replay, for there is no other"
    small_print = (
        f"Replay from {money.cutoff.date()} on. Squares: one policy for all series. Dots: each series' cheapest where "
        f"a lost unit costs 1/16 to 128 times its margin, {how}."
    )
    panel_title(axes, "What service costs", small_print)


def _costs_by_kind(axes: Axes, money: ServiceCost, currency: str) -> None:
    rows = pd.concat([money.policies, money.chosen.to_frame(_CHOSEN).T]).sort_values("cost", ascending=False)
    parts = ((rows[column].to_numpy(dtype=float), color, label) for column, (label, color) in _KINDS.items())
    places, left = stacked_bars(axes, parts, len(rows))
    for place, (_, row) in zip(places, rows.iterrows(), strict=True):
        text = f"{row['cost']:,.0f} ({row['fill_rate']:.1%} served)"
        at = (row["cost"], place)
        axes.annotate(text, at, xytext=(3, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.set_xlim(0, 1.4 * max(left.max(), 1e-9))
    axes.set_yticks(places, [policy_words(name) for name in rows.index])
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(lambda cost, _: f"{cost:,.0f}")
    axes.set_xlabel(f"{currency} a year")
    axes.legend(loc="lower right", fontsize=8.5)
    panel_title(axes, "Of what the cost consists", "All series by one policy; the same replay.")


def _policies_in_use(axes: Axes, value: pd.DataFrame) -> None:
    counts = value.groupby(["policy", "decided_by"]).size().sort_values(ascending=False).reset_index(name="series")
    names = [
        policy_words(row.policy) + ("" if row.decided_by == "money" else f"\n({row.decided_by})")
        for row in counts.itertuples()
    ]
    numbers = counts["series"].to_numpy(dtype=float)
    labelled_bars(axes, names, numbers, [f"{n:,.0f} ({n / len(value):.0%})" for n in numbers], GREEN)
    axes.set_xlabel("series")
    panel_title(axes, "Policies in use", "Chosen by money in replays, unless brackets say what else decided.")


def _savings(axes: Axes, value: pd.DataFrame, currency: str) -> None:
    """Held-out cost less the benchmark's by group, as a share of the benchmark's."""
    known = value.dropna(subset=["held_out_cost", "held_out_benchmark_cost"])
    if known.empty:
        panel_title(axes, "Saved against the textbook's safety stock", "")
        empty_panel(axes, "No replay was held out: one is needed beside those that choose.")
        return
    column = grouping_column(value, "demand_class")
    sums = (
        known.assign(group=known[column].fillna("unknown"))
        .groupby("group")[["held_out_cost", "held_out_benchmark_cost"]]
        .sum()
    )
    sums = sums.sort_values("held_out_benchmark_cost", ascending=False).head(GROUPS_SHOWN)
    change = (sums["held_out_cost"] / sums["held_out_benchmark_cost"].where(sums["held_out_benchmark_cost"] > 0)) - 1.0
    places = np.arange(len(sums))[::-1].astype(float)
    axes.barh(places, change, 0.7, color=[GREEN if each < 0 else VERMILLION for each in change])
    for place, each, (_, row) in zip(places, change, sums.iterrows(), strict=True):
        text = f"{each:+.1%}: {row['held_out_cost']:,.0f} against {row['held_out_benchmark_cost']:,.0f} {currency}"
        axes.annotate(
            text, (max(each, 0.0), place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8.5
        )
    reach = max(float(np.nan_to_num(change.abs()).max()), 0.01)
    axes.set_xlim(-1.15 * reach if (change < 0).any() else 0.0, max(1.1 * reach, 2.0 * reach))
    axes.axvline(0.0, color=BLACK, lw=0.9)
    axes.set_yticks(places, [group_words(str(name)) for name in sums.index])
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("cost over the benchmark's, less one")
    whole = known["held_out_cost"].sum() / max(known["held_out_benchmark_cost"].sum(), 1e-9) - 1.0
    small_print = f"The last replay, which did not choose: {whole:+.1%} in all. Lost margin counts; green is saved."
    panel_title(axes, f"Against z x sigma x sqrt(lead time + review), by {group_words(column)}", small_print)

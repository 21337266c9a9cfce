"""Pictures of forecasts: fans against what was sold, and accuracy by group."""

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
    GREY,
    ORANGE,
    SKY,
    bar_labels,
    day_axis,
    day_words,
    group_words,
    headline,
    model_words,
    panel_grid,
    panel_title,
    series_name,
    shared_legend,
    styled,
)

_BAR = 0.38
_FULL_AXIS = 4.0  # 400%: a bar beyond it leaves the axis and is labelled at its end


@styled()
def forecast_fans(chosen: pd.DataFrame, sales: pd.DataFrame, demand: pd.DataFrame, champion: pd.DataFrame) -> Figure:
    """One panel per chosen series: units sold, and the fan of each cutoff's champion, seasonal naive beside it.

    chosen: rows of gold.order_plan. sales: unique_id, ds, y. demand: rows of forecast.demand of all cutoffs to draw.
    champion: unique_id, cutoff, model, rule.
    """
    figure, panels = panel_grid(len(chosen))
    for axes, row in zip(panels, chosen.itertuples(), strict=True):
        sold, forecasts, champions = (frame[frame["unique_id"] == row.unique_id] for frame in (sales, demand, champion))
        axes.plot(sold["ds"], sold["y"], color=BLACK, lw=0.9, marker="o", ms=2.6, label="units sold", zorder=4)
        fans = forecasts.merge(champions, on=["unique_id", "cutoff", "model"])
        for _, made in fans.groupby("cutoff"):
            _fan(axes, made)
        for _, naive in forecasts[forecasts["model"] == "seasonal_naive"].groupby("cutoff"):
            axes.plot(naive["ds"], naive["mean"], color=ORANGE, lw=1.4, ls="--", label="seasonal naive", zorder=3)
        _cutoff_lines(axes, champions["cutoff"])
        panel_title(axes, series_name(row), _champion_words(champions))
        axes.set_ylabel("units a day")
        _unit_axis(axes, sold, fans)
        day_axis(axes)
    shared_legend(figure, panels)
    return figure


def _fan(axes: Axes, made: pd.DataFrame) -> None:
    axes.fill_between(made["ds"], made["p05"], made["p95"], color=SKY, alpha=0.3, lw=0, label="5% to 95%")
    axes.fill_between(made["ds"], made["p25"], made["p75"], color=BLUE, alpha=0.35, lw=0, label="25% to 75%")
    axes.plot(made["ds"], made["p50"], color=BLUE, lw=1.1, ls=":", label="forecast median")
    axes.plot(made["ds"], made["mean"], color=BLUE, lw=1.9, label="forecast mean")


def _unit_axis(axes: Axes, sold: pd.DataFrame, fans: pd.DataFrame) -> None:
    """From zero to what the fan and all but the rarest days need; a higher day is marked at the edge with its units.

    One bulk order would press the fan into a line otherwise.
    """
    usual = float(sold["y"].quantile(0.95)) if len(sold) else 0.0
    top = 1.2 * max(usual, float(np.nan_to_num(fans["p95"].max())), 1.0)
    highest = float(np.nan_to_num(sold["y"].max()))
    if highest <= 1.6 * top:
        axes.set_ylim(0, 1.05 * max(top, highest))
        return
    axes.set_ylim(0, top)
    rare: list[Any] = list(sold[sold["y"] > top].itertuples())
    for number, day in enumerate(rare):  # left and right in turn, so that neighbours do not touch
        at, side, offset = (day.ds, 0.985 * top), ("right", "left")[number % 2], (-6, 6)[number % 2]
        axes.plot(*at, marker="^", color=BLACK, ms=6, zorder=5)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8}
        words = f"{day.y:,.0f}"
        axes.annotate(
            words, at, xytext=(offset, -1), textcoords="offset points", ha=side, va="center", fontsize=8.5, bbox=box
        )


def _cutoff_lines(axes: Axes, cutoffs: pd.Series) -> None:
    for cutoff in cutoffs.unique():
        axes.axvline(cutoff, color=GREY, lw=0.9, ls="-.", label="forecast made")


def _champion_words(champions: pd.DataFrame) -> str:
    """The model in use and why; the earlier cutoff's as well where it was another."""
    if champions.empty:
        return "No forecast: see ops.failure."
    made: list[Any] = [None, *champions.sort_values("cutoff").itertuples()]
    earlier, last = made[-2:]
    words = f"{model_words(last.model)}. Rule: {last.rule}."
    if earlier is not None and earlier.model != last.model:
        words += f" On {day_words(earlier.cutoff)} it was {model_words(earlier.model)}."
    return words


@styled()
def accuracy_overview(groupings: dict[str, pd.DataFrame], sentence: str, service: float = 0.9) -> Figure:
    """WAPE beside seasonal naive for each grouping, then bias and coverage of the first one.

    groupings: title of a grouping to the rows of `accuracy_by`. sentence: what the picture says, set above it.
    """
    figure, panels = panel_grid(len(groupings) + 2, row_height=3.9)
    for axes, (title, groups) in zip(panels, groupings.items(), strict=False):
        _wape_bars(axes, title, groups)
    first = next(iter(groupings.values()))
    bias_axes, coverage_axes = panels[len(groupings) :]
    _ratio_bars(bias_axes, first["bias"], first, "{:+.0%}")
    bias_axes.axvline(0.0, color=BLACK, lw=0.9)
    bias_axes.set_title("Bias: forecast over units sold, less one")
    bias_axes.set_xlabel("too low  <  bias  >  too high")
    _ratio_bars(coverage_axes, first["share_below_p90"], first, "{:.0%}", label_at=1.0)
    coverage_axes.axvline(service, color=BLACK, lw=1.6, ls="--", label=f"wanted: {service:.0%}")
    coverage_axes.set_xlim(0, 1.15)
    coverage_axes.set_title("Coverage: days that sold no more than the 90% quantile")
    coverage_axes.set_xlabel("share of series-days")
    shared_legend(figure, panels)
    headline(figure, sentence)
    return figure


def _wape_bars(axes: Axes, title: str, groups: pd.DataFrame) -> None:
    places = np.arange(len(groups))[::-1].astype(float)
    limit = min(_FULL_AXIS, float(np.nan_to_num(groups[["wape", "naive_wape"]].to_numpy()).max(initial=0.1)))
    kinds: tuple[tuple[str, float, str, str], ...] = (
        ("wape", _BAR / 2, BLUE, "our forecast"),
        ("naive_wape", -_BAR / 2, ORANGE, "seasonal naive"),
    )
    for column, offset, color, label in kinds:
        values = groups[column].to_numpy(dtype=float)
        axes.barh(places + offset, values, _BAR, color=color, label=label)
        texts = ["nothing sold" if np.isnan(value) else f"{value:.0%}" for value in values]
        bar_labels(axes, values, places + offset, texts, limit)
    axes.set_xlim(0, 1.18 * limit)
    _group_axis(axes, groups, places)
    axes.set_title(f"Error by {title}, most units sold first")
    axes.set_xlabel("WAPE per series and day: units missed / units sold (lower is better)")


def _ratio_bars(axes: Axes, ratios: pd.Series, groups: pd.DataFrame, form: str, label_at: float | None = None) -> None:
    places = np.arange(len(groups))[::-1].astype(float)
    values = ratios.to_numpy(dtype=float)
    limit = min(_FULL_AXIS, float(np.nan_to_num(np.abs(values)).max(initial=0.1)))
    axes.barh(places, values, 2 * _BAR, color=BLUE, label="our forecast")
    texts = ["nothing sold" if np.isnan(value) else form.format(value) for value in values]
    ends = values if label_at is None else np.full(len(values), label_at)
    bar_labels(axes, ends, places, texts, max(limit, label_at or 0.0))
    lowest = -limit if np.nanmin(values, initial=0.0) < 0 else 0.0
    axes.set_xlim(1.3 * lowest, 1.3 * limit)
    _group_axis(axes, groups, places)


def _group_axis(axes: Axes, groups: pd.DataFrame, places: np.ndarray) -> None:
    names: list[Any] = [f"{group_words(str(name))}\n({count:,} series)" for name, count in groups["series"].items()]
    axes.set_yticks(places, names)
    axes.set_ylim(-0.6, len(places) - 0.4)  # a group without a bar keeps its place
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))

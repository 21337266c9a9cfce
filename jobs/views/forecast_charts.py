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
    GREEN,
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
from jobs.views.day_marks import DayMarks, mark_days

_BAR = 0.38
_FEWEST_DAYS = 5  # of a kind, below which a range says nothing
_FULL_AXIS = 4.0  # 400%: a bar beyond it leaves the axis and is labelled at its end


@styled()
def forecast_fans(
    chosen: pd.DataFrame, sales: pd.DataFrame, demand: pd.DataFrame, champion: pd.DataFrame, marks: DayMarks
) -> Figure:
    """One panel per chosen series: units sold, and the fan of each cutoff's champion, seasonal naive beside it.

    chosen: rows of gold.order_plan. sales: unique_id, ds, y, is_promo, is_censored. demand: rows of forecast.demand of
    all cutoffs to draw. champion: unique_id, cutoff, model, rule. marks: of the days drawn. Right of the fan stands
    what promoted and other days have sold: a fan that may meet either is as wide as both.
    """
    figure, panels = panel_grid(len(chosen), row_height=4.6)
    rows: list[Any] = list(chosen.itertuples())
    for axes, row in zip(panels, rows, strict=True):
        sold, forecasts, champions = (frame[frame["unique_id"] == row.unique_id] for frame in (sales, demand, champion))
        _sold(axes, sold)
        fans = forecasts.merge(champions, on=["unique_id", "cutoff", "model"])
        for _, made in fans.groupby("cutoff"):
            _fan(axes, made)
        for _, naive in forecasts[forecasts["model"] == "seasonal_naive"].groupby("cutoff"):
            axes.plot(naive["ds"], naive["mean"], color=ORANGE, lw=1.4, ls="--", label="seasonal naive", zorder=3)
        _cutoff_lines(axes, champions["cutoff"])
        words = [_promotion_words(row, sold, marks), _champion_words(champions)]
        panel_title(axes, series_name(row), "\n".join(words))
        axes.set_ylabel("units a day")
        _unit_axis(axes, sold, fans)
        _past_ranges(axes, sold, max(fans["ds"].max(), sold["ds"].max()))
        day_axis(axes)
        mark_days(axes, marks, row)
    shared_legend(figure, panels)
    return figure


def _sold(axes: Axes, sold: pd.DataFrame) -> None:
    axes.plot(sold["ds"], sold["y"], color=BLACK, lw=0.9, marker="o", ms=2.6, label="units sold", zorder=4)
    for is_kind, color, label in (
        (sold["is_promo"] == True, GREEN, "sold on a promoted day"),  # noqa: E712
        (sold["is_censored"], "white", "sold on a day that ran out of stock"),
    ):
        days = sold[is_kind]
        if len(days):
            axes.plot(days["ds"], days["y"], "o", ms=5, mfc=color, mec=BLACK, mew=0.8, label=label, zorder=5)


def _by_promotion(sold: pd.DataFrame) -> dict[str, pd.Series]:
    """Units of the promoted and of the other days in stock, where there are enough of both to say what is usual."""
    known = sold[sold["y"].notna() & ~sold["is_censored"]]
    is_promo = known["is_promo"] == True  # noqa: E712
    kinds = {"promoted": known.loc[is_promo, "y"], "other": known.loc[~is_promo, "y"]}
    return kinds if min(map(len, kinds.values())) >= _FEWEST_DAYS else {}


def _promotion_words(row: Any, sold: pd.DataFrame, marks: DayMarks) -> str:
    kinds = _by_promotion(sold)
    told = [
        f"{len(y)} {name} days sold {y.mean():,.3g} each (90%: {y.quantile(0.05):,.3g} to {y.quantile(0.95):,.3g})"
        for name, y in kinds.items()
    ]
    words = f"{', '.join(told)}. " if told else ""
    of_series = marks.promoted.loc[marks.promoted["unique_id"] == row.unique_id, "ds"]
    ahead = int((of_series > row.as_of).sum())
    if row.unique_id in marks.is_planned:
        return words + (f"{ahead} days ahead are promoted." if ahead else "No promotion is planned ahead.")
    if of_series.empty:
        return words + "No day shown was promoted."
    return words + "No feed states promotions ahead: the fan allows for both kinds of days."


def _past_ranges(axes: Axes, sold: pd.DataFrame, last: pd.Timestamp) -> None:
    """What 90% of the promoted and of the other days shown have sold, right of the fan."""
    colors = {"promoted": GREEN, "other": BLACK}
    for number, (name, y) in enumerate(_by_promotion(sold).items()):
        at: Any = last + pd.Timedelta(days=2 + 2 * number)
        label = f"90% of the {name} days shown, and their mean"
        axes.vlines(at, y.quantile(0.05), y.quantile(0.95), color=colors[name], lw=4, label=label, zorder=4)
        axes.plot(at, y.mean(), "D", ms=5, mfc="white", mec=colors[name], zorder=5)


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
        words += f" Model on {day_words(earlier.cutoff)}: {model_words(earlier.model)}."
    return words


@styled()
def accuracy_overview(groupings: dict[str, pd.DataFrame], sentence: str, service: float = 0.9) -> Figure:
    """WAPE beside seasonal naive for each grouping, then bias and coverage of the first one.

    groupings: title of a grouping to the rows of `accuracy_by`. sentence: what the picture says, set above it.
    """
    figure, panels = panel_grid(len(groupings) + 2, row_height=3.9)
    named = {title: groups.set_axis(_names(groups)) for title, groups in groupings.items()}
    for axes, (title, groups) in zip(panels, named.items(), strict=False):
        wape_bars(axes, f"Error by {title}, most units sold first", groups)
    first = next(iter(named.values()))
    bias_axes, coverage_axes = panels[len(groupings) :]
    _ratio_bars(bias_axes, first["bias"], "{:+.0%}")
    bias_axes.axvline(0.0, color=BLACK, lw=0.9)
    bias_axes.set_title("Bias: forecast over units sold, less one")
    bias_axes.set_xlabel("too low  <  bias  >  too high")
    _ratio_bars(coverage_axes, first["coverage_p90"], "{:.1%}", label_at=1.0)
    coverage_axes.axvline(service, color=BLACK, lw=1.6, ls="--", label=f"promised: {service:.0%}")
    coverage_axes.set_xlim(0, 1.15)
    coverage_axes.set_title("Coverage: days below the 90% quantile, those that equal it in part")
    coverage_axes.set_xlabel("share of series-days")
    shared_legend(figure, panels)
    headline(figure, sentence)
    return figure


def _names(groups: pd.DataFrame) -> list[str]:
    return [f"{group_words(str(name))}\n({count:,} series)" for name, count in groups["series"].items()]


def wape_bars(axes: Axes, title: str, groups: pd.DataFrame) -> None:
    """Bars of WAPE and seasonal naive's for each row of `groups` (wape, naive_wape), named by its index."""
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
    _group_axis(axes, list(groups.index), places)
    axes.set_title(title)
    axes.set_xlabel("WAPE per series and day: units missed / units sold (lower is better)")


def _ratio_bars(axes: Axes, ratios: pd.Series, form: str, label_at: float | None = None) -> None:
    places = np.arange(len(ratios))[::-1].astype(float)
    values = ratios.to_numpy(dtype=float)
    limit = min(_FULL_AXIS, float(np.nan_to_num(np.abs(values)).max(initial=0.1)))
    axes.barh(places, values, 2 * _BAR, color=BLUE, label="our forecast")
    texts = ["nothing sold" if np.isnan(value) else form.format(value) for value in values]
    ends = values if label_at is None else np.full(len(values), label_at)
    bar_labels(axes, ends, places, texts, max(limit, label_at or 0.0))
    lowest = -limit if np.nanmin(values, initial=0.0) < 0 else 0.0
    axes.set_xlim(1.3 * lowest, 1.3 * limit)
    _group_axis(axes, list(ratios.index), places)


def _group_axis(axes: Axes, names: list[str], places: np.ndarray) -> None:
    axes.set_yticks(places, names)
    axes.set_ylim(-0.6, len(places) - 0.4)  # a group without a bar keeps its place
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))

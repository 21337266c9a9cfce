"""The look that all pictures share: colours, panels, day axes, labels that fit."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable
from contextlib import ContextDecorator
from datetime import timedelta
from typing import Any, Final

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, num2date
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.transforms import Bbox

# Okabe and Ito's palette: told apart with any kind of colour vision.
BLACK, BLUE, SKY, GREEN = "#000000", "#0072B2", "#56B4E9", "#009E73"
ORANGE, VERMILLION, PURPLE, GREY = "#E69F00", "#D55E00", "#CC79A7", "#6E6E6E"

# The first draws Latin, Greek and Cyrillic and is always there; a product's other scripts want one of the others.
_FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "PingFang SC", "Microsoft YaHei")
_INSTALLED = frozenset(font.name for font in fontManager.ttflist)

STYLE: Final[dict[str, Any]] = {
    "font.family": [name for name in _FONTS if name in _INSTALLED],
    "figure.dpi": 110,
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "legend.frameon": False,
    "text.parse_math": False,  # a product may be called "$5 BOX"
}

MODEL_WORDS: Final = {
    "seasonal_naive": "seasonal naive",
    "ets": "exponential smoothing",
    "croston": "Croston",
    "sba": "Syntetos-Boylan approximation",
    "tsb": "Teunter-Syntetos-Babai",
    "historic_mean": "historic mean",
    "zero": "zero demand",
    "theta": "Theta",
    "trees": "gradient-boosted trees",
}
_ROUND_DAYS = 30  # from where a tenth of a day says nothing
POLICY_WORDS: Final = {
    "tuned_s_s": "tuned (s, S)",
    "s_s": "(s, S)",
    "tuned_base_stock": "tuned base stock",
    "z_sigma": "z x sigma",
}
_CHARACTERS_AN_INCH, _HANDLE_WIDTH = 13, 8  # of a legend: what its widest entry leaves room for
_TITLE_WIDTH = 100  # characters of a panel's small print


def styled() -> ContextDecorator:
    """The look, for as long as a picture is drawn."""
    return matplotlib.rc_context(STYLE)  # type: ignore[arg-type]


def panel_grid(count: int, *, row_height: float = 4.2) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, two a row, and their axes."""
    columns = 1 if count == 1 else 2
    rows = -(-count // columns)
    figure = Figure(figsize=(7.5 * columns, row_height * rows + 0.8), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.12, w_pad=0.12)  # type: ignore[union-attr, call-arg]
    return figure, [figure.add_subplot(rows, columns, number + 1) for number in range(count)]


def shared_legend(figure: Figure, panels: list[Axes], only: Collection[str] | None = None) -> None:
    """One legend below all panels, each thing named once; `only`: of those names, where panels have legends too."""
    named: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            if only is None or label in only:
                named.setdefault(label, handle)
    widest = max(map(len, named), default=1) + _HANDLE_WIDTH
    ncols = max(1, min(len(named), 5, int(_CHARACTERS_AN_INCH * figure.get_figwidth() / widest)))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=ncols)


def panel_title(axes: Axes, head: str, small_print: str) -> None:
    """A bold line that names the panel, and wrapped small print below it, each of its lines begun anew."""
    paragraphs = (textwrap.wrap(each, _TITLE_WIDTH, break_on_hyphens=False) for each in small_print.splitlines())
    lines = [line for paragraph in paragraphs for line in paragraph]
    axes.set_title("\n".join(lines), fontsize=8.5, color="#333333")
    axes.annotate(
        textwrap.shorten(head, 70, placeholder="..."),
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 8 + 11.5 * len(lines)),
        textcoords="offset points",
        fontsize=10.5,
        fontweight="bold",
        va="bottom",
    )


def series_name(row: Any, *, product_width: int = 48) -> str:
    """SKU, product, and location and channel unless they are "all"; a long product name is cut, not the rest."""
    product = row.product_name if isinstance(row.product_name, str) else ""
    if len(product) > product_width:
        product = product[: product_width - 3].rstrip() + "..."
    parts = [row.sku_id, product, row.location_id, row.channel_id]
    return " · ".join(part for part in parts if part and part != "all")


def series_lines(row: Any, *, product_width: int = 28) -> str:
    """The same in two lines, product above, where names stand beside bars."""
    product = row.product_name if isinstance(row.product_name, str) else ""
    parts = [part for part in (row.sku_id, row.location_id, row.channel_id) if part != "all"]
    return "\n".join(filter(None, [textwrap.shorten(product, product_width, placeholder="..."), " · ".join(parts)]))


def model_words(model: object) -> str:
    """A model's name in words, or those of an average; one that has none here under its own name."""
    names = [MODEL_WORDS.get(name, name) for name in str(model).split("+")]
    words = names[0] if len(names) == 1 else f"average of {', '.join(names[:-1])} and {names[-1]}"
    return words[0].upper() + words[1:]


def policy_words(policy: object) -> str:
    """A policy's name as textbooks write it; one that has none here under its own name."""
    return POLICY_WORDS.get(str(policy), group_words(str(policy)))


def day_axis(axes: Axes) -> None:
    """Days along the bottom: as few labels as say which day it is."""
    locator = AutoDateLocator(minticks=4, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(lambda value, _: f"{num2date(value).day} {num2date(value):%b}")
    years = sorted({num2date(end).year for end in axes.dataLim.intervalx})
    axes.set_xlabel(f"day, {' to '.join(str(year) for year in years)}")


def day_words(day: pd.Timestamp) -> str:
    return f"{day.day} {day:%b %Y}"


def days_words(days: float) -> str:
    """A number of days as a planner says it; nothing runs out without demand."""
    if np.isnan(days):
        return "no demand"
    return f"{days:,.1f} days" if days < _ROUND_DAYS else f"{days:,.0f} days"


def group_words(name: str) -> str:
    """A column or one of its values without its underscores."""
    return name.replace("_", " ")


def headline(figure: Figure, text: str, *, width: int = 150) -> None:
    """The sentence that the picture is about, above it."""
    figure.suptitle("\n".join(textwrap.wrap(text, width)), x=0.01, ha="left", fontsize=11, fontweight="bold")


def bar_labels(axes: Axes, values: np.ndarray, places: np.ndarray, texts: list[str], limit: float) -> None:
    """The text of each horizontal bar just beyond its end; a bar that leaves the axis has it at the axis' end."""
    for value, place, text in zip(values, places, texts, strict=True):
        reach = 0.0 if np.isnan(value) else float(np.clip(value, -limit, limit))
        left = reach < 0
        offset = (-3 if left else 3, 0)
        side = "right" if left else "left"
        axes.annotate(
            text, (reach, place), xytext=offset, textcoords="offset points", ha=side, va="center", fontsize=8.5
        )


def day_bands(axes: Axes, days: pd.Series, **style: Any) -> None:
    """A band over each run of days that follow on each other, from the middle of the night before to that after."""
    half: Any = pd.Timedelta(hours=12)
    for first, last in spans(days):
        axes.axvspan(first - half, last + half, **style)


def spans(days: pd.Series) -> list[tuple[Any, Any]]:
    """First and last of each run of days that follow on each other."""
    ordered = np.sort(days.drop_duplicates().to_numpy())
    if not len(ordered):
        return []
    breaks = np.flatnonzero(np.diff(ordered) > np.timedelta64(timedelta(days=1)))
    firsts, lasts = np.append(0, breaks + 1), np.append(breaks, len(ordered) - 1)
    return [(pd.Timestamp(ordered[a]), pd.Timestamp(ordered[b])) for a, b in zip(firsts, lasts, strict=True)]


def labelled_bars(axes: Axes, names: list[str], values: np.ndarray, texts: list[str], color: str | list[str]) -> None:
    """Horizontal bars of values from zero, the first on top, each with its name before it and its text behind it."""
    places = np.arange(len(values))[::-1].astype(float)
    limit = max(float(np.nanmax(values, initial=0.0)), 1e-9)
    axes.barh(places, values, 0.7, color=color)
    bar_labels(axes, values, places, texts, limit)
    axes.set_xlim(0, 1.35 * limit)
    axes.set_ylim(len(places) - max(len(places), 4) - 0.6, len(places) - 0.4)  # a lone bar is no wall
    axes.set_yticks(places, names)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")


def table_panel(axes: Axes, header: list[str], cells: list[list[str]], widths: list[float], most: int) -> None:
    """A table in place of a picture, its first column to the left, as high as `most` rows would make it at most."""
    axes.axis("off")
    height = 0.95 * (len(cells) + 1) / (most + 1)
    box = Bbox.from_bounds(0.0, 0.95 - height, 1.0, height)
    table = axes.table(cells, colLabels=header, colWidths=widths, bbox=box, edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(8.5)
    for (_, column), cell in table.get_celld().items():
        cell.set_edgecolor("#D0D0D0")
        cell.set_text_props(ha="left" if column == 0 else "right")
        cell.PAD = 0.02


def stacked_bars(axes: Axes, parts: Iterable[tuple[np.ndarray, str, str]], count: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` horizontal bars, the first on top, of parts (values, color, label) that follow on each other; their
    places and lengths."""
    places, left = np.arange(count)[::-1].astype(float), np.zeros(count)
    for values, color, label in parts:
        axes.barh(places, values, 0.7, left=left, color=color, label=label)
        left = left + values
    return places, left


def empty_panel(axes: Axes, words: str) -> None:
    """Words where there is nothing to draw."""
    axes.axis("off")
    axes.annotate(words, (0.5, 0.5), xycoords="axes fraction", ha="center")

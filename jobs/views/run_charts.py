"""Pictures of a run: seconds and memory by stage, seconds by unit, sizes of tables."""

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
    ORANGE,
    VERMILLION,
    empty_panel,
    headline,
    labelled_bars,
    panel_grid,
    panel_title,
    styled,
)

TABLES_SHOWN = 12


@styled()
def run_overview(stages: pd.DataFrame, units: pd.DataFrame, sizes: pd.DataFrame, sentence: str) -> Figure:
    """Stages in the order in which they ran, units that stand out, the largest tables.

    stages, units, sizes: of `run_health`. sentence: what the picture says, set above it.
    """
    figure, panels = panel_grid(4, row_height=4.6)
    _stage_seconds(panels[0], stages)
    _stage_memory(panels[1], stages)
    _unit_seconds(panels[2], stages, units)
    _table_sizes(panels[3], sizes)
    headline(figure, sentence)
    return figure


def _stage_seconds(axes: Axes, stages: pd.DataFrame) -> None:
    seconds = stages["seconds"].to_numpy(dtype=float)
    texts = [_stage_words(row) for row in stages.itertuples()]
    labelled_bars(axes, list(stages["stage"]), seconds, texts, BLUE)
    places = np.arange(len(stages))[::-1].astype(float)
    for place, (_, row) in zip(places, stages.iterrows(), strict=True):
        if row["status"] != "succeeded":
            axes.barh(place, max(row["seconds"], 0.01 * seconds.max()), 0.7, color=VERMILLION)
    usual = stages["usual_seconds"].to_numpy(dtype=float)
    is_known = ~np.isnan(usual)
    if is_known.any():
        axes.plot(usual[is_known], places[is_known], "|", color=BLACK, ms=14, mew=2)
        axes.set_xlim(0, max(axes.get_xlim()[1], 1.1 * float(usual[is_known].max())))
    axes.set_xlabel("seconds")
    small_print = "In the order in which they last ran." + (" Black: median of other runs." if is_known.any() else "")
    panel_title(axes, "Time by stage", small_print)


def _stage_words(row: Any) -> str:
    words = f"{row.seconds:,.1f} s"
    if row.ids:
        words += f", {row.ids:,} ids"
    if row.failed_ids:
        words += f", {row.failed_ids:,} failed"
    return words if row.status == "succeeded" else f"{words}: {row.status}"


def _stage_memory(axes: Axes, stages: pd.DataFrame) -> None:
    gib = stages["peak_memory_mb"].to_numpy(dtype=float) / 1024.0
    labelled_bars(axes, list(stages["stage"]), gib, [f"{each:.1f}" for each in gib], ORANGE)
    axes.set_xlabel("GiB, all processes of the run together")
    panel_title(axes, "Peak memory by stage", "What a machine must have is the longest bar.")


def _unit_seconds(axes: Axes, stages: pd.DataFrame, units: pd.DataFrame) -> None:
    """A dot a unit: one far right of its stage's others holds up all that wait for it."""
    names = [name for name in stages["stage"] if (units["stage"] == name).any()]
    panel_title(axes, "Time by unit of work", "A dot is a bucket or a model; one far right of the others holds up all.")
    if not names:
        empty_panel(axes, "No stage of this run works by units.")
        return
    for number, name in enumerate(names):
        place = len(names) - 1 - number
        of_stage = units[units["stage"] == name].sort_values("seconds")
        spread = place + 0.3 * np.sin(2.4 * np.arange(len(of_stage)))  # so that dots do not hide each other
        is_broken = (of_stage["status"] != "succeeded").to_numpy()
        axes.plot(of_stage["seconds"], spread, "o", color=BLUE, ms=4, alpha=0.6)
        axes.plot(of_stage["seconds"][is_broken], spread[is_broken], "X", color=VERMILLION, ms=8)
        slowest = of_stage.iloc[-1]
        at = (slowest["seconds"], spread[-1])
        words = f"unit {slowest['unit']}, {slowest['seconds']:.3g} s"
        axes.annotate(words, at, xytext=(6, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(names))[::-1], names)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(low, high * (high / low) ** 0.3)
    axes.set_xlabel("seconds, each step ten times the one before")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _table_sizes(axes: Axes, sizes: pd.DataFrame) -> None:
    top = sizes.head(TABLES_SHOWN)
    texts = [f"{row.mib:,.1f} MiB, {row.rows:,} rows, {row.files:,} files" for row in top.itertuples()]
    labelled_bars(axes, list(top["table"]), top["mib"].to_numpy(dtype=float), texts, GREEN)
    axes.set_xlim(0, 1.6 * max(float(top["mib"].max()), 1e-9))
    axes.set_xlabel("MiB of the latest version; older versions lie beside it until `shelfcast keep`")
    rest = sizes.iloc[TABLES_SHOWN:]
    small_print = f"{len(sizes)} tables, {sizes['mib'].sum():,.0f} MiB in all"
    panel_title(axes, "The largest tables", f"{small_print}; those not shown {rest['mib'].sum():,.1f} MiB.")

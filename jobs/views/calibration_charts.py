"""Pictures of calibration: nominal against observed coverage, and the error, by kind of day."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jobs.views.calibration import CLASS, DAY_KINDS, KIND, LEVELS, by_day_kind, calibration_words, observed
from jobs.views.charts import BLACK, BLUE, GREEN, VERMILLION, group_words, headline, panel_grid, shared_legend, styled
from jobs.views.forecast_charts import wape_bars

CLASSES_SHOWN = 4
_FEWEST_DAYS = 50  # series-days below which a share wanders by itself
_STYLES: dict[str, dict[str, Any]] = {
    DAY_KINDS[0]: {"color": BLUE, "marker": "o", "ls": "-"},
    DAY_KINDS[1]: {"color": GREEN, "marker": "s", "ls": "-"},
    DAY_KINDS[2]: {"color": VERMILLION, "marker": "x", "ls": ":"},
}


@styled()
def calibration_overview(sums: pd.DataFrame) -> Figure:
    """All series and the demand classes of most days: share of days below each quantile against its level; then error.

    sums: what `calibration` gives. A point above the diagonal: the quantile is too high; below it: too low.
    """
    largest = sums.groupby(CLASS)["days"].sum().sort_values(ascending=False, kind="stable").index[:CLASSES_SHOWN]
    panels_of = {"all series": sums} | {group_words(str(name)): sums[sums[CLASS] == name] for name in largest}
    figure, panels = panel_grid(len(panels_of) + 1, row_height=4.3)
    for axes, (title, rows) in zip(panels, panels_of.items(), strict=False):
        _reliability(axes, title, rows)
    kinds = by_day_kind(sums)
    labels = {f"{kind}\n({row.days:,.0f} series-days)": row for kind, row in kinds.iterrows()}
    wape_bars(panels[-1], "Error by kind of day", pd.DataFrame(labels).T)
    shared_legend(figure, panels)
    headline(figure, calibration_words(sums))
    return figure


def _reliability(axes: Axes, title: str, rows: pd.DataFrame) -> None:
    levels = np.array(list(LEVELS.values()))
    axes.plot([0, 1], [0, 1], color=BLACK, lw=0.9, ls="--", label="as promised")
    left_out = []
    for number, kind in enumerate(DAY_KINDS):
        of_kind = rows[rows[KIND] == kind]
        days = of_kind["days"].sum()
        if 0 < days < _FEWEST_DAYS:
            left_out.append(f"{kind} {days:,}")
        if days >= _FEWEST_DAYS:
            axes.plot(levels, observed(of_kind)[list(LEVELS)], ms=6, lw=1.5, label=kind, **_STYLES[kind])
            at = (0.97, 0.16 - 0.065 * number)
            color = _STYLES[kind]["color"]
            axes.annotate(
                f"{kind}: {days:,} series-days", at, xycoords="axes fraction", ha="right", fontsize=8.5, color=color
            )
    notes = f" (too few to show: {', '.join(left_out)})" if left_out else ""
    axes.set_title(f"{title[0].upper()}{title[1:]}{notes}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("level of the quantile (nominal coverage)")
    axes.set_ylabel("share of days below it (observed)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))

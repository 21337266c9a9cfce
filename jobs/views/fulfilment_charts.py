"""Pictures of deliveries: where the vehicles go, when, and what that costs beside today's practice."""

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
    headline,
    labelled_bars,
    panel_grid,
    panel_title,
    styled,
)

_COLOURS = (BLUE, ORANGE, GREEN, SKY, "#882255", "#997700", "#44AA99", "#AA4499")
_ROUTES = 24


@styled()
def delivery_overview(
    shipments: pd.DataFrame, stops: pd.DataFrame, vehicles: pd.DataFrame, days: pd.DataFrame, currency: str
) -> Figure:
    """A map and the timetable of the largest depot-day, all depot-days' cost beside practice, and loads of vehicles.

    shipments, stops, vehicles, days: rows of fulfilment.shipment, .stop, .vehicle and .depot_day of one run.
    """
    figure, panels = panel_grid(4, row_height=4.8)
    if days.empty:
        for panel in panels:
            empty_panel(panel, "Nothing is shipped: no location has coordinates, or nothing is ordered.")
        return figure
    largest = days.sort_values(["stop_count", "depot_day_id"], ascending=[False, True])["depot_day_id"].iloc[0]
    own = stops[stops["depot_day_id"] == largest].sort_values(["route_id", "stop_position"])
    own = own.merge(shipments[["shipment_id", "latitude", "longitude"]], on="shipment_id")
    _map(panels[0], own, vehicles[vehicles["depot_id"] == largest.split("|")[0]], largest)
    _timetable(panels[1], own, largest)
    _costs(panels[2], days, currency)
    _slack(panels[3], stops)
    headline(figure, delivery_words(shipments, stops, days, currency))
    return figure


def delivery_words(shipments: pd.DataFrame, stops: pd.DataFrame, days: pd.DataFrame, currency: str) -> str:
    """How much is brought, at what cost, in a sentence."""
    if days.empty:
        return "Nothing is shipped"
    compared = days.dropna(subset=["savings_cost"])
    words = (
        f"{len(stops):,} of {len(shipments):,} shipments are brought on {len(days):,} depot-days for "
        f"{days['route_cost'].sum():,.0f} {currency}"
    )
    if len(compared) and (practice := compared["savings_cost"].sum()) > 0:
        words += f", {1 - compared['route_cost'].sum() / practice:.1%} below routes by savings"
    return words


def _map(axes: Axes, stops: pd.DataFrame, vehicles: pd.DataFrame, day: str) -> None:
    home = vehicles.iloc[0][["longitude", "latitude"]].to_numpy(dtype=float)
    for number, (_, route) in enumerate(stops.groupby("route_id")):
        for _, trip in route.groupby("trip"):
            points = np.vstack([home, trip[["longitude", "latitude"]].to_numpy(), home])
            axes.plot(points[:, 0], points[:, 1], color=_COLOURS[number % len(_COLOURS)], linewidth=1.2)
        axes.scatter(route["longitude"], route["latitude"], s=14, color=_COLOURS[number % len(_COLOURS)], zorder=3)
    axes.scatter(home[:1], home[1:], marker="s", s=60, color="black", zorder=4)
    axes.set_aspect(1 / max(np.cos(np.radians(home[1])), 0.05))
    panel_title(axes, f"Routes of {day.replace('|', ' on ')}", "Straight between stops; the square is the depot.")


def _timetable(axes: Axes, stops: pd.DataFrame, day: str) -> None:
    routes = list(stops.groupby("route_id"))[:_ROUTES]
    for number, (_, route) in enumerate(routes):
        start, end = (route[name].to_numpy() / 3600 for name in ("arrive_s", "leave_s"))
        wait = route["wait_s"].to_numpy() / 3600
        axes.plot([start[0], end[-1]], [number, number], color=GREY, linewidth=1, zorder=1)
        axes.barh(
            np.full(len(start), number),
            wait,
            left=start,
            color=ORANGE,
            height=0.6,
            label="waits" if number == 0 else None,
        )
        axes.barh(
            np.full(len(start), number),
            end - start - wait,
            left=start + wait,
            color=BLUE,
            height=0.6,
            label="at the door" if number == 0 else None,
        )
    axes.set_yticks(range(len(routes)), [str(name).rsplit(":", 1)[1] for name, _ in routes])
    axes.invert_yaxis()
    axes.set_xlabel("hour of the day")
    axes.legend(loc="best")
    panel_title(axes, "When", "Each line a vehicle from its first stop to its last.")


def _costs(axes: Axes, days: pd.DataFrame, currency: str) -> None:
    compared = days.dropna(subset=["savings_cost", "nearest_neighbour_cost"])
    sums = compared[["nearest_neighbour_cost", "savings_cost", "route_cost"]].sum().to_numpy()
    names, texts = ["to the nearest place next", "by savings", "these routes"], [f"{value:,.0f}" for value in sums]
    labelled_bars(axes, names, sums, texts, [GREY, SKY, BLUE])
    panel_title(axes, "What the same stops cost", f"{currency}, of {len(compared):,} of {len(days):,} depot-days.")


def _slack(axes: Axes, stops: pd.DataFrame) -> None:
    if stops.empty:
        empty_panel(axes, "No stop.")
        return
    axes.hist(np.clip(stops["slack_s"] / 60, 0, 240), bins=24, color=GREEN)
    axes.set_xlabel("minutes")
    panel_title(
        axes,
        "How late a vehicle might come",
        "Stops by minutes until a window or a shift would break; 240 and more in one.",
    )

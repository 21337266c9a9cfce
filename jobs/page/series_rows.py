"""One series' rows and pictures: what was sold and is forecast, the stock to be expected, steps, money."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from markupsafe import Markup

from jobs.page.published import Day
from jobs.page.svg_plot import Plot, day_words
from jobs.views.series import buckets_of, calendar_events, read_series
from lakehouse.delta.io import Lakehouse

_PAST_DAYS = 84
_LEAST_DAYS_AFTER = 3
_UNUSUAL = 1.6  # times the picture's usual height, from where a day is shown at its edge


@dataclass(frozen=True, slots=True)
class SeriesView:
    """`fan`, `stock`: pictures, None without a forecast; `promotions`, `events`: what is marked in the first, in words;
    `steps`: rows of inventory.order_step, with units and money of all up to them; `policy`: what gold.policy_value
    says of its policy, None where there is none."""

    fan: Markup | None
    stock: Markup | None
    promotions: str
    events: str
    steps: list[dict[Hashable, Any]]
    policy: dict[str, Any] | None


def series_view(lake: Lakehouse, day: Day, line: dict[str, Any]) -> SeriesView:
    """Read what a page about one line of the plan shows."""
    chosen = pd.DataFrame([{"unique_id": line["unique_id"], "run_id": day.run_id}])
    since, at = day.as_of - timedelta(days=_PAST_DAYS), pc.field("cutoff") == day.as_of
    read = partial(read_series, lake, chosen=chosen, buckets=buckets_of(lake, chosen))
    sold = read("silver.sales_daily", columns=["ds", "y", "is_promo"], where=pc.field("ds") > since)
    planned = read("silver.planned_daily", columns=["ds", "is_promo"], where=pc.field("ds") > day.as_of)
    quantiles = ["ds", "mean", "p05", "p25", "p50", "p75", "p95"]
    made = read("forecast.demand", columns=quantiles, where=at & (pc.field("model") == line["model"]))
    summed = read("forecast.lead_time_demand", columns=["unique_id", "days", "mean", "p90"], where=at).sort_values(
        "days"
    )
    if len(decided := read("inventory.decided_demand", columns=[*quantiles, "until_p90"], where=at)):
        made = decided.drop(columns="until_p90")
        days = range(1, len(decided) + 1)
        summed = pd.DataFrame({"days": days, "mean": decided["mean"].cumsum(), "p90": decided["until_p90"]})
    money = ["step", "step_count", "step_qty", "step_cost", "expected_value"]
    steps = read("inventory.order_step", columns=["unique_id", *money])
    until = day.as_of + timedelta(days=max(len(made), 1))
    events = _events(lake, line["location_id"], since, until)
    for frame in (sold, planned, made):
        frame["ds"] = [each.date() for each in pd.to_datetime(frame["ds"])]
    promoted = sorted({*sold.loc[sold["is_promo"] == True, "ds"], *planned.loc[planned["is_promo"] == True, "ds"]})  # noqa: E712
    promoted = [each for each in promoted if each <= until]
    return SeriesView(
        _fan(sold, made, promoted, events) if len(made) else None,
        _stock(line, summed) if len(summed) else None,
        "; ".join(_spans(promoted)),
        "; ".join(f"{words} ({day_words(when)})" for when, words in events),
        _added_up(steps.sort_values("step")),
        _policy(lake, day, line),
    )


def _added_up(steps: pd.DataFrame) -> list[dict[Hashable, Any]]:
    units, earned = (steps["step_count"] * steps[name] for name in ("step_qty", "expected_value"))
    return steps.assign(all_qty=units.cumsum(), all_value=earned.cumsum()).to_dict("records")


def _policy(lake: Lakehouse, day: Day, line: dict[str, Any]) -> dict[str, Any] | None:
    where = (pc.field("as_of") == day.as_of) & (pc.field("unique_id") == line["unique_id"])
    columns = ["rule", "expected_fill_rate", "expected_cost", "benchmark_cost"]
    rows = lake.read_arrow("gold.policy_value", columns=columns, filters=where).to_pylist()
    return rows[0] if rows else None


def _events(lake: Lakehouse, location: str, since: date, until: date) -> list[tuple[date, str]]:
    """Holidays, events and closed days of a location, in words."""
    events = calendar_events(lake, {location}, since, until)
    return list(zip(events["ds"].dt.date, events["words"], strict=True))


def _spans(days: list[date]) -> Iterator[str]:
    """Days in a row as one span each."""
    start = 0
    for at in range(1, len(days) + 1):
        if at == len(days) or (days[at] - days[at - 1]).days > 1:
            one = day_words(days[start])
            yield one if start == at - 1 else f"{one} to {day_words(days[at - 1])}"
            start = at


def _fan(sold: pd.DataFrame, made: pd.DataFrame, promoted: list[date], events: list[tuple[date, str]]) -> Markup:
    usual = float(sold["y"].quantile(0.95)) if len(sold) else 0.0
    top = 1.1 * max(usual, float(made["p95"].max()), 1.0)
    most = float(sold["y"].max()) if len(sold) else 0.0
    top = max(top, most) if most <= _UNUSUAL * top else top
    first = sold["ds"].iloc[0] if len(sold) else made["ds"].iloc[0]
    said = f"Units sold a day since {day_words(first)}, and the forecast until {day_words(made['ds'].iloc[-1])}"
    plot = Plot(first, made["ds"].iloc[-1], 0.0, top, said)
    plot.days(
        [d for d in promoted if d >= first], "promotion", [f"promotion, {day_words(d)}" for d in promoted if d >= first]
    )
    shown = [(when, words) for when, words in events if when >= first]
    plot.days([when for when, _ in shown], "event", [f"{words}, {day_words(when)}" for when, words in shown])
    days = list(made["ds"])
    plot.band(days, list(made["p05"]), list(made["p95"]), "wide")
    plot.band(days, list(made["p25"]), list(made["p75"]), "narrow")
    plot.line(days, list(made["p50"]), "median")
    plot.line(days, list(made["mean"]), "mean")
    plot.line(list(sold["ds"]), list(sold["y"]), "sold")
    plot.dots(list(sold["ds"]), list(sold["y"]), "sold", "sold")
    return plot.svg()


def _stock(line: dict[str, Any], summed: pd.DataFrame) -> Markup:
    """Stock after each day at mean and at p90 demand, until the order is used up; it comes after the demand of its day,
    as the policy reckons. Below zero is demand not served."""
    # Quantiles of sums are found from sample paths; demand itself never falls.
    paths = [summed["mean"].to_numpy(), np.maximum.accumulate(summed["p90"].to_numpy())]
    days = [line["as_of"] + timedelta(days=ahead) for ahead in range(len(summed) + 1)]
    stocks = [[*(line["position_qty"] - np.concatenate([[0.0], path]))] for path in paths]
    at, arrives = 0, line["expected_receipt_ds"]
    if line["order_qty"] > 0 and arrives is not None and arrives <= days[-1]:
        at = (arrives - line["as_of"]).days
        days = [*days[: at + 1], *days[at:]]
        stocks = [[*path[: at + 1], *(each + line["order_qty"] for each in path[at:])] for path in stocks]
    # Beyond the day on which this order is used up the next one is what matters, which nobody has made yet.
    sold_out = next((k for k in range(at + 1, len(days)) if stocks[0][k] < 0.0), len(days) - 1)
    last = max(sold_out, at + _LEAST_DAYS_AFTER) + 1
    days, stocks = days[:last], [path[:last] for path in stocks]
    levels = {"reorder": line["reorder_point_qty"], "upto": line["order_up_to_qty"], "safety": line["safety_stock_qty"]}
    known = {kind: value for kind, value in levels.items() if value is not None}
    values = [*stocks[0], *stocks[1], *known.values()]
    said = f"Stock to be expected until {day_words(days[-1])}, {stocks[0][-1]:,.1f} then"
    plot = Plot(days[0], days[-1], min(values), max(values), said)
    plot.band(days, stocks[1], stocks[0], "wide")
    for kind, value in known.items():
        plot.level(value, kind)
    plot.line(days, stocks[1], "fast")
    plot.line(days, stocks[0], "mean")
    return plot.svg()

"""Weekly sales of departments in Walmart stores, up to 39 weeks ahead from one to two years of history.

    python -m tests.benchmarks.bench_walmart_weekly [test] [--model yearly_profile] [--without months,easter]
    python -m tests.benchmarks.bench_walmart_weekly --stores even

WMAE: mean absolute error, weeks with `IsHoliday` weigh 5. A JSON line per cutoff. The tuning windows end at 2011-10-28;
`test` is the 39 weeks after it. Series without a row before a cutoff are forecast as 0. `--without` leaves out
festivals by name, `festivals`, `months`, or `groups` (the traits); `--stores` takes every second one, odd or even by
position; `--temperature 1` adds what temperature says on top, `.5` half of it.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings

import numpy as np
import pandas as pd

from jobs.settings import load_settings
from jobs.stages.demand.demand_settings import FESTIVALS
from tests import real_data
from tests.benchmarks.walmart_temperature import factors
from udfs.demand.period_calendar import Reach, period_calendar
from udfs.forecasting import forecast
from udfs.forecasting.frame_panel import ForecastWarning

LAST_TUNED = pd.Timestamp("2011-10-28")
TUNING = ("2011-01-28", "2011-02-25", "2011-03-25", "2011-04-22", "2011-05-20", "2011-06-24", "2011-07-29")
HORIZON = 39
MORE_RULES = [
    'festivals.super_bowl={weekday = "Sun 1 2", days_before = 6, days_after = 0}',
    'festivals.memorial_day={weekday = "Mon -1 5", days_before = 3, days_after = 2}',
    'festivals.independence_day={day = "07-04", days_before = 3, days_after = 2}',
    'festivals.labor_day={weekday = "Mon 1 9", days_before = 3, days_after = 2}',
]
TRAITS = ["department", "store"]


def sales(stores: str | None = None) -> pd.DataFrame:
    """unique_id, ds (Friday, a week's last day), y, weight, department, store."""
    rows = pd.read_parquet(real_data.find("walmart_weekly") / "sales.parquet")
    if stores is not None:
        kept = sorted(rows["Store"].unique())[("even", "odd").index(stores) :: 2]
        rows = rows[rows["Store"].isin(kept)]
    return pd.DataFrame(
        {
            "unique_id": rows["Store"].astype(str) + "_" + rows["Dept"].astype(str),
            "ds": pd.to_datetime(rows["Date"]),
            "y": rows["Weekly_Sales"],
            "weight": np.where(rows["IsHoliday"], 5.0, 1.0),
            "department": "department " + rows["Dept"].astype(str),
            "store": "store " + rows["Store"].astype(str),
        }
    )


def weeks(first: pd.Timestamp, last: pd.Timestamp, without: set[str]) -> pd.DataFrame:
    """ds and what the rules in conf that the US keep, and a planner's, say of each week."""
    days = pd.date_range(first, last, freq="7D")
    rules = {
        name: rule
        for name, rule in FESTIVALS.of(load_settings(overrides=MORE_RULES)).items()
        if rule.is_kept_in("US") and not without & {name, "festivals"}
    }
    reaches = {
        name: Reach(
            tuple(day for year in rule.years(first.date(), last.date()) for day in rule.first_days(year)),
            rule.days_before,
            rule.days - 1 + rule.days_after,
        )
        for name, rule in rules.items()
    }
    harmonics = 0 if "months" in without else 2
    return period_calendar(days, 7, reaches, harmonics).assign(ds=days)


def frames(
    rows: pd.DataFrame, cutoff: pd.Timestamp, horizon: int, without: set[str]
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """History, a row for every series and week, y missing where there is none; and the covariates ahead."""
    past = rows[rows["ds"] <= cutoff]
    last = cutoff + pd.Timedelta(weeks=horizon)
    calendar = weeks(rows["ds"].min(), last, without)
    series = past.drop_duplicates("unique_id")[["unique_id", *TRAITS]]
    grid = series.merge(calendar, how="cross")
    if "groups" in without:
        grid = grid.drop(columns=TRAITS)
    history = grid[grid["ds"] <= cutoff].merge(past[["unique_id", "ds", "y"]], how="left", on=["unique_id", "ds"])
    names = [name for name in calendar if name != "ds"]
    return history, grid.loc[grid["ds"] > cutoff, ["unique_id", "ds", *names]] if names else None


def temperature_adds(
    history: pd.DataFrame, scored: pd.DataFrame, cutoff: pd.Timestamp, horizon: int, trust: float
) -> dict[str, float]:
    """WMAE after `factors`, with actual temperatures and with what could be known at the cutoff."""
    ahead = pd.date_range(cutoff, periods=horizon + 1, freq="7D")[1:]
    found = {}
    for kind in ("actual", "degraded"):
        told = scored.merge(factors(history, ahead, kind == "actual", trust), how="left", on=["unique_id", "ds"])
        error = (told["y"] - (told["mean"] * told["factor"]).fillna(0.0)).abs()
        found[f"wmae_{kind}_temperature"] = round(float(np.average(error, weights=told["weight"])), 1)
    return found


def measure(
    rows: pd.DataFrame, cutoff: pd.Timestamp, horizon: int, model: str, without: set[str], trust: float = 0.0
) -> dict[str, object]:
    history, future = frames(rows, cutoff, horizon, without)
    begun = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ForecastWarning)
        made = forecast(history, model, horizon, 52, "W-FRI", future=future, gap_fill="unknown", outliers="observed")
    seconds = time.perf_counter() - begun
    ahead = rows[(rows["ds"] > cutoff) & (rows["ds"] <= cutoff + pd.Timedelta(weeks=horizon))]
    scored = ahead.merge(made, how="left", on=["unique_id", "ds"])
    error = (scored["y"] - scored["mean"].fillna(0.0)).abs()
    warm = temperature_adds(history, scored, cutoff, horizon, trust) if trust else {}
    return {
        "cutoff": str(cutoff.date()),
        "weeks": horizon,
        "model": model,
        "series": int(made["unique_id"].nunique()),
        "rows": len(scored),
        "wmae": round(float(np.average(error, weights=scored["weight"])), 1),
        "inside_p05_p95": round(float(scored["y"].between(scored["p05"], scored["p95"]).mean()), 3),
        "seconds": round(seconds, 1),
        **warm,
        "models": made["model"].value_counts(normalize=True).round(3).to_dict(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("window", nargs="?", choices=["tuning", "test"], default="tuning")
    parser.add_argument("--model", default="yearly_profile")
    parser.add_argument("--without", default="")
    parser.add_argument("--stores", choices=["even", "odd"])
    parser.add_argument("--temperature", type=float, default=0.0)
    asked = parser.parse_args()
    rows, without = sales(asked.stores), set(asked.without.split(","))
    cutoffs = [LAST_TUNED] if asked.window == "test" else [pd.Timestamp(cutoff) for cutoff in TUNING]
    if asked.window == "tuning":
        rows = rows[rows["ds"] <= LAST_TUNED]
    found = []
    for cutoff in cutoffs:
        horizon = min(HORIZON, (rows["ds"].max() - cutoff).days // 7)
        found.append(measure(rows, cutoff, horizon, asked.model, without, asked.temperature))
        print(json.dumps(found[-1]), flush=True)
    names = [name for name in found[0] if name.startswith("wmae")]
    print(json.dumps({f"mean_{name}": round(float(np.mean([each[name] for each in found])), 1) for name in names}))


if __name__ == "__main__":
    main()

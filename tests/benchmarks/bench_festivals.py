"""The main job on 279 Rossmann stores around public holidays: sales of each day, opening days and promotions known.

    python -m tests.benchmarks.bench_festivals test|tuning|FIRST:LAST[,FIRST:LAST] [--set KEY=VALUE] [--lakehouse DIR]
    python -m tests.benchmarks.bench_festivals planted

`--set trees.festival_lifts=false` leaves festivals to the trees as covariates.

A window is forecast whole, as of the day before its first. A JSON line per window: WAPE of the champions on days near a
public holiday (three days before to two days after one, or after 24 or 31 December), on the other days, and of each
model that was a candidate. Every second store; those with no sale in a window's days do not count.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import holidays
import numpy as np
import pandas as pd
import pyarrow.compute as pc

from jobs.cli import main as shelfcast
from lakehouse.delta.io import Lakehouse
from tests import real_data
from tests.udfs.forecasting.planted_festivals import CAKES, errors, lifts_found, planted
from udfs.forecasting.festival_adjusted import FestivalLifts

WINDOWS = {
    "test": "2014-04-07:2014-06-15,2014-12-01:2014-12-31",
    "tuning": "2013-09-16:2013-11-03,2013-12-01:2014-01-10,2014-06-16:2014-07-31,2014-09-15:2014-11-09",
}
STAGES = "ingest,clean,festivals,features,group_features,train,train_networks,backtest,calibrate,forecast"


def write_feeds(folder: Path) -> pd.DataFrame:
    """Feeds in the documented layout, of all days; returns the sales."""
    folder.mkdir(parents=True)
    rows = pd.read_parquet(real_data.find("rossmann") / "sales.parquet")
    stores = sorted(rows["Store"].unique())[::2]
    rows = rows[rows["Store"].isin(stores)].assign(ds=lambda x: pd.to_datetime(x["Date"]))
    rows = rows.assign(sku_id="sales", location_id=rows["Store"].astype(str), is_promo=rows["Promo"] == 1)
    days = pd.date_range(rows["ds"].min(), rows["ds"].max())
    grid = pd.MultiIndex.from_product([rows["location_id"].unique(), days], names=["location_id", "ds"])
    is_open = pd.Series(True, pd.MultiIndex.from_frame(rows[["location_id", "ds"]]))
    closed = grid.to_frame(index=False).assign(is_closed=~is_open.reindex(grid, fill_value=False).to_numpy())
    sales = rows.rename(columns={"Sales": "units"})[["sku_id", "location_id", "ds", "units"]]
    promoted = rows[rows["is_promo"]].assign(ds_from=lambda x: x["ds"], ds_to=lambda x: x["ds"], promo_kind="promo")
    tables = {
        "calendar": closed,
        "promotions": promoted[["sku_id", "location_id", "ds_from", "ds_to", "promo_kind"]],
        "locations": pd.DataFrame({"location_id": [str(s) for s in stores], "country": "DE"}),
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return sales


def near_days(first: date, last: date) -> set[date]:
    public = set(holidays.country_holidays("DE", years=range(first.year - 1, last.year + 2)))
    public |= {date(year, 12, day) for year in range(first.year - 1, last.year + 2) for day in (24, 31)}
    return {day + timedelta(days=k) for day in public for k in range(-3, 3)}


def measure(window: str, folder: Path, settings: list[str]) -> dict[str, object]:
    first, last = map(date.fromisoformat, window.split(":"))
    as_of, horizon = first - timedelta(days=1), (last - first).days + 1
    feeds = folder / f"feeds{first}"
    sales = write_feeds(feeds)
    past = sales[sales["ds"].dt.date <= as_of]
    past.to_csv(feeds / "sales.csv", index=False)
    lake, begun = folder / f"lake{first}", time.perf_counter()
    asked = ["run", "--source", "feed_layout", "--input", str(feeds), "--lakehouse", str(lake), "--as-of", str(as_of)]
    told = [f"horizon={horizon}", "replays=2", *settings]
    if shelfcast([*asked, "--stages", STAGES, *(part for each in told for part in ("--set", each))]):
        raise SystemExit("the run failed")
    seconds = time.perf_counter() - begun
    of_day = pc.field("cutoff") == as_of
    rows = Lakehouse(str(lake)).read_arrow("forecast.demand", filters=of_day).to_pandas()
    champion = Lakehouse(str(lake)).read_arrow("forecast.champion", filters=of_day).to_pandas()[["unique_id", "model"]]
    actual = sales.assign(unique_id=sales["sku_id"] + "|" + sales["location_id"] + "|all", ds=sales["ds"].dt.date)
    scored = rows.merge(actual[["unique_id", "ds", "units"]], on=["unique_id", "ds"])
    scored = scored.assign(
        is_near=scored["ds"].isin(near_days(first, last)), error=(scored["mean"] - scored["units"]).abs()
    )
    best = scored.merge(champion, on=["unique_id", "model"])
    return {
        "window": window,
        "seconds": round(seconds, 1),
        "series": int(best["unique_id"].nunique()),
        **{name: wape(best[best["is_near"] == near]) for name, near in (("near", True), ("other", False))},
        "champions": champion["model"].value_counts().head(6).to_dict(),
        "models": {
            name: [wape(of[of["is_near"] == near]) for near in (True, False)] for name, of in scored.groupby("model")
        },
    }


def measure_planted(n_skus: int) -> dict[str, object]:
    """Five years of demand with a planted effect of Mid-Autumn: largest relative error of a lift, and WAPE ahead."""
    batch, mean_SH = planted(n_skus)
    begun = time.perf_counter()
    lifts = FestivalLifts.learn(batch)
    seconds = time.perf_counter() - begun
    gap = np.abs(np.exp(lifts_found(batch, lifts, "cakes") - CAKES) - 1).max()
    wapes = {name: round(value, 4) for name, value in errors(batch, mean_SH).items()}
    return {"skus": n_skus, "seconds": round(seconds, 2), "largest_lift_error": round(float(gap), 4), **wapes}


def wape(rows: pd.DataFrame) -> float:
    return round(float(rows["error"].sum() / rows["units"].sum()), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("windows")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--lakehouse", default=None)
    asked = parser.parse_args()
    if asked.windows == "planted":
        print(json.dumps(measure_planted(1000)))
        return
    with tempfile.TemporaryDirectory(dir=asked.lakehouse) as folder:
        for window in WINDOWS.get(asked.windows, asked.windows).split(","):
            print(json.dumps(measure(window, Path(folder), asked.set)), flush=True)


if __name__ == "__main__":
    main()

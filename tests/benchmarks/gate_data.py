"""The sets that `auto` is held against its candidates on: long frames by days, weeks, months and hours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tests import real_data


@dataclass(frozen=True)
class GateSet:
    """Series, how they are forecast, and where the windows start.

    Attributes:
        rows: unique_id, ds, y.
        season_length: that candidates are told; the scale of MASE has it too.
        backs: steps before the last at which validation windows start, oldest first; the test window starts `horizon`
            before the last.
        told: whether `auto` is told the season too, for no calendar has it.
        owa: whether sMAPE and so the OWA mean something: values far from 0.
    """

    rows: pd.DataFrame
    freq: str
    horizon: int
    season_length: int
    backs: tuple[int, ...]
    told: bool = False
    owa: bool = False
    leading_zeros: Literal["observed", "unknown"] = "unknown"


def m4_hourly(hours: int = 1) -> pd.DataFrame:
    """The training and test part, as sums of so many hours."""
    folder = real_data.find("m4_hourly")
    parts = [pd.read_parquet(folder / f"{part}.parquet").sort_values("step") for part in ("train", "test")]
    rows = pd.concat(parts).sort_values("unique_id", kind="stable")
    step = -rows.groupby("unique_id").cumcount(ascending=False).to_numpy() // hours
    sums = rows.groupby([rows["unique_id"].to_numpy(), step])["y"]
    whole = sums.sum()[sums.size() == hours].rename_axis(["unique_id", "step"]).reset_index()
    ds = pd.Timestamp(2017, 1, 1) + pd.to_timedelta(hours * whole["step"], unit="h")
    return pd.DataFrame({"unique_id": whole["unique_id"], "ds": ds, "y": whole["y"]})


def carparts() -> pd.DataFrame:
    rows = pd.read_parquet(real_data.find("carparts") / "carparts.parquet")
    rows = rows[rows.groupby("unique_id")["y"].transform("size") == 51]
    return rows[["unique_id", "ds", "y"]].assign(ds=pd.to_datetime(rows["ds"]))


def walmart(n_series: int = 400) -> pd.DataFrame:
    rows = pd.read_parquet(real_data.find("walmart_weekly") / "sales.parquet")
    ids = rows["Store"].astype(str) + "_" + rows["Dept"].astype(str)
    rows = pd.DataFrame(
        {"unique_id": ids, "ds": pd.to_datetime(rows["Date"]), "y": rows["Weekly_Sales"].clip(lower=0.0)}
    )
    whole = rows[rows.groupby("unique_id")["y"].transform("size") == rows["ds"].nunique()]
    return _sample(whole, n_series)


def favorita(n_series: int = 500) -> pd.DataFrame:
    rows = pd.read_parquet(real_data.find("favorita_weekly") / "sales.parquet")
    ids = rows["item_id"].astype(str) + "_" + rows["store_id"].astype(str)
    return _sample(
        pd.DataFrame({"unique_id": ids, "ds": pd.to_datetime(rows["week_start"]), "y": rows["units"]}), n_series
    )


def orange_juice() -> pd.DataFrame:
    rows = pd.read_parquet(real_data.find("orange_juice") / "sales.parquet")
    ids = rows["store"].astype(str) + "_" + rows["brand"].astype(str)
    ds = pd.Timestamp(1989, 9, 14) + pd.to_timedelta(7 * rows["week"], unit="D")
    return pd.DataFrame({"unique_id": ids, "ds": ds, "y": np.exp(rows["logmove"])})


def rossmann() -> pd.DataFrame:
    rows = pd.read_parquet(real_data.find("rossmann") / "sales.parquet")
    return pd.DataFrame(
        {"unique_id": rows["Store"].astype(str), "ds": pd.to_datetime(rows["Date"]), "y": rows["Sales"].astype(float)}
    )


def pasta() -> pd.DataFrame:
    path = real_data.find("pasta") / "hierarchical_sales_2014_2017.csv"
    wide = pd.read_csv(path, parse_dates=["DATE"]).set_index("DATE")
    wide = wide[[column for column in wide.columns if column.startswith("QTY")]]
    return wide.rename_axis("ds").reset_index().melt("ds", var_name="unique_id", value_name="y").dropna()


def m5(n_series: int = 800) -> pd.DataFrame:
    folder = real_data.find("m5")
    sales = pd.read_csv(folder / "sales_train_evaluation.csv.gz").sort_values("id", ignore_index=True)
    sales = sales.iloc[np.linspace(0, len(sales) - 1, n_series).astype(int)]
    days = [c for c in sales.columns if c.startswith("d_")]
    day_of = pd.read_csv(folder / "calendar.csv", parse_dates=["date"]).set_index("d")["date"]
    wide = pd.DataFrame(sales[days].to_numpy(float).T, index=day_of.loc[days].to_numpy(), columns=sales["id"])
    return wide.rename_axis("ds").reset_index().melt("ds", var_name="unique_id", value_name="y")


def summed(rows: pd.DataFrame, freq: str) -> pd.DataFrame:
    """Sums by weeks or months; the first and the last are left out where rows do not fill them."""
    period = rows["ds"].dt.to_period({"W": "W-SUN", "MS": "M"}[freq])
    sums = rows.groupby([rows["unique_id"], period])["y"].sum().reset_index()
    first, last = rows["ds"].min(), rows["ds"].max()
    fits = (sums["ds"].dt.start_time >= first - pd.Timedelta(1, "D")) & (sums["ds"].dt.end_time.dt.normalize() <= last)
    sums = sums[fits]
    ds = sums["ds"].dt.end_time.dt.normalize() if freq == "W" else sums["ds"].dt.start_time
    return sums.assign(ds=ds)


def _sample(rows: pd.DataFrame, n_series: int) -> pd.DataFrame:
    ids = np.sort(rows["unique_id"].unique())
    return rows[rows["unique_id"].isin(ids[np.linspace(0, len(ids) - 1, min(n_series, len(ids))).astype(int)])]


SETS: dict[str, Callable[[], GateSet]] = {
    "m4_hourly": lambda: GateSet(m4_hourly(), "h", 48, 24, (144, 96), owa=True),
    "m4_hourly_by_3": lambda: GateSet(m4_hourly(3), "3h", 16, 56, (48, 32), told=True, owa=True),
    "m4_hourly_by_day": lambda: GateSet(m4_hourly(24), "D", 5, 7, (13, 9), owa=True),
    "carparts": lambda: GateSet(carparts(), "ME", 12, 12, (21, 18)),
    "walmart": lambda: GateSet(walmart(), "W-FRI", 13, 52, (39, 26), owa=True),
    "favorita": lambda: GateSet(favorita(), "W-TUE", 8, 52, (24, 16)),
    "orange_juice": lambda: GateSet(orange_juice(), "W-THU", 8, 52, (24, 16), owa=True),
    "rossmann": lambda: GateSet(rossmann(), "D", 28, 7, (84, 56), owa=True),
    "pasta": lambda: GateSet(pasta(), "D", 30, 7, (90, 60)),
    "pasta_by_month": lambda: GateSet(summed(pasta(), "MS"), "MS", 6, 12, (18, 12)),
    "m5": lambda: GateSet(m5(), "D", 28, 7, (84, 56)),
    "m5_by_week": lambda: GateSet(summed(m5(), "W"), "W-SUN", 4, 52, (12, 8)),
}
"""By name. Season and horizon are those that the sets' competitions or their frequency have."""

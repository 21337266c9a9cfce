"""The four M5 stores beside the project as a `SkuBatch` with what a planner knows ahead: prices, SNAP days, events."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from tests import real_data
from udfs.series.covariates import Covariates, Traits
from udfs.series.sku_batch import SkuBatch

HORIZON = 28
TEST_CUTOFFS = (dt.date(2016, 1, 3), dt.date(2016, 1, 31), dt.date(2016, 2, 28))
TUNING_CUTOFFS = (dt.date(2015, 9, 13), dt.date(2015, 10, 11), dt.date(2015, 11, 8), dt.date(2015, 12, 6))
TRAITS = ("item_id", "dept_id", "cat_id", "store_id", "state_id")
KNOWN = ("unit_price", "is_snap", "is_event", "event_code")
CALENDAR = ("snap_before", "event_kind", "since_holiday", "until_holiday")
"""What `with_calendar` adds; days since and until a holiday are capped."""
_KINDS = {"National": 1.0, "Religious": 2.0, "Cultural": 3.0, "Sporting": 4.0}
_FAR = 8.0
CLOSED = ((12, 25),)
"""Month and day on which the stores are shut."""


def load(n_series: int | None = None) -> SkuBatch:
    """All item-store series up to the last day of the files, covariates for 28 days more.

    Days before an item's first sale are unobserved, the closing day too. Prices of weeks without one are those of the
    nearest week with one.

    Args:
        n_series: an even sample of this many series; None takes all.
    """
    folder = real_data.find("m5")
    sales = pd.read_csv(folder / "sales_train_evaluation.csv.gz").sort_values("id", ignore_index=True)
    if n_series is not None:
        sales = sales.iloc[np.linspace(0, len(sales) - 1, n_series).astype(int)].reset_index(drop=True)
    days = [c for c in sales.columns if c.startswith("d_")]
    calendar = pd.read_csv(folder / "calendar.csv", parse_dates=["date"])
    calendar = calendar.set_index("d").loc[days[0] :].iloc[: len(days) + HORIZON]
    y_ST = sales[days].to_numpy(float)
    closed_T = np.array([(d.month, d.day) in CLOSED for d in calendar["date"].iloc[: len(days)]])
    mask_ST = (np.cumsum(y_ST > 0, axis=1) > 0) & ~closed_T
    return SkuBatch(
        sales["id"].to_numpy(object),
        torch.from_numpy(np.where(mask_ST, y_ST, 0.0)),
        torch.from_numpy(mask_ST),
        calendar["date"].iloc[len(days) - 1].date(),
        Covariates(KNOWN, torch.from_numpy(_known(sales, calendar))),
        Traits.from_columns({name: sales[name].tolist() for name in TRAITS}),
    )


def with_calendar(batch: SkuBatch) -> SkuBatch:
    """The batch with more of what the calendar tells: the kind of event, days from and to a national holiday, SNAP.

    Shopping changes on the days around a holiday and on the day after benefits were paid, not on the day alone.
    """
    assert batch.known is not None
    values_SXK = batch.known.values_SXK.numpy()
    n_days = values_SXK.shape[1]
    first = batch.cutoff - dt.timedelta(days=batch.n_days - 1)
    calendar = pd.read_csv(real_data.find("m5") / "calendar.csv", parse_dates=["date"]).set_index("date")
    kind_X = calendar["event_type_1"].reindex(pd.date_range(first, periods=n_days)).map(_KINDS).fillna(0.0).to_numpy()
    gap_XE = np.arange(n_days)[:, None] - np.flatnonzero(kind_X == _KINDS["National"])[None, :]
    since_X, until_X = (np.where(gap >= 0, gap, _FAR).min(1, initial=_FAR) for gap in (gap_XE, -gap_XE))
    snap_SX = values_SXK[:, :, batch.known.names.index("is_snap")]
    before_SX = np.concatenate([snap_SX[:, :1], snap_SX[:, :-1]], axis=1)
    added = [before_SX, *(np.broadcast_to(x, before_SX.shape) for x in (kind_X, since_X, until_X))]
    known = Covariates(
        (*batch.known.names, *CALENDAR), torch.from_numpy(np.concatenate([values_SXK, np.stack(added, 2)], axis=2))
    )
    return replace(batch, known=known)


def _known(sales: pd.DataFrame, calendar: pd.DataFrame) -> np.ndarray:
    price_SX = _prices(sales, calendar)
    snap = {state: calendar[f"snap_{state}"].to_numpy(float) for state in sales["state_id"].unique()}
    snap_SX = np.stack([snap[state] for state in sales["state_id"]])
    event_X = calendar["event_name_1"].notna().to_numpy(float)
    # A name coded by its place in the alphabet of the whole calendar, 0 for none.
    code_X = calendar["event_name_1"].astype("category").cat.codes.to_numpy(float) + 1
    shape = price_SX.shape
    return np.stack([price_SX, snap_SX, np.broadcast_to(event_X, shape), np.broadcast_to(code_X, shape)], axis=2)


def _prices(sales: pd.DataFrame, calendar: pd.DataFrame) -> np.ndarray:
    """(S, X) price of each day."""
    prices = pd.read_csv(real_data.find("m5") / "sell_prices.csv.gz")
    weekly = prices.pivot(index=["item_id", "store_id"], columns="wm_yr_wk", values="sell_price")
    weekly = weekly.reindex(columns=calendar["wm_yr_wk"].unique()).ffill(axis=1).bfill(axis=1)
    weekly = weekly.reindex(pd.MultiIndex.from_frame(sales[["item_id", "store_id"]]))
    position = {week: k for k, week in enumerate(weekly.columns)}
    return weekly.to_numpy(float)[:, [position[week] for week in calendar["wm_yr_wk"]]]

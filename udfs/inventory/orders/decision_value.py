"""What planners' decisions added, held against the demand that came: forecasts in units, orders in units and money.

A forecast's value added is its absolute error taken from the model's (Gilliland, 2010, The Business Forecasting Deal,
chapter 4). An order is looked at over what it was for, from its receipt to the next one's: units that it lacked, units
that it left, and what both cost.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.policies.situation import unit_margin
from udfs.inventory.supply import DAYS_PER_YEAR

VALUE_COLUMNS = (
    *("decided_qty", "planned_qty", "realised_qty"),
    *("decided_short_qty", "decided_over_qty", "planned_short_qty", "planned_over_qty", "value_added_qty"),
    *("decided_cost", "planned_cost", "value_added_value"),
)
_KEY = ["decision_id", "unique_id", "order_date"]


def forecast_values(decided: pa.Table, demand: pa.Table) -> pd.DataFrame:
    """One row for each decision and plan that first went by it for some days of which demand is known.

    decided: decision_id, unique_id, cutoff, ds, mean, model_mean: rows of inventory.decided_demand. demand: unique_id,
    ds, y, NULL where not known. Result: decision_id, unique_id, order_date (the plan's day), first_ds, last_ds, days
    and `VALUE_COLUMNS`; quantities are sums over the days, money is NaN.
    """
    rows = decided.to_pandas().sort_values("cutoff", kind="stable")
    rows = rows.drop_duplicates(["decision_id", "unique_id", "ds"]).rename(columns={"cutoff": "order_date"})
    rows = rows.merge(demand.to_pandas().dropna(subset="y"), on=["unique_id", "ds"])
    for name, mean in (("decided", rows["mean"]), ("planned", rows["model_mean"])):
        rows[f"{name}_qty"] = mean
        rows[f"{name}_short_qty"], rows[f"{name}_over_qty"] = _short_and_over(rows["y"], mean)
    rows["realised_qty"] = rows["y"]
    sums = [name for name in VALUE_COLUMNS if name in rows]
    groups = rows.groupby(_KEY, sort=True)
    found = groups[sums].sum().join(groups["ds"].agg(first_ds="min", last_ds="max", days="count")).reset_index()
    return _with_added(found.assign(decided_cost=np.nan, planned_cost=np.nan))


def order_values(orders: pa.Table, demand: pa.Table, spec: InventorySpec) -> pd.DataFrame:
    """One row for each decided order of which every day until the next receipt is known; columns as `forecast_values`.

    The stock position p meets the demand of the lead time first; what it lacks is lost but for the share that waits.
    With what is left of it, an order of q meets the demand of the review period: it lacks `short`, leaves `over`.
    Short units cost their margin. Left ones are held for the review period and until the demand that was expected has
    used them up, for a year at most, at unit cost x holding rate; those that this takes longer than they keep cost
    their unit cost.

    orders: decision_id, unique_id, order_date, decided_qty, planned_qty, position_qty, daily_demand_qty,
    lead_time_days, review_days, shelf_life_days, unit_cost, unit_price (NULL: without end, or not known). Money is
    NaN without a cost.
    """
    known = {
        series: rows.set_index("ds")["y"]
        for series, rows in demand.to_pandas().dropna(subset="y").groupby("unique_id", sort=False)
    }
    rows = []
    for row in orders.to_pylist():
        lead, review = int(row["lead_time_days"]), int(row["review_days"])
        days = [date.fromordinal(row["order_date"].toordinal() + k) for k in range(1, lead + review + 1)]
        y = known.get(row["unique_id"], pd.Series(dtype=float)).reindex(days).to_numpy(dtype=np.float64)
        if np.isfinite(y).all():
            rows.append(
                _of_order(row, y[:lead].sum(), y[lead:].sum(), spec) | {"first_ds": days[0], "last_ds": days[-1]}
            )
    found = pd.DataFrame(rows, columns=[*_KEY, "first_ds", "last_ds", "days", *VALUE_COLUMNS])
    return _with_added(found)


def _of_order(row: dict[str, Any], lead_demand: float, review_demand: float, spec: InventorySpec) -> dict[str, Any]:
    left = row["position_qty"] - lead_demand
    left = left if left >= 0.0 else spec.backorder_share * left
    found: dict[str, Any] = {name: row[name] for name in (*_KEY, "decided_qty", "planned_qty")}
    found |= {
        "realised_qty": lead_demand + review_demand,
        "days": int(row["lead_time_days"] + row["review_days"]),
    }
    for name in ("decided", "planned"):
        short, over = map(float, _short_and_over(review_demand, left + row[f"{name}_qty"]))
        found |= {f"{name}_short_qty": short, f"{name}_over_qty": over, f"{name}_cost": _cost(row, short, over, spec)}
    return found


def _cost(row: dict[str, Any], short: float, over: float, spec: InventorySpec) -> float:
    """Currency; NaN where the unit cost is not known."""
    cost, price = row["unit_cost"], row["unit_price"]
    if not cost:
        return float("nan")
    margin = float(unit_margin(np.array(cost), np.array(np.nan if price is None else price), spec))
    daily, review = row["daily_demand_qty"] or 0.0, row["review_days"]
    lasts = min(over / daily, DAYS_PER_YEAR) if daily > 0.0 else DAYS_PER_YEAR
    keeps = np.inf if row["shelf_life_days"] is None else max(row["shelf_life_days"] - review, 0.0)
    spoilt = over - daily * keeps if lasts > keeps else 0.0
    lasts = min(lasts, keeps)
    held = over * review + (over - 0.5 * daily * lasts) * lasts
    return float(margin * short + cost * spec.holding_cost_rate / DAYS_PER_YEAR * held + cost * spoilt)


def _short_and_over(demand: Any, supplied: Any) -> tuple[FloatArray, FloatArray]:
    return np.maximum(demand - supplied, 0.0), np.maximum(supplied - demand, 0.0)


def _with_added(rows: pd.DataFrame) -> pd.DataFrame:
    rows["value_added_qty"] = (
        rows["planned_short_qty"] + rows["planned_over_qty"] - rows["decided_short_qty"] - rows["decided_over_qty"]
    )
    rows["value_added_value"] = rows["planned_cost"] - rows["decided_cost"]
    return rows

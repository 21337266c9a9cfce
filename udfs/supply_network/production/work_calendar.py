"""When things are made: the periods of a plan, and the hours that resources have on each of their days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from udfs.supply_network.production.bill_of_materials import FloatArray


@dataclass(frozen=True, slots=True)
class Periods:
    """`count` periods of `days` days from the day `first`; the last may be shorter than the horizon needs."""

    first: date
    days: int
    count: int

    def start(self, period: int) -> date:
        return self.first + timedelta(days=period * self.days)

    def end(self, period: int) -> date:
        return self.start(period + 1) - timedelta(days=1)

    def span(self, first: int, last: int) -> str:
        return f"from {self.start(first)} to {self.end(last)}"

    def sums(self, of_days: FloatArray) -> FloatArray:
        """By period, of numbers by day in the last axis."""
        return of_days.reshape(*of_days.shape[:-1], self.count, self.days).sum(axis=-1)


@dataclass(frozen=True, eq=False)
class Hours:
    """Of each resource, R, on each day of all periods, D: regular hours, overtime, and what an hour of that costs."""

    resource_R: tuple[str, ...]
    capacity_RD: FloatArray
    overtime_RD: FloatArray
    overtime_cost_R: FloatArray


def hours_of(resources: pa.Table, periods: Periods) -> Hours:
    """A row's hours are spread evenly over its days, and rows add up; resources with a day in the periods alone.

    Raises ValueError for a row that ends before it begins.
    """
    n_days = periods.days * periods.count
    found: dict[str, FloatArray] = {}
    for row in resources.to_pylist():
        first, after = ((day - periods.first).days for day in (row["ds_from"], row["ds_to"] + timedelta(days=1)))
        if after <= first:
            raise ValueError(
                f"resources: expected ds_to on or after ds_from, found {row['ds_from']} to {row['ds_to']} "
                f"for {row['resource_id']}; correct the row"
            )
        if first < n_days and after > 0:
            of = found.setdefault(row["resource_id"], np.zeros((3, n_days)))
            days = slice(max(first, 0), min(after, n_days))
            of[0, days] += row["capacity_hours"] / (after - first)
            of[1, days] += (row["overtime_hours"] or 0.0) / (after - first)
            of[2] = np.maximum(of[2], row["overtime_cost"] or 0.0)
    names = sorted(found)
    capacity_RD, overtime_RD, cost_RD = np.array([found[name] for name in names]).reshape(-1, 3, n_days).swapaxes(0, 1)
    return Hours(tuple(names), capacity_RD, overtime_RD, cost_RD[:, 0])


def day_when(hours: float, work_D: FloatArray) -> float:
    """Days after which so many hours are worked; all of them where there are not so many."""
    if hours <= 0.0:
        return 0.0
    done_D = np.cumsum(work_D)
    day = int(np.searchsorted(done_D, hours - 1e-9))
    return float(len(work_D)) if day == len(work_D) else day + 1 - float((done_D[day] - hours) / work_D[day])


def hours_until(day: float, work_D: FloatArray) -> float:
    """Hours worked until so many days are over."""
    return float(np.interp(day, np.arange(len(work_D) + 1), np.r_[0.0, np.cumsum(work_D)]))

"""The spare parts of a truck maker: weekly demand, supply terms, and the service curves published for them."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import pandas as pd

from tests.real_data import ROOT
from udfs.inventory.demand_distribution import FloatArray

FOLDER = ROOT / "spareparts_man"
TRAIN_WEEKS = 105
TEST_WEEKS = 45


@dataclass(frozen=True)
class SpareParts:
    """Demand by part and week, units, and one supply term per part."""

    demand_ST: FloatArray
    unit_cost_S: FloatArray
    holding_cost_S: FloatArray  # EUR per unit and year
    order_cost_S: FloatArray
    lead_time_S: FloatArray  # weeks
    moq_S: FloatArray
    pack_S: FloatArray

    def __len__(self) -> int:
        return len(self.demand_ST)

    @property
    def train(self) -> FloatArray:
        """(S, T) units of the weeks to learn from."""
        return self.demand_ST[:, :TRAIN_WEEKS]

    @property
    def test(self) -> FloatArray:
        """(S, T) units of the weeks to be judged on."""
        return self.demand_ST[:, TRAIN_WEEKS:]


def load(least_demands: int = 2, train_weeks: int = TRAIN_WEEKS) -> SpareParts:
    """The parts with at least `least_demands` weeks of demand in the training weeks."""
    demand = pd.read_parquet(FOLDER / "demand.parquet").sort_values(["sku_id", "week_start"])
    supply = pd.read_parquet(FOLDER / "supply.parquet").sort_values("sku_id")
    demand_ST = demand["units"].to_numpy(np.float64).reshape(len(supply), -1)
    rows = (demand_ST[:, :train_weeks] > 0.0).sum(1) >= least_demands
    names = (
        "unit_cost_eur",
        "holding_cost_eur_per_unit_year",
        "order_cost_eur",
        "lead_time_weeks",
        "min_order_units",
        "pack_size_units",
    )
    return SpareParts(demand_ST[rows], *(supply[name].to_numpy(np.float64)[rows] for name in names))


def published() -> pd.DataFrame:
    """Method, target, achieved fill rates (mean of parts; all units) and holding cost."""
    columns = {
        "Method": "method",
        "TargetFillRates": "target",
        "AchievedFillRates_Avg": "mean_fill",
        "AchievedFillRates_Total": "unit_fill",
        "HoldingCosts": "cost",
    }
    curves = pd.read_csv(FOLDER / "published_service_level_curves.csv")
    return curves[list(columns)].rename(columns=columns)


def croston_forecasts(demand_ST: FloatArray, first_origin: int) -> FloatArray:
    """(S, T - first_origin) one-step forecasts, each from the weeks before it.

    The reference's Croston: smoothing of sizes and intervals apart, started from the first of each, both parameters
    chosen anew each week by the mean absolute rate error. The published method searches them with a simplex; this one
    on a grid.
    """
    grid_G = np.concatenate([[0.001, 0.005], np.linspace(0.02, 1.0, 26)])
    n_series, n_time = demand_ST.shape
    forecast_ST = np.zeros((n_series, n_time - first_origin))
    _croston(np.ascontiguousarray(demand_ST), grid_G, first_origin, forecast_ST)
    return forecast_ST


@numba.njit(cache=True)
def _croston(demand_ST, grid_G, first_origin, forecast_ST):  # type: ignore[no-untyped-def]
    n_series, n_time = demand_ST.shape
    for s in range(n_series):
        least_T = np.full(n_time, np.inf)
        for a in grid_G:
            for b in grid_G:
                size, interval, last, total, error, n = 0.0, 1.0, -1, 0.0, 0.0, 0
                for t in range(n_time):
                    y = demand_ST[s, t]
                    total += y
                    if n > 0:
                        error += abs(total / (t + 1) - size / interval)
                    if y > 0.0:
                        size = y if n == 0 else size + a * (y - size)
                        interval = t - last if n == 0 else interval + b * (t - last - interval)
                        last, n = t, n + 1
                    if first_origin <= t + 1 < n_time and error < least_T[t]:
                        least_T[t] = error
                        forecast_ST[s, t + 1 - first_origin] = size / interval if n > 0 else 0.0


def replay_published(level_ST: FloatArray, parts: SpareParts) -> tuple[float, float, float]:
    """Mean fill rate of the parts, fill rate of all units, EUR: the published way to judge levels on the test weeks.

    An order is there before the demand of its week; unmet demand waits. A quarter of the unit cost per year is paid on
    the stock before demand, averaged over the weeks. Parts without demand in the test weeks count for cost alone.
    """
    served_S, stock_S = np.zeros(len(parts)), np.zeros(len(parts))
    on_hand_S = level_ST[:, 0].copy()
    for t in range(TEST_WEEKS):
        on_hand_S = np.maximum(on_hand_S, level_ST[:, t])
        served_S += np.minimum(on_hand_S, parts.test[:, t])
        stock_S += on_hand_S / TEST_WEEKS
        on_hand_S = on_hand_S - parts.test[:, t]
    demand_S = parts.test.sum(1)
    sells_S = demand_S > 0.0
    cost = float((0.25 * parts.unit_cost_S * stock_S).sum())
    return float((served_S[sells_S] / demand_S[sells_S]).mean()), float(served_S.sum() / demand_S.sum()), cost

"""Serial systems under stochastic service: echelon base-stock levels, exact and by newsvendor bounds.

Exact levels come from the recursion of Clark & Scarf (1960) in the form of Chen & Zheng (1994), bounds and heuristic
from Shang & Song (2003); notation of Snyder & Shen (2019), section 6.2. Many systems are solved in one call.
Stage 0 serves the customers, stage n is supplied by stage n + 1, and the last stage by a supplier that never runs out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.network.network_values import checked, common_shape
from udfs.inventory.theory.network.serial_kernel import NEGATIVE_BINOMIAL, NORMAL, POISSON, solve
from udfs.series.series_threads import over_series

SerialDemand = Literal["normal", "poisson", "negative_binomial"]
_CODE = {"normal": NORMAL, "poisson": POISSON, "negative_binomial": NEGATIVE_BINOMIAL}
_LEAST_OVERDISPERSION = 1e-9
_MAX_POINTS = 50_000  # of a grid; its square is the work per stage


@dataclass(frozen=True, slots=True)
class SerialSystem:
    """S serial systems of N stages each; stage 0 serves the customers.

    Attributes:
        echelon_holding_cost: > 0, currency per unit and period, [S, N] or [N]: the value that the stage adds. A stage
            that adds none holds nothing worth deciding on: merge it with its supplier.
        lead_time: >= 0, periods of demand that an order of the stage waits for, [S, N], [N] or a number. Where stock
            is counted after the demand of the period in which an order arrives, stage 0 has one period more than
            its shipment takes. 0 throughout is the limit case of no stock and no cost.
        shortage_cost: > 0, currency per unit backordered and period at stage 0, [S] or a number.
        demand_mean: > 0, units per period, [S] or a number.
        demand_sd: units per period, [S] or a number. Needed > 0 for "normal" and > sqrt(mean) for
            "negative_binomial"; "poisson" takes none.
        demand: "normal", "poisson" or "negative_binomial".

    Raises:
        ValueError: a value out of range, shapes that do not fit, an unknown demand. The functions that take the system
            raise it where its levels would need a grid of more than 50,000 points.
    """

    echelon_holding_cost: FloatArray
    lead_time: FloatArray
    shortage_cost: FloatArray
    demand_mean: FloatArray
    demand_sd: FloatArray | float | None = None
    demand: SerialDemand = "normal"

    def __post_init__(self) -> None:
        if self.demand not in _CODE:
            raise ValueError(f"demand: expected one of {tuple(_CODE)}, found {self.demand!r}")
        if (self.demand_sd is None) != (self.demand == "poisson"):
            raise ValueError(f"demand_sd: expected None for poisson demand alone, found {self.demand_sd!r}")
        sd: ArrayLike = 1.0 if self.demand_sd is None else self.demand_sd
        per_series = {"shortage_cost": self.shortage_cost, "demand_mean": self.demand_mean, "demand_sd": sd}
        n_series = common_shape(per_series, 1)
        per_stage = {"echelon_holding_cost": self.echelon_holding_cost, "lead_time": self.lead_time}
        shape_SN = common_shape({**per_stage, "per series": np.empty((*n_series, 1))}, 2)
        put = object.__setattr__
        put(
            self,
            "echelon_holding_cost",
            checked("echelon_holding_cost", self.echelon_holding_cost, shape_SN, "positive"),
        )
        put(self, "lead_time", checked("lead_time", self.lead_time, shape_SN, "not_negative"))
        for name, values in per_series.items():
            put(self, name, checked(name, values, shape_SN[:1], "positive"))
        if self.demand == "poisson":
            put(self, "demand_sd", np.sqrt(self.demand_mean))
        elif self.demand == "negative_binomial":
            excess = np.asarray(self.demand_sd) ** 2 / self.demand_mean - 1.0
            checked(
                "demand_sd^2 / demand_mean - 1",
                np.where(excess > _LEAST_OVERDISPERSION, excess, 0.0),
                excess.shape,
                "positive",
            )


@dataclass(frozen=True, slots=True)
class SerialLevels:
    """Echelon base-stock levels of S systems, and what they cost.

    echelon_SN: units in and below the stage. local_SN: units of the stage itself, for one that orders by its own
    stock: the least echelon level from the stage upward, less that of the stage below.
    cost_S: currency per period, holding of units under way included, as in Snyder & Shen (2019), equation 6.9.
    """

    echelon_SN: FloatArray
    local_SN: FloatArray
    cost_S: FloatArray


def optimal_levels(system: SerialSystem, *, steps_per_sd: int = 32) -> SerialLevels:
    """Optimal echelon base-stock levels by the recursion of Clark & Scarf (1960), as in Chen & Zheng (1994).

    Poisson and negative binomial demand are summed exactly, on whole units. Normal demand is integrated exactly against
    functions that are linear between the points of a grid.

    Args:
        system: S systems of N stages.
        steps_per_sd: points of the grid per standard deviation of the shortest lead time's demand, >= 8. The cost is
            extrapolated from this step and twice this step. Without effect on whole-unit demand.

    >>> levels = optimal_levels(SerialSystem([3, 2, 2], [1, 1, 2], 37.12, 5, 1))  # Snyder & Shen (2019), example 6.1
    >>> levels.echelon_SN.round(2).tolist(), levels.cost_S.round(2).tolist()
    ([[6.49, 12.02, 22.71]], [47.66])
    """
    return _run(system, np.full(system.lead_time.shape, np.nan), steps_per_sd)


def levels_cost(system: SerialSystem, echelon_SN: ArrayLike, *, steps_per_sd: int = 32) -> SerialLevels:
    """The cost of given echelon base-stock levels, [S, N]; whole units for whole-unit demand, else ValueError."""
    shape = system.lead_time.shape
    rule = "not_negative" if system.demand == "normal" else "whole"
    return _run(system, checked("echelon_SN", echelon_SN, shape, rule), steps_per_sd)


def newsvendor_bounds(system: SerialSystem) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bounds of the optimal echelon levels, [S, N] each (Shang & Song 2003, theorem 1).

    Both are newsvendor quantities of the demand over the lead times of the stage and all below it: the upper one as if
    holding cost only the stage's own echelon cost, the lower one as if it cost that of all the stages below as well.
    """
    cost_SN = system.echelon_holding_cost
    above_SN = np.flip(np.cumsum(np.flip(cost_SN, 1), 1), 1) - cost_SN
    shortage_SN = system.shortage_cost[:, None] + above_SN
    lower_SN = _quantile(system, shortage_SN / (shortage_SN + np.cumsum(cost_SN, 1)))
    upper_SN = _quantile(system, shortage_SN / (shortage_SN + cost_SN))
    return lower_SN, upper_SN


def shang_song_levels(system: SerialSystem) -> FloatArray:
    """The heuristic of Shang & Song (2003): the mean of both bounds, cut to whole units for whole-unit demand, [S, N].

    >>> shang_song_levels(SerialSystem([3, 2, 2], [1, 1, 2], 37.12, 5, 1)).round(2).tolist()
    [[6.49, 12.03, 22.63]]
    """
    lower_SN, upper_SN = newsvendor_bounds(system)
    mean_SN = 0.5 * (lower_SN + upper_SN)
    return mean_SN if system.demand == "normal" else np.floor(mean_SN)


def _run(system: SerialSystem, given_SN: FloatArray, steps_per_sd: int) -> SerialLevels:
    if not 8 <= steps_per_sd <= 4096:
        raise ValueError(f"steps_per_sd: expected 8 to 4096, found {steps_per_sd}")
    echelon_SN, cost_S = _recursion(system, given_SN, steps_per_sd)
    if system.demand == "normal":
        # The error falls with the square of the step, so twice the step tells a third of what is left (Richardson).
        coarse_SN, coarse_S = _recursion(system, given_SN, steps_per_sd // 2)
        weight = 1.0 / ((steps_per_sd / (steps_per_sd // 2)) ** 2 - 1.0)
        echelon_SN += weight * (echelon_SN - coarse_SN)
        cost_S += weight * (cost_S - coarse_S)
    # A stage never gets more than the stages above it hold, so a level above theirs binds nowhere.
    least_SN = np.flip(np.minimum.accumulate(np.flip(echelon_SN, 1), 1), 1)
    return SerialLevels(echelon_SN, np.diff(least_SN, axis=1, prepend=0.0), cost_S)


def _recursion(system: SerialSystem, given_SN: FloatArray, steps_per_sd: int) -> tuple[FloatArray, FloatArray]:
    n_series, n_stages = system.lead_time.shape
    # No optimum lies above the upper bound, so the grid ends there.
    top_S = np.fmax(newsvendor_bounds(system)[1], given_SN).max(axis=1)
    _check_grid(system, top_S, steps_per_sd)
    echelon_SN, cost_S = np.empty((n_series, n_stages)), np.empty(n_series)
    holding_SN, lead_SN, sd_S = system.echelon_holding_cost, system.lead_time, np.asarray(system.demand_sd)

    def kernel(start: int, stop: int) -> None:
        rows = slice(start, stop)
        solve(
            _CODE[system.demand], holding_SN[rows], lead_SN[rows], system.shortage_cost[rows],
            system.demand_mean[rows], sd_S[rows], top_S[rows], given_SN[rows], steps_per_sd,
            echelon_SN[rows], cost_S[rows],
        )  # fmt: skip

    over_series(kernel, n_series)
    return echelon_SN, cost_S


def _check_grid(system: SerialSystem, top_S: FloatArray, steps_per_sd: int) -> None:
    points_S = top_S
    if system.demand == "normal":
        shortest_S = np.where(system.lead_time > 0.0, system.lead_time, np.inf).min(axis=1)
        points_S = top_S * steps_per_sd / (np.asarray(system.demand_sd) * np.sqrt(shortest_S))
    many = np.flatnonzero(points_S > _MAX_POINTS)
    if many.size:
        raise ValueError(
            f"demand_mean: expected levels within {_MAX_POINTS} points of a grid (whole units, or steps of the "
            f"standard deviation), found {points_S[many[0]]:g} at [{many[0]}]; count in larger units, or normal"
        )


def _quantile(system: SerialSystem, probability_SN: FloatArray) -> FloatArray:
    """The quantile of the demand over the lead times of a stage and all below it; 0 where they are all 0, [S, N]."""
    time_SN = np.cumsum(system.lead_time, 1)
    mean_SN = system.demand_mean[:, None] * time_SN
    sd_SN = np.asarray(system.demand_sd)[:, None] * np.sqrt(time_SN)
    level_SN = np.zeros_like(time_SN)
    some = time_SN > 0.0
    mean, sd, probability = mean_SN[some], sd_SN[some], probability_SN[some]
    if system.demand == "normal":
        level_SN[some] = stats.norm.ppf(probability, mean, sd)
    elif system.demand == "poisson":
        level_SN[some] = stats.poisson.ppf(probability, mean)
    else:
        variance = sd * sd
        level_SN[some] = stats.nbinom.ppf(probability, mean * mean / (variance - mean), mean / variance)
    return level_SN

"""One service budget over the series that are planned together, instead of one fill rate for each.

A fill rate that every series has to reach on its own buys the last units of dear and erratic goods at any price. Here
the series reach it together, at the least cost: each is tuned at several fill rates, from what its own margin pays for
upward, and the next step of service is taken where it costs least (`allocate_service`). Service is half the share of
all units that is served and half the mean of the series' shares, so that slow movers count as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.theory.stock_levels.service_allocation import allocate_service
from udfs.inventory.tuning.tune import Tuned

SHORTFALLS: Final = (4.0, 1.0, 0.25)
"""Fill rates that a series can be given, as multiples of the share that the settings allow to go unserved. Each costs a
tuning of all series; seven, from 8 to .1, save no more where a unit earns 30%, and 4% more where it earns 2%."""

UNIT_WEIGHT: Final = 0.5

_BUDGETS: Final = 400  # between the cheapest and the dearest choices: a step of spending is then below a percent


def shared_fill_rates(
    tune_at: Callable[[FloatArray], Tuned], least_fill_rate: float, is_required_S: BoolArray, demand_S: FloatArray
) -> FloatArray:
    """The fill rate that each series has to reach, [S]; 0 where money alone decides.

    tune_at: the tuned levels at a fill rate per series. is_required_S: the others stay at 0 and are not counted.
    demand_S: mean demand, units a day. Both the share of all units and the service that is allocated reach
    `least_fill_rate`; where no choice does, the highest is taken.
    """
    rates = [0.0, *(max(1.0 - (1.0 - least_fill_rate) * k, 0.0) for k in SHORTFALLS)]
    rows = np.flatnonzero(is_required_S & (demand_S > 0.0))
    target_S = np.zeros(len(demand_S))
    if not rows.size:
        return target_S
    tuned = [tune_at(np.where(is_required_S, rate, 0.0)) for rate in rates]
    cost_SG = np.stack([found.cost_S[rows] for found in tuned], axis=1)
    fill_SG = np.stack([found.fill_rate_S[rows] for found in tuned], axis=1)
    units_S = demand_S[rows] / demand_S[rows].sum()
    weight_S = UNIT_WEIGHT * units_S + (1.0 - UNIT_WEIGHT) / len(rows)
    least, most = cost_SG.min(1).sum(), cost_SG.max(1).sum()
    choice_SB = allocate_service(weight_S[:, None] * fill_SG, cost_SG, np.linspace(least, most, _BUDGETS))
    fill_SB = np.take_along_axis(fill_SG, choice_SB, axis=1)
    enough_B = np.minimum(units_S @ fill_SB, weight_S @ fill_SB) >= least_fill_rate
    choice_S = choice_SB[:, int(enough_B.argmax()) if enough_B.any() else -1]
    target_S[rows] = np.array(rates)[choice_S]
    return target_S

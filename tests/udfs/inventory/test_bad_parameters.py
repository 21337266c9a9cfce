"""Every public function of the inventory refuses what makes no sense, or gives the finite answer of a limit case.

NaN, a negative number, 0, a fraction, 1 and infinity take the place of each number in turn. NaN must always be refused;
a refusal names the argument, what was expected and what was found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from udfs.inventory import order_list, s_s_poisson
from udfs.inventory.demand_distribution import DemandDistribution
from udfs.inventory.demand_paths import DemandPaths
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.learning.adaptive_spec import AdaptiveSpec
from udfs.inventory.learning.tabular import TabularSpec
from udfs.inventory.order_quantity import round_order
from udfs.inventory.orders.marginal_value import marginal_values
from udfs.inventory.orders.order_terms import OrderTerms
from udfs.inventory.theory.lost_sales.demand_pmf import empirical_pmf, geometric_pmf, poisson_pmf
from udfs.inventory.theory.lost_sales.lost_sales_base_stock import best_base_stock
from udfs.inventory.theory.lost_sales.problem import LostSalesProblem
from udfs.inventory.theory.lot_sizing.eoq import eoq, eoq_cost
from udfs.inventory.theory.lot_sizing.eoq_backorders import eoq_backorders
from udfs.inventory.theory.lot_sizing.eoq_disruptions import eoq_disruptions
from udfs.inventory.theory.lot_sizing.eoq_yield import eoq_additive_yield, eoq_multiplicative_yield
from udfs.inventory.theory.lot_sizing.epq import epq
from udfs.inventory.theory.lot_sizing.joint_replenishment import joint_replenishment
from udfs.inventory.theory.lot_sizing.lot_plan import DynamicDemand, plan_cost
from udfs.inventory.theory.lot_sizing.quantity_discounts import (
    PriceBreaks,
    eoq_all_units_discounts,
    eoq_incremental_discounts,
)
from udfs.inventory.theory.lot_sizing.silver_meal import silver_meal
from udfs.inventory.theory.lot_sizing.wagner_whitin import wagner_whitin
from udfs.inventory.theory.network import serial, two_echelon
from udfs.inventory.theory.network.channel_allocation import ChannelTerms, allocate, littlewood_protection
from udfs.inventory.theory.network.guaranteed_service import ServiceTree, place_safety_stock
from udfs.inventory.theory.s_s.power_approximation import s_s_power_approximation
from udfs.inventory.theory.s_s.zheng_federgruen import s_s_cost, s_s_discrete, s_s_negative_binomial
from udfs.inventory.theory.stock_levels.base_stock import base_stock
from udfs.inventory.theory.stock_levels.fill_rate_curve import FillRateCurve, level_grid
from udfs.inventory.theory.stock_levels.fill_rate_level import fill_rate_level
from udfs.inventory.theory.stock_levels.finite_horizon import FiniteHorizon, finite_horizon
from udfs.inventory.theory.stock_levels.half_gap import half_gap, half_gap_order
from udfs.inventory.theory.stock_levels.newsvendor import (
    newsvendor,
    newsvendor_cost,
    newsvendor_lognormal,
    newsvendor_negative_binomial,
    newsvendor_normal,
    newsvendor_poisson,
    newsvendor_profit,
    newsvendor_quantity,
)
from udfs.inventory.theory.stock_levels.newsvendor_discrete import newsvendor_paths, newsvendor_pmf
from udfs.inventory.theory.stock_levels.newsvendor_supply import (
    newsvendor_disruptions,
    newsvendor_normal_yield,
    newsvendor_uniform_yield,
)
from udfs.inventory.theory.stock_levels.periodic_review import (
    ReviewTerms,
    best_periodic_review,
    periodic_review,
    review_cost,
)
from udfs.inventory.theory.stock_levels.r_q_approximations import (
    r_q_eoq_backorders,
    r_q_eoq_safety_stock,
    r_q_expected_inventory_level,
    r_q_loss_function,
)
from udfs.inventory.theory.stock_levels.r_q_normal import NormalTerms, best_reorder_point, r_q_normal, r_q_normal_cost
from udfs.inventory.theory.stock_levels.r_q_poisson import PoissonTerms, r_q_poisson, r_q_poisson_cost
from udfs.inventory.theory.stock_levels.safety_stock import reorder_point, safety_stock
from udfs.inventory.theory.stock_levels.service_allocation import allocate_service
from udfs.inventory.theory.stock_levels.smoothed_bootstrap import PooledDemand, SmoothedBootstrap

NUMBERS = (np.nan, -1.5, np.inf, 0.0, 0.5, 1.0)
DEMAND = DemandDistribution.fit(np.array([5.0]), np.array([6.0]), "gamma")
LIST = PriceBreaks([0, 400], [0.75, 0.72])
PMF = np.array([0.3, 0.3, 0.4])
PATHS = DemandPaths(np.ones((1, 2, 3)), np.ones((1, 3)))
REVIEW = ReviewTerms(50, 8, 20, 0.18, 0.7, lead_time=4)
NORMAL = {
    "mean_demand": 1300,
    "demand_sd": 150,
    "fixed_cost": 8,
    "holding_cost": 0.225,
    "backorder_cost": 7.5,
    "lead_time": 0.1,
}
POISSON = {"mean_demand": 1.5, "fixed_cost": 100, "holding_cost": 20, "backorder_cost": 150, "lead_time": 2}
S_S = {"fixed_cost": 64, "holding_cost": 1, "backorder_cost": 9, "lead_time": 1}
COSTS = {"holding_cost": 1, "shortage_cost": 4}
LOT = {"fixed_cost": 8, "holding_cost": 0.2, "demand_rate": 100}
LOTS = {"demand_ST": [90.0, 120.0, 80.0], "fixed_cost": 500, "holding_cost": 2, "unit_cost": 1}
SERVICE = {"service_level": 0.95, "mean_demand": 50, "demand_sd": 8, "lead_time": 4, "lead_time_sd": 0.5}
TREE: dict[str, Any] = {
    "processing_time": [2.0, 1.0],
    "holding_cost": [1.0, 2.0],
    "demand_sd": [0.0, 1.0],
    "demand_bound": [1.0, 1.0],
    "outbound_service_time": [0.0, 0.0],
    "inbound_service_time": 0.0,
}
SERIAL = {
    "echelon_holding_cost": [1.0, 1.0],
    "lead_time": [1.0, 1.0],
    "shortage_cost": 10.0,
    "demand_mean": 5.0,
    "demand_sd": 1.0,
}
STORES = {
    "demand_rate": [[1.0, 2.0]],
    "dc_lead_time": 1.0,
    "store_lead_time": 1.0,
    "dc_holding_cost": 0.5,
    "store_holding_cost": 1.0,
    "shortage_cost": 10.0,
}
Call = Callable[..., Any]


def of(solve: Call, terms: Call) -> Call:
    """The solver as a function of its problem's parameters."""
    return lambda **given: solve(terms(**given))


FUNCTIONS: dict[str, tuple[Call, dict[str, Any]]] = {
    "eoq": (eoq, LOT),
    "eoq_cost": (eoq_cost, {"quantity": 5, **LOT}),
    "eoq_backorders": (eoq_backorders, {**LOT, "backorder_cost": 5}),
    "eoq_disruptions": (eoq_disruptions, {**LOT, "shortage_cost": 5, "disruption_rate": 1.5, "recovery_rate": 14}),
    "eoq_additive_yield": (eoq_additive_yield, {**LOT, "yield_mean": -15, "yield_sd": 9}),
    "eoq_multiplicative_yield": (eoq_multiplicative_yield, {**LOT, "yield_mean": 0.9, "yield_sd": 0.05}),
    "epq": (epq, {**LOT, "production_rate": 110}),
    "joint_replenishment": (
        joint_replenishment,
        {
            "shared_fixed_cost": 40,
            "item_fixed_cost_SI": [5.0, 5.0],
            "holding_cost_SI": [1.0, 1.0],
            "demand_rate_SI": [10.0, 20.0],
        },
    ),
    "wagner_whitin": (of(wagner_whitin, DynamicDemand), LOTS),
    "silver_meal": (of(silver_meal, DynamicDemand), LOTS),
    "plan_cost": (partial(plan_cost, problem=DynamicDemand([90.0, 120.0], 500, 2)), {"quantity_ST": [[210.0, 0.0]]}),
    "price_breaks": (PriceBreaks, {"breakpoint_SJ": [0.0, 400.0], "unit_cost_SJ": [0.75, 0.72]}),
    "eoq_all_units_discounts": (
        partial(eoq_all_units_discounts, LIST),
        {"fixed_cost": 8, "holding_cost_rate": 0.3, "demand_rate": 1300},
    ),
    "eoq_incremental_discounts": (
        partial(eoq_incremental_discounts, LIST),
        {"fixed_cost": 8, "holding_cost_rate": 0.3, "demand_rate": 1300},
    ),
    "demand_distribution": (
        partial(DemandDistribution.fit, distribution="gamma"),
        {"mean_S": [5.0], "variance_S": [6.0]},
    ),
    "quantile": (DEMAND.quantile, {"probability": 0.5}),
    "base_stock": (
        base_stock,
        {"mean_demand": 50, "demand_sd": 8, "holding_cost": 0.2, "backorder_cost": 0.7, "lead_time": 4},
    ),
    "newsvendor": (partial(newsvendor, DEMAND), COSTS),
    "newsvendor_cost": (
        partial(newsvendor_cost, demand=DEMAND),
        {"level_S": [4.0], "holding_cost_S": 1, "shortage_cost_S": 4},
    ),
    "newsvendor_normal": (newsvendor_normal, {"mean_demand": 50, "demand_sd": 8, **COSTS}),
    "newsvendor_poisson": (newsvendor_poisson, {"mean_demand": 50, **COSTS}),
    "newsvendor_negative_binomial": (newsvendor_negative_binomial, {"mean_demand": 50, "demand_sd": 8, **COSTS}),
    "newsvendor_quantity": (newsvendor_quantity, {"mean_demand": 50, "demand_sd": 8, **COSTS}),
    "newsvendor_lognormal": (newsvendor_lognormal, {"mu": 2, "sigma": 0.3, **COSTS}),
    "newsvendor_profit": (
        partial(newsvendor_profit, DEMAND),
        {"revenue": 1, "purchase_cost": 0.3, "salvage_value": 0.1, "holding_cost": 0.01, "shortage_cost": 0.01},
    ),
    "newsvendor_pmf": (newsvendor_pmf, {"pmf_SN": PMF, **COSTS}),
    "newsvendor_paths": (newsvendor_paths, {"demand_SP": [3.0, 0.0], **COSTS}),
    "newsvendor_disruptions": (
        newsvendor_disruptions,
        {"demand": 2000, "disruption_prob": 0.04, "recovery_prob": 0.25, **COSTS},
    ),
    "newsvendor_normal_yield": (newsvendor_normal_yield, {"demand": 20, "yield_mean": -2, "yield_sd": 1, **COSTS}),
    "newsvendor_uniform_yield": (newsvendor_uniform_yield, {"demand": 20, "yield_low": -2, "yield_high": 1, **COSTS}),
    "safety_stock": (safety_stock, SERVICE),
    "reorder_point": (reorder_point, SERVICE),
    "half_gap_order": (half_gap_order, {"need": 100, "stock": 60, "buffer": 10}),
    "half_gap": (
        half_gap,
        {"need_ST": [100.0, 100.0], "demand_change_ST": [0.0, 0.0], "start": 0, "buffer": 1, "max_stock": 200},
    ),
    "best_periodic_review": (
        of(partial(best_periodic_review, longest=3), ReviewTerms),
        {
            "mean_demand": 50,
            "demand_sd": 8,
            "fixed_cost": 20,
            "holding_cost": 0.2,
            "backorder_cost": 0.7,
            "lead_time": 4,
        },
    ),
    "longest_review": (partial(best_periodic_review, REVIEW), {"longest": 2}),
    "periodic_review": (partial(periodic_review, REVIEW), {"review_period": 2}),
    "review_cost": (partial(review_cost, terms=REVIEW), {"order_up_to": 300, "review_period": 2}),
    "r_q_normal": (of(r_q_normal, NormalTerms), NORMAL),
    "r_q_normal_cost": (
        partial(r_q_normal_cost, terms=NormalTerms(**NORMAL)),
        {"reorder_point": 100, "quantity": 300},
    ),
    "best_reorder_point": (partial(best_reorder_point, terms=NormalTerms(**NORMAL)), {"quantity": 300}),
    "r_q_eoq_backorders": (of(r_q_eoq_backorders, NormalTerms), NORMAL),
    "r_q_eoq_safety_stock": (of(r_q_eoq_safety_stock, NormalTerms), NORMAL),
    "r_q_expected_inventory_level": (of(r_q_expected_inventory_level, NormalTerms), NORMAL),
    "r_q_loss_function": (of(r_q_loss_function, NormalTerms), NORMAL),
    "r_q_poisson": (of(r_q_poisson, PoissonTerms), POISSON),
    "r_q_poisson_cost": (
        partial(r_q_poisson_cost, terms=PoissonTerms(**POISSON)),
        {"reorder_point": 3, "quantity": 5},
    ),
    "finite_horizon": (
        of(finite_horizon, FiniteHorizon),
        {
            "n_periods": 2,
            "mean_demand": 5,
            "demand_sd": 2,
            "fixed_cost": 3,
            "unit_cost": 1,
            "holding_cost": 1,
            "backorder_cost": 5,
            "discount": 0.9,
            "terminal_holding_cost": 0,
            "terminal_backorder_cost": 0,
        },
    ),
    "fill_rate_level": (partial(fill_rate_level, DEMAND), {"fill_rate": 0.9}),
    "fill_rate_curve": (FillRateCurve.of, {"path_SPT": np.ones((1, 2, 3)), "level_SG": [[0.0, 1.0, 2.0]]}),
    "level_grid": (level_grid, {"largest_S": [5.0], "n_levels": 64, "reach": 4.0}),
    "allocate_service": (
        allocate_service,
        {"value_SG": [[0.0, 1.0]], "cost_SG": [[0.0, 1.0]], "budget": 1.0},
    ),
    "pooled_demand": (PooledDemand, {"frequency": 0.5, "relative_size_M": np.ones(2)}),
    "pooled_demand_of": (PooledDemand.of, {"demand_ST": np.ones((2, 8)), "least_demands": 4}),
    "smoothed_bootstrap": (SmoothedBootstrap, {"prior_periods": 2.0, "pooled_demands": 3.0, "jitter": 0.5}),
    "s_s_poisson": (s_s_poisson, {"mean_demand": 10, **S_S}),
    "s_s_negative_binomial": (s_s_negative_binomial, {"mean_demand": 10, "variance": 20, **S_S}),
    "s_s_discrete": (partial(s_s_discrete, PMF), S_S),
    "s_s_cost": (partial(s_s_cost, demand=PMF), {"reorder_point": 1, "order_up_to": 9, **S_S}),
    "s_s_power_approximation": (s_s_power_approximation, {"mean_demand": 10, "sd_demand": 3, **S_S}),
    "lost_sales_base_stock": (
        of(best_base_stock, LostSalesProblem),
        {"pmf_SN": [PMF], "holding_cost_S": 1, "shortage_cost_S": 4, "lead_time": 1, "position_cap_S": 5},
    ),
    "poisson_pmf": (poisson_pmf, {"mean_demand": 5}),
    "geometric_pmf": (geometric_pmf, {"mean_demand": 5}),
    "empirical_pmf": (empirical_pmf, {"demand_SP": np.array([[1.0, 2.0]])}),
    "adaptive_spec": (
        AdaptiveSpec,
        {
            "initial_level_S": 5,
            "initial_cap_S": 3,
            "holding_cost_S": 1,
            "shortage_cost_S": 4,
            "lead_time_S": 1,
            "step": 0.25,
        },
    ),
    "tabular_spec": (
        TabularSpec,
        {
            "steps": 100,
            "first_exploration": 0.3,
            "last_exploration": 0.05,
            "rate_power": 0.7,
            "average_rate": 0.003,
            "least_visits": 10,
            "order_cap": 5,
            "seed": 0,
        },
    ),
    "channel_terms": (
        ChannelTerms,
        {"margin": [[5.0, 3.0]], "protected": 0.0, "placing_cost": 0.0, "transfer_cost": 1.0},
    ),
    "allocate": (
        partial(allocate, terms=ChannelTerms(np.array([[5.0, 3.0]]))),
        {"demand_SCK": np.ones((1, 2, 3)), "pool_S": 4.0, "placed_SC": 0.0},
    ),
    "littlewood_protection": (
        littlewood_protection,
        {"demand_SCK": np.ones((1, 2, 3)), "margin_SC": [[5.0, 3.0]]},
    ),
    "place_safety_stock": (of(place_safety_stock, partial(ServiceTree, ((0, 1),))), TREE),
    "serial": (of(serial.optimal_levels, serial.SerialSystem), SERIAL),
    "shang_song_levels": (of(serial.shang_song_levels, serial.SerialSystem), SERIAL),
    "serial_levels_cost": (
        partial(serial.levels_cost, serial.SerialSystem(**SERIAL)),  # type: ignore[arg-type]
        {"echelon_SN": [[10.0, 20.0]]},
    ),
    "two_echelon": (of(two_echelon.optimal_levels, two_echelon.TwoEchelon), STORES),
    "two_echelon_levels_cost": (
        partial(two_echelon.levels_cost, two_echelon.TwoEchelon(**STORES)),  # type: ignore[arg-type]
        {"dc_level_S": 3.0, "store_level_SC": [[2.0, 3.0]]},
    ),
    "order_terms": (
        OrderTerms,
        {
            "unit_price": 3.0,
            "unit_cost": 1.0,
            "holding_cost": 0.1,
            "holding_periods": 1.0,
            "carry_value": 0.5,
            "shortage_cost": 0.0,
            "order_cost": 0.0,
            "moq": 0.0,
            "pack": 1.0,
            "most_qty": 100.0,
            "backorder_share": 0.0,
        },
    ),
    "marginal_values": (
        lambda **given: marginal_values(terms=OrderTerms(3.0, 1.0), **given).value_N,
        {"demand_SP": np.ones((1, 4)), "position_S": [0.0]},
    ),
    "order_list": (
        lambda **given: order_list(terms=OrderTerms(3.0, 1.0), **given).quantity_S,
        {
            "demand_SP": np.ones((1, 4)),
            "position_S": [0.0],
            "interval_days_S": 7.0,
            "unit_size_S": 1.0,
            "budget": 10.0,
            "capacity": 10.0,
        },
    ),
    "round_order": (round_order, {name: np.ones(1) for name in ("raw_S", "moq_S", "pack_S")}),
    "demand_paths": (DemandPaths, {"path_SNH": np.ones((1, 2, 3)), "mean_SH": np.ones((1, 3))}),
    "demand_sums": (PATHS.sums, {"days_S": [2.0]}),
    "demand_quantiles": (PATHS.quantile_ahead, {"days": [2.0], "level_S": [0.5]}),
    "inventory_spec": (
        InventorySpec,
        {
            "service_level": 0.95,
            "least_fill_rate": 0.95,
            "review_days": 1,
            "lead_time_days": 7,
            "moq_qty": 1.0,
            "pack_qty": 1.0,
            "order_cost": 0.0,
            "holding_cost_rate": 0.25,
            "assumed_margin": 0.3,
            "most_lot_days": 28.0,
            "backorder_share": 0.0,
            "n_paths": 300,
            "tuning_paths": 100,
            "budget": 10.0,
            "capacity_qty": 10.0,
        },
    ),
}
# Infinity stands for no limit here, and comes back as it was given.
NO_LIMIT = {"price_breaks", "adaptive_spec", "channel_terms", "order_terms", "inventory_spec"}
# Their docstrings name what is NaN or infinite: the level where no order pays, the fill rate where nothing is demanded.
UNDEFINED = {"finite_horizon", "two_echelon"}


def with_first(values: Any, number: float) -> Any:
    """The argument with its first element replaced."""
    if np.ndim(values) == 0:
        return number
    array = np.array(values, dtype=np.float64)
    array.flat[0] = number
    return array


def numbers_of(answer: Any) -> Iterator[np.ndarray]:
    if is_dataclass(answer):
        answer = [getattr(answer, field.name) for field in fields(answer)]
    if isinstance(answer, tuple | list):
        for part in answer:
            yield from numbers_of(part)
    elif isinstance(answer, np.ndarray | float):
        yield np.asarray(answer)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    ("function", "argument"), [(name, argument) for name, (_, good) in FUNCTIONS.items() for argument in good]
)
def test_a_number_is_refused_by_name_or_has_a_finite_answer(function: str, argument: str) -> None:
    call, good = FUNCTIONS[function]
    for number in NUMBERS:
        given = {**good, argument: with_first(good[argument], number)}
        try:
            answer = call(**given)
        except ValueError as error:
            assert re.search(r"expected .*, found ", str(error)), error  # noqa: PT017 - either outcome is right
            # A rule between two arguments may name the other one.
            assert any(name in str(error) for name in {argument.rsplit("_S", 1)[0], *good}), error  # noqa: PT017
        else:
            assert not np.isnan(number)
            assert function in NO_LIMIT | UNDEFINED or all(np.isfinite(part).all() for part in numbers_of(answer)), (
                number
            )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_good_arguments_are_good(function: str) -> None:
    call, good = FUNCTIONS[function]
    call(**good)

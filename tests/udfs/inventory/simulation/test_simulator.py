"""Both simulators, the compiled one and that of tensor operations, against a path replayed in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.udfs.inventory.simulation.one_path import OnePath
from udfs.inventory.simulation.levels import BaseStock, CappedBaseStock, ReorderPoint, ReorderQuantity
from udfs.inventory.simulation.result import SimulationResult
from udfs.inventory.simulation.simulator import simulate
from udfs.inventory.simulation.state import Stock, StockState
from udfs.inventory.simulation.terms import SimulationTerms

RESULT = {
    "holding": "holding_cost_SP",
    "order": "order_cost_SP",
    "shortage": "shortage_cost_SP",
    "waste": "waste_cost_SP",
    "purchase": "purchase_cost_SP",
} | {
    name: f"{name}_SP"
    for name in ["demand", "sales", "ordered", "wasted", "orders", "short_periods", "cycles", "short_cycles"]
}  # fmt: skip


@dataclass(frozen=True)
class Opaque:
    """A level policy that the compiled loop does not know."""

    policy: Any

    def order(self, state: StockState) -> Tensor:
        return self.policy.order(state)


POLICIES: list[tuple[str, Any, Callable[[int], Callable[[int, float], float]]]] = [
    ("base stock", BaseStock(np.arange(6.0) + 14), lambda s: lambda t, x: 14 + s - x),
    ("capped", CappedBaseStock(20, np.arange(6.0) + 3), lambda s: lambda t, x: min(20 - x, s + 3)),
    ("(s, S)", ReorderPoint(np.arange(6.0) + 7, 21), lambda s: lambda t, x: 21 - x if x <= 7 + s else 0),
    ("(r, nQ)", ReorderQuantity(11, np.arange(6.0) + 2), lambda s: lambda t, x: ((11 - x) // (s + 2) + 1) * (s + 2)),
    (
        "moving base stock",
        BaseStock(np.arange(6.0)[:, None] + np.arange(97.0) % 7 + 9),
        lambda s: lambda t, x: s + t % 7 + 9 - x,
    ),
    (
        "moving (s, S)",
        ReorderPoint(np.arange(6.0)[:, None] + np.arange(97.0) % 5, 19),
        lambda s: lambda t, x: 19 - x if x <= s + t % 5 else 0,
    ),
]  # fmt: skip

TERMS: dict[str, dict[str, Any]] = {
    "lost sales": {"lead_time": [0, 1, 2, 3, 5, 0]},
    "backorders": {"lead_time": [0, 1, 2, 3, 5, 9], "backorder_share": 1.0, "order_cost": 7.0},
    "weekdays": {"lead_time": 2, "review_period": 4, "review_week": [0, 1, 18, 64, 127, 33]},
    "a share waits": {"lead_time": 2, "backorder_share": 0.5, "review_period": [1, 2, 3, 4, 5, 7]},
    "packs": {"lead_time": 1, "moq": 5.0, "pack": [0, 1, 3, 4, 6, 12], "capacity": [5, 9, 20, 12, 12, 26.0]},
    "packs by weight": {"lead_time": 1, "moq": 1.25, "pack": [0.5, 1.25, 2.5, 0.25, 7.5, 3.0]},
    "perishes": {
        "lead_time": [0, 1, 2, 0, 1, 3],
        "shelf_life": [1, 2, 3, 0, 7, 1],
        "waste_cost": 3.0,
        "backorder_share": [0, 0, 1, 0.5, 1, 0],
    },
}

N_PATHS, N_PERIODS = 131, 97


def make(name: str, n_start: int, random_leads: bool) -> tuple[SimulationTerms, Tensor, Stock, Tensor | None]:
    rng = np.random.default_rng(len(name) + n_start)
    shape = (6, N_PATHS, N_PERIODS)
    demand = torch.from_numpy(rng.poisson(4.0, shape).astype(np.float64))
    terms = SimulationTerms(
        holding_cost=[1.0, 2.0, 0.5, 1.0, 0.0, 3.0], shortage_cost=9.0, unit_cost=2.0, **TERMS[name]
    )
    start = Stock(
        torch.from_numpy(rng.integers(0, 9, (6, N_PATHS)).astype(np.float64)),
        torch.from_numpy(rng.integers(0, 3, (6, 1)).astype(np.float64)),
        torch.from_numpy(rng.integers(0, 5, (6, N_PATHS, n_start)).astype(np.float64)),
    )
    return terms, demand, start, torch.from_numpy(rng.integers(0, 5, shape)) if random_leads else None


def oracle(
    wants: Callable[[int, float], float],
    s: int,
    p: int,
    terms: SimulationTerms,
    demand: Tensor,
    start: Stock,
    leads: Tensor | None,
    warm_up: int,
) -> tuple[dict[str, float], OnePath]:
    values = {name: float(terms.column(name, 6)[s]) for name in SimulationTerms.__dataclass_fields__}
    whole = {name: int(values[name]) for name in ("lead_time", "review_period", "shelf_life")}
    path = OnePath(**(values | whole))
    path.receive(float(start.on_hand_SP[s, p]), 0)
    path.backorders = float(start.backorders_SP[s, 0])
    path.due = dict(enumerate(start.pipeline_SPL[s, p].tolist()))
    found = path.run(wants, demand[s, p].tolist(), None if leads is None else leads[s, p].tolist(), warm_up)
    return found, path


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(("n_start", "random_leads", "warm_up"), [(0, False, 0), (7, False, 64), (2, True, 11)])
@pytest.mark.parametrize("name", TERMS)
def test_all_paths_are_replayed_as_documented(
    name: str, n_start: int, random_leads: bool, warm_up: int, compiled: bool
) -> None:
    terms, demand, start, leads = make(name, n_start, random_leads)
    for label, policy, wants in POLICIES:
        used = policy if compiled else Opaque(policy)
        result = simulate(used, demand, terms, start=start, lead_times_SPT=leads, warm_up=warm_up)
        for s in range(6):
            for p in (0, 127, 130):
                expected, path = oracle(wants(s), s, p, terms, demand, start, leads, warm_up)
                found = {key: float(getattr(result, field)[s, p]) for key, field in RESULT.items()}
                assert found == pytest.approx(expected, abs=1e-9), (label, s, p)
                assert float(result.end.on_hand_SP[s, p]) == pytest.approx(path.on_hand, abs=1e-9)
                assert float(result.end.backorders_SP[s, p]) == pytest.approx(path.backorders, abs=1e-9)
                due = [path.due.get(N_PERIODS + k, 0.0) for k in range(result.end.pipeline_SPL.shape[2])]
                assert result.end.pipeline_SPL[s, p].tolist() == due


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("fractional", [False, True])
@pytest.mark.parametrize("n_paths", [1, 5, 8, 33, 140])
def test_compiled_and_tensor_simulation_agree(dtype: torch.dtype, fractional: bool, n_paths: int) -> None:
    generator = torch.Generator().manual_seed(n_paths)
    demand = torch.rand((5, n_paths, 80), generator=generator, dtype=torch.float64) * 9
    demand = (demand if fractional else demand.floor()).to(dtype)
    terms = SimulationTerms(
        lead_time=[0, 1, 3, 6, 2],
        holding_cost=1.0,
        shortage_cost=5.0,
        order_cost=3.0,
        backorder_share=[0, 1, 0, 0.3, 1],
    )
    for policy in (
        BaseStock(23.3),
        CappedBaseStock(30.7, 5.2),
        ReorderQuantity(17.1, 8.9),
        BaseStock(torch.ones(5, 80)),
    ):
        fast, slow = simulate(policy, demand, terms), simulate(Opaque(policy), demand, terms)
        assert_equal(fast, slow, 1e-10 if dtype == torch.float64 else 2e-4)


def assert_equal(fast: SimulationResult, slow: SimulationResult, tolerance: float) -> None:
    for field in [*RESULT.values()]:
        found, expected = getattr(fast, field), getattr(slow, field)
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance, msg=field)
    for field in Stock.__dataclass_fields__:
        found, expected = getattr(fast.end, field), getattr(slow.end, field)
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    assert fast.n_periods == slow.n_periods


def test_long_float32_sums_lose_nothing() -> None:
    demand = torch.full((1, 1, 300_000), 101.0)
    result = simulate(BaseStock(350.0), demand, SimulationTerms(1.0, 1.0, 1.0))
    # 350 on hand or on order; 101 arrive and are sold each period, so 148 are left: 4.4e7 is beyond float32's 2**24.
    assert float(result.holding_cost_SP) == pytest.approx(148.0 * 300_000, rel=1e-5)
    assert float(result.sales_SP) == 101.0 * 299_999 or float(result.sales_SP) == pytest.approx(101.0 * 3e5, rel=1e-5)


def test_blocks_of_series_and_threads_change_nothing() -> None:
    terms, demand, start, leads = make("packs", 2, True)
    policy = Opaque(POLICIES[0][1])
    whole = simulate(policy, demand, terms, start=start, lead_times_SPT=leads)
    small = simulate(policy, demand, terms, start=start, lead_times_SPT=leads, max_memory_mb=0.01)
    assert_equal(small, whole, 0.0)
    alone = simulate(
        BaseStock(16.0),
        demand[2:3],
        terms.take(np.array([2]), 6),
        start=Stock(start.on_hand_SP[2:3], start.backorders_SP[2:3], start.pipeline_SPL[2:3]),
        lead_times_SPT=leads[2:3] if leads is not None else None,
    )
    assert torch.equal(alone.cost[0], whole.cost[2])


def test_gradient_equals_finite_differences() -> None:
    generator = torch.Generator().manual_seed(3)
    demand = torch.rand((3, 40, 30), generator=generator, dtype=torch.float64) * 10
    terms = SimulationTerms([0, 2, 4], 1.0, 9.0, backorder_share=[0.0, 0.5, 1.0])
    levels = torch.tensor([7.0, 20.0, 35.0], dtype=torch.float64)
    caps = torch.tensor([4.0, 5.5, 7.0], dtype=torch.float64)
    args = [levels.clone().requires_grad_(), caps.clone().requires_grad_()]
    simulate(CappedBaseStock(*args), demand, terms).cost_per_period.sum().backward()
    step = 1e-6
    for k in range(2):
        up, down = [levels.clone(), caps.clone()], [levels.clone(), caps.clone()]
        up[k] += step
        down[k] -= step
        rise = simulate(CappedBaseStock(*up), demand, terms).cost_per_period
        fall = simulate(CappedBaseStock(*down), demand, terms).cost_per_period
        assert args[k].grad is not None
        torch.testing.assert_close(args[k].grad, (rise - fall) / (2 * step), rtol=1e-5, atol=1e-6)


def test_a_tie_with_a_rounding_error_is_a_tie() -> None:
    """Ten demands of 0.1 take the position from 2 to 1 up to rounding: the reorder point is reached."""
    demand = torch.full((1, 1, 11), 0.1, dtype=torch.float64)
    start = Stock(*(torch.full((1, 1), value, dtype=torch.float64) for value in (2.0, 0.0)), torch.zeros(1, 1, 0))
    for policy in (ReorderPoint(1.0, 2.0), ReorderQuantity(1.0, 1.0)):
        for used in (policy, Opaque(policy)):
            result = simulate(used, demand, SimulationTerms(3, 1.0, 1.0), start=start)
            assert float(result.orders_SP) == 1.0


def test_service_of_a_known_path() -> None:
    demand = torch.tensor([[[3.0, 3.0, 3.0, 3.0]]])
    result = simulate(BaseStock(5.0), demand, SimulationTerms(1, 1.0, 1.0))
    # Empty at first: lost 3, then 5 arrive; 2 left; 0 arrive (3 were ordered): lost 1 ...
    assert result.sales_SP.tolist() == [[0.0 + 3.0 + 2.0 + 3.0]]
    assert result.fill_rate.tolist() == pytest.approx([8.0 / 12.0])
    assert 0.0 < float(result.cycle_service) < 1.0


def test_no_demand_is_served_fully_and_no_series_is_no_error() -> None:
    none = simulate(BaseStock(0.0), torch.zeros(2, 3, 4), SimulationTerms(1, 1.0, 1.0))
    assert none.fill_rate.tolist() == [1.0, 1.0]
    assert simulate(BaseStock(1.0), torch.zeros(0, 3, 4), SimulationTerms(1, 1.0, 1.0)).cost.shape == (0, 3)


def start_of(on_hand: Tensor, backorders: Tensor | None = None, pipeline: Tensor | None = None) -> Stock:
    return Stock(
        on_hand,
        torch.zeros(2, 1) if backorders is None else backorders,
        torch.zeros(2, 1, 1) if pipeline is None else pipeline,
    )


OK = torch.ones(2, 3, 4)
BAD_CALLS: list[tuple[dict[str, Any], str]] = [
    ({"demand_SPT": torch.ones(2, 3)}, "demand_SPT: expected floats of shape"),
    ({"demand_SPT": torch.ones(2, 3, 4).long()}, "demand_SPT: expected floats of shape"),
    ({"demand_SPT": torch.ones(2, 0, 4)}, "P, T >= 1"),
    ({"demand_SPT": OK * torch.tensor([1, 1, float("nan"), 1])}, "found nan in series 0, path 0, period 2"),
    ({"demand_SPT": OK - 2 * torch.eye(4)[3]}, "found -1 in series 0, path 0, period 3"),
    ({"demand_SPT": OK / torch.tensor([1, 0, 1, 1])}, "found inf in series 0, path 0, period 1"),
    ({"warm_up": 4}, "warm_up: expected whole periods from 0 to 3"),
    ({"warm_up": 0.5}, "warm_up: expected whole periods from 0 to 3"),
    ({"warm_up": -1}, "warm_up: expected whole periods from 0 to 3"),
    ({"lead_times_SPT": torch.full((1, 1, 1), 0.5)}, "lead_times_SPT: expected whole periods from 0 to 730"),
    ({"lead_times_SPT": torch.full((1, 1, 1), 731)}, "lead_times_SPT: expected whole periods from 0 to 730"),
    ({"start": start_of(torch.ones(3, 1))}, "start.on_hand_SP: expected 2 series and 1 or 3 paths"),
    ({"start": start_of(torch.ones(2, 1), torch.ones(2, 2))}, "start.backorders_SP: expected 2 series"),
    ({"start": start_of(torch.ones(2, 1), None, torch.ones(2, 1))}, "start.pipeline_SPL: expected 2 series"),
    ({"start": start_of(-torch.ones(2, 1))}, "start.on_hand_SP: expected finite units >= 0"),
    ({"terms": SimulationTerms([1.0, 2.0, 3.0], 1.0, 1.0)}, "lead_time: expected 2 series, found 3"),
    ({"max_memory_mb": 0.0}, "max_memory_mb: expected a size > 0"),
]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(("bad", "message"), BAD_CALLS)
def test_bad_arguments_are_refused(bad: dict[str, Any], message: str, compiled: bool) -> None:
    policy = BaseStock(1.0) if compiled else Opaque(BaseStock(1.0))
    good: dict[str, Any] = {"demand_SPT": OK, "terms": SimulationTerms(1, 1.0, 1.0)}
    with pytest.raises(ValueError, match=message):
        simulate(policy, **(good | bad))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lead_time", 0.5), ("lead_time", -1), ("lead_time", 731), ("holding_cost", -1.0), ("holding_cost", np.nan),
        ("shortage_cost", np.inf), ("order_cost", -1.0), ("unit_cost", np.nan), ("waste_cost", -0.1), ("moq", -1),
        ("review_period", 0), ("review_period", 1.5), ("backorder_share", 1.1), ("backorder_share", np.nan),
        ("pack", float("inf")), ("pack", -1), ("capacity", 0.0), ("shelf_life", 1.5), ("shelf_life", -1),
    ],
)  # fmt: skip
def test_terms_out_of_range_are_refused(name: str, value: float) -> None:
    good = {"lead_time": 1, "holding_cost": 1.0, "shortage_cost": 1.0}
    with pytest.raises(ValueError, match=rf"SimulationTerms\.{name}: expected .* found .* in row 1"):
        SimulationTerms(**(good | {name: [1.0, value]}))


def test_terms_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="capacity: expected at least the least order of 12 units, found 10"):
        SimulationTerms(1, 1.0, 1.0, moq=7, pack=6, capacity=10)
    with pytest.raises(ValueError, match="numbers or arrays of one shape"):
        SimulationTerms([1.0, 2.0], [1.0, 1.0, 1.0], 1.0)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (lambda: BaseStock([1.0, np.nan]), "level: expected units, found NaN"),
        (lambda: BaseStock(np.ones((1, 1, 1))), r"level: expected a number, \[S\] or \[S, T\]"),
        (lambda: ReorderQuantity(1.0, [1.0, 0.0]), "quantity: expected units > 0, found 0"),
    ],
)
def test_bad_levels_are_refused(policy: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        policy()


@pytest.mark.parametrize("level", [np.ones(3), np.ones((2, 3)), np.ones((3, 4))])
def test_levels_of_other_series_or_periods_are_refused(level: np.ndarray) -> None:
    needs_gradient = torch.from_numpy(level).requires_grad_()
    for policy in (BaseStock(level), BaseStock(needs_gradient)):
        with pytest.raises(ValueError, match=r"level: expected a number, \[2\] or \[2, 4\]"):
            simulate(policy, OK, SimulationTerms(1, 1.0, 1.0))


def test_infinite_levels_are_limits() -> None:
    """An order-up-to that is never due orders nothing; an infinite cap is base stock."""
    terms = SimulationTerms(1, 1.0, 1.0)
    for wrap in (lambda policy: policy, Opaque):
        assert float(simulate(wrap(ReorderPoint(-np.inf, 5.0)), OK, terms).ordered_SP.sum()) == 0.0
        capped, free = (simulate(wrap(p), OK, terms) for p in (CappedBaseStock(5.0, np.inf), BaseStock(5.0)))
        assert torch.equal(capped.cost, free.cost)


@pytest.mark.parametrize("compiled", [True, False])
def test_what_perishes_in_parts_of_a_unit_leaves_no_stock_below_nothing(compiled: bool) -> None:
    """All that is left of a day is thrown away, where stock and its batches have been rounded differently."""
    demand = torch.from_numpy(np.random.default_rng(0).exponential(1.3, (6, N_PATHS, N_PERIODS)))
    terms = SimulationTerms(holding_cost=1.0, shortage_cost=9.0, lead_time=0, shelf_life=1, backorder_share=0.5)
    policy: Any = BaseStock(np.linspace(0.1, 3.0, 6))
    result = simulate(policy if compiled else Opaque(policy), demand, terms)
    for found in (result.holding_cost_SP, result.end.on_hand_SP, result.wasted_SP):
        assert (found >= 0.0).all()
    assert result.holding_cost_SP.max() < 1e-9
    assert result.wasted_SP.min() > 0.0

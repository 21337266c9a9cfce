import numpy as np
import pytest
from stockpyl.newsvendor import newsvendor_normal

from udfs.inventory.base_stock import BaseStock
from udfs.inventory.lead_time_demand import DailyForecast, LeadTimeDemand, lead_time_demand
from udfs.inventory.supply import SupplyTerms


def terms(S: int = 1, **changes: float) -> SupplyTerms:
    values = {
        "lead_time_days": 3.0,
        "review_days": 1.0,
        "moq_qty": 0.0,
        "pack_qty": 1.0,
        "unit_cost": 2.0,
        "order_cost": 0.0,
        "holding_cost_rate": 0.25,
        "service_level": 0.9,
    }
    return SupplyTerms(**{name: np.full(S, value) for name, value in (values | changes).items()})


def demand_of(mean: float, sd: float, supply: SupplyTerms, distribution: str) -> LeadTimeDemand:
    S = len(supply.pack_qty)
    forecast = DailyForecast.from_arrays(np.full((S, 40), mean), np.full((S, 40), sd))
    return lead_time_demand(forecast, supply.lead_time_days, supply.review_days, distribution=distribution)


@pytest.mark.parametrize("lead_time", [0, 1, 4, 9])
@pytest.mark.parametrize(("holding", "shortage"), [(0.18, 0.70), (1.0, 19.0)])
def test_order_up_to_level_equals_the_newsvendor_with_lead_time(
    lead_time: int, holding: float, shortage: float
) -> None:
    expected, _ = newsvendor_normal(holding, shortage, 50.0, 8.0, lead_time=lead_time)
    supply = terms(lead_time_days=float(lead_time), service_level=shortage / (holding + shortage))
    demand = demand_of(50.0, 8.0, supply, "normal")
    decision = BaseStock().decide(demand, supply)
    assert decision.order_up_to_S[0] == pytest.approx(expected, abs=1e-6)
    assert decision.safety_stock_S[0] == pytest.approx(expected - 50.0 * (lead_time + 1), abs=1e-6)
    assert decision.reorder_point_S[0] == decision.order_up_to_S[0]


def test_textbook_newsvendor() -> None:
    # Snyder & Shen (2019), example 4.3: h = 0.18, p = 0.70, N(50, 8^2) -> S = 56.604.
    supply = terms(lead_time_days=0.0, service_level=0.70 / 0.88)
    decision = BaseStock().decide(demand_of(50.0, 8.0, supply, "normal"), supply)
    assert decision.order_up_to_S[0] == pytest.approx(56.60395592743389, abs=1e-6)


def simulate(draws: np.ndarray, S: float, lead: int, review: int) -> dict[str, float]:
    """The (R, S) system day by day with backorders: orders leave at the end of a review day, arrive L days later."""
    net, due, served, total = S, {}, 0.0, 0.0
    after_receipt, before_receipt, cycles_short, cycles = [], [], 0, 0
    on_order = 0.0
    for t, d in enumerate(draws):
        on_hand = max(net, 0.0)
        backlog = max(-net, 0.0)
        served += min(d, on_hand) if backlog == 0.0 else 0.0
        total += d
        net -= d
        arriving = due.pop(t, 0.0)
        if (t - lead) % review == 0 and t > 10 * (lead + review):
            before_receipt.append(max(net, 0.0))
            cycles += 1
            cycles_short += net < 0.0
        if t % review == 0:
            quantity = S - (net + on_order)
            on_order += quantity
            if lead == 0:
                arriving += quantity
            else:
                due[t + lead] = due.get(t + lead, 0.0) + quantity
        net += arriving
        on_order -= arriving
        if (t - lead) % review == 0 and t > 10 * (lead + review):
            after_receipt.append(max(net, 0.0))
    return {
        "fill": served / total,
        "on_hand": 0.5 * (np.mean(after_receipt) + np.mean(before_receipt)),
        "cycle_service": 1.0 - cycles_short / cycles,
    }


@pytest.mark.parametrize(
    ("distribution", "mean", "sd", "lead", "review", "level"),
    [
        ("gamma", 8.0, 6.0, 3, 2, 0.85),
        ("gamma", 8.0, 6.0, 0, 5, 0.7),
        ("poisson", 1.3, 1.3**0.5, 4, 1, 0.8),
        ("negative_binomial", 1.5, 2.0, 2, 3, 0.9),
    ],
)
def test_fill_rate_cost_and_service_equal_a_simulation(
    distribution: str, mean: float, sd: float, lead: int, review: int, level: float
) -> None:
    rng, n, variance = np.random.default_rng(11), 150_000, sd**2
    draws = {
        "gamma": lambda: rng.gamma(mean**2 / variance, variance / mean, n),
        "poisson": lambda: rng.poisson(mean, n).astype(float),
        "negative_binomial": lambda: rng.negative_binomial(mean**2 / (variance - mean), mean / variance, n) * 1.0,
    }[distribution]()
    supply = terms(lead_time_days=float(lead), review_days=float(review), service_level=level)
    demand = demand_of(mean, sd, supply, distribution)
    decision = BaseStock().decide(demand, supply)
    S = decision.order_up_to_S[0]
    seen = simulate(draws, S, lead, review)
    assert decision.expected_fill_rate_S[0] == pytest.approx(seen["fill"], abs=0.006)
    assert decision.expected_cost_S[0] == pytest.approx(seen["on_hand"] * 2.0 * 0.25, rel=0.015)
    assert seen["cycle_service"] >= level - 0.008  # a count's level overshoots, never falls short
    if distribution == "gamma":
        assert seen["cycle_service"] == pytest.approx(level, abs=0.008)


def test_order_cost_is_one_order_per_review_when_every_review_orders() -> None:
    free = terms(review_days=5.0)
    paid = terms(review_days=5.0, order_cost=12.0)
    demand = demand_of(50.0, 8.0, free, "normal")
    added = BaseStock().decide(demand, paid).expected_cost_S - BaseStock().decide(demand, free).expected_cost_S
    assert added[0] == pytest.approx(365.0 / 5.0 * 12.0)
    # 250 units a review in orders of at least 1000: one review in four orders.
    large = terms(review_days=5.0, order_cost=12.0, moq_qty=1000.0)
    added = BaseStock().decide(demand, large).expected_cost_S - BaseStock().decide(demand, free).expected_cost_S
    assert added[0] == pytest.approx(365.0 / 5.0 * 12.0 / 4.0)


def test_no_demand_needs_no_stock_and_is_served_in_full() -> None:
    supply = terms()
    decision = BaseStock().decide(demand_of(0.0, 0.0, supply, "auto"), supply)
    assert decision.order_up_to_S[0] == 0.0
    assert decision.expected_fill_rate_S[0] == 1.0
    assert decision.expected_cost_S[0] == 0.0


def test_unknown_unit_cost_leaves_the_cost_unknown_and_the_level_known() -> None:
    supply = terms(unit_cost=float("nan"))
    decision = BaseStock().decide(demand_of(5.0, 2.0, supply, "auto"), supply)
    assert np.isnan(decision.expected_cost_S[0])
    assert decision.order_up_to_S[0] > 20.0


def test_raw_order_lifts_the_position_to_the_level() -> None:
    supply = terms(S=3)
    decision = BaseStock().decide(demand_of(5.0, 2.0, supply, "gamma"), supply)
    S = decision.order_up_to_S[0]
    raw = BaseStock().raw_order(decision, np.array([S + 4.0, S - 2.5, -3.0]))
    np.testing.assert_allclose(raw, [0.0, 2.5, S + 3.0])

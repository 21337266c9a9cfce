"""Supplier choice against every choice tried, its bound at scale, and what it says of what cannot be."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tests.udfs.supply_network.sourcing import sourcing_problem
from udfs.supply_network import supplier_choice
from udfs.supply_network.offers import Need, Offers, Options, SupplierTerms, options
from udfs.supply_network.purchase_cycle import chosen_with_cycles
from udfs.supply_network.supplier_choice import choose
from udfs.supply_network.supplier_prices import Limits, priced_choice


def least_cost(ways: Options, offers: Offers, terms: SupplierTerms) -> float:
    """The cheapest of all combinations of options that keep the limits; inf where none does."""
    choices = [np.flatnonzero(ways.sku == s) for s in range(int(ways.sku.max()) + 1)]
    best = np.inf
    for chosen in product(*choices):
        rows, n = np.array(chosen), len(terms.names)
        qty, value, used = np.zeros(n), np.zeros(n), np.zeros(n, dtype=bool)
        for offer, units, money in (
            (ways.first[rows], ways.qty_1[rows], ways.value_1[rows]),
            (ways.second[rows], ways.qty_2[rows], ways.value_2[rows]),
        ):
            np.add.at(qty, offers.supplier[offer], units)
            np.add.at(value, offers.supplier[offer], money)
            used[offers.supplier[offer]] = True
        keeps = (qty * terms.cycle_days <= terms.capacity_qty * (1 + 1e-9)).all()
        keeps &= (value * terms.cycle_days >= terms.minimum_value * (1 - 1e-9))[used].all()
        if keeps:
            best = min(best, float(ways.cost[rows].sum() + (terms.order_cost / terms.cycle_days)[used].sum()))
    return best


def test_a_hundred_small_choices_are_the_best_of_all() -> None:
    rng, n_impossible, off = np.random.default_rng(8), 0, []
    for _ in range(100):
        offers, terms, need = sourcing_problem(rng, int(rng.integers(2, 5)), int(rng.integers(2, 4)))
        ways = options(offers, terms, need, ("single", "dual") if rng.random() < 0.5 else ("single", "split"))
        best = least_cost(ways, offers, terms)
        if np.isinf(best):
            n_impossible += 1
            with pytest.raises(ValueError, match="demand: expected"):
                choose(ways, offers, terms)
            continue
        found = choose(ways, offers, terms)
        assert found.cost == pytest.approx(best, rel=1e-7)
        assert found.gap <= 1e-6
        limits = Limits.of(ways, offers, terms)
        option_S, bound, _, _ = priced_choice(ways, limits, 1.0)
        assert bound <= best * (1.0 + 1e-9)
        if option_S is not None:
            assert limits.are_kept(ways, option_S)
            off.append(limits.cost(ways, option_S) / best - 1.0)
    assert n_impossible < 40
    assert len(off) > 40
    assert np.median(off) <= 1e-9


@pytest.mark.parametrize("order_cost", [5.0, 500.0])
def test_at_scale_the_choice_is_within_half_a_percent_of_its_bound(
    order_cost: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(4)
    offers, terms, need = sourcing_problem(rng, 1500, 4, order_cost)
    ways = options(offers, terms, need)
    assert ways.sku.size > supplier_choice.MOST_EXACT
    found = choose(ways, offers, terms, 20.0)
    assert 0.0 <= found.gap <= 0.005
    assert Limits.of(ways, offers, terms).are_kept(ways, found.option_S)


def one(**changes: object) -> tuple[Offers, SupplierTerms, Need]:
    """A cheap far supplier and a dear near one of one article."""
    values: dict[str, object] = {
        "unit_cost": [[4.0], [5.0]], "lead_days": [30.0, 2.0], "lead_sd_days": [6.0, 0.5], "moq_qty": [1.0, 1.0]
    }  # fmt: skip
    values |= {name: value for name, value in changes.items() if name in values}
    offers = Offers(
        np.array([0, 0]), np.array([0, 1]), np.zeros((2, 1)), np.array(values["unit_cost"], dtype=float), np.zeros(2),
        np.array([1.0, 1.0]), *(np.array(values[k], dtype=float) for k in ("lead_days", "lead_sd_days", "moq_qty")),
    )  # fmt: skip
    terms = SupplierTerms(("far", "near"), 0.0, 7.0, 0.0, changes.get("capacity_qty", np.inf))  # type: ignore[arg-type]
    return offers, terms, Need(*(np.array([v]) for v in (10.0, 6.0, 2.0, changes.get("holding", 0.25) / 365.0)))  # type: ignore[operator]


def test_costs_of_a_single_supplier_are_those_of_the_textbook() -> None:
    offers, terms, need = one()
    far = options(offers, terms, need, ("single",))
    safety = 2.0 * np.sqrt(37.0 * 36.0 + 100.0 * 36.0)
    assert far.purchase.tolist() == [40.0, 50.0]
    assert far.ordering[0] == pytest.approx(1.0 / 7.0)
    assert far.holding[0] == pytest.approx(0.25 / 365.0 * 4.0 * (35.0 + safety))


def test_a_base_and_a_surge_supplier_pay_where_stock_is_dear() -> None:
    offers, terms, need = one(holding=25.0, unit_cost=[[4.0], [4.4]])
    assert choose(options(offers, terms, need), offers, terms).option_S.size == 1
    ways = options(offers, terms, need)
    kinds = [ways.kind[choose(ways, offers, terms).option_S[0]]]
    ways_cheap = options(*one(holding=0.01))
    kinds.append(ways_cheap.kind[choose(ways_cheap, *one(holding=0.01)[:2]).option_S[0]])
    assert kinds == [2, 0]
    dual = ways.taken(ways.kind == 2)
    assert dual.first.tolist() == [0]
    assert dual.qty_1[0] + dual.qty_2[0] == pytest.approx(10.0)


def test_a_price_break_is_taken_where_it_pays() -> None:
    offers, terms, need = one()
    breaks = replace(
        offers, break_qty=np.array([[0.0, 100.0], [0.0, np.inf]]), unit_cost=np.array([[4.0, 3.0], [5.0, np.inf]])
    )
    assert options(breaks, terms, need, ("single",)).purchase[0] == 30.0
    dear = replace(breaks, unit_cost=np.array([[4.0, 3.999], [5.0, np.inf]]))
    assert options(dear, terms, replace(need, holding_rate=np.array([0.1])), ("single",)).purchase[0] == 40.0


def test_cycles_keep_order_days_minimum_values_and_trucks() -> None:
    rng = np.random.default_rng(2)
    offers, terms, need = sourcing_problem(rng, 30, 3, 50.0)
    ways, choice, cycled, multiple_S = chosen_with_cycles(offers, terms, need, ("single",), 0.5, 5.0)
    assert Limits.of(ways, offers, cycled).are_kept(ways, choice.option_S)
    times = cycled.cycle_days / terms.cycle_days
    np.testing.assert_allclose(times, np.round(times))
    assert (multiple_S >= 1.0).all()
    first = choose(options(offers, terms, need, ("single",)), offers, terms)
    assert choice.cost <= first.cost * (1.0 + 1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lead_days": [np.nan, 2.0]}, "supplier far: lead time: expected days >= 0, found nan"),
        ({"lead_sd_days": [-1.0, 2.0]}, "supplier far: deviation of the lead time: expected days >= 0, found -1"),
        ({"unit_cost": [[0.0], [5.0]]}, "supplier far: unit cost: expected a number > 0, found 0"),
        (
            {"moq_qty": [1.0, 80.0], "capacity_qty": 70.0},
            "supplier near: minimum order: expected at most the supplier's capacity an order, found 80 units",
        ),
    ],
)
def test_offers_that_nobody_can_buy_by_are_told(changes: dict[str, object], words: str) -> None:
    offers, terms, _ = one(**changes)
    assert [text for _, text in offers.faults(terms)] == [words]


def test_what_cannot_be_is_explained() -> None:
    offers, terms, need = one(capacity_qty=20.0)
    with pytest.raises(ValueError, match=r"all suppliers can deliver, 5.7 units a day, found 10.0; raise a capacity"):
        choose(options(offers, terms, need), offers, terms)
    twice = replace(offers, supplier=np.array([0, 0]))
    assert twice.faults(terms) == [(1, "supplier far: expected one offer of a supplier for an SKU, found a second")]
    with pytest.raises(ValueError, match="suppliers: expected each once, found 'a' twice"):
        SupplierTerms(("a", "a"), 0.0, 1.0, 0.0, np.inf)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cycle_days: expected a finite number > 0, found 0 at supplier 'a'"):
        SupplierTerms(("a",), 0.0, 0.0, 0.0, np.inf)  # type: ignore[arg-type]

"""Weeks to elasticities and elasticities to prices, a category in a place at a time: what holds, what fails alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from lakehouse.schema.tables import contract
from udfs.pricing.kernels.category_elasticities import ROWS, category_elasticities, prior_of
from udfs.pricing.kernels.place_prices import PlacePrices, PriceTerms, place_prices
from udfs.pricing.pricing_spec import PricingSpec, SellOff

AS_OF, HORIZON, N = date(2024, 6, 30), 14, 8
SPEC = PricingSpec(enabled=True, rivals=2, price_step=0.05)
DECIDED = ["unique_id", "ds", "decision_id", "decided_price", "author", "note"]


def weeks(spoilt: bool = False) -> pd.DataFrame:
    """60 weeks of eight SKUs in two places; SKU 7 never changes its price; all answer SKU 0's."""
    rng, rows = np.random.default_rng(0), []
    for place in ("east", "west"):
        price = rng.choice([2.0, 1.8, 1.5], (N, 60), p=[0.6, 0.2, 0.2])
        price[7] = 2.0
        for k in range(N):
            cross = 0.5 * np.log(price[0] / 2.0) if k else 0.0
            units = rng.poisson((60.0 if k == 0 else 20.0) * np.exp(cross) * (price[k] / 2.0) ** -2.5)
            rows += [("food", place, f"{k}|{place}|all", a, units[a], price[k, a], 0.0, 7) for a in range(60)]
    names = ["category", "location_id", "unique_id", "age", "units", "unit_price", "promo_share", "days"]
    frame = pd.DataFrame(rows, columns=names).astype({"units": float})
    if spoilt:
        bad = {0: np.nan, 1: -1.0, 2: 0.0, 3: np.inf, 4: 200.0}
        at = frame.index[frame["unique_id"] == "3|east|all"]
        frame.loc[at[: len(bad)], "unit_price"] = list(bad.values())
    return frame


def learned(frame: pd.DataFrame) -> pd.DataFrame:
    return category_elasticities(frame, SPEC, prior_of(frame, SPEC))


@pytest.fixture(scope="module")
def elasticity() -> pd.DataFrame:
    return learned(weeks())


def test_effects_are_found_with_who_they_are_of_and_how_sure(elasticity: pd.DataFrame) -> None:
    own = elasticity[elasticity["effect"] == "own"].set_index("unique_id")
    assert (own["elasticity"].drop(["7|east|all", "7|west|all"]) + 2.5).abs().max() < 0.5
    assert own.loc["7|east|all", "identification"] == "category"
    assert own.loc["7|east|all", "elasticity"] == pytest.approx(own.loc["7|east|all", "class_elasticity"], abs=0.02)
    assert own["n_prices"].to_dict()["7|east|all"] == 1
    cross = elasticity[elasticity["effect"] == "cross"]
    assert (cross["elasticity"] >= 0.0).all()
    assert len(cross) == 2 * N * 2
    assert not (cross["rival_id"] == cross["unique_id"]).any()
    by_rival = cross.groupby(cross["rival_id"].str[0])["elasticity"].mean()
    assert by_rival.idxmax() == "0"
    assert by_rival["0"] == pytest.approx(0.5, abs=0.2)
    declared = contract("pricing.elasticity")
    assert [name for name in declared.columns if name not in ("run_id", "bucket")] == list(ROWS)


def test_prices_that_cannot_be_are_left_out_and_cost_no_other_week(elasticity: pd.DataFrame) -> None:
    own = learned(weeks(spoilt=True)).query("effect == 'own'").set_index("unique_id")
    assert own.loc["3|east|all", "n_weeks"] == 55
    assert own["elasticity"].to_numpy() == pytest.approx(elasticity.query("effect == 'own'")["elasticity"], abs=0.15)


def test_a_category_that_never_changed_a_price_says_so() -> None:
    frame = weeks().assign(unit_price=2.0)
    found = category_elasticities(frame, SPEC, prior_of(weeks(), SPEC)).query("effect == 'own'")
    assert set(found["identification"]) == {"all"}
    assert (found["elasticity"] < 0.0).all()


def series(**changes: object) -> pd.DataFrame:
    rows = {
        "unique_id": [f"{k}|east|all" for k in range(N)],
        "sku_id": [str(k) for k in range(N)],
        "category": "food",
        "unit_price": 2.0,
        "unit_cost": 0.8,
        "is_cost_assumed": False,
        "on_hand_qty": np.nan,
        "is_before_event": False,
        "mean": [np.full(HORIZON, 8.0 if k == 0 else 3.0) for k in range(N)],
    }
    return pd.DataFrame(rows | changes)


def terms(spec: PricingSpec = SPEC, decided: list[tuple] = []) -> PriceTerms:  # noqa: B006
    return PriceTerms(spec, AS_OF, HORIZON, "run", pd.DataFrame(decided, columns=DECIDED))


def priced(elasticity: pd.DataFrame, goods: pd.DataFrame, told: PriceTerms) -> PlacePrices:
    return place_prices(goods, elasticity[elasticity["location_id"] == "east"], told)


def test_proposed_prices_change_no_demand_and_say_what_they_gain(elasticity: pd.DataFrame) -> None:
    found = priced(elasticity, series(), terms())
    changed = found.plan[found.plan["planned_price"] != 2.0]
    assert len(changed) > 4
    # Cost x 2.5 / 1.5 is 1.33, and a step may take a tenth; SKU 0's price is what the others sell by.
    assert (changed.loc[changed["unique_id"] != "0|east|all", "planned_price"] < 2.0).all()
    assert (changed["planned_price"] >= 1.8).all()
    assert (found.plan["planned_profit"].sum()) > found.plan["kept_profit"].sum()
    assert changed["binding"].str.contains("largest step").all()
    assert set(found.decision["price_status"]) == {"proposed"}
    assert set(found.decision["valid_to"]) == {AS_OF + timedelta(days=HORIZON)}
    assert found.demand.empty
    assert found.failures.empty
    assert found.plan["reason"].iloc[1].startswith("From 2.00 to 1.8")
    assert not found.plan["reason"].str.contains("assumed").any()
    guessed = priced(elasticity, series(is_cost_assumed=True), terms()).plan
    assert guessed["reason"].str.endswith("; the unit cost is assumed.").all()
    assert guessed["is_cost_assumed"].all()
    assert (changed["planned_profit"] > changed["kept_profit"]).all()


def test_an_accepted_price_changes_its_demand_and_its_rivals_alone(elasticity: pd.DataFrame) -> None:
    day = AS_OF + timedelta(days=3)
    found = priced(elasticity, series(), terms(decided=[("0|east|all", day, "d1", 1.9, "Ana", "fair")]))
    demand = found.demand.set_index("unique_id")
    assert set(demand["ds"]) == {day}
    own = elasticity.query("effect == 'own' and unique_id == '0|east|all'").iloc[0]
    step = np.log(0.95)
    expected = np.exp(own["elasticity"] * step)
    assert demand.loc["0|east|all", "demand_factor"] == pytest.approx(expected)
    assert demand.loc["0|east|all", "author"] == "Ana (price 1.90)"
    others = demand.drop("0|east|all")
    rivals = elasticity.query("effect == 'cross' and rival_id == '0|east|all' and elasticity > 1e-6")["unique_id"]
    assert set(others.index) <= set(rivals)
    assert "1|east|all" in others.index
    assert (others["demand_factor"] < 1.0).all()
    assert others["unit_price"].isna().all()
    assert demand["decision_id"].is_unique
    accepted = found.decision[found.decision["price_status"] == "accepted"]
    assert accepted["decided_price"].tolist() == [1.9]


def test_with_auto_every_new_price_is_accepted(elasticity: pd.DataFrame) -> None:
    found = priced(elasticity, series(), terms(replace(SPEC, accept="auto")))
    assert set(found.decision["price_status"]) == {"accepted"}
    changed = set(found.plan[found.plan["planned_price"] != 2.0]["unique_id"])
    assert changed <= set(found.demand["unique_id"])
    assert found.demand.groupby("unique_id")["ds"].nunique().eq(HORIZON).all()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("unit_price", 0.0, "price: expected > 0"),
        ("unit_price", -1.0, "price: expected > 0"),
        ("unit_price", np.nan, "price: expected > 0"),
        ("unit_cost", np.nan, "unit cost: expected >= 0"),
        ("unit_cost", np.inf, "unit cost: expected >= 0"),
    ],
)
def test_a_bad_sku_costs_itself(elasticity: pd.DataFrame, column: str, value: float, words: str) -> None:
    goods = series()
    goods.loc[5, column] = value
    found = priced(elasticity, goods, terms())
    assert found.failures["unique_id"].tolist() == ["5|east|all"]
    assert found.failures["error"].iloc[0].startswith(words)
    assert len(found.plan) == N - 1


def test_an_sku_without_an_answer_to_its_price_fails_alone(elasticity: pd.DataFrame) -> None:
    found = priced(elasticity[elasticity["unique_id"] != "2|east|all"], series(), terms())
    assert found.failures["error"].tolist() == ["elasticity: expected below 0 and finite, found nan"]
    assert len(found.plan) == N - 1


def test_guardrails_of_the_run_bind_and_say_so(elasticity: pd.DataFrame) -> None:
    cheap = series(unit_cost=1.9)
    before = priced(elasticity, cheap.assign(is_before_event=True), terms())
    assert (before.plan["planned_price"] <= 2.0).all()
    assert before.plan["binding"].str.contains("no rise before an event").any()
    few = priced(elasticity, series(), terms(replace(SPEC, most_changes_share=0.25)))
    assert (few.plan["planned_price"] != 2.0).sum() == 2
    assert few.plan["binding"].str.contains("change budget").sum() > 2


def test_what_has_to_go_is_marked_down_by_stock(elasticity: pd.DataFrame) -> None:
    spec = replace(SPEC, sell_off={"food": SellOff(AS_OF + timedelta(days=28))})
    stock = [0.0, 10.0, 60.0, 150.0, 400.0, 1e7, np.nan, 12.5]
    found = priced(elasticity, series(on_hand_qty=stock), terms(spec)).plan.set_index("unique_id")
    price = [found.loc[f"{k}|east|all", "planned_price"] for k in range(N)]
    assert set(found["price_kind"]) == {"sell off"}
    assert price[1] == price[7] == price[6] == 2.0
    assert price[1:6] == sorted(price[1:6], reverse=True)
    assert price[5] == pytest.approx(0.6)
    assert found.loc["6|east|all", "reason"].startswith("Keep 2.00: to be sold off, but no stock is counted")
    gone = replace(spec, sell_off={"food": SellOff(AS_OF)})
    assert set(priced(elasticity, series(on_hand_qty=stock), terms(gone)).plan["price_kind"]) == {"regular"}


def test_a_stock_beyond_belief_fails_alone(elasticity: pd.DataFrame) -> None:
    spec = replace(SPEC, sell_off={"all": SellOff(AS_OF + timedelta(days=28))})
    found = priced(elasticity, series(on_hand_qty=[1e10, *[50.0] * (N - 1)]), terms(spec))
    assert found.failures["error"].tolist() == ["stock: expected at most 1,000,000,000 units, found 10000000000.0"]
    assert len(found.plan) == N - 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SellOff(AS_OF, (0.5, 0.7)), r"ladder: expected shares .* that fall, found \(0.5, 0.7\)"),
        (lambda: SellOff(AS_OF, (1.0, 0.0)), "ladder: expected shares"),
        (lambda: SellOff(AS_OF, salvage=0.5), "salvage: expected a share from 0 to the ladder's last price 0.3"),
        (lambda: PricingSpec(accept="always"), "accept: expected one of planner, auto, found 'always'"),
        (lambda: PricingSpec(families={"a": ("1", "2"), "b": ("2",)}), "families: expected each SKU in one family"),
        (lambda: PricingSpec(largest_step=2.0), "largest_step: expected a share"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()  # type: ignore[operator]

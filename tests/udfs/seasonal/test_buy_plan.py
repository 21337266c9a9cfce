"""Buy plans from planted launches: analogues of the same kind, own past seasons, rows that no plan can be made for."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from udfs.seasonal.analogues import find_analogues
from udfs.seasonal.buy_plan import BuyInputs, buy_plan
from udfs.seasonal.launches import Launch, past_launches
from udfs.seasonal.sales_panel import SalesPanel
from udfs.seasonal.season_spec import SeasonSpec

FIRST, DAYS = date(2023, 1, 1), 200
AS_OF = FIRST + timedelta(days=DAYS - 1)
SPEC = SeasonSpec(trees=50, leaves=15, least_analogues=30)
SEASON_DAYS = 28


@pytest.fixture(scope="module")
def panel_tables() -> tuple[pa.Table, pa.Table]:
    """Two categories of one store: launches of `toys` sell 8 a day, of `tools` 1; others sell 4 from the first day."""
    rng = np.random.default_rng(4)
    rows: dict[str, list[Any]] = {"unique_id": [], "ds": [], "y": [], "unit_price": []}
    products: dict[str, list[str]] = {"sku_id": [], "category": [], "brand": []}
    for k in range(160):
        category = ("toys", "tools")[k % 2]
        rate = 4.0 if k < 60 else (8.0, 1.0)[k % 2]
        start = 0 if k < 60 else int(rng.integers(30, DAYS - SEASON_DAYS))
        sold = np.where(np.arange(DAYS) >= start, rng.poisson(rate, DAYS), 0)
        rows["unique_id"] += [f"s{k}|shop|all"] * DAYS
        rows["ds"] += [FIRST + timedelta(days=t) for t in range(DAYS)]
        rows["y"] += sold.astype(float).tolist()
        rows["unit_price"] += [(20.0, 5.0)[k % 2]] * DAYS
        products["sku_id"].append(f"s{k}")
        products["category"].append(category)
        products["brand"].append("")
    products["sku_id"] += ["newtoy", "newtool"]
    products["category"] += ["toys", "tools"]
    products["brand"] += ["", ""]
    return pa.table(rows), pa.table(products)


def season(unique_id: str, first: date = AS_OF + timedelta(days=10), days: int = SEASON_DAYS, **more: Any) -> dict:
    row = {"unique_id": unique_id, "season_name": "Spring", "ds_from": first, "ds_to": first + timedelta(days=days - 1)}
    return row | {"unit_price": 20.0, "unit_cost": 12.0, "salvage_value": 6.0} | more


def planned(tables: tuple[pa.Table, pa.Table], *seasons: dict, **on_hand: float) -> tuple[list[dict], list[dict]]:
    inputs = BuyInputs(pa.Table.from_pylist(list(seasons)), *tables, on_hand)
    analogues, plans = buy_plan(inputs, AS_OF, SPEC, 0.3)
    return analogues.to_pylist(), plans.to_pylist()


def test_price_and_quantity_are_told_together_where_the_category_answers_prices(
    panel_tables: tuple[pa.Table, pa.Table],
) -> None:
    rows = [season("newtoy|shop|all"), season("newtool|shop|all", unit_price=15.0)]
    inputs = BuyInputs(pa.Table.from_pylist(rows), *panel_tables, {}, {"toys": -4.0})
    plans = {row["unit_price"]: row for row in buy_plan(inputs, AS_OF, SPEC, 0.3)[1].to_pylist()}
    toy, tool = plans[20.0], plans[15.0]
    assert tool["best_price"] is None
    assert "instead of" not in tool["words"]
    assert 16.0 < toy["best_price"] < 20.0, "known demand would have 12 x 4 / 3, which is doubtful here"
    assert toy["best_price_qty"] > toy["one_buy_qty"]
    assert toy["best_price_gain"] > 0.0
    said = f"at {toy['best_price']:.2f} instead of 20.00, {toy['best_price_qty']:.0f} at once would earn"
    assert said in toy["words"]


def test_a_launch_is_expected_to_sell_as_those_of_its_kind_did(panel_tables: tuple[pa.Table, pa.Table]) -> None:
    analogues, plans = planned(panel_tables, season("newtoy|shop|all"), season("newtool|shop|all", unit_price=15.0))
    expected = {"newtoy|shop|all": 8 * SEASON_DAYS, "newtool|shop|all": SEASON_DAYS}
    for row in plans:
        assert row["season_p50"] == pytest.approx(expected[row["unique_id"]], rel=0.25)
        assert row["season_p10"] <= row["season_p50"] <= row["season_p90"]
        assert np.all(np.diff(row["launch_curve"]) >= 0)
        assert row["launch_curve"][-1] == pytest.approx(1.0)
        assert 0 < row["commitment_qty"] <= row["one_buy_qty"] * 1.01
    told = [row for row in analogues if row["unique_id"] == "newtoy|shop|all"]
    assert [row["analogue_rank"] for row in told] == [1, 2, 3, 4, 5]
    assert {int(row["analogue_id"][1:].split("|")[0]) % 2 for row in told} == {0}, "toys are like toys"


def test_early_sales_move_the_plan(panel_tables: tuple[pa.Table, pa.Table]) -> None:
    running = season("s158|shop|all", AS_OF - timedelta(days=9))
    (before,), (after,) = (planned(panel_tables, running, **{"s158|shop|all": left})[1] for left in (500.0, 0.0))
    assert before["season_phase"] == "running"
    assert before["sold_qty"] == pytest.approx(80, rel=0.3)
    assert before["reorder_qty"] == 0.0, "there is more than the season can take"
    assert after["reorder_qty"] > 20.0
    assert after["season_p90"] - after["season_p50"] < 8 * SEASON_DAYS


def test_an_own_past_season_counts_for_more_than_others(panel_tables: tuple[pa.Table, pa.Table]) -> None:
    past = season("s0|shop|all", FIRST + timedelta(days=60))
    analogues, (plan,) = planned(panel_tables, past, season("s0|shop|all"))
    assert analogues[0]["analogue_id"] == "s0|shop|all"
    assert analogues[0]["analogue_ds"] == past["ds_from"]
    assert analogues[0]["analogue_weight"] == pytest.approx(SPEC.own_weight)
    assert analogues[0]["scaled_qty"] > analogues[0]["analogue_qty"], "toys sell more than they did then"
    assert plan["season_p50"] == pytest.approx(analogues[0]["scaled_qty"], rel=0.1)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"unit_cost": 25.0}, "expected salvage_value < unit_cost < unit_price, found 6, 25, 20"),
        ({"ds_to": FIRST}, "expected ds_to on or after ds_from"),
        ({"ds_to": AS_OF + timedelta(days=300)}, "expected a season of at most 182 days, found 291"),
        ({"unit_price": None, "unique_id": "x|shop|all"}, "expected a price > 0"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_alone(
    panel_tables: tuple[pa.Table, pa.Table], wrong: dict, words: str
) -> None:
    _, plans = planned(panel_tables, season("newtoy|shop|all"), season("newtool|shop|all") | wrong)
    by_phase = {row["season_phase"]: row for row in plans}
    assert set(by_phase) == {"ahead", "refused"}
    assert words in by_phase["refused"]["words"]


def test_a_season_that_is_over_is_not_bought_for(panel_tables: tuple[pa.Table, pa.Table]) -> None:
    assert planned(panel_tables, season("s158|shop|all", AS_OF - timedelta(days=28))) == ([], [])


def test_a_launch_is_forecast_from_days_before_it_alone(panel_tables: tuple[pa.Table, pa.Table]) -> None:
    daily, products = panel_tables
    eve = FIRST + timedelta(days=149)
    whole, known = SalesPanel.of(daily, products, AS_OF), SalesPanel.of(daily, products, eve)
    launch = [Launch("newtoy|shop|all", 150, 20.0)]
    assert len(past_launches(known, SEASON_DAYS, 14)) < len(past_launches(whole, SEASON_DAYS, 14))
    changed = SalesPanel(
        whole.unique_id_S,
        np.where(np.arange(DAYS) < 150, whole.units_ST, 99)[:, :150],
        whole.price_ST[:, :150],
        whole.first_day,
        whole.category,
        whole.brand,
    )
    found = [find_analogues(panel, launch, SEASON_DAYS, SPEC).quantiles((0.5,)) for panel in (known, changed)]
    np.testing.assert_array_equal(*found)


def test_too_few_launches_are_said_and_nothing_is_guessed(panel_tables: tuple[pa.Table, pa.Table]) -> None:
    panel = SalesPanel.of(*panel_tables, FIRST + timedelta(days=40))
    with pytest.raises(ValueError, match=r"expected at least 30 launches with 28 days of sales"):
        find_analogues(panel, [Launch("newtoy|shop|all", 41)], SEASON_DAYS, SPEC)

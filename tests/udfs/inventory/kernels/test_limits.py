"""Shelf life, cover, room and largest orders, from feed, product and group to the order and its reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.udfs.inventory.tables import AS_OF, PATH_TERMS, forecast_table, price_table, stock_tables, supply_table
from udfs.inventory.group_terms import GroupTerms
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.plan_bucket import plan_bucket
from udfs.inventory.orders.order_words import units

SPEC = InventorySpec(candidates=("tuned_s_s",), n_paths=100, tuning_paths=60, lead_time_days=2)
MILK, SOAP = "milk|north|all", "soap|north|all"
GROUPS = {
    "Fresh": GroupTerms(shelf_life_days=9, waste_cost=0.1, lead_time_days=1),
    "all": GroupTerms(most_cover_days=20),
}


def products(rows: Sequence[tuple[str, str | None, str | None, float | None, float | None]]) -> pa.Table:
    """Rows of sku_id, category, department, lead_time_days, shelf_life_days."""
    names = ["sku_id", "category", "department", "lead_time_days", "shelf_life_days"]
    types = [pa.string()] * 3 + [pa.float64()] * 2
    columns = list(zip(*rows, strict=True))
    return pa.table([pa.array(list(c), t) for c, t in zip(columns, types, strict=True)], names=names)


PRODUCTS = products([("soap", "care", "household", None, None), ("milk", "dairy", "FRESH ", None, None)])


def line(
    unique_id: str = MILK,
    *,
    mean: float = 4.0,
    price: float = 3.0,
    cost: float = 2.0,
    stock: float = 0.0,
    pack: float = 1.0,
    goods: pa.Table | None = PRODUCTS,
    spec: InventorySpec = SPEC,
    **stated: Any,
) -> dict[str, Any]:
    """Proposal and policy of a series, with limits that its supply feed states."""
    supply = supply_table([(unique_id, None, 0.3, cost, 1.0, pack)])
    refused = {name: value for name, value in stated.items() if isinstance(value, str)}
    for name in ("shelf_life_days", "most_shelf_qty", "largest_order_qty"):
        value = stated.get(name)
        supply = supply.append_column(name, pa.array([None if isinstance(value, str) else value], pa.float64()))
    if refused:
        name, value = next(iter(refused.items()))
        supply = supply.append_column("refused_values", pa.array([f'{{"{name}": "{value}"}}']))
    found = plan_bucket(
        forecast_table({unique_id: ([mean] * 28, [np.sqrt(mean)] * 28)}),
        supply,
        stock_tables([(unique_id, stock, 0.0, AS_OF)]),
        price_table([(unique_id, price)]),
        AS_OF,
        spec,
        PATH_TERMS,
        products=goods,
    )
    assert found.failures.num_rows == 0, found.failures.to_pylist()
    return found.proposal.to_pylist()[0] | found.policy.to_pylist()[0]


def test_a_shelf_life_is_the_feeds_else_the_products_else_its_categorys_else_its_departments() -> None:
    spec = replace(SPEC, groups=GROUPS)
    assert line()["shelf_life_days"] is None
    assert (line(spec=spec)["shelf_life_days"], line(spec=spec)["lead_time_days"]) == (9.0, 1.0)
    assert "lead time 1 days" in line(spec=spec)["reason"]
    by_category = replace(spec, groups=GROUPS | {"DAIRY": GroupTerms(shelf_life_days=6)})
    assert (line(spec=by_category)["shelf_life_days"], line(spec=by_category)["lead_time_days"]) == (6.0, 1.0)
    own = products([("milk", "dairy", "fresh", 3.2, 4.7)])
    assert (line(spec=spec, goods=own)["shelf_life_days"], line(spec=spec, goods=own)["lead_time_days"]) == (4.0, 4.0)
    assert line(spec=spec, goods=own, shelf_life_days=3.0)["shelf_life_days"] == 3.0
    assert line(SOAP, spec=spec)["shelf_life_days"] is None


def test_a_stated_shelf_life_that_cannot_be_meant_costs_itself_alone() -> None:
    spec = replace(SPEC, groups=GROUPS)
    for text in ("fresh", "0", "-3"):
        found = line(spec=spec, shelf_life_days=text)
        assert found["shelf_life_days"] == 9.0
        assert f"shelf life '{text}' cannot be planned with, 9 days assumed" in found["doubts"]
    nothing = line(shelf_life_days="fresh")
    assert "shelf life 'fresh' cannot be planned with, none assumed" in nothing["doubts"]
    assert "Assumed: lead time 2 days, no shelf life" in nothing["reason"]
    cut = line(shelf_life_days=5.5)
    assert (cut["shelf_life_days"], cut["supply_notes"]) == (
        5.0,
        "lead_time_days assumed 2; shelf_life_days 5.5 rounded to 5",
    )
    assert "shelf life 5.5 days rounded down to 5" in cut["doubts"]


def test_fresh_goods_are_ordered_for_what_their_days_can_use_and_the_reason_says_so() -> None:
    kept, fresh = line(mean=1.0), line(mean=1.0, shelf_life_days=3.0)
    assert fresh["order_up_to_qty"] < 0.6 * kept["order_up_to_qty"]
    # 5 days of lead time and life at a margin of a third: the 33% quantile of a demand of 5.
    assert fresh["order_up_to_qty"] <= 5.0
    assert "Spoils after 3 days: the " in fresh["reason"]
    assert "for 95% service would rather spoil than sell; expected waste" in fresh["reason"]
    by_rule = line(mean=1.0, shelf_life_days=3.0, spec=replace(SPEC, candidates=("s_s",)))
    assert "Spoils after 3 days: level " in by_rule["reason"]
    assert f"capped to {units(by_rule['order_up_to_qty'])}, more would rather spoil than sell" in by_rule["reason"]
    assert fresh["expected_waste_qty"] > 0.0
    assert fresh["expected_waste_cost"] == pytest.approx(fresh["expected_waste_qty"] * 2.0 * 365.0 / 7.0, rel=1e-5)
    assert kept["expected_waste_qty"] == kept["expected_waste_cost"] == 0.0
    assert "Spoils" not in kept["reason"]


def test_what_would_rather_spoil_than_sell_is_not_ordered() -> None:
    found = line(mean=0.3, pack=24.0, shelf_life_days=4.0)
    assert (found["order_qty"], found["order_up_to_qty"]) == (0.0, 0.0)
    assert "Spoils after 4 days: the least order of 24 would rather spoil than sell" in found["reason"]


@pytest.mark.parametrize("stock", [0.0, 3.0, 11.5, 30.0])
def test_no_order_lifts_the_position_above_cover_or_room(stock: float) -> None:
    cover = line(stock=stock, pack=6.0, spec=replace(SPEC, groups={"all": GroupTerms(most_cover_days=5)}))
    assert cover["position_qty"] + cover["order_qty"] <= max(5 * 4.0, stock)
    room = line(stock=stock, pack=6.0, most_shelf_qty=14.0)
    assert room["position_qty"] + room["order_qty"] <= max(14.0 + 2 * 4.0, stock)
    if stock == 0.0:
        assert cover["order_qty"] == room["order_qty"] == 18.0
        assert "at most 5 days of cover" in cover["reason"]
        assert "room for 14" in room["reason"]


def test_a_slow_series_may_have_one_on_its_empty_shelf() -> None:
    spec = replace(SPEC, groups={"all": GroupTerms(most_cover_days=5)})
    assert line(mean=0.02, stock=0.0, spec=spec)["order_qty"] <= 1.0
    assert line(mean=0.1, stock=0.0, spec=spec)["order_qty"] == 1.0
    assert line(mean=0.1, stock=1.0, spec=spec)["order_qty"] == 0.0


def test_an_order_above_the_largest_is_cut_to_it_and_listed() -> None:
    free, cut = line(pack=4.0), line(pack=4.0, largest_order_qty=10.0)
    assert free["order_qty"] > 10.0
    assert (cut["order_qty"], cut["order_qty"] % 4.0) == (8.0, 0.0)
    assert re.fullmatch(r"order cut: \d+ wanted, 8 left by the largest order of 10", cut["doubts"])
    assert re.search(r"The \d+ wanted are more than the largest order of 10\.", cut["reason"])
    assert cut["order_value"] == 16.0
    none = line(pack=4.0, largest_order_qty=3.0)
    assert (none["order_qty"], none["expected_receipt_ds"]) == (0.0, None)
    assert "order cut" in none["doubts"]
    assert free["doubts"] is None


def test_groups_out_of_range_are_refused() -> None:
    for field, value in (
        ("shelf_life_days", 0),
        ("most_cover_days", 2.5),
        ("waste_cost", -1.0),
        ("lead_time_days", 900),
    ):
        with pytest.raises(ValueError, match=f"{field}: expected "):
            GroupTerms(**{field: value})  # type: ignore[arg-type]

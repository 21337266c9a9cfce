"""Purchase plans and orders of a few series: suppliers' terms, what order lines become, and what is said."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.schema.tables import contract
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.orders.purchased_orders import (
    ALLOCATION,
    put_off,
    suppliers_of,
    with_allocations,
    with_purchases,
)
from udfs.supply_network.purchase_spec import PurchaseSpec
from udfs.supply_network.purchase_tables import ORDER, PLAN, purchase_tables

AS_OF = date(2024, 3, 4)  # a Monday
PROPOSAL = "inventory.order_proposal"
IDS = ("a|s|all", "b|s|all", "c|s|all")


def table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=pa.schema(list(contract(name).arrow_schema(with_partitions=False))))


def of_policy(unique_id: str, position: float, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    policy = {
        "unique_id": unique_id, "as_of": AS_OF, "lead_time_days": 4.0, "review_days": 1.0, "demand_mean": 20.0,
        "demand_sd": 6.0, "service_level": 0.95, "order_up_to_qty": 40.0, "reorder_point_qty": 25.0, "unit_cost": 2.0,
    }  # fmt: skip
    line = {
        "unique_id": unique_id, "order_date": AS_OF, "order_qty": max(40.0 - position, 0.0) if position <= 25 else 0.0,
        "order_value": 1.0, "position_qty": position, "is_stock_assumed": False, "main_reason": "reorder",
        "headline": "as planned", "reason": "As planned.", "moq_qty": 1.0, "pack_qty": 1.0,
    }  # fmt: skip
    return policy, line | changes


def offer(unique_id: str, name: str, cost: float, **changes: Any) -> dict[str, Any]:
    terms = {"lead_time_days": 4.0, "order_cost": 0.0, "moq_qty": 1.0, "pack_qty": 1.0}
    return {"unique_id": unique_id, "supplier_id": name, "unit_cost": cost, **terms} | changes


def bought(
    offers: list[dict[str, Any]], suppliers: list[dict[str, Any]], positions: dict[str, float], *,
    kinds: tuple[str, ...] = ("single",), **of_line: Any,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[tuple[str, str]], list[dict[str, Any]]]:  # fmt: skip
    pairs = [of_policy(unique_id, position, **of_line) for unique_id, position in positions.items()]
    full = dict.fromkeys(contract("inventory.policy").file_columns())
    proposal = table(PROPOSAL, [dict.fromkeys(contract(PROPOSAL).file_columns()) | line for _, line in pairs])
    plan, orders, failures = purchase_tables(
        offer=table("silver.offer", offers),
        supplier=table("silver.supplier", suppliers),
        policy=table("inventory.policy", [full | policy for policy, _ in pairs]),
        proposal=proposal,
        as_of=AS_OF,
        spec=InventorySpec(),
        purchase=PurchaseSpec(kinds=kinds),
    )
    contract(PLAN).conform(plan)
    contract(ORDER).conform(orders)
    lines = with_purchases(proposal, proposal, orders).to_pylist()
    return plan.to_pylist(), orders.to_pylist(), failures, lines


def test_the_cheaper_supplier_is_taken_and_the_runner_up_named() -> None:
    plan, orders, _, lines = bought([offer(IDS[0], "Ann", 2.0), offer(IDS[0], "Bob", 2.5)], [], {IDS[0]: 20.0})
    assert (plan[0]["supplier_id"], plan[0]["runner_up_supplier_id"]) == ("Ann", "Bob")
    assert plan[0]["reason"].startswith("Ann: 8.0")
    assert plan[0]["reason"].endswith("Bob would cost 25.0% more, most of it the price.")
    assert (orders[0]["purchase_qty"], orders[0]["purchase_value"]) == (20.0, 40.0)
    assert (lines[0]["order_qty"], lines[0]["main_reason"]) == (20.0, "reorder")
    assert lines[0]["reason"] == "As planned. Bought: 20 from Ann."


def test_levels_move_with_the_chosen_suppliers_lead_time() -> None:
    far = [offer(IDS[0], "Far", 2.0, lead_time_days=14.0)]
    _, orders, _, lines = bought(far, [], {IDS[0]: 30.0})
    # Ten days more of 4 a day, and of their safety stock; the policy by itself would not have ordered.
    assert orders[0]["wanted_qty"] == 0.0
    assert orders[0]["purchase_qty"] > 40.0 + 10.0
    assert lines[0]["order_qty"] == orders[0]["purchase_qty"]
    assert lines[0]["expected_receipt_ds"] == date(2024, 3, 18)
    _, assumed, _, _ = bought(far, [], {IDS[0]: 30.0}, is_stock_assumed=True)
    assert assumed[0]["purchase_qty"] == 0.0
    _, kept, _, _ = bought(far, [], {IDS[0]: 20.0}, main_reason="shelf life", order_qty=3.0)
    assert kept[0]["purchase_qty"] == 3.0


def test_no_order_is_placed_on_another_day_than_the_suppliers() -> None:
    one = [offer(IDS[0], "Ann", 2.0)]
    _, orders, _, lines = bought(one, [{"supplier_id": "Ann", "review_weekdays": "Tue, Fri"}], {IDS[0]: 5.0})
    assert (orders[0]["purchase_qty"], orders[0]["purchase_note"]) == (0.0, "no order day of the supplier")
    assert (lines[0]["order_qty"], lines[0]["main_reason"]) == (0.0, "no review day")
    _, monday, _, _ = bought(one, [{"supplier_id": "Ann", "review_weekdays": "Mon"}], {IDS[0]: 5.0})
    assert monday[0]["purchase_qty"] > 0.0


def test_articles_come_along_and_an_order_short_of_its_minimum_says_so() -> None:
    offers = [offer(unique_id, "Ann", 2.0) for unique_id in IDS]
    positions = {IDS[0]: 24.0, IDS[1]: 41.0, IDS[2]: 60.0}
    plan, plain, _, _ = bought(offers, [{"supplier_id": "Ann"}], positions)
    assert [row["purchase_qty"] for row in plain] == [16.0, 0.0, 0.0]
    assert plan[0]["cycle_days"] == 1.0
    # All that is bought there comes to 24 a day: an order of 66 every three days, and it would be due today.
    terms = [{"supplier_id": "Ann", "minimum_value": 66.0}]
    plan, together, _, lines = bought(offers, terms, positions)
    assert plan[0]["cycle_days"] == 3.0
    assert [row["purchase_qty"] > 0.0 for row in together] == [True, True, False]
    assert sum(row["purchase_value"] for row in together) >= 66.0
    assert together[1]["purchase_note"] == "comes along with the order"
    said = f"{together[1]['purchase_qty']:g} from Ann: comes along with the order. The policy by itself: As planned."
    assert lines[1]["reason"] == f"Order {together[1]['purchase_qty']:g}: {said}"
    _, short, _, lines = bought(offers, terms, positions | {IDS[1]: 60.0})
    assert "short of its minimum of 66" in short[0]["purchase_note"]
    assert lines[0]["main_reason"] == "minimum order"


def test_an_order_holds_no_more_than_its_truck() -> None:
    offers = [offer(unique_id, "Ann", 2.0, pack_qty=6.0) for unique_id in IDS[:2]]
    _, orders, _, _ = bought(offers, [{"supplier_id": "Ann", "truck_qty": 44.0}], {IDS[0]: 0.0, IDS[1]: 10.0})
    assert [row["purchase_qty"] for row in orders] == [42.0, 0.0]  # what lasts least goes first, in whole packs
    assert orders[1]["purchase_note"] == "0 of 30: the order holds 44 units"


def test_a_split_order_goes_to_two_suppliers_in_whole_packs() -> None:
    offers = [offer(IDS[0], "Ann", 2.0, pack_qty=6.0), offer(IDS[0], "Bob", 2.1, pack_qty=4.0)]
    plan, orders, _, lines = bought(offers, [], {IDS[0]: 10.0}, kinds=("split",))
    assert (plan[0]["sourcing"], plan[0]["first_share"]) == ("split", 0.5)
    assert [row["supplier_id"] for row in orders] == ["Ann", "Bob"]
    assert [row["purchase_qty"] for row in orders] == [18.0, 16.0]  # half of 30 in fours, the rest in sixes
    assert (lines[0]["order_qty"], lines[0]["pack_qty"]) == (34.0, 1.0)


def test_an_offer_that_cannot_be_used_costs_itself() -> None:
    offers = [offer(IDS[0], "Ann", 2.0, lead_time_days=None), offer(IDS[0], "Bob", 3.0), offer(IDS[1], "Ann", None)]  # type: ignore[arg-type]
    plan, orders, failures, lines = bought(offers, [], {IDS[0]: 20.0, IDS[1]: 20.0})
    assert [(row["unique_id"], row["supplier_id"]) for row in plan] == [(IDS[0], "Bob")]
    assert failures == [
        (IDS[0], "supplier Ann: lead time: expected days >= 0, found nan"),
        (IDS[1], "supplier Ann: unit cost: expected a number > 0, found nan"),
    ]
    assert [row["unique_id"] for row in orders] == [IDS[0]]
    assert lines[1]["reason"] == "As planned."


def lines_of(*positions: float, **changes: Any) -> pa.Table:
    empty = dict.fromkeys(contract(PROPOSAL).file_columns())
    of_lines = [of_policy(IDS[k], position)[1] for k, position in enumerate(positions)]
    days = [{"days_of_cover": position / 4.0} for position in positions]
    return table(PROPOSAL, [empty | line | cover | changes for line, cover in zip(of_lines, days, strict=True)])


def purchase_of(unique_id: str, quantity: float, name: str = "Ann") -> dict[str, Any]:
    row = dict.fromkeys(contract(ORDER).file_columns())
    row |= {"unique_id": unique_id, "supplier_id": name, "purchase_qty": quantity, "purchase_value": 2 * quantity}
    return row | {"pack_qty": 6.0}


def test_what_the_days_limits_do_not_hold_waits_and_what_lasts_least_goes_first() -> None:
    proposal = lines_of(20.0, 8.0, 12.0)
    rows = [purchase_of(IDS[0], 30.0), purchase_of(IDS[1], 30.0), purchase_of(IDS[2], 20.0)]
    purchase = table(ORDER, rows)
    assert put_off(purchase, proposal, math.inf, math.inf) == frozenset()
    assert put_off(purchase, proposal, 100.0, math.inf) == {IDS[0]}  # 60 and 40 of currency; then there is nothing left
    assert put_off(purchase, proposal, math.inf, 40.0) == {IDS[0], IDS[2]}
    waiting = put_off(purchase, proposal, 70.0, math.inf)
    assert waiting == {IDS[0], IDS[2]}
    cut = lines_of(20.0, 8.0, 12.0, order_qty=5.0)  # as if the budget had been shared before
    found = with_purchases(cut, proposal, purchase, waiting).to_pylist()
    assert [row["order_qty"] for row in found] == [0.0, 30.0, 0.0]
    assert [row["order_value"] for row in found] == [0.0, 60.0, 0.0]
    assert found[0]["main_reason"] == "budget and capacity"
    assert found[0]["reason"].startswith("No order: 30 from Ann wait: the day's budget or capacity goes to what lasts")
    assert with_purchases(cut, proposal, None) is cut


def test_a_line_names_its_supplier_or_those_that_share_it() -> None:
    purchase = table(ORDER, [purchase_of(IDS[0], 6.0, "Bob"), purchase_of(IDS[0], 6.0), purchase_of(IDS[1], 0.0)])
    assert suppliers_of(lines_of(0.0, 0.0, 0.0), purchase).to_pylist() == ["Ann + Bob", "Ann", None]


def test_a_line_is_cut_to_what_a_counted_depot_gives_in_whole_packs() -> None:
    plan = lines_of(0.0, 4.0, 10.0, pack_qty=6.0, order_qty=36.0, order_value=72.0)
    rows = [
        dict.fromkeys(contract(ALLOCATION).file_columns())
        | {
            "unique_id": unique_id,
            "depot_name": "dc",
            "pool_qty": 50.0,
            "is_pool_assumed": False,
            "allocated_qty": given,
        }
        for unique_id, given in zip(IDS, (36.0, 14.0, 5.0), strict=True)
    ]
    found = with_allocations(plan, table(ALLOCATION, rows), None).to_pylist()
    assert [row["order_qty"] for row in found] == [36.0, 12.0, 0.0]
    assert [row["order_value"] for row in found] == [72.0, 24.0, 0.0]
    assert [row["main_reason"] for row in found] == ["reorder", "depot", "depot"]
    assert found[1]["reason"].startswith("Order 12 of 36: dc has 50 for all its locations, and gives them where")
    assert found[2]["headline"] == "No order of the 36 wanted: dc has 50 for all its locations"
    guessed = table(ALLOCATION, [row | {"is_pool_assumed": True} for row in rows])
    assert with_allocations(plan, guessed, None) is plan
    bought = table(ORDER, [purchase_of(unique_id, 36.0) for unique_id in IDS])
    assert with_allocations(plan, table(ALLOCATION, rows), bought) is plan


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"PurchaseSpec.kinds: expected some of single, split, dual, found \('triple',\)"
    ):
        PurchaseSpec(kinds=("triple",))

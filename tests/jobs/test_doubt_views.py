"""What the summary of a run says of its orders, and the command that shows all doubts."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.cli import main
from jobs.views.doubts import (
    decision_words,
    doubt_words,
    late_words,
    past_words,
    policy_words,
    stock_words,
    unused_words,
)
from jobs.views.reports import run_summary
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.codes import POLICY_DECIDERS
from tests.jobs.run_tool import copied, day, make_context
from udfs.inventory.group_terms import GroupTerms
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.review_calendar import SupplierTerms

COLUMNS = ("unique_id", "sku_id", "location_id", "order_qty", "order_value", "position_qty", "supply_notes", "doubts")


def plan(*rows: tuple[float, float | None, float, str | None, str | None]) -> pa.Table:
    """Rows of order quantity and value, position, notes of supply, doubts."""
    named = [(f"s{n}|L|all", f"s{n}", "L", *row) for n, row in enumerate(rows)]
    types = (pa.string(),) * 3 + (pa.float64(),) * 3 + (pa.string(),) * 2
    columns = list(zip(*named, strict=True)) or [[] for _ in COLUMNS]
    return pa.table([pa.array(list(c), t) for c, t in zip(columns, types, strict=True)], names=list(COLUMNS))


NEGATIVE, ROUNDED = "stock negative: -5 on hand, taken as 0", "supply rounded: lead time 2.5 days rounded up to 3"


def test_doubts_are_counted_by_kind_and_the_largest_orders_named_first() -> None:
    rows = plan(
        (0.0, 0.0, 4e4, None, "stock doubtful: 40,000 on hand, more than 3650 days of demand"),
        (6.0, 12.0, 1.0, None, f"{NEGATIVE}; {ROUNDED}"),
        (60.0, 120.0, 0.0, None, ROUNDED),
        (6.0, None, 1.0, None, None),
        (0.0, 0.0, 5.0, None, "of another day: words"),
    )
    first, *lines, last = doubt_words(rows, "lake").splitlines()
    assert first == (
        "gold.order_plan: 4 series are doubtful, 2 with an order: stock doubtful 1, stock negative 1, "
        "supply rounded 2, of another day 1"
    )
    assert lines == [
        f"  s2 at L: order 60 (120.00), position 0: {ROUNDED}",
        f"  s1 at L: order 6 (12.00), position 1: {NEGATIVE}; {ROUNDED}",
        "  s0 at L: no order, position 4e+04: stock doubtful: 40,000 on hand, more than 3650 days of demand",
        "  s4 at L: no order, position 5: of another day: words",
    ]
    assert last == "  `shelfcast doubts --lakehouse lake` shows all"


def test_terms_of_a_group_or_supplier_that_no_series_has_are_named() -> None:
    has = {"category": ["MILK", None], "department": ["Dairy", "Dairy"], "supplier_id": [None, "Import"]}
    rows = pa.table({name: pa.array(values, pa.string()) for name, values in has.items()})
    terms, days = GroupTerms(shelf_life_days=12), SupplierTerms(review_days=7)
    used = InventorySpec(groups={" milk": terms, "DAIRY": terms, "all": terms}, suppliers={"import ": days})
    assert unused_words(rows, used) == ""
    spec = InventorySpec(groups={"DIARY": terms, "toys": terms}, suppliers={"Imports": days})
    assert unused_words(rows, spec).splitlines() == [
        "WARNING: inventory.groups: no series has the category or department 'DIARY' (did you mean 'Dairy'?)",
        "WARNING: inventory.groups: no series has the category or department 'toys'",
        "WARNING: inventory.suppliers: no series has the supplier_id 'Imports' (did you mean 'Import'?)",
    ]


def test_stock_that_nobody_states_is_counted() -> None:
    def words(*codes: str | None) -> str:
        return stock_words(pa.table({"assumptions": pa.array(codes, pa.string())}))

    assert words("stock; lead time", "lead time", None) == (
        "WARNING: the stock of 1 of 3 series is not stated (assumptions): their orders rest on a position that their "
        "own policy would bring about\n"
    )
    later = stock_words(pa.table({"assumptions": ["stock"]}), later_counts=12)
    assert later.splitlines()[1] == "  12 counts are of days after --as-of, and were not looked at"
    assert "after --as-of" not in stock_words(pa.table({"assumptions": pa.array([None], pa.string())}), later_counts=12)
    assert words("open orders", "open orders; pack") == (
        "what is on order is not stated for 2 of 2 series: what earlier plans ordered counts until its day\n"
    )
    assert words("pack", None) == words() == ""


def test_what_planners_set_is_counted_and_what_has_no_line_is_named() -> None:
    plan, kinds = pa.table({"unique_id": ["a", "b"]}), ["order", "order", "confirm"]
    decisions = pa.table({"unique_id": ["a", "gone", "b"], "decision": kinds})
    assert decision_words(plan, decisions) == (
        "planner.decision: 1 orders are as planners set them\n"
        "WARNING: 1 more are for series without a line today: gone\n"
    )
    assert decision_words(plan, decisions.slice(2)) == ""
    days = pa.table({"unique_id": ["b", "b", "gone"]})
    assert decision_words(plan, decisions.slice(2), days) == (
        "planner.decision: 1 series are forecast as planners set it\n"
        "WARNING: 1 more are for series without a line today: gone\n"
    )
    assert decision_words(plan, decisions.slice(2), days.slice(3)) == ""


def test_what_past_cutoffs_take_as_known_is_said() -> None:
    assert past_words(["unit_price"], is_realised=False, has_supply=True) == (
        "past cutoffs know prices ahead as their feed states them and promotions ahead as frequent as lately; replays "
        "have today's terms of supply, for their feed bears no dates\n"
    )
    words = past_words([], is_realised=False, has_supply=False)
    assert words.startswith("past cutoffs know the last price for all days ahead and promotions ahead as frequent as")
    assert words.endswith("replays have the settings' terms of supply\n")
    both = past_words(["unit_price", "is_promo"], is_realised=True, has_supply=True)
    assert "prices ahead as they came (future_prices) and promotions ahead as they came (future_prices)" in both


def test_no_doubt_is_no_word() -> None:
    assert doubt_words(plan((6.0, 12.0, 1.0, None, None)), "lake") == ""
    assert doubt_words(plan(), "lake") == ""


def test_supply_terms_that_are_not_as_stated_are_counted_by_term_and_kind() -> None:
    rows = plan(
        (1.0, 1.0, 1.0, "lead_time_days 2.5 rounded to 3; order_cost assumed 0.5", None),
        (1.0, 1.0, 1.0, "pack_qty 'rounded' replaced by 1; order_cost assumed 0.5", None),
        (1.0, 1.0, 1.0, "lead_time_days '2; 3 or rounded' replaced by 7", None),
        (1.0, 1.0, 1.0, None, None),
    )
    assert doubt_words(rows, "lake") == (
        "series whose supply terms are not as stated (supply_notes of gold.order_plan): order_cost assumed 0.5 for 2, "
        "lead_time_days replaced by 7 for 1, lead_time_days rounded to 3 for 1, pack_qty replaced by 1 for 1\n"
    )


def test_only_what_money_chose_is_said_to_be_chosen_by_money() -> None:
    assert policy_words(["s_s", "s_s", "base_stock"], ["money"] * 3) == "3 chosen by money (s_s 2, base_stock 1)"
    assert policy_words(["base_stock"] * 2, ["no price or cost"] * 2) == (
        "2 not chosen by money, since neither unit cost nor price is known (base_stock 2)"
    )
    mixed = policy_words(["s_s", "base_stock", "s_s", "tuned_s_s", "base_stock"], list(POLICY_DECIDERS))
    assert mixed == (
        "1 chosen by money (s_s 1); 1 not chosen by money, since neither unit cost nor price is known (base_stock 1); "
        "1 not chosen by money, since a unit costs nothing (s_s 1); 1 not chosen by money, since lead time and review "
        "exceed what a replay can show (tuned_s_s 1); 1 not chosen by money, since there is no replay to choose by "
        "(base_stock 1)"
    )
    assert policy_words([], []) == "none"


@pytest.mark.parametrize("late", [-5, 0, 1, 9])
def test_late_sales_are_said(cleaned: Lakehouse, late: int) -> None:
    words = late_words(cleaned, day(120) + timedelta(days=late))
    assert words.startswith(f"WARNING: the sales feed ends on {day(120)}, {late} day") is (late > 0)
    assert bool(words) is (late > 0)


def test_a_lakehouse_without_sales_is_not_late(lake: Lakehouse) -> None:
    assert late_words(lake, date(2024, 1, 1)) == ""


def test_the_summary_and_the_command_show_what_gold_holds(
    finished: Lakehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = copied(finished, tmp_path / "lake")
    assert main(["doubts", "--lakehouse", lake.root]) == 0
    assert capsys.readouterr().out == "gold.order_plan of 2024-04-28: 0 of 12 series are doubtful\n"
    for sku, words in (("S02", NEGATIVE), ("S03", ROUNDED)):
        lake.open("gold.order_plan").update(new_values={"doubts": words}, predicate=f"sku_id = '{sku}'")
    assert main(["doubts", "--lakehouse", lake.root, "--as-of", "2024-04-28"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "gold.order_plan of 2024-04-28: 4 of 12 series are doubtful"
    assert len(lines) == 4
    assert all(NEGATIVE in line or ROUNDED in line for line in lines)
    assert main(["doubts", "--lakehouse", lake.root, "--as-of", "2024-04-27"]) == 2
    assert "no order plan of 2024-04-27" in capsys.readouterr().err

    summary = run_summary(make_context(None, lake, None, day(119)), [_published()])
    assert "12 chosen by money (" in summary
    assert "4 series are doubtful" in summary
    assert f"`shelfcast doubts --lakehouse {lake.root}` shows all" in summary
    assert summary.count("WARNING") == 1
    assert "WARNING: the stock of 12 of 12 series is not stated" in summary


def test_without_a_plan_the_command_says_so(cleaned: Lakehouse, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doubts", "--lakehouse", cleaned.root]) == 2
    assert "no order plan yet" in capsys.readouterr().err


def _published():  # type: ignore[no-untyped-def]
    from jobs.pipeline import StageReport
    from lakehouse.delta.ledger import StageRecord

    return StageReport("publish", "done", StageRecord("succeeded"))

"""The codes of an order line, and its sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lakehouse.schema.codes import ORDER_REASONS
from tests.udfs.inventory.kernels.test_limits import SPEC, line
from tests.udfs.inventory.tables import AS_OF, PATH_TERMS, forecast_table, price_table, stock_tables, supply_table
from udfs.inventory.group_terms import GroupTerms
from udfs.inventory.kernels.order_bucket import cut_of, order_bucket
from udfs.inventory.kernels.plan_bucket import BucketPlan, plan_bucket
from udfs.inventory.orders.order_headline import LONGEST

COVER = replace(SPEC, groups={"all": GroupTerms(most_cover_days=5)})
LATER = replace(SPEC, review_days=7, first_review=AS_OF.replace(day=27))
BASE = replace(SPEC, candidates=("base_stock",))

CASES: dict[str, list[dict[str, Any]]] = {
    "reorder": [{}, {"spec": BASE}],
    "full packs": [{"pack": 7.0, "spec": BASE}],
    "shelf life": [{"mean": 1.0, "shelf_life_days": 3.0, "spec": replace(SPEC, candidates=("s_s",))}],
    "cover": [{"spec": COVER}],
    "room": [{"most_shelf_qty": 14.0}],
    "largest order": [{"pack": 4.0, "largest_order_qty": 10.0}, {"pack": 4.0, "largest_order_qty": 3.0}],
    "enough stock": [{"stock": 90.0}, {"stock": 90.0, "spec": BASE}],
    "no review day": [{"spec": LATER}],
    "no demand": [{"mean": 0.0}],
    "spoils unsold": [{"mean": 0.3, "pack": 24.0, "shelf_life_days": 4.0}],
}


@pytest.mark.parametrize(("code", "case"), [(code, case) for code, cases in CASES.items() for case in cases])
def test_what_decided_is_a_code_and_ends_the_sentence(code: str, case: dict[str, Any]) -> None:
    found = line(**case)
    assert found["main_reason"] == code
    head, words = found["headline"].split(": ", 1)
    assert head.startswith("No order" if found["order_qty"] == 0.0 else f"Order {found['order_qty']:g}")
    assert len(words) < len(found["headline"]) <= LONGEST
    assert f"need {found['demand_p50']:.0f}" in words or found["demand_p50"] % 1


def test_a_minimum_order_is_a_code() -> None:
    found = planned(stock=0.0, moq=500.0).proposal.to_pylist()[0]
    assert (found["order_qty"], found["main_reason"]) == (500.0, "minimum order")
    assert found["headline"].endswith("; raised to the minimum order")


def planned(*, stock: float | None = None, moq: float = 1.0, **more: Any) -> BucketPlan:
    """Two series, of which the second is dearer and wanted more."""
    means, names = {"a": 4.0, "b": 9.0}, ["a", "b"]
    return plan_bucket(
        forecast_table({name: ([means[name]] * 28, [2.0] * 28) for name in names}, **more),
        supply_table([("a", 2.0, 0.3, 1.0, moq, 1.0), ("b", 2.0, 0.3, 4.0, moq, 1.0)]),
        stock_tables([(name, stock, 0.0, AS_OF) for name in names] if stock is not None else []),
        price_table([("a", 1.8), ("b", 5.5)]),
        AS_OF,
        SPEC,
        PATH_TERMS,
    )


def test_a_cut_list_says_which_limit_and_every_code_is_seen() -> None:
    plan, seen = planned(stock=0.0), set(CASES) | {"minimum order"}
    inf = float("inf")
    for budget, capacity in ((40.0, inf), (inf, 20.0), (80.0, 50.0)):
        rows = order_bucket(plan.proposal, plan.steps, cut_of(plan.proposal, plan.steps, budget, capacity)).to_pylist()
        cut = [row for row in rows if row["main_reason"] not in CASES]
        assert cut
        for row in cut:
            assert row["headline"].endswith(f"; cut by the {row['main_reason']}")
            assert len(row["headline"]) <= LONGEST
            seen.add(row["main_reason"])
    assert seen == set(ORDER_REASONS) - {"planner", "depot"}, "seen where planners and depots decide"


def test_what_is_assumed_is_listed_by_name() -> None:
    assert planned().proposal["assumptions"].to_pylist() == ["stock", "stock"]
    assert planned(fallback=["a"]).proposal["assumptions"].to_pylist() == ["stock; fallback forecast", "stock"]
    assert planned(stock=3.0).proposal["assumptions"].to_pylist() == [None, None]
    assert line(stock=5.0)["assumptions"] == "lead time"

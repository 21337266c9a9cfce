"""Budget and capacity over buckets: what is ordered of what was proposed, and why."""

import numpy as np
import pyarrow as pa
import pytest

from tests.udfs.inventory.tables import AS_OF, PATH_TERMS, forecast_table, price_table, stock_tables, supply_table
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.order_bucket import cut_of, order_bucket
from udfs.inventory.kernels.plan_bucket import BucketPlan, plan_bucket
from udfs.inventory.kernels.plan_tables import series_numbers

SPEC = InventorySpec(candidates=("base_stock",), n_paths=80, tuning_paths=20)
RNG = np.random.default_rng(6)
IDS = [f"s{i:02d}" for i in range(24)]
MEANS = dict(zip(IDS, RNG.uniform(0.5, 8.0, len(IDS)).tolist(), strict=True))
COSTS = dict(zip(IDS, RNG.uniform(1.0, 9.0, len(IDS)).tolist(), strict=True))


def planned(ids: list[str], costless: tuple[str, ...] = (), free: tuple[str, ...] = ()) -> BucketPlan:
    costs = {s: None if s in costless else 0.0 if s in free else COSTS[s] for s in ids}
    supply = [(s, 4.0, 0.0, costs[s], 6.0, 3.0) for s in ids]
    return plan_bucket(
        forecast_table({s: ([MEANS[s]] * 14, [1.0 + MEANS[s] / 3] * 14) for s in ids}),
        supply_table(supply),
        stock_tables([(s, 2.0 * MEANS[s], 0.0, AS_OF) for s in ids]),
        price_table([(s, None if s in costless else 1.5 * COSTS[s]) for s in ids]),
        AS_OF,
        SPEC,
        PATH_TERMS,
    )


PLAN = planned(IDS)
WANTED = sum(PLAN.proposal["order_value"].to_pylist())


def test_without_a_limit_the_proposal_is_the_plan() -> None:
    assert order_bucket(PLAN.proposal, PLAN.steps, None).equals(PLAN.proposal)
    assert cut_of(PLAN.proposal, PLAN.steps, WANTED + 1e-6, np.inf) is None


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_budget_is_kept_over_all_buckets_and_each_line_says_why(share: float) -> None:
    cut = cut_of(PLAN.proposal, PLAN.steps, share * WANTED, np.inf)
    whole = order_bucket(PLAN.proposal, PLAN.steps, cut)
    halves = [planned(IDS[:9]), planned(IDS[9:])]
    parts = pa.concat_tables([order_bucket(half.proposal, half.steps, cut) for half in halves])
    assert parts.equals(whole)
    assert sum(whole["order_value"].to_pylist()) <= share * WANTED + 1e-9
    wanted = dict(zip(IDS, PLAN.proposal["order_qty"].to_pylist(), strict=True))
    for row in whole.to_pylist():
        qty = row["order_qty"]
        assert qty % 3 == 0
        assert qty == 0 or 6 <= qty <= wanted[row["unique_id"]]
        assert row["order_value"] == pytest.approx(qty * COSTS[row["unique_id"]])
        assert (row["expected_receipt_ds"] is None) == (qty == 0)
        if qty < wanted[row["unique_id"]]:
            head = f"Order {qty:g} of {wanted[row['unique_id']]:g}" if qty else "No order of the"
            assert row["reason"].startswith(head)
            assert "the budget" in row["reason"]


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_budget_is_spent_as_far_as_packs_allow(share: float) -> None:
    plan = order_bucket(PLAN.proposal, PLAN.steps, cut_of(PLAN.proposal, PLAN.steps, share * WANTED, np.inf))
    dearest_pack = 6.0 * max(COSTS.values())
    assert share * WANTED - dearest_pack <= sum(plan["order_value"].to_pylist()) <= share * WANTED + 1e-9


def test_more_budget_never_earns_less() -> None:
    def earned(share: float) -> float:
        plan = order_bucket(PLAN.proposal, PLAN.steps, cut_of(PLAN.proposal, PLAN.steps, share * WANTED, np.inf))
        return sum(plan["expected_value"].to_pylist())

    values = [earned(share) for share in (0.1, 0.3, 0.5, 0.7, 1.0)]
    assert values == sorted(values)


def test_a_capacity_is_kept() -> None:
    units = 0.4 * sum(PLAN.proposal["order_qty"].to_pylist())
    plan = order_bucket(PLAN.proposal, PLAN.steps, cut_of(PLAN.proposal, PLAN.steps, np.inf, units))
    assert sum(plan["order_qty"].to_pylist()) <= units
    assert any("the capacity binds" in reason for reason in plan["reason"].to_pylist())


def test_a_line_of_unknown_cost_stays_and_says_so() -> None:
    plan = planned(IDS, costless=("s03",))
    row = order_bucket(plan.proposal, plan.steps, cut_of(plan.proposal, plan.steps, 1.0, np.inf)).to_pylist()[3]
    assert row["order_qty"] == plan.proposal["order_qty"][3].as_py() > 0
    assert row["reason"].endswith("Its unit cost is unknown: outside the budget.")


def test_a_line_that_costs_nothing_stays_and_says_so() -> None:
    free = planned(IDS, free=("s03",))
    row = order_bucket(free.proposal, free.steps, cut_of(free.proposal, free.steps, 1.0, np.inf)).to_pylist()[3]
    assert row["order_qty"] == free.proposal["order_qty"][3].as_py() > 0
    assert row["order_value"] == 0.0
    assert row["reason"].endswith("A unit costs nothing: outside the budget.")


def test_lines_that_cannot_be_weighed_take_their_part_of_the_capacity() -> None:
    plan = planned(IDS, costless=tuple(IDS[:6]))
    wanted = plan.proposal["order_qty"].to_pylist()
    for units in (sum(wanted[:6]) + 30.0, 0.5 * sum(wanted), sum(wanted) - 3.0):
        ordered = order_bucket(plan.proposal, plan.steps, cut_of(plan.proposal, plan.steps, np.inf, units))
        quantity = ordered["order_qty"].to_pylist()
        assert quantity[:6] == wanted[:6]
        assert sum(wanted[:6]) < sum(quantity) <= units
    little = cut_of(plan.proposal, plan.steps, np.inf, 1.0)
    assert order_bucket(plan.proposal, plan.steps, little)["order_qty"].to_pylist() == [*wanted[:6], *[0.0] * 18]


def test_a_series_has_one_number_wherever_it_travels() -> None:
    numbers = series_numbers(IDS).tolist()
    assert series_numbers(IDS[3:5]).tolist() == numbers[3:5]
    assert len(set(numbers)) == len(IDS)
    assert all(0 <= number < 2**63 for number in numbers)


def test_steps_add_up_to_what_the_proposal_is_expected_to_earn() -> None:
    rows = PLAN.steps.to_pylist()
    for line in PLAN.proposal.to_pylist():
        own = [row for row in rows if row["unique_id"] == line["unique_id"]]
        assert sum(row["step_count"] * row["expected_value"] for row in own) == pytest.approx(line["expected_value"])
        assert sum(row["step_count"] * row["step_qty"] for row in own) == line["order_qty"]
        assert [row["step"] for row in own] == list(range(len(own)))


def test_an_empty_bucket_passes() -> None:
    empty = planned([])
    assert order_bucket(empty.proposal, empty.steps, cut_of(PLAN.proposal, PLAN.steps, 1.0, 1.0)).num_rows == 0

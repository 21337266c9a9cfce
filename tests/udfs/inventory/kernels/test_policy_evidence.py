"""A plan that rests on replays: the policy chosen, and what its row says of the replays."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from tests.udfs.inventory.kernels.past_tables import (
    CHOICES,
    CUTOFFS,
    Daily,
    H,
    actual_table,
    class_table,
    forecast_at,
    rows_by_key,
)
from tests.udfs.inventory.tables import AS_OF, PATH_TERMS, forecast_table, price_table, stock_tables, supply_table
from udfs.demand.demand_profile import DEMAND_CLASSES
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.plan_bucket import BucketPlan, plan_bucket
from udfs.inventory.kernels.planned_series import PolicyEvidence
from udfs.inventory.kernels.replay_bucket import replay_bucket
from udfs.inventory.policies.choose import ReplayEvidence, merge_replay_summaries, summarise_replays

SPEC = InventorySpec(candidates=("s_s", "base_stock", "z_sigma"), n_paths=60, tuning_paths=20)
RNG = np.random.default_rng(3)
IDS = [f"s{i:02d}" for i in range(16)]
DAILY: Daily = {u: (RNG.uniform(0.5, 6.0, H).tolist(), RNG.uniform(0.5, 2.0, H).tolist()) for u in IDS}
ACTUAL = {u: RNG.poisson(3.0, 2 * H).astype(float).tolist() for u in IDS}
SUPPLY = [(u, float(i % 5), 0.3, 1.0 + i, 1.0, float(1 + i % 3)) for i, u in enumerate(IDS)]
PRICES = [(row[0], 1.5 * row[3]) for row in SUPPLY]
CLASSES = pa.concat_tables([class_table(IDS[:9]), class_table(IDS[9:], "erratic")])
SEEN = dict.fromkeys(CHOICES, CLASSES)
CLASS_OF = {row["unique_id"]: row["demand_class"] for row in CLASSES.to_pylist()}


def planned(evidence: PolicyEvidence | None, spec: InventorySpec = SPEC) -> BucketPlan:
    return plan_bucket(
        forecast_table(DAILY),
        supply_table(SUPPLY),
        stock_tables([(u, 4.0, 2.0, AS_OF) for u in IDS]),
        price_table(PRICES),
        AS_OF,
        spec,
        PATH_TERMS,
        evidence,
    )


def rows_of(table: pa.Table) -> dict[str, dict[str, object]]:
    return {row["unique_id"]: row for row in table.to_pylist()}


# ----------------------------------------------------------------------------------------------- costs made up
Money = Mapping[str, tuple[float, float]]
"""policy -> cost a day and share of 20 units that was served."""


def made_up(by_cutoff: Mapping[date, Money], spec: InventorySpec = SPEC) -> PolicyEvidence:
    """The same replays for all series; a choice is tested on the last cutoff."""
    rows = [
        {
            "unique_id": u,
            "cutoff": cutoff,
            "policy": policy,
            "replay_cost": cost,
            "demand_qty": 20.0,
            "sales_qty": 20.0 * served,
            "score": cost / 10.0,
            "is_service_required": True,
        }
        for cutoff, money in by_cutoff.items()
        for policy, (cost, served) in money.items()
        for u in IDS
    ]
    table = pa.Table.from_pylist(rows)
    class_S = np.array([DEMAND_CLASSES.index(name) for name in CLASSES["demand_class"].to_pylist()])
    parts = [summarise_replays(table, np.array(IDS), class_S, spec, day, seen) for day, seen in CHOICES.items()]
    summary = merge_replay_summaries(pa.concat_tables(parts))
    return PolicyEvidence(ReplayEvidence(table, summary), SEEN, CUTOFFS, CUTOFFS[1])


def test_the_cheapest_that_serves_enough_orders_and_its_row_tells_the_replays() -> None:
    evidence = made_up(
        {
            CUTOFFS[0]: {"s_s": (3.0, 0.97), "base_stock": (2.0, 0.98), "z_sigma": (5.0, 0.99)},
            CUTOFFS[1]: {"s_s": (1.0, 0.99), "base_stock": (2.5, 0.70), "z_sigma": (7.0, 0.99)},
        }
    )
    plan = planned(evidence)
    for row in plan.policy.to_pylist():
        # base_stock is at (.98 + .70) / 2 over both; of the two others s_s costs less.
        assert (row["policy"], row["runner_up"]) == ("s_s", "z_sigma")
        assert row["rule"].startswith("lowest replayed cost per currency of sales over 2 windows")
        assert row["replayed_cost"] == pytest.approx(365.0 * 2.0)
        assert row["replayed_benchmark_cost"] == pytest.approx(365.0 * 6.0)
        assert row["replayed_fill_rate"] == pytest.approx(0.98)
        # A choice that knew the first cutoff only took base_stock, which cost 2.5 a day after the second.
        assert row["held_out_cost"] == pytest.approx(365.0 * 2.5)
        assert row["held_out_benchmark_cost"] == pytest.approx(365.0 * 7.0)
        assert row["score"] < row["runner_up_score"]


def test_a_laxer_service_lets_the_cheaper_policy_order() -> None:
    money = {"s_s": (3.0, 0.97), "base_stock": (2.0, 0.90), "z_sigma": (5.0, 0.99)}
    evidence = made_up(dict.fromkeys(CUTOFFS, money))
    assert set(planned(evidence).policy["policy"].to_pylist()) == {"s_s"}
    lax = replace(SPEC, least_fill_rate=0.9)
    assert set(planned(made_up(dict.fromkeys(CUTOFFS, money), lax), lax).policy["policy"].to_pylist()) == {"base_stock"}


def test_levels_and_order_are_those_of_the_policy_chosen() -> None:
    """A plan whose evidence points to a policy, against one in which that policy is the only candidate."""
    for policy in SPEC.candidates:
        costs = {name: (1.0 if name == policy else 9.0, 1.0) for name in SPEC.candidates}
        chosen = planned(made_up(dict.fromkeys(CUTOFFS, costs)))
        alone = planned(None, replace(SPEC, candidates=(policy,)))
        for name in ("proposal", "steps"):
            assert getattr(chosen, name).equals(getattr(alone, name)), (policy, name)
        columns = ["policy", "reorder_point_qty", "order_up_to_qty", "safety_stock_qty", "expected_cost"]
        assert chosen.policy.select(columns).equals(alone.policy.select(columns))


def test_without_a_window_held_out_there_is_no_held_out_cost() -> None:
    costs = dict.fromkeys(SPEC.candidates, (1.0, 1.0))
    row = planned(replace(made_up(dict.fromkeys(CUTOFFS, costs)), held_out=None)).policy.to_pylist()[0]
    assert row["replayed_cost"] == pytest.approx(365.0)
    assert (row["held_out_cost"], row["held_out_benchmark_cost"]) == (None, None)
    assert row["policy"] == "s_s", "equal costs go to the candidate that is named first"


def test_before_anything_could_be_replayed_the_first_candidate_orders() -> None:
    replay = replay_bucket({}, actual_table({}), supply_table(), {}, SEEN, CHOICES, SPEC, PATH_TERMS)
    summary = merge_replay_summaries(replay.summary)
    nothing = PolicyEvidence(ReplayEvidence(replay.replay, summary), SEEN, CUTOFFS, CUTOFFS[1])
    plan = planned(nothing)
    assert plan.proposal.equals(planned(None).proposal)
    for row in plan.policy.to_pylist():
        assert row["policy"] == "s_s"
        assert row["rule"].startswith(f"first candidate for {CLASS_OF[row['unique_id']]} demand")
        assert {row[name] for name in row if name.startswith(("replayed", "held_out"))} == {None}
        assert row["benchmark_cost"] > 0.0


# ----------------------------------------------------------------------------------------------- costs replayed
def replays() -> PolicyEvidence:
    found = replay_bucket(
        {cutoff: forecast_at(cutoff, DAILY) for cutoff in CUTOFFS},
        actual_table(ACTUAL),
        supply_table(SUPPLY),
        dict.fromkeys(CUTOFFS, price_table(PRICES)),
        SEEN,
        CHOICES,
        SPEC,
        PATH_TERMS,
    )
    return PolicyEvidence(
        ReplayEvidence(found.replay, merge_replay_summaries(found.summary)), SEEN, CUTOFFS, CUTOFFS[1]
    )


def test_columns_of_the_policy_table_are_means_of_the_rows_replayed() -> None:
    evidence = replays()
    rows, plan = rows_by_key(evidence.replays.rows), rows_of(planned(evidence).policy)

    def yearly(unique_id: str, policy: str, cutoffs: tuple[date, ...]) -> float:
        return 365.0 * float(np.mean([rows[unique_id, cutoff, policy]["replay_cost"] for cutoff in cutoffs]))

    for u, row in plan.items():
        own = [rows[u, cutoff, row["policy"]] for cutoff in CUTOFFS]
        assert row["replayed_cost"] == pytest.approx(yearly(u, row["policy"], CUTOFFS))
        assert row["replayed_benchmark_cost"] == pytest.approx(yearly(u, "z_sigma", CUTOFFS))
        sales, demand = (sum(r[name] for r in own) for name in ("sales_qty", "demand_qty"))
        assert row["replayed_fill_rate"] == pytest.approx(sales / demand)
        assert row["held_out_benchmark_cost"] == pytest.approx(yearly(u, "z_sigma", CUTOFFS[1:]))
        held_out = [yearly(u, name, CUTOFFS[1:]) for name in SPEC.candidates]
        assert any(row["held_out_cost"] == pytest.approx(cost) for cost in held_out)


def test_a_policy_that_orders_served_its_class_enough_or_came_nearest() -> None:
    evidence = replays()
    plan = rows_of(planned(evidence).policy)
    for name in ("smooth", "erratic"):
        rates = {
            row["policy"]: row["sales_sum"] / row["demand_sum"]
            for row in evidence.replays.summary.to_pylist()
            if row["cutoff"] == AS_OF and row["demand_class"] == name
        }
        fit = {policy for policy, rate in rates.items() if rate >= SPEC.least_fill_rate}
        fit = fit or {max(rates, key=rates.__getitem__)}
        assert {plan[u]["policy"] for u in IDS if CLASS_OF[u] == name} <= fit
        assert len(rates) == 3


# ----------------------------------------------------------------------------------------------- policies by rule
@pytest.mark.parametrize("with_evidence", [True, False])
def test_without_money_or_with_a_long_wait_a_rule_decides(with_evidence: bool) -> None:
    steady = ([3.0] * H, [1.0] * H)
    ids = ["free", "fits", "long", "moneyless", "moneyless_long"]
    long = float(H)  # with a day of review one day more than the horizon
    money = {name: (1.0 if name == "z_sigma" else 9.0, 1.0) for name in SPEC.candidates}
    plan = plan_bucket(
        forecast_table(dict.fromkeys(ids, steady)),
        supply_table(
            [
                ("free", 2.0, 0.3, 0.0, 1.0, 1.0),
                ("fits", long - 1.0, 0.3, 1.0, 1.0, 1.0),
                ("long", long, 0.3, 1.0, 1.0, 1.0),
                ("moneyless", 2.0, 0.3, None, 1.0, 1.0),
                ("moneyless_long", long, 0.3, None, 1.0, 1.0),
            ]
        ),
        stock_tables([(u, 0.0, 0.0, AS_OF) for u in ids]),
        price_table([("fits", 2.0), ("long", 2.0)]),
        AS_OF,
        replace(SPEC, candidates=("z_sigma",)),
        PATH_TERMS,
        made_up(dict.fromkeys(CUTOFFS, money)) if with_evidence else None,
    )
    rows, lines = rows_of(plan.policy), rows_of(plan.proposal)
    no_money = "neither unit cost nor price is known: money cannot decide"
    no_days = f"lead time and review exceed the {H} days that a replay can show"
    expected = {"moneyless": ("base_stock", no_money), "moneyless_long": ("base_stock", no_money)}
    expected |= {"free": ("base_stock", "a unit costs nothing: money cannot decide"), "long": ("s_s", no_days)}
    for u, (policy, rule) in expected.items():
        row = rows[u]
        assert (row["policy"], row["rule"], row["runner_up"]) == (policy, rule, None)
        nothing = ("score", "runner_up_score", "replayed_cost", "replayed_benchmark_cost", "held_out_cost")
        assert {row[name] for name in nothing} == {None}
        assert lines[u]["order_qty"] > 0.0
    assert rows["fits"]["policy"] == "z_sigma"
    assert rows["moneyless"]["expected_cost"] is None
    assert rows["long"]["expected_cost"] > 0.0
    assert rows["long"]["order_up_to_qty"] > rows["long"]["reorder_point_qty"]
    assert rows["moneyless"]["order_up_to_qty"] == rows["moneyless"]["reorder_point_qty"]

"""From forecast to order: what replays, policies and the day's limits hand on, on the tiny retailer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from jobs.pipeline import run_stages
from jobs.stages.inventory.planning_reads import choices, plans_on_order
from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import ALL_STAGES, UNCHANGED, as_written_by, copied, day, make_context
from tests.tiny_retailer import SKUS, STORES
from udfs.inventory.orders.order_headline import LONGEST

HORIZON, SERIES = 14, len(SKUS) * len(STORES)
AS_OF = day(119)
CUTOFFS = (AS_OF - timedelta(days=2 * HORIZON), AS_OF - timedelta(days=HORIZON))
CANDIDATES = {"tuned_s_s", "tuned_base_stock", "s_s", "base_stock", "z_sigma"}
MONEY = ["replayed_cost", "replayed_benchmark_cost", "held_out_cost", "held_out_benchmark_cost"]
KEY = ["unique_id", "cutoff", "policy"]
STAGES_FROM_FEATURES = ALL_STAGES[ALL_STAGES.index("features") : -1]
LINE = ["order_qty", "order_value", "expected_value", "expected_receipt_ds", "reason"]


def frame(lake: Lakehouse, name: str) -> pd.DataFrame:
    return lake.read_arrow(name).to_pandas()


def by_series(lake: Lakehouse, name: str) -> pd.DataFrame:
    return frame(lake, name).set_index("unique_id").sort_index()


def statuses(lake: Lakehouse, feeds: Path, *overrides: str, names: tuple[str, ...] = ALL_STAGES) -> dict[str, str]:
    """What each stage did, without Spark: publish is left out."""
    wanted = [name for name in names if name != "publish"]
    return {
        report.stage: report.status for report in run_stages(make_context(None, lake, feeds, AS_OF, *overrides), wanted)
    }


# ------------------------------------------------------------------------------------------------------------- replay
def test_every_candidate_is_replayed_on_the_demand_that_came(finished: Lakehouse) -> None:
    replay = frame(finished, "inventory.replay")
    assert len(replay) == SERIES * len(CUTOFFS) * len(CANDIDATES) == len(replay.drop_duplicates(KEY))
    assert set(replay["policy"]) == CANDIDATES
    assert set(replay["cutoff"]) == set(CUTOFFS)
    assert set(replay["n_days"]) == {HORIZON}
    latent = frame(finished, "features.sku_daily")
    for cutoff, rows in replay.groupby("cutoff"):
        days = latent[(latent["ds"] > cutoff) & (latent["ds"] <= cutoff + timedelta(days=HORIZON))]
        came = days.groupby("unique_id")["y_latent"].sum()
        np.testing.assert_allclose(rows["demand_qty"], came[rows["unique_id"]], rtol=1e-12)
    parts = replay[["replay_holding_cost", "replay_ordering_cost", "replay_shortage_cost", "replay_waste_cost"]].sum(
        axis=1
    )
    np.testing.assert_allclose(replay["replay_cost"], parts, rtol=1e-12)
    assert (replay["sales_qty"] <= replay["demand_qty"] * (1 + 1e-12)).all()
    assert (replay["replay_cost"] > 0).all()


def test_a_choice_is_held_out_where_there_are_two_replays(lake: Lakehouse) -> None:
    two, one = (choices(make_context(None, lake, None, AS_OF, f"replays={count}")) for count in (2, 1))
    assert two == {CUTOFFS[1]: CUTOFFS[:1], AS_OF: CUTOFFS}
    assert one == {AS_OF: CUTOFFS[1:]}


def test_one_run_a_day_is_on_order_the_last_published_one() -> None:
    def row(run_id: str, back: int, finished: int) -> dict[str, object]:
        as_of = AS_OF - timedelta(days=back)
        return {"run_id": run_id, "as_of": as_of, "finished_at": finished, "fingerprint": "f"}

    published = [
        row("anew", 2, 9),
        row("first try", 2, 3),
        row("today", 0, 10),
        row("tomorrow", -1, 11),
        row("yesterday", 1, 4),
        row("oldest", 45, 1),
        row("long received", 46, 2),
    ]
    assert [run for run, _ in plans_on_order(published, AS_OF, 45)] == ["oldest", "anew", "yesterday"]


def test_sums_of_all_buckets_are_those_of_all_replays(finished: Lakehouse) -> None:
    replay, classes = frame(finished, "inventory.replay"), by_series(finished, "features.sku_profile")["demand_class"]
    replay["demand_class"] = classes[replay["unique_id"]].to_numpy()
    summary = frame(finished, "inventory.replay_summary")
    sums = ["series", "score_sum", "demand_sum", "sales_sum"]
    found = summary.groupby(["cutoff", "demand_class", "policy"])[sums].sum()
    for choice, windows in ((CUTOFFS[1], CUTOFFS[:1]), (AS_OF, CUTOFFS)):
        known = replay[replay["cutoff"].isin(windows)]
        by_class = known.groupby(["demand_class", "policy"])
        mean = known.groupby(["demand_class", "policy", "unique_id"])["score"].mean()
        expected = by_class[["demand_qty", "sales_qty"]].sum()
        expected.insert(0, "score_sum", mean.groupby(["demand_class", "policy"]).sum())
        expected.insert(0, "series", by_class["unique_id"].nunique())
        mine = found.loc[choice]
        np.testing.assert_allclose(mine.to_numpy(), expected.loc[mine.index].to_numpy(), rtol=1e-9)
        assert len(mine) == len(expected)


# ------------------------------------------------------------------------------------------------------------- policy
def test_every_series_has_a_policy_with_its_reason_and_its_replays(finished: Lakehouse) -> None:
    policy = by_series(finished, "inventory.policy")
    replay = frame(finished, "inventory.replay").set_index(KEY).sort_index()["replay_cost"] * 365.0
    assert len(policy) == SERIES
    assert set(policy["policy"]) <= CANDIDATES
    assert policy["rule"].str.startswith("lowest replayed cost per currency of sales over 2 windows").all()
    assert policy[MONEY].notna().all().all()
    assert set(policy["runner_up"].dropna()) <= CANDIDATES
    for unique_id, row in policy.iterrows():
        own, benchmark = (replay[unique_id, :, name] for name in (row["policy"], "z_sigma"))
        assert row["replayed_cost"] == pytest.approx(own.mean())
        assert row["replayed_benchmark_cost"] == pytest.approx(benchmark.mean())
        assert row["held_out_benchmark_cost"] == pytest.approx(benchmark[CUTOFFS[1]])
        rivals = replay[unique_id, CUTOFFS[1]].to_numpy()
        assert np.isclose(rivals, row["held_out_cost"]).any()


def test_gold_tells_the_value_of_each_policy(finished: Lakehouse) -> None:
    gold, policy = by_series(finished, "gold.policy_value"), by_series(finished, "inventory.policy")
    assert len(gold) == SERIES
    assert set(gold["as_of"]) == {AS_OF}
    shared = ["policy", "rule", "runner_up", "expected_cost", "benchmark_cost", *MONEY]
    pd.testing.assert_frame_equal(gold[shared], policy[shared])
    assert (gold["sku_id"] + "|" + gold["location_id"] == gold.index.str.removesuffix("|all")).all()
    assert gold[["product_name", "demand_class", "currency"]].notna().all().all()


# -------------------------------------------------------------------------------------------------------------- order
def test_without_a_limit_the_plan_is_the_proposal(finished: Lakehouse) -> None:
    plan, proposal = by_series(finished, "inventory.order_plan"), by_series(finished, "inventory.order_proposal")
    assert plan["supplier_id"].isna().all(), "nobody chose one"
    pd.testing.assert_frame_equal(plan.drop(columns="supplier_id"), proposal[plan.columns.drop("supplier_id")])
    # Their stock is counted a day later: of so many lots few are due on one day.
    assert 0 < (plan["order_qty"] > 0).sum() < SERIES / 2


def with_empty_shelves(finished: Lakehouse, feeds: Path, folder: Path) -> Lakehouse:
    """A copy whose stock is counted on the as-of day, nothing of anything, and ordered anew."""
    lake = copied(finished, folder)
    lake.open("silver.stock").update(updates={"ds": f"CAST('{AS_OF}' AS DATE)", "on_hand_qty": "0"})
    as_written_by(lake, "clean", "silver.stock")
    run_stages(make_context(None, lake, feeds, AS_OF, force=True), ["inventory", "order"])
    assert (by_series(lake, "inventory.order_plan")["order_qty"] > 0).all()
    return lake


def test_a_budget_is_kept_and_only_the_order_is_made_again(finished: Lakehouse, feeds: Path, tmp_path: Path) -> None:
    lake = with_empty_shelves(finished, feeds, tmp_path / "lake")
    proposal, wanted = by_series(lake, "inventory.order_proposal"), by_series(lake, "inventory.order_plan")
    # Half of what is wanted pays for all that is expected to earn its cost before the next order; a fifth does not.
    for share, why in ((0.5, "within the budget only what is expected to earn its cost"), (0.2, "the budget binds")):
        budget = share * wanted["order_value"].sum()
        done = statuses(lake, feeds, f"inventory.budget={budget}")
        after = dict.fromkeys(("publish", "ship", "deliver"), "reused")  # what goes by orders
        assert done | after == UNCHANGED | {"order": "done"}
        plan = by_series(lake, "inventory.order_plan")
        assert 0.5 * budget < plan["order_value"].sum() <= budget
        assert list(plan.index) == list(wanted.index)
        assert (plan["order_qty"] % 6 == 0).all()
        assert (plan["order_qty"] <= wanted["order_qty"]).all()
        np.testing.assert_allclose(plan["order_value"], 1.5 * plan["order_qty"])
        cut = plan["order_qty"] < wanted["order_qty"]
        assert cut.any()
        assert plan.loc[cut, "reason"].str.contains(why).all()
        assert not plan.loc[~cut, "reason"].str.contains("budget").any()
        # Steps of packs add up to a line's value but for their last decimals.
        pd.testing.assert_frame_equal(plan.loc[~cut, LINE], wanted.loc[~cut, LINE], atol=1e-6)
        assert plan["expected_receipt_ds"].isna().equals(plan["order_qty"] == 0)
        pd.testing.assert_frame_equal(by_series(lake, "inventory.order_proposal"), proposal)
    assert plan["order_value"].sum() > 0.95 * budget, "a budget that binds is spent but for a pack"

    assert statuses(lake, feeds, f"inventory.budget={budget}")["order"] == "reused"
    assert statuses(lake, feeds)["order"] == "done", "without the budget all is ordered again"
    pd.testing.assert_frame_equal(by_series(lake, "inventory.order_plan"), wanted)


def test_a_capacity_is_kept_beside_a_budget(finished: Lakehouse, feeds: Path, tmp_path: Path) -> None:
    lake = with_empty_shelves(finished, feeds, tmp_path / "lake")
    wanted = by_series(lake, "inventory.order_plan")
    units = 0.2 * wanted["order_qty"].sum()
    assert statuses(lake, feeds, f"inventory.capacity_qty={units}")["inventory"] == "reused"
    tight = by_series(lake, "inventory.order_plan")
    assert 0.9 * units < tight["order_qty"].sum() <= units
    cut = tight["order_qty"] < wanted["order_qty"]
    assert tight.loc[cut, "reason"].str.contains("the capacity binds").all()
    budget = 0.5 * tight["order_value"].sum()
    statuses(lake, feeds, f"inventory.capacity_qty={units}", f"inventory.budget={budget}")
    both = by_series(lake, "inventory.order_plan")
    assert both["order_qty"].sum() <= units
    assert 0.9 * budget < both["order_value"].sum() <= budget
    assert both["expected_value"].sum() < tight["expected_value"].sum()


def test_a_change_of_terms_replays_again(finished: Lakehouse, feeds: Path, tmp_path: Path) -> None:
    lake = copied(finished, tmp_path / "lake")
    stages = ("forecast", "replay", "inventory", "order")
    other = ("inventory.service_level=0.8", "replays=1")
    run_stages(make_context(None, lake, feeds, AS_OF, *other), ["train", "train_networks", "backtest", "calibrate"])
    assert set(statuses(lake, feeds, *other, names=stages).values()) == {"done"}
    policy = frame(lake, "inventory.policy")
    assert sorted(policy.groupby("run_id").size()) == [SERIES, SERIES]
    once = policy[policy["service_level"] == 0.8]
    assert once[MONEY[:2]].notna().all().all()
    assert once[MONEY[2:]].isna().all().all(), "a single replay decides, so none is left to test the choice on"
    assert set(statuses(lake, feeds, names=stages).values()) == {"reused"}


# --------------------------------------------------------------------------- terms and counts that make no sense
def test_odd_terms_and_counts_end_no_series_and_are_said_beside_its_order(
    featured: Lakehouse, finished: Lakehouse, tmp_path: Path
) -> None:
    lake = copied(featured, tmp_path / "lake")
    today = {"ds": f"CAST('{AS_OF}' AS DATE)"}
    odd = {  # by series: table, what is changed, what is said
        "S01|south|all": ("silver.supply", {"pack_qty": "2.5"}, "supply rounded: pack 2.5 rounded up to 3"),
        "S02|south|all": ("silver.supply", {"lead_time_days": "2.5"}, "lead time 2.5 days rounded up to 3"),
        "S03|south|all": (
            "silver.supply",
            {"pack_qty": "NULL", "refused_values": """'{"pack_qty":"0"}'"""},
            "supply replaced: pack '0' cannot be planned with, 1 assumed",
        ),
        "S04|south|all": ("silver.stock", {**today, "on_hand_qty": "-7"}, "stock negative: -7 on hand, taken as 0"),
        "S05|south|all": ("silver.stock", {**today, "on_hand_qty": "40123455"}, "stock unusable: 40,123,455 on hand, "),
        "S06|south|all": ("silver.supply", {"moq_qty": "1e9"}, "minimum order '1,000,000,000' cannot be planned with"),
    }
    for unique_id, (table, updates, _) in odd.items():
        lake.open(table).update(updates=updates, predicate=f"unique_id = '{unique_id}'")
    for table in ("silver.supply", "silver.stock"):
        as_written_by(lake, "clean", table)
    names = [name for name in ALL_STAGES if name not in ("ingest", "clean", "features", "publish")]
    reports = run_stages(make_context(None, lake, None, AS_OF), names)
    assert {report.record.failed_ids for report in reports} == {0}
    plan, policy = by_series(lake, "inventory.order_plan"), by_series(lake, "inventory.policy")
    assert len(plan) == SERIES
    for unique_id, (_, _, words) in odd.items():
        assert words in plan.loc[unique_id, "doubts"]
        assert f" Doubtful: {plan.loc[unique_id, 'doubts']}." in plan.loc[unique_id, "reason"]
    assert (plan.loc[["S01|south|all", "S03|south|all"], "pack_qty"] == [3.0, 1.0]).all()
    assert policy.loc["S02|south|all", "lead_time_days"] == 3.0
    assert policy.loc["S02|south|all", "supply_notes"] == "lead_time_days 2.5 rounded to 3"
    assert plan.loc["S04|south|all", "on_hand_qty"] == 0.0
    assert 0.0 < plan.loc["S05|south|all", "on_hand_qty"] < 1e3
    assert plan.loc["S06|south|all", "order_qty"] < 1e3
    others = [unique_id for unique_id in plan.index if unique_id not in odd]
    assert plan.loc[others, "doubts"].isna().all()
    # Other packs and lead times move the sums of a class, so a close choice may fall otherwise; then a line differs.
    policies = [by_series(each, "inventory.policy").loc[others, "policy"] for each in (lake, finished)]
    same = policies[0].index[policies[0] == policies[1]]
    assert len(same) > len(others) / 2
    plans = [by_series(each, "inventory.order_plan").loc[same].drop(columns="run_id") for each in (lake, finished)]
    pd.testing.assert_frame_equal(*plans)


def test_a_plan_in_gold_says_what_chose_its_policies_and_what_its_money_rests_on(finished: Lakehouse) -> None:
    value, plan = by_series(finished, "gold.policy_value"), by_series(finished, "gold.order_plan")
    assert set(value["decided_by"]) == {"money"}
    assert plan["doubts"].isna().all()
    assert set(plan["sales_until_ds"]) == {AS_OF}
    assert (plan["unit_cost"] == 1.5).all()
    prices = {f"{sku}|{store}|all": 2.5 + i for i, sku in enumerate(SKUS) for store in STORES}
    np.testing.assert_array_equal(plan["unit_price"], [prices[unique_id] for unique_id in plan.index])
    sold = frame(finished, "silver.sales_daily")
    last = sold[(sold["y"] > 0) & (sold["ds"] <= AS_OF)].groupby("unique_id")["ds"].max()
    ages = [(AS_OF - last[unique_id]).days for unique_id in plan.index]
    np.testing.assert_array_equal(plan["price_age_days"], ages)
    risk = by_series(finished, "gold.stock_risk")
    order = by_series(finished, "inventory.order_plan")
    np.testing.assert_allclose(risk["value_at_risk"], order["expected_shortage_qty"] * plan["unit_price"])


def test_a_line_in_gold_has_its_rank_its_cover_and_what_the_last_plan_ordered(
    spark: SparkSession, finished: Lakehouse, tmp_path: Path
) -> None:
    plan = by_series(finished, "gold.order_plan")
    ordered = plan[plan["order_qty"] > 0].sort_values(["expected_value", "order_value"], ascending=False)
    assert 0 < len(ordered) < SERIES
    assert ordered["order_rank"].tolist() == list(range(1, len(ordered) + 1))
    assert plan.loc[plan["order_qty"] == 0, "order_rank"].isna().all()
    has = (plan["position_qty"] + plan["order_qty"]).clip(lower=0.0)
    np.testing.assert_allclose(plan["cover_after_days"], has / plan["daily_demand_qty"])
    assert plan["last_order_qty"].isna().all(), "there was no plan before"
    assert set(plan["main_reason"]) <= {"reorder", "enough stock", "full packs"}
    assert plan["headline"].str.len().max() <= LONGEST

    lake, next_day = copied(finished, tmp_path / "lake"), AS_OF + timedelta(days=1)
    context = make_context(spark, lake, None, next_day)
    run_stages(context, [*STAGES_FROM_FEATURES, "publish"])
    rows = by_series(lake, "gold.order_plan")
    np.testing.assert_array_equal(rows.loc[rows["as_of"] == next_day, "last_order_qty"], plan["order_qty"])
    assert [report.status for report in run_stages(context, ["publish"])] == ["reused"]


def test_three_days_after_the_last_sale_money_decides_and_the_last_plan_is_on_its_way(
    spark: SparkSession, finished: Lakehouse, tmp_path: Path
) -> None:
    """The shop was closed or the feed is late: the last price holds, the days that came are replayed, and what the
    last plan ordered is not ordered again. The feed of stock says nothing of what is on order."""
    lake, late = copied(finished, tmp_path / "lake"), AS_OF + timedelta(days=4)
    assert frame(lake, "silver.sales_daily")["ds"].max() == late - timedelta(days=3)
    ordered = by_series(lake, "inventory.order_plan")
    context = make_context(spark, lake, None, late, "inventory.max_stock_age_days=2")
    run_stages(context, STAGES_FROM_FEATURES)
    again = run_stages(context, ["inventory", "order"])
    assert [report.status for report in again] == ["reused", "reused"], "its own orders are not those of an earlier day"

    def of_run(name: str) -> pd.DataFrame:
        rows = by_series(lake, name)
        return rows[rows["run_id"] == context.run.run_id]

    policy, plan = of_run("inventory.policy"), of_run("inventory.order_plan")
    assert len(plan) == SERIES
    assert plan["order_value"].notna().all()
    assert plan["reason"].str.contains(r"The price of \d\.\d\d is \d+ days old\.").all()
    assert (policy["price_age_days"] >= 3).all()
    assert plan["reason"].str.contains("Stock was counted 3 days before, too long ago").all()
    due = pd.to_datetime(ordered["expected_receipt_ds"]) > pd.Timestamp(late)
    assert 0 < due.sum() < SERIES
    np.testing.assert_array_equal(plan["on_order_qty"], ordered["order_qty"].where(due, 0.0))
    assert plan["reason"].str.contains(r"on order from earlier plans\.").equals(due)
    assert not policy["rule"].str.contains("money cannot decide").any()
    replay = of_run("inventory.replay")
    assert len(replay) == SERIES * len(CUTOFFS) * len(CANDIDATES)
    assert sorted(set(replay["n_days"])) == [HORIZON - 3, HORIZON]
    demand = of_run("forecast.demand")
    days = demand.loc[demand["cutoff"] == late, "ds"]
    assert (days.min(), days.max()) == (late + timedelta(days=1), late + timedelta(days=HORIZON))

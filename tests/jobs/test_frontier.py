"""What service costs: sums of replays against SQL, choices that did not see what judges them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from jobs.views.frontier import LOST, ServiceCost, service_cost, service_words, undominated
from jobs.views.policy_charts import policy_overview
from jobs.views.series import frame_of
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError

KEPT = "replay_holding_cost + replay_ordering_cost + replay_waste_cost"


@pytest.fixture(scope="module")
def run_id(finished: Lakehouse) -> str:
    return finished.read_arrow("gold.policy_value", columns=["run_id"])["run_id"][0].as_py()


@pytest.mark.slow
def test_policies_and_choices_equal_sql_over_the_replays(finished: Lakehouse, run_id: str) -> None:
    money = service_cost(finished, run_id)
    assert money.is_held_out
    with duckdb.connect() as connection:
        connection.register("replay", finished.read_arrow("inventory.replay"))
        connection.register("policy", finished.read_arrow("inventory.policy"))
        connection.execute(
            f"""CREATE TABLE tested AS SELECT *, 365 * ({KEPT}) AS kept, 365 * {LOST} AS lost
            FROM replay WHERE cutoff = (SELECT max(cutoff) FROM replay) AND unique_id IN
                (SELECT unique_id FROM replay WHERE cutoff < (SELECT max(cutoff) FROM replay))"""
        )
        by_policy = connection.execute(
            "SELECT policy, sum(kept), sum(lost), sum(sales_qty) / sum(demand_qty) FROM tested GROUP BY 1 ORDER BY 1"
        ).fetchall()
        in_use = connection.execute(
            "SELECT sum(kept), sum(lost), count(*) FROM tested JOIN policy USING (unique_id, policy)"
        ).fetchone()
        by_duty = connection.execute(
            """SELECT is_service_required, sum(sales_qty) / sum(demand_qty), count(*)
            FROM tested JOIN policy USING (unique_id, policy) GROUP BY 1"""
        ).fetchall()
        doubled = connection.execute(
            f"""WITH learnt AS (
                SELECT unique_id, policy, sum({KEPT}) + 2 * sum({LOST}) AS score FROM replay
                WHERE cutoff < (SELECT max(cutoff) FROM replay) GROUP BY ALL
            ), best AS (
                SELECT unique_id, policy FROM learnt
                QUALIFY row_number() OVER (PARTITION BY unique_id ORDER BY score, policy) = 1
            ) SELECT sum(kept), sum(lost) FROM tested JOIN best USING (unique_id, policy)"""
        ).fetchone()
    found = money.policies.sort_index()
    assert found.index.tolist() == [row[0] for row in by_policy]
    for column, at in (("kept_cost", 1), (LOST, 2), ("fill_rate", 3)):
        assert found[column].tolist() == pytest.approx([row[at] for row in by_policy])
    assert in_use is not None
    assert doubled is not None
    assert (money.chosen["kept_cost"], money.chosen[LOST], money.series) == pytest.approx(in_use)
    for duty, fill_rate, series in by_duty:
        assert money.by_duty.loc[duty, ["fill_rate", "series"]].tolist() == pytest.approx([fill_rate, series])
    assert money.by_duty["series"].sum() == money.series
    assert (money.choices.loc[2.0, "kept_cost"], money.choices.loc[2.0, LOST]) == pytest.approx(doubled)


@pytest.mark.slow
def test_the_picture_has_every_candidate_and_what_is_in_use(finished: Lakehouse, run_id: str) -> None:
    money, value = service_cost(finished, run_id), frame_of(finished.read_arrow("gold.policy_value"))
    figure = policy_overview(money, value)
    frontier = figure.axes[0]
    stars = [line for line in frontier.get_lines() if line.get_marker() == "*"]
    assert [star.get_xydata()[0].tolist() for star in stars] == [
        pytest.approx([money.chosen["fill_rate"], money.chosen["kept_cost"]])
    ]
    squares = {tuple(line.get_xydata()[0]) for line in frontier.get_lines() if line.get_marker() == "s"}
    assert squares == {(row.fill_rate, row.kept_cost) for row in money.policies.itertuples()}


def test_a_lakehouse_without_replays_says_what_brings_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no series has a history and a price"):
        service_cost(Lakehouse(str(tmp_path / "lake")), "none")


def test_the_frontier_holds_what_nothing_serves_as_much_for_less_than() -> None:
    rows = {"fill_rate": [0.90, 0.95, 0.94, 0.95, 0.80], "kept_cost": [10.0, 20.0, 25.0, 30.0, 10.0], LOST: 1.0}
    points = pd.DataFrame(rows, list("abcde"))
    duty = pd.DataFrame({"fill_rate": [0.97, 0.6], "series": [5, 2]}, [True, False])
    money = ServiceCost(points[:2], points[2:], points.iloc[0], duty, 7, pd.Timestamp("2024-01-01"), is_held_out=True)
    assert undominated(money).index.tolist() == ["a", "b"]
    words = service_words(money, "EUR")
    assert "90.0% of demand from stock (97.0% where a service is required, 60.0% of 2 series whose shelf life" in words
    assert "The most that these candidates serve is 95.0%, for +10 a year (2 a point)" in words
    assert "The most" not in service_words(replace(money, chosen=points.iloc[1]), "EUR")
    assert "required" not in service_words(replace(money, by_duty=duty.assign(series=[7, 0])), "EUR")

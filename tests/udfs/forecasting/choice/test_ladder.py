from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from udfs.forecasting.choice.ladder import Ladder
from udfs.forecasting.choice.selection import CLASS_SUMMARY_SCHEMA
from udfs.forecasting.registry import LOCAL_COST, rung_of

CANDIDATES = {"smooth": ("ets", "arima", "seasonal_naive", "trees", "lstm"), "lumpy": ("tsb", "lstm")}
DAY = dt.date(2024, 3, 31)


def summary(scores: dict[str, float], demand_class: str = "smooth", first: str = "ets", day: dt.date = DAY) -> pa.Table:
    """Class sums over ten series with these mean scores."""
    rows = [
        {
            "cutoff": day,
            "demand_class": demand_class,
            "model": name,
            "series": 10,
            "score_sum": 10 * score,
            "difference_sum": 10 * (score - scores[first]),
            "difference_square_sum": 0.0,
            "repeated_series": 10,
            "window_variance_sum": 0.0,
            "inverse_windows_sum": 5.0,
        }
        for name, score in scores.items()
    ]
    return pa.Table.from_pylist(rows, schema=CLASS_SUMMARY_SCHEMA)


def test_without_a_limit_everything_is_affordable() -> None:
    assert Ladder().affordable(CANDIDATES, 3) == CANDIDATES


def test_cheap_rungs_are_paid_first_and_the_first_candidate_always() -> None:
    costs = {"ets": 1.0, "arima": 5.0, "seasonal_naive": 0.5, "trees": 2.0, "lstm": 1.0, "tsb": 100.0}
    # A forecast and three windows: 4 + 2 for ets and seasonal naive, then 20 for arima, 8 for trees, 4 for lstm.
    for budget, kept in (
        (6.0, ("ets", "seasonal_naive")),
        (14.0, ("ets", "seasonal_naive", "trees")),
        (26.0, ("ets", "arima", "seasonal_naive")),
        (38.0, ("ets", "arima", "seasonal_naive", "trees", "lstm")),
        (0.1, ("ets",)),
    ):
        assert Ladder(budget, costs=costs).affordable(CANDIDATES, 3) == {"smooth": kept, "lumpy": ("tsb",)}


def test_costs_are_those_given_then_those_stored() -> None:
    ladder = Ladder(costs={"ets": 9.0})
    assert ladder.cost("ets") == 9.0
    assert ladder.cost("arima") == 4.0
    assert ladder.cost("house_model") == LOCAL_COST


def test_a_model_is_on_the_rung_of_its_entry_and_one_without_on_the_local_one() -> None:
    assert [rung_of(name) for name in ("naive2", "tsb", "house_model", "trees", "gru")] == [0, 1, 1, 2, 3]


def test_a_rung_is_tried_where_the_one_below_has_paid() -> None:
    def tried(scores: dict[str, float], min_gain: float = 0.02) -> tuple[str, ...]:
        return Ladder(min_gain=min_gain).worth_trying(CANDIDATES, summary(scores))["smooth"]

    local = ("ets", "arima", "seasonal_naive")
    assert tried({"seasonal_naive": 1.0, "ets": 0.99}) == local
    assert tried({"seasonal_naive": 1.0, "ets": 0.97}) == (*local[:3], "trees", "lstm")
    assert tried({"seasonal_naive": 1.0, "ets": 0.9, "trees": 0.89}) == (*local, "trees")
    assert tried({"seasonal_naive": 1.0, "ets": 0.9, "trees": 0.87}) == (*local, "trees", "lstm")
    assert tried({"seasonal_naive": 1.0, "ets": 1.0, "arima": 0.9}) == (*local, "trees", "lstm")
    assert tried({"seasonal_naive": 1.0, "ets": 0.99}, min_gain=0.005) == (*local, "trees", "lstm")


def test_what_is_not_known_gets_its_chance() -> None:
    ladder = Ladder(min_gain=0.02)
    assert ladder.worth_trying(CANDIDATES, None) == CANDIDATES
    assert ladder.worth_trying(CANDIDATES, CLASS_SUMMARY_SCHEMA.empty_table()) == CANDIDATES
    assert ladder.worth_trying(CANDIDATES, summary({"ets": 0.9})) == CANDIDATES
    poor = summary({"tsb": 1.0, "historic_mean": 1.0}, "lumpy", first="tsb")
    assert ladder.worth_trying(CANDIDATES, poor) == {"smooth": CANDIDATES["smooth"], "lumpy": ("tsb",)}


def test_of_several_cutoffs_the_last_counts() -> None:
    poor, good = {"seasonal_naive": 1.0, "ets": 1.0}, {"seasonal_naive": 1.0, "ets": 0.5}
    both = pa.concat_tables([summary(poor), summary(good, day=DAY - dt.timedelta(days=1))])
    assert "trees" not in Ladder().worth_trying(CANDIDATES, both)["smooth"]


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="budget of more than 0"):
        Ladder(budget_seconds=0.0)
    with pytest.raises(ValueError, match="min_gain below 1"):
        Ladder(min_gain=1.0)
    with pytest.raises(ValueError, match="costs of at least 0"):
        Ladder(costs={"ets": -1.0})


def test_a_rung_pays_where_only_sums_show_it() -> None:
    """A flat forecast scores as well, series by series, as one that knows the weekdays; its sums stray three times."""
    rows = summary({"seasonal_naive": 1.0, "ets": 1.0}).to_pylist()
    for row, error in zip(rows, (3.0, 1.0), strict=True):
        row["total_errors"] = [error, -error]
    table = pa.Table.from_pylist(rows, schema=CLASS_SUMMARY_SCHEMA)
    assert "trees" not in Ladder().worth_trying(CANDIDATES, table)["smooth"]
    assert "trees" in Ladder(total_weight=1.0).worth_trying(CANDIDATES, table)["smooth"]

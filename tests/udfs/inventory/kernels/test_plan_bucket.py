import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests.udfs.inventory.tables import AS_OF, PATH_TERMS, forecast_table, price_table, stock_tables, supply_table
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.plan_bucket import BucketPlan, plan_bucket

torch.set_num_threads(1)
NAN = float("nan")
SPEC = InventorySpec(candidates=("base_stock",), n_paths=50, tuning_paths=20)


def rows_of(table: pa.Table) -> dict[str, dict[str, object]]:
    return {row["unique_id"]: row for row in table.to_pylist()}


def steady(mean: float, sd: float, days: int = 28) -> tuple[list[float], list[float]]:
    return [mean] * days, [sd] * days


def plan(**tables: pa.Table) -> BucketPlan:
    empty = {"supply": supply_table(), "stock": stock_tables(), "prices": price_table()}
    return plan_bucket(**{**empty, **tables}, as_of=AS_OF, spec=SPEC, path_terms=PATH_TERMS)


def test_a_line_equals_the_arithmetic_by_hand() -> None:
    result = plan_bucket(
        forecast_table({"a": steady(10.0, 0.0)}),
        supply_table([("a", 6.0, 20.0, 1.5, 40.0, 12.0)]),
        stock_tables([("a", 50.0, 24.0, AS_OF)]),
        price_table([("a", 3.0)]),
        AS_OF,
        replace(SPEC, review_days=3, first_review=AS_OF),
        PATH_TERMS,
    )
    policy, line = rows_of(result.policy)["a"], rows_of(result.proposal)["a"]
    assert (policy["demand_mean"], policy["demand_sd"], policy["order_up_to_qty"]) == (90.0, 0.0, 90.0)
    assert (policy["safety_stock_qty"], policy["reorder_point_qty"]) == (0.0, 90.0)
    assert (policy["policy"], policy["lead_time_days"], policy["review_days"]) == ("base_stock", 6.0, 3.0)
    assert policy["rule"] == "first candidate: no replays to choose by"
    assert policy["is_supply_assumed"] is False
    assert line["position_qty"] == 74.0
    assert line["order_qty"] == 48.0  # level 90 - 74 = 16, minimum 40, packs of 12
    assert line["order_value"] == 72.0
    # 74 + 48 units; 90 are wanted, 30 of them... of the 48 ordered 16 sell at a margin of 1.50, one order costs 20, and
    # what is left over is held for the 3 days of a review at 1.50 x .25 / 365 a day.
    held = 32.0 * 3.0 * 1.5 * 0.25 / 365.0
    assert line["expected_value"] in (0.0, pytest.approx(max(16.0 * 1.5 - 20.0 - held, 0.0)))
    assert line["days_of_cover"] == pytest.approx(7.4)
    assert (line["demand_p50"], line["demand_p90"]) == (90.0, 90.0)
    assert line["expected_receipt_ds"] == AS_OF + timedelta(days=6)
    assert line["order_date"] == AS_OF
    assert (line["stockout_risk"], line["expected_shortage_qty"]) == (0.0, 0.0)  # 60 units over the lead time
    assert result.failures.num_rows == 0


def test_null_terms_take_the_defaults_and_are_flagged() -> None:
    spec = replace(SPEC, lead_time_days=5, moq_qty=8.0, pack_qty=4.0, assumed_margin=0.25)
    result = plan_bucket(
        forecast_table({s: steady(6.0, 3.0) for s in ("absent", "full", "partly", "priceless")}),
        supply_table(
            [
                ("full", 2.0, 0.0, 1.0, 1.0, 1.0),
                ("partly", 9.0, 0.0, None, 1.0, 1.0),
                ("priceless", 9.0, 0.0, None, 1.0, 1.0),
            ]
        ),
        stock_tables([(s, 0.0, 0.0, AS_OF) for s in ("absent", "full", "partly", "priceless")]),
        price_table([("absent", 4.0), ("full", 4.0), ("partly", 8.0), ("priceless", None)]),
        AS_OF,
        spec,
        PATH_TERMS,
    )
    policy, lines = rows_of(result.policy), rows_of(result.proposal)
    assert {s: policy[s]["is_supply_assumed"] for s in policy} == {
        "absent": True, "full": False, "partly": True, "priceless": True,
    }  # fmt: skip
    assert policy["absent"]["lead_time_days"] == 5.0
    assert (lines["absent"]["moq_qty"], lines["absent"]["pack_qty"]) == (8.0, 4.0)
    assert lines["absent"]["order_qty"] % 4.0 == 0.0
    assert lines["absent"]["order_value"] == pytest.approx(lines["absent"]["order_qty"] * 3.0)
    assert lines["partly"]["order_value"] == pytest.approx(lines["partly"]["order_qty"] * 6.0)
    assert lines["full"]["order_value"] == pytest.approx(lines["full"]["order_qty"] * 1.0)
    assert lines["priceless"]["order_qty"] > 0.0
    assert lines["priceless"]["order_value"] is None
    assert policy["priceless"]["expected_cost"] is None


def test_stock_is_the_latest_count_not_after_the_day_and_never_silently_assumed() -> None:
    day = timedelta(days=1)
    ids = ["absent", "later_only", "latest", "null_hand", "null_order", "backorder"]
    result = plan(
        forecast=forecast_table({s: steady(10.0, 3.0) for s in ids}),
        stock=stock_tables(
            [
                ("latest", 5.0, 1.0, AS_OF - 9 * day),
                ("latest", 30.0, 2.0, AS_OF - 2 * day),
                ("latest", 900.0, 0.0, AS_OF + day),
                ("later_only", 900.0, 0.0, AS_OF + day),
                ("null_hand", None, 5.0, AS_OF),
                ("null_order", 33.0, None, AS_OF),
                ("backorder", -12.0, 2.0, AS_OF),
            ]
        ),
    )
    lines = rows_of(result.proposal)
    seen = {s: (lines[s]["on_hand_qty"], lines[s]["on_order_qty"], lines[s]["is_stock_assumed"]) for s in ids}
    level = {row["unique_id"]: row["order_up_to_qty"] for row in result.policy.to_pylist()}
    for s, told in (("absent", 0.0), ("later_only", 0.0), ("null_hand", 5.0)):
        _, on_order, is_assumed = seen.pop(s)
        assert (on_order, is_assumed) == (told, True)
        # A day's demand of 10, more or less, below the level.
        assert 0.0 <= level[s] - lines[s]["position_qty"] < 20.0
    assert seen == {
        "latest": (10.0, 2.0, True),  # 30, less two days of 10 that are not reported
        "null_order": (33.0, 0.0, True),
        "backorder": (0.0, 2.0, True),
    }
    assert lines["backorder"]["position_qty"] == 2.0
    assert lines["backorder"]["doubts"] == "stock negative: -12 on hand, taken as 0"
    waits = plan_bucket(
        forecast_table({"backorder": steady(10.0, 3.0)}),
        supply_table(),
        stock_tables([("backorder", -12.0, 2.0, AS_OF)]),
        price_table(),
        AS_OF,
        replace(SPEC, backorder_share=0.5),
        PATH_TERMS,
    )
    owed = rows_of(waits.proposal)["backorder"]  # where demand waits, a count below 0 is what is owed
    assert (owed["position_qty"], owed["stockout_risk"], owed["days_of_cover"]) == (-10.0, 1.0, 0.0)
    assert (owed["is_stock_assumed"], owed["doubts"]) == (False, None)


def test_orders_are_placed_on_review_days_alone_and_a_line_names_the_next() -> None:
    """Every third day from a fixed one on, before and after it, whatever day the first run was."""
    tables = {
        "forecast": forecast_table({"a": steady(10.0, 3.0)}),
        "supply": supply_table([("a", 4.0, 0.0, 2.0, 1.0, 1.0)]),
        "stock": stock_tables([("a", 30.0, 0.0, AS_OF)]),
        "prices": price_table([("a", 4.0)]),
        "as_of": AS_OF,
        "path_terms": PATH_TERMS,
    }
    on_day = plan_bucket(**tables, spec=replace(SPEC, review_days=3, first_review=AS_OF + timedelta(days=300)))
    order = rows_of(on_day.proposal)["a"]
    assert order["order_qty"] > 40.0
    assert "review day" not in str(order["reason"])
    assert f" Next review {AS_OF + timedelta(days=3):%A %Y-%m-%d}." in str(order["reason"])
    for wait in (1, 2):
        spec = replace(SPEC, review_days=3, first_review=AS_OF + timedelta(days=wait - 3000))
        between = plan_bucket(**tables, spec=spec)
        line = rows_of(between.proposal)["a"]
        assert (line["order_qty"], line["order_value"], line["expected_receipt_ds"]) == (0.0, 0.0, None)
        next_review = AS_OF + timedelta(days=wait)
        assert str(line["reason"]).startswith("No order: position 30 covers ")
        assert f"; no review day, the next is {next_review:%A %Y-%m-%d}, up to " in str(line["reason"])
        assert line["stockout_risk"] > order["stockout_risk"], "the next order comes later"
        assert between.policy.equals(on_day.policy)
        assert between.steps.num_rows == 0
    daily = plan_bucket(**tables, spec=SPEC)
    elsewhere = plan_bucket(**tables, spec=replace(SPEC, first_review=AS_OF + timedelta(days=5)))
    assert daily.proposal.equals(elsewhere.proposal)


def test_every_series_ends_in_the_plan_or_in_the_failures_with_its_error() -> None:
    day = timedelta(days=1)
    good = steady(3.0, 2.0)
    daily = {
        "good": good,
        "nan": ([3.0, NAN, 3.0], [1.0] * 3),
        "null": ([3.0, None, 3.0], [1.0] * 3),
        "negative": ([3.0, -1.0, 3.0], [1.0] * 3),
        "infinite": ([3.0, 3.0, 3.0], [1.0, float("inf"), 1.0]),
        "huge": steady(1e200, 1e200),
        "zero": steady(0.0, 0.0),
        "one_day": ([2.0], [1.0]),
        "fraction": good,
        "no_lead": good,
        "twice_supply": good,
        "owing": good,
        "twice_stock": good,
        "billion": steady(1e9, 5e8),
    }
    forecast = forecast_table(daily)
    gap = forecast_table({"gap": good}).filter(pa.array([i != 4 for i in range(28)]))
    doubled = forecast_table({"two_models": good})
    forecast = pa.concat_tables([gap, doubled, forecast, doubled])
    result = plan(
        forecast=forecast,
        supply=supply_table(
            [
                ("fraction", 3.0, 0.0, 1.0, 1.0, 2.5),
                ("no_lead", NAN, 0.0, 1.0, 1.0, 1.0),
                ("twice_supply", 3.0, 0.0, 1.0, 1.0, 1.0),
                ("twice_supply", 4.0, 0.0, 1.0, 1.0, 1.0),
                ("not_forecast", -4.0, 0.0, 1.0, 1.0, 1.0),
            ]
        ),
        stock=stock_tables(
            [
                ("owing", 3.0, -4.0, AS_OF),
                ("twice_stock", 1.0, 0.0, AS_OF),
                ("twice_stock", 2.0, 0.0, AS_OF),
                ("good", 1.0, 0.0, AS_OF - day),
            ]
        ),
    )
    failures = rows_of(result.failures)
    assert {s: f["error_class"] for s, f in failures.items()} == {
        "nan": "BadForecastError",
        "null": "BadForecastError",
        "negative": "BadForecastError",
        "infinite": "BadForecastError",
        "gap": "BadForecastError",
        "two_models": "BadForecastError",
        "huge": "BadForecastError",
        "twice_supply": "BadSupplyError",
        "twice_stock": "BadStockError",
    }
    assert all("expected" in f["error"] and "found" in f["error"] for f in failures.values())
    assert {f["fallback"] for f in failures.values()} == {"none"}
    planned = result.proposal["unique_id"].to_pylist()
    assert planned == result.policy["unique_id"].to_pylist() == sorted(planned)
    assert set(planned) == {"good", "zero", "one_day", "billion", "fraction", "no_lead", "owing"}
    assert set(planned) | set(failures) == set(forecast["unique_id"].to_pylist())
    lines = rows_of(result.proposal)
    assert lines["zero"]["order_qty"] == 0.0
    assert lines["zero"]["days_of_cover"] == 0.0
    assert lines["billion"]["order_qty"] > 1e9


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("p50", 1e9, "forecast: expected quantiles from 0 to .*, rising along the levels, found others"),
        ("p50", -1.0, "forecast: expected quantiles from 0 to .*, rising along the levels, found others"),
        ("p99", NAN, "forecast: expected quantiles from 0 to .*, rising along the levels, found others"),
        ("path_level", -0.1, "forecast: expected path_level, path_season and path_short >= 0 .*, found others"),
        ("path_level", 1.1, "forecast: expected path_level, .* with a sum of at most 1 and .*, found others"),
        ("path_decay", 1.0, r"forecast: expected path_level, .* path_decay in \[0, 1\), found others"),
        ("path_decay", NAN, r"forecast: expected path_level, .* path_decay in \[0, 1\), found others"),
    ],
)
def test_a_forecast_without_paths_loses_its_series_alone(column: str, value: float, message: str) -> None:
    table = forecast_table({"bad": steady(3.0, 2.0, 3), "good": steady(3.0, 2.0, 3)})
    at = table.column_names.index(column)
    values = [value if row == 1 else old for row, old in enumerate(table[column].to_pylist())]
    result = plan(forecast=table.set_column(at, column, pa.array(values, pa.float64())))
    failure = rows_of(result.failures)["bad"]
    assert failure["error_class"] == "BadForecastError"
    assert re.search(message, str(failure["error"]))
    assert result.proposal["unique_id"].to_pylist() == ["good"]


def test_a_lead_time_beyond_the_forecast_goes_on_at_its_last_week() -> None:
    result = plan(
        forecast=forecast_table({"long": steady(3.0, 0.0), "short": steady(3.0, 0.0)}),
        supply=supply_table([("long", 60.0, 0.0, 1.0, 1.0, 1.0), ("short", 6.0, 0.0, 1.0, 1.0, 1.0)]),
        stock=stock_tables([(series, 0.0, 0.0, AS_OF) for series in ("long", "short")]),
    )
    assert {s: line["order_qty"] for s, line in rows_of(result.proposal).items()} == {"long": 183.0, "short": 21.0}
    rules = {s: str(row["rule"]) for s, row in rows_of(result.policy).items()}
    assert "lead time and review exceed the 28 days that a replay can show" in rules["long"]
    assert "exceed" not in rules["short"]


def test_bad_series_change_no_bit_of_the_others() -> None:
    rng = np.random.default_rng(5)
    ids = [f"s{i:03d}" for i in range(150)]
    daily = {s: (rng.gamma(0.5, 9.0, 14).tolist(), rng.gamma(2.0, 2.0, 14).tolist()) for s in ids}
    supply = [(s, float(rng.integers(0, 30)), 2.0, None, 3.0, float(rng.integers(1, 9))) for s in ids]
    stock = [(s, float(rng.integers(0, 90)), 0.0, AS_OF) for s in ids[::2]]
    prices = [(s, float(rng.uniform(1, 9))) for s in ids]
    alone = plan(
        forecast=forecast_table(daily),
        supply=supply_table(supply),
        stock=stock_tables(stock),
        prices=price_table(prices),
    )
    bad = {
        "s000a": (([NAN] * 50), ([1.0] * 50)),
        "s010a": steady(4.0, 1.0, 60),  # a longer horizon, and terms told twice
        "s070a": steady(1e200, 1e200, 40),
        "s999": steady(2.0, 1.0, 45),  # a good one with the longest lead time
    }
    together = plan(
        forecast=forecast_table({**bad, **daily}),
        supply=supply_table([("s010a", 3.0, 0.0, 1.0, 1.0, -1.0)] * 2 + [("s999", 200.0, 0.0, 1.0, 1.0, 1.0), *supply]),
        stock=stock_tables([("s999", float("inf"), 0.0, AS_OF - timedelta(days=3)), *stock, ("s999", 1.0, 1.0, AS_OF)]),
        prices=price_table([("s000a", -1.0), *prices]),
    )
    assert sorted(together.failures["unique_id"].to_pylist()) == ["s000a", "s010a", "s070a"]
    for name in ("policy", "proposal"):
        mine, theirs = rows_of(getattr(alone, name)), rows_of(getattr(together, name))
        assert set(theirs) - set(mine) == {"s999"}
        assert all(theirs[s] == mine[s] for s in ids), name
    assert alone.proposal.num_rows == 150


def test_the_order_of_input_rows_does_not_matter() -> None:
    rng = np.random.default_rng(8)
    daily = {f"s{i}": (rng.gamma(1.0, 3.0, 10).tolist(), rng.gamma(2.0, 1.0, 10).tolist()) for i in range(20)}
    forecast = forecast_table(daily)
    shuffled = forecast.take(pa.array(rng.permutation(forecast.num_rows)))
    assert plan(forecast=forecast).proposal.equals(plan(forecast=shuffled).proposal)
    encoded = forecast.set_column(0, "unique_id", forecast["unique_id"].dictionary_encode())
    assert plan(forecast=encoded).proposal.equals(plan(forecast=forecast).proposal)


def test_an_empty_bucket_gives_empty_tables_of_the_same_schema() -> None:
    empty, full = plan(forecast=forecast_table({})), plan(forecast=forecast_table({"a": steady(1.0, 1.0)}))
    for name in ("policy", "proposal", "steps", "failures"):
        assert getattr(empty, name).num_rows == 0
        assert getattr(empty, name).schema == getattr(full, name).schema


def test_a_bucket_of_failures_only_is_planned_too() -> None:
    result = plan(forecast=forecast_table({"a": ([NAN], [1.0])}))
    assert result.proposal.num_rows == 0
    assert result.failures["unique_id"].to_pylist() == ["a"]


def test_missing_columns_and_keys_stop_the_bucket() -> None:
    forecast = forecast_table({"a": steady(1.0, 1.0)})
    with pytest.raises(ValueError, match=r"forecast: expected columns .* missing \['sd'\]"):
        plan(forecast=forecast.drop_columns(["sd"]))
    with pytest.raises(ValueError, match="stock: expected a unique_id in every row, found 1 NULL"):
        plan(forecast=forecast, stock=stock_tables([(None, 1.0, 1.0, AS_OF)]))

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from tests.udfs.forecasting.kernels.test_bucket import FragileForecaster
from tests.udfs.forecasting.series import CUTOFF, batch_of, long_table, mixed_series
from udfs.forecasting import registry
from udfs.forecasting.choice.auto import AutoForecaster
from udfs.forecasting.choice.backtest_scores import SCORES
from udfs.forecasting.choice.selection import CLASS_SUMMARY_SCHEMA, merge_class_summaries
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.kernels.backtest_bucket import BacktestBucket, backtest_bucket, backtest_schema
from udfs.forecasting.kernels.forecast_bucket import Evidence, forecast_bucket
from udfs.forecasting.models.naive import HistoricMean

HORIZON = 9
SERIES = mixed_series(48, n_days=150)
EARLIER = CUTOFF - dt.timedelta(days=HORIZON)
CUTOFFS = (CUTOFF, EARLIER)
KEY = ["unique_id", "cutoff", "model"]


@pytest.fixture(scope="module")
def tested() -> BacktestBucket:
    return backtest_bucket(long_table(SERIES), CUTOFFS, HORIZON)


def test_rows_have_the_windows_and_candidates_of_each_series(tested: BacktestBucket) -> None:
    rows = tested.backtest.to_pandas()
    assert tested.backtest.schema == backtest_schema()
    assert not rows.duplicated(KEY).any()
    assert rows[KEY].equals(rows[KEY].sort_values(KEY, ignore_index=True))
    # Three windows before each cutoff; the two overlap in two.
    assert sorted(set(rows["cutoff"])) == [CUTOFF - dt.timedelta(days=HORIZON * k) for k in (4, 3, 2, 1)]
    spec = ForecastSpec()
    candidates = {*spec.regular_candidates, *spec.intermittent_candidates}
    assert set(rows["model"]) == candidates
    assert (rows["n_days"] > 0).all()
    assert rows["scaled_pinball"].notna().mean() > 0.9
    assert np.isfinite(rows.drop(columns=KEY).to_numpy(dtype=float)[rows.notna().all(axis=1)]).all()
    assert tested.failures.num_rows == 0


def test_every_series_is_scored_with_its_naive_benchmark(tested: BacktestBucket) -> None:
    rows = tested.backtest.to_pandas()
    benchmarked = set(rows.loc[rows["model"] == "seasonal_naive", "unique_id"])
    batch = batch_of(SERIES).until(HORIZON)
    old = batch.mask_ST.sum(1) >= ForecastSpec().min_history
    assert benchmarked >= set(batch.unique_ids[old.numpy()])


def test_what_happens_after_a_cutoff_does_not_reach_what_it_is_chosen_by(tested: BacktestBucket) -> None:
    table = long_table(SERIES)
    after = pc.greater(table["ds"], pa.scalar(EARLIER))
    changed = table.set_column(2, "y", pc.if_else(after, pa.scalar(77.0), table["y"]))
    other = backtest_bucket(changed, CUTOFFS, HORIZON)
    for cutoff, same in ((EARLIER, True), (CUTOFF, False)):
        of_cutoff = [
            summary.filter(pc.equal(summary["cutoff"], pa.scalar(cutoff)))
            for summary in (tested.class_summary, other.class_summary)
        ]
        assert of_cutoff[0].num_rows > 5
        assert of_cutoff[0].equals(of_cutoff[1]) is same
    champions = [
        forecast_bucket(history, [EARLIER], HORIZON, evidence=Evidence(result.backtest, result.class_summary)).champion
        for history, result in ((table, tested), (changed, other))
    ]
    assert champions[0].equals(champions[1])


def test_buckets_forecast_what_the_whole_would_in_one_process() -> None:
    """Series in three buckets, summaries merged, against `auto` over all of them."""
    spec = ForecastSpec(windows=1, quantiles=(0.1, 0.5, 0.9))
    names = sorted(SERIES)
    buckets = [long_table({name: SERIES[name] for name in names[k::3]}) for k in range(3)]
    tests = [backtest_bucket(bucket, [CUTOFF], HORIZON, spec) for bucket in buckets]
    summary = merge_class_summaries([test.class_summary for test in tests])
    made = [
        forecast_bucket(bucket, [CUTOFF], HORIZON, spec, evidence=Evidence(test.backtest, summary))
        for bucket, test in zip(buckets, tests, strict=True)
    ]
    champion = pa.concat_tables([result.champion for result in made]).sort_by("unique_id").to_pandas()
    whole = backtest_bucket(long_table(SERIES), [CUTOFF], HORIZON, spec)
    single = forecast_bucket(
        long_table(SERIES), [CUTOFF], HORIZON, spec, evidence=Evidence(whole.backtest, whole.class_summary)
    )
    expected = single.champion.to_pandas()
    assert len(set(champion["model"])) > 1
    # Each bucket calibrates on its own errors, which may tip a close contest.
    assert (champion["model"] == expected["model"]).mean() > 0.9

    # `auto` over a batch weighs averages by what all series taught; the single best is chosen alike.
    best = replace(spec, max_members=1)
    single = forecast_bucket(
        long_table(SERIES), [CUTOFF], HORIZON, best, evidence=Evidence(whole.backtest, whole.class_summary)
    )
    expected, batch = single.champion.to_pandas(), batch_of(SERIES)
    auto = AutoForecaster.of(best).forecast(batch, HORIZON, spec.quantiles)
    assert auto.choice.name_S.tolist() == expected["model"].tolist()
    assert auto.choice.rule_S.tolist() == expected["rule"].tolist()
    mean_SH = single.demand["mean"].to_numpy().reshape(len(SERIES), HORIZON)
    np.testing.assert_allclose(auto.mean_SH.numpy(), mean_SH, rtol=1e-12)


@pytest.fixture
def fragile() -> Iterator[ForecastSpec]:
    registry.register(registry.Model("fragile", make=lambda _spec: FragileForecaster(raises=("s003",), nan=("s010",))))
    yield ForecastSpec(regular_candidates=("fragile", "ets"), intermittent_candidates=("fragile", "tsb"))
    registry.unregister("fragile")


def test_a_series_that_breaks_a_model_is_scored_by_the_others_and_named(fragile: ForecastSpec) -> None:
    result = backtest_bucket(long_table(SERIES), [CUTOFF], HORIZON, fragile)
    failures = result.failures.to_pandas()
    assert set(failures["unique_id"]) == {"s003", "s010"}
    assert set(zip(failures["unique_id"], failures["error_class"], strict=True)) == {
        ("s003", "ArithmeticError"),
        ("s010", "NonFiniteForecast"),
    }
    assert set(failures["fallback"]) == {"other candidates"}
    rows = result.backtest.to_pandas()
    assert "fragile" not in set(rows.loc[rows["unique_id"].isin(["s003", "s010"]), "model"])
    assert "fragile" in set(rows.loc[rows["unique_id"] == "s004", "model"])
    champion = forecast_bucket(
        long_table(SERIES), [CUTOFF], HORIZON, fragile, evidence=Evidence(result.backtest, result.class_summary)
    ).champion.to_pandas()
    assert champion["unique_id"].tolist() == sorted(SERIES)
    nobody = ForecastSpec(regular_candidates=("fragile",), intermittent_candidates=("fragile",), benchmark=None)
    alone = backtest_bucket(long_table(SERIES), [CUTOFF], HORIZON, nobody)
    assert set(alone.failures["fallback"].to_pylist()) == {"none"}


def test_models_fitted_for_each_cutoff_compete() -> None:
    spec = ForecastSpec(regular_candidates=("ets", "house"), intermittent_candidates=("tsb", "house"), windows=2)
    asked: set[dt.date] = set()

    def house(cutoff: dt.date) -> HistoricMean | None:
        asked.add(cutoff)
        return HistoricMean(name="house")

    result = backtest_bucket(long_table(SERIES), [CUTOFF], HORIZON, spec, {"house": house})
    assert asked == {CUTOFF - dt.timedelta(days=HORIZON * k) for k in (1, 2)}
    assert "house" in set(result.backtest["model"].to_pylist())
    evidence = Evidence(result.backtest, result.class_summary)
    made = forecast_bucket(long_table(SERIES), [CUTOFF], HORIZON, spec, evidence=evidence, forecasters={"house": house})
    assert any("house" in model for model in made.champion["model"].to_pylist())
    with pytest.raises(ValueError, match="registered forecaster, found 'house'"):
        backtest_bucket(long_table(SERIES), [CUTOFF], HORIZON, spec)
    with pytest.raises(ValueError, match=f"expected a model 'house' for the cutoff {CUTOFF}"):
        forecast_bucket(
            long_table(SERIES), [CUTOFF], HORIZON, ForecastSpec(model="house"), forecasters={"house": lambda _: None}
        )


def test_rungs_that_did_not_pay_before_and_models_beyond_the_budget_are_left_out() -> None:
    table = long_table(SERIES)
    brought = {"trees": HistoricMean(name="trees")}
    spec = ForecastSpec(
        regular_candidates=("ets", "seasonal_naive", "trees"), intermittent_candidates=("tsb", "historic_mean", "trees")
    )
    first = backtest_bucket(table, [CUTOFF], HORIZON, spec, brought)
    assert "trees" in set(first.backtest["model"].to_pylist())
    strict = ForecastSpec(
        regular_candidates=spec.regular_candidates, intermittent_candidates=spec.intermittent_candidates, min_gain=0.9
    )
    second = backtest_bucket(table, [CUTOFF], HORIZON, strict, brought, earlier_summary=first.class_summary)
    assert "trees" not in set(second.backtest["model"].to_pylist())
    poor = ForecastSpec(
        regular_candidates=spec.regular_candidates,
        intermittent_candidates=spec.intermittent_candidates,
        budget_seconds=4.0,
    )
    assert "trees" not in set(backtest_bucket(table, [CUTOFF], HORIZON, poor, brought).backtest["model"].to_pylist())


def test_an_own_score_is_a_column_and_can_decide() -> None:
    spec = ForecastSpec(score="units")
    scores = SCORES | {"units": lambda backtest, window: backtest.mean_WSH[window].sum(1)}
    result = backtest_bucket(long_table(SERIES), [CUTOFF], HORIZON, spec, scores=scores)
    assert result.backtest.schema == backtest_schema(scores)
    rows = result.backtest.to_pandas()
    assert torch.isfinite(torch.tensor(rows["units"].to_numpy())).all()
    with pytest.raises(ValueError, match="a score that is computed, found 'units'"):
        backtest_bucket(long_table(SERIES), [CUTOFF], HORIZON, spec)


def test_an_empty_bucket_and_a_short_one_give_tables_of_the_same_schema(tested: BacktestBucket) -> None:
    short = {"a": np.arange(5.0), "b": np.zeros(30)}
    for series in ({}, short):
        result = backtest_bucket(long_table(series), CUTOFFS, HORIZON)
        assert result.backtest.num_rows == (0 if not series else result.backtest.num_rows)
        assert result.backtest.schema == tested.backtest.schema
        assert result.class_summary.schema == CLASS_SUMMARY_SCHEMA
        assert result.class_summary.num_rows == 0
        assert result.failures.schema == tested.failures.schema
        made = forecast_bucket(
            long_table(series), CUTOFFS, HORIZON, evidence=Evidence(result.backtest, result.class_summary)
        )
        assert set(made.champion["unique_id"].to_pylist()) == set(series)


def test_requests_are_checked() -> None:
    table = long_table({"a": np.ones(30)})
    with pytest.raises(ValueError, match="cutoff"):
        backtest_bucket(table, [], HORIZON)
    with pytest.raises(ValueError, match="horizon"):
        backtest_bucket(table, [CUTOFF], 0)
    for wrong in (
        {"regular_candidates": ()},
        {"intermittent_candidates": ("auto",)},
        {"regular_candidates": ("a", "a")},
    ):
        with pytest.raises(ValueError, match="models other than auto, each once"):
            ForecastSpec(**wrong)
    with pytest.raises(ValueError, match="windows"):
        ForecastSpec(windows=0)

"""From training to forecast: what each stage hands to the next, on the tiny retailer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jobs.engine.rounds import pin, summed
from jobs.pipeline import run_stages
from jobs.settings import load_settings
from jobs.stages.forecasting import forecasting_reads, train
from jobs.stages.forecasting.forecasting_reads import EARLIER_CLASSES, WHOLE_HISTORY, earlier_runs
from jobs.stages.forecasting.model_archive import fitted, load, pack
from jobs.stages.forecasting.training_plan import wanted, wanted_for
from lakehouse.delta.files import read_bucket
from lakehouse.delta.io import Lakehouse
from tests.jobs import run_tool
from tests.jobs.run_tool import copied, day, make_context
from udfs.forecasting.festival_adjusted import FestivalAdjusted, FestivalLifts, without
from udfs.forecasting.hierarchy.top_down import TopDown, fit_top_down
from udfs.forecasting.models.regression.log_totals import LogRegression
from udfs.forecasting.models.trees.tree_model import fit_trees
from udfs.forecasting.models.trees.tree_totals import groups_of
from udfs.forecasting.probability.score_summary import ScoreSummary
from udfs.series.sku_batch import SkuBatch

HORIZON, WINDOWS, SERIES, CUTOFFS = 14, 3, 12, 3
TREES = (*run_tool.TREES, "trees.cutoffs_per_fit=2")


@pytest.fixture(scope="module")
def with_trees(featured: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    lake = copied(featured, tmp_path_factory.mktemp("trees") / "lake")
    run_stages(
        make_context(None, lake, None, day(119), *TREES),
        ["train", "train_networks", "backtest", "calibrate", "forecast"],
    )
    return lake


def frame(lake: Lakehouse, name: str) -> pd.DataFrame:
    return lake.read_arrow(name).to_pandas()


def test_a_model_serves_the_cutoffs_from_its_fit_on(with_trees: Lakehouse) -> None:
    models = frame(with_trees, "forecast.model")
    expected = [day(119) - timedelta(days=HORIZON * k) for k in range(WINDOWS + 2)]
    assert sorted(models["cutoff"], reverse=True) == [expected[k] for k in (0, 2, 4)]
    assert set(models["model"]) == {"trees"}
    assert set(models["series"]) == {SERIES}
    backtest = frame(with_trees, "forecast.backtest")
    tested = backtest[backtest["model"] == "trees"]
    assert set(tested["cutoff"]) == set(expected[1:])
    assert tested["scaled_pinball"].notna().all()


def test_a_trained_model_has_seen_nothing_after_its_cutoff(with_trees: Lakehouse) -> None:
    """The model that serves two early cutoffs, against one fitted here to history that ends on that day."""
    context = make_context(None, with_trees, None, day(119), *TREES)
    inputs = {read.table: read_bucket(pin(context, train.STAGE, read), "whole") for read in WHOLE_HISTORY}
    history = forecasting_reads.history_of(inputs)
    cutoff = day(119) - timedelta(days=2 * HORIZON)
    make = forecasting_reads.batch_maker(inputs, HORIZON, forecasting_reads.known_then(context))
    stored = fitted({"forecast.model": with_trees.read_arrow("forecast.model")})["trees"]
    spec = context.settings.trees
    known = _until(history, make, cutoff)
    lifts = FestivalLifts.learn(known)
    trees = fit_trees(without(known, lifts), HORIZON, spec)
    for served in (cutoff, cutoff + timedelta(days=HORIZON)):
        batch = _until(history, make, served)
        by = groups_of(batch, spec.least_group_series)
        assert by == ("location_id", "category")
        totals = LogRegression(spec.totals_covariates, level_half_life_days=spec.totals_half_life_days, ridge=1.0)
        usual = fit_top_down(without(batch, lifts), HORIZON, trees, totals, by, weight=spec.totals_weight)
        ours = FestivalAdjusted(usual, lifts)
        model = stored(served)  # type: ignore[operator, arg-type]
        assert isinstance(model, FestivalAdjusted)
        assert isinstance(model.inner, TopDown)
        expected_SH = ours.forecast(batch, HORIZON, (0.5,)).mean_SH
        made_SH = model.forecast(batch, HORIZON, (0.5,)).mean_SH
        # A regression on arrays of another length adds up in another order.
        np.testing.assert_allclose(made_SH, expected_SH, rtol=1e-12)
        some = batch.select(np.array([1, 5, 7]))
        np.testing.assert_array_equal(model.forecast(some, HORIZON, (0.5,)).mean_SH, made_SH[[1, 5, 7]])
    assert stored(day(119) - timedelta(days=6 * HORIZON)) is None  # type: ignore[operator, arg-type]


def _until(history: pa.Table, make: Callable[[pa.Table, date, None], SkuBatch], cutoff: date) -> SkuBatch:
    """Demand until a day; prices and promotions go on, as plans do."""
    known = pc.if_else(pc.less_equal(history["ds"], cutoff), history["y"], pa.scalar(None, pa.float64()))
    return make(history.set_column(history.column_names.index("y"), "y", known), cutoff, None)


def test_nothing_is_trained_where_only_local_models_compete(calibrated: Lakehouse) -> None:
    assert calibrated.read_arrow("forecast.model").num_rows == 0
    assert wanted_for(load_settings(None, []).forecast) == ["trees"], "for a lakehouse of many series"
    local = load_settings(None, ['forecast.regular_candidates=["ets"]', 'forecast.intermittent_candidates=["tsb"]'])
    assert wanted_for(local.forecast) == []
    assert wanted_for(load_settings(None, ["forecast.model=gru"]).forecast) == ["gru"]
    dear = load_settings(None, [*TREES, "forecast.budget_seconds=1.0"]).forecast
    assert wanted_for(dear) == ["trees"]  # the first candidate of a class stays whatever it costs
    tight = [TREES[1], "forecast.budget_seconds=1.0"]
    assert wanted_for(load_settings(None, tight).forecast) == []


def test_models_of_all_series_learn_from_a_draw_where_there_are_too_many(featured: Lakehouse, tmp_path: Path) -> None:
    lake = copied(featured, tmp_path / "lake")
    rows = lake.rows("features.sku_daily")
    small = f"forecast.max_learnt_rows={rows // 2}"
    context = make_context(None, lake, None, day(119), *TREES, small)
    drawn = forecasting_reads.learnt_buckets(context)
    buckets = frame(lake, "features.sku_daily")[["unique_id", "bucket"]].drop_duplicates()
    assert 0 < len(drawn) < buckets["bucket"].nunique()
    run_stages(context, ["train", "train_networks", "backtest", "calibrate", "forecast"])
    learnt = buckets["bucket"].astype(str).isin(drawn).sum()
    assert 0 < learnt < SERIES
    assert frame(lake, "forecast.model")["series"].max() == learnt
    scored = frame(lake, "forecast.backtest")
    assert scored[scored["model"] == "trees"]["unique_id"].nunique() > learnt, "the others are forecast all the same"
    all_of_them = make_context(None, lake, None, day(119), *TREES, f"forecast.max_learnt_rows={rows}")
    assert forecasting_reads.learnt_buckets(all_of_them) == ()


def test_a_model_beyond_the_budget_is_neither_trained_nor_missed(featured: Lakehouse, tmp_path: Path) -> None:
    lake = copied(featured, tmp_path / "lake")
    context = make_context(None, lake, None, day(119), TREES[1], "forecast.budget_seconds=1.0")
    run_stages(context, ["train", "train_networks", "backtest", "calibrate", "forecast"])
    assert frame(lake, "forecast.model").empty
    assert not frame(lake, "forecast.backtest")["model"].eq("trees").any()
    assert len(frame(lake, "forecast.champion")) == CUTOFFS * SERIES
    assert frame(lake, "forecast.error_summary")["kind"].eq("error").any()


def test_a_rung_that_did_not_pay_yesterday_is_not_climbed_today(with_trees: Lakehouse, tmp_path: Path) -> None:
    lake = copied(with_trees, tmp_path / "lake")
    neural = (TREES[0].replace('"trees"', '"trees","gru"'), *TREES[1:])
    yesterday = make_context(None, lake, None, day(119), *TREES)
    assert earlier_runs(yesterday) == ()
    today = make_context(None, lake, None, day(120), *TREES)
    assert earlier_runs(today) == (yesterday.run.run_id,)
    assert earlier_runs(make_context(None, lake, None, day(120))) == (), "other settings tell nothing"
    versions = {EARLIER_CLASSES.table: lake.version(EARLIER_CLASSES.table)}
    summary = summed(today, EARLIER_CLASSES, versions)
    assert summed(yesterday, EARLIER_CLASSES, versions) is None
    spec = load_settings(None, [*neural]).forecast
    # Trees of five rounds gain nothing over local models, so that networks get no chance; a laxer rule gives it.
    assert wanted_for(spec) == ["trees", "gru"]
    assert wanted_for(replace(spec, min_gain=0.5), summary) == ["trees"]
    assert wanted_for(replace(spec, min_gain=-9.0), summary) == ["trees", "gru"]
    assert wanted(today) == wanted_for(today.settings.forecast, summary)


def test_every_series_has_a_champion_with_its_reason_and_its_scores(with_trees: Lakehouse) -> None:
    champion, backtest = frame(with_trees, "forecast.champion"), frame(with_trees, "forecast.backtest")
    assert len(champion) == CUTOFFS * SERIES
    # The first cutoff lies so early that its first window has too little history for trees.
    is_first = champion["cutoff"] == champion["cutoff"].min()
    assert champion.loc[~is_first, "rule"].str.contains("scaled pinball over 3 windows").all()
    assert champion.loc[is_first, "rule"].str.contains("scaled pinball over [23] windows").all()
    candidates = {name for model in champion["model"] for name in model.split("+")}
    assert candidates <= set(backtest["model"])
    assert len(backtest.drop_duplicates(["unique_id", "cutoff", "model"])) == len(backtest)
    assert (backtest["n_days"] == HORIZON).all()


def test_errors_of_all_buckets_are_those_of_all_series(with_trees: Lakehouse) -> None:
    rows = with_trees.read_arrow("forecast.error_summary")
    for cutoff in (day(119), day(119) - timedelta(days=HORIZON)):
        summary = ScoreSummary.from_arrow(rows.filter(pc.equal(rows["cutoff"], cutoff)), HORIZON)
        assert summary.count_CB.sum() == SERIES * WINDOWS * HORIZON
        assert summary.pairs_DHH.sum() == SERIES * WINDOWS * HORIZON**2


def test_lead_time_demand_adds_up_the_daily_forecast(with_trees: Lakehouse) -> None:
    demand, champion = frame(with_trees, "forecast.demand"), frame(with_trees, "forecast.champion")
    chosen = demand.merge(champion[["unique_id", "cutoff", "model"]]).sort_values(["unique_id", "cutoff", "ds"])
    summed = chosen.groupby(["unique_id", "cutoff"])["mean"].cumsum().to_numpy()
    lead = frame(with_trees, "forecast.lead_time_demand").sort_values(["unique_id", "cutoff", "days"])
    assert len(lead) == CUTOFFS * SERIES * HORIZON
    np.testing.assert_allclose(lead["mean"], summed, rtol=1e-9)
    quantiles = lead[["p05", "p10", "p25", "p50", "p75", "p90", "p95", "p99"]].to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    wide = (lead["p95"] - lead["p05"]).groupby([lead["unique_id"], lead["cutoff"]])
    assert (wide.last() > wide.first()).all()


def test_a_model_named_in_the_settings_is_backtested_and_calibrated_too(featured: Lakehouse, tmp_path: Path) -> None:
    lake = copied(featured, tmp_path / "lake")
    context = make_context(None, lake, None, day(119), "forecast.model=tsb")
    run_stages(context, ["train", "train_networks", "backtest", "calibrate", "forecast"])
    assert set(frame(lake, "forecast.backtest")["model"]) == {"tsb", "seasonal_naive"}
    assert set(frame(lake, "forecast.champion")["model"]) == {"tsb"}
    plain = make_context(None, lake, None, day(119), "forecast.model=tsb").settings.forecast
    assert plain.model == "tsb"


def test_an_archive_gives_back_every_file_and_equal_folders_the_same_text(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "b.bin").write_bytes(bytes(range(256)) * 50)
        (tmp_path / name / "a.txt").write_text("model", encoding="utf-8")
    text = pack(tmp_path / "one")
    assert text == pack(tmp_path / "two")
    with pytest.raises(FileNotFoundError, match=r"model\.json"):
        load("trees", text)

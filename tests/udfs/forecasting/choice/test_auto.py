from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from tests.udfs.demand.test_demand_profile import HAND_MADE
from tests.udfs.forecasting.series import CUTOFF, batch_of, m5_table, mixed_series
from udfs.forecasting import metrics, registry
from udfs.forecasting.choice.auto import AutoForecaster
from udfs.forecasting.choice.backtest import Backtest
from udfs.forecasting.choice.class_route import ClassRoute
from udfs.forecasting.forecast_spec import QUANTILES, ForecastSpec
from udfs.forecasting.forecaster import Forecast
from udfs.forecasting.models.naive import HistoricMean, SeasonalNaive
from udfs.series.sku_batch import SkuBatch

LEVELS = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Counting:
    """A model that remembers how many series it was asked for."""

    model: HistoricMean | SeasonalNaive
    name: str
    breaks: str = ""
    calls: list[int] = field(default_factory=list)

    def forecast(self, batch: SkuBatch, horizon: int, quantiles: tuple[float, ...]) -> Forecast:
        if self.breaks in batch.unique_ids:
            raise ArithmeticError("does not converge")
        self.calls.append(len(batch))
        return self.model.forecast(batch, horizon, quantiles)


def seasonal(n_series: int = 30, n_days: int = 120) -> SkuBatch:
    """Smooth demand with a strong week: last week beats the mean by far."""
    rng = np.random.default_rng(8)
    week = np.tile([10.0, 12, 14, 20, 40, 60, 5], n_days // 7 + 1)[:n_days]
    return batch_of({f"s{s:02d}": np.round(week * (1 + s / 10) + rng.normal(0, 1, n_days)) for s in range(n_series)})


def auto(spec: ForecastSpec, **models: Counting) -> AutoForecaster:
    return AutoForecaster(models, spec)


def test_the_model_that_did_best_on_the_windows_forecasts() -> None:
    batch = seasonal()
    spec = ForecastSpec(
        regular_candidates=("mean", "week"), intermittent_candidates=("mean",), max_members=1, windows=2
    )
    mean, week = Counting(HistoricMean(), "mean"), Counting(SeasonalNaive(), "week")
    made = auto(spec, mean=mean, week=week).forecast(batch, 14, LEVELS)
    assert set(made.choice.name_S) == {"week"}
    assert set(made.choice.runner_up_S) == {"mean"}
    assert (made.choice.score_S < made.choice.runner_up_score_S).all()
    assert torch.equal(made.mean_SH, SeasonalNaive().forecast(batch, 14, LEVELS).mean_SH)
    assert mean.calls == [30, 30]  # two windows; week forecasts as well
    assert week.calls == [30, 30, 30]


def test_what_never_sold_is_zero_and_new_series_take_the_average_of_the_others() -> None:
    batch = batch_of(HAND_MADE)
    made = AutoForecaster.of(ForecastSpec()).forecast(batch, 7, LEVELS)
    at = {unique_id: s for s, unique_id in enumerate(batch.unique_ids)}
    assert made.choice is not None
    assert made.choice.name_S[at["no_sales"]] == "zero"
    assert not made.quantile_SHQ[at["no_sales"]].any()
    assert made.choice.rule_S[at["new"]].startswith("too few observed days for a contest: the average of")
    assert made.mean_SH[at["new"]].min() > 0


def test_new_series_among_none_but_new_ones_have_their_mean() -> None:
    batch = batch_of({"a": np.arange(1.0, 9.0), "b": np.ones(6)})
    made = AutoForecaster.of(ForecastSpec()).forecast(batch, 7, LEVELS)
    route = ClassRoute().forecast(batch, 7, LEVELS)
    assert made.choice is not None
    assert made.choice.name_S.tolist() == ["historic_mean"] * 2
    assert torch.equal(made.quantile_SHQ, route.quantile_SHQ)


def test_a_short_history_falls_back_on_the_first_candidate() -> None:
    batch = batch_of({"a": np.arange(20.0) + 5, "b": np.arange(20.0)[::-1] + 3})
    made = AutoForecaster.of(ForecastSpec()).forecast(batch, 14, LEVELS)
    assert made.choice.name_S.tolist() == ["ets", "ets"]
    assert made.choice.rule_S[0] == "first candidate for smooth demand: no backtest scores to choose by"
    assert made.finite_series().all()


@pytest.mark.parametrize("zeros", [14, 60, 180])
def test_a_series_that_sold_once_after_days_without_is_forecast_by_its_mean(zeros: int) -> None:
    y_ST = np.zeros((4, 200))
    y_ST[0, -1] = y_ST[1, -3] = y_ST[2, -zeros - 1] = 5.0
    y_ST[3] = 1.0 + np.arange(200) % 3
    mask_ST = np.zeros(y_ST.shape, dtype=bool)
    mask_ST[:, -zeros - 1 :] = True
    ids = np.array(list("abcd"), dtype=object)
    batch = SkuBatch(ids, torch.from_numpy(y_ST * mask_ST), torch.from_numpy(mask_ST), CUTOFF)
    made = AutoForecaster.of(ForecastSpec()).forecast(batch, 7, QUANTILES)
    assert made.choice is not None
    assert made.mean_SH[:2].sum(1).tolist() == pytest.approx([7 * 5 / (zeros + 1)] * 2)
    by_mean = [rule == "one sale, after days without: its mean" for rule in made.choice.rule_S]
    assert by_mean == [True, True, False, False]
    assert made.mean_SH[3].sum() > 7


def test_a_dear_rung_is_climbed_only_where_the_cheap_one_paid() -> None:
    batch = seasonal()
    names = ("mean", "seasonal_naive", "trees")

    def asked_of_trees(min_gain: float) -> list[int]:
        spec = ForecastSpec(regular_candidates=names, intermittent_candidates=("mean",), min_gain=min_gain)
        trees = Counting(HistoricMean(), "trees")
        models = {"mean": Counting(HistoricMean(), "mean"), "trees": trees}
        auto(spec, seasonal_naive=Counting(SeasonalNaive(), "seasonal_naive"), **models).forecast(batch, 14, LEVELS)
        return trees.calls

    # The mean, a local model here, gains nothing over seasonal naive.
    assert asked_of_trees(min_gain=0.01) == []
    assert asked_of_trees(min_gain=-100.0) == [30, 30, 30]


def test_a_model_beyond_the_budget_is_not_asked() -> None:
    batch = seasonal()
    dear = Counting(SeasonalNaive(), "dear")
    spec = ForecastSpec(
        regular_candidates=("mean", "dear"),
        intermittent_candidates=("mean",),
        budget_seconds=10.0,
        costs={"mean": 1.0, "dear": 2.0},
    )
    made = auto(spec, mean=Counting(HistoricMean(), "mean"), dear=dear).forecast(batch, 14, LEVELS)
    assert dear.calls == []
    assert set(made.choice.name_S) == {"mean"}


def test_a_series_that_breaks_a_model_gets_another_or_none_and_no_other_series_is_asked_again() -> None:
    batch = seasonal()
    spec = ForecastSpec(regular_candidates=("mean", "week"), intermittent_candidates=("mean",), max_members=1)
    models = {"mean": Counting(HistoricMean(), "mean"), "week": Counting(SeasonalNaive(), "week", breaks="s05")}
    made = auto(spec, **models).forecast(batch, 14, LEVELS)
    whole = auto(spec, mean=models["mean"], week=Counting(SeasonalNaive(), "week")).forecast(batch, 14, LEVELS)
    others = batch.unique_ids != "s05"
    assert torch.equal(made.mean_SH[others], whole.mean_SH[others])
    assert made.finite_series().tolist() == others.tolist()


def test_the_score_that_decides_may_be_one_s_own() -> None:
    batch = seasonal()
    spec = ForecastSpec(
        regular_candidates=("mean", "week"), intermittent_candidates=("mean",), max_members=1, score="cost"
    )
    sources = {"mean": HistoricMean(), "week": SeasonalNaive()}

    def cost(backtest: Backtest, window: int) -> torch.Tensor:
        """Money: every unit forecast costs one, so that the lower forecast wins."""
        return backtest.mean_WSH[window].sum(1) * (1.0 if backtest.model == "mean" else 10.0)

    made = AutoForecaster(sources, spec, {"cost": cost}).forecast(batch, 14, LEVELS)
    assert set(made.choice.name_S) == {"mean"}
    assert made.choice.rule_S[0].startswith("lowest cost over 3 windows")
    with pytest.raises(ValueError, match="expected a known score, found 'cost'"):
        AutoForecaster(sources, spec)
    with pytest.raises(ValueError, match="a source for every candidate, found none for week"):
        AutoForecaster({"mean": HistoricMean()}, spec, {"cost": cost})


def test_an_empty_batch_and_a_bad_request() -> None:
    model = AutoForecaster.of(ForecastSpec())
    batch = batch_of(mixed_series(3))
    assert len(model.forecast(batch.select(np.empty(0, dtype=int)), 7, LEVELS)) == 0
    with pytest.raises(ValueError, match="horizon"):
        model.forecast(batch, 0, LEVELS)


def test_the_batch_s_order_does_not_matter() -> None:
    batch = batch_of(mixed_series(40, n_days=200))
    model = AutoForecaster.of(ForecastSpec())
    forward = model.forecast(batch, 9, LEVELS)
    order = np.random.default_rng(0).permutation(40)
    shuffled = model.forecast(batch.select(order), 9, LEVELS)
    assert shuffled.choice.name_S.tolist() == forward.choice.name_S[order].tolist()
    torch.testing.assert_close(shuffled.mean_SH, forward.mean_SH[order], rtol=1e-9, atol=1e-9)


@pytest.mark.real_data
def test_on_m5_auto_beats_its_parts_and_the_route_by_class() -> None:
    table = m5_table(400)
    batch = SkuBatch.from_arrow(table, table["ds"][-1].as_py())
    scores: dict[str, list[float]] = {}
    for days in (84, 56, 28):
        known = batch.until(days)
        actual_SH, mask_SH = batch.ahead(days, 28)
        scale_S = metrics.difference_scale(known, 1)
        for name in ("auto", "class_route", "ets", "tsb", "seasonal_naive"):
            model = AutoForecaster.of(ForecastSpec()) if name == "auto" else registry.make(name, ForecastSpec())
            made = model.forecast(known, 28, QUANTILES)
            score_SQ = metrics.scaled_pinball(actual_SH, made.quantile_SHQ, QUANTILES, mask_SH, scale_S)
            scores.setdefault(name, []).append(float(score_SQ.mean(1).nanmean()))
    mean = {name: np.mean(values) for name, values in scores.items()}
    assert mean["auto"] < min(mean["class_route"], mean["ets"], mean["tsb"])
    assert mean["auto"] < 0.8 * mean["seasonal_naive"]

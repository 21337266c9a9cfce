"""Errors of sums: added up as a loop would, alike in every bucket, and heard by the contest."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from tests.udfs.forecasting.series import batch_of
from udfs.contest.choice import select
from udfs.contest.contest_spec import ContestSpec
from udfs.contest.scores import WindowScores
from udfs.contest.shrinkage import total_factors
from udfs.demand.demand_profile import DEMAND_CLASSES
from udfs.forecasting.choice.selection import merge_class_summaries, summarise_classes
from udfs.forecasting.choice.total_errors import TOTALS, total_errors, total_of
from udfs.series.covariates import Traits
from udfs.series.sku_batch import SkuBatch

SMOOTH, LUMPY = (DEMAND_CLASSES.index(name) for name in ("smooth", "lumpy"))
NAMES = ("flat", "weekly")
CANDIDATES = {"smooth": NAMES, "lumpy": ("flat",)}
DAY = date(2024, 3, 31)


def noisy_errors(n_series: int, seed: int) -> dict[str, np.ndarray]:
    """Errors of two models on 2 windows of 14 days: noise that no model can know, and for one a missed weekend."""
    rng = np.random.default_rng(seed)
    noise_WSH = rng.normal(0, 3, (2, n_series, 14))
    weekend_H = np.isin(np.arange(14) % 7, (5, 6))
    return {"flat": noise_WSH - weekend_H, "weekly": noise_WSH.copy()}


def test_sums_are_those_of_a_loop_over_what_all_candidates_forecast() -> None:
    errors, class_S = noisy_errors(30, 1), np.array([SMOOTH, LUMPY, SMOOTH] * 10)
    total_S = np.arange(30) % TOTALS
    errors["weekly"][0, 4, :3] = np.nan  # of no use for any candidate of its class
    errors["weekly"][1, 6] = np.nan
    found = total_errors(errors, total_S, class_S, CANDIDATES)
    assert set(found) == {("smooth", "flat"), ("smooth", "weekly"), ("lumpy", "flat")}
    for (demand_class, name), values in found.items():
        expected_WGH = np.zeros((2, TOTALS, 14))
        for s in range(30):
            if DEMAND_CLASSES[class_S[s]] == demand_class:
                for w in range(2):
                    for h in range(14):
                        known = [errors[model][w, s, h] for model in CANDIDATES[demand_class]]
                        if np.isfinite(known).all():
                            expected_WGH[w, total_S[s], h] += errors[name][w, s, h]
        np.testing.assert_allclose(np.reshape(values, expected_WGH.shape), expected_WGH, atol=1e-6)


def test_a_candidate_without_a_model_in_a_window_is_compared_on_the_others() -> None:
    errors, class_S = noisy_errors(40, 2), np.full(40, SMOOTH)
    errors["weekly"][0] = np.nan
    found = total_errors(errors, np.zeros(40, int), class_S, CANDIDATES)
    flat_WGH, weekly_WGH = (np.reshape(found["smooth", name], (2, TOTALS, 14)) for name in NAMES)
    assert np.isnan(weekly_WGH[0]).all()
    assert np.isfinite(weekly_WGH[1]).all()
    assert np.isfinite(flat_WGH).all()
    factor_K = total_factors([{"total_errors": found["smooth", name]} for name in NAMES], 1.0)
    expected = np.sqrt((flat_WGH[1] ** 2).sum() / (weekly_WGH[1] ** 2).sum())
    np.testing.assert_allclose(factor_K, [expected, 1.0], rtol=1e-6)


def test_factors_without_sums_or_weight_are_one() -> None:
    known = {"total_errors": [1.0, 2.0]}
    assert (total_factors([None, {"total_errors": None}, known], 0.5) == 1.0).all()
    assert (total_factors([known, {"total_errors": [3.0, 4.0]}], 0.0) == 1.0).all()
    assert (total_factors([known, {"total_errors": [np.nan, np.nan]}], 0.5) == 1.0).all()


@pytest.mark.parametrize("cut", [7, 100])
def test_buckets_add_up_and_the_weekly_model_wins_where_only_sums_tell(cut: int) -> None:
    n = 200
    errors, class_S = noisy_errors(n, 3), np.full(n, SMOOTH)
    score_KWS = np.abs(np.stack([errors[name] for name in NAMES])).mean(3)
    score_KWS[1] *= 1.05  # series by series the weekly model even looks a little worse
    spec = ContestSpec({"smooth": NAMES}, max_members=1, total_weight=1.0)
    total_S = np.arange(n) % TOTALS
    parts = [
        summarise_classes(
            WindowScores(NAMES, score_KWS[:, :, at]),
            class_S[at],
            spec,
            DAY,
            total_errors({name: errors[name][:, at] for name in NAMES}, total_S[at], class_S[at], CANDIDATES),
        )
        for at in (slice(0, cut), slice(cut, None))
    ]
    summary = merge_class_summaries(parts)
    assert summary.equals(merge_class_summaries(parts[::-1]))
    whole = total_errors(errors, total_S, class_S, CANDIDATES)
    for row in summary.to_pylist():
        np.testing.assert_allclose(row["total_errors"], whole["smooth", row["model"]], atol=1e-5)
    scores = WindowScores(NAMES, score_KWS)
    chosen = select(scores, class_S, summary, DAY, spec).choice.name_S
    alone = select(scores, class_S, summary, DAY, replace(spec, total_weight=0.0)).choice.name_S
    assert (chosen == "weekly").all()
    assert (alone == "flat").mean() > 0.9


def with_traits(batch: SkuBatch, **columns: list[str | None]) -> SkuBatch:
    return replace(batch, traits=Traits.from_columns(columns))


def test_a_series_adds_to_the_same_total_in_every_bucket() -> None:
    batch = batch_of({f"s{k}": np.ones(28) for k in range(12)})
    places = [f"shop {k % 4}" for k in range(12)]
    kinds = [None if k == 5 else f"kind {k % 3}" for k in range(12)]
    whole = with_traits(batch, location_id=places, category=kinds, department=[None] * 12)
    total_S = total_of(whole)
    assert total_S is not None
    assert len(set(total_S.tolist())) > 1
    at = np.array([2, 5, 7])
    some = with_traits(
        batch.select(at),
        location_id=[places[k] for k in at],
        category=[kinds[k] for k in at],
        department=[None] * 3,
    )
    np.testing.assert_array_equal(total_of(some), total_S[at])
    assert total_of(batch) is None

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from udfs.contest.choice import Selection, select
from udfs.contest.class_sums import class_sums, merge_class_sums
from udfs.contest.contest_spec import ContestSpec
from udfs.contest.scores import WindowScores
from udfs.demand.demand_profile import DEMAND_CLASSES
from udfs.forecasting.choice.selection import CLASS_SUMMARY_SCHEMA, merge_class_summaries, summarise_classes

DAY = dt.date(2024, 3, 31)
SMOOTH, LUMPY, NEW = (DEMAND_CLASSES.index(name) for name in ("smooth", "lumpy", "new"))
NAMES = ("ets", "theta", "tsb")
CANDIDATES = {"smooth": NAMES, "lumpy": ("tsb", "ets")}
SINGLE = ContestSpec(CANDIDATES, max_members=1)


def noisy(seed: int, n_series: int, true_K: tuple[float, ...], between: float, within: float) -> WindowScores:
    """Scores on three windows: a true score per model, a lasting difference per series and model, and noise."""
    rng = np.random.default_rng(seed)
    lasting_KS = rng.normal(0, between, (len(true_K), n_series))
    noise_KWS = rng.normal(0, within, (len(true_K), 3, n_series))
    return WindowScores(NAMES, np.asarray(true_K)[:, None, None] + lasting_KS[:, None, :] + noise_KWS)


def choose(scores: WindowScores, class_S: np.ndarray, spec: ContestSpec = SINGLE) -> Selection:
    return select(scores, class_S, summarise_classes(scores, class_S, spec, DAY), DAY, spec)


def test_noise_leaves_the_choice_to_the_class() -> None:
    scores = noisy(1, 4000, (1.0, 0.98, 1.05), between=0.0, within=0.3)
    chosen = choose(scores, np.full(4000, SMOOTH))
    assert np.mean(chosen.choice.name_S == "theta") > 0.85
    own_best = scores.score_KWS.mean(1).argmin(0)
    assert 0.3 < np.mean(own_best == 1) < 0.6


def test_lasting_differences_leave_the_choice_to_the_series() -> None:
    scores = noisy(2, 400, (1.0, 1.0, 1.0), between=0.2, within=0.01)
    chosen = choose(scores, np.full(400, SMOOTH))
    own_best = np.array(NAMES)[scores.score_KWS.mean(1).argmin(0)]
    assert np.mean(chosen.choice.name_S == own_best) > 0.98
    assert "its own counting 100%" in chosen.choice.rule_S[0]
    scores.score_KWS[1:, :, 7] = np.nan  # one series without a rival's score: its class alone speaks for rivals
    alone = choose(scores, np.full(400, SMOOTH)).choice
    assert "over 3 windows, by how 400 smooth series fared" in alone.rule_S[7]
    assert "its own counting 100%" in alone.rule_S[8]


def test_own_scores_count_as_the_variances_say() -> None:
    """Shrunk scores must predict the next window better than the series' own and than the class's."""
    rng = np.random.default_rng(3)
    n, between, within = 3000, 0.1, 0.2
    lasting_S = rng.normal(0.05, between, n)
    score_KWS = np.ones((2, 3, n))
    score_KWS[1] += lasting_S + rng.normal(0, within, (3, n))
    scores = WindowScores(("tsb", "ets"), score_KWS)
    chosen = choose(scores, np.full(n, LUMPY))
    weight = between**2 / (between**2 + within**2 / 3)
    own_S = score_KWS[1].mean(0) - 1
    expected_S = 1 + own_S.mean() + weight * (own_S - own_S.mean())
    shown_S = np.where(chosen.choice.name_S == "ets", chosen.choice.score_S, chosen.choice.runner_up_score_S)
    np.testing.assert_allclose(shown_S, expected_S, atol=0.03)
    next_S = lasting_S
    error = {
        "shrunk": np.mean((shown_S - 1 - next_S) ** 2),
        "own": np.mean((own_S - next_S) ** 2),
        "class": np.mean((own_S.mean() - next_S) ** 2),
    }
    assert error["shrunk"] < 0.9 * min(error["own"], error["class"])


def test_summaries_of_parts_add_up_to_that_of_the_whole_in_any_order() -> None:
    scores = noisy(4, 300, (1.0, 0.9, 1.1), 0.1, 0.2)
    scores.score_KWS[0, :, 7] = np.nan
    scores.score_KWS[2, 1:, 11] = np.nan
    class_S = np.where(np.arange(300) % 3 == 0, LUMPY, SMOOTH)
    whole = summarise_classes(scores, class_S, SINGLE, DAY)
    assert whole.schema == CLASS_SUMMARY_SCHEMA
    cuts = np.array_split(np.arange(300), 5)
    parts = [
        summarise_classes(WindowScores(NAMES, scores.score_KWS[:, :, at]), class_S[at], SINGLE, DAY) for at in cuts
    ]
    merged = merge_class_summaries(parts)
    assert merged.equals(merge_class_summaries(parts[::-1]))
    expected = merge_class_summaries([whole])
    assert merged.num_rows == 5
    for name in CLASS_SUMMARY_SCHEMA.names:
        if pa.types.is_floating(merged[name].type):
            np.testing.assert_allclose(merged[name].to_numpy(), expected[name].to_numpy(), rtol=1e-12, atol=1e-12)
        else:
            assert merged[name].to_pylist() == expected[name].to_pylist()


def test_the_class_summary_is_what_it_says() -> None:
    scores = noisy(5, 20, (1.0, 0.9, 1.1), 0.1, 0.2)
    scores.score_KWS[1, 0, 3] = np.nan
    scores.score_KWS[1, :, 4] = np.nan
    row = summarise_classes(scores, np.full(20, SMOOTH), SINGLE, DAY).to_pylist()[1]
    assert (row["cutoff"], row["demand_class"], row["model"], row["series"]) == (DAY, "smooth", "theta", 19)
    d_WS = scores.score_KWS[1] - scores.score_KWS[0]
    d_WS = np.delete(d_WS, 4, axis=1)
    assert row["difference_sum"] == pytest.approx(np.nanmean(d_WS, 0).sum())
    assert row["difference_square_sum"] == pytest.approx((np.nanmean(d_WS, 0) ** 2).sum())
    assert row["score_sum"] == pytest.approx(np.nanmean(np.delete(scores.score_KWS[1], 4, axis=1), 0).sum())
    assert row["window_variance_sum"] == pytest.approx(np.nanvar(d_WS, 0, ddof=1).sum())
    assert row["inverse_windows_sum"] == pytest.approx(18 / 3 + 1 / 2)
    assert row["repeated_series"] == 19


def test_a_series_without_a_window_goes_by_its_class() -> None:
    scores = noisy(6, 50, (1.0, 0.8, 1.1), 0.0, 0.05)
    scores.score_KWS[:, :, 9] = np.nan
    chosen = choose(scores, np.full(50, SMOOTH))
    assert chosen.choice.name_S[9] == "theta"
    assert chosen.choice.rule_S[9].startswith(
        "lowest scaled pinball of 49 smooth series, for it has no window of its own: "
    )
    assert np.isfinite(chosen.choice.score_S[9])


def test_without_any_score_the_first_candidate_stands() -> None:
    scores = WindowScores((), np.empty((0, 0, 3)))
    chosen = choose(scores, np.array([SMOOTH, LUMPY, NEW]))
    assert chosen.choice.name_S.tolist() == ["ets", "tsb", ""]
    assert chosen.choice.rule_S[1] == "first candidate for lumpy demand: no backtest scores to choose by"
    assert chosen.weight_SK.sum(1).tolist() == [1.0, 1.0, 0.0]
    assert np.isnan(chosen.choice.score_S).all()
    assert chosen.choice.runner_up_S.tolist() == ["", "", ""]


def test_ties_go_to_the_earlier_candidate_and_the_rule_says_the_numbers() -> None:
    score_KWS = np.broadcast_to(np.array([0.5, 0.5, 0.625])[:, None, None], (3, 3, 4))
    chosen = choose(WindowScores(NAMES, score_KWS), np.full(4, SMOOTH))
    assert set(chosen.choice.name_S) == {"ets"}
    assert set(chosen.choice.runner_up_S) == {"theta"}
    assert chosen.choice.rule_S[0] == (
        "lowest scaled pinball over 3 windows, by how 4 smooth series fared: .500 against .500 of theta"
    )
    assert chosen.choice.score_S[0] == chosen.choice.runner_up_score_S[0] == 0.5


def test_close_models_are_averaged_by_the_inverse_of_their_scores() -> None:
    score_KWS = np.broadcast_to(np.array([0.50, 0.52, 0.70])[:, None, None], (3, 3, 1000))
    spec = ContestSpec(CANDIDATES, max_members=3, tolerance=0.05, prior_series=0)
    chosen = choose(WindowScores(NAMES, score_KWS), np.full(1000, SMOOTH), spec)
    weight = 0.52 / 1.02
    np.testing.assert_allclose(chosen.weight_SK[0], [weight, 1 - weight, 0])
    assert chosen.choice.name_S[0] == "ets+theta"
    assert chosen.choice.runner_up_S[0] == "tsb"
    assert chosen.choice.score_S[0] == pytest.approx(weight * 0.50 + (1 - weight) * 0.52)
    assert chosen.choice.rule_S[0] == (
        "average of the lowest scaled pinball over 3 windows, by how 1,000 smooth series fared: "
        "51% ets (.500), 49% theta (.520) against .700 of tsb"
    )
    alone = choose(WindowScores(NAMES, score_KWS), np.full(1000, SMOOTH), ContestSpec(CANDIDATES, tolerance=0.0))
    assert alone.choice.name_S[0] == "ets"


def test_a_few_series_do_not_overturn_the_first_candidate_s_lead() -> None:
    score_KWS = np.broadcast_to(np.array([1.0, 0.9, 1.2])[:, None, None], (3, 3, 2))
    strict = ContestSpec(CANDIDATES, max_members=1, prior_series=1000)
    summary = summarise_classes(WindowScores(NAMES, score_KWS), np.full(2, SMOOTH), strict, DAY)
    chosen = select(WindowScores(NAMES, score_KWS), np.full(2, SMOOTH), summary, DAY, strict)
    assert chosen.choice.score_S[0] == pytest.approx(1 - 0.1 * 2 / 1002)


def test_a_model_that_was_not_tested_does_not_compete() -> None:
    scores = WindowScores(("ets", "tsb"), np.stack([np.full((3, 5), 1.0), np.full((3, 5), 2.0)]))
    chosen = choose(scores, np.full(5, SMOOTH), ContestSpec(CANDIDATES, max_members=3, tolerance=9.0))
    assert chosen.choice.name_S[0] == "ets+tsb"
    assert chosen.choice.runner_up_S[0] == ""


def test_rows_become_scores_of_the_series_and_windows_asked_for() -> None:
    days = [DAY - dt.timedelta(days=d) for d in (21, 14, 7)]
    rows = pa.table(
        {
            "unique_id": ["b", "a", "a", "z", "a", "b"],
            "cutoff": pa.array([days[1], days[1], days[0], days[1], days[2], days[2]], pa.date32()),
            "model": ["ets", "ets", "ets", "ets", "tsb", "tsb"],
            "scaled_pinball": pa.array([1.0, 2.0, 3.0, 4.0, 5.0, None]),
        }
    )
    scores = WindowScores.from_rows(rows, np.array(["a", "b", "c"], dtype=object), "model", "scaled_pinball", days[1:])
    assert scores.names == ("ets", "tsb")
    nan = np.nan
    np.testing.assert_array_equal(scores.score_KWS, [[[2, 1, nan], [nan, nan, nan]], [[nan, nan, nan], [5, nan, nan]]])
    with pytest.raises(ValueError, match="one row per unique_id, cutoff and model"):
        WindowScores.from_rows(
            pa.concat_tables([rows, rows]), np.array(["a"], dtype=object), "model", "scaled_pinball", days
        )


@pytest.mark.parametrize(("noun", "evidence"), [("policy", "replays"), ("price", "sales at other prices")])
def test_a_contest_speaks_of_what_competes_in_it(noun: str, evidence: str) -> None:
    """Nothing in a contest knows of models: their column, and the words for want of evidence, are the caller's."""
    spec = ContestSpec(CANDIDATES, max_members=1, score_name="cost", evidence=evidence, noun=noun)
    days = [DAY - dt.timedelta(days=d) for d in (14, 7)]
    rows = pa.table(
        {
            "unique_id": ["a"] * 4,
            "cutoff": pa.array([*days, *days], pa.date32()),
            noun: ["ets", "ets", "theta", "theta"],
            "cost": [2.0, 2.0, 1.0, 1.0],
        }
    )
    scores = WindowScores.from_rows(rows, np.array(["a"], dtype=object), noun, "cost", days)
    with pytest.raises(ValueError, match=f"one row per unique_id, cutoff and {noun}"):
        WindowScores.from_rows(pa.concat_tables([rows, rows]), np.array(["a"], dtype=object), noun, "cost", days)
    sums = class_sums(scores, np.array([SMOOTH]), spec, DAY)
    assert [row[noun] for row in sums] == ["ets", "theta"]
    schema = pa.schema([f.with_name(noun) if f.name == "model" else f for f in CLASS_SUMMARY_SCHEMA])
    summary = merge_class_sums([pa.Table.from_pylist(sums, schema=schema)], schema)
    chosen = select(scores, np.array([SMOOTH]), summary, DAY, spec).choice
    assert chosen.rule_S[0].startswith("lowest cost over 2 windows")
    nothing = select(scores, np.array([SMOOTH]), schema.empty_table(), DAY, spec).choice
    assert nothing.rule_S[0] == f"first candidate for smooth demand: no {evidence} to choose by"


def test_settings_are_checked() -> None:
    for wrong in ({"regular": ("ets",)}, {"smooth": ()}, {"smooth": ("ets", "ets")}):
        with pytest.raises(ValueError, match="each named once"):
            ContestSpec(wrong)
    with pytest.raises(ValueError, match="max_members"):
        ContestSpec(CANDIDATES, max_members=0)
    for name in ("tolerance", "prior_series"):
        with pytest.raises(ValueError, match=name):
            ContestSpec(CANDIDATES, **{name: -0.1})
    with pytest.raises(ValueError, match="expected scores of shape"):
        WindowScores(("ets",), np.zeros((2, 3, 4)))

"""Replays of a bucket: against arithmetic day by day, who is left out, and what the summary adds up."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist

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
from tests.udfs.inventory.simulation.one_path import OnePath
from tests.udfs.inventory.tables import AS_OF, PATH_TERMS, price_table, supply_table
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.replay_bucket import BucketReplay, replay_bucket
from udfs.inventory.policies.choose import REPLAY_SUMMARY_SCHEMA

SPEC = InventorySpec(candidates=("tuned_s_s", "base_stock"), n_paths=40, tuning_paths=10)
Supply = tuple[str, float | None, float | None, float | None, float | None, float | None]


# ----------------------------------------------------------------------------------------------- arithmetic by hand
def ahead(values: Sequence[float], day: int, days: int) -> float:
    """Sum of `days` days from `day` on; beyond the horizon the last week goes on."""
    longer = list(values)
    while len(longer) < day + days:
        longer.append(longer[-7])
    return sum(longer[day : day + days])


def starts(level: float, up_to: float, mean: float, lead: int, review: int, pack: float) -> list[OnePath]:
    """Four positions from s to S (at least a pack wide) less the demand since the review, the lead time's on order."""
    width = max(up_to - level, pack - 1.0)
    found = []
    for k in range(4):
        position = max(up_to - width + width * (k + 0.5) / 4 - review * mean, 0.0)
        on_order = min(position, mean * lead)
        path = OnePath(due=dict.fromkeys(range(lead), on_order / max(lead, 1)))
        path.receive(position - on_order, 0)
        found.append(path)
    return found


@pytest.mark.parametrize(
    ("policy", "sd", "lead", "review", "backorder_share", "seed"),
    [
        ("z_sigma", 2.0, 3, 1, 0.0, 1),
        ("z_sigma", 3.0, 0, 3, 0.0, 2),
        ("base_stock", 0.0, 4, 2, 0.0, 3),
        ("s_s", 0.0, 2, 1, 0.0, 4),
        ("s_s", 0.0, 5, 2, 0.5, 5),
        ("z_sigma", 1.0, 6, 4, 1.0, 6),
    ],
)
def test_a_replay_is_the_arithmetic_of_its_days(
    policy: str, sd: float, lead: int, review: int, backorder_share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    means, sds = rng.uniform(1.0, 6.0, H).tolist(), [sd] * H
    actual = rng.poisson(4.0, H).astype(float).tolist()
    cost, price, order_cost, moq, pack = 2.0, 5.0, 0.4, 6.0, 4.0
    spec = replace(SPEC, candidates=(policy,), review_days=review, backorder_share=backorder_share, most_lot_days=9.0)
    found = replay_bucket(
        {CUTOFFS[0]: forecast_at(CUTOFFS[0], {"a": (means, sds)})},
        actual_table({"a": actual}),
        supply_table([("a", float(lead), order_cost, cost, moq, pack)]),
        {CUTOFFS[0]: price_table([("a", price)])},
        {AS_OF: class_table(["a"])},
        {AS_OF: CUTOFFS[:1]},
        spec,
        PATH_TERMS,
    )
    row = rows_by_key(found.replay)["a", CUTOFFS[0], policy]

    daily, holding = sum(means) / H, cost * 0.25 / 365.0
    z = NormalDist().inv_cdf(spec.service_level) if policy == "z_sigma" else 0.0
    levels = [
        ahead(means, t, lead + review) + z * math.sqrt(ahead([s * s for s in sds], t, lead + review)) for t in range(H)
    ]
    lot = max(min(math.sqrt(2.0 * order_cost * daily / holding), 9.0 * daily) - review * daily, 0.0)
    lot = 0.0 if policy == "base_stock" else lot

    def wants(t: int, position: float) -> float:
        return max(levels[t] + lot - position, 0.0) if position <= levels[t] + 1e-9 else 0.0

    totals = []
    for path in starts(levels[0], levels[0] + lot, daily, lead, review, pack):
        path.lead_time, path.review_period, path.backorder_share = lead, review, backorder_share
        path.holding_cost, path.shortage_cost, path.order_cost = holding, price - cost, order_cost
        path.moq, path.pack = moq, pack
        totals.append(path.run(wants, actual))
    mean = {name: sum(total[name] for total in totals) / 4 for name in totals[0]}
    assert row["replay_holding_cost"] == pytest.approx(mean["holding"] / H)
    assert row["replay_ordering_cost"] == pytest.approx(mean["order"] / H)
    assert row["replay_shortage_cost"] == pytest.approx(mean["shortage"] / H)
    assert mean["shortage"] > 0.0 or policy == "z_sigma"
    assert mean["order"] > 0.0
    assert row["replay_cost"] == pytest.approx((mean["holding"] + mean["order"] + mean["shortage"]) / H)
    assert row["demand_qty"] == sum(actual)
    assert row["sales_qty"] == pytest.approx(mean["sales"])
    assert row["score"] == pytest.approx(row["replay_cost"] / (max(daily, sum(actual) / H) * price))
    assert row["n_days"] == H


def test_a_score_of_a_series_that_is_not_expected_to_sell_is_finite() -> None:
    found = replayed({"a": ([0.0] * H, [0.0] * H)}, {"a": [0.0] * 9 + [2.0] + [0.0] * 18}, [("a", 2, 0, 2, 0, 1)])
    row = rows_by_key(found.replay)["a", CUTOFFS[0], "base_stock"]
    # Nothing is held or ordered; two units are lost at a margin of 1, held against their sales value of 3 each.
    assert row["replay_cost"] == row["replay_shortage_cost"] == pytest.approx(2.0 / H)
    assert row["score"] == pytest.approx(2.0 / (2 * 3.0))
    calm = rows_by_key(found.replay)["a", CUTOFFS[1], "base_stock"]
    assert (calm["replay_cost"], calm["demand_qty"], calm["score"]) == (0.0, 0.0, 0.0)


# --------------------------------------------------------------------------------------------------- who is left out
RNG = np.random.default_rng(9)
IDS = [f"s{i:02d}" for i in range(12)]
DAILY: Daily = {u: (RNG.uniform(0.5, 6.0, H).tolist(), RNG.uniform(0.5, 2.0, H).tolist()) for u in IDS}
ACTUAL = {u: RNG.poisson(3.0, 2 * H).astype(float).tolist() for u in IDS}
SUPPLY: list[Supply] = [(u, float(i % 5), 0.3, 1.0 + i, 1.0, float(1 + i % 3)) for i, u in enumerate(IDS)]


def replayed(
    daily: Daily,
    actual: Mapping[str, Sequence[float | None]],
    supply: Sequence[Supply],
    classes: pa.Table | None = None,
    spec: InventorySpec = SPEC,
) -> BucketReplay:
    """Both cutoffs have the same forecast; a price is the unit cost and half of it."""
    prices = {row[0]: None if row[3] is None else 1.5 * row[3] for row in supply}
    return replay_bucket(
        {cutoff: forecast_at(cutoff, daily) for cutoff in CUTOFFS},
        actual_table(actual),
        supply_table(supply),
        dict.fromkeys(CUTOFFS, price_table(list(prices.items()))),
        dict.fromkeys(CHOICES, class_table(list(daily)) if classes is None else classes),
        CHOICES,
        spec,
        PATH_TERMS,
    )


ALONE = replayed(DAILY, ACTUAL, SUPPLY)


def test_every_candidate_and_the_benchmark_are_replayed_at_every_cutoff() -> None:
    expected = {(u, c, p) for u in IDS for c in CUTOFFS for p in ("tuned_s_s", "base_stock", "z_sigma")}
    assert set(rows_by_key(ALONE.replay)) == expected
    assert ALONE.replay.num_rows == len(expected)
    keys = [(row["unique_id"], row["cutoff"], row["policy"]) for row in ALONE.replay.to_pylist()]
    assert keys == sorted(keys)
    for (unique_id, cutoff, _), row in rows_by_key(ALONE.replay).items():
        first = H * CUTOFFS.index(cutoff)
        assert row["demand_qty"] == sum(ACTUAL[unique_id][first : first + H])
        assert 0.0 <= row["sales_qty"] <= row["demand_qty"]


def test_a_window_that_the_data_do_not_reach_the_end_of_is_replayed_while_it_is_told() -> None:
    """A feed some days late: the days that came decide, from half the horizon on; the window before is as it was."""
    for missing in (1, 3, 7, 8, 14, 20):
        found = rows_by_key(replayed(DAILY, {u: y[: 2 * H - missing] for u, y in ACTUAL.items()}, SUPPLY).replay)
        for cutoff, told in zip(CUTOFFS, (min(H, 2 * H - missing), H - missing), strict=True):
            rows = {key: row for key, row in found.items() if key[1] == cutoff}
            assert {row["n_days"] for row in rows.values()} == ({told} if 2 * told >= H else set())
            first = H * CUTOFFS.index(cutoff)
            for (unique_id, _, _), row in rows.items():
                assert row["demand_qty"] == sum(ACTUAL[unique_id][first : first + told])
        whole = rows_by_key(ALONE.replay)
        if missing <= H:
            assert all(row == whole[key] for key, row in found.items() if key[1] == CUTOFFS[0])
    one_late = {**ACTUAL, "s03": ACTUAL["s03"][: 2 * H - 3]}
    late = rows_by_key(replayed(DAILY, one_late, SUPPLY).replay)
    whole = rows_by_key(ALONE.replay)
    assert all(row == whole[key] for key, row in late.items() if key[0] != "s03")


def test_what_cannot_be_replayed_is_left_out_and_changes_no_bit_of_the_others() -> None:
    fine, seen = ([2.0] * H, [1.0] * H), [2.0] * (2 * H)
    good = (2.0, 0.0, 1.0, 1.0, 1.0)
    bad: dict[str, tuple[tuple[list[float], list[float]], Sequence[float | None], tuple[float | None, ...]]] = {
        "unseen": (fine, [None] * (2 * H), good),
        "s00a_no_rows": (fine, [], good),
        "infinite": (fine, [math.inf] * (2 * H), good),
        "negative": (fine, [-1.0] * (2 * H), good),
        "moneyless": (fine, seen, (2.0, 0.0, None, 1.0, 1.0)),
        "free": (fine, seen, (2.0, 0.0, 0.0, 1.0, 1.0)),
        "s05a_long": (fine, seen, (float(H), 0.0, 1.0, 1.0, 1.0)),
        "nan": (([math.nan] * H, [1.0] * H), seen, good),
        "s04a_pack": (fine, seen, (2.0, 0.0, 1.0, 1.0, 0.5)),  # rounded
        "s06a_lead": (fine, seen, (-1.0, 0.0, 1.0, 1.0, 1.0)),  # assumed
        "twice": (fine, seen, good),
        "beyond": (([2.0] * 60, [1.0] * 60), seen, good),
        "s03a_half": (fine, [*seen[:5], None, *seen[6:]], good),  # only the first cutoff's days have a hole
    }
    found = replayed(
        {u: forecast for u, (forecast, _, _) in bad.items()} | dict(DAILY),
        {u: actual for u, (_, actual, _) in bad.items()} | ACTUAL,
        [*((u, *terms) for u, (_, _, terms) in bad.items()), ("twice", *good), *SUPPLY],  # type: ignore[list-item]
    )
    mine, theirs = rows_by_key(ALONE.replay), rows_by_key(found.replay)
    assert {key: theirs[key] for key in mine} == mine
    assert {key[:2] for key in set(theirs) - set(mine)} == {
        ("s03a_half", CUTOFFS[1]),
        *((name, cutoff) for name in ("s04a_pack", "s06a_lead") for cutoff in CUTOFFS),
    }


def test_a_longer_horizon_is_replayed_whole_and_beside_the_others() -> None:
    far = {"far": ([2.0] * (2 * H), [1.0] * (2 * H))}
    found = replayed(
        {**DAILY, **far}, {**ACTUAL, "far": [3.0] * (2 * H)}, [*SUPPLY, ("far", float(H), 0.0, 1.0, 1.0, 1.0)]
    )
    rows = {key: row for key, row in rows_by_key(found.replay).items() if key[0] == "far"}
    # Its days after the second cutoff are not all known.
    assert {key[1] for key in rows} == {CUTOFFS[0]}
    assert {(row["n_days"], row["demand_qty"]) for row in rows.values()} == {(2 * H, 6.0 * H)}
    assert {key: rows_by_key(found.replay)[key] for key in rows_by_key(ALONE.replay)} == rows_by_key(ALONE.replay)


def test_an_empty_bucket_gives_empty_tables_of_the_same_schema() -> None:
    for empty in (
        replayed({}, {}, []),
        replayed(DAILY, {}, SUPPLY),
        replay_bucket({}, actual_table({}), supply_table(), {}, {}, {}, SPEC, PATH_TERMS),
    ):
        assert (empty.replay.num_rows, empty.summary.num_rows) == (0, 0)
        assert empty.replay.schema == ALONE.replay.schema
        assert empty.summary.schema == ALONE.summary.schema == REPLAY_SUMMARY_SCHEMA


# --------------------------------------------------------------------------------------------------------- the summary
def test_the_summary_adds_up_the_rows_of_each_choice() -> None:
    classes = pa.concat_tables([class_table(IDS[:5]), class_table(IDS[5:], "lumpy")])
    actual = {**ACTUAL, IDS[2]: [*ACTUAL[IDS[2]][:-1], None]}  # not replayed at the second cutoff
    found = replayed(DAILY, actual, SUPPLY, classes=classes)
    rows = rows_by_key(found.replay)
    seen = set()
    for line in found.summary.to_pylist():
        ids = IDS[:5] if line["demand_class"] == "smooth" else IDS[5:]
        policy, windows = line["policy"], CHOICES[line["cutoff"]]
        seen.add((line["cutoff"], line["demand_class"], policy))
        own = {u: [rows[u, w, policy] for w in windows if (u, w, policy) in rows] for u in ids}
        first = {u: [rows[u, w, "tuned_s_s"] for w in windows if (u, w, "tuned_s_s") in rows] for u in ids}
        mean = {u: sum(row["score"] for row in own[u]) / len(own[u]) for u in ids}
        gap = {u: [mine["score"] - its["score"] for mine, its in zip(own[u], first[u], strict=True)] for u in ids}
        d = {u: sum(values) / len(values) for u, values in gap.items()}
        repeated = [u for u in ids if len(gap[u]) > 1]
        assert line["series"] == len(ids)
        assert line["score_sum"] == pytest.approx(sum(mean.values()))
        assert line["difference_sum"] == pytest.approx(sum(d.values()))
        assert line["difference_square_sum"] == pytest.approx(sum(x * x for x in d.values()))
        assert line["repeated_series"] == len(repeated)
        assert line["window_variance_sum"] == pytest.approx(sum(np.var(gap[u], ddof=1) for u in repeated))
        assert line["inverse_windows_sum"] == pytest.approx(sum(1 / len(gap[u]) for u in ids))
        for column, total in (("demand_sum", "demand_qty"), ("sales_sum", "sales_qty")):
            assert line[column] == pytest.approx(sum(row[total] for u in ids for row in own[u]))
    # The benchmark is replayed but does not compete.
    assert seen == {(c, k, p) for c in CHOICES for k in ("smooth", "lumpy") for p in SPEC.candidates}
    assert len(seen) == found.summary.num_rows

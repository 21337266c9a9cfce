from collections.abc import Mapping
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from udfs.demand.demand_profile import DEMAND_CLASSES
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.policies.choose import ReplayEvidence, choose, merge_replay_summaries, summarise_replays

DAYS = (date(2024, 1, 1), date(2024, 1, 29))
NOW = date(2024, 2, 26)
SMOOTH = DEMAND_CLASSES.index("smooth")


def rows(scores: Mapping[str, Mapping[str, float]], served: Mapping[str, float] | None = None) -> pa.Table:
    """policy -> unique_id -> score, the same in both windows; each of 10 units, of which a share is served."""
    found = [
        (unique_id, day, policy, score, 10.0, 10.0 * (served or {}).get(policy, 1.0), True)
        for policy, by_id in scores.items()
        for unique_id, score in by_id.items()
        for day in DAYS
    ]
    names = ["unique_id", "cutoff", "policy", "score", "demand_qty", "sales_qty", "is_service_required"]
    types = [pa.string(), pa.date32(), pa.string(), *[pa.float64()] * 3, pa.bool_()]
    return pa.table([pa.array(c, t) for c, t in zip(zip(*found, strict=True), types, strict=True)], names=names)


def chosen(table: pa.Table, ids: list[str], spec: InventorySpec) -> dict[str, str]:
    every, class_S = np.array(sorted(set(table["unique_id"].to_pylist()))), SMOOTH
    summary = summarise_replays(table, every, np.full(len(every), class_S), spec, NOW, DAYS)
    evidence = ReplayEvidence(table, merge_replay_summaries(summary))
    found = choose(evidence, np.array(ids), np.full(len(ids), class_S), spec, NOW, DAYS)
    return dict(zip(ids, found.name_S, strict=True))


IDS = [f"s{i}" for i in range(30)]
SPEC = InventorySpec(candidates=("s_s", "base_stock", "z_sigma"))


def test_the_cheapest_wins_series_by_series() -> None:
    rng = np.random.default_rng(1)
    cheap = {unique_id: float(rng.uniform(0.1, 0.2)) for unique_id in IDS}
    dear = dict.fromkeys(IDS, 1.0)
    half = {u: (cheap[u] if i % 2 else dear[u]) for i, u in enumerate(IDS)}
    other = {u: (dear[u] if i % 2 else cheap[u]) for i, u in enumerate(IDS)}
    found = chosen(rows({"s_s": half, "base_stock": other, "z_sigma": dict.fromkeys(IDS, 2.0)}), IDS, SPEC)
    assert all(found[u] == ("s_s" if i % 2 else "base_stock") for i, u in enumerate(IDS))


def test_a_cheap_policy_that_serves_too_little_does_not_compete() -> None:
    scores = {"s_s": dict.fromkeys(IDS, 0.5), "base_stock": dict.fromkeys(IDS, 0.1), "z_sigma": dict.fromkeys(IDS, 1.0)}
    assert set(chosen(rows(scores, {"base_stock": 0.9}), IDS, SPEC).values()) == {"s_s"}
    assert set(chosen(rows(scores), IDS, SPEC).values()) == {"base_stock"}


def test_where_none_serves_enough_the_nearest_orders() -> None:
    scores = {"s_s": dict.fromkeys(IDS, 0.5), "base_stock": dict.fromkeys(IDS, 0.1), "z_sigma": dict.fromkeys(IDS, 1.0)}
    served = {"s_s": 0.7, "base_stock": 0.6, "z_sigma": 0.9}
    assert set(chosen(rows(scores, served), IDS, SPEC).values()) == {"z_sigma"}


def test_a_series_without_a_replay_follows_its_class_and_an_empty_class_the_first_candidate() -> None:
    scores = {"s_s": dict.fromkeys(IDS, 0.5), "base_stock": dict.fromkeys(IDS, 0.1), "z_sigma": dict.fromkeys(IDS, 1.0)}
    table = rows(scores)
    assert chosen(table, ["unseen"], SPEC) == {"unseen": "base_stock"}
    empty = table.slice(0, 0)
    evidence = ReplayEvidence(
        empty, merge_replay_summaries(summarise_replays(empty, np.array([]), np.array([]), SPEC, NOW, DAYS))
    )
    found = choose(evidence, np.array(["a"]), np.array([SMOOTH]), SPEC, NOW, DAYS)
    assert (found.name_S[0], found.rule_S[0]) == ("s_s", "first candidate for smooth demand: no replays to choose by")


def test_a_learned_policy_that_its_class_does_not_prove_is_taken_only_where_it_beat_the_tuned_base_stock() -> None:
    spec = InventorySpec(candidates=("neural", "tuned_base_stock"))
    wins, ties = IDS[:15], IDS[15:]
    neural = dict.fromkeys(wins, 0.2) | dict.fromkeys(ties, 0.5) | {ties[0]: 4.0}
    table = rows({"neural": neural, "tuned_base_stock": dict.fromkeys(IDS, 0.5)})
    found = chosen(table, [*IDS, "unseen"], spec)
    assert all(found[u] == "neural" for u in wins)
    assert all(found[u] == "tuned_base_stock" for u in [*ties, "unseen"])


@pytest.mark.parametrize("candidates", [("neural", "tuned_base_stock"), ("tuned_s_s", "neural", "tuned_base_stock")])
def test_a_learned_policy_that_its_class_proves_orders_also_where_chance_was_against_it(
    candidates: tuple[str, ...],
) -> None:
    """It saves .05 on average; a series' own windows differ by chance, so that they count for little."""
    rng = np.random.default_rng(2)
    spec, ids = InventorySpec(candidates=candidates), [f"s{i:03d}" for i in range(200)]

    def drawn(mean: float) -> pa.Table:
        by_day = [rows({"neural": dict(zip(ids, rng.normal(mean, 0.1, 200), strict=True))}) for _ in DAYS]
        noisy = [t.filter(pc.equal(t["cutoff"], pa.scalar(day))) for t, day in zip(by_day, DAYS, strict=True)]
        others = {name: dict.fromkeys(ids, 0.5) for name in candidates if name != "neural"}
        return pa.concat_tables([*noisy, rows(others)])

    good, even = drawn(0.45), drawn(0.5)
    found = chosen(good, [*ids, "unseen"], spec)
    assert found["unseen"] == "neural"
    neural_S = pc.mean(good.filter(pc.equal(good["policy"], "neural"))["score"]).as_py()
    assert neural_S < 0.5
    assert sum(name == "neural" for name in found.values()) > 190
    assert chosen(even, ["unseen"], spec)["unseen"] != "neural"


def test_sums_of_buckets_add_up_in_any_order() -> None:
    rng = np.random.default_rng(4)
    table = rows({name: {u: float(rng.uniform()) for u in IDS} for name in SPEC.candidates})
    parts = [
        summarise_replays(table, np.array(ids), np.full(len(ids), SMOOTH), SPEC, NOW, DAYS)
        for ids in (IDS[:7], IDS[7:20], IDS[20:])
    ]
    whole = merge_replay_summaries(summarise_replays(table, np.array(IDS), np.full(30, SMOOTH), SPEC, NOW, DAYS))
    forward, backward = (
        merge_replay_summaries(pa.concat_tables(parts)),
        merge_replay_summaries(pa.concat_tables(parts[::-1])),
    )
    assert forward.equals(backward)
    assert forward["demand_sum"].to_pylist() == [600.0] * 3
    for name in ("score_sum", "difference_sum", "sales_sum"):
        assert forward[name].to_pylist() == pytest.approx(whole[name].to_pylist())

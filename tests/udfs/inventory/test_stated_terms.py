"""Terms of supply as feeds have them: fractions, nonsense, nothing; no series ends for its terms."""

from __future__ import annotations

import numpy as np
import pytest

from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.order_quantity import round_order
from udfs.inventory.stated_terms import TERMS, Goods, StatedTerm, UsableTerms, doubt_words, supply_note, usable_terms

NAN, INF = float("nan"), float("inf")
SPEC = InventorySpec(lead_time_days=7, moq_qty=2.0, pack_qty=4.0, order_cost=0.5, review_days=2)
GOOD = {"lead_time_days": 3.0, "moq_qty": 6.0, "pack_qty": 6.0, "order_cost": 1.0, "unit_cost": 2.0}
ASSUMED = {"lead_time_days": 7.0, "moq_qty": 2.0, "pack_qty": 4.0, "order_cost": 0.5, "unit_cost": 2.8}


def usable(
    rows: list[dict[str, float | str | None]],
    *,
    mean: float = 10.0,
    price: float = 4.0,
    is_fractional: bool = False,
    spec: InventorySpec = SPEC,
) -> UsableTerms:
    """One series a row: a number, a text that is no number, or None where the feed states nothing."""
    stated = {}
    for name in TERMS:
        given = [row.get(name, GOOD[name]) for row in rows]
        value_S = np.array([NAN if x is None or isinstance(x, str) else x for x in given])
        text_S = np.array([None if x is None else x if isinstance(x, str) else f"{x:g}" for x in given], dtype=object)
        stated[name] = StatedTerm(value_S, text_S)
    S = len(rows)
    goods = Goods(np.full(S, mean), np.full(S, price), np.full(S, is_fractional))
    return usable_terms(stated, {name: np.full(S, value) for name, value in ASSUMED.items()}, goods, spec)


def one(name: str, value: float | str | None, **more: object) -> tuple[float, bool, str | None, list[str]]:
    """What the plan takes of a single odd term, whether that is assumed, the note, and the doubts, of one series."""
    found = usable([{name: value}, {}], **more)  # type: ignore[arg-type]
    others = [found.value[term][0] for term in TERMS if term != name]
    assert others == [GOOD[term] for term in TERMS if term != name], "a term costs itself alone"
    assert [found.value[term][1] for term in TERMS] == [GOOD[term] for term in TERMS], "and its series alone"
    doubts = [f"{note.kind}: {doubt_words(note)}" for note in found.notes_S[0] if note.kind != "assumed"]
    return float(found.value[name][0]), bool(found.is_assumed[name][0]), supply_note(found.notes_S[0]), doubts


def test_terms_as_they_should_be_stay_and_nothing_is_said() -> None:
    found = usable([{}, {"lead_time_days": 0.0, "moq_qty": 0.0, "pack_qty": 1.0, "order_cost": 0.0}])
    assert [supply_note(notes) for notes in found.notes_S] == [None, None]
    assert not np.any(list(found.is_assumed.values()))
    assert [found.value["lead_time_days"][1], found.value["pack_qty"][1]] == [0.0, 1.0]


@pytest.mark.parametrize(("stated", "taken"), [(2.5, 3.0), (0.1, 1.0), (6.0001, 7.0)])
def test_a_lead_time_with_a_fraction_is_rounded_up(stated: float, taken: float) -> None:
    for is_fractional in (False, True):
        value, is_assumed, note, doubts = one("lead_time_days", stated, is_fractional=is_fractional)
        assert (value, is_assumed) == (taken, False)
        assert note == f"lead_time_days {stated:g} rounded to {taken:g}"
        assert doubts == [f"rounded: lead time {stated:g} days rounded up to {taken:g}"]


@pytest.mark.parametrize("name", ["pack_qty", "moq_qty"])
@pytest.mark.parametrize(("stated", "taken"), [(2.5, 3.0), (0.2, 1.0), (11.99, 12.0)])
def test_a_lot_with_a_fraction_is_rounded_up_for_goods_that_are_counted_and_stays_for_goods_by_weight(
    name: str, stated: float, taken: float
) -> None:
    value, is_assumed, note, doubts = one(name, stated)
    assert (value, is_assumed, note) == (taken, False, f"{name} {stated:g} rounded to {taken:g}")
    assert len(doubts) == 1
    assert one(name, stated, is_fractional=True) == (stated, False, None, [])


def test_goods_by_weight_are_ordered_in_packs_with_a_fraction() -> None:
    order = round_order(np.array([6.1, 7.5, 0.2]), np.zeros(3), np.array([2.5, 2.5, 0.25]))
    assert order.tolist() == [7.5, 7.5, 0.25]


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("pack_qty", 0.0),
        ("pack_qty", -6.0),
        ("pack_qty", "6 pcs"),
        ("pack_qty", NAN),
        ("pack_qty", 1e9),
        ("moq_qty", -1.0),
        ("moq_qty", "one"),
        ("moq_qty", 1e9),
        ("lead_time_days", -1.0),
        ("lead_time_days", "2-3"),
        ("lead_time_days", INF),
        ("lead_time_days", 3000.0),
        ("lead_time_days", 728.5),  # with two days of review beyond what can be planned
        ("order_cost", -5.0),
        ("order_cost", "free"),
        ("order_cost", INF),
        ("unit_cost", -0.01),
        ("unit_cost", "2,5"),
        ("unit_cost", NAN),
    ],
)
def test_a_term_that_no_plan_can_be_made_with_is_replaced_and_said(name: str, stated: float | str) -> None:
    value, is_assumed, note, doubts = one(name, stated)
    text = stated if isinstance(stated, str) else f"{stated:g}"
    assert (value, is_assumed) == (ASSUMED[name], True)
    assert note == f"{name} '{text}' replaced by {ASSUMED[name]:g}"
    assert len(doubts) == 1
    assert doubts[0].startswith(f"replaced: {TERMS[name][0]} '{text}' cannot be planned with, {ASSUMED[name]:g}")


@pytest.mark.parametrize("name", list(TERMS))
def test_what_is_not_stated_is_assumed_and_no_doubt(name: str) -> None:
    assert one(name, None) == (ASSUMED[name], True, f"{name} assumed {ASSUMED[name]:g}", [])


def test_an_unknown_cost_stays_unknown() -> None:
    found = usable_terms(
        {name: StatedTerm(np.array([NAN]), np.array([None], dtype=object)) for name in TERMS},
        {name: np.array([NAN if name == "unit_cost" else 1.0]) for name in TERMS},
        Goods(np.array([1.0]), np.array([NAN]), np.array([False])),
        SPEC,
    )
    assert np.isnan(found.value["unit_cost"][0])
    assert str(supply_note(found.notes_S[0])).endswith("unit_cost assumed unknown")


@pytest.mark.parametrize(
    ("name", "least", "words"),
    [
        ("lead_time_days", 181.0, "lead time 181 days"),
        ("moq_qty", 3651.0, "minimum order 3651 is 365 days of demand"),
        ("pack_qty", 3651.0, "pack 3651 is 365 days of demand"),
        ("unit_cost", 81.0, "unit cost 81 beside a price of 4.00"),
        ("unit_cost", 0.0, "unit cost 0 says that a unit costs nothing"),
    ],
)
def test_what_hardly_can_be_meant_is_used_and_said(name: str, least: float, words: str) -> None:
    assert one(name, least) == (least, False, None, [f"doubtful: {words}"])
    assert one(name, max(least - 1.0, 0.5))[3] == []
    wider = InventorySpec(
        review_days=2, doubtful_lead_days=500, doubtful_lot_days=9e9, doubtful_stock_days=9e9, doubtful_cost_ratio=9e9
    )
    assert (one(name, least, spec=wider)[3] == []) is bool(least)


def test_lots_are_measured_by_demand() -> None:
    """A million a day may come in packs of a million; of what hardly sells a thousand is much, a billion nonsense."""
    for lot, mean, said in (
        (1e6, 1e6, []),
        (12.0, 0.01, ["doubtful"]),
        (1.0, 0.0001, []),
        (12.0, 0.0, []),
        (1e6, 10.0, ["replaced"]),
        (99_999.0, 0.0, []),
        (99_999.0, 0.1, ["doubtful"]),
        (100_001.0, 0.1, ["replaced"]),
        (100_001.0, 300.0, []),
    ):
        for name in ("moq_qty", "pack_qty"):
            doubts = [text for text in one(name, lot, mean=mean)[3] if f" {TERMS[name][0]} " in text]
            assert [text.split(":")[0] for text in doubts] == said, (lot, mean)


def test_a_price_that_is_not_known_makes_no_cost_doubtful() -> None:
    assert one("unit_cost", 1e6, price=NAN)[3] == []


def test_many_series_are_read_one_by_one() -> None:
    """All oddities at once, each as it is alone."""
    odd = [("lead_time_days", 2.5), ("pack_qty", 0.0), ("moq_qty", 1e9), ("unit_cost", "x"), ("order_cost", None)]
    together = usable([{name: value} for name, value in odd])
    for row, (name, value) in enumerate(odd):
        alone = usable([{name: value}])
        assert together.notes_S[row] == alone.notes_S[0]
        assert [together.value[t][row] for t in TERMS] == [alone.value[t][0] for t in TERMS]

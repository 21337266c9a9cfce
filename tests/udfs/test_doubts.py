"""Doubts in words, by kind."""

from __future__ import annotations

import pytest

from udfs.doubts import KINDS, Doubts, kinds_of


def test_a_text_has_the_gravest_kind_first_and_each_sentence_once() -> None:
    doubts = Doubts(3)
    doubts.add("supply rounded", 0, "lead time 2.5 days rounded up to 3")
    doubts.add("stock negative", 0, "-5 on hand, taken as 0")
    doubts.add("stock negative", 0, "-5 on hand, taken as 0")
    doubts.add("supply rounded", 2, "pack 2.5; rounded: up")
    assert doubts.texts() == [
        "stock negative: -5 on hand, taken as 0; supply rounded: lead time 2.5 days rounded up to 3",
        None,
        "supply rounded: pack 2.5, rounded: up",
    ]
    assert [kinds_of(text) for text in doubts.texts()] == [
        ["stock negative", "supply rounded"],
        [],
        ["supply rounded"],
    ]


def test_what_was_found_before_is_kept_beside_what_is_found_now() -> None:
    earlier = Doubts(1)
    earlier.add("forecast repaired", 0, "quantiles crossed on 2 days")
    doubts = Doubts(2)
    doubts.add("supply doubtful", 0, "lead time 300 days")
    doubts.add_text(0, earlier.texts()[0])
    doubts.add_text(0, "of a later day: 3 days")
    doubts.add_text(1, None)
    assert doubts.texts() == [
        "forecast repaired: quantiles crossed on 2 days; supply doubtful: lead time 300 days; of a later day: 3 days",
        None,
    ]


@pytest.mark.parametrize("kind", ["", "stock", "Stock negative"])
def test_an_unknown_kind_is_refused(kind: str) -> None:
    with pytest.raises(KeyError):
        Doubts(1).add(kind, 0, "words")


def test_every_kind_can_be_told_from_its_words() -> None:
    assert all(": " not in kind and "; " not in kind and meaning for kind, meaning in KINDS.items())

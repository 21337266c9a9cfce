"""Counts that cannot be meant: below 0, a barcode, no number; each ends with a mark and the value stated."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from tests.udfs.inventory.tables import AS_OF, stock_table
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.planning_inputs import Problems
from udfs.inventory.kernels.stock_counts import CORRECTED, Counts, read_counts

NAN, INF = float("nan"), float("inf")
DAY = timedelta(days=1)
SPEC = InventorySpec()
Row = tuple[str, float | None, float | None, date]


def counts(
    rows: list[Row], mean: float = 10.0, spec: InventorySpec = SPEC, refused: dict[int, dict[str, str]] | None = None
) -> Counts:
    """Of the series in the order of their first rows; refused: by row, what the feed states and is no number."""
    table = stock_table(rows)
    if refused is not None:
        texts = [json.dumps(refused[row]) if row in refused else None for row in range(len(rows))]
        table = table.append_column("refused_values", pa.array(texts, pa.string()))
    ids = np.array(list(dict.fromkeys(row[0] for row in rows)), dtype=object)
    problems: Problems = {}
    found = read_counts(table, ids, np.full(len(ids), mean), AS_OF, spec, problems)
    assert problems == {}
    return found


def one(on_hand: float | None, on_order: float | None = 0.0, **more: object) -> tuple[float, float, list[str]]:
    """On hand, on order and doubts of one count of today."""
    found = counts([("a", on_hand, on_order, AS_OF)], **more)  # type: ignore[arg-type]
    return float(found.on_hand_S[0]), float(found.on_order_S[0]), [": ".join(each) for each in found.doubts_S[0]]


@pytest.mark.parametrize("counted", [0.0, 1.0, 999.0, 36_500.0, 0.25])
def test_a_plausible_count_stays_and_nothing_is_said(counted: float) -> None:
    assert one(counted) == (counted, 0.0, [])


@pytest.mark.parametrize("counted", [-1.0, -0.5, -4e7])
def test_a_quantity_below_nothing_counts_as_none_and_is_said(counted: float) -> None:
    assert one(counted) == (
        0.0,
        0.0,
        [f"stock negative: {counted:,g} on hand, taken as 0".replace("-4e+07", "-40,000,000")],
    )
    on_order = one(5.0, counted)
    assert on_order[:2] == (5.0, 0.0)
    assert on_order[2][0].startswith("stock negative: ")
    assert on_order[2][0].endswith(" on order, taken as 0")
    waits = one(counted, spec=replace(SPEC, backorder_share=0.2))
    assert waits == (counted, 0.0, []), "where demand waits, it is what is owed"


@pytest.mark.parametrize("counted", [40_123_455.0, 590_123_412_345.0, INF, NAN])
def test_a_barcode_in_the_stock_is_no_count(counted: float) -> None:
    on_hand, on_order, doubts = one(counted, 3.0)
    assert np.isnan(on_hand)
    assert on_order == 3.0
    assert len(doubts) == 1
    assert doubts[0].startswith("stock unusable: ")
    assert doubts[0].endswith("taken as unknown")
    hand, order, said = one(3.0, counted)
    assert (hand, len(said)) == (3.0, 1)
    assert np.isnan(order)


@pytest.mark.parametrize(
    ("counted", "mean", "kind"),
    [
        (36_501.0, 10.0, "stock doubtful"),  # ten years of demand
        (1_001.0, 0.0, "stock doubtful"),
        (999.0, 0.001, None),  # dead stock
        (99_999.0, 0.1, "stock doubtful"),
        (100_001.0, 0.1, "stock unusable"),
        (1e6, 300.0, None),
    ],
)
def test_stock_is_measured_by_demand(counted: float, mean: float, kind: str | None) -> None:
    on_hand, _, doubts = one(counted, mean=mean)
    assert [text.split(": ")[0] for text in doubts] == ([kind] if kind else [])
    assert np.isnan(on_hand) if kind == "stock unusable" else on_hand == counted


def test_a_count_that_is_too_old_is_said_with_its_value() -> None:
    for age, said in ((0, []), (31, []), (32, ["stock old"]), (400, ["stock old"])):
        found = counts([("a", 12.0, None, AS_OF - age * DAY)])
        assert [kind for kind, _ in found.doubts_S[0]] == said
        assert np.isnan(found.on_hand_S[0]) == bool(said)
    assert found.doubts_S[0][0][1] == "12 counted 400 days before, too long ago"
    assert counts([("a", None, None, AS_OF - 400 * DAY)]).doubts_S[0] == ()


@pytest.mark.parametrize("text", ["4011.5 pcs", "n/a", "5901234123457"])
def test_what_is_no_number_is_said_as_it_is_stated(text: str) -> None:
    rows: list[Row] = [("a", 5.0, None, AS_OF - DAY), ("b", 1.0, 1.0, AS_OF), ("a", 7.0, None, AS_OF)]
    found = counts(rows, refused={2: {"on_order_qty": text}})
    assert (found.on_hand_S[0], found.doubts_S[0]) == (
        7.0,
        (("stock unusable", f"'{text}' on order, taken as unknown"),),
    )
    assert found.doubts_S[1] == ()
    earlier = counts(rows, refused={0: {"on_order_qty": text}})
    assert earlier.doubts_S[0] == (), "a later count took its place"


def test_each_series_is_read_by_itself() -> None:
    rows: list[Row] = [
        ("a", -3.0, 1.0, AS_OF),
        ("b", 9.0, -1.0, AS_OF),
        ("c", 4e7, None, AS_OF),
        ("d", 8.0, 2.0, AS_OF),
    ]
    found = counts(rows)
    kinds = [[kind for kind, _ in each] for each in found.doubts_S]
    assert kinds == [["stock negative"], ["stock negative"], ["stock unusable"], []]
    assert found.on_hand_S[[0, 1, 3]].tolist() == [0.0, 9.0, 8.0]
    for row, alone in enumerate(rows):
        assert counts([alone]).doubts_S[0] == found.doubts_S[row]
    assert all(kind in CORRECTED for each in kinds for kind in each)

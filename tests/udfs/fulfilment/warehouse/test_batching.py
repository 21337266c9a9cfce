"""Batches: all partitions of a few orders, the cart's limits, and pieces that are conserved."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.udfs.fulfilment.warehouse.warehouses import warehouse
from udfs.fulfilment.warehouse.batching import Cart, PickLines, batched
from udfs.fulfilment.warehouse.pick_tour import tour_lengths

LAYOUT = warehouse(6, 10)


def lines_of(rng: np.random.Generator, orders: int) -> PickLines:
    order_N = np.repeat(np.arange(orders), rng.integers(1, 4, orders))
    n = len(order_N)
    return PickLines(order_N, rng.integers(0, 120, n), rng.integers(1, 4, n), rng.integers(1, 9, n) / 4.0)


def partitions(orders: list[int]) -> Iterator[list[list[int]]]:
    if not orders:
        yield []
        return
    for rest in partitions(orders[1:]):
        yield [[orders[0]], *rest]
        for k in range(len(rest)):
            yield [*rest[:k], [orders[0], *rest[k]], *rest[k + 1 :]]


def metres(lines: PickLines, batches: list[list[int]], cart: Cart) -> float:
    """By all tours of a partition; inf where a cart does not hold it."""
    litres_O = np.bincount(lines.order_N, lines.pieces_N * lines.litres_N)
    if any(litres_O[batch].sum() > cart.litres or len(batch) > cart.orders for batch in batches):
        return np.inf
    slots = [lines.slot_N[np.isin(lines.order_N, batch)] for batch in batches]
    offset_K = np.concatenate([[0], np.cumsum([len(each) for each in slots])])
    return float(tour_lengths(LAYOUT, offset_K, np.concatenate(slots)).sum())


def test_few_orders_are_batched_nearly_as_the_best_partition() -> None:
    rng, gaps = np.random.default_rng(0), []
    for _ in range(30):
        lines, cart = lines_of(rng, 6), Cart(litres=14.0, orders=3)
        if np.bincount(lines.order_N, lines.pieces_N * lines.litres_N).max() > cart.litres:
            continue  # an order that is split is another test's
        found = batched(LAYOUT, lines, cart)
        order_of_batch = [
            np.unique(lines.order_N[found.line_M[found.batch_M == b]]).tolist() for b in range(len(found.length_B))
        ]
        assert metres(lines, order_of_batch, cart) == pytest.approx(found.length_B.sum())
        best = min(metres(lines, each, cart) for each in partitions(list(range(6))))
        gaps.append(found.length_B.sum() / best - 1)
    assert len(gaps) > 10
    assert np.mean(gaps) < 0.01
    assert max(gaps) < 0.2  # one case in thirty ends .17 above: local search leaves it there


def test_shifts_and_swaps_improve_on_savings_and_savings_on_single_orders() -> None:
    lines, cart = lines_of(np.random.default_rng(1), 80), Cart(litres=20.0, orders=6)
    improved, savings = batched(LAYOUT, lines, cart), batched(LAYOUT, lines, cart, rounds=0)
    single = batched(LAYOUT, lines, Cart(orders=1))
    assert improved.length_B.sum() < savings.length_B.sum() < 0.7 * single.length_B.sum()
    again = batched(LAYOUT, lines, cart)
    assert np.array_equal(again.batch_M, improved.batch_M)
    parts = batched(LAYOUT, lines, cart, together=20)
    assert parts.length_B.sum() < single.length_B.sum()


def test_an_order_above_the_cart_is_split_and_no_piece_is_lost() -> None:
    lines = PickLines(
        order_N=np.array([0, 0, 1, 2, 3]),
        slot_N=np.array([5, 90, 7, 9, 11]),
        pieces_N=np.array([7, 1, 2, 1, 3]),
        litres_N=np.array([3.0, 1.0, 1.0, 50.0, 0.0]),
    )
    found = batched(LAYOUT, lines, Cart(litres=10.0))
    assert np.array_equal(np.bincount(found.line_M, found.pieces_M), lines.pieces_N)
    load_B = np.bincount(found.batch_M, found.pieces_M * lines.litres_N[found.line_M])
    assert sorted(load_B[load_B > 10.0].tolist()) == [50.0]
    assert len(set(found.batch_M[found.line_M == 0].tolist())) == 3
    for line in (2, 4):
        assert (found.line_M == line).sum() == 1


def test_nothing_to_pick_is_no_batch() -> None:
    none = np.zeros(0, np.int64)
    assert len(batched(LAYOUT, PickLines(none, none, none, np.zeros(0)), Cart()).length_B) == 0


@pytest.mark.parametrize(("name", "value"), [("pieces_N", 0), ("litres_N", np.nan), ("litres_N", -1.0), ("slot_N", -1)])
def test_lines_that_cannot_be_are_named(name: str, value: float) -> None:
    columns = {
        "order_N": np.array([0, 0]),
        "slot_N": np.array([1, 2]),
        "pieces_N": np.array([1, 1]),
        "litres_N": np.ones(2),
    }
    columns[name] = np.array([columns[name][0], value])
    with pytest.raises(ValueError, match=f"{name}: expected .* in line 1"):
        PickLines(**columns)
    with pytest.raises(ValueError, match="cart"):
        Cart(litres=0.0)

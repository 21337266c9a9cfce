"""Pick tours: how many a second, how near in several blocks, batches: `python -m tests.benchmarks.bench_pick_tours`.

Seconds are those of the processor, of one core.
"""

from __future__ import annotations

import time

import numpy as np

from tests.udfs.fulfilment.warehouse.warehouses import held_karp, warehouse
from udfs.fulfilment.warehouse.batching import Cart, PickLines, batched
from udfs.fulfilment.warehouse.heuristic_tours import heuristic_lengths
from udfs.fulfilment.warehouse.pick_tour import tour_lengths, tours

TOURS = 300_000


def speed() -> None:
    rng, layout = np.random.default_rng(0), warehouse(10, 25)
    for words, size_K in (("1 to 20 lines", rng.integers(1, 21, TOURS)), ("20 lines", np.full(TOURS, 20))):
        offset_K = np.concatenate([[0], np.cumsum(size_K)])
        slot_N = rng.integers(0, 500, offset_K[-1])
        tour_lengths(layout, offset_K[:2], slot_N[: offset_K[1]])
        started = time.process_time()
        exact_K = tour_lengths(layout, offset_K, slot_N)
        seconds = time.process_time() - started
        print(f"{words}: {TOURS / seconds:,.0f} lengths a second, mean {exact_K.mean():.1f} m", end="")
        few = slice(0, 20_001)
        for rule in ("s_shape", "largest_gap", "combined"):
            metres = heuristic_lengths(layout, offset_K[few], slot_N[: offset_K[20_000]], rule).sum()
            print(f", {rule} +{metres / exact_K[:20_000].sum() - 1:.1%}", end="")
        started = time.process_time()
        tours(layout, offset_K[few], slot_N[: offset_K[20_000]])
        print(f"; {20_000 / (time.process_time() - started):,.0f} orders of slots a second")


def several_blocks() -> None:
    rng, gaps, seconds = np.random.default_rng(1), [], 0.0
    for case in range(200):
        layout = warehouse(int(rng.integers(2, 11)), 24, cross_after=((12,), (8, 16))[case % 2])
        slot_N = rng.choice(len(layout.slot_id_L), 13, replace=False)
        started = time.process_time()
        found = tour_lengths(layout, np.array([0, 13]), slot_N)[0]
        seconds += time.process_time() - started
        gaps.append(found / held_karp(layout, slot_N) - 1)
    print(f"several blocks, 13 slots, above Held and Karp: mean {np.mean(gaps):.3%}, worst {max(gaps):.2%}")


def batches() -> None:
    rng, layout = np.random.default_rng(2), warehouse(10, 25)
    order_N = np.repeat(np.arange(300), rng.integers(1, 8, 300))
    n = len(order_N)
    lines = PickLines(order_N, rng.integers(0, 500, n), np.ones(n, np.int64), rng.uniform(0.5, 4.0, n))
    cart = Cart(litres=40.0, orders=8)
    started = time.process_time()
    found = batched(layout, lines, cart)
    seconds = time.process_time() - started
    offset_K = np.concatenate([[0], np.cumsum(np.bincount(order_N))])
    single = tour_lengths(layout, offset_K, lines.slot_N).sum()
    by_savings = batched(layout, lines, cart, rounds=0).length_B.sum()
    fcfs = _first_come(layout, lines, cart)
    print(
        f"300 orders: {single:,.0f} m one by one, {fcfs:,.0f} first come first served, {by_savings:,.0f} by savings, "
        f"{found.length_B.sum():,.0f} after shifts and swaps, {seconds:.1f} CPU seconds"
    )


def _first_come(layout, lines, cart) -> float:  # type: ignore[no-untyped-def]
    """Metres with carts that are filled as orders come."""
    litres_O = np.bincount(lines.order_N, lines.litres_N)
    batch_O, batch, load, count = [], 0, 0.0, 0
    for litres in litres_O:
        if load + litres > cart.litres or count == cart.orders:
            batch, load, count = batch + 1, 0.0, 0
        batch_O.append(batch)
        load, count = load + litres, count + 1
    batch_N = np.array(batch_O)[lines.order_N]
    offset_B = np.concatenate([[0], np.cumsum(np.bincount(batch_N))])
    return float(tour_lengths(layout, offset_B, lines.slot_N).sum())


if __name__ == "__main__":
    speed()
    several_blocks()
    batches()

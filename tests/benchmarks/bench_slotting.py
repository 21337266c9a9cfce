"""Slots: QAPLIB, and the invoices of a mail-order warehouse: `python -m tests.benchmarks.bench_slotting [NAME ...]`.

NAME is an instance of QAPLIB, or `invoices`; without names all. QAPLIB: `--starts` searches of about `--seconds` of the
processor each, the best of which counts; how many iterations that is is measured first, and printed. Invoices: learned
before 2010-10-01, tested on later ones, by the protocol of the data's README.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from tests import real_data
from tests.udfs.fulfilment.warehouse.warehouses import warehouse
from udfs.fulfilment.warehouse.assignment_problem import AssignmentProblem
from udfs.fulfilment.warehouse.heuristic_tours import Rule, heuristic_lengths
from udfs.fulfilment.warehouse.layout import IntArray, Layout
from udfs.fulfilment.warehouse.pick_tour import tour_lengths
from udfs.fulfilment.warehouse.quadratic_assignment import AssignmentEffort, assign
from udfs.fulfilment.warehouse.slot_moves import MoveTerms, slot_moves
from udfs.fulfilment.warehouse.slot_problem import NOWHERE, PickHistory, SlotProblem
from udfs.fulfilment.warehouse.slotting import SlotEffort, affinity_slots, assign_slots, swapped_slots
from udfs.fulfilment.warehouse.turnover_slots import turnover_slots

RULES: tuple[Rule, ...] = ("s_shape", "largest_gap", "combined")
CODES, LINES, DAYS = 500, 20, 300


def quadratic(names: list[str], starts: int, seconds: float) -> None:
    folder, gaps = real_data.find("qap_slotting"), []
    known = pd.read_csv(folder / "best_known.csv").dropna(subset="best_known").set_index("instance")["best_known"]
    for name in [name for name in known.index if name in names or not names]:
        words = (folder / f"{name}.dat").read_text().split()
        n = int(words[0])
        flow, distance = np.array(words[1:], dtype=float).reshape(2, n, n)
        problem = AssignmentProblem(flow, distance)
        assign(problem, AssignmentEffort(1, 1, 1))
        started = time.process_time()
        assign(problem, AssignmentEffort(20_000))
        each = int(20_000 * seconds / (time.process_time() - started))
        started = time.process_time()
        costs = [assign(problem, AssignmentEffort(each), seed).cost for seed in range(starts)]
        gap = 100 * (np.array(costs) / known[name] - 1)
        gaps.append(gap.min())
        spent = time.process_time() - started
        print(
            f"{name}: best {gap.min():.3f}%, mean {gap.mean():.3f}%, {each:,} iterations a start, {spent:.0f} s",
            flush=True,
        )
    print(f"{len(gaps)} instances: mean {np.mean(gaps):.3f}%, worst {max(gaps):.3f}%")


def invoices() -> tuple[tuple[IntArray, IntArray], tuple[IntArray, IntArray]]:
    """Offsets and products (by turnover) of the tours to learn from and of those to test on."""
    rows = pd.read_parquet(real_data.find("online_retail_II") / "online_retail_2009_2010.parquet")
    rows = rows[(rows["Quantity"] > 0) & rows["StockCode"].str.match(r"^\d{5}")]
    is_known = pd.to_datetime(rows["InvoiceDate"]) < pd.Timestamp("2010-10-01")
    most = rows.loc[is_known, "StockCode"].value_counts().index[:CODES]
    rows = rows.assign(product=rows["StockCode"].map(pd.Series(np.arange(CODES), index=most)), known=is_known)
    rows = rows.dropna(subset="product").drop_duplicates(["Invoice", "product"])
    return _tours(rows[rows["known"]]), _tours(rows[~rows["known"]])


def _tours(rows: pd.DataFrame) -> tuple[IntArray, IntArray]:
    """Each invoice's different products in the order of its lines, at most 20 a tour."""
    rows = rows.sort_values("Invoice", kind="stable")
    part = rows.groupby("Invoice").cumcount() // LINES
    number = rows.groupby(["Invoice", part]).ngroup()
    return np.concatenate([[0], np.cumsum(np.bincount(number))]), rows["product"].to_numpy(np.int64)


def judge(words: str, layout: Layout, slot_P: IntArray, tested: tuple[IntArray, IntArray]) -> None:
    offset_K, slot_N = tested[0], slot_P[tested[1]]
    mean = tour_lengths(layout, offset_K, slot_N).mean()
    by_rule = [heuristic_lengths(layout, offset_K, slot_N, rule).mean() / mean - 1 for rule in RULES]
    beside = ", ".join(f"{rule} +{above:.1%}" for rule, above in zip(RULES, by_rule, strict=True))
    print(f"{words}: {mean:.1f} m a tour; {beside}", flush=True)


def slotting(swaps: int) -> None:
    layout, (learned, tested) = warehouse(10, 25), invoices()
    print(f"{len(learned[0]) - 1:,} tours learned, {len(tested[0]) - 1:,} tested")
    history = PickHistory(*learned, weight_K=np.full(len(learned[0]) - 1, 1.0 / DAYS))
    anywhere, nothing_fixed = np.full(CODES, NOWHERE), np.zeros(CODES, dtype=bool)
    problem = SlotProblem(layout, np.zeros(CODES), anywhere, nothing_fixed, history)
    random_P = np.random.default_rng(0).permutation(CODES)
    turnover_P = turnover_slots(problem)
    judge("random", layout, random_P, tested)
    judge("turnover, aisle by aisle", layout, turnover_P, tested)
    effort = SlotEffort(swaps=swaps)
    affinity_P = affinity_slots(problem, turnover_P, effort.assignment, seed=0)
    judge("affinity alone", layout, affinity_P, tested)
    judge("swaps from turnover", layout, swapped_slots(problem, turnover_P, effort), tested)
    judge("swaps from affinity", layout, swapped_slots(problem, affinity_P, effort), tested)
    started = time.process_time()
    slot_P = assign_slots(problem, effort)
    judge(f"the shorter of both, {time.process_time() - started:.0f} CPU seconds", layout, slot_P, tested)
    present = SlotProblem(layout, np.zeros(CODES), turnover_P, nothing_fixed, history)
    terms = MoveTerms(metre_cost=0.01, move_cost=5.0, days=60)
    moves = slot_moves(present, terms, SlotEffort(swaps=swaps // 4))
    moved_P = turnover_P.copy()
    for move in moves:
        moved_P[move.product] = move.to_slot
    saved = sum({move.group: move.metres_a_day for move in moves}.values())
    print(f"from turnover, {len(moves)} moves save {saved:.0f} of {present.metres(turnover_P):.0f} m a day", flush=True)
    judge("after these moves", layout, moved_P, tested)
    assert present.metres(swapped_slots(present, moved_P, SlotEffort(swaps=0))) <= present.metres(turnover_P)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--swaps", type=int, default=100_000)
    asked = parser.parse_args()
    if not asked.names or "invoices" in asked.names:
        slotting(asked.swaps)
    if asked.names != ["invoices"]:
        quadratic(asked.names, asked.starts, asked.seconds)


if __name__ == "__main__":
    main()

"""Which products change their slots: moves whose metres repay their labour within so many days, in an order that can be
carried out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from udfs.fulfilment.warehouse.layout import IntArray
from udfs.fulfilment.warehouse.slot_problem import NOWHERE, SlotProblem
from udfs.fulfilment.warehouse.slotting import SlotEffort, swapped_slots

STAGING = -1


@dataclass(frozen=True)
class MoveTerms:
    """metre_cost: of a metre walked. move_cost: of bringing a product from one place to another. days: within which
    moves repay. Raises ValueError on what is not above 0."""

    metre_cost: float
    move_cost: float
    days: float

    def __post_init__(self) -> None:
        if not (self.metre_cost > 0 and self.move_cost > 0 and self.days > 0):
            raise ValueError(f"terms: expected a metre's cost, a move's cost and days above 0, found {self}")

    @property
    def worth(self) -> float:
        """Metres a day that a move has to save."""
        return self.move_cost / (self.metre_cost * self.days)


@dataclass(frozen=True)
class SlotMove:
    """One of the moves of a group, which only together make sense: a product from a slot, or STAGING, to another.

    metres_a_day, payback_days: of the whole group, after the groups before it.
    """

    group: int
    product: int
    from_slot: int
    to_slot: int
    metres_a_day: float
    payback_days: float


def slot_moves(problem: SlotProblem, terms: MoveTerms, effort: SlotEffort, seed: int = 0) -> list[SlotMove]:
    """Moves from the present slots, what saves most for its labour first. Each group repays within the terms' days,
    by what it saves after the groups before it.

    A group is a chain into an empty slot, carried out from its end, or a round of products, of which the first waits in
    STAGING, which is a move more. Products that are nowhere have no moves.
    """
    target_P = swapped_slots(problem, problem.present_P, effort, seed, worth=terms.worth)
    at_P, metres, moves = problem.present_P.copy(), problem.metres(problem.present_P), list[SlotMove]()
    alone = [_steps(chain, at_P, target_P) for chain in _chains(at_P, target_P)]
    waiting = sorted(alone, key=lambda steps: (problem.metres(_moved(at_P, steps)) - metres) / len(steps))
    while waiting:
        left = []
        for steps in waiting:
            after_P = _moved(at_P, steps)
            saved = metres - problem.metres(after_P)
            if saved < terms.worth * len(steps):
                left.append(steps)
                continue
            group, payback = moves[-1].group + 1 if moves else 0, terms.worth * len(steps) * terms.days / saved
            moves += [SlotMove(group, *step, metres_a_day=saved, payback_days=payback) for step in steps]
            at_P, metres = after_P, metres - saved
        if len(left) == len(waiting):
            break
        waiting = left  # what others have moved may make them worth it
    return moves


def _chains(present_P: IntArray, target_P: IntArray) -> list[list[int]]:
    """Products that move, each before the one whose slot it takes: chains into empty slots, and rounds."""
    holder = {int(slot): p for p, slot in enumerate(present_P) if slot != NOWHERE}
    follows: dict[int, int | None] = {
        p: holder.get(int(target_P[p])) for p in np.flatnonzero(present_P != target_P).tolist()
    }
    chains, heads = [], set(follows) - set(follows.values())
    for start in [*sorted(heads), *sorted(follows)]:
        chain: list[int] = []
        p: int | None = start
        while p is not None and p in follows:
            chain.append(p)
            p = follows.pop(p)
        if chain:
            chains.append(chain)
    return chains


def _steps(chain: list[int], present_P: IntArray, target_P: IntArray) -> list[tuple[int, int, int]]:
    """Product, slot from and slot to of each move of a chain, in an order that finds each slot empty."""
    moves = [(p, int(present_P[p]), int(target_P[p])) for p in reversed(chain)]
    first, slot, to = moves[0]
    if to != present_P[chain[0]]:
        return moves
    return [(first, slot, STAGING), *moves[1:], (first, STAGING, to)]


def _moved(at_P: IntArray, steps: list[tuple[int, int, int]]) -> IntArray:
    at_P = at_P.copy()
    for product, _, to in steps:
        at_P[product] = to
    return at_P

"""Relax-and-fix, then fix-and-optimise (Helber & Sahling 2010): a first plan from windows of periods, then again and
again the set-ups of a few items or periods are set free while all others stay, and HiGHS finds the best of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult

from udfs.supply_network.production.bill_of_materials import FloatArray
from udfs.supply_network.production.lot_model import LotModel

_SETUPS_AT_ONCE = 40  # HiGHS is done with so many in a tenth of a second
_NODES = 300
_FIRST_NODES = 100  # of a window of the first plan, which later rounds better
_FEW_SETUPS = 100  # so small a problem has the time for windows that overlap, from which a better plan begins
_PATIENCE = 12


@dataclass(frozen=True, eq=False)
class Solution:
    """value_N: of the model's columns. bound: no plan costs less. is_proven: `cost` is the least there is."""

    cost: float
    bound: float
    value_N: FloatArray
    is_proven: bool


def solve(
    model: LotModel,
    seconds: float,
    rounds: int | None = None,
    seed: int = 0,
    clock: Callable[[], float] = time.monotonic,
    wall_per_second: float = 1.0,
) -> Solution:
    """The best plan that is found in so many `rounds` (None: any number) and within `seconds` by `clock`, and a bound.

    `wall_per_second`: HiGHS goes by the clock on the wall; where `clock` is another, how much faster that one may run.

    Where the rounds end the search, and not the seconds, the same problem has the same plan on any machine.

    The model has a plan for whatever demand, if by hours that are not there; one whose columns `missing` are 0 is a
    plan in full. Raises ValueError where not even the relaxed model can be solved in the time.
    """
    search = _Search(model, clock() + seconds, np.random.default_rng(seed), clock, wall_per_second)
    shape = model.problem.demand_IT.shape
    zero_IT, one_IT = np.zeros(shape), np.ones(shape)
    # The bound is worth its time: without it nobody knows what the plan is worth.
    relaxed = model.solve(zero_IT, one_IT, 10.0 * seconds * wall_per_second, whole_IT=zero_IT)
    if relaxed.x is None:
        raise ValueError(
            f"lot sizing: expected the relaxed model of {zero_IT.size:,} set-ups solved within {10 * seconds:g} s, "
            f"found none ({relaxed.message}); allow more seconds, or plan fewer items or periods at once"
        )
    if _is_whole(relaxed.x[model.setup]):
        return Solution(relaxed.fun, relaxed.fun, relaxed.x, True)
    first = search.first_plan()
    proven = search.improve(first, relaxed.fun, rounds)
    best = search.best
    if best is None:
        raise ValueError(f"lot sizing: expected a plan within {seconds:g} s, found none; allow more seconds")
    return Solution(best.fun, best.fun if proven else relaxed.fun, best.x, proven)


def _is_whole(setup: FloatArray) -> bool:
    return bool((np.abs(setup - np.round(setup)) < 1e-6).all())


class _Search:
    def __init__(
        self, model: LotModel, end: float, rng: np.random.Generator, clock: Callable[[], float], wall: float
    ) -> None:
        self.model, self.end, self.rng, self.clock, self.wall = model, end, rng, clock, wall
        self.n_items, self.periods = model.problem.demand_IT.shape
        self.best: OptimizeResult | None = None

    def left(self) -> float:
        return self.end - self.clock()

    def setups(self, found: OptimizeResult) -> FloatArray:
        return np.round(found.x[self.model.setup]).reshape(self.n_items, self.periods)

    def first_plan(self) -> FloatArray:
        """Windows of periods from the first to the last, the later ones relaxed, the earlier ones fixed."""
        low_IT, high_IT = np.zeros((self.n_items, self.periods)), np.ones((self.n_items, self.periods))
        width = max(2, round(_SETUPS_AT_ONCE / self.n_items))
        step = width // 2 if low_IT.size <= _FEW_SETUPS else width
        for start in range(0, self.periods, step):
            stop = min(start + width, self.periods)
            whole_IT = np.zeros_like(low_IT)
            whole_IT[:, :stop] = 1.0
            seconds = max(self.left() / 3, 0.3) * self.wall
            found = self.model.solve(low_IT, high_IT, seconds, whole_IT=whole_IT, gap=5e-3, nodes=_FIRST_NODES)
            if found.x is None:
                return self._surely_possible()
            fixed = self.periods if stop == self.periods else start + step
            low_IT[:, :fixed] = high_IT[:, :fixed] = self.setups(found)[:, :fixed]
            if stop == self.periods:
                self.best = found
                break
        return self.setups(self.best) if self.best is not None else self._surely_possible()

    def _surely_possible(self) -> FloatArray:
        """All set up, for hours that are not there are only dear; none, where what is not made is never met."""
        is_late_allowed = self.model.unmet.stop > self.model.unmet.start
        return np.zeros((self.n_items, self.periods)) if is_late_allowed else np.ones((self.n_items, self.periods))

    def improve(self, setup_IT: FloatArray, bound: float, rounds: int | None) -> bool:
        """Set free and solve until the time is over; True where all set-ups were free and the plan is the best."""
        size, stall, done = float(_SETUPS_AT_ONCE), 0, 0
        while self.best is None or (self.left() > 0.05 and self.best.fun > bound * (1 + 1e-4) and done != rounds):
            free_IT = self._neighbourhood(size, self._short_period())
            low_IT, high_IT = np.where(free_IT, 0.0, setup_IT), np.where(free_IT, 1.0, setup_IT)
            found = self.model.solve(low_IT, high_IT, max(self.left(), 0.3) * self.wall, nodes=_NODES)
            done += 1
            if found.x is not None and (self.best is None or found.fun < self.best.fun - 1e-6):
                self.best, setup_IT, stall = found, self.setups(found), 0
            else:
                stall += 1
            if free_IT.all() and found.status == 0:
                return True
            if self.best is None and self.left() < 0:
                break
            if stall > _PATIENCE:
                size, stall = min(size * 1.25, float(free_IT.size)), 0
        return False

    def _short_period(self) -> int | None:
        """One of the periods in which hours are needed that are not there, drawn; None where there is none."""
        if self.best is None:
            return None
        hours_RT = self.best.x[self.model.missing].reshape(-1, self.periods)
        short = np.flatnonzero(hours_RT.sum(axis=0) > 1e-6)
        return int(self.rng.choice(short)) if len(short) else None

    def _neighbourhood(self, size: float, short: int | None) -> NDArray[np.bool_]:
        """A window of periods, a few items, or a few items in a window; one up to a period that is short of hours."""
        free_IT = np.zeros((self.n_items, self.periods), dtype=bool)
        kind = self.rng.random() * (1.0 if short is None else 0.45)
        wide = {True: max(2, round(size / self.n_items)), False: 8 if kind >= 0.8 else self.periods}[kind < 0.45]
        width = min(self.periods, wide)
        count = self.n_items if kind < 0.45 else min(self.n_items, max(1, round(size / width)))
        start = int(self.rng.integers(0, self.periods - width + 1))
        if short is not None:
            start = min(max(short - width + 1 + int(self.rng.integers(0, 2)), 0), self.periods - width)
        items = self.rng.permutation(self.n_items)[:count]
        free_IT[np.ix_(items, np.arange(start, start + width))] = True
        return free_IT

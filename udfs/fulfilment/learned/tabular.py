"""Q-learning (Watkins 1989) and Sarsa (Rummery & Niranjan 1994) on instances of up to 8 stops: a table each.

The state is which stops are visited, where the vehicle is and what it can still carry; the action is the next place.
Every entry begins below what it will be found to cost, at the length of the move and of the way home past the farthest
stop that is left, so that what was never tried looks best (Sutton & Barto 2018, section 2.6): the learner tries all
that could pay before it settles.

Dimensions: B instances, N places, X states, A actions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

from udfs.fulfilment.learned.policy_rollout import split_routes
from udfs.fulfilment.learned.route_instances import RouteInstances

FloatArray = NDArray[np.float64]

MAX_STOPS: Final = 8
MAX_ENTRIES: Final = 20_000_000
"""States times actions: more of them neither fit nor are learned in the episodes."""


@dataclass(frozen=True, slots=True)
class TabularRouteSpec:
    """How a table is learned.

    Attributes:
        episodes: days driven, from the full depot to the last return.
        first_exploration, last_exploration: chance of a random move, falling linearly over the first third of the
            episodes, in [0, 1]. What it mistakes meanwhile the rest must correct.
        rate: weight of a new experience in its entry, in (0, 1]. Nothing is random but the moves: it may be large.
        seed: of the draws; equal for all instances, so that none depends on another.

    Raises:
        ValueError: a value out of range.
    """

    episodes: int = 15_000
    first_exploration: float = 0.1
    last_exploration: float = 0.0
    rate: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        checks = (
            ("episodes", 1 <= self.episodes < math.inf and self.episodes % 1 == 0, "a whole number >= 1"),
            ("first_exploration", 0.0 <= self.first_exploration <= 1.0, "a probability"),
            (
                "last_exploration",
                0.0 <= self.last_exploration <= self.first_exploration,
                "a probability, at most first",
            ),
            ("rate", 0.0 < self.rate <= 1.0, "above 0 and at most 1"),
            ("seed", self.seed >= 0 and self.seed % 1 == 0, "a whole number >= 0"),
        )
        for name, is_good, expected in checks:
            if not is_good:
                raise ValueError(f"TabularRouteSpec.{name}: expected {expected}, found {getattr(self, name)}")


SARSA_SPEC: Final = TabularRouteSpec(episodes=60_000, first_exploration=0.05, rate=0.2)
"""Sarsa takes its random moves for what follows: it needs smaller steps, and so more of them."""


@dataclass(frozen=True)
class LearnedRoutes:
    """cost_B: length of the routes that the table ends with, [B]. routes: of each instance, each a list of stops."""

    cost_B: FloatArray
    routes: list[list[list[int]]]


def q_learning(instances: RouteInstances, spec: TabularRouteSpec | None = None) -> LearnedRoutes:
    """Routes by a table that learns as if the best known move followed.

    Raises:
        ValueError: more than 8 stops, windows, demand or capacity that is no whole number, or one so large that the
            table has more than `MAX_ENTRIES`.
    """
    return _learned(instances, spec or TabularRouteSpec(), is_sarsa=False)


def sarsa(instances: RouteInstances, spec: TabularRouteSpec | None = None) -> LearnedRoutes:
    """Routes by a table that learns from the moves that it makes. Raises as `q_learning` does."""
    return _learned(instances, spec or SARSA_SPEC, is_sarsa=True)


def _learned(instances: RouteInstances, spec: TabularRouteSpec, is_sarsa: bool) -> LearnedRoutes:
    if instances.n_stops > MAX_STOPS or instances.window_BN2 is not None:
        raise ValueError(f"instances: expected at most {MAX_STOPS} stops without windows, found {instances.n_stops}")
    demand_BN = instances.demand_BN.cpu().double().numpy()
    capacity_B = instances.capacity_B.cpu().double().numpy()
    if (demand_BN % 1).any() or (capacity_B % 1).any():
        raise ValueError("instances: expected demand and capacity in whole units; round them up and down, or rescale")
    n_places = instances.n_stops + 1
    entries = 2**instances.n_stops * n_places**2 * (int(capacity_B.max()) + 1)
    if entries > MAX_ENTRIES:
        raise ValueError(f"instances: expected at most {MAX_ENTRIES} entries, found {entries}; count in larger units")
    distance_BNN = instances.distance.cpu().double().numpy()
    rates = (spec.first_exploration, spec.last_exploration, spec.rate)
    routes, cost_B = [], np.empty(len(capacity_B))
    for row, capacity in enumerate(capacity_B):
        day = (distance_BNN[row], demand_BN[row].astype(np.int64), int(capacity))
        cost_B[row], places = _learn_day(*day, spec.episodes, rates, spec.seed, is_sarsa)
        routes.append(split_routes(places.tolist()))
    return LearnedRoutes(cost_B, routes)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _learn_day(distance_NN, demand_N, capacity, episodes, rates, seed, is_sarsa):  # type: ignore[no-untyped-def]
    """Learn one day's table; the length and the places of the day that it ends with."""
    first, last, rate = rates
    cost_XA = _least_costs(distance_NN, capacity)
    np.random.seed(seed)
    for episode in range(episodes):
        explore = first + (last - first) * min(1.0, 3.0 * episode / episodes)
        _drive(cost_XA, distance_NN, demand_N, capacity, explore, rate, is_sarsa)
    return _drive(cost_XA, distance_NN, demand_N, capacity, 0.0, 0.0, is_sarsa)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _least_costs(distance_NN, capacity):  # type: ignore[no-untyped-def]
    """The table before anything is learned."""
    n_places = len(distance_NN)
    cost_XA = np.zeros((2 ** (n_places - 1) * n_places * (capacity + 1), n_places))
    for visited in range(2 ** (n_places - 1)):
        for place in range(n_places):
            farthest = distance_NN[place, 0]
            for stop in range(1, n_places):
                if (visited >> (stop - 1)) & 1 == 0:
                    farthest = max(farthest, distance_NN[place, stop] + distance_NN[stop, 0])
            for at in range(n_places):
                start = (visited * n_places + at) * (capacity + 1)
                cost_XA[start : start + capacity + 1, place] = distance_NN[at, place] + farthest
    return cost_XA


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _drive(cost_XA, distance_NN, demand_N, capacity, explore, rate, is_sarsa):  # type: ignore[no-untyped-def]
    """One day; each move corrects the entry of the move before it."""
    n_places = len(demand_N)
    everything = 2 ** (n_places - 1) - 1
    visited, at, load, length = 0, 0, capacity, 0.0
    places = np.zeros(2 * n_places, dtype=np.int64)
    best = _best(cost_XA, demand_N, visited, at, load)
    action = _choice(demand_N, visited, at, load, best, explore)
    for step in range(len(places)):
        state = (visited * n_places + at) * (capacity + 1) + load
        paid = distance_NN[at, action]
        length += paid
        places[step] = action
        at = action
        if action == 0:
            load = capacity
        else:
            load -= demand_N[action]
            visited |= 1 << (action - 1)
        if visited == everything and at == 0:
            cost_XA[state, action] += rate * (paid - cost_XA[state, action])
            break
        best = _best(cost_XA, demand_N, visited, at, load)
        following = _choice(demand_N, visited, at, load, best, explore)
        # The one difference: Sarsa goes by the move that it will make, Q-learning by the best it knows.
        ahead = cost_XA[(visited * n_places + at) * (capacity + 1) + load, following if is_sarsa else best]
        cost_XA[state, action] += rate * (paid + ahead - cost_XA[state, action])
        action = following
    return length, places


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _is_open(demand_N, visited, at, load, place):  # type: ignore[no-untyped-def]
    if place == 0:
        return at != 0
    return (visited >> (place - 1)) & 1 == 0 and demand_N[place] <= load


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _best(cost_XA, demand_N, visited, at, load):  # type: ignore[no-untyped-def]
    """The move that is known to cost least."""
    capacity_1 = cost_XA.shape[0] // (2 ** (len(demand_N) - 1) * len(demand_N))
    state = (visited * len(demand_N) + at) * capacity_1 + load
    best, least = 0, np.inf
    for place in range(len(demand_N)):
        if _is_open(demand_N, visited, at, load, place) and cost_XA[state, place] < least:
            best, least = place, cost_XA[state, place]
    return best


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _choice(demand_N, visited, at, load, best, explore):  # type: ignore[no-untyped-def]
    """The best known move, or by the chance `explore` any that is open."""
    if explore == 0.0 or np.random.random() >= explore:
        return best
    n_open = 0
    for place in range(len(demand_N)):
        n_open += _is_open(demand_N, visited, at, load, place)
    drawn = int(np.random.random() * n_open)
    for place in range(len(demand_N)):
        if _is_open(demand_N, visited, at, load, place):
            if drawn == 0:
                return place
            drawn -= 1
    return best

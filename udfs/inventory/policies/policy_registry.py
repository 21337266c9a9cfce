"""The policies that can compete for a series, by name: everything that is to be known of one stands in its entry.

A candidate turns a `Situation`, what is known at a cutoff, into a `Plan`: an ordering policy for the days after it, and
the levels that a planner reads. A new policy is one file with such a function, and one entry in `POLICIES`. Its module
is imported when it first plans, so that names are known without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from udfs.contest.candidates import Registry
from udfs.inventory.policies.names import BENCHMARK, TUNED_BASE_STOCK, WITHOUT_MONEY, WITHOUT_REPLAY

if TYPE_CHECKING:
    from udfs.inventory.policies.plan import Plan
    from udfs.inventory.policies.situation import Situation


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that the house knows of a policy.

    name, meaning: as settings name it, and what it is in a line. plan: what it would do. aims_at_service: its levels
    follow from the service level; the others weigh costs. is_learned: it is taken only where its class's replays
    prove it or it beat the tuned base stock in the series' own, and has no levels to tell.
    """

    name: str
    meaning: str
    plan: Callable[[Situation], Plan]
    aims_at_service: bool = False
    is_learned: bool = False


POLICIES: Registry[Policy] = Registry(
    "policy",
    Policy(
        "z_sigma",
        "order up to the EOQ above s = mean + z sigma of the days, taken for normal: what most systems do",
        lambda situation: import_module("udfs.inventory.policies.by_service_level").z_sigma(situation),
        aims_at_service=True,
    ),
    Policy(
        "base_stock",
        "order at every review up to the service level's quantile of demand over lead time and review",
        lambda situation: import_module("udfs.inventory.policies.by_service_level").base_stock(situation),
        aims_at_service=True,
    ),
    Policy(
        "s_s",
        "order up to the EOQ above that quantile, once stock is at or below it",
        lambda situation: import_module("udfs.inventory.policies.by_service_level").s_s(situation),
        aims_at_service=True,
    ),
    Policy(
        "tuned_base_stock",
        "base stock, its level tuned on sample paths to the least cost at the service required",
        lambda situation: import_module("udfs.inventory.policies.tuned").tuned_base_stock(situation),
    ),
    Policy(
        "tuned_s_s",
        "s and S tuned on sample paths to the least cost at the service required",
        lambda situation: import_module("udfs.inventory.policies.tuned").tuned_s_s(situation),
    ),
    Policy(
        "neural",
        "a network that learns to order on the sample paths of the bucket's series",
        lambda situation: import_module("udfs.inventory.policies.learned").neural(situation),
        is_learned=True,
    ),
)


def plans_of(names: Sequence[str], situation: Situation) -> dict[str, Plan]:
    """The plans of the named candidates, in that order, within the caps. Raises ValueError for an unknown name."""
    unknown = [name for name in names if name not in POLICIES]
    if unknown:
        raise ValueError(f"expected policies among {', '.join(POLICIES)}, found {unknown}")
    return {name: POLICIES[name].plan(situation).within(situation.caps) for name in names}


def learned_names() -> list[str]:
    """Policies that have to prove themselves on the series that they are to order for."""
    return [policy.name for policy in POLICIES.entries() if policy.is_learned]


def with_rivals(candidates: tuple[str, ...]) -> tuple[str, ...]:
    """The candidates, the benchmark that each choice is compared with, and what a learned policy has to beat."""
    rivals = (BENCHMARK, TUNED_BASE_STOCK) if set(candidates) & set(learned_names()) else (BENCHMARK,)
    return tuple(dict.fromkeys((*candidates, *rivals)))


def planned_names(candidates: tuple[str, ...]) -> tuple[str, ...]:
    """Every policy that a plan can need: the candidates, their rivals, and those that stand in by rule."""
    return tuple(dict.fromkeys((*with_rivals(candidates), WITHOUT_MONEY, WITHOUT_REPLAY)))

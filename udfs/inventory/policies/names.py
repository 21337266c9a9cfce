"""The names of the policies that a run can choose among."""

from __future__ import annotations

from typing import Final

BENCHMARK: Final = "z_sigma"
"""Safety stock of z x sigma x sqrt(lead time + review), what most systems do: every choice is compared with it."""

TUNED_BASE_STOCK: Final = "tuned_base_stock"
"""What a learned policy has to beat."""

BY_SERVICE_LEVEL: Final = (BENCHMARK, "base_stock", "s_s")
"""Policies whose levels follow from the service level; the others weigh costs."""

WITHOUT_MONEY: Final = "base_stock"
"""Orders where neither cost nor price is known."""

WITHOUT_REPLAY: Final = "s_s"
"""Orders where the lead time is too long for a replay."""

LEARNED_NAMES: Final = ("neural",)
POLICY_NAMES: Final = (*BY_SERVICE_LEVEL, TUNED_BASE_STOCK, "tuned_s_s", *LEARNED_NAMES)


def with_rivals(candidates: tuple[str, ...]) -> tuple[str, ...]:
    """The candidates, the benchmark that each choice is compared with, and what a learned policy has to beat."""
    rivals = (BENCHMARK, TUNED_BASE_STOCK) if set(candidates) & set(LEARNED_NAMES) else (BENCHMARK,)
    return tuple(dict.fromkeys((*candidates, *rivals)))


def planned_names(candidates: tuple[str, ...]) -> tuple[str, ...]:
    """Every policy that a plan can need: the candidates, their rivals, and those that stand in by rule."""
    return tuple(dict.fromkeys((*with_rivals(candidates), WITHOUT_MONEY, WITHOUT_REPLAY)))

"""How suppliers are chosen."""

from __future__ import annotations

from dataclasses import dataclass

from udfs.supply_network.offers import KINDS


@dataclass(frozen=True, slots=True)
class PurchaseSpec:
    """kinds: ways to buy an article that are looked at, of "single", "split" and "dual". split_share: the first's share
    of a split order. limit_s: seconds after which the best choice found is taken, with its gap. Raises ValueError for a
    value out of range.
    """

    kinds: tuple[str, ...] = KINDS
    split_share: float = 0.5
    limit_s: float = 60.0

    def __post_init__(self) -> None:
        rules = (
            ("kinds", bool(self.kinds) and set(self.kinds) <= set(KINDS), f"some of {', '.join(KINDS)}"),
            ("split_share", 0.0 < self.split_share < 1.0, "a share strictly between 0 and 1"),
            ("limit_s", self.limit_s > 0.0, "seconds > 0"),
        )
        for name, is_good, expected in rules:
            if not is_good:
                raise ValueError(f"PurchaseSpec.{name}: expected {expected}, found {getattr(self, name)!r}")

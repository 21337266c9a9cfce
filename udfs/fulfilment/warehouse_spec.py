"""Who works in a depot's warehouse, and how fast."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from udfs.fulfilment.time_of_day import DAY_S, seconds_of


@dataclass(frozen=True, slots=True)
class WarehouseSpec:
    """Settings of waves. Raises ValueError for a value out of range.

    pickers, packers, doors: at each depot; 0 pickers means that no waves are planned. staff_from, staff_to: of their
    shift, which ends on the day on which the vehicles leave, and begins the day before where staff_from is later.
    cart_*: what a picker takes along. line_metres: walked for a line where nobody says where it lies. bay_metres,
    aisle_metres: from a bay and an aisle to the next. work: of the search for a schedule, in CP-SAT's deterministic
    time (about seconds) for each of its two aims. metre_cost, move_cost: of a metre walked, and of bringing an article
    to another slot; move_days: within which moves repay. slot_weekday: ISO number of the weekday whose runs look for
    moves, 0 is every day.
    """

    pickers: int = 0
    packers: int = 0
    doors: int = 0
    staff_from: str = "22:00"
    staff_to: str = "10:00"
    cart_litres: float = 400.0
    cart_shipments: int = 6
    walk_m_s: float = 1.0
    line_metres: float = 20.0
    pick_line_s: float = 10.0
    pack_line_s: float = 6.0
    load_s: float = 180.0
    bay_metres: float = 1.0
    aisle_metres: float = 5.0
    work: float = 2.0
    metre_cost: float = 0.008
    move_cost: float = 2.0
    move_days: float = 28.0
    slot_weekday: int = field(default=7, metadata={"role": "engine"})

    def __post_init__(self) -> None:
        above_0 = (
            "cart_litres", "walk_m_s", "bay_metres", "aisle_metres", "work", "metre_cost", "move_cost", "move_days",
        )  # fmt: skip
        from_0 = ("line_metres", "pick_line_s", "pack_line_s", "load_s")
        staff = self.pickers, self.packers, self.doors
        rules = [
            ("pickers", min(staff) >= 0, "0 or more of each"),
            ("packers", self.pickers == 0 or min(staff) > 0, "packers and doors too where there are pickers"),
            ("slot_weekday", 0 <= self.slot_weekday <= 7, "0 to 7"),
            ("cart_shipments", self.cart_shipments >= 1, "at least 1"),
            *((name, 0.0 < getattr(self, name) < math.inf, "a number > 0") for name in above_0),
            *((name, 0.0 <= getattr(self, name) < math.inf, "a number >= 0") for name in from_0),
            *((name, seconds_of(getattr(self, name)) is not None, "a time as hh:mm") for name in _TIMES),
        ]
        for name, is_good, expected in rules:
            if not is_good:
                raise ValueError(f"WarehouseSpec.{name}: expected {expected}, found {getattr(self, name)!r}")

    @property
    def shift(self) -> tuple[int, int]:
        """Seconds from midnight of the day on which the vehicles leave; below 0 on the day before."""
        start, end = seconds_of(self.staff_from), seconds_of(self.staff_to)
        assert start is not None
        assert end is not None
        return (start if start < end else start - DAY_S), end


_TIMES = ("staff_from", "staff_to")

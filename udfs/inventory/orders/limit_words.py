"""What bounds an order, in plain words with its numbers: shelf life, cover, room, the largest order."""

from __future__ import annotations

import numpy as np

from udfs.inventory.kernels.planned_series import Planned
from udfs.inventory.level_caps import least_order
from udfs.inventory.orders.order_words import number, plural, units


def limit_notes(planned: Planned) -> list[str]:
    """A clause that the largest order cut, and sentences on what bounds the level, for each series; '' for nothing."""
    situation, limited = planned.situation, planned.limited_order
    limits, caps = situation.limits, situation.caps
    wanted_S, waste_S = planned.of_chosen(planned.wanted_KS), _weekly_waste(planned)
    rows = zip(
        wanted_S.tolist(),
        caps.life_SH[:, 0].tolist(),
        caps.cover_SH[:, 0].tolist(),
        caps.room_SH[:, 0].tolist(),
        limits.shelf_life_days.tolist(),
        limits.most_cover_days.tolist(),
        limits.most_shelf_qty.tolist(),
        least_order(situation.terms).tolist(),
        waste_S.tolist(),
        situation.level_SH[:, 0].tolist(),
        situation.terms.service_level.tolist(),
        _cuts(limited.order_S, limited.uncut_S, limits.largest_order_qty),
        strict=True,
    )
    return [_note(*row) for row in rows]


def _cuts(order_S: np.ndarray, uncut_S: np.ndarray, largest_S: np.ndarray) -> list[str]:
    return [
        f" The {units(uncut)} wanted are more than the largest order of {number(largest)}." if order < uncut else ""
        for order, uncut, largest in zip(order_S.tolist(), uncut_S.tolist(), largest_S.tolist(), strict=True)
    ]


def _note(
    wanted: float,
    life_cap: float,
    cover_cap: float,
    room_cap: float,
    life: float,
    cover: float,
    room: float,
    least: float,
    waste: float,
    service_stock: float,
    service: float,
    cut: str,
) -> str:
    """The lowest cap is the one that binds; a shelf life is said in any case."""
    lowest = min(life_cap, cover_cap, room_cap)
    binds = wanted > lowest
    text = ""
    if life < np.inf:
        text = f" Spoils after {life:.0f} {plural(life, 'day')}"
        if (binds and life_cap == lowest) or (life_cap <= 0.0 < service_stock):
            text += ": " + _life_words(max(wanted, service_stock) if life_cap <= 0.0 else wanted, life_cap, life, least)
        elif service_stock > life_cap:
            text += f": the {units(service_stock)} for {100.0 * service:g}% service would rather spoil than sell"
        text += f"; expected waste {units(waste)} a week." if lowest > 0.0 else "."
    if binds and life_cap > lowest:
        why = f"at most {cover:.0f} days of cover" if cover_cap == lowest else f"room for {number(room)}"
        text += f" Level {units(wanted)} capped to {units(lowest)}: {why}."
    return text + cut


def _life_words(wanted: float, cap: float, life: float, least: float) -> str:
    if cap > 0.0:
        return f"level {units(wanted)} capped to {units(cap)}, more would rather spoil than sell in {life:.0f} days"
    what = "a unit" if least <= 1.0 else f"the least order of {units(least)}"
    return f"{what} would rather spoil than sell, nothing is worth ordering where the level would be {units(wanted)}"


def _weekly_waste(planned: Planned) -> np.ndarray:
    return planned.of_chosen(np.stack([planned.expected[name].weekly_waste for name in planned.names]))

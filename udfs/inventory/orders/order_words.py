"""Quantities and rates as a planner reads them."""

from __future__ import annotations


def units(quantity: float) -> str:
    """A quantity to one decimal, without the decimal where it is whole; a small one is not called zero."""
    if 0.0 < quantity < 0.05:
        return "under 0.1"
    rounded = round(quantity, 1)
    return f"{rounded:.0f}" if rounded == round(rounded) else f"{rounded:.1f}"


def number(value: float) -> str:
    """A stated number as it is, with thousands apart; '' for NaN."""
    return "" if value != value else f"{value:,.12g}"


def plural(count: float, noun: str) -> str:
    return noun if count == 1 else noun + "s"


def money(amount: float) -> str:
    """An amount or a rate to two decimals, to two digits where it is below a tenth."""
    return f"{amount:.2f}" if amount == 0.0 or abs(amount) >= 0.1 else f"{amount:.2g}"


def order_head(order: float, pack: float) -> str:
    """What is ordered, in units and packs: "Order 24 (2 packs of 12)"."""
    if order <= 0.0:
        return "No order"
    if pack == 1.0:
        return f"Order {units(order)}"
    packs = round(order / pack)
    return f"Order {units(order)} ({packs} {plural(packs, 'pack')} of {units(pack) if pack % 1 == 0 else f'{pack:g}'})"

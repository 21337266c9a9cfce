"""Templates of the page, and how numbers and days read in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from jobs.page.changes import CAUSE_WORDS
from jobs.page.svg_plot import day_words
from jobs.views.decisions import what_text

_UNKNOWN = "\N{EN DASH}"


def templates() -> Jinja2Templates:
    """All text is escaped; a name that a template lacks is an error."""
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "qty": _quantity,
        "signed": lambda value: ("+" if (value or 0) > 0 else "") + _quantity(value),
        "money": _number(",.2f"),
        "signed_money": _number("+,.2f"),
        "whole": _number(",.0f"),
        "tenth": _number(",.1f"),
        "percent": _number(".0%"),
        "decided": what_text,
        "day": lambda value: _UNKNOWN if value is None else day_words(value),
    }
    environment.globals["causes"] = CAUSE_WORDS
    return Jinja2Templates(env=environment)


def _number(form: str) -> Callable[[float | None], str]:
    return lambda value: _UNKNOWN if value is None or value != value else format(value, form)


def _quantity(value: float | None) -> str:
    """Whole units without decimals, parts of a unit with what they have."""
    return _UNKNOWN if value is None or value != value else f"{value:,.3f}".rstrip("0").rstrip(".")

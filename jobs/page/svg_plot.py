"""Pictures over days, as SVG made here: colours come from the style sheet, so that both themes have theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 760, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 18, 30
_MOST_LABELS = 7


class Plot:
    """Days from `first` to `last` along the bottom, values from `low` to `high` upwards.

    Values above `high` leave the picture at its upper edge. `label`: what a screen reader says.
    """

    def __init__(self, first: date, last: date, low: float, high: float, label: str) -> None:
        self._first, self._days = first, max(1, (last - first).days)
        self._step = _round_step(max(high - low, 1e-9) / 4)
        self._low = math.floor(min(low, 0.0) / self._step) * self._step
        self._high = max(self._step, math.ceil(high / self._step) * self._step)
        self._label = label
        self._parts: list[Markup] = []

    def band(self, days: Sequence[date], lower: Sequence[float], upper: Sequence[float], kind: str) -> None:
        """An area between two lines."""
        there = self._points(days, upper)
        back = self._points(days, lower).split()[::-1]
        self._parts.append(Markup('<polygon class="{}" points="{} {}"/>').format(kind, there, " ".join(back)))

    def line(self, days: Sequence[date], values: Sequence[float], kind: str) -> None:
        """A line, broken where a value is unknown."""
        known = zip(days, values, strict=True)
        for is_known, run in groupby(known, key=lambda point: not math.isnan(point[1])):
            if is_known:
                there = self._points(*zip(*run, strict=True))
                self._parts.append(Markup('<polyline class="{}" points="{}"/>').format(kind, there))

    def level(self, value: float, kind: str) -> None:
        """A line over all days."""
        y = f"{self._y(value):.1f}"
        self._parts.append(
            Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(kind, _LEFT, _WIDTH - _RIGHT, y, y)
        )

    def dots(self, days: Sequence[date], values: Sequence[float], kind: str, unit: str) -> None:
        """Points, each told when it is pointed at; one above the picture stands at its edge with its value beside."""
        for day, value in zip(days, values, strict=True):
            if math.isnan(value):
                continue
            x, y = f"{self._x(day):.1f}", f"{self._y(value):.1f}"
            said = f"{day_words(day)}: {value:,.4g} {unit}"
            dot = Markup('<circle class="{}" cx="{}" cy="{}" r="2.4"><title>{}</title></circle>')
            self._parts.append(dot.format(kind, x, y, said))
            if value > self._high:
                above = Markup('<text class="above" x="{}" y="{}" text-anchor="middle">{}</text>')
                self._parts.append(above.format(x, _TOP - 6, f"{value:,.0f}"))

    def days(self, days: Sequence[date], kind: str, words: Sequence[str]) -> None:
        """Marked days, from the bottom to the top."""
        width = (_WIDTH - _LEFT - _RIGHT) / self._days
        for day, said in zip(days, words, strict=True):
            left = min(max(self._x(day) - width / 2, _LEFT), _WIDTH - _RIGHT - width)
            mark = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>')
            height = _HEIGHT - _TOP - _BOTTOM
            self._parts.append(mark.format(kind, f"{left:.1f}", _TOP, f"{width:.1f}", height, said))

    def svg(self) -> Markup:
        """The picture, its axes below what was drawn."""
        head = Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">')
        return (
            head.format(_WIDTH, _HEIGHT, self._label) + self._axes() + Markup("").join(self._parts) + Markup("</svg>")
        )

    def _axes(self) -> Markup:
        parts = []
        for number in range(round((self._high - self._low) / self._step) + 1):
            value = self._low + number * self._step
            y = f"{self._y(value):.1f}"
            line = Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>')
            parts.append(line.format("zero" if abs(value) < 1e-9 else "grid", _LEFT, _WIDTH - _RIGHT, y, y))
            parts.append(_text(_LEFT - 6, float(y) + 4, "end", f"{value:,.6g}"))
        weeks = math.ceil(self._days / 7 / _MOST_LABELS)
        step = 7 * weeks if self._days > _MOST_LABELS else 1
        for ahead in range(0, self._days + 1, step):
            day = self._first + timedelta(days=ahead)
            anchor = "end" if self._x(day) > _WIDTH - _RIGHT - 20 else "middle"
            parts.append(_text(self._x(day), _HEIGHT - 9, anchor, f"{day.day} {day:%b}"))
        return Markup("").join(parts)

    def _x(self, day: date) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (day - self._first).days / self._days

    def _y(self, value: float) -> float:
        share = (min(max(value, self._low), self._high) - self._low) / (self._high - self._low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share

    def _points(self, days: Sequence[date], values: Sequence[float]) -> str:
        return " ".join(f"{self._x(day):.1f},{self._y(value):.1f}" for day, value in zip(days, values, strict=True))


def day_words(day: date) -> str:
    """As a person writes it."""
    return f"{day:%a} {day.day} {day:%b %Y}"


def _text(x: float, y: float, anchor: str, words: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
        f"{x:.1f}", f"{y:.1f}", anchor, escape(words)
    )


def _round_step(least: float) -> float:
    """The next of 1, 2, 5, 10, ... of its order."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(each * power for each in (1.0, 2.0, 5.0, 10.0) if each * power >= least - 1e-12)

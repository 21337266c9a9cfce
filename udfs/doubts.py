"""What a person should look at before an order is believed: one column of short plain sentences, each of a known kind.

    doubts = Doubts(n_series)
    doubts.add("stock negative", 0, "-5 counted, 0 taken")
    doubts.texts()  # ["stock negative: -5 counted, 0 taken", None, ...]

A kind is one entry of `KINDS`, whoever finds it. Stages before inventory write such texts into a column `doubts` of a
table by series; what the stage inventory reads of them ends beside the order's reason.
"""

from __future__ import annotations

from typing import Final

from lakehouse.schema.codes import BETWEEN_DOUBTS

KINDS: Final[dict[str, str]] = {
    "order cut": "the order is above the largest that a planner has set, and is cut to it",
    "decided order": "a planner's order that no supplier may deliver so: no whole packs, or below the minimum order",
    "decided forecast": "demand that a planner decided for some days goes on where the forecast is extended",
    "spoils unsold": "nothing is ordered, for not even the least order is expected to sell before it spoils",
    "sales implausible": "units of a day of the last 90 that can only be a typing error, and are not used",
    "unsold": "an order of what has not sold for much longer than is usual for it: perhaps nobody stocks it any more",
    "forecast repaired": "the forecast contradicted itself; what was done is said",
    "stock doubtful": "a count or a quantity on order that is far above the demand of years",
    "stock negative": "a count or a quantity on order below 0, taken as 0",
    "stock unusable": "a count or a quantity on order that cannot be planned with, taken as not stated",
    "stock old": "the last count is too old to be rolled forward",
    "supply doubtful": "a term of supply that is used as it is stated, and hardly can be meant",
    "supply replaced": "a term of supply that cannot be planned with: the settings' stands in",
    "supply rounded": "a term of supply with a fraction where only whole ones are possible, rounded up",
}
"""Every kind of doubt and its meaning, the gravest first: in this order they are written and counted."""

BETWEEN: Final = BETWEEN_DOUBTS
_OF_KIND: Final = ": "


class Doubts:
    """The doubts about S series, as they are found."""

    def __init__(self, n_series: int) -> None:
        self._found: list[list[tuple[str, str]]] = [[] for _ in range(n_series)]

    def add(self, kind: str, row: int, words: str) -> None:
        """A doubt about the series of a row. Raises KeyError for an unknown kind."""
        KINDS[kind]
        self._found[row].append((kind, words.replace(BETWEEN, ", ")))

    def add_text(self, row: int, text: str | None) -> None:
        """What was found before, as `texts` gives it."""
        self._found[row] += map(_parted, text.split(BETWEEN)) if text else []

    def drop(self, kind: str, row: int) -> None:
        """What was found of a kind about a series no longer counts."""
        self._found[row] = [doubt for doubt in self._found[row] if doubt[0] != kind]

    def texts(self) -> list[str | None]:
        """One text for each series, the gravest kind first; None where there is no doubt."""
        order = list(KINDS)

        def grave(doubt: tuple[str, str]) -> int:
            return order.index(doubt[0]) if doubt[0] in KINDS else len(order)

        said = (dict.fromkeys(_OF_KIND.join(doubt) for doubt in sorted(found, key=grave)) for found in self._found)
        return [BETWEEN.join(each) or None for each in said]


def kinds_of(text: str | None) -> list[str]:
    """The kinds of a text of `Doubts.texts`, each once."""
    return list(dict.fromkeys(kind for kind, _ in map(_parted, text.split(BETWEEN)))) if text else []


def _parted(doubt: str) -> tuple[str, str]:
    kind, _, words = doubt.partition(_OF_KIND)
    return kind, words

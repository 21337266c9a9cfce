"""Which lines of a day are asked for, in what order, and which page of them: as an address says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.compute as pc

from jobs.page.published import CHOICES, Day
from lakehouse.errors import ConfigError

PAGE_ROWS = 100
SHOWN = {
    "orders": "Lines to order",
    "all": "All lines",
    "doubts": "Doubtful lines",
    "changed": "Changed since the last plan",
    "decided": "Decided by planners",
}
ANY_RULE = "any"
SORTS = {
    "order_rank": "Rank",
    "order_value": "Value",
    "order_qty": "Order",
    "expected_value": "Expected to earn",
    "cover_after_days": "Cover after",
    "stockout_risk": "Risk of running out",
    "value_at_risk": "Sales at risk",
    "change_qty": "Change",
    "change_value": "Change in value",
    "moved_value": "Size of the change in value",
    "product_name": "Product",
    "sku_id": "SKU",
    "location_id": "Location",
}
_ASCENDING = {"order_rank", "product_name", "sku_id", "location_id"}
_LONGEST = 200  # characters of what is searched


@dataclass(frozen=True, slots=True)
class Selection:
    """The empty text selects everything; `show` is of `SHOWN`, `rules` a rule of gold.order_check or `ANY_RULE`,
    `doubts` a kind of doubt, `sort` a column, with a minus before it the other way round than it is usual for it.

    Raises:
        ConfigError: what none of these is.
    """

    q: str = ""
    show: str = "orders"
    department: str = ""
    location_id: str = ""
    supplier_id: str = ""
    main_reason: str = ""
    rules: str = ""
    doubts: str = ""
    sort: str = "order_rank"
    page: int = field(default=1)

    def __post_init__(self) -> None:
        if self.show not in SHOWN:
            raise ConfigError(f"show: expected one of {', '.join(SHOWN)}, found {self.show!r}")
        if self.sort.removeprefix("-") not in SORTS:
            raise ConfigError(f"sort: expected one of {', '.join(SORTS)}, found {self.sort!r}")
        if len(self.q) > _LONGEST:
            raise ConfigError(f"search: expected at most {_LONGEST} characters, found {len(self.q)}")

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> Selection:
        """From an address's parameters; others than these are not looked at."""
        said = {each.name: asked[each.name].strip() for each in fields(cls) if asked.get(each.name, "").strip()}
        page = said.pop("page", "1")
        if not (page.isascii() and page.isdecimal() and 0 < len(page) < 8):
            raise ConfigError(f"page: expected a number from 1, found {page[:20]!r}")
        return cls(**said, page=max(1, int(page)))

    def address(self, path: str, **changes: object) -> str:
        """The address of this selection with changes; a change starts over on the first page unless it names one."""
        other = replace(self, **({"page": 1} | changes))  # type: ignore[arg-type]
        said = {each.name: getattr(other, each.name) for each in fields(other)}
        usual = {each.name: each.default for each in fields(other)}
        query = urlencode({name: value for name, value in said.items() if value != usual[name]})
        return f"{path}?{query}" if query else path

    def turned(self, column: str) -> str:
        """The sort that a click on a column's head asks for."""
        return f"-{column}" if self.sort == column else column

    @property
    def is_descending(self) -> bool:
        return (self.sort.removeprefix("-") not in _ASCENDING) != self.sort.startswith("-")

    def lines(self, day: Day) -> pa.Table:
        """All the lines selected, in order; lines without what they are sorted by come last."""
        rows, kept = day.lines, []
        if self.show != "all":
            kept.append(_SHOW[self.show](rows))
        kept += [pc.equal(rows[name], getattr(self, name)) for name in CHOICES if getattr(self, name)]
        if self.rules:
            found = rows["rules"]
            kept.append(found.is_valid() if self.rules == ANY_RULE else pc.match_substring(found, self.rules))
        if self.doubts:
            kept.append(pc.match_substring(rows["doubts"], self.doubts))
        kept += [pc.match_substring(rows["search"], word) for word in self.q.lower().split()]
        for mask in kept[1:]:
            kept[0] = pc.and_(kept[0].fill_null(False), mask.fill_null(False))
        rows = rows.filter(kept[0]) if kept else rows
        keys = [(self.sort.removeprefix("-"), "descending" if self.is_descending else "ascending")]
        keys += [(name, "ascending") for name in ("order_rank", "unique_id") if name != keys[0][0]]
        return rows.take(pc.sort_indices(rows, sort_keys=keys))


_SHOW = {
    "orders": lambda rows: pc.greater(rows["order_qty"], 0.0),
    "doubts": lambda rows: rows["doubts"].is_valid(),
    "changed": lambda rows: pc.not_equal(rows["change_qty"], 0.0),
    "decided": lambda rows: rows["decided"].is_valid(),
}

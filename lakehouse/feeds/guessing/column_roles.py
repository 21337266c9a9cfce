"""Which column of a table is which column of the feed layout, by name and content, and which feed the table is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from lakehouse.feeds.guessing.column_content import (
    DateReading,
    FlagReading,
    NumberReading,
    read_dates,
    read_flags,
    read_numbers,
)
from lakehouse.feeds.guessing.table_shape import ColumnLook, TableLook
from lakehouse.feeds.guessing.words import feed_named, name_score, plain, system_of
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.tables import FEEDS

_SAMPLED_FILES = 20
_DAYS_OF_WIDE, _SHORTEST_DAY, _FITS = 5, len("1.1.24"), 0.8
# What makes a table a feed: one of each group, of which the first alone counts for what it is.
_MARKS = {
    "sales": (("units",), ("sku_id", "location_id"), ("ds",)),
    "stock": (("on_hand_qty",), ("sku_id",)),
    "supply": (("lead_time_days", "moq_qty", "pack_qty", "unit_cost"), ("sku_id",)),
    "prices": (("unit_price",), ("ds_from",), ("sku_id",)),
    "promotions": (("ds_from",), ("sku_id",)),
    "calendar": (("event_name", "is_closed"), ("ds",)),
    "products": (("product_name", "category", "department", "brand"), ("sku_id",)),
    "locations": (("location_name", "region", "country", "timezone"), ("location_id",)),
}
_STRANGERS = {
    # Columns that a table of the feed does not have beside its own.
    "products": ("ds", "ds_from", "units"),
    "locations": ("ds", "ds_from", "units", "sku_id"),
    "calendar": ("sku_id", "units"),
    "supply": ("units", "ds"),
    "promotions": ("units",),
    "stock": ("units", "unit_price"),
}


@dataclass(slots=True)
class Content:
    """What a column's texts can be: each reading is made when it is first asked for."""

    look: ColumnLook
    _dates: DateReading | None = None
    _numbers: NumberReading | None = None

    @property
    def dates(self) -> DateReading:
        if self._dates is None:
            if self.look.type is not None and pa.types.is_temporal(self.look.type):
                has_clock = not pa.types.is_date(self.look.type) and any(
                    text[10:].strip(" 0:.+Z") for text in self.look.texts[:1000]
                )
                self._dates = DateReading((), None, 1.0, (), has_clock)
            elif self.look.type is not None and pa.types.is_floating(self.look.type):
                self._dates = DateReading()
            else:
                named = max(name_score(self.look.name, column) for column in ("ds", "ds_from", "ds_to")) > 50
                self._dates = read_dates(self.look.texts, named_as_date=named)
        return self._dates

    @property
    def numbers(self) -> NumberReading:
        if self._numbers is None:
            if self.look.type is None:
                self._numbers = read_numbers(self.look.texts)
            elif pa.types.is_integer(self.look.type) or pa.types.is_floating(self.look.type):
                self._numbers = NumberReading(1.0, is_whole=all(float(t).is_integer() for t in self.look.texts[:1000]))
            else:
                self._numbers = NumberReading()
        return self._numbers

    @property
    def flags(self) -> FlagReading | None:
        if self.look.type is not None and pa.types.is_boolean(self.look.type):
            return FlagReading()
        return read_flags(self.look.texts, has_blanks=self.look.blanks > 0)

    @property
    def is_of_codes(self) -> bool:
        """Whether the texts may name things: no times, no decimals."""
        is_code_like = self.numbers.share < _FITS or self.numbers.is_whole
        return is_code_like and not (self.dates.share >= _FITS and self.numbers.share < _FITS)

    def fits(self, column: str) -> bool:
        """Whether the texts can be values of a column of the layout."""
        kind = COLUMNS[column].type
        if not self.look.texts:
            return False
        if kind in ("date", "timestamp"):
            return self.dates.share >= _FITS
        if kind == "double":
            return self.numbers.share >= _FITS
        if kind == "boolean":
            return self.flags is not None
        if column.endswith("_id"):
            return self.is_of_codes
        if column in ("product_name", "location_name", "event_name"):
            is_flag = self.look.type is not None and pa.types.is_boolean(self.look.type)
            return self.numbers.share < _FITS and not is_flag
        return True


@dataclass(slots=True)
class Roles:
    """A table as a feed: `columns` from the layout's name to the file's; `score`: how well it fits, 0 for no way."""

    feed: str
    columns: dict[str, str] = field(default_factory=dict)
    score: float = 0.0
    system: str | None = None
    rivals: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Table:
    """Files of one shape with the contents of their columns, seen together."""

    looks: list[TableLook]
    contents: dict[str, Content]
    days: list[str] = field(default_factory=list)  # columns of a wide table that are days
    as_feeds: dict[str, Roles] = field(default_factory=dict)

    @classmethod
    def of(cls, looks: list[TableLook]) -> Table:
        merged = {}
        for name, first in looks[0].columns.items():
            every = [look.columns[name] for look in looks]
            texts = list(dict.fromkeys(text for each in every for text in each.texts))
            rows, blanks = sum(each.rows for each in every), sum(each.blanks for each in every)
            distinct = max(len(texts), *(each.distinct for each in every))
            counts: Counter[str] = Counter()
            for each in every:
                counts.update(each.counts)
            few = dict(counts.most_common()) if all(each.counts or not each.texts for each in every) else {}
            merged[name] = Content(ColumnLook(name, texts, rows, blanks, distinct, first.type, few))
        table = cls(looks, merged, wide_days(looks[0].header))
        table.as_feeds = {feed.name: roles_as(table, feed.name) for feed in FEEDS.values() if feed.name in _MARKS}
        return table

    @property
    def first(self) -> TableLook:
        return self.looks[0]

    @property
    def rows(self) -> int:
        return sum(look.rows for look in self.looks)

    @property
    def name(self) -> str:
        sheet = self.first.shape.get("sheet")
        more = f" and {len(self.looks) - 1} more" if len(self.looks) > 1 else ""
        return f"{self.first.path}{f' [{sheet}]' if sheet else ''}{more}"

    def sample(self, *names: str) -> pa.Table:
        """The first rows of the first files, of these columns, as text."""
        return pa.concat_tables([look.sample.select(list(names)) for look in self.looks[:_SAMPLED_FILES]])

    def best(self) -> Roles | None:
        found = max(self.as_feeds.values(), key=lambda roles: roles.score)
        return found if found.score > 0 else None


def wide_days(header: Sequence[str]) -> list[str]:
    """The columns of a wide table that are days: most names are dates, or one prefix with rising numbers."""
    dated = [name for name in header if len(name) >= _SHORTEST_DAY and any(map(str.isdecimal, name))]
    if len(dated) >= _DAYS_OF_WIDE and read_dates(dated).share >= _FITS:
        return dated
    numbered = [name for name in header if name[:1].isalpha() and name.rstrip("0123456789") != name]
    prefixes = {name.rstrip("0123456789") for name in numbered}
    longest = max(prefixes, key=lambda p: sum(n.rstrip("0123456789") == p for n in numbered), default="")
    run = [name for name in numbered if name.rstrip("0123456789") == longest]
    return run if len(run) >= max(4 * _DAYS_OF_WIDE, len(header) / 2) else []


def roles_as(table: Table, feed: str) -> Roles:
    """The table's columns in the roles of a feed, and how well it is one."""
    roles = Roles(feed)
    wide = set(table.days)
    names = [name for name in table.contents if name not in wide]
    system = system_of(table.first.header)
    taken: dict[str, str] = {}
    unused = set(system.get("unused", ())) if system else set()
    if system is not None:
        roles.system = system["name"]
        for column, name in system["columns"].items():
            if column in FEEDS[feed].columns and name in table.contents and table.contents[name].look.texts:
                taken[column] = name
    pairs = _pairs(table, feed, [name for name in names if name not in unused])
    for score, column, name in pairs:
        if column not in taken and name not in taken.values():
            taken[column] = name
        elif column in taken and name not in taken.values() and score > 99 - 10:
            roles.rivals.setdefault(column, []).append(name)
    roles.columns = {column: taken[column] for column in FEEDS[feed].columns if column in taken}
    roles.score = _feed_score(table, roles, feed, {column: score for score, column, _ in reversed(pairs)})
    return roles


def _pairs(table: Table, feed: str, names: Iterable[str]) -> list[tuple[float, str, str]]:
    """(score, column, name), the surest first, of those whose content fits."""
    is_stock = feed == "stock" and "stock" in _feeds_named(table)
    found = []
    for name in names:
        for column in FEEDS[feed].columns:
            if column == "sold_at":
                continue
            score = name_score(name, column)
            if is_stock and column == "on_hand_qty":
                score = max(score, name_score(name, "units") - 10)
            if column == "sku_id" and feed not in ("products", "supply") and plain(name) in ("id", "nr"):
                continue
            if score > 0 and table.contents[name].fits(column):
                found.append((score, column, name))
    dated = [
        name for name in names if table.contents[name].dates.share >= _FITS and table.contents[name].numbers.share < 1
    ]
    if len(dated) == 1 and not any(column == "ds" for _, column, _ in found) and "ds" in FEEDS[feed].columns:
        found.append((10.0, "ds", dated[0]))
    return sorted(found, key=lambda pair: (-pair[0], pair[1]))


def _feeds_named(table: Table) -> set[str]:
    return feed_named(table.first.path) | feed_named(table.first.shape.get("sheet", "") or "")


def _feed_score(table: Table, roles: Roles, feed: str, scores: dict[str, float]) -> float:
    has = {*roles.columns, *(("ds", "units") if table.days and feed == "sales" else ())}
    if table.days and feed != "sales":
        return 0.0
    if not all(has & set(marks) for marks in _MARKS[feed]):
        return 0.0
    named = _feeds_named(table)
    strange = sum(1 for c in _STRANGERS.get(feed, ()) if _has(table, c))
    certain = sum(scores.get(column, 100.0) for column in roles.columns) / 100
    bonus = 2.0 if feed in named else -0.5 if named else 0.0
    if feed in ("products", "locations") and not _is_key(table, roles.columns[_MARKS[feed][-1][0]]):
        bonus -= 2.0
    order = 0.01 * (len(_MARKS) - list(_MARKS).index(feed))
    return max(certain + bonus - 2.0 * strange + order + (1.0 if feed == "sales" and not strange else 0.0), 0.0)


def _has(table: Table, column: str) -> bool:
    """Whether the table surely has such a column."""
    return any(
        name_score(name, column) > 90 and content.fits(column)
        for name, content in table.contents.items()
        if name not in table.days
    )


def _is_key(table: Table, name: str) -> bool:
    look = table.contents[name].look
    return look.distinct >= 0.9 * max(look.rows - look.blanks, 1)

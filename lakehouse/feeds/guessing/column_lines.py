"""The lines of a proposed mapping that say where a column of the feed layout comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.feeds.guessing.column_content import DateReading
from lakehouse.feeds.guessing.column_roles import Content, Roles, Table
from lakehouse.feeds.guessing.words import may_be_money, name_score
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.tables import FEEDS

ONE_PLACE = "shop"  # what the only place is called where no column names it
SURE = 60  # score above which a header is just that word
BELOW_ZERO = "^[-(\u2212]|-$"  # how a number below zero is written
_SHOWN, _READ, _TIMES_SEEN = 3, 0.8, 1000
_TIME = re.compile(r"^\d{1,2}:\d\d(:\d\d)?$")


@dataclass(slots=True)
class Said:
    """What is said beside the mapping: questions that a person must answer, notes, currencies by their signs."""

    questions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    money: set[str] = field(default_factory=set)


@dataclass(slots=True)
class ColumnLines:
    """Lines for the columns of a table as one feed.

    notation: what is said for the whole feed already; place: the only place of all sales, None where they have several;
    filled: columns whose blanks take the value above; places: columns of stock that are each a place's.
    """

    table: Table
    roles: Roles
    said: Said
    place: str | None
    notation: Mapping[str, str]
    filled: Sequence[str] = ()
    places: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """A line or more for each column of the layout that the table gives, or that must be answered for."""
        given = {"ds", "units"} if self.table.days and self.roles.feed == "sales" else set()
        given |= {"location_id", "on_hand_qty"} if self.roles.feed == "stock" and self.places else set()
        lines: list[str] = []
        for column in FEEDS[self.roles.feed].columns:
            if column in given:
                continue
            name = self.roles.columns.get(column)
            lines += self._absent(column) if name is None else self._column(column, name)
        return lines

    def _column(self, column: str, name: str) -> list[str]:
        content = self.table.contents[name]
        match COLUMNS[column].type:
            case "date":
                return self._day(column, name, content)
            case "double":
                return self._number(column, name, content)
            case "boolean":
                return self._flag(column, name, content)
        lines = [f"{column} = {toml(name)}   # {examples(content)}"]
        if content.look.blanks and column in ("sku_id", "location_id") and name not in self.filled:
            share = content.look.blanks / max(content.look.rows, 1)
            lines[0] += f"; {share:.0%} of the rows have none" if share >= 0.005 else ""
        return lines

    def _day(self, column: str, name: str, content: Content) -> list[str]:
        dates = content.dates
        if dates.readings:
            example = dates.readings[0][1]
            says = " or ".join(f"{day} as {pattern}" for pattern, _, day in dates.readings)
            self.said.questions.append(
                f"{self.table.name}, {name!r}: {example!r} is {says}; uncomment the line that is right"
            )
            return [
                f"# {column} = {toml({'column': name, 'format': pattern})}   # then {text!r} is {day}"
                for pattern, text, day in dates.readings
            ]
        origin = _dated(name, dates)
        unread = f"; not read: {dates.unread!r}" if dates.unread else ""
        lines = [f"{column} = {toml(origin)}   # {examples(content)}{unread}"]
        if column == "ds" and self.roles.feed == "sales":
            lines += [f"sold_at = {toml(origin)}"] if dates.has_clock else self._time_beside(origin)
        return lines

    def _time_beside(self, day: str | dict[str, Any]) -> list[str]:
        """The time of day in a column of its own, beside the day's."""
        for name, content in self.table.contents.items():
            texts = content.look.texts[:_TIMES_SEEN]
            if name_score(name, "time_of_day") < SURE or not texts or not all(map(_TIME.match, texts)):
                continue
            hours = "HH" if all(text[1:2] != ":" for text in texts) else "H"
            clock = f"{hours}:mm:ss" if texts[0].count(":") == 2 else f"{hours}:mm"
            said: dict[str, Any] = {} if isinstance(day, str) else dict(day)
            origin = {"column": said.pop("column", day), "time": name} | said
            if isinstance(patterns := said.get("format", []), str):
                origin["format"] = f"{patterns} {clock}"
            elif patterns:
                origin["format"] = [f"{pattern} {clock}" for pattern in patterns]
            return [f"sold_at = {toml(origin)}"]
        return []

    def _number(self, column: str, name: str, content: Content) -> list[str]:
        numbers = content.numbers
        if numbers.grouped and not numbers.decimal and "decimal" not in self.notation:
            self.said.questions.append(grouped_question(f"{self.table.name}, {name!r}", numbers.grouped))
            readings = grouped_readings(numbers.grouped)
            return [f"# {column} = {toml({'column': name, 'decimal': d})}   # then {w}" for d, w in readings.items()]
        if column == "units" and not numbers.is_whole and may_be_money(name):
            self.said.questions.append(
                f"{self.table.name}, {name!r} has decimals ({examples(content)}): units, or money?"
            )
            return [f"# units = {toml(name)}   # {examples(content)}: uncomment if these are units, not money"]
        origin = self._amount(name, may_be_negated=column == "units")
        turned = "; most are below zero, so that they count with the other sign" if "negate" in origin else ""
        return [f"{column} = {toml(origin)}   # {examples(content)}{turned}"]

    def _amount(self, name: str, *, may_be_negated: bool = True) -> str | dict[str, Any]:
        """A column of numbers; its decimal sign where it is not the feed's, negated where most are below zero."""
        numbers = self.table.contents[name].numbers
        must_say = numbers.decimal == "," or (numbers.decimal == "." and numbers.has_groups)
        own: dict[str, Any] = {}
        if must_say and self.notation.get("decimal") != numbers.decimal:
            own["decimal"] = numbers.decimal
        if may_be_negated and self.roles.feed == "sales" and self._is_below_zero(name):
            own["negate"] = True
        return {"column": name, **own} if own else name

    def _is_below_zero(self, name: str) -> bool:
        """Whether most numbers are: movements of goods count what leaves the store so."""
        texts = self.table.sample(name)[name].drop_null()
        below = pc.sum(pc.match_substring_regex(texts, BELOW_ZERO).cast(pa.int64())).as_py() or 0
        return 2 * below > len(texts)

    def _flag(self, column: str, name: str, content: Content) -> list[str]:
        flags = content.flags
        assert flags is not None
        words = {"true_values": list(flags.true_words), "false_values": list(flags.false_words)}
        origin = {"column": name, **{key: value for key, value in words.items() if value}}
        unknown = f"; neither: {', '.join(map(repr, flags.unknown))}" if flags.unknown else ""
        return [f"{column} = {toml(origin if len(origin) > 1 else name)}   # {examples(content)}{unknown}"]

    def _absent(self, column: str) -> list[str]:
        """What stands for a column of the layout that no column of the table is."""
        feed = self.roles.feed
        if column == "unit_price" and feed == "sales":
            return self._price_of_total()
        if column not in FEEDS[feed].required:
            return []
        return self._place() if column == "location_id" else self._open(column)

    def _place(self) -> list[str]:
        feed = self.roles.feed
        if self.place is None and feed == "supply":
            self.said.notes.append(
                f"{self.table.name}: its terms name no place: they hold wherever an article is sold (location_id)"
            )
            return ['location_id = { const = "*" }   # no column names a place: wherever the article is sold']
        if self.place is None:
            self.said.questions.append(f"{self.table.name}: which location? {feed} needs one, and no column names it")
            return [f'# location_id = {{ const = "..." }}   # a location_id of sales; {feed} names none']
        if feed != "sales":
            return [f"location_id = {{ const = {toml(self.place)} }}   # the only place of sales"]
        self.said.notes.append(
            f"no column of {self.table.name} names a place: all of it is taken for one, called {ONE_PLACE!r}"
        )
        return [f'location_id = {{ const = "{ONE_PLACE}" }}   # no column names a place; call it as you like']

    def _open(self, column: str) -> list[str]:
        """A required column that is named like none: those that it may be, for a person to choose from."""
        if column == "ds" and self.roles.feed == "stock":
            self.said.notes.append(f"{self.table.name}: no column dates the counts: they are taken for the as-of day's")
            return ['ds = { const = "as_of" }   # no column dates the counts: of the run\'s day, or that of the file']
        contents, taken = self.table.contents, set(self.roles.columns.values())
        likely = [name for name, content in contents.items() if content.fits(column) and name not in taken]
        if column == "sku_id":
            likely = [name for name in likely if contents[name].flags is None]
            likely = sorted(likely, key=lambda name: -contents[name].look.distinct)
        self.said.questions.append(
            f"{self.table.name}: no column is named like {column}, which {self.roles.feed} needs; choose one"
        )
        lines = [f"# {column} = {toml(name)}   # {examples(contents[name])}" for name in likely[:5]]
        if column == "sku_id":
            lines.append('# sku_id = { const = "all" }   # if all is planned as one article')
        if column == "ds":
            lines.append('# ds = { const = "2024-01-31" }   # the day for which these figures hold')
        return lines or [f'# {column} = "..."   # no column looks like it']

    def _price_of_total(self) -> list[str]:
        contents, units = self.table.contents, self.roles.columns.get("units")
        totals = [n for n in contents if name_score(n, "totals") > SURE and contents[n].numbers.share > _READ]
        if not totals or units is None:
            return []
        total = max(totals, key=lambda name: name_score(name, "totals"))
        self.said.notes.append(
            f"{self.table.name}: no column is a unit price; if {total!r} is the line's total, uncomment line_value"
        )
        return [
            f"# line_value = {toml(self._amount(total))}   # if {total!r} is the total of the line: it gives the price"
        ]


def grouped_readings(text: str) -> dict[str, str]:
    """What a text such as 1.205 says by the sign that parts decimals."""
    sign = "." if "." in text else ","
    other = "," if sign == "." else "."
    return {other: f"{text!r} is {text.replace(sign, '')}", sign: f"{text!r} is {text.replace(sign, '.')}"}


def grouped_question(where: str, text: str) -> str:
    """The question which of the two is right."""
    return f"{where}: {' or '.join(grouped_readings(text).values())}; uncomment the line that is right"


def _dated(name: str, dates: DateReading) -> str | dict[str, Any]:
    if not dates.patterns:
        return name
    patterns: str | list[str] = dates.patterns[0] if len(dates.patterns) == 1 else list(dates.patterns)
    return {"column": name, "format": patterns} | ({"language": dates.language} if dates.language else {})


def examples(content: Content) -> str:
    look = content.look
    kind = f" ({look.type})" if look.type is not None and not pa.types.is_null(look.type) else ""
    shown = ", ".join(text[:40] for text in look.texts[:_SHOWN]).replace("\n", " ")
    return f"{look.distinct:,} values, such as {shown}{kind}"


def toml(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str) and "\\" in value and "'" not in value:
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)

"""A source mapping proposed for a folder: what its files show is said, what they leave open is left to a person.

An open question stands in the mapping as lines that are commented out, one for each answer, and in `questions`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.errors import ConfigError
from lakehouse.feeds.guessing.column_content import DateReading, NumberReading
from lakehouse.feeds.guessing.column_roles import Content, Roles, Table
from lakehouse.feeds.guessing.table_shape import TableLook, iter_groups, look_at
from lakehouse.feeds.guessing.words import name_score
from lakehouse.feeds.sources import SourceMapping
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.tables import FEEDS

_PLACE = "shop"
_SHOWN, _SURE = 3, 60  # above it a header is just that word
_ORDER = ("sales", "prices", "promotions", "products", "locations", "calendar", "stock", "supply")
_NAMES_CURRENCY = re.compile(r"(?i)(currency|w(ä|ae)hrung|devise|moneda|货币|币种)")


@dataclass(slots=True)
class Proposal:
    """text: the mapping as TOML; questions: what a person must decide; unplaced: files that are no feed, and why."""

    text: str = ""
    questions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)
    feeds: dict[str, str] = field(default_factory=dict)

    def mapping(self, name: str) -> SourceMapping:
        """The mapping, read as a run would. Raises ConfigError where questions keep it from being one."""
        try:
            return SourceMapping(name=name, **tomllib.loads(self.text))
        except ValueError as error:
            reason = str(error).split("\n")[1 if "validation error" in str(error) else 0].strip().split(" [type")[0]
            raise ConfigError(f"the proposed mapping is not complete: {reason}") from error


def propose(folder: Path) -> Proposal:
    """Look at all files below the folder and propose how to read them."""
    looks = look_at(folder)
    tables = [Table.of(group) for group in iter_groups([look for look in looks if look.strange is None])]
    return _Writer(folder, looks, tables).write()


@dataclass(slots=True)
class _Writer:
    folder: Path
    looks: list[TableLook]
    tables: list[Table]
    done: Proposal = field(default_factory=Proposal)
    money: set[str] = field(default_factory=set)
    placed: dict[str, tuple[Table, Roles]] = field(default_factory=dict)
    place: str | None = None  # the constant that stands for the only place

    def write(self) -> Proposal:
        placed = self._placed()
        for look in self.looks:
            if look.strange is not None:
                self.done.unplaced.append(f"{look.path}: {look.strange}")
        if "sales" not in placed:
            self.done.questions.append(
                "no file looks like sales, which every mapping needs: a day, an article and a number of units a row"
            )
        elif "location_id" not in placed["sales"][1].columns:
            self.place = _PLACE
        self.placed = placed
        body = [line for feed in _ORDER if feed in placed for line in self._feed(feed, *placed[feed])]
        self.done.text = "\n".join([*self._head(placed), *body, *self._tail()]) + "\n"
        return self.done

    def _placed(self) -> dict[str, tuple[Table, Roles]]:
        """Each feed's table. Of several that look like one, that with the best fit; ties by rows."""
        placed: dict[str, tuple[Table, Roles]] = {}
        for table in sorted(self.tables, key=lambda t: (-(t.best() or Roles("")).score, -t.rows)):
            best = table.best()
            if best is None:
                self.done.unplaced.append(f"{table.name}: no feed is seen in its columns {table.first.header[:12]}")
            elif best.feed in placed:
                self.done.unplaced.append(
                    f"{table.name}: looks like {best.feed} as well, which {placed[best.feed][0].name} already is; a "
                    "feed has one shape. Bring both into one, or leave one out"
                )
            else:
                placed[best.feed] = (table, best)
                self.done.feeds[best.feed] = table.name
        self._share("sales", ("products",), placed)
        self._share("products", ("supply",), placed)
        return placed

    def _share(self, feed: str, others: Iterable[str], placed: dict[str, tuple[Table, Roles]]) -> None:
        """A table may be a second feed too: articles named beside their sales, supply terms in a list of articles."""
        for other in others:
            if feed not in placed or other in placed:
                continue
            table = placed[feed][0]
            roles = table.as_feeds[other]
            keys = ("sku_id", "location_id", "channel_id")
            own = [c for c, name in roles.columns.items() if c not in keys and name_score(name, c) > _SURE]
            if "sku_id" in roles.columns and own:
                placed[other] = (table, roles)

    # -- lines ------------------------------------------------------------------------------------------------------
    def _head(self, placed: Mapping[str, tuple[Table, Roles]]) -> list[str]:
        lines = ["# Proposed from the files. Read it, answer what is commented out, then try `shelfcast check`.", ""]
        lines.append('# country = "DE"   # ISO code of your shops\' country: with it public holidays are known')
        currency = self._currency(placed)
        if currency is None:
            lines.append('# currency = "EUR"   # the files do not say; without it USD')
        else:
            lines.append(f'currency = "{currency[0]}"   # {currency[1]}')
        return [*lines, *self._zone(placed)]

    def _currency(self, placed: Mapping[str, tuple[Table, Roles]]) -> tuple[str, str] | None:
        for table, _ in placed.values():
            for name, content in table.contents.items():
                texts = content.look.texts
                if _NAMES_CURRENCY.match(name) and len(texts) == 1 and re.match(r"^[A-Z]{3}$", texts[0]):
                    return texts[0], f"the column {name!r}"
        if len(self.money) == 1:
            (code,) = self.money
            doubt = "; '$' may be another dollar, '¥' may be JPY" if code in ("USD", "CNY") else ""
            return code, f"by the signs beside prices{doubt}"
        if len(self.money) > 1:
            self.done.questions.append(f"prices carry signs of several currencies: {sorted(self.money)}; say currency")
        return None

    def _zone(self, placed: Mapping[str, tuple[Table, Roles]]) -> list[str]:
        """The time zone of the place, where the times are instants."""
        if "sales" not in placed or "ds" not in placed["sales"][1].columns:
            return []
        table, roles = placed["sales"]
        content = table.contents[roles.columns["ds"]]
        zone = getattr(content.look.type, "tz", None)
        offsets = set(content.dates.offsets)
        if (zone or "").upper() in ("UTC", "ETC/UTC", "Z", "+00:00") or offsets == {0.0}:
            self.done.questions.append(
                f"{roles.columns['ds']!r} holds instants in UTC, such as {content.look.texts[0]!r}: in which zone are "
                "the shops? The day of a sale is that of its place"
            )
            return [
                '# timezone = "Europe/Berlin"   # the zone of the shops: the times are in UTC',
                '# timezone = "UTC"             # to take the days as they are written',
            ]
        if zone:
            return [f"# Times are on the clock of {zone}, as the file says; timezone = ... would move them to another."]
        if offsets:
            return [
                "# Times carry their offset: the day is that of the place. timezone = ... would move them to another."
            ]
        return []

    def _feed(self, feed: str, table: Table, roles: Roles) -> list[str]:
        notation, number_notes = self._notation(table, roles)
        given = {"ds", "units"} if table.days and feed == "sales" else set()
        lines = ["", f"[feeds.{feed}]" + (f"   # {roles.system}" if roles.system else "")]
        lines.append(f"files = {_toml(self._files(table))}")
        shape = {k: v for k, v in table.first.shape.items() if k != "format"}
        if feeds_rows := next((look.shape["footer"] for look in table.looks if "footer" in look.shape), None):
            shape["footer"] = feeds_rows
        lines += [f"{key} = {_toml(value)}" for key, value in shape.items()]
        if notation:
            lines.append(f"notation = {_toml(notation)}   # {number_notes}")
        lines += self._melt(table) if given else []
        lines += self._fill_down(table, roles)
        lines += self._overlap(feed, table)
        lines += ["", f"[feeds.{feed}.columns]"]
        for column in FEEDS[feed].columns:
            if column in given:
                continue
            if column in roles.columns:
                lines += self._column(column, roles.columns[column], table, notation)
            else:
                lines += self._absent(feed, column, table, roles)
        return [*lines, *self._unused(feed, table, roles)]

    def _files(self, table: Table) -> list[str]:
        """A pattern that only these files match, else their names."""
        names = list(dict.fromkeys(look.path for look in table.looks))
        others = [look.path for look in self.looks if look.path not in names and look.strange != "empty"]
        if len(names) > 1:
            start, end = _shared(names), _shared([name[::-1] for name in names])[::-1]
            start = re.sub(r"\d[\d\-_.]*$", "", start)
            pattern = f"{start}*{end}" if len(start) + len(end) <= min(map(len, names)) else f"{start}*"
            plain = not set(start + end) & set("[]*?")
            if (
                plain
                and "/" not in "".join(name[len(start) :] for name in names)
                and not any(fnmatchcase(other, pattern) for other in others)
            ):
                return [pattern]
        return [re.sub(r"([\[*?])", r"[\1]", name) for name in names]

    def _notation(self, table: Table, roles: Roles) -> tuple[dict[str, str], str]:
        """The signs in numbers that one column proves for all of its feed, and by what."""
        readings = [(name, table.contents[name].numbers) for name in self._number_columns(table, roles)]
        proven = {reading.decimal: (name, reading.proof) for name, reading in readings if reading.decimal}
        self.money |= {reading.money for _, reading in readings if reading.money}
        if len(proven) > 1:
            self.done.notes.append(f"{table.name}: decimal signs differ between columns: {proven}; each says its own")
            return {}, ""
        has_groups = any(reading.has_groups for _, reading in readings)
        for decimal, (name, proof) in proven.items():
            if decimal == "," or has_groups:
                signs = {"decimal": decimal} | ({"thousands": "." if decimal == "," else ","} if has_groups else {})
                return {k: str(v) for k, v in signs.items()}, f"as {proof!r} in {name!r} shows"
        return {}, ""

    def _number_columns(self, table: Table, roles: Roles) -> list[str]:
        own = [name for column, name in roles.columns.items() if COLUMNS[column].type == "double"]
        others = [name for name in table.contents if name not in own and name_score(name, "totals") > 0]
        return [name for name in [*own, *others] if table.contents[name].numbers.share > 0.5]

    def _column(self, column: str, name: str, table: Table, notation: Mapping[str, str]) -> list[str]:
        content = table.contents[name]
        match COLUMNS[column].type:
            case "date":
                return self._day(column, name, content, table)
            case "double":
                return self._number(column, name, content, table, notation)
            case "boolean":
                return self._flag(column, name, content)
        lines = [f"{column} = {_toml(name)}   # {_examples(content)}"]
        if content.look.blanks and column in ("sku_id", "location_id"):
            share = content.look.blanks / max(content.look.rows, 1)
            lines[0] += f"; {share:.0%} of the rows have none" if share >= 0.005 else ""
        return lines

    def _day(self, column: str, name: str, content: Content, table: Table) -> list[str]:
        dates = content.dates
        if dates.readings:
            example = dates.readings[0][1]
            says = " or ".join(f"{day} as {pattern}" for pattern, _, day in dates.readings)
            self.done.questions.append(
                f"{table.name}, {name!r}: {example!r} is {says}; uncomment the line that is right"
            )
            return [
                f"# {column} = {_toml({'column': name, 'format': pattern})}   # then {text!r} is {day}"
                for pattern, text, day in dates.readings
            ]
        origin = _dated(name, dates)
        unread = f"; not read: {dates.unread!r}" if dates.unread else ""
        lines = [f"{column} = {_toml(origin)}   # {_examples(content)}{unread}"]
        if column == "ds" and dates.has_clock and "sold_at" in FEEDS["sales"].columns and table.best() is not None:
            lines += [f"sold_at = {_toml(origin)}"] if table.as_feeds["sales"].score > 0 else []
        return lines

    def _number(self, column: str, name: str, content: Content, table: Table, notation: Mapping[str, str]) -> list[str]:
        numbers = content.numbers
        if numbers.grouped and not numbers.decimal and "decimal" not in notation:
            self.done.questions.append(
                f"{table.name}, {name!r}: {numbers.grouped!r} is {re.sub('[.,]', '', numbers.grouped)} where its sign "
                "parts thousands, and a number with decimals else; uncomment the line that is right"
            )
            sign = "." if "." in numbers.grouped else ","
            other = "," if sign == "." else "."
            words = {other: f"{numbers.grouped!r} is {numbers.grouped.replace(sign, '')}", sign: "it has decimals"}
            return [f"# {column} = {_toml({'column': name, 'decimal': d})}   # then {w}" for d, w in words.items()]
        if (
            column == "units"
            and not numbers.is_whole
            and name_score(name, "units") < name_score("ventas unidades", "units")
        ):
            self.done.questions.append(f"{table.name}, {name!r} has decimals ({_examples(content)}): units, or money?")
            return [f"# units = {_toml(name)}   # {_examples(content)}: uncomment if these are units, not money"]
        own = {"decimal": numbers.decimal} if numbers.decimal == "," and notation.get("decimal") != "," else {}
        origin = {"column": name, **own} if own else name
        return [f"{column} = {_toml(origin)}   # {_examples(content)}"]

    def _flag(self, column: str, name: str, content: Content) -> list[str]:
        flags = content.flags
        assert flags is not None
        words = {"true_values": list(flags.true_words), "false_values": list(flags.false_words)}
        origin = {"column": name, **{key: value for key, value in words.items() if value}}
        unknown = f"; neither: {', '.join(map(repr, flags.unknown))}" if flags.unknown else ""
        return [f"{column} = {_toml(origin if len(origin) > 1 else name)}   # {_examples(content)}{unknown}"]

    def _absent(self, feed: str, column: str, table: Table, roles: Roles) -> list[str]:
        """What stands for a column that no column of the table is."""
        required = column in FEEDS[feed].required
        if column == "location_id" and required:
            if self.place is None and feed != "sales":
                self.done.questions.append(f"{table.name}: which location? {feed} needs one, and no column names it")
                return [f'# location_id = {{ const = "..." }}   # a location_id of sales; {feed} names none']
            self.done.notes.append(
                f"no column of {table.name} names a place: all of it is taken for one, called {_PLACE!r}"
            )
            return [f'location_id = {{ const = "{_PLACE}" }}   # no column names a place; call it as you like']
        if column == "unit_price" and feed == "sales":
            return self._price_of_total(table, roles)
        if not required:
            return []
        likely = [name for name, c in table.contents.items() if c.fits(column) and name not in roles.columns.values()]
        if column == "sku_id":
            likely = [name for name in likely if table.contents[name].flags is None]
            likely = sorted(likely, key=lambda name: -len(table.contents[name].look.texts))
        self.done.questions.append(f"{table.name}: no column is named like {column}, which {feed} needs; choose one")
        lines = [f"# {column} = {_toml(name)}   # {_examples(table.contents[name])}" for name in likely[:5]]
        if column == "sku_id":
            lines.append('# sku_id = { const = "all" }   # if all is planned as one article')
        if column == "ds":
            lines.append('# ds = { const = "2024-01-31" }   # the day for which these figures hold')
        return lines or [f'# {column} = "..."   # no column looks like it']

    def _price_of_total(self, table: Table, roles: Roles) -> list[str]:
        totals = [
            name
            for name in table.contents
            if name_score(name, "totals") > 60 and table.contents[name].numbers.share > 0.8
        ]
        units = roles.columns.get("units")
        if not totals or units is None:
            return []
        total = max(totals, key=lambda name: name_score(name, "totals"))
        numbers: NumberReading = table.contents[total].numbers
        amount = f"`{total}`"
        if numbers.decimal == ",":
            amount = f"replace(replace({amount}, '.', ''), ',', '.')"
        expr = f"try_divide(try_cast({amount} AS DOUBLE), try_cast(`{units}` AS DOUBLE))"
        self.done.notes.append(
            f"{table.name}: no column is a unit price; if {total!r} is the line's total, uncomment unit_price"
        )
        return [f"# unit_price = {_toml({'expr': expr})}   # if {total!r} is the total of the line"]

    def _melt(self, table: Table) -> list[str]:
        from lakehouse.feeds.guessing.column_content import read_dates

        reading = read_dates(table.days)
        if reading.readings:
            self.done.questions.append(
                f"{table.name}: the column {reading.readings[0][1]!r} is "
                f"{' or '.join(str(day) for _, _, day in reading.readings)}; uncomment the line that is right"
            )
            return [f"# melt = {_toml({'format': p})}   # then {text!r} is {day}" for p, text, day in reading.readings]
        if reading.share >= 0.98:
            return [f"melt = {_toml({'format': (reading.patterns or ('yyyy-MM-dd',))[0]})}   # one column per day"]
        prefix = table.days[0].rstrip("0123456789")
        if found := self._origin(table.days[0]):
            other, day = found
            number = int(table.days[0].removeprefix(prefix))
            return [
                f"melt = {{ prefix = {_toml(prefix)}, origin = {day}, origin_number = {number} }}   # as {other} says"
            ]
        self.done.questions.append(f"{table.name}: which day is the column {table.days[0]!r}? Say it as melt.origin")
        number = int(table.days[0].removeprefix(prefix))
        return [f"# melt = {{ prefix = {_toml(prefix)}, origin = 2024-01-01, origin_number = {number} }}   # its day"]

    def _origin(self, name: str) -> tuple[str, str] | None:
        """The day that another file states beside the name of a day column, as M5's calendar does."""
        for table in self.tables:
            keys = [c for c, content in table.contents.items() if name in content.look.texts]
            days = [
                c for c, content in table.contents.items() if content.dates.share == 1.0 and not content.dates.patterns
            ]
            if keys and days:
                texts = (table.contents[keys[0]].look.texts, table.contents[days[0]].look.texts)
                if len(texts[0]) == len(texts[1]):
                    return table.name, texts[1][texts[0].index(name)]
        return None

    def _fill_down(self, table: Table, roles: Roles) -> list[str]:
        """Days that only the first line of an order states."""
        day, order = roles.columns.get("ds"), roles.columns.get("transaction_id")
        if not day or not order:
            return []
        blanks, of_order = table.contents[day].look.blanks, table.contents[order].look
        if not 0 < blanks <= of_order.rows - len(of_order.texts) or of_order.blanks > blanks:
            return []
        return [
            f"fill_down = {_toml({'columns': [day], 'within': [order]})}   # only an order's first line has its day"
        ]

    def _overlap(self, feed: str, table: Table) -> list[str]:
        if feed != "sales" or len(table.looks) < 2 or table.days:
            return []
        return [
            '# latest_by = ["sku_id", "location_id", "ds"]   # if the files overlap: the latest counts, not the sum'
        ]

    def _unused(self, feed: str, table: Table, roles: Roles) -> list[str]:
        elsewhere = [other.columns.values() for each, other in self.placed.values() if each is table]
        known = {*roles.columns.values(), *table.days, *(name for names in elsewhere for name in names)}
        others = [name for name in table.contents if name not in known]
        lines = [f"# not used: {', '.join(others)}"] if others else []
        rivals = {column: names for column, names in roles.rivals.items() if names}
        lines += [f"# {column} may also be {', '.join(map(repr, names))}" for column, names in rivals.items()]
        return lines

    def _tail(self) -> list[str]:
        return [*self._clean(), *self._returns()]

    def _returns(self) -> list[str]:
        """What may be said of lines with units below zero."""
        table, roles = self.placed.get("sales", (None, Roles("sales")))
        if table is None or "units" not in roles.columns:
            return []
        texts = table.contents[roles.columns["units"]].look.texts
        if not any(re.search(r"^[-(\u2212]|-$", text.strip()) for text in texts):
            return []
        by = "customer_id" if "customer_id" in roles.columns else "location_id"
        return [
            "",
            "# Units below zero are set aside unless the mapping says that they take back an earlier sale:",
            "# [clean.cancellations]",
            '# when = "units < 0"',
            f'# match_on = ["{by}", "sku_id"]   # what both lines share',
        ]

    def _clean(self) -> list[str]:
        return ["", "[clean]", 'gap_fill = "zero"   # a day without a row: nothing was sold; "unknown": not observed']


def _dated(name: str, dates: DateReading) -> str | dict[str, Any]:
    if not dates.patterns:
        return name
    patterns: str | list[str] = dates.patterns[0] if len(dates.patterns) == 1 else list(dates.patterns)
    return {"column": name, "format": patterns} | ({"language": dates.language} if dates.language else {})


def _examples(content: Content) -> str:
    look = content.look
    kind = f" ({look.type})" if look.type is not None and not pa.types.is_null(look.type) else ""
    shown = ", ".join(text[:40] for text in look.texts[:_SHOWN]).replace("\n", " ")
    return f"{look.distinct:,} values, such as {shown}{kind}"


def _shared(texts: list[str]) -> str:
    """The beginning that all texts have."""
    first, last = min(texts), max(texts)
    return first[: next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def _toml(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str) and "\\" in value and "'" not in value:
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)

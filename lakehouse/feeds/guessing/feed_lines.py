"""The lines of a proposed mapping for one feed: its files, how they are written, its columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from lakehouse.feeds.guessing.column_content import read_dates
from lakehouse.feeds.guessing.column_lines import ColumnLines, Said, grouped_question, grouped_readings, toml
from lakehouse.feeds.guessing.column_roles import Roles, Table
from lakehouse.feeds.guessing.no_sales import NoSales, stands_first, stands_in_blocks
from lakehouse.feeds.guessing.table_shape import TableLook
from lakehouse.feeds.guessing.words import name_score
from lakehouse.schema.columns import COLUMNS

_DIGITS = "0123456789"
_DAYS_SEEN, _READ = 60, 0.8


@dataclass(slots=True)
class FeedLines:
    """Lines for a table as one feed; `tables` and `looks` are all that the folder has.

    place, places: see `ColumnLines`.
    """

    table: Table
    roles: Roles
    tables: Sequence[Table]
    looks: Sequence[TableLook]
    said: Said
    place: str | None
    places: Mapping[str, str] = field(default_factory=dict)

    def lines(self, used_elsewhere: set[str]) -> list[str]:
        """The feed as TOML. used_elsewhere: columns of the table that other feeds read."""
        feed, table = self.roles.feed, self.table
        notation, proof = self._notation()
        lines = ["", f"[feeds.{feed}]" + (f"   # {self.roles.system}" if self.roles.system else "")]
        lines.append(f"files = {toml(self._files())}")
        shape = {key: value for key, value in table.first.shape.items() if key != "format"}
        if footers := [look.shape["footer"] for look in table.looks if "footer" in look.shape]:
            shape["footer"] = footers[0]
        if len(sheets := list(dict.fromkeys(look.shape["sheet"] for look in table.looks if "sheet" in look.shape))) > 1:
            shape["sheet"] = sheets
        lines += [f"{key} = {toml(value)}" for key, value in shape.items()]
        lines += [f"notation = {toml(notation)}   # {proof}"] if notation else []
        lines += [*self._signs_of_days(notation), *self._melt()] if table.days and feed == "sales" else []
        no_sales = NoSales(table, self.roles) if feed == "sales" else None
        if self.places and feed == "stock":
            prefix = next(iter(self.places)).removesuffix(next(iter(self.places.values())))
            melt = {"prefix": prefix, "into": "location_id", "value": "on_hand_qty"}
            lines.append(f"melt = {toml(melt)}   # a column for each place")
        blocks = self._blocks()
        lines += self._fill_down(no_sales.filled_down if no_sales else [], blocks)
        if no_sales is not None:
            self.said.questions += no_sales.questions()
            lines += no_sales.lines(shape.get("drop_when"))
        lines += [*self._overlap(), "", f"[feeds.{feed}.columns]"]
        lines += ColumnLines(table, self.roles, self.said, self.place, notation, blocks, self.places).lines()
        return [*lines, *self._unused(used_elsewhere)]

    def _files(self) -> list[str]:
        """A pattern that only these files match, else their names."""
        names = list(dict.fromkeys(look.path for look in self.table.looks))
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

    def _notation(self) -> tuple[dict[str, str], str]:
        """The signs in numbers that one column proves for all of its file, and by what: a file has one writer."""
        contents, own = self.table.contents, self._own_numbers()
        self.said.money |= {contents[name].numbers.money or "" for name in own} - {""}
        if not own:
            return {}, ""
        others = [name for name in contents if name not in own and contents[name].numbers.share > _READ]
        proven = self._proven(own) or self._proven(others)
        if len(proven) > 1:
            shown = "; ".join(f"{name!r} has {contents[name].numbers.proof!r}" for name in proven.values())
            self.said.notes.append(f"{self.table.name}: decimal signs differ between columns: {shown}")
            return {}, ""
        groups = next((contents[name].numbers for name in own if contents[name].numbers.has_groups), None)
        for decimal, name in proven.items():
            if decimal == "," or groups:
                signs = {"decimal": decimal} | ({"thousands": "." if decimal == "," else ","} if groups else {})
                return signs, f"as {contents[name].numbers.proof!r} in {name!r} shows"
        return {}, ""

    def _own_numbers(self) -> list[str]:
        """The columns of numbers that the feed reads, or may be told to."""
        contents = self.table.contents
        own = [name for column, name in self.roles.columns.items() if COLUMNS[column].type == "double"]
        totals = [name for name in contents if name not in own and name_score(name, "totals") > 0]
        days = self.table.days[:_DAYS_SEEN] if self.roles.feed == "sales" else []
        return [name for name in [*own, *totals, *days] if contents[name].numbers.share > 0.5]

    def _proven(self, names: Sequence[str]) -> dict[str, str]:
        """The decimal signs that columns prove, each with the first of them."""
        found = [(self.table.contents[name].numbers.decimal, name) for name in reversed(names)]
        return {decimal: name for decimal, name in found if decimal}

    def _signs_of_days(self, notation: Mapping[str, str]) -> list[str]:
        """Where the cells of a wide table may have thousands or decimals: both readings."""
        numbers = [self.table.contents[name].numbers for name in self.table.days]
        grouped = next((each.grouped for each in numbers if each.grouped), None)
        if grouped is None or notation:
            return []
        self.said.questions.append(grouped_question(f"{self.table.name}, the days", grouped))
        return [
            f"# notation = {toml({'decimal': d})}   # then {words}" for d, words in grouped_readings(grouped).items()
        ]

    def _melt(self) -> list[str]:
        reading = read_dates(self.table.days)
        if reading.readings:
            self.said.questions.append(
                f"{self.table.name}: the column {reading.readings[0][1]!r} is "
                f"{' or '.join(str(day) for _, _, day in reading.readings)}; uncomment the line that is right"
            )
            return [f"# melt = {toml({'format': p})}   # then {text!r} is {day}" for p, text, day in reading.readings]
        if reading.share >= 0.98:
            return [f"melt = {toml({'format': (reading.patterns or ('yyyy-MM-dd',))[0]})}   # one column per day"]
        prefix = self.table.days[0].rstrip(_DIGITS)
        if found := self._origin(self.table.days[0]):
            other, day = found
            number = int(self.table.days[0].removeprefix(prefix))
            return [
                f"melt = {{ prefix = {toml(prefix)}, origin = {day}, origin_number = {number} }}   # as {other} says"
            ]
        self.said.questions.append(
            f"{self.table.name}: which day is the column {self.table.days[0]!r}? Say it as melt.origin"
        )
        number = int(self.table.days[0].removeprefix(prefix))
        return [f"# melt = {{ prefix = {toml(prefix)}, origin = 2024-01-01, origin_number = {number} }}   # its day"]

    def _origin(self, name: str) -> tuple[str, str] | None:
        """The day that another file states beside the name of a day column, as M5's calendar does."""
        for table in self.tables:
            texts = {column: content.look.texts for column, content in table.contents.items()}
            key = next((column for column in texts if name in texts[column]), None)
            if key is None:
                continue
            for column, content in table.contents.items():
                dates = content.dates if len(texts[column]) == len(texts[key]) else None
                if dates is not None and dates.share == 1.0 and not dates.patterns:
                    return table.name, texts[column][texts[key].index(name)]
        return None

    def _blocks(self) -> list[str]:
        """Columns with a value in the first row of its block alone, which holds for the rows below."""
        found = []
        for column in ("location_id", "channel_id", "ds", "sku_id"):
            name = self.roles.columns.get(column)
            if name and name not in self._of_orders() and stands_in_blocks(self.table, name, is_key=column == "sku_id"):
                found.append(name)
        return found

    def _of_orders(self) -> list[str]:
        """The day, where only the first line of an order states it."""
        day, order = self.roles.columns.get("ds"), self.roles.columns.get("transaction_id")
        return [day] if day and order and stands_first(self.table, day, order) else []

    def _fill_down(self, states: Sequence[str], blocks: Sequence[str]) -> list[str]:
        """What only the first line of an order, or of a block, states."""
        if blocks:
            self.said.notes.append(f"{self.table.name}: {list(blocks)} hold for the rows below (fill_down)")
            return [f"fill_down = {toml({'columns': list(blocks)})}   # stated in the first row of a block alone"]
        order = self.roles.columns.get("transaction_id")
        columns = [*self._of_orders(), *states]
        rule = toml({"columns": columns, "within": [order]})
        return [f"fill_down = {rule}   # only an order's first line has them"] if columns else []

    def _overlap(self) -> list[str]:
        if self.roles.feed != "sales" or len(self.table.looks) < 2 or self.table.days:
            return []
        return [
            '# latest_by = ["sku_id", "location_id", "ds"]   # if the files overlap: the latest counts, not the sum'
        ]

    def _unused(self, used_elsewhere: set[str]) -> list[str]:
        known = {*self.roles.columns.values(), *self.table.days, *used_elsewhere, *self.places}
        others = [name for name in self.table.contents if name not in known]
        lines = [f"# not used: {', '.join(others)}"] if others else []
        rivals = {column: names for column, names in self.roles.rivals.items() if names}
        lines += [f"# {column} may also be {', '.join(map(repr, names))}" for column, names in rivals.items()]
        return lines


def _shared(texts: list[str]) -> str:
    """The beginning that all texts have."""
    first, last = min(texts), max(texts)
    return first[: next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]

"""A source mapping proposed for a folder: what its files show is said, what they leave open is left to a person.

An open question stands in the mapping as lines that are commented out, one for each answer, and in `questions`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.errors import ConfigError
from lakehouse.feeds.guessing.column_lines import BELOW_ZERO, ONE_PLACE, SURE, Said, toml
from lakehouse.feeds.guessing.column_roles import Roles, Table
from lakehouse.feeds.guessing.feed_lines import FeedLines
from lakehouse.feeds.guessing.table_shape import TableLook, iter_groups, look_at
from lakehouse.feeds.guessing.words import language_of, name_score, plain
from lakehouse.feeds.sources import SourceMapping

_ORDER = ("sales", "prices", "promotions", "products", "locations", "calendar", "stock", "supply")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # TOML allows none, in comments neither
_NAMES_COUNTRY = re.compile(r"(?i)\b(country|land|pays|país)\b")
_COUNTRIES = {"USD": "US", "GBP": "GB", "CNY": "CN", "JPY": "JP", "CHF": "CH", "PLN": "PL", "SEK": "SE", "CAD": "CA"}
_NAMES_CURRENCY = re.compile(r"(?i)(currency|curr$|crcy|whrg|w(ä|ae)hrung|devise|moneda|货币|币种)")


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
    said: Said = field(default_factory=Said)
    placed: dict[str, tuple[Table, Roles]] = field(default_factory=dict)
    place: str | None = None  # the constant that stands for the only place
    places: dict[str, dict[str, str]] = field(default_factory=dict)  # by table, its columns of stock that are a place's

    def write(self) -> Proposal:
        placed = self._placed()
        for look in self.looks:
            if look.strange is not None:
                self.done.unplaced.append(f"{look.path}: {look.strange}")
        if "sales" not in placed:
            self.said.questions.append(
                "no file looks like sales, which every mapping needs: a day, an article and a number of units a row"
            )
        else:
            self._find_place(*placed["sales"])
        self._stock_by_place(placed)
        if self.place is None:
            self._leave_out_counts(placed)
        self.placed = placed
        self.done.feeds = {feed: placed[feed][0].name for feed in _ORDER if feed in placed}
        body = [line for feed in _ORDER if feed in placed for line in self._feed(feed)]
        lines = [*self._head(placed), *body, *self._clean(), *self._returns()]
        self.done.text = "\n".join(_CONTROL.sub(" ", line) for line in lines) + "\n"
        self.done.questions, self.done.notes = self.said.questions, self.said.notes
        return self.done

    def _feed(self, feed: str) -> list[str]:
        table, roles = self.placed[feed]
        others = [other for each, other in self.placed.values() if each is table]
        lines = FeedLines(table, roles, self.tables, self.looks, self.said, self.place, self.places.get(table.name, {}))
        return lines.lines({name for other in others for name in other.columns.values()})

    def _placed(self) -> dict[str, tuple[Table, Roles]]:
        """Each feed's table. Of several that look like one, that with the best fit; ties by rows."""
        placed: dict[str, tuple[Table, Roles]] = {}
        for table in sorted(self.tables, key=lambda t: (-(t.best() or Roles("")).score, -t.rows)):
            best = table.best()
            if best is None:
                self.done.unplaced.append(f"{table.name}: {_why_unplaced(table)}")
            elif best.feed in placed:
                self.done.unplaced.append(
                    f"{table.name}: looks like {best.feed} as well, which {placed[best.feed][0].name} already is; a "
                    "feed has one shape. Bring both into one, or leave one out"
                )
            else:
                placed[best.feed] = (table, best)
        self._share("sales", ("products",), placed)
        self._share("products", ("supply",), placed)
        self._share("stock", ("supply", "products"), placed)
        self._share("products", ("stock",), placed)
        return placed

    def _find_place(self, sales: Table, roles: Roles) -> None:
        """The one place of all sales, where there is but one."""
        name = roles.columns.get("location_id")
        if name is None:
            self.place = ONE_PLACE
        elif sales.contents[name].look.distinct == 1 and not sales.contents[name].look.blanks:
            self.place = sales.contents[name].look.texts[0]

    def _stock_by_place(self, placed: dict[str, tuple[Table, Roles]]) -> None:
        """Columns of stock that are each called after a place of sales: Stock Lyon, Stock Nantes."""
        if "stock" in placed and placed["stock"][0] is not placed.get("products", (None,))[0]:
            return
        sales, roles = placed.get("sales", (None, Roles("sales")))
        name = roles.columns.get("location_id")
        if sales is None or name is None:
            return
        known = {plain(text): text for text in sales.contents[name].look.texts}
        for table, _ in list(placed.values()):
            ends = {
                column: column.rpartition(" ") for column in table.contents if name_score(column, "on_hand_qty") > 0
            }
            found = {c: end for c, (start, _, end) in ends.items() if start and known.get(plain(end)) == end}
            starts = {ends[column][0] for column in found}
            if (
                len(found) > 1
                and len(starts) == 1
                and table is not sales
                and "sku_id" in table.as_feeds["stock"].columns
            ):
                stock = Roles("stock", {"sku_id": table.as_feeds["stock"].columns["sku_id"]}, 1.0)
                placed["stock"], self.places[table.name] = (table, stock), found

    def _leave_out_counts(self, placed: dict[str, tuple[Table, Roles]]) -> None:
        """Counts beside articles are of no use where no place is named and sales have several."""
        table, roles = placed.get("stock", (None, Roles("stock")))
        if table is None or "location_id" in roles.columns or table.name in self.places:
            return
        if table is placed.get("products", (None,))[0]:
            del placed["stock"]
            name = roles.columns["on_hand_qty"]
            self.said.notes.append(
                f"{table.name}: {name!r} looks like stock, which is by location; the file names none, so it is not "
                "used. Deliver it with a location each, or a column for each place, called after it"
            )

    def _share(self, feed: str, others: Iterable[str], placed: dict[str, tuple[Table, Roles]]) -> None:
        """A table may be a second feed too: articles named beside their sales, supply terms in a list of articles."""
        for other in others:
            if feed not in placed or other in placed:
                continue
            table = placed[feed][0]
            roles = table.as_feeds[other]
            keys = ("sku_id", "location_id", "channel_id")
            own = [c for c, name in roles.columns.items() if c not in keys and name_score(name, c) > SURE]
            if "sku_id" in roles.columns and own and (other != "stock" or "on_hand_qty" in own):
                placed[other] = (table, roles)

    # -- lines ------------------------------------------------------------------------------------------------------
    def _head(self, placed: Mapping[str, tuple[Table, Roles]]) -> list[str]:
        lines = ["# Proposed from the files. Read it, answer what is commented out, then try `shelfcast check`.", ""]
        language = language_of(name for table, _ in placed.values() for name in table.contents)
        currency = self._currency(placed)
        if currency is None and language is not None:
            currency = language["currency"], f"a guess: the headers are {language['name']}"
            self.said.notes.append(
                f"no file names the currency; {currency[0]} is a guess by the {language['name']} headers"
            )
        country = self._country(placed, currency[0] if currency else "", language)
        lines.append(f'# country = "{country}"   # ISO code of your shops\' country: with it public holidays are known')
        if currency is None:
            lines.append('# currency = "EUR"   # the files do not say; without it USD')
        else:
            lines.append(f'currency = "{currency[0]}"   # {currency[1]}')
        return [*lines, *self._zone(placed)]

    def _country(
        self, placed: Mapping[str, tuple[Table, Roles]], currency: str, language: Mapping[str, str] | None
    ) -> str:
        """The country that is likely: of the customers if they have one, else by the headers, else by the currency."""
        for table, _ in placed.values():
            for name, content in table.contents.items():
                texts = content.look.texts
                if _NAMES_COUNTRY.search(name) and len(texts) == 1 and re.match(r"^[A-Z]{2}$", texts[0]):
                    return texts[0]
        if language is not None:
            return str(language["country"])
        return _COUNTRIES.get(currency, "DE")

    def _currency(self, placed: Mapping[str, tuple[Table, Roles]]) -> tuple[str, str] | None:
        for table, _ in placed.values():
            for name, content in table.contents.items():
                texts = content.look.texts
                if _NAMES_CURRENCY.match(name) and len(texts) == 1 and re.match(r"^[A-Z]{3}$", texts[0]):
                    return texts[0], f"the column {name!r}"
        if len(self.said.money) == 1:
            (code,) = self.said.money
            doubt = {"USD": "; '$' may be another dollar", "CNY": "; '¥' may be JPY"}.get(code, "")
            return code, f"by the signs beside prices{doubt}"
        if len(self.said.money) > 1:
            self.said.questions.append(
                f"prices carry signs of several currencies: {sorted(self.said.money)}; say currency"
            )
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
            self.said.questions.append(
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

    def _returns(self) -> list[str]:
        """What may be said of lines with units below zero."""
        table, roles = self.placed.get("sales", (None, Roles("sales")))
        if table is None or "units" not in roles.columns:
            return []
        texts = table.contents[roles.columns["units"]].look.texts
        below = [bool(re.search(BELOW_ZERO, text)) for text in texts]
        if not any(below) or (all(below) and len(texts) > 1):
            return []
        given = roles.columns
        shared = ["location_id"] if "location_id" in given else []
        by = "transaction_id" if self._same_receipt(table, given) else "customer_id" if "customer_id" in given else ""
        match_on = [*(shared if by else ["location_id"]), "sku_id", *([by] if by else [])]
        name = given["units"]
        self.said.questions.append(
            f"{table.name}, {name!r}: some units are below zero; where they take back an earlier sale, uncomment "
            "[clean.cancellations], else they are set aside"
        )
        return [
            "",
            "# Units below zero are set aside unless the mapping says that they take back an earlier sale:",
            "# [clean.cancellations]",
            '# when = "units < 0"',
            f"# match_on = {toml(match_on)}   # what both lines share",
        ]

    def _same_receipt(self, table: Table, given: Mapping[str, str]) -> bool:
        """Whether most lines that take something back stand on the receipt of a line of the same article."""
        if "transaction_id" not in given or "sku_id" not in given:
            return False
        rows = table.sample(given["transaction_id"], given["sku_id"], given["units"]).to_pylist()
        lines = [tuple(row.values()) for row in rows]
        below = [bool(units and re.search(BELOW_ZERO, units)) for _, _, units in lines]
        is_turned = 2 * sum(below) > len(lines)  # goods that leave are below zero
        sold = {line[:2] for line, is_below in zip(lines, below, strict=True) if is_below == is_turned}
        returned = [line[:2] for line, is_below in zip(lines, below, strict=True) if is_below != is_turned]
        return bool(returned) and 2 * sum(key in sold for key in returned) > len(returned)

    def _clean(self) -> list[str]:
        return ["", "[clean]", 'gap_fill = "zero"   # a day without a row: nothing was sold; "unknown": not observed']


def _why_unplaced(table: Table) -> str:
    if "names" in table.first.shape:
        return "its first line is data, not names of columns; put names above it, or map it by `names` yourself"
    return f"no feed is seen in its columns {table.first.header[:12]}"

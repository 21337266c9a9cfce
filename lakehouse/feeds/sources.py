"""A source mapping: how a retailer's files become the feed layout, declared in `conf/sources/<name>.toml`.

A mapping needs no code: files, a column mapping (a column, a date format, a constant or a Spark SQL expression),
the melting of wide day columns, look-ups, and the cleaning rules that only the source's owner can know.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from encodings.aliases import aliases
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from lakehouse.errors import ConfigError, SourceError
from lakehouse.faults import Fault, faults_of, nearest
from lakehouse.feeds.date_pattern import DatePattern
from lakehouse.feeds.file_order import check_pattern, check_regex
from lakehouse.feeds.layout_faults import layout_faults
from lakehouse.feeds.notation import Notation, check_zone
from lakehouse.toml_file import Key, TomlFile, dotted


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


REPLACES = ("name", "nothing", "feed")
# Fields of a feed that choose files and order them; they change nothing of how a file is read.
FILE_RULES = frozenset(
    {"files", "optional", "replaces", "latest_by", "order_by", "when_gone", "when_emptied", "when_shrunk"}
)
_MOST_DAYS = 100_000
RowsOfAFile = Literal["keep", "remove", "refuse"]
_NAME_OF_FILE = re.compile(r"\b(source_file|input_file_name|_metadata)\b")


class ColumnMapping(Notation):
    """Where one column of the feed layout comes from: exactly one of `column`, `const`, `expr`.

    How a `column` is written may be said beside it (see `Notation`); `expr` is Spark SQL over the source's columns.
    A file may lack an `optional` column: its values are NULL then. `negate`: numbers count with the other sign.
    `time`: a column with the time of day, where `column` has the day alone.
    """

    column: str | None = None
    const: str | float | bool | None = None
    expr: str | None = None
    optional: bool = False
    negate: bool = False
    time: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in ("column", "const", "expr") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected exactly one of column, const, expr; found {given or 'none'}")
        beside = [
            name
            for name in (*Notation.model_fields, "optional", "negate", "time")
            if getattr(self, name) not in (None, (), False)
        ]
        if beside and self.column is None:
            raise ValueError(f"{', '.join(beside)} goes with column")
        return self


class Melt(_Frozen):
    """Wide columns become rows: `into`, the day or the place, by the column's name, `value` by the cell.

    Of days either the columns `<prefix><number>`, of which `<prefix><origin_number>` is the day `origin`, or those of
    which the name after `prefix` is a date of the pattern `format`. A place is called as the column's name goes on
    after `prefix`.
    """

    prefix: str = ""
    origin: date | None = None
    origin_number: int = 1
    format: str | None = None
    value: str = "units"
    into: Literal["ds", "location_id"] = "ds"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.into == "location_id":
            if not self.prefix or self.origin is not None or self.format is not None:
                raise ValueError(
                    'melt into "location_id" needs prefix ("Stock ": the name goes on with the place) alone'
                )
            return self
        if (self.origin is None) == (self.format is None):
            raise ValueError('melt needs either origin (d_1 is a day) or format ("yyyyMMdd": the name is the date)')
        if self.format is not None:
            DatePattern.of(self.format)
        return self

    def columns(self, names: Sequence[str], language: str = "en") -> dict[str, str]:
        """What each column that becomes rows says by its name: days in their order, places as they stand."""
        if self.into == "ds":
            return {name: day.isoformat() for name, day in self.days(names, language).items()}
        after = {name: name.removeprefix(self.prefix).strip() for name in names if name.startswith(self.prefix)}
        return {name: place for name, place in after.items() if place}

    def days(self, names: Sequence[str], language: str = "en") -> dict[str, date]:
        """The columns that are days, in the order of their days. language: of months' names."""
        after = {name: name.removeprefix(self.prefix) for name in names if name.startswith(self.prefix)}
        if self.format is not None:
            wall = DatePattern.of(self.format).read(pa.array(after.values(), pa.string()), language).wall
            days = {name: at.astype(date).date() for name, at in zip(after, wall, strict=True) if not np.isnat(at)}
        else:
            days = {name: self._counted(text) for name, text in after.items() if re.fullmatch(r"\d+", text)}
        return dict(sorted(days.items(), key=lambda item: item[1]))

    def _counted(self, text: str) -> date:
        assert self.origin is not None
        number = int(text) - self.origin_number
        if abs(number) > _MOST_DAYS or len(text) == len("yyyyMMdd"):
            raise SourceError(
                f"melt: the column {self.prefix + text!r} would be {number:,} days from {self.origin}; where columns "
                'are named by their date, say so: melt = { format = "yyyyMMdd" }'
            )
        return self.origin + timedelta(days=number)


class Lookup(_Frozen):
    """Columns taken from another file of the source: `take` aggregates it (Spark SQL) by the columns `on`."""

    file: str
    on: tuple[str, ...]
    take: dict[str, str]


class FillDown(_Frozen):
    """Columns that only the first record of a group has: the others take its value, while `within` stays the same.

    Without `within` a value holds until the next one of the file, or of the sheet.
    """

    columns: tuple[str, ...]
    within: tuple[str, ...] = ()


class Feed(_Frozen):
    """One feed: files (globs below the input folder), how they are written and the mapping of columns.

    `format` "auto" goes by the file's name. An `optional` feed may have no file at all. `notation`: how all its columns
    are written. Of text files: `skip_lines` before the header; `names` of the columns where there is no header; `quote`
    and `escape` ("" for none); `comment`, what remarks begin with; `footer`, a regular expression: what follows a
    record that it matches is no data. `sheet`: names or patterns of a workbook's sheets, the first
    without it. `fill_down`: values that stand in
    the first record of a group alone. `numbers`: columns that SQL sees as plain
    numbers, read by the notation. `drop_when`: Spark SQL over the file's own columns, filled down and looked up;
    records for which it is true are out of scope. Then how files follow each other
    (docs/feed_layout.md, "When files change"):

    `replaces`: what a new file takes the place of: the earlier file of its "name", "nothing", the whole "feed", or the
    files whose names show the same in the groups of a regular expression. `latest_by`: of rows with equal values there
    that several files state, those of the latest count. `order_by`: a regular expression whose groups in the name say
    which file is later; without it files are in the order in which they came. `when_gone`, `when_emptied`: what becomes
    of the rows of a file that is no longer there, or that has no row left; `when_shrunk`: whether a file may take the
    place of twice its rows, and more.
    """

    files: tuple[str, ...]
    format: Literal["auto", "csv", "excel", "parquet"] = "auto"
    optional: bool = False
    notation: Notation = Notation()
    replaces: str = "name"
    latest_by: tuple[str, ...] = ()
    order_by: str | None = None
    when_gone: RowsOfAFile = "keep"
    when_emptied: RowsOfAFile = "refuse"
    when_shrunk: Literal["accept", "refuse"] = "refuse"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "UTF-8"
    quote: str = Field(default='"', max_length=1)
    escape: str | None = Field(default=None, min_length=1, max_length=1)
    comment: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    footer: str | None = None
    skip_lines: int = Field(default=0, ge=0)
    names: tuple[str, ...] = ()
    sheet: tuple[str, ...] = ()
    fill_down: FillDown | None = None
    numbers: tuple[str, ...] = ()
    drop_when: str | None = None
    columns: dict[str, str | ColumnMapping]
    melt: Melt | None = None
    lookup: Lookup | None = None

    @field_validator("files", "comment", "sheet", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, encoding: str) -> str:
        try:
            codecs.lookup(encoding)
        except LookupError:
            near = nearest(encoding.replace("-", "_"), aliases)
            raise ValueError(
                f"encoding = {encoding!r} is unknown{near}; use for instance UTF-8 or windows-1252"
            ) from None
        return encoding

    @field_validator("footer")
    @classmethod
    def _is_regex(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            check_regex("footer", pattern)
        return pattern

    @field_validator("replaces")
    @classmethod
    def _says_what_is_replaced(cls, replaces: str) -> str:
        if replaces not in REPLACES:
            check_pattern("replaces", replaces, f"one of {list(REPLACES)}{nearest(replaces, REPLACES)} or ")
        return replaces

    @field_validator("order_by")
    @classmethod
    def _orders_names(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            check_pattern("order_by", pattern)
        return pattern

    @property
    def reads_names(self) -> bool:
        """Whether a value comes from the file's name: then equal content under two names is not the same."""
        stated = [self.drop_when, *(origin.expr for origin in self.mapping().values())]
        return any(_NAME_OF_FILE.search(sql or "") for sql in stated)

    def mapping(self) -> dict[str, ColumnMapping]:
        """The column mapping with the short form `name = "column"` spelled out."""
        return {
            name: ColumnMapping(column=value) if isinstance(value, str) else value
            for name, value in self.columns.items()
        }


class Rule(_Frozen):
    """A quality rule: rows of `feed` for which the Spark SQL condition `reject_when` is true go to quarantine.

    hides_demand: whether what such a row of sales stands for may be a sale, so that its day's demand is unknown rather
    than what the other rows say.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    reject_when: str
    reason: str
    feed: str = "sales"
    hides_demand: bool = False


class Cancellations(_Frozen):
    """Lines that cancel a sale: those for which `when` is true, matched to earlier sales with equal `match_on`."""

    when: str
    match_on: tuple[str, ...] = ("customer_id", "sku_id")


class Cleaning(_Frozen):
    """Decisions of the source's owner about its rows.

    `gap_fill`: what a day without a row means, 'zero' (nothing sold) or 'unknown' (not observed).
    `min_selling_days`: series that sold on fewer days are out of scope (0 keeps all).
    `first_day`, `last_day`: days of sales outside them are mistyped. `period`: what a row of sales sums up, a "day", or
    the "week" or "month" in which its day lies, which is spread over its days, a week's by `weekday_shares` (Monday to
    Sunday; evenly without them); `period_day` says whether that day is the period's first or last, where it is not a
    calendar week or month. `infer_closed_days`: take days without any sale of a location that else sells daily for
    days on which it was closed. `max_lost_share`: of the rows of sales that may be rejected for their content before
    the run is a failure. `implausible`: days whose units or price can only be typing errors are taken out and named
    ("mask"), only named ("mark"), or not looked for ("use"); `most_daily_units`: a bound for every series.
    `stated_again`: what it means that files share days and nearly all of their rows there: "refuse" says that the
    exports overlap, "add" that they are different sales.
    `infer_stockouts`: take a run of days without sales that chance hardly explains for a stock-out, besides those that
    the stock counts show.
    """

    drop_exact_duplicates: bool = False
    gap_fill: Literal["zero", "unknown"] = "zero"
    min_selling_days: int = Field(default=0, ge=0)
    infer_stockouts: bool = False
    infer_closed_days: bool = True
    first_day: date | None = None
    last_day: date | None = None
    period: Literal["day", "week", "month"] | None = None
    period_day: Literal["first", "last"] | None = None
    weekday_shares: tuple[float, ...] = ()
    max_lost_share: float = Field(default=0.1, ge=0, le=1)
    implausible: Literal["mask", "mark", "use"] = "mask"
    most_daily_units: float = Field(default=1e8, gt=0)
    stated_again: Literal["refuse", "add"] = "refuse"
    cancellations: Cancellations | None = None
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _shares_are_a_week(self) -> Self:
        shares = self.weekday_shares
        if shares and (len(shares) != 7 or min(shares) < 0 or not math.isclose(sum(shares), 1.0, abs_tol=1e-6)):
            raise ValueError(
                f"weekday_shares = {list(shares)}: expected seven shares, Monday to Sunday, that add up to 1"
            )
        if self.period_day and self.period not in ("week", "month"):
            raise ValueError('period_day goes with period = "week" or "month"')
        if shares and self.period != "week":
            raise ValueError('weekday_shares goes with period = "week"')
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise ValueError(f"first_day = {self.first_day} is after last_day = {self.last_day}")
        return self


class SourceMapping(_Frozen):
    """A whole source: its feeds, the country of its locations and how its rows are cleaned.

    currency: of all money, and what money in others is turned into by `rates`: what one of each is worth in it.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str = ""
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    rates: dict[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], Annotated[float, Field(gt=0, allow_inf_nan=False)]] = {}
    timezone: str | None = None
    notation: Notation = Notation()
    feeds: dict[str, Feed]
    clean: Cleaning = Cleaning()
    _file: TomlFile | None = PrivateAttr(default=None)

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str | None) -> str | None:
        check_zone(name)
        return name

    @model_validator(mode="after")
    def _fits_the_layout(self) -> Self:
        if faults := layout_faults(self.model_dump()):
            raise ValueError("; ".join(map(str, faults)))
        return self

    def melted(self, feed: str, names: Sequence[str]) -> dict[str, str]:
        """The columns of a feed's file that become rows, and what they say by their names (see `Melt.columns`)."""
        melt, notation = self.feeds[feed].melt, self.feeds[feed].notation.over(self.notation)
        return melt.columns(names, notation.language or "en") if melt else {}

    def place(self, *path: Key) -> str:
        """Where a key stands in the mapping's file, for messages: `file:line: key`, the key alone without a file."""
        key = dotted(path)
        return f"{self._file.place(path)}: {key}" if self._file is not None else key

    def clauses(self) -> dict[str, str]:
        """All SQL of the mapping, by its place: expressions, look-ups and conditions."""
        found: dict[str, str] = {}
        for name, feed in self.feeds.items():
            for target, origin in feed.mapping().items():
                if origin.expr is not None:
                    found[self.place("feeds", name, "columns", target, "expr")] = origin.expr
            if feed.drop_when is not None:
                found[self.place("feeds", name, "drop_when")] = feed.drop_when
            for column, sql in (feed.lookup.take if feed.lookup else {}).items():
                found[self.place("feeds", name, "lookup", "take", column)] = sql
            found |= self.conditions(name)
        return found

    def conditions(self, feed: str) -> dict[str, str]:
        """By its place, the SQL that typed rows of a feed are judged by: rules, and what tells a cancellation."""
        found = {
            self.place("clean", "rules", number, "reject_when"): rule.reject_when
            for number, rule in enumerate(self.clean.rules)
            if rule.feed == feed
        }
        if self.clean.cancellations and feed == "sales":
            found[self.place("clean", "cancellations", "when")] = self.clean.cancellations.when
        return found

    def notation_of(self, feed: str, column: ColumnMapping) -> Notation:
        """How a column is written: what itself, its feed and the source say of it, in that order."""
        return column.over(self.feeds[feed].notation.over(self.notation))


def load_source(path: Path) -> SourceMapping:
    """Read and check a mapping. Raises ConfigError that lists all faults, each with file, line and key."""
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.toml"))
        raise ConfigError(
            f"no source mapping {path}{nearest(path.stem, known)}; there are {', '.join(known) or 'none'} beside it. "
            "`shelfcast map FOLDER --out FILE.toml` proposes one"
        )
    file = TomlFile.read(path)
    if "name" in file.values:
        raise ConfigError(f"{file.place(['name'])}: name: a source is called as its file, {path.stem!r}; leave it out")
    values = {"name": path.stem} | file.values
    try:
        mapping = SourceMapping.model_validate(values)
    except ValidationError as error:
        # The check of names reports itself, so that it is also made where another check fails.
        shape = [fault for fault in faults_of(error, SourceMapping, values) if fault.path]
        raise ConfigError(_listed(file, {*shape, *layout_faults(values)})) from None
    mapping._file = file
    return mapping


def _listed(file: TomlFile, faults: Collection[Fault]) -> str:
    lines = sorted((file.lines.get(fault.path, 0), f"{file.place(fault.path)}: {fault}") for fault in faults)
    words = [line for _, line in sorted(lines)]
    return words[0] if len(words) == 1 else f"{len(words)} faults in {file.path}:\n  " + "\n  ".join(words)

"""A source mapping: how a retailer's files become the feed layout, declared in `conf/sources/<name>.toml`.

A mapping needs no code: files, a column mapping (a column, a date format, a constant or a Spark SQL expression),
the melting of wide day columns, look-ups, and the cleaning rules that only the source's owner can know.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lakehouse.errors import ConfigError
from lakehouse.feeds.file_order import check_pattern
from lakehouse.schema.tables import FEEDS


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


REPLACES = ("name", "nothing", "feed")
# Fields of a feed that choose files and order them; they change nothing of how a file is read.
FILE_RULES = frozenset({"files", "optional", "replaces", "latest_by", "order_by", "when_gone", "when_emptied"})
RowsOfAFile = Literal["keep", "remove", "refuse"]
_NAME_OF_FILE = re.compile(r"\b(source_file|input_file_name|_metadata)\b")


class ColumnMapping(_Frozen):
    """Where one column of the feed layout comes from: exactly one of `column`, `const`, `expr`.

    `format` is a Spark date or timestamp pattern for `column`; `expr` is Spark SQL over the source's columns.
    A file may lack an `optional` column: its values are NULL then.
    """

    column: str | None = None
    const: str | float | bool | None = None
    expr: str | None = None
    format: str | None = None
    optional: bool = False

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in ("column", "const", "expr") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of column, const, expr; found {given or 'none'}")
        if self.format and self.column is None:
            raise ValueError("format goes with column")
        if self.optional and self.column is None:
            raise ValueError("optional goes with column")
        return self


class Melt(_Frozen):
    """Wide day columns `<prefix><number>` become rows: `ds` from the number, `value` from the cell.

    The column `<prefix><origin_number>` is the day `origin`.
    """

    prefix: str
    origin: date
    origin_number: int = 1
    value: str = "units"


class Lookup(_Frozen):
    """Columns taken from another file of the source: `take` aggregates it (Spark SQL) by the columns `on`."""

    file: str
    on: tuple[str, ...]
    take: dict[str, str]


class Feed(_Frozen):
    """One feed: files (globs below the input folder), their format and the mapping of columns.

    `format` "auto" goes by the file's name. An `optional` feed may have no file at all. Then how files follow each
    other (docs/feed_layout.md, "When files change"):

    `replaces`: what a new file takes the place of: the earlier file of its "name", "nothing", the whole "feed", or the
    files whose names show the same in the groups of a regular expression. `latest_by`: of rows with equal values there
    that several files state, those of the latest count. `order_by`: a regular expression whose groups in the name say
    which file is later; without it files are in the order in which they came. `when_gone`, `when_emptied`: what becomes
    of the rows of a file that is no longer there, or that has no row left.
    """

    files: tuple[str, ...]
    format: Literal["auto", "csv", "parquet"] = "auto"
    optional: bool = False
    replaces: str = "name"
    latest_by: tuple[str, ...] = ()
    order_by: str | None = None
    when_gone: RowsOfAFile = "keep"
    when_emptied: RowsOfAFile = "refuse"
    delimiter: str = ","
    encoding: str = "UTF-8"
    columns: dict[str, str | ColumnMapping]
    melt: Melt | None = None
    lookup: Lookup | None = None

    @model_validator(mode="after")
    def _patterns_fit(self) -> Self:
        if self.replaces not in REPLACES:
            check_pattern("replaces", self.replaces, f"one of {list(REPLACES)} or ")
        if self.order_by is not None:
            check_pattern("order_by", self.order_by)
        return self

    @property
    def reads_names(self) -> bool:
        """Whether a value comes from the file's name: then equal content under two names is not the same."""
        return any(_NAME_OF_FILE.search(origin.expr or "") for origin in self.mapping().values())

    def mapping(self) -> dict[str, ColumnMapping]:
        """The column mapping with the short form `name = "column"` spelled out."""
        return {
            name: ColumnMapping(column=value) if isinstance(value, str) else value
            for name, value in self.columns.items()
        }


class Rule(_Frozen):
    """A quality rule: rows of `feed` for which the Spark SQL condition `reject_when` is true go to quarantine."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    reject_when: str
    reason: str
    feed: str = "sales"


class Cancellations(_Frozen):
    """Lines that cancel a sale: those for which `when` is true, matched to earlier sales with equal `match_on`."""

    when: str
    match_on: tuple[str, ...] = ("customer_id", "sku_id")


class Cleaning(_Frozen):
    """Decisions of the source's owner about its rows.

    `gap_fill`: what a day without a row means, 'zero' (nothing sold) or 'unknown' (not observed).
    `min_selling_days`: series that sold on fewer days are out of scope (0 keeps all).
    `infer_stockouts`: take a run of days without sales that chance hardly explains for a stock-out, besides those that
    the stock counts show.
    """

    drop_exact_duplicates: bool = False
    gap_fill: Literal["zero", "unknown"] = "zero"
    min_selling_days: int = Field(default=0, ge=0)
    infer_stockouts: bool = False
    cancellations: Cancellations | None = None
    rules: tuple[Rule, ...] = ()


class SourceMapping(_Frozen):
    """A whole source: its feeds, the country of its locations and how its rows are cleaned."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    feeds: dict[str, Feed]
    clean: Cleaning = Cleaning()

    @model_validator(mode="after")
    def _known_feeds_and_columns(self) -> Self:
        unknown = sorted(set(self.feeds) - set(FEEDS))
        if unknown:
            raise ValueError(f"unknown feeds {unknown}; the layout knows {sorted(FEEDS)}")
        if "sales" not in self.feeds or self.feeds["sales"].optional:
            raise ValueError("the feed 'sales' is required")
        for name, feed in self.feeds.items():
            given = set(feed.columns) | ({"ds", feed.melt.value} if feed.melt else set())
            strange = sorted(given - set(FEEDS[name].columns))
            optional = {key for key, origin in feed.mapping().items() if origin.optional}
            missing = sorted(set(FEEDS[name].required) - (given - optional))
            if strange or missing:
                raise ValueError(
                    f"feed {name!r}: unknown columns {strange}, missing required columns {missing}; "
                    f"its layout is {FEEDS[name].columns}"
                )
            if stranger := sorted(set(feed.latest_by) - given):
                raise ValueError(
                    f"feed {name!r}: latest_by names {stranger}, expected columns that it maps: {sorted(given)}"
                )
        for rule in self.clean.rules:
            if rule.feed not in self.feeds:
                raise ValueError(f"rule {rule.id!r} is for the feed {rule.feed!r}, which the source does not have")
        return self


def load_source(path: Path) -> SourceMapping:
    """Read and check a mapping. Raises ConfigError with the file and the place of the fault."""
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.toml"))
        raise ConfigError(f"no source mapping {path}; the known sources are {known}. Write that file to add one.")
    try:
        return SourceMapping(name=path.stem, **tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError, TypeError) as error:
        raise ConfigError(f"{path}: {error}") from error

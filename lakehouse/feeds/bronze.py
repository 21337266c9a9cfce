"""Bronze: a feed's records under the layout's column names, as text, none lost and none judged.

A value that can be read stands in canonical text (dates ISO, numbers plain, flags true or false), one that cannot keeps
its raw text, so that cleaning can say what it was (with the pattern that it broke, if the mapping names one; with its
inputs, if an expression made nothing of them). A record that has not the file's columns has NULL in every feed column
but the layout's last, which holds `CORRUPT_PREFIX` and the record's text: its required columns are missing, so cleaning
must reject it, and the payload shows why.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SourceError
from lakehouse.feeds.cells import MONEY, CellReader, with_time
from lakehouse.feeds.derived_records import DERIVED, FAILED
from lakehouse.feeds.dropped_records import DROPPED
from lakehouse.feeds.feed_files import FeedFile
from lakehouse.feeds.line_amounts import negated, prices_of
from lakehouse.feeds.money import Money
from lakehouse.feeds.records import Records
from lakehouse.feeds.sheet_records import BookRecords, SheetRecords
from lakehouse.feeds.sources import ColumnMapping, Feed, Melt, SourceMapping
from lakehouse.feeds.text_records import CORRUPT, ROW, SHEET, TextRecords
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.tables import FEEDS, contract

AS_OF = "as_of"  # as the constant of a day: that of the run
CORRUPT_PREFIX = "corrupt record: "
READER = 3  # raised when a file is read otherwise than before, so that it is read again

_THREADS = 4
_MELTED_ROWS = 1 << 19


@dataclass(frozen=True, slots=True)
class _Beside:
    """What stands beside the cells of a batch and decides how they are read: places of sale, currencies."""

    places: pa.Array | None = None
    codes: pa.Array | None = None


@dataclass(slots=True)
class BronzeReader:
    """Turns the records of one file into rows of `bronze.<feed_name>`.

    zones: time zone by location, for those that have their own; as_of: the run's day, None where none is known;
    `records` are the file's, with the columns that
    expressions and look-ups derive. Raises SourceError where a column of the mapping is not in the file.
    """

    feed_name: str
    mapping: SourceMapping
    file: FeedFile
    records: Records
    arrived_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    zones: Mapping[str, str] = field(default_factory=dict)
    as_of: date | None = None
    _cells: dict[str, CellReader] = field(default_factory=dict)
    _days: dict[str, str] = field(default_factory=dict)
    _money: Money | None = None

    def __post_init__(self) -> None:
        _check_columns(self.file, self.feed_name, self.mapping, self.records)
        origins = self.feed.mapping()
        if self.feed.melt is not None:
            self._days = self._wide_columns(self.feed.melt)
            first, *_, last = [*self._days, *self._days]
            origins[self.feed.melt.value] = ColumnMapping(column=first if first == last else f"{first} to {last}")
        for target, origin in origins.items():
            if origin.const is None:
                notation = self.mapping.notation_of(self.feed_name, origin)
                source = origin.column or f"the expression of {target}"
                self._cells[target] = CellReader(target, source, self.file.path, notation, self.mapping.currency)

        if "currency" in origins:
            place = self.mapping.place("currency")
            self._money = Money(self.mapping.currency, self.mapping.rates, self.file.path, place)

    @property
    def feed(self) -> Feed:
        return self.mapping.feeds[self.feed_name]

    @property
    def set_aside(self) -> Mapping[str, int]:
        """Lines of the file that are no records, by kind (see `lines_beside`), once all tables are read."""
        return getattr(as_opened(self.records), "set_aside", {})

    def tables(self) -> Iterator[pa.Table]:
        """Rows with exactly the contract's columns, in pieces that fit memory; then what is doubtful is refused."""
        try:
            yield from self._tables()
        except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
            reason = str(error).strip().split("\n")[0]
            raise SourceError(
                f"{self.file.path}: cannot be read: {reason}. Deliver it again, or take it out of the folder; what it "
                "gave before stays until then."
            ) from error
        for cell in self._cells.values():
            self.records.news.extend(cell.finish())

    def _tables(self) -> Iterator[pa.Table]:
        batches = self._pieces()
        for first in islice(batches, 1):  # alone: it decides how codes are read
            yield self._rows(first)
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="cells") as pool:
            waiting: list[Future[pa.Table]] = []
            for batch in batches:
                waiting.append(pool.submit(self._rows, batch))
                if len(waiting) >= _THREADS:
                    yield waiting.pop(0).result()
            for future in waiting:
                yield future.result()

    def _wide_columns(self, melt: Melt) -> dict[str, str]:
        """The columns that become rows, each day or place one; says which others are not read."""
        file, names = self.file.path, self.records.names
        if melt.into != "ds":
            if not (places := self.mapping.melted(self.feed_name, names)):
                raise SourceError(f"{file}: expected columns {melt.prefix}<place>, found {names}. Correct `melt`.")
            return places
        header: list[str] = getattr(as_opened(self.records), "header", names)
        days = self.mapping.melted(self.feed_name, names)
        words = f"{melt.prefix}<number>" if melt.format is None else f"{melt.prefix}<date as {melt.format}>"
        repeated = [name for name in self.mapping.melted(self.feed_name, sorted(set(header))) if name not in days]
        of_day = {day: [name for name, other in days.items() if other == day] for day in days.values()}
        if same := repeated or next((columns for columns in of_day.values() if len(columns) > 1), []):
            raise SourceError(f"{file}: expected one column for each day, found more: {same}. Remove all but one.")
        if not days:
            raise SourceError(
                f"{file}: expected day columns {words}, found {names}. Correct `melt` in the source mapping."
            )
        mapped = {name for origin in self.feed.mapping().values() for name in (origin.column, origin.time)}
        others = [name for name in names if name not in days and name not in mapped]
        shapes = {_shape(name) for name in days}
        if likely := [name for name in others if _shape(name) in shapes]:
            raise SourceError(
                f"{file}: the columns {likely} look like days, but are none as {words}. Correct their names, or "
                "`melt` in the source mapping."
            )
        if others:
            self.records.news.append(f"{file}: the columns {others} are no days ({words}) and were not read")
        return days

    def _pieces(self) -> Iterator[pa.RecordBatch]:
        step = max(_MELTED_ROWS // max(len(self._days), 1), 1)
        for batch in self.records.batches():
            if not self._days:
                yield batch
                continue
            for start in range(0, batch.num_rows, step):
                yield batch.slice(start, step)

    def _rows(self, batch: pa.RecordBatch) -> pa.Table:
        columns = self._lineage(batch) | self._values(batch)
        if self._days:
            columns = self._melted(batch, columns)
        return pa.table({name: columns[name] for name in contract(f"bronze.{self.feed_name}").columns})

    def _lineage(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        count = batch.num_rows
        arrived = pa.scalar(self.arrived_at, pa.timestamp("us", "UTC"))
        hashes = _row_hashes(batch) if self.mapping.clean.drop_exact_duplicates else pa.repeat("", count)
        return {
            "source_file": self._places(batch),
            "source_row": batch[ROW],
            "source_column": pa.repeat("", count),
            "row_hash": hashes,
            "batch_id": pa.repeat(self.file.batch_id, count),
            "ingested_at": pa.repeat(arrived, count),
            "is_dropped": _true_or_null(batch[DROPPED])
            if DROPPED in batch.schema.names
            else pa.nulls(count, pa.bool_()),
        }

    def _places(self, batch: pa.RecordBatch) -> pa.Array:
        """The file of each record, with the sheet where several of it are read."""
        if SHEET not in batch.schema.names:
            return pa.repeat(self.file.path, batch.num_rows)
        return pc.binary_join_element_wise(self.file.path, " [", batch[SHEET], "]", "")

    def _values(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """The feed's columns; of a corrupt record NULL but for the last, which holds its text."""
        layout, count = FEEDS[self.feed_name].columns, batch.num_rows
        place = self._origin(batch, "location_id", _Beside()) if self.zones and "location_id" in layout else None
        beside = _Beside(place, self._codes(batch))
        values = {name: self._origin(batch, name, beside) for name in layout}
        if "line_value" in self.feed.columns:
            values["unit_price"] = pc.coalesce(values["unit_price"], prices_of(values["line_value"], values["units"]))
        if batch[CORRUPT].null_count < count:
            is_whole = pc.is_null(batch[CORRUPT])
            values = {name: pc.if_else(is_whole, value, None) for name, value in values.items()}
            record = pc.binary_join_element_wise(CORRUPT_PREFIX, batch[CORRUPT], "")
            values[layout[-1]] = pc.coalesce(values[layout[-1]], record)
        return values

    def _codes(self, batch: pa.RecordBatch) -> pa.Array | None:
        """The currency of each record, None where the mapping knows but one."""
        if self._money is None:
            return None
        stated = self._origin(batch, "currency", _Beside())
        counts = pc.is_null(batch[CORRUPT])
        if DROPPED in batch.schema.names:  # what is no sale may be in no currency either
            counts = pc.and_not(counts, batch[DROPPED])
        return self._money.codes(pc.if_else(counts, stated, None), batch[ROW])

    def _origin(self, batch: pa.RecordBatch, target: str, beside: _Beside) -> pa.Array:
        origin, count = self.feed.mapping().get(target), batch.num_rows
        if origin is None:
            return pa.nulls(count, pa.string())
        if origin.const is not None:
            return pa.repeat(self._const(origin.const, target), count)
        if origin.expr is not None:
            return self._derived(batch, target, beside)
        if origin.column not in batch.schema.names:
            return pa.nulls(count, pa.string())
        cells = batch[origin.column]
        if origin.time is not None:
            cells = with_time(cells, batch[origin.time]) if origin.time in batch.schema.names else cells
        values = self._read(cells, target, beside)
        return negated(values) if origin.negate else values

    def _const(self, const: str | float | bool, target: str) -> str:
        """A constant as text; `as_of` for a day is the run's, but no later than the day on which the file came."""
        if const == AS_OF and COLUMNS[target].type == "date":
            came = self.arrived_at.date()
            return min(self.as_of or came, came).isoformat()
        return _const_text(const)

    def _derived(self, batch: pa.RecordBatch, target: str, beside: _Beside) -> pa.Array:
        failed = batch[FAILED + target].cast(pa.string())
        return pc.coalesce(self._read(batch[DERIVED + target], target, beside), failed)

    def _read(self, cells: pa.Array, target: str, beside: _Beside) -> pa.Array:
        """The cells as text, each on the clock of its place, money in the source's currency."""
        reader, zone, places = self._cells[target], self.mapping.timezone, beside.places
        if target in MONEY and beside.codes is not None:
            return self._read_money(cells, target, beside.codes)
        if places is None or COLUMNS[target].type not in ("date", "timestamp"):
            return reader.read(cells, zone)
        result = reader.read(cells, zone) if not set(places.to_pylist()) <= set(self.zones) else None
        for own in sorted(set(self.zones.values())):
            here = pc.is_in(places, pa.array([place for place, name in self.zones.items() if name == own]))
            if pc.any(here).as_py():
                read = reader.read(pc.if_else(here, cells, None), own)
                result = read if result is None else pc.if_else(here, read, result)
        return result if result is not None else reader.read(cells, zone)

    def _read_money(self, cells: pa.Array, target: str, codes: pa.Array) -> pa.Array:
        """Amounts, each with the signs of its currency, in the source's own."""
        assert self._money is not None
        result = pa.nulls(len(cells), pa.string())
        for code in sorted(codes.unique().to_pylist()):
            here = pc.equal(codes, code)
            reader = (
                replace(self._cells[target], currency=code) if code != self.mapping.currency else self._cells[target]
            )
            amounts = self._money.in_own(reader.read(pc.if_else(here, cells, None)), code)
            result = pc.if_else(here, amounts, result)
        return result

    def _melted(self, batch: pa.RecordBatch, columns: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
        """One row per record and day column. A corrupt record stays one row."""
        melt, is_whole = self.feed.melt, pc.is_null(batch[CORRUPT])
        assert melt is not None
        whole = {name: pc.filter(values, is_whole) for name, values in columns.items()}
        corrupt = {name: pc.filter(values, pc.invert(is_whole)) for name, values in columns.items()}
        count, days = pc.sum(is_whole).as_py() or 0, len(self._days)
        codes = self._codes(batch)
        beside = _Beside(codes=None if codes is None else pc.filter(codes, is_whole))
        cells = [self._read(pc.filter(batch[name], is_whole), melt.value, beside) for name in self._days]
        long = {name: pa.concat_arrays([values] * days) for name, values in whole.items()}
        long[melt.into] = pa.array(list(self._days.values()), pa.string()).take(_each(days, count))
        long["source_column"] = pa.array(list(self._days), pa.string()).take(_each(days, count))
        long[melt.value] = pa.concat_arrays(cells)
        return {name: pa.concat_arrays([long[name], corrupt[name]]) for name in columns}


def needed_columns(mapping: SourceMapping, feed_name: str, names: Sequence[str]) -> list[str]:
    """The file's columns that the mapping reads without Spark."""
    origins = mapping.feeds[feed_name].mapping().values()
    wanted = [name for origin in origins for name in (origin.column, origin.time) if name in set(names)]
    return list(dict.fromkeys([*(name for name in wanted if name), *mapping.melted(feed_name, names)]))


def _each(count: int, times: int) -> pa.Array:
    return pa.array(np.repeat(np.arange(count), times))


def _check_columns(file: FeedFile, feed_name: str, mapping: SourceMapping, records: Records) -> None:
    feed, names, opened = mapping.feeds[feed_name], records.names, as_opened(records)
    header: list[str] = getattr(opened, "header", [])
    needed = [origin for origin in feed.mapping().values() if origin.column and not origin.optional]
    expected = {name for origin in needed for name in (origin.column, origin.time) if name}
    missing = sorted(expected - set(names))
    if not missing:
        return
    if repeated := [name for name in missing if header.count(name) > 1]:
        raise SourceError(
            f"{file.path}: the column names {repeated} occur more than once, so that it is not clear which is meant; "
            f"columns found: {header}. Rename them in the file, or give all names by `names` and skip_lines = 1."
        )
    near = {name: difflib.get_close_matches(name.lower(), [other.lower() for other in names], 1) for name in missing}
    spelt = {name.lower(): name for name in names}
    likely = [f"{name!r} may be {spelt[found[0]]!r}" for name, found in near.items() if found]
    hint = opened.header_elsewhere(expected) if isinstance(opened, TextRecords | SheetRecords | BookRecords) else ""
    targets = [target for target, origin in feed.mapping().items() if {origin.column, origin.time} & set(missing)]
    places = ", ".join(mapping.place("feeds", feed_name, "columns", target) for target in targets)
    raise SourceError(
        f"{file.path}: expected columns {missing}, found {list(names)}. {hint}"
        f"{', '.join(likely) + '. ' if likely else ''}Correct the file, or name its columns in the source mapping "
        f"({places})."
    )


def _shape(name: str) -> str:
    """The name with 9 for every digit and a for every letter."""
    return re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", name))


def as_opened(records: Records) -> Records:
    """The file's own records, which others fill or add columns to."""
    while (inner := getattr(records, "records", None)) is not None:
        records = inner
    return records


def _true_or_null(flags: pa.Array) -> pa.Array:
    return pc.if_else(flags, True, pa.scalar(None, pa.bool_()))


def _const_text(const: str | float | bool) -> str:
    if isinstance(const, bool):
        return str(const).lower()
    if isinstance(const, float) and math.isfinite(const) and const == int(const):
        return str(int(const))
    return str(const)


def _row_hashes(batch: pa.RecordBatch) -> pa.Array:
    """MD5 of all source columns, by name, so that the order of columns does not matter and NULL differs from ''.

    128 bits: among 1e9 records the chance of any collision is about 1e-21.
    """
    made = {ROW, DROPPED, SHEET}
    names = sorted(name for name in batch.schema.names if name not in made and name[:1] not in (DERIVED, FAILED))
    texts = [pc.fill_null(pc.cast(batch[name], pa.string()), "\x00") for name in names]
    joined = pc.binary_join_element_wise(*texts, "\x1f")
    return pa.array([hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() for text in joined.to_pylist()])

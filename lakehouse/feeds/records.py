"""The records of a feed's file, whatever its format: opened, filled down and looked up as the mapping says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SourceError
from lakehouse.feeds.feed_files import KINDS, FeedFile
from lakehouse.feeds.parquet_records import ParquetRecords
from lakehouse.feeds.sheet_records import open_sheets
from lakehouse.feeds.sources import Feed, FillDown
from lakehouse.feeds.text_records import CORRUPT, SHEET, TextRecords

LINEAGE = ("source_file", "source_row", "batch_id")


class Records(Protocol):
    """What can be read record by record: the columns `names`, then ROW (from 1) and CORRUPT, in batches."""

    @property
    def names(self) -> list[str]: ...

    @property
    def news(self) -> list[str]: ...

    def batches(self) -> Iterator[pa.RecordBatch]: ...


class OtherRecords:
    """Records made of `records`, one by one: they have their columns and their news."""

    __slots__ = ()
    records: Records

    @property
    def names(self) -> list[str]:
        return self.records.names

    @property
    def news(self) -> list[str]:
        return self.records.news


def open_records(file: FeedFile, feed: Feed) -> Records:
    """The file's records, with what `fill_down` fills. Raises SourceError where the mapping does not fit the file."""
    records: Records
    match format_of(file, feed):
        case "csv":
            records = TextRecords.open(file, feed)
        case "excel":
            records = open_sheets(file, feed)
        case "parquet":
            records = ParquetRecords.open(file)
    _check_names(records.names, file.path)
    return FilledDown(records, feed.fill_down, file.path) if feed.fill_down else records


def format_of(file: FeedFile, feed: Feed) -> Literal["csv", "excel", "parquet"]:
    """By the mapping, else by the file's name."""
    if feed.format != "auto":
        return feed.format
    name = file.path.lower().removesuffix(".gz")
    for format_, suffixes in KINDS.items():
        if name.endswith(suffixes):
            return format_  # type: ignore[return-value]
    known = [suffix for suffixes in KINDS.values() for suffix in suffixes]
    raise SourceError(
        f"{file.path}: cannot tell the format from the name (known: {', '.join(known)}, .gz for text, .zip of these); "
        'set `format` in the source mapping, such as format = "csv"'
    )


def _check_names(names: list[str], path: str) -> None:
    reserved = sorted(set(names) & {*LINEAGE, CORRUPT})
    if reserved or not names:
        raise SourceError(
            f"{path}: expected column names, none of them {[*LINEAGE, CORRUPT]}; found {names}. Rename the columns, or "
            "say where the header stands (skip_lines, names)."
        )


@dataclass(slots=True)
class FilledDown(OtherRecords):
    """Records in whose blank cells the value of the record before stands, as long as they belong together."""

    records: Records
    rule: FillDown
    path: str

    def batches(self) -> Iterator[pa.RecordBatch]:
        missing = sorted({*self.rule.columns, *self.rule.within} - set(self.names))
        if missing:
            raise SourceError(f"{self.path}: fill_down expects the columns {missing}, found {self.names}")
        before: dict[str, str | None] = {}
        for batch in self.records.batches():
            groups = _group_of(batch, self.rule.within)
            for name in self.rule.columns:
                text = pc.utf8_trim_whitespace(batch[name].cast(pa.string()))
                filled = _filled(pc.if_else(pc.equal(text, ""), None, text), groups, before, name)
                batch = batch.set_column(batch.schema.get_field_index(name), name, filled)
            if batch.num_rows:
                before["\0group"] = groups[-1].as_py()
            yield batch


def _group_of(batch: pa.RecordBatch, within: tuple[str, ...]) -> pa.Array:
    names = [*within, *([SHEET] if SHEET in batch.schema.names else [])]
    parts = [pc.fill_null(batch[name].cast(pa.string()), "") for name in names]
    return pc.binary_join_element_wise(*parts, "\x1f") if parts else pa.repeat("", batch.num_rows)


def _filled(values: pa.Array, groups: pa.Array, before: dict[str, str | None], name: str) -> pa.Array:
    """Values carried down to the end of their group; `before` is what the batch before ended with."""
    start = pa.array([before.get(name)], pa.string())
    whole = pa.concat_arrays([start, values])
    of_group = np.array(["" if before.get("\0group") is None else before["\0group"], *groups.to_pylist()], dtype=object)
    stated = np.asarray(pc.is_valid(whole))
    last = np.maximum.accumulate(np.where(stated, np.arange(len(whole)), -1))
    fits = (last >= 0) & (of_group[np.maximum(last, 0)] == of_group)
    filled = whole.take(pa.array(np.where(fits, last, 0), mask=~fits))
    before[name] = filled[-1].as_py()
    return filled[1:]


@dataclass(slots=True)
class LookedUp(OtherRecords):
    """Records with columns taken from a look-up table by the value of `on`; NULL where it has no such value."""

    records: Records
    table: pa.Table
    on: tuple[str, ...]
    path: str

    @property
    def taken(self) -> list[str]:
        return [name for name in self.table.column_names if name not in self.on]

    @property
    def names(self) -> list[str]:
        return [*self.records.names, *self.taken]

    def batches(self) -> Iterator[pa.RecordBatch]:
        missing, clash = (
            sorted(set(self.on) - set(self.records.names)),
            sorted(set(self.taken) & set(self.records.names)),
        )
        if missing or clash:
            raise SourceError(
                f"{self.path}: look-up on {list(self.on)}: the file lacks {missing} and already has {clash}; "
                f"columns found: {self.records.names}"
            )
        table = self.table.combine_chunks()
        keys = _key(table, self.on)
        for batch in self.records.batches():
            at = pc.index_in(_key(batch, self.on), keys)
            for name in self.taken:
                found = (
                    table[name].combine_chunks().take(at) if table.num_rows else pa.nulls(batch.num_rows, pa.string())
                )
                batch = batch.append_column(name, found)
            yield batch


def _key(rows: pa.Table | pa.RecordBatch, on: tuple[str, ...]) -> pa.Array:
    """The look-up's key as text; NULL where a part of it is."""
    parts = [pc.utf8_trim_whitespace(pc.cast(rows[name], pa.string())) for name in on]
    joined = pc.binary_join_element_wise(*parts, "\x1f")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined

"""Cells of a source column become bronze text: canonical where they can be read, as they stand where they cannot.

Each distinct text is read once, however often it stands in the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SourceError
from lakehouse.feeds.date_pattern import DatePattern, Times
from lakehouse.feeds.notation import FALSE_WORDS, TRUE_WORDS, Notation
from lakehouse.feeds.number_text import PLAIN, NumberForms, foreign_currencies, plain_number
from lakehouse.schema.columns import COLUMNS

MONEY = frozenset(name for name in COLUMNS if name.endswith(("_price", "_cost", "_value")))
_TEXT_TRICK = r'^="(.*)"$'
_FLOAT_CODE = r"^-?\d+\.0+$"
TYPED = "\x01"  # before a cell that the file itself knows for a number, a flag or a time: it needs no notation


@dataclass(slots=True)
class CellReader:
    """Reads the cells of one source column of one file for a column of the feed layout.

    target: the layout's column; source: the column's name in the file; where: the file, for messages; notation: how
    the column is written; currency: the source's. After the last batch `finish` refuses what was seen to be doubtful.
    """

    target: str
    source: str
    where: str
    notation: Notation
    currency: str
    _numbers: NumberForms = field(default_factory=NumberForms)
    _utc_example: str | None = None
    _has_local_offset: bool = False
    _is_float_code: bool | None = None
    _n_amounts: int = 0
    _foreign: dict[str, frozenset[str]] = field(default_factory=dict)

    def read(self, values: pa.Array, zone: str | None = None) -> pa.Array:
        """The cells as text, NULL where blank or missing.

        values: text, or the type that the file has. zone: the time zone of the place of sale, None where nobody says.
        """
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        kind = COLUMNS[self.target].type
        if not _is_text(values.type):
            return self._typed(values, kind, zone)
        if kind == "boolean" and "" in (*self.notation.true_values, *self.notation.false_values):
            values = pc.fill_null(values.cast(pa.string()), "")
        encoded = values.dictionary_encode()
        texts = pc.utf8_trim_whitespace(encoded.dictionary.cast(pa.string()))
        is_typed = pc.fill_null(pc.starts_with(texts, TYPED), False)
        if not pc.any(is_typed).as_py():
            return self._of(kind)(self._without_nulls(texts), zone).take(encoded.indices)
        stated = self._without_nulls(pc.if_else(is_typed, pc.utf8_slice_codeunits(texts, 1), None))
        written = self._without_nulls(pc.if_else(is_typed, None, texts))
        return pc.coalesce(self._stated(stated, kind, zone), self._of(kind)(written, zone)).take(encoded.indices)

    def _stated(self, texts: pa.Array, kind: str, zone: str | None) -> pa.Array:
        """Cells whose type the file knows: numbers need no notation, and a time is one whatever the mapping's format.

        A number in a column of times still goes by the format (20240131, 45322), and flags by the mapping's words.
        """
        if kind == "double":
            plain = CellReader(self.target, self.source, self.where, Notation(), self.currency)
            return plain.read(texts, zone)
        if kind not in ("date", "timestamp"):
            return self._of(kind)(texts, zone)
        is_time = pc.fill_null(pc.match_substring_regex(texts, r"^\d{4}-\d\d-\d\d"), False)
        clock = pc.if_else(is_time, texts, None)
        times = self._stamp(self._at_place(DatePattern.iso().read(clock), clock, zone))
        return pc.coalesce(times, self._time(pc.if_else(is_time, None, texts), zone))

    def finish(self) -> list[str]:
        """What a person should know of the column. Raises SourceError where its values may mean two things."""
        name = f"{self.where}: the column {self.source!r}"
        self._numbers.refuse_doubtful(name, self.notation)
        if 2 * len(self._foreign) > self._n_amounts:
            example, may = next(iter(self._foreign.items()))
            code = "EUR" if "EUR" in may else min(may)
            raise SourceError(
                f"{name} holds {example!r}, the sign of {' or '.join(sorted(may))}, but the source's currency is "
                f'{self.currency}. Say currency = "{code}" at the head of the mapping; or, where some rows are in '
                f"another currency, map the feed's `currency` and say its worth: [rates] {code} = 1.5"
            )
        if self._utc_example is not None and not self._has_local_offset:
            raise SourceError(
                f"{name} holds instants in UTC, such as {self._utc_example!r}; the day of a sale is that of its place. "
                'Say the place\'s zone in the mapping, such as timezone = "Europe/Berlin", or timezone = "UTC" to take '
                "the days as they are written."
            )
        return (
            [f"{name} holds codes as numbers with decimals (4711.0); they were read without (4711)"]
            if self._is_float_code
            else self._numbers.unread(name, self.notation)
        )

    def _of(self, kind: str) -> Callable[[pa.Array, str | None], pa.Array]:
        readers = {"double": self._number, "boolean": self._flag, "date": self._time, "timestamp": self._time}
        return readers.get(kind, self._words)

    def _without_nulls(self, texts: pa.Array) -> pa.Array:
        missing = {word.strip() for word in self.notation.null_values}
        flags = (*self.notation.true_values, *self.notation.false_values)
        if COLUMNS[self.target].type != "boolean" or "" not in flags:
            missing.add("")
        return pc.if_else(pc.is_in(texts, pa.array(sorted(missing), pa.string())), None, texts)

    # -- text -------------------------------------------------------------------------------------------------------
    def _number(self, texts: pa.Array, _zone: str | None) -> pa.Array:
        self._numbers.see(pc.filter(texts, pc.match_substring_regex(texts, r"[.,]")).to_pylist())
        currency = self.currency if self.target in MONEY else None
        if currency is not None:
            self._see_signs(texts, currency)
        if (self.notation.decimal or ".") == ".":
            is_plain = pc.fill_null(pc.match_substring_regex(texts, PLAIN), True)
        else:
            is_plain = pc.fill_null(pc.match_substring_regex(texts, r"^-?\d+$"), True)
        return _where_not(is_plain, texts, lambda text: plain_number(text, self.notation, currency) or text)

    def _see_signs(self, texts: pa.Array, currency: str) -> None:
        self._n_amounts += pc.count(texts).as_py()
        signed = pc.filter(texts, pc.match_substring_regex(texts, r"[^\d.,+\-()eE\s]")).to_pylist()
        self._foreign |= {text: may for text in signed if (may := foreign_currencies(text, currency))}

    def _flag(self, texts: pa.Array, _zone: str | None) -> pa.Array:
        said = {word.strip().lower(): "true" for word in self.notation.true_values}
        said |= {word.strip().lower(): "false" for word in self.notation.false_values}
        usual = dict.fromkeys(TRUE_WORDS, "true") | dict.fromkeys(FALSE_WORDS, "false")
        words = usual | said
        read = [None if text is None else words.get(text.lower(), text) for text in texts.to_pylist()]
        return pa.array(read, pa.string())

    def _time(self, texts: pa.Array, zone: str | None) -> pa.Array:
        times = Times.none(len(texts))
        patterns = [DatePattern.of(text) for text in self.notation.format] or [DatePattern.iso()]
        for pattern in patterns:
            times = times.where_missing(pattern.read(texts, self.notation.language or "en"))
        known = self._stamp(self._at_place(times, texts, zone))
        if not self.notation.format:
            return pc.coalesce(known, texts)
        # Says so, lest 2024-12-13, which is no date as yyyy-dd-MM, be taken for an ISO date further on.
        unread = pc.binary_join_element_wise(texts, f" (not {' or '.join(self.notation.format)})", "")
        return pc.coalesce(known, unread)

    def _words(self, texts: pa.Array, _zone: str | None) -> pa.Array:
        if self.target.endswith("_id"):  # ="0815": so that a spreadsheet takes the code for text
            texts = pc.replace_substring_regex(texts, _TEXT_TRICK, r"\1")
        if self._is_float_code is None and self.target.endswith("_id") and pc.count(texts).as_py():
            self._is_float_code = pc.all(pc.match_substring_regex(texts, _FLOAT_CODE)).as_py()
        if not self._is_float_code:
            return texts
        if not pc.all(pc.match_substring_regex(texts, _FLOAT_CODE)).as_py():
            raise SourceError(
                f"{self.where}: the column {self.source!r} holds codes written as 4711.0 first, then others; a program "
                "took codes for numbers. Have it write them as text."
            )
        return pc.replace_substring_regex(texts, r"\.0+$", "")

    # -- types ------------------------------------------------------------------------------------------------------
    def _typed(self, values: pa.Array, kind: str, zone: str | None) -> pa.Array:
        if kind in ("date", "timestamp") and pa.types.is_temporal(values.type):
            return self._typed_time(values, zone)
        if kind in ("date", "timestamp"):
            return self._of(kind)(_number_words(values), zone)
        if pa.types.is_boolean(values.type):
            return pc.cast(values, pa.string())
        words = _time_words(values) if pa.types.is_timestamp(values.type) else _number_words(values)
        known = self._without_nulls(words)
        return self._flag(known, zone) if kind == "boolean" else known

    def _typed_time(self, values: pa.Array, zone: str | None) -> pa.Array:
        """Times of a type: one with a zone is an instant, on the clock of that zone unless the place's is known."""
        written = values.type.tz if pa.types.is_timestamp(values.type) else None
        if pa.types.is_date(values.type):
            return self._stamp(np.asarray(pc.cast(values, pa.timestamp("us")), "datetime64[us]"))
        wall = _to_micros(values)
        if written is None:
            return self._stamp(self._at_place(Times(wall, np.full(len(wall), np.nan)), None, zone))
        if zone is None and written.upper() in ("UTC", "ETC/UTC", "Z", "+00:00"):
            self._utc_example = self._utc_example or f"{wall[~np.isnat(wall)][:1].astype(str)}"
        elif zone is None:
            self._has_local_offset = True
        return self._stamp(_convert(wall, "UTC", zone or written))

    # -- clocks -----------------------------------------------------------------------------------------------------
    def _at_place(self, times: Times, texts: pa.Array | None, zone: str | None) -> np.ndarray:
        """The times on the clock of the place: an offset is kept as written unless the place's zone is known."""
        wall, has_offset = times.wall.copy(), np.isfinite(times.offset) & ~np.isnat(times.wall)
        if has_offset.any():
            if zone is None:
                is_utc = has_offset & (times.offset == 0)
                self._has_local_offset |= bool((has_offset & ~is_utc).any())
                if is_utc.any() and texts is not None:
                    self._utc_example = self._utc_example or texts[int(np.argmax(is_utc))].as_py()
            else:
                minutes = np.where(has_offset, times.offset, 0).astype("timedelta64[m]")
                wall[has_offset] = _convert(wall[has_offset] - minutes[has_offset], "UTC", zone)
        stated = self.notation.timezone
        if stated is not None and stated != zone:
            if zone is None:
                raise SourceError(
                    f"{self.where}: the column {self.source!r} is in the zone {stated}, and no zone of the place of "
                    'sale is known; say timezone = "..." for the source, or a timezone for each location.'
                )
            bare = ~has_offset & ~np.isnat(wall)
            wall[bare] = _convert(wall[bare], stated, zone)
        return wall

    def _stamp(self, wall: np.ndarray) -> pa.Array:
        """Dates as yyyy-mm-dd, times as yyyy-mm-dd hh:mm:ss with a fraction where there is one; NULL for NaT."""
        array = pa.array(wall.astype("datetime64[us]"))
        if COLUMNS[self.target].type == "date":
            return pc.cast(pc.cast(pc.floor_temporal(array, unit="day"), pa.date32()), pa.string())
        return _time_words(array)


def with_time(days: pa.Array, times: pa.Array) -> pa.Array:
    """Days and times of day of two columns, as the text of one; a day without a time stays alone."""
    day = pc.replace_substring_regex(days.cast(pa.string()), f"^{TYPED}", "")
    day = pc.replace_substring_regex(pc.utf8_trim_whitespace(day), r"^(\d{4}-\d\d-\d\d) 00:00:00$", r"\1")
    time = pc.utf8_trim_whitespace(pc.replace_substring_regex(times.cast(pa.string()), f"^{TYPED}", ""))
    return pc.if_else(pc.fill_null(pc.not_equal(time, ""), False), pc.binary_join_element_wise(day, time, " "), day)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)


def _where_not(done: pa.Array, texts: pa.Array, read: Callable[[str], str]) -> pa.Array:
    """The texts, read one by one where they are not done."""
    if pc.all(done).as_py() or not len(texts):
        return texts
    return pa.array(
        [
            text if is_done or text is None else read(text)
            for text, is_done in zip(texts.to_pylist(), done.to_pylist(), strict=True)
        ],
        pa.string(),
    )


def _number_words(values: pa.Array) -> pa.Array:
    """Numbers of a type as plain text: whole floats without decimals, no exponent, NULL for NaN."""
    if not pa.types.is_floating(values.type):
        return pc.cast(values, pa.string())
    known = pc.if_else(pc.is_nan(values), None, values)
    texts = pc.cast(known, pa.string())
    has_exponent = pc.fill_null(pc.match_substring(texts, "e"), False)
    return _where_not(pc.invert(has_exponent), texts, lambda text: plain_number(text, Notation()) or text)


def _time_words(values: pa.Array) -> pa.Array:
    """Times as yyyy-mm-dd hh:mm:ss, with a fraction where there is one."""
    text = pc.cast(pc.cast(values, pa.timestamp(values.type.unit)), pa.string())
    return pc.replace_substring_regex(pc.replace_substring_regex(text, r"(\.\d*?)0+$", r"\1"), r"\.$", "")


def _to_micros(values: pa.Array) -> np.ndarray:
    """As datetime64[us] in UTC or without a zone; finer times are cut, also before 1970."""
    naive = pc.cast(values, pa.timestamp(values.type.unit))
    return pd.DatetimeIndex(np.asarray(naive)).floor("us").as_unit("us").to_numpy()


def _convert(wall: np.ndarray, zone: str, to: str) -> np.ndarray:
    """Times on the clock of one zone as those of another. An hour that the clock shows twice is the later one."""
    if zone == to or not len(wall):
        return wall
    index = pd.DatetimeIndex(wall).tz_localize(zone, ambiguous=np.zeros(len(wall), bool), nonexistent="shift_forward")
    return index.tz_convert(to).tz_localize(None).as_unit("us").to_numpy()

"""What the texts of a column can be read as: dates by which pattern, numbers by which signs, flags.

Nothing is guessed that the texts leave open: two readings of a date or a number are both given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache

import numpy as np
import pyarrow as pa

from lakehouse.feeds.date_pattern import DatePattern, month_numbers, refuse_contradicting
from lakehouse.feeds.guessing.words import vocabulary
from lakehouse.feeds.notation import FALSE_WORDS, TRUE_WORDS, Notation
from lakehouse.feeds.number_text import plain_number

_MOST_TEXTS, _TRIED = 20_000, 40
_ENOUGH = 0.98  # of the texts one pattern reads: the rest are errors, not another pattern
_LANGUAGES = ("en", "de", "fr", "es", "zh")
_DAYS = (
    *("dd.MM.yyyy", "d.M.yyyy", "dd/MM/yyyy", "MM/dd/yyyy", "d/M/yyyy", "M/d/yyyy", "yyyy/MM/dd", "yyyy/M/d"),
    *("dd-MM-yyyy", "MM-dd-yyyy", "yyyyMMdd", "dd.MM.yy", "d.M.yy", "dd/MM/yy", "MM/dd/yy", "d/M/yy", "M/d/yy"),
    *("dd-MM-yy", "MM-dd-yy", "yyyy.MM.dd", "yyyy'年'M'月'd'日'", "YYYY-'W'ww", "YYYY'W'ww"),
)
_NAMED_DAYS = (
    "dd-MMM-yyyy",
    "d-MMM-yyyy",
    "dd-MMM-yy",
    "d-MMM-yy",
    "d MMM yyyy",
    "d. MMM yyyy",
    "MMM d, yyyy",
    "MMM d yyyy",
    "EEEE d MMM yyyy",
    "EEEE d. MMM yyyy",
    "EEEE MMM d, yyyy",
)
_CLOCKS = (
    *("", " HH:mm", " HH:mm:ss", " H:mm", " H:mm:ss", ", HH:mm", ", HH:mm:ss", " h:mm a", " h:mm:ss a"),
    *("'T'HH:mm:ss", " HH:mm:ss Z", ", h:mm a", ", h:mm:ss a"),
)
_SERIALS = (("excel", r"^[2-6]\d{4}(\.\d+)?$"), ("unix", r"^1\d{9}$"), ("unix_ms", r"^1\d{12}$"))
_PLAUSIBLE = re.compile(r"^(?=.{6,40}$)(?!-?\d+[.,]\d+$)(\d{8}$|.*\d.*[-/.年 W].*\d)")  # worth trying as a date
_MONEY = {
    "€": "EUR",
    "EUR": "EUR",
    "£": "GBP",
    "GBP": "GBP",
    "$": "USD",
    "USD": "USD",
    "¥": "CNY",
    "￥": "CNY",
    "元": "CNY",
}


@dataclass(frozen=True, slots=True)
class DateReading:
    """How a column's texts are read as dates.

    patterns: in order; () for ISO, which needs none. share: of the texts read. readings: where patterns read the same
    texts as different days, each with an example and its day. offsets: minutes east of UTC that the texts carry.
    """

    patterns: tuple[str, ...] = ()
    language: str | None = None
    share: float = 0.0
    readings: tuple[tuple[str, str, date], ...] = ()
    has_clock: bool = False
    offsets: tuple[float, ...] = ()
    unread: str | None = None


@dataclass(frozen=True, slots=True)
class NumberReading:
    """How a column's texts are read as numbers.

    decimal: the sign that the texts prove, with the text that does (`proof`). grouped: a text that is one number where
    its sign parts thousands, another where it parts decimals. money: the currency whose sign stands beside them.
    """

    share: float = 0.0
    decimal: str | None = None
    proof: str = ""
    grouped: str | None = None
    has_groups: bool = False
    money: str | None = None
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class FlagReading:
    true_words: tuple[str, ...] = field(default=())
    false_words: tuple[str, ...] = field(default=())
    unknown: tuple[str, ...] = field(default=())


def read_dates(texts: Sequence[str], *, named_as_date: bool = False) -> DateReading:
    """How the distinct texts of a column are read as dates; numbers only where its name says that they are dates."""
    texts = [text for text in texts if text][:_MOST_TEXTS]
    if not texts:
        return DateReading()
    array = pa.array(texts, pa.string())
    iso = DatePattern.iso().read(array)
    if (share := float((~np.isnat(iso.wall)).mean())) >= _ENOUGH:
        offsets = sorted(set(iso.offset[np.isfinite(iso.offset)].tolist()))
        unread = _first(texts, np.isnat(iso.wall))
        return DateReading((), None, share, (), any(":" in text for text in texts[:_TRIED]), tuple(offsets), unread)
    for name, regex in _SERIALS if named_as_date else ():
        if np.mean([bool(re.match(regex, text)) for text in texts]) >= _ENOUGH:
            return DateReading((name,), None, 1.0, (), name != "excel" or any("." in text for text in texts))
    if not named_as_date and np.mean([bool(_PLAUSIBLE.search(text)) for text in texts[:200]]) < 0.5:
        return DateReading()
    return _by_patterns(texts, array)


def _by_patterns(texts: Sequence[str], array: pa.Array) -> DateReading:
    few = array.take(pa.array(np.linspace(0, len(texts) - 1, min(len(texts), _TRIED)).astype(int)))
    walls: dict[tuple[str, str], np.ndarray] = {("", "en"): DatePattern.iso().read(array).wall}
    for language, names in _languages(texts):
        for text in names:
            if not np.isnat(_pattern(text).read(few, language).wall).all():
                walls[text, language] = _pattern(text).read(array, language).wall
    left = np.ones(len(texts), bool)
    chosen: list[tuple[str, str]] = []
    readings: list[tuple[str, str, date]] = []
    while left.mean() > 1 - _ENOUGH and len(chosen) < 4:
        fit = {key: int((~np.isnat(wall) & left).sum()) for key, wall in walls.items()}
        key = max(fit, key=lambda k: fit[k])
        if fit[key] == 0 or not _agree([*chosen, key]):
            break
        others = [other for other in walls if fit[other] == fit[key] and _differ(walls[key], walls[other], left)]
        for each in (key, *others) if others else ():
            at = int(np.argmax(~np.isnat(walls[key]) & left & (walls[key] != walls[others[0]])))
            readings.append((each[0] or "yyyy-MM-dd", texts[at], walls[each][at].astype("datetime64[D]").astype(date)))
        chosen.append(key)
        left &= np.isnat(walls[key])
    foreign = next((language for _, language in chosen if language != "en"), None)
    patterns = tuple(text or "yyyy-MM-dd" for text, _ in chosen)
    has_clock = any(":" in text for text in texts[:_TRIED])
    return DateReading(
        patterns, foreign, 1 - float(left.mean()), _distinct(readings), has_clock, (), _first(texts, left)
    )


def _distinct(readings: list[tuple[str, str, date]]) -> tuple[tuple[str, str, date], ...]:
    """One pattern for each day that a text may mean."""
    return tuple({(text, day): (pattern, text, day) for pattern, text, day in reversed(readings)}.values())[::-1]


def _languages(texts: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The patterns worth trying, by language of the month's names."""
    words = {word.lower() for text in texts[:200] for word in re.findall(r"[^\W\d_]{3,}", text)}
    found = [("en", [day + clock for day in _DAYS for clock in _CLOCKS])]
    for language in _LANGUAGES:
        if words & set(month_numbers(language)):
            found.append((language, [day + clock for day in _NAMED_DAYS for clock in _CLOCKS]))
    return found


@cache
def _pattern(text: str) -> DatePattern:
    return DatePattern.of(text)


def _agree(keys: Sequence[tuple[str, str]]) -> bool:
    try:
        refuse_contradicting([_pattern(text) if text else DatePattern.iso() for text, _ in keys])
    except ValueError:
        return False
    return True


def _differ(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> bool:
    both = where & ~np.isnat(one) & ~np.isnat(other)
    return bool((one[both] != other[both]).any())


def _first(texts: Sequence[str], where: np.ndarray) -> str | None:
    return texts[int(np.argmax(where))] if where.any() else None


def read_numbers(texts: Sequence[str]) -> NumberReading:
    """How the distinct texts of a column are read as numbers."""
    texts = [text for text in texts if text][:_MOST_TEXTS]
    if not texts:
        return NumberReading()
    cores = [(re.sub(r"[^\d.,'\u2019 \u00a0\u202f-]", "", text).strip(" -\u00a0\u202f"), text) for text in texts]
    comma = next(
        (text for core, text in cores if re.search(r"(^|[^,]*[.\d]),(\d{1,2}|\d{4,})$|^0,\d+$|\.\d{3},\d+$", core)),
        None,
    )
    point = next((text for core, text in cores if re.search(r"\.(\d{1,2}|\d{4,})$|^0?\.\d+$|,\d{3}\.\d+$", core)), None)
    many = next((core for core, _ in cores if re.search(r"^\d{1,3}([.,])\d{3}(\1\d{3})+$", core)), None)
    if many and not (comma or point):
        comma, point = (many, None) if "." in many else (None, many)
    grouped = next((text for core, text in cores if re.match(r"^[1-9]\d{0,2}[.,]\d{3}$", core)), None)
    decimal = None if bool(comma) == bool(point) else ("," if comma else ".")
    money = next((code for sign, code in _MONEY.items() if any(sign in text for text in texts[:_TRIED])), None)
    notation = Notation(decimal=decimal or ".")
    read = sum(_is_number(text, notation) for text in texts)
    if any(re.search(r"\d[eE]\+\d", text) for text in texts[:_TRIED]):
        return NumberReading(read / len(texts), decimal, comma or point or "", is_whole=True)
    is_whole = not (comma or point) or all(re.search(r"[.,]0+$", core) or core.isdecimal() for core, _ in cores)
    has_groups = bool(grouped or many or any(re.search(r"\d[.,]\d{3}[.,]\d", core) for core, _ in cores))
    share = read / len(texts) if decimal or not grouped else 1.0 if read / len(texts) > 0.5 else read / len(texts)
    return NumberReading(share, decimal, comma or point or "", grouped, has_groups, money, is_whole)


def _is_number(text: str, notation: Notation) -> bool:
    """Whether the text is a number, with or without a sign of some currency or a short unit beside it."""
    body = re.sub(r"[^\d.,'\u2019 \u00a0\u202f()eE+\u2212-]|(?<!\d)[eE]|[eE](?![+-]?\d)", "", text).strip()
    return len(re.findall(r"[^\W\d_]", text)) <= 3 and plain_number(body, notation) is not None


def read_flags(texts: Sequence[str], *, has_blanks: bool) -> FlagReading | None:
    """The words of a column of flags beyond the usual; None where it holds others. One word beside blanks is true."""
    words = {text.strip().lower() for text in texts}
    flags = vocabulary()["flags"]
    true = {word for word in words if word in (*TRUE_WORDS, *flags["true"])}
    false = {word for word in words if word in (*FALSE_WORDS, *flags["false"])}
    unknown = words - true - false
    if not words or len(words) > 4 or (unknown and not true):
        return None
    if has_blanks and not false:
        false |= {""}
    return FlagReading(
        tuple(sorted(true - set(TRUE_WORDS))), tuple(sorted(false - set(FALSE_WORDS))), tuple(sorted(unknown))
    )

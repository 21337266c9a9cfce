"""The words by which columns, files and lines of sums are known (`words.toml`), and how well a header matches one."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

_EXACT, _WITHIN, _STEP = 100.0, 60.0, 0.2
_SHORT = 3  # Latin words up to it count only as a word of their own
_BESIDE = ("totals", "status", "time_of_day")  # what headers may say that is no column of the layout
_MOST_WORDS = 4  # a longer header is a sentence, in which a word says little


@cache
def vocabulary() -> dict[str, Any]:
    """The content of words.toml."""
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))


def plain(text: str) -> str:
    """Small letters and digits alone, without accents: what is compared."""
    return "".join(tokens(text))


def tokens(text: str) -> list[str]:
    """The words of a header: parted by blanks, punctuation and the humps of itemNumber."""
    parted = re.sub(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])", " ", text)
    bare = unicodedata.normalize("NFKD", parted.casefold().replace("ß", "ss"))
    bare = "".join(sign for sign in bare if not unicodedata.combining(sign))
    return re.findall(r"[^\W_]+", bare)


def name_score(header: str, column: str) -> float:
    """How surely a header names a column of the feed layout: 0 for not at all, 100 for its first word."""
    return max((score for score, _ in _scores(header, column)), default=0.0)


def _scores(header: str, column: str) -> Iterable[tuple[float, str]]:
    whole, parts = plain(header), tokens(header)
    ends_alone = column.endswith("_id")  # a Product Group is no product; a Price EUR is a price
    starts = [(at, n) for n in (1, 2, 3) for at in range(len(parts) - n + 1)]
    runs = {"".join(parts[at : at + n]) for at, n in starts if not ends_alone or at + n == len(parts)}
    for place, (word, is_latin) in enumerate(_words(column)):
        if word == whole:
            yield _EXACT - _STEP * place, word
        elif len(parts) <= _MOST_WORDS and (word in runs or _is_head(word, whole, is_latin=is_latin)):
            yield _WITHIN - _STEP * place - 0.5 * max(len(parts) - 1, 0), word


def _is_head(word: str, whole: str, *, is_latin: bool) -> bool:
    """Whether the word is what a compound is a kind of: the last part of Nettoverkaufspreis; any part in Chinese."""
    return whole.endswith(word) and len(word) > 2 * _SHORT if is_latin else word in whole


@cache
def _words(column: str) -> list[tuple[str, bool]]:
    own = vocabulary()[column]["words"] if column in _BESIDE else vocabulary()["columns"].get(column, [])
    return [(plain(word), word.isascii() or not re.search(r"[\u3400-\u9fff]", word)) for word in own]


@cache
def is_known(header: str) -> bool:
    """Whether the header is just what some column is called."""
    return any(name_score(header, column) > _WITHIN for column in (*vocabulary()["columns"], *_BESIDE))


def language_of(headers: Iterable[str]) -> dict[str, Any] | None:
    """The language in which most headers are that are in any, with what is likely then; None where none is seen."""
    said = {token for header in headers for token in tokens(header)}
    found = [(len(said & {plain(word) for word in each["words"]}), each) for each in vocabulary()["languages"]]
    most, language = max(found, key=lambda pair: pair[0])
    return language if most > 1 else None


def system_of(header: Sequence[str]) -> dict[str, Any] | None:
    """The system that writes such headers, None for none that is known by them."""
    return next((each for each in vocabulary()["systems"] if set(each["needs"]) <= set(header)), None)


def feed_named(path: str) -> set[str]:
    """The feeds that the words of a file's or sheet's name stand for."""
    parts = set(tokens(re.sub(r"\d", " ", path.rpartition(".")[0] or path)))
    found = set()
    for feed, words in vocabulary()["feeds"].items():
        wanted = {plain(word) for word in words}
        if wanted & parts or any(
            word in plain(path) for word in wanted if len(word) > 2 * _SHORT or not word.isascii()
        ):
            found.add(feed)
    return found


def may_be_money(header: str) -> bool:
    """Whether a header such as Weekly_Sales may stand for money as well as for units."""
    said, parts = vocabulary()["money_or_units"], tokens(header)
    return bool(parts) and parts[-1] in map(plain, said["words"]) and not set(parts) & set(map(plain, said["units"]))


def begins_with_sum(cell: str) -> bool:
    """Whether a cell begins like a line of sums or a remark below a table."""
    text = plain(cell)
    if cell.strip() in ("*", "**", "***"):  # SAP marks its sums so
        return True
    return any(text == plain(word) or text.startswith(plain(word)) for word in vocabulary()["footers"]["words"])

"""A TOML file with the line of every key, so that what is wrong with a value can be shown where it stands.

`tomllib` reads the values and refuses what is no TOML, but tells no lines; `_Lines` walks over text that it has passed.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lakehouse.errors import ConfigError

Key = str | int
"""A key of a table, or the number of an entry of an array, from 0."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}\n#]*")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A file's `values`, and `lines`: the number of the line by path of keys, such as ("feeds", "sales", "files")."""

    path: Path
    values: dict[str, Any]
    lines: Mapping[tuple[Key, ...], int]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ConfigError with file and line where the file cannot be read as TOML."""
        try:
            text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise ConfigError(
                f"{path}:{line}: expected text in UTF-8, found the byte 0x{error.object[error.start]:02x}; save the "
                "file as UTF-8"
            ) from error
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(_no_toml(path, text, str(error))) from None
        return cls(path, values, _Lines(text).found)

    def place(self, path: Sequence[Key]) -> str:
        """`file:line` of a key; of the nearest table around it where the key itself is not there."""
        for length in range(len(path), 0, -1):
            if (line := self.lines.get(tuple(path[:length]))) is not None:
                return f"{self.path}:{line}"
        return str(self.path)


def dotted(path: Sequence[Key]) -> str:
    """A path of keys as a person writes it: feeds.sales.columns.units, clean.rules[1].reason."""
    words = "".join(
        f"[{key}]" if isinstance(key, int) else f".{key}" if _BARE_KEY.fullmatch(key) else f'."{key}"' for key in path
    )
    return words.removeprefix(".")


def _no_toml(path: Path, text: str, words: str) -> str:
    """What `tomllib` says of the text, with the line in front and the line's own text behind."""
    lines = text.split("\n")
    at = re.search(r" \(at line (\d+), column \d+\)$", words)
    number = int(at[1]) if at else len(text.rstrip().split("\n"))
    reason = words[: at.start()] if at else words.removesuffix(" (at end of document)") + ", but the file ends"
    shown = lines[number - 1].strip()[:100] if number <= len(lines) else ""
    if reason == "Illegal character '\\n'":
        reason = "a text is not closed on its line"
    hint = '; text stands in quotes, such as country = "DE"' if reason == "Invalid value" else ""
    return f"{path}:{number}: not valid TOML: {reason[:1].lower()}{reason[1:]}; the line is: {shown}{hint}"


class _Lines:
    """Finds the lines of all keys and entries of a valid TOML text: `found`."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.found: dict[tuple[Key, ...], int] = {}
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._entries: dict[tuple[Key, ...], int] = {}  # arrays of tables, with the number of their last entry
        table: tuple[Key, ...] = ()
        while self._skip(_BLANK) is not None and self.at < len(text):
            if text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _skip(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match[0]

    def _note(self, path: tuple[Key, ...]) -> None:
        self.found.setdefault(path, bisect_right(self._ends, self.at - 1) + 1)

    def _header(self) -> tuple[Key, ...]:
        is_entry = self.text.startswith("[[", self.at)
        self.at += 1 + is_entry
        *around, last = self._keys()
        self.at += 1 + is_entry
        path: tuple[Key, ...] = ()
        for key in around:
            path = self._last_entry((*path, key))
            self._note(path)
        path = (*path, last)
        self._note(path)
        if is_entry:
            self._entries[path] = self._entries.get(path, -1) + 1
        path = self._last_entry(path)
        self._note(path)
        return path

    def _last_entry(self, path: tuple[Key, ...]) -> tuple[Key, ...]:
        return (*path, self._entries[path]) if path in self._entries else path

    def _keys(self) -> list[str]:
        """The parts of a dotted key; ends behind the blanks that follow it."""
        parts = []
        while True:
            self._skip(_BLANK)
            quoted = self._skip(_STRING)
            # A quoted key has the escapes of a string.
            part = tomllib.loads(f"key = {quoted}")["key"] if quoted is not None else self._skip(_BARE_KEY)
            assert part is not None
            parts.append(part)
            self._skip(_BLANK)
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def _pair(self, table: tuple[Key, ...]) -> None:
        start = self.at
        path = table
        keys = self._keys()
        end, self.at = self.at, start
        for key in keys:
            path = (*path, key)
            self._note(path)
        self.at = end + 1  # behind the =
        self._value(path)

    def _value(self, path: tuple[Key, ...]) -> None:
        self._skip(_BLANK)
        sign = self.text[self.at]
        if sign in "\"'":
            self._skip(_STRING)
        elif sign in "[{":
            self._inside(path, "]" if sign == "[" else "}")
        else:
            self._skip(_SCALAR)

    def _inside(self, path: tuple[Key, ...], end: str) -> None:
        """The entries of an array, or the pairs of an inline table."""
        self.at += 1
        number = 0
        while self._skip(_BLANK) is not None and self.text[self.at] != end:
            if end == "}":
                self._pair(path)
            else:
                self._note((*path, number))
                self._value((*path, number))
            number += 1
            self._skip(_BLANK)
            self.at += self.text[self.at] == ","
        self.at += 1

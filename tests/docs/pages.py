"""The documentation as tests read it: its pages, their fenced blocks, and the text around them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `title` is what the fence says in title="...", '' for none; `line` is its first line's number."""

    page: str
    line: int
    language: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a shell block, in words as a shell would split them."""

    page: str
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {' '.join(self.words)}"


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        head, body = found.groups()
        title = re.search(r'title="([^"]*)"', head)
        first = text[: found.start()].count("\n") + 2
        yield Block(page.name, first, head.split(" ")[0], title.group(1) if title else "", body)


def titled(page: str, title: str) -> str:
    """The text of the one block of a page of docs with this title."""
    (text,) = (block.text for block in blocks(ROOT / "docs" / page) if block.title == title)
    return text


def prose(page: Path) -> str:
    """A page's text without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def shell_commands() -> list[Command]:
    """Every command of every `sh` block; those that `&&` joins are several."""
    found = []
    for block in (block for page in PAGES for block in blocks(page) if block.language == "sh"):
        for number, line in enumerate(block.text.splitlines(), block.line):
            for part in " ".join(shlex.quote(word) for word in shlex.split(line, comments=True)).split(" '&&' "):
                if part:
                    found.append(Command(block.page, number, tuple(shlex.split(part))))
    return found

"""Candidates by name: what settings may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Entry(Protocol):
    """What is known of a candidate before it is made: its name, and what it is in a line."""

    @property
    def name(self) -> str: ...

    @property
    def meaning(self) -> str: ...


E = TypeVar("E", bound=Entry)


class Registry(Generic[E]):
    """Entries by name, in the order of their registration.

    noun: what an entry is, for messages: "model", "policy".
    """

    def __init__(self, noun: str, *entries: E) -> None:
        self.noun = noun
        self._entries = {entry.name: entry for entry in entries}
        if len(self._entries) != len(entries):
            raise ValueError(f"expected every {noun} once, found {[entry.name for entry in entries]}")

    def register(self, entry: E, replace: bool = False) -> None:
        """Make an entry known by its name.

        Raises:
            ValueError: the name is empty or, unless `replace`, already taken.
        """
        if not entry.name:
            raise ValueError(f"expected a name for the {self.noun}, found an empty one")
        if entry.name in self._entries and not replace:
            raise ValueError(
                f"expected a new name, found {entry.name!r}, which is registered; pass replace=True to replace it"
            )
        self._entries[entry.name] = entry

    def unregister(self, name: str) -> None:
        """Forget a registered name; an unknown one is fine."""
        self._entries.pop(name, None)

    def __getitem__(self, name: str) -> E:
        """Raises ValueError for an unknown name; the message lists the known ones."""
        if name not in self._entries:
            raise ValueError(f"expected a registered {self.noun}, found {name!r}; known: {', '.join(sorted(self))}")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def entries(self) -> list[E]:
        return list(self._entries.values())

"""Columns of sales that say of a row whether it is a sale: states of orders, cancellations, kinds of movements.

Which rows are none is a person's word: the condition that would leave them out is proposed, and the values are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.feeds.guessing.column_lines import BELOW_ZERO, toml
from lakehouse.feeds.guessing.column_roles import Roles, Table
from lakehouse.feeds.guessing.words import name_score, plain, vocabulary

_MOST_VALUES, _SHOWN, _MOSTLY, _SURELY = 12, 8, 0.5, 0.98


@dataclass
class NoSales:
    """What a table of sales says of rows that are none."""

    table: Table
    roles: Roles

    @property
    def filled_down(self) -> list[str]:
        """The columns with a state that stands in the first line of its order alone."""
        return [name for name in self.states if name in self._of_orders]

    @cached_property
    def _of_orders(self) -> list[str]:
        order = self.roles.columns.get("transaction_id")
        if order is None:
            return []
        return [name for name in self._named if stands_first(self.table, name, order)]

    @cached_property
    def states(self) -> dict[str, str]:
        """The columns that tell one row from another, each with the condition that leaves out what is no sale."""
        found = {name: self._condition(name) for name in self._named if not self._is_of_returns(name)}
        return {name: sql for name, sql in found.items() if sql is not None}

    def questions(self) -> list[str]:
        """What is to be decided, one sentence a column."""
        return [f"{self.table.name}, {name!r} ({self._values(name)}): are all of these sales?" for name in self.states]

    def lines(self, said: str | None = None) -> list[str]:
        """The commented line that leaves out what is no sale. said: what is left out already."""
        if not self.states:
            return []
        condition = " OR ".join([*([said] if said else []), *self.states.values()])
        instead = "in place of the line above" if said else "correct the values"
        return [f"# drop_when = {toml(condition)}   # uncomment if such rows are no sales; {instead}"]

    @cached_property
    def _named(self) -> list[str]:
        used = {*self.roles.columns.values(), *self.table.days}
        named = [name for name in self.table.contents if name not in used and name_score(name, "status") > 0]
        return [
            name for name in named if self.table.contents[name].is_of_codes or self.table.contents[name].dates.share
        ]

    def _condition(self, name: str) -> str | None:
        """None where the column says the same of all rows, or nothing that a state would be."""
        look = self.table.contents[name].look
        order = self.roles.columns.get("transaction_id", "")
        stated = look.rows - look.blanks
        of_all = self.table.contents[order].look.distinct if name in self._of_orders else look.rows
        column = f"`{name}`"
        if not stated or (look.distinct == 1 and stated >= _SURELY * of_all):
            return None
        if stated < _MOSTLY * of_all:
            return f"{column} IS NOT NULL"
        if not 0 < len(look.counts) <= _MOST_VALUES:
            return None
        words = vocabulary()["status"]
        if undone := [value for value in look.counts if plain(value) in set(map(plain, words["undone"]))]:
            return f"{column} IN ({_listed(undone)})"
        if moved := [value for value in look.counts if value in words["movements"]]:
            return f"{column} NOT IN ({_listed(moved)})" if len(moved) < len(look.counts) else None
        return f"{column} <> {_listed(list(look.counts)[:1])}"

    def _is_of_returns(self, name: str) -> bool:
        """Whether the column marks the lines below zero, which take back a sale: it leaves nothing to decide."""
        units = self.roles.columns.get("units")
        if units is None:
            return False
        rows = self.table.sample(name, units)
        marked = rows.filter(pc.is_valid(rows[name]))
        below = pc.match_substring_regex(marked[units], BELOW_ZERO)
        return marked.num_rows > 0 and pc.mean(pc.fill_null(below, False).cast(pa.int8())).as_py() >= _SURELY

    def _values(self, name: str) -> str:
        look = self.table.contents[name].look
        shown = [f"{value} {count:,}" for value, count in list(look.counts.items())[:_SHOWN]]
        if not look.counts:
            shown = [f"{look.rows - look.blanks:,} values such as {look.texts[0]}"]
        return ", ".join([*shown, *([f"empty {look.blanks:,}"] if look.blanks else [])])


def stands_first(table: Table, name: str, order: str) -> bool:
    """Whether a column is filled in the first line of an order alone, and orders have several."""
    look, of_order = table.contents[name].look, table.contents[order].look
    if not look.blanks or of_order.distinct >= of_order.rows - of_order.blanks:
        return False
    rows = table.sample(name, order)
    codes = pc.fill_null(rows[order], "").to_numpy(zero_copy_only=False)
    is_first = pa.array([True, *(codes[1:] != codes[:-1])]) if len(codes) else pa.array([], pa.bool_())
    stated = pc.is_valid(rows[name]).combine_chunks()
    firsts, others = pc.filter(stated, is_first), pc.filter(stated, pc.invert(is_first))
    n_first, n_other = (pc.sum(part.cast(pa.int64())).as_py() or 0 for part in (firsts, others))
    return len(others) > 0 and n_first > 0 and n_first >= _SURELY * (n_first + n_other)


def stands_in_blocks(table: Table, name: str, *, is_key: bool) -> bool:
    """Whether a column is filled in the first row of a block alone: mostly empty, never the same value twice in a row.

    is_key: its blanks may be codes that are missing, unless each value stands once.
    """
    look = table.contents[name].look
    stated = look.rows - look.blanks
    if not stated or look.blanks <= _MOSTLY * look.rows or (is_key and look.distinct < stated):
        return False
    for each in table.looks:
        values = each.sample[name].to_pylist()
        known = [value for value in values if value]
        if (values and not values[0]) or any(one == other for one, other in pairwise(known)):
            return False
    return True


def _listed(values: Sequence[str]) -> str:
    return ", ".join("'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" for value in sorted(values))

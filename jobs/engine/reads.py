"""What a stage declares to read: tables by unit or whole, and sums over all units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

if TYPE_CHECKING:
    from jobs.context import RunContext

Days = Callable[["RunContext"], tuple[date | None, date | None]]
Columns = Callable[["RunContext"], tuple[str, ...]]
Runs = Callable[["RunContext"], tuple[str, ...]]
Units = Callable[["RunContext"], tuple[str, ...]]


def this_run(context: RunContext) -> tuple[str, ...]:
    return (context.run.run_id,)


THIS: Final[Runs] = this_run
"""Rows that this run wrote, of a table that is keyed by run."""


def until_as_of(context: RunContext) -> tuple[date | None, date | None]:
    """All days up to the run's."""
    return None, context.as_of


@dataclass(frozen=True, slots=True)
class Read:
    """A table as a stage reads it: `columns` of the rows of `run` and `days`.

    A table whose contract hashes the stage's entity into buckets is read bucket by bucket, any other whole by every
    unit, as is one that is to be read `whole`, of which `only` may name some units ((): all). `is_past`: rows that an
    earlier day has left, so that the stage need not come after the one that writes the table. `order_by` restores the
    order where several files hold a unit; `dictionary` columns stay codes into their distinct values.
    """

    table: str
    columns: tuple[str, ...] | Columns
    run: Runs | None = None
    days: Days | None = None
    whole: bool = False
    only: Units | None = None
    is_past: bool = False
    order_by: tuple[str, ...] = ()
    dictionary: tuple[str, ...] = ()

    def columns_of(self, context: RunContext) -> tuple[str, ...]:
        """The columns, where the settings decide on them; () stands for all, to Spark."""
        return self.columns(context) if callable(self.columns) else self.columns


@dataclass(frozen=True, slots=True)
class Sum:
    """Small rows that all units left in `table`, merged on the driver and carried to each unit with the task.

    `merge` gets the rows of `run` (None where there is no such run, or `when` says that nobody will ask).
    """

    table: str
    merge: Callable[[pa.Table], Any]
    columns: tuple[str, ...] | None = None
    run: Runs = THIS
    when: Callable[[RunContext], bool] | None = None
    is_past: bool = False
    name: str = ""

    @property
    def key(self) -> str:
        """What the stage's parameters know it by."""
        return self.name or self.table

"""The frames of a Spark stage: what it declared to read, at pinned versions, and the way it writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.reads import Read
from jobs.engine.side_by_side import side_by_side
from lakehouse.delta.files import DAY_COLUMNS
from lakehouse.delta.write_frame import write_frame
from lakehouse.errors import ContractError
from lakehouse.schema.tables import contract

if TYPE_CHECKING:
    from jobs.context import RunContext


@dataclass(frozen=True, slots=True)
class Frames:
    """Tables that a stage declared, by name; anything else is refused, so that what is recorded is what is read."""

    context: RunContext
    stage: str
    reads: tuple[Read, ...]
    versions: Mapping[str, int]

    def version(self, table: str) -> int:
        """The pinned version, -1 where the table does not exist."""
        self._declared(table)
        return self.versions[table]

    def __getitem__(self, table: str) -> DataFrame:
        """The rows of the declared run and days, with the declared columns.

        A frame without rows where there is no table: no earlier day has left one, or the stage that writes it was
        skipped. One that was made and is gone comes not so far: its stage does not count as done, so that it is made
        again, or the run is refused."""
        context, read = self.context, self._declared(table)
        if self.version(table) < 0:
            frame = context.spark.createDataFrame(contract(table).empty(with_partitions=True))
        else:
            frame = context.lakehouse.read_spark(context.spark, table, self.version(table))
        if read.run:
            frame = frame.filter(F.col("run_id").isin(*read.run(context)))
        if read.days:
            first, last = read.days(context)
            day = F.col(next(name for name in DAY_COLUMNS if name in contract(table).columns))
            frame = frame.filter(day >= F.lit(first)) if first else frame
            frame = frame.filter(day <= F.lit(last)) if last else frame
        columns = read.columns_of(context)
        return frame.select(*columns) if columns else frame

    def rows(self) -> int:
        """Rows of all that the stage declared to read, by the tables' logs."""
        lake = self.context.lakehouse
        return sum(lake.rows(table, version) for table, version in self.versions.items() if version >= 0)

    def _declared(self, table: str) -> Read:
        for read in self.reads:
            if read.table == table:
                return read
        raise ContractError(f"stage {self.stage!r} reads {table}, which it does not declare; add a Read for it")


def as_of_part(context: RunContext) -> str:
    """The as-of day's part of a table."""
    return f"as_of={context.as_of}"


def run_part(context: RunContext) -> str:
    """This run's part of a table."""
    return f"run_id={context.run.run_id}"


def write_part(context: RunContext, frames: Frames, part: str, tables: Mapping[str, Callable[[], DataFrame]]) -> int:
    """Write each table's rows, made of `frames`, in place of the part `column=value`; returns the rows written."""
    column, _, value = part.partition("=")
    most = frames.rows()

    def written(name: str) -> int:
        # Adaptive execution makes as few files of it as the size allows.
        by = [key for key in contract(name).key if key != column]
        frame = tables[name]().repartition(*by).sortWithinPartitions(*by)
        version = write_frame(context.lakehouse, frame, name, most, {column: [value]})
        return context.lakehouse.rows(name, version, {column: value})

    return sum(side_by_side(context.spark, {name: partial(written, name) for name in tables}).values())

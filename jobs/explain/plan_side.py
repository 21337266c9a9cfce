"""One of two plans that are compared: what its run read of a series, at the versions that it read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.context import RunContext
from jobs.engine.progress import Progress
from jobs.engine.rounds import pin, summed
from jobs.engine.stage import Read, UnitStage
from jobs.run_settings import recorded_settings
from jobs.stages.forecasting import forecast
from jobs.stages.forecasting.forecast import ForecastParameters
from jobs.stages.forecasting.forecasting_reads import CLASSES, ERRORS
from jobs.stages.inventory import inventory, order
from lakehouse.delta.decisions import decisions_for
from lakehouse.delta.files import read_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError, ContractError
from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import contract

FORECAST, INVENTORY, ORDER = forecast.STAGE, inventory.STAGE, order.STAGE
_ORDER_PLAN = "inventory.order_plan"
_ABSENT = -1
"""The version of a table that the plan's stage did not read yet."""


@dataclass
class PlanSide:
    """A run's plan of one series. `versions`: by stage and table those that its run read."""

    context: RunContext
    unique_id: str
    versions: dict[str, dict[str, int]]
    _read: dict[Any, pa.Table] = field(default_factory=dict)
    _learnt: dict[str, ForecastParameters] = field(default_factory=dict)

    @classmethod
    def of(cls, lakehouse: Lakehouse, run_id: str, unique_id: str, default: RunContext | None) -> PlanSide:
        """The plan of a run in the lakehouse.

        default: stands in where the run noted no settings, and only if it would be that run.
        Raises ConfigError where the run made no plan, or its settings are not known.
        """
        condition = (pc.field("run_id") == run_id) & (pc.field("status") == "succeeded")
        rows = {row["stage"]: row for row in lakehouse.read_arrow("ops.run", filters=condition).to_pylist()}
        if lacking := [stage.name for stage in (FORECAST, INVENTORY, ORDER) if stage.name not in rows]:
            raise ConfigError(f"run {run_id} has no finished {', '.join(lacking)}: there is no plan to explain")
        context = _context(lakehouse, run_id, rows[ORDER.name]["as_of"], default)
        versions = {name: json.loads(row["input_versions"]) for name, row in rows.items()}
        return cls(context, unique_id, versions)

    def of_series(self, unique_id: str) -> PlanSide:
        """The same plan of another series: what is of all series is read once for both."""
        other = PlanSide(self.context, unique_id, self.versions, _learnt=self._learnt)
        vars(other).update({name: getattr(self, name) for name in ("sums", "order_parameters", "_all_decisions")})
        return other

    @property
    def as_of(self) -> date:
        return self.context.as_of

    @cached_property
    def published(self) -> dict[str, Any]:
        """The order line, as it was planned. Raises ConfigError where the plan has none for the series."""
        condition = (pc.field("run_id") == self.context.run.run_id) & (pc.field("unique_id") == self.unique_id)
        rows = self.context.lakehouse.read_arrow(_ORDER_PLAN, filters=condition).to_pylist()
        if not rows:
            raise ConfigError(
                f"{self.unique_id} has no line in the plan of {self.as_of} (run {self.context.run.run_id}): the series "
                "is newer than that plan, or its rows have expired"
            )
        found: dict[str, Any] = rows[0]
        return found

    def table(self, stage: UnitStage, read: Read, at: RunContext) -> pa.Table:
        """The series' rows of a table as this run read it, but with the days and columns that `at` asks for.

        Of a table that is not the series' own, all rows. Raises ContractError where files of the version are gone.
        """
        first, last = read.days(at) if read.days else (None, None)
        columns = read.columns_of(at)
        key = (stage.name, read.table, columns, first, last)
        if key not in self._read:
            pinned = pin(self.context, stage, read, self.versions[stage.name].get(read.table, _ABSENT))
            pinned = replace(pinned, first_ds=first, last_ds=last, columns=columns, dictionary=())
            rows = self._rows(pinned)
            if "unique_id" in rows.column_names:
                rows = rows.filter(pc.equal(rows["unique_id"], self.unique_id))
            self._read[key] = rows
        return self._read[key]

    def _rows(self, pinned: Any) -> pa.Table:
        buckets = self.context.settings.buckets
        try:
            return read_bucket(pinned, SERIES.bucket_of(self.unique_id, buckets))
        except (OSError, ContractError) as error:
            raise ContractError(
                f"version {pinned.version} of {pinned.name}, which the plan of {self.as_of} was made from, is gone "
                f"({type(error).__name__}); `shelfcast keep` spares those of the latest plans alone"
            ) from error

    @cached_property
    def sums(self) -> dict[str, Any]:
        """What all series taught, by the key of each sum."""
        stages = (FORECAST, INVENTORY)
        return {s.key: summed(self.context, s, self.versions[stage.name]) for stage in stages for s in stage.sums}

    def pooled(self, at: RunContext) -> dict[str, Any]:
        """What all series taught, as of the day of `at`."""
        keys = [CLASSES.key, ERRORS.key, *(each.key for each in INVENTORY.sums)]
        return {key: self.sums[key] if self.sums[key] is None else shifted(self.sums[key], self, at) for key in keys}

    def learnt(self, at: RunContext) -> ForecastParameters:
        """What it says of forecasts from the day of `at` itself; those of past days only choose a policy, which replays
        have done."""
        key = at.run.run_id
        if key not in self._learnt:  # the errors of all series take longer than a series itself
            sums = self.pooled(at)
            sums[ERRORS.key] = sums[ERRORS.key].filter(pc.equal(sums[ERRORS.key]["cutoff"], at.as_of))
            self._learnt[key] = replace(FORECAST.parameters(at, sums), cutoffs=(at.as_of,))
        return self._learnt[key]

    @cached_property
    def order_parameters(self) -> order.OrderParameters:
        """The day's limits, and what they leave of all series' wishes."""
        sums = {each.key: summed(self.context, each, self.versions[ORDER.name]) for each in ORDER.sums}
        return order.order_parameters(self.context.settings.inventory, sums, self._all_decisions)

    @cached_property
    def decisions(self) -> pa.Table:
        """What planners had decided about the series when its order was made."""
        return self._all_decisions.filter(pc.field("unique_id") == self.unique_id)

    def forecasts(self, at: RunContext) -> pa.Table:
        """What planners had decided, when the order was made, about the series' demand of the days that `at` plans."""
        return inventory.decided_days(at, self._planned_at).filter(pc.field("unique_id") == self.unique_id)

    @cached_property
    def _planned_at(self) -> datetime | None:
        made = self.context.ledger.stage(INVENTORY.name)
        return None if made is None else made["started_at"]

    @cached_property
    def _all_decisions(self) -> pa.Table:
        made = self.context.ledger.stage("order")
        return decisions_for(self.context.lakehouse, self.as_of, None if made is None else made["started_at"])


def shifted(rows: pa.Table, side: PlanSide, at: RunContext) -> pa.Table:
    """Rows by cutoff as they were if the side's day had been that of `at`: what was learnt so many days before it."""
    days = (at.as_of - side.as_of).days
    if not days or "cutoff" not in rows.column_names:
        return rows
    moved = pc.add(rows["cutoff"].cast(pa.int32()), pa.scalar(days, pa.int32())).cast(pa.date32())
    return rows.set_column(rows.column_names.index("cutoff"), rows.schema.field("cutoff"), moved)


def _context(lakehouse: Lakehouse, run_id: str, as_of: date, default: RunContext | None) -> RunContext:
    recorded = recorded_settings(lakehouse, run_id)
    if recorded is not None:
        settings, mapping = recorded
    elif default is not None:
        settings, mapping = default.settings, default.mapping
    else:
        raise ConfigError(f"run {run_id} noted no settings, for it is older than that; run it again")
    context = RunContext(settings, mapping, lakehouse, as_of, progress=Progress(quiet=True))
    if context.run.run_id != run_id and recorded is not None:
        raise ConfigError(
            f"run {run_id} was made by a version of the code with other settings, which this one cannot make again; "
            f"run {as_of} again, and then explain it"
        )
    if context.run.run_id != run_id:
        raise ConfigError(
            f"the settings at hand would be run {context.run.run_id}, not {run_id}, which noted none; give those that "
            "it was run with (--conf, --set, --source)"
        )
    return context


assert contract(_ORDER_PLAN).unit == SERIES, "a plan is read by the bucket of its series"

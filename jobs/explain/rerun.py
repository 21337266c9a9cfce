"""A series' order made again from two plans' inputs, some from the one and some from the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.context import RunContext
from jobs.engine.stage import UnitStage
from jobs.explain.plan_side import FORECAST, INVENTORY, ORDER, PlanSide, shifted
from jobs.stages.inventory import planning_reads as reads
from lakehouse.errors import PromiseError

_CAUSE_OF = {
    "features.sku_daily": "sales",
    "silver.sales_daily": "plan",
    "silver.planned_daily": "plan",
    "silver.calendar": "plan",
    "silver.festival": "plan",
    "silver.weather": "plan",
    "silver.products": "supply",
    "silver.locations": "supply",
    "silver.supply": "supply",
    "silver.stock": "supply",
    "inventory.order_plan": "supply",
    "pricing.accepted_demand": "override",
    "network.purchase_order": "purchase",
    "network.allocation": "purchase",
    "forecast.backtest": "choice",
    "inventory.replay": "choice",
    "forecast.model": "pooled",
    "forecast.network": "pooled",
}
"""Which cause a table belongs to; what all series taught and the limits are no tables of the series."""

_OF_THE_LIST = ("budget", "override", "purchase")
"""Causes that come after what the series' policy wants; but for a forecast, which a planner decides before."""

_MADE_HERE = (reads.DEMAND, reads.CHAMPION)
_DATED = ("forecast.backtest", "inventory.replay", "forecast.model", "forecast.network")
_MAKES_EVIDENCE = ("forecast", "horizon", "replays", "trees", "network")
"""Settings by which scores and sums come about: those of other settings could not be read with these."""

_BOUGHT = tuple(read for read in ORDER.reads if _CAUSE_OF.get(read.table) == "purchase")

Sides = Mapping[str, PlanSide]


@dataclass(frozen=True, slots=True)
class Outcome:
    """An order line, and what it came from. `value`: NULL (None) where a unit's cost is not known."""

    qty: float
    value: float | None
    model: str
    policy: str
    position_qty: float | None


@dataclass
class Rerun:
    """Two plans of a series, `before` and `after`; `order` makes the line of any mixture."""

    before: PlanSide
    after: PlanSide
    _proposed: dict[Any, dict[str, pa.Table]] = field(default_factory=dict)

    def differing(self) -> dict[str, tuple[str, ...]]:
        """The causes in which the plans differ; to each, those that are exchanged with it."""
        causes = ("sales", "plan", "supply", "choice", "pooled", *_OF_THE_LIST)
        found = [cause for cause in causes if self._differs(cause)]
        together: dict[str, tuple[str, ...]] = {cause: (cause,) for cause in found}
        if self._told(self.before) != self._told(self.after):
            together["settings"] = ("settings",)
        if "settings" in together and self._evidence(self.before) != self._evidence(self.after):
            for cause in ("choice", "pooled"):
                if together.pop(cause, None):
                    together["settings"] += (cause,)
        return together

    def order(self, exchanged: Iterable[str]) -> Outcome:
        """The line where these causes are as after and the others as before.

        Raises PromiseError where the mixture gives no line.
        """
        chosen = frozenset(exchanged)
        every = {*_CAUSE_OF.values(), "settings", *_OF_THE_LIST}
        sides = {cause: self.after if cause in chosen else self.before for cause in every}
        proposed = self._proposal(sides)
        told = replace(sides["budget"].order_parameters, decisions=sides["override"].decisions)
        bought = {read.table: sides["purchase"].table(ORDER, read, self.after.context) for read in _BOUGHT}
        plan = ORDER.kernel(proposed | bought, told).tables["inventory.order_plan"]
        if plan.num_rows != 1:
            raise PromiseError(
                f"{self.before.unique_id}: no order line comes of the inputs {sorted(chosen)} of {self.after.as_of} "
                f"with the others of {self.before.as_of}; this is a defect: please report it"
            )
        row = plan.to_pylist()[0]
        model = proposed["champion"]["model"][0].as_py()
        policy = proposed["inventory.policy"]["policy"][0].as_py()
        return Outcome(row["order_qty"], row["order_value"], model, policy, row["position_qty"])

    def _proposal(self, sides: Sides) -> dict[str, pa.Table]:
        at = _mixed(sides)
        decided = sides["override"].forecasts(at)
        key = (
            repr(decided.to_pylist()),
            *(id(side) for cause, side in sorted(sides.items()) if cause not in _OF_THE_LIST),
        )
        if key not in self._proposed:
            forecast = FORECAST.kernel(_inputs(FORECAST, sides, at), sides["pooled"].learnt(at)).tables
            self._proposed[key] = _inventory(sides, at, forecast, decided) | {"champion": forecast[reads.CHAMPION]}
        return self._proposed[key]

    def _differs(self, cause: str) -> bool:
        one, other = self.before, self.after
        if cause == "sales" and one.as_of != other.as_of:
            return True
        if cause == "budget":
            return _limits(one) != _limits(other)
        if cause == "override":
            days = [side.forecasts(other.context) for side in (one, other)]
            return not (one.decisions.equals(other.decisions) and days[0].equals(days[1]))
        if cause == "pooled" and not _are_equal(one.pooled(other.context), other.pooled(other.context)):
            return True
        for stage in (FORECAST, INVENTORY, ORDER):
            for read in stage.reads:
                if _CAUSE_OF.get(read.table) == cause:
                    # Each as it would be read for the later plan: days that both had, and those that one lacked.
                    pair = [
                        shifted(side.table(stage, read, other.context), side, other.context) for side in (one, other)
                    ]
                    if not _same(*pair):
                        return True
        return False

    def _told(self, side: PlanSide) -> Any:
        settings = side.context.settings.without_limits()
        names = {name for stage in (FORECAST, INVENTORY, ORDER) for name in stage.settings}
        return settings.named(sorted(names)), side.context.mapping.clean

    def _evidence(self, side: PlanSide) -> Any:
        known = side.context.settings.result_settings()
        policies = side.context.settings.inventory.candidates
        return {name: known[name] for name in _MAKES_EVIDENCE if name in known}, policies


def _limits(side: PlanSide) -> Any:
    """What the day's limits leave, as plain values."""
    cut, is_waiting = side.order_parameters.cut, side.unique_id in side.order_parameters.waiting
    values = {} if cut is None else {each.name: getattr(cut, each.name) for each in fields(cut)}
    plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}
    return cut is None, is_waiting, plain


def _are_equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(a is other[key] or (None not in (a, other[key]) and _same(a, other[key])) for key, a in one.items())


def _same(one: pa.Table, other: pa.Table) -> bool:
    # Rows in any order, for a table has none; to Arrow no NaN is equal to another.
    return one.equals(other) or sorted(map(repr, one.to_pylist())) == sorted(map(repr, other.to_pylist()))


def _mixed(sides: Sides) -> RunContext:
    """What a run would be told that has one side's settings on the other's day."""
    told, as_of = sides["settings"].context, sides["sales"].as_of
    return told if told.as_of == as_of else replace(told, as_of=as_of)


def _inputs(stage: UnitStage, sides: Sides, at: RunContext) -> dict[str, pa.Table]:
    found = {}
    for read in (read for read in stage.reads if read.table not in _MADE_HERE):
        side = sides[_CAUSE_OF[read.table]]
        rows = side.table(stage, read, at)
        found[read.table] = shifted(rows, side, at) if read.table in _DATED else rows
    return found


def _inventory(
    sides: Sides, at: RunContext, forecast: Mapping[str, pa.Table], decided: pa.Table
) -> dict[str, pa.Table]:
    inputs = _inputs(INVENTORY, sides, at)
    for read in (reads.FORECASTS, reads.CHAMPIONS):
        inputs[read.table] = forecast[read.table].select(read.columns_of(at))
    parameters = INVENTORY.parameters(at, sides["pooled"].pooled(at))
    # The replay that did not choose says what the choice is worth, and nothing about the order.
    return INVENTORY.kernel(inputs, replace(parameters, held_out=None, decided=decided)).tables

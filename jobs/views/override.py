"""A planner's decision about lines of a published plan, as the command line takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pyarrow.compute as pc

from jobs.views.decisions import days_text
from jobs.views.series import PLAN, published_day, series_of
from lakehouse.delta.decisions import TABLE, Decision, record
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError

ALL_RULES = "all"
_PRICE_PLAN = "pricing.price_plan"


@dataclass(frozen=True, slots=True)
class Said:
    """What was said. Exactly one of `order` (units), `confirm` (a rule, or all), `forecast_factor` (times the model's
    demand), `forecast_units` (demand of each day), `price` (currency) and `withdraw`; `sku` is a SKU or a series of the
    plan; `location` and `channel` narrow it. No `since`: the last day published, of a forecast or a price the day after
    it; no `until`: that day, with `withdraw` the last day that is decided for."""

    sku: str
    author: str
    note: str
    order: float | None = None
    confirm: str | None = None
    withdraw: bool = False
    location: str | None = None
    channel: str | None = None
    since: date | None = None
    until: date | None = None
    forecast_factor: float | None = None
    forecast_units: float | None = None
    price: float | None = None

    @property
    def is_of_demand(self) -> bool:
        """Whether it is for days of demand, not for a day on which is ordered."""
        return any(each is not None for each in (self.forecast_factor, self.forecast_units, self.price))

    @property
    def decision(self) -> str:
        """Which of `DECISIONS` it is."""
        if self.is_of_demand:
            return "forecast" if self.price is None else "price"
        if self.order is not None:
            return "order"
        return "confirm" if self.confirm else "withdraw"


def override(lake: Lakehouse, said: Said) -> str:
    """Record it and say for what; the next run of these days goes by it.

    Raises ConfigError where nothing or several things are said, and for a SKU that the plan does not have or that
    stands for several series.
    """
    given = (said.order, said.confirm, said.forecast_factor, said.forecast_units, said.price, said.withdraw or None)
    if sum(each is not None for each in given) != 1:
        raise ConfigError(
            "expected one of --order, --confirm, --forecast-factor, --forecast-units, --price and --withdraw; say what "
            "is decided"
        )
    day = published_day(lake, None)
    unique_id = series_of(lake, day, said.sku, said.location, said.channel)
    of_series = (pc.field("as_of") == day) & (pc.field("unique_id") == unique_id)
    [line] = lake.read_arrow(PLAN, filters=of_series).to_pylist()
    if said.withdraw and said.until is None:
        said = replace(said, until=last_day_decided(lake, unique_id))
    if said.price is not None:
        planned_price(lake, line)
    decision = decision_of(line, said)
    record(lake, [decision])
    return f"{decided_words(line, decision)}\n"


def decision_of(line: Mapping[str, Any], said: Said) -> Decision:
    """What was said of a line, a row of gold.order_plan. Raises ConfigError for what cannot be decided."""
    day = line["as_of"] + timedelta(days=said.is_of_demand)
    if said.is_of_demand and said.until is not None and said.until < day:
        raise ConfigError(f"until: the plan of {line['as_of']} is for demand from {day} on, found {said.until}")
    quantity = said.order if said.order is not None else said.forecast_units
    return Decision(
        decision=said.decision,
        unique_id=line["unique_id"],
        author=said.author,
        note=said.note,
        valid_from=said.since or day,
        valid_to=said.until or max(said.since or day, day),
        decided_qty=float(line["order_qty"]) if said.confirm else quantity,
        decided_factor=said.forecast_factor,
        decided_price=said.price,
        check_rule=said.confirm if said.confirm not in (None, ALL_RULES) else None,
    )


def decided_words(line: Mapping[str, Any], decision: Decision) -> str:
    """For what series and days something is decided, what, and when it counts."""
    if decision.decision == "forecast":
        return forecast_words(line, decision)
    if decision.decision == "price":
        days = days_text(decision.valid_from, decision.valid_to)
        return f"{line['unique_id']}, {days}: price {decision.decided_price:g}; runs from now on go by it"
    days = days_text(decision.valid_from, decision.valid_to)
    what = {
        "order": f"order {decision.decided_qty:g} instead of {line['order_qty']:g}"
        if decision.decided_qty is not None
        else "",
        "confirm": f"confirmed up to {line['order_qty']:g} units ({decision.check_rule or ALL_RULES})",
        "withdraw": "earlier decisions withdrawn",
    }[decision.decision]
    return f"{line['unique_id']}, {days}: {what}; the next run of these days goes by it"


def forecast_words(line: Mapping[str, Any], decision: Decision) -> str:
    """For what days of demand something else than the model's is expected."""
    days = f"demand of {days_text(decision.valid_from, decision.valid_to)}"
    what = (
        f"{decision.decided_factor:g} times the model's"
        if decision.decided_factor is not None
        else f"{decision.decided_qty:g} units a day; the plan expects {line['daily_demand_qty']:.3g}"
    )
    return f"{line['unique_id']}, {days}: {what}; runs from now on go by it"


def planned_price(lake: Lakehouse, line: Mapping[str, Any]) -> float:
    """The price that the plan of a line proposes. Raises ConfigError where prices are not planned: nothing is known
    then of what a price does to demand."""
    of_line = (pc.field("run_id") == line["run_id"]) & (pc.field("unique_id") == line["unique_id"])
    found = lake.read_arrow(_PRICE_PLAN, columns=["planned_price"], filters=of_line)["planned_price"].to_pylist()
    if not found:
        raise ConfigError(
            f"price: expected a series with a row in {_PRICE_PLAN} of run {line['run_id']}, found none for "
            f"{line['unique_id']}; set pricing.enabled = true and run again, or look for it in ops.failure"
        )
    return float(found[0])


def last_day_decided(lake: Lakehouse, unique_id: str) -> date | None:
    """The last day that anything about a series is decided for; None where nothing is."""
    found: date | None = pc.max(lake.read_arrow(TABLE, filters=pc.field("unique_id") == unique_id)["valid_to"]).as_py()
    return found

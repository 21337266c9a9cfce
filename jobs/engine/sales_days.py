"""The days that sales are known of, and the as-of day beside them: a plan is not made for days that no data reach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from jobs.engine.stage import Stage, upstream
from lakehouse.delta.state import parts
from lakehouse.errors import ConfigError, PromiseError

if TYPE_CHECKING:
    from jobs.context import RunContext
    from lakehouse.delta.io import Lakehouse

SALES: Final = "silver.sales_daily"


@dataclass(frozen=True, slots=True)
class SalesDays:
    """First and last day of the sales feed: every series is filled up to the last."""

    first: date
    last: date

    def lag_words(self, as_of: date) -> str | None:
        """What is to be said of a day after the last one; None where the sales reach the as-of day."""
        lag = (as_of - self.last).days
        days = "1 day" if lag == 1 else f"{lag} days"
        return f"the sales feed ends on {self.last}, {days} before --as-of {as_of}" if lag > 0 else None


def sales_days(lake: Lakehouse) -> SalesDays | None:
    """By the statistics of the table's files; None where it has no row."""
    whole = parts(lake, SALES).get("")
    if whole is None or whole.covers_from is None or whole.covers_to is None:
        return None
    return SalesDays(whole.covers_from, whole.covers_to)


def plans_from_sales(stage: Stage, stages: Iterable[Stage]) -> bool:
    """Whether a stage is for the as-of day and builds on sales, however far up."""
    stages = list(stages)
    builds_on = {stage.name, *upstream(stage, stages)}
    tables = {table for each in stages if each.name in builds_on for table in each.depends_on()}
    return stage.is_by_day and SALES in tables


def check_as_of(context: RunContext) -> None:
    """Refuse an as-of day that sales do not reach; say it where they end a few days before.

    Raises ConfigError for a day before the first sale, or more than `max_sales_lag_days` after the last; PromiseError
    where there is no sale at all.
    """
    if not context.lakehouse.exists(SALES):
        return  # the stage that makes it has not run, which is said elsewhere
    days, as_of, most = sales_days(context.lakehouse), context.as_of, context.settings.max_sales_lag_days
    if days is None:
        raise PromiseError(
            f"{SALES} holds no series: every row of the sales feed was quarantined or is out of scope. `shelfcast "
            "status` says where the rows went, ops.quarantine why"
        )
    latest = days.last + timedelta(days=most)
    if as_of < days.first:
        raise ConfigError(
            f"--as-of {as_of} lies before the first day of sales, {days.first}, so that there is nothing to plan from; "
            f"give a day from then to {latest}"
        )
    words = days.lag_words(as_of)
    if as_of > latest:
        raise ConfigError(
            f"{words}, more than max_sales_lag_days = {most}; bring the missing sales, give a day up to {latest}, or "
            f"plan without them all the same with --set max_sales_lag_days={(as_of - days.last).days}"
        )
    if words:
        context.progress.say(f"WARNING: {words}: the days since are not known, and taken as forecast")
        context.progress.event("sales_late", last_day=days.last, days=(as_of - days.last).days)

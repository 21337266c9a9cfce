"""Why orders changed since the plan before: what is known of it, and finding it out, one series at a time."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from jobs.page.published import Day
from jobs.views.plans import known_changes
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import LockedError

CAUSE_WORDS = {
    "sales": "Sales, and the day",
    "plan": "Prices, promotions, closures ahead",
    "supply": "Stock, orders under way, terms",
    "choice": "Choice of model and policy",
    "pooled": "What all series taught",
    "settings": "Settings",
    "budget": "Budget and capacity",
    "override": "Planners' decisions",
    "purchase": "Chosen suppliers and depots",
    "other": "Not found by planning again",
}
_CAUSES_NAMED = 2


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of gold.order_change about one series, the largest part first; none where nobody has looked for them yet.

    Attributes:
        is_looked_for: whether it was just looked for: without rows then, the plans had the same inputs.
        not_kept: why what was found could not be kept, '' if it is.
    """

    rows: list[dict[str, Any]]
    is_looked_for: bool = False
    not_kept: str = ""

    @property
    def qty(self) -> float:
        return math.fsum(row["order_qty_change"] for row in self.rows)

    @property
    def value(self) -> float | None:
        """NULL (None) where money is not known."""
        values = [row["order_value_change"] for row in self.rows]
        return None if None in values else math.fsum(values)


class Changes:
    """Reads what is known of a lakehouse's changes, and finds out more, one at a time."""

    def __init__(self, lake: Lakehouse) -> None:
        self._lake = lake
        self._working = threading.Lock()

    @property
    def is_working(self) -> bool:
        return self._working.locked()

    def known(self, day: Day, unique_id: str) -> Change:
        """What gold.order_change has about a series of the day's plan and the plan before."""
        if day.before is None:
            return Change([])
        return Change(known_changes(self._own(), day.plan, day.before, unique_id).to_pylist())

    def main_causes(self, day: Day) -> dict[str, list[dict[str, Any]]]:
        """The largest parts of every change that is known, by series."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        rows = known_changes(self._own(), day.plan, day.before).to_pylist() if day.before else []
        for row in rows:
            if len(found[row["unique_id"]]) < _CAUSES_NAMED and row["order_qty_change"]:
                found[row["unique_id"]].append(row)
        return found

    def find_out(self, day: Day, unique_id: str) -> Change:
        """Plan the series again from both plans' inputs, and keep what comes of it.

        Nothing without a plan before. Raises LockedError while another series' change is being found out, and what
        `explain` raises.
        """
        from jobs.explain.order_change import explain, save  # the kernels take seconds to load, and the page none
        from jobs.explain.plan_side import PlanSide

        if day.before is None:
            return Change([])
        if not self._working.acquire(blocking=False):
            raise LockedError(
                "The change of another order is being found out; one at a time: try again in some seconds."
            )
        try:
            lake = self._own()
            runs = day.before.run_id, day.run_id
            change = explain(*(PlanSide.of(lake, run, unique_id, None) for run in runs))
            try:
                save(lake, change)
            except LockedError as error:
                return Change(change.rows(), is_looked_for=True, not_kept=str(error))
            return Change(change.rows(), is_looked_for=True)
        finally:
            self._working.release()

    def _own(self) -> Lakehouse:
        """Opened tables are shared with nobody, so that reading needs no lock."""
        return Lakehouse(self._lake.root, self._lake.catalog)

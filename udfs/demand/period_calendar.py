"""What the calendar says of weeks and other periods: covariates for `forecast`, one row per period.

covariates = period_calendar(weeks, 7, {"christmas": Reach(christmas_days, 24, 6)})
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

DAYS_SINCE = "days_since_"
FAR = 1_000.0
"""Days from a festival that is not near."""


@dataclass(frozen=True, slots=True)
class Reach:
    """A festival's first days, and from how many days before them to how many after them sales may differ."""

    first_days: tuple[date, ...]
    days_before: int = 7
    days_after: int = 3

    def __post_init__(self) -> None:
        if self.days_before < 0 or self.days_after < 0:
            raise ValueError(
                f"Reach: expected days_before and days_after of at least 0, found {self.days_before} and "
                f"{self.days_after}"
            )


def period_calendar(
    last_days: Iterable[date], days: int, festivals: Mapping[str, Reach], harmonics: int = 2
) -> pd.DataFrame:
    """Columns `days_since_<festival>` and, by halves and quarters of a month, `month_cos1`, `month_sin1`, ...

    Args:
        last_days: last day of each period.
        days: how long a period is.
        festivals: by name.
        harmonics: pairs of columns for the month: wages and benefits come on its first days. 0 for none.

    Returns:
        A row per period, in their order. `days_since_<festival>`: days from the nearest first day to the period's last
        day, `FAR` where no day of the period is in reach. Those of the month are means over the period's days.

    Raises:
        ValueError: a period of no day, or harmonics below 0.
    """
    if days < 1 or harmonics < 0:
        raise ValueError(f"expected days of at least 1 and harmonics of at least 0, found {days} and {harmonics}")
    last_N = np.array(pd.DatetimeIndex(list(last_days)), dtype="datetime64[D]")
    columns = {DAYS_SINCE + name: _since(last_N, days, reach) for name, reach in festivals.items()}
    day_ND = last_N[:, None] - np.arange(days)
    month_ND = day_ND.astype("datetime64[M]")
    start_ND = month_ND.astype("datetime64[D]")
    length_ND = ((month_ND + 1).astype("datetime64[D]") - start_ND).astype(float)
    turn_ND = 2 * np.pi * (day_ND - start_ND).astype(float) / length_ND
    for k in range(1, harmonics + 1):
        columns[f"month_cos{k}"] = np.cos(k * turn_ND).mean(1)
        columns[f"month_sin{k}"] = np.sin(k * turn_ND).mean(1)
    return pd.DataFrame(columns, index=range(len(last_N)))


def _since(last_N: np.ndarray, days: int, reach: Reach) -> np.ndarray:
    first_F = np.array(reach.first_days, dtype="datetime64[D]")
    since_NF = (last_N[:, None] - first_F).astype(float)
    near_NF = (since_NF >= -reach.days_before) & (since_NF - (days - 1) <= reach.days_after)
    since_NF = np.where(near_NF, since_NF, FAR)
    nearest_N1 = np.abs(since_NF).argmin(1)[:, None] if len(first_F) else np.zeros((len(last_N), 0), dtype=np.int64)
    since_N: np.ndarray = np.take_along_axis(since_NF, nearest_N1, axis=1).min(1, initial=FAR)
    return since_N

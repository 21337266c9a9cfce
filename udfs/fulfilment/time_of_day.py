"""Times of day as feeds write them, and as seconds from midnight."""

from __future__ import annotations

import re

DAY_S = 86_400
_TIME = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?")


def seconds_of(text: str) -> int | None:
    """Seconds from midnight of hh:mm or hh:mm:ss, to 24:00; None for anything else."""
    if (found := _TIME.fullmatch(text.strip())) is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    total = 3600 * hours + 60 * minutes + seconds
    return total if total <= DAY_S else None


def span_of(first: str, last: str) -> tuple[int, int] | None:
    """Seconds from midnight of both; a `last` before `first` is of the next day. None where either is no time, or both
    are one."""
    start, end = seconds_of(first), seconds_of(last)
    if start is None or end is None or start == end:
        return None
    return start, end if end > start else end + DAY_S


def time_of(seconds: int) -> str:
    """hh:mm, with +1 and so on after midnight."""
    days, rest = divmod(int(seconds), DAY_S)
    return f"{rest // 3600:02d}:{rest % 3600 // 60:02d}{f'+{days}' if days else ''}"

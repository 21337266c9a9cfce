"""What the commands' arguments may be, and the lakehouse that they name."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jobs.stages import stage_modules
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError


def lakehouse_of(options: argparse.Namespace) -> Lakehouse:
    lake = Lakehouse(options.lakehouse)
    if not lake.is_local:
        from jobs.settings import load_settings

        load_settings(options.conf).lakehouse.use_store()
    elif not Path(lake.base).is_dir():
        raise ConfigError(f"no lakehouse at {lake.base}; `shelfcast run --lakehouse {options.lakehouse} ...` makes one")
    return lake


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day as YYYY-MM-DD, found {text!r}") from None


def as_of_day(text: str) -> date:
    """A day; or of an instant with a zone (RFC 9557), as schedulers tell the time, the last day that is over there."""
    instant, bracket, zone = text.partition("[")
    if not bracket:
        return day(text)
    try:
        moment, place = datetime.fromisoformat(instant), ZoneInfo(zone.removesuffix("]"))
    except (ValueError, ZoneInfoNotFoundError, IsADirectoryError):
        raise argparse.ArgumentTypeError(
            f"expected a day as YYYY-MM-DD, or an instant as 2024-02-01T03:30:00Z[Europe/Berlin], found {text!r}"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(place).date() - timedelta(days=1)


def minutes(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of minutes, found {text!r}")
    return int(text)


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, at least 1, found {text!r}")
    return int(text)


def port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise argparse.ArgumentTypeError(f"expected a port, 1 to 65535, found {text!r}")
    return int(text)


def stage_list(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = stage_modules()
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"unknown stages {unknown}; the stages are {', '.join(known)}")
    return names

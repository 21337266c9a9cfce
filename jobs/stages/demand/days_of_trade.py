"""Which days locations trade, as the feeds or their sales show, and what rows of single days are not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from lakehouse.errors import SourceError
from lakehouse.feeds.findings import Finding, counted
from lakehouse.feeds.quality import Split
from lakehouse.feeds.sources import SourceMapping
from lakehouse.transforms.silver import dimensions
from lakehouse.transforms.silver.census import stated_again
from lakehouse.transforms.silver.cleaning import delivered, stating_rows
from lakehouse.transforms.silver.closed_days import closed_days, weekdays_of
from udfs.demand.trading_days import Spell, closures, summed_period

if TYPE_CHECKING:
    from jobs.context import RunContext

_FEWEST_SHARED = 20  # rows
_OVERLAP = 0.8  # tills of one place sell the same by chance, but not nearly always


def refuse_sums(mapping: SourceMapping, census: pa.Table) -> None:
    """Raise SourceError where rows sum up weeks or months and the mapping does not say what they are."""
    period = summed_period(census)
    if period is None or mapping.clean.period is not None:
        return
    days = sorted(set(census["ds"].to_pylist()))
    raise SourceError(
        f"sales: expected rows of single days, found rows a {period} apart ({days[0]}, {days[1]}, {days[2]}, ...): as "
        "days they would say nothing of the days between. Say in the mapping, under [clean], what a row is: period = "
        f'"{period}" where it sums up a {period}, whose units are then spread over its days; period = "day" where it '
        "is that day's sales alone."
    )


def spells_without_trade(context: RunContext, census: pa.Table, span: tuple[date, date]) -> list[Spell]:
    """Days on which locations were closed, as their sales show; none where the mapping does not let them tell."""
    clean = context.mapping.clean
    if not clean.infer_closed_days or clean.gap_fill == "unknown" or clean.period in ("week", "month"):
        return []
    within = pc.and_(pc.greater_equal(census["ds"], span[0]), pc.less_equal(census["ds"], span[1]))
    return closures(census.filter(within), span[1])


def closed_of(
    context: RunContext, feeds: dict[str, Split], places: DataFrame, spells: list[Spell], span: tuple[date, date]
) -> DataFrame:
    """(location_id, ds, is_closed, is_closed_planned) until as far ahead as the calendar goes."""
    ahead = span[1] + timedelta(days=dimensions.CALENDAR_DAYS_AHEAD)
    found = [
        (spell.location_id, day, spell.kind == "weekday")
        for spell in spells
        if spell.kind != "gone"
        for day in spell.days()
    ]
    shut = {(spell.location_id, spell.first.isoweekday()) for spell in spells if spell.kind == "weekday"}
    for number in range(1, dimensions.CALENDAR_DAYS_AHEAD + 1):
        day = span[1] + timedelta(days=number)
        found += [(place, day, True) for place, weekday in shut if weekday == day.isoweekday()]
    opening: dict[str, set[int]] = {}
    if "locations" in feeds and "open_weekdays" in context.mapping.feeds["locations"].columns:
        stated = feeds["locations"].accepted.filter("open_weekdays IS NOT NULL").select("location_id", "open_weekdays")
        opening = {row["location_id"]: weekdays_of(row["open_weekdays"]) for row in stated.collect()}
    return closed_days(feeds.get("calendar"), places, found, opening, span[0], ahead)


def shared_days(
    mapping: SourceMapping, census: pa.Table, bronze: DataFrame, stray: Sequence[date] = ()
) -> list[Finding]:
    """What is to be said where several files state sales of one place and day, which are added up.

    Raises SourceError where they state the same sales again and the mapping does not say how to tell.
    """
    days = pc.unique(census.filter(census["is_shared"])["ds"])
    if not len(days) or says_how_files_share(mapping):
        return []
    return judge_shared(days, *stated_again(stating_rows(bronze, mapping, stray), delivered(mapping, "sales")))


def says_how_files_share(mapping: SourceMapping) -> bool:
    """Whether the mapping says what becomes of rows that several files state."""
    clean = mapping.clean
    return clean.drop_exact_duplicates or bool(mapping.feeds["sales"].latest_by) or clean.stated_again == "add"


def judge_shared(days: pa.Array, rows: int, alike: int, files: str) -> list[Finding]:
    """What is to be said of `rows` of series and days that several files state, `alike` of them in two files.

    days: those that files share; files: two of them. Raises SourceError where sales would count twice.
    """
    if not rows:
        return []
    first, last = pc.min(days), pc.max(days)
    span = f"within {first} to {last}" if first.as_py() != last.as_py() else f"on {first}"
    if rows < _FEWEST_SHARED or alike < _OVERLAP * rows:
        words = (
            f"several files state the same article, place and day, {span}: {counted(rows, 'row')}, which are added up "
            f"({alike:,} of them alike); where later files state days anew, say latest_by"
        )
        return [Finding("sales", "files_share_days", words, rows)]
    raise SourceError(
        f"sales: files share days, and {alike:,} of their {rows:,} rows there occur in several of them, such as in "
        f"{files}: added up, these sales would count twice. Say in the mapping which columns tell a line and that the "
        'latest file counts, under [feeds.sales]: latest_by = ["sku_id", "location_id", "ds"]; or, under [clean], '
        'drop_exact_duplicates = true for copies of whole records, or stated_again = "add" if they are different sales.'
    )

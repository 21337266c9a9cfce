"""Days on which locations are closed: as the calendar feed says, by their opening weekdays, or as their sales show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.feeds.quality import QualityRule, Split

_SCHEMA = "location_id string, ds date, is_closed boolean, is_planned boolean"


def open_weekdays_rule() -> QualityRule:
    """Opening weekdays are ISO numbers: 1-6, 1,2,5 or 12345."""
    reason = "expected ISO numbers of the weekdays on which the location is open, such as 1-6 or 1,2,5"
    condition = "NOT replace(open_weekdays, ' ', '') RLIKE '^([1-7](-[1-7])?)(,?[1-7](-[1-7])?)*$'"
    return QualityRule("unknown_open_weekdays", condition, reason, ("open_weekdays",))


def weekdays_of(text: str) -> set[int]:
    """The ISO numbers of weekdays that a text such as 1-6 or 1,2,5 names."""
    found: set[int] = set()
    for first, last in re.findall(r"([1-7])(?:-([1-7]))?", text.replace(" ", "")):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def closed_days(
    feed: Split | None,
    places: DataFrame,
    found: Iterable[tuple[str, date, bool]],
    open_weekdays: Mapping[str, set[int]],
    first: date,
    last: date,
) -> DataFrame:
    """(location_id, ds, is_closed, is_closed_planned) of the days of which anything is known, `first` to `last`.

    feed: the calendar; what it says of a location counts before what it says of all, and either before opening
    weekdays, and these before what was `found` from the sales: location, day, and whether the day was foreseen, as
    every Sunday is and a flood is not. What feeds state is taken to have been known before.
    """
    spark, span = places.sparkSession, range((last - first).days + 1)
    days = [first + timedelta(days=number) for number in span]
    known = {(place, day): is_planned for place, day, is_planned in found if place not in open_weekdays}
    for place, weekdays in open_weekdays.items():
        known |= {(place, day): True for day in days if day.isoweekday() not in weekdays}
    by_rule = spark.createDataFrame([(*key, True, is_planned) for key, is_planned in known.items()], _SCHEMA)
    if feed is None:
        return by_rule.withColumnRenamed("is_planned", "is_closed_planned")
    stated = feed.accepted.filter("is_closed IS NOT NULL")
    own = stated.filter("location_id IS NOT NULL").groupBy("location_id", "ds").agg(F.max("is_closed").alias("own"))
    of_all = stated.filter("location_id IS NULL").groupBy("ds").agg(F.max("is_closed").alias("of_all"))
    every = places.select("location_id").crossJoin(of_all)
    key = ["location_id", "ds"]
    joined = by_rule.withColumnRenamed("is_closed", "by_rule").join(every, key, "full").join(own, key, "full")
    return joined.select(
        *key,
        F.coalesce("own", "of_all", "by_rule").alias("is_closed"),
        F.coalesce("own", "of_all", "is_planned").alias("is_closed_planned"),
    )

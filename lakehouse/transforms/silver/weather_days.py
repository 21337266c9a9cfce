"""Weather: what a feed says of locations, regions or everywhere, as rows of each location and day of knowledge."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.feeds.quality import QualityRule

TABLE = "silver.weather"


def weather_rules() -> tuple[QualityRule, ...]:
    """What cannot be told from a forecast that knew, or that nobody can have known."""
    unread = "issued_at IS NULL AND trim(raw.issued_at) <> ''"
    return (
        QualityRule("unparseable_issued_at", unread, "expected a time as yyyy-mm-dd hh:mm:ss", ("issued_at",)),
        QualityRule(
            "issued_after_its_day",
            "to_date(issued_at) > ds",
            "a forecast is issued before its day ends; leave issued_at empty for a measurement",
            ("issued_at", "ds"),
        ),
        QualityRule(
            "measured_ahead",
            "issued_at IS NULL AND ds > date_add(to_date(ingested_at), 1)",
            "the day is after the ingest, so this is a forecast; say when it was issued",
            ("ds",),
        ),
    )


def weather_days(accepted: DataFrame, locations: DataFrame) -> DataFrame:
    """silver.weather of the `locations`.

    A row without a location is of all in its region, and without either of all; the nearer statement counts, and of
    several forecasts of a day that were issued on one day the last.
    """
    places = locations.select("location_id", "region")
    rows = accepted.select(
        F.col("location_id").alias("of_location"),
        F.col("region").alias("of_region"),
        "ds",
        F.coalesce(F.to_date("issued_at"), "ds").alias("known_on"),
        F.col("issued_at").isNull().alias("is_measured"),
        "issued_at",
        *(F.col(name).cast("double").alias(name) for name in ("temperature", "precipitation")),
    )
    own, named = F.col("of_location"), F.col("of_region")
    parts = (
        rows.filter(own.isNotNull()).join(places, own == F.col("location_id")),
        rows.filter(own.isNull() & named.isNotNull()).join(places, named == F.col("region")),
        rows.filter(own.isNull() & named.isNull()).crossJoin(places),
    )
    ranked = [part.withColumn("nearness", F.lit(-k)) for k, part in enumerate(parts)]
    said = ranked[0].unionByName(ranked[1]).unionByName(ranked[2])
    key = ("location_id", "ds", "known_on", "is_measured")
    values = F.struct("temperature", "precipitation")
    last = said.groupBy(*key).agg(F.max_by(values, F.struct("nearness", "issued_at")).alias("said"))
    return last.select(*key, "said.*")

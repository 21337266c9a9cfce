"""Bronze: a feed's records under the layout's column names, as text, none lost and none judged.

A value that parses stands in canonical text (dates ISO, numbers without exponent, booleans true or false), one that
does not keeps its raw text, so that cleaning can say what it was (with the format it broke, if the mapping names one).
A record that has not the file's columns (too many fields or too few) has NULL in every feed column but the layout's
last, which holds `CORRUPT_PREFIX` and the record's text: its required columns are missing, so cleaning must reject it,
and the payload shows why.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    FloatType,
    NumericType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from lakehouse.errors import SourceError
from lakehouse.feeds.feed_reader import CORRUPT, LINEAGE, quoted
from lakehouse.feeds.sources import ColumnMapping, Feed, Melt, SourceMapping
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.tables import FEEDS, contract

CORRUPT_PREFIX = "corrupt record: "

_PLAIN_DECIMAL = "decimal(38,18)"  # 20 digits before the point, 18 after
_ISO_DATE = (
    r"^\d{4}-\d{1,2}-\d{1,2}([ T][\d:.]+(Z|[+-][\d:]+)?)?$"  # a bare 2017 is no date, though Spark would cast it to one
)
_KEPT = (*LINEAGE, CORRUPT)


def to_bronze(
    raw: DataFrame,
    feed_name: str,
    mapping: SourceMapping,
    lookup: DataFrame | None = None,
    arrived_at: datetime | None = None,
) -> DataFrame:
    """One file's records as rows of `bronze.<feed_name>`: exactly the contract's columns.

    raw: what `read_feed_file` returns; lookup: what `read_lookup` returns, for a feed that has one; arrived_at: when
    the file first came, now if not given. Rows without a match in the look-up keep NULL there. A melted record gives
    one row per day column, its name in `source_column` ('' otherwise). `row_hash` covers every source column, whatever
    the mapping uses, and is '' where the mapping does not drop exact duplicates (hashing costs more than the rest).
    Raises SourceError when a column or expression of the mapping does not fit the file.
    """
    feed = mapping.feeds[feed_name]
    frame = raw if CORRUPT in raw.columns else raw.withColumn(CORRUPT, F.lit(None).cast("string"))
    row_hash = _row_hash(raw) if mapping.clean.drop_exact_duplicates else F.lit("")
    frame = frame.withColumn("row_hash", row_hash)
    if feed.lookup is not None:
        frame = _looked_up(frame, feed, lookup)
    frame = _mapped(frame, feed)
    if feed.melt is not None:
        frame = _melted(frame, feed.melt)
    types = {field.name: field.dataType for field in frame.schema.fields}
    arrived = F.current_timestamp() if arrived_at is None else F.timestamp_micros(F.lit(_micros(arrived_at)))
    columns = [
        (arrived if name == "ingested_at" else _value_or_corrupt(feed_name, name, types)).alias(name)
        for name in contract(f"bronze.{feed_name}").columns
    ]
    return frame.select(*columns)


def _micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _value_or_corrupt(feed_name: str, name: str, types: dict[str, DataType]) -> Column:
    """One bronze column from the mapped frame, whose types are `types`."""
    layout = FEEDS[feed_name].columns
    if name == "source_column" and name not in types:
        return F.lit("")
    if name not in layout:
        return F.col(name)
    value = (
        canonical_text(F.col(name), types[name], COLUMNS[name].type) if name in types else F.lit(None).cast("string")
    )
    record = F.concat(F.lit(CORRUPT_PREFIX), F.col(CORRUPT)) if name == layout[-1] else F.lit(None)
    return F.when(F.col(CORRUPT).isNull(), value).otherwise(record)


def canonical_text(value: Column, type_: DataType, target: str) -> Column:
    """The value as text of the `target` type; as it stands where it does not parse; NULL stays NULL.

    A NaN in a column of floats is NULL: that is how pandas writes a missing number.
    """
    if target == "double":
        return _number_text(value, type_)
    if target == "boolean" and not isinstance(type_, BooleanType):
        parsed = value.cast("boolean") if isinstance(type_, NumericType) else F.trim(value).try_cast("boolean")
        return F.coalesce(parsed.cast("string"), value.cast("string"))
    if target == "date":
        return _date_text(value, type_)
    if target == "timestamp" and isinstance(type_, StringType):
        # Without a zone: the clock at the place of sale, whatever offset the text carries.
        return F.coalesce(F.trim(value).try_cast("timestamp_ntz").cast("string"), value)
    return value if isinstance(type_, StringType) else value.cast("string")


def _number_text(value: Column, type_: DataType) -> Column:
    if isinstance(type_, FloatType | DoubleType):
        text = value.cast("string")
        size = F.abs(value)
        has_exponent = (size >= 1e7) | ((size < 1e-3) & (size > 0))  # where Java writes 1.0E7; asking that is cheap
        return F.when(~F.isnan(value), F.when(has_exponent, _without_exponent(text)).otherwise(text))
    if isinstance(type_, StringType):
        text = F.trim(value)
        return F.when(F.lower(text).contains("e"), _without_exponent(text)).otherwise(text)
    return value.cast("string")


def _without_exponent(text: Column) -> Column:
    plain = text.try_cast(_PLAIN_DECIMAL).cast("string")
    return F.coalesce(F.regexp_replace(plain, r"\.?0+$", ""), text)


def _date_text(value: Column, type_: DataType) -> Column:
    if isinstance(type_, DateType | TimestampType | TimestampNTZType):
        return value.cast("date").cast("string")
    text = F.trim(value.cast("string"))
    day = F.when(text.rlike(_ISO_DATE), text.try_cast("date"))
    return F.coalesce(day.cast("string"), value.cast("string"))


def _mapped(frame: DataFrame, feed: Feed) -> DataFrame:
    """The feed's columns under the layout's names, beside the lineage and, for a melt, the day columns."""
    mapping = feed.mapping()
    source = [name for name in frame.columns if name not in (*_KEPT, "row_hash")]
    _check_columns(frame, feed, mapping, source)
    days = [name for name in source if feed.melt and _day_number(name, feed.melt) is not None]
    present = {
        name: origin for name, origin in mapping.items() if not (origin.optional and origin.column not in source)
    }
    kept = [F.col(quoted(name)) for name in (*_KEPT, "row_hash", *days)]
    try:
        return frame.select(*kept, *(_origin(origin, name).alias(name) for name, origin in present.items()))
    except (AnalysisException, ParseException) as error:
        raise SourceError(
            f"{_file_of(frame)}: an expression of the mapping does not fit; columns found: {source}. {error}"
        ) from error


def _check_columns(frame: DataFrame, feed: Feed, mapping: dict[str, ColumnMapping], source: list[str]) -> None:
    expected = {origin.column for origin in mapping.values() if origin.column and not origin.optional}
    missing = sorted(expected - set(source))
    if missing:
        raise SourceError(
            f"{_file_of(frame)}: expected columns {missing}, found {source}. "
            "Correct the file, or name its columns in the source mapping."
        )
    if feed.melt and not any(_day_number(name, feed.melt) is not None for name in source):
        raise SourceError(
            f"{_file_of(frame)}: expected day columns {feed.melt.prefix}<number>, found {source}. "
            "Correct `melt.prefix` in the source mapping."
        )


def _file_of(frame: DataFrame) -> str:
    return ", ".join(sorted(frame.inputFiles())) or "the feed"


def _origin(origin: ColumnMapping, target: str) -> Column:
    if origin.const is not None:
        return F.lit(_const_text(origin.const))
    if origin.expr is not None:
        return F.expr(origin.expr)
    column = F.col(quoted(str(origin.column)))
    if origin.format is None:
        return column
    text = column.cast("string")
    parsed = F.try_to_timestamp(text, F.lit(origin.format))
    as_type = parsed.cast("date") if COLUMNS[target].type == "date" else parsed
    # Says so, lest 2024-12-13, which is no date as yyyy-dd-MM, be taken for an ISO date further on.
    unparsed = F.when(F.trim(text) == "", text).otherwise(F.concat(text, F.lit(f" (not {origin.format})")))
    return F.coalesce(as_type.cast("string"), unparsed)


def _const_text(const: str | float | bool) -> str:
    if isinstance(const, bool):
        return str(const).lower()
    if isinstance(const, float) and math.isfinite(const) and const == int(const):
        return str(int(const))
    return str(const)


def _looked_up(frame: DataFrame, feed: Feed, lookup: DataFrame | None) -> DataFrame:
    if lookup is None or feed.lookup is None:
        raise SourceError("this feed's mapping has a look-up: pass the frame that read_lookup returns")
    on = list(feed.lookup.on)
    missing = sorted(set(on) - set(frame.columns))
    clash = sorted(set(feed.lookup.take) & set(frame.columns))
    if missing or clash:
        raise SourceError(
            f"{_file_of(frame)}: look-up on {on}: the file lacks {missing} and already has {clash}; "
            f"columns found: {frame.columns}"
        )
    return frame.join(F.broadcast(lookup), on, "left")


def _day_number(name: str, melt: Melt) -> int | None:
    match = re.fullmatch(re.escape(melt.prefix) + r"(\d+)", name)
    return int(match.group(1)) if match else None


def _melted(frame: DataFrame, melt: Melt) -> DataFrame:
    """One row per record and day column, in the columns `ds`, `melt.value` and `source_column`.

    A corrupt record stays one row. Wide files are short: they are spread over the cores before they grow.
    """
    numbers = {name: number for name in frame.columns if (number := _day_number(name, melt)) is not None}
    names = sorted(numbers, key=numbers.__getitem__)
    first = melt.origin - timedelta(days=melt.origin_number)
    dates = [(first + timedelta(days=numbers[name])).isoformat() for name in names]
    cells = F.array(*(F.col(quoted(name)) for name in names))
    one = F.array(F.col(quoted(names[0])))
    is_whole = F.col(CORRUPT).isNull()
    others = [F.col(quoted(name)) for name in frame.columns if name not in numbers]
    at = F.col("_position") + 1
    literal = {"ds": F.array(*map(F.lit, dates)), "source_column": F.array(*map(F.lit, names))}
    return (
        frame.repartition(frame.sparkSession.sparkContext.defaultParallelism)
        .select(*others, F.posexplode(F.when(is_whole, cells).otherwise(one)).alias("_position", melt.value))
        .withColumn("ds", F.element_at(literal["ds"], at))
        .withColumn("source_column", F.when(is_whole, F.element_at(literal["source_column"], at)).otherwise(""))
        .drop("_position")
    )


def _row_hash(raw: DataFrame) -> Column:
    """MD5 of all source columns, by name, so that the order of columns does not matter and NULL differs from ''.

    128 bits: among 1e9 records the chance of any collision is about 1e-21.
    """
    parts = [
        F.coalesce(F.col(quoted(name)).cast("string"), F.lit("\x00"))
        for name in sorted(set(raw.columns) - set(LINEAGE))
    ]
    return F.md5(F.concat_ws("\x1f", *parts))

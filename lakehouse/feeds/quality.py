"""Quality rules: every row of a feed is used, or is set aside under exactly one rule that says why.

Rules are tried in order and the first one that a row breaks claims it, so that the counts by rule add up to the feed.
A rule whose condition is NULL is not broken, as with a SQL CHECK.

A row is set aside for what decides whose and when it is and what it states: required columns and days. Any other value
that cannot be read, or that its column's range refuses, becomes NULL and is counted; the row stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakehouse.errors import ContractError
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.contract import sql_string
from lakehouse.schema.entities import SEPARATOR, SERIES
from lakehouse.schema.tables import FEEDS, contract

Outcome = Literal["used", "quarantined", "duplicate", "out_of_scope"]

LINEAGE = ("source_file", "source_row", "source_column", "row_hash", "batch_id", "ingested_at", "is_dropped")
# Files that had one name, one after the other, are in the order in which they came.
SOURCE_ORDER = ("source_file", "ingested_at", "source_row", "source_column")

# Money and units are summed exactly, so that a sum is the same to the bit however the rows are spread over tasks.
EXACT = "DECIMAL(18,6)"
DROP_WHEN = "drop_when"  # the rule of records that the mapping leaves out
_DAMAGED = "^[0-9]+([.,][0-9]+)?[eE][+][0-9]+$"  # 4.00638E+12
_SOUGHT = {
    "date": "a date as yyyy-mm-dd",
    "timestamp": "a time as yyyy-mm-dd hh:mm:ss",
    "double": "a number below 1e12",
    "boolean": "true or false",
}


@dataclass(frozen=True, slots=True)
class QualityRule:
    """A rule: rows for which the Spark SQL condition `reject_when` is true get `outcome`.

    The condition sees the typed columns of the feed, and their text as `raw.<column>`. `shows` names the columns whose
    text the reason quotes.
    """

    id: str
    reject_when: str
    reason: str
    shows: tuple[str, ...] = ()
    outcome: Outcome = "quarantined"


@dataclass(frozen=True, slots=True)
class Split:
    """A feed's rows, each with its `outcome` and the `rule_id` that decided it ('' for none).

    `optional`: the columns of which an unreadable value is lost, but not its row.
    """

    feed: str
    rows: DataFrame
    rules: tuple[QualityRule, ...]
    optional: tuple[str, ...] = ()

    @property
    def accepted(self) -> DataFrame:
        """Rows that broke no rule."""
        return self.rows.filter("outcome = 'used'")

    @property
    def quarantined(self) -> DataFrame:
        """Quarantined rows in the shape of ops.quarantine; the payload is the row's feed columns as JSON text."""
        shaped = self.rows.filter("outcome = 'quarantined'").select(
            F.lit(self.feed).alias("feed"),
            "rule_id",
            _reason(self.rules).alias("reason"),
            "source_file",
            "source_row",
            F.coalesce("source_column", F.lit("")).alias("source_column"),
            F.to_json("raw", {"ignoreNullFields": "false"}).alias("payload"),
            "batch_id",
        )
        return shaped.select(*contract("ops.quarantine").columns)

    @property
    def counts(self) -> DataFrame:
        """Rows by outcome and rule, with the values lost among them (see `row_counts`)."""
        counted = self.rows.groupBy("outcome", "rule_id").agg(F.expr("count(*) AS rows"), *losses(self.optional))
        return row_counts(self.feed, counted, self.optional)


def row_counts(feed: str, counted: DataFrame, optional: tuple[str, ...] = ()) -> DataFrame:
    """Sum `rows` by `outcome` and `rule_id` into the columns of ops.row_count, and `losses`.

    counted: has the columns of `losses(optional)`. losses: an array of (column_name, rows, example).
    """
    of_columns = [
        f"named_struct('column_name', '{name}', 'rows', CAST(sum(lost_{name}) AS BIGINT), "
        f"'example', min(example_{name}))"
        for name in optional
    ]
    lost = f"CAST(array({', '.join(of_columns)}) AS array<struct<column_name:string,rows:bigint,example:string>>)"
    sums = (F.expr("CAST(sum(rows) AS BIGINT) AS rows"), F.expr(f"{lost} AS losses"))
    summed = counted.groupBy("outcome", "rule_id").agg(*sums)
    return summed.selectExpr(f"'{feed}' AS feed", "outcome", "rule_id", "rows", "losses")


def losses(optional: Iterable[str]) -> list[Column]:
    """How many values of each column were lost in a group of rows, and one of them."""
    found = []
    for name in optional:
        found.append(F.expr(f"count_if({lost_sql(name)}) AS lost_{name}"))
        found.append(F.expr(f"min(CASE WHEN {lost_sql(name)} THEN raw.{name} END) AS example_{name}"))
    return found


def lost_sql(name: str) -> str:
    """SQL: whether a feed states a value of an optional column as text that is not usable, see `parse`."""
    return f"{name} IS NULL AND trim(raw.{name}) <> ''"


def optional_columns(feed: str, columns: Iterable[str]) -> tuple[str, ...]:
    """Of the `columns` that a source delivers, those of which an unreadable value is lost, but not its row."""
    given = set(columns)
    kinds = ("double", "boolean", "timestamp")
    names = [name for name in FEEDS[feed].columns if name in given and name not in FEEDS[feed].required]
    return tuple(name for name in names if COLUMNS[name].type in kinds)


def words_for(column: str) -> str:
    """What a value of a column is expected to be."""
    check = COLUMNS[column].check
    return _SOUGHT[COLUMNS[column].type] + (f", {check.words()}" if check is not None else "")


def check_conservation(feed: str, bronze_rows: int, rows_by_outcome: Mapping[tuple[str, str], int]) -> None:
    """Raise ContractError unless the counts, by (outcome, rule_id), add up to the rows of the bronze table."""
    accounted = sum(rows_by_outcome.values())
    if accounted != bronze_rows:
        raise ContractError(
            f"{feed}: expected one outcome for every bronze row; bronze holds {bronze_rows} rows, the outcomes add up "
            f"to {accounted} ({accounted - bronze_rows:+d}): {dict(rows_by_outcome)}. Do not use this silver version."
        )


def parse(bronze: DataFrame, feed: str) -> DataFrame:
    """The feed's columns by type, NULL where empty or unreadable, beside their text in the struct `raw`.

    NULL too where a column's range refuses the value of a column that is not required.

    Numbers become DECIMAL(18,6), rounded half up in the sixth decimal. Dates must have all of yyyy-mm-dd: Spark alone
    would read '2020' as the first of January.
    """
    names = FEEDS[feed].columns
    # Text throughout this file: a call of Spark for each part of an expression takes longer than what it computes.
    typed = (f"{value_sql(feed, name)} AS {name}" for name in names)
    return bronze.selectExpr(f"struct({', '.join(names)}) AS raw", *typed, *LINEAGE)


def contract_rules(feed: str, columns: Iterable[str]) -> tuple[QualityRule, ...]:
    """The rules that follow from the feed layout, for the `columns` that the source delivers.

    In order: a required column is empty; a required value or a day is too large or does not parse; one is outside its
    column's range; a code's digits are lost; a key part contains the separator of `unique_id`; a period ends before it
    begins.
    """
    columns = set(columns)
    lenient = optional_columns(feed, columns)
    given = [name for name in FEEDS[feed].columns if name in {*columns, *FEEDS[feed].required} and name not in lenient]
    rules = [
        QualityRule(f"missing_{name}", f"trim(coalesce(raw.{name}, '')) = ''", f"{name} is required and is empty")
        for name in FEEDS[feed].required
    ]
    rules += [rule for name in given for rule in _rules_of_reading(name)]
    for name in given:
        if (check := COLUMNS[name].check) is not None:
            sql = check.sql(name)
            rules.append(QualityRule(f"out_of_range_{name}", f"NOT ({sql})", f"expected {sql}", (name,)))
    codes = [name for name in given if name in SERIES.parts]
    reason = "is in scientific notation: a spreadsheet has lost the code's digits; export it as text"
    rules += [
        QualityRule(f"damaged_{name}", f"{name} RLIKE '{_DAMAGED}'", f"{name} {reason}", (name,)) for name in codes
    ]
    mark = sql_string(SEPARATOR)
    reason = f"must not contain {mark}, which separates the parts of {SERIES.id}"
    rules += [
        QualityRule(f"separator_in_{name}", f"contains({name}, {mark})", f"{name} {reason}", (name,)) for name in codes
    ]
    if "ds_to" in given:
        reason = "a period must not end before it begins"
        rules.append(QualityRule("period_reversed", "ds_to < ds_from", reason, ("ds_from", "ds_to")))
    return tuple(rules)


def _rules_of_reading(name: str) -> list[QualityRule]:
    """Text that is no value of the column's type; first a barcode where units belong: a number, but no such number."""
    type_, is_unread = COLUMNS[name].type, f"{name} IS NULL AND trim(raw.{name}) <> ''"
    rules = []
    if type_ == "double":
        condition = f"{is_unread} AND try_cast(trim(raw.{name}) AS double) BETWEEN 1e12 AND 1e300"
        rules.append(QualityRule(f"too_large_{name}", condition, f"{name} must be below 1e12", (name,)))
    if type_ in _SOUGHT:
        rules.append(QualityRule(f"unparseable_{name}", is_unread, f"{name} must be {_SOUGHT[type_]}", (name,)))
    return rules


def split(frame: DataFrame, feed: str, rules: Iterable[QualityRule], optional: tuple[str, ...] = ()) -> Split:
    """Give each row of a parsed frame its outcome: that of the first rule it breaks, or 'used'.

    optional: see `Split`. All rules are evaluated in one pass over the rows. Raises ContractError when two rules share
    an id.
    """
    ordered = tuple(rules)
    ids = [rule.id for rule in ordered]
    if repeated := sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1}):
        raise ContractError(f"{feed}: rules must have different ids, {repeated} occur twice; rename the source's own")
    broken = _evaluated_once(f"coalesce({', '.join([*map(_claim, ordered), repr('')])})")
    cases = [f"WHEN rule_id = {sql_string(rule.id)} THEN '{rule.outcome}'" for rule in ordered]
    outcome = f"CASE {' '.join(cases)} ELSE 'used' END" if cases else "'used'"
    rows = frame.selectExpr("*", f"{broken} AS rule_id").selectExpr("*", f"{outcome} AS outcome")
    return Split(feed, rows, ordered, optional)


def keep_one(feed_split: Split, key: tuple[str, ...], *, last: bool) -> Split:
    """Of the accepted rows that share a key, keep the first or `last` by source order; the others are duplicates."""
    order = ", ".join(f"{name} {'DESC' if last else 'ASC'}" for name in SOURCE_ORDER)
    place = f"row_number() OVER (PARTITION BY {', '.join(('outcome', *key))} ORDER BY {order})"
    return _as_duplicates(feed_split, F.expr(f"outcome = 'used' AND {place} > 1"), "repeated_key")


def keep_latest_file(feed_split: Split, key: tuple[str, ...], order: tuple[Column, ...]) -> Split:
    """Of the accepted rows with one key that several files state, keep those of the file that is last by `order`.

    The rows of the others are duplicates; those that share key and file all stay. A rejected row states nothing.
    """
    at = F.struct(*order, F.col("batch_id"))
    last = F.max(at).over(Window.partitionBy("outcome", *key))
    return _as_duplicates(feed_split, (F.col("outcome") == "used") & ~at.eqNullSafe(last), "superseded_by_later_file")


def _as_duplicates(feed_split: Split, which: Column, rule_id: str) -> Split:
    changed = {"rule_id": rule_id, "outcome": "duplicate"}
    marked = feed_split.rows.withColumn("is_repeat", which)
    rows = marked.withColumns(
        {name: F.expr(f"CASE WHEN is_repeat THEN '{value}' ELSE {name} END") for name, value in changed.items()}
    ).drop("is_repeat")
    return replace(feed_split, rows=rows)


def value_sql(feed: str, name: str) -> str:
    """SQL of a feed column's typed value, made of its text `name` (see `parse`)."""
    check, value = COLUMNS[name].check, _typed(name)
    if check is None or name in FEEDS[feed].required or COLUMNS[name].type == "string":
        return value
    kind = EXACT if COLUMNS[name].type == "double" else COLUMNS[name].type
    return f"CASE WHEN {check.sql(f'try_cast(trim({name}) AS {kind})')} THEN {value} END"


def _typed(name: str) -> str:
    text = f"nullif(trim({name}), '')"
    match COLUMNS[name].type:
        case "string":
            return f"CASE WHEN trim({name}) <> '' THEN {name} END"
        case "double":
            return f"try_cast({text} AS {EXACT})"
        case "date":
            return f"CASE WHEN length(trim({name})) = 10 THEN try_cast(trim({name}) AS DATE) END"
        case "boolean" | "timestamp" as type_:
            return f"try_cast({text} AS {type_.upper()})"
        case other:
            raise ContractError(
                f"{name}: feed columns of type {other} have no parser; add one to lakehouse/feeds/quality.py"
            )


def _evaluated_once(sql: str) -> str:
    """Keep the optimiser from copying a long expression into every filter and column that uses it.

    It copies no expression that depends on the partition's number; this one does so only in form.
    """
    return f"CASE WHEN spark_partition_id() >= 0 THEN {sql} END"


def _claim(rule: QualityRule) -> str:
    return f"CASE WHEN ({rule.reject_when}) THEN {sql_string(rule.id)} END"


def _reason(rules: tuple[QualityRule, ...]) -> Column:
    """The rule's reason and the values that broke it, as the feed wrote them."""
    words = F.create_map(*(F.lit(text) for rule in rules for text in (rule.id, rule.reason)))
    found = []
    for name in sorted({name for rule in rules for name in rule.shows}):
        shown_by = [rule.id for rule in rules if name in rule.shows]
        value = F.coalesce(F.concat(F.lit("'"), f"raw.{name}", F.lit("'")), F.lit("NULL"))
        found.append(F.when(F.col("rule_id").isin(shown_by), F.concat(F.lit(f"{name} = "), value)))
    values = F.concat_ws(", ", *found)  # leaves NULLs out
    return F.concat(words[F.col("rule_id")], F.when(values != "", F.concat(F.lit("; found "), values)).otherwise(""))

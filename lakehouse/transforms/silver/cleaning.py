"""Cleaning: bronze rows become typed rows, each with one outcome, and cancellations leave the sales they reverse.

Sales rows are decided in this order:

0. records that the mapping leaves out by the file's own columns (`drop_when`) are out of scope;
1. exact copies of a record (equal `row_hash`) are duplicates of the first by file, row and column, whatever the
   record holds, so that the count is that of the source's own duplicates;
2. the quality rules: first those of the feed layout, then the source's own;
3. where the mapping says by which columns the latest file counts (`latest_by`), rows that a later file states anew
   are duplicates;
4. cancellations take their units off earlier sales, or are quarantined as a whole;
5. series that sold on too few days are out of scope.

So bronze rows = used + quarantined + duplicate + out of scope, exactly and by rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Self

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakehouse.errors import ContractError
from lakehouse.feeds.bronze import CORRUPT_PREFIX
from lakehouse.feeds.file_order import name_key_column
from lakehouse.feeds.quality import (
    DROP_WHEN,
    EXACT,
    SOURCE_ORDER,
    QualityRule,
    Split,
    contract_rules,
    keep_latest_file,
    keep_one,
    losses,
    optional_columns,
    parse,
    row_counts,
    split,
)
from lakehouse.feeds.sources import Cancellations, Cleaning, SourceMapping
from lakehouse.feeds.sql_clauses import clauses_of
from lakehouse.schema.contract import sql_string
from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import FEEDS
from lakehouse.transforms.keys import bucket_of, key_of, parts_of
from lakehouse.transforms.silver.closed_days import open_weekdays_rule
from lakehouse.transforms.silver.dimensions import country_rule
from lakehouse.transforms.silver.kits import Kits
from lakehouse.transforms.silver.periods import first_day, last_day, spread
from lakehouse.transforms.silver.weather_days import weather_rules

# (lines: group_id, sold_at, line_id, units) -> (line_id, reversed_units, is_matched), one row per line.
MatchReturns = Callable[[pa.Table], pa.Table]

_NULL_DATE = "1970-01-01"  # and what lies before: the days that systems write for none
REJECTED, NEGATIVE, IMPLAUSIBLE = "rejected_row", "negative_units", "implausible"
"""Why a day's demand is unknown: a sale that cannot be read; a row below zero on a day without any other; units that
can only be a typing error."""

_TOO_LARGE = "too_large_units"
_SALE_UNREAD = ("missing_units", "unparseable_units", "out_of_range_units")
_MATCHED = "cancellation_matched"
_MATCH_BATCHES = 16
_LINE_COLUMNS = (
    "unique_id",
    "bucket",
    "ds",
    "units",
    "net_units",
    "unit_price",
    "discount_value",
    "is_promo",
    "on_hand_qty",
    "sold_at",
    *SOURCE_ORDER,
)


def with_series(rows: DataFrame, n_buckets: int) -> DataFrame:
    """Rows with the id of their series and its bucket; the channel is 'all' where the feed knows none."""
    keyed = rows.withColumn(SERIES.id, key_of(SERIES, {"channel_id": "all"}))
    return keyed.withColumn("bucket", bucket_of(SERIES, n_buckets))


def clean_feed(bronze: DataFrame, feed: str, mapping: SourceMapping, n_buckets: int = 1) -> Split:
    """Any feed but sales: parse, apply the rules, keep the latest file's rows and one row per key where asked to.

    `n_buckets` matters for feeds whose rows belong to series.
    """
    parsed = parse(bronze, feed)
    layout = FEEDS[feed]
    if layout.is_by_series:
        parsed = with_series(parsed, n_buckets)
    optional = optional_columns(feed, delivered(mapping, feed))
    cleaned = _latest_files(_split(parsed, feed, rules_of(mapping, feed), optional, mapping), mapping)
    return keep_one(cleaned, layout.key, last=layout.last) if layout.key else cleaned


@dataclass(frozen=True, slots=True)
class CleanedSales:
    """Sales rows with their outcome before scope, and `tally`, the small frame that all counts come from.

    `tally` has a row per (outcome, rule_id, unique_id), unique_id NULL unless the rows are sales lines: `rows`,
    `first_ds`, `last_ds`, and the values lost. `reversals` are the effects of cancellations, None for a source without
    any. `masking`: the source's own rules whose rows make their day unknown. `kits`: what is sold as one and stocked as
    several: `lines`, `series` and `masks` are those of the components then.
    """

    split: Split
    tally: DataFrame
    cleaning: Cleaning
    reversals: DataFrame | None = None
    masking: tuple[str, ...] = ()
    kits: Kits | None = None

    def persist(self) -> Self:
        """Keep the two small frames, so that each further use costs one pass over bronze and no matching."""
        for frame in (self.tally, self.reversals):
            if frame is not None:
                frame.persist()
        return self

    def unpersist(self) -> None:
        for frame in (self.tally, self.reversals):
            if frame is not None:
                frame.unpersist()

    @property
    def lines(self) -> DataFrame:
        """Sales lines in scope: `units` as sold, `net_units` less what cancellations took back (both exact)."""
        rows = spread(self.split.accepted.filter("rule_id = ''").select(*_LINE_COLUMNS), self.cleaning)
        if self.cleaning.min_selling_days:
            rows = rows.join(self._sold().select("unique_id"), "unique_id", "left_semi")
        return self.kits.of_lines(rows) if self.kits else rows

    @property
    def series(self) -> DataFrame:
        """Series in scope: unique_id and its parts, bucket, first and last day with a line."""
        return self.kits.of_series(self._sold()) if self.kits else self._sold()

    def _sold(self) -> DataFrame:
        used = self.tally.filter("outcome = 'used' AND unique_id IS NOT NULL")
        return used.select("unique_id", *parts_of(SERIES), "bucket", "first_ds", "last_ds")

    @property
    def quarantined(self) -> DataFrame:
        return self.split.quarantined

    @property
    def counts(self) -> DataFrame:
        """Rows by outcome and rule, in the shape of ops.row_count."""
        return row_counts("sales", self.tally, self.split.optional)

    def masks(self, rules: Iterable[str]) -> DataFrame | None:
        """(unique_id, bucket, ds, masked_by): the days of a series on which a row was rejected that may be a sale.

        rules: those that rejected any row. None where none of them concerns a sale. A row without a day or a series
        makes no day unknown: it is counted alone.
        """
        of_sales = sorted({*rules} & {*_SALE_UNREAD, *self.masking, NEGATIVE, _TOO_LARGE})
        if not of_sales:
            return None
        rows = self.split.rows.filter(F.col("rule_id").isin(of_sales) & F.col("ds").isNotNull())
        kinds = F.create_map(F.lit(NEGATIVE), F.lit(NEGATIVE), F.lit(_TOO_LARGE), F.lit(IMPLAUSIBLE))
        by = F.coalesce(F.try_element_at(kinds, F.col("rule_id")), F.lit(REJECTED))  # of several the gravest
        masked = rows.filter("unique_id IS NOT NULL").groupBy("unique_id", "bucket", "ds")
        masks = masked.agg(F.max(by).alias("masked_by"))
        return self.kits.of_masks(masks) if self.kits else masks

    def span(self) -> tuple[date, date]:
        """First and last day of the accepted sales lines, out-of-scope ones included. Raises ContractError for none."""
        days = self.tally.filter("unique_id IS NOT NULL").agg(F.min("first_ds"), F.max("last_ds")).collect()[0]
        if days[0] is None:
            raise ContractError("sales: no row passed the quality rules; ops.quarantine holds them with their reasons")
        return days[0], days[1]


def clean_sales(
    bronze: DataFrame,
    mapping: SourceMapping,
    n_buckets: int,
    match_returns: MatchReturns | None = None,
    stray: Sequence[date] = (),
) -> CleanedSales:
    """Clean the sales feed.

    bronze: rows of bronze.sales. `match_returns` matches cancellations to sales; needed where the mapping has some.
    stray: days far from all others, whose few rows are mistyped dates. Raises ContractError when it is missing then.
    """
    parsed = with_series(parse(bronze, "sales"), n_buckets)
    rules, optional = rules_of(mapping, "sales", stray), optional_columns("sales", delivered(mapping, "sales"))
    if mapping.clean.drop_exact_duplicates:
        # Where the latest file counts, a copy in an earlier one must not take the place of the later file's row.
        within = ("batch_id",) if mapping.feeds["sales"].latest_by else ()
        parsed = parsed.withColumn("copy_number", _copy_number(*within))
    cleaned = _latest_files(_split(parsed, "sales", rules, optional, mapping), mapping)
    cancellations, reversals = mapping.clean.cancellations, None
    if cancellations is None:
        cleaned = replace(cleaned, rows=cleaned.rows.withColumn("net_units", F.col("units")))
    elif match_returns is None:
        raise ContractError(f"{mapping.name}: the source has cancellations; pass the function that matches them")
    else:
        marked = _mark_cancellations(cleaned.rows, cancellations)
        reversals = _match(marked, match_returns)
        cleaned = _reverse(cleaned, marked, reversals, cancellations)
    masking = tuple(rule.id for rule in mapping.clean.rules if rule.feed == "sales" and rule.hides_demand)
    return CleanedSales(cleaned, _tally(cleaned, mapping.clean), mapping.clean, reversals, masking)


def stating_rows(bronze: DataFrame, mapping: SourceMapping, stray: Sequence[date] = ()) -> DataFrame:
    """The rows of bronze.sales that no rule rejects or leaves out, as text: what is no sale cannot be stated twice."""
    parsed = with_series(parse(bronze, "sales"), 1).withColumn("copy_number", F.lit(1))
    cleaned = _split(parsed, "sales", rules_of(mapping, "sales", stray), (), mapping)
    return cleaned.accepted.select("raw.*", "source_file", "batch_id")


def _split(
    parsed: DataFrame, feed: str, rules: Iterable[QualityRule], optional: tuple[str, ...], mapping: SourceMapping
) -> Split:
    """`split`; SourceError names the mapping's own conditions that Spark refuses, by their place."""
    columns = f"\n  {feed} has the columns {list(FEEDS[feed].columns)}"
    with clauses_of(mapping.conditions(feed), parsed.filter, columns):
        return split(parsed, feed, rules, optional)


def _latest_files(cleaned: Split, mapping: SourceMapping) -> Split:
    """Of rows that several files state, keep the latest file's: by its name where the mapping says so."""
    feed = mapping.feeds[cleaned.feed]
    if not feed.latest_by:
        return cleaned
    by_name = () if feed.order_by is None else (name_key_column(feed.order_by, "source_file"),)
    return keep_latest_file(cleaned, feed.latest_by, (*by_name, F.col("ingested_at"), F.col("source_file")))


def rules_of(mapping: SourceMapping, feed: str, stray: Sequence[date] = ()) -> tuple[QualityRule, ...]:
    """All rules of a feed, in the order in which they claim rows. stray: see `clean_sales`.

    The rule of exact copies asks for `copy_number`, 1 for the first of equal records.
    """
    dropped = QualityRule(DROP_WHEN, "is_dropped", "the mapping leaves it out", outcome="out_of_scope")
    if feed == "sales":
        copies = (QualityRule("exact_duplicate", "copy_number > 1", "a copy", outcome="duplicate"),)
        return (dropped, *(copies if mapping.clean.drop_exact_duplicates else ()), *_sales_rules(mapping, stray))
    of_feed = {"locations": (country_rule(), open_weekdays_rule()), "weather": weather_rules()}.get(feed, ())
    return (dropped, *_layout_rules(mapping, feed), *of_feed, *_own_rules(mapping, feed))


def delivered(mapping: SourceMapping, feed: str) -> set[str]:
    """The columns of a feed that the mapping gives."""
    declared = mapping.feeds[feed]
    made = {declared.melt.into, declared.melt.value} if declared.melt else set()
    return set(declared.columns) | made | ({"unit_price"} if "line_value" in declared.columns else set())


def _layout_rules(mapping: SourceMapping, feed: str) -> tuple[QualityRule, ...]:
    # Bronze keeps a record that has not the file's columns as text in the layout's last column.
    corrupt = f"startswith(raw.{FEEDS[feed].columns[-1]}, {sql_string(CORRUPT_PREFIX)})"
    reason = "the record has not the columns of its file; the payload holds its text"
    return (QualityRule("corrupt_record", corrupt, reason), *contract_rules(feed, delivered(mapping, feed)))


def _own_rules(mapping: SourceMapping, feed: str) -> tuple[QualityRule, ...]:
    """The source's own rules; a reason quotes the feed columns that the condition names."""
    columns = sorted(delivered(mapping, feed))
    return tuple(
        QualityRule(rule.id, rule.reject_when, rule.reason, tuple(c for c in columns if _names(rule.reject_when, c)))
        for rule in mapping.clean.rules
        if rule.feed == feed
    )


def _names(condition: str, column: str) -> bool:
    words = "".join(c if c.isalnum() or c == "_" else " " for c in condition).lower().split()
    return column in words


def _sales_rules(mapping: SourceMapping, stray: Sequence[date] = ()) -> tuple[QualityRule, ...]:
    """Layout, plausible days, the source's own rules, then what no source may leave undecided about signs."""
    window = [f"ds < DATE'{mapping.clean.first_day}'"] if mapping.clean.first_day else []
    window += [f"ds > DATE'{mapping.clean.last_day}'"] if mapping.clean.last_day else []
    listed = ", ".join(f"DATE'{day}'" for day in stray) or "NULL"
    days = (
        QualityRule("implausible_ds", f"ds <= DATE'{_NULL_DATE}'", f"expected a day after {_NULL_DATE}", ("ds",)),
        QualityRule(
            "outside_window", " OR ".join(window) or "false", "the day is outside clean.first_day to last_day", ("ds",)
        ),
        QualityRule("stray_ds", f"ds IN ({listed})", "the day is far from all others: a mistyped date", ("ds",)),
        # One mistyped year would stretch every series to it; a day's grace, as places of sale are ahead of UTC.
        QualityRule("future_ds", "ds > date_add(to_date(ingested_at), 1)", "the day is after the ingest", ("ds",)),
    )
    cancellations = mapping.clean.cancellations
    when = f"coalesce({cancellations.when}, false)" if cancellations else "false"
    signs = (
        QualityRule(
            "cancellation_not_negative",
            f"{when} AND units >= 0",
            "a cancellation must have negative units",
            ("transaction_id", "units"),
        ),
        QualityRule(
            "negative_units",
            f"NOT {when} AND units < 0",
            "negative units on a line that is no cancellation",
            ("units",),
        ),
    )
    return (*_layout_rules(mapping, "sales"), *days, *_own_rules(mapping, "sales"), *signs)


def _copy_number(*within: str) -> Column:
    """1 for the first of identical records. The cells of one melted record share its hash, not their column."""
    no_hash = F.concat_ws("|", "batch_id", F.col("source_row").cast("string"))
    record = F.when(F.coalesce("row_hash", F.lit("")) == "", no_hash).otherwise(F.col("row_hash"))
    window = Window.partitionBy(record, F.coalesce("source_column", F.lit("")), *within).orderBy(*SOURCE_ORDER)
    return F.row_number().over(window)


def _line_id() -> Column:
    """A line's identity as text that sorts in source order."""
    came = F.format_string("%020d", F.unix_micros("ingested_at"))
    row = F.format_string("%015d", F.col("source_row"))
    return F.concat_ws("\u0001", "source_file", came, row, F.coalesce("source_column", F.lit("")))


def _mark_cancellations(rows: DataFrame, cancellations: Cancellations) -> DataFrame:
    """Add `line_id`, `is_cancellation` and `group_id`, NULL where a column to match on is: it matches nothing."""
    parts = [F.concat(F.col(name).cast("string"), F.lit("\u0001")) for name in cancellations.match_on]
    is_cancellation = F.coalesce(F.expr(cancellations.when), F.lit(False))
    return (
        rows.withColumn("line_id", _line_id())
        .withColumn("is_cancellation", is_cancellation & (F.col("outcome") == "used"))
        .withColumn("group_id", F.concat(*parts))
    )


def _match(marked: DataFrame, match_returns: MatchReturns) -> DataFrame:
    """(line_id, reversed_units, is_matched) of the sales that lost units and the cancellations that took them."""
    lines = marked.filter("outcome = 'used' AND group_id IS NOT NULL").select(
        "group_id",
        F.coalesce("sold_at", F.col("ds").cast("timestamp")).alias("sold_at"),
        "line_id",
        F.col("units").cast("double").alias("units"),
    )
    # Few groups hold a cancellation; only those leave the JVM, many to a batch.
    groups = lines.filter("units < 0").select("group_id").distinct()
    touched = lines.join(groups, "group_id", "left_semi")
    batch = F.pmod(F.xxhash64("group_id"), F.lit(_MATCH_BATCHES))
    schema = "line_id string, reversed_units double, is_matched boolean"
    matched = touched.groupBy(batch).applyInArrow(_matcher(match_returns), schema)
    return matched.filter("reversed_units > 0 OR is_matched")


def _reverse(cleaned: Split, marked: DataFrame, reversals: DataFrame, cancellations: Cancellations) -> Split:
    """Take the units of matched cancellations off their sales, quarantine the cancellations without one."""
    reason = "no earlier sale with units left to cancel"
    rule = QualityRule("cancellation_without_sale", "false", reason, (*cancellations.match_on, "units"))
    unmatched = F.col("is_cancellation") & ~F.coalesce("is_matched", F.lit(False))
    net = F.col("units") - F.coalesce(F.col("reversed_units").cast(EXACT), F.lit(0).cast(EXACT))
    rule_id = F.when(unmatched, rule.id).when(F.col("is_cancellation"), _MATCHED).otherwise(F.col("rule_id"))
    decided = (
        marked.join(reversals, "line_id", "left")
        .withColumn("net_units", net.cast(EXACT))
        .withColumn("outcome", F.when(unmatched, "quarantined").otherwise(F.col("outcome")))
        .withColumn("rule_id", rule_id)
    )
    return replace(cleaned, rows=decided, rules=(*cleaned.rules, rule))


def _matcher(match_returns: MatchReturns) -> Callable[[pa.Table], pa.Table]:
    def match(lines: pa.Table) -> pa.Table:
        return match_returns(lines).select(["line_id", "reversed_units", "is_matched"])

    return match


def _tally(cleaned: Split, clean: Cleaning) -> DataFrame:
    """Count rows by outcome, rule and, for sales lines, series; decide which series are in scope.

    Scope is counted over all days: a source row has one outcome, whatever day a run looks at. So a run as of a past day
    also plans series that only later sold on enough days, from their own days until then; no model, no score and no
    choice of an earlier day rests on them (`udfs.series.scope`).
    """
    is_line = (F.col("outcome") == "used") & (F.col("rule_id") == "")
    series = [F.when(is_line, F.col(name)).alias(name) for name in ("unique_id", "bucket")]
    by = ["outcome", "rule_id", "unique_id", "bucket"]
    totals = [F.min(first_day(clean)).alias("first_ds"), F.max(last_day(clean)).alias("last_ds")]
    lost = losses(cleaned.optional)
    if clean.min_selling_days == 0:
        rows = cleaned.rows.select("outcome", "rule_id", *series, "ds", "raw", *cleaned.optional)
        return rows.groupBy(*by).agg(F.count("*").alias("rows"), *totals, *lost)
    day = F.when(is_line, F.col("ds")).alias("ds")
    rows = cleaned.rows.select("outcome", "rule_id", *series, day, "net_units", "raw", *cleaned.optional)
    days = rows.groupBy(*by, "ds").agg(F.count("*").alias("rows"), F.sum("net_units").alias("day_units"), *lost)
    selling = F.count_if(F.col("day_units") > 0)
    lost = [
        total
        for name in cleaned.optional
        for total in (
            F.sum(f"lost_{name}").alias(f"lost_{name}"),
            F.min(f"example_{name}").alias(f"example_{name}"),
        )
    ]
    tally = days.groupBy(*by).agg(F.sum("rows").alias("rows"), *totals, selling.alias("selling_days"), *lost)
    too_few = F.col("unique_id").isNotNull() & (F.col("selling_days") < clean.min_selling_days)
    return (
        tally.withColumn("outcome", F.when(too_few, "out_of_scope").otherwise(F.col("outcome")))
        .withColumn("rule_id", F.when(too_few, "min_selling_days").otherwise(F.col("rule_id")))
        .drop("selling_days")
    )

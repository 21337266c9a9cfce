"""The same daily features by six engines; each reads the same files and writes the same columns as Parquet.

Run as a process of its own: `python -m tests.benchmarks.feature_competitors NAME INPUT BUCKETS OUTPUT` prints the
seconds from the start of the job to the end of its write; imports and the start of Spark are left out. The seconds of
processor time of the process and its children over the same span come with them: on a shared machine they are the
steadier figure.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.engine.runners.spark import SparkRunner
from jobs.engine.task import UnitTask
from jobs.stages.demand.features import FeatureParameters, kernel
from lakehouse.delta.files import PinnedTable
from lakehouse.delta.io import Lakehouse, WrittenFile
from lakehouse.schema.entities import SERIES
from tests.benchmarks.retail_input import bucket_file
from udfs.demand.features.sku_features import FeatureSpec, sku_daily_features

_SALES, _CALENDAR, _FEATURES = "silver.sales_daily", "silver.calendar", "features.sku_daily"
_SALES_COLUMNS = ("unique_id", "location_id", "ds", "y", "unit_price", "is_promo")
_CALENDAR_COLUMNS = ("location_id", "ds", "is_holiday", "is_event")
WINDOWS, LAGS, WEEKS = (7, 28, 56), (1, 7, 14, 28), (4, 8)
CORES = 2


class Spent(NamedTuple):
    seconds: float
    cpu_seconds: float


class Clock:
    """Wall and processor time from its making to `stop`."""

    def __init__(self) -> None:
        self._cpu, self._start = _cpu_of_tree(), perf_counter()

    def stop(self) -> Spent:
        return Spent(perf_counter() - self._start, _cpu_of_tree() - self._cpu)


def _cpu_of_tree() -> float:
    """Seconds of processor time of this process and all below it, those already ended and waited for included."""
    here = psutil.Process()
    total = 0.0
    for process in [here, *here.children(recursive=True)]:
        try:
            total += sum(process.cpu_times()[:4])  # user, system, and the same of its ended children
        except psutil.NoSuchProcess:
            continue
    return total


def spark_session(**settings: str):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{CORES}]").appName("bench")
    fixed = {
        "spark.driver.memory": "8g",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "64",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.compression.codec": "snappy",
    }
    for key, value in {**fixed, **settings}.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    session.range(10).count()  # the first job of a session pays for its start
    return session


def ours(folder: Path, buckets: int, out: Path) -> Spent:
    """The product: a bucket task of `jobs.stages.demand.features` on the Spark runner, committed to the Delta table."""
    spark = spark_session()
    lake = _lakehouse_over(folder, buckets, out)
    sales = PinnedTable(
        _SALES, lake.uri(_SALES), lake.version(_SALES), _SALES_COLUMNS, dictionary=("unique_id", "location_id")
    )
    calendar = PinnedTable(
        _CALENDAR, lake.uri(_CALENDAR), lake.version(_CALENDAR), _CALENDAR_COLUMNS, is_bucketed=False
    )
    lake.ensure(_FEATURES)
    task = UnitTask(
        stage="features",
        entity=SERIES,
        run_id="bench",
        inputs=(sales, calendar),
        kernel=kernel,
        parameters=FeatureParameters(FeatureSpec(), None, date(9999, 12, 31)),
        outputs=((_FEATURES, lake.uri(_FEATURES)),),
    )
    _import_in_workers(spark)
    clock = Clock()
    results = list(SparkRunner(spark).run(task, [str(bucket) for bucket in range(buckets)]))
    broken = [result for result in results if result.error]
    if broken:
        raise RuntimeError(f"{len(broken)} buckets failed: {broken[0].error}")
    files = [file for result in results for file in result.files]
    lake.commit_files(_FEATURES, files, {"bucket": [str(bucket) for bucket in range(buckets)]})
    return clock.stop()


def _import_in_workers(spark) -> None:
    """Start Spark's Python workers and their imports, as the other engines' processes have done theirs by now."""

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import jobs.stages.demand.features  # noqa: F401

        for batch in batches:
            time.sleep(0.5)  # keep this worker busy, so that every core starts one
            yield batch

    spark.range(0, 2 * CORES, 1, 2 * CORES).mapInArrow(work, "id long").collect()


def _lakehouse_over(folder: Path, buckets: int, out: Path) -> Lakehouse:
    """The input files as the silver tables of a lakehouse in `out`, by hard links: made before the clock starts."""
    lake = Lakehouse(str(out))
    for name, paths in {
        _SALES: {f"bucket={bucket}/part-0.parquet": bucket_file(folder, bucket) for bucket in range(buckets)},
        _CALENDAR: {"part-0.parquet": folder / "calendar.parquet"},
    }.items():
        lake.ensure(name)
        files = []
        for path, source in paths.items():
            target = Path(lake.uri(name), path)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, target)
            values = tuple(part.split("=") for part in path.split("/")[:-1])
            rows = pq.ParquetFile(target).metadata.num_rows
            statistics = json.dumps({"numRecords": rows})
            size = target.stat().st_size
            files.append(WrittenFile(name, path, size, rows, values, 0, statistics))  # type: ignore[arg-type]
        lake.commit_files(name, files, {})
    return lake


def _read(path: Path, dictionaries: Sequence[str] = ("location_id",)) -> pa.Table:
    """Read one file; `pq.read_table` would first import pandas, a second in every worker."""
    return pq.ParquetFile(path, read_dictionary=list(dictionaries)).read(use_threads=False)


def spark_rows(folder: Path, buckets: int, out: Path) -> Spent:
    """The same kernel, but Spark reads, shuffles and hands the rows over, and writes what comes back."""
    spark = spark_session(**{"spark.sql.execution.arrow.maxRecordsPerBatch": "100000"})
    calendar = pq.read_table(folder / "calendar.parquet")
    names = [name for name in FeatureSpec().schema().names if name != "ds"]
    types = {pa.string(): "string", pa.float64(): "double", pa.int32(): "int", pa.int8(): "byte", pa.bool_(): "boolean"}
    schema = ", ".join(["ds date", *(f"{n} {types[FeatureSpec().schema().field(n).type]}" for n in names)])

    def run_bucket(history: pa.Table) -> pa.Table:
        history = history.select(["unique_id", "location_id", "ds", "y", "unit_price", "is_promo"])
        return sku_daily_features(history.sort_by([("unique_id", "ascending"), ("ds", "ascending")]), calendar)

    clock = Clock()
    rows = spark.read.option("basePath", str(folder)).parquet(*_files(folder, buckets))
    rows.groupBy("bucket").applyInArrow(run_bucket, schema).write.parquet(str(out), mode="overwrite")
    return clock.stop()


def polars(folder: Path, buckets: int, out: Path) -> Spent:
    """One lazy query over all files on the streaming engine."""
    import polars as pl

    clock = Clock()
    query = _polars_query(pl.scan_parquet(_files(folder, buckets), hive_partitioning=False), folder)
    query.sink_parquet(out / "all.parquet", compression="snappy", engine="streaming")
    return clock.stop()


def polars_buckets(folder: Path, buckets: int, out: Path) -> Spent:
    """The same query bucket by bucket, which takes the grouping of the files for granted, as ours does."""
    import polars as pl

    clock = Clock()
    for at, file in enumerate(_files(folder, buckets)):
        query = _polars_query(pl.scan_parquet(file, hive_partitioning=False), folder)
        query.sink_parquet(out / f"bucket-{at:05d}.parquet", compression="snappy", engine="streaming")
    return clock.stop()


def _polars_query(rows, folder: Path):
    import polars as pl

    y, ds, price = pl.col("y"), pl.col("ds"), pl.col("unit_price")
    is_zero = pl.when(y.is_not_null()).then((y == 0).cast(pl.Float64))
    past = y.shift(1)
    weeks = [y.shift(7 * k) for k in range(1, 9)]
    per_series = {
        **{f"lag_{k}": y.shift(k) for k in LAGS},
        **{f"rolling_mean_{w}": past.rolling_mean(w, min_samples=1) for w in WINDOWS},
        **{f"rolling_std_{w}": past.rolling_std(w, min_samples=2) for w in WINDOWS},
        **{f"zero_share_{w}": is_zero.shift(1).rolling_mean(w, min_samples=1) for w in WINDOWS},
        **{f"weekday_mean_{n}": pl.mean_horizontal(weeks[:n]) for n in WEEKS},
        "days_since_sale": (ds - pl.when(y > 0).then(ds).forward_fill().shift(1)).dt.total_days().cast(pl.Int32),
        "history_days": pl.int_range(pl.len(), dtype=pl.Int32),
        "price_ratio_28": price / price.shift(1).rolling_mean(28, min_samples=1),
    }
    columns = FeatureSpec().schema().names
    return (
        rows.with_columns(**{name: expr.over("unique_id") for name, expr in per_series.items()})
        .with_columns(
            day_of_week=ds.dt.weekday(),
            week_of_year=ds.dt.week(),
            month=ds.dt.month(),
            is_month_end=ds == ds.dt.month_end(),
        )
        .join(pl.scan_parquet(folder / "calendar.parquet"), on=["location_id", "ds"], how="left")
        .with_columns(pl.col("is_holiday", "is_event").fill_null(False))
        .select(columns)
    )


def duckdb(folder: Path, buckets: int, out: Path) -> Spent:
    """One COPY; every column is written, so none is pruned."""
    import duckdb as engine

    from tests.udfs.demand.feature_oracle import feature_sql

    connection = engine.connect(config={"threads": CORES, "preserve_insertion_order": False})
    files = ", ".join(f"'{file}'" for file in _files(folder, buckets))
    query = feature_sql(f"read_parquet([{files}], hive_partitioning = false)", f"'{folder}/calendar.parquet'")
    clock = Clock()
    connection.execute(f"COPY ({query}) TO '{out}/all.parquet' (FORMAT parquet, COMPRESSION snappy)")
    return clock.stop()


def spark_windows(folder: Path, buckets: int, out: Path) -> Spent:
    """Plain Spark window functions: sliding frames, as most feature jobs are written."""
    past = {w: f"(PARTITION BY unique_id ORDER BY ds ROWS BETWEEN {w} PRECEDING AND 1 PRECEDING)" for w in WINDOWS}
    every = "(PARTITION BY unique_id ORDER BY ds ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    columns = {
        **{f"rolling_mean_{w}": f"avg(y) OVER {past[w]}" for w in WINDOWS},
        **{f"rolling_std_{w}": f"stddev_samp(y) OVER {past[w]}" for w in WINDOWS},
        **{f"zero_share_{w}": f"avg(is_zero) OVER {past[w]}" for w in WINDOWS},
        "days_since_sale": f"datediff(ds, max(CASE WHEN y > 0 THEN ds END) OVER {every})",
        "price_ratio_28": f"unit_price / avg(unit_price) OVER {past[28]}",
    }
    query = f"SELECT *, {_named(columns)}, {_named(_spark_lags())} FROM rows"
    return _spark_sql([query], folder, buckets, out)


def spark_prefix_sums(folder: Path, buckets: int, out: Path) -> Spent:
    """Tuned Spark: one sort, running sums and their lags instead of sliding frames."""
    every = "(PARTITION BY unique_id ORDER BY ds ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    running = {
        "sum_y": f"coalesce(sum(y) OVER {every}, 0D)",
        "sum_yy": f"coalesce(sum(y * y) OVER {every}, 0D)",
        "n_y": f"count(y) OVER {every}",
        "n_zero": f"coalesce(sum(is_zero) OVER {every}, 0D)",
        "sum_price": f"coalesce(sum(unit_price) OVER {every}, 0D)",
        "n_price": f"count(unit_price) OVER {every}",
        "last_sale": f"max(CASE WHEN y > 0 THEN ds END) OVER {every}",
    }
    ahead = "(PARTITION BY unique_id ORDER BY ds)"
    past = {
        **{f"{s}_{w}": f"{s} - lag({s}, {w}, 0) OVER {ahead}" for s in list(running)[:4] for w in WINDOWS},
        **{f"{s}_28": f"{s} - lag({s}, 28, 0) OVER {ahead}" for s in ("sum_price", "n_price")},
        **_spark_lags(),
    }
    # n * sum of squares - square of sum: exact for whole units, so a constant window has exactly zero
    columns = {
        **{f"rolling_mean_{w}": f"sum_y_{w} / nullif(n_y_{w}, 0)" for w in WINDOWS},
        **{
            f"rolling_std_{w}": f"CASE WHEN n_y_{w} > 1 THEN"
            f" sqrt(greatest(n_y_{w} * sum_yy_{w} - sum_y_{w} * sum_y_{w}, 0D) / (n_y_{w} * (n_y_{w} - 1D))) END"
            for w in WINDOWS
        },
        **{f"zero_share_{w}": f"n_zero_{w} / nullif(n_y_{w}, 0)" for w in WINDOWS},
        "days_since_sale": "datediff(ds, last_sale)",
        "price_ratio_28": "unit_price / (sum_price_28 / nullif(n_price_28, 0))",
    }
    steps = [
        f"SELECT *, {_named(running)} FROM rows",
        f"SELECT *, {_named(past)} FROM rows",
        f"SELECT *, {_named(columns)} FROM rows",
    ]
    return _spark_sql(steps, folder, buckets, out)


def _spark_lags() -> dict[str, str]:
    ahead = "(PARTITION BY unique_id ORDER BY ds)"
    lags = {f"lag_{k}": f"lag(y, {k}) OVER {ahead}" for k in LAGS}
    weeks = {f"week_{k}": f"lag(y, {7 * k}) OVER {ahead}" for k in range(1, 9)}
    return {**lags, **weeks, "history_days": f"row_number() OVER {ahead} - 1"}


def _spark_sql(steps: list[str], folder: Path, buckets: int, out: Path) -> Spent:
    spark = spark_session()
    clock = Clock()
    rows = spark.read.parquet(*_files(folder, buckets))
    rows = rows.selectExpr("*", "CASE WHEN y = 0 THEN 1D WHEN y IS NOT NULL THEN 0D END AS is_zero")
    for step in steps:
        rows = spark.sql(step.replace("FROM rows", "FROM {rows}"), rows=rows)
    last = {
        **{f"weekday_mean_{n}": _mean_of([f"week_{k}" for k in range(1, n + 1)]) for n in WEEKS},
        "day_of_week": "cast(weekday(ds) + 1 AS byte)",
        "week_of_year": "cast(weekofyear(ds) AS byte)",
        "month": "cast(month(ds) AS byte)",
        "is_month_end": "ds = last_day(ds)",
        "is_holiday": "coalesce(is_holiday, false)",
        "is_event": "coalesce(is_event, false)",
    }
    calendar = spark.read.parquet(str(folder / "calendar.parquet"))
    columns = [f"{last[name]} AS {name}" if name in last else name for name in FeatureSpec().schema().names]
    joined = rows.join(calendar.hint("broadcast"), ["location_id", "ds"], "left")
    joined.selectExpr(*columns).write.parquet(str(out), mode="overwrite")
    return clock.stop()


def _named(columns: dict[str, str]) -> str:
    return ", ".join(f"{expression} AS {name}" for name, expression in columns.items())


def _mean_of(names: list[str]) -> str:
    total = " + ".join(f"coalesce({name}, 0D)" for name in names)
    count = " + ".join(f"int({name} IS NOT NULL)" for name in names)
    return f"({total}) / nullif({count}, 0)"


def _files(folder: Path, buckets: int) -> list[str]:
    return [str(bucket_file(folder, bucket)) for bucket in range(buckets)]


COMPETITORS: dict[str, Callable[[Path, int, Path], Spent]] = {
    "ours": ours,
    "polars": polars,
    "polars_buckets": polars_buckets,
    "duckdb": duckdb,
    "spark_rows": spark_rows,
    "spark_prefix_sums": spark_prefix_sums,
    "spark_windows": spark_windows,
}


if __name__ == "__main__":
    name, source, count, target = sys.argv[1:]
    Path(target).mkdir(parents=True, exist_ok=True)
    spent = COMPETITORS[name](Path(source), int(count), Path(target))
    print(f"seconds {spent.seconds:.6f} {spent.cpu_seconds:.6f}", flush=True)

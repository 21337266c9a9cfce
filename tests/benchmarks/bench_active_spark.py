"""Every stage in a Spark session that somebody else started, of whatever version this Python has: the same content?

    python -m tests.benchmarks.bench_active_spark FOLDER JARS [--runner local|spark|ray]

JARS holds the Delta jars of that Spark. Content hashes of the tables after a whole run are kept in FOLDER,
by Spark version and runner, and compared with those that are there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession

from jobs.deploy.bundle import on_spark
from jobs.pipeline import all_stages, run_stages
from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import LOCAL, day, hashes, make_context
from tests.tiny_retailer import UNCOMPILED, write_feeds

RUNNERS = {
    "local": LOCAL,
    "spark": [on_spark(all_stages())],
    "ray": [f"{each.partition('=')[0]}=ray" for each in LOCAL if "order" not in each] + ["ray.on_spark=true"],
}


def foreign_session(jars: Path) -> SparkSession:
    """As a platform starts it: its own jars, its own time zone, this Python for its workers."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]").appName("somebody-else")
    settings = {
        "spark.jars": ",".join(sorted(str(path) for path in jars.glob("*.jar"))),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "America/New_York",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.memory": "3g",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        **UNCOMPILED,
    }
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("jars", type=Path)
    parser.add_argument("--runner", choices=RUNNERS, default="local")
    options = parser.parse_args()
    session = foreign_session(options.jars)
    session.sparkContext.setLogLevel("ERROR")
    name = f"{session.version}-{options.runner}"
    lake = Lakehouse(str(options.folder / f"lake-{name}-{time.time():.0f}"))
    feeds = write_feeds(options.folder / "feeds")
    context = make_context(None, lake, feeds, day(119), *RUNNERS[options.runner])
    started = time.perf_counter()
    reports = run_stages(context)
    print(f"Spark {name}: {len(reports)} stages, {time.perf_counter() - started:.0f} s")
    assert context.spark.sparkContext is session.sparkContext
    context.close()
    assert session.sql("SELECT current_timezone()").first()[0] == "America/New_York", "the session is not as it was"
    found = hashes(lake)
    for file in sorted(options.folder.glob("hashes-*.json")):
        known = json.loads(file.read_text(encoding="utf-8"))
        differing = sorted(table for table in found if known.get(table) != found[table])
        print(f"against {file.stem}: {len(found)} tables, differing: {differing or 'none'}")
    (options.folder / f"hashes-{name}.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()

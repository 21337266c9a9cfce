"""A Spark session that is there already, a platform's or a notebook's: looked at, and used as it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lakehouse.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LEAST_SPARK = 4
_DATABRICKS = "DATABRICKS_RUNTIME_VERSION"
_PLATFORM = {_DATABRICKS, "PYSPARK_GATEWAY_PORT"}
"""Variables by which a process knows that its JVM is another's: Databricks', or one that `spark-submit` has started."""
_EXTENSIONS = "spark.sql.extensions"


def active_session() -> SparkSession | None:
    """The session of this process, or of the JVM that a platform has started for it; None where there is neither."""
    if not _PLATFORM.isdisjoint(os.environ):
        from pyspark.sql import SparkSession

        return SparkSession.builder.getOrCreate()
    module = sys.modules.get("pyspark.sql")
    if module is None:
        return None
    from pyspark.errors import PySparkRuntimeError

    try:
        session: SparkSession = module.SparkSession.active()
    except PySparkRuntimeError:
        return None
    return session


def fitted(session: SparkSession, rests_on: Mapping[str, str]) -> SparkSession:
    """The session, or one beside it in the same application where results rest on settings that it has otherwise.

    Its master, jars and versions stay, and so do its own settings. Raises EngineError where it has no SparkContext, no
    Delta, or a Spark that is too old.
    """
    try:
        _ = session.sparkContext
    except Exception:
        raise EngineError(
            "expected a Spark session with a SparkContext, found one of Spark Connect (shared or serverless compute); "
            "run on a cluster with dedicated access"
        ) from None
    if int(session.version.split(".")[0]) < LEAST_SPARK:
        raise EngineError(f"expected Spark {LEAST_SPARK} or newer, found the active session's {session.version}")
    extensions = session.conf.get(_EXTENSIONS, "") or ""
    if "DeltaSparkSessionExtension" not in extensions and _DATABRICKS not in os.environ:
        raise EngineError(
            f"expected the active Spark session to have Delta, found {_EXTENSIONS} = {extensions!r}; start it with "
            "io.delta.sql.DeltaSparkSessionExtension, or stop it, and one is started here"
        )
    if all(session.conf.get(key, None) == value for key, value in rests_on.items()):
        return session
    beside = session.newSession()
    for key, value in rests_on.items():
        beside.conf.set(key, value)
    return beside

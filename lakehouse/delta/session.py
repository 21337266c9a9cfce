"""The Spark session: versions checked before a JVM starts, one configuration, jars without a manual step."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from pydantic import BaseModel, ConfigDict, Field

from lakehouse.delta.quiet_start import held_start
from lakehouse.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SPARK_VERSION = "4.2.0"
DELTA_VERSION = "4.4.0"
SCALA_VERSION = "2.13"
DELTA_PACKAGE = f"io.delta:delta-spark_4.2_{SCALA_VERSION}:{DELTA_VERSION}"
MINIMUM_JAVA = 17
_LOGGING = Path(__file__).with_name("log4j2.properties")
# What Delta needs beside Spark's own jars; the resolver also brings copies of what Spark ships.
_NEEDED_JARS = re.compile(r"^(io\.delta_|io\.unitycatalog_|org\.locationtech|delta-|unitycatalog-|jts-)")


class SparkSettings(BaseModel):
    """How the session is built. `master` and `conf` select the engine; nothing here changes a result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    master: str = "local[*]"
    app_name: str = "shelfcast"
    driver_memory: str = "4g"
    shuffle_partitions: int = Field(default=8, ge=1)
    jars_dir: str | None = None
    conf: dict[str, str] = Field(default_factory=dict)


def build_session(settings: SparkSettings) -> SparkSession:
    """A Spark session with Delta. Raises EngineError with what to install when an engine is missing or does not fit."""
    check_engines()
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    folder = jars_folder(settings)
    jars = sorted(str(path) for path in folder.glob("*.jar")) if folder.is_dir() else []
    builder = SparkSession.builder.master(settings.master).appName(settings.app_name)
    for key, value in (_configuration(settings) | settings.conf).items():
        builder = builder.config(key, value)
    builder = (
        builder.config("spark.jars", ",".join(jars)) if jars else builder.config("spark.jars.packages", DELTA_PACKAGE)
    )
    try:
        with held_start():
            session = builder.getOrCreate()
            session.sparkContext.setLogLevel("ERROR")
    except Exception as error:
        raise EngineError(
            f"Spark did not start ({error}). If Maven Central is out of reach, put the jars of {DELTA_PACKAGE} and its "
            f"dependencies into {folder} (or set spark.jars_dir), for instance with `make jars`."
        ) from error
    if not jars:
        _keep_jars(session, folder)
    return session


def jars_folder(settings: SparkSettings) -> Path:
    """The folder of Delta's jars: `jars_dir`, or one per pair of versions in the user's cache.

    Raises EngineError when `jars_dir` is set but holds no Delta jar.
    """
    if settings.jars_dir:
        folder = Path(settings.jars_dir).expanduser().resolve()
        if not any("delta-spark" in path.name for path in folder.glob("*.jar")):
            raise EngineError(
                f"spark.jars_dir {folder} holds no delta-spark jar; put {DELTA_PACKAGE} there or unset it"
            )
        return folder
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    return cache / "shelfcast" / "jars" / f"delta-{DELTA_VERSION}_spark-{SPARK_VERSION}"


def _keep_jars(session: SparkSession, folder: Path) -> None:
    """Keep the jars that Spark resolved, so that the next start needs no resolver and no network."""
    listed = session.sparkContext.getConf().get("spark.jars", "") or ""
    found = [Path(unquote(urlparse(url).path)) for url in listed.split(",") if url]
    needed = [path for path in found if _NEEDED_JARS.match(path.name) and path.is_file()]
    if not any("delta-spark" in path.name for path in needed):
        return
    staging = folder.with_name(f"{folder.name}.{os.getpid()}")
    staging.mkdir(parents=True, exist_ok=True)
    for path in needed:
        shutil.copy2(path, staging / path.name)
    try:
        staging.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(staging, ignore_errors=True)


def _configuration(settings: SparkSettings) -> dict[str, str]:
    return {
        "spark.driver.memory": settings.driver_memory,
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.extraJavaOptions": f"-Duser.timezone=UTC -Dlog4j2.configurationFile={_LOGGING.as_uri()}",
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # The fallback is the silent path: a conversion that fails shall fail.
        "spark.sql.execution.arrow.pyspark.fallback.enabled": "false",
        "spark.sql.parquet.compression.codec": "snappy",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.databricks.delta.schema.autoMerge.enabled": "false",
        # Unordered float sums are kept out of results; adaptive joins only change plans, never values.
        "spark.sql.adaptive.enabled": "true",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.debug.maxToStringFields": "200",
    }


def check_engines() -> None:
    """Raise EngineError in one line when the versions do not fit: a wrong pair dies inside the JVM otherwise."""
    wanted = {"pyspark": SPARK_VERSION, "delta-spark": DELTA_VERSION}
    for package, expected in wanted.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            raise EngineError(f"{package} is not installed; run `pip install {package}=={expected}`") from None
        if found != expected:
            raise EngineError(
                f"{package} {expected} is expected, {found} found; run `pip install {package}=={expected}`"
            )
    pandas_version = version("pandas")
    if int(pandas_version.split(".")[0]) >= 3:
        raise EngineError(
            f"pandas < 3 is expected, {pandas_version} found (it turns NULL into 'nan'); pip install 'pandas<3'"
        )
    java = java_version()
    if java is None or java < MINIMUM_JAVA:
        found = f"Java {java}" if java else "no Java"
        raise EngineError(
            f"Java {MINIMUM_JAVA} or newer is expected, {found} found; install a JRE (Debian and Ubuntu: "
            "`apt-get install openjdk-17-jre-headless`, macOS: `brew install openjdk@17`) or set JAVA_HOME"
        )


def java_version() -> int | None:
    """Major version of the Java that Spark would use, None when there is none."""
    home = os.environ.get("JAVA_HOME")
    command = str(Path(home) / "bin" / "java") if home else "java"
    try:
        output = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return None
    match = re.search(r'version "(\d+)', output.stderr + output.stdout)
    return int(match.group(1)) if match else None

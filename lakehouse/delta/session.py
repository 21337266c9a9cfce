"""The Spark session: one that is there, or one of our own, for which versions are checked before a JVM starts."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from pydantic import BaseModel, ConfigDict, Field

from lakehouse.delta import uri
from lakehouse.delta.active_session import active_session, fitted
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
HADOOP_VERSION = "3.5.0"  # of the Hadoop client inside Spark: another one's store classes do not fit it
AWS_SDK_VERSION = "2.35.4"  # what hadoop-aws of that version was built with
# hadoop-aws asks for the whole AWS SDK, 690 MB; these parts of it, 30 MB, are what S3 needs.
_STORE_PACKAGES = {
    "s3": (
        f"org.apache.hadoop:hadoop-aws:{HADOOP_VERSION}",
        *(f"software.amazon.awssdk:{part}:{AWS_SDK_VERSION}" for part in ("s3", "s3-transfer-manager", "sts")),
    ),
    "abfss": (f"org.apache.hadoop:hadoop-azure:{HADOOP_VERSION}",),
    "gs": (f"org.apache.hadoop:hadoop-gcp:{HADOOP_VERSION}",),
}
_CLASS_PATH = "spark.driver.extraClassPath"
_DELTA_JARS = re.compile(r"^(io\.delta_|io\.unitycatalog_|org\.locationtech|delta-|unitycatalog-|jts-)")
_LEFT_OUT = (
    "software.amazon.awssdk:bundle",
    "org.wildfly.openssl:wildfly-openssl",
)


class SparkSettings(BaseModel):
    """How the session is built. `master` and `conf` select the engine; nothing here changes a result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    master: str = "local[*]"
    app_name: str = "shelfcast"
    driver_memory: str = "4g"
    shuffle_partitions: int = Field(default=8, ge=1)
    jars_dir: str | None = None
    conf: dict[str, str] = Field(default_factory=dict)


def build_session(settings: SparkSettings, lakehouse: str = "", *, for_clients: bool = False) -> SparkSession:
    """A Spark session with Delta that reaches the store of `lakehouse`, an address as `uri.normal` gives it.

    One that is active already is used as it is: master, jars, versions and the way to the store are its platform's, and
    nothing in `settings` counts. `for_clients`: sessions that clients open beside it know Delta too, which they do by
    the driver's class path alone. Raises EngineError with what to install when an engine is missing or does not fit.
    """
    if (active := active_session()) is not None:
        _check_pandas()
        return fitted(active, _RESTS_ON)
    check_engines()
    from pyspark.sql import SparkSession

    # It prints, as JSON, each error that is raised anyway.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    packages = _packages(settings, lakehouse)
    builder = SparkSession.builder.master(settings.master).appName(settings.app_name)
    for key, value in (_configuration(settings) | _store_options(lakehouse) | settings.conf).items():
        builder = builder.config(key, value)
    wanted = ",".join(name for names in packages.values() for name in names)
    kept = all(any(folder.glob("*.jar")) for folder in packages)
    if kept:
        jars = sorted(str(path) for folder in packages for path in folder.glob("*.jar"))
        builder = builder.config("spark.jars", ",".join(jars))
        if for_clients:
            given = settings.conf.get(_CLASS_PATH)
            builder = builder.config(_CLASS_PATH, os.pathsep.join([*jars, *([given] if given else [])]))
    elif for_clients:
        raise EngineError(
            f"expected the jars of {wanted} in {', '.join(map(str, packages))}; any `shelfcast run` puts them there, "
            "or `make jars`"
        )
    else:
        builder = builder.config("spark.jars.packages", wanted).config("spark.jars.excludes", ",".join(_LEFT_OUT))
    try:
        with held_start():
            session = builder.getOrCreate()
            session.sparkContext.setLogLevel("ERROR")
    except Exception as error:
        raise EngineError(
            f"Spark did not start ({error}). If Maven Central is out of reach, put the jars of {wanted} and "
            f"their dependencies into {', '.join(map(str, packages))} (or set spark.jars_dir to a folder with all "
            "of them), for instance with `make jars`."
        ) from error
    if not kept:
        _keep_jars(session, packages)
    return session


def _packages(settings: SparkSettings, lakehouse: str) -> dict[Path, Sequence[str]]:
    """What Spark needs beside its own jars: by folder of kept jars the packages to fill it with."""
    packages: dict[Path, Sequence[str]] = {jars_folder(settings): (DELTA_PACKAGE,)}
    scheme = lakehouse.partition("://")[0]
    if scheme in _STORE_PACKAGES and not settings.jars_dir:
        packages[_jars_cache() / f"hadoop-{scheme}-{HADOOP_VERSION}"] = _STORE_PACKAGES[scheme]
    return packages


def _store_options(lakehouse: str) -> dict[str, str]:
    """Spark's settings for a store; executors elsewhere get the storage options that the settings named."""
    return uri.hadoop_options(lakehouse) | {f"spark.executorEnv.{k}": v for k, v in uri.given_options().items()}


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
    return _jars_cache() / f"delta-{DELTA_VERSION}_spark-{SPARK_VERSION}"


def _jars_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "shelfcast" / "jars"


def _keep_jars(session: SparkSession, packages: Mapping[Path, Sequence[str]]) -> None:
    """Keep the jars that Spark resolved, so that the next start needs no resolver and no network.

    The resolver also brings copies of what Spark ships; those stay behind.
    """
    import pyspark

    shipped = {_artifact(path.name) for path in Path(pyspark.__file__).parent.glob("jars/*.jar")}
    listed = session.sparkContext.getConf().get("spark.jars", "") or ""
    found = [Path(unquote(urlparse(url).path)) for url in listed.split(",") if url]
    # The resolver names a jar `group_artifact-version.jar`.
    needed = [path for path in found if _artifact(path.name.partition("_")[2]) not in shipped and path.is_file()]
    of_delta = [path for path in needed if _DELTA_JARS.match(path.name)]
    for folder, names in packages.items():
        jars = of_delta if names == (DELTA_PACKAGE,) else [path for path in needed if path not in of_delta]
        if not any(names[0].split(":")[1] in path.name for path in jars):
            continue
        staging = folder.with_name(f"{folder.name}.{os.getpid()}")
        staging.mkdir(parents=True, exist_ok=True)
        for path in jars:
            shutil.copy2(path, staging / path.name)
        try:
            staging.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(staging, ignore_errors=True)


def _artifact(jar: str) -> str:
    return re.sub(r"-\d.*$", "", jar)


_RESTS_ON = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # The fallback is the silent path: a conversion that fails shall fail.
    "spark.sql.execution.arrow.pyspark.fallback.enabled": "false",
    "spark.databricks.delta.schema.autoMerge.enabled": "false",
}
"""What results rest on, in whosever session."""


def _configuration(settings: SparkSettings) -> dict[str, str]:
    return _RESTS_ON | {
        "spark.driver.memory": settings.driver_memory,
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.driver.extraJavaOptions": f"-Duser.timezone=UTC -Dlog4j2.configurationFile={_LOGGING.as_uri()}",
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.sql.parquet.compression.codec": "snappy",
        "spark.databricks.delta.snapshotPartitions": "2",
        # Unordered float sums are kept out of results; adaptive joins only change plans, never values.
        "spark.sql.adaptive.enabled": "true",
        "spark.ui.enabled": "false",
        # Where in Python each part of an expression was made: four calls of the JVM for each.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
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
            raise EngineError(
                f"{package} is not installed; run `pip install 'shelfcast[spark]'`, which brings {package} {expected}"
            ) from None
        if found != expected:
            raise EngineError(
                f"{package} {expected} is expected, {found} found; run `pip install {package}=={expected}`"
            )
    _check_pandas()
    java = java_version()
    if java is None or java < MINIMUM_JAVA:
        found = f"Java {java}" if java else "no Java"
        raise EngineError(
            f"Java {MINIMUM_JAVA} or newer is expected, {found} found; install a JRE (Debian and Ubuntu: "
            "`apt-get install openjdk-17-jre-headless`, macOS: `brew install openjdk@17`) or set JAVA_HOME"
        )


def _check_pandas() -> None:
    pandas_version = version("pandas")
    if int(pandas_version.split(".")[0]) >= 3:
        raise EngineError(
            f"pandas < 3 is expected, {pandas_version} found (it turns NULL into 'nan'); pip install 'pandas<3'"
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

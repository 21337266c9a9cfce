"""What is checked before a JVM starts, and what it says when something does not fit."""

from __future__ import annotations

import importlib.metadata
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakehouse.delta import session
from lakehouse.delta.active_session import fitted
from lakehouse.delta.session import SparkSettings, build_session, check_engines, jars_folder, java_version
from lakehouse.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def fake_java(folder: Path, answer: str) -> Path:
    """A JAVA_HOME whose java says `answer`."""
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{answer}\nEND\n")
    java.chmod(java.stat().st_mode | stat.S_IEXEC)
    return folder


def with_version(monkeypatch: pytest.MonkeyPatch, package: str, found: str | None) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name != package:
            return real(name)
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(session, "version", version)


def test_no_java_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"Java 17 or newer is expected, no Java found; install.*openjdk-17"):
        check_engines()


@pytest.mark.parametrize(
    ("answer", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 1),
        ('openjdk version "11.0.2" 2019-01-15', 11),
        ('openjdk version "21" 2023-09-19', 21),
        ("no such thing", None),
    ],
)
def test_java_is_asked_for_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str, major: int | None
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path, answer)))
    assert java_version() == major
    if major is None or major < 17:
        with pytest.raises(EngineError, match="Java 17 or newer is expected"):
            check_engines()
    else:
        check_engines()


@pytest.mark.parametrize(
    ("package", "found", "message"),
    [
        ("pyspark", "4.1.0", r"pyspark 4\.2\.0 is expected, 4\.1\.0 found; run `pip install pyspark==4\.2\.0`"),
        ("pyspark", None, r"pyspark is not installed"),
        ("delta-spark", "3.3.0", r"delta-spark 4\.4\.0 is expected, 3\.3\.0 found"),
        ("pandas", "3.0.1", r"pandas < 3 is expected, 3\.0\.1 found"),
    ],
)
def test_a_package_of_another_version_is_refused_before_a_jvm_starts(
    monkeypatch: pytest.MonkeyPatch, package: str, found: str | None, message: str
) -> None:
    with_version(monkeypatch, package, found)
    with pytest.raises(EngineError, match=message):
        check_engines()


def test_a_folder_of_jars_must_hold_delta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match="holds no delta-spark jar"):
        jars_folder(SparkSettings(jars_dir=str(tmp_path)))
    (tmp_path / "io.delta_delta-spark_4.2_2.13-4.4.0.jar").touch()
    assert jars_folder(SparkSettings(jars_dir=str(tmp_path))) == tmp_path
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jars_folder(SparkSettings()) == tmp_path / "shelfcast" / "jars" / "delta-4.4.0_spark-4.2.0"


def test_the_session_keeps_off_the_silent_paths(spark: SparkSession) -> None:
    expected = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.execution.arrow.pyspark.fallback.enabled": "false",
        "spark.databricks.delta.schema.autoMerge.enabled": "false",
    }
    assert {key: spark.conf.get(key) for key in expected} == expected
    assert spark.version == "4.2.0"


# -- a session that is there already --------------------------------------------------------------------------------
def test_an_active_session_is_used_as_it_is(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("pyspark", "delta-spark"):
        with_version(monkeypatch, package, None)  # a runtime's own Spark is no package
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    assert build_session(SparkSettings(master="spark://nowhere:7077", jars_dir="/nowhere")) is spark


def test_beside_a_session_with_other_settings_another_one_is_used(spark: SparkSession) -> None:
    theirs = {"spark.sql.session.timeZone": "Asia/Tokyo", "spark.sql.ansi.enabled": "false"}
    notebook = spark.newSession()
    for key, value in theirs.items():
        notebook.conf.set(key, value)
    ours = fitted(notebook, session._RESTS_ON)
    assert ours.sparkContext is spark.sparkContext
    assert {key: ours.conf.get(key) for key in session._RESTS_ON} == session._RESTS_ON
    assert {key: notebook.conf.get(key) for key in theirs} == theirs
    assert ours.sql("SELECT current_timezone()").first()[0] == "UTC"


class Foreign:
    """A session as it is elsewhere, by what is asked of it."""

    def __init__(self, version: str = "4.0.0", extensions: str = "", *, has_context: bool = True) -> None:
        self.version, self.conf = version, {"spark.sql.extensions": extensions}
        if has_context:
            self.sparkContext = object()

    def newSession(self) -> Foreign:  # noqa: N802
        raise AssertionError


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (Foreign(has_context=False), "found one of Spark Connect .* dedicated access"),
        (Foreign("3.5.2"), r"expected Spark 4 or newer, found the active session's 3\.5\.2"),
        (Foreign(extensions="org.apache.iceberg.Extension"), "to have Delta, found .*iceberg"),
    ],
)
def test_a_session_that_cannot_do_it_says_why(monkeypatch: pytest.MonkeyPatch, found: Foreign, message: str) -> None:
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)
    with pytest.raises(EngineError, match=message):
        fitted(found, {})  # type: ignore[arg-type]


def test_a_databricks_runtime_has_delta_without_saying_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    found = Foreign()
    assert fitted(found, {}) is found  # type: ignore[arg-type, comparison-overlap]

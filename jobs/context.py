"""What every stage of a run is given."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.engine.hashing import digest
from jobs.engine.progress import Progress
from jobs.engine.setting import Settings
from lakehouse.delta.active_session import active_session
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.ledger import Ledger, RunIdentity
from lakehouse.delta.session import build_session
from lakehouse.delta.stamp import present_stamp
from lakehouse.errors import ConfigError
from lakehouse.feeds.sources import SourceMapping

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_ONE_START = threading.Lock()


@dataclass
class RunContext:
    """One run: settings, source, lakehouse, ledger; Spark starts when a stage first asks for it."""

    settings: Settings
    mapping: SourceMapping
    lakehouse: Lakehouse
    as_of: date
    input_dir: Path | None = None
    progress: Progress = field(default_factory=Progress)
    force: bool = False
    _spark: SparkSession | None = None
    _is_spark_ours: bool = False

    def __post_init__(self) -> None:
        self.settings.lakehouse.use_store()
        config_hash = self.settings.config_hash(self.mapping)
        self.run = RunIdentity(run_id_of(self.as_of, config_hash), self.mapping.name, self.as_of, config_hash)
        self.ledger = Ledger(self.lakehouse, self.run)
        self.progress.run_id = self.run.run_id

    @property
    def horizon_end(self) -> date:
        """The last day that the run forecasts."""
        return self.as_of + timedelta(days=self.settings.horizon)

    def attempt(self) -> str:
        """A name for what the present stage trains: the same when it is tried again, a new one when it is forced."""
        stamp = present_stamp()
        fingerprint = stamp.fingerprint if stamp else ""
        return digest(fingerprint, str(datetime.now(UTC))) if self.force else fingerprint

    def check_one_source(self) -> None:
        """A lakehouse holds one source: rows of two retailers must not meet in one series."""
        found = set(self.lakehouse.read_arrow("ops.ingest_file", columns=["source"])["source"].to_pylist())
        others = sorted(found - {self.mapping.name})
        if others:
            raise ConfigError(
                f"the lakehouse {self.lakehouse.base} holds the source {others[0]!r}, this run is for "
                f"{self.mapping.name!r}; give each source a --lakehouse of its own"
            )

    @property
    def spark(self) -> SparkSession:
        with _ONE_START:  # feeds are read side by side: two JVMs that start at once take each other's files
            if self._spark is None:
                self._is_spark_ours = active_session() is None
                self._spark = build_session(self.settings.spark, self.lakehouse.base)
        return self._spark

    def close(self) -> None:
        """Stop the Spark session if this run started it: a cluster shall see the application end, not vanish."""
        if self._spark is not None and self._is_spark_ours:
            from py4j.protocol import Py4JError

            # A signal to the whole group has ended the JVM before: what stopped the run is to be told, not that.
            with contextlib.suppress(Py4JError):
                self._spark.stop()
            self._spark = None


def run_id_of(as_of: date, config_hash: str) -> str:
    """The run's name: the same day, settings and mapping are the same run."""
    return f"{as_of:%Y%m%d}-{config_hash[:10]}"

"""What every stage of a run is given."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.engine.progress import Progress
from jobs.settings import Settings, run_id_of
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.ledger import Ledger, RunIdentity
from lakehouse.delta.session import build_session
from lakehouse.feeds.sources import SourceMapping

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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
        config_hash = self.settings.config_hash(self.mapping)
        self.run = RunIdentity(run_id_of(self.as_of, config_hash), self.mapping.name, self.as_of, config_hash)
        self.ledger = Ledger(self.lakehouse, self.run)

    @property
    def spark(self) -> SparkSession:
        if self._spark is None:
            self._is_spark_ours = not _spark_is_up()
            self._spark = build_session(self.settings.spark)
        return self._spark

    def close(self) -> None:
        """Stop the Spark session if this run started it: a cluster shall see the application end, not vanish."""
        if self._spark is not None and self._is_spark_ours:
            self._spark.stop()
            self._spark = None


def _spark_is_up() -> bool:
    """Whether this process has a session already: a notebook's or a platform's."""
    module = sys.modules.get("pyspark.sql")
    return module is not None and module.SparkSession.getActiveSession() is not None

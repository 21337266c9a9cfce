"""One run of MLflow for each run: settings, times, accuracy and money by class of demand.

A run that is done stage by stage, again, or resumed is one run here as it is in the ledger.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from jobs.run_settings import flat
from jobs.tracking.gold_figures import gold_figures
from jobs.tracking.sink import StageEnd
from jobs.tracking.tracking_settings import TRACKING

# It reports to its makers unless told otherwise, and says at each start which tables its store has.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
logging.getLogger("mlflow.store.db.utils").setLevel(logging.ERROR)
logging.getLogger("alembic").setLevel(logging.WARNING)

from mlflow.entities import Metric, Param, RunTag  # noqa: E402
from mlflow.tracking import MlflowClient  # noqa: E402

if TYPE_CHECKING:
    from jobs.context import RunContext

_MOST_PARAMS = 100  # that MLflow takes in one call
_LONGEST = 6000
_SQLITE = "sqlite:///"


class MlflowRun:
    """Tells one run of MLflow. `of` opens the store, and the run there."""

    name = "MLflow"

    def __init__(self, client: MlflowClient, run_id: str, context: RunContext) -> None:
        self._client, self._id, self._context = client, run_id, context

    @classmethod
    def of(cls, context: RunContext) -> Self:
        """Find the run in the store or begin it. Raises what the store raises."""
        settings = TRACKING.of(context.settings)
        client = MlflowClient(_made(str(settings.mlflow)))
        experiment = _experiment(client, settings.experiment, str(settings.mlflow))
        base, run = context.lakehouse.base, context.run
        wanted = f"tags.`shelfcast.run_id` = '{run.run_id}' AND tags.`shelfcast.lakehouse` = '{_quoted(base)}'"
        known = client.search_runs([experiment], wanted, max_results=1)
        if known:
            client.update_run(known[0].info.run_id, status="RUNNING")
            self, params = cls(client, known[0].info.run_id, context), known[0].data.params
        else:
            tags = {"run_id": run.run_id, "source": run.source, "as_of": str(run.as_of), "lakehouse": base}
            tags |= {"config_hash": run.config_hash, "host": socket.gethostname()}
            tags = {f"shelfcast.{name}": value for name, value in tags.items()}
            self, params = (
                cls(client, client.create_run(experiment, tags=tags, run_name=run.run_id).info.run_id, context),
                {},
            )
        self._say_settings(params)
        return self

    def stage_begun(self, stage: str, inputs: Mapping[str, int]) -> None:
        """A stage is told when it has ended."""

    def stage_ended(self, end: StageEnd) -> None:
        self._measure(
            {
                f"stage.{end.stage}.seconds": end.seconds,
                f"stage.{end.stage}.peak_memory_mb": end.peak_memory_mb,
                f"stage.{end.stage}.rows": end.rows,
                f"stage.{end.stage}.failed_ids": end.failed_ids,
            }
        )
        if end.error_class:
            self._tag({"shelfcast.failed_stage": end.stage, "shelfcast.error_class": end.error_class})

    def run_ended(self, error: BaseException | None, *, is_published: bool) -> None:
        """A call that leaves stages to do leaves the run open, for the call that does them."""
        if error is not None:
            self._tag({"shelfcast.error_class": type(error).__name__})
            is_killed = isinstance(error, KeyboardInterrupt)
            self._client.set_terminated(self._id, "KILLED" if is_killed else "FAILED")
        elif is_published:
            self._measure(gold_figures(self._context.lakehouse, self._context.as_of))
            self._client.set_terminated(self._id, "FINISHED")

    def _say_settings(self, known: Mapping[str, str]) -> None:
        """What can change a result, and who computes it; a run's parameters are never altered, its limits may be."""
        settings = self._context.settings
        told = {**settings.result_settings(), "runner": settings.runner.model_dump(mode="json")}
        values = {_key(key): text[:_LONGEST] for key, text in flat(told)}
        new = [Param(key, value) for key, value in values.items() if key not in known]
        for first in range(0, len(new), _MOST_PARAMS):
            self._client.log_batch(self._id, params=new[first : first + _MOST_PARAMS])
        self._tag({f"now.{key}": value for key, value in values.items() if known.get(key, value) != value})

    def _measure(self, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        finite = {key: float(value) for key, value in values.items() if math.isfinite(value)}
        self._client.log_batch(self._id, metrics=[Metric(key, value, now, 0) for key, value in finite.items()])

    def _tag(self, values: Mapping[str, str]) -> None:
        if values:
            self._client.log_batch(self._id, tags=[RunTag(key, value) for key, value in values.items()])


def _made(store: str) -> str:
    """The store's address. A database that is a file is made, empty: MLflow would try for minutes where that fails."""
    if store.startswith(_SQLITE):
        path = Path(store.removeprefix(_SQLITE)).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    return store


def _experiment(client: MlflowClient, name: str, store: str) -> str:
    known = client.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    # MLflow's own default is a folder wherever the command was called.
    beside = Path(store.removeprefix(_SQLITE)).absolute().parent / "mlflow_artifacts"
    return str(client.create_experiment(name, beside.as_uri() if store.startswith(_SQLITE) else None))


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _key(key: str) -> str:
    """A dotted key in the characters, and as long, as MLflow takes it."""
    return "".join(c if c.isalnum() or c in "_-. /:" else "_" for c in key)[:250]

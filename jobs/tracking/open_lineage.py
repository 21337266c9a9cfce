"""OpenLineage events of a run's stages: which version of which table became which version of which other.

An event is a line of a file. Tables are datasets by the address that Spark, DuckDB and deltalake know too, so that
other tools' events meet these; what a source's files were is told by their content's hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlparse
from uuid import NAMESPACE_URL, uuid5

import pyarrow.compute as pc
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    error_message_run,
    job_type_job,
    nominal_time_run,
    parent_run,
)
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.uuid import generate_new_uuid

from jobs.tracking.sink import StageEnd
from jobs.tracking.tracking_settings import TRACKING

if TYPE_CHECKING:
    from jobs.context import RunContext

_PRODUCER = "https://github.com/shelfcast/shelfcast"
_ENDS = {"succeeded": RunState.COMPLETE, "failed": RunState.FAIL}
_REGISTER = "ops.ingest_file"
_BRONZE = "bronze."


class OpenLineage:
    """Tells a START and an end of each stage that works; a stage with nothing to do tells nothing."""

    name = "OpenLineage"

    def __init__(self, client: OpenLineageClient, context: RunContext) -> None:
        self._client, self._context = client, context
        self._namespace = TRACKING.of(context.settings).namespace
        self._runs: dict[str, str] = {}

    @classmethod
    def of(cls, context: RunContext) -> Self:
        """Open the file of events. Raises OSError where it cannot be written."""
        path = Path(str(TRACKING.of(context.settings).lineage)).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a", encoding="utf-8").close()
        return cls(OpenLineageClient(transport=FileTransport(FileConfig(str(path), append=True))), context)

    def stage_begun(self, stage: str, inputs: Mapping[str, int]) -> None:
        self._runs[stage] = str(generate_new_uuid())
        self._emit(RunState.START, stage, {}, self._inputs(inputs, {}), [])

    def stage_ended(self, end: StageEnd) -> None:
        facets: dict[str, Any] = {}
        if end.error_class:
            words = f"{end.error_class}; its text is in ops.run of run {self._context.run.run_id}"
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(words, "PYTHON")
        outputs = [OutputDataset(*self._address(table), facets=_version(v)) for table, v in end.outputs.items()]
        self._emit(
            _ENDS.get(end.status, RunState.ABORT), end.stage, facets, self._inputs(end.inputs, end.outputs), outputs
        )

    def run_ended(self, error: BaseException | None, *, is_published: bool) -> None:
        """Stages tell how they ended; a run is what their parent facets name."""

    def _emit(
        self,
        state: RunState,
        stage: str,
        facets: dict[str, Any],
        inputs: list[InputDataset],
        outputs: list[OutputDataset],
    ) -> None:
        context = self._context
        day = datetime(context.as_of.year, context.as_of.month, context.as_of.day, tzinfo=UTC).isoformat()
        parent = str(uuid5(NAMESPACE_URL, f"{context.lakehouse.base}#{context.run.run_id}"))
        facets |= {
            "parent": parent_run.ParentRunFacet(parent_run.Run(parent), parent_run.Job(self._namespace, "run")),
            "nominalTime": nominal_time_run.NominalTimeRunFacet(nominalStartTime=day),
        }
        kind: dict[str, Any] = {"jobType": job_type_job.JobTypeJobFacet("BATCH", "SHELFCAST", jobType="TASK")}
        self._client.emit(
            RunEvent(
                eventType=state,
                eventTime=datetime.now(UTC).isoformat(),
                run=Run(self._runs[stage], facets=facets),
                job=Job(self._namespace, f"run.{stage}", facets=kind),
                inputs=inputs,
                outputs=outputs,
                producer=_PRODUCER,
            )
        )

    def _inputs(self, tables: Mapping[str, int], outputs: Mapping[str, int]) -> list[InputDataset]:
        """The tables read; of a stage that takes files in, the files that are in its tables."""
        found = [InputDataset(*self._address(table), facets=_version(v)) for table, v in tables.items()]
        feeds = [table.removeprefix(_BRONZE) for table in outputs if table.startswith(_BRONZE)]
        return found + self._files(feeds) if feeds else found

    def _files(self, feeds: list[str]) -> list[InputDataset]:
        folder = self._context.input_dir
        columns = ["source_file", "batch_id"]
        rows = self._context.lakehouse.read_arrow(_REGISTER, None, columns, pc.field("feed").isin(feeds)).to_pylist()
        where = str(folder.absolute()) if folder else self._context.mapping.name
        return [InputDataset("file", f"{where}/{r['source_file']}", facets=_version(r["batch_id"])) for r in rows]

    def _address(self, table: str) -> tuple[str, str]:
        """(namespace, name) of a table as OpenLineage names what lies in a folder or an object store."""
        uri = self._context.lakehouse.uri(table)
        parts = urlparse(uri)
        return (f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")) if parts.scheme else ("file", uri)


def _version(version: int | str) -> dict[str, Any]:
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(str(version))}

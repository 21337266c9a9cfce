"""A run told to MLflow and OpenLineage while it goes on, as its settings want it.

What is wrong with a tool at the start is refused at the start. Later it is said, the tool is left alone, and the run
ends as it would have without: nothing that only watches may cost a plan.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.traces import one_line
from jobs.tracking.sink import Sink, StageEnd
from jobs.tracking.tracking_settings import TRACKING, TrackingSettings
from lakehouse.errors import ConfigError

if TYPE_CHECKING:
    from jobs.context import RunContext

_PLAN = "gold.order_plan"


@contextlib.contextmanager
def tracked(context: RunContext, stages: Sequence[str] | None = None) -> Iterator[None]:
    """Within it the run is told to the tools that the settings name; `stages`: those of this call, None is all.

    Raises ConfigError where a tool is not installed or its place cannot be used.
    """
    told = _Told(context, _sinks(context, TRACKING.of(context.settings)))
    if not told.sinks:
        yield
        return
    context.progress.listener = told.event
    try:
        yield
    except BaseException as error:  # an interrupt is told too, then passed on
        told.end(error, is_published=False)
        raise
    else:
        told.end(None, is_published=stages is None or told.writer_of(_PLAN) in stages)
    finally:
        context.progress.listener = None


def _sinks(context: RunContext, settings: TrackingSettings) -> list[Sink]:
    found: list[Sink] = []
    if settings.mlflow:
        found.append(_opened("mlflow", lambda: _mlflow(context)))
    if settings.lineage:
        found.append(_opened("lineage", lambda: _lineage(context)))
    return found


def _mlflow(context: RunContext) -> Sink:
    from jobs.tracking.mlflow_run import MlflowRun

    return MlflowRun.of(context)


def _lineage(context: RunContext) -> Sink:
    from jobs.tracking.open_lineage import OpenLineage

    return OpenLineage.of(context)


def _opened(key: str, start: Callable[[], Sink]) -> Sink:
    try:
        return start()
    except ImportError as error:
        raise ConfigError(
            f"tracking.{key} is set, but what it needs is not installed ({error}); pip install 'shelfcast[tracking]', "
            f"or leave tracking.{key} out"
        ) from None
    except Exception as error:
        raise ConfigError(
            f"tracking.{key} cannot be used: {type(error).__name__}: {one_line(error)}; name another place, or leave "
            f"tracking.{key} out"
        ) from None


class _Told:
    """The tools that still listen, and what they have been told of stages under way."""

    def __init__(self, context: RunContext, sinks: list[Sink]) -> None:
        self.context, self.sinks = context, sinks
        self._inputs: dict[str, dict[str, int]] = {}

    def event(self, kind: str, values: Mapping[str, Any]) -> None:
        """A line of the run's progress."""
        if kind == "stage_begin":
            stage = values["stage"]
            self._inputs[stage] = _existing(values["inputs"])
            self._tell(lambda sink: sink.stage_begun(stage, self._inputs[stage]))
        elif kind == "stage_end":
            inputs = self._inputs.pop(values["stage"], {})
            self._tell(
                lambda sink: sink.stage_ended(StageEnd(**values, inputs=inputs, outputs=self._left(values["stage"])))
            )

    def end(self, error: BaseException | None, *, is_published: bool) -> None:
        self._tell(lambda sink: sink.run_ended(error, is_published=is_published))

    def writer_of(self, table: str) -> str:
        from jobs.pipeline import all_stages

        return next(stage.name for stage in all_stages() if table in stage.writes)

    def _left(self, stage: str) -> dict[str, int]:
        """The versions that a stage has left its tables in."""
        from jobs.pipeline import all_stages

        tables = next((each.writes for each in all_stages() if each.name == stage), ())
        return _existing({table: self.context.lakehouse.version(table) for table in tables})

    def _tell(self, what: Callable[[Sink], None]) -> None:
        for sink in list(self.sinks):
            try:
                what(sink)
            except Exception as error:
                self.sinks.remove(sink)
                self.context.progress.warn(
                    f"tracking: {sink.name} is told no more of this run, which goes on without it: "
                    f"{type(error).__name__}: {one_line(error)}"
                )


def _existing(versions: Mapping[str, int]) -> dict[str, int]:
    return {table: version for table, version in versions.items() if version >= 0}

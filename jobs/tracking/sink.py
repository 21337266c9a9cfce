"""What a tool of tracking is told of a run, whichever tool it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StageEnd:
    """How a stage ended. `inputs`, `outputs`: versions by table; of an error the class alone, as its text may show
    rows."""

    stage: str
    status: str
    seconds: float
    rows: int
    failed_ids: int
    peak_memory_mb: float
    error_class: str | None
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


class Sink(Protocol):
    """Any method may raise: the run goes on without the tool then."""

    name: str

    def stage_begun(self, stage: str, inputs: Mapping[str, int]) -> None: ...

    def stage_ended(self, end: StageEnd) -> None: ...

    def run_ended(self, error: BaseException | None, *, is_published: bool) -> None:
        """`is_published`: this call has brought the run to its order plan."""

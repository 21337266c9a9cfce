"""The stages as a person reads them: what runs where, what it does, what it writes. Made from the stages themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from jobs.engine.setting import Settings
from jobs.engine.stage import FrameStage, Stage
from jobs.stages import first_sentence

_ENGINES = {"spark": "Spark", "ray": "Ray", "local": "driver"}


def stage_table(stages: Iterable[Stage], settings: Settings) -> str:
    """A Markdown table, as it stands in README."""
    rows = ["| stage | runs on | what it does | writes |", "|---|---|---|---|"]
    for stage in stages:
        written = ", ".join(f"`{name}`" for name in _written(stage))
        rows.append(f"| {stage.name} | {_engine(stage, settings)} | {first_sentence(_docstring(stage))} | {written} |")
    return "\n".join(rows)


def _engine(stage: Stage, settings: Settings) -> str:
    if isinstance(stage, FrameStage):
        return "Spark"
    return _ENGINES[str(getattr(settings.runner, stage.name, stage.engine))]


def _docstring(stage: Stage) -> str:
    """Of the file that holds the stage."""
    module = sys.modules[(stage.build if isinstance(stage, FrameStage) else stage.kernel).__module__]
    return module.__doc__ or ""


def _written(stage: Stage) -> list[str]:
    """Tables, a whole schema of many as `schema.*`."""
    schemas: dict[str, list[str]] = {}
    for table in stage.writes:
        schemas.setdefault(table.split(".")[0], []).append(table)
    return [name for schema, tables in schemas.items() for name in ([f"{schema}.*"] if len(tables) > 3 else tables)]

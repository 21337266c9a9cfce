"""What a run was told, kept beside what it did: without it no later day could have the same results again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from jobs.engine.setting import Settings, validated
from lakehouse.delta.io import Lakehouse
from lakehouse.feeds.sources import SourceMapping

if TYPE_CHECKING:
    from jobs.context import RunContext

_TABLE = "ops.run_settings"


def record_settings(context: RunContext) -> None:
    """Note the run's settings and mapping, where they are not noted yet; limits may have changed since."""
    row = {
        "run_id": context.run.run_id,
        "config_hash": context.run.config_hash,
        "settings": json.dumps(context.settings.result_settings(), default=str, sort_keys=True),
        "mapping": context.mapping.model_dump_json(exclude_defaults=True),
    }
    known = _row(context.lakehouse, context.run.run_id)
    if known is None or any(known[name] != value for name, value in row.items()):
        context.lakehouse.upsert(_TABLE, [row | {"recorded_at": datetime.now(UTC)}])


def recorded_settings(lakehouse: Lakehouse, run_id: str) -> tuple[Settings, SourceMapping] | None:
    """The settings (engines as by default) and the mapping of a run; None where it noted none."""
    from jobs.settings import settings_type  # every model, which the pipeline's other callers may not need

    row = _row(lakehouse, run_id)
    if row is None:
        return None
    return validated(settings_type(), json.loads(row["settings"])), SourceMapping.model_validate_json(row["mapping"])


def _row(lakehouse: Lakehouse, run_id: str) -> dict[str, Any] | None:
    rows = lakehouse.read_arrow(_TABLE, filters=pc.field("run_id") == run_id).to_pylist()
    return rows[0] if rows else None


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, text) of nested settings; what is no text is written as JSON."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, default=str)

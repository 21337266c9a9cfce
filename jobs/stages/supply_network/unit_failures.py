"""What failed within the one unit of a stage that plans all series together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa


def failure_rows(failures: Sequence[tuple[str, str]], fallback: Mapping[str, str]) -> pa.Table:
    """Failures of the one unit by the id that each is about; several of one id are one."""
    words: dict[str, list[str]] = {}
    for unique_id, error in failures:
        words.setdefault(unique_id, []).append(error)
    return pa.table(
        {
            "id": pa.array(words, pa.string()),
            "error_class": pa.array(["ValueError"] * len(words), pa.string()),
            "error": pa.array(["; ".join(each) for each in words.values()], pa.string()),
            "fallback": pa.array([fallback.get(each, "as the policy wants it") for each in words], pa.string()),
        }
    )

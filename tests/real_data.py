"""Where the tests find the real data sets, which lie beside the project and are not part of it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "shared" / "data"


def find(name: str) -> Path:
    """Return the folder or file `name` of the real data; skip the calling test where it is absent."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"real data {name!r} is not at {path}")
    return path

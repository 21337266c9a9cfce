"""The stages, one file each, by capability. A file that says `STAGE = ...` is a stage, named as its file."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.engine.stage import Stage

_ROOT = Path(__file__).parent


def stage_modules() -> dict[str, str]:
    """Module of each stage by the stage's name, known without importing any."""
    found = {}
    for path in sorted(_ROOT.rglob("*.py")):
        if "\nSTAGE = " in path.read_text(encoding="utf-8"):
            parts = path.relative_to(_ROOT).with_suffix("").parts
            found[parts[-1]] = ".".join((__name__, *parts))
    return found


def load_stages() -> list[Stage]:
    """Every stage; importing them loads the libraries that their kernels need."""
    return [importlib.import_module(module).STAGE for module in stage_modules().values()]

"""The stages, one file each, by capability.

A file that says `STAGE = ...` is a stage, named as its file. A file named `<capability>_settings` declares settings.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.engine.setting import Setting
from jobs.engine.stage import UnitStage

if TYPE_CHECKING:
    from jobs.engine.stage import Stage

_ROOT = Path(__file__).parent


def stage_modules() -> dict[str, str]:
    """Module of each stage by the stage's name, known without importing any."""
    found = {}
    for path in sorted(_ROOT.rglob("*.py")):
        if "\nSTAGE = " in path.read_text(encoding="utf-8"):
            found[path.stem] = _module(path)
    return found


def _module(path: Path) -> str:
    return ".".join((__name__, *path.relative_to(_ROOT).with_suffix("").parts))


def stage_docstrings() -> dict[str, str]:
    """What the file of each stage says of it, by the stage's name, known without importing any."""
    found = {}
    for name, module in stage_modules().items():
        path = _ROOT.joinpath(*module.removeprefix(f"{__name__}.").split(".")).with_suffix(".py")
        found[name] = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or name
    return found


def first_sentence(docstring: str) -> str:
    """What a stage does, in a line: the first paragraph, without the stage's name before it and the stop behind it."""
    text = docstring.split("\n\n")[0].replace("\n", " ")
    return (text.partition(": ")[2] or text).rstrip(".")


def load_stages() -> list[Stage]:
    """Every stage; importing them loads the libraries that their kernels need."""
    return [importlib.import_module(module).STAGE for module in stage_modules().values()]


def stage_engines() -> dict[str, str]:
    """By stage whose engine settings may choose, the one that it has where they do not."""
    units = (stage for stage in load_stages() if isinstance(stage, UnitStage))
    return {stage.name: stage.engine for stage in units if not stage.keeps_engine}


def load_declarations() -> list[Setting[Any]]:
    """Every setting that a capability declares."""
    files = sorted(_ROOT.rglob("*_settings.py"))
    modules = (importlib.import_module(_module(path)) for path in files)
    return [value for module in modules for value in vars(module).values() if isinstance(value, Setting)]

"""The arrows between the packages, read from the imports of every module."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations, takewhile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("udfs", "lakehouse", "jobs")
FORBIDDEN = {
    "udfs": {"pyspark", "ray", "delta", "deltalake", "jobs", "lakehouse"},
    "lakehouse": {"ray", "torch", "jobs", "udfs"},
}
# What a table is, udfs may know: pyarrow alone stands behind it.
ALLOWED = {"udfs": ("lakehouse.schema",)}
MAY_IMPORT_JOBS = {"jobs", "tests", "notebooks", "shelfcast.py"}
NOT_SOURCE = {"build", "dist", "artifacts", "lake"}
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
MOST_STEPS = 2
COMPUTED = "a module whose name is computed"
# It finds the tables of every capability beside itself, so that adding one edits no list.
MAY_COMPUTE = {"lakehouse/schema/tables/__init__.py"}


def python_files(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__")) and f not in NOT_SOURCE)
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(".py"))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and module of each import wherever it stands, those by import functions included.

    A relative import cannot leave its top-level package, so it is not looked at.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
        elif isinstance(node, ast.Call) and _is_import_call(node.func):
            yield node.lineno, _named_module(node)


def _is_import_call(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in {"import_module", "__import__"}


def _named_module(call: ast.Call) -> str:
    argument = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "name"), None)
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value
    return COMPUTED  # it cannot be judged, so it is as bad as a forbidden one


def broken_arrows(root: Path) -> list[str]:
    """Every import that the plan of the house forbids, as `file:line imports name`."""
    found = []
    for path in python_files(root):
        package = path.relative_to(root).parts[0]
        forbidden = set(FORBIDDEN.get(package, set()))
        if package in FORBIDDEN and path.relative_to(root).as_posix() not in MAY_COMPUTE:
            forbidden.add(COMPUTED)
        if package not in MAY_IMPORT_JOBS:
            forbidden.add("jobs")
        for line, module in imported_names(parse(path)):
            name = module.split(".")[0] if module != COMPUTED else COMPUTED
            is_allowed = any(f"{module}.".startswith(f"{known}.") for known in ALLOWED.get(package, ()))
            if name in forbidden and not is_allowed:
                found.append(f"{path.relative_to(root)}:{line} imports {name}")
    return found


def long_pieces(root: Path) -> list[str]:
    """Files and functions of the three packages that no screen shows."""
    found = []
    for path in (p for p in python_files(root) if p.relative_to(root).parts[0] in PACKAGES):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_FILE_LINES:
            found.append(f"{path.relative_to(root)} has {lines} lines, at most {MAX_FILE_LINES}")
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                length = node.end_lineno - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    found.append(
                        f"{path.relative_to(root)}: {node.name} has {length} lines, at most {MAX_FUNCTION_LINES}"
                    )
    return found


def module_graph(root: Path) -> dict[str, set[str]]:
    """Modules of the three packages and those that each imports, for type checking alone too."""
    files = [path for path in python_files(root) if path.relative_to(root).parts[0] in PACKAGES]
    modules = {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in files}
    return {name: _imported_modules(parse(path), set(modules)) - {name} for name, path in modules.items()}


def _imported_modules(tree: ast.Module, modules: set[str]) -> set[str]:
    """Of `modules` those that a tree imports; `from package import name` is the module `name`, where there is one."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in full}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & modules


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Modules that import each other, however long the way round is; each circle sorted."""
    reach = {name: _reachable(graph, name) for name in graph}
    found = {frozenset({name, *(other for other in reach[name] if name in reach[other])}) for name in graph}
    return sorted(sorted(circle) for circle in found if len(circle) > 1)


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for name in graph[waiting.pop()] - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def namesakes(root: Path) -> list[str]:
    """Files of one name within two folders of each other: so many steps, up or down, lead from one to the other."""
    by_name: dict[str, list[Path]] = {}
    for path in python_files(root):
        if path.name != "__init__.py" and path.relative_to(root).parts[0] in PACKAGES:
            by_name.setdefault(path.name, []).append(path.relative_to(root))
    pairs = [pair for paths in by_name.values() for pair in combinations(paths, 2)]
    return [f"{one} and {other}" for one, other in pairs if _steps(one.parent, other.parent) <= MOST_STEPS]


def _steps(one: Path, other: Path) -> int:
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one.parts, other.parts, strict=False)))
    return len(one.parts) + len(other.parts) - 2 * shared


def test_no_arrow_is_broken() -> None:
    seen = {path.relative_to(ROOT).parts[0] for path in python_files(ROOT)}
    assert set(PACKAGES) <= seen, "a package is missing, so that the check would look at nothing"
    assert broken_arrows(ROOT) == []


def test_files_and_functions_fit_on_a_screen() -> None:
    assert long_pieces(ROOT) == []


def test_no_modules_import_each_other() -> None:
    graph = module_graph(ROOT)
    assert len(graph) > 250, "a package is missing, so that the check would look at nothing"
    assert circles(graph) == []


def test_no_two_files_have_one_name_close_to_each_other() -> None:
    assert namesakes(ROOT) == []


def test_the_check_sees_a_circle_however_it_is_hidden(tmp_path: Path) -> None:
    sources = {
        "jobs/a.py": "from jobs.engine import b",
        "jobs/engine/__init__.py": "",
        "jobs/engine/b.py": "def f():\n    import udfs.c",
        "udfs/c.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from jobs.a import A",
        "udfs/d.py": "import udfs.c",
    }
    for file, source in sources.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{source}\n", encoding="utf-8")
    assert circles(module_graph(tmp_path)) == [["jobs.a", "jobs.engine.b", "udfs.c"]]


def test_the_check_sees_namesakes_that_are_neighbours(tmp_path: Path) -> None:
    for file in ("udfs/a/x.py", "udfs/b/x.py", "udfs/a/c/d/x.py", "jobs/a/x.py", "udfs/a/y.py", "udfs/a/c/y.py"):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    close = {"udfs/a/x.py and udfs/b/x.py", "udfs/a/x.py and udfs/a/c/d/x.py", "udfs/a/y.py and udfs/a/c/y.py"}
    assert set(namesakes(tmp_path)) == close


@pytest.mark.parametrize(
    ("file", "source", "name"),
    [
        ("udfs/a.py", "import pyspark.sql.functions as F", "pyspark"),
        ("udfs/forecasting/a.py", "def f():\n    from ray import remote\n    return remote", "ray"),
        ("udfs/a.py", "try:\n    import delta\nexcept ImportError:\n    pass", "delta"),
        ("udfs/a.py", "from deltalake import DeltaTable", "deltalake"),
        ("udfs/a.py", "from lakehouse.delta.io import Lakehouse", "lakehouse"),
        ("udfs/a.py", "from lakehouse import schema", "lakehouse"),
        ("udfs/a.py", "import importlib\nspark = importlib.import_module('pyspark.sql')", "pyspark"),
        ("udfs/a.py", "from importlib import import_module as m\nx = __import__('ray')", "ray"),
        ("udfs/a.py", "import importlib\nx = importlib.import_module('py' + 'spark')", COMPUTED),
        ("lakehouse/a.py", "import numpy, torch", "torch"),
        ("lakehouse/transforms/a.py", "from udfs import features", "udfs"),
        ("lakehouse/a.py", "if True:\n    import jobs.settings", "jobs"),
        ("conf/a.py", "from jobs import cli", "jobs"),
        ("setup.py", "import jobs", "jobs"),
    ],
)
def test_the_check_sees_a_forbidden_import(tmp_path: Path, file: str, source: str, name: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{source}\n", encoding="utf-8")
    found = broken_arrows(tmp_path)
    assert len(found) == 1
    assert found[0].startswith(f"{file}:")
    assert found[0].endswith(f" imports {name}")


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (
            "udfs/a.py",
            "import torch\nfrom lakehouse.schema.tables import contract\nfrom . import r\n# import pyspark",
        ),
        ("lakehouse/a.py", "import pyspark, delta, deltalake"),
        ("jobs/a.py", "import ray, pyspark, lakehouse, udfs, jobs.settings"),
        ("tests/a.py", "import jobs, ray, pyspark"),
        ("notebooks/a.py", "from jobs import settings"),
    ],
)
def test_the_check_lets_the_plans_imports_pass(tmp_path: Path, file: str, source: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(f"{source}\n", encoding="utf-8")
    assert broken_arrows(tmp_path) == []


def test_the_check_sees_what_is_too_long(tmp_path: Path) -> None:
    (tmp_path / "udfs").mkdir()
    body = "\n".join("    x = 1" for _ in range(MAX_FUNCTION_LINES))
    (tmp_path / "udfs" / "a.py").write_text(f"def f():\n{body}\n" + "\n" * MAX_FILE_LINES, encoding="utf-8")
    found = long_pieces(tmp_path)
    assert len(found) == 2
    assert "f has 61 lines" in found[1]


def test_udfs_run_without_any_engine_loaded() -> None:
    """What an import statement cannot show: a library that pulls in an engine behind our back."""
    program = (
        "import importlib, pkgutil, sys, udfs\n"
        "names = [m.name for m in pkgutil.walk_packages(udfs.__path__, 'udfs.')]\n"
        "for name in names: importlib.import_module(name)\n"
        "engines = {'pyspark', 'ray', 'delta', 'deltalake', 'lakehouse.delta', 'lakehouse.feeds', 'jobs'}\n"
        "loaded = sorted(engines & set(sys.modules))\n"
        "print(len(names), loaded)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    count, loaded = done.stdout.strip().split(" ", 1)
    assert int(count) > 10
    assert loaded == "[]"

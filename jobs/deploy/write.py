"""`shelfcast deploy`: the files that another scheduler needs, in a folder."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from jobs.deploy.airflow_dag import dag_file
from jobs.deploy.bundle import FILES, bundle_of
from jobs.deploy.bundle_check import check_bundle
from jobs.deploy.deploy_settings import DeploySettings
from jobs.deploy.plan import NAME, Request
from jobs.deploy.yaml_text import as_yaml
from jobs.engine.stage import Stage
from lakehouse.delta import uri
from lakehouse.errors import ConfigError

_OF_RUNTIMES = ("numpy", "pandas", "pyarrow", "torch", "ray")
"""What an ML runtime has, in versions that fit its other parts."""


def write_bundle(to: Path, stages: Sequence[Stage], request: Request, settings: DeploySettings) -> list[Path]:
    """Write `databricks.yml`, what the tasks install, and copies of the mapping and settings that are files.

    Raises ConfigError where Databricks would refuse the bundle; nothing is written then.
    """
    files = [Path(file) for file in (request.source, request.conf) if file and file.endswith(".toml")]
    there = {str(file): f"{FILES}/{file.name}" for file in files}
    if len(set(there.values())) < len(files):
        raise ConfigError(f"expected files of different names, found {files[0]} and {files[1]}; rename one")
    moved = replace(
        request, source=there.get(request.source, request.source), conf=there.get(request.conf or "") or None
    )
    bundle = bundle_of(stages, moved, settings)
    check_bundle(bundle)
    requirements = _requirements()
    (to / "dist").mkdir(parents=True, exist_ok=True)
    copies = [Path(shutil.copy(file, to / file.name)) for file in files]
    return [
        _written(to / "databricks.yml", as_yaml(bundle)),
        _written(to / "requirements.txt", "".join(f"{line}\n" for line in requirements)),
        *copies,
    ]


def write_dag(to: Path, stages: Sequence[Stage], request: Request, settings: DeploySettings) -> list[Path]:
    """Write the DAG's file; its tasks call the script beside this Python, wherever Airflow runs them."""
    script = Path(sys.executable).with_name(NAME)
    if not script.exists():
        raise ConfigError(
            f"expected the script {script}, found none; install shelfcast into the environment of its own"
        )
    here = replace(
        request,
        source=str(Path(request.source).resolve()) if request.source.endswith(".toml") else request.source,
        input=str(Path(request.input).resolve()),
        lakehouse=uri.normal(request.lakehouse),
        conf=str(Path(request.conf).resolve()) if request.conf else None,
    )
    text = dag_file(stages, here, settings, script)
    to.mkdir(parents=True, exist_ok=True)
    return [_written(to / f"{NAME}_dag.py", text)]


def _requirements() -> list[str]:
    """What kernels need beside the wheel's own requirements and what every runtime has."""
    try:
        lines = requires(NAME) or []
    except PackageNotFoundError:
        lines = []
    found = [line.partition(";")[0].strip() for line in lines if 'extra == "kernels"' in line.replace("'", '"')]
    if not found:
        raise ConfigError("this copy of shelfcast is not installed as its pyproject.toml says; run `make setup`")
    return [line for line in found if not line.startswith(_OF_RUNTIMES)]


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path

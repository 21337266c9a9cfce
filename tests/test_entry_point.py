"""The command as it is installed: what a launcher that calls it sees, and what stands beside it under its names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import once

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]["shelfcast"]
LAUNCHER = (
    "import sys; from importlib.metadata import EntryPoint; EntryPoint('shelfcast', {!r}, 'x').load()(); print('green')"
)


def launched(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A platform's launcher: it loads the entry point, calls it and drops what it returns."""
    command = [sys.executable, "-c", LAUNCHER.format(SCRIPT), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=120, check=False)


def test_a_launcher_sees_success_as_a_plain_return() -> None:
    done = launched("describe", "gold.order_plan")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("green\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["order", "--source", "feed_layout", "--as-of", "2024-04-28"], 1, "has not succeeded yet"),
        (["ingest", "--source", "feed_layout", "--as-of", "2024-04-28"], 2, "give --input DIR"),
        (["order", "--as-of", "2024-04-28"], 2, "--source"),
    ],
)
def test_a_launcher_sees_what_failed(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    done = launched(*arguments, "--lakehouse", str(tmp_path / "lake"), "--quiet", cwd=tmp_path)
    assert done.returncode == code
    assert words in done.stderr
    assert "green" not in done.stdout


# -- the wheel ----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    builder = pytest.importorskip("hatchling.builders.wheel", reason="hatchling builds the wheel")

    def build(folder: Path) -> None:
        folder.mkdir()
        list(builder.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"]))

    return next(once(tmp_path_factory, "wheel", build).glob("*.whl"))


def plain_environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


@pytest.fixture(scope="module")
def venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment that holds the wheel alone."""
    folder = tmp_path_factory.mktemp("wheel") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, env=plain_environment())
    return folder


def site(venv: Path) -> Path:
    return next((venv / "lib").glob("python*/site-packages"))


@pytest.fixture
def engines(venv: Path) -> Iterator[Path]:
    """A line in it adds a folder that Python looks through after the environment's own; here what the wheel needs."""
    path = site(venv) / "beside.pth"
    path.write_text(f"{sysconfig.get_paths()['purelib']}\n", encoding="utf-8")
    yield path
    path.unlink()


def called(venv: Path, cwd: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [str(venv / "bin" / "shelfcast"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=plain_environment() | variables, timeout=120, check=False
    )


def is_refused(done: subprocess.CompletedProcess[str], *words: str) -> bool:
    """Whether one line was said, those words in it."""
    lines = done.stderr.splitlines()
    return done.returncode == 1 and len(lines) == 1 and not done.stdout and all(word in lines[0] for word in words)


def test_the_wheel_has_all_that_a_checkout_has(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"jobs/notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.py")} <= names
    assert {f"jobs/conf/{path.relative_to(ROOT / 'conf')}" for path in (ROOT / "conf").rglob("*.toml")} <= names
    code = (path for package in ("jobs", "lakehouse", "udfs") for path in (ROOT / package).rglob("*.py"))
    assert {str(path.relative_to(ROOT)) for path in code} | {"shelfcast.py"} <= names
    assert {name.split("/")[0].removesuffix(".py") for name in names if ".dist-info" not in name} == {
        "jobs",
        "lakehouse",
        "udfs",
        "shelfcast",
    }


def test_the_wheel_alone_says_which_extra_is_missing(venv: Path, tmp_path: Path) -> None:
    assert is_refused(called(venv, tmp_path, "models"), "is not installed", "pip install 'shelfcast[")


def test_the_base_leaves_a_runtimes_engines_alone(wheel: Path) -> None:
    metadata = zipfile.ZipFile(wheel).read("shelfcast-0.1.0.dist-info/METADATA").decode()
    base = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: ") and "extra ==" not in line]
    names = {line.split()[1].split(">")[0].split("=")[0].split("<")[0] for line in base}
    assert "pydantic" in names
    assert not names & {"pyspark", "delta-spark", "ray", "torch", "pandas", "pyarrow", "numpy", "scipy", "lightgbm"}


def foreign(folder: Path) -> Path:
    """A team's own folder, with modules of our names."""
    (folder / "jobs").mkdir(parents=True)
    (folder / "jobs" / "__init__.py").write_text("raise RuntimeError('not to be imported')\n", encoding="utf-8")
    (folder / "lakehouse.py").write_text("raise RuntimeError('not to be imported')\n", encoding="utf-8")
    return folder


@pytest.mark.usefixtures("engines")
def test_it_works_from_a_folder_with_jobs_of_its_own(venv: Path, tmp_path: Path) -> None:
    done = called(venv, foreign(tmp_path / "dags"), "models")
    assert done.returncode == 0, done.stderr
    assert {"trees", "lstm", "gru", "transformer", "auto"} <= set(done.stdout.split())


def test_it_works_where_packages_of_the_same_names_come_after_it(venv: Path, engines: Path, tmp_path: Path) -> None:
    with engines.open("a", encoding="utf-8") as file:
        file.write(f"{foreign(tmp_path / 'others')}\n")
    assert called(venv, tmp_path, "models").returncode == 0


def test_packages_that_come_before_it_are_named(venv: Path, tmp_path: Path) -> None:
    others = foreign(tmp_path / "others")
    done = called(venv, tmp_path, "models", PYTHONPATH=str(others))
    assert is_refused(done, f"found {others / 'jobs' / '__init__.py'}", f"in {site(venv).resolve()}", "PYTHONPATH")


def test_a_package_that_has_written_over_it_is_named(venv: Path, tmp_path: Path) -> None:
    theirs, info = site(venv) / "jobs" / "__init__.py", site(venv) / "jobs-2.1.dist-info"
    ours = theirs.read_text(encoding="utf-8")
    theirs.write_text("QUEUE = 'theirs'\n", encoding="utf-8")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: jobs\nVersion: 2.1\n", encoding="utf-8")
    (info / "RECORD").write_text("jobs/__init__.py,,\njobs-2.1.dist-info/METADATA,,\n", encoding="utf-8")
    done = called(venv, tmp_path, "models")
    theirs.unlink()
    shutil.rmtree(info)
    assert is_refused(done, "jobs/__init__.py is not the file that it installed", "(others that install `jobs`: jobs)")
    assert is_refused(called(venv, tmp_path, "models"), "expected its own package `jobs`")
    theirs.write_text(ours, encoding="utf-8")


# -- extras -------------------------------------------------------------------------------------------------------
BLOCKER = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


def without(tmp_path: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """`shelfcast stages`, which loads every stage, where some packages are not installed."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKER.format(names=set(names)), encoding="utf-8")
    command = [sys.executable, "-m", "shelfcast", "stages"]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=False)


def test_stages_are_known_without_ray(tmp_path: Path) -> None:
    done = without(tmp_path, "ray", "matplotlib", "IPython")
    assert done.returncode == 0, done.stderr
    assert "| publish | Spark |" in done.stdout


@pytest.mark.parametrize(
    ("name", "extra"), [("pyspark", "spark"), ("torch", "kernels"), ("numba", "kernels"), ("pyarrow", "local")]
)
def test_what_an_extra_brings_is_named_with_it(tmp_path: Path, name: str, extra: str) -> None:
    done = without(tmp_path, name)
    assert is_refused(done, f"the package {name} is not installed", f"pip install 'shelfcast[{extra}]'"), done.stderr

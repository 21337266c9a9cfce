"""The command `shelfcast`: sees to it that what it is about to import is its own, then hands over to `jobs.cli`.

`jobs`, `lakehouse` and `udfs` are names that others use too: packages on PyPI, a team's `dags/jobs`.
"""

from __future__ import annotations

import os
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("jobs", "lakehouse", "udfs")
_HOME = Path(__file__).resolve().parent


def main() -> None:
    """Run the command line. Raises SystemExit with its exit code where that is not 0.

    A platform's launcher, such as that of Databricks' wheel tasks, drops what an entry point returns and takes any
    SystemExit for a failure, that of code 0 too: so success is a plain return.
    """
    for fault in (*_found_elsewhere(), *_overwritten()):
        sys.exit(f"shelfcast: {fault}")
    if any(Path.cwd().joinpath(name).exists() for name in PACKAGES) and Path.cwd() != _HOME:
        os.environ["PYTHONSAFEPATH"] = "1"  # workers that start here shall not import what lies here
    from lakehouse.errors import engine_missing

    try:
        from jobs.cli import main as run
    except ModuleNotFoundError as error:
        sys.exit(f"shelfcast: {engine_missing(error)}")
    if code := run():
        raise SystemExit(code)


def _found_elsewhere() -> Iterator[str]:
    """What is wrong where Python finds a package of another house under one of our names."""
    for name in PACKAGES:
        spec = find_spec(name)
        found = spec.origin if spec else None  # None too for a folder without __init__.py
        if found is None or Path(found).resolve() != _HOME / name / "__init__.py":
            place = found or (list(spec.submodule_search_locations or []) if spec else "nothing")
            yield (
                f"expected its own package `{name}` in {_HOME}, found {place}; run it from another folder, take that "
                "one out of PYTHONPATH, or install shelfcast into an environment of its own"
            )


def _overwritten() -> Iterator[str]:
    """What is wrong where another distribution has written over a file that ours installed, or taken it away."""
    try:
        ours = distribution("shelfcast")
    except PackageNotFoundError:
        return
    if Path(str(ours.locate_file(Path(__file__).name))).resolve() != Path(__file__).resolve():
        return  # a checkout is run, whatever is installed beside it
    for file in ours.files or []:
        if file.suffix != ".py" or file.parts[0] not in PACKAGES or file.hash is None:
            continue
        path = Path(str(file.locate()))
        found = urlsafe_b64encode(sha256(path.read_bytes()).digest()).rstrip(b"=").decode() if path.exists() else None
        if found != file.hash.value:
            others = sorted(set(packages_distributions().get(file.parts[0], [])) - {"shelfcast"}) or ["none is known"]
            yield (
                f"{path} is {'gone' if found is None else 'not the file that it installed'} (others that install "
                f"`{file.parts[0]}`: {', '.join(others)}); install shelfcast into an environment of its own"
            )


if __name__ == "__main__":
    main()

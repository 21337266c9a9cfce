"""A training in a process of its own, so that a test can kill it: `python -m tests.jobs.train_tool SERIES STORAGE`."""

from __future__ import annotations

import sys
from pathlib import Path

from jobs.engine.training import train_network
from jobs.settings import RaySettings
from tests.udfs.forecasting.models.networks.stores import small
from udfs.forecasting.models.networks.network_spec import NetworkSpec

NAME = "killed"
SPEC: NetworkSpec = small(max_steps=400, evaluate_every=20, patience=100)
"""Long enough to be killed on its way."""


def main(series: str, storage: str) -> None:
    train_network(Path(series), SPEC, Path(storage), NAME, RaySettings(workers=1, object_store_mb=80))


if __name__ == "__main__":
    main(*sys.argv[1:])

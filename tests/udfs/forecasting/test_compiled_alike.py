"""A forecast must not depend on whether its kernels were compiled by this process or loaded from the cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FORECAST = """
import hashlib
from tests.udfs.forecasting.series import batch_of, mixed_series
from udfs.forecasting import registry
from udfs.forecasting.forecast_spec import ForecastSpec

batch = batch_of(mixed_series(400, n_days=140))
for name in ("theta", "ets", "tsb"):
    made = registry.make(name, ForecastSpec()).forecast(batch, 28, (0.1, 0.5, 0.9))
    numbers = b"".join(x.numpy().tobytes() for x in (made.mean_SH, made.sd_SH, made.quantile_SHQ))
    print(name, hashlib.sha256(numbers).hexdigest())
"""


@pytest.mark.slow
def test_compiled_here_or_loaded_the_forecasts_are_the_same_to_the_bit(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FORECAST]
    compiled, loaded = (
        subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert compiled == loaded
    assert len(compiled.splitlines()) == 3

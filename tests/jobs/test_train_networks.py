"""Training by Ray Train: the curve of one process, of two workers, of a killed training, of a second call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from jobs.engine.training import train_network
from jobs.settings import RaySettings
from lakehouse.errors import EngineError
from tests.jobs.train_tool import NAME, SPEC
from tests.udfs.forecasting.models.networks.stores import HORIZON, small, stores
from udfs.forecasting.models.networks.training import Training, fit
from udfs.forecasting.models.networks.windows import NetworkSeries

ROOT = Path(__file__).resolve().parents[2]
ONE, TWO = RaySettings(workers=1), RaySettings(workers=2)
SHORT = small(dropout=0.0, max_steps=60)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train") / "series"
    NetworkSeries.from_batch(stores()).save(folder)
    return folder


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)  # as a worker of one CPU has: sums then add up in the same order


@pytest.fixture(scope="module")
def one(series: Path) -> Training:
    """A training of one worker, kept beside the series under the name `one`."""
    return train_network(series, SHORT, series.parent, "one", ONE)


def means(training: Training) -> torch.Tensor:
    return training.model.forecast(stores(), HORIZON, (0.5,)).mean_SH


def checkpoints(storage: Path) -> list[Path]:
    return sorted((storage / NAME).glob("checkpoint_*/training.pt"))


def wait_for_checkpoints(training: subprocess.Popen[bytes], storage: Path) -> None:
    """Until two different checkpoints have been seen."""
    seen: set[Path] = set()
    deadline = time.monotonic() + 1200
    while len(seen) < 2:
        assert training.poll() is None, f"the training ended early: {training.communicate()[1].decode()[-3000:]}"
        assert time.monotonic() < deadline, f"no checkpoint in time under {storage}"
        seen |= set(checkpoints(storage))
        time.sleep(0.02)


def kill_with_children(process: subprocess.Popen[bytes]) -> None:
    """Kill -9 of the process, then of what it started."""
    family = psutil.Process(process.pid).children(recursive=True)
    assert family, "the training runs Ray's processes"
    process.send_signal(signal.SIGKILL)
    process.wait()
    for child in family:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=30)


@pytest.mark.slow
def test_a_killed_training_goes_on_along_the_same_curve(series: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.jobs.train_tool", str(series), str(tmp_path)]
    # So seldom that a report waits long: the training is still in its middle when it is killed.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "2"}
    killed = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        wait_for_checkpoints(killed, tmp_path)
    finally:
        kill_with_children(killed)
    left = [torch.load(path, weights_only=True)["step"] for path in checkpoints(tmp_path)]
    assert 0 < max(left) < SPEC.max_steps, "killed in the middle"

    resumed = train_network(series, SPEC, tmp_path, NAME, ONE).curve
    whole = fit(NetworkSeries.load(series), SPEC)
    assert len(resumed) == SPEC.max_steps // SPEC.evaluate_every
    assert resumed == whole.curve


@pytest.mark.slow
def test_two_workers_come_to_what_one_comes_to(series: Path, tmp_path: Path, one: Training) -> None:
    """Without dropout the two differ by rounding alone, for the batch of a step is the same."""
    alone = fit(NetworkSeries.load(series), SHORT)
    assert one.curve == alone.curve
    torch.testing.assert_close(means(one), means(alone), rtol=0, atol=0)

    two = train_network(series, SHORT, tmp_path, "two", TWO)
    assert [p.step for p in two.curve] == [p.step for p in alone.curve]
    for mine, theirs in zip(two.curve, alone.curve, strict=True):
        assert mine.training_loss == pytest.approx(theirs.training_loss, rel=1e-3)
        assert mine.held_out_loss == pytest.approx(theirs.held_out_loss, rel=1e-3)
    torch.testing.assert_close(means(two), means(alone), rtol=0.02, atol=0.02)


def written_at(folder: Path) -> dict[Path, int]:
    """When each checkpoint was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("training.pt")}


@pytest.mark.slow
def test_a_finished_training_is_returned_and_a_warm_start_begins_from_its_model(
    series: Path, tmp_path: Path, one: Training
) -> None:
    written = written_at(series.parent)
    again = train_network(series, SHORT, series.parent, "one", ONE)
    assert again.curve == one.curve
    torch.testing.assert_close(means(again), means(one), rtol=0, atol=0)
    assert written
    assert written_at(series.parent) == written

    one.model.save(tmp_path / "model")
    few = replace(small(), max_steps=10)  # with dropout
    warm = train_network(series, few, tmp_path, "tuesday", ONE, warm_start=tmp_path / "model")
    assert warm.curve == fit(NetworkSeries.load(series), few, warm_start=one.model).curve
    with pytest.raises(Exception, match="expected a checkpoint of the same spec"):
        train_network(series, small(hidden=20), series.parent, "one", replace_restarts(ONE))


def replace_restarts(settings: RaySettings) -> RaySettings:
    """The same settings, without another try."""
    return settings.model_copy(update={"max_restarts": 0})


@pytest.mark.slow
def test_workers_that_the_cluster_cannot_hold_are_refused(series: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"2 training workers ask for 999 CPU each; .*lower ray.workers or ray.cpus"):
        train_network(series, small(), tmp_path, "wide", RaySettings(workers=2, cpus_per_worker=999))
    with pytest.raises(EngineError, match=r"ask for 99 GPU each; .*lower ray.workers or ray.gpus_per_worker"):
        train_network(series, small(), tmp_path, "gpu", RaySettings(workers=1, gpus_per_worker=99))

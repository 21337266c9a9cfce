"""The examples of "Add a model" and "Add a policy", taken from their pages: registered, tested and run."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.compute as pc
import pytest

from jobs.pipeline import run_stages
from lakehouse.delta.io import Lakehouse
from tests.docs.pages import ROOT, titled
from tests.jobs.run_tool import copied, day, make_context
from tests.udfs.forecasting.series import batch_of
from tests.udfs.forecasting.test_registry import (
    test_every_model_gives_a_series_the_same_bits_in_any_batch as same_bits_in_any_batch,
)
from tests.udfs.forecasting.test_registry import test_every_model_keeps_its_promises as keeps_its_promises
from tests.udfs.inventory.policies.situations import situation, steady
from tests.udfs.inventory.policies.test_policy_registry import (
    test_every_candidate_of_a_series_hangs_on_that_series_alone as hangs_on_its_series_alone,
)
from udfs.contest.candidates import Registry
from udfs.forecasting import models, registry
from udfs.inventory import policies
from udfs.inventory.policies import policy_registry

MODEL, POLICY = "weekday_mean", "cover_days"


def placed(page: str, title: str, folder: Path, package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that a page shows, where Python finds it as a module of `package`, though it lies in `folder`."""
    assert not (ROOT / title).exists(), f"{title} is a file of the house by now; the page needs another example"
    (folder / Path(title).name).write_text(titled(page, title), encoding="utf-8")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])


def entered(page: str, title: str, of: ModuleType, known: Registry) -> str:
    """Register the entry that a page shows, read as the registry's file would read it; returns its name."""
    entry = eval(titled(page, title), dict(vars(of)))
    known.register(entry)
    return str(entry.name)


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    placed("add_model.md", "udfs/forecasting/models/weekday_mean.py", tmp_path, models, monkeypatch)
    placed("add_policy.md", "udfs/inventory/policies/cover_days.py", tmp_path, policies, monkeypatch)
    try:
        assert entered("add_model.md", "udfs/forecasting/registry.py", registry, registry.MODELS) == MODEL
        title = "udfs/inventory/policies/policy_registry.py"
        assert entered("add_policy.md", title, policy_registry, policy_registry.POLICIES) == POLICY
        yield
    finally:
        registry.unregister(MODEL)
        policy_registry.POLICIES.unregister(POLICY)


@pytest.mark.usefixtures("examples")
def test_the_model_keeps_what_every_model_promises_and_is_what_it_says() -> None:
    same_bits_in_any_batch(MODEL)
    keeps_its_promises(MODEL)
    week = np.array([10.0, 12, 14, 20, 40, 60, 5])
    model = import_module("udfs.forecasting.models.weekday_mean").WeekdayMean()
    forecast = model.forecast(batch_of({"a": np.tile(week, 12)}), 10, (0.5,))
    np.testing.assert_array_equal(forecast.mean_SH[0], np.resize(week, 10))


@pytest.mark.usefixtures("examples")
def test_the_policy_hangs_on_its_series_and_has_the_levels_that_it_says() -> None:
    hangs_on_its_series_alone()
    here = situation(steady(4.0))
    plan = policy_registry.plans_of([POLICY], here)[POLICY]
    days = here.protection_days[0] + 3.0
    assert plan.reorder_point_SH[0, 0] == 4.0 * days
    assert plan.order_up_to_SH[0, 0] == 4.0 * (days + 7.0)


@pytest.mark.usefixtures("examples")
def test_both_compete_in_a_run(featured: Lakehouse, tmp_path: Path) -> None:
    lake = copied(featured, tmp_path / "lake")
    context = make_context(
        None,
        lake,
        None,
        day(119),
        'forecast.regular_candidates=["ets","weekday_mean"]',
        'forecast.intermittent_candidates=["tsb","weekday_mean"]',
        'inventory.candidates=["cover_days"]',
    )
    run_stages(context, ["backtest", "calibrate", "forecast", "replay", "inventory"])
    run = pc.field("run_id") == context.run.run_id
    assert MODEL in lake.read_arrow("forecast.backtest", filters=run)["model"].to_pylist()
    assert POLICY in lake.read_arrow("inventory.replay", filters=run)["policy"].to_pylist()
    assert POLICY in lake.read_arrow("inventory.policy", filters=run)["policy"].to_pylist()

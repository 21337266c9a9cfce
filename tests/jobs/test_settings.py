"""Settings: laid over each other, checked whole, and hashed by what can change a result."""

from __future__ import annotations

import math
import re
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from jobs.context import run_id_of
from jobs.engine.stage import UnitStage
from jobs.settings import conf_dir, load_mapping, load_settings
from jobs.stages import load_stages
from jobs.stages.forecasting.forecasting_settings import HORIZON
from lakehouse.errors import ConfigError, ShelfcastError
from lakehouse.schema.tables import contract
from udfs.forecasting.choice.backtest_scores import DECIDING_SCORES, SCORES


def test_base_local_file_and_overrides_are_laid_over_each_other(tmp_path: Path) -> None:
    overlay = tmp_path / "mine.toml"
    overlay.write_text('horizon = 7\n[forecast]\nmodel = "ets"\n[spark]\nmaster = "local[1]"\n')
    settings = load_settings(overlay, ["horizon=21", "forecast.season_length=14"])
    assert (settings.horizon, settings.forecast.model, settings.forecast.season_length) == (21, "ets", 14)
    assert settings.spark.master == "local[1]"
    assert load_settings().horizon == 28


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("spark.master=local-cluster[2,1,1024]", lambda s: s.spark.master == "local-cluster[2,1,1024]"),
        ("ray.gpus_per_worker=0.25", lambda s: s.ray.gpus_per_worker == 0.25),
        ("trees.levels=[0.1, 0.5]", lambda s: s.trees.levels == (0.1, 0.5)),
        ("forecast.costs.ets=3", lambda s: s.forecast.costs == {"ets": 3.0}),
        ('spark.conf."spark.executor.memory"=8g', lambda s: s.spark.conf == {"spark.executor.memory": "8g"}),
        ("runner.order=ray", lambda s: s.runner.order == "ray"),
        ('ray.address="10.0.0.1:6379"', lambda s: s.ray.address == "10.0.0.1:6379"),
        ("lakehouse.catalog=main", lambda s: s.lakehouse.catalog == "main"),
        ("inventory.first_review=2024-01-03", lambda s: s.inventory.first_review == date(2024, 1, 3)),
        (" inventory.service_level = 0.9", lambda s: s.inventory.service_level == 0.9),
    ],
)
def test_an_override_is_a_toml_value_or_else_a_string(override: str, read: object) -> None:
    assert read(load_settings(None, [override]))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        # Whole numbers, numbers, texts and lists are told apart; nothing is turned into another.
        ("forecast.windows=2.5", r"forecast\.windows: expected a whole number, found 2\.5"),
        ("forecast.windows=2.0", r"forecast\.windows: expected a whole number, found 2\.0"),
        ("forecast.season_length=7.5", r"forecast\.season_length: expected a whole number, found 7\.5"),
        ('forecast.seed="x"', r"forecast\.seed: expected a whole number, found 'x'"),
        ('forecast.seed="3"', r"forecast\.seed: expected a whole number, found '3'"),
        ("forecast.max_members=1.5", r"forecast\.max_members: expected a whole number, found 1\.5"),
        ("forecast.min_history=true", r"forecast\.min_history: expected a whole number, found True"),
        ("forecast.min_gain=true", r"forecast\.min_gain: expected a number, found True"),
        ("trees.refit=1", r"trees\.refit: expected true or false, found 1"),
        ("forecast.model=3", r"forecast\.model: expected a text, found 3"),
        ("forecast.regular_candidates=ets", r"forecast\.regular_candidates: expected a list, found 'ets'"),
        ("inventory.candidates=s_s", r"inventory\.candidates: expected a list, found 's_s'"),
        ("trees.rows.features.lags=[1, 2.5]", r"trees\.rows\.features\.lags\[1\]: expected a whole number, found 2\.5"),
        ("inventory.review_days=1.5", r"inventory\.review_days: expected a whole number, found 1\.5"),
        ("network.layers=1.5", r"network\.layers: expected a whole number, found 1\.5"),
        ("network.horizon=7", r"network\.horizon: expected none, networks look `horizon` of the job ahead; found 7"),
        ("network.block=gru", r"network\.block: expected none, the candidates in \[forecast\] name .*found 'gru'"),
        ("network.hidden=true", r"network\.hidden: expected a whole number, found True"),
        ("horizon=true", "horizon: expected a whole number, found True"),
        ("horizon=2024-01-01", "horizon: expected a whole number, found '2024-01-01'"),
        # A section is a table of settings, and no key stands for a section.
        ("forecast=3", r"forecast: expected a table of settings, found 3"),
        ("forecast.costs=3", r"forecast\.costs: expected a table, found 3"),
        ("runner=local", r"runner: expected a table of settings, found 'local'"),
        ("horizon.days=3", r"horizon: expected a whole number, found a table"),
        # Names are known.
        (
            "forecast.model=nonsense",
            r"forecast\.model: expected one of arima, .*, yearly_profile, found 'nonsense'",
        ),
        ("forecast.model=", r"forecast\.model: expected one of .*, found ''"),
        ("forecast.benchmark=nonsense", r"forecast\.benchmark: expected one of arima, .*, found 'nonsense'"),
        ("forecast.benchmark=trees", r"forecast\.benchmark: expected one of .*, found 'trees'"),
        ("forecast.benchmark=auto", r"forecast\.benchmark: expected one of .*, found 'auto'"),
        ('forecast.regular_candidates=["ets", "etz"]', r"forecast\.regular_candidates: expected .*, found 'etz'"),
        ("forecast.costs.etz=3", r"forecast\.costs: expected .*, found 'etz'"),
        ('inventory.candidates=["s_s", "magic"]', r"inventory\.candidates: expected .*tuned_s_s.*, found 'magic'"),
        ("forecast.score=nonsense", r"forecast\.score: expected one of scaled_pinball, .*, found 'nonsense'"),
        ("forecast.device=banana", r"forecast: expected device auto, cpu, cuda or cuda:<n>, found 'banana'"),
        ("forecast.device=cuda:x", r"forecast: expected device auto, cpu, cuda or cuda:<n>, found 'cuda:x'"),
        # What would only be found out by a stage, hours later.
        ("forecast.score=bias", r"forecast\.score: expected one of .*lower is better.*, found 'bias'"),
        ("forecast.score=coverage_80", r"forecast\.score: expected one of .*, found 'coverage_80'"),
        (
            "forecast.quantiles=[0.1, 0.5]",
            r"forecast\.quantiles: expected \[0\.05, .*, 0\.99\], the columns of the tables, found \[0\.1, 0\.5\]",
        ),
        # Numbers that are none.
        ("max_failure_rate=nan", "max_failure_rate: expected .*, found nan"),
        ("ray.cpus_per_worker=inf", r"ray\.cpus_per_worker: expected a finite number, found inf"),
        ("ray.gpus_per_worker=nan", r"ray\.gpus_per_worker: expected .*, found nan"),
        ("network.learning_rate=nan", "network: expected learning_rate .*, found nan"),
        ("network.learning_rate=inf", "network: expected learning_rate .*, found inf"),
        ("network.level_power=nan", "network: expected level_power .*, found nan"),
        ("network.periods=[nan]", "network: expected periods .*, found .*nan"),
        ("forecast.member_tolerance=inf", "forecast: expected tolerance .*, found inf"),
        ("forecast.budget_seconds=nan", "forecast: expected a budget .*, found nan"),
        ("forecast.costs.ets=inf", "forecast: expected costs .*inf"),
        ("inventory.order_cost=inf", r"inventory\.order_cost: expected currency per order >= 0, found inf"),
        ("inventory.budget=nan", r"inventory\.budget: expected currency >= 0, found nan"),
        ("trees.learning_rate=nan", r"trees\.learning_rate: expected .*, found nan"),
        # Keys that nobody knows; the known ones are told.
        ("horizons=3", "horizons: no such setting .did you mean 'horizon'..; known: buckets, .*horizon, .*trees"),
        ("ray.gpu=1", r"ray\.gpu: no such setting; known: address, .*gpus_per_worker"),
        ("forecast.modle=ets", r"forecast\.modle: no such setting \(did you mean 'model'\?\); known: .*model"),
        (
            "trees.rows.features.lag=1",
            r"trees\.rows\.features\.lag: no such setting \(did you mean 'lags'\?\); known: lags, ",
        ),
        ("runner.ingests=ray", r"runner\.ingests: no such setting; known: backtest, .*train"),
        # Ranges.
        ("inventory.groups.X.shelf_life_days=0", r"groups\.X\.shelf_life_days: expected whole days >= 1, found 0"),
        ("inventory.groups.X.life=3", r"inventory\.groups\.X\.life: no such setting; known: .*shelf_life_days"),
        ('inventory.suppliers.A.review_weekdays=["Foo"]', r"suppliers\.A\.review_weekdays: expected weekdays such as"),
        ("inventory.service_level=1.5", r"inventory\.service_level: expected a probability .*, found 1\.5"),
        ("horizon=0", "horizon: expected at least 1, found 0"),
        ("buckets=5000", "buckets: expected at most 4096, found 5000"),
        ("horizon=soon", "horizon: expected a whole number, found 'soon'"),
        ("runner.forecast=dask", r"runner\.forecast: expected 'local', 'spark' or 'ray', found 'dask'"),
        ("ray.workers=-1", r"ray\.workers: expected at least 0, found -1"),
        # The words of an override.
        ("horizon", "--set expects key=value"),
        ("=3", "--set expects key=value"),
        ("hori zon=3", "--set expects key=value"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        load_settings(None, [override])
    assert "\n" not in str(refused.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match=r"forecast\.windows: .*; horizon: .*; modle: no such setting"):
        load_settings(None, ["horizon=0", "forecast.windows=x", "modle=3"])


def test_settings_know_every_stage_and_every_setting_that_a_stage_names() -> None:
    settings = load_settings()
    movable = {s.name: s.engine for s in load_stages() if isinstance(s, UnitStage) and s.name != "train_networks"}
    assert settings.runner.model_dump(exclude={"commit_every"}) == movable
    with pytest.raises(ConfigError, match=r"runner\.train_networks: no such setting"):
        load_settings(None, ["runner.train_networks=ray"])
    with pytest.raises(ConfigError, match=r"runner\.publish: no such setting"):
        load_settings(None, ["runner.publish=ray"])
    for stage in load_stages():
        assert list(settings.named(stage.settings, stage.ignores)) == list(stage.settings)
    assert HORIZON.of(settings) == settings.horizon


def test_an_unlimited_budget_can_be_said() -> None:
    assert load_settings(None, ["inventory.budget=inf", "inventory.capacity_qty=9"]).inventory.budget == math.inf
    assert load_settings(None, ["forecast.budget_seconds=inf"]).forecast.budget_seconds == math.inf


def test_every_score_that_may_decide_works_end_to_end() -> None:
    """A score that settings let pass is a column of forecast.backtest, and lower is better."""
    assert set(DECIDING_SCORES) < set(SCORES)
    table = contract("forecast.backtest").arrow_schema()
    for score in DECIDING_SCORES:
        assert load_settings(None, [f"forecast.score={score}"]).forecast.score in table.names


def test_a_settings_file_that_is_not_there_or_not_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no settings file"):
        load_settings(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("horizon = = 3")
    with pytest.raises(ConfigError, match=r"bad\.toml:1: not valid TOML: .*horizon = = 3"):
        load_settings(tmp_path / "bad.toml")


def test_every_file_of_conf_is_valid() -> None:
    for path in sorted(conf_dir().glob("*.toml")):
        load_settings(path)
    sources = sorted(path.stem for path in (conf_dir() / "sources").glob("*.toml"))
    assert [load_mapping(name).name for name in sources] == sources
    with pytest.raises(ShelfcastError, match="nowhere"):
        load_mapping("nowhere")


def test_settings_are_frozen() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.horizon = 3  # type: ignore[misc]


def test_engines_do_not_change_the_run_but_whatever_changes_a_result_does() -> None:
    mapping = load_mapping("feed_layout")
    base = load_settings().config_hash(mapping)
    engines = ["spark.master=local[1]", "runner.forecast=local", "ray.workers=1", "forecast.device=cpu"]
    assert load_settings(conf_dir() / "cluster.toml").config_hash(mapping) == base
    assert load_settings(None, engines).config_hash(mapping) == base
    changes = ["horizon=7", "buckets=8", "forecast.model=ets", "inventory.service_level=0.9", "max_failure_rate=0.5"]
    changes += ["inventory.groups.X.shelf_life_days=3", "inventory.suppliers.A.review_days=3"]
    hashes = {load_settings(None, [change]).config_hash(mapping) for change in changes}
    assert len(hashes | {base, load_settings().config_hash(load_mapping("m5"))}) == len(changes) + 2
    assert run_id_of(date(2024, 2, 29), base) == f"20240229-{base[:10]}"


def test_a_wrong_setting_is_shown_where_it_was_set_last(tmp_path: Path) -> None:
    overlay = tmp_path / "mine.toml"
    overlay.write_text("horizon = 0\n[forecast]\nmodel = 'ets'\nwindows = 'x'\n[trees.rows]\nfeatures.lag = 1\n")
    with pytest.raises(ConfigError) as refused:
        load_settings(overlay, ["forecast.seed=x", "ray.workers=-1", "forecast.windows=2.5"])
    told = str(refused.value).replace(f"{tmp_path}/", "").removeprefix("settings are not valid: ").split("; ")
    assert [re.sub(r" found .* \(|: no such .*", " ", fault) for fault in told if "known" not in fault] == [
        "forecast.seed: expected a whole number, --set forecast.seed=x)",
        "forecast.windows: expected a whole number, --set forecast.windows=2.5)",
        "horizon: expected at least 1, mine.toml:1)",
        "ray.workers: expected at least 0, --set ray.workers=-1)",
        "trees.rows.features.lag ",
    ]
    assert told[-1].endswith("(mine.toml:6)")

"""Settings: TOML files laid over each other, checked once, frozen for the run.

Each capability declares its settings beside its stages; here are those of the engine, and the files.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache, reduce
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, field_validator, model_validator

import jobs
from jobs.deploy.deploy_settings import DeploySettings
from jobs.engine.setting import Section, Setting, Settings, settings_model, validated
from jobs.stages import load_declarations, stage_engines
from jobs.tracking.tracking_settings import TRACKING
from lakehouse.delta.session import SparkSettings
from lakehouse.delta.uri import use_storage_options
from lakehouse.errors import ConfigError
from lakehouse.faults import Fault
from lakehouse.feeds.sources import SourceMapping, load_source
from lakehouse.toml_file import Key, TomlFile


class LakehouseSettings(Section):
    """`catalog`: register tables there; None keeps them path-based.

    `storage_options`: the store's endpoint and credentials by the clouds' own names (AWS_ENDPOINT_URL, ...), where the
    environment does not have them.
    """

    catalog: str | None = None
    storage_options: dict[str, SecretStr] = Field(default_factory=dict)

    @field_validator("storage_options", mode="before")
    @classmethod
    def _as_text(cls, options: Any) -> Any:
        # A key that happens to be a number is text too; and no error shall show a value.
        return {name: str(value) for name, value in options.items()} if isinstance(options, dict) else {}

    def use_store(self) -> None:
        """Let this process and those that it starts reach the store."""
        use_storage_options({name: value.get_secret_value() for name, value in self.storage_options.items()})


class RaySettings(Section):
    """The Ray cluster to use (`address`, None starts one here) and what each worker asks of it.

    `on_spark`: start one on the machines of the Spark cluster, for as long as a stage of Ray's runs.
    `training_dir`: where trainings keep checkpoints, a folder that every node sees; None is inside a local lakehouse,
    or for a remote one a temporary folder, which a cluster (`address`) would not see and which is then refused.
    """

    address: str | None = None
    workers: int = Field(default=0, ge=0)
    cpus_per_worker: float = Field(default=1.0, gt=0)
    gpus_per_worker: float = Field(default=0.0, ge=0)
    max_restarts: int = Field(default=3, ge=0)
    max_task_retries: int = Field(default=3, ge=0)
    object_store_mb: int = Field(default=200, ge=80)
    training_dir: str | None = None
    on_spark: bool = False

    @model_validator(mode="after")
    def _is_one_cluster(self) -> Self:
        if self.on_spark and self.address:
            raise ValueError(f"expected either on_spark or an address, found both (address = {self.address!r})")
        return self


BUCKETS: Setting[int] = Setting(
    "buckets", int, "units of work; fixed for the life of a lakehouse", default=32, ge=1, le=4096
)
MAX_FAILURE_RATE: Setting[float] = Setting(
    "max_failure_rate", float, "share of its series that a stage may lose", default=0.01, ge=0, le=1
)
MAX_SALES_LAG_DAYS: Setting[int] = Setting(
    "max_sales_lag_days",
    int,
    "days that the sales feed may end before the as-of day; later is refused",
    default=7,
    ge=0,
    changes_results=False,
)
LAKEHOUSE = Setting("lakehouse", LakehouseSettings, "where tables are registered", changes_results=False)
SPARK = Setting("spark", SparkSettings, "the Spark session", changes_results=False)
RAY = Setting("ray", RaySettings, "the Ray cluster", changes_results=False)
DEPLOY = Setting("deploy", DeploySettings, "the schedule that other schedulers get", changes_results=False)


@cache
def settings_type() -> type[Settings]:
    """The model of all settings: those above, and what the capabilities declare beside their stages."""
    own = (BUCKETS, MAX_FAILURE_RATE, MAX_SALES_LAG_DAYS, LAKEHOUSE, SPARK, RAY, DEPLOY, TRACKING)
    return settings_model((*own, *load_declarations()), stage_engines())


def conf_dir() -> Path:
    """The folder of configuration: beside the packages in a checkout, inside `jobs` in an installed wheel."""
    package = Path(jobs.__file__).parent
    for folder in (package.parent / "conf", package / "conf"):
        if (folder / "base.toml").is_file():
            return folder
    raise ConfigError(f"no conf/base.toml beside {package}; reinstall shelfcast or run it from a checkout")


BASE = ("base.toml", "festivals.toml")
"""What every environment shares."""


def load_settings(overlay: Path | None = None, overrides: list[str] | None = None) -> Settings:
    """`BASE`, then `overlay` (conf/local.toml by default), then `key=value` overrides such as forecast.model=ets.

    Raises ConfigError that names every key that is unknown or wrong, what was expected and what was found.
    """
    folder = conf_dir()
    files = [_read_toml(folder / name) for name in BASE] + [_read_toml(overlay or folder / "local.toml")]
    said = [(override, _parse_override(override)) for override in overrides or []]
    values = reduce(_merged, [*(file.values for file in files), *(table for _, table in said)])

    def place(fault: Fault) -> str:
        """Where the key was set last, or the nearest table around it."""
        for length in range(len(fault.path), 0, -1):
            path = fault.path[:length]
            for override, table in reversed(said):
                if _has(table, path):
                    return f"--set {override}"
            for file in reversed(files):
                if path in file.lines:
                    return file.place(path)
        return str(files[-1].path)

    return validated(settings_type(), values, place)


def load_mapping(source: str) -> SourceMapping:
    """The mapping of a source: a name in conf/sources, or the path of a TOML file."""
    path = Path(source)
    if path.suffix == ".toml":
        return load_source(path)
    if Path(f"{source}.toml").is_file() and not (conf_dir() / "sources" / f"{source}.toml").is_file():
        raise ConfigError(f"a mapping of your own goes by its path; expected --source {source}.toml, found {source!r}")
    return load_source(conf_dir() / "sources" / f"{source}.toml")


def _read_toml(path: Path) -> TomlFile:
    if not Path(path).exists():
        raise ConfigError(f"no settings file {path}")
    return TomlFile.read(Path(path))


def _has(table: Any, path: Sequence[Key]) -> bool:
    return not path or (isinstance(table, dict) and path[0] in table and _has(table[path[0]], path[1:]))


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else value
    return result


def _parse_override(text: str) -> dict[str, Any]:
    """`a.b=value` as nested tables; the value is TOML where it parses (numbers, true, lists), else a string."""
    key, separator, raw = text.partition("=")
    try:
        table = tomllib.loads(f"{key} = 0") if separator else {}
    except tomllib.TOMLDecodeError:
        table = {}
    if not table:
        raise ConfigError(f"--set expects key=value, such as forecast.model=ets; found {text!r}")
    try:
        value: Any = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw
    return _with_leaf(table, value)


def _with_leaf(table: dict[str, Any], value: Any) -> dict[str, Any]:
    """The table of a single key, however deep, with its value."""
    return {key: _with_leaf(inner, value) if isinstance(inner, dict) else value for key, inner in table.items()}

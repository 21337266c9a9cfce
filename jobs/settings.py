"""Settings: TOML files laid over each other, checked once, frozen for the run."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

import jobs
from jobs.engine.hashing import digest
from lakehouse.delta.session import SparkSettings
from lakehouse.errors import ConfigError
from lakehouse.feeds.sources import SourceMapping, load_source
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.models.networks.network_spec import NetworkSpec
from udfs.forecasting.models.trees.tree_spec import TreeSpec
from udfs.inventory.inventory_spec import InventorySpec

RunnerName = Literal["local", "spark", "ray"]
# What does not change a result: where and how fast it is computed.
_ENGINE_SECTIONS = {"spark", "ray", "runner", "lakehouse"}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class LakehouseSettings(_Frozen):
    """`catalog`: register tables there; None keeps them path-based."""

    catalog: str | None = None


class RaySettings(_Frozen):
    """The Ray cluster to use (`address`, None starts one here) and what each worker asks of it.

    `training_dir`: where trainings keep checkpoints, a folder that every node sees; None is inside a local lakehouse.
    """

    address: str | None = None
    workers: int = Field(default=0, ge=0)
    cpus_per_worker: float = Field(default=1.0, gt=0)
    gpus_per_worker: float = Field(default=0.0, ge=0)
    max_restarts: int = Field(default=3, ge=0)
    max_task_retries: int = Field(default=3, ge=0)
    object_store_mb: int = Field(default=200, ge=80)
    training_dir: str | None = None


class RunnerSettings(_Frozen):
    """Which engine runs the bucket tasks of a stage, and how many buckets go into one commit."""

    features: RunnerName = "spark"
    train: RunnerName = "ray"
    train_networks: Literal["local"] = "local"
    backtest: RunnerName = "ray"
    calibrate: RunnerName = "ray"
    forecast: RunnerName = "ray"
    replay: RunnerName = "ray"
    inventory: RunnerName = "ray"
    order: RunnerName = "local"
    commit_every: int = Field(default=8, ge=1)


class Settings(_Frozen):
    """Everything a run is told. Sections `forecast`, `trees`, `network` and `inventory` are specs of `udfs`."""

    buckets: int = Field(default=32, ge=1, le=4096)
    horizon: int = Field(default=28, ge=1, le=366)
    replays: int = Field(default=3, ge=1, le=26)
    max_failure_rate: float = Field(default=0.01, ge=0, le=1)
    forecast: ForecastSpec = Field(default_factory=ForecastSpec)
    trees: TreeSpec = Field(default_factory=TreeSpec)
    network: NetworkSpec = Field(default_factory=NetworkSpec)
    inventory: InventorySpec = Field(default_factory=InventorySpec)
    runner: RunnerSettings = RunnerSettings()
    lakehouse: LakehouseSettings = LakehouseSettings()
    spark: SparkSettings = SparkSettings()
    ray: RaySettings = RaySettings()

    @field_validator("forecast", mode="before")
    @classmethod
    def _forecast_spec(cls, section: Any) -> Any:
        return _spec(ForecastSpec, section)

    @field_validator("trees", mode="before")
    @classmethod
    def _tree_spec(cls, section: Any) -> Any:
        return _spec(TreeSpec, section)

    @field_validator("network", mode="before")
    @classmethod
    def _network_spec(cls, section: Any) -> Any:
        return _spec(NetworkSpec, section)

    @field_validator("inventory", mode="before")
    @classmethod
    def _inventory_spec(cls, section: Any) -> Any:
        return _spec(InventorySpec, section)

    def result_settings(self) -> dict[str, Any]:
        """The settings that can change a result, as plain values; engines and devices do not count."""
        values = {name: _plain(getattr(self, name)) for name in type(self).model_fields if name not in _ENGINE_SECTIONS}
        values["forecast"].pop("device", None)
        return values

    def named(self, names: Sequence[str], ignores: Sequence[str] = ()) -> dict[str, Any]:
        """Those of `result_settings` that a stage names, without the fields (`section.field`) that it ignores."""
        known = self.result_settings()
        values = {name: dict(known[name]) if isinstance(known[name], dict) else known[name] for name in names}
        for path in ignores:
            section, _, name = path.partition(".")
            values[section].pop(name)
        return values

    def without_limits(self) -> Settings:
        """The same without the day's budget and capacity, which only cut what is wanted: a run can be cut anew."""
        unlimited = dataclasses.replace(self.inventory, budget=math.inf, capacity_qty=math.inf)
        return self.model_copy(update={"inventory": unlimited})

    def config_hash(self, mapping: SourceMapping) -> str:
        """Hash of the settings that can change a result but for the day's limits, and of the mapping."""
        return digest(self.without_limits().result_settings(), mapping.model_dump(mode="json"))


def _spec(kind: type, section: Any) -> Any:
    """A spec of `udfs` from a TOML section; the names of its fields are the known keys."""
    if isinstance(section, kind):
        return section
    known = {field.name for field in dataclasses.fields(kind)}
    unknown = sorted(set(section) - known)
    if unknown:
        raise ValueError(f"unknown keys {unknown}; the known keys are {sorted(known)}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in section.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def run_id_of(as_of: date, config_hash: str) -> str:
    """The run's name: the same day, pipeline, settings and mapping are the same run."""
    return f"{as_of:%Y%m%d}-{config_hash[:10]}"


def conf_dir() -> Path:
    """The folder of configuration: beside the packages in a checkout, inside `jobs` in an installed wheel."""
    package = Path(jobs.__file__).parent
    for folder in (package.parent / "conf", package / "conf"):
        if (folder / "base.toml").is_file():
            return folder
    raise ConfigError(f"no conf/base.toml beside {package}; reinstall shelfcast or run it from a checkout")


def load_settings(overlay: Path | None = None, overrides: list[str] | None = None) -> Settings:
    """base.toml, then `overlay` (conf/local.toml by default), then `key=value` overrides such as forecast.model=ets.

    Raises ConfigError naming the unknown or ill-typed key.
    """
    folder = conf_dir()
    values = _read_toml(folder / "base.toml")
    for path in (overlay or folder / "local.toml",):
        values = _merged(values, _read_toml(path))
    for override in overrides or []:
        values = _merged(values, _parse_override(override))
    try:
        return Settings(**values)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']} (found {e['input']!r})" for e in error.errors())
        raise ConfigError(f"settings are not valid: {faults}. See {folder / 'base.toml'} for the keys.") from error


def load_mapping(source: str) -> SourceMapping:
    """The mapping of a source: a name in conf/sources, or the path of a TOML file."""
    path = Path(source)
    return load_source(path if path.suffix == ".toml" else conf_dir() / "sources" / f"{source}.toml")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no settings file {path}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else value
    return result


def _parse_override(text: str) -> dict[str, Any]:
    """`a.b=value` as nested tables; the value is TOML where it parses (numbers, true, lists), else a string."""
    path, separator, raw = text.partition("=")
    if not separator or not path.strip():
        raise ConfigError(f"--set expects key=value, such as forecast.model=ets; found {text!r}")
    try:
        value: Any = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw
    for key in reversed(path.strip().split(".")):
        value = {key: value}
    return dict(value)

"""A setting is declared once, beside what it sets; the model of all settings is assembled from the declarations.

    HORIZON: Setting[int] = Setting("horizon", int, "days to forecast", default=28, ge=1, le=366)
    FORECAST: Setting[ForecastSpec] = Setting("forecast", ForecastSpec, "how series are forecast")

A section of `conf` is a frozen dataclass, of `udfs` or elsewhere, or a pydantic model; pydantic checks both by
themselves, strictly: 2.5 is no whole number, "3" no number and "ets" no list of names. What a section's fields may be
beyond their types its `__post_init__` says, by a ValueError.

A field of a dataclass may say by `metadata={"role": ...}` what it is to a run's identity: "engine", it changes no
result; "limit", it only cuts what is wanted, so that a run can be cut anew.

The assembled model has fields that no type checker can see: `settings.horizon` is `Any`. Code that wants the type asks
the declaration: `HORIZON.of(settings)` is an `int`, `FORECAST.of(settings)` a `ForecastSpec`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from jobs.engine.hashing import digest
from lakehouse.errors import ConfigError
from lakehouse.faults import Fault, faults_of
from lakehouse.feeds.sources import SourceMapping

T = TypeVar("T")
EngineName = Literal["local", "spark", "ray"]


class Section(BaseModel):
    """A table of `conf` that no dataclass of `udfs` stands for: frozen, of known keys, its numbers finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, eq=False)
class Setting(Generic[T]):
    """One key of `conf`, or one section.

    Attributes:
        name, meaning: the key, and what it is in a line.
        type: of the value; a section's is a dataclass or a pydantic model.
        default: None takes what `default_factory` makes.
        default_factory: None is the type itself: a section all of whose fields have defaults.
        ge, le: bounds of a number.
        check: what the value must be beyond its type, where only the job knows; raises ValueError "key: expected ...".
        changes_results: False for what only says where and how fast results are computed.
    """

    name: str
    type: Callable[..., T]
    meaning: str
    default: T | None = None
    default_factory: Callable[[], T] | None = None
    ge: float | None = None
    le: float | None = None
    check: Callable[[T], None] | None = None
    changes_results: bool = True

    def of(self, settings: Settings) -> T:
        """The value in a run's settings, typed."""
        value: T = getattr(settings, self.name)
        return value

    def field(self) -> tuple[Any, Any]:
        """Annotation and field for `pydantic.create_model`."""
        annotation: Any = Annotated[self.type, AfterValidator(self._checked)] if self.check else self.type
        options: dict[str, Any] = {"description": self.meaning, "ge": self.ge, "le": self.le}
        if self.type is float:
            options["allow_inf_nan"] = False
        if self.default is not None:
            return annotation, Field(default=self.default, **options)
        return annotation, Field(default_factory=self.default_factory or self.type, **options)

    def _checked(self, value: T) -> T:
        if self.check:
            self.check(value)
        return value


class Settings(BaseModel):
    """Everything that a run is told, frozen. `declared`: the settings that it was assembled from."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    declared: ClassVar[tuple[Setting[Any], ...]] = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def result_settings(self) -> dict[str, Any]:
        """The settings that can change a result, as plain values; engines and devices do not count."""
        return {s.name: _plain(getattr(self, s.name)) for s in self.declared if s.changes_results}

    def named(self, names: Sequence[str], ignores: Sequence[str] = ()) -> dict[str, Any]:
        """Those of `result_settings` that a stage names, without the fields (`section.field`) that it ignores."""
        known = self.result_settings()
        values = {name: dict(known[name]) if isinstance(known[name], dict) else known[name] for name in names}
        for path in ignores:
            section, _, name = path.partition(".")
            values[section].pop(name)
        return values

    def config_hash(self, mapping: SourceMapping) -> str:
        """Hash of what changes a result and is set otherwise than by default, but for limits, and of the mapping.

        A setting that another capability brings does not give all runs another name.
        """
        changed = _changed(self.without_limits().result_settings(), type(self)().result_settings())
        return digest(changed, mapping.model_dump(mode="json", exclude_defaults=True))

    def without_limits(self) -> Self:
        """The same without limits, such as a day's budget, which only cut what is wanted."""
        unlimited = {}
        for name in (setting.name for setting in self.declared):
            section = getattr(self, name)
            limits = {field.name: field.default for field in _fields(section) if field.metadata.get("role") == "limit"}
            if limits:
                unlimited[name] = dataclasses.replace(section, **limits)
        return self.model_copy(update=unlimited)


def settings_model(settings: Iterable[Setting[Any]], stage_engines: Mapping[str, str]) -> type[Settings]:
    """The model of all settings.

    Args:
        settings: of all stages; one that several stages name is named more than once.
        stage_engines: by stage that runs on an engine of choice, its default; they are the keys of `runner`.

    Raises:
        ValueError: two settings of one name.
    """
    declared: dict[str, Setting[Any]] = {}
    for setting in settings:
        if declared.setdefault(setting.name, setting) is not setting:
            raise ValueError(f"expected one setting of a name, found two called {setting.name!r}; share one")
    engines: dict[str, Any] = {name: (EngineName, engine) for name, engine in stage_engines.items()}
    engines["commit_every"] = (int, Field(default=8, ge=1))
    runner: Setting[Any] = Setting(
        "runner",
        create_model("RunnerSettings", __base__=Section, **engines),
        "which engine runs a stage, and how many units go into a commit",
        changes_results=False,
    )
    every = (*declared.values(), runner)
    fields: dict[str, Any] = {setting.name: setting.field() for setting in every}
    model: Any = create_model("Settings", __base__=Settings, **fields)
    model.declared = every
    assembled: type[Settings] = model
    return assembled


def validated(
    model: type[Settings], values: Mapping[str, Any], place: Callable[[Fault], str] | None = None
) -> Settings:
    """Settings from what TOML files say. Raises ConfigError that tells in one line all that is wrong.

    place: says where a faulty key was set.
    """
    try:
        # In JSON an array is a tuple and a table a section, while everything else is held to its type.
        return model.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        faults = sorted(faults_of(error, model, values, "setting"), key=str)
        words = "; ".join(f"{fault}{f' ({place(fault)})' if place else ''}" for fault in faults)
        raise ConfigError(f"settings are not valid: {words}") from None


def _fields(value: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()


def _changed(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from the defaults, section by section; of a table of free keys, those that are set."""
    found = {}
    for name, value in values.items():
        default = defaults.get(name)
        if name not in defaults or value != default:
            found[name] = _changed(value, default) if isinstance(value, dict) and isinstance(default, dict) else value
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    engine = {field.name for field in _fields(value) if field.metadata.get("role") == "engine"}
    return {name: plain for name, plain in dataclasses.asdict(value).items() if name not in engine}

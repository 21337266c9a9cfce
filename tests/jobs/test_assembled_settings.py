"""Settings assembled from declarations."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest

from jobs.engine.setting import Section, Setting, Settings, settings_model, validated
from jobs.settings import load_mapping
from lakehouse.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Price:
    """A section as `udfs` writes it: no pydantic in sight."""

    margin: float = 0.3
    steps: tuple[int, ...] = (1, 2)
    device: str = field(default="auto", metadata={"role": "engine"})
    budget: float = field(default=math.inf, metadata={"role": "limit"})

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1:
            raise ValueError(f"Price.margin: expected a share in [0, 1), found {self.margin}")


@dataclass(frozen=True, slots=True)
class Route:
    depots: int = 1
    capacity: float = field(default=40.0, metadata={"role": "limit"})


class Cluster(Section):
    address: str | None = None


def even(value: int) -> None:
    if value % 2:
        raise ValueError(f"expected an even number, found {value}")


DAYS: Setting[int] = Setting("days", int, "days ahead", default=28, ge=1, le=366, check=even)
PRICE: Setting[Price] = Setting("price", Price, "how prices are set")
CLUSTER: Setting[Cluster] = Setting("cluster", Cluster, "where", changes_results=False)
# Stages name what they read; two of them share the days.
MODEL: type[Settings] = settings_model([DAYS, PRICE, DAYS, CLUSTER], {"price": "ray", "route": "local"})


def read(**values: object) -> Settings:
    return validated(MODEL, values)


def test_declarations_make_the_model_and_give_typed_access() -> None:
    settings = read(price={"margin": 0.2, "steps": [3]}, runner={"route": "spark", "commit_every": 2})
    assert (settings.days, settings.price.steps, settings.cluster.address) == (28, (3,), None)
    assert DAYS.of(settings) + 1 == 29
    assert PRICE.of(settings) == Price(0.2, (3,))
    assert (settings.runner.price, settings.runner.route, settings.runner.commit_every) == ("ray", "spark", 2)
    assert MODEL.model_fields["days"].description == "days ahead"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"days": 3}, "days: expected an even number, found 3"),
        ({"days": 400}, "days: expected at most 366, found 400"),
        ({"price": {"margin": 2.0}}, r"price\.margin: expected a share in \[0, 1\), found 2\.0"),
        (
            {"price": {"margn": 2.0}},
            r"price\.margn: no such setting \(did you mean 'margin'\?\); known: budget, device, margin, steps",
        ),
        ({"runner": {"days": "ray"}}, r"runner\.days: no such setting; known: commit_every, price, route"),
        ({"cluster": {"address": 3}}, r"cluster\.address: expected a text, found 3"),
    ],
)
def test_what_breaks_a_declaration_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(**values)


def test_one_name_has_one_declaration() -> None:
    with pytest.raises(ValueError, match="found two called 'days'"):
        settings_model([DAYS, Setting("days", int, "other days", default=7)], {})


def test_a_field_says_what_it_is_to_the_identity_of_a_run() -> None:
    base = read().result_settings()
    assert base == {"days": 28, "price": {"margin": 0.3, "steps": (1, 2), "budget": math.inf}}
    assert read(price={"device": "cpu"}, cluster={"address": "x"}, runner={"price": "local"}).result_settings() == base
    limited = read(price={"budget": 9.0, "margin": 0.2})
    assert limited.result_settings()["price"]["budget"] == 9.0
    assert limited.without_limits().result_settings()["price"] == {"margin": 0.2, "steps": (1, 2), "budget": math.inf}
    assert limited.price.budget == 9.0


def test_a_setting_that_a_new_capability_brings_leaves_the_names_of_runs_as_they_are() -> None:
    mapping = load_mapping("feed_layout")
    wider = settings_model([DAYS, PRICE, CLUSTER, Setting("route", Route, "how vehicles drive")], {"price": "ray"})
    base = read().config_hash(mapping)
    assert validated(wider, {}).config_hash(mapping) == base
    assert validated(wider, {"route": {"capacity": 7.0}}).config_hash(mapping) == base, "a limit names no run"
    others = [{"route": {"depots": 2}}, {"days": 30}, {"price": {"margin": 0.2}}, {"price": {"steps": [3]}}]
    assert len({validated(wider, values).config_hash(mapping) for values in others} | {base}) == len(others) + 1
    assert read(price={"budget": 9.0}, cluster={"address": "x"}).config_hash(mapping) == base
    assert read(days=30).config_hash(mapping) == validated(wider, {"days": 30}).config_hash(mapping)

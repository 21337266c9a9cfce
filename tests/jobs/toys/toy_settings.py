"""The toys' settings, declared as any, and laid beside the house's."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.engine.setting import Setting, Settings, settings_model
from jobs.stages import stage_engines


@dataclass(frozen=True, slots=True)
class DepotSpec:
    """`capacity_qty`: units that a vehicle takes. It makes one stage's results anew, as a day's budget does, and is no
    part of the run's name: what the house has done stays done."""

    capacity_qty: float = field(default=40.0, metadata={"role": "limit"})


DEPOT_LOAD: Setting[DepotSpec] = Setting("depot_load", DepotSpec, "how parcels are loaded")


def with_toys(settings: Settings, capacity_qty: float = 40.0) -> Settings:
    """The house's settings and the toys'."""
    house = [setting for setting in settings.declared if setting.name != "runner"]
    model = settings_model((*house, DEPOT_LOAD), stage_engines())
    values = {setting.name: getattr(settings, setting.name) for setting in house}
    runner = settings.runner.model_dump()
    return model.model_validate(values | {"runner": runner, "depot_load": DepotSpec(capacity_qty)})

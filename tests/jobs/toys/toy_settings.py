"""The toys' settings, laid beside the house's."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from jobs.settings import Settings


@dataclass(frozen=True, slots=True)
class DepotSpec:
    """`capacity_qty`: units that a vehicle takes."""

    capacity_qty: float = 40.0


class ToySettings(Settings):
    """`depot_load` cuts what one stage makes anew, as a budget does: it is no part of the run's name."""

    depot_load: DepotSpec = Field(default_factory=DepotSpec)

    def without_limits(self) -> ToySettings:
        return super().without_limits().model_copy(update={"depot_load": DepotSpec()})


def with_toys(settings: Settings, capacity_qty: float = 40.0) -> ToySettings:
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    return ToySettings(**values, depot_load=DepotSpec(capacity_qty))

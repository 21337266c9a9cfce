"""The file of a network that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jobs.engine.hashing import digest
from jobs.stages.supply_network.supply_network_settings import NETWORK
from lakehouse.errors import ConfigError
from lakehouse.toml_file import TomlFile
from udfs.supply_network.network_map import NetworkMap

if TYPE_CHECKING:
    from jobs.context import RunContext


def network_of(context: RunContext) -> NetworkMap | None:
    """The network; None where none is named. Raises ConfigError that names the file and what is wrong with it."""
    if not NETWORK.of(context.settings).file:
        return None
    path = _path(context)
    try:
        return NetworkMap.of(TomlFile.read(path).values)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from None


def network_digest(context: RunContext) -> str:
    """Of the file's text; empty where none is named."""
    return digest(_path(context).read_text(encoding="utf-8")) if NETWORK.of(context.settings).file else ""


def _path(context: RunContext) -> Path:
    from jobs.settings import conf_dir  # every model, which the stages' other callers may not need

    name = NETWORK.of(context.settings).file
    path = Path(name) if name.endswith(".toml") else conf_dir() / "networks" / f"{name}.toml"
    if not path.is_file():
        raise ConfigError(
            f"network_plan.file: expected a name in conf/networks or the path of a .toml file, found {name!r}"
        )
    return path

"""Fitted models as bytes in a Delta table, so that workers anywhere read them as they read everything else."""

from __future__ import annotations

import io
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.schema.tables import contract
from udfs.forecasting import registry
from udfs.forecasting.choice.backtest import ForecasterSource, forecaster_at
from udfs.forecasting.festival_adjusted import FestivalAdjusted
from udfs.forecasting.forecast_spec import ForecastSpec
from udfs.forecasting.forecaster import Forecaster
from udfs.forecasting.weather_adjusted import WeatherAdjusted

TABLES = ("forecast.model", "forecast.network")


def pack(folder: Path) -> bytes:
    """The folder's files in one piece; equal files give equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = tarfile.TarInfo(str(path.relative_to(folder)))  # no clock, no owner
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(entry, file)
    return zlib.compress(buffer.getvalue(), 6)


def model_rows(table: str, *rows: tuple[Any, ...]) -> pa.Table:
    """Rows of `table` from (model, cutoff, series, artifact, seconds)."""
    schema = contract(table).arrow_schema(with_partitions=False)
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


@lru_cache(maxsize=32)
def load(name: str, artifact: bytes) -> Forecaster:
    """The model of a packed folder; a worker unpacks each once."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(zlib.decompress(artifact))) as archive:
            archive.extractall(folder, filter="data")
        return registry.load(name, Path(folder))


def fitted(inputs: Mapping[str, pa.Table]) -> dict[str, ForecasterSource]:
    """For every name that is fitted to all series what gives its model for a cutoff, from rows of `TABLES`: the one of
    the latest fit that is not after it. None where there is none: not trained, because it was not worth it or history
    was too short."""
    columns = ["model", "cutoff", "artifact"]
    rows = [row for name in TABLES if name in inputs for row in inputs[name].select(columns).to_pylist()]
    by_name: dict[str, dict[date, bytes]] = {name: {} for name in registry.fitted_names()}
    for row in rows:
        by_name[row["model"]][row["cutoff"]] = row["artifact"]

    def source(name: str, artifacts: dict[date, bytes]) -> Callable[[date], Forecaster | None]:
        def at(cutoff: date) -> Forecaster | None:
            fits = [day for day in artifacts if day <= cutoff]
            return load(name, artifacts[max(fits)]) if fits else None

        return at

    return {name: source(name, artifacts) for name, artifacts in by_name.items()}


def candidates_of(inputs: Mapping[str, pa.Table], spec: ForecastSpec) -> dict[str, ForecasterSource]:
    """`fitted`, and models that know no festivals, asked about demand as trees are: without what festivals and weather
    do, as these have learned it for the cutoff."""
    sources = fitted(inputs)

    def source(name: str) -> Callable[[date], Forecaster]:
        return lambda cutoff: _as_asked(registry.make(name, spec), forecaster_at(sources["trees"], cutoff))

    return sources | {name: source(name) for name in registry.names_without_festivals()}


def _as_asked(model: Forecaster, other: Forecaster | None) -> Forecaster:
    """A model behind the adjustments that another one has."""
    if isinstance(other, FestivalAdjusted | WeatherAdjusted):
        return replace(other, inner=_as_asked(model, other.inner))
    return model

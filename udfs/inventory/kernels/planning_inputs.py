"""Arrow tables of one bucket as arrays over series: what is known, what is assumed, and which series are unfit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from udfs.demand.demand_profile import DEMAND_CLASSES
from udfs.forecasting.forecast_spec import quantile_column
from udfs.forecasting.probability.error_correlation import Copula
from udfs.forecasting.probability.paths import PathSource
from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.inventory.demand_paths import DemandPaths
from udfs.inventory.supply import MOST

IdArray = NDArray[np.object_]
PATH_COLUMNS: Final = ("path_level", "path_season", "path_short", "path_decay")


class InventoryInputError(ValueError):
    """A series that cannot be planned; its subclasses say which input is at fault."""


class BadForecastError(InventoryInputError):
    """The forecast has missing, repeated or impossible days."""


class BadSupplyError(InventoryInputError):
    """The supply terms or the price are told twice."""


class BadStockError(InventoryInputError):
    """A count or an open order is told twice."""


Problems = dict[str, InventoryInputError]


@dataclass(frozen=True, slots=True)
class PathTerms:
    """What sample paths need beside the stored forecast: the levels of its quantiles, days of a season, the seed."""

    levels: tuple[float, ...]
    season_length: int = 7
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ForecastInput:
    """Forecasts of the S series that can be read, in order of unique_id.

    mean_SH, sd_SH, quantile_SHQ: units a day; `by_horizon` cuts off what lies beyond a series' own horizon. horizon_S:
    days that each was forecast for. path_S4: level, season, short and decay of the correlation of its errors.
    closed_SH: True on days on which nothing can be sold.
    """

    unique_id_S: IdArray
    mean_SH: FloatArray
    sd_SH: FloatArray
    quantile_SHQ: FloatArray
    horizon_S: NDArray[np.int64]
    path_S4: FloatArray
    model_S: IdArray
    is_fallback_S: BoolArray
    closed_SH: BoolArray

    def __len__(self) -> int:
        return len(self.unique_id_S)

    def take(self, rows: NDArray[np.int64]) -> ForecastInput:
        taken = {field.name: getattr(self, field.name)[rows] for field in fields(self)}
        horizon = int(taken["horizon_S"].max(initial=1))
        for name in ("mean_SH", "sd_SH", "quantile_SHQ", "closed_SH"):
            taken[name] = np.ascontiguousarray(taken[name][:, :horizon])
        return ForecastInput(**taken)

    def by_horizon(self) -> Iterator[NDArray[np.int64]]:
        """Rows of series with the same horizon: they are planned together, and none hangs on another's horizon."""
        for horizon in np.unique(self.horizon_S):
            yield np.flatnonzero(self.horizon_S == horizon)

    def paths(self, terms: PathTerms, n_paths: int) -> DemandPaths:
        """The sample paths that the forecast stands for: the same ones wherever they are drawn."""
        level_S, season_S, short_S, decay_S = (np.ascontiguousarray(x) for x in self.path_S4.T)
        copula = Copula(level_S, season_S, short_S, decay_S, terms.season_length)
        source = PathSource.prepare(
            self.unique_id_S,
            torch.from_numpy(self.mean_SH),
            torch.from_numpy(self.quantile_SHQ),
            terms.levels,
            copula,
            terms.seed,
        )
        return DemandPaths(source.draw(n_paths).numpy(), self.mean_SH)


def read_forecast(table: pa.Table, as_of: date, levels: tuple[float, ...]) -> tuple[ForecastInput, Problems]:
    """Forecast rows as arrays [S, H], and the unfit series.

    table: unique_id, model, ds, mean, sd, a quantile of each level (p05, ...), path_level, path_season, path_short,
    path_decay, optionally is_fallback, is_closed. A fit series has one row for each day from the day after `as_of`,
    mean and sd >= 0, and quantiles >= 0 that do not fall along the levels. Horizons may differ. Raises ValueError for a
    missing column or a NULL unique_id.
    """
    quantiles = [quantile_column(level) for level in levels]
    numbers = ["mean", "sd", *quantiles, *PATH_COLUMNS]
    frame = frame_of(table, "forecast", {**dict.fromkeys(numbers, pa.float64()), "model": pa.string()}, ("ds",))
    for flag in ("is_fallback", "is_closed"):
        frame[flag] = pc.fill_null(table[flag], False).to_numpy() if flag in table.column_names else False
    frame["day"] = frame["ds"] - day_number(as_of) - 1
    frame = frame.sort_values(["unique_id", "day"], kind="stable", ignore_index=True)
    code, ids = pd.factorize(frame["unique_id"])  # sorted already, so codes ascend
    count_S = np.bincount(code, minlength=len(ids))
    first_S = np.concatenate([[0], np.cumsum(count_S)[:-1]]).astype(np.int64)[: len(ids)]
    frame["code"], frame["rank"] = code, np.arange(len(frame)) - first_S[code]

    problems = _bad_forecasts(frame, as_of, quantiles)
    is_fit_S = ~np.isin(ids, list(problems))
    horizon_S = count_S[is_fit_S].astype(np.int64)
    day_H = np.arange(int(horizon_S.max(initial=1)))
    at_SH = first_S[is_fit_S][:, None] + np.minimum(day_H, horizon_S[:, None] - 1)
    first_rows = frame.iloc[first_S[is_fit_S]]
    return (
        ForecastInput(
            unique_id_S=np.asarray(ids, dtype=object)[is_fit_S],
            mean_SH=frame["mean"].to_numpy()[at_SH],
            sd_SH=frame["sd"].to_numpy()[at_SH],
            quantile_SHQ=np.ascontiguousarray(frame[quantiles].to_numpy()[at_SH]),
            horizon_S=horizon_S,
            path_S4=first_rows[list(PATH_COLUMNS)].to_numpy(dtype=np.float64),
            model_S=first_rows["model"].to_numpy(object),
            is_fallback_S=first_rows["is_fallback"].to_numpy(dtype=bool),
            closed_SH=frame["is_closed"].to_numpy(dtype=bool)[at_SH],
        ),
        problems,
    )


def class_of(classes: pa.Table) -> tuple[IdArray, NDArray[np.int64]]:
    """unique_id and index into `DEMAND_CLASSES` of each row (unique_id, demand_class)."""
    number = {name: k for k, name in enumerate(DEMAND_CLASSES)}
    names = classes["demand_class"].to_pylist()
    return classes["unique_id"].to_numpy(), np.array([number[name] for name in names], dtype=np.int64)


def classes_of(classes: pa.Table, unique_id_S: IdArray) -> NDArray[np.int64]:
    """Index into `DEMAND_CLASSES` of each series; a series without a row is `new`."""
    of = dict(zip(*class_of(classes), strict=True))
    return np.array([of.get(unique_id, DEMAND_CLASSES.index("new")) for unique_id in unique_id_S], dtype=np.int64)


def mean_daily_demand(forecast: ForecastInput) -> FloatArray:
    """Mean forecast demand per day of each series' own horizon, units, [S]."""
    # A running sum, read at the series' last day, is the same to the bit whatever the padding behind it.
    total_SH = forecast.mean_SH.cumsum(1)
    return np.asarray(total_SH[np.arange(len(forecast)), forecast.horizon_S - 1] / forecast.horizon_S)


def _bad_forecasts(frame: pd.DataFrame, as_of: date, quantiles: list[str]) -> Problems:
    """The series whose rows are not one per day from the day after as_of, or hold an impossible number."""
    problems: Problems = {}
    is_off = frame["day"].isna() | (frame["day"] != frame["rank"])
    for unique_id, rows in frame[frame["code"].isin(frame.loc[is_off, "code"])].groupby("unique_id", sort=False):
        problems[str(unique_id)] = BadForecastError(
            f"forecast: expected one row for each day after {as_of}, found {len(rows)} rows on "
            f"{rows['day'].nunique()} days, from day {rows['day'].min():g} to day {rows['day'].max():g} "
            "(the day after is day 0)"
        )
    mean, sd = frame["mean"].to_numpy(), frame["sd"].to_numpy()
    with np.errstate(invalid="ignore"):
        is_bad = ~((mean >= 0.0) & (mean <= MOST) & (sd >= 0.0) & (sd <= MOST))
        levels = frame[quantiles].to_numpy()
        is_crooked = ~((levels >= 0.0).all(1) & (levels <= MOST).all(1) & (np.diff(levels, axis=1) >= 0.0).all(1))
        parts = frame[list(PATH_COLUMNS)].to_numpy()
        is_uncorrelated = ~((parts >= 0.0).all(1) & (parts[:, :3].sum(1) <= 1.0) & (parts[:, 3] < 1.0))
    for record in frame[is_bad].drop_duplicates("unique_id").itertuples():
        problems.setdefault(
            str(record.unique_id),
            BadForecastError(
                f"forecast: expected mean and sd from 0 to {MOST:g} units a day, found mean {record.mean}, sd "
                f"{record.sd} on day {record.rank} after {as_of}"
            ),
        )
    for unique_id in frame["unique_id"][np.asarray(is_crooked)].drop_duplicates():
        problems.setdefault(
            str(unique_id),
            BadForecastError(f"forecast: expected quantiles from 0 to {MOST:g}, rising along the levels, found others"),
        )
    for unique_id in frame["unique_id"][np.asarray(is_uncorrelated)].drop_duplicates():
        problems.setdefault(
            str(unique_id),
            BadForecastError(
                "forecast: expected path_level, path_season and path_short >= 0 with a sum of at most 1 and path_decay "
                "in [0, 1), found others; take them from forecast.champion"
            ),
        )
    return problems


def frame_of(table: pa.Table, name: str, columns: dict[str, pa.DataType], days: tuple[str, ...] = ()) -> pd.DataFrame:
    """The named columns and unique_id as pandas, each with `<column>_is_null`; dates as day numbers (float)."""
    wanted = ["unique_id", *columns, *days]
    missing = [column for column in wanted if column not in table.column_names]
    if missing:
        raise ValueError(f"{name}: expected columns {wanted}, found {table.column_names}; missing {missing}")
    if table["unique_id"].null_count:
        raise ValueError(f"{name}: expected a unique_id in every row, found {table['unique_id'].null_count} NULL")
    data: dict[str, Any] = {"unique_id": table["unique_id"].cast(pa.string()).to_numpy()}
    for column, data_type in columns.items():
        data[column] = table[column].cast(data_type).to_numpy()
        data[f"{column}_is_null"] = table[column].is_null().to_numpy()
    for column in days:
        data[column] = table[column].cast(pa.date32()).cast(pa.int32()).cast(pa.float64()).to_numpy()
    return pd.DataFrame(data)


def one_row_each(
    frame: pd.DataFrame,
    unique_id_S: IdArray,
    name: str,
    error: type[InventoryInputError],
    problems: Problems,
) -> NDArray[np.int64]:
    """For each series the number of its row in the frame, -1 if it has none; several rows are a problem."""
    repeated = set(frame.loc[frame["unique_id"].duplicated(), "unique_id"])
    for unique_id in sorted(repeated.intersection(unique_id_S)):
        count = int((frame["unique_id"] == unique_id).sum())
        problems.setdefault(unique_id, error(f"{name}: expected one row per series, found {count}"))
    first = frame["unique_id"].drop_duplicates()
    position_S = pd.Index(first).get_indexer(pd.Index(unique_id_S))
    rows = np.append(first.index.to_numpy(dtype=np.int64), -1)
    return rows[position_S]  # position -1 reads the -1 at the end


def values_of(frame: pd.DataFrame, column: str, at_S: NDArray[np.int64]) -> tuple[FloatArray, BoolArray]:
    """The column's value for each series (NaN where it has no row) and where it is unknown (no row or NULL)."""
    values = np.append(frame[column].to_numpy(dtype=np.float64), np.nan)
    is_null = np.append(frame[f"{column}_is_null"].to_numpy(dtype=bool), True)
    return values[at_S], is_null[at_S]


def day_number(day: date) -> int:
    return int(np.datetime64(day, "D").astype(np.int64))

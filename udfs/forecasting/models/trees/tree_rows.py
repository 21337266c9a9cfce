"""Rows that a global regression learns from and forecasts with: one per series, origin and day of the horizon.

The origin O is the last day known. Statistics of demand are those of the daily feature table on the day after the
origin (`udfs.demand.features`), computed in the same order of additions: both agree to the bit; weekday means are taken
for the weekday of the target day, which for the first day of the horizon is again the table's. Prices, promotions and
events are those of the target day, known ahead. What series share is told by features of groups, where there are any.
NaN means not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from udfs.demand.features.sku_features import FeatureSpec
from udfs.forecasting.models.trees.group_features import GroupFeatures
from udfs.series.sku_batch import SkuBatch

CALENDAR = ("day_of_week", "day_of_month", "horizon_day")
SEASON_OF_YEAR = ("month", "week_of_year")


@dataclass(frozen=True, slots=True)
class RowSpec:
    """What a row holds.

    Attributes:
        features: lags and windows of demand.
        ratios: known covariates that are also given relative to their mean over `features.price_window` days up to
            the origin: prices.
        use_season_of_year: month and week of the year; over less than two years they only name the sample's own days.
    """

    features: FeatureSpec = field(default_factory=FeatureSpec)
    ratios: tuple[str, ...] = ("unit_price",)
    use_season_of_year: bool = False

    def demand_names(self) -> list[str]:
        """Columns that are the same for every day of the horizon."""
        names = [f"lag_{k}" for k in self.features.lags]
        for statistic in ("rolling_mean", "rolling_std", "zero_share"):
            names += [f"{statistic}_{w}" for w in self.features.windows]
        return [*names, "days_since_sale", "days_listed"]

    def calendar_names(self) -> list[str]:
        return [*CALENDAR, *(SEASON_OF_YEAR if self.use_season_of_year else ())]

    def names(self, known: tuple[str, ...], traits: tuple[str, ...], groups: tuple[str, ...] = ()) -> list[str]:
        """All columns, for a batch with these covariates and traits and features of groups; the traits come last."""
        weekday = [f"weekday_mean_{w}" for w in self.features.weekday_weeks]
        ratios = [
            f"{name.removeprefix('unit_')}_ratio_{self.features.price_window}" for name in self.ratios if name in known
        ]
        return [*self.demand_names(), *weekday, *self.calendar_names(), *groups, *known, *ratios, *traits]


def feature_rows(
    batch: SkuBatch, origin: int, horizon: int, spec: RowSpec, groups: GroupFeatures | None = None
) -> np.ndarray:
    """(S, H, F) float32 rows for the `horizon` days after the first `origin` days of the batch.

    Demand is read before `origin` alone, and features of groups as known then; columns are `spec.names(...)`.

    Raises:
        ValueError: an origin outside the batch or without features of groups, or covariates that end too early.
    """
    if not 0 < origin <= batch.n_days:
        raise ValueError(f"expected an origin from 1 to {batch.n_days}, the days of the batch, found {origin}")
    known = () if batch.known is None else batch.known.names
    if batch.known is not None and batch.known.values_SXK.shape[1] < origin + horizon:
        raise ValueError(
            f"expected known covariates for {origin + horizon} days, found {batch.known.values_SXK.shape[1]}; extend "
            "them over the horizon or leave them out"
        )
    traits = () if batch.traits is None else batch.traits.names
    of_groups = () if groups is None else groups.names
    rows_SHF = np.empty((len(batch), horizon, len(spec.names(known, traits, of_groups))), np.float32)
    y_TS, seen_TS = _window(batch, origin, spec)
    demand_FS = [*demand_statistics(y_TS, seen_TS, spec.features), *_recency(batch, origin)]
    at = _fill(rows_SHF, 0, [x_S[:, None] for x_S in demand_FS])
    at = _fill(rows_SHF, at, _weekday_means(y_TS, seen_TS, spec.features, horizon))
    last_day = day_of(batch, origin)
    at = _fill(rows_SHF, at, _calendar(last_day + timedelta(days=1), horizon, spec))
    if groups is not None:
        at = _fill(rows_SHF, at, groups.columns(batch, last_day, horizon))
    if batch.known is not None:
        values_SXK = batch.known.values_SXK.cpu().numpy()
        ahead_SHK = batch.known.ahead(origin, horizon).cpu().numpy()
        at = _fill(rows_SHF, at, [ahead_SHK[:, :, k] for k in range(len(known))])
        for name in (name for name in spec.ratios if name in known):
            k = known.index(name)
            past_S = _recent_mean(values_SXK[:, :origin, k], spec.features.price_window)
            at = _fill(rows_SHF, at, [ahead_SHK[:, :, k] / past_S[:, None]])
    if batch.traits is not None:
        codes_SC = batch.traits.codes_SC.cpu().numpy()
        _fill(rows_SHF, at, [codes_SC[:, c, None] for c in range(len(traits))])
    return rows_SHF


def day_of(batch: SkuBatch, origin: int) -> date:
    """The last day known after the first `origin` days of the batch."""
    return batch.cutoff - timedelta(days=batch.n_days - origin)


def demand_statistics(y_TS: np.ndarray, seen_TS: np.ndarray, spec: FeatureSpec) -> list[np.ndarray]:
    """Lags, means, sample standard deviations and shares of zeros of the last days, each (S,).

    Args:
        y_TS: time-major demand up to the origin, at least `spec.lookback_days` long, 0 where unseen.
        seen_TS: 1.0 where a day was observed, else 0.0.
    """
    lags = [np.where(seen_TS[-k] > 0, y_TS[-k], np.nan) for k in spec.lags]
    means, deviations, shares = [], [], []
    for window in spec.windows:
        total_S, n_S, zeros_S = (np.zeros(y_TS.shape[1]) for _ in range(3))
        for k in range(1, window + 1):
            total_S += y_TS[-k]
            n_S += seen_TS[-k]
            zeros_S += seen_TS[-k] * (y_TS[-k] == 0)
        mean_S = _divide(total_S, n_S)
        square_S = np.zeros_like(total_S)
        for k in range(1, window + 1):
            gap_S = np.where(seen_TS[-k] > 0, y_TS[-k] - mean_S, 0.0)
            square_S += gap_S * gap_S
        means.append(mean_S)
        deviations.append(np.sqrt(_divide(square_S, np.where(n_S > 1, n_S - 1, 0.0))))
        shares.append(_divide(zeros_S, n_S))
    return [*lags, *means, *deviations, *shares]


def _window(batch: SkuBatch, origin: int, spec: RowSpec) -> tuple[np.ndarray, np.ndarray]:
    """Demand and its mask of the look-back before `origin`, time-major; days before the batch are unseen."""
    days = spec.features.lookback_days
    y_TS = batch.y_ST[:, max(0, origin - days) : origin].cpu().numpy().T
    seen_TS = batch.mask_ST[:, max(0, origin - days) : origin].cpu().numpy().T
    missing = ((days - len(y_TS), 0), (0, 0))
    return np.pad(y_TS, missing), np.pad(seen_TS.astype(np.float64), missing)


def _recency(batch: SkuBatch, origin: int) -> list[np.ndarray]:
    """Days since the last sale, NaN where there is none, and days since the first observed day."""
    sold_ST = (batch.y_ST[:, :origin] > 0).cpu().numpy()
    seen_ST = batch.mask_ST[:, :origin].cpu().numpy()
    since_S = np.where(sold_ST.any(1), np.argmax(sold_ST[:, ::-1], axis=1) + 1.0, np.nan)
    listed_S = np.where(seen_ST.any(1), origin - np.argmax(seen_ST, axis=1), 0.0)
    return [since_S, listed_S]


def _weekday_means(y_TS: np.ndarray, seen_TS: np.ndarray, spec: FeatureSpec, horizon: int) -> list[np.ndarray]:
    """(S, H) means of the days 7, 14, ... before the target day that lie at or before the origin."""
    weekday_H = np.arange(horizon) % 7
    out = []
    for weeks in spec.weekday_weeks:
        mean_SW = np.empty((y_TS.shape[1], 7))
        for weekday in range(7):
            total_S, n_S = np.zeros(y_TS.shape[1]), np.zeros(y_TS.shape[1])
            for k in range(1, weeks + 1):
                total_S += y_TS[weekday - 7 * k]
                n_S += seen_TS[weekday - 7 * k]
            mean_SW[:, weekday] = _divide(total_S, n_S)
        out.append(mean_SW[:, weekday_H])
    return out


def _calendar(first_day: date, horizon: int, spec: RowSpec) -> list[np.ndarray]:
    """(1, H) each: ISO weekday (Monday is 1), day of the month, day of the horizon, and where asked month and week."""
    days = [first_day + timedelta(days=h) for h in range(horizon)]
    columns: list[list[int]] = [[d.isoweekday() for d in days], [d.day for d in days], list(range(1, horizon + 1))]
    if spec.use_season_of_year:
        columns += [[d.month for d in days], [d.isocalendar().week for d in days]]
    return [np.array(column, dtype=float)[None, :] for column in columns]


def _recent_mean(x_ST: np.ndarray, window: int) -> np.ndarray:
    """(S,) mean of the known values of the last `window` days; NaN where none is, or where it is not positive."""
    total_S, n_S = np.zeros(len(x_ST)), np.zeros(len(x_ST))
    for k in range(1, min(window, x_ST.shape[1]) + 1):
        known_S = ~np.isnan(x_ST[:, -k])
        total_S += np.where(known_S, x_ST[:, -k], 0.0)
        n_S += known_S
    mean_S = _divide(total_S, n_S)
    return np.where(mean_S > 0, mean_S, np.nan)


def _divide(total_S: np.ndarray, n_S: np.ndarray) -> np.ndarray:
    return np.divide(total_S, n_S, out=np.full_like(total_S, np.nan), where=n_S > 0)


def _fill(rows_SHF: np.ndarray, at: int, columns: list[np.ndarray]) -> int:
    for column in columns:
        rows_SHF[:, :, at] = column
        at += 1
    return at

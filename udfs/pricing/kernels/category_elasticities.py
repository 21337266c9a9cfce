"""A category's weeks of sales to rows of pricing.elasticity: own price, promotion, and the rivals in the same place."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from lakehouse.schema.tables import contract
from udfs.pricing.price_response import (
    Effects,
    FloatArray,
    IntArray,
    Prior,
    Response,
    ResponseRows,
    discount,
    estimate_counts,
)
from udfs.pricing.pricing_spec import PricingSpec

WEEKS: Final = ("category", "location_id", "unique_id", "age", "units", "unit_price", "promo_share", "days")
"""A week of a series: age in whole weeks before the as-of day, its units, mean price, share of promoted days, days."""
ROWS: Final = contract("pricing.elasticity").file_columns()
_LEAST_DAYS, _WEEK = 4, 7.0
_MOST_PRICE_RATIO = 20.0
_IS_PROMOTED = 0.5
_OWN_SHARE, _SHARED_SHARE, _MOVED = 0.5, 0.1, 1e-4


@dataclass(frozen=True, slots=True)
class _Panel:
    """The usable weeks of a category as regressors, its series in order, and each one's rivals (-1 for none)."""

    frame: pd.DataFrame
    unique_id_S: np.ndarray
    rows: ResponseRows
    rival_SK: IntArray


def effects_of(spec: PricingSpec) -> Effects:
    """Own price, promotion, each rival's price by its rank in sales, and how many of the rivals are promoted."""
    return Effects.of(("promotion",), [f"rival {k + 1}" for k in range(spec.rivals)], ("rival promotions",))


def usable_weeks(weeks: pd.DataFrame) -> pd.DataFrame:
    """Weeks that an answer can be learned from, in order of place, series and age: at least 4 days, units of 0 or more,
    a price above 0 and within a factor of 20 of the series' median."""
    price, units = weeks["unit_price"].to_numpy(float), weeks["units"].to_numpy(float)
    with np.errstate(invalid="ignore"):
        is_good = np.isfinite(price) & (price > 0) & np.isfinite(units) & (units >= 0) & (weeks["days"] >= _LEAST_DAYS)
    good = weeks[is_good]
    ratio = good["unit_price"] / good.groupby("unique_id")["unit_price"].transform("median")
    good = good[(ratio < _MOST_PRICE_RATIO) & (ratio > 1.0 / _MOST_PRICE_RATIO)]
    return good.sort_values(["location_id", "unique_id", "age"], ignore_index=True)


def prior_of(weeks: pd.DataFrame, spec: PricingSpec) -> Prior:
    """Effects of all, from the weeks of some places with some of their categories."""
    panel = _panel(weeks, spec)
    return estimate_counts(panel.rows, effects_of(spec)).all


def category_elasticities(weeks: pd.DataFrame, spec: PricingSpec, prior: Prior) -> pd.DataFrame:
    """Rows of pricing.elasticity (`ROWS`) of every series of one category.

    weeks: `WEEKS`, of all places. A series without a usable week has no row: nothing is known of its price.
    """
    panel = _panel(weeks, spec)
    if not len(panel.unique_id_S):
        return pd.DataFrame(columns=list(ROWS))
    found = estimate_counts(panel.rows, effects_of(spec), prior)
    series = _series(panel, found, spec)
    parts = [_rows(series, found, p, name, spec.least_weeks) for p, name in enumerate(("own", "promotion"))]
    for k in range(spec.rivals):
        at = np.flatnonzero(panel.rival_SK[:, k] >= 0)
        rival = panel.unique_id_S[panel.rival_SK[at, k]]
        parts.append(_rows(series, found, 2 + k, "cross", spec.least_weeks).iloc[at].assign(rival_id=rival))
    return pd.concat(parts, ignore_index=True)[list(ROWS)]


def _panel(weeks: pd.DataFrame, spec: PricingSpec) -> _Panel:
    frame = usable_weeks(weeks)
    code_R, ids = pd.factorize(frame["unique_id"])
    group_R, _ = pd.factorize(frame["category"].fillna(""), sort=True)
    log_price_R = np.log(frame["unit_price"].to_numpy(float))
    promo_R = (frame["promo_share"].fillna(0.0).to_numpy(float) >= _IS_PROMOTED).astype(float)
    first_S = np.searchsorted(code_R, np.arange(len(ids) + 1))
    usual_S = np.array([np.median(log_price_R[a:b]) for a, b in pairwise(first_S)])
    step_R = log_price_R - usual_S[code_R]
    rival_SK = np.full((len(ids), spec.rivals), -1, dtype=np.int64)
    x_RP = np.zeros((len(frame), 3 + spec.rivals))
    x_RP[:, 0], x_RP[:, 1] = step_R, promo_R
    value_R = frame["units"].to_numpy(float) * frame["unit_price"].to_numpy(float)
    market = frame.groupby(["category", "location_id"], dropna=False, sort=False).ngroup().to_numpy()
    for rows in (np.flatnonzero(market == m) for m in range(int(market.max(initial=-1)) + 1)):
        _rivals_of(rows, code_R, frame["age"].to_numpy(np.int64), step_R, promo_R, value_R, x_RP, rival_SK)
    units_R = frame["units"].to_numpy(float) * _WEEK / frame["days"].to_numpy(float)
    weight_R = discount(frame["age"].to_numpy(float), spec.half_life_weeks)
    group_S = group_R[first_S[:-1]].astype(np.int64)
    block_R = frame["age"].to_numpy(np.int64) // spec.level_weeks
    response = ResponseRows(first_S, x_RP, units_R, weight_R, group_S, block_R)
    return _Panel(frame, np.asarray(ids, object), response, rival_SK)


def _rivals_of(
    rows: IntArray,
    code_R: IntArray,
    age_R: IntArray,
    step_R: FloatArray,
    promo_R: FloatArray,
    value_R: FloatArray,
    x_RP: FloatArray,
    rival_SK: IntArray,
) -> None:
    """Fill the regressors of the rivals, and who they are, for the rows of one category in one place."""
    n_rivals = rival_SK.shape[1]
    here, at_R = np.unique(code_R[rows], return_inverse=True)
    if not n_rivals or len(here) < 2:
        return
    best = np.argsort(-np.bincount(at_R, value_R[rows], len(here)), kind="stable")[: n_rivals + 1]
    # A week without the rival counts as one at its usual price.
    step_AB = np.zeros((int(age_R[rows].max()) + 1, len(here)))
    promo_AB = np.zeros_like(step_AB)
    step_AB[age_R[rows], at_R], promo_AB[age_R[rows], at_R] = step_R[rows], promo_R[rows]
    for b in range(len(here)):
        mine, others = rows[at_R == b], best[best != b][:n_rivals]
        x_RP[mine, 2 : 2 + len(others)] = step_AB[age_R[mine]][:, others]
        x_RP[mine, -1] = promo_AB[age_R[mine]][:, others].sum(1)
        rival_SK[here[b], : len(others)] = here[others]


def _series(panel: _Panel, found: Response, spec: PricingSpec) -> pd.DataFrame:
    """What the rows of a series share."""
    by = panel.frame.assign(cents=panel.frame["unit_price"].round(2)).groupby("unique_id", sort=False)
    last = by.first()  # by age: the latest week
    usual = (
        panel.frame[panel.frame["promo_share"].fillna(0.0) < _IS_PROMOTED].groupby("unique_id")["unit_price"].median()
    )
    n_weeks = by.size().to_numpy()
    has_moved = bool((np.abs(panel.rows.x_RP[:, 0]) > _MOVED).any())
    known_S = np.where(n_weeks >= spec.least_weeks, found.known_SP[:, 0], 0.0)
    grade_S = np.select([known_S >= _OWN_SHARE, known_S >= _SHARED_SHARE], ["own", "shared"], "category")
    return pd.DataFrame(
        {
            "unique_id": panel.unique_id_S,
            "category": last["category"].to_numpy(),
            "location_id": last["location_id"].to_numpy(),
            "identification": grade_S if has_moved else "all",
            "n_weeks": n_weeks,
            "n_prices": by["cents"].nunique().to_numpy(),
            "unit_price": last["unit_price"].to_numpy(float),
            "usual_price": usual.reindex(last.index).fillna(last["unit_price"]).to_numpy(float),
            "is_promoted": last["promo_share"].fillna(0.0).to_numpy(float) >= _IS_PROMOTED,
        }
    )


def _rows(series: pd.DataFrame, found: Response, p: int, effect: str, least_weeks: int) -> pd.DataFrame:
    """A series with too few weeks takes its category's values."""
    is_short = (series["n_weeks"] < least_weeks).to_numpy()
    of_class, sd_class = found.mean_GP[0, p], found.sd_GP[0, p]
    return series.assign(
        effect=effect,
        rival_id=series["unique_id"],
        elasticity=np.where(is_short, of_class, found.effect_SP[:, p]),
        elasticity_se=np.where(is_short, sd_class, found.se_SP[:, p]),
        class_elasticity=of_class,
        known_share=np.where(is_short, 0.0, found.known_SP[:, p]),
    )

"""How gradient-boosted trees are grown.

The defaults come from windows of the M5 before those that its figures are reported for, 28 days after 2015-09-13,
2015-10-11, 2015-11-08 and 2015-12-06. Mean WRMSSE over seasonal naive's there: .675 with 24 origins and 0.4 million
rows, .671 with a Tweedie power of 1.3, .666 without short lags; 8 origins with 0.3 million rows did worse after
2015-09-13 (.707 against .649) and better after 2015-11-08 (.801 against .811). Differences below .01 are noise.

Trees of 255 leaves that see 40% of the columns, scaled towards totals, against 64 leaves that see 60%: .608 (.593)
after 2015-09-13, when there were 28 weeks to learn from, then .632 (.653), .777 (.782) and .735 (.749), in 1.2 times
the time; between them lie 127 leaves (.640 and .740 on the second and the last); 2.5 million rows without larger trees
gain nothing (.652, .748), 511 leaves or 1.6 million rows no more.

Features of groups (`group_features`) gained nothing there beside totals, on a third of the items: .756 without, .758
with the department's, .761 with the item's over all stores, .763 with these and the whole assortment's. A year has too
few origins to tell what all series share from what happened on those days; try them where there are more.
Prices relative to their maximum, their department's and days since a change: .754, which is noise too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from udfs.demand.features.sku_features import FeatureSpec
from udfs.forecasting.forecaster import check_request
from udfs.forecasting.models.trees.tree_rows import RowSpec

OBJECTIVES = ("tweedie", "poisson", "quantile")


@dataclass(frozen=True, slots=True)
class TreeSpec:
    """How trees are grown.

    Attributes:
        objective: "tweedie" or "poisson" fit the mean, and quantiles come from held-out errors in bins of level and
            dispersion; "quantile" fits the mean by Tweedie and one ensemble more for each of `levels`.
        tweedie_power: exponent p of the variance, mean^p; 1 is Poisson, 2 gamma.
        levels: quantile levels of the "quantile" objective; levels asked for between them are interpolated.
        rounds, leaves, learning_rate, min_rows_per_leaf: size of the ensemble.
        feature_share, bagging_share: columns a tree and rows a round sees.
        origins: how many training origins at most, `origin_step_days` apart, the last one a horizon before the
            cutoff, the first one no earlier than a horizon of history.
        max_rows: training rows at most; where there are more, an even share of them is drawn at random.
        max_trait_values: traits with more values, such as the item itself, are left out.
        categorical_known: known covariates whose values are codes without an order.
        rows: what a row holds.
        refit: grow again with the window that the errors of the quantiles came from.
        group_features: read what series share from `features.group_daily`.
        least_series: a lakehouse with fewer series trains none: there is too little to learn in common.
        cutoffs_per_fit: past cutoffs that one fit, made at the earliest, serves; the as-of day has its own.
        totals_weight: how far forecasts are scaled towards totals, 0 to 1; see `hierarchy.top_down`.
        least_group_series: series that a group with a total must have, on average over the groups.
        totals_covariates, totals_half_life_days: of the regression of totals.
        festival_lifts: learn from demand without what festivals and closures next door do to all series of a category,
            and put that back on the days ahead; see `udfs.forecasting.festival_adjusted`.
        seed, threads: the result is a function of both.
    """

    objective: str = "tweedie"
    tweedie_power: float = 1.3
    levels: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)
    rounds: int = 120
    leaves: int = 255
    learning_rate: float = 0.08
    min_rows_per_leaf: int = 50
    feature_share: float = 0.4
    bagging_share: float = 0.7
    origins: int = 40
    origin_step_days: int = 10
    max_rows: int = 1_000_000
    max_trait_values: int = 500
    categorical_known: tuple[str, ...] = ()
    rows: RowSpec = field(default_factory=lambda: RowSpec(features=FeatureSpec(lags=(1,), weekday_weeks=(8,))))
    refit: bool = True
    group_features: bool = False
    least_series: int = 100
    cutoffs_per_fit: int = 3
    totals_weight: float = 0.5
    least_group_series: int = 50
    totals_covariates: tuple[str, ...] = ("is_promo", "is_holiday", "is_event", "is_benefit_day")
    totals_half_life_days: float = 5.0
    festival_lifts: bool = True
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ValueError(f"TreeSpec.objective: expected one of {', '.join(OBJECTIVES)}, found {self.objective!r}")
        positive = ("rounds", "min_rows_per_leaf", "origins", "origin_step_days", "max_rows", "threads", "least_series")
        for name in (*positive, "cutoffs_per_fit", "least_group_series"):
            if getattr(self, name) < 1:
                raise ValueError(f"TreeSpec.{name}: expected at least 1, found {getattr(self, name)}")
        if self.leaves < 2:
            raise ValueError(f"TreeSpec.leaves: expected at least 2, found {self.leaves}")
        for name in ("learning_rate", "feature_share", "bagging_share"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"TreeSpec.{name}: expected more than 0 and at most 1, found {getattr(self, name)}")
        if not 1 < self.tweedie_power < 2:
            raise ValueError(f"TreeSpec.tweedie_power: expected between 1 and 2, found {self.tweedie_power}")
        if not 0 <= self.totals_weight <= 1:
            raise ValueError(f"TreeSpec.totals_weight: expected 0 to 1, found {self.totals_weight}")
        check_request(1, self.levels)

    def quantile_levels(self) -> tuple[float, ...]:
        """Levels that have trees of their own."""
        return self.levels if self.objective == "quantile" else ()

    def parameters(self) -> dict[str, Any]:
        """Parameters of LightGBM that do not depend on what is fitted."""
        return {
            "tweedie_variance_power": self.tweedie_power,
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_rows_per_leaf,
            "feature_fraction": self.feature_share,
            "bagging_fraction": self.bagging_share,
            "bagging_freq": 1,
            "num_threads": self.threads,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TreeSpec:
        """What `dataclasses.asdict` made, after a trip through JSON."""
        rows = _tuples(values["rows"])
        rows["features"] = FeatureSpec(**_tuples(rows["features"]))
        return cls(**(_tuples(values) | {"rows": RowSpec(**rows)}))


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

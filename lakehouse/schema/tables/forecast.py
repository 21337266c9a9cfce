"""Features, demand profiles, models, forecasts and what they scored."""

from __future__ import annotations

from lakehouse.schema.contract import Contract
from lakehouse.schema.tables.column_groups import CLASS_SUMS, QUANTILES

_BACKTEST_SCORES = (
    "rmsse",
    "mase",
    "wape",
    "scaled_pinball",
    "coverage_50",
    "coverage_80",
    "coverage_90",
    "mean_error",
)
_FEATURES = (
    *(f"lag_{n}" for n in (1, 7, 14, 28)),
    *(f"rolling_mean_{n}" for n in (7, 28, 56)),
    *(f"rolling_std_{n}" for n in (7, 28, 56)),
    *(f"zero_share_{n}" for n in (7, 28, 56)),
    "weekday_mean_4",
    "weekday_mean_8",
    "days_since_sale",
    "history_days",
    "unit_price",
    "price_ratio_28",
    "is_promo",
    "day_of_week",
    "week_of_year",
    "month",
    "is_month_end",
    "is_holiday",
    "is_event",
)

_FITTED = ("model", "cutoff", "series", "artifact", "seconds", "run_id", "unit")

CONTRACTS: tuple[Contract, ...] = (
    Contract(
        "features.sku_daily",
        "Features per series and day, each as known before ds (price, promotion and calendar are known ahead)",
        ("unique_id", "ds", "y", "y_latent", *_FEATURES, "bucket", "run_id"),
        ("unique_id", "ds"),
        ("bucket", "run_id"),
    ),
    Contract(
        "features.sku_profile",
        "Demand profile per series at the as-of day: intermittency class, season strength, history",
        (
            "unique_id",
            "demand_class",
            "adi",
            "cv2",
            "zero_share",
            "season_strength",
            "history_days",
            "first_sale_ds",
            "last_sale_ds",
            "mean_demand",
            "run_id",
            "bucket",
        ),
        ("unique_id", "run_id"),
        ("run_id", "bucket"),
    ),
    Contract(
        "forecast.demand",
        "Daily demand forecast: mean, error and quantiles per series, cutoff, model and day",
        ("unique_id", "cutoff", "model", "ds", "mean", "sd", *QUANTILES, "run_id", "bucket"),
        ("unique_id", "cutoff", "model", "ds", "run_id"),
        ("run_id", "bucket"),
    ),
    Contract(
        "forecast.champion",
        "The model chosen per series and cutoff, by what rule, against what runner-up",
        (
            "unique_id",
            "cutoff",
            "demand_class",
            "model",
            "rule",
            "runner_up",
            "score",
            "runner_up_score",
            "path_level",
            "path_season",
            "path_short",
            "path_decay",
            "doubts",
            "run_id",
            "bucket",
        ),
        ("unique_id", "cutoff", "run_id"),
        ("run_id", "bucket"),
    ),
    Contract(
        "forecast.model",
        "Models fitted to all series, one per cutoff: the files they consist of, packed",
        _FITTED,
        ("model", "cutoff", "run_id"),
        ("run_id", "unit"),
    ),
    Contract(
        "forecast.network",
        "Networks trained on all series, one per cutoff: the files they consist of, packed",
        _FITTED,
        ("model", "cutoff", "run_id"),
        ("run_id", "unit"),
    ),
    Contract(
        "forecast.backtest",
        "Scores of every candidate on past windows, per series, cutoff of the window and model",
        ("unique_id", "cutoff", "model", *_BACKTEST_SCORES, "n_days", "run_id", "bucket"),
        ("unique_id", "cutoff", "model", "run_id"),
        ("run_id", "bucket"),
    ),
    Contract(
        "forecast.class_summary",
        "Sums of the backtest's scores per cutoff of the forecast, demand class and model, to be added over buckets",
        ("cutoff", "demand_class", "model", *CLASS_SUMS, "total_errors", "run_id", "bucket"),
        ("cutoff", "demand_class", "model", "run_id", "bucket"),
        ("run_id", "bucket"),
    ),
    Contract(
        "forecast.error_summary",
        "Sums of the champions' past errors per cell, to be added over buckets: what calibrates quantiles and paths",
        ("cutoff", "kind", "cell", "demand_class", "horizon", "values", "run_id", "bucket"),
        ("cutoff", "kind", "cell", "run_id", "bucket"),
        ("run_id", "bucket"),
    ),
    Contract(
        "forecast.lead_time_demand",
        "Demand summed over the first days after the cutoff: mean, deviation and quantiles by number of days",
        ("unique_id", "cutoff", "days", "mean", "sd", *QUANTILES, "run_id", "bucket"),
        ("unique_id", "cutoff", "days", "run_id"),
        ("run_id", "bucket"),
    ),
)
